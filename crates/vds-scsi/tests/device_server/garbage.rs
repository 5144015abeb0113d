//! Whatever an initiator sends: no panic, and no range outside the LUN.

use proptest::prelude::*;
use vds_scsi::{Action, Command, Fault, NexusId, Range, SENSE_BYTES_MAX, Sector, Shape, Status};

use crate::{TRANSFER_MAX, policy, server_of};

const NEXUS: NexusId = NexusId(3);

/// Blocks that begin with a known operation code more often than chance would have it, with small numbers in them.
fn any_cdb() -> impl Strategy<Value = Vec<u8>> {
    const OPCODES: &[u8] = &[
        0x00, 0x03, 0x08, 0x0a, 0x12, 0x15, 0x1a, 0x1b, 0x1d, 0x25, 0x28, 0x2a, 0x2e, 0x2f, 0x34,
        0x35, 0x41, 0x42, 0x55, 0x5a, 0x88, 0x89, 0x8a, 0x8e, 0x8f, 0x90, 0x91, 0x93, 0x9c, 0x9e,
        0xa0, 0xa3, 0xa8, 0xaa, 0xae, 0xaf,
    ];
    let byte = prop_oneof![3 => Just(0u8), 2 => 0u8..16, 1 => any::<u8>(), 1 => Just(0xff)];
    let body = proptest::collection::vec(byte, 0..20);
    let opcode = prop_oneof![4 => proptest::sample::select(OPCODES), 1 => any::<u8>()];
    (opcode, body).prop_map(|(opcode, mut body)| {
        body.insert(0, opcode);
        body
    })
}

/// Lists with plausible lengths in them.
fn any_list() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![3 => Just(0u8), 2 => 0u8..32, 1 => any::<u8>()];
    proptest::collection::vec(byte, 0..96)
}

fn any_shape() -> impl Strategy<Value = Shape> {
    let sector = prop_oneof![Just(Sector::Bytes512), Just(Sector::Bytes4096)];
    let sectors = prop_oneof![1u64..300, 1u64..(1 << 20), Just(u64::MAX >> 12)];
    (sectors, sector, any::<bool>(), any::<bool>()).prop_map(|(sectors, sector, back, only)| {
        let size_bytes = sectors * u64::from(sector.bytes());
        Shape::new(size_bytes, sector, TRANSFER_MAX, policy(back, only)).unwrap()
    })
}

fn fits(shape: &Shape, range: Range, transfer: bool) -> bool {
    let sector = u64::from(shape.sector().bytes());
    let end = range.offset_bytes.checked_add(range.len_bytes);
    range.len_bytes > 0
        && range.offset_bytes.is_multiple_of(sector)
        && range.len_bytes.is_multiple_of(sector)
        && end.is_some_and(|end| end <= shape.size_bytes())
        && (!transfer || range.len_bytes <= u64::from(shape.transfer_bytes_max()))
}

/// Panics when an action breaks a promise.
fn check(shape: &Shape, action: &Action, data_out_bytes: u64) {
    assert!(!(shape.read_only() && matches!(action, Action::Write { .. } | Action::Unmap { .. })));
    let wanted = action.data_out_bytes(shape.sector().bytes());
    assert!(wanted <= data_out_bytes, "{action:?} waits for data that nobody sends");
    match action {
        Action::Read { range, .. }
        | Action::Write { range, .. }
        | Action::CompareAndWrite { range, .. }
        | Action::Verify { range, .. } => assert!(fits(shape, *range, true), "{action:?}"),
        Action::WriteSame { range, .. } => assert!(fits(shape, *range, false), "{action:?}"),
        Action::Unmap { ranges, .. } => {
            assert!(ranges.iter().all(|range| fits(shape, *range, false)), "{action:?}");
        }
        Action::Respond(response) => {
            assert_eq!(response.sense.is_empty(), response.status != Status::CheckCondition);
            assert!(response.sense.len() <= SENSE_BYTES_MAX);
        }
        Action::Collect(_) | Action::TestReady | Action::Flush | Action::SetWriteBack { .. } => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    /// Method: a run of commands against one server, so that mode settings of earlier ones are in force for later ones.
    #[test]
    fn nothing_an_initiator_sends_breaks_a_promise(
        shape in any_shape(),
        commands in proptest::collection::vec((any_cdb(), any_list(), 0u64..4096), 1..12),
        fault in any::<bool>(),
    ) {
        let mut server = server_of(shape);
        for (cdb, list, more) in commands {
            let data_out_bytes = list.len() as u64 + more;
            let command = Command { nexus: NEXUS, cdb: &cdb, data_out_bytes, luns: &[] };
            let mut action = server.handle(&command).action;
            check(&shape, &action, data_out_bytes);
            if let Action::Collect(wanted) = &action {
                action = server.data_out_arrived(NEXUS, wanted, &list);
                assert!(!matches!(action, Action::Collect(_)));
                check(&shape, &action, data_out_bytes);
            }
            let outcome = if fault { Err(Fault::Medium { offset_bytes: u64::MAX }) } else { Ok(()) };
            let response = server.complete(NEXUS, &action, outcome);
            check(&shape, &Action::Respond(response), 0);
            let response = vds_scsi::unknown_lun(&cdb, &[]);
            check(&shape, &Action::Respond(response), 0);
        }
    }
}
