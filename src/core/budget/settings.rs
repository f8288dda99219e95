//! What a user's account is told to keep to, and what it says of itself.

use std::collections::BTreeMap;

use super::account::Account;
use super::admit::{UTC, standing, unknown_zone};
use super::error::BudgetError;
use super::gates::{FAMILIES, gates, tightest};
use super::rate::MAX_RATE;
use super::store::{Change, Settings};
use super::types::{CapsChange, Limits, Period, State, check_name, check_nanos};

/// Keys of a user with settings of their own.
const MAX_KEYS: u64 = 1_000;
/// Calls at once; expiry looks at each of them.
const MAX_CONCURRENT: u64 = 1_000;
/// Families with a limit of their own.
const MAX_FAMILIES: usize = 64;

impl Account<'_> {
    /// Changes the caps of a day or month, of the user or of one key. Without caps there is no
    /// budget.
    pub fn set_budget(
        &self,
        key_id: Option<&str>,
        period: Period,
        change: impl Into<CapsChange>,
        now_ms: i64,
    ) -> Result<(), BudgetError> {
        let change = change.into();
        for cap in [change.soft, change.hard].into_iter().flatten().flatten() {
            check_nanos("a cap", cap)?;
        }
        self.change(key_id, now_ms, |settings| match period {
            Period::Day => settings.day = change.of(settings.day),
            Period::Month => settings.month = change.of(settings.month),
        })
    }

    /// Replaces the limits of the user or of one key.
    pub fn set_limits(
        &self,
        key_id: Option<&str>,
        limits: Limits,
        now_ms: i64,
    ) -> Result<(), BudgetError> {
        check_limits(&limits)?;
        self.change(key_id, now_ms, |settings| settings.limits = limits)
    }

    /// Sets the zone whose days and months the budgets go by. What was spent counts in the day
    /// and month that it falls into there.
    pub fn set_zone(&self, zone: &str, now_ms: i64) -> Result<(), BudgetError> {
        check_name("zone", zone)?;
        if self.zones.offset_ms(zone, now_ms).is_none() {
            return Err(unknown_zone(zone));
        }
        self.change(None, now_ms, |settings| {
            settings.zone = Some(zone.to_owned());
        })
    }

    /// Limits, budgets and what is under way, of the user and of one key if it is named.
    pub fn state(&self, key_id: Option<&str>, now_ms: i64) -> Result<State, BudgetError> {
        self.written(|| self.current_state(key_id, now_ms))
    }

    fn current_state(&self, key_id: Option<&str>, now_ms: i64) -> Result<State, BudgetError> {
        let loaded = self.load(key_id, "", now_ms)?;
        let meters = gates(&loaded, self.defaults, key_id, "");
        let budgets = self.budgets(&loaded, key_id, now_ms)?;
        let mut limits = vec![loaded.user.limits.or(self.defaults)];
        limits.extend(key_id.map(|_| loaded.key.limits.clone()));
        let mut tokens = BTreeMap::new();
        for family in FAMILIES {
            let loaded = self.store.load(key_id, family, now_ms)?;
            let meters = gates(&loaded, self.defaults, key_id, family);
            let left = tightest(&meters, true, now_ms);
            tokens.extend(left.map(|left| (family.to_owned(), left)));
        }
        Ok(State {
            tokens,
            zone: loaded.user.zone.as_deref().unwrap_or(UTC).to_owned(),
            limits,
            standing: standing(&meters, budgets, now_ms),
            held: loaded.user_held,
        })
    }

    fn change(
        &self,
        key_id: Option<&str>,
        now_ms: i64,
        change: impl FnOnce(&mut Settings),
    ) -> Result<(), BudgetError> {
        if let Some(key) = key_id {
            check_name("key_id", key)?;
        }
        self.written(|| self.stage_settings(key_id, now_ms, change))
    }

    fn stage_settings(
        &self,
        key_id: Option<&str>,
        now_ms: i64,
        change: impl FnOnce(&mut Settings),
    ) -> Result<(), BudgetError> {
        let loaded = self.load(key_id, "", now_ms)?;
        let mut settings = match key_id {
            Some(_) => Settings::clone(&loaded.key),
            None => Settings::clone(&loaded.user),
        };
        let new = key_id.is_some() && settings == Settings::default();
        if new && self.store.keys_set()? >= MAX_KEYS {
            return Err(BudgetError::invalid(
                "too many keys have settings of their own",
            ));
        }
        change(&mut settings);
        let holder = key_id.map(str::to_owned);
        Ok(self
            .store
            .stage(vec![Change::Settings { holder, settings }])?)
    }
}

pub(super) fn check_limits(limits: &Limits) -> Result<(), BudgetError> {
    let rates = limits.tokens_per_minute.values().copied();
    let mut rates = rates.chain(limits.requests_per_minute);
    if !rates.all(|rate| (1..=MAX_RATE).contains(&rate)) {
        return Err(BudgetError::invalid("a limit a minute is 1 to 1000000000"));
    }
    if limits
        .concurrent
        .is_some_and(|most| !(1..=MAX_CONCURRENT).contains(&most))
    {
        return Err(BudgetError::invalid("calls at once are 1 to 1000"));
    }
    if limits.tokens_per_minute.len() > MAX_FAMILIES {
        return Err(BudgetError::invalid(
            "at most 64 model families have a limit",
        ));
    }
    let mut families = limits.tokens_per_minute.keys();
    families.try_for_each(|family| check_name("a model family", family))
}
