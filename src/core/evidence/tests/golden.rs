//! The package that checkers are tested with is of the kind that is made now.

use std::path::Path;

use super::*;

/// With it set, the file is written anew.
const UPDATE: &str = "UPDATE_GOLDEN";

#[test]
fn the_sample_package_is_of_the_kind_that_is_made_now() {
    let desk = Desk::over(World::answering(
        vec![crate::fortress::tests::hi()],
        vec![crate::fortress::tests::hi()],
    ));
    let question = ExecuteInput {
        prompt: "Did Zoë Ångström (Αθήνα, Київ) sign? 你好 \u{202e}?".to_owned(),
        case_id: Some("2026-CV-0001 Ångström v. Δημητρίου".to_owned()),
        label: Some("Review of the supply agreement".to_owned()),
        create_evidence: true,
        ..crate::execution::tests::input(SecurityLevel::Verified)
    };
    let done = desk.world.execute(&question).unwrap();
    desk.brief(&done.execution_id);
    let event = json!({
        "action": "transferred", "actor": "J. Bloggs, paralegal", "location": "Office of counsel, room 4",
        "purpose": "handed to the examining expert", "authority": "order of 2 November 2026",
        "changes": "the outer envelope was opened", "responsible": "J. Bloggs",
    });
    desk.custody(json!({"execution_id": done.execution_id, "event": event}))
        .unwrap();
    let (_, zip) = desk.brief(&done.execution_id);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/packages/legal-brief.zip");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &zip).unwrap();
    }
    let said = format!("it is old: look at what changed, then run this test with {UPDATE}=1");
    let (kept, made) = (unzip(&std::fs::read(&path).expect(&said)), unzip(&zip));
    assert!(kept.keys().eq(made.keys()), "{said}");
    // What is the same in every package. The rest follows the fortress's manifest and keys.
    let fixed = |path: &str| path.starts_with("verify/verify") || path == "data/legal/LIMITS.txt";
    for path in made.keys().filter(|path| fixed(path)) {
        assert!(kept[path] == made[path], "{path}: {said}");
    }
}
