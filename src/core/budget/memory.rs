//! What an account has read of its file. Nobody else writes there, so it is read once.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::store::{
    Change, Holder, Loaded, REQUESTS, Reservation, Settings, Span, Tat, tokens_kind,
};
use super::types::Spending;

/// Days and months, of the user and of the keys in use.
const MAX_SUMS: usize = 32;

/// By holder; the user's under the empty text, which no key has for an id.
type ByHolder<T> = BTreeMap<String, T>;

#[derive(Debug, Default, PartialEq)]
pub(super) struct Memory {
    pub settings: ByHolder<Rc<Settings>>,
    /// No more than the calls at once that a limit allows.
    pub held: BTreeMap<String, Rc<Reservation>>,
    /// Times of arrival by kind.
    pub tats: ByHolder<BTreeMap<String, i64>>,
    /// Sums that were asked for lately, the last at the end.
    sums: Vec<(Span, Spending)>,
}

impl Memory {
    pub fn loaded(&self, key_id: Option<&str>, family: &str, now_ms: i64) -> Loaded {
        let settings = |holder: &str| self.settings.get(holder).cloned().unwrap_or_default();
        let mut loaded = Loaded {
            due: self.held.values().any(|one| one.due_ms() <= now_ms),
            user: settings(""),
            key: key_id.map(settings).unwrap_or_default(),
            user_held: self.held.len() as u64,
            ..Loaded::default()
        };
        if let Some(key) = key_id {
            let keys = self.held.values().map(|one| &one.request.key_id);
            loaded.key_held = keys.filter(|id| id.as_deref() == Some(key)).count() as u64;
        }
        let kinds = [REQUESTS.to_owned(), tokens_kind(family)];
        for holder in std::iter::once(None).chain(key_id.map(Some)) {
            let Some(tats) = self.tats.get(holder.unwrap_or_default()) else {
                continue;
            };
            let stored = kinds
                .iter()
                .filter_map(|kind| Some((kind, *tats.get(kind)?)));
            loaded.tats.extend(stored.map(|(kind, tat_us)| Tat {
                holder: holder.map(str::to_owned),
                kind: kind.clone(),
                tat_us,
            }));
        }
        loaded
    }

    /// The earliest first.
    pub fn due(&self, now_ms: i64) -> Vec<Rc<Reservation>> {
        let held = self.held.values().filter(|one| one.due_ms() <= now_ms);
        let mut due: Vec<_> = held.cloned().collect();
        // Those of one time stay in the order of their ids.
        due.sort_by_key(|one| one.due_ms());
        due
    }

    pub fn sum(&self, span: &Span) -> Option<Spending> {
        let known = self.sums.iter().find(|(of, _)| of == span);
        known.map(|(_, sum)| *sum)
    }

    pub fn remember(&mut self, span: Span, sum: Spending) {
        if self.sums.len() >= MAX_SUMS {
            self.sums.remove(0);
        }
        self.sums.push((span, sum));
    }

    #[cfg(test)]
    pub fn spans(&self) -> Vec<Span> {
        self.sums.iter().map(|(span, _)| span.clone()).collect()
    }

    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Reservation(one) => {
                let id = one.request.request_id.clone();
                if one.held() {
                    self.held.insert(id, one);
                } else {
                    self.held.remove(&id);
                }
            }
            Change::Spending {
                holder,
                slot_ms,
                delta,
            } => {
                let sums = self.sums.iter_mut();
                for (_, sum) in sums.filter(|(span, _)| within(span, &holder, slot_ms)) {
                    *sum = sum.plus(delta);
                }
            }
            Change::Tat(Tat {
                holder,
                kind,
                tat_us,
            }) => {
                let tats = self.tats.entry(holder.unwrap_or_default()).or_default();
                tats.insert(kind, tat_us);
            }
            Change::Settings { holder, settings } => {
                let holder = holder.unwrap_or_default();
                if settings == Settings::default() {
                    self.settings.remove(&holder);
                } else {
                    self.settings.insert(holder, Rc::new(settings));
                }
            }
            Change::Unreported { .. } => (),
            Change::Forget {
                slots_before_ms,
                tats_before_us,
                ..
            } => {
                self.sums
                    .retain(|((_, from_ms, _), _)| *from_ms >= slots_before_ms);
                self.tats.retain(|_, tats| {
                    tats.retain(|_, tat_us| *tat_us >= tats_before_us);
                    !tats.is_empty()
                });
            }
        }
    }
}

pub(super) fn within((of, from_ms, to_ms): &Span, holder: &Holder, slot_ms: i64) -> bool {
    of == holder && (*from_ms..*to_ms).contains(&slot_ms)
}
