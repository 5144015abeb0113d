//! What headers and live counts tell of blocks whose map is lost, and nothing beyond.
//!
//! ```text
//!   unknown: does block b lie in segment s?    a block lies in one segment at most
//!                                              so many of the blocks lie in s as its live count says beyond what the rest of
//!                                              the map reaches
//! ```
//! A block may lie in a host segment only if no later change of it stands in any header of the host stream, and in a move
//! segment if a header there names it. Where a segment has as many such blocks as it must have, all lie there; where it must
//! have none, none does. What follows from that by and by is certain; of the rest nobody knows.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use vds_format::{BatchEntry, BatchHeader, MapEntry, Place, SegmentNo, Sequence, Stream};

use super::Segment;

/// Blocks whose map is lost: ranges in order.
#[derive(Default)]
pub(super) struct LostRanges(Vec<Range<u64>>);

impl LostRanges {
    pub(super) fn new(mut ranges: Vec<Range<u64>>) -> Self {
        ranges.sort_unstable_by_key(|range| range.start);
        Self(ranges)
    }

    #[cfg(test)]
    fn blocks(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, lun_block: u64) -> bool {
        self.within(lun_block..lun_block + 1).next().is_some()
    }

    /// What of `wanted` is lost.
    fn within(&self, wanted: Range<u64>) -> impl Iterator<Item = u64> {
        let first = self.0.partition_point(|range| range.end <= wanted.start);
        let from = self.0[first..].iter().take_while(move |range| range.start < wanted.end);
        let cut = from.map(move |it| it.start.max(wanted.start)..it.end.min(wanted.end));
        cut.collect::<Vec<_>>().into_iter().flatten()
    }
}

/// The last change of a block in the headers of the host stream.
struct Newest {
    at: (Sequence, usize),
    segment: SegmentNo,
    /// `None`: an unmap.
    entry: Option<MapEntry>,
}

/// A block in a move segment.
struct Moved {
    entry: MapEntry,
    /// It stands there more than once, with different contents.
    is_unclear: bool,
}

/// What is known of a segment.
struct Known {
    /// How many of the blocks lie in it.
    live: u64,
    /// Whether all headers that count were read.
    complete: bool,
}

/// Everything that was read.
#[derive(Default)]
pub(super) struct Evidence {
    newest: BTreeMap<u64, Newest>,
    moved: BTreeMap<(SegmentNo, u64), Moved>,
    segments: BTreeMap<SegmentNo, Known>,
}

/// What became of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Where a block lies for sure.
    certain: BTreeMap<u64, MapEntry>,
    /// Blocks that may lie in a segment or not.
    unclear: BTreeSet<u64>,
    /// Whether all other blocks are unmapped for sure.
    rest_is_unmapped: bool,
}

impl Evidence {
    /// Takes a batch of `segment`.
    pub(super) fn take(&mut self, segment: &Segment, header: &BatchHeader, lost: &LostRanges) {
        let mut positions = header.positions(segment.doubled);
        for (nth, entry) in header.entries.iter().enumerate() {
            let (blocks, entry) = match *entry {
                BatchEntry::Data { lun_block, checksum } => {
                    // A header that names more than its rows hold was written by nobody.
                    let Some((column, row)) = positions.next() else { return };
                    let place = Place::new(segment.number, column, row, segment.rows);
                    (lun_block..lun_block + 1, Some(MapEntry { place, checksum }))
                }
                BatchEntry::Unmap { lun_block, blocks } => {
                    (lun_block..lun_block + u64::from(blocks), None)
                }
            };
            for lun_block in lost.within(blocks) {
                match (segment.stream, entry) {
                    (Stream::Host, entry) => {
                        self.take_change(segment.number, (header.sequence, nth), lun_block, entry);
                    }
                    (_, Some(entry)) => self.take_move(segment.number, lun_block, entry),
                    (_, None) => {}
                }
            }
        }
    }

    fn take_change(
        &mut self,
        segment: SegmentNo,
        at: (Sequence, usize),
        lun_block: u64,
        entry: Option<MapEntry>,
    ) {
        if self.newest.get(&lun_block).is_none_or(|known| known.at < at) {
            self.newest.insert(lun_block, Newest { at, segment, entry });
        }
    }

    /// Of several with one content the first is as good as any, and was written when the others were at the latest.
    fn take_move(&mut self, segment: SegmentNo, lun_block: u64, entry: MapEntry) {
        let known = self.moved.entry((segment, lun_block));
        let known = known.or_insert(Moved { entry, is_unclear: false });
        known.is_unclear |= known.entry.checksum != entry.checksum;
    }

    /// Says how many of the blocks lie in a segment, and whether all of its headers were taken.
    pub(super) fn know(&mut self, segment: SegmentNo, live: u64, complete: bool) {
        self.segments.insert(segment, Known { live, complete });
    }

