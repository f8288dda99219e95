use super::*;

#[test]
fn an_execution_is_found_by_what_is_sealed_and_what_is_not() {
    let world = World::new();
    let (id, evidence) = world.execution();
    let execution = format!("execution:{id}");
    for query in [
        id.as_str(),
        &execution,
        "lease signed ARMEL street?"
            .replace("ARMEL", "äRMELkanal")
            .as_str(),
        "case-7/A lease who",
        "gpt-4 verified completed",
        evidence.as_str(),
    ] {
        assert!(world.ids(&ann(), query).contains(&execution), "{query}");
    }
    assert!(world.ids(&ann(), "lease elephant").is_empty());
    let found = world.find(&ann(), &execution);
    assert_eq!(found[0].title, "Execution: Lease question");
    assert_eq!(found[0].url, format!("{ORIGIN}/records/{execution}"));
}

#[test]
fn evidence_sessions_and_cases_are_found() {
    let world = World::new();
    let (id, evidence) = world.execution();
    world.session(
        "s/1 ü",
        "ann",
        "Talk on leases",
        &["Was ist ein Mietvertrag?", "ÄRGER"],
    );
    let ids = |query: &str| world.ids(&ann(), query);
    assert!(ids("evidence lease").contains(&format!("evidence:{evidence}")));
    assert_eq!(ids("case:case-7"), ["case:CASE-7/a"]);
    // The chatgpt worker keeps the exchange of an execution in a session of its id.
    assert!(ids("session: lease signed").contains(&format!("session:{id}")));
    for query in [
        "talk LEASES",
        "mietvertrag",
        "talk Ärger mietvertrag",
        "SESSION:S/1",
    ] {
        assert_eq!(ids(query), ["session:s/1 ü"], "{query}");
    }
    let found = world.find(&ann(), "mietvertrag");
    assert_eq!(found[0].title, "Chat session: Talk on leases");
    assert_eq!(
        found[0].url,
        format!("{ORIGIN}/records/session:s%2F1%20%C3%BC")
    );
    world.insert("UPDATE chat_sessions SET status = 'deleted'", Vec::new());
    assert!(ids("mietvertrag").is_empty());
}

#[test]
fn nobody_finds_what_is_somebody_elses() {
    let world = World::new();
    let (id, evidence) = world.execution();
    world.session("s-1", "ann", "Talk", &["secret words"]);
    for query in [
        "lease",
        &id,
        &evidence,
        "case-7",
        "secret",
        "%",
        "' OR 1=1 --",
        "ann",
    ] {
        let found = world.ids(&caller("bob", &[SCOPE]), query);
        assert!(found.is_empty(), "{query}: {found:?}");
    }
    for scope in ["delegation:act", "admin:*"] {
        let all = world.ids(&caller("bob", &[scope]), "");
        assert_eq!(all.len(), 5, "{all:?}");
    }
}

#[test]
fn wildcards_of_sql_are_letters() {
    let world = World::new();
    world.session("s-1", "ann", "100% sure", &["snake_case \\ path"]);
    world.session("s-2", "ann", "1000 sure", &["snakeXcase"]);
    for query in ["100%", "snake_case", "\\"] {
        assert_eq!(world.ids(&ann(), query), ["session:s-1"], "{query}");
    }
    assert_eq!(world.ids(&ann(), "sure").len(), 2);
}

#[test]
fn words_longer_than_a_pattern_match_by_their_beginning() {
    let world = World::new();
    let long = "a".repeat(64);
    world.session(&long, "ann", "long", &[]);
    assert_eq!(world.ids(&ann(), &long), [format!("session:{long}")]);
    let other = "b".repeat(64);
    assert!(world.ids(&ann(), &other).is_empty());
}

#[test]
fn the_newest_twenty_are_shown_and_prompts_of_the_newest_are_opened() {
    let world = World::new();
    for n in 0..205_i64 {
        world.row(
            &format!("E-{n:03}"),
            "ann",
            &format!("needle number {n}"),
            1_000 + n,
        );
    }
    let found = world.find(&ann(), "NEEDLE");
    assert_eq!(found.len(), 20);
    assert_eq!(found[0].id, "execution:E-204");
    assert_eq!(found[0].title, "Execution: needle number 204");
    assert!(found.windows(2).all(|pair| pair[0].id > pair[1].id));
    // Past the newest 200, what is in clear still finds it.
    assert!(
        world
            .ids(&ann(), "needle 4")
            .contains(&"execution:E-194".to_owned())
    );
    assert!(
        !world
            .ids(&ann(), "needle e-004")
            .contains(&"execution:E-004".to_owned())
    );
    assert_eq!(world.ids(&ann(), "e-004 failed"), ["execution:E-004"]);
}

#[test]
fn a_prompt_that_does_not_open_hides_nothing_else() {
    let world = World::new();
    world.row("E-1", "ann", "needle", 1_000);
    world.insert(
        "UPDATE secure_executions SET prompt = 'in clear, needle'",
        Vec::new(),
    );
    assert!(world.ids(&ann(), "needle").is_empty());
    assert_eq!(world.ids(&ann(), "e-1"), ["execution:E-1"]);
    let long = "needle ".repeat(4_000);
    world.row("E-2", "ann", &long, 1_001);
    assert!(
        world.ids(&ann(), "needle").is_empty(),
        "a long prompt was opened"
    );
}

#[test]
fn a_database_that_fails_is_told_as_such() {
    let world = World::new();
    let fault = crate::fortress::tests::Fault::Fails;
    world.base.db.fail(fault, 0, 2);
    let failed = block_on(world.records().search(&ann(), "x")).unwrap_err();
    assert_eq!(failed.code(), "DATABASE_UNAVAILABLE");
    assert!(failed.is_internal());
}
