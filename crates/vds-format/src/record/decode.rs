//! Bytes to records. The order of fields is in `docs/on-disk.md`.

use vds_model::{DriveId, LunId, OperationId, PlexId, PortalGroupId, PortalId, TargetId};

use super::{
    ArrayRecord, ChapInitiator, CheckpointRecord, Column, ColumnState, DriveRecord, DriveState,
    LunRecord, MutualSecret, PlexRecord, PlexState, PortalGroupRecord, PortalRecord, Record,
    Reservation, SegmentRecord, SegmentState, Stream, TargetRecord,
};
use crate::codec::{DecodeError, Reader};
use crate::{DriveNo, Lineage, LunNo, Place, SegmentNo, Sequence, SlabNo};

/// Reads the body of a record of `kind`.
pub(super) fn body(kind: u16, from: &mut Reader<'_>) -> Result<Record, DecodeError> {
    Ok(match kind {
        1 => Record::Array(array(from)?),
        2 => Record::Drive(drive(from)?),
        3 => Record::DriveDeleted(DriveNo(from.u16()?)),
        4 => Record::Lun(lun(from)?),
        5 => Record::LunDeleted(LunNo(from.u32()?)),
        6 => Record::Checkpoint(checkpoint(from)?),
        7 => Record::Segment(segment(from)?),
        8 => Record::LiveCounts(from.list(|from| Ok((SegmentNo(from.u64()?), from.u32()?)))?),
        9 => Record::SegmentsDeleted(from.list(|from| Ok(SegmentNo(from.u64()?)))?),
        10 => Record::Target(target(from)?),
        11 => Record::TargetDeleted(from.u32()?),
        12 => Record::Portal(PortalRecord {
            number: from.u32()?,
            id: PortalId::from_bytes(from.array()?),
            listen: from.text()?,
            announce: from.text()?,
        }),
        13 => Record::PortalDeleted(from.u32()?),
        14 => {
            let id = OperationId::from_bytes(from.array()?);
            let length = usize::try_from(from.u32()?).expect("64-bit");
            Record::Operation { id, record: from.bytes(length)?.to_vec() }
        }
        15 => Record::OperationDeleted(OperationId::from_bytes(from.array()?)),
        16 => Record::PortalGroup(PortalGroupRecord {
            id: PortalGroupId::from_bytes(from.array()?),
            target: from.u32()?,
            tag: from.u16()?,
            next_tag: from.u16()?,
            portals: from.list(Reader::u32)?,
        }),
        17 => Record::PortalGroupDeleted(PortalGroupId::from_bytes(from.array()?)),
        kind => return Err(DecodeError::Unknown { field: "record kind", value: kind.into() }),
    })
}

/// A byte of flags of which only `known` may be set.
fn flags(from: &mut Reader<'_>, known: u8) -> Result<u8, DecodeError> {
    let flags = from.u8()?;
    if flags & !known == 0 {
        Ok(flags)
    } else {
        Err(DecodeError::Unknown { field: "flags", value: flags.into() })
    }
}

fn array(from: &mut Reader<'_>) -> Result<ArrayRecord, DecodeError> {
    Ok(ArrayRecord {
        lineage: Lineage(from.array()?),
        name: from.text()?,
        created_unix_ms: from.u64()?,
        slab_shift: from.u8()?,
        next_segment: SegmentNo(from.u64()?),
        next_lun: LunNo(from.u32()?),
        next_drive: DriveNo(from.u16()?),
        next_target: from.u32()?,
        next_portal: from.u32()?,
    })
}

fn drive(from: &mut Reader<'_>) -> Result<DriveRecord, DecodeError> {
    Ok(DriveRecord {
        number: DriveNo(from.u16()?),
        id: DriveId::from_bytes(from.array()?),
        name: from.text()?,
        path: from.text()?,
        serial: from.text()?,
        size_bytes: from.u64()?,
        slab_start: from.u64()?,
        slab_count: from.u32()?,
        state: DriveState::from_number(from.u8()?)?,
        hot_spare: flags(from, 1)? != 0,
        reason: from.text()?,
        retired_slabs: from.list(|from| Ok(SlabNo(from.u32()?)))?,
    })
}