    /// What follows. `marked_lost`: of so many of the blocks the lost pages said that nobody knows what they held.
    pub(super) fn judge(&self, marked_lost: u64) -> Verdict {
        let mut question = Question::default();
        for (number, known) in &self.segments {
            question.ask(*number, known.live, known.complete);
        }
        for (lun_block, newest) in &self.newest {
            if newest.entry.is_some() {
                question.may_lie(*lun_block, newest.segment);
            }
        }
        for (segment, lun_block) in self.moved.keys() {
            question.may_lie(*lun_block, *segment);
        }
        let Some((placed, mut unclear, is_all)) = question.answer() else {
            // What was counted cannot be: nothing follows from it.
            let unclear = self.newest.keys().copied().chain(self.moved.keys().map(|it| it.1));
            return Verdict { unclear: unclear.collect(), ..Verdict::default() };
        };
        let mut certain = BTreeMap::new();
        for (lun_block, segment) in placed {
            let moved = self.moved.get(&(segment, lun_block));
            let newest = self.newest.get(&lun_block).filter(|newest| newest.segment == segment);
            let entry = match (moved, newest) {
                (Some(moved), _) => (!moved.is_unclear).then_some(moved.entry),
                (None, Some(newest)) => newest.entry,
                (None, None) => None,
            };
            match entry {
                Some(entry) => _ = certain.insert(lun_block, entry),
                None => _ = unclear.insert(lun_block),
            }
        }
        Verdict { certain, unclear, rest_is_unmapped: is_all && marked_lost == 0 }
    }
}

#[cfg(test)]
impl Evidence {
    /// The planted bug: what headers say is believed, although those of later changes may be gone.
    pub(super) fn believe(&self) -> Verdict {
        let newest = self.newest.iter();
        let certain = newest.filter_map(|(lun_block, newest)| Some((*lun_block, newest.entry?)));
        let certain = certain.collect();
        Verdict { certain, unclear: BTreeSet::new(), rest_is_unmapped: true }
    }
}

impl Verdict {
    /// The entry of a block.
    pub(super) fn entry(&self, lun_block: u64) -> MapEntry {
        match self.certain.get(&lun_block) {
            Some(entry) => *entry,
            None if self.rest_is_unmapped && !self.unclear.contains(&lun_block) => {
                MapEntry::default()
            }
            None => MapEntry::LOST,
        }
    }

    /// Whether blocks that no header names are lost.
    pub(super) fn rest_is_lost(&self) -> bool {
        !self.rest_is_unmapped
    }

    /// The blocks in `range` that lie somewhere, or may.
    pub(super) fn named(&self, range: Range<u64>) -> BTreeSet<u64> {
        let certain = self.certain.range(range.clone()).map(|(lun_block, _)| *lun_block);
        certain.chain(self.unclear.range(range).copied()).collect()
    }
}

/// Which block lies in which segment.
#[derive(Default)]
struct Question {
    segments: BTreeMap<SegmentNo, Candidates>,
    by_block: BTreeMap<u64, Vec<SegmentNo>>,
}

#[derive(Default)]
struct Candidates {
    live: u64,
    complete: bool,
    blocks: BTreeSet<u64>,
}

/// Where blocks lie for sure; those that may lie somewhere; whether nothing else lies anywhere.
type Answer = (BTreeMap<u64, SegmentNo>, BTreeSet<u64>, bool);

impl Question {
    fn ask(&mut self, segment: SegmentNo, live: u64, complete: bool) {
        let candidates = self.segments.entry(segment).or_default();
        (candidates.live, candidates.complete) = (live, complete);
    }

    /// Nothing lies in a segment that is not asked about.
    fn may_lie(&mut self, lun_block: u64, segment: SegmentNo) {
        if let Some(candidates) = self.segments.get_mut(&segment) {
            candidates.blocks.insert(lun_block);
            self.by_block.entry(lun_block).or_default().push(segment);
        }
    }

