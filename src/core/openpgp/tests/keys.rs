//! Which keys are read, and what they are allowed.

use super::*;

fn public(gpg: &Gpg, fingerprint: &str) -> PublicKey {
    PublicKey::from_armor(&gpg.export(fingerprint)).unwrap()
}

#[test]
fn revoked_keys_are_refused_each_for_its_reason() {
    let cases = [
        (0, Revocation::Hard, Reason::KeyRevoked),
        (1, Revocation::Hard, Reason::KeyRevoked),
        (2, Revocation::Superseded, Reason::KeySuperseded),
        (3, Revocation::Retired, Reason::KeyRetired),
    ];
    for (menu, revocation, expected) in cases {
        let signer = Signer::new();
        let text = signer.secret.sign(CONTENT, now()).unwrap();
        signer.gpg.revoke(&signer.fingerprint, menu);
        let revoked = public(&signer.gpg, &signer.fingerprint);
        assert_eq!(revoked.revocation(), Some(revocation));
        assert_eq!(revoked.usable_at(now()), Err(expected));
        assert_eq!(reason(CONTENT, &text, &revoked), expected);
        assert_eq!(reason(b"other", &text, &revoked), Reason::BadSignature);
        assert!(!signer.gpg.verify(&text, CONTENT, &[]).good);
        let secret = signer.gpg.export_secret(&signer.fingerprint);
        assert_eq!(
            SigningKey::from_armor(&secret, None).unwrap_err(),
            KeyError::CannotSign
        );
    }
}

#[test]
fn a_revoked_subkey_is_refused_while_its_primary_lives() {
    let gpg = Gpg::new();
    let fingerprint = gpg.make_key(NAME, "ed25519", "sign", "1y");
    gpg.add_subkey(&fingerprint, "ed25519", "sign");
    let secret = SigningKey::from_armor(&gpg.export_secret(&fingerprint), None).unwrap();
    let text = secret.sign(CONTENT, now()).unwrap();
    let answers = "key 1\nrevkey\ny\n1\n\ny\nsave\n";
    gpg.run(
        &[
            "--command-fd",
            "0",
            "--passphrase",
            "",
            "--edit-key",
            &fingerprint,
        ],
        answers.as_bytes(),
    );
    let revoked = public(&gpg, &fingerprint);
    assert_eq!(revoked.revocation(), None);
    assert_eq!(revoked.usable_at(now()), Ok(()));
    assert_eq!(reason(CONTENT, &text, &revoked), Reason::KeyRevoked);
    assert!(!gpg.verify(&text, CONTENT, &[]).good);
    let again = SigningKey::from_armor(&gpg.export_secret(&fingerprint), None).unwrap();
    assert_eq!(again.fingerprint(), fingerprint);
}

#[test]
fn expiry_and_dates_are_held_to() {
    let signer = Signer::new();
    let created = signer.public.created_at_secs();
    let expires = signer.public.expires_at_secs().unwrap();
    let at = |bytes: &[u8], time| verify(CONTENT, &armored(bytes), &signer.public, time).reason;
    let text = signer.secret.sign(CONTENT, now()).unwrap();
    let bytes = signature_bytes(&text);
    let stamp = verify(CONTENT, &text, &signer.public, now())
        .signed_at
        .unwrap();
    assert_eq!(at(&bytes, expires - 1), Reason::Valid);
    assert_eq!(at(&bytes, expires), Reason::KeyExpired);
    assert_eq!(at(&bytes, stamp - CLOCK_SKEW_SECS), Reason::Valid);
    assert_eq!(
        at(&bytes, created - CLOCK_SKEW_SECS - 1),
        Reason::KeyNotYetValid
    );
    assert_eq!(
        signer.secret.sign(CONTENT, expires).unwrap_err(),
        SignError::Refused(Reason::KeyExpired)
    );
    assert_eq!(
        signer.secret.sign(CONTENT, created - 1).unwrap_err(),
        SignError::Refused(Reason::SignedBeforeKey)
    );
    assert_eq!(
        signer.secret.sign(CONTENT, u64::MAX).unwrap_err(),
        SignError::Time
    );
    let future = signer.secret.sign(CONTENT, now() + 1000).unwrap();
    assert_eq!(
        reason(CONTENT, &future, &signer.public),
        Reason::SignedInFuture
    );
    let short = signer.craft(CONTENT, |config| {
        let ten = pgp::types::Duration::from_secs(10);
        config
            .hashed_subpackets
            .push(regular(SubpacketData::SignatureExpirationTime(ten)));
    });
    let stamp = verify(CONTENT, &armored(&short), &signer.public, now())
        .signed_at
        .unwrap();
    assert_eq!(at(&short, stamp + 9), Reason::Valid);
    assert_eq!(at(&short, stamp + 10), Reason::SignatureExpired);
}

