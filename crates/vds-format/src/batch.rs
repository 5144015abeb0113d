//! A batch: its header, and where its blocks lie.

use vds_model::SubsystemId;

use crate::head::{self, FormatError, Head, put_u16, put_u32, put_u64, u16_at, u32_at, u64_at};
use crate::{BLOCK_BYTES, LunNo, Place, Sequence, Stream, checksum_of};

const MAGIC: &[u8; 8] = b"VDSBATCH";
const ENTRIES_AT: usize = 128;
const ENTRY_BYTES: usize = 12;
const KIND_DATA: u8 = 1;
const KIND_UNMAP: u8 = 2;
const LUN_BLOCK_MASK: u64 = (1 << 56) - 1;

/// The most entries of a header.
pub const BATCH_ENTRIES_MAX: usize = 256;

const _: () = assert!(ENTRIES_AT + BATCH_ENTRIES_MAX * ENTRY_BYTES <= BLOCK_BYTES);

/// The most data blocks of a batch in a segment of `data_columns` with `rows` rows each: a quarter of it, less two
/// headers, at most 1 MiB.
pub fn batch_data_blocks_max(rows: u32, data_columns: u8) -> u32 {
    let quarter = rows * u32::from(data_columns) / 4;
    (quarter.saturating_sub(2) / 4 * 4).min(256)
}

/// Rows that `data_blocks` and the headers take.
pub fn batch_rows(data_blocks: u32, data_columns: u8, doubled: bool) -> u32 {
    (data_blocks + 1 + u32::from(doubled)).div_ceil(u32::from(data_columns)).max(
        // The doubled header of a striped batch stands in data column 1, so one row is enough there.
        1,
    )
}

/// The checksum of a data block that belongs at `lun_block`.
pub fn data_checksum(block: &[u8], lun_block: u64) -> u32 {
    checksum_of(&[block, &lun_block.to_le_bytes()])
}

/// What a header says of one block or range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchEntry {
    /// A data block.
    Data {
        /// Where it belongs in the LUN.
        lun_block: u64,
        /// Its checksum.
        checksum: u32,
    },
    /// Blocks that read as zeros from here on.
    Unmap {
        /// The first.
        lun_block: u64,
        /// How many.
        blocks: u32,
    },
}

/// A batch's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// The place of the first header.
    pub place: Place,
    /// Its number in the stream.
    pub sequence: Sequence,
    /// What was known flushed on all columns.
    pub durable_through: Sequence,
    /// The checksum field of the header before, 0 if unknown.
    pub previous_checksum: u32,
    /// The family.
    pub lun: LunNo,
    /// The epoch.
    pub epoch: u32,
    /// First row.
    pub row: u32,
    /// How many rows.
    pub rows: u32,
    /// The stream.
    pub stream: Stream,
    /// Data columns of the segment.
    pub data_columns: u8,
    /// What it holds.
    pub entries: Vec<BatchEntry>,
}

impl BatchHeader {
    /// Writes the header into `block`; returns its checksum field.
    ///
    /// # Panics
    /// When there are too many entries or `block` is no block.
    pub fn encode(&self, array: SubsystemId, block: &mut [u8]) -> u32 {
        assert_eq!(block.len(), BLOCK_BYTES);
        assert!(self.entries.len() <= BATCH_ENTRIES_MAX);
        block.fill(0);
        let head = Head { array, address: self.place.0, generation: self.sequence.0 };
        head::write(block, MAGIC, head);
        put_u64(block, 48, self.sequence.0);
        put_u64(block, 56, self.durable_through.0);
        put_u32(block, 64, self.previous_checksum);
        put_u32(block, 68, self.lun.0);
        put_u32(block, 72, self.epoch);
        put_u32(block, 76, self.row);
        put_u32(block, 80, self.rows);
        put_u16(block, 84, u16::try_from(self.entries.len()).expect("at most 256"));
        block[86] = self.stream.number();
        block[87] = self.data_columns;
        for (index, entry) in self.entries.iter().enumerate() {
            let at = ENTRIES_AT + index * ENTRY_BYTES;
            let (kind, lun_block, value) = match *entry {
                BatchEntry::Data { lun_block, checksum } => (KIND_DATA, lun_block, checksum),
                BatchEntry::Unmap { lun_block, blocks } => (KIND_UNMAP, lun_block, blocks),
            };
            put_u64(block, at, (u64::from(kind) << 56) | (lun_block & LUN_BLOCK_MASK));
            put_u32(block, at + 8, value);
        }
        head::seal(block)
    }

