//! What an account asks of its storage.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::types::{Actual, Caps, Charge, Limits, Request, Spending};
use super::window::Windows;
use crate::sql::DatabaseError;

/// What is spent is summed by quarter hours, UTC: days and months of every zone in use are
/// made of whole ones, so a change of zone or a new budget finds its sums there.
pub const SLOT_MS: i64 = 900_000;
/// How long a finished reservation stays on file, to answer repetitions and corrections.
const KEPT_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// Whose limits, budgets and sums: a key's, or the user's where it is None.
pub type Holder = Option<String>;
/// A holder's slots from the first time (included) to the second (not included).
pub type Span = (Holder, i64, i64);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// With the bounds that were granted.
    pub request: Request,
    /// What was asked for, where a clamp granted less.
    pub asked: Option<Asked>,
    pub admitted_ms: i64,
    /// The call is under way, or is taken to be.
    pub sent: bool,
    pub end: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub max_output_tokens: u64,
    pub bound_nanos: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    pub at_ms: i64,
    pub actual: Actual,
    /// By itself, not by its caller.
    pub expired: bool,
}

impl Reservation {
    pub fn holders(&self) -> impl Iterator<Item = Holder> {
        let key = self.request.key_id.clone();
        std::iter::once(None).chain(key.map(Some))
    }

    /// Whether it was made for this very asking.
    pub fn is_of(&self, request: &Request) -> bool {
        !request.nonce.is_empty() && self.request.nonce == request.nonce
    }

    pub fn held(&self) -> bool {
        self.end.is_none()
    }

    /// What was asked for.
    pub fn original(&self) -> Request {
        let mut request = self.request.clone();
        if let Some(asked) = self.asked {
            request.max_output_tokens = asked.max_output_tokens;
            request.bound_nanos = asked.bound_nanos;
        }
        request
    }

    pub fn expires_ms(&self) -> i64 {
        self.admitted_ms.saturating_add(self.request.ttl_ms)
    }

    /// When something is to be done about it: it expires, or leaves the file.
    pub fn due_ms(&self) -> i64 {
        match self.end {
            None => self.expires_ms(),
            // Whole hours, so that many leave together.
            Some(end) => (end.at_ms.saturating_add(KEPT_MS) / HOUR_MS + 1) * HOUR_MS,
        }
    }

    pub fn slot_ms(&self) -> i64 {
        slot_of(self.admitted_ms)
    }

    /// Its part in the sums.
    pub fn spending(&self) -> Spending {
        let (spent, reserved, estimated) = match self.end.map(|end| end.actual.charge) {
            None => (0, self.request.bound_nanos.unwrap_or(0), 0),
            Some(Charge::Exact(nanos)) => (nanos, 0, 0),
            Some(Charge::Estimated(nanos)) => (nanos, 0, nanos),
            Some(Charge::Unpriced | Charge::Released) => (0, 0, 0),
        };
        Spending {
            spent,
            reserved,
            estimated,
        }
    }

    /// Tokens that it counts for.
    pub fn tokens(&self) -> u64 {
        let bound = self.request.input_tokens + self.request.max_output_tokens;
        match self.end.map(|end| end.actual) {
            Some(Actual {
                charge: Charge::Released,
                ..
            }) => 0,
            Some(actual) => actual.tokens.unwrap_or(bound),
            None => bound,
        }
    }
}

pub fn slot_of(at_ms: i64) -> i64 {
    at_ms.div_euclid(SLOT_MS) * SLOT_MS
}

/// What somebody set for a user or a key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The user's. Unset is UTC.
    pub zone: Option<String>,
    pub day: Caps,
    pub month: Caps,
    pub limits: Limits,
}

/// What the verbs read before they decide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Reservations have ended by themselves and are not accounted for yet.
    pub due: bool,
    pub user: Rc<Settings>,
    pub key: Rc<Settings>,
    pub user_held: u64,
    pub key_held: u64,
    /// Stored times of arrival; what is not stored is 0.
    pub tats: Vec<Tat>,
}

/// A meter of the rate limits. `kind` is [`REQUESTS`] or `tokens:{family}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tat {
    pub holder: Holder,
    pub kind: String,
    pub tat_us: i64,
}

pub const REQUESTS: &str = "requests";

pub fn tokens_kind(family: &str) -> String {
    format!("tokens:{family}")
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Written over the one of the same request id.
    Reservation(Rc<Reservation>),
    /// Added to the sums.
    Spending {
        holder: Holder,
        slot_ms: i64,
        delta: Spending,
    },
    Tat(Tat),
    Settings {
        holder: Holder,
        settings: Settings,
    },
    /// Whether the books have yet to hear of the reservation's end.
    Unreported {
        request_id: String,
        yet: bool,
    },
    /// What nobody will ask for any more, the unreported excepted.
    Forget {
        finished_due_ms: i64,
        slots_before_ms: i64,
        tats_before_us: i64,
    },
}

/// Storage of one account. All calls are synchronous, so no other request comes between a
/// read and what is written after it. What is staged is read as if it were on file.
pub trait Store {
    fn known(&self, request_id: &str) -> Result<Option<Rc<Reservation>>, DatabaseError>;

    /// `family` may be empty: then nothing is found for it.
    fn load(
        &self,
        key_id: Option<&str>,
        family: &str,
        now_ms: i64,
    ) -> Result<Loaded, DatabaseError>;

    /// The sum of each span.
    fn spending(&self, spans: &[Span]) -> Result<Vec<Spending>, DatabaseError>;

    /// Held reservations that end by `now_ms`, the earliest first.
    fn due(&self, now_ms: i64) -> Result<Vec<Rc<Reservation>>, DatabaseError>;

    /// Reservations that the books have yet to hear of, at most `limit`, of those on file.
    fn unreported(&self, limit: u32) -> Result<Vec<Rc<Reservation>>, DatabaseError>;

    /// The earliest time at which something is due, of what is on file.
    fn next_due_ms(&self) -> Result<Option<i64>, DatabaseError>;

    /// How many keys have settings.
    fn keys_set(&self) -> Result<u64, DatabaseError>;

    /// Changes to be written. After an error nothing of what is staged may be.
    fn stage(&self, changes: Vec<Change>) -> Result<(), DatabaseError>;

    /// Writes all that is staged, or nothing. After an error it may be either, nothing is staged
    /// any more, and what is read is what is on file; the verb is repeated to find out.
    fn write(&self) -> Result<(), DatabaseError>;

    /// Makes nothing of what is staged.
    fn forget_staged(&self);

    /// Worked out lately, for as long as the store lives.
    fn windows(&self) -> &Windows;
}
