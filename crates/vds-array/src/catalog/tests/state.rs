//! The state machine by itself, and what a commit refuses.

use vds_format::{
    CheckpointRecord, DriveNo, DriveState, LunNo, Place, PortalGroupRecord, PortalRecord, Record,
    SegmentNo, Sequence, Stream, TargetRecord,
};
use vds_model::{PortalGroupId, PortalId, TargetId};

use super::bench::{Bench, lun, operation, segment};
use crate::catalog::{CatalogError, CatalogState, MAP_COPY, StateError};

fn checkpoint(lun: u32) -> Record {
    Record::Checkpoint(CheckpointRecord {
        lun: LunNo(lun),
        epoch: 1,
        sequence: Sequence(0),
        replay_segment: SegmentNo(0),
        replay_row: 0,
        levels: 0,
        root: Place(0),
        root_checksum: 0,
        mapped_blocks: 0,
    })
}

#[test]
fn a_lun_without_a_copy_loses_its_columns() {
    let bench = Bench::plain(1, 3);
    let catalog = bench.run(bench.create());
    let mut state: CatalogState = catalog.state().clone();
    let mut map = segment(3, 1, 2, &[1, 2]);
    map.stream = Stream::Map;
    map.columns[1].copy = MAP_COPY;
    let records = [
        Record::Lun(lun(1, &[1, 2])),
        Record::Segment(segment(1, 1, 0, &[1, 2])),
        Record::Segment(segment(2, 1, 1, &[3])),
        Record::Segment(map),
        checkpoint(1),
    ];
    assert_eq!(state.check(&records), Ok(()));
    records.iter().for_each(|record| state.apply(record));
    assert_eq!(state.check_invariants(), Ok(()));
    assert_eq!(state.array.next_segment, SegmentNo(4));

    let mut left = lun(1, &[1, 2]);
    left.plexes.remove(0);
    state.apply(&Record::Lun(left));
    assert_eq!(state.check_invariants(), Ok(()));
    let columns: Vec<(u64, usize)> =
        state.segments.values().map(|it| (it.number.0, it.columns.len())).collect();
    assert_eq!(columns, [(1, 1), (3, 1)]);

    state.apply(&Record::LunDeleted(LunNo(1)));
    assert_eq!(state.check_invariants(), Ok(()));
    assert!(state.segments.is_empty() && state.checkpoints.is_empty());
    // Numbers are not given out again.
    assert_eq!((state.array.next_segment, state.array.next_lun), (SegmentNo(4), LunNo(2)));
}

#[test]
fn a_snapshot_makes_the_same_state() {
    let bench = Bench::plain(1, 2);
    let catalog = bench.run(bench.create());
    let mut state = catalog.state().clone();
    for record in [
        Record::Lun(lun(1, &[1, 2])),
        Record::Segment(segment(1, 1, 0, &[1, 2])),
        Record::LiveCounts(vec![(SegmentNo(1), 77), (SegmentNo(9), 1)]),
        checkpoint(1),
        operation(3, 50),
    ] {
        state.apply(&record);
    }
    let records: Vec<Record> = state.to_records().collect();
    assert_eq!(CatalogState::from_records(&records), Some(state));
}

fn target(number: u32) -> Record {
    Record::Target(TargetRecord {
        number,
        id: TargetId::from_bytes([7; 16]),
        iscsi_name: "iqn.2025-01.org.example:t".to_owned(),
        friendly_name: String::new(),
        chap: false,
        made_for_lun: false,
        initiators: Vec::new(),
        mutual_user: String::new(),
        mutual_secret: Vec::new(),
        mutual_initiators: Vec::new(),
    })
}

fn portal(number: u32) -> Record {
    let id = PortalId::from_bytes([8; 16]);
    let listen = format!("127.0.0.1:{number}");
    Record::Portal(PortalRecord { number, id, listen, announce: String::new() })
}

fn group(id: u8, target: u32, tag: u16, portals: &[u32]) -> Record {
    let (id, portals) = (PortalGroupId::from_bytes([id; 16]), portals.to_vec());
    Record::PortalGroup(PortalGroupRecord { id, target, tag, next_tag: tag + 1, portals })
}

#[test]
fn a_group_goes_with_its_target_and_loses_a_portal_that_goes() {
    let bench = Bench::plain(1, 1);
    let catalog = bench.run(bench.create());
    let mut state: CatalogState = catalog.state().clone();
    let records = [
        target(1),
        target(2),
        portal(1),
        portal(2),
        group(1, 1, 2, &[1]),
        group(2, 1, 3, &[2]),
        group(3, 2, 2, &[2, 1]),
    ];
    for record in &records {
        assert_eq!(state.check(std::slice::from_ref(record)), Ok(()));
        state.apply(record);
    }
    assert_eq!((state.next_tag(1), state.next_tag(2), state.next_tag(3)), (4, 3, 2));
    let snapshot: Vec<Record> = state.to_records().collect();
    assert_eq!(CatalogState::from_records(&snapshot), Some(state.clone()));
    let portals = |state: &CatalogState| -> Vec<Vec<u32>> {
        state.portal_groups.values().map(|group| group.portals.clone()).collect()
    };
    let bytes = state.encoded_bytes();
    state.apply(&Record::PortalDeleted(2));
    assert_eq!(state.check_invariants(), Ok(()));
    assert_eq!(portals(&state), [vec![1], vec![], vec![1]]);
    state.apply(&Record::TargetDeleted(1));
    assert_eq!(state.check_invariants(), Ok(()));
    assert_eq!(portals(&state), [vec![1]]);
    state.apply(&Record::PortalGroupDeleted(PortalGroupId::from_bytes([3; 16])));
    assert_eq!(state.check_invariants(), Ok(()));
    assert!(state.encoded_bytes() < bytes && state.portal_groups.is_empty());
}

