//! What a write, a flush or a discard is for: the points at which a run can be cut.

use std::collections::BTreeSet;

use vds_format::Geometry;
use vds_io::BLOCK_BYTES;

/// A kind of write or flush, by what it carries. Cuts are counted for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Boundary {
    /// A superblock, or the zeros that wipe one.
    Superblock,
    /// An entry of the journal.
    Journal,
    /// A part of a snapshot of the catalog.
    Snapshot,
    /// The label of a slab: alone, or with the rows that are written first.
    Label,
    /// A batch of the host stream.
    HostBatch,
    /// A batch of the move stream.
    MoveBatch,
    /// The part of a batch that lies on another data column than its header.
    Column,
    /// A page of the map.
    MapPage,
    /// A slab given back.
    Discard,
    /// A flush that covers a superblock.
    SuperblockFlush,
    /// A flush that covers an entry of the journal, and no snapshot.
    JournalFlush,
    /// A flush that covers a snapshot.
    SnapshotFlush,
    /// A flush that covers map pages, and nothing of the catalog.
    MapFlush,
    /// A flush that covers moved data, and nothing above.
    MoveFlush,
    /// A flush that covers data, and nothing above.
    DataFlush,
    /// A flush with nothing to cover.
    IdleFlush,
}

/// Where a batch header says of which stream it is, and the number of the move stream.
const STREAM_AT: usize = 86;
const MOVES: u8 = 2;

impl Boundary {
    /// Every kind.
    pub const ALL: [Self; 16] = [
        Self::Superblock,
        Self::SuperblockFlush,
        Self::Journal,
        Self::JournalFlush,
        Self::Snapshot,
        Self::SnapshotFlush,
        Self::Label,
        Self::HostBatch,
        Self::Column,
        Self::DataFlush,
        Self::MoveBatch,
        Self::MoveFlush,
        Self::MapPage,
        Self::MapFlush,
        Self::Discard,
        Self::IdleFlush,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Superblock => "superblock write",
            Self::Journal => "journal write",
            Self::Snapshot => "snapshot write",
            Self::Label => "label write",
            Self::HostBatch => "batch write",
            Self::MoveBatch => "moved batch write",
            Self::Column => "other column write",
            Self::MapPage => "map page write",
            Self::Discard => "discard",
            Self::SuperblockFlush => "superblock flush",
            Self::JournalFlush => "journal flush",
            Self::SnapshotFlush => "snapshot flush",
            Self::MapFlush => "map flush",
            Self::MoveFlush => "moved data flush",
            Self::DataFlush => "data flush",
            Self::IdleFlush => "idle flush",
        }
    }

    /// What a write of `bytes` at `offset_bytes` is.
    pub(crate) fn of_write(geometry: &Geometry, offset_bytes: u64, bytes: &[u8]) -> Self {
        let block = offset_bytes / BLOCK_BYTES as u64;
        if block == 0 || block == geometry.second_superblock() {
            return Self::Superblock;
        }
        if block < geometry.snapshot_start(0) {
            return Self::Journal;
        }
        if block < geometry.slab_start {
            return Self::Snapshot;
        }
        match &bytes[..8] {
            b"VDSLABEL" => Self::Label,
            b"VDSMAPPG" => Self::MapPage,
            b"VDSBATCH" if bytes[STREAM_AT] == MOVES => Self::MoveBatch,
            b"VDSBATCH" => Self::HostBatch,
            _ => Self::Column,
        }
    }

    /// What a flush has to cover of a write of `bytes`: behind a label, what follows it.
    pub(crate) fn to_cover(geometry: &Geometry, offset_bytes: u64, bytes: &[u8]) -> Self {
        let is_label = Self::of_write(geometry, offset_bytes, bytes) == Self::Label;
        let at = if is_label && bytes.len() > BLOCK_BYTES { BLOCK_BYTES } else { 0 };
        Self::of_write(geometry, offset_bytes + at as u64, &bytes[at..])
    }

    /// What a flush is that covers these writes.
    pub(crate) fn of_flush(covered: &BTreeSet<Self>) -> Self {
        let ranks = [
            (Self::Superblock, Self::SuperblockFlush),
            (Self::Snapshot, Self::SnapshotFlush),
            (Self::Journal, Self::JournalFlush),
            (Self::MapPage, Self::MapFlush),
            (Self::MoveBatch, Self::MoveFlush),
            (Self::HostBatch, Self::DataFlush),
            (Self::Column, Self::DataFlush),
            (Self::Label, Self::DataFlush),
        ];
        let found = ranks.iter().find(|(write, _)| covered.contains(write));
        found.map_or(Self::IdleFlush, |(_, flush)| *flush)
    }
}

/// When a request is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// It was issued and is in flight: it lands wholly, partly or not.
    Issued,
    /// It has completed, and nobody has heard of it yet.
    Completed,
}

impl Moment {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Issued, Self::Completed];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(offset_blocks: u64, magic: &[u8; 8], stream: u8, expected: Boundary) {
        let sizes = Geometry::array_sizes(64 << 20, 64 << 20);
        let geometry = Geometry::of_drive(64 << 20, sizes).expect("large enough");
        let mut bytes = vec![0; BLOCK_BYTES];
        bytes[..8].copy_from_slice(magic);
        bytes[86] = stream;
        let found = Boundary::of_write(&geometry, offset_blocks * 4096, &bytes);
        assert_eq!(found, expected, "block {offset_blocks}");
    }

    #[test]
    fn writes_are_told_apart_by_place_and_magic() {
        check(0, b"VDSSUPER", 0, Boundary::Superblock);
        check((64 << 20) / 4096 - 1, b"VDSSUPER", 0, Boundary::Superblock);
        check(16, b"VDSJOURN", 0, Boundary::Journal);
        check(272, b"VDSSNAPS", 0, Boundary::Snapshot);
        check(1295, &[0; 8], 0, Boundary::Snapshot);
        check(1536, b"VDSLABEL", 0, Boundary::Label);
        check(1537, b"VDSBATCH", 1, Boundary::HostBatch);
        check(1537, b"VDSBATCH", 2, Boundary::MoveBatch);
        check(1600, b"VDSMAPPG", 0, Boundary::MapPage);
        check(1600, &[7; 8], 0, Boundary::Column);
    }

    #[test]
    fn a_label_counts_as_such_and_what_follows_it_is_what_a_flush_covers() {
        let sizes = Geometry::array_sizes(64 << 20, 64 << 20);
        let geometry = Geometry::of_drive(64 << 20, sizes).expect("large enough");
        let mut bytes = vec![0; 2 * BLOCK_BYTES];
        bytes[..8].copy_from_slice(b"VDSLABEL");
        bytes[BLOCK_BYTES..BLOCK_BYTES + 8].copy_from_slice(b"VDSMAPPG");
        let at = geometry.slab_start * 4096;
        assert_eq!(Boundary::of_write(&geometry, at, &bytes), Boundary::Label);
        assert_eq!(Boundary::to_cover(&geometry, at, &bytes), Boundary::MapPage);
        assert_eq!(Boundary::to_cover(&geometry, at, &bytes[..BLOCK_BYTES]), Boundary::Label);
    }

    #[test]
    fn a_flush_is_named_after_the_gravest_that_it_covers() {
        let of = |covered: &[Boundary]| Boundary::of_flush(&covered.iter().copied().collect());
        assert_eq!(of(&[]), Boundary::IdleFlush);
        assert_eq!(of(&[Boundary::HostBatch, Boundary::Journal]), Boundary::JournalFlush);
        assert_eq!(of(&[Boundary::Label, Boundary::MapPage]), Boundary::MapFlush);
    }
}
