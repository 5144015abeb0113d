//! Reading everything there is, on every copy, before it is needed.

use std::collections::BTreeMap;
use std::rc::Rc;

use vds_format::{DriveNo, Label, MapEntry, MapPage, Place, SegmentState, Stream};

use super::evidence::LostRanges;
use super::map::leaf_of;
use super::moves::Move;
use super::rebuild_map::damaged_range;
use super::scan::{Found, Scanner};
use super::stride::Stride;
use super::walk::{WalkError, WalkProgress};
use super::window::ColumnReader;
use super::{Lun, Readiness, Segment};
use crate::engine::DamagedThing;

/// What a scrub found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scrubbed {
    /// Blocks read and verified, every copy counted.
    pub(crate) checked: u64,
    /// Blocks and structures with a wrong copy.
    pub(crate) damaged: u64,
    /// Of those, the ones with no right copy left.
    pub(crate) lost: u64,
    /// A segment of the map has more live pages than were found in it.
    misses_pages: bool,
}

/// What is looked at.
enum Extent {
    All,
    /// The blocks in these ranges: of pages that were rebuilt when all the rest had been looked at.
    Under(LostRanges),
}

impl Extent {
    fn covers(&self, lun_block: u64) -> bool {
        match self {
            Self::All => true,
            Self::Under(ranges) => ranges.contains(lun_block),
        }
    }
}

impl Lun {
    /// Reads every copy of every live block, page, header and label; what is wrong is reported and, where a right copy is left,
    /// placed anew.
    ///
    /// # Errors
    /// [`WalkError`]; what was found until then was reported.
    pub(crate) async fn scrub(
        self: &Rc<Self>,
        progress: &WalkProgress,
    ) -> Result<Scrubbed, WalkError> {
        self.roll().await?;
        let mut scrubbed = Scrubbed::default();
        let map_is_lost = self.unreadable.borrow().has_pages();
        progress.total_bytes.set(self.scrub_bytes());
        if map_is_lost {
            let share_bytes = self.sealed_bytes();
            self.scrub_lost_pages(progress, share_bytes, &mut scrubbed).await?;
        }
        self.scrub_segments(Extent::All, progress, &mut scrubbed).await?;
        let has_fewer_pages = std::mem::take(&mut scrubbed.misses_pages);
        if has_fewer_pages || (self.unreadable.borrow().has_pages() && !map_is_lost) {
            let ranges = self.scrub_lost_pages(progress, 0, &mut scrubbed).await?;
            if !ranges.is_empty() {
                // What lies under them was passed over. As for the rebuild, no part of the progress is left for it.
                self.scrub_segments(Extent::Under(ranges), progress, &mut scrubbed).await?;
            }
        }
        // Until somebody writes them.
        scrubbed.damaged += self.lost_blocks();
        scrubbed.lost += self.lost_blocks();
        // What was placed anew counts from here on.
        self.checkpoint().await.map_err(|_| WalkError::Unavailable)?;
        Ok(scrubbed)
    }

    async fn scrub_segments(
        self: &Rc<Self>,
        extent: Extent,
        progress: &WalkProgress,
        scrubbed: &mut Scrubbed,
    ) -> Result<(), WalkError> {
        let slab = 1_u64 << self.engine.catalog.state().array.slab_shift;
        let stride = Stride::new(&self.engine.world.clock);
        for segment in self.sealed() {
            if progress.stop.get() || self.readiness() == Readiness::Gone {
                return Err(WalkError::Stopped);
            }
            if self.live_of(segment.number) > 0 {
                self.scrub_segment(&segment, &extent, &stride, scrubbed).await;
            }
            if matches!(extent, Extent::Under(_)) {
                continue;
            }
            progress.done_bytes.set(progress.done_bytes.get() + slab);
            if let Some(step) = &*progress.on_step.borrow() {
                step(progress.done_bytes.get(), progress.total_bytes.get());
            }
        }
        Ok(())
    }

