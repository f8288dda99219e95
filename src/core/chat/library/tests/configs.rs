//! Model settings under a name.

use super::*;

fn create(world: &World, owner: &str, name: &str, more: &Value) -> Result<ConfigView, ChatError> {
    let mut json = json!({"config_name": name});
    merge(&mut json, more);
    block_on(world.library.create_config(owner, &input(&json))).map(|made| made.config)
}

fn update(world: &World, owner: &str, name: &str, more: &Value) -> Result<ConfigView, ChatError> {
    let mut json = json!({"config_name": name});
    merge(&mut json, more);
    block_on(world.library.update_config(owner, &input(&json))).map(|changed| changed.config)
}

fn defaults(world: &World, owner: &str) -> Vec<String> {
    let listed = block_on(world.library.configs(owner)).unwrap().configs;
    let own = listed.into_iter();
    own.filter(|config| config.user_id == owner && config.is_default)
        .map(|config| config.config_name)
        .collect()
}

fn settings(
    world: &World,
    owner: &str,
    name: Option<&str>,
) -> Result<Option<ModelSettings>, ChatError> {
    block_on(world.library.settings(owner, name))
}

#[test]
fn three_ship_for_everybody_and_nobody_changes_them() {
    let world = World::new();
    let listed = block_on(world.library.configs("ann")).unwrap();
    let names: Vec<_> = listed
        .configs
        .iter()
        .map(|config| config.config_name.as_str())
        .collect();
    assert_eq!(names, ["creative-gpt4", "default-gpt4", "technical-gpt4"]);
    assert!(
        listed
            .configs
            .iter()
            .all(|config| config.user_id == SHIPPED)
    );
    let changed = update(&world, "ann", "default-gpt4", &json!({"max_tokens": 5}));
    assert_eq!(code(changed), "CONFIG_NOT_FOUND");
    let delete = json!({"config_name": "default-gpt4"});
    let deleted = block_on(world.library.delete_config("ann", &input(&delete))).unwrap();
    assert!(!deleted.deleted);
    let found = settings(&world, "ann", Some("technical-gpt4"))
        .unwrap()
        .unwrap();
    assert_eq!((found.model.as_str(), found.max_tokens), ("gpt-4", 2_000));
}

#[test]
fn what_is_left_out_is_the_default_and_an_update_keeps_the_rest() {
    let world = World::new();
    let made = create(
        &world,
        "ann",
        "mine",
        &json!({"model": "gpt-4o", "system_prompt": "Be brief."}),
    )
    .unwrap();
    assert_eq!(
        (made.max_tokens, made.top_p, made.is_default),
        (1_000, 1.0, false)
    );
    assert!((made.temperature - 0.7).abs() < f64::EPSILON);
    let changed = update(
        &world,
        "ann",
        "mine",
        &json!({"temperature": 0.0, "presence_penalty": -2.0}),
    )
    .unwrap();
    let expected = ConfigView {
        temperature: 0.0,
        presence_penalty: -2.0,
        ..made
    };
    assert_eq!(changed, expected);
    let bare = update(&world, "ann", "mine", &json!({"system_prompt": ""})).unwrap();
    assert_eq!(bare.system_prompt, None);
    let get = json!({"config_name": "mine"});
    assert_eq!(
        block_on(world.library.config("ann", &input(&get)))
            .unwrap()
            .config,
        bare
    );
}

#[test]
fn one_of_ones_own_hides_the_shipped_one_until_it_is_deleted() {
    let world = World::new();
    create(&world, "ann", "default-gpt4", &json!({"model": "o3"})).unwrap();
    let model = |owner| {
        settings(&world, owner, Some("default-gpt4"))
            .unwrap()
            .unwrap()
            .model
    };
    assert_eq!(
        (model("ann").as_str(), model("bob").as_str()),
        ("o3", "gpt-4")
    );
    let delete = json!({"config_name": "default-gpt4"});
    for deleted in [true, false] {
        let done = block_on(world.library.delete_config("ann", &input(&delete))).unwrap();
        assert_eq!(done.deleted, deleted);
    }
    assert_eq!(model("ann"), "gpt-4");
}

