//! What one command changes, each row once, and the statements that write it.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Serialize;

use super::memory::within;
use super::store::{Change, Holder, Reservation, Settings, Span, Tat};
use super::types::Spending;
use crate::sql::{DatabaseError, Statement, Value};

/// A Durable Object's statement has at most 100 values.
const ROWS: usize = 20;

/// Before and after the rows, which may be several: a statement takes as long as many of them.
type Insert = [&'static str; 2];

const PUT: Insert = [
    "INSERT INTO reservations (request_id, key_id, held, due_ms, body) VALUES ",
    " ON CONFLICT (request_id) DO UPDATE SET \
    held = excluded.held, due_ms = excluded.due_ms, body = excluded.body",
];
const ADD: Insert = [
    "INSERT INTO slots (holder, slot_ms, spent, reserved, estimated) VALUES ",
    " ON CONFLICT (holder, slot_ms) DO UPDATE SET \
    spent = spent + excluded.spent, reserved = reserved + excluded.reserved, \
    estimated = estimated + excluded.estimated",
];
const PUT_TATS: Insert = [
    "INSERT INTO tats (holder, kind, tat_us) VALUES ",
    " ON CONFLICT (holder, kind) DO UPDATE SET tat_us = excluded.tat_us",
];
const PUT_SETTINGS: Insert = [
    "INSERT INTO settings (holder, body) VALUES ",
    " ON CONFLICT (holder) DO UPDATE SET body = excluded.body",
];
const TO_REPORT: Insert = [
    "INSERT INTO unreported (request_id) VALUES ",
    " ON CONFLICT DO NOTHING",
];
const NO_SETTINGS: &str = "DELETE FROM settings WHERE holder = ?1";
const REPORTED: &str = "DELETE FROM unreported WHERE request_id = ?1";
const FORGET: [&str; 3] = [
    "DELETE FROM reservations WHERE held = 0 AND due_ms <= ?1 \
     AND request_id NOT IN (SELECT request_id FROM unreported)",
    "DELETE FROM slots WHERE slot_ms < ?1",
    "DELETE FROM tats WHERE tat_us < ?1",
];

#[derive(Debug, Default, PartialEq)]
pub(super) struct Staged {
    reservations: BTreeMap<String, Rc<Reservation>>,
    slots: BTreeMap<(Holder, i64), Spending>,
    tats: BTreeMap<(Holder, String), i64>,
    settings: BTreeMap<Holder, Settings>,
    unreported: BTreeMap<String, bool>,
    /// Comes last, as it does in the verb that asks for it.
    forget: Option<[i64; 3]>,
}

impl Staged {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub fn add(&mut self, change: Change) {
        match change {
            Change::Reservation(one) => {
                let id = one.request.request_id.clone();
                self.reservations.insert(id, one);
            }
            Change::Spending {
                holder,
                slot_ms,
                delta,
            } => {
                let slot = self.slots.entry((holder, slot_ms)).or_default();
                *slot = slot.plus(delta);
            }
            Change::Tat(Tat {
                holder,
                kind,
                tat_us,
            }) => {
                self.tats.insert((holder, kind), tat_us);
            }
            Change::Settings { holder, settings } => {
                self.settings.insert(holder, settings);
            }
            Change::Unreported { request_id, yet } => {
                self.unreported.insert(request_id, yet);
            }
            Change::Forget {
                finished_due_ms,
                slots_before_ms,
                tats_before_us,
            } => self.forget = Some([finished_due_ms, slots_before_ms, tats_before_us]),
        }
    }

    pub fn known(&self, request_id: &str) -> Option<&Rc<Reservation>> {
        self.reservations.get(request_id)
    }

    /// What is added to the slots of a span.
    pub fn sum(&self, span: &Span) -> Spending {
        let slots = self.slots.iter();
        let within = slots.filter(|((holder, slot_ms), _)| within(span, holder, *slot_ms));
        within.fold(Spending::default(), |sum, (_, delta)| sum.plus(*delta))
    }

    pub fn statements(&self) -> Result<Vec<Statement>, DatabaseError> {
        let mut all = Vec::new();
        let reservations = self.reservations.values().map(|one| reservation_row(one));
        insert(&mut all, PUT, reservations.collect::<Result<_, _>>()?);
        let (to_report, reported): (Vec<_>, Vec<_>) =
            self.unreported.iter().partition(|(_, yet)| **yet);
        let id = |(id, _): (&String, &bool)| vec![id.into()];
        insert(&mut all, TO_REPORT, to_report.into_iter().map(id).collect());
        let reported = reported.into_iter();
        all.extend(reported.map(|(id, _)| Statement::new(REPORTED).bind(id)));
        let added = self
            .slots
            .iter()
            .filter(|(_, delta)| **delta != Spending::default());
        insert(&mut all, ADD, added.map(slot_row).collect());
        insert(&mut all, PUT_TATS, self.tats.iter().map(tat_row).collect());
        for (holder, settings) in &self.settings {
            if *settings == Settings::default() {
                all.push(Statement::new(NO_SETTINGS).bind(text(holder)));
            } else {
                let row = vec![text(holder).into(), body(settings)?.into()];
                insert(&mut all, PUT_SETTINGS, vec![row]);
            }
        }
        let forget = self
            .forget
            .into_iter()
            .flat_map(|bounds| FORGET.into_iter().zip(bounds));
        all.extend(forget.map(|(sql, bound)| Statement::new(sql).bind(bound)));
        Ok(all)
    }
}

fn reservation_row(one: &Reservation) -> Result<Vec<Value>, DatabaseError> {
    let request = &one.request;
    Ok(vec![
        (&request.request_id).into(),
        request.key_id.clone().into(),
        i64::from(one.held()).into(),
        one.due_ms().into(),
        body(one)?.into(),
    ])
}

fn slot_row(((holder, slot_ms), delta): (&(Holder, i64), &Spending)) -> Vec<Value> {
    vec![
        text(holder).into(),
        (*slot_ms).into(),
        delta.spent.into(),
        delta.reserved.into(),
        delta.estimated.into(),
    ]
}

fn tat_row(((holder, kind), tat_us): (&(Holder, String), &i64)) -> Vec<Value> {
    vec![text(holder).into(), kind.into(), (*tat_us).into()]
}

fn insert(all: &mut Vec<Statement>, [before, after]: Insert, rows: Vec<Vec<Value>>) {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let (mut sql, mut params) = (before.to_owned(), Vec::new());
        for row in rows.by_ref().take(ROWS) {
            sql.push_str(if params.is_empty() { "(" } else { ", (" });
            for place in 0..row.len() {
                sql.push_str(if place == 0 { "?" } else { ", ?" });
            }
            sql.push(')');
            params.extend(row);
        }
        sql.push_str(after);
        all.push(Statement {
            params,
            ..Statement::new(sql)
        });
    }
}

/// The holder of a user's own rows is the empty text, which no key has for an id.
pub(super) fn text(holder: &Holder) -> &str {
    holder.as_deref().unwrap_or_default()
}

fn body<T: Serialize>(value: &T) -> Result<String, DatabaseError> {
    serde_json::to_string(value).map_err(|error| DatabaseError::Statement(error.to_string()))
}
