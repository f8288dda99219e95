//! What is kept on disk, for how long, and by whom.

use rusqlite::Connection;

use super::world::{Started, World, until};

#[test]
fn jobs_go_when_their_days_are_over() {
    let mut world = World::start(&["--time-secs", "60", "--keep-days", "2"]);
    let scripts = ["echo done > /output/output.txt", "exit 3"];
    let [done, failed] = scripts.map(|script| {
        let id = world.ingest(script);
        world.run(&id);
        id
    });
    let never_run = world.ingest("echo never > /output/output.txt");
    let just_run = world.ingest("echo young > /output/output.txt");
    world.run(&just_run);
    let waiting = world.ingest("echo later > /output/output.txt");
    world.kill();

    let database = Connection::open(world.folder.join("data/fortress.sqlite")).unwrap();
    let three_days_ms = 3 * 86_400_000;
    for id in [&done, &failed, &never_run] {
        let older =
            "UPDATE jobs SET created_ms = created_ms - ?2, ended_ms = ended_ms - ?2 WHERE id = ?1";
        assert_eq!(database.execute(older, (id, three_days_ms)), Ok(1));
    }
    let ingested_before = "UPDATE jobs SET created_ms = created_ms - ?2 WHERE id = ?1";
    let changed = database.execute(ingested_before, (&just_run, three_days_ms));
    assert_eq!(changed, Ok(1));
    drop(database);

    world.restart();
    let old = [&done, &failed, &never_run];
    let is_old = |file: &String| old.iter().any(|id| file.contains(id.as_str()));
    until("the old ones are gone", || {
        !world.files().iter().any(is_old)
    });
    for id in old {
        until("nothing is known of it", || world.run(id).0 == 404);
        assert_eq!(world.get(&format!("/output/{id}.txt")).0, 404);
    }
    assert_eq!(world.get(&format!("/output/{just_run}.txt")).0, 200);
    assert_eq!(world.run(&waiting).0, 200);
}

#[test]
fn inputs_that_came_too_late_take_no_room_and_go() {
    let mut world = World::start(&["--time-secs", "60"]);
    let late = world.ingest("echo late > /output/output.txt");
    let database = Connection::open(world.folder.join("data/fortress.sqlite")).unwrap();
    let crowd = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999) \
                 INSERT INTO jobs (id, label, content_sha256, model, status, created_ms) \
                 SELECT 'crowd-' || i, '', '', '', 'ingested', created_ms FROM n, jobs WHERE id = ?1";
    assert_eq!(database.execute(crowd, [&late]), Ok(999));
    let next = serde_json::json!({ "content": "true", "label": "next", "input_id": "next" });
    let (status, body) = world.post("/ingest", &next);
    assert_eq!(
        (status, &body["error"]["code"]),
        (507, &"TOO_MANY_INPUTS".into())
    );

    // Their callers have given up.
    let given_up = "UPDATE jobs SET not_after_ms = created_ms + 1";
    assert_eq!(database.execute(given_up, []), Ok(1_000));
    assert_eq!(world.post("/ingest", &next).0, 200);
    // Too late, or gone already.
    assert!([404, 410].contains(&world.run(&late).0));
    world.kill();
    // As a server that was killed leaves one.
    let inputs = world.folder.join("data/inputs");
    std::fs::rename(inputs.join("next"), inputs.join("stray")).unwrap();
    std::fs::create_dir(inputs.join("next")).unwrap();

    world.restart();
    let count = "SELECT count(*) FROM jobs";
    until("all but one are gone", || {
        database.query_row(count, [], |row| row.get(0)) == Ok(1)
    });
    until("with their files", || {
        let left = std::fs::read_dir(&inputs).unwrap();
        let names: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        names == ["next"]
    });
}

#[test]
fn facts_go_when_their_days_are_over() {
    let mut world = World::start(&["--keep-days", "2"]);
    for object in ["old", "new"] {
        let fact = serde_json::json!({ "subject": "s", "predicate": "p", "object": object, "source": "t", "timestamp": 1 });
        assert_eq!(world.post("/assert", &fact).0, 200);
    }
    world.kill();
    let database = Connection::open(world.folder.join("data/fortress.sqlite")).unwrap();
    let older =
        "UPDATE facts SET stored_ms = stored_ms - 3 * 86400000 WHERE canonical LIKE '%old%'";
    assert_eq!(database.execute(older, []), Ok(1));
    world.restart();
    let left = "SELECT group_concat(canonical) FROM facts";
    until("the old one is gone", || {
        let left: String = database.query_row(left, [], |row| row.get(0)).unwrap();
        left.contains("new") && !left.contains("old")
    });
}

#[test]
fn an_end_that_cannot_be_written_is_an_end() {
    let world = World::start(&["--time-secs", "60"]);
    let id = world.ingest("echo done > /output/output.txt");
    let database = Connection::open(world.folder.join("data/fortress.sqlite")).unwrap();
    let full = "CREATE TRIGGER full BEFORE UPDATE ON jobs WHEN NEW.status <> 'running' \
                BEGIN SELECT RAISE(ABORT, 'disk full'); END";
    database.execute_batch(full).unwrap();
    assert_eq!(world.run(&id).0, 500);
    database.execute_batch("DROP TRIGGER full").unwrap();
    for _ in 0..2 {
        let (status, body) = world.run(&id);
        assert_eq!(status, 422, "{body}");
        let reason = "INTERRUPTED: how the run ended could not be written down";
        assert_eq!(body["error"]["reason"], reason);
    }
}

#[test]
fn a_data_folder_has_one_server() {
    let world = World::start(&[]);
    match world.launch(true) {
        Started::Refused(said) => assert!(said.contains("another server uses it"), "{said}"),
        Started::Serving(mut server, _) => {
            server.kill().unwrap();
            server.wait().unwrap();
            panic!("two serve");
        }
    }
}
