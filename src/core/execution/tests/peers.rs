//! The other workers behind their bindings: requests are read as they would read them, and
//! answered by the real services.

use std::cell::{Cell, RefCell};

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;
use crate::auth::assertion;
use crate::fortress::Asker;
use crate::fortress::tests::let_others_run;
use crate::ledger::tests::{published_file, response};
use crate::ports::{HttpError, HttpRequest, HttpResponse};

pub enum Service {
    /// With what goes on beside its calls.
    Chat(ChatService, Rc<FakeBackground>),
    Fortress(Box<Fortress>),
}

/// What goes wrong with calls of one tool.
pub enum Twist {
    Down,
    Refuses(&'static str),
    /// Arguments are changed before the service sees them.
    Arguments(fn(&mut Value)),
    /// The result is changed on its way back.
    Result(fn(&mut Value)),
}

pub struct Peer {
    pub service: Service,
    pub twist: RefCell<Option<(&'static str, Twist)>>,
    /// Tools called, for whom, and with what.
    pub calls: RefCell<Vec<(String, Principal, Value)>>,
    pub pauses: Cell<bool>,
    name: &'static str,
    clock: JumpClock,
}

type Said = Result<Value, (String, String)>;

impl Peer {
    pub fn new(name: &'static str, clock: &JumpClock, service: Service) -> Rc<Self> {
        Rc::new(Self {
            service,
            twist: RefCell::default(),
            calls: RefCell::default(),
            pauses: Cell::new(false),
            name,
            clock: clock.clone(),
        })
    }

    pub fn twist(&self, tool: &'static str, twist: Twist) {
        *self.twist.borrow_mut() = Some((tool, twist));
    }

    pub fn tools(&self) -> Vec<String> {
        let calls = self.calls.borrow();
        calls.iter().map(|(tool, ..)| tool.clone()).collect()
    }

    async fn answer(&self, tool: &str, owner: &str, arguments: Value) -> Said {
        match (&self.service, tool) {
            (Service::Chat(chat, background), "chatgpt_complete") => {
                let asker = crate::chat::Asker {
                    user_id: owner,
                    key_id: None,
                };
                let input = decode(arguments);
                let done = background.beside(chat.complete(asker, None, &input)).await;
                said(done, |error| error.code().to_string())
            }
            (Service::Fortress(fortress), "fortress_secure_execute") => {
                let asker = Asker {
                    user_id: owner,
                    key_id: None,
                    request_id: "r",
                };
                let done = fortress.executing(asker, &decode(arguments)).await;
                said(done, |error| error.code().to_owned())
            }
            (Service::Fortress(fortress), "fortress_verify_signature") => {
                let done = fortress.service.verify(&decode(arguments)).await;
                said(done, |error| error.code().to_owned())
            }
            (Service::Fortress(fortress), "fortress_signatures_verify") => {
                let done = fortress.service.verify_all(&decode(arguments)).await;
                said(done, |error| error.code().to_owned())
            }
            (Service::Fortress(fortress), "fortress_package_seal") => {
                let sealed = fortress.service.seal(&decode(arguments)).await;
                said(sealed, |error| error.code().to_owned())
            }
            _ => panic!("{} has no tool {tool}", self.name),
        }
    }

    /// The caller, by the statement that came with the call.
    fn caller(&self, request: &HttpRequest) -> Principal {
        let header = request
            .headers
            .iter()
            .find(|(name, _)| *name == assertion::HEADER);
        let now_ms = self.clock.now_ms();
        let said = assertion::verify(&header.unwrap().1, self.name, now_ms, &sealer()).unwrap();
        assert_eq!(said.request_id, "request-1");
        said.principal
    }
}

fn decode<T: DeserializeOwned>(arguments: Value) -> T {
    serde_json::from_value(arguments).unwrap()
}

fn said<T: Serialize, E: ToString>(done: Result<T, E>, code: impl Fn(&E) -> String) -> Said {
    done.map(|value| json!(value))
        .map_err(|error| (code(&error), error.to_string()))
}

#[async_trait(?Send)]
impl Http for Peer {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if let (Service::Fortress(fortress), "GET") = (&self.service, request.method) {
            return Ok(published_file(fortress.log.files(), &request.url).await);
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let tool = body["params"]["name"].as_str().unwrap().to_owned();
        let mut arguments = body["params"]["arguments"].clone();
        let caller = self.caller(&request);
        let owner = caller.user_id.clone();
        let call = (tool.clone(), caller, arguments.clone());
        self.calls.borrow_mut().push(call);
        if self.pauses.get() {
            let_others_run().await;
        }
        let mut change: Option<fn(&mut Value)> = None;
        let mut refused = None;
        match &*self.twist.borrow() {
            Some((name, twist)) if *name == tool => match twist {
                Twist::Down => return Err(HttpError::Unreachable("gone".into())),
                Twist::Refuses(code) => refused = Some(((*code).to_owned(), "in words".to_owned())),
                Twist::Arguments(twist) => twist(&mut arguments),
                Twist::Result(twist) => change = Some(*twist),
            },
            _ => (),
        }
        let said = match refused {
            Some(refused) => Err(refused),
            None => self.answer(&tool, &owner, arguments).await,
        };
        let result = match said {
            Ok(mut value) => {
                change.inspect(|change| change(&mut value));
                json!({ "structuredContent": value })
            }
            Err((code, message)) => {
                let error = json!({ "error": { "code": code, "message": message } }).to_string();
                json!({ "isError": true, "content": [{ "type": "text", "text": error }] })
            }
        };
        let reply = json!({ "jsonrpc": "2.0", "id": body["id"], "result": result });
        Ok(response(200, &reply.to_string()))
    }
}
