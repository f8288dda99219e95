//! A Fortress API in memory: honest, until a test says otherwise.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::Value;

use super::super::*;
use crate::digest::sha256_hex;
use crate::fortress::FortressApi;
use crate::llm::BaseUrl;
use crate::ports::{Clock, HttpError, HttpRequest, HttpResponse};

pub const ANSWER: &str = "Hi from afar";
pub const CALLS_NANOS: i64 = 20 * 30_000 + 4 * 60_000;
const HOST: &str = "https://fortress.example.org";

/// What becomes of one request.
#[derive(Clone)]
pub enum Trouble {
    /// The server never hears of it.
    Lost,
    /// The server does it, and nobody hears of that.
    Unheard,
    Hangs,
    Says(u16, &'static str),
}

pub struct FakeApi {
    pub key: SigningKey,
    /// `{method} {path}` of each request.
    pub asked: RefCell<Vec<String>>,
    pub runs: Cell<usize>,
    /// The next ones to a path that begins so.
    pub troubles: RefCell<VecDeque<(&'static str, Trouble)>>,
    /// Any to a path that begins so.
    pub always: Option<(&'static str, Trouble)>,
    /// Changes the manifest that it signs.
    pub misrun: fn(manifest: &mut Value),
    /// Changes what it would say to a path that begins so.
    pub spoil: (&'static str, fn(reply: &mut Value)),
    clock: JumpClock,
    pub ingested: RefCell<Value>,
    run: Cell<bool>,
}

impl FakeApi {
    pub fn honest(clock: &JumpClock) -> Self {
        Self {
            key: SigningKey::from_armor(lasting_key(), None).unwrap(),
            asked: RefCell::default(),
            runs: Cell::new(0),
            troubles: RefCell::default(),
            always: None,
            misrun: |_| {},
            spoil: ("nothing", |_| {}),
            clock: clock.clone(),
            ingested: RefCell::default(),
            run: Cell::new(false),
        }
    }

    /// The paths asked, without the job's id.
    pub fn steps(&self) -> Vec<String> {
        let asked = self.asked.borrow();
        let step = |line: &String| line.split('/').nth(1).unwrap().to_owned();
        asked.iter().map(step).collect()
    }

    fn trouble(&self, path: &str) -> Option<Trouble> {
        let mut next = self.troubles.borrow_mut();
        if next
            .front()
            .is_some_and(|(begin, _)| path.starts_with(begin))
        {
            return next.pop_front().map(|(_, trouble)| trouble);
        }
        let always = self.always.clone();
        let hit = always.filter(|(begin, _)| path.starts_with(begin));
        hit.map(|(_, trouble)| trouble)
    }

    fn reply(&self, path: &str, body: &[u8]) -> Value {
        let step = path.split('/').nth(1).unwrap();
        if step == "ingest" {
            *self.ingested.borrow_mut() = serde_json::from_slice(body).unwrap();
        }
        if step == "run" && !self.run.replace(true) {
            self.runs.set(self.runs.get() + 1);
        }
        let id = self.ingested.borrow()["input_id"]
            .as_str()
            .map(str::to_owned);
        let id = id.unwrap_or_default();
        match step {
            "ingest" => json!({ "input_id": id, "status": "ingested" }),
            "run" => json!({ "output_file": format!("{id}.txt"), "status": "completed" }),
            _ => self.output(),
        }
    }

    fn output(&self) -> Value {
        let mut manifest = json!(self.manifest());
        (self.misrun)(&mut manifest);
        let manifest = serde_json_canonicalizer::to_string(&manifest).unwrap();
        json!({
            "output": ANSWER,
            "signature": sign(&self.key, &manifest),
            "verified_by": self.key.fingerprint(),
            "manifest": manifest,
            "calls": calls(),
        })
    }

    fn manifest(&self) -> Manifest {
        let input = self.ingested.borrow();
        let text = |name: &str| input[name].as_str().unwrap().to_owned();
        let policy = policy();
        Manifest {
            kind: Manifest::kind(),
            job_id: text("input_id"),
            evidence_id: input["evidence_id"].as_str().map(str::to_owned),
            label: text("label"),
            prompt_sha256: sha256_hex(text("content")),
            output_sha256: sha256_hex(ANSWER),
            model_requested: text("model"),
            model_answered: "gpt-4-0613".to_owned(),
            provider: Provider {
                host: policy.allowed_host.clone(),
                request_id: Some("req-2".to_owned()),
                response_id: None,
                service_tier: None,
                system_fingerprint: None,
                finish_reason: "stop".to_owned(),
            },
            parameters: Parameters {
                max_tokens: policy.max_output_tokens,
                temperature: "0".to_owned(),
            },
            policy_sha256: policy.sha256().unwrap(),
            policy,
            usage: Some(Usage {
                prompt_tokens: 20,
                completion_tokens: 4,
                total_tokens: 24,
            }),
            started_at_ms: START_MS,
            completed_at_ms: START_MS,
            signer_fingerprint: self.key.fingerprint(),
        }
    }
}

fn policy() -> Policy {
    Policy {
        sandbox: Some(sandbox()),
        ..Policy::current("model.example")
    }
}

pub fn sign(key: &SigningKey, text: &str) -> String {
    let now_secs = u64::try_from(START_MS / 1_000).unwrap();
    key.sign(text.as_bytes(), now_secs).unwrap()
}

/// Two good ones and one that cost nothing: [`CALLS_NANOS`] together.
pub fn calls() -> Value {
    let call = |status: u16, prompt: u64| {
        json!({ "status": status, "model": "gpt-4", "request_id": "req", "started_ms": START_MS, "total_ms": 5,
                "usage": { "prompt_tokens": prompt, "completion_tokens": 2, "total_tokens": prompt + 2 } })
    };
    json!([call(200, 9), call(429, 0), call(200, 11)])
}

#[async_trait(?Send)]
impl Http for FakeApi {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let path = request.url.strip_prefix(HOST).unwrap();
        let key = ("x-api-key", "the-api-key".to_owned());
        assert!(request.headers.contains(&key));
        let line = format!("{} {path}", request.method);
        self.asked.borrow_mut().push(line);
        let cut = || HttpError::Unreachable("fortress.example.org hung up".to_owned());
        let (status, text) = match self.trouble(path) {
            None => {
                let mut reply = self.reply(path, &request.body);
                let (begin, spoil) = self.spoil;
                if path.starts_with(begin) {
                    spoil(&mut reply);
                }
                (200, reply.to_string())
            }
            Some(Trouble::Says(status, text)) => (status, text.to_owned()),
            Some(Trouble::Unheard) => {
                self.reply(path, &request.body);
                return Err(cut());
            }
            Some(Trouble::Lost) => return Err(cut()),
            Some(Trouble::Hangs) => {
                let ms = request.timeout_ms;
                self.clock.sleep(ms).await;
                return Err(HttpError::Timeout { ms });
            }
        };
        let body = stream::once(async move { Ok(Bytes::from(text)) });
        Ok(HttpResponse {
            status,
            headers: Vec::new(),
            body: body.boxed_local(),
        })
    }
}

/// The fortress over such an API.
pub fn over(prepare: impl FnOnce(&mut FakeApi)) -> (World, Rc<FakeApi>) {
    let mut world = World::new(Vec::new());
    let mut api = FakeApi::honest(&world.clock);
    prepare(&mut api);
    let api = Rc::new(api);
    world.service.api = Some(Rc::new(FortressApi {
        http: Rc::clone(&api) as Rc<dyn Http>,
        url: BaseUrl::parse(HOST, false).unwrap(),
        key: Secret::new("the-api-key"),
    }));
    (world, api)
}
