//! A map page that no copy holds: what it mapped is found again from the headers of batches, where they leave no doubt.
//!
//! ```text
//!   all leaves counted ─► pages that no copy holds ─► headers of the segments ─► what follows for sure
//!     ─► leaves in their place, blocks that nobody knows of marked lost ─► the next checkpoint makes them count
//! ```
//! Until the end nothing is changed: cancelled or cut off, it begins anew. docs/on-disk.md says why nothing stale comes back.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use vds_format::{
    BLOCK_BYTES, CheckpointRecord, MAP_FANOUT, MapEntry, Place, SegmentNo, SegmentState, Stream,
};
use vds_io::DiskErrorKind;

use super::census::Counting;
use super::evidence::{Evidence, LostRanges, Verdict};
use super::map::{Wanted, leaf_of};
use super::scan::Scanner;
use super::walk::{WalkError, WalkProgress};
use super::{Lun, Segment};
use crate::engine::DamagedThing;

const FANOUT: u64 = MAP_FANOUT as u64;
/// So many blocks may be lost at once: all of them are looked at together, in memory.
const LOST_BLOCKS_MAX: u64 = 4 << 20;
/// Others get their turn after so many leaves at the latest.
const LEAVES_AT_ONCE: u64 = 1024;

/// What a rebuild did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RebuiltMap {
    /// What each page that no copy held mapped.
    pub(crate) ranges: Vec<Range<u64>>,
    /// Blocks that are mapped again.
    pub(crate) found: u64,
    /// Blocks of which nobody knows what they held.
    pub(crate) lost: u64,
}

/// How far a rebuild is, in parts of `whole_bytes`.
struct Share<'a> {
    progress: &'a WalkProgress,
    before_bytes: u64,
    whole_bytes: u64,
}

impl Share<'_> {
    /// One half of the work, `second` or not, is done to this part.
    fn tell(&self, second: bool, done: u64, of: u64) -> Result<(), WalkError> {
        let half = self.whole_bytes / 2;
        let part = u128::from(half) * u128::from(done) / u128::from(of.max(1));
        let part = u64::try_from(part).expect("no more than the whole") + half * u64::from(second);
        self.progress.done_bytes.set(self.before_bytes + part);
        if let Some(step) = &*self.progress.on_step.borrow() {
            step(self.progress.done_bytes.get(), self.progress.total_bytes.get());
        }
        if self.progress.stop.get() { Err(WalkError::Stopped) } else { Ok(()) }
    }
}

/// The blocks that a page maps.
pub(super) fn blocks_of(level: u8, index: u64) -> Range<u64> {
    let span = FANOUT.pow(u32::from(level) + 1);
    index.saturating_mul(span)..(index + 1).saturating_mul(span)
}

impl Lun {
    /// Rebuilds every page of the map that no copy holds. `at`: the log is not replayed yet, and the map is as this checkpoint
    /// has it; else the LUN is in use. `share_bytes` of the progress are for it.
    ///
    /// # Errors
    /// [`WalkError`]; the map is as it was. [`WalkError::SourceLost`] and [`WalkError::Unavailable`]: drives are missing that
    /// may hold what is sought, or too much is lost at once.
    pub(super) async fn rebuild_map(
        self: &Rc<Self>,
        at: Option<CheckpointRecord>,
        progress: &WalkProgress,
        share_bytes: u64,
    ) -> Result<RebuiltMap, WalkError> {
        let before_bytes = progress.done_bytes.get();
        let share = Share { progress, before_bytes, whole_bytes: share_bytes };
        let counting = Counting::begin(self);
        let lost = self.count_map(&share).await?;
        let mut rebuilt = RebuiltMap::default();
        if !lost.is_empty() {
            if at.is_none() {
                // No segment that was open when the pages were found takes part: where it ends would not be known.
                self.roll().await?;
            }
            let wanted = self.unaccounted(&lost)?;
            let evidence = self.gather(&lost, &wanted, at.as_ref(), &share).await?;
            let verdict = evidence.judge(self.marks_unaccounted());
            #[cfg(test)]
            let verdict = if self.engine.has(crate::engine::Plant::TrustHeaders) {
                evidence.believe()
            } else {
                verdict
            };
            rebuilt = self.replace_pages(&lost, &wanted, &verdict)?;
        }
        drop(counting);
        progress.done_bytes.set(before_bytes + share_bytes);
        Ok(rebuilt)
    }

