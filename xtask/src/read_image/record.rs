//! The catalog's records: put or delete one object.

use super::fields::{Fields, Id, is_zero};
use super::operation::{self, Operation};
use anyhow::{Context, Result, bail};

/// Kind 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Array {
    pub(super) lineage: Id,
    pub(super) name: String,
    pub(super) created_ms: u64,
    pub(super) slab_shift: u8,
    pub(super) next_segment: u64,
    pub(super) next_lun: u32,
    pub(super) next_drive: u16,
    pub(super) next_target: u32,
    pub(super) next_portal: u32,
}

/// Kind 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Drive {
    pub(super) number: u16,
    pub(super) id: Id,
    pub(super) name: String,
    pub(super) path: String,
    pub(super) serial: String,
    pub(super) size_bytes: u64,
    pub(super) slab_start: u64,
    pub(super) slab_count: u32,
    pub(super) state: u8,
    pub(super) flags: u8,
    pub(super) reason: String,
    pub(super) retired: Vec<u32>,
}

/// One copy of a LUN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plex {
    pub(super) id: Id,
    pub(super) copy: u8,
    pub(super) state: u8,
    pub(super) drives: Vec<u16>,
}

/// Kind 4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lun {
    pub(super) number: u32,
    pub(super) id: Id,
    pub(super) name: String,
    pub(super) vds_type: u8,
    pub(super) asked_type: u8,
    pub(super) size_bytes: u64,
    pub(super) sector_bytes: u32,
    pub(super) data_columns: u8,
    pub(super) flags: u8,
    pub(super) mask: String,
    /// As text; none is an empty one.
    pub(super) hints: String,
    pub(super) target: u32,
    pub(super) number_on_target: u16,
    pub(super) created_ms: u64,
    pub(super) plexes: Vec<Plex>,
    /// Drive and slabs.
    pub(super) reservations: Vec<(u16, u32)>,
}

/// Kind 6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pub(super) lun: u32,
    pub(super) epoch: u32,
    pub(super) sequence: u64,
    pub(super) replay_segment: u64,
    pub(super) replay_row: u32,
    pub(super) levels: u8,
    pub(super) root: u64,
    pub(super) root_checksum: u32,
    pub(super) mapped_blocks: u64,
}

/// One slab of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) copy: u8,
    /// Its data column.
    pub(super) data: u8,
    pub(super) drive: u16,
    pub(super) slab: u32,
    pub(super) state: u8,
}

/// Kind 7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) lun: u32,
    pub(super) stream: u8,
    pub(super) state: u8,
    pub(super) data_columns: u8,
    pub(super) flags: u8,
    pub(super) epoch: u32,
    pub(super) first_sequence: u64,
    pub(super) last_sequence: u64,
    pub(super) rows: u32,
    pub(super) live: u32,
    pub(super) columns: Vec<Column>,
}

/// Who may log in, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Initiator {
    pub(super) name: String,
    pub(super) user: String,
    pub(super) secret: Vec<u8>,
}

/// Kind 10.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) number: u32,
    pub(super) id: Id,
    pub(super) iscsi_name: String,
    pub(super) friendly_name: String,
    pub(super) flags: u8,
    pub(super) initiators: Vec<Initiator>,
    pub(super) mutual_user: String,
    pub(super) mutual_secret: Vec<u8>,
    /// Initiators and the secrets for them.
    pub(super) mutual_initiators: Vec<(String, Vec<u8>)>,
}

/// Kind 12.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Portal {
    pub(super) number: u32,
    pub(super) id: Id,
    pub(super) listen: String,
    pub(super) announced: String,
}

/// Kind 16.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PortalGroup {
    pub(super) id: Id,
    pub(super) target: u32,
    pub(super) tag: u16,
    pub(super) next_tag: u16,
    pub(super) portals: Vec<u32>,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Array(Array),
    Drive(Drive),
    DriveDeleted(u16),
    Lun(Lun),
    LunDeleted(u32),
    Checkpoint(Checkpoint),
    Segment(Segment),
    /// Segment and its live blocks.
    LiveCounts(Vec<(u64, u32)>),
    SegmentsDeleted(Vec<u64>),
    Target(Target),
    TargetDeleted(u32),
    Portal(Portal),
    PortalDeleted(u32),
    Operation(Id, Operation),
    OperationDeleted(Id),
    PortalGroup(PortalGroup),
    PortalGroupDeleted(Id),
}

