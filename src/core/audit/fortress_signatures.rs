use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use garde::Validate as _;

use super::auditor::Signatures;
use crate::execution::{Asker, Workers};
use crate::fortress::{MAX_SIGNED_TEXTS, SignedText, VerifyAllInput};

/// Bytes of one question, as JSON.
const MAX_QUESTION: usize = 512 * 1024;
/// Questions at a time.
const AT_ONCE: usize = 2;

/// Signatures checked by the fortress, which knows its keys.
pub struct FortressSignatures<'a> {
    pub workers: &'a Workers,
    pub asker: &'a Asker<'a>,
}

#[async_trait(?Send)]
impl Signatures for FortressSignatures<'_> {
    async fn check_all(&self, runs: &[SignedText]) -> Result<Vec<Result<(), String>>, String> {
        let asked = questions(runs).into_iter().map(|texts| self.ask(texts));
        let verdicts: Vec<_> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
        Ok(verdicts.into_iter().flatten().collect())
    }
}

impl FortressSignatures<'_> {
    async fn ask(&self, runs: &[SignedText]) -> Result<Vec<Result<(), String>>, String> {
        // The fortress refuses to look at some, however often it is asked.
        let refused = |run: &SignedText| run.validate().err().map(|faults| faults.to_string());
        let refused: Vec<Option<String>> = runs.iter().map(refused).collect();
        let fit = runs.iter().zip(&refused).filter(|(_, why)| why.is_none());
        let question = VerifyAllInput {
            texts: fit.map(|(run, _)| run.clone()).collect(),
        };
        let mut faults = Vec::new();
        if !question.texts.is_empty() {
            let told = self.workers.verify_signatures(self.asker, &question).await;
            faults = told.map_err(|error| error.to_string())?.faults;
        }
        if faults.len() != question.texts.len() {
            return Err("the fortress did not judge as many as it was asked".to_owned());
        }
        let mut faults = faults.into_iter();
        let verdict = |refused: Option<String>| {
            let why = match refused {
                Some(why) => Some(why),
                None => faults.next().flatten(),
            };
            why.map_or(Ok(()), Err)
        };
        Ok(refused.into_iter().map(verdict).collect())
    }
}

/// As many at a time as a question takes.
fn questions(runs: &[SignedText]) -> Vec<&[SignedText]> {
    let (mut questions, mut left) = (Vec::new(), runs);
    while !left.is_empty() {
        let mut bytes = 0;
        let fits = left.iter().take(MAX_SIGNED_TEXTS).take_while(|run| {
            bytes += serde_json::to_string(run).map_or(0, |text| text.len());
            bytes <= MAX_QUESTION
        });
        // The first one always fits.
        let (some, rest) = left.split_at(fits.count().max(1));
        questions.push(some);
        left = rest;
    }
    questions
}
