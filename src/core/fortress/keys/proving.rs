//! Where the log has signatures, proven.

use super::judging::{Seen, Signed};
use super::table::Place;
use crate::chain::hash::Hash;
use crate::chain::keys::VerifierKey;
use crate::chain::receipt::{Verdict, verify_fact};
use crate::fortress::FortressError;
use crate::fortress::logging::{SOURCE, job_subject, records_signed, seal_subject};
use crate::fortress::manifest::Manifest;
use crate::fortress::service::FortressService;
use crate::ledger::{LoggedFact, MAX_FACTS};
use crate::sql::Statement;

/// Most rows of facts about one package that are looked through.
const MOST_FACTS: i64 = 100;

impl FortressService {
    /// Where the log has these very signatures; of those that it takes the log to tell of.
    pub(super) async fn logged(
        &self,
        asked: &[(Signed<'_>, &Seen<'_>)],
    ) -> Result<Vec<Option<(Place, String)>>, FortressError> {
        let asked = asked.iter().map(|(signed, seen)| {
            let (content, _) = signed;
            seen.asks_log.then(|| (subject_of(content), *signed))
        });
        let asked: Vec<Option<(String, Signed<'_>)>> = asked.collect();
        let subjects = asked.iter().flatten().map(|(subject, _)| subject.as_str());
        let ids = self.facts_about(&subjects.collect::<Vec<_>>()).await?;
        if ids.is_empty() {
            return Ok(asked.iter().map(|_| None).collect());
        }
        let key: Option<VerifierKey> = self.ledger.head().await?.verifier_key.parse().ok();
        let mut facts = Vec::new();
        for some in ids.chunks(MAX_FACTS) {
            facts.extend(self.ledger.facts(some).await?);
        }
        let place = |(subject, (content, signature)): &(String, Signed<'_>)| {
            let proofs = facts
                .iter()
                .filter(|fact| records(fact, subject, content, signature));
            let places = proofs.filter_map(|fact| {
                let place = proven(fact, key.as_ref()?)?;
                Some((place, fact.stored.fact_id.to_string()))
            });
            places.min_by_key(|(place, _)| place.index)
        };
        Ok(asked
            .iter()
            .map(|one| one.as_ref().and_then(place))
            .collect())
    }

    /// By the log's own word, since their keys begin with what they are about. Packages that were
    /// sealed before that was so are found by the table.
    async fn facts_about(&self, subjects: &[&str]) -> Result<Vec<Hash>, FortressError> {
        let prefixes: Vec<String> = subjects
            .iter()
            .map(|subject| format!("{subject}:"))
            .collect();
        let keyed = self.ledger.keyed(&prefixes).await?;
        let facts = keyed.iter().flat_map(|keyed| &keyed.facts);
        let mut ids: Vec<Hash> = facts.map(|fact| fact.stored.fact_id).collect();
        let others = subjects.iter().zip(&keyed);
        let others = others.filter(|(_, keyed)| keyed.facts.is_empty());
        let rows: Vec<Statement> = others.map(|(subject, _)| rows_about(subject)).collect();
        if rows.is_empty() {
            return Ok(ids);
        }
        let found = self.db.batch(rows).await?;
        for row in found.iter().flat_map(|outcome| &outcome.rows) {
            ids.extend(Hash::from_hex(&row.text("uuid")?));
        }
        Ok(ids)
    }
}

fn rows_about(subject: &str) -> Statement {
    let select = Statement::new(
        "SELECT uuid FROM chitty_chain_facts WHERE subject = ?1 AND source = ?2 \
         ORDER BY timestamp LIMIT ?3",
    );
    select.bind(subject).bind(SOURCE).bind(MOST_FACTS)
}

/// What facts about the run or package of that text are about.
fn subject_of(content: &str) -> String {
    match Manifest::parse(content) {
        Ok(manifest) => job_subject(&manifest.job_id),
        Err(_) => seal_subject(content),
    }
}

/// Whether the fact is of this very content and signature.
fn records(fact: &LoggedFact, subject: &str, content: &str, signature: &str) -> bool {
    let fact = fact.stored.content.fact();
    fact.is_some_and(|fact| fact.subject == subject && records_signed(fact, content, signature))
}

fn proven(fact: &LoggedFact, key: &VerifierKey) -> Option<Place> {
    let canonical = fact.stored.content.canonical()?;
    let verdicts = verify_fact(Some(canonical), &fact.receipt, key);
    let all = [verdicts.integrity, verdicts.completeness, verdicts.signer];
    all.iter().all(Verdict::holds).then_some(())?;
    Some(Place {
        index: i64::try_from(fact.receipt.leaf_index).ok()?,
        at: i64::try_from(fact.receipt.logged_at_ms).ok()?,
    })
}
