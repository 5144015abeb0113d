//! Commands that answer with data of the server's own: INQUIRY, READ CAPACITY, the REPORT family, REQUEST SENSE.

use vds_scsi::{Action, Command, Lun, Sector, Shape, Status, unknown_lun};

use crate::{
    INVALID_FIELD, INVALID_OPCODE, NEXUS, NO_LUN, Refused, TRANSFER_MAX, UUID, came_to, cdb10,
    codes, data_in, good, handle, policy, server, server_of, shape,
};

fn check(cdb: &[u8], expected: Result<&[u8], Refused>) {
    let expected = expected.map(<[u8]>::to_vec);
    assert_eq!(data_in(&mut server(), cdb), expected, "{cdb:02x?}");
}

fn inquiry(page: Option<u8>, allocation: u16) -> Vec<u8> {
    let [high, low] = allocation.to_be_bytes();
    vec![0x12, u8::from(page.is_some()), page.unwrap_or(0), high, low, 0]
}

#[test]
fn standard_inquiry() {
    let data = data_in(&mut server(), &inquiry(None, 260)).unwrap();
    assert_eq!(data.len(), 96);
    assert_eq!(data[..8], [0, 0, 6, 0x12, 91, 0, 0, 2]);
    assert_eq!(&data[8..36], b"VDS     Virtual Disk    0.1 ");
    assert_eq!(data[58..68], [0x00, 0xa0, 0x04, 0x60, 0x04, 0xc0, 0x09, 0x60, 0, 0]);
    for allocation in 0..=260 {
        let cut = data_in(&mut server(), &inquiry(None, allocation)).unwrap();
        assert_eq!(cut, data[..usize::from(allocation).min(96)]);
    }
    check(&[0x12, 0, 0x80, 0, 255, 0], Err(INVALID_FIELD));
    check(&[0x12, 2, 0, 0, 255, 0], Err(INVALID_FIELD));
}

#[test]
fn every_listed_page_is_there_and_no_other() {
    let listed = data_in(&mut server(), &inquiry(Some(0), 255)).unwrap();
    assert_eq!(listed, [0, 0, 0, 7, 0x00, 0x80, 0x83, 0x86, 0xb0, 0xb1, 0xb2]);
    for page in 0..=255 {
        let data = data_in(&mut server(), &inquiry(Some(page), 4096));
        if listed[4..].contains(&page) {
            let data = data.unwrap();
            assert_eq!(data[..2], [0, page]);
            let length = u16::from_be_bytes([data[2], data[3]]);
            assert_eq!(usize::from(length) + 4, data.len(), "page {page:#x}");
        } else {
            assert_eq!(data, Err(INVALID_FIELD), "page {page:#x}");
        }
    }
}

#[test]
fn the_lun_is_named_three_ways() {
    let serial = "0123456789ab4def8011223344556677";
    let page = data_in(&mut server(), &inquiry(Some(0x80), 255)).unwrap();
    assert_eq!(&page[4..], serial.as_bytes());

    let page = data_in(&mut server(), &inquiry(Some(0x83), 255)).unwrap();
    let naa = &page[4..16];
    assert_eq!(naa, [1, 3, 0, 8, 0x31, 0x32, 0x67, 0x54, 0xcd, 0xfe, 0x2b, 0x98]);
    assert_eq!(page[16..20], [2, 1, 0, 40]);
    assert_eq!(&page[20..60], format!("VDS     {serial}").as_bytes());
    assert_eq!(page[60..66], [1, 0x0a, 0, 18, 0x10, 0]);
    assert_eq!(page[66..], UUID);
}

