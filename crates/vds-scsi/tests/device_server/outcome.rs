//! What the target reports back, turned into status and sense.

use vds_scsi::{Action, Fault, Pattern, Range, Response};

use crate::{NEXUS, Refused, codes, server};

const RANGE: Range = Range { offset_bytes: 4096, len_bytes: 8192 };

fn read() -> Action {
    Action::Read { range: RANGE, fua: false }
}

fn write() -> Action {
    Action::Write { range: RANGE, durable: false, verify: false }
}

fn check(action: &Action, fault: Fault, expected: Refused, information: Option<u32>) {
    let response = server().complete(NEXUS, action, Err(fault));
    assert_eq!(codes(&response), expected, "{fault}");
    let valid = response.sense[0] & 0x80 != 0;
    let found = u32::from_be_bytes(response.sense[3..7].try_into().unwrap());
    assert_eq!(valid.then_some(found), information, "{fault}");
}

#[test]
fn every_fault_has_its_sense() {
    check(&read(), Fault::OutOfRange, (5, 0x21, 0), None);
    check(&read(), Fault::Medium { offset_bytes: 4096 + 700 }, (3, 0x11, 0), Some(9));
    check(&write(), Fault::Miscompare { offset_bytes: 513 }, (0xe, 0x1d, 0), Some(513));
    check(&read(), Fault::BecomingReady, (2, 0x04, 0x01), None);
    check(&Action::TestReady, Fault::BecomingReady, (2, 0x04, 0x01), None);
    check(&read(), Fault::Unavailable, (2, 0x04, 0x03), None);
    check(&write(), Fault::Unavailable, (4, 0x44, 0), None);
    check(&Action::Flush, Fault::Unavailable, (4, 0x44, 0), None);
    check(&write(), Fault::WriteProtected, (7, 0x27, 0), None);
    check(&write(), Fault::NoSpace, (7, 0x27, 0x07), None);
    check(&read(), Fault::Gone, (5, 0x25, 0), None);
}

#[test]
fn success_is_good_without_data() {
    for action in [
        Action::TestReady,
        read(),
        write(),
        Action::Flush,
        Action::Unmap { ranges: vec![RANGE], durable: false },
        Action::WriteSame { range: RANGE, pattern: Pattern::Zeros, durable: false },
        Action::CompareAndWrite { range: RANGE, durable: true },
    ] {
        assert_eq!(server().complete(NEXUS, &action, Ok(())), Response::good(), "{action:?}");
    }
}

#[test]
fn a_lost_first_sector_is_not_an_unready_lun() {
    let fault = Fault::Medium { offset_bytes: 0 };
    assert_eq!(server().complete(NEXUS, &Action::TestReady, Err(fault)), Response::good());
}