/// All records of a payload; exactly `count`.
pub(super) fn parse_all(payload: &[u8], count: u32) -> Result<Vec<Record>> {
    let mut fields = Fields::new(payload);
    let mut records = Vec::new();
    while fields.left() > 0 {
        let at = payload.len() - fields.left();
        let record = parse(&mut fields).with_context(|| format!("record at byte {at}"))?;
        records.push(record);
    }
    if records.len() as u64 != u64::from(count) {
        bail!("{} records, not {count}", records.len());
    }
    Ok(records)
}

fn parse(fields: &mut Fields) -> Result<Record> {
    let kind = fields.u16()?;
    if !is_zero(fields.take(2)?) {
        bail!("the two bytes behind the kind are not zero");
    }
    let length = fields.u32()?;
    let mut body = Fields::new(fields.take(length.try_into()?)?);
    let record = parse_body(kind, &mut body).with_context(|| format!("kind {kind}"))?;
    if body.left() > 0 {
        bail!("kind {kind}: {} bytes behind the last field", body.left());
    }
    Ok(record)
}

fn parse_body(kind: u16, body: &mut Fields) -> Result<Record> {
    Ok(match kind {
        1 => Record::Array(array(body)?),
        2 => Record::Drive(drive(body)?),
        3 => Record::DriveDeleted(body.u16()?),
        4 => Record::Lun(lun(body)?),
        5 => Record::LunDeleted(body.u32()?),
        6 => Record::Checkpoint(checkpoint(body)?),
        7 => Record::Segment(segment(body)?),
        8 => Record::LiveCounts(body.list(|item| Ok((item.u64()?, item.u32()?)))?),
        9 => Record::SegmentsDeleted(body.list(Fields::u64)?),
        10 => Record::Target(target(body)?),
        11 => Record::TargetDeleted(body.u32()?),
        12 => Record::Portal(portal(body)?),
        13 => Record::PortalDeleted(body.u32()?),
        14 => {
            let id = body.id()?;
            let length = body.u32()?;
            let record = body.take(length.try_into()?)?;
            Record::Operation(id, operation::parse(id, record)?)
        }
        15 => Record::OperationDeleted(body.id()?),
        16 => Record::PortalGroup(portal_group(body)?),
        17 => Record::PortalGroupDeleted(body.id()?),
        _ => bail!("the kind is unknown"),
    })
}

fn array(body: &mut Fields) -> Result<Array> {
    Ok(Array {
        lineage: body.id()?,
        name: body.text()?,
        created_ms: body.u64()?,
        slab_shift: body.u8()?,
        next_segment: body.u64()?,
        next_lun: body.u32()?,
        next_drive: body.u16()?,
        next_target: body.u32()?,
        next_portal: body.u32()?,
    })
}

fn drive(body: &mut Fields) -> Result<Drive> {
    Ok(Drive {
        number: body.u16()?,
        id: body.id()?,
        name: body.text()?,
        path: body.text()?,
        serial: body.text()?,
        size_bytes: body.u64()?,
        slab_start: body.u64()?,
        slab_count: body.u32()?,
        state: body.u8()?,
        flags: body.u8()?,
        reason: body.text()?,
        retired: body.list(Fields::u32)?,
    })
}

fn lun(body: &mut Fields) -> Result<Lun> {
    let plex = |item: &mut Fields| {
        Ok(Plex {
            id: item.id()?,
            copy: item.u8()?,
            state: item.u8()?,
            drives: item.list(Fields::u16)?,
        })
    };
    Ok(Lun {
        number: body.u32()?,
        id: body.id()?,
        name: body.text()?,
        vds_type: body.u8()?,
        asked_type: body.u8()?,
        size_bytes: body.u64()?,
        sector_bytes: body.u32()?,
        data_columns: body.u8()?,
        flags: body.u8()?,
        mask: body.text()?,
        hints: hints(&body.short_bytes()?)?,
        target: body.u32()?,
        number_on_target: body.u16()?,
        created_ms: body.u64()?,
        plexes: body.list(plex)?,
        reservations: body.list(|item| Ok((item.u16()?, item.u32()?)))?,
    })
}

fn hints(bytes: &[u8]) -> Result<String> {
    if bytes.is_empty() {
        return Ok(String::new());
    }
    let mut fields = Fields::new(bytes);
    let told = operation::hints(&mut fields)?;
    if fields.left() > 0 {
        bail!("{} bytes behind the hints", fields.left());
    }
    Ok(told)
}

fn checkpoint(body: &mut Fields) -> Result<Checkpoint> {
    Ok(Checkpoint {
        lun: body.u32()?,
        epoch: body.u32()?,
        sequence: body.u64()?,
        replay_segment: body.u64()?,
        replay_row: body.u32()?,
        levels: body.u8()?,
        root: body.u64()?,
        root_checksum: body.u32()?,
        mapped_blocks: body.u64()?,
    })
}