#[test]
fn read_capacity() {
    check(&cdb10(0x25, 0, 0, 0), Ok(&[0, 1, 0xff, 0xff, 0, 0, 2, 0]));
    check(&cdb10(0x25, 0, 1, 0), Err(INVALID_FIELD));
    check(&cdb10(0x25, 0, 0, 1 << 8), Ok(&[0, 1, 0xff, 0xff, 0, 0, 2, 0]));
    check(&cdb10(0x25, 0, 0, 1), Err(INVALID_FIELD));
    let sixteen = |allocation| {
        let mut cdb = [0; 16];
        (cdb[0], cdb[1], cdb[13]) = (0x9e, 0x10, allocation);
        cdb
    };
    let mut data = [0; 32];
    data[..16].copy_from_slice(&[0, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 2, 0, 0, 3, 0xc0, 0]);
    check(&sixteen(32), Ok(&data));
    check(&sixteen(15), Ok(&data[..15]));
    check(&sixteen(0), Ok(&[]));

    let large = Shape::new(1 << 50, Sector::Bytes4096, TRANSFER_MAX, policy(true, false)).unwrap();
    let mut large = server_of(large);
    let data = data_in(&mut large, &cdb10(0x25, 0, 0, 0)).unwrap();
    assert_eq!(data, [0xff, 0xff, 0xff, 0xff, 0, 0, 0x10, 0]);
    let data = data_in(&mut large, &sixteen(32)).unwrap();
    assert_eq!(data[..14], [0, 0, 0, 0x3f, 0xff, 0xff, 0xff, 0xff, 0, 0, 0x10, 0, 0, 0]);
}

fn report_luns(select: u8, allocation: u8) -> [u8; 12] {
    [0xa0, 0, select, 0, 0, 0, 0, 0, 0, allocation, 0, 0]
}

#[test]
fn report_luns_lists_what_was_passed_in() {
    let list = [0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0];
    check(&report_luns(0, 255), Ok(&list));
    check(&report_luns(2, 16), Ok(&list[..16]));
    check(&report_luns(1, 255), Ok(&[0; 8]));
    check(&report_luns(3, 255), Err(INVALID_FIELD));
    check(&report_luns(0, 15), Err(INVALID_FIELD));
}

#[test]
fn a_lun_that_is_not_there_still_says_so() {
    let luns = [Lun::new(300).unwrap()];
    let inquiry = unknown_lun(&[0x12, 0, 0, 0, 255, 0], &luns);
    assert_eq!(inquiry.status, Status::Good);
    assert_eq!(inquiry.data_in[..5], [0x7f, 0, 6, 0x12, 91]);
    let pages = unknown_lun(&[0x12, 1, 0, 0, 255, 0], &luns);
    assert_eq!(pages.data_in, [0x7f, 0, 0, 1, 0]);
    assert_eq!(codes(&unknown_lun(&[0x12, 1, 0x83, 0, 255, 0], &luns)), INVALID_FIELD);
    let list = unknown_lun(&report_luns(0, 255), &luns);
    assert_eq!(list.data_in, [0, 0, 0, 8, 0, 0, 0, 0, 0x41, 0x2c, 0, 0, 0, 0, 0, 0]);
    let sense = unknown_lun(&[3, 1, 0, 0, 255, 0], &luns);
    assert_eq!(sense.data_in, [0x72, 5, 0x25, 0, 0, 0, 0, 0]);
    for cdb in [&[0, 0, 0, 0, 0, 0][..], &[0x28; 10], &[0xff; 16], &[]] {
        assert_eq!(codes(&unknown_lun(cdb, &luns)), NO_LUN);
    }
}

/// REPORT SUPPORTED OPERATION CODES: the option, RCTD, the operation code and service action asked about.
fn supported(option: u8, opcode: u8, action: u8) -> [u8; 12] {
    [0xa3, 0x0c, option, opcode, 0, action, 0, 0, 0xff, 0xff, 0, 0]
}

