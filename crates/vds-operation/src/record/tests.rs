//! The codec: golden bytes, round trips, garbage.

use std::fmt::Write;

use proptest::prelude::*;
use vds_model::{LunId, SubsystemId};

use super::*;
use crate::OperationCore;

fn record() -> OperationRecord {
    OperationRecord::new(Intent {
        id: OperationId::from_bytes([0x11; 16]),
        kind: OperationKind::CreateLun,
        subject: Some(ObjectRef::Subsystem(SubsystemId::from_bytes([0x22; 16]))),
        arguments: vec![0xAA, 0xBB],
        owner: Owner::Client { name: "ann".into(), from: "unix".into() },
        key: IdempotencyKey::new("k1"),
        parent: None,
        priority: Priority::DEFAULT,
        created_unix_ms: 0x0102_0304,
    })
}

fn ended() -> OperationRecord {
    let mut core = OperationCore::new(record());
    core.start(0x0102_0305);
    core.cursor(vec![9]);
    core.prepare_end(End::success(Output::CreateLun(LunId::from_bytes([0x33; 16]))), 0x0102_0400);
    core.end_durable();
    core.record().clone()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

/// Goal: version 1 is on drives for ever; these are its bytes.
#[test]
fn version_1_is_locked() {
    let found = hex(&ended().encode());
    let expected = [
        "0100",                                 // version
        "11111111111111111111111111111111",     // id
        "0100",                                 // kind
        "01",                                   // cancel before the commit
        "010222222222222222222222222222222222", // subject: a subsystem
        "00",                                   // no parent
        "0103000000616e6e04000000756e6978",     // owner: client ann, unix
        "01020000006b31",                       // key k1
        "FINGERPRINT",
        "08",                               // priority
        "02000000aabb",                     // arguments
        "04",                               // succeeded
        "00",                               // not committed
        "00000000",                         // cursor, cleared by the end
        "64",                               // 100 percent
        "0000",                             // bytes unknown
        "00000000",                         // phase
        "0403020100000000",                 // created
        "010503020100000000",               // started
        "010004020100000000",               // ended
        "01010000000032000000",             // end: succeeded, S_OK, output type 50
        "33333333333333333333333333333333", // the LUN
    ];
    let fingerprint = hex(&ended().fingerprint.to_bytes());
    assert_eq!(found, expected.concat().replace("FINGERPRINT", &fingerprint));
    assert_eq!(fingerprint, "66a5c32efd757277b806e89ae2ae3c03");
}

#[test]
fn every_end_round_trips() {
    let mut failed = record();
    failed.state = State::Failed;
    failed.ended_unix_ms = Some(5);
    let error = OperationError::new(HResult::VDSX_E_NO_OPERATION, "none").with_hint("look");
    failed.end = Some(End::Failed(error));
    let mut cancelled = failed.clone();
    cancelled.state = State::Cancelled;
    cancelled.end = Some(End::cancelled());
    for record in [record(), ended(), failed, cancelled] {
        assert_eq!(OperationRecord::decode(&record.encode()), Ok(record));
    }
}

fn check_refused(change: impl FnOnce(&mut OperationRecord), field: &'static str) {
    let mut record = ended();
    change(&mut record);
    match OperationRecord::decode(&record.encode()) {
        Err(CodecError::Value { field: found, .. }) => assert_eq!(found, field),
        other => panic!("{field}: {other:?}"),
    }
}

#[test]
fn parts_that_do_not_fit_together_are_refused() {
    check_refused(|record| record.end = None, "end");
    check_refused(|record| record.state = State::Failed, "end");
    check_refused(|record| record.kind = OperationKind::CreateTarget, "output");
    check_refused(|record| record.progress.percent = Some(99), "percent");
    check_refused(|record| record.progress.percent = Some(200), "percent");
    check_refused(|record| record.ended_unix_ms = None, "ended");
    check_refused(
        |record| {
            record.state = State::Cancelling;
            record.end = None;
            record.ended_unix_ms = None;
            record.progress.percent = None;
            record.committed = true;
        },
        "state",
    );
}

#[test]
fn long_texts_are_cut_between_characters() {
    let error = OperationError::new(HResult::E_FAIL, "é".repeat(TEXT_BYTES_MAX));
    assert_eq!(error.message.len(), TEXT_BYTES_MAX);
    assert!(IdempotencyKey::new("x".repeat(KEY_BYTES_MAX + 1)).is_none());
    assert!(IdempotencyKey::new("").is_none());
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = OperationRecord::decode(&bytes);
    }

    /// Goal: whatever a damaged record decodes to, the state machine takes it.
    #[test]
    fn a_damaged_record_is_refused_or_sound(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        for mut bytes in [record().encode(), ended().encode()] {
            for (index, value) in &flips {
                let index = index.index(bytes.len());
                bytes[index] = *value;
            }
            if is_cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(record) = OperationRecord::decode(&bytes) {
                prop_assert_eq!(record.encode(), bytes);
                OperationCore::new(record).check_invariants();
            }
        }
    }
}

#[test]
fn a_fingerprint_tells_starts_apart_and_no_secret() {
    let of = |kind, arguments: &[u8]| hex(&Fingerprint::new(kind, arguments).to_bytes());
    let (open, secret) = (OperationKind::SetMask, OperationKind::SetTargetChap);
    assert_eq!(of(open, b"a"), of(open, b"a"));
    assert_ne!(of(open, b"a"), of(open, b"b"));
    assert_ne!(of(open, b"a"), of(OperationKind::SetName, b"a"));
    // SHA-256 of 34 00 61.
    assert_eq!(of(secret, b"a"), "d6841fb76e599443fa5cecc96e5ba462");
}
