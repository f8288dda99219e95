use serde::Deserialize;
use serde_json::{Value, json};

use super::ChatError;
use super::history::HistoryView;
use super::output::{CompletionOutput, CostStatus, UsageView};
use super::sessions::{Sessions, insert_if_new};
use super::statements::{Append, Counts, add_to_totals, add_to_usage, add_usage_alone, find, lock};
use crate::sql::{DatabaseError, Row, Statement};
use crate::usage::dollars;

/// A question and its answer in a session.
pub(super) struct Exchange<'a> {
    pub id: &'a str,
    pub session_id: &'a str,
    pub owner: &'a str,
}

pub(super) struct Question<'a> {
    pub content: &'a str,
    pub model: &'a str,
    pub asked_at_ms: i64,
    /// If it is not settled by then, whoever asked is gone and the exchange has failed.
    pub settles_by_ms: i64,
}

pub(super) enum Asked {
    New,
    Before(Box<CompletionOutput>),
}

/// How an exchange ended.
pub(super) struct Settlement<'a> {
    pub at_ms: i64,
    pub question_state: QuestionState<'a>,
    pub answer: Option<Answer<'a>>,
    pub charge: Charge<'a>,
    /// What else is written with it.
    pub books: Vec<Statement>,
}

pub(super) enum QuestionState<'a> {
    Answered,
    Failed { code: &'a str, message: &'a str },
}

pub(super) struct Answer<'a> {
    pub content: &'a str,
    pub prompt_tokens: Option<i64>,
    pub completion_tokens: Option<i64>,
    pub metadata: Value,
}

/// What is counted for a call, under the model that answered.
pub(super) struct Charge<'a> {
    pub model: &'a str,
    pub tokens: Option<i64>,
    pub nanos: Option<i64>,
    /// The call may have cost something that no price is known for.
    pub unpriced: bool,
    /// `nanos` is no exact bill.
    pub estimated: bool,
}

impl Charge<'_> {
    fn cost_status(&self) -> &'static str {
        match self.nanos {
            None => "unpriced",
            Some(_) if self.estimated => "estimated",
            Some(_) => "priced",
        }
    }
}

impl Exchange<'_> {
    pub fn question_id(&self) -> String {
        format!("{}.q", self.id)
    }

    pub fn answer_id(&self) -> String {
        format!("{}.a", self.id)
    }
}

impl Sessions {
    /// Puts the question on file, in the owner's session, which is made if it is new.
    pub(super) async fn ask(
        &self,
        exchange: &Exchange<'_>,
        question: &Question<'_>,
    ) -> Result<Asked, ChatError> {
        let id = exchange.question_id();
        let append = Append {
            id: &id,
            role: "user",
            content: question.content,
            at_ms: question.asked_at_ms,
            model: Some(question.model),
            cost_status: "none",
            case_id: None,
            metadata: json!({
                "exchange_id": exchange.id,
                "state": "asked",
                "settles_by_ms": question.settles_by_ms,
            }),
            counts: Counts::default(),
        };
        let one_message = Charge {
            model: question.model,
            tokens: None,
            nanos: None,
            unpriced: false,
            estimated: false,
        };
        let outcomes = self
            .db
            .batch(vec![
                insert_if_new(exchange.session_id, exchange.owner, question.asked_at_ms),
                lock(exchange, question.asked_at_ms),
                add_to_totals(exchange, 1, &one_message, &id),
                append.statement(exchange),
            ])
            .await?;
        let changed = |at: usize| outcomes.get(at).is_some_and(|outcome| outcome.changes > 0);
        match (changed(1), changed(3)) {
            (false, _) => Err(ChatError::SessionNotFound(exchange.session_id.to_owned())),
            (true, true) => Ok(Asked::New),
            (true, false) => self.asked_before(exchange, question).await,
        }
    }

