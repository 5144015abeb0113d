//! How many bytes each object takes in a snapshot, without encoding it.

use std::borrow::Borrow;

use vds_format::{
    ArrayRecord, DriveRecord, LunRecord, PortalGroupRecord, PortalRecord, Record, SegmentRecord,
    TargetRecord, Writer,
};

/// Kind, zero and length before every record.
const FRAME: u64 = 8;
const ID: u64 = 16;
/// A checkpoint.
pub(super) const CHECKPOINT: u64 = FRAME + 49;
/// One column of a segment.
pub(super) const COLUMN: u64 = 9;
/// One portal in a group.
pub(super) const PORTAL_PLACE: u64 = 4;

fn text(text: &str) -> u64 {
    blob(text.as_bytes())
}

fn blob(bytes: &[u8]) -> u64 {
    2 + bytes.len() as u64
}

pub(super) fn array(array: &ArrayRecord) -> u64 {
    FRAME + 16 + text(&array.name) + 8 + 1 + 8 + 4 + 2 + 4 + 4
}

pub(super) fn drive(drive: &DriveRecord) -> u64 {
    let texts = text(&drive.name) + text(&drive.path) + text(&drive.serial) + text(&drive.reason);
    FRAME + 2 + ID + texts + 8 + 8 + 4 + 1 + 1 + 4 + 4 * drive.retired_slabs.len() as u64
}

pub(super) fn lun(lun: &LunRecord) -> u64 {
    let plexes = lun.plexes.iter().map(|plex| ID + 1 + 1 + 4 + 2 * plex.drives.len() as u64);
    let plexes: u64 = 4 + plexes.sum::<u64>();
    let reservations = 4 + 6 * lun.reservations.len() as u64;
    let texts = text(&lun.name) + text(&lun.mask) + blob(&lun.hints);
    FRAME + 4 + ID + texts + 1 + 1 + 8 + 4 + 1 + 1 + 4 + 2 + 8 + plexes + reservations
}

pub(super) fn segment(segment: &SegmentRecord) -> u64 {
    FRAME + 8 + 4 + 4 + 4 + 8 + 8 + 4 + 4 + 4 + COLUMN * segment.columns.len() as u64
}

pub(super) fn target(target: &TargetRecord) -> u64 {
    let initiators = target
        .initiators
        .iter()
        .map(|entry| text(&entry.initiator) + text(&entry.user) + blob(&entry.secret));
    let initiators: u64 = 4 + initiators.sum::<u64>();
    let names = text(&target.iscsi_name) + text(&target.friendly_name);
    let mutual = text(&target.mutual_user) + blob(&target.mutual_secret);
    let towards = target.mutual_initiators.iter();
    let towards: u64 = towards.map(|entry| text(&entry.initiator) + blob(&entry.secret)).sum();
    let list = if target.mutual_initiators.is_empty() { 0 } else { 4 };
    FRAME + 4 + ID + names + 1 + initiators + mutual + list + towards
}

pub(super) fn portal(portal: &PortalRecord) -> u64 {
    FRAME + 4 + ID + text(&portal.listen) + text(&portal.announce)
}

pub(super) fn portal_group(group: &PortalGroupRecord) -> u64 {
    FRAME + ID + 4 + 2 + 2 + 4 + PORTAL_PLACE * group.portals.len() as u64
}

pub(super) fn operation(record: &[u8]) -> u64 {
    FRAME + ID + 4 + record.len() as u64
}

/// Records as they lie in a payload, and their count.
pub(in crate::catalog) fn encoded(
    records: impl Iterator<Item = impl Borrow<Record>>,
) -> (Vec<u8>, u32) {
    let mut out = Writer::new();
    let mut count = 0;
    for record in records {
        record.borrow().encode(&mut out);
        count += 1;
    }
    (out.finish(), count)
}
