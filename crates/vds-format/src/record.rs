//! The catalog's objects as records.

use std::fmt;

use vds_model::{DriveId, LunId, OperationId, PlexId, PortalGroupId, PortalId, TargetId};

use crate::codec::{DecodeError, Reader, Writer};
use crate::{DriveNo, FormatError, Lineage, LunNo, Place, SegmentNo, Sequence, SlabNo};

mod decode;
mod encode;
#[cfg(test)]
mod tests;

/// A field with a fixed set of values.
macro_rules! numbered {
    ($(#[$meta:meta])* $name:ident, $field:literal { $($(#[$vmeta:meta])* $variant:ident = $number:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$vmeta])* $variant),* }

        impl $name {
            /// Its number on drives.
            pub fn number(self) -> u8 {
                match self { $(Self::$variant => $number),* }
            }

            /// The value with this number.
            ///
            /// # Errors
            /// [`DecodeError::Unknown`].
            pub fn from_number(number: u8) -> Result<Self, DecodeError> {
                match number {
                    $($number => Ok(Self::$variant),)*
                    value => Err(DecodeError::Unknown { field: $field, value: value.into() }),
                }
            }
        }
    };
}

numbered! {
    /// What a segment holds.
    Stream, "stream" {
        /// Writes of initiators.
        Host = 1,
        /// Blocks placed anew by the cleaner or a repair.
        Moves = 2,
        /// Map pages.
        Map = 3,
    }
}

numbered! {
    /// A segment's life.
    SegmentState, "segment state" {
        /// Being appended to, or was when the service ended.
        Open = 1,
        /// Never changes again.
        Sealed = 2,
    }
}

numbered! {
    /// Whether a column can be read.
    ColumnState, "column state" {
        /// Holds what it should.
        Current = 1,
        /// Was never written in full: it must be rebuilt.
        Missing = 2,
    }
}

numbered! {
    /// A drive's membership.
    DriveState, "drive state" {
        /// A member in use.
        Active = 1,
        /// Expelled for an error, or failed by the operator.
        Failed = 2,
        /// Expelled because it was not there.
        Absent = 3,
        /// Being emptied, to be removed.
        Leaving = 4,
    }
}

numbered! {
    /// Whether a plex holds all data.
    PlexState, "plex state" {
        /// Yes, but for failed drives.
        Whole = 1,
        /// A copy in the making.
        Building = 2,
    }
}

/// The array itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrayRecord {
    /// The line of history.
    pub lineage: Lineage,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_unix_ms: u64,
    /// log2 of a slab's bytes.
    pub slab_shift: u8,
    /// The next segment to be opened.
    pub next_segment: SegmentNo,
    /// The next LUN number.
    pub next_lun: LunNo,
    /// The next drive number.
    pub next_drive: DriveNo,
    /// The next target number.
    pub next_target: u32,
    /// The next portal number.
    pub next_portal: u32,
}

/// A drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveRecord {
    /// Its number.
    pub number: DriveNo,
    /// Its id, as in its superblock.
    pub id: DriveId,
    /// Its name.
    pub name: String,
    /// Where it was found last.
    pub path: String,
    /// Its serial number, if it has one.
    pub serial: String,
    /// Bytes of the drive.
    pub size_bytes: u64,
    /// First block of slab 0.
    pub slab_start: u64,
    /// How many slabs.
    pub slab_count: u32,
    /// Membership.
    pub state: DriveState,
    /// Takes over for a failed drive.
    pub hot_spare: bool,
    /// Why it is not active.
    pub reason: String,
    /// Slabs that failed a write and are not used again.
    pub retired_slabs: Vec<SlabNo>,
}

/// Slabs set aside for a LUN on a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The drive.
    pub drive: DriveNo,
    /// How many.
    pub slabs: u32,
}

/// One copy of a LUN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlexRecord {
    /// Its id.
    pub id: PlexId,
    /// Its number among the copies, never reused while the LUN lives.
    pub copy: u8,
    /// Whether it is whole.
    pub state: PlexState,
    /// Its home set, in the caller's order.
    pub drives: Vec<DriveNo>,
}

/// A LUN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LunRecord {
    /// Its number.
    pub number: LunNo,
    /// Its id.
    pub id: LunId,
    /// Its name.
    pub name: String,
    /// The layout, a concrete VDS LUN type.
    pub lun_type: u8,
    /// The type that was asked for, maybe an automagic one.
    pub asked_type: u8,
    /// Its size.
    pub size_bytes: u64,
    /// The sector that initiators see.
    pub sector_bytes: u32,
    /// Data columns of new segments.
    pub data_columns: u8,
    /// Acknowledge before durable.
    pub write_back: bool,
    /// Set offline by the operator.
    pub offline: bool,
    /// Refuses writes: the log lost an acknowledged part.
    pub read_only: bool,
    /// The unmasking list in its canonical form.
    pub mask: String,
    /// The hints, encoded by whoever made them.
    pub hints: Vec<u8>,
    /// Its target, 0 for none.
    pub target: u32,
    /// Its logical unit number on the target.
    pub target_lun: u16,
    /// When it was made.
    pub created_unix_ms: u64,
    /// Its copies.
    pub plexes: Vec<PlexRecord>,
    /// Slabs set aside.
    pub reservations: Vec<Reservation>,
}

/// The last checkpoint of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointRecord {
    /// The family.
    pub lun: LunNo,
    /// The epoch of the log.
    pub epoch: u32,
    /// The last batch of the host stream contained.
    pub sequence: Sequence,
    /// Where replay starts.
    pub replay_segment: SegmentNo,
    /// Its first row.
    pub replay_row: u32,
    /// Levels of the map; 0 when nothing is mapped.
    pub levels: u8,
    /// The root page.
    pub root: Place,
    /// Its checksum field.
    pub root_checksum: u32,
    /// LUN blocks that are mapped.
    pub mapped_blocks: u64,
}

