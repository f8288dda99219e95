use super::*;
use crate::digest::sha256_hex;
use crate::fortress::Manifest;
use crate::openpgp::{PublicKey, verify};

#[test]
fn it_is_a_bag_with_the_layout_that_is_documented() {
    let desk = Desk::new();
    let done = desk.world.done(SecurityLevel::Verified);
    let (package, zip) = desk.brief(&done.execution_id);
    assert_eq!(package.package_hash, sha256_hex(&zip));
    let files = unzip(&zip);
    let paths: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "bag-info.txt",
            "bagit.txt",
            "data/chain/0.fact.json",
            "data/chain/0.leaf",
            "data/chain/0.tlog-proof",
            "data/chain/1.fact.json",
            "data/chain/1.leaf",
            "data/chain/1.tlog-proof",
            "data/chain/2.fact.json",
            "data/chain/2.leaf",
            "data/chain/2.tlog-proof",
            "data/chain/checkpoint",
            "data/chain/policy",
            "data/custody/custody.jsonl",
            "data/execution/direct-output",
            "data/execution/execution.json",
            "data/execution/execution.json.asc",
            "data/execution/output",
            "data/execution/params.json",
            "data/execution/prompt",
            "data/keys/fingerprints.txt",
            "data/keys/fortress.asc",
            "data/keys/key-history.json",
            "data/legal/LIMITS.txt",
            "data/legal/brief.pdf",
            "data/legal/certification-902-13-14.DRAFT",
            "data/legal/process-description-901b9",
            "data/time/NO-TIMESTAMP.txt",
            "data/witnesses/NO-WITNESSES.txt",
            "manifest-sha256.txt",
            "tagmanifest-sha256.txt",
            "tagmanifest-sha256.txt.asc",
            "verify/VERIFY.txt",
            "verify/verify.py",
            "verify/verify.sh",
        ]
    );
    for manifest in ["manifest-sha256.txt", "tagmanifest-sha256.txt"] {
        let text = std::str::from_utf8(&files[manifest]).unwrap();
        for (path, hash) in parse_manifest(text).unwrap() {
            assert_eq!(sha256_hex(&files[path]), hash, "{path}");
        }
    }
    let text = |path: &str| String::from_utf8(files[path].clone()).unwrap();
    assert_eq!(
        Some(text("data/execution/execution.json")),
        done.results.fortress_manifest
    );
    assert_eq!(
        Some(text("data/execution/output")),
        done.results.fortress_output
    );
    let key = PublicKey::from_armor(&text("data/keys/fortress.asc")).unwrap();
    let now_secs = u64::try_from(crate::llm::scripted::START_MS / 1_000).unwrap();
    for path in ["data/execution/execution.json", "tagmanifest-sha256.txt"] {
        let verdict = verify(&files[path], &text(&format!("{path}.asc")), &key, now_secs);
        assert!(verdict.valid, "{path}: {}", verdict.sentence);
    }
}

#[test]
fn nothing_in_it_says_more_than_is_known() {
    let desk = Desk::new();
    let done = desk.world.done(SecurityLevel::Fortress);
    let (_, zip) = desk.brief(&done.execution_id);
    for (path, bytes) in unzip(&zip) {
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        assert!(!text.contains("admissible"), "{path}");
        assert!(!text.contains("{{"), "{path} has a place left open");
    }
}

