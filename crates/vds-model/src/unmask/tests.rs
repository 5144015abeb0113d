//! Tests of the unmasking list.

use proptest::prelude::*;

use super::*;

const HOST: &str = "iqn.1993-08.org.debian:01:abc";

fn check(text: &str, expected: &str) {
    let list = UnmaskingList::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(list.to_string(), expected, "{text:?}");
}

fn check_refused(text: &str, expected: UnmaskingError) {
    assert_eq!(UnmaskingList::parse(text), Err(expected), "{text:?}");
}

#[test]
fn lists_are_read_into_their_canonical_form() {
    check("", "");
    check("*", "*");
    check("0123456789abcdef", "0123456789ABCDEF");
    check("IQN.1993-08.org.Debian:01:ABC", HOST);
    check("eui.02004567A425678D;naa.52004567BA64678D", "eui.02004567a425678d;naa.52004567ba64678d");
    // Mixed entries keep the order of first appearance; duplicates in any form are dropped.
    let wwn = "FEDCBA9876543210";
    let (other_wwn, other_host) = (wwn.to_lowercase(), HOST.to_uppercase());
    check(
        &format!("{wwn};{HOST};{other_wwn};{other_host};0000000000000001"),
        &format!("{wwn};{HOST};0000000000000001"),
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    use UnmaskingError as E;
    check_refused(";", E::EmptyEntry { entry: 1, position: 0 });
    check_refused(";*", E::EmptyEntry { entry: 1, position: 0 });
    check_refused("0123456789ABCDEF;", E::TrailingSemicolon { position: 16 });
    check_refused("0123456789ABCDEF;;0123456789ABCDEF", E::EmptyEntry { entry: 2, position: 17 });
    check_refused("*;0123456789ABCDEF", E::EverybodyCombined { entry: 1, position: 0 });
    check_refused("0123456789ABCDEF;*", E::EverybodyCombined { entry: 2, position: 17 });
    check_refused(" ", E::Blank { entry: 1, position: 0 });
    check_refused("0123456789ABCDEF; 0123456789ABCDEF", E::Blank { entry: 2, position: 17 });
    check_refused("0123456789ABCDEF\n", E::Blank { entry: 1, position: 16 });
    check_refused("0123456789ABCDE", E::Wwn { entry: 1, position: 15 });
    check_refused("0123456789ABCDEF0", E::Wwn { entry: 1, position: 16 });
    check_refused("01:23:45:67:89:AB:CD:EF", E::Wwn { entry: 1, position: 2 });
    check_refused(
        "0123456789ABCDEF;host1",
        E::Name { entry: 2, position: 17, source: IscsiNameError::Prefix },
    );
    check_refused(
        "0123456789ABCDEF;iqn.2025-13.org.example",
        E::Name { entry: 2, position: 21, source: IscsiNameError::Date { position: 4 } },
    );
    check_refused("**", E::Name { entry: 1, position: 0, source: IscsiNameError::Prefix });
    let error = UnmaskingList::parse("").and_then(|_| UnmaskingList::parse("*;*"));
    let error = error.expect_err("everybody twice");
    assert_eq!(error.to_string(), "entry 1 at byte 0: * stands alone or not at all");
    assert_eq!(error.code(), "mask.invalid");
    assert_eq!(error.result().as_vds(), HResult::E_INVALIDARG);
}

#[test]
fn limits_are_kept() {
    let entries = |count: usize| (0..count).map(|n| format!("{n:016X}")).collect::<Vec<_>>();
    let full = entries(UNMASKING_ENTRIES_MAX).join(";");
    let list = UnmaskingList::parse(&full).expect("as many as are allowed");
    assert_eq!(list.entries().len(), UNMASKING_ENTRIES_MAX);
    // A duplicate does not count, a further entry does.
    check(&format!("{full};{:016X}", 0), &full);
    check_refused(&entries(UNMASKING_ENTRIES_MAX + 1).join(";"), UnmaskingError::TooManyEntries);
    let further = UnmaskingList::parse("FFFFFFFFFFFFFFFF").expect("a WWN");
    assert_eq!(list.union(&further), Err(UnmaskingError::TooManyEntries));
    let long = "A".repeat(UNMASKING_TEXT_BYTES_MAX + 1);
    check_refused(&long, UnmaskingError::TextTooLong { found_bytes: UNMASKING_TEXT_BYTES_MAX + 1 });
}

#[test]
fn a_list_admits_whom_it_names() {
    let list = UnmaskingList::parse(&format!("0123456789ABCDEF;{HOST}")).expect("a list");
    assert!(list.admits_initiator(HOST));
    assert!(list.admits_initiator(&HOST.to_uppercase()));
    assert!(!list.admits_initiator("iqn.1993-08.org.debian:01:abcd"));
    assert!(!list.admits_initiator("0123456789ABCDEF"), "a WWN is no initiator name");
    assert!(list.admits_wwn(Wwn(0x0123_4567_89AB_CDEF)));
    assert!(!list.admits_wwn(Wwn(1)));
    assert!(UnmaskingList::Everybody.admits_initiator("anybody"));
    assert!(UnmaskingList::Everybody.admits_wwn(Wwn(1)));
    assert!(!UnmaskingList::Nobody.admits_initiator(HOST));
    assert!(!UnmaskingList::default().admits_wwn(Wwn(0)));
}

#[test]
fn lists_are_added_and_taken_away() {
    let list = |text: &str| UnmaskingList::parse(text).expect("a list");
    let (one, two, both) = (
        list("0000000000000001"),
        list(HOST),
        list("0000000000000001;iqn.1993-08.org.debian:01:abc"),
    );
    assert_eq!(one.union(&two), Ok(both.clone()));
    assert_eq!(both.union(&two), Ok(both.clone()));
    assert_eq!(UnmaskingList::Nobody.union(&one), Ok(one.clone()));
    assert_eq!(one.union(&UnmaskingList::Everybody), Ok(UnmaskingList::Everybody));
    assert_eq!(both.difference(&two), Some(one.clone()));
    assert_eq!(one.difference(&both), Some(UnmaskingList::Nobody));
    assert_eq!(UnmaskingList::Everybody.difference(&one), None);
    assert_eq!(both.difference(&UnmaskingList::Everybody), Some(UnmaskingList::Nobody));
}

/// A legal entry in any of its forms.
fn entry() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9a-fA-F]{16}",
        "iqn\\.20[0-9]{2}-0[1-9]\\.[a-z]{1,5}(:[-.:A-Z0-9]{1,9})?",
        "eui\\.[0-9A-F]{16}",
    ]
}

proptest! {
    #[test]
    fn canonical_texts_read_back(parts in proptest::collection::vec(entry(), 0..12)) {
        let list = UnmaskingList::parse(&parts.join(";"));
        let list = list.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(UnmaskingList::parse(&list.to_string()), Ok(list.clone()));
        for part in &parts {
            let is_admitted = match Wwn::parse(part) {
                Some(wwn) => list.admits_wwn(wwn),
                None => list.admits_initiator(part),
            };
            prop_assert!(is_admitted, "{} in {}", part, list);
        }
    }

    #[test]
    fn garbage_never_panics(text in ".{0,60}", near in "[;*i.q n0-9A-F:é-]{0,60}") {
        for text in [text, near] {
            if let Ok(list) = UnmaskingList::parse(&text) {
                prop_assert_eq!(UnmaskingList::parse(&list.to_string()), Ok(list));
            }
        }
    }
}
