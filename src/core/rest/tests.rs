//! Paths, arguments and the document, over tools of every kind of operation.

use async_trait::async_trait;
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::*;
use crate::mcp::{Call, Hints, Reply, Tool, ToolError};
use crate::openapi::{Api, Further};

/// Of the things to list.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Colour {
    Red,
    Green,
}

#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is asked for")]
struct List {
    #[garde(skip)]
    limit: Option<u32>,
    #[garde(skip)]
    share: Option<f64>,
    #[garde(skip)]
    all: Option<bool>,
    #[garde(skip)]
    words: Vec<String>,
    #[garde(skip)]
    counts: Option<Vec<i64>>,
    #[garde(skip)]
    colour: Option<Colour>,
    /// Text or a number.
    #[garde(skip)]
    name: Option<String>,
}

#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is asked for")]
struct One {
    /// Which thing.
    #[garde(skip)]
    thing_id: String,
    #[garde(skip)]
    part: u32,
    #[garde(skip)]
    words: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Thing {
    name: String,
}

macro_rules! tool {
    ($tool:ident, $input:ty, $rest:expr) => {
        struct $tool;

        #[async_trait(?Send)]
        impl Tool<()> for $tool {
            type Input = $input;
            type Output = Thing;

            const ABOUT: About = About {
                name: stringify!($tool),
                title: "A thing",
                description: "Does it.",
                scopes: &["execution:read"],
                hints: Hints::READ,
                icon: None,
            };
            const REST: Option<Rest> = $rest;

            async fn call((): &(), _: &Call, _: $input) -> Result<Reply<Thing>, ToolError> {
                Err(ToolError::new("NONE", "only its schema is asked for"))
            }
        }
    };
}

tool!(Lists, List, Some(Rest::get("/api/v1/things")));
tool!(Creates, List, Some(Rest::create("/api/v1/things")));
tool!(
    Reads,
    One,
    Some(Rest::get("/api/v1/things/{thing_id}/parts/{part}"))
);
tool!(
    Changes,
    One,
    Some(Rest::patch("/api/v1/things/{thing_id}/parts/{part}"))
);
tool!(Elsewhere, One, None);

fn tools() -> Registry<()> {
    Registry::new()
        .with::<Lists>()
        .with::<Creates>()
        .with::<Reads>()
        .with::<Changes>()
        .with::<Elsewhere>()
}

fn operation<'a>(tools: &'a Registry<()>, name: &str) -> Operation<'a> {
    let found = tools.operations().find(|one| one.about.name == name);
    found.unwrap()
}

fn allowed(path: &str) -> Option<String> {
    Place::at(&tools(), path).map(|place| place.allow())
}

#[test]
fn a_path_is_known_by_its_segments() {
    let both = Some("GET, POST, HEAD, OPTIONS".to_owned());
    assert_eq!(allowed("/api/v1/things"), both);
    let one = Some("GET, PATCH, HEAD, OPTIONS".to_owned());
    assert_eq!(allowed("/api/v1/things/a/parts/1"), one);
    let document = Some("GET, HEAD, OPTIONS".to_owned());
    assert_eq!(allowed("/api/v1/openapi.json"), document);
    for path in [
        "/api/v1",
        "/api/v1/",
        "/api/v1/things/",
        "/api/v1/things/a",
        "/api/v1/things//parts/1",
        "/api/v1/things/a/parts/1/",
        "/api/v1/things/%ff/parts/1",
        "/api/v1/THINGS",
        "/things",
    ] {
        assert_eq!(allowed(path), None, "{path}");
    }
    let none = Registry::<()>::new().with::<Elsewhere>();
    assert!(Place::at(&none, "/api/v1/openapi.json").is_none());
}

#[test]
fn values_in_a_path_are_decoded() {
    let tools = tools();
    let place = Place::at(&tools, "/api/v1/things/a%2Fb%20%C3%A4+/parts/7");
    let Some(Place::Resource(held)) = place else {
        panic!("nothing there");
    };
    let (operation, path) = &held[0];
    assert_eq!(operation.about.name, "Reads");
    let mut fields = Map::new();
    join(&mut fields, &operation.schema("inputSchema"), path).unwrap();
    let expected = json!({ "thing_id": "a/b ä+", "part": 7 });
    assert_eq!(Value::Object(fields), expected);
}

#[test]
fn a_query_has_the_types_of_the_schema() {
    let tools = tools();
    let lists = operation(&tools, "Lists");
    let schema = lists.schema("inputSchema");
    let read = |query| from_query(&lists.rest, &schema, query).map(Value::Object);
    for (query, expected) in [
        ("", json!({})),
        ("limit=5", json!({ "limit": 5 })),
        ("limit=many", json!({ "limit": "many" })),
        ("limit=", json!({ "limit": "" })),
        ("limit=null", json!({ "limit": "null" })),
        ("share=0.5", json!({ "share": 0.5 })),
        ("all=true", json!({ "all": true })),
        ("all=[1]", json!({ "all": "[1]" })),
        ("words=5&words=a+b", json!({ "words": ["5", "a b"] })),
        (
            "counts=5&limit=1&counts=-6",
            json!({ "counts": [5, -6], "limit": 1 }),
        ),
        ("name=7&colour=red", json!({ "name": "7", "colour": "red" })),
        ("name=%22%26", json!({ "name": "\"&" })),
    ] {
        assert_eq!(read(query), Ok(expected), "{query}");
    }
    for (query, words) in [
        ("limit=1&limit=1", "\"limit\" comes twice"),
        (
            "Limit=1",
            "no query parameter \"Limit\" here, only limit, share",
        ),
        ("=1", "no query parameter \"\""),
    ] {
        let error = read(query).unwrap_err();
        assert!(error.contains(words), "{query}: {error}");
    }
}

