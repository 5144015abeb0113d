//! UNMAP, WRITE SAME and their limits.

use vds_scsi::{Action, Pattern, Range, Sector};

use crate::{
    INVALID_FIELD, INVALID_PARAMETER, LIST_LENGTH, OUT_OF_RANGE, Refused, SECTORS, WRONG_DATA_OUT,
    came_to, cdb10, cdb16, data_in, good, handle, policy, send_list, server, server_of, shape,
};

const UNMAP: u8 = 0x08;
const ANCHOR: u8 = 0x10;

fn range(sector: u64, sectors: u64) -> Range {
    Range { offset_bytes: sector * 512, len_bytes: sectors * 512 }
}

fn unmap_list(extents: &[(u64, u32)]) -> Vec<u8> {
    let descriptors = u16::try_from(extents.len() * 16).unwrap();
    let mut list = (descriptors + 6).to_be_bytes().to_vec();
    list.extend(descriptors.to_be_bytes());
    list.extend([0; 4]);
    for (lba, sectors) in extents {
        list.extend(lba.to_be_bytes());
        list.extend(sectors.to_be_bytes());
        list.extend([0; 4]);
    }
    list
}

fn unmap(list: &[u8]) -> Result<Action, Refused> {
    let length = u16::try_from(list.len()).unwrap();
    send_list(&mut server(), &cdb10(0x42, 0, 0, length), list)
}

fn check_unmap(extents: &[(u64, u32)], expected: Result<&[Range], Refused>) {
    let expected = expected.map(|ranges| {
        if ranges.is_empty() {
            good()
        } else {
            Action::Unmap { ranges: ranges.to_vec(), durable: false }
        }
    });
    assert_eq!(unmap(&unmap_list(extents)), expected, "{extents:?}");
}

#[test]
fn unmap_takes_each_descriptor() {
    check_unmap(&[(0, 1)], Ok(&[range(0, 1)]));
    check_unmap(&[(8, 8), (0, 0), (4, 8)], Ok(&[range(8, 8), range(4, 8)]));
    check_unmap(&[], Ok(&[]));
    check_unmap(&[(SECTORS, 0)], Ok(&[]));
    check_unmap(&[(SECTORS + 1, 0)], Err(OUT_OF_RANGE));
    check_unmap(&[(0, 1), (SECTORS, 1)], Err(OUT_OF_RANGE));
    check_unmap(&[(u64::MAX, u32::MAX)], Err(OUT_OF_RANGE));
    check_unmap(&[(0, 1); 256], Ok(&[range(0, 1); 256]));
    check_unmap(&[(0, 1); 257], Err(INVALID_PARAMETER));
    let whole = u32::try_from(SECTORS).unwrap();
    check_unmap(&[(0, whole); 8], Ok(&[range(0, SECTORS); 8]));
    check_unmap(&[(0, whole); 9], Err(INVALID_PARAMETER));
}

#[test]
fn broken_unmap_lists_are_refused() {
    let list = unmap_list(&[(0, 1), (2, 1)]);
    assert_eq!(unmap(&list[..7]), Err(LIST_LENGTH));
    assert_eq!(unmap(&list[..list.len() - 1]), Err(LIST_LENGTH));
    assert_eq!(unmap(&[]), Ok(good()));
    // The initiator announces more than it sends.
    let action = send_list(&mut server(), &cdb10(0x42, 0, 0, 4000), &list);
    assert!(matches!(action, Ok(Action::Unmap { .. })));
}

