//! The walker: gives segments the columns that they lack, one immutable segment after the other.
//!
//! Serves recovery of a mirror, the copy of a new plex, and drives that are replaced: all are "this segment should have a
//! column it does not have". What is written anew is verified at its source, flushed, and counts by one commit.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use vds_format::{
    BLOCK_BYTES, Column, ColumnState, MapPage, Place, Record, SegmentNo, SegmentRecord,
    SegmentState, Stream,
};
use vds_io::{Buffer, Monotonic};

use super::flush::flush_all;
use super::open::OpenFailure;
use super::scan::{Found, Scanner};
use super::{Lun, Readiness, Segment};
use crate::drive::Drive;
use crate::layout;

/// New columns are committed at least so often, by time and by bytes.
const COMMIT_PERIOD: std::time::Duration = std::time::Duration::from_secs(1);
const COMMIT_BYTES: u64 = 256 << 20;

/// How far a walk is; shared with whoever shows or stops it.
#[derive(Default)]
pub(crate) struct WalkProgress {
    pub(crate) done_bytes: Cell<u64>,
    pub(crate) total_bytes: Cell<u64>,
    /// The walk stops before the next segment.
    pub(crate) stop: Cell<bool>,
    /// Called after each segment.
    pub(crate) on_step: RefCell<Option<OnStep>>,
}

/// Told bytes done and bytes in all.
pub(crate) type OnStep = Box<dyn Fn(u64, u64)>;

/// Why a walk ended early. What was rebuilt stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WalkError {
    /// Asked to stop.
    #[error("the walk was stopped")]
    Stopped,
    /// No slab on the drives that should hold the column.
    #[error("no space for the new column")]
    NoSpace,
    /// No drive to hold the column.
    #[error("no drive can hold the new column")]
    NoDrive,
    /// No live copy of a segment is left to read from.
    #[error("{0} has no copy left to read from")]
    SourceLost(SegmentNo),
    /// A drive failed under the walk too often, the array froze, or the LUN is gone.
    #[error("drives failed under the walk, or the array is frozen")]
    Unavailable,
}

/// A column written and not yet committed.
struct Fresh {
    segment: SegmentNo,
    column: Column,
    drive: Rc<Drive>,
}

impl Lun {
    /// Bytes of columns that segments lack.
    pub(crate) fn missing_bytes(&self) -> u64 {
        let slab = 1_u64 << self.engine.catalog.state().array.slab_shift;
        let segments = self.segments.borrow();
        segments.values().map(|segment| self.missing(segment).len() as u64 * slab).sum()
    }

    /// Which segments lack what, for a failing test.
    #[cfg(test)]
    pub(crate) fn missing_text(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        for segment in self.segments.borrow().values() {
            let missing = self.missing(segment);
            if !missing.is_empty() {
                let columns: Vec<Column> = segment.columns.iter().map(|c| c.record).collect();
                let state = segment.state.get();
                writeln!(
                    text,
                    "{} {:?} {state:?} {columns:?} lacks {missing:?}",
                    segment.number, segment.stream
                )
                .expect("a string takes it");
            }
        }
        text
    }

    /// The fewest copies of a data column that can be read, over all segments with live blocks; `None` without any.
    pub(crate) fn copies_min(&self) -> Option<usize> {
        let segments = self.segments.borrow();
        let live = self.live.borrow();
        let counts = segments.values().filter(|segment| live.of(segment.number) > 0);
        counts
            .filter(|segment| segment.stream != Stream::Map)
            .flat_map(|segment| {
                (0..u32::from(segment.data_columns)).map(|column| segment.readable(column).len())
            })
            .min()
    }

    /// The columns that a segment should have by the LUN's layout and cannot read.
    fn missing(&self, segment: &Rc<Segment>) -> Vec<layout::Slot> {
        let Some(record) = self.record() else { return Vec::new() };
        // One whose deletion is on its way lacks nothing.
        if !self.engine.catalog.state().segments.contains_key(&segment.number) {
            return Vec::new();
        }
        let slots = layout::slots(&record, segment.stream);
        let has = |slot: &layout::Slot| {
            segment.columns.iter().any(|column| {
                column.record.copy == slot.copy
                    && column.record.data_column == slot.data_column
                    && column.live().is_some()
            })
        };
        // A segment made with other data columns keeps them; copies of it are made the same way.
        slots
            .into_iter()
            .filter(|slot| slot.data_column < segment.data_columns)
            .filter(|slot| !has(slot))
            .collect()
    }

    /// Seals what is being appended to, so that everything can be walked; new segments follow the LUN's record as it is now.
    pub(super) async fn roll(self: &Rc<Self>) -> Result<(), WalkError> {
        drop(self.hold().await);
        self.checkpoint().await.map_err(|_| WalkError::Unavailable)?;
        // The map segments that this very checkpoint wrote to are sealed by the next.
        self.map_log.borrow_mut().give_up();
        self.checkpoint().await.map_err(|_| WalkError::Unavailable)
    }

