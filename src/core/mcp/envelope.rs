//! What arrived in a request's body, parsed once.

use serde_json::{Map, Value};

use super::error::{INVALID_REQUEST, PARSE, RpcError};

/// Longest id accepted, in bytes: it is echoed.
const MAX_ID: usize = 256;
const MAX_METHOD: usize = 128;

#[derive(Debug, Clone, PartialEq)]
pub enum Envelope {
    Request {
        id: Value,
        method: String,
        params: Map<String, Value>,
    },
    Notification {
        method: String,
    },
    /// A legacy client's answer to a request of ours.
    Response {
        id: Value,
        outcome: Result<Value, Value>,
    },
    /// The older form, body `{tool, arguments}`, answered with the bare tool result.
    Plain {
        tool: String,
        arguments: Value,
    },
}

/// A refused body, with the id to answer to where one could be read.
#[derive(Debug)]
pub struct Refused {
    pub id: Value,
    pub error: Box<RpcError>,
}

impl From<RpcError> for Refused {
    fn from(error: RpcError) -> Self {
        Self {
            id: Value::Null,
            error: Box::new(error),
        }
    }
}

/// Parses a body. Nesting deeper than 128 levels is refused by the JSON parser.
pub fn parse(body: &[u8]) -> Result<Envelope, Refused> {
    let text = std::str::from_utf8(body).map_err(|error| {
        RpcError::bad_request(
            PARSE,
            format!("the body is not UTF-8 from byte {}", error.valid_up_to()),
        )
    })?;
    let value: Value = serde_json::from_str(text).map_err(|error| {
        RpcError::bad_request(PARSE, format!("the body is not valid JSON: {error}"))
    })?;
    match value {
        Value::Object(fields) => from_object(fields),
        Value::Array(_) => {
            Err(invalid("batches are not supported: send one message a POST").into())
        }
        _ => Err(invalid("the body must be a JSON object").into()),
    }
}

fn from_object(mut fields: Map<String, Value>) -> Result<Envelope, Refused> {
    if !fields.contains_key("jsonrpc") && fields.contains_key("tool") {
        return plain(fields).map_err(Refused::from);
    }
    let id = fields.remove("id");
    let known_id = id.clone().filter(is_id).unwrap_or(Value::Null);
    message(fields, id).map_err(|error| Refused {
        id: known_id,
        error: Box::new(error),
    })
}

fn plain(mut fields: Map<String, Value>) -> Result<Envelope, RpcError> {
    let arguments = fields
        .remove("arguments")
        .unwrap_or(Value::Object(Map::new()));
    match fields.remove("tool") {
        Some(Value::String(tool)) if arguments.is_object() => {
            Ok(Envelope::Plain { tool, arguments })
        }
        _ => Err(invalid(
            "the {tool, arguments} form takes a string and an object",
        )),
    }
}

fn message(mut fields: Map<String, Value>, id: Option<Value>) -> Result<Envelope, RpcError> {
    if fields.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(invalid("\"jsonrpc\" must be \"2.0\""));
    }
    if let Some(id) = &id
        && !is_id(id)
    {
        return Err(invalid(
            "\"id\" must be an integer or a string of at most 256 bytes",
        ));
    }
    let Some(method) = fields.remove("method") else {
        return response(fields, id);
    };
    let method = match method {
        Value::String(method) if method.len() <= MAX_METHOD => method,
        _ => return Err(invalid("\"method\" must be a string of at most 128 bytes")),
    };
    let params = match fields.remove("params") {
        None => Map::new(),
        Some(Value::Object(params)) => params,
        Some(_) => return Err(invalid("\"params\" must be an object")),
    };
    Ok(match id {
        Some(id) => Envelope::Request { id, method, params },
        None => Envelope::Notification { method },
    })
}

fn response(mut fields: Map<String, Value>, id: Option<Value>) -> Result<Envelope, RpcError> {
    match (id, fields.remove("result"), fields.remove("error")) {
        (Some(id), Some(result), None) => Ok(Envelope::Response {
            id,
            outcome: Ok(result),
        }),
        (Some(id), None, Some(error)) => Ok(Envelope::Response {
            id,
            outcome: Err(error),
        }),
        _ => Err(invalid(
            "a message has a \"method\", or an \"id\" with a \"result\" or an \"error\"",
        )),
    }
}

fn is_id(id: &Value) -> bool {
    match id {
        Value::String(text) => text.len() <= MAX_ID,
        Value::Number(number) => number.is_i64() || number.is_u64(),
        _ => false,
    }
}

fn invalid(message: &str) -> RpcError {
    RpcError::bad_request(INVALID_REQUEST, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn code(body: &str) -> i32 {
        parse(body.as_bytes()).unwrap_err().error.code
    }

    #[test]
    fn the_four_kinds() {
        let request = parse(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).unwrap();
        assert!(matches!(request, Envelope::Request { id, .. } if id == json!(1)));
        let notification = parse(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        assert!(matches!(
            notification.unwrap(),
            Envelope::Notification { .. }
        ));
        let response = parse(br#"{"jsonrpc":"2.0","id":"a","result":{}}"#).unwrap();
        assert!(matches!(
            response,
            Envelope::Response { outcome: Ok(_), .. }
        ));
        let plain = parse(br#"{"tool":"x","arguments":{"a":1}}"#).unwrap();
        assert_eq!(
            plain,
            Envelope::Plain {
                tool: "x".to_owned(),
                arguments: json!({"a":1})
            }
        );
    }

    #[test]
    fn bad_bodies_get_the_code_of_json_rpc() {
        assert_eq!(code("{"), PARSE);
        assert_eq!(code(&"[".repeat(100_000)), PARSE);
        assert_eq!(parse(b"\xff").unwrap_err().error.code, PARSE);
        assert_eq!(code("[]"), INVALID_REQUEST);
        assert_eq!(code("3"), INVALID_REQUEST);
        assert_eq!(
            code(r#"{"jsonrpc":"1.0","id":1,"method":"x"}"#),
            INVALID_REQUEST
        );
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#),
            INVALID_REQUEST
        );
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","id":1.5,"method":"x"}"#),
            INVALID_REQUEST
        );
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","id":1,"method":7}"#),
            INVALID_REQUEST
        );
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","id":1,"method":"x","params":[]}"#),
            INVALID_REQUEST
        );
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1}"#), INVALID_REQUEST);
        assert_eq!(code(r#"{"tool":"x","arguments":[]}"#), INVALID_REQUEST);
    }

    #[test]
    fn a_refusal_answers_to_the_id_it_could_read() {
        let refused = parse(br#"{"jsonrpc":"2.0","id":9,"method":7}"#).unwrap_err();
        assert_eq!(refused.id, json!(9));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
        }
    }
}
