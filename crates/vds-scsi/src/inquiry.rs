//! INQUIRY: the standard data and the vital product data pages.

use crate::cdb::Cdb;
use crate::server::Refusal;
use crate::{Command, DeviceServer, Identity, Response, Sense, Task, provisioning};

/// PERIPHERAL QUALIFIER and DEVICE TYPE of a LUN: connected, direct access block device.
const DISK: u8 = 0x00;
/// The same where there is no LUN: qualifier 011b, device type unknown.
const NO_UNIT: u8 = 0x7f;

/// EVPD in byte 1.
const EVPD: u8 = 0x01;
/// The obsolete CMDDT in byte 1.
const CMDDT: u8 = 0x02;

/// Bytes of standard data, up to the end of the version descriptors and their reserved tail.
const STANDARD_BYTES: u8 = 96;

/// What we claim to follow, without naming a revision: SAM-5, SPC-4, SBC-3, iSCSI. Source: SPC-4 §6.6.2, table 144.
const VERSION_DESCRIPTORS: [u16; 4] = [0x00a0, 0x0460, 0x04c0, 0x0960];

/// A vital product data page and what makes its contents, from byte 4 on.
type Page = (u8, fn(&DeviceServer) -> Vec<u8>);

/// Ascending by page code. Page 00h lists these.
static PAGES: &[Page] = &[
    (0x00, supported_pages),
    (0x80, unit_serial_number),
    (0x83, device_identification),
    (0x86, extended_inquiry),
    (0xb0, provisioning::block_limits),
    (0xb1, block_device_characteristics),
    (0xb2, provisioning::provisioning_page),
];

/// INQUIRY.
pub(crate) fn inquiry(
    server: &mut DeviceServer,
    _command: &Command<'_>,
    cdb: &Cdb,
) -> Result<Task, Refusal> {
    let allocation = cdb.allocation16(3);
    if !checked_evpd(cdb)? {
        return Ok(Task::data(standard(DISK, Some(&server.identity)), allocation));
    }
    let code = cdb.u8(2);
    let (_, contents) =
        PAGES.iter().find(|(page, _)| *page == code).ok_or(Sense::invalid_cdb_field(2, None))?;
    Ok(Task::data(page(DISK, code, &contents(server)), allocation))
}

/// INQUIRY to a LUN that this initiator does not have. Source: SPC-4 §6.6.1, SAM-5 §4.7.2.
pub(crate) fn inquiry_without_unit(cdb: &Cdb) -> Result<Response, Sense> {
    let allocation = cdb.allocation16(3);
    if !checked_evpd(cdb)? {
        return Ok(Response::data(standard(NO_UNIT, None), allocation));
    }
    match cdb.u8(2) {
        0x00 => Ok(Response::data(page(NO_UNIT, 0x00, &[0x00]), allocation)),
        _ => Err(Sense::invalid_cdb_field(2, None)),
    }
}

/// Whether a vital product data page is asked for.
fn checked_evpd(cdb: &Cdb) -> Result<bool, Sense> {
    if cdb.bit(1, CMDDT) {
        return Err(Sense::invalid_cdb_field(1, Some(1)));
    }
    let evpd = cdb.bit(1, EVPD);
    if !evpd && cdb.u8(2) != 0 {
        return Err(Sense::invalid_cdb_field(2, None));
    }
    Ok(evpd)
}

/// Standard INQUIRY data. Source: SPC-4 §6.6.2.
fn standard(peripheral: u8, identity: Option<&Identity>) -> Vec<u8> {
    let mut data = vec![0; usize::from(STANDARD_BYTES)];
    data[0] = peripheral;
    data[2] = 0x06; // SPC-4
    data[3] = 0x12; // HISUP, response data format 2
    data[4] = STANDARD_BYTES - 5;
    data[7] = 0x02; // CMDQUE
    data[8..36].fill(b' ');
    if let Some(identity) = identity {
        data[8..16].copy_from_slice(identity.vendor());
        data[16..32].copy_from_slice(identity.product());
        data[32..36].copy_from_slice(identity.revision());
    }
    for (slot, descriptor) in data[58..74].chunks_exact_mut(2).zip(VERSION_DESCRIPTORS) {
        slot.copy_from_slice(&descriptor.to_be_bytes());
    }
    data
}

/// The four-byte header before a page's contents.
fn page(peripheral: u8, code: u8, contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(contents.len()).expect("our pages are short").to_be_bytes();
    let mut data = vec![peripheral, code, length[0], length[1]];
    data.extend_from_slice(contents);
    data
}

fn supported_pages(_server: &DeviceServer) -> Vec<u8> {
    PAGES.iter().map(|(code, _)| *code).collect()
}

fn unit_serial_number(server: &DeviceServer) -> Vec<u8> {
    server.identity.serial().into_bytes()
}

/// Three designators of the LUN: locally assigned NAA, T10 vendor id based, UUID. Source: SPC-4 §7.8.6, SPC-5 §7.7.6.
fn device_identification(server: &DeviceServer) -> Vec<u8> {
    const BINARY: u8 = 1;
    const ASCII: u8 = 2;
    const T10: u8 = 0x1;
    const NAA: u8 = 0x3;
    const UUID: u8 = 0xa;

    let identity = &server.identity;
    let mut vendor = identity.vendor().to_vec();
    vendor.extend_from_slice(identity.serial().as_bytes());
    let mut uuid = vec![0x10, 0x00];
    uuid.extend_from_slice(&identity.uuid());

    let mut contents = Vec::new();
    for (code_set, kind, designator) in
        [(BINARY, NAA, identity.naa().to_vec()), (ASCII, T10, vendor), (BINARY, UUID, uuid)]
    {
        let length = u8::try_from(designator.len()).expect("at most 40 bytes");
        contents.extend_from_slice(&[code_set, kind, 0, length]);
        contents.extend_from_slice(&designator);
    }
    contents
}

/// Source: SPC-4 §7.8.7.
fn extended_inquiry(server: &DeviceServer) -> Vec<u8> {
    let mut contents = vec![0; 0x3c];
    contents[1] = 0x01; // SIMPSUP: of the task attributes, SIMPLE
    contents[2] = u8::from(server.shape.write_back()); // V_SUP: there is a volatile cache
    contents
}

/// Source: SBC-4 §6.6.2. The rotation rate is "not reported": drives of any kind may lie below.
fn block_device_characteristics(_server: &DeviceServer) -> Vec<u8> {
    let mut contents = vec![0; 0x3c];
    contents[4] = 0x01; // VBULS: VERIFY may compare with deallocated sectors
    contents
}
