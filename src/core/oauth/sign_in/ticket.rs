//! What a form must bring back, sealed.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::browser::Browser;
use super::trouble::Trouble;
use crate::oauth::AuthorizationServer;

pub(super) const TICKET_MS: i64 = 10 * 60 * 1000;
const PURPOSE: &str = "ticket";

/// What a ticket is good for. None does for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TicketKind {
    SignIn,
    SecondFactor,
    /// Travels in a cookie while its browser is at the provider.
    Provider,
    /// Says that somebody signed in for this very request.
    SignedIn,
    Consent,
    Account,
    SignOut,
}

impl TicketKind {
    fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::SecondFactor => "second_factor",
            Self::Provider => "provider",
            Self::SignedIn => "signed_in",
            Self::Consent => "consent",
            Self::Account => "account",
            Self::SignOut => "sign_out",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    until_ms: i64,
    body: T,
}

impl AuthorizationServer {
    /// For this browser, and for a session by its id.
    pub(super) fn seal_ticket<T: Serialize>(
        &self,
        kind: TicketKind,
        browser: &Browser,
        session: Option<&str>,
        body: &T,
    ) -> Result<String, Trouble> {
        let until_ms = self.audit.clock.now_ms() + TICKET_MS;
        let envelope = serde_json::to_vec(&Envelope { until_ms, body })
            .map_err(|error| Trouble::ours(error.to_string()))?;
        let bound = [kind.name(), &browser.hash(), session.unwrap_or_default()];
        let entropy = &*self.audit.entropy;
        Ok(self.sealer.seal(PURPOSE, &bound, &envelope, entropy)?)
    }

    pub(super) fn open_ticket<T: DeserializeOwned>(
        &self,
        kind: TicketKind,
        browser: &Browser,
        session: Option<&str>,
        sealed: Option<&str>,
    ) -> Result<T, Trouble> {
        let sealed = sealed.ok_or_else(Trouble::stale)?;
        let bound = [kind.name(), &browser.hash(), session.unwrap_or_default()];
        let opened = self.sealer.open(PURPOSE, &bound, sealed);
        let envelope: Envelope<T> = opened
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(Trouble::stale)?;
        if envelope.until_ms <= self.audit.clock.now_ms() {
            return Err(Trouble::stale());
        }
        Ok(envelope.body)
    }
}
