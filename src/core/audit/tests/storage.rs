//! What is changed in the log's own storage.

use super::*;

fn named(office: &Office, code: Code) -> Vec<String> {
    let found = office.findings();
    let of_code = found.into_iter().filter(|finding| finding.code == code);
    of_code.map(|finding| finding.subject).collect()
}

#[test]
fn an_altered_entry_is_named_and_stops_no_audit() {
    let office = Office::with(1);
    for index in 0..office.world.log.size() {
        let office = Office::with(1);
        office.world.log.alter(index, Some("{}"));
        assert_eq!(named(&office, Code::FactAltered), [format!("fact:{index}")]);
    }
}

#[test]
fn entries_that_are_missing_are_named() {
    let office = Office::with(1);
    let size = office.world.log.size();
    office.world.log.alter(1, None);
    office.world.log.alter(size - 1, None);
    let missing = [1, size - 1].map(|index| format!("fact:{index}"));
    assert_eq!(named(&office, Code::FactMissing), missing);
}
