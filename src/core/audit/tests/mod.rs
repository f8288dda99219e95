//! Audits over the real services on SQLite and a log in memory.

mod asked;
mod busy;
mod erasing;
mod files;
mod finishing;
mod hidden;
mod left_behind;
mod many;
mod matrix;
mod meanwhile;
mod published;
mod published_large;
mod recording;
mod reports;
mod signatures;
mod stolen;
mod storage;
mod under_way;
mod word_of_the_log;

use std::rc::Rc;

use super::auditor::{Auditor, Scope};
use super::progress::{Phase, Progress};
use super::*;
use crate::evidence::{Evidence, PackageInput};
use crate::execution::SecurityLevel;
use crate::execution::tests::peers::Service;
use crate::execution::tests::{World, input, principal};
use crate::fortress::{Asker, ExecuteOutput};
use crate::llm::scripted::JumpClock;
use crate::ports::{Clock, Database};
use crate::sql::Row;
use crate::testing::MemoryBucket;

/// Later than any row may go unrecorded.
const LATER_MS: u64 = 3_600_000;

pub(super) struct Office {
    pub world: World,
    pub files: Rc<MemoryBucket>,
    pub executions: Vec<String>,
}

impl Office {
    /// A run of ann's that she asks the fortress for herself.
    fn run(&self, asked: serde_json::Value) -> ExecuteOutput {
        let Service::Fortress(fortress) = &self.world.fortress.service else {
            unreachable!()
        };
        let asked = serde_json::from_value(asked).unwrap();
        let ann = Asker {
            user_id: "ann",
            key_id: None,
            request_id: "r",
        };
        self.clock().run(fortress.executing(ann, &asked)).unwrap()
    }

    /// `count` executions of level `verified`, each with evidence and a package, all on record.
    pub fn with(count: usize) -> Self {
        let steps = || {
            (0..count + 2)
                .map(|_| crate::fortress::tests::hi())
                .collect()
        };
        let world = World::answering(steps(), steps());
        let mut office = Self {
            world,
            files: Rc::default(),
            executions: Vec::new(),
        };
        for _ in 0..count {
            office.execute();
        }
        office.record();
        office
    }

    pub fn clock(&self) -> &JumpClock {
        &self.world.clock
    }

    pub fn execute(&mut self) {
        let mut asked = input(SecurityLevel::Verified);
        asked.create_evidence = true;
        asked.label = Some("a label".to_owned());
        let done = self.world.execute(&asked).unwrap();
        self.package(&done.execution_id);
        self.executions.push(done.execution_id);
    }

    pub fn package(&self, execution_id: &str) {
        let wanted: PackageInput = serde_json::from_value(serde_json::json!({
            "execution_id": execution_id,
            "package_format": "legal_brief",
        }))
        .unwrap();
        let evidence = Evidence {
            executions: &self.world.service,
            files: Some(&*self.files),
            origin: "https://mcp.example.com",
        };
        let ann = self.world.asker();
        self.clock().run(evidence.package(&ann, &wanted)).unwrap();
    }

    pub fn record(&self) -> recorder::Recorded {
        self.clock().run(record_due(&self.recorder())).unwrap()
    }

    pub fn recorder(&self) -> Recorder<'_> {
        let service = &self.world.service;
        Recorder {
            db: &*self.world.db.inner,
            ledger: &*service.ledger,
            sealer: &service.sealer,
            clock: &self.world.clock,
        }
    }

    pub fn audit(&self, scope: &Scope) -> Progress {
        self.audit_on(scope, Progress::default(), self.later())
    }

    fn later(&self) -> i64 {
        self.clock().now_ms() + i64::try_from(LATER_MS).unwrap()
    }

    pub fn audit_at(&self, scope: &Scope, now_ms: i64) -> Progress {
        self.audit_on(scope, Progress::default(), now_ms)
    }

    /// From there on.
    pub fn audit_on(&self, scope: &Scope, mut progress: Progress, now_ms: i64) -> Progress {
        let service = &self.world.service;
        let asker = self.world.asker();
        let signatures = FortressSignatures {
            workers: &service.workers,
            asker: &asker,
        };
        let auditor = Auditor {
            db: &*self.world.db.inner,
            ledger: &*service.ledger,
            published: &PublishedLog::new(Rc::clone(&service.workers.fortress)),
            sealer: &service.sealer,
            signatures: &signatures,
            files: Some(&*self.files),
            scope,
            now_ms,
        };
        while !progress.is_done() {
            self.clock().run(auditor.step(&mut progress)).unwrap();
            // As it is put aside between two slices.
            let text = serde_json::to_string(&progress).unwrap();
            progress = serde_json::from_str(&text).unwrap();
        }
        progress
    }

    /// What a forensic audit finds.
    pub fn findings(&self) -> Vec<Finding> {
        self.audit(&forensic(&[])).findings
    }

    pub fn sql(&self, text: impl Into<String>) -> Vec<Row> {
        self.world.rows(text.into())
    }

    pub fn database(&self) -> Rc<dyn Database> {
        Rc::clone(&self.world.db.inner) as Rc<dyn Database>
    }
}

pub(super) fn forensic(known: &[String]) -> Scope {
    Scope {
        level: Level::Forensic,
        executions: None,
        since_ms: None,
        signatures: true,
        chain: true,
        files: true,
        known: known.to_vec(),
    }
}
