use std::rc::Rc;

use garde::Validate;
use serde_json::json;

use super::asking::{Asking, Heard};
use super::exchange::{Asked, Exchange, Question};
use super::history::{HistoryView, for_call};
use super::output::{CompletionOutput, StreamOutput, StreamStatus};
use super::sessions::Sessions;
use super::settings::{ModelSettings, Resolved, Stated, resolve};
use super::windows::{UNKNOWN_WINDOW, window_of};
use super::{ChatError, ChatMessage, CompletionInput, Library, Role};
use crate::gateway::{Gateway, Listener, Order};
use crate::ids;
use crate::llm::ModelRequest;
use crate::ports::{Background, Clock, Entropy, Log};

/// Completions and sessions. Owners are user ids that the caller has checked already.
pub struct ChatService {
    pub sessions: Sessions,
    pub library: Library,
    pub gateway: Rc<Gateway>,
    pub clock: Rc<dyn Clock>,
    pub entropy: Rc<dyn Entropy>,
    pub log: Rc<dyn Log>,
    /// Where models are asked.
    pub background: Rc<dyn Background>,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    pub user_id: &'a str,
    /// The key or grant that was shown; its budgets and limits hold beside the user's.
    pub key_id: Option<&'a str>,
}

impl ChatService {
    /// Asks the model. In a session, asking again under the same `exchange_id` gives the
    /// stored answer; without one, each call is an exchange of its own.
    pub async fn complete(
        &self,
        asker: Asker<'_>,
        exchange_id: Option<&str>,
        input: &CompletionInput,
    ) -> Result<CompletionOutput, ChatError> {
        let (order, history) = self.order(asker, exchange_id, input).await?;
        if let Asked::Before(output) = self.put_on_file(&order, input).await? {
            return Ok(*output);
        }
        answer(self.begin(order, history, false), &mut |_| ()).await
    }

    /// As [`Self::complete`], with each piece of text handed to `on_delta` as it arrives. A
    /// stored answer is handed over in one piece.
    pub async fn stream(
        &self,
        asker: Asker<'_>,
        exchange_id: Option<&str>,
        input: &CompletionInput,
        on_delta: &mut dyn FnMut(&str),
    ) -> Result<StreamOutput, ChatError> {
        let listener = self.begin_stream(asker, exchange_id, input).await?;
        let completion = answer(listener, on_delta).await?;
        Ok(StreamOutput {
            status: StreamStatus::Completed,
            message: "The answer was streamed as progress and is here whole.".to_owned(),
            completion,
        })
    }

    /// A call whose pieces are heard from what this returns. The answer stored before under
    /// the same `exchange_id` is heard in one piece.
    pub async fn begin_stream(
        &self,
        asker: Asker<'_>,
        exchange_id: Option<&str>,
        input: &CompletionInput,
    ) -> Result<Listener<Heard>, ChatError> {
        let (order, history) = self.order(asker, exchange_id, input).await?;
        Ok(match self.put_on_file(&order, input).await? {
            Asked::Before(output) => stored(*output),
            Asked::New => self.begin(order, history, true),
        })
    }

    /// The call as it is made, and what of a session's history goes along.
    async fn order(
        &self,
        asker: Asker<'_>,
        exchange_id: Option<&str>,
        input: &CompletionInput,
    ) -> Result<(Order, Option<HistoryView>), ChatError> {
        check(input)?;
        let id = match exchange_id {
            Some(id) => id.to_owned(),
            None => ids::plain(&*self.clock, &*self.entropy)?,
        };
        let settings = self.settings(asker.user_id, input).await?;
        let resolved = resolve(stated(input), settings.as_ref());
        let (messages, history) = self.messages(asker.user_id, input, &resolved).await?;
        let order = Order {
            id,
            user_id: asker.user_id.to_owned(),
            key_id: asker.key_id.map(str::to_owned),
            session_id: input.session_id.clone(),
            case_id: None,
            request: request(resolved, messages),
        };
        Ok((order, history))
    }

    /// Those it names, else its session's, else the default of who names no model either.
    async fn settings(
        &self,
        owner: &str,
        input: &CompletionInput,
    ) -> Result<Option<ModelSettings>, ChatError> {
        if let Some(name) = &input.config {
            return self.library.settings(owner, Some(name)).await;
        }
        if let Some(session_id) = &input.session_id {
            let session = self.sessions.find_owned(session_id, owner).await?;
            let settings = session.and_then(|session| session.settings);
            if let Some(model) = settings.and_then(|settings| settings.model) {
                return Ok(Some(model));
            }
        }
        if input.model.is_some() {
            return Ok(None);
        }
        self.library.settings(owner, None).await
    }