#[test]
fn it_tells_a_model_from_an_agent_that_may_ask_one() {
    let desk = Desk::new();
    let done = desk.world.done(SecurityLevel::Fortress);
    let files = unzip(&desk.brief(&done.execution_id).1);
    let text = |path: &str| String::from_utf8(files[path].clone()).unwrap();
    let process = text("data/legal/process-description-901b9");
    assert!(
        process.contains("sent it to model.example under"),
        "{process}"
    );
    let draft = text("data/legal/certification-902-13-14.DRAFT");
    assert!(
        draft.contains("gave one prompt to\n     the model"),
        "{draft}"
    );

    let signed = done.results.fortress_manifest.unwrap();
    let mut manifest = Manifest::parse(&signed).unwrap();
    let sandbox = crate::fortress::tests::sandbox();
    manifest.policy.sandbox = Some(sandbox);
    manifest.model_answered = String::new();
    let values = texts::how_it_ran(&manifest);
    let process = texts::fill(texts::PROCESS, &values);
    assert!(
        process.contains("gave it to an agent, a program"),
        "{process}"
    );
    assert!(!process.contains("no tools"), "{process}");
    assert!(process.contains("named the model \"none\""), "{process}");
    let draft = texts::fill(texts::CERTIFICATION, &values);
    assert!(
        draft.contains("an agent in a sandbox, which could ask\n     the model"),
        "{draft}"
    );
}

#[test]
fn its_making_is_recorded_before_inside_and_after_by_its_hash() {
    let desk = Desk::new();
    let done = desk.world.done(SecurityLevel::Fortress);
    let (package, zip) = desk.brief(&done.execution_id);
    let inside = unzip(&zip)["data/custody/custody.jsonl"].clone();
    let lines: Vec<Value> = inside
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["object"], "collected");
    let events = desk
        .custody(json!({"execution_id": done.execution_id}))
        .unwrap()
        .events;
    assert_eq!(events.len(), 2);
    let last = &events[1];
    assert_eq!(last.fact_id, package.custody_fact_id);
    assert_eq!(last.fields["action"], "packaged");
    assert_eq!(last.fields["package_sha256"], sha256_hex(&zip));
    assert_eq!(last.fields["package_id"], package.package_id);
}

#[test]
fn the_next_one_proves_that_the_log_only_grew() {
    let desk = Desk::new();
    let first = desk.world.done(SecurityLevel::Fortress);
    let (_, before) = desk.brief(&first.execution_id);
    let (_, after) = desk.brief(&first.execution_id);
    let (before, after) = (unzip(&before), unzip(&after));
    assert!(!before.contains_key("data/chain/consistency"));
    assert_eq!(
        before["data/chain/checkpoint"],
        after["data/chain/previous-checkpoint"]
    );
    let text = String::from_utf8(after["data/chain/consistency"].clone()).unwrap();
    let (proof, newest) = text.split_once("\n\n").unwrap();
    assert!(proof.starts_with("old 2\n"), "{proof}");
    assert_eq!(newest.as_bytes(), after["data/chain/checkpoint"]);
}

#[test]
fn what_is_unsigned_or_has_no_place_is_refused_before_anything_is_recorded() {
    let desk = Desk::new();
    let done = desk.world.done(SecurityLevel::Standard);
    let brief = |format: &str| json!({"execution_id": done.execution_id, "package_format": format});
    assert_eq!(
        desk.package(brief("legal_brief")).unwrap_err().code(),
        "EXECUTION_NOT_SIGNED"
    );
    let evidence = Evidence {
        files: None,
        ..desk.evidence()
    };
    let input: PackageInput = serde_json::from_value(brief("pdf")).unwrap();
    let refused = desk
        .world
        .clock
        .run(evidence.package(&desk.world.asker(), &input));
    assert_eq!(refused.unwrap_err().code(), "FILES_NOT_CONFIGURED");
    assert_eq!(desk.world.log.size(), 0);
    assert!(
        desk.world
            .rows("SELECT id FROM evidence_packages")
            .is_empty()
    );
}

#[test]
fn only_a_package_is_sealed() {
    use garde::Validate;
    let valid = |text: &str| {
        let input = json!({"package_id": "PKG-1", "tag_manifest": text});
        serde_json::from_value::<crate::fortress::SealInput>(input)
            .unwrap()
            .validate()
            .is_ok()
    };
    let hash = "0".repeat(64);
    assert!(valid(&format!("{hash}  manifest-sha256.txt\n")));
    assert!(!valid(&format!("{hash}  other.txt\n")));
    assert!(!valid(&format!("{hash}  manifest-sha256.txt")));
    assert!(!valid("{\"kind\":\"chittymcp/execution/v1\"}"));
}
