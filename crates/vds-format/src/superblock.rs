//! The superblock: what a drive is and where its parts lie.

use vds_model::{DriveId, SubsystemId};

use crate::BLOCK_BYTES;
use crate::head::{self, FormatError, Head, array_at, put_u32, put_u64, u32_at, u64_at};

/// What a superblock, and so a member, begins with.
pub const SUPERBLOCK_MAGIC: &[u8; 8] = b"VDSSUPER";
const NAME_BYTES: usize = 64;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const BLOCK: u64 = BLOCK_BYTES as u64;

/// First block of the journal on every drive.
const CATALOG_START: u64 = 16;
/// The most slabs of a drive.
const SLABS_MAX: u64 = 1 << 18;
/// A drive must hold this many slabs beside its catalog.
const SLABS_MIN: u64 = 8;
const SLAB_SHIFT_MIN: u8 = 20;
const SLAB_SHIFT_MAX: u8 = 26;

/// How a drive is laid out. All block numbers count from the drive's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Blocks in use; the last holds superblock slot 1.
    pub blocks: u64,
    /// Blocks of the journal ring.
    pub journal_blocks: u32,
    /// Blocks of one snapshot area.
    pub snapshot_blocks: u32,
    /// First block of slab 0.
    pub slab_start: u64,
    /// How many slabs.
    pub slab_count: u32,
    /// log2 of a slab's bytes.
    pub slab_shift: u8,
}

/// A drive that cannot be a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GeometryError {
    /// The drive cannot hold the catalog and eight slabs.
    #[error("the drive has {found_bytes} bytes, the array needs {needed_bytes} on each drive")]
    TooSmall {
        /// The drive's size.
        found_bytes: u64,
        /// The smallest that would do.
        needed_bytes: u64,
    },
}

impl Geometry {
    /// The sizes that an array gets which is made of drives between `smallest_bytes` and `largest_bytes`:
    /// slab shift, journal blocks, snapshot blocks.
    pub fn array_sizes(smallest_bytes: u64, largest_bytes: u64) -> (u8, u32, u32) {
        let mut shift = if largest_bytes < 4 * GIB { SLAB_SHIFT_MIN } else { SLAB_SHIFT_MIN + 2 };
        while shift < SLAB_SHIFT_MAX && (largest_bytes >> shift) > SLABS_MAX {
            shift += 1;
        }
        let journal = if smallest_bytes < GIB { 256 } else { 1024 };
        let snapshot = (smallest_bytes / 256 / BLOCK).clamp(512, 16_384);
        (shift, journal, u32::try_from(snapshot).expect("clamped"))
    }

    /// Lays out a drive of `bytes`.
    ///
    /// # Errors
    /// [`GeometryError::TooSmall`].
    pub fn of_drive(bytes: u64, sizes: (u8, u32, u32)) -> Result<Self, GeometryError> {
        let (slab_shift, journal_blocks, snapshot_blocks) = sizes;
        let slab_blocks = (1_u64 << slab_shift) / BLOCK;
        let blocks = bytes / BLOCK;
        let catalog_end =
            CATALOG_START + u64::from(journal_blocks) + 2 * u64::from(snapshot_blocks);
        let slab_start = catalog_end.next_multiple_of(slab_blocks);
        let slab_count = blocks.saturating_sub(1 + slab_start) / slab_blocks;
        if slab_count < SLABS_MIN {
            let needed_bytes = (slab_start + SLABS_MIN * slab_blocks + 1) * BLOCK;
            return Err(GeometryError::TooSmall { found_bytes: bytes, needed_bytes });
        }
        // A drive larger than the largest that the array was made with is used up to the slab limit.
        let slab_count = u32::try_from(slab_count.min(SLABS_MAX)).expect("bounded");
        Ok(Self { blocks, journal_blocks, snapshot_blocks, slab_start, slab_count, slab_shift })
    }

    /// First block of the journal.
    pub fn journal_start(&self) -> u64 {
        CATALOG_START
    }

    /// First block of snapshot area 0 or 1.
    pub fn snapshot_start(&self, area: u8) -> u64 {
        CATALOG_START
            + u64::from(self.journal_blocks)
            + u64::from(area) * u64::from(self.snapshot_blocks)
    }

    /// Blocks of a slab, label included.
    pub fn slab_blocks(&self) -> u32 {
        1 << (self.slab_shift - 12)
    }

    /// Rows of a slab.
    pub fn rows(&self) -> u32 {
        self.slab_blocks() - 1
    }

    /// The block where superblock slot 1 lies.
    pub fn second_superblock(&self) -> u64 {
        self.blocks - 1
    }

    fn check(&self) -> Result<(), FormatError> {
        let field = |field, value| Err(FormatError::Field { field, value });
        if !(SLAB_SHIFT_MIN..=SLAB_SHIFT_MAX).contains(&self.slab_shift) {
            return field("slab_shift", self.slab_shift.into());
        }
        if self.journal_blocks < 16 || self.journal_blocks > 1 << 20 {
            return field("journal_blocks", self.journal_blocks.into());
        }
        if self.snapshot_blocks < 16 || self.snapshot_blocks > 1 << 20 {
            return field("snapshot_blocks", self.snapshot_blocks.into());
        }
        if self.slab_start < self.snapshot_start(1) + u64::from(self.snapshot_blocks) {
            return field("slab_start", self.slab_start);
        }
        let slabs = u64::from(self.slab_count) * u64::from(self.slab_blocks());
        if self.slab_start.checked_add(slabs).is_none_or(|end| end >= self.blocks) {
            return field("slab_count", self.slab_count.into());
        }
        Ok(())
    }
}