fn lun(from: &mut Reader<'_>) -> Result<LunRecord, DecodeError> {
    let number = LunNo(from.u32()?);
    let id = LunId::from_bytes(from.array()?);
    let name = from.text()?;
    let lun_type = from.u8()?;
    let asked_type = from.u8()?;
    let size_bytes = from.u64()?;
    let sector_bytes = from.u32()?;
    let data_columns = from.u8()?;
    let flags = flags(from, 7)?;
    Ok(LunRecord {
        number,
        id,
        name,
        lun_type,
        asked_type,
        size_bytes,
        sector_bytes,
        data_columns,
        write_back: flags & 1 != 0,
        offline: flags & 2 != 0,
        read_only: flags & 4 != 0,
        mask: from.text()?,
        hints: from.blob()?,
        target: from.u32()?,
        target_lun: from.u16()?,
        created_unix_ms: from.u64()?,
        plexes: from.list(plex)?,
        reservations: from
            .list(|from| Ok(Reservation { drive: DriveNo(from.u16()?), slabs: from.u32()? }))?,
    })
}

fn plex(from: &mut Reader<'_>) -> Result<PlexRecord, DecodeError> {
    Ok(PlexRecord {
        id: PlexId::from_bytes(from.array()?),
        copy: from.u8()?,
        state: PlexState::from_number(from.u8()?)?,
        drives: from.list(|from| Ok(DriveNo(from.u16()?)))?,
    })
}

fn checkpoint(from: &mut Reader<'_>) -> Result<CheckpointRecord, DecodeError> {
    Ok(CheckpointRecord {
        lun: LunNo(from.u32()?),
        epoch: from.u32()?,
        sequence: Sequence(from.u64()?),
        replay_segment: SegmentNo(from.u64()?),
        replay_row: from.u32()?,
        levels: from.u8()?,
        root: Place(from.u64()?),
        root_checksum: from.u32()?,
        mapped_blocks: from.u64()?,
    })
}

fn segment(from: &mut Reader<'_>) -> Result<SegmentRecord, DecodeError> {
    Ok(SegmentRecord {
        number: SegmentNo(from.u64()?),
        lun: LunNo(from.u32()?),
        stream: Stream::from_number(from.u8()?)?,
        state: SegmentState::from_number(from.u8()?)?,
        data_columns: from.u8()?,
        doubled: flags(from, 1)? != 0,
        epoch: from.u32()?,
        first_sequence: Sequence(from.u64()?),
        last_sequence: Sequence(from.u64()?),
        rows: from.u32()?,
        live: from.u32()?,
        columns: from.list(|from| {
            Ok(Column {
                copy: from.u8()?,
                data_column: from.u8()?,
                drive: DriveNo(from.u16()?),
                slab: SlabNo(from.u32()?),
                state: ColumnState::from_number(from.u8()?)?,
            })
        })?,
    })
}

fn target(from: &mut Reader<'_>) -> Result<TargetRecord, DecodeError> {
    let number = from.u32()?;
    let id = TargetId::from_bytes(from.array()?);
    let iscsi_name = from.text()?;
    let friendly_name = from.text()?;
    let flags = flags(from, 7)?;
    let mut record = TargetRecord {
        number,
        id,
        iscsi_name,
        friendly_name,
        chap: flags & 1 != 0,
        made_for_lun: flags & 2 != 0,
        initiators: from.list(|from| {
            Ok(ChapInitiator { initiator: from.text()?, user: from.text()?, secret: from.blob()? })
        })?,
        mutual_user: from.text()?,
        mutual_secret: from.blob()?,
        mutual_initiators: Vec::new(),
    };
    if flags & 4 != 0 {
        record.mutual_initiators =
            from.list(|from| Ok(MutualSecret { initiator: from.text()?, secret: from.blob()? }))?;
    }
    Ok(record)
}
