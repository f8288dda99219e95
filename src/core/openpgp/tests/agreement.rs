//! `gpg`, rPGP and this module over one corpus. Nothing holds here that does not hold there; where
//! the others are laxer, the table says so and why.

use pgp::composed::{Deserializable as _, DetachedSignature, SignedPublicKey};

use super::*;

/// How many of a class a verifier accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    All,
    None,
    /// Some of them, or all: what it takes depends on the bit.
    Some,
}
use Takes::{All, None as Nothing, Some as Few};

/// Signatures that are good or bad for one reason.
struct Class {
    what: &'static str,
    cases: Vec<(Vec<u8>, String)>,
    key: String,
    gpg: Takes,
    rpgp: Takes,
    ours: Takes,
    /// Why the verdicts differ, where they do.
    why: &'static str,
}

fn contents(count: usize) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(|n| format!("content {n} {}", "x".repeat(n * 7)).into_bytes())
}

/// Signatures by the signer's own key over different contents.
fn signed(signer: &Signer, count: usize) -> Vec<(Vec<u8>, String)> {
    let sign = |content: Vec<u8>| {
        let text = signer.secret.sign(&content, now()).unwrap();
        (content, text)
    };
    contents(count).map(sign).collect()
}

fn over_content(texts: impl IntoIterator<Item = String>) -> Vec<(Vec<u8>, String)> {
    let texts = texts.into_iter();
    texts.map(|text| (CONTENT.to_vec(), text)).collect()
}

fn rpgp_takes(key: &str, content: &[u8], signature: &str) -> bool {
    let Ok((key, _)) = SignedPublicKey::from_string(key) else {
        return false;
    };
    let Ok((signature, _)) = DetachedSignature::from_string(signature) else {
        return false;
    };
    signature.verify(&key, content).is_ok()
}

fn we_take(key: &str, content: &[u8], signature: &str) -> bool {
    PublicKey::from_armor(key).is_ok_and(|key| verify(content, signature, &key, now()).valid)
}

impl Class {
    fn same(
        what: &'static str,
        cases: Vec<(Vec<u8>, String)>,
        signer: &Signer,
        takes: Takes,
    ) -> Self {
        Self {
            what,
            cases,
            key: signer.gpg.export(&signer.fingerprint),
            gpg: takes,
            rpgp: takes,
            ours: takes,
            why: "",
        }
    }

    fn but(self, gpg: Takes, rpgp: Takes, why: &'static str) -> Self {
        Self {
            gpg,
            rpgp,
            why,
            ..self
        }
    }

    fn check(&self) -> usize {
        let gpg = Gpg::new();
        gpg.run(&["--batch", "--import"], self.key.as_bytes());
        let (mut theirs, mut rpgp, mut ours) = (0, 0, 0);
        for (content, signature) in &self.cases {
            let status = gpg.verify(signature, content, &[]);
            let (good, held) = (
                status.good && status.valid,
                we_take(&self.key, content, signature),
            );
            theirs += usize::from(good);
            rpgp += usize::from(rpgp_takes(&self.key, content, signature));
            ours += usize::from(held);
            assert!(good || !held, "{}: accepted here, not by gpg", self.what);
        }
        let count = self.cases.len();
        println!(
            "| {} | {count} | {theirs} | {rpgp} | {ours} | {} |",
            self.what, self.why
        );
        for (who, taken, expected) in [
            ("gpg", theirs, self.gpg),
            ("rPGP", rpgp, self.rpgp),
            ("we", ours, self.ours),
        ] {
            let fits = match expected {
                All => taken == count,
                Nothing => taken == 0,
                Few => taken > 0,
            };
            assert!(
                fits,
                "{}: {who} took {taken} of {count}, not {expected:?}",
                self.what
            );
        }
        let agree = self.gpg == self.ours && self.rpgp == self.ours;
        assert_eq!(agree, self.why.is_empty(), "{}", self.what);
        count
    }
}