#[test]
fn write_same_repeats_one_sector() {
    let same = |sectors, pattern| {
        Ok(Action::WriteSame { range: range(2, sectors), pattern, durable: false })
    };
    let cases = [
        (cdb10(0x41, 0, 2, 5), 512, same(5, Pattern::DataOut)),
        (cdb10(0x41, UNMAP, 2, 5), 512, same(5, Pattern::DataOut)),
        (cdb16(0x93, UNMAP | ANCHOR, 2, 5), 512, same(5, Pattern::DataOut)),
        (cdb16(0x93, 0x01, 2, 0xfff8), 0, same(0xfff8, Pattern::Zeros)),
        (cdb16(0x93, 0, 2, 0xfff9), 512, Err(INVALID_FIELD)),
        (cdb10(0x41, ANCHOR, 2, 5), 512, Err(INVALID_FIELD)),
        (cdb10(0x41, 0x02, 2, 5), 512, Err(INVALID_FIELD)),
        (cdb10(0x41, 0x04, 2, 5), 512, Err(INVALID_FIELD)),
        (cdb10(0x41, 0, 2, 0), 512, Err(INVALID_FIELD)),
        (cdb10(0x41, 0, u32::MAX, 0), 512, Err(OUT_OF_RANGE)),
        (cdb16(0x93, 0, SECTORS - 1, 2), 512, Err(OUT_OF_RANGE)),
        (cdb10(0x41, 0, 2, 5), 256, Err(WRONG_DATA_OUT)),
        (cdb10(0x41, 0, 2, 5), 1024, Err(WRONG_DATA_OUT)),
        (cdb16(0x93, 0, 2, 5), 0, Err(WRONG_DATA_OUT)),
    ];
    for (cdb, data_out, expected) in cases {
        let action = handle(&mut server(), &cdb, data_out).action;
        assert_eq!(came_to(action), expected, "{cdb:02x?}");
    }
    assert_eq!(same(5, Pattern::DataOut).unwrap().data_out_bytes(512), 512);
    assert_eq!(same(5, Pattern::Zeros).unwrap().data_out_bytes(512), 0);
}

#[test]
fn the_limits_page_says_what_is_enforced() {
    let word = |page: &[u8], at: usize| u32::from_be_bytes(page[at..at + 4].try_into().unwrap());
    for (sector, granularity, transfer) in
        [(Sector::Bytes512, 8, 2048), (Sector::Bytes4096, 1, 256)]
    {
        let mut server = server_of(shape(sector, policy(true, false)));
        let page = data_in(&mut server, &[0x12, 1, 0xb0, 1, 0, 0]).unwrap();
        assert_eq!(page[..4], [0, 0xb0, 0, 0x3c]);
        assert_eq!(page.len(), 0x40);
        assert_eq!(page[4], 1, "WSNZ");
        assert_eq!(page[5], 255, "maximum compare and write length");
        assert_eq!(page[6..8], [0, granularity]);
        assert_eq!(word(&page, 8), transfer, "maximum transfer length");
        assert_eq!(word(&page, 12), transfer);
        assert_eq!(word(&page, 20), 1 << 20, "maximum unmap LBA count");
        assert_eq!(word(&page, 24), 256, "maximum unmap descriptors");
        assert_eq!(word(&page, 28), u32::from(granularity));
        assert_eq!(word(&page, 32), 0x8000_0000);
        assert_eq!((word(&page, 36), word(&page, 40)), (0, 0xfff8), "maximum write same length");
        assert_eq!(word(&page, 44), transfer, "maximum atomic transfer length");
        assert_eq!(page[48..], [0; 16]);
    }
    let page = data_in(&mut server(), &[0x12, 1, 0xb2, 0, 255, 0]).unwrap();
    assert_eq!(page, [0, 0xb2, 0, 4, 0, 0xe6, 0x01, 0]);
}

#[test]
fn lba_status_claims_nothing() {
    let status = |lba| data_in(&mut server(), &cdb16(0x9e, 0x12, lba, 24));
    let data = status(SECTORS - 2).unwrap();
    assert_eq!(data[..8], [0, 0, 0, 20, 0, 0, 0, 0]);
    assert_eq!(data[8..], [0, 0, 0, 0, 0, 1, 0xff, 0xfe, 0, 0, 0, 2, 0, 0, 0, 0]);
    assert_eq!(status(SECTORS), Err(OUT_OF_RANGE));
}
