//! MODE SENSE and MODE SELECT.

use vds_scsi::{Action, Fault, NexusId, Response, Sector, UnitAttention};

use crate::{
    INVALID_FIELD, INVALID_PARAMETER, LIST_LENGTH, NEXUS, Refused, cdb10, data_in, good, handle,
    policy, send_list, server, server_of, shape,
};

const CURRENT: u8 = 0x00;
const CHANGEABLE: u8 = 0x40;
const DEFAULT: u8 = 0x80;
const SAVED: u8 = 0xc0;

const CACHING: [u8; 20] = [8, 0x12, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const CONTROL: [u8; 12] = [0x0a, 0x0a, 0x02, 0x10, 0, 0, 0, 0, 0, 0, 0, 0];

fn with(page: &[u8], byte: usize, value: u8) -> Vec<u8> {
    let mut page = page.to_vec();
    page[byte] = value;
    page
}

fn check_sense(page: u8, expected: Result<Vec<u8>, Refused>) {
    let data = data_in(&mut server(), &[0x1a, 0x08, page, 0, 255, 0]);
    if let Ok(data) = &data {
        assert_eq!(usize::from(data[0]) + 1, data.len());
        assert_eq!(data[1..4], [0, 0x10, 0], "DPOFUA, no block descriptor");
    }
    assert_eq!(data.map(|data| data[4..].to_vec()), expected, "page {page:#x}");
}

#[test]
fn mode_sense_returns_each_page_in_each_kind_of_value() {
    let both = |caching: &[u8], control: &[u8]| Ok([caching, control].concat());
    let control_mask = with(&with(&with(&CONTROL, 2, 0x04), 3, 0), 4, 0x08);
    check_sense(CURRENT | 0x08, Ok(CACHING.to_vec()));
    check_sense(CURRENT | 0x0a, Ok(CONTROL.to_vec()));
    check_sense(CURRENT | 0x3f, both(&CACHING, &CONTROL));
    check_sense(DEFAULT | 0x3f, both(&CACHING, &CONTROL));
    check_sense(CHANGEABLE | 0x3f, both(&CACHING, &control_mask));
    check_sense(SAVED | 0x3f, Err((5, 0x39, 0)));
    check_sense(CURRENT | 0x1c, Err(INVALID_FIELD));
}

#[test]
fn headers_and_block_descriptors() {
    let six = data_in(&mut server(), &[0x1a, 0, 0x08, 0, 255, 0]).unwrap();
    assert_eq!(six[..12], [31, 0, 0x10, 8, 0, 2, 0, 0, 0, 0, 2, 0]);
    let ten = data_in(&mut server(), &cdb10(0x5a, 0, 0x0800_0000, 255)).unwrap();
    assert_eq!(ten[..16], [0, 34, 0, 0x10, 0, 0, 0, 8, 0, 2, 0, 0, 0, 0, 2, 0]);
    let long = data_in(&mut server(), &cdb10(0x5a, 0x10, 0x0800_0000, 255)).unwrap();
    assert_eq!(long[..8], [0, 42, 0, 0x10, 1, 0, 0, 16]);
    assert_eq!(long[8..24], [0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0]);
    let cut = data_in(&mut server(), &[0x1a, 0, 0x3f, 0, 4, 0]).unwrap();
    assert_eq!(cut, [43, 0, 0x10, 8]);
    let mut read_only = server_of(shape(Sector::Bytes512, policy(true, true)));
    assert_eq!(data_in(&mut read_only, &[0x1a, 8, 0x08, 0, 4, 0]).unwrap()[2], 0x90);
}

fn select6(pages: &[u8]) -> Result<Action, Refused> {
    let list = [&[0; 4], pages].concat();
    let length = u8::try_from(list.len()).unwrap();
    send_list(&mut server(), &[0x15, 0x10, 0, 0, length, 0], &list)
}

#[test]
fn mode_select_takes_what_is_changeable_and_nothing_else() {
    assert_eq!(select6(&CACHING), Ok(good()));
    assert_eq!(select6(&with(&CACHING, 2, 0)), Ok(Action::SetWriteBack { write_back: false }));
    assert_eq!(select6(&with(&CONTROL, 2, 0x06)), Ok(good()));
    assert_eq!(select6(&with(&CONTROL, 4, 0x08)), Ok(good()));
    assert_eq!(select6(&[]), Ok(good()));
    assert_eq!(select6(&with(&CACHING, 2, 0x05)), Err(INVALID_PARAMETER), "RCD");
    assert_eq!(select6(&with(&CONTROL, 3, 0)), Err(INVALID_PARAMETER), "queueing");
    assert_eq!(select6(&with(&CONTROL, 1, 0x0b)), Err(INVALID_PARAMETER), "page length");
    assert_eq!(select6(&with(&CONTROL, 0, 0x0b)), Err(INVALID_PARAMETER), "page code");
    assert_eq!(select6(&CONTROL[..11]), Err(LIST_LENGTH));
    let mut one = server();
    assert_eq!(send_list(&mut one, &[0x15, 0x11, 0, 0, 16, 0], &[0; 16]), Err(INVALID_FIELD), "SP");
    assert_eq!(send_list(&mut one, &[0x15, 0, 0, 0, 16, 0], &[0; 16]), Err(INVALID_FIELD), "PF");
    assert_eq!(send_list(&mut one, &[0x15, 0x10, 0, 0, 3, 0], &[0; 3]), Err(LIST_LENGTH));
}

#[test]
fn a_block_descriptor_may_only_repeat_what_is_so() {
    let select = |descriptor: &[u8]| {
        let mut list = vec![0, 0, 0, u8::try_from(descriptor.len()).unwrap()];
        list.extend(descriptor);
        let length = u8::try_from(list.len()).unwrap();
        send_list(&mut server(), &[0x15, 0x10, 0, 0, length, 0], &list)
    };
    assert_eq!(select(&[0, 2, 0, 0, 0, 0, 2, 0]), Ok(good()));
    assert_eq!(select(&[0, 0, 0, 0, 0, 0, 2, 0]), Ok(good()));
    assert_eq!(select(&[0, 1, 0, 0, 0, 0, 2, 0]), Err(INVALID_PARAMETER));
    assert_eq!(select(&[0, 2, 0, 0, 0, 0, 16, 0]), Err(INVALID_PARAMETER));
    assert_eq!(select(&[0, 2, 0, 0]), Err(INVALID_PARAMETER));
    let long = [0, 0, 0, 0, 1, 0, 0, 16, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0];
    assert_eq!(send_list(&mut server(), &cdb10(0x55, 0x10, 0, 24), &long), Ok(good()));
}

#[test]
fn turning_the_cache_off_makes_writes_durable_once_it_succeeded() {
    let mut server = server();
    let other = NexusId(2);
    server.attach(other);
    server.establish(other, UnitAttention::PowerOn);
    let durable = |server: &mut vds_scsi::DeviceServer| {
        let action = handle(server, &cdb10(0x2a, 0, 0, 1), 512).action;
        matches!(action, Action::Write { durable: true, .. })
    };
    let list = [&[0; 4], with(&CACHING, 2, 0).as_slice()].concat();
    let action = send_list(&mut server, &[0x15, 0x10, 0, 0, 24, 0], &list).unwrap();
    assert!(!durable(&mut server), "not yet");
    let response = server.complete(NEXUS, &action, Err(Fault::Unavailable));
    assert_ne!(response, Response::good());
    assert!(server.write_back(), "a failed flush changes nothing");
    assert_eq!(server.complete(NEXUS, &action, Ok(())), Response::good());
    assert!(durable(&mut server));
    let page = data_in(&mut server, &[0x1a, 8, 0x08, 0, 255, 0]).unwrap();
    assert_eq!(page[6], 0);
    server.reset();
    assert!(!durable(&mut server), "a reset returns to the LUN's own policy");
}

#[test]
fn a_write_through_lun_stays_so() {
    let mut server = server_of(shape(Sector::Bytes512, policy(false, false)));
    let mask = data_in(&mut server, &[0x1a, 8, CHANGEABLE | 0x08, 0, 255, 0]).unwrap();
    assert_eq!(mask[6], 0);
    let list = [&[0; 4], CACHING.as_slice()].concat();
    let answer = send_list(&mut server, &[0x15, 0x10, 0, 0, 24, 0], &list);
    assert_eq!(answer, Err(INVALID_PARAMETER));
}

#[test]
fn descriptor_sense_is_honoured() {
    let mut server = server();
    let list = [&[0; 4], with(&CONTROL, 2, 0x06).as_slice()].concat();
    assert_eq!(send_list(&mut server, &[0x15, 0x10, 0, 0, 16, 0], &list), Ok(good()));
    match handle(&mut server, &cdb10(0x28, 0, u32::MAX, 1), 0).action {
        Action::Respond(response) => assert_eq!(response.sense, [0x72, 5, 0x21, 0, 0, 0, 0, 0]),
        other => panic!("{other:?}"),
    }
}