    /// Reads a header found at `here` (or, for the doubled one, as the copy of the one there).
    /// Returns its checksum field too.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(
        block: &[u8],
        array: SubsystemId,
        here: Place,
    ) -> Result<(Self, u32), FormatError> {
        let head = head::read(block, MAGIC, "batch header")?.expect(array, here.0)?;
        let count = usize::from(u16_at(block, 84));
        if count > BATCH_ENTRIES_MAX {
            return Err(FormatError::Field { field: "entries", value: count as u64 });
        }
        if u64_at(block, 48) != head.generation {
            return Err(FormatError::Field { field: "sequence", value: u64_at(block, 48) });
        }
        let header = Self {
            place: here,
            sequence: Sequence(head.generation),
            durable_through: Sequence(u64_at(block, 56)),
            previous_checksum: u32_at(block, 64),
            lun: LunNo(u32_at(block, 68)),
            epoch: u32_at(block, 72),
            row: u32_at(block, 76),
            rows: u32_at(block, 80),
            stream: Stream::from_number(block[86])?,
            data_columns: block[87],
            entries: (0..count).map(|index| entry_at(block, index)).collect::<Result<_, _>>()?,
        };
        if header.data_columns == 0 || header.rows == 0 {
            return Err(FormatError::Field { field: "rows", value: header.rows.into() });
        }
        Ok((header, head::checksum_field(block)))
    }

    /// How many data blocks follow.
    pub fn data_blocks(&self) -> u32 {
        let data = self.entries.iter().filter(|entry| matches!(entry, BatchEntry::Data { .. }));
        u32::try_from(data.count()).expect("at most 256")
    }

    /// Where its data blocks lie: (data column, row), in order.
    pub fn positions(&self, doubled: bool) -> impl Iterator<Item = (u32, u32)> + use<> {
        batch_positions(self.row, self.rows, self.data_columns, doubled)
    }
}

/// Where the data blocks of a batch lie: (data column, row), in order.
pub fn batch_positions(
    row: u32,
    rows: u32,
    data_columns: u8,
    doubled: bool,
) -> impl Iterator<Item = (u32, u32)> + use<> {
    // Fill order without the header (the first) and the doubled header (the second for one data column, else the
    // first of data column 1).
    let second = if data_columns == 1 { (0, row + 1) } else { (1, row) };
    (0..u32::from(data_columns))
        .flat_map(move |column| (row..row + rows).map(move |row| (column, row)))
        .skip(1)
        .filter(move |position| !(doubled && *position == second))
}

fn entry_at(block: &[u8], index: usize) -> Result<BatchEntry, FormatError> {
    let at = ENTRIES_AT + index * ENTRY_BYTES;
    let first = u64_at(block, at);
    let lun_block = first & LUN_BLOCK_MASK;
    let value = u32_at(block, at + 8);
    match u8::try_from(first >> 56).expect("the top byte") {
        KIND_DATA => Ok(BatchEntry::Data { lun_block, checksum: value }),
        KIND_UNMAP => Ok(BatchEntry::Unmap { lun_block, blocks: value }),
        kind => Err(FormatError::Field { field: "entry kind", value: kind.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SegmentNo;

    #[test]
    fn positions_leave_the_headers_out() {
        let simple: Vec<_> = batch_positions(10, 4, 1, true).collect();
        assert_eq!(simple, [(0, 12), (0, 13)]);
        let mirror: Vec<_> = batch_positions(10, 3, 1, false).collect();
        assert_eq!(mirror, [(0, 11), (0, 12)]);
        let stripe: Vec<_> = batch_positions(0, 2, 3, true).collect();
        assert_eq!(stripe, [(0, 1), (1, 1), (2, 0), (2, 1)]);
    }

    #[test]
    fn rows_hold_the_headers_and_the_data() {
        for (data, columns, doubled) in [(0, 1, true), (1, 1, false), (7, 3, true), (256, 4, true)]
        {
            let rows = batch_rows(data, columns, doubled);
            let places = batch_positions(0, rows, columns, doubled).count();
            assert!(places >= data as usize, "{data} blocks in {columns} columns");
        }
        assert_eq!(batch_data_blocks_max(255, 1), 60);
        assert_eq!(batch_data_blocks_max(1023, 1), 252);
        assert_eq!(batch_data_blocks_max(1023, 4), 256);
    }

    #[test]
    fn a_header_round_trips_and_refuses_another_place() {
        let array = SubsystemId::from_bytes([9; 16]);
        let place = Place::new(SegmentNo(5), 0, 10, 255);
        let header = BatchHeader {
            place,
            sequence: Sequence(77),
            durable_through: Sequence(70),
            previous_checksum: 3,
            lun: LunNo(4),
            epoch: 2,
            row: 10,
            rows: 3,
            stream: Stream::Host,
            data_columns: 1,
            entries: vec![
                BatchEntry::Unmap { lun_block: 1 << 40, blocks: u32::MAX },
                BatchEntry::Data { lun_block: 12, checksum: 0xDEAD_BEEF },
            ],
        };
        let mut block = [0; BLOCK_BYTES];
        let checksum = header.encode(array, &mut block);
        assert_eq!(BatchHeader::decode(&block, array, place), Ok((header, checksum)));
        assert!(BatchHeader::decode(&block, array, Place(place.0 + 1)).is_err());
        assert!(BatchHeader::decode(&block, SubsystemId::from_bytes([8; 16]), place).is_err());
    }
}
