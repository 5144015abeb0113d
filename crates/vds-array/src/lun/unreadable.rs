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

    pub(super) fn add_page(&mut self, level: u8, index: u64) {
        if self.pages.len() < KEPT_MAX {
            self.pages.insert((level, index));
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
}
