//! What is found and read, and by whom.

mod pages;
mod reading;
mod searching;

use std::rc::Rc;

use serde_json::json;

use super::*;
use crate::auth::{PrincipalKind, Scopes};
use crate::execution::ExecuteInput;
use crate::execution::tests::World as Executions;
use crate::fortress::tests::sealer;
use crate::sql::{Statement, Value};
use crate::testing::{FakeEntropy, block_on};

const ORIGIN: &str = "https://mcp.example.com";

struct World {
    base: Executions,
    entropy: FakeEntropy,
}

impl World {
    fn new() -> Self {
        Self {
            base: Executions::new(),
            entropy: FakeEntropy::default(),
        }
    }

    fn records(&self) -> Records<'_> {
        Records {
            executions: &self.base.service,
            origin: ORIGIN,
        }
    }

    fn find(&self, caller: &Principal, query: &str) -> Vec<Found> {
        let found = self.base.clock.run(self.records().search(caller, query));
        found.unwrap().results
    }

    fn ids(&self, caller: &Principal, query: &str) -> Vec<String> {
        let found = self.find(caller, query);
        found.into_iter().map(|found| found.id).collect()
    }

    fn read(&self, caller: &Principal, id: &str) -> Result<Record, RecordError> {
        self.base.clock.run(self.records().fetch(caller, id))
    }

    /// A verified execution of ann's with evidence, through the workers. Gives its id and that
    /// of its evidence.
    fn execution(&self) -> (String, String) {
        let input: ExecuteInput = serde_json::from_value(json!({
            "prompt": "Who signed the LEASE in Ärmelkanal street?",
            "security_level": "verified",
            "case_id": "CASE-7/a",
            "label": "Lease question",
            "create_evidence": true,
        }))
        .unwrap();
        let done = self.base.execute(&input).unwrap();
        (done.execution_id, done.evidence_id.unwrap())
    }

    fn insert(&self, sql: &'static str, values: Vec<Value>) {
        let statement = values
            .into_iter()
            .fold(Statement::new(sql), Statement::bind);
        block_on(self.base.service.db.run(statement)).unwrap();
    }

    /// A row of an execution that did not run, with its prompt sealed.
    fn row(&self, id: &str, owner: &str, prompt: &str, at_ms: i64) {
        let sealed = sealer()
            .seal("prompt", &[owner, id], prompt.as_bytes(), &self.entropy)
            .unwrap();
        self.insert(
            "INSERT INTO secure_executions (id, user_id, prompt, prompt_hash, security_level, \
             execution_method, created_at, updated_at, status, error_message, model) \
             VALUES (?1, ?2, ?3, ?4, 'standard', 'direct', ?5, ?5, 'failed', 'on purpose', 'gpt-4')",
            vec![
                id.into(),
                owner.into(),
                sealed.into(),
                "0".repeat(64).into(),
                Value::Timestamp(at_ms),
            ],
        );
    }

    fn session(&self, id: &str, owner: &str, name: &str, messages: &[&str]) {
        self.insert(
            "INSERT INTO chat_sessions (id, user_id, session_name, created_at, updated_at) \
             VALUES (?1, ?2, ?3, 5, 5)",
            vec![id.into(), owner.into(), name.into()],
        );
        for (seq, message) in (0_i64..).zip(messages) {
            self.insert(
                "INSERT INTO chat_messages (id, session_id, seq, role, content, timestamp) \
                 VALUES (?1, ?2, ?3, 'user', ?4, 6)",
                vec![
                    format!("{id}.{seq}").into(),
                    id.into(),
                    seq.into(),
                    (*message).into(),
                ],
            );
        }
    }
}

fn caller(user_id: &str, scopes: &[&str]) -> Principal {
    let principal = json!({
        "user_id": user_id,
        "name": "key",
        "kind": PrincipalKind::User,
        "scopes": Scopes::new(scopes.iter().copied()),
        "token_id": "t",
    });
    serde_json::from_value(principal).unwrap()
}

fn ann() -> Principal {
    caller("ann", &[SCOPE])
}
