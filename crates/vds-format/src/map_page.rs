//! A page of a LUN's map.

use vds_model::SubsystemId;

use crate::head::{self, FormatError, Head, put_u32, put_u64, u32_at, u64_at};
use crate::{BLOCK_BYTES, LunNo, Place, Sequence};

const MAGIC: &[u8; 8] = b"VDSMAPPG";
const ENTRIES_AT: usize = 64;
const ENTRY_BYTES: usize = 16;

/// Entries of a page.
pub const MAP_FANOUT: usize = 252;

const _: () = assert!(ENTRIES_AT + MAP_FANOUT * ENTRY_BYTES == BLOCK_BYTES);

/// Where a block or a page lies, and its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct MapEntry {
    /// Nowhere: not mapped. Lost: of a block of which nobody knows any more.
    pub place: Place,
    /// Of the data block, or the checksum field of the page.
    pub checksum: u32,
}

impl MapEntry {
    /// Of a block of which nobody knows any more what it held.
    pub const LOST: Self = Self { place: Place::LOST, checksum: 0 };
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapPage {
    /// The family.
    pub lun: LunNo,
    /// 0 for a leaf.
    pub level: u8,
    /// Its index in its level.
    pub index: u64,
    /// The checkpoint that wrote it.
    pub sequence: Sequence,
    /// What it maps.
    pub entries: Box<[MapEntry; MAP_FANOUT]>,
}

impl MapPage {
    /// Writes the page into `block` for `place`; returns its checksum field.
    ///
    /// # Panics
    /// When `block` is no block.
    pub fn encode(&self, array: SubsystemId, place: Place, block: &mut [u8]) -> u32 {
        assert_eq!(block.len(), BLOCK_BYTES);
        let head = Head { array, address: place.0, generation: self.sequence.0 };
        block.fill(0);
        head::write(block, MAGIC, head);
        put_u32(block, 48, self.lun.0);
        block[52] = self.level;
        put_u64(block, 56, self.index);
        for (index, entry) in self.entries.iter().enumerate() {
            let at = ENTRIES_AT + index * ENTRY_BYTES;
            put_u64(block, at, entry.place.0);
            put_u32(block, at + 8, entry.checksum);
        }
        head::seal(block)
    }

    /// Reads the page found at `here`. Returns its checksum field too.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(
        block: &[u8],
        array: SubsystemId,
        here: Place,
    ) -> Result<(Self, u32), FormatError> {
        let head = head::read(block, MAGIC, "map page")?.expect(array, here.0)?;
        let mut entries = Box::new([MapEntry::default(); MAP_FANOUT]);
        for (index, entry) in entries.iter_mut().enumerate() {
            let at = ENTRIES_AT + index * ENTRY_BYTES;
            entry.place = Place(u64_at(block, at));
            entry.checksum = u32_at(block, at + 8);
        }
        let page = Self {
            lun: LunNo(u32_at(block, 48)),
            level: block[52],
            index: u64_at(block, 56),
            sequence: Sequence(head.generation),
            entries,
        };
        Ok((page, head::checksum_field(block)))
    }
}
