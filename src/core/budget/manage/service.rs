use garde::Validate;
use serde_json::{Value, json};

use super::super::remote::UserLedger;
use super::error::ManageError;
use super::input::{BudgetGetInput, BudgetSetInput};
use super::output::BudgetOutput;
use crate::auth::keys::Asking;
use crate::auth::{AuditEvent, AuditLog, Decision, Principal};
use crate::sql::Statement;

/// A key of the user's, or a grant that a client acts by.
const FIND_KEY: &str = "SELECT (SELECT COUNT(*) FROM api_tokens WHERE id = ?1 AND user_id = ?2) \
    + (SELECT COUNT(*) FROM oauth_grants WHERE id = ?1 AND user_id = ?2) AS found";

/// Budgets and limits, on behalf of one request. Each change, made or refused, is an audit row.
pub struct Budgets<'a> {
    pub ledger: &'a dyn UserLedger,
    /// Brings the database too.
    pub audit: &'a AuditLog,
}

impl Budgets<'_> {
    /// Changes what `input` names and tells how things stand then. A second time changes
    /// nothing more.
    pub async fn set(
        &self,
        asking: Asking<'_>,
        input: &BudgetSetInput,
    ) -> Result<BudgetOutput, ManageError> {
        let done = self.try_set(asking, input).await;
        let user = input
            .user_id
            .as_deref()
            .unwrap_or(&asking.principal.user_id);
        let event = AuditEvent {
            action: "budget_set",
            resource_type: "budget",
            resource_id: Some(input.key_id.as_deref().unwrap_or(user)),
            decision: match &done {
                Ok(_) => Decision::Allow,
                Err(error) => Decision::Deny(error.reason()),
            },
            details: details(user, input),
        };
        self.audit
            .record(event, Some(asking.principal), asking.request);
        done
    }

    pub async fn get(
        &self,
        caller: &Principal,
        input: &BudgetGetInput,
    ) -> Result<BudgetOutput, ManageError> {
        let owner = caller.resolve_user(input.user_id.as_deref())?;
        self.check_key(&owner, input.key_id.as_deref()).await?;
        self.told(owner, input.key_id.clone()).await
    }

    /// The zone goes first: it alone can be refused by the account, and then nothing is changed.
    async fn try_set(
        &self,
        asking: Asking<'_>,
        input: &BudgetSetInput,
    ) -> Result<BudgetOutput, ManageError> {
        let owner = asking.principal.resolve_user(input.user_id.as_deref())?;
        let wrong = |report: garde::Report| ManageError::InvalidInput(report.to_string());
        input.validate().map_err(wrong)?;
        let caps = input.caps()?;
        let limits = input.limits.clone().map(Option::unwrap_or_default);
        if caps.is_none() && limits.is_none() && input.zone.is_none() {
            let fault = "name what to set: period with soft_usd or hard_usd, zone, or limits";
            return Err(ManageError::InvalidInput(fault.to_owned()));
        }
        let key_id = input.key_id.as_deref();
        self.check_key(&owner, key_id).await?;
        if let Some(zone) = &input.zone {
            self.ledger.set_zone(&owner, zone).await?;
        }
        if let Some(limits) = limits {
            self.ledger.set_limits(&owner, key_id, limits).await?;
        }
        if let Some((period, caps)) = caps {
            self.ledger.set_budget(&owner, key_id, period, caps).await?;
        }
        self.told(owner, input.key_id.clone()).await
    }

    /// A budget of a mistyped key would hold nothing back.
    async fn check_key(&self, owner: &str, key_id: Option<&str>) -> Result<(), ManageError> {
        let Some(key_id) = key_id else {
            return Ok(());
        };
        let find = Statement::new(FIND_KEY).bind(key_id).bind(owner);
        let found = self.audit.database.run(find).await?;
        let found = found.first().map(|row| row.int("found")).transpose()?;
        match found {
            Some(1..) => Ok(()),
            _ => Err(ManageError::KeyNotFound(key_id.to_owned())),
        }
    }

    async fn told(
        &self,
        owner: String,
        key_id: Option<String>,
    ) -> Result<BudgetOutput, ManageError> {
        let state = self.ledger.state(&owner, key_id.as_deref()).await?;
        Ok(BudgetOutput::of(owner, key_id, state))
    }
}

/// What was asked for; what stays as it is is not in it.
fn details(user: &str, input: &BudgetSetInput) -> Value {
    let changes = [
        ("user_id", Some(json!(user))),
        ("key_id", input.key_id.as_ref().map(|key| json!(key))),
        ("period", input.period.map(|period| json!(period))),
        ("soft_usd", input.soft_usd.as_ref().map(|sum| json!(sum))),
        ("hard_usd", input.hard_usd.as_ref().map(|sum| json!(sum))),
        ("zone", input.zone.as_ref().map(|zone| json!(zone))),
        ("limits", input.limits.as_ref().map(|limits| json!(limits))),
    ];
    let named = changes.into_iter();
    named
        .filter_map(|(name, change)| Some((name.to_owned(), change?)))
        .collect()
}