    /// `None`: it cannot be as asked.
    fn answer(mut self) -> Option<Answer> {
        let mut placed = BTreeMap::new();
        let mut todo: BTreeSet<SegmentNo> = self.segments.keys().copied().collect();
        while let Some(number) = todo.pop_first() {
            let candidates = self.segments.get_mut(&number).expect("asked about");
            if candidates.live == 0 {
                candidates.blocks.clear();
                continue;
            }
            let count = candidates.blocks.len() as u64;
            if !candidates.complete || candidates.live < count {
                continue;
            }
            if candidates.live > count {
                return None;
            }
            candidates.live = 0;
            for lun_block in std::mem::take(&mut candidates.blocks) {
                placed.insert(lun_block, number);
                for other in self.by_block.remove(&lun_block).unwrap_or_default() {
                    let of_other = self.segments.get_mut(&other).expect("asked about");
                    if of_other.blocks.remove(&lun_block) {
                        todo.insert(other);
                    }
                }
            }
        }
        let left = self.segments.values();
        let unclear = left.clone().flat_map(|candidates| candidates.blocks.iter().copied());
        let is_all = left.clone().all(|candidates| candidates.live == 0 || candidates.complete);
        Some((placed, unclear.collect(), is_all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks with the segment of each, unclear blocks, and whether that is all.
    type Answered<'a> = (&'a [(u64, u64)], &'a [u64], bool);

    /// Segments as (live, complete, blocks that may lie there), numbered from 1.
    fn check(segments: &[(u64, bool, &[u64])], expected: Option<Answered<'_>>) {
        let mut question = Question::default();
        for (number, (live, complete, blocks)) in (1..).zip(segments) {
            question.ask(SegmentNo(number), *live, *complete);
            blocks.iter().for_each(|block| question.may_lie(*block, SegmentNo(number)));
        }
        let answer = question.answer().map(|(placed, unclear, is_all)| {
            let placed: Vec<(u64, u64)> = placed.into_iter().map(|it| (it.0, it.1.0)).collect();
            (placed, unclear.into_iter().collect::<Vec<_>>(), is_all)
        });
        let expected =
            expected.map(|(placed, unclear, is_all)| (placed.to_vec(), unclear.to_vec(), is_all));
        assert_eq!(answer, expected, "{segments:?}");
    }

    #[test]
    fn what_must_be_follows_and_nothing_else() {
        // All of a segment, none of another.
        check(&[(2, true, &[1, 2]), (0, true, &[3])], Some((&[(1, 1), (2, 1)], &[], true)));
        // A block unmapped by a header that is gone: of two that may lie there one does, and nobody knows which.
        check(&[(1, true, &[1, 2])], Some((&[], &[1, 2], true)));
        // Moved, and so not where it was: that leaves the other one there.
        check(&[(1, true, &[1, 2]), (1, true, &[1])], Some((&[(1, 2), (2, 1)], &[], true)));
        // One step after the other.
        check(
            &[(1, true, &[1, 2]), (1, true, &[2, 3]), (1, true, &[3])],
            Some((&[(1, 1), (2, 2), (3, 3)], &[], true)),
        );
        // A header that nobody can read may name any block.
        check(&[(1, false, &[1])], Some((&[], &[1], false)));
        check(&[(0, false, &[1]), (1, true, &[2])], Some((&[(2, 2)], &[], true)));
        // More must lie there than may: what was counted is wrong.
        check(&[(2, true, &[1])], None);
        check(&[(1, true, &[1]), (1, true, &[1])], None);
    }

    #[test]
    fn the_last_change_counts_and_marks_are_not_forgotten() {
        let entry = |segment: u64, checksum| {
            Some(MapEntry { place: Place::new(SegmentNo(segment), 0, 1, 255), checksum })
        };
        let judge = |marked_lost| {
            let mut evidence = Evidence::default();
            evidence.take_change(SegmentNo(2), (Sequence(9), 1), 5, entry(2, 22));
            evidence.take_change(SegmentNo(1), (Sequence(3), 0), 5, entry(1, 11));
            evidence.take_change(SegmentNo(1), (Sequence(3), 1), 6, entry(1, 11));
            evidence.take_change(SegmentNo(1), (Sequence(4), 0), 6, None);
            evidence.know(SegmentNo(1), 0, true);
            evidence.know(SegmentNo(2), 1, true);
            evidence.judge(marked_lost)
        };
        let all = judge(0);
        assert_eq!([5, 6, 7].map(|block| all.entry(block).checksum), [22, 0, 0]);
        assert!(all.entry(6).place.is_nowhere());
        let some = judge(1);
        assert_eq!(some.entry(5).checksum, 22);
        assert!(some.entry(6).place.is_lost() && some.entry(7).place.is_lost());
    }

    #[test]
    fn a_block_moved_twice_with_two_contents_is_unclear() {
        let entry =
            |row, checksum| MapEntry { place: Place::new(SegmentNo(1), 0, row, 255), checksum };
        for (second, is_lost) in [(7, false), (8, true)] {
            let mut evidence = Evidence::default();
            evidence.take_move(SegmentNo(1), 5, entry(1, 7));
            evidence.take_move(SegmentNo(1), 5, entry(2, second));
            evidence.know(SegmentNo(1), 1, true);
            assert_eq!(evidence.judge(0).entry(5).place.is_lost(), is_lost);
        }
    }

    #[test]
    fn ranges_are_cut() {
        let lost = LostRanges::new(vec![20..30, 0..10]);
        assert_eq!(lost.blocks(), 20);
        assert_eq!(lost.within(8..22).collect::<Vec<_>>(), [8, 9, 20, 21]);
        assert_eq!(lost.within(10..20).count(), 0);
    }
}