#[test]
fn what_is_in_the_path_or_the_body_is_not_in_the_query() {
    let tools = tools();
    for (name, query, words) in [
        ("Reads", "thing_id=a", "here, only words"),
        ("Changes", "words=a", "send it in the body"),
        ("Changes", "part=1", "send it in the body"),
    ] {
        let found = operation(&tools, name);
        let error = from_query(&found.rest, &found.schema("inputSchema"), query).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_body_may_repeat_the_path_but_not_contradict_it() {
    let tools = tools();
    let schema = operation(&tools, "Changes").schema("inputSchema");
    let path = [("thing_id", "a".to_owned()), ("part", "7".to_owned())];
    let joined = |body: Value| {
        let mut fields = body.as_object().cloned().unwrap();
        join(&mut fields, &schema, &path).map(|()| Value::Object(fields))
    };
    let whole = json!({ "thing_id": "a", "part": 7, "words": "b" });
    assert_eq!(joined(json!({ "words": "b" })), Ok(whole.clone()));
    assert_eq!(joined(whole.clone()), Ok(whole));
    let error = joined(json!({ "part": 8 })).unwrap_err();
    assert!(
        error.starts_with("part is one thing in the path"),
        "{error}"
    );
    joined(json!({ "thing_id": null })).unwrap_err();
}

fn described(further: Option<Further>) -> Value {
    let tools = tools();
    let api = Api {
        title: "Test",
        origin: "https://mcp.example.com",
        issuer: Some("https://auth.example.com"),
    };
    document(&tools, &api, further)
}

#[test]
fn fields_are_described_where_they_are_sent() {
    let document = described(None);
    assert_eq!(document["openapi"], "3.1.0");
    let reads = &document["paths"]["/api/v1/things/{thing_id}/parts/{part}"]["get"];
    let expected = json!([
        { "name": "thing_id", "in": "path", "required": true, "description": "Which thing.",
          "schema": { "type": "string" } },
        { "name": "part", "in": "path", "required": true,
          "schema": { "type": "integer", "minimum": 0 } },
        { "name": "words", "in": "query", "schema": { "type": "string" } },
    ]);
    assert_eq!(reads["parameters"], expected);
    assert!(reads.get("requestBody").is_none());
    let changes = &document["paths"]["/api/v1/things/{thing_id}/parts/{part}"]["patch"];
    assert_eq!(changes["parameters"].as_array().unwrap().len(), 2);
    assert_eq!(changes["requestBody"]["required"], false);
    let body = &document["components"]["schemas"]["Changes_input"];
    assert_eq!(
        body["properties"],
        json!({ "words": { "type": ["string", "null"] } })
    );
    let lists = &document["paths"]["/api/v1/things"]["get"];
    assert_eq!(
        (&lists["operationId"], &lists["tags"]),
        (&json!("Lists"), &json!(["things"]))
    );
    let needed: Vec<_> = lists["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|field| field["required"] == true)
        .map(|field| &field["name"])
        .collect();
    assert_eq!(needed, ["words"]);
    assert!(!lists["parameters"].to_string().contains("null"), "{lists}");
    let creates = &document["paths"]["/api/v1/things"]["post"];
    assert_eq!(creates["requestBody"]["required"], true);
    assert!(creates["responses"].get("201").is_some() && creates["responses"].get("200").is_none());
    assert!(!document.to_string().contains("Elsewhere"));
}

#[test]
fn what_is_served_besides_is_described_with_its_scopes() {
    let door = crate::door::DESCRIBED;
    let document = described(Some(door));
    let models = &document["paths"]["/v1/models"]["get"];
    let security = json!([{ "oauth2": ["chatgpt:complete"] }, { "bearer": [] }]);
    assert_eq!(models["security"], security);
    let flow = &document["components"]["securitySchemes"]["oauth2"]["flows"]["authorizationCode"];
    assert!(flow["scopes"].get("chatgpt:complete").is_some());
    assert!(flow["scopes"].get("execution:read").is_some());
    for path in ["/v1/chat/completions", "/v1/models", "/v1/models/gpt-4"] {
        assert!(crate::door::knows(path), "{path}");
    }
    let mut references = 0;
    let text = document.to_string();
    for part in text.split("\"$ref\":\"#").skip(1) {
        let target = part.split('"').next().unwrap();
        assert!(document.pointer(target).is_some(), "{target}");
        references += 1;
    }
    assert!(references >= 15, "{references}");
}
