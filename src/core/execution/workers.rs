use std::rc::Rc;

use serde_json::json;

use crate::auth::{Principal, Scopes, assertion};
use crate::chat;
use crate::fortress;
use crate::mcp::client::{Peer, PeerError};
use crate::ports::{Clock, Http};
use crate::seal::Sealer;

const CHATGPT: &str = "chatgpt";
const FORTRESS: &str = "fortress";
/// A model may take a minute, and a slow one its time beside.
pub(super) const MODEL_TIMEOUT_MS: u64 = 90_000;
pub(super) const CHECK_TIMEOUT_MS: u64 = 15_000;

/// For whom a worker is asked.
pub struct Asker<'a> {
    pub principal: &'a Principal,
    /// Whose work it is: the caller, or whom it may act for.
    pub owner: &'a str,
    pub request_id: &'a str,
}

/// The two workers that answer, behind their service bindings.
pub struct Workers {
    pub chatgpt: Rc<dyn Http>,
    pub fortress: Rc<dyn Http>,
    pub sealer: Rc<Sealer>,
    pub clock: Rc<dyn Clock>,
}

impl Workers {
    pub async fn complete(
        &self,
        asker: &Asker<'_>,
        input: &chat::CompletionInput,
    ) -> Result<chat::CompletionOutput, PeerError> {
        let peer = self.peer(
            CHATGPT,
            &self.chatgpt,
            asker,
            "chatgpt:complete",
            MODEL_TIMEOUT_MS,
        )?;
        peer.call("chatgpt_complete", &json!(input)).await
    }

    pub async fn secure_execute(
        &self,
        asker: &Asker<'_>,
        input: &fortress::ExecuteInput,
    ) -> Result<fortress::ExecuteOutput, PeerError> {
        let peer = self.fortress_peer(asker, "fortress:execute", MODEL_TIMEOUT_MS)?;
        peer.call("fortress_secure_execute", &json!(input)).await
    }

    pub async fn verify_signature(
        &self,
        asker: &Asker<'_>,
        input: &fortress::VerifyInput,
    ) -> Result<fortress::VerifyOutput, PeerError> {
        let peer = self.fortress_peer(asker, "fortress:verify", CHECK_TIMEOUT_MS)?;
        peer.call("fortress_verify_signature", &json!(input)).await
    }

    /// Signatures of runs, many at once.
    pub async fn verify_signatures(
        &self,
        asker: &Asker<'_>,
        input: &fortress::VerifyAllInput,
    ) -> Result<fortress::VerifyAllOutput, PeerError> {
        let peer = self.fortress_peer(asker, "worker:verify", CHECK_TIMEOUT_MS)?;
        peer.call("fortress_signatures_verify", &json!(input)).await
    }

    /// Has the fortress sign a package's tag manifest.
    pub async fn seal_package(
        &self,
        asker: &Asker<'_>,
        package_id: &str,
        tag_manifest: &str,
    ) -> Result<fortress::SealOutput, PeerError> {
        let peer = self.fortress_peer(asker, "worker:seal", CHECK_TIMEOUT_MS)?;
        let input = fortress::SealInput {
            package_id: package_id.to_owned(),
            tag_manifest: tag_manifest.to_owned(),
        };
        peer.call("fortress_package_seal", &json!(input)).await
    }

    /// Has the fortress log what is due: it has the keys, and checks signatures first.
    pub async fn log_due(&self, asker: &Asker<'_>) -> Result<fortress::LoggedDue, PeerError> {
        let peer = self.fortress_peer(asker, "worker:log", MODEL_TIMEOUT_MS)?;
        peer.call("fortress_log_due", &json!({})).await
    }

    fn fortress_peer<'a>(
        &'a self,
        asker: &'a Asker<'a>,
        scope: &str,
        timeout_ms: u64,
    ) -> Result<Peer<'a>, PeerError> {
        self.peer(FORTRESS, &self.fortress, asker, scope, timeout_ms)
    }

    /// The worker `name`, asked on behalf of the owner with one scope and no more.
    fn peer<'a>(
        &'a self,
        name: &'static str,
        http: &'a Rc<dyn Http>,
        asker: &'a Asker<'a>,
        scope: &str,
        timeout_ms: u64,
    ) -> Result<Peer<'a>, PeerError> {
        let principal = Principal {
            user_id: asker.owner.to_owned(),
            scopes: Scopes::new([scope]),
            ..asker.principal.clone()
        };
        let now_ms = self.clock.now_ms();
        let assertion = assertion::issue(&principal, name, asker.request_id, now_ms, &self.sealer)
            .map_err(|error| PeerError::Protocol {
                peer: name,
                message: error.to_string(),
            })?;
        Ok(Peer {
            http: &**http,
            name,
            assertion,
            request_id: asker.request_id,
            timeout_ms,
        })
    }
}