    fn sealed(&self) -> Vec<Rc<Segment>> {
        let all = self.all_segments().into_iter();
        all.filter(|segment| segment.state.get() == SegmentState::Sealed).collect()
    }

    fn sealed_bytes(&self) -> u64 {
        self.sealed().len() as u64 * (1_u64 << self.engine.catalog.state().array.slab_shift)
    }

    /// Bytes that a scrub would go over now: a map that must be rebuilt counts as much as the rest.
    pub(crate) fn scrub_bytes(&self) -> u64 {
        let slab = 1_u64 << self.engine.catalog.state().array.slab_shift;
        let times = 1 + u64::from(self.unreadable.borrow().has_pages());
        self.segments.borrow().len() as u64 * slab * times
    }

    /// Rebuilds the map where no copy of a page is left, and says of which blocks. If that cannot be now, the scrub goes on
    /// without.
    async fn scrub_lost_pages(
        self: &Rc<Self>,
        progress: &WalkProgress,
        share_bytes: u64,
        scrubbed: &mut Scrubbed,
    ) -> Result<LostRanges, WalkError> {
        match self.rebuild_map(None, progress, share_bytes).await {
            Ok(rebuilt) => {
                scrubbed.damaged += rebuilt.ranges.len() as u64;
                self.checkpoint().await.map_err(|_| WalkError::Unavailable)?;
                return Ok(LostRanges::new(rebuilt.ranges));
            }
            Err(WalkError::Stopped) => return Err(WalkError::Stopped),
            Err(error) => {
                tracing::warn!(lun = %self.number, %error, "the map is not rebuilt now");
                scrubbed.damaged += 1;
                scrubbed.lost += 1;
            }
        }
        Ok(LostRanges::default())
    }

    /// Every block of a drive with the header of a batch that has a live block: for tests that damage it.
    #[cfg(test)]
    pub(crate) async fn live_headers_on(
        self: &Rc<Self>,
        number: vds_format::DriveNo,
    ) -> std::collections::BTreeSet<u64> {
        let mut blocks = std::collections::BTreeSet::new();
        for segment in self.all_segments() {
            if segment.stream == Stream::Map {
                continue;
            }
            let mut scanner = Scanner::new(self, &segment, false);
            while let Some(found) = scanner.next_batch().await {
                let row = found.header.row;
                let is_live = |block: &super::scan::FoundBlock| {
                    let from = MapEntry { place: block.place, checksum: block.checksum };
                    self.map.borrow().lookup(block.lun_block) == from
                };
                if found.blocks.iter().any(is_live) {
                    let doubled = if segment.data_columns == 1 { (0, row + 1) } else { (1, row) };
                    let places = [(0, row), doubled];
                    for (column, row) in &places[..if segment.doubled { 2 } else { 1 }] {
                        for live in &segment.columns {
                            if let Some(drive) = live.live()
                                && drive.number == number
                                && u32::from(live.record.data_column) == *column
                            {
                                blocks.insert(live.block(drive, *row));
                            }
                        }
                    }
                }
            }
        }
        blocks
    }

    /// Where the second copies of map pages lie that have both on one drive: for tests that damage one.
    #[cfg(test)]
    pub(crate) fn second_map_blocks_on(&self, number: vds_format::DriveNo) -> Vec<u64> {
        let mut blocks = Vec::new();
        for segment in self.all_segments() {
            let here = segment.columns.iter().filter_map(|column| Some((column, column.live()?)));
            let here = here.filter(|(_, drive)| drive.number == number);
            if segment.stream == Stream::Map {
                for (column, drive) in here.skip(1) {
                    blocks.extend((0..segment.rows).map(|row| column.block(drive, row)));
                }
            }
        }
        blocks
    }