    /// Walks over all segments until none lacks a column.
    ///
    /// # Errors
    /// [`WalkError`]; what was committed stays.
    pub(crate) async fn rebuild(self: &Rc<Self>, progress: &WalkProgress) -> Result<(), WalkError> {
        self.roll().await?;
        progress.total_bytes.set(progress.done_bytes.get() + self.missing_bytes());
        loop {
            let segments: Vec<Rc<Segment>> = self
                .all_segments()
                .into_iter()
                .filter(|segment| segment.state.get() == SegmentState::Sealed)
                .filter(|segment| !self.missing(segment).is_empty())
                .collect();
            if segments.is_empty() {
                return Ok(());
            }
            self.rebuild_segments(segments, progress).await?;
        }
    }

    async fn rebuild_segments(
        self: &Rc<Self>,
        segments: Vec<Rc<Segment>>,
        progress: &WalkProgress,
    ) -> Result<(), WalkError> {
        let slab = 1_u64 << self.engine.catalog.state().array.slab_shift;
        let mut fresh: Vec<Fresh> = Vec::new();
        let mut since = self.engine.world.clock.now();
        let mut result = Ok(());
        for segment in segments {
            if progress.stop.get() || self.readiness() == Readiness::Gone {
                result = Err(WalkError::Stopped);
                break;
            }
            match self.rebuild_segment(&segment).await {
                Ok(columns) => {
                    progress
                        .done_bytes
                        .set(progress.done_bytes.get() + slab * columns.len() as u64);
                    fresh.extend(columns);
                }
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
            if let Some(step) = &*progress.on_step.borrow() {
                step(progress.done_bytes.get(), progress.total_bytes.get());
            }
            if self.is_time_to_commit(since, fresh.len() as u64 * slab) {
                self.commit_columns(std::mem::take(&mut fresh)).await?;
                since = self.engine.world.clock.now();
            }
        }
        self.commit_columns(fresh).await?;
        result
    }

    fn is_time_to_commit(&self, since: Monotonic, bytes: u64) -> bool {
        bytes >= COMMIT_BYTES || self.engine.world.clock.now().since(since) >= COMMIT_PERIOD
    }

    /// Writes the columns that a segment lacks. They do not count yet.
    async fn rebuild_segment(
        self: &Rc<Self>,
        segment: &Rc<Segment>,
    ) -> Result<Vec<Fresh>, WalkError> {
        let mut fresh = Vec::new();
        for slot in self.missing(segment) {
            if segment.readable(slot.data_column.into()).is_empty() {
                return Err(WalkError::SourceLost(segment.number));
            }
            let record = self.engine.catalog.state().segments.get(&segment.number).cloned();
            // Freed meanwhile: nothing is missing any more.
            let Some(record) = record else { break };
            let mut taken = live_columns(segment);
            taken.extend(fresh.iter().map(|fresh: &Fresh| fresh.column));
            let column = self.new_column(&slot, &taken, segment.stream)?;
            let drive = self.engine.live_drive(column.drive).ok_or(WalkError::NoDrive)?;
            let copied = self.copy_column(segment, &record, column, &drive).await;
            if !copied {
                self.engine.space.borrow_mut().free(self.number, column.drive, column.slab);
                return Err(WalkError::Unavailable);
            }
            fresh.push(Fresh { segment: segment.number, column, drive });
        }
        Ok(fresh)
    }

    fn new_column(
        &self,
        slot: &layout::Slot,
        taken: &[Column],
        stream: Stream,
    ) -> Result<Column, WalkError> {
        // Rebuilding takes what it needs: the share was set aside for these very columns.
        let record = self.record().ok_or(WalkError::Unavailable)?;
        let stream = if stream == Stream::Host { Stream::Moves } else { stream };
        let chosen =
            self.choose_slab(&record, slot, taken, stream).map_err(|error| match error {
                OpenFailure::Full => WalkError::NoSpace,
                OpenFailure::NoDrive => WalkError::NoDrive,
                OpenFailure::Frozen => WalkError::Unavailable,
            })?;
        Ok(Column {
            copy: slot.copy,
            data_column: slot.data_column,
            drive: chosen.0,
            slab: chosen.1,
            state: ColumnState::Current,
        })
    }

    async fn copy_column(
        self: &Rc<Self>,
        segment: &Rc<Segment>,
        record: &SegmentRecord,
        column: Column,
        drive: &Rc<Drive>,
    ) -> bool {
        if let Some(label) = self.label_write(record, &column) {
            label.await;
        }
        if segment.stream == Stream::Map {
            self.copy_map_column(segment, column, drive).await
        } else {
            self.copy_batches(segment, record, column, drive).await
        }
    }

    async fn copy_map_column(
        &self,
        segment: &Rc<Segment>,
        column: Column,
        drive: &Rc<Drive>,
    ) -> bool {
        for row in 0..segment.rows {
            let place = Place::new(segment.number, 0, row, segment.rows);
            let mut page = None;
            for source in segment.readable(0) {
                let Ok(buffer) = source.read(row, 1).await else { continue };
                let good = MapPage::decode(buffer.block(0), self.engine.array, place).is_ok();
                page = page.or(Some((good, buffer.clone())));
                if good {
                    page = Some((true, buffer));
                    break;
                }
            }
            // A row that no copy reads stays unwritten; so does one that holds no page.
            let Some((true, buffer)) = page else { continue };
            if !write_rows(drive, column, row, buffer).await {
                return false;
            }
        }
        true
    }

    async fn copy_batches(
        self: &Rc<Self>,
        segment: &Rc<Segment>,
        record: &SegmentRecord,
        column: Column,
        drive: &Rc<Drive>,
    ) -> bool {
        let end = if segment.stream == Stream::Host { record.rows } else { segment.rows };
        let mut scanner = Scanner::new(self, segment, true);
        let mut row = 0;
        while row < end {
            let (rows, count) = match scanner.batch_at(row).await {
                Some(found) => {
                    let count = found.header.rows;
                    (self.column_of_batch(segment, &found, column.data_column), count)
                }
                // No header that any copy holds: whatever stands there is taken over as it is.
                None => (read_raw(segment, column.data_column, row).await, 1),
            };
            if let Some(rows) = rows
                && !write_rows(drive, column, row, rows).await
            {
                return false;
            }
            row += count;
        }
        true
    }

    /// The rows of one data column of a batch, put together from what was verified. `None` if the batch has only padding there.
    fn column_of_batch(
        &self,
        segment: &Rc<Segment>,
        found: &Found,
        data_column: u8,
    ) -> Option<Buffer> {
        let header = &found.header;
        let mut rows = None;
        let mut put = |row: u32, bytes: &[u8]| {
            let buffer = rows.get_or_insert_with(|| Buffer::zeroed(header.rows as usize));
            buffer.block_mut((row - header.row) as usize).copy_from_slice(bytes);
        };
        let mut block = vec![0; BLOCK_BYTES];
        header.encode(self.engine.array, &mut block);
        let second = if segment.data_columns == 1 { (0, header.row + 1) } else { (1, header.row) };
        if data_column == 0 {
            put(header.row, &block);
        }
        if segment.doubled && second.0 == data_column {
            put(second.1, &block);
        }
        for data in &found.blocks {
            let (column, row) = data.place.column_and_row(segment.rows);
            if column == u32::from(data_column)
                && let Some(bytes) = &data.data
            {
                put(row, bytes);
            }
        }
        rows
    }

    /// Flushes the drives of new columns, then makes them count. Segments that were freed meanwhile give their slab back.
    async fn commit_columns(self: &Rc<Self>, fresh: Vec<Fresh>) -> Result<(), WalkError> {
        if fresh.is_empty() {
            return Ok(());
        }
        let mut drives: Vec<Rc<Drive>> = Vec::new();
        for one in &fresh {
            if !drives.iter().any(|drive| drive.number == one.drive.number) {
                drives.push(Rc::clone(&one.drive));
            }
        }
        let failed = flush_all(&drives).await;
        let mut records: Vec<Record> = Vec::new();
        let mut reload = Vec::new();
        {
            let state = self.engine.catalog.state();
            let mut changed: std::collections::BTreeMap<SegmentNo, SegmentRecord> =
                std::collections::BTreeMap::new();
            for one in &fresh {
                let lost = failed.iter().any(|drive| drive.number == one.drive.number);
                let record = changed
                    .get(&one.segment)
                    .or_else(|| state.segments.get(&one.segment))
                    .filter(|_| !lost)
                    .cloned();
                let Some(mut record) = record else {
                    let mut space = self.engine.space.borrow_mut();
                    space.free(self.number, one.column.drive, one.column.slab);
                    continue;
                };
                record.columns.retain(|column| {
                    (column.copy, column.data_column) != (one.column.copy, one.column.data_column)
                });
                record.columns.push(one.column);
                record.columns.sort_by_key(|column| (column.copy, column.data_column));
                changed.insert(one.segment, record);
            }
            reload.extend(changed.keys().copied());
            records.extend(changed.into_values().map(Record::Segment));
        }
        // The slabs of columns that are replaced come free when the segment's old form is let go.
        let committed = self.engine.catalog.commit(records).await;
        for number in reload {
            self.reload_segment(number);
        }
        if committed.is_err() || !failed.is_empty() {
            return Err(WalkError::Unavailable);
        }
        Ok(())
    }
}

fn live_columns(segment: &Segment) -> Vec<Column> {
    let live = segment.columns.iter().filter(|column| column.live().is_some());
    live.map(|column| column.record).collect()
}

async fn write_rows(drive: &Rc<Drive>, column: Column, row: u32, rows: Buffer) -> bool {
    let block = drive.slab_block(column.slab) + 1 + u64::from(row);
    drive.write(block, Arc::new(rows)).await.is_ok()
}

async fn read_raw(segment: &Segment, data_column: u8, row: u32) -> Option<Buffer> {
    for column in segment.readable(data_column.into()) {
        if let Ok(buffer) = column.read(row, 1).await {
            return Some(buffer);
        }
    }
    None
}
