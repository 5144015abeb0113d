//! What of a LUN no copy holds any more: found by reading, gone when it is written anew.

use std::collections::BTreeSet;

/// How much is kept by address. Beyond it only that there is more.
const KEPT_MAX: usize = 100_000;

/// Blocks and map pages that were asked for and that no copy holds.
#[derive(Default)]
pub(super) struct Unreadable {
    blocks: BTreeSet<u64>,
    /// By level and index.
    pages: BTreeSet<(u8, u64)>,
    /// How many pages were added so far.
    pages_found: u64,
    /// More were found than are kept; stays until the LUN is opened again.
    overflowed: bool,
}

impl Unreadable {
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.pages.is_empty() && !self.overflowed
    }

    pub(super) fn add_block(&mut self, lun_block: u64) {
        if self.blocks.len() < KEPT_MAX {
            self.blocks.insert(lun_block);
        } else {
            self.overflowed = true;
        }
    }

    pub(super) fn has_pages(&self) -> bool {
        !self.pages.is_empty()
    }

    /// Whether a leaf, or a page above it, is among them.
    pub(super) fn hides_leaf(&self, leaf: u64) -> bool {
        let fanout = vds_format::MAP_FANOUT as u64;
        let top = self.pages.last().map_or(0, |page| page.0);
        (0..=top).any(|level| self.pages.contains(&(level, leaf / fanout.pow(level.into()))))
    }

    /// How many pages were found so far, those included that are readable again.
    pub(super) fn pages_found(&self) -> u64 {
        self.pages_found
    }

    pub(super) fn add_page(&mut self, level: u8, index: u64) {
        if self.pages.len() < KEPT_MAX {
            self.pages_found += u64::from(self.pages.insert((level, index)));
        } else {
            self.overflowed = true;
        }
    }

    /// Blocks `first..end` can be read, or are mapped elsewhere, or nowhere.
    pub(super) fn forget_blocks(&mut self, first: u64, end: u64) {
        if self.blocks.is_empty() {
            return;
        }
        let gone: Vec<u64> = self.blocks.range(first..end).copied().collect();
        for block in gone {
            self.blocks.remove(&block);
        }
    }

    pub(super) fn forget_page(&mut self, level: u8, index: u64) {
        self.pages.remove(&(level, index));
    }

    /// A page was replaced, and with it all below.
    pub(super) fn forget_pages_under(&mut self, level: u8, index: u64) {
        let fanout = vds_format::MAP_FANOUT as u64;
        let is_under =
            |low: u8, of: u64| low <= level && of / fanout.pow(u32::from(level - low)) == index;
        self.pages.retain(|(low, of)| !is_under(*low, *of));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_anew_is_forgotten() {
        let mut unreadable = Unreadable::default();
        unreadable.add_block(7);
        unreadable.add_block(9);
        unreadable.add_page(1, 0);
        unreadable.forget_blocks(7, 9);
        assert!(!unreadable.is_empty());
        unreadable.forget_blocks(0, u64::MAX);
        unreadable.forget_page(1, 0);
        assert!(unreadable.is_empty());
    }

    #[test]
    fn a_page_that_is_replaced_takes_those_below_with_it() {
        let mut unreadable = Unreadable::default();
        let below = [(0, 252), (0, 503), (1, 1)];
        let beside = [(0, 251), (0, 504), (1, 2), (2, 9)];
        below.iter().chain(&beside).for_each(|(level, index)| unreadable.add_page(*level, *index));
        assert!(unreadable.hides_leaf(300) && !unreadable.hides_leaf(1 << 20));
        unreadable.forget_pages_under(1, 1);
        assert!(unreadable.hides_leaf(251) && !unreadable.hides_leaf(252));
        assert_eq!(unreadable.pages, BTreeSet::from(beside));
        assert_eq!(unreadable.pages_found(), 7);
    }
}