    /// Counts what every leaf reaches; the pages that no copy holds, the topmost of each part of the tree.
    async fn count_map(self: &Rc<Self>, share: &Share<'_>) -> Result<Vec<Wanted>, WalkError> {
        let mut lost = Vec::new();
        let mut told = 0;
        loop {
            let (leaf, end) = (self.next_to_count(), self.map.borrow().leaves_max());
            if leaf >= end {
                // Leaves that are made from here on begin empty, and all that comes into them is seen.
                self.census.borrow_mut().as_mut().expect("it is being counted").next_leaf =
                    u64::MAX;
                return Ok(lost);
            }
            if leaf - told >= LEAVES_AT_ONCE {
                told = leaf;
                self.engine.world.clock.sleep(Duration::ZERO).await;
                share.tell(false, leaf, end)?;
            }
            let unreadable = self.load_to_count(leaf).await;
            if let Some(wanted) = unreadable {
                if !self.no_copy_holds(wanted).await {
                    return Err(WalkError::Unavailable);
                }
                lost.push(wanted);
            }
            let map = self.map.borrow();
            let mut census = self.census.borrow_mut();
            let census = census.as_mut().expect("it is being counted");
            match (unreadable, map.leaf(leaf)) {
                (Some(wanted), _) => {
                    census.next_leaf = leaf_of(blocks_of(wanted.level, wanted.index).end);
                }
                (None, Some(entries)) => census.count_leaf(leaf, entries),
                (None, None) => census.next_leaf = map.hole_end(leaf),
            }
        }
    }

    fn next_to_count(&self) -> u64 {
        self.census.borrow().as_ref().expect("it is being counted").next_leaf
    }

    /// Loads a leaf if it exists; the page on the way to it that cannot be read.
    async fn load_to_count(self: &Rc<Self>, leaf: u64) -> Option<Wanted> {
        loop {
            let wanted = self.map.borrow_mut().want(leaf, false)?;
            if self.load_page(wanted).await.is_err() {
                return Some(wanted);
            }
        }
    }

