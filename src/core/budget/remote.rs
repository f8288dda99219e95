//! The accounts from afar: commands to their owners, as JSON over `fetch`, and the owner's side.

use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::account::Account;
use super::error::BudgetError;
use super::settling::{Answer, DELAY_MS, Settlement, Settling, Waiting};
use super::types::{Actual, Admission, CapsChange, Limits, Period, Request, Settled, State};
use crate::ports::{Clock, Http, HttpRequest};

/// A check stands before every call to a model: rather none than a late one.
const TIMEOUT_MS: u64 = 3_000;
/// Tries of a command whose reply was lost. All of them can be repeated.
const ATTEMPTS: u32 = 3;
const MAX_ANSWER: usize = 262_144;
/// An admission has ended after so long, however often it was tried.
const TAKEN_ALONG_MS: i64 = 10_000;

/// The accounts of all users. Without an answer nothing may be sent to a model: money fails closed.
#[async_trait(?Send)]
pub trait UserLedger {
    async fn admit(&self, user_id: &str, request: &Request) -> Result<Admission, UserLedgerError>;

    /// Before sending what was admitted with `sent: false`.
    async fn sent(&self, user_id: &str, request_id: &str) -> Result<(), UserLedgerError>;

    async fn settle(
        &self,
        user_id: &str,
        request_id: &str,
        actual: Actual,
    ) -> Result<Settled, UserLedgerError>;

    /// Takes back an admission whose answer was not heard, and which is not used therefore.
    async fn withdraw(&self, user_id: &str, request: &Request) -> Result<(), UserLedgerError>;

    /// Of the user, or of one key.
    async fn set_budget(
        &self,
        user_id: &str,
        key_id: Option<&str>,
        period: Period,
        caps: CapsChange,
    ) -> Result<(), UserLedgerError>;

    async fn set_limits(
        &self,
        user_id: &str,
        key_id: Option<&str>,
        limits: Limits,
    ) -> Result<(), UserLedgerError>;

    async fn set_zone(&self, user_id: &str, zone: &str) -> Result<(), UserLedgerError>;

