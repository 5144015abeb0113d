//! Counting what the map reaches, leaf by leaf, while it goes on changing.
//!
//! What is counted follows every change of a leaf that was passed already; the others are counted as they are when they are
//! come to. So at any moment the count is that of all leaves before the next one.

use std::collections::BTreeMap;

use vds_format::{MAP_FANOUT, MapEntry, SegmentNo};

use super::Lun;
use super::map::leaf_of;

/// A count under way.
#[derive(Default)]
pub(super) struct Census {
    /// The first leaf that is not counted.
    pub(super) next_leaf: u64,
    /// Data blocks that the counted leaves reach, by segment.
    reached: BTreeMap<SegmentNo, u64>,
    /// Blocks of which they say that nobody knows what they held.
    pub(super) lost_blocks: u64,
}

impl Census {
    /// Data blocks reached in a segment.
    pub(super) fn reached(&self, segment: SegmentNo) -> u64 {
        self.reached.get(&segment).copied().unwrap_or(0)
    }

    /// Counts the next leaf.
    pub(super) fn count_leaf(&mut self, leaf: u64, entries: &[MapEntry; MAP_FANOUT]) {
        assert_eq!(leaf, self.next_leaf, "leaves are counted in order");
        entries.iter().for_each(|entry| self.add(*entry));
        self.next_leaf += 1;
    }

    fn change(&mut self, lun_block: u64, before: MapEntry, after: MapEntry) {
        if leaf_of(lun_block) >= self.next_leaf {
            return;
        }
        if before.place.is_somewhere() {
            let reached = self.reached.get_mut(&before.place.segment());
            *reached.expect("what was mapped was counted") -= 1;
        }
        self.lost_blocks -= u64::from(before.place.is_lost());
        self.add(after);
    }

    fn add(&mut self, entry: MapEntry) {
        if entry.place.is_somewhere() {
            *self.reached.entry(entry.place.segment()).or_default() += 1;
        }
        self.lost_blocks += u64::from(entry.place.is_lost());
    }
}

/// Counting goes on while this lives.
pub(super) struct Counting<'a>(&'a Lun);

impl<'a> Counting<'a> {
    /// Begins at the first leaf.
    ///
    /// # Panics
    /// When somebody else counts: a LUN has one scrub or recovery at a time.
    pub(super) fn begin(lun: &'a Lun) -> Self {
        let before = lun.census.borrow_mut().replace(Census::default());
        assert!(before.is_none(), "{} is counted twice at once", lun.number);
        Self(lun)
    }
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        *self.0.census.borrow_mut() = None;
    }
}

impl Lun {
    /// A leaf in memory has changed.
    pub(super) fn count_change(&self, lun_block: u64, before: MapEntry, after: MapEntry) {
        if before.place.is_lost() {
            self.lost_blocks.set(self.lost_blocks.get() - 1);
        }
        if let Some(census) = &mut *self.census.borrow_mut() {
            census.change(lun_block, before, after);
        }
    }
}

#[cfg(test)]
mod tests {
    use vds_format::Place;

    use super::*;

    fn at(segment: u64) -> MapEntry {
        MapEntry { place: Place::new(SegmentNo(segment), 0, 1, 255), checksum: 7 }
    }

    #[test]
    fn a_count_follows_changes_behind_it_and_not_those_before_it() {
        let mut census = Census::default();
        let mut entries = [MapEntry::default(); MAP_FANOUT];
        (entries[0], entries[1], entries[2]) = (at(1), at(2), MapEntry::LOST);
        census.count_leaf(0, &entries);
        assert_eq!((census.reached(SegmentNo(1)), census.lost_blocks), (1, 1));
        census.change(0, at(1), at(3));
        census.change(2, MapEntry::LOST, at(3));
        census.change(1, at(2), MapEntry::default());
        census.change(300, MapEntry::default(), at(3));
        let reached = [1, 2, 3].map(|segment| census.reached(SegmentNo(segment)));
        assert_eq!((reached, census.lost_blocks), ([0, 0, 2], 0));
    }
}
