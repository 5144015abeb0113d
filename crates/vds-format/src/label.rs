//! The label: whose slab this is.

use vds_model::{DriveId, LunId, SubsystemId};

use crate::head::{self, FormatError, Head, array_at, put_u32, u32_at};
use crate::{BLOCK_BYTES, LunNo, SegmentNo, SlabNo, Stream};

const MAGIC: &[u8; 8] = b"VDSLABEL";

/// The first block of a slab in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// The segment that the slab is a column of.
    pub segment: SegmentNo,
    /// The drive that it lies on.
    pub drive: DriveId,
    /// The slab.
    pub slab: SlabNo,
    /// The family.
    pub lun: LunNo,
    /// The LUN's id.
    pub lun_id: LunId,
    /// Which copy.
    pub copy: u8,
    /// Which data column.
    pub data_column: u8,
    /// How many the segment has.
    pub data_columns: u8,
    /// Its stream.
    pub stream: Stream,
    /// The epoch of the log.
    pub epoch: u32,
}

impl Label {
    /// Its block, for block `address` of the drive.
    pub fn encode(&self, array: SubsystemId, address: u64) -> [u8; BLOCK_BYTES] {
        let mut bytes = [0; BLOCK_BYTES];
        head::write(&mut bytes, MAGIC, Head { array, address, generation: self.segment.0 });
        bytes[48..64].copy_from_slice(&self.drive.to_bytes());
        put_u32(&mut bytes, 64, self.slab.0);
        put_u32(&mut bytes, 68, self.lun.0);
        bytes[72] = self.copy;
        bytes[73] = self.data_column;
        bytes[74] = self.data_columns;
        bytes[75] = self.stream.number();
        put_u32(&mut bytes, 76, self.epoch);
        bytes[80..96].copy_from_slice(&self.lun_id.to_bytes());
        head::seal(&mut bytes);
        bytes
    }

    /// Reads the label found at block `here`.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8], array: SubsystemId, here: u64) -> Result<Self, FormatError> {
        let head = head::read(bytes, MAGIC, "label")?.expect(array, here)?;
        Ok(Self {
            segment: SegmentNo(head.generation),
            drive: DriveId::from_bytes(array_at(bytes, 48)),
            slab: SlabNo(u32_at(bytes, 64)),
            lun: LunNo(u32_at(bytes, 68)),
            lun_id: LunId::from_bytes(array_at(bytes, 80)),
            copy: bytes[72],
            data_column: bytes[73],
            data_columns: bytes[74],
            stream: Stream::from_number(bytes[75])?,
            epoch: u32_at(bytes, 76),
        })
    }
}
