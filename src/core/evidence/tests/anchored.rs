//! Time stamps and cosignatures in packages.

use super::offline::verify_sh;
use super::*;
use crate::chain::hash::Hash;
use crate::chain::note::Note;
use crate::timestamp::{TrustAnchors, verify};
use crate::witness::policy::WitnessPolicy;

/// A package of a run that is anchored, of two leaves, in a tree of three.
fn anchored() -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut desk = Desk::new();
    let anchors = desk.anchored();
    let done = desk.world.done(SecurityLevel::Verified);
    anchors.anchor();
    let (_, zip) = desk.brief(&done.execution_id);
    unzip(&zip)
}

#[test]
fn the_stamp_and_the_cosignatures_are_there_as_they_came() {
    let files = anchored();
    let text = |path: &str| std::str::from_utf8(&files[path]).unwrap();
    let anchors = TrustAnchors::from_pem(text("data/time/authorities.pem")).unwrap();
    let hash = Hash::of(&files["data/time/checkpoint"]);
    verify(&files["data/time/checkpoint.tsr"], &hash, None, &anchors).unwrap();
    let policy: WitnessPolicy = text("data/witnesses/policy").parse().unwrap();
    let note = Note::parse(text("data/witnesses/checkpoint")).unwrap();
    let witnessed = policy.judge(&note).unwrap();
    assert_eq!((witnessed.quorum_met, witnessed.by.len()), (true, 2));
    assert!(
        !text("data/witnesses/policy").contains("https://"),
        "whom to ask is not told"
    );
    for proof in ["data/time/consistency", "data/witnesses/consistency"] {
        assert!(text(proof).starts_with("old 2\n"));
        assert!(text(proof).ends_with(text("data/chain/checkpoint")));
    }
    assert!(!files.contains_key("data/time/NO-TIMESTAMP.txt"));
    let process = text("data/legal/process-description-901b9");
    assert!(
        process.contains("stamped the tree of 2 entries at"),
        "{process}"
    );
    assert!(
        process.contains("witness.example/w1 and witness.example/w2 cosigned"),
        "{process}"
    );
}