    /// What the model is sent: a session's history, as far as it fits, before what is said now.
    async fn messages(
        &self,
        owner: &str,
        input: &CompletionInput,
        resolved: &Resolved,
    ) -> Result<(Vec<ChatMessage>, Option<HistoryView>), ChatError> {
        let prompt = resolved.system_prompt.clone().map(|content| ChatMessage {
            role: Role::System,
            content,
        });
        let now: Vec<ChatMessage> = prompt.into_iter().chain(input.messages.clone()).collect();
        let Some(session_id) = &input.session_id else {
            return Ok((now, None));
        };
        let window = window_of(&resolved.model).unwrap_or(UNKNOWN_WINDOW);
        let before = self.library.history(owner, session_id, window).await?;
        let reserve = u64::from(resolved.max_tokens);
        let (messages, view) = for_call(before, now, &resolved.model, reserve);
        Ok((messages, Some(view)))
    }

    fn begin(&self, order: Order, history: Option<HistoryView>, streamed: bool) -> Listener<Heard> {
        let asking = Asking {
            gateway: Rc::clone(&self.gateway),
            sessions: self.sessions.clone(),
            clock: Rc::clone(&self.clock),
            log: Rc::clone(&self.log),
            order,
            history,
        };
        asking.begin(&*self.background, streamed)
    }

    async fn put_on_file(
        &self,
        order: &Order,
        input: &CompletionInput,
    ) -> Result<Asked, ChatError> {
        let Some(session_id) = &order.session_id else {
            return Ok(Asked::New);
        };
        let last = question(input)?;
        let exchange = Exchange {
            id: &order.id,
            session_id,
            owner: &order.user_id,
        };
        let now_ms = self.clock.now_ms();
        let question = Question {
            content: &last.content,
            model: &order.request.model,
            asked_at_ms: now_ms,
            settles_by_ms: now_ms.saturating_add(self.gateway.lasts_ms()),
        };
        self.sessions.ask(&exchange, &question).await
    }
}

/// What can be said of it before anything is looked up.
pub(super) fn check(input: &CompletionInput) -> Result<(), ChatError> {
    valid(input)?;
    if input.session_id.is_some() {
        question(input)?;
    }
    Ok(())
}

/// What a session keeps of the call.
fn question(input: &CompletionInput) -> Result<&ChatMessage, ChatError> {
    let user = |message: &&ChatMessage| message.role == Role::User;
    input.messages.iter().rev().find(user).ok_or_else(|| {
        ChatError::InvalidInput(
            "messages: a session keeps the last message with the role user, and there is none: add one".to_owned(),
        )
    })
}

fn stated(input: &CompletionInput) -> Stated<'_> {
    let mut messages = input.messages.iter();
    Stated {
        model: input.model.as_deref(),
        max_tokens: input.max_tokens,
        temperature: input.temperature,
        top_p: input.top_p,
        frequency_penalty: input.frequency_penalty,
        presence_penalty: input.presence_penalty,
        system_prompt: messages.any(|message| message.role == Role::System),
    }
}

fn request(resolved: Resolved, messages: Vec<ChatMessage>) -> ModelRequest {
    let penalties = [
        ("frequency_penalty", resolved.frequency_penalty),
        ("presence_penalty", resolved.presence_penalty),
    ];
    let penalties = penalties
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
    ModelRequest {
        model: resolved.model,
        messages: messages.into_iter().map(Into::into).collect(),
        max_tokens: Some(resolved.max_tokens),
        temperature: resolved.temperature,
        top_p: resolved.top_p,
        extra: penalties.collect(),
        ..ModelRequest::default()
    }
}

/// An answer that is there already, as if it came now.
fn stored(output: CompletionOutput) -> Listener<Heard> {
    let (listener, tell, _stop) = Listener::new();
    let text = Heard::Text(output.response.clone());
    for said in [text, Heard::Done(Box::new(Ok(output)))] {
        // Whoever listens is here.
        let _told = tell.unbounded_send(said);
    }
    listener
}

/// What becomes of a call, with its text handed on as it arrives.
async fn answer(
    mut listener: Listener<Heard>,
    on_delta: &mut dyn FnMut(&str),
) -> Result<CompletionOutput, ChatError> {
    while let Some(heard) = listener.next().await {
        match heard {
            Heard::Text(text) => on_delta(&text),
            Heard::Done(result) => return *result,
        }
    }
    Err(ChatError::BrokenOff)
}

pub(super) fn valid<T: Validate<Context = ()>>(input: &T) -> Result<(), ChatError> {
    input.validate().map_err(|report| {
        ChatError::InvalidInput(report.to_string().trim_end().replace('\n', "; "))
    })
}
