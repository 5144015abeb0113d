//! Any records, in any order: the state stays what it must be.

use proptest::prelude::*;
use vds_format::{
    CheckpointRecord, DriveNo, LunNo, Place, PortalGroupRecord, PortalRecord, Record, SegmentNo,
    Sequence, TargetRecord,
};
use vds_model::{OperationId, PortalGroupId, PortalId, TargetId};

use super::bench::{Bench, lun, segment};
use crate::catalog::CatalogState;

/// Few numbers, so that records meet.
fn a_record() -> impl Strategy<Value = Record> {
    let luns = 1..5_u32;
    let segments = 1..40_u64;
    let copies = prop::sample::select(vec![vec![1, 2], vec![1], vec![2, 3], vec![3, 2, 1], vec![]]);
    prop_oneof![
        (luns.clone(), copies.clone(), 0..30_usize).prop_map(|(number, drives, length)| {
            let mut record = lun(number, &drives);
            record.name = "n".repeat(length);
            Record::Lun(record)
        }),
        // The slab follows from the number, so that none is used twice.
        (segments.clone(), luns.clone(), copies).prop_map(|(number, lun, drives)| {
            let slab = u32::try_from(number % 8).expect("small");
            Record::Segment(segment(number, lun, slab, &drives))
        }),
        luns.clone().prop_map(|number| Record::LunDeleted(LunNo(number))),
        (luns, any::<u64>()).prop_map(|(number, blocks)| {
            Record::Checkpoint(CheckpointRecord {
                lun: LunNo(number),
                epoch: 1,
                sequence: Sequence(blocks),
                replay_segment: SegmentNo(0),
                replay_row: 0,
                levels: 1,
                root: Place(0),
                root_checksum: 7,
                mapped_blocks: blocks,
            })
        }),
        prop::collection::vec((segments.clone().prop_map(SegmentNo), any::<u32>()), 0..4)
            .prop_map(Record::LiveCounts),
        prop::collection::vec(segments.prop_map(SegmentNo), 0..4).prop_map(Record::SegmentsDeleted),
        (1..4_u32, ".{0,20}").prop_map(|(number, name)| {
            Record::Target(TargetRecord {
                number,
                id: TargetId::from_bytes([3; 16]),
                iscsi_name: name,
                friendly_name: String::new(),
                chap: true,
                made_for_lun: false,
                initiators: Vec::new(),
                mutual_user: String::new(),
                mutual_secret: vec![1, 2],
                mutual_initiators: (number > 2)
                    .then(|| vds_format::MutualSecret { initiator: "i".into(), secret: vec![3] })
                    .into_iter()
                    .collect(),
            })
        }),
        (1..4_u32).prop_map(Record::TargetDeleted),
        (1..4_u32, ".{0,20}").prop_map(|(number, listen)| {
            let id = PortalId::from_bytes([4; 16]);
            Record::Portal(PortalRecord { number, id, listen, announce: String::new() })
        }),
        (1..4_u32).prop_map(Record::PortalDeleted),
        a_portal_group().prop_map(Record::PortalGroup),
        (1..5_u8).prop_map(|id| Record::PortalGroupDeleted(PortalGroupId::from_bytes([id; 16]))),
        (0..4_u8, 0..200_usize).prop_map(|(number, length)| Record::Operation {
            id: OperationId::from_bytes([number; 16]),
            record: vec![number; length],
        }),
        (0..4_u8)
            .prop_map(|number| Record::OperationDeleted(OperationId::from_bytes([number; 16]))),
        (1..6_u16).prop_map(|number| Record::DriveDeleted(DriveNo(number))),
    ]
}

fn a_portal_group() -> impl Strategy<Value = PortalGroupRecord> {
    let portals = prop::collection::vec(1..4_u32, 0..3);
    (1..5_u8, 1..4_u32, 1..5_u16, portals).prop_map(|(id, target, tag, portals)| {
        let id = PortalGroupId::from_bytes([id; 16]);
        PortalGroupRecord { id, target, tag, next_tag: 5, portals }
    })
}

fn three_drives() -> CatalogState {
    let bench = Bench::plain(1, 3);
    let catalog = bench.run(bench.create());
    catalog.state().clone()
}

/// A slab is used once: segments that would share one with another are not put.
fn clashes(state: &CatalogState, record: &Record) -> bool {
    let Record::Segment(new) = record else { return false };
    let others = state.segments.values().filter(|segment| segment.number != new.number);
    let mut taken = others.flat_map(|segment| &segment.columns);
    taken.any(|old| new.columns.iter().any(|it| (it.drive, it.slab) == (old.drive, old.slab)))
}

/// A LUN keeps the copies that its segments have, as the engine does it.
fn is_sound(state: &CatalogState, record: &Record) -> bool {
    let Record::Segment(new) = record else { return true };
    let Some(lun) = state.luns.get(&new.lun) else { return false };
    new.columns.iter().all(|it| lun.plexes.iter().any(|plex| plex.copy == it.copy))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Goal: whatever passes the check keeps every invariant, grows by what was foretold, and a snapshot gives it back.
    #[test]
    fn checked_records_keep_every_invariant(
        records in prop::collection::vec(a_record(), 0..60),
    ) {
        let mut state = three_drives();
        for record in records {
            let one = [record];
            if state.check(&one).is_err() || clashes(&state, &one[0]) || !is_sound(&state, &one[0]) {
                continue;
            }
            let before = i64::try_from(state.encoded_bytes()).expect("small");
            let foretold = state.growth_bytes(&one);
            state.apply(&one[0]);
            let after = i64::try_from(state.encoded_bytes()).expect("small");
            // Columns dropped with a copy, and a segment put without any, are not foretold: the guess is never low.
            prop_assert!(after - before <= foretold);
            if !matches!(one[0], Record::Lun(_) | Record::Segment(_)) {
                prop_assert_eq!(after - before, foretold);
            }
            prop_assert_eq!(state.check_invariants(), Ok(()));
        }
        let records: Vec<Record> = state.to_records().collect();
        prop_assert_eq!(CatalogState::from_records(&records), Some(state));
    }

    /// Goal: a record that contradicts everything is applied without a panic, and the same by everybody.
    #[test]
    fn unchecked_records_never_panic(records in prop::collection::vec(a_record(), 0..60)) {
        let (mut one, mut other) = (three_drives(), three_drives());
        for record in &records {
            one.apply(record);
        }
        for record in &records {
            other.apply(record);
        }
        prop_assert_eq!(one, other);
    }
}
