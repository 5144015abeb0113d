//! READ, WRITE, VERIFY and their kin.

use vds_scsi::{Action, Compare, Range, Sector};

use crate::{
    END, INVALID_FIELD, OUT_OF_RANGE, Refused, SECTORS, SOFTWARE_PROTECTED, WRITE_PROTECTED,
    WRONG_DATA_OUT, came_to, cdb6, cdb10, cdb12, cdb16, good, handle, policy, send_list, server,
    server_of, shape,
};

const FUA: u8 = 0x08;
const DPO: u8 = 0x10;

fn range(sector: u64, sectors: u64) -> Range {
    Range { offset_bytes: sector * 512, len_bytes: sectors * 512 }
}

fn read(sector: u64, sectors: u64, fua: bool) -> Result<Action, Refused> {
    Ok(Action::Read { range: range(sector, sectors), fua })
}

fn written(sector: u64, sectors: u64, durable: bool, verify: bool) -> Result<Action, Refused> {
    Ok(Action::Write { range: range(sector, sectors), durable, verify })
}

fn verified(sector: u64, sectors: u64, compare: Compare) -> Result<Action, Refused> {
    Ok(Action::Verify { range: range(sector, sectors), compare })
}

/// `data_out` is in sectors.
fn check(cdb: &[u8], data_out: u64, expected: Result<Action, Refused>) {
    let task = handle(&mut server(), cdb, data_out * 512);
    assert_eq!(came_to(task.action), expected, "{cdb:02x?} with {data_out} sectors");
}

#[test]
fn reads_of_every_length_of_block() {
    check(&cdb6(0x08, 5, 1), 0, read(5, 1, false));
    check(&cdb6(0x08, 0, 0), 0, read(0, 256, false));
    check(&cdb6(0x08, END, 1), 0, Err(OUT_OF_RANGE));
    check(&cdb10(0x28, 0, 7, 2048), 0, read(7, 2048, false));
    check(&cdb10(0x28, DPO | FUA, 0, 1), 0, read(0, 1, true));
    check(&cdb12(0xa8, 0, END - 1, 1), 0, read(SECTORS - 1, 1, false));
    check(&cdb16(0x88, FUA, 3, 9), 0, read(3, 9, true));
}

#[test]
fn ranges_off_the_lun_are_refused_and_empty_ones_are_good() {
    for opcode in [0x28, 0x2a, 0x2e, 0x2f] {
        check(&cdb10(opcode, 0, END, 1), 1, Err(OUT_OF_RANGE));
        check(&cdb10(opcode, 0, END - 1, 2), 2, Err(OUT_OF_RANGE));
        check(&cdb10(opcode, 0, u32::MAX, 0), 0, Err(OUT_OF_RANGE));
        check(&cdb10(opcode, 0, END + 1, 0), 0, Err(OUT_OF_RANGE));
        check(&cdb10(opcode, 0, 0, 0), 0, Ok(good()));
    }
    for opcode in [0x88, 0x8a, 0x8e, 0x8f, 0x9c] {
        check(&cdb16(opcode, 0, u64::MAX, 0xffff), 0, Err(OUT_OF_RANGE));
        check(&cdb16(opcode, 0, u64::MAX, 1), 1, Err(OUT_OF_RANGE));
    }
    check(&cdb16(0x89, 0, u64::MAX, 1), 2, Err(OUT_OF_RANGE));
}

#[test]
fn more_than_the_announced_maximum_is_refused() {
    check(&cdb10(0x28, 0, 0, 2049), 0, Err(INVALID_FIELD));
    check(&cdb16(0x8a, 0, 0, 2049), 2049, Err(INVALID_FIELD));
    check(&cdb12(0xaf, 0, 0, 2049), 0, Err(INVALID_FIELD));
    check(&cdb16(0x9c, 0, 0, 2049), 2049, Err(INVALID_FIELD));
}

#[test]
fn protection_information_is_refused() {
    for protect in 1..8 {
        let flags = protect << 5;
        for opcode in [0x28, 0x2a, 0x2e, 0x2f, 0x41] {
            check(&cdb10(opcode, flags, 0, 1), 1, Err(INVALID_FIELD));
        }
        for opcode in [0x88, 0x89, 0x8a, 0x8e, 0x8f, 0x93, 0x9c] {
            check(&cdb16(opcode, flags, 0, 1), 1, Err(INVALID_FIELD));
        }
        for opcode in [0xa8, 0xaa, 0xae, 0xaf] {
            check(&cdb12(opcode, flags, 0, 1), 1, Err(INVALID_FIELD));
        }
    }
}

