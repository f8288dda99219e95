//! Schemas in the words of both versions.

use super::*;

#[test]
fn newer_words_are_said_in_older_ones() {
    let rewriter = Rewriter::new(Version::V3_0, "tool_input");
    for (newer, older) in [
        (json!({ "const": 5 }), json!({ "enum": [5] })),
        (
            json!({ "exclusiveMinimum": 3, "type": "number" }),
            json!({ "exclusiveMinimum": true, "minimum": 3, "type": "number" }),
        ),
        (
            json!({ "type": ["string", "integer", "null"] }),
            json!({ "anyOf": [{ "type": "string" }, { "type": "integer" }], "nullable": true }),
        ),
        (
            json!({ "anyOf": [{ "type": "string" }, { "type": "null" }], "description": "d" }),
            json!({ "type": "string", "nullable": true, "description": "d" }),
        ),
        (
            json!({ "anyOf": [{ "$ref": "#/$defs/a b" }, { "type": "null" }] }),
            json!({
                "allOf": [{ "$ref": "#/components/schemas/tool_input_a_b" }],
                "nullable": true,
            }),
        ),
        (
            json!({ "oneOf": [{ "const": "a" }, { "const": null }, { "const": "b" }] }),
            json!({ "oneOf": [{ "enum": ["a"] }, { "enum": ["b"] }], "nullable": true }),
        ),
        (
            json!({ "$ref": "#", "description": "d" }),
            json!({ "allOf": [{ "$ref": "#/components/schemas/tool_input" }], "description": "d" }),
        ),
        (json!({ "examples": ["x", "y"] }), json!({ "example": "x" })),
        (
            json!({ "type": "array" }),
            json!({ "type": "array", "items": {} }),
        ),
        (
            json!({ "type": "object", "patternProperties": { "^a": true }, "additionalProperties": false }),
            json!({ "type": "object", "properties": {}, "additionalProperties": false }),
        ),
        (json!(true), json!({})),
        (json!(false), json!({ "not": {} })),
        // Properties may have the names of keywords.
        (
            json!({ "type": "object", "properties": { "const": { "const": 1 }, "type": true } }),
            json!({ "type": "object", "properties": { "const": { "enum": [1] }, "type": {} } }),
        ),
    ] {
        assert_eq!(rewriter.take(newer.clone()).0, older, "{newer}");
    }
}

#[test]
fn long_descriptions_are_cut() {
    let rewriter = Rewriter::new(Version::V3_1, "tool_input");
    let long = json!({ "description": "word ".repeat(300) });
    let cut = rewriter.take(long).0;
    let cut = cut["description"].as_str().unwrap();
    assert!(
        cut.chars().count() <= 700 && cut.ends_with("word…"),
        "{cut}"
    );
}
