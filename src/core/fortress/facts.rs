//! Facts of the log by what they say, from their rows. The log itself is asked by
//! `chitty_chain_verify`, which trusts no row.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::FortressError;
use super::service::FortressService;
use crate::auth::Principal;
use crate::cursor;
use crate::sql::{DatabaseError, Narrowed, Row, Statement};
use crate::validation::printable_if_some;

const SEES_ALL: &str = "chain:read_all";

/// Which facts to list: the newest first. What is given must be equal.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ChainQueryInput {
    #[garde(length(bytes, min = 1, max = 1_024))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[garde(length(bytes, min = 1, max = 256))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicate: Option<String>,
    #[garde(length(bytes, min = 1, max = 32_768))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    #[garde(length(bytes, min = 1, max = 1_024), custom(printable_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Said at this time or later, milliseconds since 1970.
    #[garde(range(min = 0_i64, max = 9_007_199_254_740_991_i64))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<i64>,
    /// Said at this time or earlier, milliseconds since 1970.
    #[garde(range(min = 0_i64, max = 9_007_199_254_740_991_i64))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<i64>,
    /// Only facts whose last check by `chitty_chain_verify` held.
    #[garde(skip)]
    #[serde(default)]
    pub verified_only: bool,
    #[garde(range(min = 1, max = 100))]
    #[serde(default = "fifty")]
    pub limit: u32,
    /// Where the page before ended: its `next_cursor`.
    #[garde(length(bytes, min = 1, max = 512))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

fn fifty() -> u32 {
    50
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ChainQueryOutput {
    pub facts: Vec<FactRecord>,
    /// How many are in this page.
    pub count: usize,
    /// Absent at the end.
    pub next_cursor: Option<String>,
}

/// A fact as its row has it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FactRecord {
    /// The fact id: SHA-256 of its canonical bytes, lower hex.
    pub uuid: String,
    pub leaf_index: i64,
    /// Empty where the content was erased, as are the next two.
    pub subject: String,
    pub predicate: String,
    pub object: String,
    pub source: String,
    /// When it was said, milliseconds since 1970.
    pub timestamp: i64,
    /// When it was logged, by the log's clock, milliseconds since 1970.
    pub ingested_at: i64,
    /// Whether the last check by `chitty_chain_verify` held.
    pub verified: bool,
    /// Of a run: the armored signature over its manifest.
    pub fortress_signature: Option<String>,
}

impl FortressService {
    /// A page of the caller's facts and of those that belong to nobody, such as those about
    /// keys.
    pub async fn query_facts(
        &self,
        caller: &Principal,
        input: &ChainQueryInput,
    ) -> Result<ChainQueryOutput, FortressError> {
        let before: Option<i64> = input.cursor.as_deref().map(cursor::read).transpose()?;
        let limit = usize::try_from(input.limit).unwrap_or(usize::MAX);
        let mut rows = self.db.run(page(caller, input, before)).await?.rows;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let facts: Vec<FactRecord> = rows
            .iter()
            .map(FactRecord::read)
            .collect::<Result<_, _>>()?;
        let last = facts.last().filter(|_| more);
        Ok(ChainQueryOutput {
            count: facts.len(),
            next_cursor: last.map(|fact| cursor::write(&fact.leaf_index)),
            facts,
        })
    }
}

pub(super) const COLUMNS: &str = "f.uuid, f.leaf_index, f.subject, f.predicate, f.object, f.source, f.timestamp, \
     f.ingested_at, f.verified, (SELECT j.signature FROM fortress_jobs j \
     WHERE j.id = substr(f.subject, 14) \
     AND f.subject = 'fortress:job:' || j.id AND j.assertion_id = f.uuid) AS fortress_signature";

fn page(caller: &Principal, input: &ChainQueryInput, before: Option<i64>) -> Statement {
    let select = format!("SELECT {COLUMNS} FROM chitty_chain_facts f WHERE f.leaf_index >= 0");
    let mut query = Narrowed::new(&select, []);
    query.and_if("f.leaf_index < ?", before);
    if !caller.scopes.allows(SEES_ALL) {
        let own = "(f.user_id = ? OR (f.user_id IS NULL AND f.source = 'fortress-keys'))";
        query.and(own, [caller.user_id.as_str().into()]);
    }
    query.and_if("f.subject = ?", input.subject.as_deref());
    query.and_if("f.predicate = ?", input.predicate.as_deref());
    query.and_if("f.object = ?", input.object.as_deref());
    query.and_if("f.source = ?", input.source.as_deref());
    query.and_if("f.timestamp >= ?", input.start_time);
    query.and_if("f.timestamp <= ?", input.end_time);
    query.and_if("f.verified = ?", input.verified_only.then_some(true));
    let one_more = i64::from(input.limit) + 1;
    query.finish(" ORDER BY f.leaf_index DESC LIMIT ?", [one_more.into()])
}

impl FactRecord {
    pub(super) fn read(row: &Row) -> Result<Self, DatabaseError> {
        Ok(Self {
            uuid: row.text("uuid")?,
            leaf_index: row.int("leaf_index")?,
            subject: row.text("subject")?,
            predicate: row.text("predicate")?,
            object: row.text("object")?,
            source: row.text("source")?,
            timestamp: row.int("timestamp")?,
            ingested_at: row.timestamp("ingested_at")?,
            verified: row.boolean("verified")?,
            fortress_signature: row.opt_text("fortress_signature")?,
        })
    }
}