#[test]
fn its_programs_check_them() {
    let files = anchored();
    let prints = String::from_utf8(files["data/keys/fingerprints.txt"].clone()).unwrap();
    let word = |name: &str| {
        let line = prints.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    let (print, log) = (word("OpenPGP, of the run"), word("log"));
    let (pem, policy) = ("data/time/authorities.pem", "data/witnesses/policy");
    let (code, said) = verify_sh(&files, &[&print, &log, pem, policy]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("Time stamp: "), "{said}");
    assert!(
        said.contains("witnesses     holds: witness.example/w1 at 20"),
        "{said}"
    );
    let (code, said) = verify_sh(&files, &[&print, &log]);
    assert!(code == 3 && said.contains("NOT CHECKED"), "{said}");
    // Others are trusted.
    let other = crate::timestamp::tests::authority::p256();
    let other = other.path("root.pem");
    let (code, said) = verify_sh(&files, &[&print, &log, other.to_str().unwrap()]);
    assert!(code == 1 && said.contains("FAILS"), "{said}");
    // A checkpoint of another moment is not the one that was stamped, nor the one cosigned.
    let mut swapped = files.clone();
    for folder in ["time", "witnesses"] {
        let newest = files["data/chain/checkpoint"].clone();
        swapped.insert(format!("data/{folder}/checkpoint"), newest);
    }
    let (code, said) = verify_sh(&swapped, &[&print, &log, pem, policy]);
    assert_eq!(code, 1, "{said}");
    for aspect in ["time", "witnesses"] {
        assert!(
            said.contains(&format!("{aspect}: data/{aspect}/checkpoint")),
            "{said}"
        );
    }
    assert!(said.contains("openssl: "), "{said}");
}

/// The program in the package knows no ML-DSA-44: it neither counts such a witness nor fails.
#[test]
fn what_its_program_cannot_check_is_left_open() {
    use crate::witness::tests::{ML_DSA, cosigner_of};
    let files = anchored();
    let prints = String::from_utf8(files["data/keys/fingerprints.txt"].clone()).unwrap();
    let word = |name: &str| {
        let line = prints.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    let (print, log) = (word("OpenPGP, of the run"), word("log"));
    let path = "data/witnesses/policy";
    let policy = std::str::from_utf8(&files[path]).unwrap();
    let lines = policy.split("quorum").next().unwrap();
    let new = cosigner_of(ML_DSA, 1);
    for (quorum, verdict) in [
        ("g", "holds"),
        ("new", "not checked"),
        ("both", "not checked"),
    ] {
        let theirs = format!(
            "{lines}witness new {}\ngroup both all g new\nquorum {quorum}\n",
            new.verifier()
        );
        let file = std::env::temp_dir().join(format!("policy-{}-{quorum}", std::process::id()));
        std::fs::write(&file, theirs).unwrap();
        let pem = "data/time/authorities.pem";
        let (code, said) = verify_sh(&files, &[&print, &log, pem, file.to_str().unwrap()]);
        std::fs::remove_file(file).unwrap();
        assert_eq!(code, 0, "{said}");
        assert!(
            said.contains(&format!("witnesses     {verdict}: ")),
            "{said}"
        );
        assert!(
            said.contains("witness.example/w1 by ML-DSA-44, not checked here"),
            "{said}"
        );
    }
}

#[test]
fn what_nobody_vouched_for_says_why() {
    let mut desk = Desk::new();
    let anchors = desk.anchored();
    let done = desk.world.done(SecurityLevel::Fortress);
    let (_, zip) = desk.brief(&done.execution_id);
    let why = |zip: &[u8]| {
        let files = unzip(zip);
        let text = |path: &str| String::from_utf8_lossy(&files[path]).into_owned();
        [
            text("data/time/NO-TIMESTAMP.txt"),
            text("data/witnesses/NO-WITNESSES.txt"),
        ]
    };
    let [time, witnesses] = why(&zip);
    assert!(time.contains("none had come") && witnesses.contains("no quorum had come"));
    // One that is smaller than the run's tree says nothing of it; a later one does.
    anchors.anchor();
    let (_, zip) = desk.brief(&done.execution_id);
    assert!(unzip(&zip).contains_key("data/time/checkpoint.tsr"));
    let again = Desk::new();
    let done = again.world.done(SecurityLevel::Fortress);
    let (_, zip) = again.brief(&done.execution_id);
    let [time, witnesses] = why(&zip);
    assert!(time.contains("no authority is configured"));
    assert!(witnesses.contains("no witness is configured"));
}

#[test]
fn a_json_package_and_a_document_have_them_too() {
    let mut desk = Desk::new();
    let anchors = desk.anchored();
    let done = desk.world.done(SecurityLevel::Fortress);
    anchors.anchor();
    let made = desk
        .package(json!({ "execution_id": done.execution_id }))
        .unwrap();
    let said = &made.contents["chain"]["anchors"];
    assert_eq!(said["anchoring"]["time"]["verdict"], "stamped");
    assert_eq!(said["anchoring"]["witnesses"]["verdict"], "witnessed");
    assert_eq!(said["stamped"], Value::Null, "they are of one size");
}

#[test]
fn a_log_that_others_have_not_seen_is_in_no_package() {
    let mut desk = Desk::over(World::answering(
        vec![],
        vec![crate::fortress::tests::hi(), crate::fortress::tests::hi()],
    ));
    let anchors = desk.anchored();
    desk.world.done(SecurityLevel::Fortress);
    anchors.anchor();
    let key = crate::chain::keys::SignerKey::from_seed("example.com/test-log", &[1; 32]).unwrap();
    desk.world.log.replace(key);
    desk.world.rows("DELETE FROM chitty_chain_facts");
    let done = desk.world.done(SecurityLevel::Fortress);
    let asked = json!({ "execution_id": done.execution_id });
    assert_eq!(desk.package(asked).unwrap_err().code(), "CHAIN_FORKED");
}