    /// Writes the answer, the counts and the question's state, all or nothing. With an
    /// answer it may be repeated: the second time changes nothing. False if the session is gone.
    pub(super) async fn settle(
        &self,
        exchange: &Exchange<'_>,
        settlement: &Settlement<'_>,
    ) -> Result<bool, DatabaseError> {
        let (id, charge) = (exchange.answer_id(), &settlement.charge);
        let messages = i64::from(settlement.answer.is_some());
        let append = settlement.answer.as_ref().map(|answer| {
            Append {
                id: &id,
                role: "assistant",
                content: answer.content,
                at_ms: settlement.at_ms,
                model: Some(charge.model),
                case_id: None,
                cost_status: charge.cost_status(),
                metadata: answer.metadata.clone(),
                counts: Counts {
                    total: charge.tokens,
                    prompt: answer.prompt_tokens,
                    completion: answer.completion_tokens,
                    nanos: charge.nanos,
                },
            }
            .statement(exchange)
        });
        let mut statements = vec![
            lock(exchange, settlement.at_ms),
            add_to_totals(exchange, messages, charge, &id),
            add_to_usage(exchange, messages + 1, charge, settlement.at_ms, &id),
        ];
        statements.extend(append);
        statements.push(settlement.question_state.statement(exchange));
        statements.extend(settlement.books.iter().cloned());
        let outcomes = self.db.batch(statements).await?;
        Ok(outcomes.first().is_some_and(|locked| locked.changes > 0))
    }

    /// Counts a call outside of any session, once per exchange id.
    pub(super) async fn add_usage(
        &self,
        exchange_id: &str,
        owner: &str,
        charge: &Charge<'_>,
        at_ms: i64,
        books: Vec<Statement>,
    ) -> Result<(), DatabaseError> {
        let mut statements = vec![add_usage_alone(exchange_id, owner, charge, at_ms)];
        statements.extend(books);
        self.db.batch(statements).await.map(|_| ())
    }

    /// An exchange of this id is on file already: what became of it?
    async fn asked_before(
        &self,
        exchange: &Exchange<'_>,
        question: &Question<'_>,
    ) -> Result<Asked, ChatError> {
        let (mut asked, mut answer) = (None, None);
        for row in self.db.run(find(exchange)).await?.rows {
            let is_question = row.text("id")? == exchange.question_id();
            *(if is_question { &mut asked } else { &mut answer }) = Some(row);
        }
        let asked = asked.ok_or(ChatError::ExchangeTaken)?;
        if asked.text("session_id")? != exchange.session_id
            || asked.text("content")? != question.content
        {
            return Err(ChatError::ExchangeTaken);
        }
        let notes: QuestionNotes =
            serde_json::from_value(asked.json("metadata")?).unwrap_or_default();
        match (notes.state.as_str(), answer) {
            ("answered", Some(row)) => Ok(Asked::Before(Box::new(read_answer(&row)?))),
            ("asked", _) if question.asked_at_ms <= notes.settles_by_ms => {
                Err(ChatError::InProgress)
            }
            ("failed", _) => Err(ChatError::FailedBefore {
                code: notes.code,
                message: notes.message,
            }),
            _ => Err(ChatError::FailedBefore {
                code: "ABANDONED".to_owned(),
                message: "the server stopped before it was answered; ask again under a new id"
                    .to_owned(),
            }),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct QuestionNotes {
    state: String,
    settles_by_ms: i64,
    code: String,
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AnswerNotes {
    finish_reason: String,
    provider_request_id: Option<String>,
    cost_note: Option<String>,
    history: Option<HistoryView>,
}

fn read_answer(row: &Row) -> Result<CompletionOutput, DatabaseError> {
    let notes: AnswerNotes = serde_json::from_value(row.json("metadata")?).unwrap_or_default();
    let count = |column| -> Result<Option<u64>, DatabaseError> {
        Ok(row
            .opt_int(column)?
            .and_then(|count| u64::try_from(count).ok()))
    };
    let counts = (
        count("prompt_tokens")?,
        count("completion_tokens")?,
        count("tokens_used")?,
    );
    let nanos = row.opt_int("cost_nanos")?;
    Ok(CompletionOutput {
        response: row.text("content")?,
        usage: match counts {
            (Some(prompt_tokens), Some(completion_tokens), Some(total_tokens)) => Some(UsageView {
                prompt_tokens,
                completion_tokens,
                total_tokens,
            }),
            _ => None,
        },
        model: row.opt_text("model")?.unwrap_or_default(),
        session_id: Some(row.text("session_id")?),
        history: notes.history,
        cost_usd: nanos.map(dollars),
        cost_nanos: nanos,
        cost_status: CostStatus::of_row(&row.text("cost_status")?),
        cost_note: notes.cost_note,
        finish_reason: notes.finish_reason,
        provider_request_id: notes.provider_request_id,
        recorded: true,
    })
}
