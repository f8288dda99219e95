//! The three levels, with workers made of the real services.

mod chain_checks;
mod comparing;
mod faults;
mod levels;
pub(crate) mod peers;
mod refusals;

use std::rc::Rc;

use serde_json::{Value, json};

use super::*;
use crate::auth::{Principal, PrincipalKind, Scopes};
use crate::chat::{ChatService, Library, Sessions};
use crate::fortress::tests::{Fault, Faulty, HI_NANOS, World as Fortress, hi, sealer};
use crate::gateway::tests::over;
use crate::ledger::RemoteLedger;
use crate::ledger::tests::{LogFault, LogHttp};
use crate::llm::scripted::{JumpClock, START_MS, ScriptedHttp, Step, answer_json, reply};
use crate::ports::{Clock, Database, Http, Log};
use crate::sql::{Row, Statement};
use crate::testing::{FakeBackground, FakeEntropy, FakeLog};
use peers::{Peer, Service, Twist};

pub(crate) const PROMPT: &str = "A question of the coordinator's";
const PAST_DEADLINE_MS: i64 = service::DEADLINE_MS + 1;

pub(crate) struct World {
    pub(crate) clock: JumpClock,
    /// As the coordinator sees it: the workers' own calls never fail.
    pub(crate) db: Rc<Faulty>,
    pub(crate) log: Rc<LogHttp>,
    chatgpt: Rc<Peer>,
    pub(crate) fortress: Rc<Peer>,
    pub(crate) service: ExecutionService,
    pub(crate) principal: Principal,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::answering(vec![hi()], vec![hi()])
    }

    /// What the chatgpt worker's model and the fortress's model do.
    pub(crate) fn answering(chat: Vec<Step>, fortress: Vec<Step>) -> Self {
        let clock = JumpClock::at(START_MS);
        let shared = Faulty::new();
        let background = Rc::new(FakeBackground::default());
        let model = ScriptedHttp::new(&clock, chat);
        let chat = chat_service(&clock, &shared, &model, &background);
        let fortress = Fortress::on(&clock, Rc::clone(&shared), fortress);
        let log = Rc::clone(&fortress.log);
        let chatgpt = Peer::new("chatgpt", &clock, Service::Chat(chat, background));
        let fortress = Peer::new("fortress", &clock, Service::Fortress(Box::new(fortress)));
        let db = Faulty::over(Rc::clone(&shared.inner));
        let service = ExecutionService {
            db: Rc::clone(&db) as Rc<dyn Database>,
            workers: Workers {
                chatgpt: Rc::clone(&chatgpt) as Rc<dyn Http>,
                fortress: Rc::clone(&fortress) as Rc<dyn Http>,
                sealer: sealer(),
                clock: Rc::new(clock.clone()),
            },
            ledger: Rc::new(RemoteLedger::new(
                Rc::clone(&log) as Rc<dyn Http>,
                Rc::new(clock.clone()),
            )),
            sealer: sealer(),
            clock: Rc::new(clock.clone()),
            entropy: Rc::new(FakeEntropy::default()),
            compare: true,
        };
        Self {
            clock,
            db,
            log,
            chatgpt,
            fortress,
            service,
            principal: principal("ann"),
        }
    }

    pub(crate) fn asker(&self) -> Asker<'_> {
        Asker {
            principal: &self.principal,
            owner: &self.principal.user_id,
            request_id: "request-1",
        }
    }

    pub(crate) fn execute(&self, input: &ExecuteInput) -> Result<ExecuteOutput, Failed> {
        self.clock.run(self.service.execute(&self.asker(), input))
    }

    /// A completed execution at a level.
    pub(crate) fn done(&self, level: SecurityLevel) -> ExecuteOutput {
        self.execute(&input(level)).unwrap()
    }

    /// Others run at each call of a worker or the database.
    pub(crate) fn pause(&self) {
        self.db.pause_every_call();
        self.chatgpt.pauses.set(true);
        self.fortress.pauses.set(true);
    }

    fn status(&self, id: &str) -> ExecutionView {
        let found = self.clock.run(self.service.status(&principal("ann"), id));
        found.unwrap().execution
    }

    pub(crate) fn rows(&self, sql: impl Into<std::borrow::Cow<'static, str>>) -> Vec<Row> {
        let found = self.clock.run(self.db.inner.run(Statement::new(sql)));
        found.unwrap().rows
    }

    fn row(&self) -> Row {
        let mut rows = self.rows("SELECT * FROM secure_executions");
        assert_eq!(rows.len(), 1);
        rows.remove(0)
    }

    fn sweep(&self) -> u64 {
        let executions = Executions::new(Rc::clone(&self.db) as Rc<dyn Database>);
        let swept = executions.fail_interrupted(self.clock.now_ms());
        self.clock.run(swept).unwrap()
    }
}

fn chat_service(
    clock: &JumpClock,
    db: &Rc<Faulty>,
    model: &Rc<ScriptedHttp>,
    background: &Rc<FakeBackground>,
) -> ChatService {
    let log = Rc::new(FakeLog::default()) as Rc<dyn Log>;
    let database = Rc::clone(db) as Rc<dyn Database>;
    let (gateway, _) = over(clock, model, &database, &log);
    ChatService {
        library: Library {
            db: Rc::clone(&database),
            clock: Rc::new(clock.clone()),
            entropy: Rc::new(FakeEntropy::default()),
        },
        sessions: Sessions::new(database),
        gateway: Rc::new(gateway),
        clock: Rc::new(clock.clone()),
        entropy: Rc::new(FakeEntropy::default()),
        log,
        background: Rc::clone(background) as Rc<_>,
    }
}

pub(crate) fn principal(user_id: &str) -> Principal {
    Principal {
        user_id: user_id.to_owned(),
        name: "key".to_owned(),
        kind: PrincipalKind::User,
        scopes: Scopes::new(["execution:run", "chain:verify"]),
        token_id: "t-1".to_owned(),
        client_id: None,
    }
}

pub(crate) fn input(level: SecurityLevel) -> ExecuteInput {
    serde_json::from_value(json!({ "prompt": PROMPT, "security_level": level })).unwrap()
}