fn segment(body: &mut Fields) -> Result<Segment> {
    let column = |item: &mut Fields| {
        Ok(Column {
            copy: item.u8()?,
            data: item.u8()?,
            drive: item.u16()?,
            slab: item.u32()?,
            state: item.u8()?,
        })
    };
    Ok(Segment {
        number: body.u64()?,
        lun: body.u32()?,
        stream: body.u8()?,
        state: body.u8()?,
        data_columns: body.u8()?,
        flags: body.u8()?,
        epoch: body.u32()?,
        first_sequence: body.u64()?,
        last_sequence: body.u64()?,
        rows: body.u32()?,
        live: body.u32()?,
        columns: body.list(column)?,
    })
}

fn target(body: &mut Fields) -> Result<Target> {
    let initiator = |item: &mut Fields| {
        Ok(Initiator { name: item.text()?, user: item.text()?, secret: item.short_bytes()? })
    };
    let mut target = Target {
        number: body.u32()?,
        id: body.id()?,
        iscsi_name: body.text()?,
        friendly_name: body.text()?,
        flags: body.u8()?,
        initiators: body.list(initiator)?,
        mutual_user: body.text()?,
        mutual_secret: body.short_bytes()?,
        mutual_initiators: Vec::new(),
    };
    if target.flags & 4 != 0 {
        target.mutual_initiators = body.list(|item| Ok((item.text()?, item.short_bytes()?)))?;
    }
    Ok(target)
}

fn portal(body: &mut Fields) -> Result<Portal> {
    Ok(Portal {
        number: body.u32()?,
        id: body.id()?,
        listen: body.text()?,
        announced: body.text()?,
    })
}

fn portal_group(body: &mut Fields) -> Result<PortalGroup> {
    Ok(PortalGroup {
        id: body.id()?,
        target: body.u32()?,
        tag: body.u16()?,
        next_tag: body.u16()?,
        portals: body.list(Fields::u32)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_secrets_for_initiators_where_its_flag_says_so() {
        let mut body = vec![4, 0, 0, 0];
        body.extend([9; 16]);
        body.extend([1, 0, b't', 0, 0]);
        let flags = body.len();
        body.extend([0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let without = body.clone();
        body[flags] = 4;
        body.extend([1, 0, 0, 0, 1, 0, b'i', 2, 0, 7, 8]);
        let record = |body: &[u8]| {
            let mut bytes = vec![10, 0, 0, 0, u8::try_from(body.len()).unwrap(), 0, 0, 0];
            bytes.extend(body);
            parse_all(&bytes, 1)
        };
        let secrets = |body: &[u8]| match record(body).unwrap().as_slice() {
            [Record::Target(target)] => target.mutual_initiators.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(secrets(&without), []);
        assert_eq!(secrets(&body), [("i".to_owned(), vec![7, 8])]);
        body[flags] = 0;
        assert!(record(&body).is_err());
    }

    #[test]
    fn a_portal_group_has_its_fields_in_the_order_of_the_page() {
        let mut bytes = vec![16, 0, 0, 0, 36, 0, 0, 0];
        bytes.extend([9; 16]);
        bytes.extend([4, 0, 0, 0, 2, 0, 7, 0]);
        bytes.extend([2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0]);
        let records = parse_all(&bytes, 1).unwrap();
        let [Record::PortalGroup(group)] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!((group.target, group.tag, group.next_tag), (4, 2, 7));
        assert_eq!(group.portals, [1, 3]);
        let mut deleted = vec![17, 0, 0, 0, 16, 0, 0, 0];
        deleted.extend([9; 16]);
        let expected = [Record::PortalGroupDeleted(group.id)];
        assert_eq!(parse_all(&deleted, 1).unwrap(), expected);
    }

    #[test]
    fn a_record_has_to_fill_its_length() {
        let deleted = [3, 0, 0, 0, 2, 0, 0, 0, 7, 0];
        assert_eq!(parse_all(&deleted, 1).unwrap(), [Record::DriveDeleted(7)]);
        assert!(parse_all(&deleted, 2).is_err());
        assert!(parse_all(&deleted[..9], 1).is_err());
        assert!(parse_all(&[3, 0, 0, 0, 3, 0, 0, 0, 7, 0, 0], 1).is_err());
        assert!(parse_all(&[18, 0, 0, 0, 0, 0, 0, 0], 1).is_err());
        assert!(parse_all(&[3, 0, 1, 0, 2, 0, 0, 0, 7, 0], 1).is_err());
    }
}
