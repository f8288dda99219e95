//! What an erasure must not leave behind, and how what it leaves reads.

use async_trait::async_trait;

use super::erasing::eraser;
use super::*;
use crate::audit::erasure::{EraseError, EraseInput, erase};
use crate::audit::tables::Table;
use crate::evidence::{CustodyInput, EvidenceError};
use crate::execution::CompareInput;
use crate::execution::tests::peers::Service;
use crate::fortress::OutputInput;
use crate::llm::scripted::{answer_json, reply};
use crate::ports::{Bucket, BucketError, Object};
use crate::sql::Statement;

pub(super) fn erase_of(office: &Office, key: &str, id: &str) -> Result<EraseOutput, EraseError> {
    let asked: EraseInput = serde_json::from_value(serde_json::json!({
        key: id, "reason": "asked for", "authority": "GDPR Art. 17", "confirm": true,
    }))
    .unwrap();
    let eraser = eraser(office);
    office
        .clock()
        .run(erase(&eraser, &principal("ann"), &asked))
}

fn package(office: &Office, files: &dyn Bucket) -> Result<(), EvidenceError> {
    let evidence = Evidence {
        executions: &office.world.service,
        files: Some(files),
        origin: "https://mcp.example.com",
    };
    let wanted = serde_json::json!({
        "execution_id": office.executions[0], "package_format": "legal_brief",
    });
    let wanted: PackageInput = serde_json::from_value(wanted).unwrap();
    let ann = office.world.asker();
    let made = office.clock().run(evidence.package(&ann, &wanted));
    made.map(drop)
}

#[test]
fn what_was_erased_reads_as_erased() {
    let office = Office::with(1);
    let id = office.executions[0].clone();
    let output_file = office.sql("SELECT output_file FROM fortress_jobs")[0]
        .text("output_file")
        .unwrap();
    erase_of(&office, "execution_id", &id).unwrap();
    let service = &office.world.service;
    let view = office.clock().run(service.status(&principal("ann"), &id));
    let view = view.unwrap().execution;
    assert_eq!(
        (view.prompt.as_str(), view.content_erased),
        ("content erased", true)
    );
    assert_eq!(view.results.fortress_manifest, None);
    assert_eq!(view.results.verification_status, None);
    let error = package(&office, &*office.files).unwrap_err();
    assert_eq!(error.code(), "CONTENT_ERASED");
    let evidence = Evidence {
        executions: service,
        files: None,
        origin: "",
    };
    let asked = CustodyInput {
        execution_id: id,
        event: None,
    };
    let ann = office.world.asker();
    let events = office.clock().run(evidence.custody(&ann, &asked)).unwrap();
    assert_eq!(events.events.len(), 2, "custody stays");
    let Service::Fortress(fortress) = &office.world.fortress.service else {
        unreachable!()
    };
    let asked = OutputInput {
        output_file,
        verify_signature: true,
    };
    let output = fortress.service.get_output("ann", &asked);
    let error = office.clock().run(output).unwrap_err();
    assert_eq!(error.code(), "CONTENT_ERASED");
    let row = &office.sql("SELECT status, signature_verified FROM evidence_records")[0];
    assert_eq!(row.text("status").unwrap(), "completed");
    assert!(!row.boolean("signature_verified").unwrap());
}

#[test]
fn why_it_failed_may_quote_it_and_goes() {
    let office = Office::with(1);
    office.sql("UPDATE secure_executions SET error_message = 'the provider quotes the prompt'");
    office.sql("UPDATE fortress_jobs SET error_message = 'the provider quotes the prompt'");
    erase_of(&office, "execution_id", &office.executions[0]).unwrap();
    for table in ["secure_executions", "fortress_jobs"] {
        let row = &office.sql(format!("SELECT error_message FROM {table}"))[0];
        assert_eq!(row.text("error_message").unwrap(), "content erased");
    }
}

#[test]
fn the_analysis_of_a_comparison_goes_with_what_it_quotes() {
    let says = |text: &str| reply(200, &answer_json(text));
    let world = World::answering(vec![says("Yes"), says("They contradict")], vec![says("No")]);
    let office = Office {
        world,
        files: Rc::default(),
        executions: Vec::new(),
    };
    let asked: CompareInput = serde_json::from_value(serde_json::json!({"prompt": "?"})).unwrap();
    let ann = office.world.asker();
    let compared = office.world.service.compare(&ann, &asked);
    let compared = office.clock().run(compared).unwrap();
    office.record();
    erase_of(
        &office,
        "execution_id",
        &compared.standard_execution.unwrap(),
    )
    .unwrap();
    let prompt = |id: String| {
        let rows = office.sql(format!(
            "SELECT prompt FROM secure_executions WHERE id = '{id}'"
        ));
        rows[0].text("prompt").unwrap()
    };
    assert_eq!(prompt(compared.analysis_execution.unwrap()), "");
    assert_ne!(prompt(compared.fortress_execution.unwrap()), "");
    office.record();
    assert_eq!(office.findings(), []);
}

