//! Chance from a seed.

use std::cell::Cell;
use std::rc::Rc;

use vds_io::Rng;

/// A stream of pseudo-random numbers (SplitMix64). Clones share the stream.
#[derive(Clone, Debug)]
pub struct Chance {
    state: Rc<Cell<u64>>,
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Scrambles 64 bits so that near inputs give far outputs.
pub(crate) fn scramble(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl Chance {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self { state: Rc::new(Cell::new(seed)) }
    }

    /// A stream of its own, determined by this one.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::new(scramble(self.bits() ^ STEP))
    }

    /// 64 random bits.
    pub fn bits(&self) -> u64 {
        let next = self.state.get().wrapping_add(STEP);
        self.state.set(next);
        scramble(next)
    }

    /// A number below `end`; 0 if `end` is 0.
    #[expect(clippy::missing_panics_doc, reason = "the conversion cannot fail")]
    pub fn below(&self, end: u64) -> u64 {
        // The bias of a product of 128 bits is far below anything a test could see.
        let wide = (u128::from(self.bits()) * u128::from(end)) >> 64;
        u64::try_from(wide).expect("the high half of a product of two u64 fits u64")
    }

    /// A number in `first..=last`.
    pub fn between(&self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    /// An index below `len`.
    #[expect(clippy::missing_panics_doc, reason = "the conversion cannot fail")]
    pub fn index(&self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("an index below a usize is a usize")
    }

    /// True once in `n` times on average; never if `n` is 0.
    pub fn one_in(&self, n: u64) -> bool {
        n > 0 && self.below(n) == 0
    }

    /// True `parts` times in a million on average.
    pub fn ppm(&self, parts: u32) -> bool {
        parts > 0 && self.below(1_000_000) < u64::from(parts)
    }

    /// One of `items`.
    ///
    /// # Panics
    /// When there are none.
    pub fn pick<'a, T>(&self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }

    /// Eight random flags.
    pub fn mask(&self) -> u8 {
        self.bits().to_le_bytes()[0]
    }
}

impl Rng for Chance {
    fn next_u64(&self) -> u64 {
        self.bits()
    }
}