/// The superblock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// The array that the drive belongs to.
    pub array: SubsystemId,
    /// The drive.
    pub drive: DriveId,
    /// Counts up with each rewrite.
    pub generation: u64,
    /// The drive's layout.
    pub geometry: Geometry,
    /// When it joined, milliseconds since 1970.
    pub joined_unix_ms: u64,
    /// Of the service that has the array open.
    pub instance: [u8; 16],
    /// The array's name, cut to 64 bytes.
    pub array_name: String,
    /// Of the start of the machine on which that service runs; zero if it is not known.
    pub boot: [u8; 16],
}

impl Superblock {
    /// Its bytes, for slot 0 or 1.
    pub fn encode(&self, slot: u8) -> [u8; BLOCK_BYTES] {
        let mut bytes = [0; BLOCK_BYTES];
        let address = if slot == 0 { 0 } else { self.geometry.second_superblock() };
        let geometry = &self.geometry;
        let head = Head { array: self.array, address, generation: self.generation };
        head::write(&mut bytes, SUPERBLOCK_MAGIC, head);
        bytes[48..64].copy_from_slice(&self.drive.to_bytes());
        put_u64(&mut bytes, 64, geometry.blocks);
        put_u64(&mut bytes, 72, geometry.journal_start());
        put_u32(&mut bytes, 80, geometry.journal_blocks);
        put_u32(&mut bytes, 84, geometry.snapshot_blocks);
        put_u64(&mut bytes, 88, geometry.slab_start);
        put_u32(&mut bytes, 96, geometry.slab_count);
        bytes[100] = geometry.slab_shift;
        put_u64(&mut bytes, 104, self.joined_unix_ms);
        bytes[112..128].copy_from_slice(&self.instance);
        let mut end = self.array_name.len().min(NAME_BYTES);
        while !self.array_name.is_char_boundary(end) {
            end -= 1;
        }
        bytes[128..128 + end].copy_from_slice(&self.array_name.as_bytes()[..end]);
        bytes[192..208].copy_from_slice(&self.boot);
        head::seal(&mut bytes);
        bytes
    }

    /// Reads a superblock found at block `here`.
    ///
    /// # Errors
    /// [`FormatError`]: nothing of ours, another version, damage, or fields that contradict each other.
    pub fn decode(bytes: &[u8], here: u64) -> Result<Self, FormatError> {
        let head = head::read(bytes, SUPERBLOCK_MAGIC, "superblock")?.expect_address(here)?;
        let geometry = Geometry {
            blocks: u64_at(bytes, 64),
            journal_blocks: u32_at(bytes, 80),
            snapshot_blocks: u32_at(bytes, 84),
            slab_start: u64_at(bytes, 88),
            slab_count: u32_at(bytes, 96),
            slab_shift: bytes[100],
        };
        geometry.check()?;
        if u64_at(bytes, 72) != CATALOG_START {
            return Err(FormatError::Field { field: "journal start", value: u64_at(bytes, 72) });
        }
        let name = &bytes[128..128 + NAME_BYTES];
        let name = &name[..name.iter().position(|byte| *byte == 0).unwrap_or(NAME_BYTES)];
        Ok(Self {
            array: head.array,
            drive: DriveId::from_bytes(array_at(bytes, 48)),
            generation: head.generation,
            geometry,
            joined_unix_ms: u64_at(bytes, 104),
            instance: array_at(bytes, 112),
            array_name: String::from_utf8_lossy(name).into_owned(),
            boot: array_at(bytes, 192),
        })
    }
}

const _: () = assert!(MIB == 1 << SLAB_SHIFT_MIN);

#[cfg(test)]
mod tests {
    use super::*;

    fn check_sizes(smallest_bytes: u64, largest_bytes: u64, expected: (u8, u32, u32)) {
        assert_eq!(Geometry::array_sizes(smallest_bytes, largest_bytes), expected);
    }

    #[test]
    fn slabs_grow_with_the_largest_drive() {
        check_sizes(64 * MIB, 64 * MIB, (20, 256, 512));
        check_sizes(2 * GIB, 2 * GIB, (20, 1024, 2048));
        check_sizes(4 * GIB, 4 * GIB, (22, 1024, 4096));
        check_sizes(GIB << 10, GIB << 10, (22, 1024, 16_384));
        check_sizes(GIB << 10, GIB << 14, (26, 1024, 16_384));
    }

    #[test]
    fn a_drive_too_small_says_what_it_needs() {
        let sizes = Geometry::array_sizes(8 * MIB, 8 * MIB);
        let Err(GeometryError::TooSmall { needed_bytes, .. }) = Geometry::of_drive(8 * MIB, sizes)
        else {
            panic!("8 MiB cannot hold an array");
        };
        assert!(Geometry::of_drive(needed_bytes, sizes).is_ok());
        assert!(Geometry::of_drive(needed_bytes - 1, sizes).is_err());
    }

    #[test]
    fn both_slots_round_trip_and_know_their_place() {
        let geometry =
            Geometry::of_drive(GIB, Geometry::array_sizes(GIB, GIB)).expect("large enough");
        let superblock = Superblock {
            array: SubsystemId::from_bytes([1; 16]),
            drive: DriveId::from_bytes([2; 16]),
            generation: 7,
            geometry,
            joined_unix_ms: 99,
            instance: [3; 16],
            array_name: "ä".repeat(40),
            boot: [4; 16],
        };
        for (slot, here) in [(0, 0), (1, geometry.second_superblock())] {
            let bytes = superblock.encode(slot);
            let read = Superblock::decode(&bytes, here).expect("just written");
            assert_eq!(read.array_name, "ä".repeat(32));
            assert_eq!(
                Superblock { array_name: superblock.array_name.clone(), ..read },
                superblock
            );
            assert!(Superblock::decode(&bytes, here + 1).is_err());
        }
    }
}
