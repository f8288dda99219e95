//! The witness worker: it cosigns checkpoints of logs that only grow (C2SP tlog-witness).
//!
//! | path | answers |
//! | --- | --- |
//! | `POST /add-checkpoint` | a cosignature of each key, or why there is none |
//! | `GET /{SHA-256 of the origin}/checkpoint` | the newest checkpoint cosigned of a log |
//! | `GET /` | the witness's keys, and what it saw of each log, forks with both heads |

mod config;
mod log_object;

use bytes::Bytes;
use chitty_core::front::{BodyFault, Incoming};
use chitty_core::http::HttpReply;
use chitty_core::ports::{Http, HttpRequest, Level, Log};
use chitty_core::witness::keys::{CosignerKey, WitnessKey};
use chitty_core::witness::request::MAX_REQUEST_BYTES;
use chitty_core::witness::server::{Answer, TEXT_TYPE, Witness};
use chitty_edge::http::ObjectHttp;
use chitty_edge::incoming::WebRequest;
use chitty_edge::log::ConsoleLog;
use chitty_edge::response::into_web;
use log_object::SeenLog;
use serde_json::json;
use sha2::{Digest, Sha256};
use worker::{Context, Env, event};

/// For one log's object to answer.
const TIMEOUT_MS: u64 = 5_000;
/// Largest answer of one: a head and all kept forks.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

type Fault = Box<dyn std::error::Error>;

#[event(fetch)]
async fn fetch(
    request: web_sys::Request,
    env: Env,
    _context: Context,
) -> worker::Result<web_sys::Response> {
    let incoming = WebRequest::new(Clone::clone(&request));
    let reply = match answer(&incoming, &env).await {
        Ok(reply) => reply,
        Err(fault) => {
            let fields = json!({ "cause": fault.to_string() });
            console().record(Level::Error, "witness_failed", fields);
            text(503, "the witness cannot answer now, try again later\n")
        }
    };
    let reply = reply.with_header("x-content-type-options", "nosniff");
    Ok(into_web(reply, &request)?)
}

async fn answer(request: &WebRequest, env: &Env) -> Result<HttpReply, Fault> {
    let witness = config::witness(env)?;
    let path = request.path();
    match (request.method().as_str(), path.as_str()) {
        ("POST", "/add-checkpoint") => add_checkpoint(&witness, request, env).await,
        ("GET", "/") => overview(&witness, env).await,
        ("GET", path) => match checkpoint_of(&witness, path) {
            Some(origin) => checkpoint(env, origin).await,
            None => Ok(text(404, "nothing is here\n")),
        },
        _ => Ok(text(405, "GET, or POST /add-checkpoint\n")),
    }
}

async fn add_checkpoint(
    witness: &Witness,
    request: &WebRequest,
    env: &Env,
) -> Result<HttpReply, Fault> {
    let body = match request.body(MAX_REQUEST_BYTES).await {
        Ok(body) => body,
        Err(BodyFault::TooLarge) => return Ok(text(413, "the body is too large\n")),
        Err(BodyFault::Interrupted(_)) => return Ok(text(400, "the body broke off\n")),
    };
    let Ok(body) = String::from_utf8(body) else {
        return Ok(text(400, "the body is not UTF-8\n"));
    };
    // What needs no state is decided here: a flood of strangers' requests wakes no object.
    let origin = match witness.admit(&body) {
        Ok(admitted) => admitted.head.origin,
        Err(answer) => return Ok(reply(&answer)),
    };
    let (status, body) = ask(env, &origin, "POST", Bytes::from(body)).await?;
    let body = String::from_utf8(body)?;
    Ok(reply(&Answer { status, body }))
}

/// The origin of the log whose checkpoint is at `path`.
fn checkpoint_of<'a>(witness: &'a Witness, path: &str) -> Option<&'a str> {
    let hash = path.strip_prefix('/')?.strip_suffix("/checkpoint")?;
    let named = |origin: &&str| hex::encode(Sha256::digest(origin)) == hash;
    witness.origins().into_iter().find(named)
}

async fn checkpoint(env: &Env, origin: &str) -> Result<HttpReply, Fault> {
    let head = seen(env, origin).await?.head;
    Ok(head.map_or_else(
        || text(404, "no checkpoint of this log was cosigned yet\n"),
        |head| text(200, &head.note),
    ))
}

async fn overview(witness: &Witness, env: &Env) -> Result<HttpReply, Fault> {
    let mut logs = Vec::new();
    for origin in witness.origins() {
        let SeenLog { head, forks } = seen(env, origin).await?;
        logs.push(json!({
            "origin": origin,
            "verifier_keys": witness.keys(origin).map(ToString::to_string).collect::<Vec<_>>(),
            "checkpoint_path": format!("/{}/checkpoint", hex::encode(Sha256::digest(origin))),
            "size": head.as_ref().map(|head| head.size),
            "root": head.as_ref().map(|head| head.root),
            "forks": forks,
        }));
    }
    let keys = witness.cosigners.iter().map(CosignerKey::verifier);
    let all = json!({
        "witness": keys.clone().next().map(WitnessKey::name),
        "verifier_key": keys.clone().next().map(ToString::to_string),
        "verifier_keys": keys.map(ToString::to_string).collect::<Vec<_>>(),
        "logs": logs,
    });
    let body = serde_json::to_vec_pretty(&all)?;
    Ok(HttpReply::json(200, body).with_header("access-control-allow-origin", "*"))
}

async fn seen(env: &Env, origin: &str) -> Result<SeenLog, Fault> {
    let (status, body) = ask(env, origin, "GET", Bytes::new()).await?;
    if status != 200 {
        return Err(format!("the log's object answered {status}").into());
    }
    Ok(serde_json::from_slice(&body)?)
}

/// Asks the one object that owns what was seen of a log.
async fn ask(
    env: &Env,
    origin: &str,
    method: &'static str,
    body: Bytes,
) -> Result<(u16, Vec<u8>), Fault> {
    let stub = env.durable_object("WITNESSED")?.get_by_name(origin)?;
    let request = HttpRequest {
        method,
        url: "https://witnessed.internal/".to_owned(),
        headers: Vec::new(),
        body,
        timeout_ms: TIMEOUT_MS,
        want_headers: &[],
    };
    let response = ObjectHttp::new(stub).send(request).await?;
    let status = response.status;
    Ok((status, response.bytes(MAX_ANSWER).await?))
}

fn reply(answer: &Answer) -> HttpReply {
    let mut reply = text(answer.status, &answer.body);
    reply.headers = vec![("content-type", answer.content_type().to_owned())];
    reply
}

fn text(status: u16, body: &str) -> HttpReply {
    HttpReply {
        status,
        headers: vec![("content-type", TEXT_TYPE.to_owned())],
        body: chitty_core::http::Body::Bytes(body.as_bytes().to_vec()),
    }
}

fn console() -> ConsoleLog {
    ConsoleLog {
        level: Level::Info,
        service: "witness",
        request_id: String::new(),
    }
}
