//! Clients in `oauth_clients`.

use serde_json::Value;

use crate::oauth::settings::REGISTERED_CLIENT_MS;
use crate::oauth::{AuthMethod, AuthorizationServer, Client, ClientSource, OAuthError};
use crate::sql::{DatabaseError, Row, Statement};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const MAX_ID_BYTES: usize = 128;

const LOOK_UP: &str = "SELECT * FROM oauth_clients
    WHERE id = ?1 AND status = 'active' AND (expires_at IS NULL OR expires_at > ?2)";

/// At most once a day. A client that never ends goes on doing so.
const TOUCH: &str = "UPDATE oauth_clients SET last_used_at = ?1,
        expires_at = CASE WHEN expires_at IS NULL THEN NULL ELSE ?2 END
    WHERE id = ?3 AND (last_used_at IS NULL OR last_used_at < ?4)";

impl AuthorizationServer {
    pub(super) async fn registered_client(&self, id: &str) -> Result<Option<Client>, OAuthError> {
        if id.len() > MAX_ID_BYTES {
            return Ok(None);
        }
        let now_ms = self.audit.clock.now_ms();
        if let Some(known) = self.clients.registered(id, now_ms) {
            return Ok(Some(known));
        }
        let statement = Statement::new(LOOK_UP).bind(id).timestamp(now_ms);
        let outcome = self.audit.database.run(statement).await?;
        let client = outcome.first().map(read).transpose()?;
        if let Some(client) = &client {
            self.clients.put_registered(client, now_ms);
        }
        Ok(client)
    }

    /// After the response: a client in use does not end. Only when it was given tokens: the name
    /// of a public client, which anybody may send, prolongs nothing.
    pub(in crate::oauth) fn touch(&self, client: &Client) {
        if client.source != ClientSource::Registered {
            return;
        }
        let now_ms = self.audit.clock.now_ms();
        let statement = Statement::new(TOUCH)
            .timestamp(now_ms)
            .timestamp(now_ms + REGISTERED_CLIENT_MS)
            .bind(&client.id)
            .timestamp(now_ms - DAY_MS);
        self.audit.note(statement);
    }
}

fn read(row: &Row) -> Result<Client, DatabaseError> {
    let metadata = row.json("metadata")?;
    let auth = row.text("auth_method")?;
    let secret = row.opt_text("secret_hash")?;
    Ok(Client {
        id: row.text("id")?,
        name: row.text("name")?,
        source: ClientSource::Registered,
        redirect_uris: texts(&row.json("redirect_uris")?),
        auth: AuthMethod::of_name(&auth).ok_or_else(|| wrong("auth_method"))?,
        secret_hash: secret.map(|hex| hash(&hex)).transpose()?,
        jwks: metadata.get("jwks").cloned(),
        jwks_uri: metadata
            .get("jwks_uri")
            .and_then(Value::as_str)
            .map(str::to_owned),
        grant_types: texts(&row.json("grant_types")?),
        scopes: None,
        pkce_exempt: false,
        default_resource: None,
    })
}

fn hash(text: &str) -> Result<[u8; 32], DatabaseError> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| wrong("secret_hash"))?;
    Ok(bytes)
}

fn texts(json: &Value) -> Vec<String> {
    let items = json.as_array().into_iter().flatten();
    items
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

fn wrong(column: &str) -> DatabaseError {
    DatabaseError::Decode {
        column: column.to_owned(),
        expected: "a client's value",
        found: "something else",
    }
}
