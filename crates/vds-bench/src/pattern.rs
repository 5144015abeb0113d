//! What is written: sectors that say which sector they are and which write they came with, so that a read can be judged.

use std::ops::Range;

/// The unit of the pattern.
pub const SECTOR_BYTES: usize = 512;

const STAMP_BYTES: usize = 16;
const POOL_WORDS: usize = 1 << 13;

/// Seeded chance: xorshift64*, as fast as a load generator needs it.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// From a seed; any will do.
    pub fn new(seed: u64) -> Self {
        Self(mix(seed) | 1)
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`.
    ///
    /// # Panics
    /// Never: half of a product of 64-bit numbers has 64 bits.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).expect("the upper half of a product")
    }
}

/// Scatters neighbouring numbers (the finaliser of splitmix64).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

/// Makes and judges sectors.
pub struct Pattern {
    pool: Vec<u8>,
    seed: u64,
}

impl Pattern {
    /// Of a seed: other seeds give other data.
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let words = POOL_WORDS + SECTOR_BYTES / 8;
        let pool = (0..words).flat_map(|_| chance.next_u64().to_le_bytes()).collect();
        Self { pool, seed }
    }

    /// Appends `len` bytes as they stand at byte `offset` of the LUN after the write `generation`.
    ///
    /// # Panics
    /// When they are not whole sectors.
    pub fn append(&self, out: &mut Vec<u8>, offset: u64, len: usize, generation: u32) {
        assert!(len.is_multiple_of(SECTOR_BYTES), "whole sectors");
        let first = offset / SECTOR_BYTES as u64;
        for sector in first..first + (len / SECTOR_BYTES) as u64 {
            out.extend_from_slice(&stamp(sector, generation));
            out.extend_from_slice(&self.pool[self.body(sector, generation)]);
        }
    }

    /// The first byte of `data` that is not as written by `generation` at byte `offset`, LUN-relative.
    ///
    /// # Panics
    /// When they are not whole sectors.
    pub fn mismatch(&self, data: &[u8], offset: u64, generation: u32) -> Option<u64> {
        assert!(data.len().is_multiple_of(SECTOR_BYTES), "whole sectors");
        let first = offset / SECTOR_BYTES as u64;
        let bad = data.chunks_exact(SECTOR_BYTES).zip(first..).find(|(found, sector)| {
            let (head, body) = found.split_at(STAMP_BYTES);
            head != stamp(*sector, generation) || *body != self.pool[self.body(*sector, generation)]
        });
        bad.map(|(_, sector)| sector * SECTOR_BYTES as u64)
    }

    fn body(&self, sector: u64, generation: u32) -> Range<usize> {
        let hash = mix(sector ^ u64::from(generation) << 40 ^ self.seed);
        let word = usize::try_from(hash % POOL_WORDS as u64).expect("below the pool's size");
        word * 8..word * 8 + SECTOR_BYTES - STAMP_BYTES
    }
}

fn stamp(sector: u64, generation: u32) -> [u8; STAMP_BYTES] {
    let mut stamp = [0; STAMP_BYTES];
    stamp[..8].copy_from_slice(&sector.to_le_bytes());
    stamp[8..12].copy_from_slice(&generation.to_le_bytes());
    stamp
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_place_an_older_write_and_a_flipped_bit_are_seen() {
        let pattern = Pattern::new(7);
        let mut data = Vec::new();
        pattern.append(&mut data, 8192, 4096, 3);
        assert_eq!(pattern.mismatch(&data, 8192, 3), None);
        assert_eq!(pattern.mismatch(&data[512..], 8704, 3), None);
        assert_eq!(pattern.mismatch(&data, 12288, 3), Some(12288));
        assert_eq!(pattern.mismatch(&data, 8192, 2), Some(8192));
        data[1000] ^= 4;
        assert_eq!(pattern.mismatch(&data, 8192, 3), Some(8704));
    }

    #[test]
    fn chance_stays_below_its_bound() {
        let mut chance = Chance::new(0);
        let drawn: Vec<u64> = (0..1000).map(|_| chance.below(10)).collect();
        assert!((0..10).all(|number| drawn.contains(&number)));
        assert!(drawn.iter().all(|number| *number < 10));
    }
}
