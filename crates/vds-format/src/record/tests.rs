//! Every record round-trips; garbage is refused without a panic.

use proptest::prelude::*;

use super::*;

#[expect(clippy::too_many_lines, reason = "one object of each kind, field by field")]
fn one_of_each() -> Vec<Record> {
    let drive = DriveRecord {
        number: DriveNo(3),
        id: DriveId::from_bytes([3; 16]),
        name: "d3".into(),
        path: "drives/3".into(),
        serial: "S3".into(),
        size_bytes: 1 << 31,
        slab_start: 4352,
        slab_count: 2000,
        state: DriveState::Failed,
        hot_spare: true,
        reason: "flush failed".into(),
        retired_slabs: vec![SlabNo(7)],
    };
    let lun = LunRecord {
        number: LunNo(9),
        id: LunId::from_bytes([9; 16]),
        name: "db1".into(),
        lun_type: 13,
        asked_type: 2,
        size_bytes: 1 << 30,
        sector_bytes: 512,
        data_columns: 1,
        write_back: true,
        offline: false,
        read_only: true,
        mask: "*".into(),
        hints: vec![1, 2, 3],
        target: 4,
        target_lun: 1,
        created_unix_ms: 5,
        plexes: vec![PlexRecord {
            id: PlexId::from_bytes([1; 16]),
            copy: 1,
            state: PlexState::Building,
            drives: vec![DriveNo(3), DriveNo(4)],
        }],
        reservations: vec![Reservation { drive: DriveNo(3), slabs: 12 }],
    };
    let segment = SegmentRecord {
        number: SegmentNo(77),
        lun: LunNo(9),
        stream: Stream::Moves,
        state: SegmentState::Sealed,
        data_columns: 2,
        doubled: true,
        epoch: 3,
        first_sequence: Sequence(5),
        last_sequence: Sequence(6),
        rows: 200,
        live: 100,
        columns: vec![Column {
            copy: 0,
            data_column: 1,
            drive: DriveNo(3),
            slab: SlabNo(8),
            state: ColumnState::Missing,
        }],
    };
    let target = TargetRecord {
        number: 4,
        id: TargetId::from_bytes([4; 16]),
        iscsi_name: "iqn.2025-01.org.example:t".into(),
        friendly_name: "t".into(),
        chap: true,
        made_for_lun: false,
        initiators: vec![ChapInitiator {
            initiator: String::new(),
            user: "u".into(),
            secret: b"a secret of ours".to_vec(),
        }],
        mutual_user: "m".into(),
        mutual_secret: b"another".to_vec(),
        mutual_initiators: vec![MutualSecret {
            initiator: "iqn.2025-01.org.example:db".into(),
            secret: b"one of its own".to_vec(),
        }],
    };
    let array = ArrayRecord {
        lineage: Lineage([7; 16]),
        name: "main".into(),
        created_unix_ms: 1,
        slab_shift: 20,
        next_segment: SegmentNo(78),
        next_lun: LunNo(10),
        next_drive: DriveNo(5),
        next_target: 5,
        next_portal: 2,
    };
    let checkpoint = CheckpointRecord {
        lun: LunNo(9),
        epoch: 3,
        sequence: Sequence(44),
        replay_segment: SegmentNo(77),
        replay_row: 12,
        levels: 2,
        root: Place(99 << 24),
        root_checksum: 12,
        mapped_blocks: 1000,
    };
    let portal = PortalRecord {
        number: 1,
        id: PortalId::from_bytes([6; 16]),
        listen: "127.0.0.1:3260".into(),
        announce: String::new(),
    };
    let group = PortalGroupRecord {
        id: PortalGroupId::from_bytes([8; 16]),
        target: 4,
        tag: 2,
        next_tag: 4,
        portals: vec![1, 7],
    };
    vec![
        Record::Array(array),
        Record::Drive(drive),
        Record::DriveDeleted(DriveNo(2)),
        Record::Lun(lun),
        Record::LunDeleted(LunNo(1)),
        Record::Checkpoint(checkpoint),
        Record::Segment(segment),
        Record::LiveCounts(vec![(SegmentNo(1), 2), (SegmentNo(3), 4)]),
        Record::SegmentsDeleted(vec![SegmentNo(5)]),
        Record::Target(target),
        Record::TargetDeleted(3),
        Record::Portal(portal),
        Record::PortalDeleted(2),
        Record::Operation { id: OperationId::from_bytes([5; 16]), record: vec![1; 70_000] },
        Record::OperationDeleted(OperationId::from_bytes([5; 16])),
        Record::PortalGroup(group),
        Record::PortalGroupDeleted(PortalGroupId::from_bytes([8; 16])),
    ]
}

fn encode_all(records: &[Record]) -> Vec<u8> {
    let mut out = Writer::new();
    for record in records {
        record.encode(&mut out);
    }
    out.finish()
}

#[test]
fn every_record_round_trips() {
    let records = one_of_each();
    let payload = encode_all(&records);
    let count = u32::try_from(records.len()).unwrap();
    assert_eq!(Record::decode_all(&payload, count), Ok(records));
    assert!(Record::decode_all(&payload, count + 1).is_err());
    assert!(Record::decode_all(&payload[..payload.len() - 1], count).is_err());
}

#[test]
fn secrets_are_not_printed() {
    let text = format!("{:?}", one_of_each());
    assert!(!text.contains("secret of ours"), "{text}");
    assert!(!text.contains(&format!("{:?}", b"another")), "{text}");
}

proptest! {
    #[test]
    fn garbage_is_refused_without_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        at in 0_usize..60_000,
        bit in 0_u8..8,
    ) {
        let _ = Record::decode_all(&bytes, 1);
        let mut payload = encode_all(&one_of_each());
        let at = at % payload.len();
        payload[at] ^= 1 << bit;
        let _ = Record::decode_all(&payload, 17);
    }
}