fn good_and_plainly_bad(signer: &Signer) -> Vec<Class> {
    let stranger = Signer::new();
    let others = signed(signer, 20)
        .into_iter()
        .map(|(_, text)| (b"other".to_vec(), text));
    let bytes = signature_bytes(&signer.secret.sign(CONTENT, now()).unwrap());
    let cuts = (0..bytes.len())
        .step_by(4)
        .map(|end| armored(&bytes[..end]));
    // Of the hashed part and of R and S, clear of the counts of their bits.
    let middles = (6..34)
        .chain(bytes.len() - 60..bytes.len() - 40)
        .chain(bytes.len() - 28..bytes.len());
    let flips = middles.map(|at| {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        armored(&flipped)
    });
    let by_gpg = ["SHA256", "SHA384", "SHA512"].map(|digest| {
        signer
            .gpg
            .sign(&signer.fingerprint, &["--digest-algo", digest], CONTENT)
    });
    vec![
        Class::same("signed here", signed(signer, 30), signer, All),
        Class::same("signed by gpg", over_content(by_gpg), signer, All),
        Class::same("of another key", signed(&stranger, 20), signer, Nothing),
        Class::same("of other content", others.collect(), signer, Nothing),
        Class::same("cut short", over_content(cuts), signer, Nothing),
        Class::same(
            "with a flipped bit where it counts",
            over_content(flips),
            signer,
            Nothing,
        ),
    ]
}

fn malleable(signer: &Signer) -> Vec<Class> {
    let text = signer.secret.sign(CONTENT, now()).unwrap();
    let bytes = signature_bytes(&text);
    // All bits: ours refuses each (see `tamper`); those that rPGP lets pass go to gpg as well.
    let flip = |bit: usize| {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        armored(&flipped)
    };
    let key = signer.public.to_armor();
    let passed: Vec<String> = (0..bytes.len() * 8)
        .map(flip)
        .filter(|text| rpgp_takes(&key, CONTENT, text))
        .collect();
    println!(
        "{} flips: rPGP takes {}, this module none",
        bytes.len() * 8,
        passed.len()
    );
    let unprotected = "a signature does not protect its own frame, unhashed part and bit counts";
    vec![
        Class::same(
            "with a flipped bit that rPGP lets pass",
            over_content(passed),
            signer,
            Nothing,
        )
        .but(Few, All, unprotected),
    ]
}

fn out_of_time(signer: &Signer) -> Vec<Class> {
    let expired = (2..8).map(|seconds| {
        let text = signer.craft(CONTENT, |config| {
            let past = u32::try_from(signer.public.created_at_secs()).unwrap();
            let time = SubpacketData::SignatureCreationTime(Timestamp::from_secs(past));
            config.hashed_subpackets[1] = regular(time);
            let life = pgp::types::Duration::from_secs(1);
            config
                .hashed_subpackets
                .push(regular(SubpacketData::SignatureExpirationTime(life)));
            let note = SubpacketData::PolicyURI(format!("https://example.org/{seconds}"));
            config.unhashed_subpackets.push(regular(note));
        });
        armored(&text)
    });
    let ignores = "rPGP checks the mathematics and leaves expiry to its caller";
    let mut classes = vec![
        Class::same("expired", over_content(expired), signer, Nothing).but(Nothing, All, ignores),
    ];
    let home = Gpg::new();
    let then = now() - 90_000;
    let fake = format!("{then}!");
    let options = ["--passphrase", "", "--faked-system-time", &fake];
    let print = home.make_key_with(&options, NAME, "ed25519", "sign", "seconds=40000");
    let sign = |content: Vec<u8>| {
        let text = home.sign(&print, &["--faked-system-time", &fake], &content);
        (content, text)
    };
    classes.push(Class {
        what: "of an expired key",
        cases: contents(6).map(sign).collect(),
        key: home.export(&print),
        gpg: Nothing,
        rpgp: All,
        ours: Nothing,
        why: ignores,
    });
    classes
}

