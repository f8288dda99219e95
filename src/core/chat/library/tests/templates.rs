//! Templates, and sessions that begin from one.

use super::*;

const CODE_REVIEW: &str = "00000000-0000-7000-8000-000000000202";

fn create(
    world: &World,
    owner: &str,
    may_publish: bool,
    more: &Value,
) -> Result<TemplateView, ChatError> {
    let mut json = json!({"template_name": "Mine", "system_prompt": "Be brief."});
    merge(&mut json, more);
    let made = block_on(
        world
            .library
            .create_template(owner, may_publish, &input(&json)),
    );
    made.map(|made| made.template)
}

fn update(world: &World, owner: &str, id: &str, more: &Value) -> Result<TemplateView, ChatError> {
    let mut json = json!({"template_id": id});
    merge(&mut json, more);
    let changed = block_on(world.library.update_template(owner, false, &input(&json)));
    changed.map(|changed| changed.template)
}

fn get(world: &World, owner: &str, id: &str) -> Result<TemplateView, ChatError> {
    let json = json!({"template_id": id});
    block_on(world.library.template(owner, &input(&json))).map(|found| found.template)
}

fn names(world: &World, owner: &str, more: &Value) -> Vec<String> {
    let listed = block_on(world.library.templates(owner, &input(more))).unwrap();
    assert_eq!(listed.count, listed.templates.len());
    listed
        .templates
        .into_iter()
        .map(|template| template.template_name)
        .collect()
}

#[test]
fn four_ship_for_everybody_and_nobody_changes_them() {
    let world = World::new();
    let shipped = [
        "Business Analysis",
        "Code Review",
        "General Assistant",
        "Legal Research",
    ];
    assert_eq!(names(&world, "ann", &json!({})), shipped);
    assert!(names(&world, "ann", &json!({"only_own": true})).is_empty());
    let found = get(&world, "ann", CODE_REVIEW).unwrap();
    assert_eq!((found.user_id, found.is_public), (None, true));
    assert_eq!(found.model_config.as_deref(), Some("technical-gpt4"));
    assert_eq!(
        code(update(
            &world,
            "ann",
            CODE_REVIEW,
            &json!({"template_name": "x"})
        )),
        "TEMPLATE_NOT_FOUND"
    );
    let json = json!({"template_id": CODE_REVIEW});
    let deleted = block_on(world.library.delete_template("ann", &input(&json))).unwrap();
    assert!(!deleted.deleted);
    assert!(get(&world, "bob", CODE_REVIEW).is_ok());
}

#[test]
fn ones_own_is_made_read_changed_and_deleted() {
    let world = World::new();
    let messages = json!([{"role": "assistant", "content": "What is it about?"}]);
    let more =
        json!({"description": "d", "initial_messages": messages, "model_config": "creative-gpt4"});
    let made = create(&world, "ann", false, &more).unwrap();
    assert_eq!(made.user_id.as_deref(), Some("ann"));
    assert_eq!(get(&world, "ann", &made.id).unwrap(), made);
    let changed = update(&world, "ann", &made.id, &json!({"template_name": "Other"})).unwrap();
    assert_eq!(
        changed,
        TemplateView {
            template_name: "Other".into(),
            ..made.clone()
        }
    );
    let bare = json!({"description": "", "model_config": "", "initial_messages": []});
    let bare = update(&world, "ann", &made.id, &bare).unwrap();
    assert_eq!((bare.description, bare.model_config), (None, None));
    assert!(bare.initial_messages.is_empty());
    let json = json!({"template_id": made.id});
    for deleted in [true, false] {
        let done = block_on(world.library.delete_template("ann", &input(&json))).unwrap();
        assert_eq!(done.deleted, deleted);
    }
    assert_eq!(code(get(&world, "ann", &made.id)), "TEMPLATE_NOT_FOUND");
}

#[test]
fn a_private_one_is_its_owners_alone() {
    let world = World::new();
    let made = create(&world, "ann", false, &json!({})).unwrap();
    assert_eq!(code(get(&world, "bob", &made.id)), "TEMPLATE_NOT_FOUND");
    assert_eq!(
        code(update(&world, "bob", &made.id, &json!({}))),
        "TEMPLATE_NOT_FOUND"
    );
    let json = json!({"template_id": made.id});
    assert!(
        !block_on(world.library.delete_template("bob", &input(&json)))
            .unwrap()
            .deleted
    );
    let session = json!({"session_name": "x", "template_id": made.id});
    let session = block_on(world.library.create_session("bob", &input(&session)));
    assert_eq!(code(session), "TEMPLATE_NOT_FOUND");
    assert_eq!(names(&world, "bob", &json!({})).len(), 4);
    assert_eq!(get(&world, "ann", &made.id).unwrap(), made);
}

