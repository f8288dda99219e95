//! An endpoint that follows a script, and a clock that moves only when everything waits.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream;
use serde_json::{Value, json};

use super::{BaseUrl, Dialect, Models, Provider};
use crate::ports::{Clock, Http, HttpError, HttpRequest, HttpResponse};
use crate::secret::Secret;
use crate::testing::FakeEntropy;

pub const START_MS: i64 = 1_795_262_349_000;
pub const KEY: &str = "sk-test-0123456789abcdef";

/// Time passes when a script says so, or when everything waits: then it jumps to the
/// nearest timer.
#[derive(Clone, Default)]
pub struct JumpClock(Rc<Jump>);

#[derive(Default)]
struct Jump {
    now_ms: Cell<i64>,
    timers: RefCell<BTreeSet<i64>>,
}

/// Something asked to be polled again without time passing.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl JumpClock {
    pub fn at(ms: i64) -> Self {
        let clock = Self::default();
        clock.0.now_ms.set(ms);
        clock
    }

    pub fn pass(&self, ms: i64) {
        self.0.now_ms.set(self.0.now_ms.get() + ms);
    }

    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return value;
            }
            if woken.0.swap(false, Ordering::Relaxed) {
                continue;
            }
            let now = self.0.now_ms.get();
            let next = self.0.timers.borrow().range(now + 1..).next().copied();
            self.0.now_ms.set(next.expect("all wait and no timer runs"));
        }
    }
}

impl Clock for JumpClock {
    fn now_ms(&self) -> i64 {
        self.0.now_ms.get()
    }

    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()> {
        let wake_at = self.now_ms() + i64::try_from(ms).unwrap();
        self.0.timers.borrow_mut().insert(wake_at);
        let clock = self.clone();
        Box::pin(std::future::poll_fn(move |_| {
            if clock.now_ms() >= wake_at {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }))
    }
}

/// What the endpoint does with one request.
#[derive(Clone)]
pub enum Step {
    Reply {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<Piece>,
    },
    Fail(HttpError),
    Hang,
}

#[derive(Clone)]
pub enum Piece {
    Bytes(Vec<u8>),
    Wait(i64),
    Break(HttpError),
    Hang,
}

pub fn reply(status: u16, body: &str) -> Step {
    pieces(status, vec![Piece::Bytes(body.as_bytes().to_vec())])
}

pub fn pieces(status: u16, body: Vec<Piece>) -> Step {
    Step::Reply {
        status,
        headers: vec![("x-request-id", "req_1".to_owned())],
        body,
    }
}

pub fn with_header(step: Step, name: &'static str, value: &str) -> Step {
    let Step::Reply {
        status,
        mut headers,
        body,
    } = step
    else {
        panic!("no reply")
    };
    headers.push((name, value.to_owned()));
    Step::Reply {
        status,
        headers,
        body,
    }
}

pub struct ScriptedHttp {
    pub steps: RefCell<Vec<Step>>,
    pub seen: RefCell<Vec<HttpRequest>>,
    clock: JumpClock,
}

impl ScriptedHttp {
    pub fn new(clock: &JumpClock, steps: Vec<Step>) -> Rc<Self> {
        Rc::new(Self {
            steps: RefCell::new(steps),
            seen: RefCell::default(),
            clock: clock.clone(),
        })
    }

    pub fn body(&self, at: usize) -> Value {
        serde_json::from_slice(&self.seen.borrow()[at].body).unwrap()
    }
}

#[async_trait(?Send)]
impl Http for ScriptedHttp {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.seen.borrow_mut().push(request);
        let step = self.steps.borrow_mut().remove(0);
        match step {
            Step::Fail(error) => Err(error),
            Step::Hang => std::future::pending().await,
            Step::Reply {
                status,
                headers,
                body,
            } => {
                let clock = self.clock.clone();
                let body = stream::iter(body).filter_map(move |piece| {
                    let clock = clock.clone();
                    async move {
                        match piece {
                            Piece::Bytes(bytes) => Some(Ok(Bytes::from(bytes))),
                            Piece::Break(error) => Some(Err(error)),
                            Piece::Hang => std::future::pending().await,
                            Piece::Wait(ms) => {
                                clock.pass(ms);
                                None
                            }
                        }
                    }
                });
                Ok(HttpResponse {
                    status,
                    headers,
                    body: Box::pin(body),
                })
            }
        }
    }
}

pub fn client(clock: &JumpClock, http: &Rc<ScriptedHttp>) -> Models {
    Models {
        http: Rc::clone(http) as Rc<dyn Http>,
        clock: Rc::new(clock.clone()),
        entropy: Rc::new(FakeEntropy::default()),
        breakers: Rc::default(),
    }
}

pub fn provider(dialect: Dialect) -> Rc<Provider> {
    Rc::new(Provider {
        name: match dialect {
            Dialect::AnthropicMessages => "anthropic".into(),
            _ => "openai".into(),
        },
        dialect,
        base_url: BaseUrl::parse("https://model.example/v1/", false).unwrap(),
        key: Some(Secret::new(KEY)),
        key_name: "OPENAI_API_KEY".into(),
    })
}

pub fn answer_json(text: &str) -> String {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4-0613",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text, "refusal": null},
            "finish_reason": "stop", "logprobs": null}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
        "service_tier": "default", "system_fingerprint": "fp_1"
    })
    .to_string()
}

pub fn chunk(delta: &Value, finish: Option<&str>) -> String {
    let body = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4-0613",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": null});
    format!("data: {body}\r\n\r\n")
}

pub fn stream_text() -> String {
    let usage = json!({"id": "chatcmpl-1", "model": "gpt-4-0613", "choices": [],
        "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}});
    [
        ": keep-alive\n\n".to_owned(),
        chunk(&json!({"role": "assistant", "content": ""}), None),
        chunk(&json!({"content": "Grüße "}), None),
        chunk(&json!({"content": "😀!"}), None),
        chunk(&json!({}), Some("stop")),
        format!("data: {usage}\n\n"),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat()
}