    async fn scrub_segment(
        self: &Rc<Self>,
        segment: &Rc<Segment>,
        extent: &Extent,
        stride: &Rc<Stride>,
        scrubbed: &mut Scrubbed,
    ) {
        let drives = segment.columns.iter().filter_map(|column| column.live().cloned());
        stride.watch(drives.collect());
        let looks_at_all = matches!(extent, Extent::All);
        let renew = looks_at_all && self.scrub_labels(segment, scrubbed).await;
        if segment.stream == Stream::Map {
            if !looks_at_all {
                return;
            }
            self.scrub_map(segment, stride, scrubbed).await;
            if renew {
                self.dirty_pages_of(segment).await;
            }
            return;
        }
        let wrong_headers = self.scrub_batches(segment, extent, stride, scrubbed).await;
        if renew || wrong_headers {
            // Labels and headers are not rewritten in place: what is live goes elsewhere, and the slab comes free. If
            // there is no room for that now, the next scrub finds it again.
            let _ = self.clean_segment(segment).await;
        }
    }

    /// Whether a label is wrong.
    async fn scrub_labels(&self, segment: &Rc<Segment>, scrubbed: &mut Scrubbed) -> bool {
        let mut wrong = false;
        for column in &segment.columns {
            let Some(drive) = column.live() else { continue };
            let block = drive.slab_block(column.record.slab);
            let Ok(bytes) = drive.read(block, 1).await else { continue };
            scrubbed.checked += 1;
            let label = Label::decode(bytes.block(0), self.engine.array, block);
            if !label.is_ok_and(|label| label.segment == segment.number) {
                let what = DamagedThing::Label { lun: self.number };
                self.engine.report(drive.number, block, what, true);
                scrubbed.damaged += 1;
                wrong = true;
            }
        }
        wrong
    }

    async fn scrub_map(
        self: &Rc<Self>,
        segment: &Rc<Segment>,
        stride: &Rc<Stride>,
        scrubbed: &mut Scrubbed,
    ) {
        let spawn = &self.engine.world.spawn;
        let count = segment.columns.len();
        let end_row = self.end_row(segment);
        let reader = |index| ColumnReader::new(spawn, segment, index, end_row).ahead(count);
        let mut readers: Vec<_> =
            (0..count).map(|index| reader(index).with_stride(stride)).collect();
        let mut in_force = 0;
        let mut nothing_there = BTreeMap::new();
        for row in 0..end_row {
            let place = Place::new(segment.number, 0, row, segment.rows);
            let mut good: Option<MapPage> = None;
            let mut wrong = Vec::new();
            for (column, reader) in segment.columns.iter().zip(&mut readers) {
                let Some(drive) = column.live() else { continue };
                let block = column.block(drive, row);
                let page = reader.row(row).await;
                let page = page.and_then(|it| MapPage::decode(it, self.engine.array, place).ok());
                match page {
                    Some((page, _)) => good = Some(page),
                    None => wrong.push((drive.number, block)),
                }
            }
            let Some(page) = good else {
                nothing_there.insert(place, wrong);
                continue;
            };
            if !self.is_in_force(&page, place).await {
                continue;
            }
            in_force += 1;
            if page.level == 0 {
                self.report_lost(place, page.index, &page.entries);
            }
            scrubbed.checked += live_copies(segment, 0);
            for (drive, block) in &wrong {
                let what = damaged_range(self, page.level, page.index);
                self.engine.report(*drive, *block, what, true);
            }
            if !wrong.is_empty() {
                scrubbed.damaged += 1;
                self.dirty_page(&page, place).await;
            }
        }
        // A row without a page anywhere was never written, unless the tree still asks for it.
        let rewritten = self.rewrite_from_memory(&nothing_there);
        scrubbed.damaged += u64::from(rewritten);
        scrubbed.misses_pages |= in_force + rewritten < self.live_of(segment.number);
    }