#[test]
fn names_are_one_of_a_kind_and_others_do_not_see_them() {
    let world = World::new();
    create(&world, "ann", "mine", &json!({})).unwrap();
    assert_eq!(
        code(create(&world, "ann", "mine", &json!({}))),
        "CONFIG_NAME_TAKEN"
    );
    create(&world, "bob", "mine", &json!({"model": "o3"})).unwrap();
    assert_eq!(
        settings(&world, "ann", Some("mine"))
            .unwrap()
            .unwrap()
            .model,
        "gpt-4"
    );
    for verb in [
        settings(&world, "carl", Some("mine")).map(|_| ()),
        update(&world, "carl", "mine", &json!({"is_default": true})).map(|_| ()),
    ] {
        assert_eq!(code(verb), "CONFIG_NOT_FOUND");
    }
}

#[test]
fn there_is_one_default_whoever_sets_it_and_how() {
    let world = World::new();
    assert_eq!(settings(&world, "ann", None).unwrap(), None);
    create(&world, "ann", "a", &json!({"is_default": true})).unwrap();
    assert_eq!(defaults(&world, "ann"), ["a"]);
    assert!(
        create(&world, "ann", "b", &json!({"is_default": true}))
            .unwrap()
            .is_default
    );
    assert_eq!(defaults(&world, "ann"), ["b"]);
    update(&world, "ann", "a", &json!({"is_default": true})).unwrap();
    assert_eq!(
        settings(&world, "ann", None).unwrap().unwrap().config_name,
        "a"
    );
    // A name that is not there takes nothing away.
    assert_eq!(
        code(update(
            &world,
            "ann",
            "no such",
            &json!({"is_default": true})
        )),
        "CONFIG_NOT_FOUND"
    );
    assert_eq!(
        code(create(&world, "ann", "b", &json!({"is_default": true}))),
        "CONFIG_NAME_TAKEN"
    );
    assert_eq!(defaults(&world, "ann"), ["a"]);
    update(&world, "ann", "a", &json!({"is_default": false})).unwrap();
    assert_eq!(settings(&world, "ann", None).unwrap(), None);
    assert_eq!(defaults(&world, SHIPPED), ["default-gpt4"]);
}

#[test]
fn two_that_set_the_default_at_once_leave_one() {
    let world = World::new();
    for name in ["a", "b", "c"] {
        create(&world, "ann", name, &json!({})).unwrap();
    }
    let inputs: Vec<ConfigUpdateInput> = ["a", "b", "c"]
        .map(|name| input(&json!({"config_name": name, "is_default": true})))
        .into();
    let calls = inputs
        .iter()
        .map(|input| world.library.update_config("ann", input));
    assert!(block_on(join_all(calls)).iter().all(Result::is_ok));
    assert_eq!(defaults(&world, "ann").len(), 1);
    // As Postgres may refuse the slower one, which goes again.
    *world.db.refusals.borrow_mut() = 2;
    assert!(
        update(&world, "ann", "a", &json!({"is_default": true}))
            .unwrap()
            .is_default
    );
    *world.db.refusals.borrow_mut() = 3;
    assert_eq!(
        code(update(&world, "ann", "b", &json!({"is_default": true}))),
        "STORAGE_UNAVAILABLE"
    );
    assert_eq!(defaults(&world, "ann"), ["a"]);
}

#[test]
fn there_are_limits() {
    let world = World::new();
    for more in [
        json!({"max_tokens": 0}),
        json!({"max_tokens": 131_073}),
        json!({"temperature": 2.1}),
        json!({"top_p": -0.1}),
        json!({"frequency_penalty": 2.5}),
        json!({"presence_penalty": -2.5}),
        json!({"model": "a b"}),
        json!({"config_name": ""}),
        json!({"config_name": "a\nb"}),
    ] {
        assert_eq!(code(create(&world, "ann", "x", &more)), INVALID, "{more}");
    }
    for at in 0..100 {
        create(&world, "ann", &format!("c{at}"), &json!({})).unwrap();
    }
    let refused = create(&world, "ann", "one more", &json!({"is_default": true}));
    assert_eq!(code(refused), "TOO_MANY");
    assert_eq!(block_on(world.library.configs("ann")).unwrap().count, 103);
    create(&world, "bob", "mine", &json!({})).unwrap();
}
