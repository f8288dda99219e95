//! No changed byte passes.

use super::*;

#[test]
fn every_flipped_bit_is_refused() {
    let signer = Signer::new();
    let ours = signature_bytes(&signer.secret.sign(CONTENT, now()).unwrap());
    let theirs = signature_bytes(&signer.gpg.sign(&signer.fingerprint, &[], CONTENT));
    for bytes in [ours, theirs] {
        assert_eq!(
            reason(CONTENT, &armored(&bytes), &signer.public),
            Reason::Valid
        );
        assert!(bytes.len() * 8 >= 936);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(
                reason(CONTENT, &armored(&flipped), &signer.public),
                Reason::Valid,
                "bit {bit}"
            );
        }
    }
}

#[test]
fn every_flipped_bit_of_the_armor_and_of_the_content_is_refused() {
    let signer = Signer::new();
    let text = signer.secret.sign(CONTENT, now()).unwrap();
    for bit in 0..text.len() * 8 {
        let mut bytes = text.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(changed) = String::from_utf8(bytes) {
            assert_ne!(
                reason(CONTENT, &changed, &signer.public),
                Reason::Valid,
                "bit {bit}"
            );
        }
    }
    for bit in 0..CONTENT.len() * 8 {
        let mut content = CONTENT.to_vec();
        content[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            reason(&content, &text, &signer.public),
            Reason::BadSignature
        );
    }
}

#[test]
fn every_replaced_inserted_or_removed_character_is_refused() {
    let signer = Signer::new();
    let text = signer.secret.sign(CONTENT, now()).unwrap();
    let last = text.len() - 1;
    for at in 0..text.len() {
        let removed = [&text[..at], &text[at + 1..]].concat();
        // Only the final line end may go.
        let expected = at == last;
        assert_eq!(
            reason(CONTENT, &removed, &signer.public) == Reason::Valid,
            expected,
            "at {at}"
        );
        for extra in ["A", "=", " ", "\t", "\n", "\r", "-", "\u{a0}", "\0"] {
            let inserted = [&text[..at], extra, &text[at..]].concat();
            assert_ne!(
                reason(CONTENT, &inserted, &signer.public),
                Reason::Valid,
                "{extra:?} at {at}"
            );
            let replaced = [&text[..at], extra, &text[at + 1..]].concat();
            if replaced != text {
                assert_ne!(
                    reason(CONTENT, &replaced, &signer.public),
                    Reason::Valid,
                    "{extra:?} for {at}"
                );
            }
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let signer = Signer::new();
    let text = signer.secret.sign(CONTENT, now()).unwrap();
    let bytes = signature_bytes(&text);
    for length in 0..bytes.len() {
        assert_ne!(
            reason(CONTENT, &armored(&bytes[..length]), &signer.public),
            Reason::Valid
        );
        assert_ne!(
            reason(CONTENT, &armored(&bytes[length + 1..]), &signer.public),
            Reason::Valid
        );
    }
    for length in 0..text.len() - 1 {
        assert_ne!(
            reason(CONTENT, &text[..length], &signer.public),
            Reason::Valid
        );
    }
}

/// Rewrites the frame, the checksum or the layout while the signature itself stays good.
#[test]
fn other_spellings_are_refused() {
    let signer = Signer::new();
    let text = signer.secret.sign(CONTENT, now()).unwrap();
    let bytes = signature_bytes(&text);
    let (packet, _) = packet::take(&bytes).unwrap();
    let length = u8::try_from(packet.body.len()).unwrap();
    let long_lengths: [&[u8]; 4] = [
        &[0xC2, 255, 0, 0, 0, length],
        &[0x89, 0, length],
        &[0x8A, 0, 0, 0, length],
        &[0x8B],
    ];
    for header in long_lengths {
        let spelled = armored(&[header, packet.body].concat());
        assert_ne!(
            reason(CONTENT, &spelled, &signer.public),
            Reason::Valid,
            "{header:?}"
        );
    }
    let twice = armored(&[bytes.clone(), bytes.clone()].concat());
    assert_eq!(
        reason(CONTENT, &twice, &signer.public),
        Reason::SeveralPackets
    );
    let trailing = armored(&[bytes.clone(), vec![0]].concat());
    assert_eq!(
        reason(CONTENT, &trailing, &signer.public),
        Reason::SeveralPackets
    );

    let body = text.lines().nth(2).unwrap();
    let uneven = text.replace(body, &format!("{}\n{}", &body[..20], &body[20..]));
    let header = text.replacen("\n\n", "\nComment: x\n\n", 1);
    let mixed = text.replacen('\n', "\r\n", 1);
    let tricks = [
        (uneven, Reason::MalformedArmor),
        (header, Reason::MalformedArmor),
        (mixed, Reason::MalformedArmor),
        (format!("{text}{text}"), Reason::SeveralSignatures),
        (format!("note\n{text}"), Reason::NotArmored),
        (format!(" {text}"), Reason::NotArmored),
        (format!("{text}note"), Reason::MalformedArmor),
        (format!("{text}\n"), Reason::MalformedArmor),
        (text.replace("SIGNATURE", "signature"), Reason::NotArmored),
        (text.replace("SIGNATURE", "MESSAGE"), Reason::NotASignature),
        ("x".repeat(MAX_SIGNATURE_TEXT_BYTES + 1), Reason::TooLarge),
        (String::new(), Reason::NotArmored),
    ];
    for (changed, expected) in tricks {
        assert_eq!(
            reason(CONTENT, &changed, &signer.public),
            expected,
            "{changed}"
        );
    }
}

/// Ed25519 leaves S + L as a second spelling of S; strict verification must refuse it.
#[test]
fn a_second_spelling_of_s_is_refused() {
    const GROUP_ORDER: [u8; 32] = [
        0xED, 0xD3, 0xF5, 0x5C, 0x1A, 0x63, 0x12, 0x58, 0xD6, 0x9C, 0xF7, 0xA2, 0xDE, 0xF9, 0xDE,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let signer = Signer::new();
    let mut tried = 0;
    for number in 0..20 {
        let content = format!("content {number}");
        let bytes = signature_bytes(&signer.secret.sign(content.as_bytes(), now()).unwrap());
        // Both integers at full length, so that S is the last 32 octets.
        if bytes.len() != 119 {
            continue;
        }
        let (head, s) = bytes.split_at(bytes.len() - 32);
        let mut carry = 0;
        let mut sum: Vec<u8> = Vec::new();
        for (digit, order) in s.iter().zip(GROUP_ORDER) {
            carry += u16::from(*digit) + u16::from(order);
            sum.push(carry.to_le_bytes()[0]);
            carry >>= 8;
        }
        let mut changed = head[..head.len() - 2].to_vec();
        push_mpi(&mut changed, &sum);
        if changed.len() == bytes.len() {
            tried += 1;
            assert_eq!(
                reason(content.as_bytes(), &armored(&changed), &signer.public),
                Reason::BadSignature
            );
        }
    }
    assert!(tried > 0);
}