#[test]
fn publishing_needs_its_scope_and_tells_nobody_whose_it_is() {
    let world = World::new();
    let public = json!({"is_public": true});
    assert_eq!(
        code(create(&world, "ann", false, &public)),
        "PUBLISHING_REFUSED"
    );
    let private = create(&world, "ann", false, &json!({})).unwrap();
    assert_eq!(
        code(update(&world, "ann", &private.id, &public)),
        "PUBLISHING_REFUSED"
    );
    let made = create(&world, "ann", true, &public).unwrap();
    let seen = get(&world, "bob", &made.id).unwrap();
    assert_eq!((seen.user_id, seen.is_public), (None, true));
    assert_eq!(
        code(update(&world, "bob", &made.id, &json!({}))),
        "TEMPLATE_NOT_FOUND"
    );
    // Taking it back needs no scope.
    let back = update(&world, "ann", &made.id, &json!({"is_public": false})).unwrap();
    assert!(!back.is_public);
    assert_eq!(code(get(&world, "bob", &made.id)), "TEMPLATE_NOT_FOUND");
}

#[test]
fn a_session_begins_with_what_the_template_says_then() {
    let world = World::new();
    let made = world.make("ann", &json!({"template_id": CODE_REVIEW}));
    let roles: Vec<_> = made.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::Assistant]);
    assert!(made.messages[0].content.starts_with("You review code"));
    let settings = made.settings.clone().unwrap();
    assert_eq!(settings.template_name.as_deref(), Some("Code Review"));
    let model = settings.model.unwrap();
    assert_eq!(
        (model.config_name.as_str(), model.max_tokens),
        ("technical-gpt4", 2_000)
    );
    // The template's own system prompt stands in the session already.
    assert_eq!(model.system_prompt, None);
    assert_eq!(get(&world, "ann", CODE_REVIEW).unwrap().use_count, 1);

    let own = create(
        &world,
        "ann",
        false,
        &json!({"model_config": "creative-gpt4"}),
    )
    .unwrap();
    let more =
        json!({"template_id": own.id, "config": "default-gpt4", "initial_system_prompt": "Mine."});
    let mixed = world.make("ann", &more);
    assert_eq!(mixed.messages.len(), 1);
    assert_eq!(mixed.messages[0].content, "Mine.");
    let settings = mixed.settings.clone().unwrap();
    assert_eq!(settings.template_id.as_deref(), Some(own.id.as_str()));
    assert_eq!(settings.model.unwrap().config_name, "default-gpt4");
    update(
        &world,
        "ann",
        &own.id,
        &json!({"system_prompt": "Changed."}),
    )
    .unwrap();
    let read = world.read("ann", &json!({"session_id": mixed.id})).unwrap();
    assert_eq!(read.session, mixed);
}

#[test]
fn every_use_is_counted_once_and_none_without_a_session() {
    let world = World::new();
    let json = input(&json!({"session_name": "x", "template_id": CODE_REVIEW}));
    let calls = (0..12).map(|_| world.library.create_session("ann", &json));
    assert!(block_on(join_all(calls)).iter().all(Result::is_ok));
    assert_eq!(get(&world, "ann", CODE_REVIEW).unwrap().use_count, 12);
    let bad = json!({"session_name": "x", "template_id": CODE_REVIEW, "config": "no such"});
    let bad = block_on(world.library.create_session("ann", &input(&bad)));
    assert_eq!(code(bad), "CONFIG_NOT_FOUND");
    assert_eq!(get(&world, "ann", CODE_REVIEW).unwrap().use_count, 12);
    assert_eq!(world.count("SELECT COUNT(*) AS n FROM chat_sessions"), 12);
}

#[test]
fn there_are_limits() {
    let world = World::new();
    let message = json!({"role": "user", "content": "x"});
    for more in [
        json!({"template_name": ""}),
        json!({"system_prompt": ""}),
        json!({"system_prompt": "x".repeat(65_537)}),
        json!({"initial_messages": vec![message; 33]}),
        json!({"initial_messages": [{"role": "user", "content": ""}]}),
        json!({"description": "x".repeat(1_001)}),
    ] {
        assert_eq!(code(create(&world, "ann", false, &more)), INVALID, "{more}");
    }
    let unknown = create(&world, "ann", false, &json!({"model_config": "no such"}));
    assert_eq!(code(unknown), "CONFIG_NOT_FOUND");
    for _ in 0..200 {
        create(&world, "ann", false, &json!({})).unwrap();
    }
    assert_eq!(code(create(&world, "ann", false, &json!({}))), "TOO_MANY");
    let page = input(&json!({"limit": 100, "offset": 100, "only_own": true}));
    let page = block_on(world.library.templates("ann", &page)).unwrap();
    assert_eq!((page.count, page.next_offset), (100, None));
}
