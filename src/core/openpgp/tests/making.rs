//! Keys made here, and revoked here, as `gpg` sees them.

use super::*;
use crate::testing::FakeEntropy;

fn made() -> SigningKey {
    let text = make_key(NAME, now() - 60, &FakeEntropy::default()).unwrap();
    SigningKey::from_armor(&text, None).unwrap()
}

#[test]
fn gpg_takes_a_key_made_here_and_its_signatures() {
    let key = made();
    assert_eq!(key.public_key().user_id(), NAME);
    assert_eq!(key.public_key().expires_at_secs(), None);
    let gpg = Gpg::new();
    gpg.run(&["--batch", "--import"], key.public_key_armor().as_bytes());
    let listing = gpg.run(&["--batch", "--with-colons", "--list-keys"], b"");
    assert!(
        listing.contains(&format!("fpr:::::::::{}:", key.fingerprint())),
        "{listing}"
    );
    let signature = key.sign(CONTENT, now()).unwrap();
    let status = gpg.verify(&signature, CONTENT, &[]);
    assert!(status.good && status.valid);
    assert_eq!(reason(CONTENT, &signature, key.public_key()), Reason::Valid);
}

#[test]
fn gpg_takes_the_private_half_and_signs_with_it() {
    let text = make_key(NAME, now() - 60, &FakeEntropy::default()).unwrap();
    let key = SigningKey::from_armor(&text, None).unwrap();
    let gpg = Gpg::new();
    gpg.run(&["--batch", "--import"], text.as_bytes());
    let signature = gpg.sign(&key.fingerprint(), &[], CONTENT);
    assert_eq!(reason(CONTENT, &signature, key.public_key()), Reason::Valid);
}

#[test]
fn no_two_keys_are_alike_and_none_is_made_without_entropy() {
    let entropy = FakeEntropy::default();
    let texts: Vec<_> = (0..20)
        .map(|_| make_key(NAME, now(), &entropy).unwrap())
        .collect();
    let prints = texts
        .iter()
        .map(|text| SigningKey::from_armor(text, None).unwrap().fingerprint());
    assert_eq!(prints.collect::<std::collections::BTreeSet<_>>().len(), 20);
    assert!(make_key(NAME, now(), &FakeEntropy::broken()).is_err());
    assert!(make_key(NAME, 1 << 33, &entropy).is_err());
}

#[test]
fn a_revocation_made_here_is_seen_by_gpg_and_by_this_module() {
    for (kind, refused) in [
        (Revocation::Retired, Reason::KeyRetired),
        (Revocation::Superseded, Reason::KeySuperseded),
        (Revocation::Hard, Reason::KeyRevoked),
    ] {
        let key = made();
        let signature = key.sign(CONTENT, now()).unwrap();
        let revoked = key
            .revoke(key.public_key(), kind, "drill: no harm done", now())
            .unwrap();
        assert_eq!(revoked.revocation(), Some(kind));
        let published = PublicKey::from_armor(&revoked.to_armor()).unwrap();
        assert_eq!(reason(CONTENT, &signature, &published), refused);
        // What is known to be older by other means.
        let before = published.before_revocation().unwrap();
        assert_eq!(
            (before.fingerprint(), before.revocation()),
            (key.fingerprint(), None)
        );
        assert_eq!(reason(CONTENT, &signature, &before), Reason::Valid);

        let gpg = Gpg::new();
        gpg.run(&["--batch", "--import"], revoked.to_armor().as_bytes());
        let status = gpg.verify(&signature, CONTENT, &[]);
        assert!(
            !status.good && status.valid,
            "{kind:?}: REVKEYSIG with VALIDSIG"
        );
    }
}

#[test]
fn a_later_and_harder_revocation_stands_beside_a_soft_one() {
    let key = made();
    let soft = key
        .revoke(key.public_key(), Revocation::Retired, "", now())
        .unwrap();
    let hard = key
        .revoke(&soft, Revocation::Hard, "stolen", now())
        .unwrap();
    assert_eq!(hard.revocation(), Some(Revocation::Hard));
    assert_eq!(hard.before_revocation().unwrap().revocation(), None);
}

#[test]
fn a_key_revokes_itself_alone() {
    let (key, other) = (made(), Signer::new());
    assert!(
        key.revoke(&other.public, Revocation::Hard, "", now())
            .is_err()
    );
    assert!(key.public_key().has(&key.fingerprint()));
    assert!(!key.public_key().has(&other.fingerprint));
}
