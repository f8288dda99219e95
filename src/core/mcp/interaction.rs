//! Questions to a legacy client: requests of ours on the stream of the call, whose answers
//! come as POSTs of their own. A tool asks the same way in both eras.

use serde_json::{Map, Value, json};

use super::call::{Call, InputRequired};
use super::error::{INVALID_PARAMS, RpcError};
use super::server::Host;
use crate::auth::Principal;

/// How long a person may think, in milliseconds.
const ANSWER_TIMEOUT_MS: u64 = 120_000;
const PURPOSE: &str = "mcp-ticket";

/// Asks everything in `wanted` and waits for the answers.
pub(super) async fn ask<S: Host>(
    services: &S,
    call: &Call,
    wanted: &InputRequired,
) -> Result<Map<String, Value>, RpcError> {
    if !call.streams {
        return Err(RpcError::invalid_params(
            "this call asks for input on its stream: accept text/event-stream",
        ));
    }
    let mailbox = services.mailbox().ok_or_else(|| {
        RpcError::invalid_params(
            "this call asks for input, which this server can only do over protocol 2026-07-28",
        )
    })?;
    let mut tickets = Vec::new();
    for (key, request) in &wanted.requests {
        let ticket = issue(services, &call.principal)?;
        call.send(json!({
            "jsonrpc": "2.0",
            "id": ticket,
            "method": request.get("method"),
            "params": request.get("params"),
        }));
        tickets.push((key.clone(), ticket));
    }
    let mut answers = Map::new();
    for (key, ticket) in tickets {
        let message = mailbox
            .take(&ticket, ANSWER_TIMEOUT_MS)
            .await
            .map_err(|error| RpcError::invalid_params(error.to_string()))?;
        answers.insert(key, answer(message)?);
    }
    Ok(answers)
}

/// Hands in a client's answer. Only the caller who was asked holds a ticket of ours.
pub(super) async fn deliver<S: Host>(
    services: &S,
    principal: &Principal,
    id: &Value,
    outcome: Result<Value, Value>,
) -> Result<(), RpcError> {
    let ticket = id.as_str().unwrap_or_default();
    services
        .sealer()
        .open(PURPOSE, &owner(principal), ticket)
        .map_err(|_| not_asked())?;
    let mailbox = services.mailbox().ok_or_else(not_asked)?;
    let message = match outcome {
        Ok(result) => json!({ "result": result }),
        Err(error) => json!({ "error": error }),
    };
    mailbox
        .put(ticket, &message)
        .await
        .map_err(|error| RpcError::internal_because(&error))
}

fn issue<S: Host>(services: &S, principal: &Principal) -> Result<String, RpcError> {
    let mut nonce = [0_u8; 16];
    services
        .entropy()
        .fill(&mut nonce)
        .map_err(|error| RpcError::internal_because(&error))?;
    services
        .sealer()
        .seal(PURPOSE, &owner(principal), &nonce, services.entropy())
        .map_err(|error| RpcError::internal_because(&error))
}

fn not_asked() -> RpcError {
    RpcError::bad_request(INVALID_PARAMS, "no request with this id was sent to you")
}

fn owner(principal: &Principal) -> [&str; 2] {
    [&principal.user_id, &principal.token_id]
}

fn answer(mut message: Value) -> Result<Value, RpcError> {
    if let Some(error) = message.get("error") {
        let reason = error.get("message").and_then(Value::as_str);
        return Err(RpcError::invalid_params(format!(
            "the client refused to give the input asked for: {}",
            reason.unwrap_or("no reason given")
        )));
    }
    Ok(message
        .get_mut("result")
        .map(Value::take)
        .unwrap_or_default())
}
