//! The keys and their history, for everybody.

use super::history::KeyHistory;
use super::ring::KnownKey;
use crate::fortress::FortressError;
use crate::fortress::service::FortressService;
use crate::http::{Body, HttpReply};

/// All keys with their times, places in the log and revocations, as JSON.
pub const HISTORY_PATH: &str = "/keys/history.json";
/// All public keys, armored, the newest first: for `gpg --import`.
pub const KEYS_PATH: &str = "/keys/fortress.asc";

/// A revocation is seen within a minute.
const CACHE: &str = "public, max-age=60";

impl FortressService {
    /// The document at a path; None where there is none.
    pub async fn published_keys(&self, path: &str) -> Option<Result<HttpReply, FortressError>> {
        let reply = match path {
            HISTORY_PATH => self
                .key_history()
                .await
                .map(|keys| HttpReply::json(200, serde_json::json!(keys).to_string().into_bytes())),
            KEYS_PATH => self.key_file().await.map(|text| HttpReply {
                body: Body::Bytes(text.into_bytes()),
                ..HttpReply::empty(200).with_header("content-type", "application/pgp-keys")
            }),
            _ => return None,
        };
        Some(reply.map(|reply| reply.with_header("cache-control", CACHE)))
    }

    /// The keys that count.
    pub(crate) async fn key_history(&self) -> Result<KeyHistory, FortressError> {
        let known = self.known_keys().await?;
        Ok(KeyHistory {
            keys: known.keys.iter().map(|key| known.entry(key)).collect(),
        })
    }

    async fn key_file(&self) -> Result<String, FortressError> {
        let known = self.known_keys().await?;
        // One whose certificate of revocation was lost would be a good key to who imports it.
        let is_told = |key: &&KnownKey| key.public.revocation() == key.revocation();
        let keys = known.keys.iter().rev().filter(is_told);
        Ok(keys.map(|key| key.public.to_armor()).collect())
    }
}
