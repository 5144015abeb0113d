//! One round of the catalog's journal.

use vds_model::SubsystemId;

use crate::head::{self, FormatError, Head, array_at, put_u32, put_u64, u32_at, u64_at};
use crate::{BLOCK_BYTES, Lineage, Record, Round};

const MAGIC: &[u8; 8] = b"VDSJOURN";

/// Bytes before the payload.
pub const JOURNAL_HEADER_BYTES: usize = 96;

/// Blocks of an entry with a payload of so many bytes.
pub fn journal_entry_blocks(payload_bytes: usize) -> usize {
    (JOURNAL_HEADER_BYTES + payload_bytes).div_ceil(BLOCK_BYTES)
}

/// One round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Its number.
    pub round: Round,
    /// The line of history that it belongs to.
    pub lineage: Lineage,
    /// The checksum of the entry before it.
    pub previous_checksum: u32,
    /// How many records the payload holds.
    pub records: u32,
    /// The records' bytes.
    pub payload: Vec<u8>,
}

impl JournalEntry {
    /// Its bytes, whole blocks, for block `address` of a drive, and its checksum.
    ///
    /// # Panics
    /// When the payload is longer than 4 GiB.
    pub fn encode(&self, array: SubsystemId, address: u64) -> (Vec<u8>, u32) {
        let blocks = journal_entry_blocks(self.payload.len());
        let mut bytes = vec![0; blocks * BLOCK_BYTES];
        head::write(&mut bytes, MAGIC, Head { array, address, generation: self.round.0 });
        put_u64(&mut bytes, 48, self.round.0);
        put_u32(&mut bytes, 56, self.previous_checksum);
        put_u32(&mut bytes, 60, u32::try_from(self.payload.len()).expect("bounded by the ring"));
        put_u32(&mut bytes, 64, u32::try_from(blocks).expect("bounded by the ring"));
        put_u32(&mut bytes, 68, self.records);
        bytes[72..88].copy_from_slice(&self.lineage.0);
        bytes[JOURNAL_HEADER_BYTES..JOURNAL_HEADER_BYTES + self.payload.len()]
            .copy_from_slice(&self.payload);
        let checksum = head::seal(&mut bytes);
        (bytes, checksum)
    }

    /// How many blocks the entry that begins with `block` claims, if it looks like one at all.
    pub fn claimed_blocks(block: &[u8]) -> Option<u32> {
        (block.len() >= BLOCK_BYTES && &block[..8] == MAGIC).then(|| u32_at(block, 64))
    }

    /// Reads the entry that begins at block `here`; `bytes` may go on behind it. Returns its checksum too.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8], array: SubsystemId, here: u64) -> Result<(Self, u32), FormatError> {
        let blocks = Self::claimed_blocks(bytes).ok_or(FormatError::Magic { expected: "entry" })?;
        let length = usize::try_from(blocks).expect("64-bit").saturating_mul(BLOCK_BYTES);
        if length == 0 || length > bytes.len() {
            return Err(FormatError::Field { field: "blocks", value: blocks.into() });
        }
        let bytes = &bytes[..length];
        let head = head::read(bytes, MAGIC, "journal entry")?.expect(array, here)?;
        let payload = usize::try_from(u32_at(bytes, 60)).expect("64-bit");
        if journal_entry_blocks(payload) * BLOCK_BYTES != length {
            return Err(FormatError::Field { field: "payload bytes", value: payload as u64 });
        }
        if u64_at(bytes, 48) != head.generation {
            return Err(FormatError::Field { field: "round", value: u64_at(bytes, 48) });
        }
        let entry = Self {
            round: Round(head.generation),
            lineage: Lineage(array_at(bytes, 72)),
            previous_checksum: u32_at(bytes, 56),
            records: u32_at(bytes, 68),
            payload: bytes[JOURNAL_HEADER_BYTES..JOURNAL_HEADER_BYTES + payload].to_vec(),
        };
        Ok((entry, head::checksum_field(bytes)))
    }

    /// The records.
    ///
    /// # Errors
    /// [`FormatError::Record`], and a count that does not agree.
    pub fn decode_records(&self) -> Result<Vec<Record>, FormatError> {
        Record::decode_all(&self.payload, self.records)
    }
}
