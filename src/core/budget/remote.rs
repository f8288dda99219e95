//! The accounts from afar: commands to their owners, as JSON over `fetch`, and the owner's side.

use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::account::Account;
use super::error::BudgetError;
use super::types::{Actual, Admission, CapsChange, Limits, Period, Request, Settled, State};
use crate::ports::{Http, HttpRequest};

/// A check stands before every call to a model: rather none than a late one.
const TIMEOUT_MS: u64 = 3_000;
/// Tries of a command whose reply was lost. All of them can be repeated.
const ATTEMPTS: u32 = 3;
const MAX_ANSWER: usize = 262_144;

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
    Admit(Request),
    Sent(String),
    Withdraw(Request),
    Settle {
        request_id: String,
        actual: Actual,
    },
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
        Command::Admit(request) => {
            let admission = account.admit(&request, now_ms);
            let due_ms = match &admission {
                Ok(Admission::Admitted(admitted)) => Some(admitted.expires_ms),
                _ => None,
            };
            Served {
                due_ms,
                ..answer(admission)
            }
        }
        Command::Sent(request_id) => answer(account.sent(&request_id, now_ms)),
        Command::Withdraw(request) => answer(account.withdraw(&request, now_ms)),
        Command::Settle { request_id, actual } => {
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

fn answer<T: Serialize>(outcome: Result<T, BudgetError>) -> Served {
    match outcome {
        Ok(value) => Served {
            status: 200,
            body: json!(value).to_string(),
            due_ms: None,
        },
        Err(error) => Served {
            status: match error {
                BudgetError::Store(_) => 503,
                BudgetError::Invalid(_) => 400,
                BudgetError::NotFound(_) => 404,
                BudgetError::Conflict(_) | BudgetError::Ended(_) => 409,
            },
            body: json!({ "code": error.code(), "message": error.to_string() }).to_string(),
            due_ms: None,
        },
    }
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
    message: String,
}

/// The accounts behind objects named by user id.
pub struct RemoteUserLedger {
    objects: Rc<dyn Objects>,
}

impl RemoteUserLedger {
    pub fn new(objects: Rc<dyn Objects>) -> Self {
        Self { objects }
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
        Ok(Refusal { code, message }) => Err(UserLedgerError::Refused { code, message }),
        Err(_) => Err(unavailable(format!("status {status}"))),
    }
}

fn owned(key_id: Option<&str>) -> Option<String> {
    key_id.map(str::to_owned)
}

#[async_trait(?Send)]
impl UserLedger for RemoteUserLedger {
    async fn admit(&self, user_id: &str, request: &Request) -> Result<Admission, UserLedgerError> {
        self.ask(user_id, &Command::Admit(request.clone())).await
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
        let request_id = request_id.to_owned();
        self.ask(user_id, &Command::Settle { request_id, actual })
            .await
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