#[test]
fn writes_of_every_length_of_block() {
    check(&cdb6(0x0a, 5, 0), 256, written(5, 256, false, false));
    check(&cdb10(0x2a, 0, 1, 2), 2, written(1, 2, false, false));
    check(&cdb10(0x2a, FUA, 1, 2), 2, written(1, 2, true, false));
    check(&cdb12(0xaa, DPO, 1, 2), 2, written(1, 2, false, false));
    check(&cdb16(0x8a, 0, 1, 2), 2, written(1, 2, false, false));
    // WRITE ATOMIC has its length in the last two of these four bytes.
    check(&cdb16(0x9c, FUA, 1, 2), 2, written(1, 2, true, false));
    check(&cdb16(0x9c, 0, 1, 0x0001_0002), 2, Err(INVALID_FIELD));
    check(&cdb16(0x9c, 0, 1, 2), 1, Err(WRONG_DATA_OUT));
    for flags in [0, 0x02] {
        check(&cdb10(0x2e, flags, 1, 2), 2, written(1, 2, true, true));
        check(&cdb12(0xae, flags, 1, 2), 2, written(1, 2, true, true));
        check(&cdb16(0x8e, flags, 1, 2), 2, written(1, 2, true, true));
    }
    check(&cdb10(0x2e, 0x04, 1, 2), 2, Err(INVALID_FIELD));
}

#[test]
fn a_write_moves_what_both_sides_agree_on() {
    let cases = [
        // Bytes the initiator sends, what comes of it, what the command wanted.
        (0, Ok(good()), 1024),
        (200, Err(WRONG_DATA_OUT), 1024),
        (512, written(0, 1, false, false), 1024),
        (1024, written(0, 2, false, false), 1024),
        (10_000, written(0, 2, false, false), 1024),
    ];
    for (data_out_bytes, expected, transfer_bytes) in cases {
        let task = handle(&mut server(), &cdb10(0x2a, 0, 0, 2), data_out_bytes);
        assert_eq!(task.transfer_bytes, transfer_bytes, "{data_out_bytes}");
        assert_eq!(came_to(task.action), expected, "{data_out_bytes}");
    }
}

#[test]
fn verify_compares_as_its_field_says() {
    check(&cdb10(0x2f, 0, 4, 3), 0, verified(4, 3, Compare::Nothing));
    check(&cdb10(0x2f, 0x02, 4, 3), 3, verified(4, 3, Compare::DataOut));
    check(&cdb16(0x8f, 0x06, 4, 3), 1, verified(4, 3, Compare::DataOutEachSector));
    check(&cdb12(0xaf, 0x04, 4, 3), 3, Err(INVALID_FIELD));
    check(&cdb12(0xaf, 0x02, 4, 3), 2, Err(WRONG_DATA_OUT));
    let wanted = |compare| {
        let range = range(0, 3);
        Action::Verify { range, compare }.data_out_bytes(512)
    };
    assert_eq!(wanted(Compare::Nothing), 0);
    assert_eq!(wanted(Compare::DataOut), 1536);
    assert_eq!(wanted(Compare::DataOutEachSector), 512);
}

#[test]
fn compare_and_write_wants_both_halves() {
    let compared =
        |sectors, durable| Ok(Action::CompareAndWrite { range: range(9, sectors), durable });
    check(&cdb16(0x89, 0, 9, 1), 2, compared(1, false));
    check(&cdb16(0x89, FUA, 9, 255), 510, compared(255, true));
    check(&cdb16(0x89, 0, 9, 0), 0, Ok(good()));
    check(&cdb16(0x89, 0, 9, 256), 512, Err(INVALID_FIELD));
    check(&cdb16(0x89, 0, 9, 1), 4, Err(WRONG_DATA_OUT));
    check(&cdb16(0x89, 0, 9, 3), 4, Err(WRONG_DATA_OUT));
    check(&cdb16(0x89, 0, SECTORS - 1, 2), 4, Err(OUT_OF_RANGE));
    let action = compared(2, false).unwrap();
    assert_eq!(action.data_out_bytes(512), 2048);
}