    /// Whether every copy of a page answers and none is right. Only then is there nothing to wait for.
    async fn no_copy_holds(&self, wanted: Wanted) -> bool {
        let Some(segment) = self.segment(wanted.entry.place.segment()) else { return false };
        let (_, row) = wanted.entry.place.column_and_row(segment.rows);
        for column in &segment.columns {
            match column.read(row, 1).await {
                Ok(buffer) if self.decode_page(buffer.block(0), wanted).is_ok() => return false,
                Ok(_) => {}
                Err(error) if error.kind == DiskErrorKind::Range => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// How many of the blocks that the lost pages map lie in each segment with data. Changes of the rest of the map leave
    /// this as it is.
    fn unaccounted(&self, lost: &[Wanted]) -> Result<BTreeMap<SegmentNo, u64>, WalkError> {
        let (live, segments) = (self.live.borrow(), self.segments.borrow());
        let census = self.census.borrow();
        let census = census.as_ref().expect("it is being counted");
        let mut wanted = BTreeMap::new();
        for segment in segments.values().filter(|segment| segment.stream != Stream::Map) {
            let held = u64::from(live.of(segment.number));
            let Some(left) = held.checked_sub(census.reached(segment.number)) else {
                tracing::error!(lun = %self.number, segment = %segment.number, "live count too low");
                return Err(WalkError::Unavailable);
            };
            wanted.insert(segment.number, left);
        }
        let blocks = self.size_blocks();
        let spans = lost.iter().map(|page| blocks_of(page.level, page.index));
        let all: u64 = spans.map(|it| it.end.min(blocks).saturating_sub(it.start)).sum();
        if all > LOST_BLOCKS_MAX {
            tracing::error!(lun = %self.number, blocks = all, "too much of the map is lost at once");
            return Err(WalkError::Unavailable);
        }
        Ok(wanted)
    }

    /// Of how many blocks the lost pages said that nobody knows what they held.
    fn marks_unaccounted(&self) -> u64 {
        let census = self.census.borrow();
        let counted = census.as_ref().expect("it is being counted").lost_blocks;
        self.lost_blocks.get().saturating_sub(counted)
    }

    fn size_blocks(&self) -> u64 {
        self.shape.get().size_bytes.div_ceil(BLOCK_BYTES as u64)
    }

    /// Reads the headers of all segments that tell something.
    async fn gather(
        self: &Rc<Self>,
        lost: &[Wanted],
        wanted: &BTreeMap<SegmentNo, u64>,
        at: Option<&CheckpointRecord>,
        share: &Share<'_>,
    ) -> Result<Evidence, WalkError> {
        let ranges = lost.iter().map(|page| blocks_of(page.level, page.index));
        let ranges = LostRanges::new(ranges.collect());
        let mut evidence = Evidence::default();
        for (done, (number, live)) in (0..).zip(wanted) {
            share.tell(true, done, wanted.len() as u64)?;
            let segment = self.segment(*number);
            // One that holds none of the blocks may be freed meanwhile. Of the host stream it tells what changed later.
            let tells = |it: &Rc<Segment>| *live > 0 || it.stream == Stream::Host;
            let Some(segment) = segment.filter(tells) else {
                evidence.know(*number, *live, false);
                continue;
            };
            let complete = self.read_headers(&segment, at, &ranges, &mut evidence).await;
            let is_there = segment.columns.iter().all(|column| column.live().is_some());
            if *live > 0 && !complete && !is_there {
                return Err(WalkError::SourceLost(*number));
            }
            evidence.know(*number, *live, complete);
        }
        Ok(evidence)
    }

    /// Reads the headers of a segment; whether these are all that count.
    async fn read_headers(
        self: &Rc<Self>,
        segment: &Rc<Segment>,
        at: Option<&CheckpointRecord>,
        ranges: &LostRanges,
        evidence: &mut Evidence,
    ) -> bool {
        let is_open = segment.state.get() == SegmentState::Open;
        let is_replayed = |it: &&CheckpointRecord| it.replay_segment == segment.number;
        let (end_row, mut complete) = match at.filter(is_replayed) {
            Some(checkpoint) => (checkpoint.replay_row.min(segment.rows), true),
            // Behind the checkpoint, or behind the moment when the pages were found: it holds none of the blocks.
            None if is_open && segment.stream == Stream::Host => (0, false),
            None => (self.end_row(segment), true),
        };
        let mut scanner = Scanner::one_copy(self, segment, false).between(0, end_row);
        let mut row = 0;
        while row < end_row {
            let Some((header, _)) = scanner.header_at(row).await else {
                complete = false;
                row += 1;
                continue;
            };
            row += header.rows;
            let is_in_map = segment.stream != Stream::Host
                || at.is_none_or(|checkpoint| header.sequence <= checkpoint.sequence);
            if is_in_map {
                evidence.take(segment, &header, ranges);
            }
        }
        complete
    }

    /// Puts leaves in the place of the lost pages, in one step.
    fn replace_pages(
        self: &Rc<Self>,
        lost: &[Wanted],
        wanted: &BTreeMap<SegmentNo, u64>,
        verdict: &Verdict,
    ) -> Result<RebuiltMap, WalkError> {
        // Some may be readable again, or something was miscounted: then nothing of this is true.
        let is_lost = |page: &Wanted| self.map.borrow().still_wants(*page);
        if !lost.iter().all(is_lost) || self.unaccounted(lost)? != self.still_there(wanted) {
            return Err(WalkError::Unavailable);
        }
        let ranges = lost.iter().map(|page| blocks_of(page.level, page.index)).collect();
        let mut rebuilt = RebuiltMap { ranges, ..RebuiltMap::default() };
        let mut found: BTreeMap<SegmentNo, u32> = BTreeMap::new();
        let pages_before = self.map.borrow().page_count();
        for page in lost {
            let leaves = self.leaves_for(*page, verdict);
            let entries = leaves.iter().flat_map(|(_, entries)| entries.iter());
            for entry in entries.clone().filter(|entry| entry.place.is_somewhere()) {
                *found.entry(entry.place.segment()).or_default() += 1;
                rebuilt.found += 1;
            }
            rebuilt.lost += entries.filter(|entry| entry.place.is_lost()).count() as u64;
            self.tell_lost(*page, &leaves);
            self.map.borrow_mut().replace(*page, leaves);
            self.unreadable.borrow_mut().forget_pages_under(page.level, page.index);
        }
        self.count_pages(pages_before);
        self.recount(lost, &found, rebuilt.lost);
        tracing::warn!(
            lun = %self.number, pages = lost.len(), found = rebuilt.found, lost = rebuilt.lost,
            "map pages that no copy held were rebuilt"
        );
        Ok(rebuilt)
    }

    /// Without segments that were freed meanwhile, and with those that were opened.
    fn still_there(&self, wanted: &BTreeMap<SegmentNo, u64>) -> BTreeMap<SegmentNo, u64> {
        let segments = self.segments.borrow();
        let of_data = segments.values().filter(|segment| segment.stream != Stream::Map);
        let left = |number: SegmentNo| wanted.get(&number).copied().unwrap_or(0);
        of_data.map(|segment| (segment.number, left(segment.number))).collect()
    }

    /// The leaves that stand for a lost page: those that map something, or may have.
    fn leaves_for(
        &self,
        page: Wanted,
        verdict: &Verdict,
    ) -> Vec<(u64, Box<[MapEntry; MAP_FANOUT]>)> {
        let range = blocks_of(page.level, page.index);
        let size_blocks = self.size_blocks();
        let mut leaves: BTreeMap<u64, Box<[MapEntry; MAP_FANOUT]>> = BTreeMap::new();
        let mut put = |lun_block: u64| {
            let leaf = leaves.entry(leaf_of(lun_block)).or_insert_with(empty_leaf);
            let slot = usize::try_from(lun_block % FANOUT).expect("below 252");
            leaf[slot] = verdict.entry(lun_block);
        };
        if page.level == 0 {
            put(range.start);
        }
        if verdict.rest_is_lost() {
            (range.start..range.end.min(size_blocks)).for_each(&mut put);
        }
        verdict.named(range).into_iter().for_each(&mut put);
        leaves.into_iter().collect()
    }

    /// Tells of the blocks of which nobody knows, as runs.
    fn tell_lost(&self, page: Wanted, leaves: &[(u64, Box<[MapEntry; MAP_FANOUT]>)]) {
        for (leaf, entries) in leaves {
            self.report_lost(page.entry.place, *leaf, entries);
        }
    }

    /// Reports the blocks of a leaf of which nobody knows what they held; the leaf lies at `place`, or lay under what does.
    pub(super) fn report_lost(&self, place: Place, leaf: u64, entries: &[MapEntry; MAP_FANOUT]) {
        let Some(segment) = self.segment(place.segment()) else { return };
        let Some(column) = segment.columns.first() else { return };
        let Some(drive) = column.live() else { return };
        let block = column.block(drive, place.column_and_row(segment.rows).1);
        let mut at = 0;
        while at < entries.len() {
            let run = entries[at..].iter().take_while(|entry| entry.place.is_lost()).count();
            if run > 0 {
                let what = DamagedThing::LostBlocks {
                    lun: self.number,
                    first_block: leaf * FANOUT + at as u64,
                    blocks: run as u64,
                };
                self.engine.report(drive.number, block, what, false);
            }
            at += run.max(1);
        }
    }

    /// Live counts and mapped blocks are those of the map as it is now.
    fn recount(&self, lost: &[Wanted], found: &BTreeMap<SegmentNo, u32>, lost_blocks: u64) {
        let mut map = self.map.borrow_mut();
        let mut live = self.live.borrow_mut();
        let segments = self.segments.borrow();
        let census = self.census.borrow();
        let census = census.as_ref().expect("it is being counted");
        let is_replaced = |level: u8, index: u64| {
            lost.iter().any(|page| (page.level, page.index) == (level, index))
        };
        let mut pages: BTreeMap<SegmentNo, u32> = BTreeMap::new();
        for (level, index, place) in map.written_pages() {
            if !is_replaced(level, index) {
                *pages.entry(place.segment()).or_default() += 1;
            }
        }
        for segment in segments.values() {
            let count = if segment.stream == Stream::Map {
                pages.get(&segment.number).copied().unwrap_or(0)
            } else {
                let reached = u32::try_from(census.reached(segment.number)).expect("of a segment");
                reached + found.get(&segment.number).copied().unwrap_or(0)
            };
            live.set(segment.number, count);
        }
        let lost_blocks = census.lost_blocks + lost_blocks;
        self.lost_blocks.set(lost_blocks);
        map.mapped_blocks = live.data_blocks(&segments) + lost_blocks;
    }

    /// Counts anew what the map reaches, and compares: for tests.
    ///
    /// # Panics
    /// When a live count says something else.
    #[cfg(test)]
    pub(crate) async fn check_counts(self: &Rc<Self>) {
        let counting = Counting::begin(self);
        let progress = WalkProgress::default();
        let share = Share { progress: &progress, before_bytes: 0, whole_bytes: 0 };
        assert_eq!(self.count_map(&share).await, Ok(Vec::new()), "every page can be read");
        for (segment, left) in self.unaccounted(&[]).expect("no count is too low") {
            assert_eq!(left, 0, "{segment} has live blocks that no leaf reaches");
        }
        assert_eq!(self.marks_unaccounted(), 0);
        drop(counting);
    }

    /// Where the copies of a map page lie, if it was written: drive and block. For tests that damage it.
    #[cfg(test)]
    pub(crate) fn map_page_blocks(&self, level: u8, index: u64) -> Vec<(vds_format::DriveNo, u64)> {
        let written = self.map.borrow().written_pages();
        let found = written.into_iter().find(|(l, i, _)| (*l, *i) == (level, index));
        found.map_or_else(Vec::new, |(.., place)| self.copies_at(place))
    }

    /// Where the copies of a block lie, if it is mapped and its leaf is in memory: for tests that damage it.
    #[cfg(test)]
    pub(crate) fn copies_of(&self, lun_block: u64) -> Vec<(vds_format::DriveNo, u64)> {
        let place = self.map.borrow().lookup(lun_block).place;
        if place.is_somewhere() { self.copies_at(place) } else { Vec::new() }
    }

    #[cfg(test)]
    fn copies_at(&self, place: Place) -> Vec<(vds_format::DriveNo, u64)> {
        let segment = self.segment(place.segment()).expect("a place lies in a segment in use");
        let (data_column, row) = place.column_and_row(segment.rows);
        let here = segment.columns.iter();
        here.filter(|column| u32::from(column.record.data_column) == data_column)
            .filter_map(|column| {
                let drive = column.live()?;
                Some((drive.number, column.block(drive, row)))
            })
            .collect()
    }
}

fn empty_leaf() -> Box<[MapEntry; MAP_FANOUT]> {
    Box::new([MapEntry::default(); MAP_FANOUT])
}

/// A page of the map, for reports.
pub(super) fn damaged_range(lun: &Lun, level: u8, index: u64) -> DamagedThing {
    let range = blocks_of(level, index);
    let end = range.end.min(lun.size_blocks()).max(range.start);
    DamagedThing::MapPage { lun: lun.number, first_block: range.start, blocks: end - range.start }
}
