//! A run in steps, beside a run in one call.

use super::*;
use crate::digest::sha256_hex;

fn content() -> IngestInput {
    serde_json::from_value(json!({ "content": "A sealed question", "label": "test" })).unwrap()
}

fn linked() -> IngestInput {
    IngestInput {
        evidence_id: Some("E-1".into()),
        ..content()
    }
}

impl World {
    fn ingest(&self, input: IngestInput) -> Result<IngestOutput, FortressError> {
        self.clock.run(self.service.ingest(ANN, input))
    }

    fn run_as(&self, owner: &str, id: &str) -> Result<RunOutput, FortressError> {
        let asker = Asker {
            user_id: owner,
            ..ANN
        };
        let input = RunInput {
            input_id: id.to_owned(),
        };
        let run = self.service.run_agent(asker, &input);
        self.clock.run(self.background.beside(run))
    }

    fn read_as(&self, owner: &str, file: &str, check: bool) -> Result<OutputOutput, FortressError> {
        let input = OutputInput {
            output_file: file.to_owned(),
            verify_signature: check,
        };
        self.clock.run(self.service.get_output(owner, &input))
    }

    fn change(&self, sql: &'static str) {
        self.rows(sql);
    }
}

#[test]
fn content_is_put_in_run_and_read() {
    let world = World::new(vec![hi()]);
    let put = world.ingest(content()).unwrap();
    assert_eq!(put.status, "pending");
    assert_eq!(put.content_hash, sha256_hex("A sealed question"));
    assert_eq!((world.asked(), world.log.size()), (0, 0));
    let row = format!("{:?}", world.job());
    assert!(!row.contains("A sealed question"), "stored in clear");

    let run = world.run_as("ann", &put.input_id).unwrap();
    assert_eq!(
        (&run.job_id, run.status.as_str()),
        (&put.input_id, "completed")
    );
    assert_eq!(run.output_file, format!("{}.txt", put.input_id));
    let read = world.read_as("ann", &run.output_file, true).unwrap();
    assert_eq!(
        (read.output.as_str(), read.signature_valid),
        ("Hi", Some(true))
    );
    assert_eq!(
        read.verified_by,
        world.job().text("key_fingerprint").unwrap()
    );
    let manifest = Manifest::parse(&read.manifest).unwrap();
    manifest
        .check(&put.input_id, None, "A sealed question", "Hi")
        .unwrap();
    let unchecked = world.read_as("ann", &run.output_file, false).unwrap();
    assert_eq!(
        (unchecked.signature_valid, unchecked.explanation),
        (None, None)
    );
    assert_eq!((world.asked(), world.log.size()), (1, 1));
}

#[test]
fn an_input_is_run_once_and_under_the_policy_of_its_run() {
    let mut world = World::new(vec![hi()]);
    let put = world.ingest(linked()).unwrap();
    assert_eq!(world.ingest(linked()).unwrap().input_id, put.input_id);
    let policy = Policy {
        version: 2,
        ..(*world.service.policy).clone()
    };
    world.service.policy = Rc::new(policy.clone());
    let first = world.run_as("ann", &put.input_id).unwrap();
    let again = world.run_as("ann", &put.input_id).unwrap();
    assert_eq!(json!(first), json!(again));
    // The same as asking in one call.
    assert_eq!(world.execute(&input()).unwrap().job_id, put.input_id);
    assert_eq!((world.asked(), world.log.size()), (1, 1));
    assert_eq!(world.job().json("policy").unwrap(), json!(policy));
    let manifest = Manifest::parse(&world.job().text("manifest").unwrap()).unwrap();
    assert_eq!(manifest.policy, policy);
}

#[test]
fn what_was_put_in_is_run_by_a_call_that_does_it_all() {
    let world = World::new(vec![hi()]);
    let put = world.ingest(linked()).unwrap();
    let run = world.execute(&input()).unwrap();
    assert_eq!((run.job_id, run.output.as_str()), (put.input_id, "Hi"));
    let other = ExecuteInput {
        prompt: "Another".into(),
        ..input()
    };
    assert!(matches!(
        world.execute(&other),
        Err(FortressError::Conflict)
    ));
}

