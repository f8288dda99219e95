use crate::chain::hash::Hash;
use crate::chain::store::EntryRow;
use crate::ports::Database;
use crate::sql::{DatabaseError, Statement};

/// Writes the row of each entry, all or none. Repeating it does no harm.
pub(super) async fn project(db: &dyn Database, entries: &[EntryRow]) -> Result<(), DatabaseError> {
    let statements: Vec<Statement> = entries.iter().filter_map(row).collect();
    if statements.is_empty() {
        return Ok(());
    }
    db.batch(statements).await.map(drop)
}

/// A row that the database does not take.
#[derive(Debug)]
pub(super) struct RefusedRow {
    pub index: u64,
    pub cause: DatabaseError,
}

/// The same one by one, where the rows were refused together: those that are against a
/// constraint keep no other out, and are returned.
///
/// # Errors
/// Anything else that fails, which may be over the next time.
pub(super) async fn project_apart(
    db: &dyn Database,
    entries: &[EntryRow],
) -> Result<Vec<RefusedRow>, DatabaseError> {
    let mut refused = Vec::new();
    for entry in entries {
        let Some(statement) = row(entry) else {
            continue;
        };
        match db.run(statement).await {
            Ok(_) => (),
            Err(cause @ DatabaseError::Constraint { .. }) => refused.push(RefusedRow {
                index: entry.index,
                cause,
            }),
            Err(error) => return Err(error),
        }
    }
    Ok(refused)
}

/// Empties the row of an erased fact. Again, it changes nothing.
pub fn emptied(fact_id: &Hash, now_ms: i64) -> Statement {
    Statement::new(
        "UPDATE chitty_chain_facts SET subject = '', predicate = '', object = '', \
         fact_json = NULL, salt = NULL, metadata = '{}', idempotency_key = NULL, \
         erased_at = COALESCE(erased_at, ?2) WHERE uuid = ?1",
    )
    .bind(fact_id.to_string())
    .timestamp(now_ms)
}

/// None for what is no fact. An erased entry has no row, but for one that came late.
fn row(entry: &EntryRow) -> Option<Statement> {
    use crate::chain::fact::SaltedFact;
    let Some(canonical) = &entry.content else {
        let logged_at_ms = i64::try_from(entry.logged_at_ms).ok()?;
        return Some(emptied(&entry.fact_id, logged_at_ms));
    };
    let fact = SaltedFact::parse(canonical).ok()?.fact;
    let metadata = serde_json::json!(fact.metadata);
    Some(
        Statement::new(
            // What the fact names may be of another service, another user's, or gone: then
            // the column is null and the fact itself still says it.
            "INSERT INTO chitty_chain_facts \
             (uuid, leaf_index, leaf_hash, subject, predicate, object, source, timestamp, \
              ingested_at, fact_json, idempotency_key, execution_id, evidence_id, user_id, metadata) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, \
              (SELECT id FROM secure_executions WHERE id = ?12 AND user_id = ?14), \
              (SELECT id FROM evidence_records WHERE id = ?13 AND user_id = ?14), ?14, ?15) \
             ON CONFLICT (uuid) DO NOTHING",
        )
        .bind(entry.fact_id.to_string())
        .bind(i64::try_from(entry.index).ok()?)
        .bind(entry.entry().leaf_hash().to_string())
        .bind(fact.subject)
        .bind(fact.predicate)
        .bind(fact.object)
        .bind(fact.source)
        .bind(i64::try_from(fact.timestamp_ms).ok()?)
        .timestamp(i64::try_from(entry.logged_at_ms).ok()?)
        .bind(canonical.clone())
        .bind(entry.idempotency_key.clone())
        .bind(fact.execution_id)
        .bind(fact.evidence_id)
        .bind(fact.metadata.get("user_id").cloned())
        .bind(metadata),
    )
}
