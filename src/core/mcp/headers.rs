//! Headers that mirror the body (2026-07-28, "Request Metadata"): a request whose headers
//! and body disagree is refused, so that no gateway and server act on different requests.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::error::RpcError;
use crate::http::Headers;

/// An argument that clients repeat in `Mcp-Param-{name}` (`x-mcp-header` in its schema).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParamHeader {
    /// Lower case, prefix included.
    header: String,
    path: Vec<String>,
}

const PREFIX: &str = "=?base64?";
const SUFFIX: &str = "?=";

/// The mirrored arguments of an input schema, reached through `properties` alone.
pub(super) fn param_headers(schema: &Value) -> Vec<ParamHeader> {
    let mut found = Vec::new();
    collect(schema, &mut Vec::new(), &mut found);
    found
}

fn collect(schema: &Value, path: &mut Vec<String>, found: &mut Vec<ParamHeader>) {
    if let Some(name) = schema.get("x-mcp-header").and_then(Value::as_str) {
        found.push(ParamHeader {
            header: format!("mcp-param-{}", name.to_ascii_lowercase()),
            path: path.clone(),
        });
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, property) in properties {
            path.push(name.clone());
            collect(property, path, found);
            path.pop();
        }
    }
}

/// Checks `Mcp-Method` and, where the method has one, `Mcp-Name`.
pub(super) fn check_standard(
    headers: &dyn Headers,
    method: &str,
    params: &Map<String, Value>,
) -> Result<(), RpcError> {
    match trimmed(headers, "mcp-method") {
        Some(sent) if sent == method => {}
        Some(sent) => return Err(mismatch("Mcp-Method", &sent, method)),
        None => return Err(missing("Mcp-Method", method)),
    }
    let field = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
        _ => return Ok(()),
    };
    let Some(expected) = params.get(field).and_then(Value::as_str) else {
        return Ok(()); // The method says what is wrong with its parameters.
    };
    match trimmed(headers, "mcp-name") {
        Some(sent) if decoded("Mcp-Name", &sent)? == expected => Ok(()),
        Some(sent) => Err(mismatch("Mcp-Name", &sent, expected)),
        None => Err(missing("Mcp-Name", expected)),
    }
}

/// Checks the mirrored arguments of a tool call.
pub(super) fn check_params(
    headers: &dyn Headers,
    mirrored: &[ParamHeader],
    arguments: &Value,
) -> Result<(), RpcError> {
    for param in mirrored {
        let sent = trimmed(headers, &param.header);
        let body = param
            .path
            .iter()
            .try_fold(arguments, |value, step| value.get(step))
            .filter(|value| !value.is_null());
        match (sent, body) {
            (None, None) => {}
            (None, Some(body)) => return Err(missing(&param.header, &body.to_string())),
            (Some(sent), None) => {
                return Err(RpcError::header_mismatch(format!(
                    "{} is {sent:?} but the argument {} is absent: leave the header out too",
                    param.header,
                    param.path.join(".")
                )));
            }
            (Some(sent), Some(body)) => {
                if !same(&decoded(&param.header, &sent)?, body) {
                    return Err(mismatch(&param.header, &sent, &body.to_string()));
                }
            }
        }
    }
    Ok(())
}

fn same(sent: &str, body: &Value) -> bool {
    match body {
        Value::String(text) => sent == text,
        Value::Bool(flag) => sent == if *flag { "true" } else { "false" },
        // Numerically: 42.0 and 42 are one value.
        Value::Number(number) => match (sent.parse::<f64>(), number.as_f64()) {
            (Ok(sent), Some(body)) => (sent - body).abs() < f64::EPSILON,
            _ => false,
        },
        _ => false,
    }
}

/// A header value, its optional white space cut off (RFC 9110 §5.5).
pub(super) fn trimmed(headers: &dyn Headers, name: &str) -> Option<String> {
    headers
        .get(name)
        .map(|value| value.trim_matches([' ', '\t']).to_owned())
}

fn decoded(header: &str, value: &str) -> Result<String, RpcError> {
    let Some(encoded) = value
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_suffix(SUFFIX))
    else {
        return if value
            .bytes()
            .all(|byte| matches!(byte, 0x20..=0x7e | b'\t'))
        {
            Ok(value.to_owned())
        } else {
            Err(RpcError::header_mismatch(format!(
                "{header} holds characters outside ASCII: encode it as =?base64?…?="
            )))
        };
    };
    STANDARD
        .decode(encoded)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| {
            RpcError::header_mismatch(format!("{header} is not base64 of UTF-8 text: {value:?}"))
        })
}

fn missing(header: &str, value: &str) -> RpcError {
    RpcError::header_mismatch(format!("the {header} header is missing: send {value:?}"))
}

fn mismatch(header: &str, sent: &str, body: &str) -> RpcError {
    RpcError::header_mismatch(format!(
        "{header} is {sent:?} but the body says {body:?}: send the same in both"
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use serde_json::json;

    struct Sent(HashMap<&'static str, &'static str>);

    impl Headers for Sent {
        fn get(&self, name: &str) -> Option<String> {
            self.0.get(name).map(|value| (*value).to_owned())
        }
    }

    fn sent(pairs: &[(&'static str, &'static str)]) -> Sent {
        Sent(pairs.iter().copied().collect())
    }

    #[test]
    fn method_and_name_must_match_the_body() {
        let params = Map::from_iter([("name".to_owned(), json!("grüezi"))]);
        let good = sent(&[
            ("mcp-method", " tools/call\t"),
            ("mcp-name", "=?base64?Z3LDvGV6aQ==?="),
        ]);
        assert!(check_standard(&good, "tools/call", &params).is_ok());
        for bad in [
            sent(&[("mcp-method", "tools/call")]),
            sent(&[("mcp-name", "grüezi"), ("mcp-method", "tools/call")]),
            sent(&[
                ("mcp-method", "Tools/call"),
                ("mcp-name", "=?base64?Z3LDvGV6aQ==?="),
            ]),
            sent(&[("mcp-method", "tools/call"), ("mcp-name", "=?base64?!?=")]),
        ] {
            let error = check_standard(&bad, "tools/call", &params).unwrap_err();
            assert_eq!(error.code, super::super::error::HEADER_MISMATCH);
        }
    }

    #[test]
    fn mirrored_arguments_must_match_the_body() {
        let schema = json!({ "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" },
            "deep": { "properties": { "n": { "type": "integer", "x-mcp-header": "N" } } },
        }});
        let mirrored = param_headers(&schema);
        assert_eq!(mirrored.len(), 2);
        let arguments = json!({ "region": "eu", "deep": { "n": 42 } });
        let good = sent(&[("mcp-param-region", "eu"), ("mcp-param-n", "42.0")]);
        assert!(check_params(&good, &mirrored, &arguments).is_ok());
        let absent = sent(&[("mcp-param-region", "eu")]);
        assert!(check_params(&absent, &mirrored, &arguments).is_err());
        assert!(check_params(&absent, &mirrored, &json!({ "region": "eu", "deep": null })).is_ok());
        assert!(check_params(&good, &mirrored, &json!({ "region": "eu" })).is_err());
    }
}
