use serde_json::{Value, json};

use super::rules::{borrowed, life_of, max_days, require_for, require_own, scopes_for};
use super::statements::{self, NewKey};
use super::stored::StoredKey;
use super::text::{self, KeyText};
use super::{
    DAY_MS, HOUR_MS, KeyError, ListInput, ListOutput, MANAGE_SCOPE, MAX_KEYS,
    MAX_KEYS_PER_PLATFORM, MAX_MINTS_AN_HOUR, MintInput, MintOutput, RevokeInput, RevokeOutput,
    RotateInput, RotateOutput,
};
use crate::auth::{
    AuditEvent, AuditLog, Decision, Principal, PrincipalKind, RequestInfo, throttle,
};
use crate::ids;
use crate::sql::{Outcome, Statement};

const MAX_LISTED: i64 = 100;
const EVERYTHING: &str = "admin:*";
/// The key whose id is bound next to an audit row is there.
const IS_THERE: &str = "EXISTS (SELECT 1 FROM api_tokens WHERE id = ?14)";

/// Keys, on behalf of one request. Each yes and no is an audit row; that of a change is written
/// in one batch with it.
pub struct KeyService<'a> {
    /// Brings the database, clock and entropy too.
    pub audit: &'a AuditLog,
}

/// Who asks, and in which request.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    pub principal: &'a Principal,
    pub request: &'a RequestInfo,
}

