use super::*;
use crate::execution::{CompareInput, CompareOutput};

fn compare(world: &World, more: &Value) -> CompareOutput {
    let mut asked = json!({ "prompt": PROMPT });
    asked
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let asked: CompareInput = serde_json::from_value(asked).unwrap();
    let ann = world.asker();
    world
        .clock
        .run(world.service.compare(&ann, &asked))
        .unwrap()
}

fn says(text: &str) -> Step {
    reply(200, &answer_json(text))
}

#[test]
fn the_same_answers_need_no_analysis() {
    let compared = compare(&World::new(), &json!({}));
    assert!(compared.summary.both_completed && compared.summary.fortress_verified);
    assert_eq!(compared.summary.differences_detected, Some(false));
    assert!(compared.analysis_execution.is_none() && compared.results.analysis.is_none());
    assert_eq!(
        compared.results.standard.response_sha256,
        compared.results.fortress.response_sha256
    );
}

#[test]
fn answers_that_differ_are_analysed_and_all_three_are_on_file() {
    let world = World::answering(vec![says("Yes"), says("They contradict")], vec![says("No")]);
    let compared = compare(&world, &json!({}));
    assert_eq!(compared.summary.differences_detected, Some(true));
    let analysis = compared.results.analysis.unwrap();
    assert_eq!(analysis.response.as_deref(), Some("They contradict"));
    let executions = world.rows("SELECT id FROM secure_executions WHERE status = 'completed'");
    assert_eq!(executions.len(), 3);
    let row = &world.rows("SELECT * FROM ai_response_comparisons")[0];
    assert_eq!(
        row.text("standard_execution_id").ok(),
        compared.standard_execution
    );
    assert_eq!(
        row.text("fortress_execution_id").ok(),
        compared.fortress_execution
    );
    assert_eq!(
        row.text("analysis_execution_id").ok(),
        compared.analysis_execution
    );
    assert!(!row.boolean("responses_identical").unwrap());
    assert!(!row.text("prompt").unwrap().contains(PROMPT), "sealed");
}

#[test]
fn no_analysis_where_none_is_wanted() {
    let world = World::answering(vec![says("Yes")], vec![says("No")]);
    let compared = compare(&world, &json!({ "create_analysis": false }));
    assert!(compared.results.analysis.is_none());
}

#[test]
fn what_fails_is_told_beside_what_did_not() {
    let world = World::answering(vec![reply(400, "{}")], vec![says("No")]);
    let compared = compare(&world, &json!({}));
    assert!(!compared.summary.both_completed);
    assert_eq!(compared.summary.differences_detected, None);
    assert_eq!(compared.results.standard.status, "failed");
    assert!(compared.results.standard.error.is_some());
    assert_eq!(compared.results.fortress.response.as_deref(), Some("No"));
    assert!(compared.standard_execution.is_some() && compared.fortress_execution.is_some());
}

#[test]
fn of_an_erased_comparison_nothing_more_is_asked_or_written() {
    let world = World::answering(vec![says("Yes"), says("They contradict")], vec![says("No")]);
    let compared = compare(&world, &json!({ "create_analysis": false }));
    world.rows("UPDATE ai_response_comparisons SET prompt = '', completed_at = NULL");
    let part = store::Part {
        comparison: &compared.comparison_id,
        column: "analysis_execution_id",
    };
    let (asker, question) = (world.asker(), input(SecurityLevel::Standard));
    let refused = world.service.execute_part(&asker, &question, Some(part));
    let refused = world.clock.run(refused).unwrap_err();
    assert_eq!(
        (refused.error.code().as_str(), refused.execution_id),
        ("CONTENT_ERASED", None)
    );
    assert_eq!(world.rows("SELECT id FROM secure_executions").len(), 2);
    let row = &world.rows("SELECT * FROM ai_response_comparisons")[0];
    assert_eq!(row.opt_text("analysis_execution_id").unwrap(), None);
}
