//! Repetition, concurrency, crashes and a failing database.

use super::*;

#[test]
fn asking_again_under_one_id_is_answered_from_file() {
    let world = World::new(vec![hi()]);
    let first = world.complete(Some("x"), &in_session()).unwrap();
    assert_eq!(world.complete(Some("x"), &in_session()).unwrap(), first);
    let mut heard = String::new();
    let streamed = world.run(
        world
            .service
            .stream(ALICE, Some("x"), &in_session(), &mut |text| {
                heard.push_str(text);
            }),
    );
    assert_eq!(
        (streamed.unwrap().completion, heard.as_str()),
        (first, "Hi")
    );
    assert_eq!((world.calls(), world.session("s-1").total_messages), (1, 2));

    let other =
        input(&json!({"session_id": "s-1", "messages": [{"role": "user", "content": "Bye"}]}));
    assert_eq!(
        world.complete(Some("x"), &other).unwrap_err().code(),
        "EXCHANGE_ID_TAKEN"
    );
    let elsewhere = input(&json!({"session_id": "s-2"}));
    assert_eq!(
        world.complete(Some("x"), &elsewhere).unwrap_err().code(),
        "EXCHANGE_ID_TAKEN"
    );
}

#[test]
fn a_failure_leaves_the_question_marked_failed() {
    let world = World::new(vec![reply(401, "no")]);
    let error = world.complete(Some("x"), &in_session()).unwrap_err();
    assert_eq!(error.code(), "MODEL_UNAUTHORIZED");
    let rows = world.messages();
    assert_eq!(rows.len(), 1);
    let notes = rows[0].json("metadata").unwrap();
    assert_eq!(
        (&notes["state"], &notes["code"]),
        (&json!("failed"), &json!("MODEL_UNAUTHORIZED"))
    );
    let again = world.complete(Some("x"), &in_session()).unwrap_err();
    assert!(
        matches!(&again, ChatError::FailedBefore { code, .. } if code == "MODEL_UNAUTHORIZED"),
        "{again}"
    );
    assert_eq!(
        (world.calls(), world.session("s-1").unpriced_messages),
        (1, 0)
    );
}

#[test]
fn a_cut_stream_keeps_the_partial_text_at_an_estimated_price() {
    let text = stream_text();
    let cut = &text[..text.find("data: [DONE]").unwrap()];
    let world = World::new(vec![reply(200, cut)]);
    let error = world
        .run(
            world
                .service
                .stream(ALICE, Some("x"), &in_session(), &mut |_| ()),
        )
        .unwrap_err();
    assert!(error.may_have_billed(), "{error}");
    let rows = world.messages();
    assert_eq!(rows[1].text("content").unwrap(), "Grüße 😀!");
    assert_eq!(rows[1].json("metadata").unwrap()["partial"], true);
    assert_eq!(rows[1].text("cost_status").unwrap(), "estimated");
    assert!(rows[1].int("cost_nanos").unwrap() >= HI_NANOS);
    let session = world.session("s-1");
    assert_eq!((session.total_messages, session.unpriced_messages), (2, 0));
    assert_eq!(
        world.complete(Some("x"), &in_session()).unwrap_err().code(),
        "EXCHANGE_FAILED_BEFORE"
    );
}

#[test]
fn money_perhaps_spent_outside_of_a_session_is_counted_at_its_bound() {
    let world = World::new(vec![reply(500, "{}"), reply(400, "{}")]);
    world.complete(None, &input(&json!({}))).unwrap_err();
    world.complete(None, &input(&json!({}))).unwrap_err();
    let usage = world.rows("SELECT * FROM usage_analytics");
    assert_eq!(
        (usage.len(), usage[0].int("unpriced_count").unwrap()),
        (1, 0)
    );
    // 1,000 tokens of an answer that may be there, and the prompt.
    assert!(usage[0].int("cost_nanos").unwrap() > 1_000 * 60_000);
}

