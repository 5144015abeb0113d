//! The checkpoint: changed map pages go to new places, everything is flushed, and one transaction makes it count.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use vds_format::{
    CheckpointRecord, DriveNo, MapEntry, MapPage, Place, Record, SegmentNo, SegmentRecord,
    SegmentState, Sequence, Stream,
};
use vds_io::{Buffer, DiskError, LocalFuture, join_all};

use super::flush::flush_all;
use super::host::Full;
use super::open::OpenFailure;
use super::segment::Filled;
use super::{Lun, Readiness, Segment};
use crate::layout;

/// How often a checkpoint is tried again on other drives when some fail under it.
const ATTEMPTS_MAX: usize = 6;

/// Where map pages are appended.
#[derive(Default)]
pub(super) struct MapLog {
    cursors: Vec<(Rc<Segment>, u32)>,
    full: Vec<Filled>,
}

impl MapLog {
    fn rows_left(&self) -> usize {
        self.cursors.iter().map(|(segment, row)| (segment.rows - row) as usize).sum()
    }

    fn uses(&self, number: SegmentNo) -> bool {
        self.cursors.iter().any(|(segment, _)| segment.number == number)
    }

    /// The next row.
    ///
    /// # Panics
    /// When none is left: the caller counted.
    fn next(&mut self) -> (Rc<Segment>, u32) {
        let (segment, row) = self.cursors.first_mut().expect("rows were counted");
        let taken = (Rc::clone(segment), *row);
        *row += 1;
        if *row == segment.rows {
            let (segment, rows) = self.cursors.remove(0);
            self.full.push(Filled { segment, rows });
        }
        taken
    }

    /// A segment that was open when the service ended.
    pub(super) fn add_full(&mut self, full: Filled) {
        self.full.push(full);
    }

    /// Takes no more rows from segments with a column on `drive`.
    pub(super) fn leave(&mut self, drive: DriveNo) {
        let (left, kept) = self.cursors.drain(..).partition(|(segment, _)| segment.uses(drive));
        self.cursors = kept;
        let left: Vec<(Rc<Segment>, u32)> = left;
        self.full.extend(left.into_iter().map(|(segment, rows)| Filled { segment, rows }));
    }

    /// Takes no more rows from what is open: one of its columns failed.
    pub(super) fn give_up(&mut self) {
        self.full.extend(self.cursors.drain(..).map(|(segment, rows)| Filled { segment, rows }));
    }
}

/// Why there is no checkpoint. The log stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CheckpointError {
    /// The drives that map pages could lie on are gone, the array is frozen, or the LUN deleted.
    #[error("the LUN or its drives are gone, or the catalog takes no changes")]
    Unavailable,
    /// Drives failed under one attempt after the other.
    #[error("drives failed under every attempt")]
    Unwritten,
    /// No slab for map pages.
    #[error("no slab is left for map pages")]
    NoSpace,
}

/// What a checkpoint says, taken in one step.
struct Capture {
    record: CheckpointRecord,
    pages: Vec<(u8, u64)>,
    writes: Vec<PageWrite>,
    host_full: Vec<Full>,
    moves_full: Vec<Filled>,
    map_full: Vec<Filled>,
    live: BTreeMap<SegmentNo, u32>,
    appended_blocks: u64,
}

/// Pages for consecutive rows of a segment.
struct PageWrite {
    segment: Rc<Segment>,
    row: u32,
    bytes: Vec<u8>,
}

impl Lun {
    /// Makes a checkpoint of everything that is acknowledged now.
    pub(crate) async fn checkpoint(self: &Rc<Self>) -> Result<(), CheckpointError> {
        let _turn = self.checkpoint_turn.take().await;
        self.checkpoint_in_turn().await
    }

    /// The same, for whoever holds the turn.
    pub(super) async fn checkpoint_in_turn(self: &Rc<Self>) -> Result<(), CheckpointError> {
        for _ in 0..ATTEMPTS_MAX {
            if self.readiness() == Readiness::Gone || self.engine.catalog.frozen().is_some() {
                return Err(CheckpointError::Unavailable);
            }
            self.compact_map().await;
            self.reserve_map_rows().await?;
            let capture = self.capture();
            #[cfg(test)]
            self.give_away_if_planted(&capture);
            if self.write_and_flush(&capture).await {
                return self.commit_checkpoint(capture).await;
            }
            self.undo(capture);
        }
        Err(CheckpointError::Unwritten)
    }

