//! Pages of a list and their opaque cursors.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::error::RpcError;

/// Items a page of any list.
pub const PAGE: usize = 50;

/// Where the page asked for starts. The list's name is inside the cursor, so that a cursor
/// of one list is refused by another. Only what [`next`] gives out for a list of `total`
/// items is taken, so that there are no more pages to keep than pages there are.
pub fn start(list: &str, params: &Map<String, Value>, total: usize) -> Result<usize, RpcError> {
    let cursor = match params.get("cursor") {
        None | Some(Value::Null) => return Ok(0),
        Some(Value::String(cursor)) if cursor.is_empty() => return Ok(0),
        Some(Value::String(cursor)) => cursor,
        Some(_) => return Err(bad(list)),
    };
    let text = URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    text.as_deref()
        .and_then(|text| text.strip_prefix(list))
        .and_then(|rest| rest.strip_prefix(':'))
        .and_then(|offset| offset.parse().ok())
        .filter(|offset: &usize| *offset > 0 && offset.is_multiple_of(PAGE) && *offset < total)
        .ok_or_else(|| bad(list))
}

/// The cursor of the page after `start`, if anything is left.
pub fn next(list: &str, start: usize, total: usize) -> Option<String> {
    let end = start.saturating_add(PAGE);
    (end < total).then(|| URL_SAFE_NO_PAD.encode(format!("{list}:{end}")))
}

fn bad(list: &str) -> RpcError {
    RpcError::invalid_params(format!(
        "\"cursor\" was not given out by {list}: leave it out to start from the first page"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn params(cursor: &Value) -> Map<String, Value> {
        Map::from_iter([("cursor".to_owned(), cursor.clone())])
    }

    const TOTAL: usize = 2 * PAGE + 1;

    fn tools(cursor: &Value) -> Result<usize, RpcError> {
        start("tools/list", &params(cursor), TOTAL)
    }

    #[test]
    fn cursors_walk_the_list_and_no_other() {
        let cursor = next("tools/list", 0, TOTAL).unwrap();
        assert_eq!(tools(&json!(cursor)).unwrap(), PAGE);
        assert!(start("prompts/list", &params(&json!(cursor)), TOTAL).is_err());
        assert!(next("tools/list", 2 * PAGE, TOTAL).is_none());
        assert_eq!(tools(&json!("")).unwrap(), 0);
        assert!(tools(&json!("invalid-cursor")).is_err());
        assert!(tools(&json!(3)).is_err());
    }

    #[test]
    fn cursors_never_given_out_are_refused() {
        for offset in ["0", "1", "49", "51", "150", "18446744073709551615", "-50"] {
            let cursor = URL_SAFE_NO_PAD.encode(format!("tools/list:{offset}"));
            assert!(tools(&json!(cursor)).is_err(), "{offset}");
        }
    }
}
