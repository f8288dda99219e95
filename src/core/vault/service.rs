use std::rc::Rc;

use serde_json::{Value, json};

use super::statements::{self, NewKey};
use super::stored::{Place, SealedKey, StoredKey, last_four};
use super::{
    AddInput, AddOutput, HOUR_MS, Keyless, ListInput, ListOutput, MAX_DEPOSITS_AN_HOUR, MAX_KEYS,
    RevokeInput, RevokeOutput, RotateInput, RotateOutput, Upstream, VaultError,
};
use crate::auth::keys::Asking;
use crate::auth::{Attempt, AuditEvent, AuditLog, Decision, Principal, Throttle};
use crate::ids;
use crate::ports::Http;
use crate::seal::Sealer;
use crate::secret::Secret;
use crate::sql::{DatabaseError, Outcome, Statement};

const MAX_LISTED: i64 = 100;

/// Where the key whose id is bound next is on file.
const IS_THERE: &str = "EXISTS (SELECT 1 FROM api_keys WHERE id = ?14)";

/// Provider keys, on behalf of one request. Each yes and no is an audit row; that of a change is
/// written in one batch with it.
pub struct Vault {
    pub upstreams: Rc<[Upstream]>,
    pub sealer: Rc<Sealer>,
    pub http: Rc<dyn Http>,
    pub keyless: Rc<Keyless>,
    /// Brings the database, clock, entropy and log too.
    pub audit: AuditLog,
}

impl Vault {
    /// Keeps a key that its provider knows.
    pub async fn add(&self, asking: Asking<'_>, input: &AddInput) -> Result<AddOutput, VaultError> {
        let details = json!({
            "provider": input.provider, "name": input.name, "user_id": input.user_id,
            "keep_unchecked": input.keep_unchecked,
        });
        let done = self.try_add(asking, input, details.clone()).await;
        done.inspect_err(|error| self.note("provider_key_add", None, Some(error), details, asking))
    }

    pub async fn list(
        &self,
        asking: Asking<'_>,
        input: &ListInput,
    ) -> Result<ListOutput, VaultError> {
        let done = self.try_list(asking.principal, input).await;
        let details = json!({ "user_id": input.user_id });
        let error = done.as_ref().err();
        self.note("provider_key_list", None, error, details, asking);
        done
    }

    /// Puts a new key in an old one's place, once the provider knows it. The old one stays
    /// beside it for a while.
    pub async fn rotate(
        &self,
        asking: Asking<'_>,
        input: &RotateInput,
    ) -> Result<RotateOutput, VaultError> {
        let done = self.try_rotate(asking, input).await;
        let id = Some(input.id.as_str());
        done.inspect_err(|error| {
            let details = json!({
                "grace_hours": input.grace_hours, "keep_unchecked": input.keep_unchecked,
            });
            self.note("provider_key_rotate", id, Some(error), details, asking);
        })
    }

    /// Ends a key at once, with what it had replaced, and erases them. Again, it changes
    /// nothing.
    pub async fn revoke(
        &self,
        asking: Asking<'_>,
        input: &RevokeInput,
    ) -> Result<RevokeOutput, VaultError> {
        let done = self.try_revoke(asking, input).await;
        let id = Some(input.id.as_str());
        done.inspect_err(|error| {
            self.note("provider_key_revoke", id, Some(error), json!({}), asking);
        })
    }