    /// The planted bug: what is dead in memory is given out although the checkpoint that says so is not durable.
    #[cfg(test)]
    fn give_away_if_planted(&self, capture: &Capture) {
        if !self.engine.has(crate::engine::Plant::ReuseEarly) {
            return;
        }
        for number in self.dead_segments(capture, &BTreeSet::new()) {
            if let Some(segment) = self.segments.borrow().get(&number) {
                segment.give_away();
            }
        }
    }

    /// Opens map segments until all dirty pages have a row.
    async fn reserve_map_rows(self: &Rc<Self>) -> Result<(), CheckpointError> {
        loop {
            let needed = self.map.borrow().dirty_pages();
            if self.map_log.borrow().rows_left() >= needed {
                return Ok(());
            }
            match self.open_segment(Stream::Map).await {
                Ok(segment) => self.map_log.borrow_mut().cursors.push((segment, 0)),
                // The share counts on what the checkpoint before freed, which is on its way, or still read by somebody.
                Err(OpenFailure::Full) if self.engine.releasing.get() > 0 => {
                    self.until_released().await;
                }
                Err(OpenFailure::Full) if self.until_unpinned().await => {}
                Err(OpenFailure::Full) => return Err(CheckpointError::NoSpace),
                Err(_) => return Err(CheckpointError::Unavailable),
            }
        }
    }

    /// Takes pages, positions and counts, in one step.
    fn capture(self: &Rc<Self>) -> Capture {
        let mut host = self.host.borrow_mut();
        let sequence = host.acked;
        let (replay_segment, replay_row) = match (host.in_flight.front(), &host.current) {
            (Some(batch), _) => (batch.segment.number, batch.row),
            (None, Some(cursor)) => (cursor.segment.number, cursor.row),
            (None, None) => (SegmentNo(0), 0),
        };
        let (host_full, rest) =
            std::mem::take(&mut host.full).into_iter().partition(|full| full.last <= sequence);
        host.full = rest;
        let appended_blocks = std::mem::take(&mut host.appended_blocks);
        drop(host);
        let moves_full = self.moves.borrow_mut().take_full();
        let (pages, writes) = self.take_pages(sequence);
        let map_full = std::mem::take(&mut self.map_log.borrow_mut().full);
        let map = self.map.borrow();
        let record = CheckpointRecord {
            lun: self.number,
            epoch: self.epoch.get(),
            sequence,
            replay_segment,
            replay_row,
            levels: map.level_count(),
            root: map.root().place,
            root_checksum: map.root().checksum,
            mapped_blocks: map.mapped_blocks,
        };
        let mut live = self.live.borrow_mut();
        let mut changed = std::mem::take(&mut live.changed);
        // Counts of what is sealed are those of this moment, too.
        changed.extend(host_full.iter().map(|full| full.segment.number));
        changed.extend(moves_full.iter().chain(&map_full).map(|full| full.segment.number));
        let live = changed.into_iter().map(|number| (number, live.of(number))).collect();
        Capture { record, pages, writes, host_full, moves_full, map_full, live, appended_blocks }
    }

    /// Gives every dirty page its new place and bytes.
    fn take_pages(&self, sequence: Sequence) -> (Vec<(u8, u64)>, Vec<PageWrite>) {
        let mut map = self.map.borrow_mut();
        let mut log = self.map_log.borrow_mut();
        let mut live = self.live.borrow_mut();
        let mut writes: Vec<PageWrite> = Vec::new();
        let pages = map.take_dirty(|level, index, entries, before| {
            let (segment, row) = log.next();
            let place = Place::new(segment.number, 0, row, segment.rows);
            let page =
                MapPage { lun: self.number, level, index, sequence, entries: Box::new(*entries) };
            let mut block = [0; vds_format::BLOCK_BYTES];
            let checksum = page.encode(self.engine.array, place, &mut block);
            match writes.last_mut() {
                Some(last) if last.segment.number == segment.number => {
                    last.bytes.extend_from_slice(&block);
                }
                _ => writes.push(PageWrite { segment, row, bytes: block.to_vec() }),
            }
            if !before.is_nowhere() {
                live.remove(before);
            }
            live.add(place);
            MapEntry { place, checksum }
        });
        (pages, writes)
    }

