//! Packages and custody, over the real services.

mod anchored;
mod custody;
mod files;
mod golden;
mod hostile;
mod json;
mod keys;
mod legal_brief;
mod offline;
mod unsound;

use std::rc::Rc;

use serde_json::{Value, json};

use super::*;
use crate::anchoring::tests::World as Anchors;
use crate::execution::tests::peers::Service;
use crate::execution::tests::{World, principal};
use crate::execution::{ExecuteInput, SecurityLevel};
use crate::fortress::keys::HistoryEntry;
use crate::ports::Http;
use crate::testing::MemoryBucket;

/// A coordinator with a place for files.
pub(super) struct Desk {
    pub world: World,
    pub files: MemoryBucket,
}

impl Desk {
    pub fn new() -> Self {
        Self::over(World::new())
    }

    pub fn over(world: World) -> Self {
        Self {
            world,
            files: MemoryBucket::default(),
        }
    }

    /// Its log is anchored by whom this returns, when told to.
    pub fn anchored(&mut self) -> Anchors {
        let log = || Rc::clone(&self.world.log) as Rc<dyn Http>;
        let anchors = Anchors::over(log(), 2);
        self.world.service.ledger = anchors.anchored(log());
        anchors
    }

    fn fortress(&self) -> &crate::fortress::FortressService {
        match &self.world.fortress.service {
            Service::Fortress(fortress) => &fortress.service,
            Service::Chat(..) => panic!("this is no fortress"),
        }
    }

    /// The keys' entries in their history, oldest first.
    pub fn keys(&self) -> Vec<HistoryEntry> {
        let history = self.fortress().key_history();
        self.world.clock.run(history).unwrap().keys
    }

    /// Another key signs from now on. Returns the fingerprint of the one that did.
    pub fn rotate(&self) -> String {
        let from = self.keys().last().unwrap().fingerprint.clone();
        let input = serde_json::from_value(json!({ "from_fingerprint": from })).unwrap();
        let rotated = self.fortress().rotate_key(&input);
        self.world.clock.run(rotated).unwrap();
        from
    }

    pub fn revoke(&self, input: Value) {
        let input = serde_json::from_value(input).unwrap();
        let revoked = self.fortress().revoke_key(&input);
        self.world.clock.run(revoked).unwrap();
    }

    pub fn evidence(&self) -> Evidence<'_> {
        Evidence {
            executions: &self.world.service,
            files: Some(&self.files),
            origin: "https://mcp.example.com",
        }
    }

    pub fn package(&self, input: Value) -> Result<Package, EvidenceError> {
        let input = serde_json::from_value(input).unwrap();
        let evidence = self.evidence();
        let made = self
            .world
            .clock
            .run(evidence.package(&self.world.asker(), &input));
        made.map(|made| made.evidence_package)
    }

    pub fn custody(&self, input: Value) -> Result<CustodyOutput, EvidenceError> {
        let input: CustodyInput = serde_json::from_value(input).unwrap();
        let evidence = self.evidence();
        self.world
            .clock
            .run(evidence.custody(&self.world.asker(), &input))
    }

    /// A legal brief of an execution, and its file.
    pub fn brief(&self, execution_id: &str) -> (Package, Vec<u8>) {
        let input = json!({"execution_id": execution_id, "package_format": "legal_brief"});
        let package = self.package(input).unwrap();
        let evidence = self.evidence();
        let file = evidence.file(&self.world.principal, &package.package_id);
        let file = self.world.clock.run(file).unwrap();
        (package, file.bytes)
    }
}

/// Files of a zip by path, its one folder left out.
pub(super) fn unzip(bytes: &[u8]) -> std::collections::BTreeMap<String, Vec<u8>> {
    let zip = rawzip::ZipArchive::from_slice(bytes).unwrap();
    let mut entries = zip.entries();
    let mut files = std::collections::BTreeMap::new();
    while let Some(entry) = entries.next_entry().unwrap() {
        let path = std::str::from_utf8(entry.file_path().as_bytes()).unwrap();
        let (_, path) = path.split_once('/').unwrap();
        let data = zip.get_entry(entry.wayfinder()).unwrap().data().to_vec();
        assert!(files.insert(path.to_owned(), data).is_none());
    }
    files
}
