use super::*;

#[test]
fn each_kind_reads_as_text_with_properties() {
    let world = World::new();
    let (id, evidence) = world.execution();
    let read = |id: &str| world.read(&ann(), id).unwrap();
    let execution = read(&format!("execution:{id}"));
    assert_eq!(execution.title, "Execution: Lease question");
    for part in [
        "Who signed the LEASE",
        "Answer of the fortress",
        "Answer of the chatgpt",
    ] {
        assert!(execution.text.contains(part), "{part}: {}", execution.text);
    }
    let property = |key: &str| execution.metadata.get(key).map(String::as_str);
    assert_eq!(property("status"), Some("completed"));
    assert_eq!(property("signature_checked_and_holds"), Some("yes"));
    let evidence_id = format!("evidence:{evidence}");
    assert_eq!(property("evidence"), Some(evidence_id.as_str()));
    assert!(property("created_at").unwrap().ends_with('Z'));

    let record = read(&evidence_id);
    assert_eq!(record.metadata["execution"], execution.id);
    assert_eq!(record.metadata["signature_verified"], "yes");
    assert!(record.text.contains("BEGIN PGP SIGNATURE"));

    let case = read("case:CASE-7/a");
    assert!(case.text.contains(&execution.id) && case.text.contains(&record.id));
    assert_eq!(case.url, format!("{ORIGIN}/records/case:CASE-7%2Fa"));

    let session = read(&format!("session:{id}"));
    let (question, answer) = (
        session.text.find("Who signed"),
        session.text.find("assistant"),
    );
    assert!(question.unwrap() < answer.unwrap(), "{}", session.text);
}

#[test]
fn what_is_found_can_be_read() {
    let world = World::new();
    world.execution();
    world.session("s:/ 1", "ann", "Talk", &["lease"]);
    let found = world.find(&ann(), "");
    assert_eq!(found.len(), 5);
    for Found { id, title, url } in found {
        let record = world.read(&ann(), &id).unwrap();
        assert_eq!((record.id, record.url), (id, url));
        assert_eq!(record.title, title);
    }
}

#[test]
fn others_records_are_as_unknown_as_none() {
    let world = World::new();
    let (id, evidence) = world.execution();
    world.session("s-1", "ann", "Talk", &["secret"]);
    let ids = [
        format!("execution:{id}"),
        format!("evidence:{evidence}"),
        "session:s-1".to_owned(),
        "case:CASE-7/a".to_owned(),
        "execution:none".to_owned(),
        "session:%".to_owned(),
        "case:CASE%".to_owned(),
        format!("evidence:{id}"),
        id.clone(),
        "execution:".to_owned(),
        "nothing:1".to_owned(),
        String::new(),
    ];
    for id in &ids {
        let refused = world.read(&caller("bob", &[SCOPE]), id).unwrap_err();
        assert_eq!(refused.code(), "RECORD_NOT_FOUND", "{id}");
        let known = world.read(&caller("bob", &["delegation:act", SCOPE]), id);
        assert_eq!(known.is_ok(), ids[..4].contains(id), "{id}");
    }
}

#[test]
fn a_case_of_two_owners_shows_each_its_own() {
    let world = World::new();
    for (id, owner) in [("E-1", "ann"), ("E-2", "bob")] {
        world.row(id, owner, "text", 1_000);
    }
    world.insert("UPDATE secure_executions SET case_id = 'C-1'", Vec::new());
    let text = world.read(&ann(), "case:C-1").unwrap().text;
    assert!(text.contains("E-1") && !text.contains("E-2"));
    let text = world
        .read(&caller("eve", &["admin:*"]), "case:C-1")
        .unwrap()
        .text;
    assert!(text.contains("E-1") && text.contains("E-2"));
}

#[test]
fn a_long_session_keeps_its_newest_messages() {
    let world = World::new();
    let texts: Vec<String> = (0..9)
        .map(|n| format!("m{n} {}", "x".repeat(10_000)))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    world.session("s-1", "ann", "Talk", &texts);
    let record = world.read(&ann(), "session:s-1").unwrap();
    assert_eq!(record.metadata["messages_shown"], "6");
    assert!(record.text.contains("m8 ") && !record.text.contains("m2 "));
    assert!(record.text.len() < 66_000);
}