#[test]
fn what_is_listed_is_what_is_served() {
    let all = data_in(&mut server(), &supported(0, 0, 0)).unwrap();
    assert_eq!(u32::from_be_bytes(all[..4].try_into().unwrap()) as usize, all.len() - 4);
    let mut listed = Vec::new();
    for descriptor in all[4..].chunks(8) {
        let (opcode, action, flags) = (descriptor[0], descriptor[3], descriptor[5]);
        listed.push(opcode);
        let (with_action, without) = if flags & 1 == 1 { (2, 1) } else { (1, 2) };
        for option in [with_action, 3] {
            let one = data_in(&mut server(), &supported(option, opcode, action)).unwrap();
            assert_eq!(one[..4], [0, 3, 0, descriptor[7]]);
            assert_eq!(one[4], opcode);
            assert_eq!(one.len(), 4 + usize::from(descriptor[7]));
        }
        check(&supported(without, opcode, action), Err(INVALID_FIELD));
    }
    for opcode in 0..=0xff {
        let task =
            handle(&mut server(), &[opcode, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0);
        // MAINTENANCE IN has no service action 10h.
        let served = listed.contains(&opcode) && opcode != 0xa3;
        assert_eq!(came_to(task.action) != Err(INVALID_OPCODE), served, "{opcode:#x}");
    }
}

#[test]
fn one_command_with_its_timeouts_and_one_that_is_not_there() {
    check(
        &supported(1, 0x2a, 0),
        Ok(&[0, 3, 0, 10, 0x2a, 0xf8, 255, 255, 255, 255, 0, 255, 255, 4]),
    );
    let with_timeouts = data_in(&mut server(), &supported(0x81, 0x00, 0)).unwrap();
    assert_eq!(
        with_timeouts,
        [0, 0x83, 0, 6, 0, 0, 0, 0, 0, 4, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    );
    let all = data_in(&mut server(), &supported(0x80, 0, 0)).unwrap();
    assert!(all[4..].chunks(20).all(|row| row[5] & 2 == 2 && row[8..10] == [0, 10]));
    for option in [1, 2, 3] {
        check(&supported(option, 0x5e, 0), Ok(&[0, 1, 0, 0]));
    }
    check(&supported(2, 0x9e, 0x13), Ok(&[0, 1, 0, 0]));
    check(&supported(4, 0, 0), Err(INVALID_FIELD));
    check(&[0xa3, 0x0d, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0], Ok(&[0xd8, 0, 0, 0]));
    check(&[0xa3, 0x0e, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0], Err(INVALID_OPCODE));
}

#[test]
fn commands_about_the_unit() {
    let cases = [
        ([0x00, 0, 0, 0, 0, 0], Ok(Action::TestReady)),
        ([0x1b, 0, 0, 0, 1, 0], Ok(Action::TestReady)),
        ([0x1b, 1, 0, 0, 0, 0], Err(INVALID_FIELD)),
        ([0x1b, 1, 0, 0, 2, 0], Err(INVALID_FIELD)),
        ([0x1b, 0, 0, 0, 3, 0], Err(INVALID_FIELD)),
        ([0x1b, 0, 0, 0, 0x11, 0], Err(INVALID_FIELD)),
        ([0x1d, 0x04, 0, 0, 0, 0], Ok(Action::TestReady)),
        ([0x1d, 0, 0, 0, 0, 0], Ok(good())),
        ([0x1d, 0x20, 0, 0, 0, 0], Err(INVALID_FIELD)),
        ([0x1d, 0x10, 0, 0, 8, 0], Err(INVALID_FIELD)),
        ([0x16, 0, 0, 0, 0, 0], Err(INVALID_OPCODE)),
        ([0x7f, 0, 0, 0, 0, 0], Err(INVALID_OPCODE)),
    ];
    for (cdb, expected) in cases {
        assert_eq!(came_to(handle(&mut server(), &cdb, 0).action), expected, "{cdb:02x?}");
    }
    check(&[3, 0, 0, 0, 18, 0], Ok(&[0x70, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    check(&[3, 1, 0, 0, 4, 0], Ok(&[0x72, 0, 0, 0]));
}

#[test]
fn an_empty_block_is_refused() {
    let mut server = server_of(shape(Sector::Bytes512, policy(true, false)));
    let command = Command { nexus: NEXUS, cdb: &[], data_out_bytes: 0, luns: &[] };
    assert_eq!(came_to(server.handle(&command).action), Err(INVALID_OPCODE));
}