#[test]
fn a_renewed_expiry_counts_and_a_shortened_one_too() {
    let signer = Signer::new();
    for (expiry, days) in [("3y", 3 * 365), ("2d", 2)] {
        // Self-signatures have a resolution of one second.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let args = [
            "--batch",
            "--passphrase",
            "",
            "--quick-set-expire",
            &signer.fingerprint,
            expiry,
        ];
        signer.gpg.run(&args, b"");
        let expires = public(&signer.gpg, &signer.fingerprint)
            .expires_at_secs()
            .unwrap();
        assert!(
            expires.abs_diff(now() + days * 86_400) < 2 * 86_400,
            "{expiry}"
        );
    }
}

#[test]
fn a_key_without_the_signing_flag_is_refused() {
    let gpg = Gpg::new();
    let fingerprint = gpg.make_key(NAME, "ed25519", "cert", "1y");
    assert_eq!(
        public(&gpg, &fingerprint).usable_at(now()),
        Err(Reason::KeyCannotSign)
    );
    let secret = gpg.export_secret(&fingerprint);
    assert_eq!(
        SigningKey::from_armor(&secret, None).unwrap_err(),
        KeyError::CannotSign
    );
}

#[test]
fn other_algorithms_and_other_blocks_are_named_with_a_way_out() {
    let gpg = Gpg::new();
    for (algorithm, usage, name) in [("rsa2048", "sign", "RSA"), ("nistp256", "sign", "ECDSA")] {
        let fingerprint = gpg.make_key(&format!("{name} <a@example.org>"), algorithm, usage, "1y");
        let refusal = KeyError::Algorithm(name.into());
        assert!(refusal.to_string().contains("gpg --quick-generate-key"));
        assert_eq!(
            PublicKey::from_armor(&gpg.export(&fingerprint)).unwrap_err(),
            refusal
        );
        let secret = gpg.export_secret(&fingerprint);
        assert_eq!(SigningKey::from_armor(&secret, None).unwrap_err(), refusal);
    }
    let signer = Signer::new();
    let public_text = signer.gpg.export(&signer.fingerprint);
    let secret_text = signer.gpg.export_secret(&signer.fingerprint);
    assert_eq!(
        PublicKey::from_armor(&secret_text).unwrap_err(),
        KeyError::PrivateKeyGiven
    );
    assert_eq!(
        SigningKey::from_armor(&public_text, None).unwrap_err(),
        KeyError::PublicKeyGiven
    );
    assert_eq!(
        PublicKey::from_armor("hello").unwrap_err(),
        KeyError::NotArmored
    );
    let two = format!("{public_text}{public_text}");
    assert_eq!(
        PublicKey::from_armor(&two).unwrap_err(),
        KeyError::SeveralKeys
    );
    let large = "x".repeat(MAX_KEY_TEXT_BYTES + 1);
    assert_eq!(
        PublicKey::from_armor(&large).unwrap_err(),
        KeyError::TooLarge
    );
    assert_eq!(
        SigningKey::from_armor(&large, None).unwrap_err(),
        KeyError::TooLarge
    );
    assert_eq!(
        reason(CONTENT, &public_text, &signer.public),
        Reason::NotASignature
    );
    let commented = public_text.replacen("\n\n", "\nComment: mine\n\n", 1);
    assert!(PublicKey::from_armor(&format!("\n {commented}\n")).is_ok());
}

#[test]
fn signatures_of_other_kinds_are_refused_for_what_they_are() {
    let signer = Signer::new();
    let key = &signer.public;
    let stranger = Signer::new();
    let wrong = stranger.secret.sign(CONTENT, now()).unwrap();
    assert_eq!(reason(CONTENT, &wrong, key), Reason::WrongKey);
    let clear = signer
        .gpg
        .sign(&signer.fingerprint, &["--clear-sign"], CONTENT);
    assert_eq!(reason(CONTENT, &clear, key), Reason::CleartextSigned);
    let inline = signer.gpg.sign(&signer.fingerprint, &["--sign"], CONTENT);
    assert_eq!(reason(CONTENT, &inline, key), Reason::NotASignature);
    let text = signer
        .gpg
        .sign(&signer.fingerprint, &["--textmode"], CONTENT);
    assert_eq!(reason(CONTENT, &text, key), Reason::UnsupportedType);
    let rsa = signer
        .gpg
        .make_key("RSA <r@example.org>", "rsa2048", "sign", "1y");
    let rsa = signer.gpg.sign(&rsa, &[], CONTENT);
    assert_eq!(reason(CONTENT, &rsa, key), Reason::UnsupportedAlgorithm);
    let good = signature_bytes(&signer.secret.sign(CONTENT, now()).unwrap());
    for (at, value, expected) in [
        (2, 3, Reason::UnsupportedVersion),
        (2, 6, Reason::UnsupportedVersion),
        (4, 27, Reason::UnsupportedAlgorithm),
        (5, 2, Reason::UnsupportedHash),
        (5, 11, Reason::UnsupportedHash),
    ] {
        let mut bytes = good.clone();
        bytes[at] = value;
        assert_eq!(reason(CONTENT, &armored(&bytes), key), expected);
    }
}

