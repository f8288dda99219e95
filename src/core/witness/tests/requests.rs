//! The body of add-checkpoint.

use super::super::request::{AddCheckpoint, MAX_REQUEST_BYTES, RequestError};
use super::TestLog;

// From C2SP tlog-witness v1.0.0; its signatures are of keys that are not given.
const EXAMPLE: &str = "old 20852014\n\
    PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
    jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
    5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n\
    /6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\
    \n\
    example.com/behind-the-sofa\n\
    20852163\n\
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\
    \n\
    — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
    — example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n";

#[test]
fn the_published_example_is_read_and_written_alike() {
    let request = AddCheckpoint::parse(EXAMPLE).unwrap();
    assert_eq!(
        (request.old_size, request.head.size),
        (20_852_014, 20_852_163)
    );
    assert_eq!(request.proof.len(), 4);
    assert_eq!(request.head.origin, "example.com/behind-the-sofa");
    assert_eq!(request.note.signatures().len(), 2);
    assert_eq!(request.to_string(), EXAMPLE);
}

#[test]
fn extension_lines_of_other_logs_are_signed_along() {
    let with = EXAMPLE.replace("jxq2I=\n\n", "jxq2I=\nextension\n\n");
    let request = AddCheckpoint::parse(&with).unwrap();
    assert!(request.note.text().ends_with("\nextension\n"));
    assert_eq!(request.head.size, 20_852_163);
}

#[test]
fn every_deviation_is_malformed() {
    for (from, to) in [
        ("old 2085", "Old 2085"),
        ("old 2085", "old  2085"),
        ("old 20852014", "old 020852014"),
        ("old 20852014", "old -1"),
        ("old 20852014", "old 20852164"),
        ("PlRNCr", "PlRNC"),
        ("PlRNCr", "P!RNCr"),
        ("Kj/0=\n\n", "Kj/0=\n"),
        ("\n20852163\n", "\n020852163\n"),
        ("\n20852163\n", "\n\n"),
        ("jxq2I=\n\n", "jxq2I=\n"),
        ("behind-the-sofa\n2", "behind the sofa\n2"),
        ("\n— ", "\n- "),
    ] {
        assert!(EXAMPLE.contains(from));
        let altered = EXAMPLE.replace(from, to);
        assert!(AddCheckpoint::parse(&altered).is_err(), "{from:?} → {to:?}");
    }
    for end in 0..EXAMPLE.len() - 1 {
        if let Some(cut) = EXAMPLE.get(..end) {
            // Cut between two signature lines it is whole.
            let whole = cut.ends_with("YQ8=\n");
            assert_eq!(AddCheckpoint::parse(cut).is_ok(), whole, "cut to {end}");
        }
    }
}

#[test]
fn what_is_too_large_is_refused() {
    let log = TestLog::of(3);
    let hash = log.checkpoint(3).root.to_base64();
    let lines = |count: usize| {
        format!(
            "old 1\n{}\n{}",
            format!("{hash}\n").repeat(count),
            log.note(3)
        )
    };
    assert!(AddCheckpoint::parse(&lines(63)).is_ok());
    assert_eq!(AddCheckpoint::parse(&lines(64)), Err(RequestError::Proof));
    let huge = "x".repeat(MAX_REQUEST_BYTES + 1);
    assert!(matches!(
        AddCheckpoint::parse(&huge),
        Err(RequestError::TooLarge { .. })
    ));
}