    /// Writes the pages and flushes every drive that holds something the checkpoint counts on. False if a drive failed; lost ones
    /// are expelled by then.
    async fn write_and_flush(self: &Rc<Self>, capture: &Capture) -> bool {
        let writes = capture.writes.iter().map(|write| {
            let pages = vec![Some(Arc::new(Buffer::copy_of(&write.bytes)))];
            let segment = Rc::clone(&write.segment);
            self.traffic.add_batch(&segment, &pages);
            let row = write.row;
            let write: LocalFuture<Result<(), DiskError>> =
                Box::pin(
                    async move { super::host::write_columns_gently(&segment, row, pages).await },
                );
            write
        });
        let written: Result<(), DiskError> = join_all(writes.collect()).await.into_iter().collect();
        let mut numbers = self.undurable_drives();
        for write in &capture.writes {
            numbers.extend(write.segment.columns.iter().map(|column| column.record.drive));
        }
        let host_full = capture.host_full.iter().map(|full| &full.segment);
        let moves_full = capture.moves_full.iter().map(|full| &full.segment);
        for segment in host_full.chain(moves_full) {
            numbers.extend(segment.columns.iter().map(|column| column.record.drive));
        }
        let failed = flush_all(&self.live_drives(&numbers)).await;
        for drive in self.lost_drives(&numbers) {
            if let Some(error) = drive.lost() {
                self.engine.expel(drive.number, &error).await;
            }
        }
        written.is_ok() && failed.is_empty()
    }

    /// Drives of the segments that are being appended to.
    fn undurable_drives(&self) -> BTreeSet<DriveNo> {
        let host = self.host.borrow();
        let mut segments: Vec<Rc<Segment>> =
            host.full.iter().map(|full| Rc::clone(&full.segment)).collect();
        segments.extend(host.current.iter().map(|cursor| Rc::clone(&cursor.segment)));
        segments.extend(self.moves.borrow().open_segment());
        let columns = segments.iter().flat_map(|segment| segment.columns.iter());
        columns.map(|column| column.record.drive).collect()
    }

    pub(super) fn lost_drives(&self, numbers: &BTreeSet<DriveNo>) -> Vec<Rc<crate::drive::Drive>> {
        let drives = self.engine.drives.borrow();
        let drives = numbers.iter().filter_map(|number| drives.get(number));
        drives.filter(|drive| drive.lost().is_some()).cloned().collect()
    }

    /// The pages did not all reach their drives: nothing of the capture counts.
    fn undo(self: &Rc<Self>, capture: Capture) {
        self.map.borrow_mut().not_written(&capture.pages);
        let mut host = self.host.borrow_mut();
        let later = std::mem::replace(&mut host.full, capture.host_full);
        host.full.extend(later);
        host.appended_blocks += capture.appended_blocks;
        drop(host);
        self.moves.borrow_mut().put_back(capture.moves_full);
        let mut log = self.map_log.borrow_mut();
        log.full.extend(capture.map_full);
        log.give_up();
        self.live.borrow_mut().changed.extend(capture.live.keys());
    }

    async fn commit_checkpoint(self: &Rc<Self>, capture: Capture) -> Result<(), CheckpointError> {
        // Deleted, or about to be: the catalog knows it no longer.
        if self.readiness() == Readiness::Gone || self.record().is_none() {
            return Err(CheckpointError::Unavailable);
        }
        let mut seals: Vec<SegmentRecord> = Vec::new();
        for full in &capture.host_full {
            seals.push(self.sealed_record(&full.segment, full.first, full.last, full.rows));
        }
        for full in capture.moves_full.iter().chain(&capture.map_full) {
            seals.push(self.sealed_record(&full.segment, Sequence(0), Sequence(0), full.rows));
        }
        let sealed: BTreeSet<SegmentNo> = seals.iter().map(|seal| seal.number).collect();
        let dead = self.dead_segments(&capture, &sealed);
        for seal in &mut seals {
            seal.live = capture.live[&seal.number];
        }
        let mut records: Vec<Record> = seals
            .into_iter()
            .filter(|seal| !dead.contains(&seal.number))
            .map(Record::Segment)
            .collect();
        let counts = capture.live.iter().filter(|(number, _)| !dead.contains(number));
        records.push(Record::LiveCounts(counts.map(|(number, live)| (*number, *live)).collect()));
        records.push(Record::Checkpoint(capture.record));
        if !dead.is_empty() {
            records.push(Record::SegmentsDeleted(dead.iter().copied().collect()));
        }
        if self.engine.catalog.commit(records).await.is_err() {
            return Err(CheckpointError::Unavailable);
        }
        self.map.borrow_mut().written(&capture.pages);
        self.checkpoint.set(capture.record);
        {
            let mut host = self.host.borrow_mut();
            host.durable = host.durable.max(capture.record.sequence);
        }
        for number in dead {
            self.live.borrow_mut().forget(number);
            let segment = self.segments.borrow_mut().remove(&number);
            if let Some(segment) = segment {
                segment.retire();
            }
        }
        self.changed.notify();
        Ok(())
    }

