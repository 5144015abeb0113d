//! Every structure on a drive, and its codec. The page that defines them is `docs/on-disk.md`.
//!
//! ```text
//!   superblock ── journal entries, snapshots (records: the catalog's objects) ── slabs: label, batch headers and data, map pages
//! ```
//!
//! # Invariants
//! - Encoding writes every byte of the structure, decoding checks magic, version, checksum, array and own address before
//!   it looks at anything else; a structure that does not pass is an error value, never a panic.
//! - A decoder allocates no more than the bytes that it was given could hold.
//!
//! # What is not here
//! No IO, no decision what to do about damage, no state: only bytes to values and back.
#![forbid(unsafe_code)]

mod batch;
mod codec;
mod head;
mod journal;
mod label;
mod map_page;
mod place;
mod record;
mod snapshot;
mod superblock;

pub use batch::{
    BATCH_ENTRIES_MAX, BatchEntry, BatchHeader, batch_data_blocks_max, batch_positions, batch_rows,
    data_checksum,
};
pub use codec::{DecodeError, Reader, Writer};
pub use head::{FORMAT_VERSION, FormatError};
pub use journal::{JOURNAL_HEADER_BYTES, JournalEntry, journal_entry_blocks};
pub use label::Label;
pub use map_page::{MAP_FANOUT, MapEntry, MapPage};
pub use place::{DriveNo, LunNo, Place, Round, SegmentNo, Sequence, SlabNo};
pub use record::{
    ArrayRecord, ChapInitiator, CheckpointRecord, Column, ColumnState, DriveRecord, DriveState,
    LunRecord, MutualSecret, PlexRecord, PlexState, PortalGroupRecord, PortalRecord, Record,
    Reservation, SegmentRecord, SegmentState, Stream, TargetRecord,
};
pub use snapshot::{SnapshotHeader, snapshot_payload_checksum};
pub use superblock::{Geometry, GeometryError, SUPERBLOCK_MAGIC, Superblock};

/// Bytes of a block.
pub const BLOCK_BYTES: usize = 4096;

/// The copy number of a map segment's second column where the LUN has one plex: it belongs to no plex.
pub const EXTRA_MAP_COPY: u8 = 127;

/// Identifies one line of history of an array's catalog; a forced opening starts a new one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Lineage(pub [u8; 16]);

/// CRC-32C of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    checksum_of(&[bytes])
}

/// CRC-32C over several pieces as if they were one.
pub(crate) fn checksum_of(pieces: &[&[u8]]) -> u32 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    for piece in pieces {
        digest.update(piece);
    }
    u32::try_from(digest.finalize()).expect("a 32-bit CRC fits in 32 bits")
}
