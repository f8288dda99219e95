use super::types::{Results, Verification};
use crate::chat;
use crate::digest::sha256_hex;
use crate::fortress::{self, ChainPosition, Manifest};

/// What came in while an execution ran.
#[derive(Default)]
pub(super) struct Gathered {
    pub results: Results,
    pub verification: Verification,
    pub job_id: Option<String>,
    pub output_hash: String,
    spent: Vec<Spent>,
}

/// What one worker spent. Null is unknown, as where it did not answer.
#[derive(Default)]
struct Spent {
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    cost_nanos: Option<i64>,
}

/// The sums of an execution, each known only if every part is.
pub(super) struct Totals {
    pub prompt_tokens: Option<i64>,
    pub completion_tokens: Option<i64>,
    pub cost_nanos: Option<i64>,
    pub cost_status: &'static str,
}

impl Gathered {
    pub fn take_standard<E>(&mut self, answer: Result<chat::CompletionOutput, E>) -> Result<(), E> {
        let answer = self.count(answer, |answer| Spent {
            prompt_tokens: answer.usage.and_then(|usage| signed(usage.prompt_tokens)),
            completion_tokens: answer
                .usage
                .and_then(|usage| signed(usage.completion_tokens)),
            cost_nanos: answer.cost_nanos,
        })?;
        if self.output_hash.is_empty() {
            self.output_hash = sha256_hex(&answer.response);
        }
        self.results.chatgpt_response = Some(answer.response);
        self.results.finish_reasons.chatgpt_finish_reason = Some(answer.finish_reason);
        Ok(())
    }

    pub fn take_run<E>(&mut self, run: Result<fortress::ExecuteOutput, E>) -> Result<(), E> {
        let run = self.count(run, |run| Spent {
            prompt_tokens: run.prompt_tokens,
            completion_tokens: run.completion_tokens,
            cost_nanos: run.cost_nanos,
        })?;
        let signed = Manifest::parse(&run.manifest).ok();
        let finish_reason = signed.map(|manifest| manifest.provider.finish_reason);
        self.output_hash = sha256_hex(&run.output);
        self.job_id = Some(run.job_id);
        self.verification.fortress_signed = !run.signature.is_empty();
        self.results.fortress_output = Some(run.output);
        self.results.fortress_signature = Some(run.signature);
        self.results.finish_reasons.fortress_finish_reason = finish_reason;
        self.results.fortress_manifest = Some(run.manifest);
        self.add_fact(run.chain);
        Ok(())
    }

    pub fn add_fact(&mut self, position: ChainPosition) {
        self.results.chain_facts.push(position.fact_id.clone());
        self.results.chain_positions.push(position);
        self.verification.chain_facts_logged = self.results.chain_facts.len();
    }

    pub fn totals(&self) -> Totals {
        let sum = |part: fn(&Spent) -> Option<i64>| -> Option<i64> {
            let known: Option<i64> = self.spent.iter().map(part).sum();
            known.filter(|_| !self.spent.is_empty())
        };
        let cost_nanos = sum(|spent| spent.cost_nanos);
        Totals {
            prompt_tokens: sum(|spent| spent.prompt_tokens),
            completion_tokens: sum(|spent| spent.completion_tokens),
            cost_nanos,
            cost_status: match cost_nanos {
                Some(_) => "priced",
                None if self.spent.is_empty() => "none",
                None => "unpriced",
            },
        }
    }

    fn count<T, E>(
        &mut self,
        answer: Result<T, E>,
        spent: impl FnOnce(&T) -> Spent,
    ) -> Result<T, E> {
        self.spent
            .push(answer.as_ref().map(spent).unwrap_or_default());
        answer
    }
}

fn signed(tokens: u64) -> Option<i64> {
    i64::try_from(tokens).ok()
}
