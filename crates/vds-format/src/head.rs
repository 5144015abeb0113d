//! The head that every metadata block begins with.

use vds_model::SubsystemId;

use crate::{BLOCK_BYTES, DecodeError, checksum_of};

/// The format that this crate writes and the only one that it reads.
pub const FORMAT_VERSION: u32 = 1;

const CHECKSUM_AT: usize = 12;

/// A structure that does not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Another magic, or none: nothing of ours lies here.
    #[error("no {expected} here")]
    Magic {
        /// The magic looked for.
        expected: &'static str,
    },
    /// Written by a version that this program does not know.
    #[error("on-disk format version {found}, this program reads version {FORMAT_VERSION}")]
    Version {
        /// What stands there.
        found: u32,
    },
    /// The bytes are not those that were written.
    #[error("checksum is {found:08x}, the bytes give {computed:08x}")]
    Checksum {
        /// What stands there.
        found: u32,
        /// What it should be.
        computed: u32,
    },
    /// A structure of another array.
    #[error("belongs to array {found}")]
    Array {
        /// Whose it is.
        found: SubsystemId,
    },
    /// Written for another place.
    #[error("was written for address {found:#x}, found at {here:#x}")]
    Address {
        /// The address that it names.
        found: u64,
        /// Where it was read.
        here: u64,
    },
    /// A field contradicts another or lies outside its range.
    #[error("field {field} holds {value}")]
    Field {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// A record inside cannot be read.
    #[error("a record cannot be read")]
    Record(#[from] DecodeError),
    /// Fewer bytes than the structure needs.
    #[error("the structure is cut short")]
    Short,
}

/// The head's fields after its magic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) array: SubsystemId,
    pub(crate) address: u64,
    pub(crate) generation: u64,
}

/// Writes magic, version and head; the checksum comes last, with [`seal`].
pub(crate) fn write(bytes: &mut [u8], magic: &[u8; 8], head: Head) {
    bytes[..8].copy_from_slice(magic);
    put_u32(bytes, 8, FORMAT_VERSION);
    put_u32(bytes, CHECKSUM_AT, 0);
    bytes[16..32].copy_from_slice(&head.array.to_bytes());
    put_u64(bytes, 32, head.address);
    put_u64(bytes, 40, head.generation);
}

/// Puts the checksum over all of `bytes`.
pub(crate) fn seal(bytes: &mut [u8]) -> u32 {
    let checksum = checksum_without_field(bytes);
    put_u32(bytes, CHECKSUM_AT, checksum);
    checksum
}

/// The checksum field.
pub(crate) fn checksum_field(bytes: &[u8]) -> u32 {
    u32_at(bytes, CHECKSUM_AT)
}

/// Checks magic, version and checksum of a whole structure and returns its head.
pub(crate) fn read(bytes: &[u8], magic: &[u8; 8], name: &'static str) -> Result<Head, FormatError> {
    if bytes.len() < BLOCK_BYTES {
        return Err(FormatError::Short);
    }
    if &bytes[..8] != magic {
        return Err(FormatError::Magic { expected: name });
    }
    let found = checksum_field(bytes);
    let computed = checksum_without_field(bytes);
    // A newer version may check its bytes in another way, so its number is believed before the checksum.
    if u32_at(bytes, 8) != FORMAT_VERSION {
        return Err(FormatError::Version { found: u32_at(bytes, 8) });
    }
    if found != computed {
        return Err(FormatError::Checksum { found, computed });
    }
    let array = SubsystemId::from_bytes(array_at(bytes, 16));
    Ok(Head { array, address: u64_at(bytes, 32), generation: u64_at(bytes, 40) })
}

impl Head {
    /// The structure must belong to `array` and lie where it says.
    pub(crate) fn expect(self, array: SubsystemId, here: u64) -> Result<Self, FormatError> {
        if self.array != array {
            return Err(FormatError::Array { found: self.array });
        }
        self.expect_address(here)
    }

    /// The structure must lie where it says.
    pub(crate) fn expect_address(self, here: u64) -> Result<Self, FormatError> {
        if self.address == here {
            Ok(self)
        } else {
            Err(FormatError::Address { found: self.address, here })
        }
    }
}

fn checksum_without_field(bytes: &[u8]) -> u32 {
    checksum_of(&[&bytes[..CHECKSUM_AT], &[0; 4], &bytes[CHECKSUM_AT + 4..]])
}

pub(crate) fn put_u16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..].first_chunk::<N>().expect("offsets are constants inside a block")
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}