#[test]
fn other_peoples_inputs_and_outputs_are_as_unknown_as_none() {
    let world = World::new(vec![hi()]);
    let put = world.ingest(content()).unwrap();
    let of_others = world.run_as("bob", &put.input_id).unwrap_err();
    let of_nobody = world.run_as("ann", "JOB-none").unwrap_err();
    assert_eq!(of_others.to_string(), of_nobody.to_string());
    assert_eq!(of_others.code(), "INPUT_NOT_FOUND");
    assert_eq!((world.status().as_str(), world.asked()), ("pending", 0));

    let run = world.run_as("ann", &put.input_id).unwrap();
    let files = [
        ("bob", run.output_file.as_str()),
        ("ann", "JOB-none.txt"),
        ("ann", put.input_id.as_str()),
        ("ann", "../etc/passwd"),
    ];
    for (owner, file) in files {
        let error = world.read_as(owner, file, true).unwrap_err();
        assert_eq!(error.code(), "OUTPUT_NOT_FOUND", "{owner} {file}");
    }
}

#[test]
fn an_input_that_does_not_open_fails_without_asking_anybody() {
    let world = World::new(vec![hi()]);
    let put = world.ingest(content()).unwrap();
    world.change("UPDATE fortress_jobs SET sealed_prompt = 'v1.00000000.AAAA'");
    assert!(world.run_as("ann", &put.input_id).is_err());
    assert_eq!((world.status().as_str(), world.asked()), ("failed", 0));
    let again = world.run_as("ann", &put.input_id).unwrap_err();
    assert_eq!(again.code(), "RUN_FAILED");
    assert_eq!(world.ingest(content()).unwrap().status, "pending");
}

#[test]
fn a_changed_output_is_read_with_a_no() {
    let world = World::new(vec![hi()]);
    let put = world.ingest(content()).unwrap();
    let run = world.run_as("ann", &put.input_id).unwrap();
    let sealed = sealer()
        .seal(
            "output",
            &["ann", &put.input_id],
            b"Ho",
            &FakeEntropy::default(),
        )
        .unwrap();
    let change = Statement::new("UPDATE fortress_jobs SET sealed_output = ?1").bind(sealed);
    world.clock.run(world.db.inner.run(change)).unwrap();
    let read = world.read_as("ann", &run.output_file, true).unwrap();
    assert_eq!(
        (read.output.as_str(), read.signature_valid),
        ("Ho", Some(false))
    );
    assert!(read.explanation.unwrap().contains("not of this output"));
}

#[test]
fn at_every_failing_call_of_the_database_a_step_can_be_repeated() {
    for fault in [Fault::Fails, Fault::FailsButPersists] {
        for call in 0..12 {
            let world = World::new(vec![hi(), hi()]);
            world.db.fail(fault, call, 1);
            let put = world.ingest(linked()).or_else(|_| world.ingest(linked()));
            let put = put.unwrap();
            let mut last = world.run_as("ann", &put.input_id);
            for _ in 0..2 {
                if last.is_ok() {
                    break;
                }
                // What nobody runs any more fails at its deadline, and says so.
                world.clock.pass(200_000);
                world.sweep().unwrap();
                last = world.run_as("ann", &put.input_id);
            }
            world.db.heal();
            let jobs = world.rows("SELECT * FROM fortress_jobs");
            assert_eq!(jobs.len(), 1, "{fault:?} at {call}");
            match last {
                Ok(run) => {
                    assert_eq!(world.log.size(), 1, "{fault:?} at {call}");
                    assert_eq!(
                        world.read_as("ann", &run.output_file, true).unwrap().output,
                        "Hi"
                    );
                }
                Err(error) => {
                    assert_eq!(error.code(), "RUN_FAILED", "{fault:?} at {call}: {error}");
                    assert_eq!((world.status().as_str(), world.log.size()), ("failed", 0));
                }
            }
            assert!(world.asked() <= 1, "{fault:?} at {call}: paid twice");
        }
    }
}