fn revoked() -> Vec<Class> {
    let kinds = [
        (1, "of a key revoked as compromised"),
        (2, "of a key revoked as superseded"),
        (3, "of a key revoked as retired"),
    ];
    let why = "gpg says REVKEYSIG and exits with 0, so its status lines are read; rPGP does not look at revocations";
    kinds
        .map(|(menu, what)| {
            let signer = Signer::new();
            let cases = signed(&signer, 10);
            signer.gpg.revoke(&signer.fingerprint, menu);
            Class::same(what, cases, &signer, Nothing).but(Nothing, All, why)
        })
        .into()
}

fn other_algorithms() -> Vec<Class> {
    let kinds = [
        ("rsa2048", "by an RSA key"),
        ("nistp256", "by an ECDSA key"),
    ];
    kinds
        .map(|(algorithm, what)| {
            let home = Gpg::new();
            let print = home.make_key(NAME, algorithm, "sign", "1y");
            let sign = |content: Vec<u8>| {
                let text = home.sign(&print, &[], &content);
                (content, text)
            };
            Class {
                what,
                cases: contents(5).map(sign).collect(),
                key: home.export(&print),
                gpg: All,
                rpgp: All,
                ours: Nothing,
                why: "one algorithm is used here, and no other is accepted",
            }
        })
        .into()
}

/// The newer version, whose bytes `gpg` 2.2 cannot read.
fn version_6(signer: &Signer) -> Class {
    let bytes = signature_bytes(&signer.secret.sign(CONTENT, now()).unwrap());
    let (packet, _) = packet::take(&bytes).unwrap();
    let with = |version: u8| {
        let mut body = packet.body.to_vec();
        body[0] = version;
        armored(&packet::frame(packet::tag::SIGNATURE, &body))
    };
    let texts = [0, 1, 2, 3, 5, 6, 7, 255].map(with);
    Class::same("of another version", over_content(texts), signer, Nothing)
}

fn armor_tricks(signer: &Signer) -> Vec<Class> {
    let text = signer.secret.sign(CONTENT, now()).unwrap();
    let body = text.lines().nth(2).unwrap();
    let lax = [
        text.replacen("\n\n", "\nComment: x\n\n", 1),
        text.replacen("\n\n", "\nVersion: GnuPG v2\n\n", 1),
        text.replacen("\n\n", "\nHash: SHA512\n\n", 1),
        text.replace(body, &format!("{}\n{}", &body[..20], &body[20..])),
        format!("\n{text}"),
        format!("a note before\n{text}"),
        text.replace("SIGNATURE", "MESSAGE"),
    ];
    let broken = [
        text.replace("SIGNATURE", "signature"),
        text.replace("-----BEGIN", "----BEGIN"),
        text.replace(body, &body[..20]),
        text.replace(body, ""),
        text.replace(body, &body.replace(char::is_alphanumeric, "!")),
        String::new(),
        "-----BEGIN PGP SIGNATURE-----".to_owned(),
    ];
    let why =
        "one spelling of the armor is accepted here, so that not one character can be changed";
    vec![
        Class::same("in another armor", over_content(lax), signer, Nothing).but(Few, Few, why),
        Class::same("in a broken armor", over_content(broken), signer, Nothing),
    ]
}

#[test]
fn gpg_rpgp_and_we_agree_or_the_table_says_why_not() {
    let signer = Signer::new();
    let mut classes = good_and_plainly_bad(&signer);
    classes.extend(out_of_time(&signer));
    classes.extend(malleable(&signer));
    classes.extend(revoked());
    classes.extend(other_algorithms());
    classes.push(version_6(&signer));
    classes.extend(armor_tricks(&signer));
    println!("| signatures | count | gpg | rPGP | here | why they differ |");
    let count: usize = classes.iter().map(Class::check).sum();
    println!("{count} signatures in {} classes", classes.len());
    assert!(count >= 200, "{count}");
}
