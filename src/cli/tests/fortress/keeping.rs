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
