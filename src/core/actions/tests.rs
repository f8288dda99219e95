//! Documents of a server whose tools have every kind of schema.

use async_trait::async_trait;
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;
use crate::mcp::{About, Call, Hints, Registry, Reply, Tool, ToolError};
use crate::openapi::Api;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Colour {
    /// Of blood.
    Red,
    /// Of grass.
    Green,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Node {
    name: String,
    children: Vec<Node>,
}

#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is asked for")]
struct Input {
    #[garde(length(min = 1, max = 9))]
    text: String,
    /// May be left out.
    #[garde(skip)]
    maybe: Option<u32>,
    #[garde(skip)]
    colour: Option<Colour>,
    #[garde(skip)]
    any: Value,
    #[garde(skip)]
    map: Option<serde_json::Map<String, Value>>,
    #[garde(skip)]
    pair: (u8, String),
    #[garde(skip)]
    tree: Node,
}

struct Writes;

#[async_trait(?Send)]
impl Tool<()> for Writes {
    type Input = Input;
    type Output = Node;

    const ABOUT: About = About {
        name: "writes",
        title: "Write",
        description: "A sentence that is there to be long. A sentence that is there to be long. \
                      A sentence that is there to be long. A sentence that is there to be long. \
                      A sentence that is there to be long. A sentence that is there to be long. \
                      A sentence that is there to be long. A sentence that is there to be long. \
                      A sentence that is there to be long.",
        scopes: &["execution:run", "evidence:package"],
        hints: Hints::ADD,
        icon: None,
    };

    async fn call((): &(), _: &Call, _: Input) -> Result<Reply<Node>, ToolError> {
        Err(ToolError::new("NONE", "only its schema is asked for"))
    }
}

struct Shows;

#[async_trait(?Send)]
impl Tool<()> for Shows {
    type Input = Input;
    type Output = Node;

    const ABOUT: About = About {
        name: "shows",
        title: "Show",
        description: "Shows.",
        scopes: &["execution:read"],
        hints: Hints::READ,
        icon: None,
    };
    const STRUCTURED: bool = false;

    async fn call((): &(), _: &Call, _: Input) -> Result<Reply<Node>, ToolError> {
        Err(ToolError::new("NONE", "only its schema is asked for"))
    }
}

fn document(version: Version, issuer: Option<&str>) -> Value {
    let tools = Registry::new().with::<Writes>().with::<Shows>();
    let api = Api {
        title: "Test",
        origin: "https://mcp.example.com",
        issuer,
    };
    super::document(&tools, &api, version)
}

fn every<'a>(value: &'a Value, seen: &mut dyn FnMut(&'a Value)) {
    seen(value);
    match value {
        Value::Object(fields) => fields.values().for_each(|value| every(value, seen)),
        Value::Array(items) => items.iter().for_each(|value| every(value, seen)),
        _ => {}
    }
}

#[test]
fn operations_are_the_tools() {
    for (version, number) in [(Version::V3_1, "3.1.0"), (Version::V3_0, "3.0.1")] {
        let document = document(version, Some("https://auth.example.com"));
        assert_eq!(document["openapi"], number);
        assert_eq!(
            document["servers"],
            json!([{ "url": "https://mcp.example.com" }])
        );
        let writes = &document["paths"]["/gpt/tools/writes"]["post"];
        assert_eq!(writes["operationId"], "writes");
        assert_eq!(writes["x-openai-isConsequential"], true);
        assert_eq!(
            writes["security"],
            json!([{ "oauth2": ["execution:run", "evidence:package"] }, { "bearer": [] }])
        );
        let description = writes["description"].as_str().unwrap();
        assert!(
            description.len() <= 300 && description.ends_with("long."),
            "{description}"
        );
        let shows = &document["paths"]["/gpt/tools/shows"]["post"];
        assert_eq!(shows["x-openai-isConsequential"], false);
        let flow =
            &document["components"]["securitySchemes"]["oauth2"]["flows"]["authorizationCode"];
        assert_eq!(
            flow["authorizationUrl"],
            "https://auth.example.com/authorize"
        );
        assert_eq!(flow["tokenUrl"], "https://auth.example.com/token");
        let scopes: Vec<_> = flow["scopes"].as_object().unwrap().keys().collect();
        assert_eq!(
            scopes,
            [
                "execution:run",
                "evidence:package",
                "execution:read",
                "offline_access"
            ]
        );
    }
}

#[test]
fn without_an_issuer_there_are_keys_alone() {
    let document = document(Version::V3_1, None);
    let schemes = &document["components"]["securitySchemes"];
    assert!(schemes.get("oauth2").is_none() && schemes.get("bearer").is_some());
    let security = &document["paths"]["/gpt/tools/shows"]["post"]["security"];
    assert_eq!(security, &json!([{ "bearer": [] }]));
}

#[test]
fn every_reference_leads_somewhere() {
    for version in [Version::V3_1, Version::V3_0] {
        let document = document(version, None);
        let mut count = 0;
        every(&document, &mut |value| {
            if let Some(target) = value.get("$ref").and_then(Value::as_str) {
                count += 1;
                let found = document.pointer(target.strip_prefix('#').unwrap());
                assert!(found.is_some(), "{target}");
            }
        });
        assert!(count >= 8, "{count}");
        assert!(!document.to_string().contains("$defs"));
    }
}

#[test]
fn the_older_version_has_only_what_it_knows() {
    let document = document(Version::V3_0, None);
    every(&document["components"]["schemas"], &mut |value| {
        for key in ["const", "prefixItems", "examples", "$schema"] {
            assert!(value.get(key).is_none(), "{key}: {value}");
        }
        assert!(
            !value["type"].is_array() && value["type"] != "null",
            "{value}"
        );
    });
    let properties = &document["components"]["schemas"]["writes_input"]["properties"];
    let maybe = json!({
        "type": "integer",
        "nullable": true,
        "minimum": 0,
        "description": "May be left out.",
    });
    assert_eq!(properties["maybe"], maybe);
    assert_eq!(properties["colour"]["nullable"], true);
    assert_eq!(properties["any"], json!({}));
    assert_eq!(properties["map"]["properties"], json!({}));
    assert_eq!(
        properties["pair"]["items"]["anyOf"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn doors_are_found_by_their_paths() {
    assert_eq!(
        Door::of("/gpt/openapi.json"),
        Some(Door::Document(Version::V3_1))
    );
    assert_eq!(
        Door::of("/gpt/openapi-3.0.json"),
        Some(Door::Document(Version::V3_0))
    );
    assert_eq!(Door::of("/gpt/tools/a"), Some(Door::Tool("a")));
    assert_eq!(Door::of("/gpt/"), None);
}