#[test]
fn a_crash_in_the_middle_reads_as_failed_once_its_time_is_over() {
    let hang = pieces(200, vec![Piece::Hang]);
    let world = World::new(vec![hang]);
    let question = in_session();
    world.clock.run(async {
        // Polled until the model is waited for, then dropped, with what it left behind.
        let call = world.service.complete(ALICE, Some("x"), &question);
        let mut call = Box::pin(world.background.beside(call));
        while world.calls() == 0 {
            assert!((&mut call).now_or_never().is_none());
        }
    });
    world.background.lose();
    assert_eq!(
        world.messages()[0].json("metadata").unwrap()["state"],
        "asked"
    );
    assert_eq!(
        world.complete(Some("x"), &question).unwrap_err().code(),
        "EXCHANGE_IN_PROGRESS"
    );
    world.clock.pass(300_000 + 60_001);
    let error = world.complete(Some("x"), &question).unwrap_err();
    assert!(
        matches!(&error, ChatError::FailedBefore { code, .. } if code == "ABANDONED"),
        "{error}"
    );
    assert_eq!(world.calls(), 1);
}

#[test]
fn concurrent_exchanges_neither_lose_nor_repeat() {
    const CALLERS: usize = 8;
    let world = World::new(vec![hi(); CALLERS]);
    let question = in_session();
    let calls = (0..CALLERS).map(|_| world.service.complete(ALICE, None, &question));
    let answered = world.run(join_all(calls));
    assert!(
        answered
            .iter()
            .all(|answer| answer.as_ref().unwrap().recorded)
    );
    let seqs: BTreeSet<_> = world
        .messages()
        .iter()
        .map(|row| row.int("seq").unwrap())
        .collect();
    assert_eq!(seqs, (0..2 * 8).collect());
    let session = world.session("s-1");
    assert_eq!(
        (
            session.total_messages,
            session.total_tokens,
            session.total_cost_nanos
        ),
        (16, 8 * 12, 8 * HI_NANOS)
    );
    let interleaved = world
        .messages()
        .windows(2)
        .any(|pair| pair[0].text("role").unwrap() == pair[1].text("role").unwrap());
    assert!(interleaved, "the exchanges must have run side by side");
}

#[test]
fn one_exchange_id_asked_by_many_at_once_bills_once() {
    let world = World::new(vec![hi()]);
    let question = in_session();
    let calls = (0..24).map(|_| world.service.complete(ALICE, Some("x"), &question));
    let answers = world.run(join_all(calls));
    let (good, waiting): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert!(
        !good.is_empty()
            && waiting
                .iter()
                .all(|answer| answer.as_ref().unwrap_err().code() == "EXCHANGE_IN_PROGRESS")
    );
    assert_eq!(
        (
            world.calls(),
            world.messages().len(),
            world.session("s-1").total_messages
        ),
        (1, 2, 2)
    );
}

#[test]
fn no_question_on_file_no_call_to_the_model() {
    for fault in [Fault::Lost, Fault::ReplyLost] {
        let world = World::new(vec![]);
        world.faults(&[fault]);
        assert_eq!(
            world.complete(Some("x"), &in_session()).unwrap_err().code(),
            "STORAGE_UNAVAILABLE"
        );
        assert_eq!(world.calls(), 0);
    }
}

#[test]
fn a_lost_reply_to_the_answers_write_counts_once() {
    for fault in [Fault::Lost, Fault::ReplyLost] {
        let world = World::new(vec![hi()]);
        world.faults(&[BEFORE.as_slice(), &[fault]].concat());
        assert!(world.complete(Some("x"), &in_session()).unwrap().recorded);
        let session = world.session("s-1");
        assert_eq!(
            (session.total_messages, session.total_cost_nanos),
            (2, HI_NANOS)
        );
        assert_eq!(
            world.rows("SELECT * FROM usage_analytics")[0]
                .int("cost_nanos")
                .unwrap(),
            HI_NANOS
        );

        let alone = World::new(vec![hi()]);
        alone.faults(&[Fault::None, fault]);
        assert!(
            alone
                .complete(Some("x"), &input(&json!({})))
                .unwrap()
                .recorded
        );
        assert_eq!(alone.rows("SELECT * FROM usage_analytics").len(), 1);
    }
}

#[test]
fn an_answer_that_cannot_be_written_still_reaches_the_caller() {
    let world = World::new(vec![hi()]);
    world.faults(&[BEFORE.as_slice(), &[Fault::Lost, Fault::Lost]].concat());
    let output = world.complete(Some("x"), &in_session()).unwrap();
    assert_eq!((output.response.as_str(), output.recorded), ("Hi", false));
    let log = world.log.0.borrow();
    assert_eq!(
        (log.len(), log[0].1.as_str()),
        (1, "chat_exchange_not_recorded")
    );
    assert!(!log[0].2.to_string().contains("Hello"));
}