    async fn try_add(
        &self,
        asking: Asking<'_>,
        input: &AddInput,
        details: Value,
    ) -> Result<AddOutput, VaultError> {
        let owner = asking.principal.resolve_user(input.user_id.as_deref())?;
        let upstream = self.upstream(&input.provider)?;
        let next = statements::next(&owner, &input.provider, &input.name);
        let next = self.run(next).await?;
        let next = next.first().ok_or(VaultError::NotFound)?;
        if next.int("taken")? > 0 {
            return Err(VaultError::NameTaken);
        }
        let place = Place {
            id: self.draw_id()?,
            provider: input.provider.clone(),
            name: input.name.clone(),
            version: next.int("version")?,
            owner,
        };
        self.throttle(&place.owner).await?;
        let checked_at = self
            .check(upstream, &input.api_key, input.keep_unchecked)
            .await?;
        let sealed = self.seal(&place, &input.api_key)?;
        let last_four = last_four(&input.api_key);
        let key = NewKey {
            place: &place,
            sealed: &sealed,
            last_four: &last_four,
            checked_at,
            now_ms: self.now_ms(),
        };
        let row = self.row("provider_key_add", &place.id, details, asking)?;
        let batch = vec![key.add(), row.bind(&place.id)];
        let added = self.audit.database.batch(batch).await;
        // Also after an error: it may be written and the reply lost.
        self.keyless.forget(&place.owner, &place.provider);
        let added = added.map_err(|error| unless_unique(error, VaultError::NameTaken))?;
        let row = added.first().and_then(Outcome::first);
        let row = row.ok_or(VaultError::TooMany { max: MAX_KEYS })?;
        Ok(AddOutput {
            key: StoredKey::read(row)?.view(&self.sealer, key.now_ms),
        })
    }

    async fn try_list(
        &self,
        caller: &Principal,
        input: &ListInput,
    ) -> Result<ListOutput, VaultError> {
        let owner = caller.resolve_user(input.user_id.as_deref())?;
        let now_ms = self.now_ms();
        let list = statements::list(&owner, input.include_ended, now_ms, MAX_LISTED + 1);
        let rows = self.run(list).await?.rows;
        let listed = usize::try_from(MAX_LISTED).unwrap_or_default();
        let keys = rows.iter().take(listed).map(StoredKey::read);
        Ok(ListOutput {
            keys: keys
                .map(|key| Ok(key?.view(&self.sealer, now_ms)))
                .collect::<Result<_, VaultError>>()?,
            more: rows.len() > listed,
        })
    }

    async fn try_rotate(
        &self,
        asking: Asking<'_>,
        input: &RotateInput,
    ) -> Result<RotateOutput, VaultError> {
        let old = self.of(asking.principal, &input.id).await?;
        if !old.is_active {
            return Err(VaultError::NotActive);
        }
        if old.is(&input.api_key, &self.sealer) {
            return Err(VaultError::SameKey);
        }
        let upstream = self.upstream(&old.place.provider)?;
        self.throttle(&old.place.owner).await?;
        let checked_at = self
            .check(upstream, &input.api_key, input.keep_unchecked)
            .await?;
        let place = Place {
            id: self.draw_id()?,
            version: old.place.version.saturating_add(1),
            ..old.place.clone()
        };
        let sealed = self.seal(&place, &input.api_key)?;
        let last_four = last_four(&input.api_key);
        let now_ms = self.now_ms();
        let key = NewKey {
            place: &place,
            sealed: &sealed,
            last_four: &last_four,
            checked_at,
            now_ms,
        };
        let ends_at = now_ms.saturating_add(input.grace_hours * HOUR_MS);
        let details = json!({
            "new_id": place.id, "grace_hours": input.grace_hours,
            "keep_unchecked": input.keep_unchecked,
        });
        let row = self.row("provider_key_rotate", &input.id, details, asking)?;
        let batch = vec![
            statements::replace(&input.id, &place.id, ends_at, now_ms),
            key.succeed(&input.id),
            statements::end_before(&input.id, &place, now_ms),
            row.bind(&place.id),
        ];
        let written = self.audit.database.batch(batch).await;
        let written = written.map_err(|error| unless_unique(error, VaultError::NotActive))?;
        let view = |at: usize| {
            let row = written.get(at).and_then(Outcome::first);
            let row = row.ok_or(VaultError::NotActive)?;
            Ok::<_, VaultError>(StoredKey::read(row)?.view(&self.sealer, now_ms))
        };
        Ok(RotateOutput {
            key: view(1)?,
            previous: view(0)?,
        })
    }

