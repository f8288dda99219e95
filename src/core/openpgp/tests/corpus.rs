//! Differential: what `gpg`'s status lines do not call good and valid is refused here.

use pgp::types::Duration;

use super::gpg::Status;
use super::*;

struct Case {
    label: String,
    content: Vec<u8>,
    signature: String,
}

fn case(label: impl Into<String>, content: &[u8], signature: String) -> Case {
    Case {
        label: label.into(),
        content: content.to_vec(),
        signature,
    }
}

/// Runs each case through both verifiers; returns how many each accepted.
fn compare(signer: &Signer, public: &PublicKey, cases: &[Case]) -> (usize, usize) {
    let mut accepted = (0, 0);
    for Case {
        label,
        content,
        signature,
    } in cases
    {
        let Status { good, valid } = signer.gpg.verify(signature, content, &[]);
        let ours = reason(content, signature, public);
        if ours == Reason::Valid {
            assert!(good && valid, "{label}: accepted here, not by GnuPG");
            accepted.1 += 1;
        }
        accepted.0 += usize::from(good && valid);
    }
    accepted
}

fn crafted(signer: &Signer) -> Vec<Case> {
    let one = |label: &str, change: &dyn Fn(&mut SignatureConfig)| {
        case(
            label,
            CONTENT,
            armored(&signer.craft(CONTENT, |config| change(config))),
        )
    };
    let raw = |label: &str, kind: u8, extra: &[&[u8]]| {
        let bytes = signer.craft_raw(CONTENT, kind, &extra.concat());
        case(label, CONTENT, armored(&bytes))
    };
    let created = |secs: u64| {
        move |config: &mut SignatureConfig| {
            let time = Timestamp::from_secs(u32::try_from(secs).unwrap());
            config.hashed_subpackets[1] = regular(SubpacketData::SignatureCreationTime(time));
        }
    };
    let expiring = |secs: u32| {
        move |config: &mut SignatureConfig| {
            let expiry = SubpacketData::SignatureExpirationTime(Duration::from_secs(secs));
            config.hashed_subpackets.push(regular(expiry));
        }
    };
    let critical = |data: SubpacketData| {
        move |config: &mut SignatureConfig| {
            config
                .hashed_subpackets
                .push(Subpacket::critical(data.clone()).unwrap());
        }
    };
    let key_created = signer.public.created_at_secs();
    let yesterday = u32::try_from(now() - 86_400).unwrap();
    vec![
        one("standard", &|_| {}),
        one("sha256", &|c| c.hash_alg = HashAlgorithm::Sha256),
        one("sha384", &|c| c.hash_alg = HashAlgorithm::Sha384),
        one("sha3-256", &|c| c.hash_alg = HashAlgorithm::Sha3_256),
        one("text", &|c| c.typ = SignatureType::Text),
        one("no issuer", &|c| {
            c.hashed_subpackets.remove(0);
            c.unhashed_subpackets.clear();
        }),
        one("no fingerprint", &|c| drop(c.hashed_subpackets.remove(0))),
        one("no key id", &|c| c.unhashed_subpackets.clear()),
        one("no time", &|c| drop(c.hashed_subpackets.remove(1))),
        one("before the key", &created(key_created - 1)),
        one("long before the key", &created(1)),
        one("at the key's time", &created(key_created)),
        one("in the future", &created(now() + 86_400)),
        one("expires later", &expiring(86_400)),
        one("never expires", &expiring(0)),
        one("expired", &|c| {
            created(key_created)(c);
            expiring(1)(c);
        }),
        one("unknown", &|c| {
            let data = SubpacketData::Other(99, vec![1].into());
            c.hashed_subpackets.push(regular(data));
        }),
        raw("critical unknown", 0, &[&[2, 0xE3, 1]]),
        raw("critical private", 0, &[&[2, 0xE5, 1]]),
        raw("raw standard", 0, &[]),
        raw("standalone", 2, &[]),
        raw("third party", 0x50, &[]),
        raw("certification", 0x13, &[]),
        raw("unknown type", 0x77, &[]),
        raw("empty subpacket", 0, &[&[0]]),
        raw("subpacket over the end", 0, &[&[9, 20]]),
        raw("long form of a length", 0, &[&[255, 0, 0, 0, 2, 28, b'x']]),
        one(
            "critical policy",
            &critical(SubpacketData::PolicyURI("https://example.org/".into())),
        ),
        one(
            "critical time twice",
            &critical(SubpacketData::SignatureCreationTime(Timestamp::from_secs(
                yesterday,
            ))),
        ),
        one("other issuer beside", &|c| {
            let id = pgp::types::KeyId::from([1; 8]);
            c.unhashed_subpackets = vec![regular(SubpacketData::IssuerKeyId(id))];
        }),
    ]
}

