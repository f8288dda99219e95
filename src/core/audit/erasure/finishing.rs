//! Erasures whose worker ended before they were done. The database has a note of each that is under
//! way, and nothing but its id: what was ordered, and by whom, is what the log was told.

use super::{EraseError, Erased, Eraser, Order, erasures_of, telling, tellings_of};
use crate::chain::fact::Fact;
use crate::chain::receipt::StoredFact;
use crate::sql::Statement;

/// One that is under way ends within this.
const BUSY_MS: i64 = 120_000;
/// One that failed is tried again after this.
const AGAIN_MS: i64 = 600_000;
const AT_ONCE: i64 = 5;

impl Eraser {
    /// Before anything is told or emptied.
    pub(super) async fn begin(&self, id: &str) -> Result<(), EraseError> {
        let insert = Statement::new(
            "INSERT INTO content_erasures (id, due_at) VALUES (?1, ?2) \
             ON CONFLICT (id) DO UPDATE SET due_at = excluded.due_at",
        );
        let due_ms = self.clock.now_ms() + BUSY_MS;
        self.db.run(insert.bind(id).timestamp(due_ms)).await?;
        Ok(())
    }

    pub(super) async fn end(&self, id: &str) -> Result<(), EraseError> {
        let delete = Statement::new("DELETE FROM content_erasures WHERE id = ?1");
        self.db.run(delete.bind(id)).await?;
        Ok(())
    }

    /// What the log was last told of an erasure of it. One that it was not told of never began.
    async fn told(&self, id: &str) -> Result<Option<StoredFact>, EraseError> {
        let keyed = self.ledger.keyed(&[erasures_of(id)]).await?;
        let told = keyed.into_iter().flat_map(|keyed| tellings_of(id, keyed));
        Ok(told.last())
    }

    async fn finish(&self, id: &str) -> Result<bool, EraseError> {
        let told = self.told(id).await?;
        let Some(fact) = told.as_ref().and_then(telling) else {
            return Ok(false);
        };
        let said = |name: &str| fact.metadata.get(name).map_or("", String::as_str);
        let what = self.named_by(fact, id, said("user_id")).await?;
        let order = Order {
            reason: said("reason"),
            authority: said("authority"),
            by: said("ordered_by"),
        };
        self.carry_out(&what, &order).await?;
        Ok(true)
    }

    /// A run, or an execution with those of its analyses that the log was told of, too.
    async fn named_by(&self, fact: &Fact, id: &str, owner: &str) -> Result<Erased, EraseError> {
        let mut what = Erased {
            owner: owner.to_owned(),
            executions: Vec::new(),
            run: None,
        };
        if fact.execution_id.is_none() {
            what.run = Some(id.to_owned());
            return Ok(what);
        }
        what.executions.push(id.to_owned());
        let found = self.db.run(super::analyses_of(id)).await?;
        for row in &found.rows {
            let analysis = row.text("id")?;
            if self.told(&analysis).await?.is_some() {
                what.executions.push(analysis);
            }
        }
        Ok(what)
    }
}

/// Finishes what is due, and returns how many were. One that fails keeps no other from it.
///
/// # Errors
/// Why the last one that failed did.
pub async fn finish_erasures(eraser: &Eraser) -> Result<usize, EraseError> {
    let now_ms = eraser.clock.now_ms();
    let select = Statement::new(
        "SELECT id FROM content_erasures WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2",
    );
    let due = eraser
        .db
        .run(select.timestamp(now_ms).bind(AT_ONCE))
        .await?;
    let (mut finished, mut failure) = (0, None);
    for row in &due.rows {
        let id = row.text("id")?;
        let later = Statement::new("UPDATE content_erasures SET due_at = ?2 WHERE id = ?1");
        let later = later.bind(id.as_str()).timestamp(now_ms + AGAIN_MS);
        eraser.db.run(later).await?;
        match eraser.finish(&id).await {
            Ok(is_done) => {
                finished += usize::from(is_done);
                eraser.end(&id).await?;
            }
            Err(error) => failure = Some(error),
        }
    }
    failure.map_or(Ok(finished), Err)
}