    async fn try_revoke(
        &self,
        asking: Asking<'_>,
        input: &RevokeInput,
    ) -> Result<RevokeOutput, VaultError> {
        let key = self.of(asking.principal, &input.id).await?;
        let now_ms = self.now_ms();
        let row = self.row("provider_key_revoke", &input.id, json!({}), asking)?;
        let batch = vec![
            statements::revoke(&key.place, now_ms),
            statements::find(&input.id),
            row.bind(&input.id),
        ];
        let written = self.audit.database.batch(batch).await?;
        let row = written.get(1).and_then(Outcome::first);
        let row = row.ok_or(VaultError::NotFound)?;
        let revoked = written.first().map_or(0, |ended| ended.rows.len());
        Ok(RevokeOutput {
            key: StoredKey::read(row)?.view(&self.sealer, now_ms),
            revoked: revoked as u64,
        })
    }

    /// The key, if the caller may know of it.
    async fn of(&self, caller: &Principal, id: &str) -> Result<StoredKey, VaultError> {
        let found = self.run(statements::find(id)).await?;
        let key = StoredKey::read(found.first().ok_or(VaultError::NotFound)?)?;
        let theirs = caller.resolve_user(Some(&key.place.owner));
        theirs.map(|_| key).map_err(|_| VaultError::NotFound)
    }

    /// Else anybody could try keys out at a provider through us.
    async fn throttle(&self, owner: &str) -> Result<(), VaultError> {
        let throttle = Throttle {
            database: Rc::clone(&self.audit.database),
            clock: Rc::clone(&self.audit.clock),
        };
        let id = format!("provider_key:{owner}");
        match throttle.attempt(&id, MAX_DEPOSITS_AN_HOUR, HOUR_MS).await? {
            Attempt::Allowed => Ok(()),
            Attempt::Refused { retry_after_s } => Err(VaultError::TooOften { retry_after_s }),
        }
    }

    pub(super) fn seal(&self, place: &Place, key: &Secret) -> Result<SealedKey, VaultError> {
        let sealed = place.seal(key, &self.sealer, &*self.audit.entropy);
        sealed.map_err(VaultError::Seal)
    }

    pub(super) async fn run(&self, statement: Statement) -> Result<Outcome, DatabaseError> {
        self.audit.database.run(statement).await
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.audit.clock.now_ms()
    }

    fn draw_id(&self) -> Result<String, VaultError> {
        Ok(ids::plain(&*self.audit.clock, &*self.audit.entropy)?)
    }

    /// The audit row of something done to the key `id`, where [`IS_THERE`] holds.
    fn row(
        &self,
        action: &str,
        id: &str,
        details: Value,
        asking: Asking<'_>,
    ) -> Result<Statement, VaultError> {
        let event = event(action, Some(id), Decision::Allow, details);
        let (who, request) = (asking.principal, asking.request);
        let row = self.audit.statement(event, who, request, IS_THERE);
        row.ok_or(VaultError::NoAuditRow)
    }

    fn note(
        &self,
        action: &str,
        id: Option<&str>,
        error: Option<&VaultError>,
        details: Value,
        asking: Asking<'_>,
    ) {
        let decision = error.map_or(Decision::Allow, |error| Decision::Deny(error.reason()));
        let event = event(action, id, decision, details);
        self.audit
            .record(event, Some(asking.principal), asking.request);
    }
}

fn event<'a>(
    action: &'a str,
    id: Option<&'a str>,
    decision: Decision,
    details: Value,
) -> AuditEvent<'a> {
    AuditEvent {
        action,
        resource_type: "provider_key",
        resource_id: id,
        decision,
        details,
    }
}

/// What a row that is there already means.
fn unless_unique(error: DatabaseError, taken: VaultError) -> VaultError {
    if error.is_unique_violation() {
        return taken;
    }
    error.into()
}