    /// Segments without a live block that hold nothing newer than the checkpoint. All are looked at: one may have lost its last
    /// block long before it was sealed.
    fn dead_segments(
        &self,
        capture: &Capture,
        sealed: &BTreeSet<SegmentNo>,
    ) -> BTreeSet<SegmentNo> {
        let (segments, live) = (self.segments.borrow(), self.live.borrow());
        let state = self.engine.catalog.state();
        let log = self.map_log.borrow();
        // In the captured map and in the one of now.
        let is_empty = |number: &SegmentNo| {
            let then = match capture.live.get(number) {
                Some(count) => *count == 0,
                None => !live.changed.contains(number),
            };
            then && live.of(*number) == 0
        };
        // One that a failing column sealed since the capture may hold batches that only its replay brings back.
        let is_old = |segment: &Segment| {
            let record = state.segments.get(&segment.number);
            segment.stream != Stream::Host
                || sealed.contains(&segment.number)
                || record.is_some_and(|it| it.last_sequence <= capture.record.sequence)
        };
        segments
            .values()
            .filter(|segment| segment.state.get() == SegmentState::Sealed && is_old(segment))
            .map(|segment| segment.number)
            .filter(|number| is_empty(number) && !log.uses(*number))
            .collect()
    }

    /// Keeps the map's segments from filling up with dead pages: marks pages of the emptiest ones for rewriting, so that after
    /// this checkpoint a whole map still fits beside what is in use.
    async fn compact_map(self: &Rc<Self>) {
        for victim in self.map_victims() {
            let Some(segment) = self.segment(victim) else { continue };
            self.dirty_pages_of(&segment).await;
        }
    }

    fn map_victims(&self) -> Vec<SegmentNo> {
        let live = self.live.borrow();
        let log = self.map_log.borrow();
        let mut used: Vec<(u32, SegmentNo)> = self
            .segments
            .borrow()
            .values()
            .filter(|segment| segment.stream == Stream::Map && !log.uses(segment.number))
            .map(|segment| (live.of(segment.number), segment.number))
            .collect();
        used.sort_unstable();
        let rows = self.map_rows();
        let pages: u64 = used.iter().map(|(live, _)| u64::from(*live)).sum();
        let blocks = self.shape.get().size_bytes.div_ceil(vds_format::BLOCK_BYTES as u64);
        let allowed = usize::try_from(layout::map_segments_kept(blocks, pages, rows));
        let surplus = used.len().saturating_sub(allowed.expect("64-bit"));
        used.into_iter()
            .filter(|(live, _)| *live > 0)
            .take(surplus)
            .map(|(_, number)| number)
            .collect()
    }

    fn map_rows(&self) -> u32 {
        (1 << (self.engine.catalog.state().array.slab_shift - 12)) - 1
    }

    /// Marks every page that lies in `segment` for rewriting.
    pub(super) async fn dirty_pages_of(self: &Rc<Self>, segment: &Rc<Segment>) {
        for row in 0..self.end_row(segment) {
            let place = Place::new(segment.number, 0, row, segment.rows);
            let mut found = None;
            for column in segment.readable(0) {
                if let Ok(buffer) = column.read(row, 1).await
                    && let Ok((page, _)) =
                        MapPage::decode(buffer.block(0), self.engine.array, place)
                {
                    found = Some(page);
                    break;
                }
            }
            let Some(page) = found else { continue };
            self.dirty_page(&page, place).await;
        }
    }

    /// Marks a page for rewriting if it is the one in force.
    pub(super) async fn dirty_page(self: &Rc<Self>, page: &MapPage, place: Place) {
        let leaf = page.index * (vds_format::MAP_FANOUT as u64).pow(u32::from(page.level));
        // Loads the page and what is above it; harmless if the tree no longer has it there.
        if self.map.borrow().level_count() <= page.level
            || self.load_leaf(leaf, false).await.is_err()
        {
            return;
        }
        let mut map = self.map.borrow_mut();
        if map.lies_at(page.level, page.index, place) && map.has_page(page.level, page.index) {
            map.mark_page_dirty(page.level, page.index);
        }
    }
}