#[test]
fn issuer_and_subpacket_rules() {
    let signer = Signer::new();
    let of = |change: fn(&mut SignatureConfig)| {
        reason(
            CONTENT,
            &armored(&signer.craft(CONTENT, change)),
            &signer.public,
        )
    };
    assert_eq!(of(|_| {}), Reason::Valid);
    assert_eq!(
        of(|c| drop(c.hashed_subpackets.remove(0))),
        Reason::NoIssuer
    );
    assert_eq!(
        of(|c| drop(c.hashed_subpackets.remove(1))),
        Reason::MalformedSignature
    );
    assert_eq!(of(|c| c.unhashed_subpackets.clear()), Reason::NotCanonical);
    let policy = || SubpacketData::PolicyURI("https://example.org/".into());
    assert_eq!(
        of(|c| c
            .unhashed_subpackets
            .push(regular(SubpacketData::PolicyURI("x".into())))),
        Reason::NotCanonical
    );
    let with = |sub: Subpacket| {
        let bytes = signer.craft(CONTENT, |c| c.hashed_subpackets.push(sub));
        reason(CONTENT, &armored(&bytes), &signer.public)
    };
    assert_eq!(with(regular(policy())), Reason::Valid);
    assert_eq!(
        with(Subpacket::critical(policy()).unwrap()),
        Reason::UnsupportedSubpacket
    );
    assert_eq!(
        with(regular(SubpacketData::IsPrimary(true))),
        Reason::UnsupportedSubpacket
    );
    let stranger = pgp::types::KeyId::from([7; 8]);
    assert_eq!(
        with(regular(SubpacketData::IssuerKeyId(stranger))),
        Reason::IssuerMismatch
    );
    let twice = SubpacketData::SignatureCreationTime(Timestamp::from_secs(5));
    assert_eq!(with(regular(twice)), Reason::MalformedSignature);
}

/// A version 6 key and signature made by rPGP: the format `gpg` 2.2 cannot read.
#[test]
fn version_6_keys_and_signatures_are_refused() {
    use pgp::crypto::ed25519::{Mode, SecretKey as Seed};
    use pgp::packet::{PubKeyInner, PublicKey as Packet};
    use pgp::types::{
        Ed25519PublicParams, KeyVersion, PlainSecretParams, PublicParams, SecretParams,
    };

    let seed = Seed::try_from_bytes([9; 32], Mode::Ed25519).unwrap();
    let params = PublicParams::Ed25519(Ed25519PublicParams::from(&seed));
    let algorithm = PublicKeyAlgorithm::Ed25519;
    let inner = PubKeyInner::new(
        KeyVersion::V6,
        algorithm,
        Timestamp::from_secs(1_700_000_000),
        None,
        params,
    )
    .unwrap();
    let public = Packet::from_inner(inner).unwrap();
    let secret = SecretParams::Plain(PlainSecretParams::Ed25519(seed));
    let key = SecretKey::new(public.clone(), secret).unwrap();
    let mut config = SignatureConfig::v6_with_salt(
        SignatureType::Binary,
        algorithm,
        HashAlgorithm::Sha256,
        vec![1; 16],
    );
    config.hashed_subpackets = vec![
        regular(SubpacketData::IssuerFingerprint(key.fingerprint())),
        regular(SubpacketData::SignatureCreationTime(Timestamp::from_secs(
            1_700_000_001,
        ))),
    ];
    let mut signature = Vec::new();
    let packet = config.sign(&key, &Password::empty(), CONTENT).unwrap();
    packet.to_writer_with_header(&mut signature).unwrap();
    let signer = Signer::new();
    assert_eq!(
        reason(CONTENT, &armored(&signature), &signer.public),
        Reason::UnsupportedVersion
    );
    let mut block = Vec::new();
    public.to_writer_with_header(&mut block).unwrap();
    let text = armor::encode(Kind::PublicKey, &block);
    assert_eq!(
        PublicKey::from_armor(&text).unwrap_err(),
        KeyError::Version(6)
    );
}

/// Whatever bit of a key block flips, the key is refused or says the same as before.
#[test]
fn no_flipped_bit_of_a_revoked_key_makes_it_usable() {
    let signer = Signer::new();
    let text = signer.secret.sign(CONTENT, now()).unwrap();
    signer.gpg.revoke(&signer.fingerprint, 1);
    let bytes =
        armor::decode_key(&signer.gpg.export(&signer.fingerprint), Kind::PublicKey).unwrap();
    // Every bit of the primary key and the revocation behind it, a sample of the rest.
    let (_, after_primary) = packet::take(&bytes).unwrap();
    let (_, after_revocation) = packet::take(after_primary).unwrap();
    let dense = (bytes.len() - after_revocation.len()) * 8;
    for bit in (0..dense).chain((dense..bytes.len() * 8).step_by(11)) {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(key) = PublicKey::from_armor(&armor::encode(Kind::PublicKey, &flipped)) {
            assert_ne!(reason(CONTENT, &text, &key), Reason::Valid, "bit {bit}");
        }
    }
}