#[test]
fn a_run_that_is_part_of_no_execution_is_erased_by_its_id() {
    let office = Office::with(1);
    let run = office.run(serde_json::json!({"prompt": "by itself", "label": "alone"}));
    office.record();
    let erased = erase_of(&office, "fortress_job_id", &run.job_id).unwrap();
    assert_eq!(erased.facts_erased, 2, "of the run and of its record");
    let row = &office.sql(format!(
        "SELECT sealed_prompt, label, manifest FROM fortress_jobs WHERE id = '{}'",
        run.job_id
    ))[0];
    for column in ["sealed_prompt", "label", "manifest"] {
        assert_eq!(row.text(column).unwrap(), "", "{column}");
    }
    office.record();
    assert_eq!(office.findings(), []);
    let others = office.sql("SELECT id FROM fortress_jobs WHERE execution_id IS NOT NULL");
    assert!(matches!(
        erase_of(&office, "fortress_job_id", &others[0].text("id").unwrap()),
        Err(EraseError::OfExecution(_))
    ));
    assert!(matches!(
        erase_of(&office, "fortress_job_id", "none"),
        Err(EraseError::NoSuchRun)
    ));
}

/// Where the execution is erased as soon as a file of it is put, and a package once it is read.
struct ErasedMeanwhile(Rc<MemoryBucket>, Rc<dyn Database>);

#[async_trait(?Send)]
impl Bucket for ErasedMeanwhile {
    async fn get(&self, key: &str, max: usize) -> Result<Option<Object>, BucketError> {
        let file = self.0.get(key, max).await;
        let erased = "UPDATE evidence_packages SET package_file_path = NULL, status = 'created'";
        self.1.run(Statement::new(erased)).await.unwrap();
        file
    }

    async fn put(&self, key: &str, object: Object) -> Result<(), BucketError> {
        let erased = Statement::new("UPDATE secure_executions SET prompt = ''");
        self.1.run(erased).await.unwrap();
        self.0.put(key, object).await
    }

    async fn swap(
        &self,
        key: &str,
        object: Object,
        version: Option<&str>,
    ) -> Result<Option<String>, BucketError> {
        self.0.swap(key, object, version).await
    }

    async fn delete(&self, keys: &[String]) -> Result<(), BucketError> {
        self.0.delete(keys).await
    }
}

#[test]
fn a_package_that_is_being_made_is_kept_nowhere() {
    let office = Office::with(1);
    let files = ErasedMeanwhile(Rc::default(), office.database());
    let error = package(&office, &files).unwrap_err();
    assert_eq!(error.code(), "CONTENT_ERASED");
    assert!(files.0.0.borrow().is_empty());
    assert_eq!(office.sql("SELECT id FROM evidence_packages").len(), 1);
}

#[test]
fn a_package_that_is_being_fetched_is_not_marked_after_it() {
    let office = Office::with(1);
    let files = ErasedMeanwhile(Rc::clone(&office.files), office.database());
    let evidence = Evidence {
        executions: &office.world.service,
        files: Some(&files),
        origin: "https://mcp.example.com",
    };
    let state = || {
        office
            .sql("SELECT id, status FROM evidence_packages")
            .remove(0)
    };
    let uri = format!(
        "{}{}",
        crate::evidence::RESOURCE,
        state().text("id").unwrap()
    );
    let ann = principal("ann");
    let fetched = office.clock().run(evidence.resource(&ann, &uri));
    assert!(fetched.unwrap().is_some());
    assert_eq!(state().text("status").unwrap(), "created");
}

#[test]
fn a_record_that_is_being_made_goes_too() {
    let mut office = Office::with(0);
    office.execute();
    let (recorder, mut all) = (office.recorder(), recorder::Recorded::default());
    let table = Table::named("secure_executions").unwrap();
    let mut after = String::new();
    let due = recorder.due(table, &mut after, &mut all);
    let due = office.clock().run(due).unwrap();
    erase_of(&office, "execution_id", &office.executions[0]).unwrap();
    let done = recorder.record(table, &due, &mut all);
    office.clock().run(done).unwrap();
    assert_eq!(office.record().refused, 0);
    assert_eq!(office.findings(), []);
    let left = "SELECT uuid FROM chitty_chain_facts WHERE subject LIKE 'row:secure_executions:%'";
    assert_eq!(office.sql(left).len(), 1, "of the emptied row alone");
}
