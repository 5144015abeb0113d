//! Sectors that say what they are.

use std::fmt;

use crate::chance::scramble;

/// The unit of the model, whatever sector the LUN shows.
pub const LUN_SECTOR_BYTES: usize = 512;

const MAGIC: u64 = u64::from_le_bytes(*b"LUNSTAMP");
const HEAD_WORDS: usize = 4;

/// What a sector turned out to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing but zeros.
    Zeros,
    /// A stamp of a model, whole.
    Stamp {
        /// The model's seed.
        seed: u64,
        /// The sector it was written for.
        sector: u64,
        /// The version it was written as.
        version: u64,
    },
    /// Begins as a stamp and does not go on as one.
    Damaged {
        /// The sector it claims.
        sector: u64,
        /// The version it claims.
        version: u64,
    },
    /// Something else; its first bytes.
    Garbage([u8; 8]),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zeros => f.write_str("zeros"),
            Self::Stamp { seed, sector, version } => {
                write!(f, "version {version} of sector {sector} (seed {seed})")
            }
            Self::Damaged { sector, version } => {
                write!(f, "damaged: claims version {version} of sector {sector}")
            }
            Self::Garbage(bytes) => write!(f, "garbage {bytes:02x?}"),
        }
    }
}

/// Fills one sector with a stamp; version 0 is zeros.
///
/// # Panics
/// When `bytes` is not [`LUN_SECTOR_BYTES`] long.
pub fn write_stamp(bytes: &mut [u8], seed: u64, sector: u64, version: u64) {
    assert_eq!(bytes.len(), LUN_SECTOR_BYTES, "a stamp fills one sector");
    if version == 0 {
        bytes.fill(0);
        return;
    }
    let (words, _) = bytes.as_chunks_mut::<8>();
    for (index, word) in words.iter_mut().enumerate() {
        *word = stamp_word(index, seed, sector, version).to_le_bytes();
    }
}

fn stamp_word(index: usize, seed: u64, sector: u64, version: u64) -> u64 {
    match index {
        0 => MAGIC,
        1 => seed,
        2 => sector,
        3 => version,
        _ => scramble(seed ^ scramble(sector ^ scramble(version ^ index as u64))),
    }
}

/// Says what a sector holds.
///
/// # Panics
/// When `bytes` is not [`LUN_SECTOR_BYTES`] long.
pub fn read_stamp(bytes: &[u8]) -> Found {
    assert_eq!(bytes.len(), LUN_SECTOR_BYTES, "a stamp fills one sector");
    let (words, _) = bytes.as_chunks::<8>();
    let word = |index: usize| u64::from_le_bytes(words[index]);
    if words.iter().all(|word| *word == [0; 8]) {
        return Found::Zeros;
    }
    if word(0) != MAGIC {
        return Found::Garbage(words[0]);
    }
    let (seed, sector, version) = (word(1), word(2), word(3));
    let whole = (HEAD_WORDS..words.len())
        .all(|index| word(index) == stamp_word(index, seed, sector, version));
    if whole { Found::Stamp { seed, sector, version } } else { Found::Damaged { sector, version } }
}
