//! The floor that `scripts/bench` measures against: the least that a Rust worker can do
//! with a POST, which is to read its body and answer.

use worker::{Context, Env, Request, Response, Result, event};

/// As long as the answer to the echo tool.
const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[{"type":"text","text":"{\"region\":\"eu-central\",\"shard\":7}"}],"structuredContent":{"region":"eu-central","shard":7}}}"#;

#[event(fetch)]
async fn fetch(mut request: Request, _env: Env, _context: Context) -> Result<Response> {
    let body = request.bytes().await?;
    if body.is_empty() {
        return Response::error("POST a body", 400);
    }
    let mut response = Response::from_bytes(ANSWER.as_bytes().to_vec())?;
    response
        .headers_mut()
        .set("content-type", "application/json")?;
    Ok(response)
}
