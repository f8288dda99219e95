//! Verdicts on signatures.

use super::*;
use crate::digest::sha256_hex;

fn signed(world: &World) -> VerifyInput {
    let run = world.execute(&input()).unwrap();
    VerifyInput {
        content: run.manifest,
        signature: run.signature,
        public_key: None,
        include_keys: false,
    }
}

#[test]
fn a_runs_signature_holds_for_its_exact_manifest_only() {
    let world = World::new(vec![hi()]);
    let question = signed(&world);
    let verdict = world.verify(&question);
    assert!(verdict.signature_valid, "{}", verdict.explanation);
    assert_eq!(verdict.reason, "valid");
    assert_eq!(verdict.content_hash, sha256_hex(&question.content));
    assert_eq!(verdict.key_fingerprint, world.own_key());
    assert!(verdict.caller_key.is_none());
    for content in [
        format!("{} ", question.content),
        question.content.replace("gpt-4", "gpt-5"),
        String::new(),
    ] {
        let verdict = world.verify(&VerifyInput {
            content,
            ..question.clone()
        });
        assert!(!verdict.signature_valid);
        assert_ne!(verdict.reason, "valid");
    }
    for signature in ["", "x", &question.signature[1..]] {
        let signature = signature.to_owned();
        let verdict = world.verify(&VerifyInput {
            signature,
            ..question.clone()
        });
        assert!(!verdict.signature_valid);
    }
}

#[test]
fn a_callers_key_is_reported_on_and_changes_nothing() {
    let world = World::new(vec![hi()]);
    let question = signed(&world);
    let ask = |world: &World, armor: String| {
        let public_key = Some(armor);
        world.verify(&VerifyInput {
            public_key,
            ..question.clone()
        })
    };
    let own = world.service.keys.secrets.key.public_key_armor();
    let verdict = ask(&world, own.clone());
    let key = verdict.caller_key.unwrap();
    assert!(verdict.signature_valid && key.signature_valid && key.is_fortress_key);

    let verdict = ask(&world, "no key".to_owned());
    let key = verdict.caller_key.unwrap();
    assert!(verdict.signature_valid && !key.signature_valid && !key.is_fortress_key);
    assert_eq!(key.fingerprint, None);

    // Another fortress has another key: the signature is good under the caller's alone.
    let other = PublicKey::from_armor(&crate::openpgp::tests::another_key()).unwrap();
    let mut elsewhere = World::new(vec![]);
    elsewhere.begin_with(other);
    let verdict = ask(&elsewhere, own);
    let key = verdict.caller_key.unwrap();
    assert!(!verdict.signature_valid && key.signature_valid && !key.is_fortress_key);
}

#[test]
fn manifests_are_read_in_one_form_and_held_against_their_run() {
    let world = World::new(vec![hi()]);
    let text = signed(&world).content;
    let manifest = Manifest::parse(&text).unwrap();
    let spaced = text.replacen(':', ": ", 1);
    let kind = text.replace("execution/v1", "execution/v2");
    let more = text.replacen('{', "{\"a\":1,", 1);
    for bad in [
        spaced,
        kind,
        more,
        format!("{text}\n"),
        "{}".into(),
        String::new(),
    ] {
        assert_eq!(
            Manifest::parse(&bad),
            Err(ManifestFault::NotCanonical),
            "{bad}"
        );
    }
    let id = manifest.job_id.clone();
    let check = |job: &str, evidence, prompt, output| manifest.check(job, evidence, prompt, output);
    let prompt = "A sealed question";
    assert_eq!(check(&id, Some("E-1"), prompt, "Hi"), Ok(()));
    assert_eq!(
        check("JOB-x", Some("E-1"), prompt, "Hi"),
        Err(ManifestFault::Job)
    );
    assert_eq!(check(&id, None, prompt, "Hi"), Err(ManifestFault::Evidence));
    assert_eq!(
        check(&id, Some("E-1"), "other", "Hi"),
        Err(ManifestFault::Prompt)
    );
    assert_eq!(
        check(&id, Some("E-1"), prompt, "Ho"),
        Err(ManifestFault::Output)
    );
    let mut looser = manifest.clone();
    looser.policy.tools_allowed = true;
    let found = looser.check(&id, Some("E-1"), prompt, "Hi");
    assert_eq!(found, Err(ManifestFault::Policy));
}
