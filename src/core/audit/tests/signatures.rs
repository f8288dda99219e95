//! Signatures of many runs, asked for together.

use super::*;
use crate::execution::tests::peers::Twist;
use crate::fortress::{MAX_SIGNED_TEXTS, SignedText};

fn questions(office: &Office) -> usize {
    let tools = office.world.fortress.tools();
    tools
        .iter()
        .filter(|tool| *tool == "fortress_signatures_verify")
        .count()
}

fn check(office: &Office, runs: &[SignedText]) -> Result<Vec<Result<(), String>>, String> {
    let asker = office.world.asker();
    let signatures = FortressSignatures {
        workers: &office.world.service.workers,
        asker: &asker,
    };
    office.clock().run(signatures.check_all(runs))
}

fn signed(office: &Office) -> SignedText {
    let rows = office.sql("SELECT manifest, signature FROM fortress_jobs ORDER BY id LIMIT 1");
    SignedText {
        content: rows[0].text("manifest").unwrap(),
        signature: rows[0].text("signature").unwrap(),
    }
}

#[test]
fn each_has_its_verdict_in_its_place_however_many_are_asked() {
    let office = Office::with(1);
    let good = signed(&office);
    let bad = SignedText {
        content: format!("{} ", good.content),
        ..good.clone()
    };
    let large = SignedText {
        content: "x".repeat(70_000),
        ..good.clone()
    };
    let none = SignedText {
        signature: String::new(),
        ..good.clone()
    };
    for count in [1, MAX_SIGNED_TEXTS, 2 * MAX_SIGNED_TEXTS + 7] {
        let before = questions(&office);
        let kinds = [&good, &bad, &good, &large, &none];
        let runs: Vec<SignedText> = kinds.into_iter().cycle().take(count).cloned().collect();
        let verdicts = check(&office, &runs).unwrap();
        assert_eq!(verdicts.len(), count);
        for (run, verdict) in runs.iter().zip(&verdicts) {
            assert_eq!(
                verdict.is_ok(),
                *run.content == good.content && !run.signature.is_empty()
            );
        }
        assert!(questions(&office) - before >= count.div_ceil(MAX_SIGNED_TEXTS));
    }
    assert_eq!(check(&office, &[]).unwrap(), []);
    // What none of the workers would look at is not sent.
    let before = questions(&office);
    assert!(check(&office, &[large]).unwrap()[0].is_err());
    assert_eq!(questions(&office), before);
}

#[test]
fn texts_that_grow_as_json_are_asked_for_in_more_questions() {
    let office = Office::with(1);
    let escaped = SignedText {
        content: "\u{1}".repeat(60_000),
        ..signed(&office)
    };
    let verdicts = check(&office, &[escaped.clone(), escaped.clone(), escaped]).unwrap();
    assert!(verdicts.iter().all(Result::is_err));
    assert_eq!(questions(&office), 3);
}

#[test]
fn an_answer_of_another_length_is_none() {
    let office = Office::with(1);
    let run = signed(&office);
    office.world.fortress.twist(
        "fortress_signatures_verify",
        Twist::Result(|result| result["faults"].as_array_mut().unwrap().clear()),
    );
    assert!(check(&office, &[run]).is_err());
}

#[test]
fn runs_are_checked_in_pages_of_their_own() {
    let office = Office::with(1);
    let columns = "user_id, label, status, sealed_prompt, sealed_output, prompt_hash, output_hash, \
                   manifest, signature, key_fingerprint, assertion_id, created_at, updated_at";
    office.sql(format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100) \
         INSERT INTO fortress_jobs (id, {columns}) \
         SELECT 'copy-' || printf('%05d', i), {columns} FROM fortress_jobs, n"
    ));
    let broken =
        "UPDATE fortress_jobs SET signature = replace(signature, 'A', 'B') WHERE id = 'copy-00777'";
    office.sql(broken);
    let scope = Scope {
        chain: false,
        ..forensic(&[])
    };
    let begun = Progress {
        phase: Phase::Signatures,
        ..Progress::default()
    };
    let audit = office.audit_on(&scope, begun, office.later());
    assert_eq!(audit.signatures, 1101);
    let named = audit
        .findings
        .iter()
        .map(|finding| (finding.code, &*finding.subject));
    let named: Vec<_> = named.collect();
    assert_eq!(
        named,
        [(Code::SignatureInvalid, "fortress_jobs:copy-00777")]
    );
    // 500, 500 and 101 rows.
    assert_eq!(questions(&office), 12);
}