fn damaged(signer: &Signer) -> Vec<Case> {
    let good = signature_bytes(&signer.secret.sign(CONTENT, now()).unwrap());
    let flips = (0..good.len() * 8).step_by(19).map(|bit| {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        case(format!("bit {bit}"), CONTENT, armored(&bytes))
    });
    let cuts = (0..good.len()).step_by(13).map(|length| {
        case(
            format!("cut at {length}"),
            CONTENT,
            armored(&good[..length]),
        )
    });
    let twice = armored(&[good.clone(), good.clone()].concat());
    flips
        .chain(cuts)
        .chain([case("twice", CONTENT, twice)])
        .collect()
}

fn issued_by_gpg(signer: &Signer) -> Vec<Case> {
    let of = |label: &str, options: &[&str]| {
        case(
            label,
            CONTENT,
            signer.gpg.sign(&signer.fingerprint, options, CONTENT),
        )
    };
    let stranger = Signer::new();
    vec![
        of("gpg", &[]),
        of("gpg notation", &["--sig-notation", "note@example.org=x"]),
        of(
            "gpg critical notation",
            &["--sig-notation", "!note@example.org=x"],
        ),
        of("gpg policy", &["--sig-policy-url", "https://example.org/"]),
        of("gpg sender", &["--sender", "signer@example.org"]),
        of("gpg expiry", &["--default-sig-expire", "2d"]),
        of("gpg text", &["--textmode"]),
        of("gpg clear", &["--clear-sign"]),
        case(
            "stranger",
            CONTENT,
            stranger.secret.sign(CONTENT, now()).unwrap(),
        ),
        case(
            "other content",
            b"other",
            signer.secret.sign(CONTENT, now()).unwrap(),
        ),
        case(
            "empty content",
            b"",
            signer.secret.sign(CONTENT, now()).unwrap(),
        ),
    ]
}

#[test]
fn nothing_passes_that_gpg_does_not_call_good_and_valid() {
    let signer = Signer::new();
    let cases: Vec<Case> = [crafted(&signer), damaged(&signer), issued_by_gpg(&signer)]
        .into_iter()
        .flatten()
        .collect();
    assert!(cases.len() >= 60);
    // One case is made to expire after a second.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let (gpg, ours) = compare(&signer, &signer.public, &cases);
    println!(
        "{} signatures: GnuPG accepts {gpg}, this module {ours}",
        cases.len()
    );
    assert!(ours >= 10, "only {ours} accepted");
    assert!(gpg < cases.len() && ours <= gpg);
}

/// Signed by the key's owner, and yet rPGP cannot read them: found by fuzzing.
#[test]
fn statements_that_are_cut_or_no_uri_are_refused() {
    let signer = Signer::new();
    let notation = [20, 0x80, 0, 0, 0, 0, 3, 0, 1, b'a', b'@', b'b', b'x'];
    let statement = |body: &[u8]| [&[u8::try_from(body.len()).unwrap()], body].concat();
    let text = |body: &[u8]| armored(&signer.craft_raw(CONTENT, 0, &statement(body)));
    let good = [
        &notation[..],
        b"\x1Ahttps://example.org",
        b"\x18hkp://example.org",
    ];
    for body in good {
        assert_eq!(reason(CONTENT, &text(body), &signer.public), Reason::Valid);
    }
    let with = |at: usize, octet: u8| {
        let mut changed = notation.to_vec();
        changed[at] = octet;
        changed
    };
    let bad = [
        notation[..12].to_vec(),
        notation[..4].to_vec(),
        with(1, 0x40),
        with(4, 1),
        with(5, 0xFF),
        with(8, 0),
        b"\x1Ahttps://\xFF".to_vec(),
        b"\x18hkp://\xFF".to_vec(),
        "\x18hkp://ǚ".into(),
    ];
    for body in bad {
        let said = reason(CONTENT, &text(&body), &signer.public);
        assert_eq!(said, Reason::MalformedSignature, "{body:?}");
    }
}

#[test]
fn nothing_passes_of_revoked_or_expired_keys() {
    for menu in 0..4 {
        let signer = Signer::new();
        let cases: Vec<Case> = crafted(&signer)
            .into_iter()
            .chain(issued_by_gpg(&signer))
            .collect();
        signer.gpg.revoke(&signer.fingerprint, menu);
        let public = PublicKey::from_armor(&signer.gpg.export(&signer.fingerprint)).unwrap();
        assert_eq!(compare(&signer, &public, &cases), (0, 0));
    }
    let signer = Signer::new();
    let text = signer.secret.sign(CONTENT, now()).unwrap();
    let args = [
        "--batch",
        "--passphrase",
        "",
        "--quick-set-expire",
        &signer.fingerprint,
        "seconds=2",
    ];
    signer.gpg.run(&args, b"");
    std::thread::sleep(std::time::Duration::from_secs(3));
    let public = PublicKey::from_armor(&signer.gpg.export(&signer.fingerprint)).unwrap();
    assert_eq!(
        compare(&signer, &public, &[case("expired key", CONTENT, text)]),
        (0, 0)
    );
    assert_eq!(public.usable_at(now()), Err(Reason::KeyExpired));
}