#[test]
fn cache_commands_check_their_range() {
    for opcode in [0x35, 0x34] {
        check(&cdb10(opcode, 0x02, END, 1), 0, Err(OUT_OF_RANGE));
        check(&cdb10(opcode, 0, END + 1, 0), 0, Err(OUT_OF_RANGE));
        check(&cdb16(opcode + 0x5c, 0, SECTORS, 1), 0, Err(OUT_OF_RANGE));
    }
    check(&cdb10(0x35, 0x02, 0, 0), 0, Ok(Action::Flush));
    check(&cdb16(0x91, 0, 5, u32::try_from(SECTORS - 5).unwrap()), 0, Ok(Action::Flush));
    check(&cdb10(0x34, 0x02, 0, 0), 0, Ok(good()));
    check(&cdb16(0x90, 0, 0, END), 0, Ok(good()));
}

#[test]
fn naca_is_refused_and_missing_bytes_too() {
    for cdb in [cdb6(0x08, 0, 1), cdb10(0x28, 0, 0, 1), cdb12(0xa8, 0, 0, 1), cdb16(0x88, 0, 0, 1)]
    {
        let mut naca = cdb.clone();
        *naca.last_mut().unwrap() |= 0x04;
        check(&naca, 0, Err(INVALID_FIELD));
        check(&cdb[..cdb.len() - 1], 0, Err(INVALID_FIELD));
        let mut padded = cdb.clone();
        padded.resize(16, 0xff);
        check(&padded, 0, read(0, 1, false));
    }
}

/// Every command that changes data, with as much data-out as it wants.
fn writing_commands() -> Vec<(Vec<u8>, u64)> {
    vec![
        (cdb6(0x0a, 0, 1), 512),
        (cdb10(0x2a, 0, 0, 1), 512),
        (cdb12(0xaa, 0, 0, 1), 512),
        (cdb16(0x8a, 0, 0, 1), 512),
        (cdb16(0x9c, 0, 0, 1), 512),
        (cdb10(0x2e, 0, 0, 1), 512),
        (cdb12(0xae, 0, 0, 1), 512),
        (cdb16(0x8e, 0, 0, 1), 512),
        (cdb10(0x41, 0, 0, 1), 512),
        (cdb16(0x93, 0, 0, 1), 512),
        (cdb16(0x89, 0, 0, 1), 1024),
        (cdb10(0x42, 0, 0, 24), 24),
    ]
}

#[test]
fn a_protected_lun_refuses_every_change_and_no_read() {
    let mut read_only = server_of(shape(Sector::Bytes512, policy(true, true)));
    let mut software = server();
    let swp = [0, 0, 0, 0, 0x0a, 0x0a, 0x02, 0x10, 0x08, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(send_list(&mut software, &[0x15, 0x10, 0, 0, 16, 0], &swp), Ok(good()));
    for (cdb, data_out) in writing_commands() {
        let action = handle(&mut read_only, &cdb, data_out).action;
        assert_eq!(came_to(action), Err(WRITE_PROTECTED), "{cdb:02x?}");
        let action = handle(&mut software, &cdb, data_out).action;
        assert_eq!(came_to(action), Err(SOFTWARE_PROTECTED), "{cdb:02x?}");
    }
    let action = handle(&mut read_only, &cdb10(0x28, 0, 0, 1), 0).action;
    assert_eq!(came_to(action), read(0, 1, false));
}

#[test]
fn a_write_through_lun_makes_every_change_durable() {
    let mut server = server_of(shape(Sector::Bytes512, policy(false, false)));
    for (cdb, data_out) in writing_commands() {
        let durable = match handle(&mut server, &cdb, data_out).action {
            Action::Write { durable, .. }
            | Action::WriteSame { durable, .. }
            | Action::CompareAndWrite { durable, .. } => durable,
            Action::Collect(list) => {
                let mut data = [0; 24];
                data[3] = 16;
                data[19] = 1;
                let action = server.data_out_arrived(crate::NEXUS, &list, &data);
                matches!(action, Action::Unmap { durable: true, .. })
            }
            other => panic!("{cdb:02x?} became {other:?}"),
        };
        assert!(durable, "{cdb:02x?}");
    }
}

#[test]
fn sectors_of_4096_count_in_4096() {
    let mut server = server_of(shape(Sector::Bytes4096, policy(true, false)));
    let action = handle(&mut server, &cdb10(0x28, 0, 3, 256), 0).action;
    let range = Range { offset_bytes: 3 * 4096, len_bytes: 1 << 20 };
    assert_eq!(action, Action::Read { range, fua: false });
    let action = handle(&mut server, &cdb10(0x28, 0, 3, 257), 0).action;
    assert_eq!(came_to(action), Err(INVALID_FIELD));
}
