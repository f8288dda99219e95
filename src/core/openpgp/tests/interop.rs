//! Signatures cross between this module and `gpg` in both directions.

use super::gpg::Status;
use super::*;

const GOOD: Status = Status {
    good: true,
    valid: true,
};

#[test]
fn gpg_calls_our_signatures_good_and_valid() {
    let signer = Signer::new();
    let long = vec![0xA5; 300_000];
    for content in [CONTENT, b"", b"\r\n \n", &long] {
        let text = signer.secret.sign(content, now()).unwrap();
        assert_eq!(signer.gpg.verify(&text, content, &[]), GOOD);
        let verdict = verify(content, &text, &signer.public, now());
        assert_eq!(verdict.reason, Reason::Valid);
        assert_eq!(
            verdict.fingerprint.as_deref(),
            Some(signer.fingerprint.as_str())
        );
        assert_eq!(verdict.key_id.as_deref(), signer.fingerprint.get(24..));
        assert!(verdict.signed_at.unwrap() <= now());
        assert!(!signer.gpg.verify(&text, b"other content", &[]).good);
        assert_eq!(
            reason(b"other content", &text, &signer.public),
            Reason::BadSignature
        );
    }
}

/// 40 signatures, so that short R and S (leading zero octets or bits) occur.
#[test]
fn our_bytes_are_those_gpg_would_write_but_for_the_packet_frame() {
    let signer = Signer::new();
    let time = now() + 10;
    let fake = format!("{time}!");
    let options = ["--digest-algo", "SHA512", "--faked-system-time", &fake];
    for number in 0..40 {
        let content = format!("content {number}");
        let theirs = signature_bytes(&signer.gpg.sign(
            &signer.fingerprint,
            &options,
            content.as_bytes(),
        ));
        let ours = signature_bytes(&signer.secret.sign(content.as_bytes(), time).unwrap());
        let (theirs, _) = packet::take(&theirs).unwrap();
        let (ours, _) = packet::take(&ours).unwrap();
        assert_eq!(ours, theirs);
    }
}

#[test]
fn we_accept_what_gpg_signs_with_each_sound_digest() {
    let signer = Signer::new();
    for digest in ["SHA256", "SHA384", "SHA512"] {
        let text = signer
            .gpg
            .sign(&signer.fingerprint, &["--digest-algo", digest], CONTENT);
        assert_eq!(signer.gpg.verify(&text, CONTENT, &[]), GOOD);
        assert_eq!(
            reason(CONTENT, &text, &signer.public),
            Reason::Valid,
            "{digest}"
        );
        let crlf = text.replace('\n', "\r\n");
        assert_eq!(reason(CONTENT, &crlf, &signer.public), Reason::Valid);
        assert_eq!(
            reason(CONTENT, text.trim_end(), &signer.public),
            Reason::Valid
        );
    }
}

#[test]
fn we_accept_the_issuer_key_id_among_the_signed_subpackets() {
    let signer = Signer::new();
    let bytes = signer.craft(CONTENT, |config| {
        config
            .hashed_subpackets
            .append(&mut config.unhashed_subpackets);
    });
    assert_eq!(signer.gpg.verify(&armored(&bytes), CONTENT, &[]), GOOD);
    assert_eq!(
        reason(CONTENT, &armored(&bytes), &signer.public),
        Reason::Valid
    );
}

#[test]
fn signing_is_deterministic_and_the_public_half_imports_into_a_new_home() {
    let signer = Signer::new();
    let time = now();
    let text = signer.secret.sign(CONTENT, time).unwrap();
    assert_eq!(text, signer.secret.sign(CONTENT, time).unwrap());
    assert_eq!(signer.secret.fingerprint(), signer.fingerprint);
    let armor = signer.secret.public_key_armor();
    let other = Gpg::new();
    other.run(&["--batch", "--import"], armor.as_bytes());
    assert_eq!(other.verify(&text, CONTENT, &[]), GOOD);
    let public = PublicKey::from_armor(&armor).unwrap();
    assert_eq!(public.user_id(), NAME);
    assert_eq!(public.fingerprint(), signer.public.fingerprint());
    assert_eq!(public.expires_at_secs(), signer.public.expires_at_secs());
    assert!(public.expires_at_secs().unwrap() > time + 300 * 86_400);
}

#[test]
fn a_signing_subkey_is_preferred_and_works_without_the_primary_secret() {
    let gpg = Gpg::new();
    let fingerprint = gpg.make_key(NAME, "ed25519", "sign", "1y");
    gpg.add_subkey(&fingerprint, "cv25519", "encr");
    gpg.add_subkey(&fingerprint, "ed25519", "sign");
    let public = PublicKey::from_armor(&gpg.export(&fingerprint)).unwrap();
    let whole = gpg.export_secret(&fingerprint);
    let offline = gpg.export_secret_with("--export-secret-subkeys", &fingerprint, "");
    for text in [whole, offline] {
        let secret = SigningKey::from_armor(&text, None).unwrap();
        assert_ne!(secret.fingerprint(), fingerprint);
        assert_eq!(secret.public_key().fingerprint(), fingerprint);
        let signature = secret.sign(CONTENT, now()).unwrap();
        assert_eq!(gpg.verify(&signature, CONTENT, &[]), GOOD);
        assert_eq!(reason(CONTENT, &signature, &public), Reason::Valid);
        assert_eq!(
            reason(CONTENT, &signature, secret.public_key()),
            Reason::Valid
        );
    }
}

#[test]
fn a_protected_key_opens_with_its_passphrase_only() {
    let gpg = Gpg::new();
    let secret = "correct horse";
    let fingerprint = gpg.make_key_with(&["--passphrase", secret], NAME, "ed25519", "sign", "1y");
    let text = gpg.export_secret_with("--export-secret-keys", &fingerprint, secret);
    assert_eq!(
        SigningKey::from_armor(&text, None).unwrap_err(),
        KeyError::PassphraseNeeded
    );
    assert_eq!(
        SigningKey::from_armor(&text, Some("wrong")).unwrap_err(),
        KeyError::WrongPassphrase
    );
    let key = SigningKey::from_armor(&text, Some(secret)).unwrap();
    let signature = key.sign(CONTENT, now()).unwrap();
    assert_eq!(gpg.verify(&signature, CONTENT, &[]), GOOD);
}

#[test]
fn debug_shows_the_fingerprint_and_nothing_else() {
    let signer = Signer::new();
    let shown = format!("{:?}", signer.secret);
    assert_eq!(
        shown,
        format!("SigningKey {{ fingerprint: {:?}, .. }}", signer.fingerprint)
    );
}

#[test]
fn verdicts_serialise_with_snake_case_reasons() {
    let signer = Signer::new();
    let text = signer.secret.sign(CONTENT, now()).unwrap();
    let verdict = verify(b"other", &text, &signer.public, now());
    let json = serde_json::to_value(&verdict).unwrap();
    assert_eq!(json["valid"], false);
    assert_eq!(json["reason"], "bad_signature");
    assert_eq!(serde_json::from_value::<Verdict>(json).unwrap(), verdict);
}