/// One slab of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Which copy.
    pub copy: u8,
    /// Which data column.
    pub data_column: u8,
    /// On which drive.
    pub drive: DriveNo,
    /// Which slab.
    pub slab: SlabNo,
    /// Whether it can be read.
    pub state: ColumnState,
}

/// A segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentRecord {
    /// Its number.
    pub number: SegmentNo,
    /// Its family.
    pub lun: LunNo,
    /// What it holds.
    pub stream: Stream,
    /// Open or sealed.
    pub state: SegmentState,
    /// Data columns.
    pub data_columns: u8,
    /// Headers stand twice.
    pub doubled: bool,
    /// The epoch of the log.
    pub epoch: u32,
    /// The first batch in it.
    pub first_sequence: Sequence,
    /// The last batch in it, when sealed.
    pub last_sequence: Sequence,
    /// Rows that count, when sealed.
    pub rows: u32,
    /// Live blocks as of the last checkpoint.
    pub live: u32,
    /// Its slabs.
    pub columns: Vec<Column>,
}

/// Who may log in with which secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ChapInitiator {
    /// The initiator's name, empty for any.
    pub initiator: String,
    /// The CHAP user name, empty for any.
    pub user: String,
    /// The secret.
    pub secret: Vec<u8>,
}

impl fmt::Debug for ChapInitiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChapInitiator {{ initiator: {:?}, user: {:?}, .. }}", self.initiator, self.user)
    }
}

/// With which secret the target proves itself to one initiator. The name that it answers with is its own.
#[derive(Clone, PartialEq, Eq)]
pub struct MutualSecret {
    /// The initiator's name.
    pub initiator: String,
    /// The secret.
    pub secret: Vec<u8>,
}

impl fmt::Debug for MutualSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MutualSecret {{ initiator: {:?}, .. }}", self.initiator)
    }
}

/// An iSCSI target.
#[derive(Clone, PartialEq, Eq)]
pub struct TargetRecord {
    /// Its number.
    pub number: u32,
    /// Its id.
    pub id: TargetId,
    /// Its iSCSI name.
    pub iscsi_name: String,
    /// Its alias.
    pub friendly_name: String,
    /// Whether CHAP is asked for.
    pub chap: bool,
    /// Made together with one LUN, goes with it.
    pub made_for_lun: bool,
    /// Who may log in.
    pub initiators: Vec<ChapInitiator>,
    /// The name that the target answers with, empty for no mutual CHAP.
    pub mutual_user: String,
    /// Its secret.
    pub mutual_secret: Vec<u8>,
    /// The secrets with which it proves itself to some initiators instead.
    pub mutual_initiators: Vec<MutualSecret>,
}

impl fmt::Debug for TargetRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TargetRecord {{ {}, {:?}, chap: {}, .. }}", self.id, self.iscsi_name, self.chap)
    }
}

/// A portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalRecord {
    /// Its number.
    pub number: u32,
    /// Its id.
    pub id: PortalId,
    /// Where the service listens, `address:port`.
    pub listen: String,
    /// What initiators are told, `address:port`; empty: the address that they reached.
    pub announce: String,
}

/// A portal group that was made for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalGroupRecord {
    /// Its id.
    pub id: PortalGroupId,
    /// The number of its target.
    pub target: u32,
    /// Its tag, from 2 on: what has no record has tag 1.
    pub tag: u16,
    /// The tag of the target's next group, as far as this one knows: the highest of them counts.
    pub next_tag: u16,
    /// The numbers of its portals.
    pub portals: Vec<u32>,
}

/// A change of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the object that it puts or deletes")]
pub enum Record {
    Array(ArrayRecord),
    Drive(DriveRecord),
    DriveDeleted(DriveNo),
    Lun(LunRecord),
    LunDeleted(LunNo),
    Checkpoint(CheckpointRecord),
    Segment(SegmentRecord),
    LiveCounts(Vec<(SegmentNo, u32)>),
    SegmentsDeleted(Vec<SegmentNo>),
    Target(TargetRecord),
    TargetDeleted(u32),
    Portal(PortalRecord),
    PortalDeleted(u32),
    Operation { id: OperationId, record: Vec<u8> },
    OperationDeleted(OperationId),
    PortalGroup(PortalGroupRecord),
    PortalGroupDeleted(PortalGroupId),
}

impl Record {
    /// Appends the record with its frame.
    pub fn encode(&self, out: &mut Writer) {
        let mut body = Writer::new();
        let kind = encode::body(self, &mut body);
        let body = body.finish();
        out.u16(kind).u16(0).u32(u32::try_from(body.len()).expect("records are bounded"));
        out.bytes(&body);
    }

    /// All records of a payload, which must be exactly `count`.
    ///
    /// # Errors
    /// [`FormatError::Record`] and [`FormatError::Field`].
    pub fn decode_all(payload: &[u8], count: u32) -> Result<Vec<Self>, FormatError> {
        let mut reader = Reader::new(payload);
        let mut records = Vec::new();
        while reader.remaining() > 0 {
            let kind = reader.u16()?;
            let zero = reader.u16()?;
            if zero != 0 {
                return Err(DecodeError::Unknown { field: "record", value: zero.into() }.into());
            }
            let length = usize::try_from(reader.u32()?).expect("64-bit");
            let mut body = Reader::new(reader.bytes(length)?);
            let record = decode::body(kind, &mut body)?;
            body.end()?;
            records.push(record);
        }
        if records.len() != usize::try_from(count).expect("64-bit") {
            return Err(FormatError::Field { field: "records", value: count.into() });
        }
        Ok(records)
    }
}
