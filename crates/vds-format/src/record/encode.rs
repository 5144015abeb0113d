//! Records to bytes. The order of fields is in `docs/on-disk.md`.

use super::{
    ArrayRecord, CheckpointRecord, DriveRecord, LunRecord, PortalGroupRecord, Record,
    SegmentRecord, TargetRecord,
};
use crate::codec::Writer;

/// Writes the record's body; returns its kind.
pub(super) fn body(record: &Record, out: &mut Writer) -> u16 {
    match record {
        Record::Array(array) => array_body(array, out),
        Record::Drive(drive) => drive_body(drive, out),
        Record::DriveDeleted(number) => {
            out.u16(number.0);
            3
        }
        Record::Lun(lun) => lun_body(lun, out),
        Record::LunDeleted(number) => {
            out.u32(number.0);
            5
        }
        Record::Checkpoint(checkpoint) => checkpoint_body(checkpoint, out),
        Record::Segment(segment) => segment_body(segment, out),
        Record::LiveCounts(counts) => {
            out.list(counts, |out, (segment, live)| {
                out.u64(segment.0).u32(*live);
            });
            8
        }
        Record::SegmentsDeleted(segments) => {
            out.list(segments, |out, segment| {
                out.u64(segment.0);
            });
            9
        }
        Record::Target(target) => target_body(target, out),
        Record::TargetDeleted(number) => {
            out.u32(*number);
            11
        }
        Record::Portal(portal) => {
            out.u32(portal.number).bytes(&portal.id.to_bytes());
            out.text(&portal.listen).text(&portal.announce);
            12
        }
        Record::PortalDeleted(number) => {
            out.u32(*number);
            13
        }
        Record::Operation { id, record } => {
            out.bytes(&id.to_bytes());
            out.u32(u32::try_from(record.len()).expect("operation records are bounded"));
            out.bytes(record);
            14
        }
        Record::OperationDeleted(id) => {
            out.bytes(&id.to_bytes());
            15
        }
        Record::PortalGroup(group) => portal_group_body(group, out),
        Record::PortalGroupDeleted(id) => {
            out.bytes(&id.to_bytes());
            17
        }
    }
}

fn array_body(array: &ArrayRecord, out: &mut Writer) -> u16 {
    out.bytes(&array.lineage.0).text(&array.name).u64(array.created_unix_ms);
    out.u8(array.slab_shift).u64(array.next_segment.0).u32(array.next_lun.0);
    out.u16(array.next_drive.0).u32(array.next_target).u32(array.next_portal);
    1
}

fn drive_body(drive: &DriveRecord, out: &mut Writer) -> u16 {
    out.u16(drive.number.0).bytes(&drive.id.to_bytes());
    out.text(&drive.name).text(&drive.path).text(&drive.serial);
    out.u64(drive.size_bytes).u64(drive.slab_start).u32(drive.slab_count);
    out.u8(drive.state.number()).u8(u8::from(drive.hot_spare)).text(&drive.reason);
    out.list(&drive.retired_slabs, |out, slab| {
        out.u32(slab.0);
    });
    2
}

fn lun_body(lun: &LunRecord, out: &mut Writer) -> u16 {
    out.u32(lun.number.0).bytes(&lun.id.to_bytes()).text(&lun.name);
    out.u8(lun.lun_type).u8(lun.asked_type).u64(lun.size_bytes).u32(lun.sector_bytes);
    let flags =
        u8::from(lun.write_back) | u8::from(lun.offline) << 1 | u8::from(lun.read_only) << 2;
    out.u8(lun.data_columns).u8(flags).text(&lun.mask).blob(&lun.hints);
    out.u32(lun.target).u16(lun.target_lun).u64(lun.created_unix_ms);
    out.list(&lun.plexes, |out, plex| {
        out.bytes(&plex.id.to_bytes()).u8(plex.copy).u8(plex.state.number());
        out.list(&plex.drives, |out, drive| {
            out.u16(drive.0);
        });
    });
    out.list(&lun.reservations, |out, reservation| {
        out.u16(reservation.drive.0).u32(reservation.slabs);
    });
    4
}

fn checkpoint_body(checkpoint: &CheckpointRecord, out: &mut Writer) -> u16 {
    out.u32(checkpoint.lun.0).u32(checkpoint.epoch).u64(checkpoint.sequence.0);
    out.u64(checkpoint.replay_segment.0).u32(checkpoint.replay_row).u8(checkpoint.levels);
    out.u64(checkpoint.root.0).u32(checkpoint.root_checksum).u64(checkpoint.mapped_blocks);
    6
}

fn segment_body(segment: &SegmentRecord, out: &mut Writer) -> u16 {
    out.u64(segment.number.0).u32(segment.lun.0).u8(segment.stream.number());
    out.u8(segment.state.number()).u8(segment.data_columns).u8(u8::from(segment.doubled));
    out.u32(segment.epoch).u64(segment.first_sequence.0).u64(segment.last_sequence.0);
    out.u32(segment.rows).u32(segment.live);
    out.list(&segment.columns, |out, column| {
        out.u8(column.copy).u8(column.data_column).u16(column.drive.0);
        out.u32(column.slab.0).u8(column.state.number());
    });
    7
}

fn target_body(target: &TargetRecord, out: &mut Writer) -> u16 {
    out.u32(target.number).bytes(&target.id.to_bytes());
    out.text(&target.iscsi_name).text(&target.friendly_name);
    let mutual = !target.mutual_initiators.is_empty();
    out.u8(u8::from(target.chap) | u8::from(target.made_for_lun) << 1 | u8::from(mutual) << 2);
    out.list(&target.initiators, |out, initiator| {
        out.text(&initiator.initiator).text(&initiator.user).blob(&initiator.secret);
    });
    out.text(&target.mutual_user).blob(&target.mutual_secret);
    if mutual {
        out.list(&target.mutual_initiators, |out, entry| {
            out.text(&entry.initiator).blob(&entry.secret);
        });
    }
    10
}

fn portal_group_body(group: &PortalGroupRecord, out: &mut Writer) -> u16 {
    out.bytes(&group.id.to_bytes()).u32(group.target).u16(group.tag).u16(group.next_tag);
    out.list(&group.portals, |out, portal| {
        out.u32(*portal);
    });
    16
}