fn check_refused(records: Vec<Record>, expected: &StateError) {
    let bench = Bench::plain(1, 3);
    let catalog = bench.run(bench.create());
    let before = catalog.state().clone();
    let result = bench.run(catalog.commit(records));
    assert_eq!(result, Err(CatalogError::Invalid(expected.clone())));
    assert_eq!(*catalog.state(), before);
}

#[test]
fn contradictions_are_refused_and_change_nothing() {
    check_refused(vec![checkpoint(4)], &StateError::NoLun(LunNo(4)));
    check_refused(vec![group(1, 4, 2, &[])], &StateError::NoTarget(4));
    check_refused(vec![target(1), group(1, 1, 2, &[3])], &StateError::NoPortal(3));
    let derived = StateError::PortalGroupTag { target: 1, tag: 1 };
    check_refused(vec![target(1), group(1, 1, 1, &[])], &derived);
    check_refused(
        vec![Record::Lun(lun(1, &[1])), Record::Segment(segment(1, 1, 0, &[9]))],
        &StateError::NoDrive(DriveNo(9)),
    );
    let bench = Bench::plain(1, 3);
    let catalog = bench.run(bench.create());
    let leave = |number: u16| {
        let mut record = catalog.state().drives[&DriveNo(number)].clone();
        record.state = DriveState::Leaving;
        Record::Drive(record)
    };
    check_refused(vec![leave(1), leave(2)], &StateError::MembersAtOnce);
    let mut array = catalog.state().array.clone();
    array.lineage = vds_format::Lineage([1; 16]);
    check_refused(vec![Record::Array(array)], &StateError::Lineage);
}

#[test]
fn a_transaction_larger_than_an_entry_is_refused() {
    let bench = Bench::plain(1, 1);
    let catalog = bench.run(bench.create());
    let max = 64 * 4096 - 96;
    let largest = operation(9, max - 28);
    assert!(bench.run(catalog.commit(vec![largest])).is_ok());
    let error = bench.run(catalog.commit(vec![operation(9, max - 27)])).unwrap_err();
    assert!(matches!(error, CatalogError::TooLarge { .. }));
    assert_eq!(catalog.frozen(), None);
}

#[test]
fn a_full_catalog_still_takes_deletions_and_checkpoints() {
    let bench = Bench::plain(1, 1);
    let catalog = bench.run(bench.create());
    bench.run(catalog.commit(vec![Record::Lun(lun(1, &[1]))])).unwrap();
    let mut taken = 0_u8;
    let error = loop {
        match bench.run(catalog.commit(vec![operation(taken + 20, 100_000)])) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CatalogError::Full { .. }), "{error}");
    assert!(taken > 15, "{taken}");
    let (used, room) = catalog.usage_bytes();
    assert!(used < room);
    assert!(bench.run(catalog.commit(vec![checkpoint(1)])).is_ok());
    let first = vds_model::OperationId::from_bytes([20; 16]);
    assert!(bench.run(catalog.commit(vec![Record::OperationDeleted(first)])).is_ok());
    assert!(bench.run(catalog.commit(vec![operation(99, 50_000)])).is_ok());
    drop(catalog);
    bench.sim.crash(vds_sim::CrashMode::PowerCut);
    let Ok(opened) = bench.run(bench.open(&[1])) else { panic!("it opens") };
    assert_eq!(opened.catalog.usage_bytes().1, room);
    assert_eq!(opened.catalog.state().operations.len(), usize::from(taken));
}

#[test]
fn groups_of_a_target_share_neither_tags_nor_portals() {
    let bench = Bench::plain(1, 1);
    let catalog = bench.run(bench.create());
    let first = vec![target(1), portal(1), portal(2)];
    bench.run(catalog.commit(first)).unwrap();
    bench.run(catalog.commit(vec![group(1, 1, 2, &[1])])).unwrap();
    let refused = |record| {
        let result = bench.run(catalog.commit(vec![record]));
        let Err(CatalogError::Invalid(error)) = result else { panic!("{result:?}") };
        error
    };
    assert_eq!(refused(group(2, 1, 2, &[])), StateError::PortalGroupTag { target: 1, tag: 2 });
    let twice = StateError::PortalGroupedTwice { target: 1, portal: 1 };
    assert_eq!(refused(group(2, 1, 3, &[1])), twice);
    let twice = StateError::PortalGroupedTwice { target: 1, portal: 2 };
    assert_eq!(refused(group(2, 1, 3, &[2, 2])), twice);
    bench.run(catalog.commit(vec![group(2, 1, 3, &[2])])).unwrap();
    assert_eq!(catalog.state().check_invariants(), Ok(()));
}
