//! Erasures beside a comparison that is under way, and of facts whose rows are late.

use super::erasing::eraser;
use super::*;
use crate::audit::erasure::{EraseError, EraseInput, Eraser, erase};
use crate::chain::fact::Fact;
use crate::chain::hash::Hash;
use crate::chain::receipt::StoredContent;
use crate::execution::CompareInput;
use crate::fortress::tests::let_others_run;
use crate::ledger::AppendRequest;
use crate::llm::scripted::{answer_json, reply};
use crate::sql::Statement;

fn office(world: World) -> Office {
    Office {
        world,
        files: Rc::default(),
        executions: Vec::new(),
    }
}

async fn erase_one(office: &Office, id: &str) -> Result<EraseOutput, EraseError> {
    let asked = EraseInput {
        execution_id: Some(id.to_owned()),
        fortress_job_id: None,
        reason: "asked for".to_owned(),
        authority: "GDPR Art. 17".to_owned(),
        confirm: true,
    };
    let eraser = Eraser {
        db: Rc::clone(&office.world.db) as Rc<dyn Database>,
        ..eraser(office)
    };
    erase(&eraser, &principal("ann"), &asked).await
}

/// Until the execution of that level has an answer, and so many turns more. Its id.
async fn answered(office: &Office, level: &str, turns: usize) -> String {
    let select = format!(
        "SELECT id FROM secure_executions WHERE security_level = '{level}' \
         AND status = 'completed' ORDER BY created_at, id LIMIT 1"
    );
    let id = loop {
        let found = office.database().run(Statement::new(select.clone())).await;
        if let Some(row) = found.unwrap().first() {
            break row.text("id").unwrap();
        }
        let_others_run().await;
    };
    for _ in 0..turns {
        let_others_run().await;
    }
    id
}

#[test]
fn whenever_it_is_erased_no_analysis_brings_it_back() {
    let says = |text: &str| reply(200, &answer_json(text));
    let mut met = 0;
    for (level, turns) in ["standard", "fortress"]
        .into_iter()
        .flat_map(|level| (0..30).map(move |turns| (level, turns)))
    {
        let office = office(World::answering(
            vec![says("Yes"), says("They contradict")],
            vec![says("No")],
        ));
        office.world.pause();
        let asked: CompareInput =
            serde_json::from_value(serde_json::json!({"prompt": "?"})).unwrap();
        let ann = office.world.asker();
        let erased = async {
            let id = answered(&office, level, turns).await;
            (erase_one(&office, &id).await, id)
        };
        let both = futures::future::join(office.world.service.compare(&ann, &asked), erased);
        let (compared, (erased, id)) = office.clock().run(both);
        compared.unwrap();
        match erased {
            Ok(_) => {}
            Err(EraseError::Analysed) => {
                met += 1;
                office.clock().run(erase_one(&office, &id)).unwrap();
            }
            Err(error) => panic!("{level} {turns}: {error}"),
        }
        let rows = office.sql("SELECT prompt FROM ai_response_comparisons");
        assert_eq!(rows[0].text("prompt").unwrap(), "", "{level} {turns}");
        let left = "SELECT id FROM secure_executions WHERE label LIKE '%analysis' AND prompt <> ''";
        assert!(office.sql(left).is_empty(), "{level} {turns}");
        assert!(
            office
                .sql("SELECT id FROM chat_messages WHERE content LIKE '%contradict%'")
                .is_empty(),
            "{level} {turns}"
        );
    }
    assert!(met > 0, "some met the analysis");
}

#[test]
fn facts_whose_rows_are_late_are_erased_too() {
    let office = Office::with(1);
    let id = &office.executions[0];
    let log = |key: &str, user: &str, predicate: &str, source: &str| {
        let fact = Fact {
            subject: "somebody's".to_owned(),
            predicate: predicate.to_owned(),
            object: "quotes the answer".to_owned(),
            source: source.to_owned(),
            timestamp_ms: 1,
            execution_id: Some(id.clone()),
            evidence_id: None,
            metadata: [("user_id".to_owned(), user.to_owned())].into(),
        };
        let idempotency_key = key.to_owned();
        let request = AppendRequest {
            idempotency_key,
            fact,
        };
        let appended = office.world.service.ledger.append(&request);
        office.clock().run(appended).unwrap()
    };
    let first = log("1", "ann", "says", "somebody");
    let more: Vec<Hash> = (2..130)
        .map(|n| log(&n.to_string(), "ann", "says", "somebody").fact_id)
        .collect();
    let others = log("bob", "bob", "says", "somebody").fact_id;
    let custody = log("custody", "ann", "custody_event", "chittyos-coordinator").fact_id;
    let late = first.leaf_index;
    office.sql(format!(
        "DELETE FROM chitty_chain_facts WHERE leaf_index >= {late}"
    ));
    let erased = office.clock().run(erase_one(&office, id)).unwrap();
    assert!(erased.facts_erased > 129, "{}", erased.facts_erased);
    let is_erased = |fact: Hash| {
        let found = office
            .clock()
            .run(office.world.service.ledger.facts(&[fact]));
        found.unwrap()[0].stored.content == StoredContent::Erased
    };
    assert!(is_erased(first.fact_id) && more.into_iter().all(is_erased));
    assert!(!is_erased(others) && !is_erased(custody));
}

#[test]
fn too_many_late_rows_are_waited_for() {
    let office = Office::with(1);
    let request = |n: usize| AppendRequest {
        idempotency_key: n.to_string(),
        fact: Fact {
            subject: n.to_string(),
            predicate: "p".to_owned(),
            object: "o".to_owned(),
            source: "s".to_owned(),
            timestamp_ms: 1,
            execution_id: None,
            evidence_id: None,
            metadata: std::collections::BTreeMap::new(),
        },
    };
    let requests: Vec<AppendRequest> = (0..5_000).map(request).collect();
    for some in requests.chunks(1_000) {
        let appended = office.world.service.ledger.append_all(some);
        office.clock().run(appended).unwrap();
    }
    office.sql("DELETE FROM chitty_chain_facts");
    let refused = office
        .clock()
        .run(erase_one(&office, &office.executions[0]));
    assert!(matches!(refused, Err(EraseError::RowsLate)));
    let prompt = &office.sql("SELECT prompt FROM secure_executions")[0];
    assert_ne!(prompt.text("prompt").unwrap(), "", "nothing was done");
}
