//! Callers that leave while the model is at work: nothing else would write down what the
//! provider may charge.

use std::rc::Rc;

use serde_json::json;

use super::exchange::{Charge, Exchange, QuestionState, Settlement};
use super::sessions::Sessions;
use crate::ports::{Background, Clock, Level, Log};

/// A call that the model is at work on. Dropped before [`Self::answered`], it settles the
/// exchange in the background: failed, and perhaps billed at an unknown price.
pub(super) struct UnderWay {
    background: Rc<dyn Background>,
    left: Option<Left>,
}

/// What it takes to settle the call without its caller.
pub(super) struct Left {
    pub sessions: Sessions,
    pub clock: Rc<dyn Clock>,
    pub log: Rc<dyn Log>,
    pub exchange_id: String,
    pub session_id: Option<String>,
    pub owner: String,
    pub model: String,
}

impl UnderWay {
    pub fn new(background: &Rc<dyn Background>, left: Left) -> Self {
        Self {
            background: Rc::clone(background),
            left: Some(left),
        }
    }

    /// The caller is still there and settles the call itself.
    pub fn answered(mut self) {
        self.left = None;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(left) = self.left.take() {
            self.background.spawn(Box::pin(left.settle()));
        }
    }
}

impl Left {
    async fn settle(self) {
        let charge = Charge {
            model: &self.model,
            tokens: None,
            nanos: None,
            unpriced: true,
        };
        let (id, at_ms) = (self.exchange_id.as_str(), self.clock.now_ms());
        let recorded = match &self.session_id {
            None => {
                let added = self.sessions.add_usage(id, &self.owner, &charge, at_ms);
                added.await
            }
            Some(session_id) => {
                let exchange = Exchange {
                    id,
                    session_id,
                    owner: &self.owner,
                };
                let settlement = Settlement {
                    at_ms,
                    question_state: QuestionState::Failed {
                        code: "CALLER_LEFT",
                        message: "whoever asked left before the answer: ask under a new id",
                    },
                    answer: None,
                    charge,
                };
                let settled = self.sessions.settle(&exchange, &settlement).await;
                settled.map(|_| ())
            }
        };
        if let Err(error) = recorded {
            let fields = json!({ "exchange_id": id, "cause": error.to_string() });
            self.log
                .record(Level::Error, "chat_exchange_not_recorded", fields);
        }
    }
}
