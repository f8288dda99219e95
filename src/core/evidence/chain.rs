//! What the log has for a package: facts with proofs that lead to one checkpoint, and what others
//! vouch for of it.

use super::dossier::{Anchors, Chain, Dossier, in_order};
use super::error::EvidenceError;
use super::service::{Evidence, subject};
use super::types::PackageFormat;
use crate::anchoring::{TimeVerdict, WitnessVerdict};
use crate::chain::checkpoint::Checkpoint;
use crate::chain::hash::Hash;
use crate::chain::receipt::ConsistencyProof;
use crate::chain::verify::verify_consistency;
use crate::fortress::keys::HistoryEntry;
use crate::ledger::{LedgerError, LoggedFact};

impl Evidence<'_> {
    pub(super) async fn chain(
        &self,
        dossier: &Dossier,
        format: PackageFormat,
    ) -> Result<Chain, EvidenceError> {
        let ledger = &self.executions.ledger;
        let head = ledger.head().await?;
        let facts = ids(&dossier.execution.results.chain_facts)?;
        let custody = self.custody_ids(&subject(dossier)).await?;
        let keys = ids(&key_facts(dossier))?;
        let wanted = [facts.as_slice(), &custody, &keys].concat();
        let logged = ledger.facts(&wanted).await?;
        let missing = |id: Hash| EvidenceError::FactMissing(id.to_string());
        // The one the proofs lead to: the log may have grown since its head was asked for.
        let newest = logged.first().map(|fact| fact.receipt.checkpoint.clone());
        let checkpoint = newest.unwrap_or(head.checkpoint);
        let previous = match format {
            PackageFormat::LegalBrief => self.previous(dossier, &checkpoint).await?,
            _ => None,
        };
        let facts = in_order(&facts, &logged).map_err(missing)?;
        Ok(Chain {
            anchors: self.anchors(&facts, &checkpoint).await?,
            facts,
            custody: in_order(&custody, &logged).map_err(missing)?,
            keys: in_order(&keys, &logged).map_err(missing)?,
            checkpoint,
            verifier_key: head.verifier_key,
            previous,
        })
    }

    /// That the log only grew since the owner's package before.
    async fn previous(
        &self,
        dossier: &Dossier,
        checkpoint: &str,
    ) -> Result<Option<ConsistencyProof>, EvidenceError> {
        let Some(before) = self.checkpoint_before(&dossier.execution.user_id).await? else {
            return Ok(None);
        };
        if size(&before)? > size(checkpoint)? {
            return Err(EvidenceError::LogShrunk);
        }
        self.growth(&before, checkpoint).await.map(Some)
    }

    async fn growth(&self, older: &str, newer: &str) -> Result<ConsistencyProof, EvidenceError> {
        let ledger = &self.executions.ledger;
        let proof = ledger.consistency(size(older)?, size(newer)?).await?;
        Ok(ConsistencyProof {
            first_checkpoint: older.to_owned(),
            second_checkpoint: newer.to_owned(),
            ..proof
        })
    }

    /// Of the smallest anchored trees that have these facts.
    async fn anchors(
        &self,
        facts: &[LoggedFact],
        checkpoint: &str,
    ) -> Result<Anchors, EvidenceError> {
        let last = facts.iter().map(|fact| fact.stored.leaf_index).max();
        let covered = last.map_or(size(checkpoint)?, |last| last + 1);
        let anchoring = self.executions.ledger.anchoring(Some(covered)).await?;
        let stamped = match &anchoring.time {
            TimeVerdict::Stamped {
                checkpoint: anchored,
                ..
            } => self.between(anchored, checkpoint).await?,
            _ => None,
        };
        let witnessed = match &anchoring.witnesses {
            WitnessVerdict::Witnessed {
                checkpoint: anchored,
                ..
            } => self.between(anchored, checkpoint).await?,
            _ => None,
        };
        Ok(Anchors {
            anchoring,
            stamped,
            witnessed,
        })
    }

    async fn between(
        &self,
        anchored: &str,
        checkpoint: &str,
    ) -> Result<Option<ConsistencyProof>, EvidenceError> {
        let (there, here) = (size(anchored)?, size(checkpoint)?);
        if there == here {
            let same =
                Checkpoint::parse_unverified(anchored) == Checkpoint::parse_unverified(checkpoint);
            return same.then_some(None).ok_or(EvidenceError::LogForked);
        }
        let (older, newer) = if there < here {
            (anchored, checkpoint)
        } else {
            (checkpoint, anchored)
        };
        match self.growth(older, newer).await {
            Ok(proof) if holds(&proof) => Ok(Some(proof)),
            // A log that is not the one they saw cannot prove it, or has no such size.
            Ok(_) | Err(EvidenceError::Ledger(LedgerError::Refused { .. })) => {
                Err(EvidenceError::LogForked)
            }
            Err(error) => Err(error),
        }
    }
}

fn size(note: &str) -> Result<u64, EvidenceError> {
    let head = Checkpoint::parse_unverified(note);
    let head = head.map_err(|error| EvidenceError::Encoding(error.to_string()))?;
    Ok(head.size)
}

fn holds(proof: &ConsistencyProof) -> bool {
    let head = |note: &str| Checkpoint::parse_unverified(note).ok();
    let heads = head(&proof.first_checkpoint).zip(head(&proof.second_checkpoint));
    heads.is_some_and(|(older, newer)| {
        verify_consistency(
            older.size,
            newer.size,
            &proof.proof,
            &older.root,
            &newer.root,
        )
        .is_ok()
    })
}

fn ids(texts: &[String]) -> Result<Vec<Hash>, EvidenceError> {
    let ids = texts
        .iter()
        .map(|id| Hash::from_hex(id).map_err(|_| EvidenceError::FactMissing(id.clone())));
    ids.collect()
}

/// How the keys that signed run and package came in, ended and were revoked.
fn key_facts(dossier: &Dossier) -> Vec<String> {
    let of_key = |key: &HistoryEntry| {
        let rotation = key.rotation.as_ref().and_then(|one| one.fact_id.clone());
        let revocation = key.revocation.as_ref().and_then(|one| one.fact_id.clone());
        [rotation, key.end_fact_id.clone(), revocation]
    };
    let all = dossier.signers().flat_map(of_key);
    all.flatten().collect()
}
