//! The head of a snapshot of the catalog.

use vds_model::SubsystemId;

use crate::head::{self, FormatError, Head, array_at, put_u32, put_u64, u32_at, u64_at};
use crate::{BLOCK_BYTES, Lineage, Round, crc32c};

const MAGIC: &[u8; 8] = b"VDSSNAPS";

/// The header block of a snapshot; the payload follows in whole blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// The last round contained.
    pub round: Round,
    /// The checksum of that round's journal entry.
    pub entry_checksum: u32,
    /// How many records.
    pub records: u32,
    /// Bytes of the payload.
    pub payload_bytes: u64,
    /// The line of history.
    pub lineage: Lineage,
    /// Checksum of the payload.
    pub payload_checksum: u32,
}

/// The checksum that the header carries for its payload.
pub fn snapshot_payload_checksum(payload: &[u8]) -> u32 {
    crc32c(payload)
}

impl SnapshotHeader {
    /// Its block, for block `address` of a drive.
    pub fn encode(&self, array: SubsystemId, address: u64) -> [u8; BLOCK_BYTES] {
        let mut bytes = [0; BLOCK_BYTES];
        head::write(&mut bytes, MAGIC, Head { array, address, generation: self.round.0 });
        put_u64(&mut bytes, 48, self.round.0);
        put_u32(&mut bytes, 56, self.entry_checksum);
        put_u32(&mut bytes, 60, self.records);
        put_u64(&mut bytes, 64, self.payload_bytes);
        bytes[72..88].copy_from_slice(&self.lineage.0);
        put_u32(&mut bytes, 88, self.payload_checksum);
        head::seal(&mut bytes);
        bytes
    }

    /// Reads the header found at block `here` of an area of `area_blocks`.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(
        bytes: &[u8],
        array: SubsystemId,
        here: u64,
        area_blocks: u32,
    ) -> Result<Self, FormatError> {
        let head = head::read(bytes, MAGIC, "snapshot")?.expect(array, here)?;
        let payload_bytes = u64_at(bytes, 64);
        if payload_bytes > u64::from(area_blocks - 1) * BLOCK_BYTES as u64 {
            return Err(FormatError::Field { field: "payload bytes", value: payload_bytes });
        }
        Ok(Self {
            round: Round(head.generation),
            entry_checksum: u32_at(bytes, 56),
            records: u32_at(bytes, 60),
            payload_bytes,
            lineage: Lineage(array_at(bytes, 72)),
            payload_checksum: u32_at(bytes, 88),
        })
    }
}
