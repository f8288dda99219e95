//! Clients as strangers bring them: good, broken and hostile.

mod addresses;
mod assertions;
mod documents;
mod keys;
mod proofs;
mod registration;

use serde_json::{Value, json};

use crate::http::HttpReply;
use crate::oauth::tests::world::{World, json as body_of, web};
use crate::oauth::{Client, OAuthError};
use crate::testing::block_on;

const TOKEN: &str = "/token";

/// A registration's answer.
fn register(world: &World, metadata: &Value) -> HttpReply {
    let headers = vec![("content-type", "application/json")];
    let body = metadata.to_string();
    let web = web("POST", "/register", "", &headers, body.as_bytes());
    block_on(world.server.register(&web))
}

/// The metadata of a new client of this method.
fn registered(world: &World, method: &str) -> Value {
    let reply = register(
        world,
        &json!({
            "client_name": "Test",
            "redirect_uris": ["https://client.example.com/callback"],
            "token_endpoint_auth_method": method,
        }),
    );
    assert_eq!(reply.status, 201);
    body_of(&reply)
}

/// The client of a request to the token endpoint.
fn prove(world: &World, form: &[(&str, &str)], basic: Option<&str>) -> Result<Client, OAuthError> {
    let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
    headers.extend(basic.map(|basic| ("authorization", basic)));
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let web = web("POST", TOKEN, "", &headers, body.as_bytes());
    let form = web.form().unwrap();
    block_on(world.server.authenticate_client(&web, &form))
}
