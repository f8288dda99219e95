//! Replies of real authorities: what we find, and what `openssl ts -verify` finds.

use super::super::{StampError, TimestampRequest, TrustAnchors, TrustError, verify};
use super::authority::{Authority, Made, P256, RSA, p256};
use super::{DATA, request};
use crate::chain::hash::Hash;

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

#[test]
fn good_stamps_of_all_kinds_of_keys_hold() {
    let p384: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
    for made in [
        RSA,
        P256,
        Made {
            digest: "sha512",
            ..RSA
        },
        Made {
            certificate_hash: "sha1",
            intermediate: true,
            ..P256
        },
        Made {
            key: p384,
            digest: "sha384",
            certificate_hash: "sha512",
            ..RSA
        },
    ] {
        let authority = Authority::make(&made);
        let query = request().to_der();
        let before_ms = now_ms();
        let reply = authority.reply(&query);
        let nonce = *request().nonce();
        let stamp = verify(&reply, &Hash::of(DATA), Some(&nonce), &authority.anchors());
        let stamp = stamp.unwrap_or_else(|error| panic!("{made:?}: {error}"));
        assert_eq!(stamp.authority, "Example tsa");
        assert_eq!(stamp.accuracy_ms, Some(1_501));
        assert_eq!(stamp.policy, "1.2.3.4.1");
        assert!(!stamp.serial.is_empty());
        assert!(
            (before_ms - 1..=now_ms()).contains(&stamp.time_ms),
            "{stamp:?}"
        );
        assert!(authority.openssl_accepts(&query, &reply), "{made:?}");
    }
}

/// Refused by us with `expected`, and by openssl.
fn both_refuse(authority: &Authority, reply: &[u8], expected: &StampError) {
    let query = request();
    let verdict = verify(
        reply,
        &query.hash,
        Some(query.nonce()),
        &authority.anchors(),
    );
    assert_eq!(verdict.as_ref(), Err(expected));
    assert!(
        !authority.openssl_accepts(&query.to_der(), reply),
        "{expected}"
    );
}

#[test]
fn a_stamp_of_something_else_is_refused() {
    let authority = &p256();
    let nonce = *request().nonce();
    let other = TimestampRequest::new(Hash::of(b"other"), nonce);
    both_refuse(
        authority,
        &authority.reply(&other.to_der()),
        &StampError::OtherData,
    );
    let again = TimestampRequest::new(Hash::of(DATA), [7; 8]);
    both_refuse(
        authority,
        &authority.reply(&again.to_der()),
        &StampError::OtherRequest,
    );
}

#[test]
fn an_authority_that_is_not_trusted_is_refused() {
    let other = Authority::make(&P256);
    let reply = other.reply(&request().to_der());
    // Its root has the same name as ours, and another key.
    let cause = StampError::NotTrusted("InvalidSignatureForPublicKey".into());
    both_refuse(&p256(), &reply, &cause);
}

#[test]
fn a_certificate_for_anything_else_is_refused() {
    let genuine = p256();
    for usage in [
        "extendedKeyUsage=timeStamping",
        "extendedKeyUsage=critical,timeStamping,codeSigning",
        "extendedKeyUsage=critical,codeSigning",
        "basicConstraints=CA:FALSE",
    ] {
        let authority = Authority::make(&Made { usage, ..P256 });
        let good = genuine.reply(&request().to_der());
        let reply = authority.sign_anew(&good);
        both_refuse(&authority, &reply, &StampError::WrongUsage);
    }
    // The same way of signing anew, with the right usage, holds.
    let authority = Authority::make(&P256);
    let reply = authority.sign_anew(&genuine.reply(&request().to_der()));
    let stamp = verify(&reply, &Hash::of(DATA), None, &authority.anchors());
    assert_eq!(stamp.unwrap().authority, "Example tsa");
    assert!(authority.openssl_accepts(&request().to_der(), &reply));
}

#[test]
fn an_expired_certificate_is_refused() {
    let authority = Authority::make(&Made {
        years: ["2020", "2021"],
        ..P256
    });
    let reply = authority.reply(&request().to_der());
    let query = request();
    let verdict = verify(&reply, &query.hash, None, &authority.anchors());
    let Err(StampError::NotTrusted(cause)) = verdict else {
        panic!("{verdict:?}")
    };
    assert!(cause.contains("CertExpired"), "{cause}");
    assert!(!authority.openssl_accepts(&query.to_der(), &reply));
}

#[test]
fn without_its_certificate_a_stamp_is_refused() {
    let authority = p256();
    // The same query, but no certificate asked for.
    let mut query = request().to_der();
    query.truncate(query.len() - 3);
    query[1] -= 3;
    both_refuse(
        &authority,
        &authority.reply(&query),
        &StampError::NoCertificate,
    );
}

#[test]
fn a_refusal_says_why() {
    let authority = p256();
    // A hash function that the authority does not take.
    let mut query = request().to_der();
    let sha256 = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
    let at = query.windows(9).position(|part| part == sha256).unwrap();
    query[at + 8] = 8;
    let reply = authority.reply(&query);
    let verdict = verify(&reply, &Hash::of(DATA), None, &authority.anchors());
    let Err(StampError::Refused { status: 2, reason }) = verdict else {
        panic!("{verdict:?}")
    };
    assert!(!reason.is_empty());
}

#[test]
fn trust_anchors_are_read_from_pem() {
    let pem = String::from_utf8(p256().read("root.pem")).unwrap();
    assert!(TrustAnchors::from_pem(&format!("# ours\n{pem}\n{pem}")).is_ok());
    assert_eq!(TrustAnchors::from_pem("").unwrap_err(), TrustError::Pem);
    assert_eq!(
        TrustAnchors::from_pem(&pem.repeat(17)).unwrap_err(),
        TrustError::Pem
    );
    let broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let error = TrustAnchors::from_pem(&format!("{pem}{broken}")).unwrap_err();
    assert!(
        matches!(error, TrustError::Certificate { number: 2, .. }),
        "{error}"
    );
}