impl KeyService<'_> {
    /// Makes a key. Each call makes another.
    pub async fn mint(
        &self,
        asking: Asking<'_>,
        input: &MintInput,
    ) -> Result<MintOutput, KeyError> {
        let details = json!({
            "name": input.name, "kind": input.kind, "user_id": input.user_id,
            "role": input.role, "scopes": input.scopes, "platform": input.platform, "days": input.expires_in_days,
        });
        let made = self.try_mint(asking, input, details.clone()).await;
        made.inspect_err(|error| self.note("token_mint", None, Some(error), details, asking))
    }

    pub async fn list(
        &self,
        asking: Asking<'_>,
        input: &ListInput,
    ) -> Result<ListOutput, KeyError> {
        let found = self.try_list(asking.principal, input).await;
        let details = json!({ "user_id": input.user_id });
        self.note("token_list", None, found.as_ref().err(), details, asking);
        found
    }

    /// Makes a key that takes another's place, in one step with the end of the other.
    pub async fn rotate(
        &self,
        asking: Asking<'_>,
        input: &RotateInput,
    ) -> Result<RotateOutput, KeyError> {
        let made = self.try_rotate(asking, input).await;
        made.inspect_err(|error| {
            let details = json!({ "overlap_hours": input.overlap_hours });
            self.note(
                "token_rotate",
                Some(&input.id),
                Some(error),
                details,
                asking,
            );
        })
    }

    /// Ends a key. Again, it changes nothing.
    pub async fn revoke(
        &self,
        asking: Asking<'_>,
        input: &RevokeInput,
    ) -> Result<RevokeOutput, KeyError> {
        let details = json!({ "descendants": input.descendants });
        let done = self.try_revoke(asking, input, details.clone()).await;
        let id = Some(input.id.as_str());
        done.inspect_err(|error| self.note("token_revoke", id, Some(error), details, asking))
    }

    async fn try_mint(
        &self,
        asking: Asking<'_>,
        input: &MintInput,
        details: Value,
    ) -> Result<MintOutput, KeyError> {
        let caller = asking.principal;
        require_own(caller)?;
        require_for(caller, input.kind)?;
        let owner = caller.resolve_user(input.user_id.as_deref())?;
        let scopes = scopes_for(caller, input)?;
        let max = max_days(input.kind);
        if input.expires_in_days > max {
            return Err(KeyError::TooLong { max });
        }
        if input.kind == PrincipalKind::User && input.service.is_some() {
            return Err(KeyError::ServiceOfUser);
        }
        let latest = self.latest_end(caller).await?;
        let now_ms = self.audit.clock.now_ms();
        let drawn = self.draw(&text::stem(input.kind, input.service.as_deref()))?;
        let key = NewKey {
            id: &drawn.id,
            owner: &owner,
            hash: &drawn.text.hash,
            prefix: &drawn.text.prefix,
            name: &input.name,
            scopes: &scopes,
            platform: input.platform.as_deref(),
            expires_at: now_ms
                .saturating_add(input.expires_in_days * DAY_MS)
                .min(latest),
            now_ms,
            made_with: &caller.token_id,
        };
        let row = self.row("token_mint", key.id, details, asking)?;
        let then = vec![statements::find(&drawn.id), row.bind(key.id)];
        let written = self.write(&key, statements::insert(&key), then).await?;
        Ok(MintOutput {
            key: stored(written.first())?.view(now_ms),
            token: drawn.text.token,
        })
    }

    async fn try_list(
        &self,
        caller: &Principal,
        input: &ListInput,
    ) -> Result<ListOutput, KeyError> {
        caller.scopes.require(&[MANAGE_SCOPE])?;
        let owner = caller.resolve_user(input.user_id.as_deref())?;
        let now_ms = self.audit.clock.now_ms();
        let statement = statements::list(&owner, input.include_ended, now_ms, MAX_LISTED + 1);
        let rows = self.audit.database.run(statement).await?.rows;
        let listed = usize::try_from(MAX_LISTED).unwrap_or_default();
        let keys = rows.iter().take(listed).map(StoredKey::read);
        Ok(ListOutput {
            keys: keys
                .map(|key| Ok(key?.view(now_ms)))
                .collect::<Result<_, KeyError>>()?,
            more: rows.len() > listed,
        })
    }

    async fn try_rotate(
        &self,
        asking: Asking<'_>,
        input: &RotateInput,
    ) -> Result<RotateOutput, KeyError> {
        let caller = asking.principal;
        require_own(caller)?;
        let old = self.of(caller, &input.id).await?;
        let (stem, kind) = old.stem().ok_or(KeyError::UnknownForm)?;
        require_for(caller, kind)?;
        // Or its new text would give the caller what the caller may not.
        let scopes = old.scopes();
        caller.scopes.require(&borrowed(&scopes))?;
        // A key may renew itself; of another it makes nothing that outlasts both.
        let latest = if caller.token_id == input.id {
            i64::MAX
        } else {
            let own_end = old.token.ends_at().unwrap_or(i64::MAX);
            self.latest_end(caller).await?.max(own_end)
        };
        let now_ms = self.audit.clock.now_ms();
        if old.token.check(now_ms).is_err() {
            return Err(KeyError::NotActive);
        }
        let drawn = self.draw(stem)?;
        let key = NewKey {
            id: &drawn.id,
            owner: old.owner(),
            hash: &drawn.text.hash,
            prefix: &drawn.text.prefix,
            name: &old.token.principal.name,
            scopes: &scopes,
            platform: old.platform.as_deref(),
            expires_at: now_ms.saturating_add(life_of(&old, kind)).min(latest),
            now_ms,
            made_with: &caller.token_id,
        };
        let details = json!({ "new_id": key.id, "overlap_hours": input.overlap_hours });
        let row = self.row("token_rotate", &input.id, details, asking)?;
        let overlap_ms = input.overlap_hours * HOUR_MS;
        let ends_at = now_ms.saturating_add(overlap_ms);
        let then = vec![
            statements::replace(&input.id, &drawn.id, ends_at, now_ms),
            statements::find(&drawn.id),
            statements::find(&input.id),
            row.bind(key.id),
        ];
        let insert = statements::insert_for(&key, &input.id, overlap_ms);
        let written = self.write(&key, insert, then).await?;
        Ok(RotateOutput {
            key: stored(written.get(1))?.view(now_ms),
            replaced: stored(written.get(2))?.view(now_ms),
            token: drawn.text.token,
        })
    }

    async fn try_revoke(
        &self,
        asking: Asking<'_>,
        input: &RevokeInput,
        details: Value,
    ) -> Result<RevokeOutput, KeyError> {
        self.of(asking.principal, &input.id).await?;
        let now_ms = self.audit.clock.now_ms();
        let row = self.row("token_revoke", &input.id, details, asking)?;
        let mut batch = vec![statements::revoke(&input.id, now_ms)];
        if input.descendants {
            batch.push(statements::revoke_descendants(&input.id, now_ms));
        }
        batch.push(row.bind(&input.id));
        batch.push(statements::find(&input.id));
        let mut outcomes = self.audit.database.batch(batch).await?;
        let key = stored(outcomes.pop().as_ref())?.view(now_ms);
        let ended: usize = outcomes.iter().map(|outcome| outcome.rows.len()).sum();
        Ok(RevokeOutput {
            key,
            revoked: ended as u64,
        })
    }

    /// When keys made by the caller must have ended: with the caller's own, administrators
    /// excepted.
    async fn latest_end(&self, caller: &Principal) -> Result<i64, KeyError> {
        if caller.scopes.allows(EVERYTHING) {
            return Ok(i64::MAX);
        }
        let find = statements::find(&caller.token_id);
        let found = self.audit.database.run(find).await?;
        let own = found.first().ok_or(KeyError::NotActive)?;
        let own = StoredKey::read(own)?.token;
        if own.check(self.audit.clock.now_ms()).is_err() {
            return Err(KeyError::NotActive);
        }
        Ok(own.ends_at().unwrap_or(i64::MAX))
    }

    /// The key, if the caller may know of it.
    async fn of(&self, caller: &Principal, id: &str) -> Result<StoredKey, KeyError> {
        caller.scopes.require(&[MANAGE_SCOPE])?;
        let found = self.audit.database.run(statements::find(id)).await?;
        let key = stored(Some(&found))?;
        caller
            .resolve_user(Some(key.owner()))
            .map_err(|_| KeyError::NotFound)?;
        Ok(key)
    }

    /// Writes a key where there is room for it, and runs `then` in the same batch.
    async fn write(
        &self,
        key: &NewKey<'_>,
        insert: Statement,
        then: Vec<Statement>,
    ) -> Result<Vec<Outcome>, KeyError> {
        let mut batch = vec![
            throttle::count(&statements::counter(key.owner), HOUR_MS, key.now_ms),
            insert,
            statements::tally(key.owner, key.platform, key.now_ms),
        ];
        let own = batch.len();
        batch.extend(then);
        let mut outcomes = self.audit.database.batch(batch).await?;
        let then = outcomes.split_off(own.min(outcomes.len()));
        match (outcomes.get(1), outcomes.get(2)) {
            (Some(inserted), _) if inserted.first().is_some() => Ok(then),
            (_, Some(tally)) => Err(no_room(tally, key.now_ms)?),
            _ => Err(KeyError::NotActive),
        }
    }

    fn draw(&self, stem: &str) -> Result<Drawn, KeyError> {
        Ok(Drawn {
            id: ids::plain(&*self.audit.clock, &*self.audit.entropy)?,
            text: KeyText::draw(stem, &*self.audit.entropy)?,
        })
    }

    /// The audit row of something done to the key `id`, where [`IS_THERE`] holds.
    fn row(
        &self,
        action: &str,
        id: &str,
        details: Value,
        asking: Asking<'_>,
    ) -> Result<Statement, KeyError> {
        let event = event(action, Some(id), Decision::Allow, details);
        let (who, request) = (asking.principal, asking.request);
        let row = self.audit.statement(event, who, request, IS_THERE);
        row.ok_or_else(|| KeyError::Internal("the audit row has no id".to_owned()))
    }

    fn note(
        &self,
        action: &str,
        id: Option<&str>,
        error: Option<&KeyError>,
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
        resource_type: "token",
        resource_id: id,
        decision,
        details,
    }
}

struct Drawn {
    id: String,
    text: KeyText,
}

/// Why the batch inserted nothing.
fn no_room(tally: &Outcome, now_ms: i64) -> Result<KeyError, KeyError> {
    let Some(row) = tally.first() else {
        return Ok(KeyError::NotActive);
    };
    if row.int("attempts")? > MAX_MINTS_AN_HOUR {
        let left_ms = row.timestamp("counted_until")?.saturating_sub(now_ms);
        let retry_after_s = throttle::seconds(left_ms);
        return Ok(KeyError::TooOften { retry_after_s });
    }
    if row.int("keys")? >= MAX_KEYS {
        return Ok(KeyError::TooMany { max: MAX_KEYS });
    }
    if row.int("on_platform")? >= MAX_KEYS_PER_PLATFORM {
        let max = MAX_KEYS_PER_PLATFORM;
        return Ok(KeyError::TooManyOnPlatform { max });
    }
    // It ended in the meantime.
    Ok(KeyError::NotActive)
}

fn stored(outcome: Option<&Outcome>) -> Result<StoredKey, KeyError> {
    let row = outcome.and_then(Outcome::first).ok_or(KeyError::NotFound)?;
    Ok(StoredKey::read(row)?)
}
