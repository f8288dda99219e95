use super::*;
use crate::auth::Scopes;
use crate::ports::Database as _;
use crate::sql::Statement;

#[test]
fn a_file_is_kept_sealed_and_opened_for_its_owner_alone() {
    let mut desk = Desk::new();
    let done = desk.world.done(SecurityLevel::Fortress);
    let (package, bytes) = desk.brief(&done.execution_id);
    let file = package.file.clone().unwrap();
    assert_eq!(
        (file.bytes, file.media_type.as_str()),
        (bytes.len(), "application/zip")
    );
    let id = &package.package_id;
    assert_eq!(
        file.url,
        format!("https://mcp.example.com/api/v1/evidence-packages/{id}/file")
    );
    let row = &desk.world.rows("SELECT * FROM evidence_packages")[0];
    let path = row.text("package_file_path").unwrap();
    assert_eq!(path, format!("evidence/{id}.zip"));
    assert_eq!(row.text("status").unwrap(), "delivered");
    assert_eq!(row.opt_text("package_text").unwrap(), None);
    let kept = desk.files.0.borrow()[&path].bytes.clone();
    assert!(kept.starts_with(b"v1."));
    let fetch = |desk: &Desk| {
        let evidence = desk.evidence();
        let found = desk
            .world
            .clock
            .run(evidence.file(&desk.world.principal, id));
        found.map(|file| file.bytes).map_err(|error| error.code())
    };
    desk.world.principal = principal("eve");
    assert_eq!(fetch(&desk), Err("PACKAGE_NOT_FOUND".to_owned()));
    desk.world.principal.scopes = Scopes::new(["delegation:act"]);
    assert_eq!(fetch(&desk), Ok(bytes));
}

#[test]
fn a_file_that_is_gone_or_another_is_not_given_out() {
    let desk = Desk::new();
    let done = desk.world.done(SecurityLevel::Fortress);
    let (first, _) = desk.brief(&done.execution_id);
    let (second, _) = desk.brief(&done.execution_id);
    let fetch = |id: &str| {
        let evidence = desk.evidence();
        desk.world
            .clock
            .run(evidence.file(&desk.world.principal, id))
            .map(drop)
            .map_err(|e| e.code())
    };
    let key = |package: &Package| format!("evidence/{}.zip", package.package_id);
    let other = desk.files.0.borrow()[&key(&second)].clone();
    desk.files.0.borrow_mut().insert(key(&first), other);
    assert_eq!(fetch(&first.package_id), Err("INTERNAL".to_owned()));
    desk.files.0.borrow_mut().remove(&key(&first));
    assert_eq!(fetch(&first.package_id), Err("PACKAGE_ALTERED".to_owned()));
    let update = "UPDATE evidence_packages SET package_hash = 'f' || substr(package_hash, 1, 63)";
    desk.world
        .clock
        .run(desk.world.db.inner.run(Statement::new(update)))
        .unwrap();
    assert_eq!(fetch(&second.package_id), Err("PACKAGE_ALTERED".to_owned()));
    assert_eq!(fetch("PKG-unknown"), Err("PACKAGE_NOT_FOUND".to_owned()));
}

#[test]
fn a_json_package_has_no_file() {
    let desk = Desk::new();
    let done = desk.world.done(SecurityLevel::Standard);
    let made = desk
        .package(json!({"execution_id": done.execution_id}))
        .unwrap();
    assert_eq!(made.file, None);
    let evidence = desk.evidence();
    let found = desk
        .world
        .clock
        .run(evidence.file(&desk.world.principal, &made.package_id));
    assert_eq!(found.map(drop).unwrap_err().code(), "PACKAGE_NOT_FOUND");
}

#[test]
fn a_document_is_made_of_any_completed_execution() {
    let desk = Desk::new();
    for level in [SecurityLevel::Standard, SecurityLevel::Fortress] {
        let done = desk.world.done(level);
        let input =
            json!({"execution_id": done.execution_id, "package_format": "pdf", "case_id": "C-9"});
        let made = desk.package(input).unwrap();
        assert_eq!(made.file.unwrap().media_type, "application/pdf");
        let evidence = desk.evidence();
        let file = desk
            .world
            .clock
            .run(evidence.file(&desk.world.principal, &made.package_id));
        assert!(file.unwrap().bytes.starts_with(b"%PDF-1.7"));
    }
}

#[test]
fn a_document_of_odd_texts_keeps_its_end() {
    for (name, prompt) in [
        ("long", "x".repeat(20_000)),
        ("lines", "\n".repeat(20_000) + "x"),
        (
            "marks",
            "e\u{301}\u{302}\u{323}\u{304}\u{308}".repeat(1_500),
        ),
    ] {
        let hi = crate::fortress::tests::hi;
        let desk = Desk::over(World::answering(vec![], vec![hi()]));
        let question = ExecuteInput {
            prompt,
            ..crate::execution::tests::input(SecurityLevel::Fortress)
        };
        let done = desk.world.execute(&question).unwrap();
        for _ in 0..40 {
            let event = json!({
                "action": "other", "location": "\u{1f600}".repeat(300), "purpose": "w".repeat(1_000),
                "authority": "a", "changes": "\u{1f600}".repeat(1_000), "responsible": "r",
            });
            let said = json!({ "execution_id": done.execution_id, "event": event });
            desk.custody(said).unwrap();
        }
        let asked = json!({
            "execution_id": done.execution_id, "package_format": "pdf",
            "case_id": "\u{1f600}".repeat(32),
        });
        let made = desk.package(asked).unwrap();
        let evidence = desk.evidence();
        let file = evidence.file(&desk.world.principal, &made.package_id);
        let file = desk.world.clock.run(file).unwrap().bytes;
        if let Some(folder) = std::env::var_os("KEEP_DOCUMENTS") {
            let path = std::path::Path::new(&folder).join(format!("{name}.pdf"));
            std::fs::write(path, &file).unwrap();
        }
        let text = String::from_utf8_lossy(&file);
        let count = text.split("/Count ").nth(1).unwrap();
        let count = count.split(|c: char| !c.is_ascii_digit()).next().unwrap();
        let pages: usize = count.parse().unwrap();
        assert!(pages < 60, "{name}: of 60 pages some are left out: {pages}");
    }
}
