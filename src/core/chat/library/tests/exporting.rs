//! Sessions and whole users written out.

use super::*;

#[test]
fn a_session_is_written_as_json_and_as_markdown_page_by_page() {
    let world = World::new();
    let more = json!({"session_name": "A\nlease", "case_id": "c-1", "labels": ["x", "y"]});
    let id = world.make("ann", &more).id;
    world.say("ann", &id, "```\n# not a heading");
    for _ in 0..5 {
        world.say("ann", &id, &"y".repeat(262_144));
    }
    let export = |more: &Value| {
        let mut json = json!({"session_id": id});
        merge(&mut json, more);
        block_on(world.library.export_session("ann", &input(&json))).unwrap()
    };
    let first = export(&json!({}));
    assert_eq!(first.media_type, "application/json");
    let document: Value = serde_json::from_str(&first.content).unwrap();
    assert_eq!(document["session"]["labels"], json!(["x", "y"]));
    let pages = document["session"]["messages"].as_array().unwrap().len();
    let after = first.next_after_seq.unwrap();
    assert_eq!(i64::try_from(pages).unwrap(), after + 1);
    let rest = export(&json!({"after_seq": after}));
    let rest_document: Value = serde_json::from_str(&rest.content).unwrap();
    let rest_pages = rest_document["session"]["messages"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!((pages + rest_pages, rest.next_after_seq), (6, None));

    let text = export(&json!({"format": "markdown"}));
    assert_eq!(text.media_type, "text/markdown");
    assert!(text.content.starts_with("# A lease\n"));
    assert!(text.content.contains("- Labels: x, y\n") && text.content.contains("- Case: c-1\n"));
    assert!(
        text.content
            .contains("\n````text\n```\n# not a heading\n````\n")
    );
    let next = export(&json!({"format": "markdown", "after_seq": after}));
    assert!(next.content.starts_with("\n## user · "));
}

fn export_all(world: &World, owner: &str) -> (Vec<Value>, usize) {
    let (mut lines, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let json = cursor.map_or(json!({}), |cursor| json!({"cursor": cursor}));
        let page = block_on(world.library.export_user(owner, &input(&json))).unwrap();
        let texts = page.lines.lines();
        lines.extend(texts.map(|line| serde_json::from_str::<Value>(line).unwrap()));
        (cursor, pages) = (page.next_cursor, pages + 1);
        if cursor.is_none() {
            return (lines, pages);
        }
        assert!(page.count > 0 && pages < 100);
    }
}

#[test]
fn everything_of_a_user_is_written_once_and_nothing_of_others() {
    let world = World::new();
    for owner in ["ann", "bob"] {
        for at in 0..3 {
            let labels =
                json!({"labels": [format!("{owner}-{at}")], "initial_system_prompt": owner});
            let id = world.make(owner, &labels).id;
            for message in 0..150 {
                world.say(owner, &id, &format!("{owner} says {message}"));
            }
        }
        let template = json!({"template_name": owner, "system_prompt": "p"});
        block_on(
            world
                .library
                .create_template(owner, false, &input(&template)),
        )
        .unwrap();
        let config = json!({"config_name": owner});
        block_on(world.library.create_config(owner, &input(&config))).unwrap();
        let key = Statement::new(
            "INSERT INTO api_keys (id, user_id, key_hash, key_name, created_at, updated_at, sealing_key_id, last_four, fingerprint) VALUES (?1, ?2, 'SEALED', 'main', 1, 1, 'v1', 'wxyz', 'PRINT')",
        );
        block_on(
            world
                .db
                .inner
                .run(key.bind(format!("k-{owner}")).bind(owner)),
        )
        .unwrap();
        let event = Statement::new(
            "INSERT INTO usage_events (id, request_id, attempt, user_id, provider, model_asked, model, cost_nanos, cost_status, outcome, started_at, bucket) VALUES (?1, ?1, 1, ?2, 'openai', 'gpt-4', 'gpt-4', 5, 'priced', 'ok', 1, 0)",
        );
        block_on(
            world
                .db
                .inner
                .run(event.bind(format!("e-{owner}")).bind(owner)),
        )
        .unwrap();
    }
    let (lines, pages) = export_all(&world, "ann");
    let count = |kind: &str| lines.iter().filter(|line| line["type"] == kind).count();
    assert_eq!(
        (count("session"), count("message"), count("link")),
        (3, 3 * 151, 3)
    );
    assert_eq!((count("template"), count("config")), (1, 1));
    assert_eq!((count("provider_key"), count("usage")), (1, 1));
    assert!(pages > 6, "{pages}");
    let mut ids: Vec<_> = lines
        .iter()
        .filter_map(|line| line["id"].as_str())
        .collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
    let text = json!(lines).to_string();
    assert!(!text.contains("bob") && !text.contains("SEALED") && !text.contains("PRINT"));
    let usage = lines.iter().find(|line| line["type"] == "usage").unwrap();
    assert_eq!(usage["cost"], "0.000000005");
    assert_eq!(export_all(&world, "nobody").0.len(), 0);
}

#[test]
fn long_messages_make_short_pages_and_a_foreign_cursor_reads_nothing_of_others() {
    let world = World::new();
    let id = world.make("ann", &json!({})).id;
    for _ in 0..9 {
        world.say("ann", &id, &"x".repeat(262_144));
    }
    let (lines, pages) = export_all(&world, "ann");
    assert_eq!(lines.len(), 10);
    assert!(pages >= 4, "{pages}");
    let first = block_on(world.library.export_user("ann", &input(&json!({})))).unwrap();
    let json = json!({"cursor": first.next_cursor});
    let other = block_on(world.library.export_user("bob", &input(&json))).unwrap();
    assert_eq!((other.count, other.next_cursor), (0, None));
    for cursor in ["x", "e30", "WzAsMF0"] {
        let json = json!({"cursor": cursor});
        let refused = block_on(world.library.export_user("ann", &input(&json)));
        assert_eq!(code(refused), INVALID, "{cursor}");
    }
}