    async fn state(&self, user_id: &str, key_id: Option<&str>) -> Result<State, UserLedgerError>;
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserLedgerError {
    /// It may be done or not: repeat it with the same request id, or send nothing.
    #[error("the budget could not be checked, try again: {0}")]
    Unavailable(String),
    #[error("{message}")]
    Refused { code: String, message: String },
}

impl UserLedgerError {
    pub fn code(&self) -> &str {
        match self {
            Self::Unavailable(_) => "BUDGET_UNAVAILABLE",
            Self::Refused { code, .. } => code,
        }
    }
}

/// Objects that each own what belongs to a name.
pub trait Objects {
    /// The way to the one of that name.
    fn named(&self, name: &str) -> Result<Rc<dyn Http>, String>;
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Command {
    /// Once the settlements are made.
    Admit {
        request: Request,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        settlements: Vec<Settlement>,
    },
    Sent(String),
    Withdraw(Request),
    Settle(Settlement),
    SetBudget {
        key_id: Option<String>,
        period: Period,
        caps: CapsChange,
    },
    SetLimits {
        key_id: Option<String>,
        limits: Limits,
    },
    SetZone(String),
    State {
        key_id: Option<String>,
    },
}

/// An owner's answer to an admission: what became of the settlements, in their order, too.
#[derive(Debug, Serialize, Deserialize)]
struct Admissions {
    admission: Admission,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    settled: Vec<Result<Settled, Refusal>>,
}

/// What an owner answers: an HTTP status and a JSON text.
#[derive(Debug, PartialEq, Eq)]
pub struct Served {
    pub status: u16,
    pub body: String,
    /// When the reservation ends that was made, so that its owner looks after it then.
    pub due_ms: Option<i64>,
}

/// Answers one command to an account.
pub fn serve(account: &Account<'_>, body: &[u8], now_ms: i64) -> Served {
    let Ok(command) = serde_json::from_slice::<Command>(body) else {
        return answer::<()>(Err(BudgetError::invalid(
            "the body is no command of an account",
        )));
    };
    match command {
        Command::Admit {
            request,
            settlements,
        } => admit(account, &request, &settlements, now_ms),
        Command::Sent(request_id) => answer(account.sent(&request_id, now_ms)),
        Command::Withdraw(request) => answer(account.withdraw(&request, now_ms)),
        Command::Settle(Settlement { request_id, actual }) => {
            answer(account.settle(&request_id, actual, now_ms))
        }
        Command::SetBudget {
            key_id,
            period,
            caps,
        } => answer(account.set_budget(key_id.as_deref(), period, caps, now_ms)),
        Command::SetLimits { key_id, limits } => {
            answer(account.set_limits(key_id.as_deref(), limits, now_ms))
        }
        Command::SetZone(zone) => answer(account.set_zone(&zone, now_ms)),
        Command::State { key_id } => answer(account.state(key_id.as_deref(), now_ms)),
    }
}

/// Those settlements that cannot be made now can be repeated, with the admission.
fn admit(
    account: &Account<'_>,
    request: &Request,
    settlements: &[Settlement],
    now_ms: i64,
) -> Served {
    let admission = account.settle_and_admit(settlements, request, now_ms);
    let due_ms = match &admission {
        Ok((Admission::Admitted(admitted), _)) => Some(admitted.expires_ms),
        _ => None,
    };
    let told = |settled: Result<_, BudgetError>| settled.map_err(|error| Refusal::of(&error));
    let answered = admission.map(|(admission, settled)| Admissions {
        admission,
        settled: settled.into_iter().map(told).collect(),
    });
    Served {
        due_ms,
        ..answer(answered)
    }
}

fn answer<T: Serialize>(outcome: Result<T, BudgetError>) -> Served {
    match outcome {
        Ok(value) => Served {
            status: 200,
            body: serde_json::to_string(&value).unwrap_or_default(),
            due_ms: None,
        },
        Err(error) => Served {
            status: match error {
                BudgetError::Store(_) => 503,
                BudgetError::Invalid(_) => 400,
                BudgetError::NotFound(_) => 404,
                BudgetError::Conflict(_) | BudgetError::Ended(_) => 409,
            },
            body: json!(Refusal::of(&error)).to_string(),
            due_ms: None,
        },
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Refusal {
    code: String,
    message: String,
}

impl Refusal {
    fn of(error: &BudgetError) -> Self {
        Self {
            code: error.code().to_owned(),
            message: error.to_string(),
        }
    }
}

impl From<Refusal> for UserLedgerError {
    fn from(Refusal { code, message }: Refusal) -> Self {
        Self::Refused { code, message }
    }
}

/// The accounts behind objects named by user id.
pub struct RemoteUserLedger {
    objects: Rc<dyn Objects>,
    clock: Rc<dyn Clock>,
    settling: Settling,
}

impl RemoteUserLedger {
    pub fn new(objects: Rc<dyn Objects>, clock: Rc<dyn Clock>) -> Self {
        Self {
            objects,
            clock,
            settling: Settling::default(),
        }
    }

    /// Waits for what becomes of a settlement that an admission has taken along. None if that
    /// admission was given up: nothing else would tell.
    async fn taken_along(&self, waiting: &Waiting) -> Option<Answer> {
        let until_ms = self.clock.now_ms().saturating_add(TAKEN_ALONG_MS);
        while self.clock.now_ms() < until_ms {
            if let Some(answer) = waiting.answer() {
                return Some(answer);
            }
            self.clock.sleep(DELAY_MS).await;
        }
        None
    }

    async fn ask<O: DeserializeOwned>(
        &self,
        user_id: &str,
        command: &Command,
    ) -> Result<O, UserLedgerError> {
        let unavailable = |cause: String| UserLedgerError::Unavailable(cause);
        let body = serde_json::to_vec(command).map_err(|e| unavailable(e.to_string()))?;
        let body = Bytes::from(body);
        let mut outcome = Err(unavailable(String::new()));
        for _ in 0..ATTEMPTS {
            let object = self.objects.named(user_id).map_err(unavailable)?;
            outcome = once(object, body.clone()).await;
            if !matches!(outcome, Err(UserLedgerError::Unavailable(_))) {
                break;
            }
        }
        outcome
    }
}

async fn once<O: DeserializeOwned>(
    object: Rc<dyn Http>,
    body: Bytes,
) -> Result<O, UserLedgerError> {
    let unavailable = |cause: String| UserLedgerError::Unavailable(cause);
    let request = HttpRequest {
        method: "POST",
        url: "https://user-ledger.internal/".to_owned(),
        headers: vec![("content-type", "application/json".to_owned())],
        body,
        timeout_ms: TIMEOUT_MS,
        want_headers: &[],
    };
    let response = object.send(request).await;
    let response = response.map_err(|e| unavailable(e.to_string()))?;
    let status = response.status;
    let body = response.bytes(MAX_ANSWER).await;
    let body = body.map_err(|e| unavailable(e.to_string()))?;
    if status == 200 {
        return serde_json::from_slice(&body).map_err(|e| unavailable(e.to_string()));
    }
    match serde_json::from_slice::<Refusal>(&body) {
        Ok(Refusal { message, .. }) if status >= 500 => Err(unavailable(message)),
        Ok(refusal) => Err(refusal.into()),
        Err(_) => Err(unavailable(format!("status {status}"))),
    }
}

fn owned(key_id: Option<&str>) -> Option<String> {
    key_id.map(str::to_owned)
}

#[async_trait(?Send)]
impl UserLedger for RemoteUserLedger {
    async fn admit(&self, user_id: &str, request: &Request) -> Result<Admission, UserLedgerError> {
        let along = self.settling.take(user_id);
        let settlement = |waiting: &Waiting| waiting.settlement.clone();
        let command = Command::Admit {
            request: request.clone(),
            settlements: along.iter().map(settlement).collect(),
        };
        let told: Result<Admissions, _> = self.ask(user_id, &command).await;
        let Admissions { admission, settled } = told.inspect_err(|error| {
            // They go on alone.
            for waiting in &along {
                waiting.put(Err(error.clone()));
            }
        })?;
        for (waiting, settled) in along.iter().zip(settled) {
            waiting.put(settled.map_err(UserLedgerError::from));
        }
        Ok(admission)
    }

    async fn withdraw(&self, user_id: &str, request: &Request) -> Result<(), UserLedgerError> {
        self.ask(user_id, &Command::Withdraw(request.clone())).await
    }

    async fn sent(&self, user_id: &str, request_id: &str) -> Result<(), UserLedgerError> {
        self.ask(user_id, &Command::Sent(request_id.to_owned()))
            .await
    }

    async fn settle(
        &self,
        user_id: &str,
        request_id: &str,
        actual: Actual,
    ) -> Result<Settled, UserLedgerError> {
        let waiting = Waiting::new(Settlement {
            request_id: request_id.to_owned(),
            actual,
        });
        self.settling.add(user_id, waiting.clone());
        self.clock.sleep(DELAY_MS).await;
        if !self.settling.remove(user_id, request_id)
            && let Some(Ok(settled)) = self.taken_along(&waiting).await
        {
            return Ok(settled);
        }
        let command = Command::Settle(waiting.settlement);
        self.ask(user_id, &command).await
    }

    async fn set_budget(
        &self,
        user_id: &str,
        key_id: Option<&str>,
        period: Period,
        caps: CapsChange,
    ) -> Result<(), UserLedgerError> {
        let key_id = owned(key_id);
        let command = Command::SetBudget {
            key_id,
            period,
            caps,
        };
        self.ask(user_id, &command).await
    }

    async fn set_limits(
        &self,
        user_id: &str,
        key_id: Option<&str>,
        limits: Limits,
    ) -> Result<(), UserLedgerError> {
        let key_id = owned(key_id);
        self.ask(user_id, &Command::SetLimits { key_id, limits })
            .await
    }

    async fn set_zone(&self, user_id: &str, zone: &str) -> Result<(), UserLedgerError> {
        self.ask(user_id, &Command::SetZone(zone.to_owned())).await
    }

    async fn state(&self, user_id: &str, key_id: Option<&str>) -> Result<State, UserLedgerError> {
        let key_id = owned(key_id);
        self.ask(user_id, &Command::State { key_id }).await
    }
}
