//! Which revision of the protocol a request speaks.

use serde_json::{Map, Value, json};

use super::error::{INVALID_PARAMS, RpcError, UNSUPPORTED_VERSION};

pub const MODERN: &str = "2026-07-28";
/// Newest first.
pub const LEGACY: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];
pub const SUPPORTED: [&str; 4] = [MODERN, LEGACY[0], LEGACY[1], LEGACY[2]];

pub const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
pub const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";
pub const META_LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
pub const META_SERVER: &str = "io.modelcontextprotocol/serverInfo";
pub const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    Modern,
    Legacy,
}

impl Era {
    pub fn is_modern(self) -> bool {
        self == Self::Modern
    }
}

/// The era of a request, from its version header and its `_meta`, never from its method.
///
/// A modern request whose header and `_meta` disagree, or that lacks either, is an error
/// here; so is a version that nobody here speaks.
pub fn detect(header: Option<&str>, params: &Map<String, Value>) -> Result<Era, RpcError> {
    let meta = params.get("_meta").and_then(Value::as_object);
    let stated = meta.and_then(|meta| meta.get(META_VERSION));
    match (header, stated) {
        (_, Some(stated)) => {
            let stated = stated
                .as_str()
                .ok_or_else(|| invalid_meta(META_VERSION, "a string"))?;
            require_capabilities(meta)?;
            require_header(header, stated)?;
            if stated == MODERN {
                Ok(Era::Modern)
            } else {
                Err(unsupported(stated))
            }
        }
        (Some(MODERN), None) => Err(invalid_meta(META_VERSION, "a string")),
        (None, None) => Ok(Era::Legacy),
        (Some(version), None) if LEGACY.contains(&version) => Ok(Era::Legacy),
        (Some(version), None) => Err(unsupported(version)),
    }
}

/// Whether the caller's revision has links to resources: 2025-06-18 and later. Who does not say
/// which it is speaks 2025-03-26.
pub(super) fn knows_links(era: Era, header: Option<&str>) -> bool {
    era.is_modern() || header.is_some_and(|version| version != LEGACY[2])
}

fn require_capabilities(meta: Option<&Map<String, Value>>) -> Result<(), RpcError> {
    let field = |key| meta.and_then(|meta| meta.get(key));
    if !field(META_CAPABILITIES).is_some_and(Value::is_object) {
        return Err(invalid_meta(META_CAPABILITIES, "an object"));
    }
    match field(META_CLIENT) {
        Some(client) if !client.is_object() => Err(invalid_meta(META_CLIENT, "an object")),
        _ => Ok(()),
    }
}

fn require_header(header: Option<&str>, stated: &str) -> Result<(), RpcError> {
    match header {
        Some(header) if header == stated => Ok(()),
        Some(header) => Err(RpcError::header_mismatch(format!(
            "MCP-Protocol-Version is {header:?} but _meta says {stated:?}: send the same version in both"
        ))),
        None => Err(RpcError::header_mismatch(format!(
            "the MCP-Protocol-Version header is missing: send \"MCP-Protocol-Version: {stated}\""
        ))),
    }
}

fn invalid_meta(key: &str, kind: &str) -> RpcError {
    RpcError::bad_request(
        INVALID_PARAMS,
        format!("params._meta[{key:?}] must be {kind}; every request carries it"),
    )
}

fn unsupported(version: &str) -> RpcError {
    RpcError::bad_request(
        UNSUPPORTED_VERSION,
        format!("protocol version {version:?} is not spoken here; use one of {SUPPORTED:?}"),
    )
    .with_data(json!({ "supported": SUPPORTED, "requested": version }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(meta: &Value) -> Map<String, Value> {
        Map::from_iter([("_meta".to_owned(), meta.clone())])
    }

    fn modern() -> Value {
        json!({ META_VERSION: MODERN, META_CAPABILITIES: {} })
    }

    #[test]
    fn era_comes_from_meta_or_header() {
        let none = Map::new();
        assert_eq!(detect(None, &none).unwrap(), Era::Legacy);
        assert_eq!(detect(Some("2025-06-18"), &none).unwrap(), Era::Legacy);
        assert_eq!(
            detect(Some(MODERN), &params(&modern())).unwrap(),
            Era::Modern
        );
    }

    #[test]
    fn refusals_carry_the_code_of_the_specification() {
        let none = Map::new();
        let code = |header, params: &Map<String, Value>| detect(header, params).unwrap_err().code;
        assert_eq!(code(Some(MODERN), &none), INVALID_PARAMS);
        assert_eq!(code(Some("1999-01-01"), &none), UNSUPPORTED_VERSION);
        assert_eq!(
            code(
                Some(MODERN),
                &params(&json!({ META_VERSION: 7, META_CAPABILITIES: {} }))
            ),
            INVALID_PARAMS
        );
        assert_eq!(
            code(Some(MODERN), &params(&json!({ META_VERSION: MODERN }))),
            INVALID_PARAMS
        );
        assert_eq!(
            code(None, &params(&modern())),
            super::super::error::HEADER_MISMATCH
        );
        assert_eq!(
            code(Some("2025-11-25"), &params(&modern())),
            super::super::error::HEADER_MISMATCH
        );
        let future = json!({ META_VERSION: "2999-01-01", META_CAPABILITIES: {} });
        assert_eq!(
            code(Some("2999-01-01"), &params(&future)),
            UNSUPPORTED_VERSION
        );
    }
}
