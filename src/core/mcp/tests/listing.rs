//! Lists: what a caller sees, and that a page is made once.

use std::rc::Rc;

use serde_json::json;

use super::super::error::INVALID_PARAMS;
use super::super::server::ListVersions;
use super::world::{Answered, Caller, principal};

fn names(answered: &Answered) -> Vec<&str> {
    let tools = answered.result()["tools"].as_array().unwrap();
    tools
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect()
}

#[test]
fn a_list_holds_what_the_caller_may_call() {
    let mut caller = Caller::new();
    let all = [
        "echo",
        "chatty",
        "asking",
        "endless",
        "deferring",
        "panicking",
    ];
    assert_eq!(names(&caller.modern("tools/list", json!({}))), all);
    assert_eq!(names(&caller.legacy("tools/list", &json!({}))), all);
    caller.principal = principal("bob", &[]);
    assert_eq!(
        names(&caller.modern("tools/list", json!({}))),
        ["echo", "asking", "endless", "deferring", "panicking"]
    );
    // The narrower list did not replace the wider one.
    caller.principal = principal("ann", &["tests:*"]);
    assert_eq!(names(&caller.modern("tools/list", json!({}))), all);
}

#[test]
fn each_era_has_its_own_fields() {
    let caller = Caller::new();
    let modern = caller.modern("tools/list", json!({}));
    assert_eq!(modern.result()["resultType"], "complete");
    assert_eq!(modern.result()["cacheScope"], "private");
    assert!(modern.result()["ttlMs"].is_u64());
    let legacy = caller.legacy("tools/list", &json!({}));
    for field in ["resultType", "cacheScope", "ttlMs", "_meta"] {
        assert!(legacy.result().get(field).is_none(), "{field}");
    }
    let tool = &legacy.result()["tools"][0];
    assert_eq!(tool["inputSchema"]["type"], "object");
    assert_eq!(tool["inputSchema"]["additionalProperties"], false);
    assert_eq!(tool["outputSchema"]["properties"]["word"]["type"], "string");
    assert_eq!(tool["annotations"]["readOnlyHint"], true);
}

#[test]
fn each_tool_names_its_scopes_and_gives_every_hint() {
    let caller = Caller::new();
    for listed in [
        caller.modern("tools/list", json!({})),
        caller.legacy("tools/list", &json!({})),
    ] {
        let tools = listed.result()["tools"].as_array().unwrap();
        for tool in tools {
            let scopes = match tool["name"].as_str() {
                Some("chatty") => json!(["tests:talk"]),
                _ => json!([]),
            };
            let schemes = json!([{ "type": "oauth2", "scopes": scopes }]);
            assert_eq!(tool["securitySchemes"], schemes);
            assert_eq!(tool["_meta"]["securitySchemes"], schemes);
            for hint in [
                "readOnlyHint",
                "destructiveHint",
                "idempotentHint",
                "openWorldHint",
            ] {
                assert!(tool["annotations"][hint].is_boolean(), "{hint}");
            }
        }
    }
}

#[test]
fn a_page_is_made_once_until_the_list_changes() {
    let caller = Caller::new();
    let page = |versions| {
        let listed = caller.server.list(
            "tools/list",
            super::super::era::Era::Modern,
            &serde_json::Map::new(),
            &caller.principal,
            versions,
        );
        listed.unwrap().unwrap()
    };
    let before = ListVersions::default();
    let first = page(before);
    assert!(Rc::ptr_eq(&first, &page(before)));
    let after = ListVersions { tools: 1, ..before };
    assert!(!Rc::ptr_eq(&first, &page(after)));
}

#[test]
fn a_cursor_of_another_list_is_refused() {
    let cursor = super::super::page::next("prompts/list", 0, 1000);
    let refused = Caller::new().modern("tools/list", json!({ "cursor": cursor }));
    assert_eq!((refused.status, refused.code()), (200, INVALID_PARAMS));
}

#[test]
fn a_page_past_the_end_is_refused() {
    let cursor = super::super::page::next("tools/list", 0, 1000);
    let refused = Caller::new().modern("tools/list", json!({ "cursor": cursor }));
    assert_eq!(refused.code(), INVALID_PARAMS);
}