    /// Marks the pages for rewriting that no copy holds and that are in memory; how many.
    fn rewrite_from_memory(&self, nothing_there: &BTreeMap<Place, Vec<(DriveNo, u64)>>) -> u32 {
        let mut map = self.map.borrow_mut();
        let mut count = 0;
        for (level, index, place) in map.written_pages() {
            let Some(wrong) = nothing_there.get(&place) else { continue };
            if !map.has_page(level, index) {
                continue;
            }
            map.mark_page_dirty(level, index);
            count += 1;
            for (drive, block) in wrong {
                self.engine.report(*drive, *block, damaged_range(self, level, index), true);
            }
        }
        count
    }

    /// Whether the tree has a page where it was found. Loads what is above it.
    async fn is_in_force(self: &Rc<Self>, page: &MapPage, place: Place) -> bool {
        loop {
            let wanted = self.map.borrow().wanted_above(page.level, page.index);
            match wanted {
                None => return self.map.borrow().lies_at(page.level, page.index, place),
                Some(wanted) if self.load_page(wanted).await.is_err() => return false,
                Some(_) => {}
            }
        }
    }

    /// Whether a header is wrong on some copy.
    async fn scrub_batches(
        self: &Rc<Self>,
        segment: &Rc<Segment>,
        extent: &Extent,
        stride: &Rc<Stride>,
        scrubbed: &mut Scrubbed,
    ) -> bool {
        let mut scanner = Scanner::new(self, segment, false).with_stride(stride);
        let mut wrong_headers = false;
        while let Some(found) = scanner.next_batch().await {
            let live = self.scrub_batch(segment, extent, &found, scrubbed).await;
            if live {
                scrubbed.checked += live_copies(segment, 0);
            }
            if live && !found.wrong_headers.is_empty() {
                wrong_headers = true;
                scrubbed.damaged += 1;
                for (drive, block) in &found.wrong_headers {
                    let what = DamagedThing::BatchHeader { lun: self.number };
                    self.engine.report(*drive, *block, what, true);
                }
            }
        }
        wrong_headers
    }

    /// Looks at the live blocks of a batch; whether it has any.
    async fn scrub_batch(
        self: &Rc<Self>,
        segment: &Segment,
        extent: &Extent,
        found: &Found,
        scrubbed: &mut Scrubbed,
    ) -> bool {
        let mut any = false;
        for block in found.blocks.iter().filter(|it| extent.covers(it.lun_block)) {
            let from = MapEntry { place: block.place, checksum: block.checksum };
            let leaf = leaf_of(block.lun_block);
            // Asked for once, reported once: it is rebuilt in the end.
            if self.unreadable.borrow().hides_leaf(leaf)
                || self.load_leaf(leaf, false).await.is_err()
                || self.map.borrow().lookup(block.lun_block) != from
            {
                continue;
            }
            any = true;
            let (column, _) = block.place.column_and_row(segment.rows);
            scrubbed.checked += live_copies(segment, column);
            if block.wrong.is_empty() {
                continue;
            }
            scrubbed.damaged += 1;
            let what = DamagedThing::Data { lun: self.number, lun_block: block.lun_block };
            for (drive, at) in &block.wrong {
                self.engine.report(*drive, *at, what, block.data.is_some());
            }
            let Some(data) = block.data.clone() else {
                scrubbed.lost += 1;
                self.unreadable.borrow_mut().add_block(block.lun_block);
                continue;
            };
            if !self.map.borrow().has_leaf(leaf) {
                continue;
            }
            self.map.borrow_mut().pin(leaf);
            // Without room the copy stays wrong, as reported; reading goes to the right one.
            let _ = self.place_anew(vec![Move { lun_block: block.lun_block, from, data }]).await;
            self.map.borrow_mut().unpin(leaf);
        }
        any
    }
}

/// How many copies of a data column can be read.
fn live_copies(segment: &Segment, data_column: u32) -> u64 {
    let of_it = segment.columns.iter().filter(|it| u32::from(it.record.data_column) == data_column);
    of_it.filter(|it| it.live().is_some()).count() as u64
}
