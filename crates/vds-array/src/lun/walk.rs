//! The walker: gives segments the columns that they lack, one immutable segment after the other.
//!
//! Serves recovery of a mirror, the copy of a new plex, and drives that are replaced: all are "this segment should have a
//! column it does not have". What is written anew is verified at its source, flushed, and counts by one commit.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use vds_format::{Column, ColumnState, Record, SegmentNo, SegmentRecord, SegmentState, Stream};
use vds_io::Monotonic;

use super::copy::{Copying, Writes};
use super::flush::flush_all;
use super::open::OpenFailure;
use super::stride::Stride;
use super::{Lun, Readiness, Segment};
use crate::drive::Drive;
use crate::layout;

/// New columns are committed at least so often, by time and by bytes.
const COMMIT_PERIOD: std::time::Duration = std::time::Duration::from_secs(1);
const COMMIT_BYTES: u64 = 256 << 20;

/// Columns that may be read to their end and not yet written while the next one is read.
const WRITING_MAX: usize = 2;

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
            let todo = self.lacking();
            if todo.is_empty() {
                return Ok(());
            }
            Walk::new(self, progress, todo).run().await?;
        }
    }

    /// The sealed segments that lack a column: those with the fewest copies first, then as they lie on the drive that will
    /// be read, so that a disk need not seek.
    fn lacking(&self) -> VecDeque<SegmentNo> {
        let segments = self.segments.borrow();
        let sealed = segments.values().filter(|it| it.state.get() == SegmentState::Sealed);
        let mut lacking: Vec<_> = sealed
            .filter_map(|segment| {
                let missing = self.missing(segment);
                let sources = missing.iter().map(|slot| segment.readable(slot.data_column.into()));
                let least = sources.min_by_key(Vec::len)?;
                let first = least.iter().map(|it| (it.record.drive, it.record.slab)).min();
                Some((least.len(), first, segment.number))
            })
            .collect();
        lacking.sort_unstable();
        lacking.into_iter().map(|(.., number)| number).collect()
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
        let commit = self.engine.catalog.commit(records);
        // In use at once: whoever deletes a segment while the commit is on its way gives back the new column, too.
        let old_forms: Vec<_> = reload.into_iter().filter_map(|it| self.renew(it)).collect();
        let committed = commit.await;
        // The slabs of columns that are replaced come free when the segment's old form is let go.
        for (old, record) in old_forms {
            old.retire_columns_not_in(&record);
        }
        if committed.is_err() || !failed.is_empty() {
            return Err(WalkError::Unavailable);
        }
        Ok(())
    }

    /// Takes a segment into use as the catalog has it now; its form until now, and the record.
    fn renew(&self, number: SegmentNo) -> Option<(Rc<Segment>, SegmentRecord)> {
        let record = self.engine.catalog.state().segments.get(&number).cloned()?;
        let old = self.segment(number)?;
        let renewed = Segment::new(&self.engine, &record, Some(&old));
        self.segments.borrow_mut().insert(number, renewed);
        Some((old, record))
    }
}

/// One pass over segments that lack columns.
///
/// ```text
///   todo ─► next (its first rows on their way) ─► copied row by row ─► writing ─► fresh ─► committed
/// ```
struct Walk<'a> {
    lun: &'a Rc<Lun>,
    progress: &'a WalkProgress,
    writes: Rc<Writes>,
    todo: VecDeque<SegmentNo>,
    next: Option<Result<Copying, WalkError>>,
    /// Read to the end, some of it not written yet.
    writing: VecDeque<Copying>,
    /// Written, not committed.
    fresh: Vec<Fresh>,
    /// What this walk makes and has not committed: segments do not show it yet.
    made: Vec<(SegmentNo, Column)>,
    slab_bytes: u64,
    last_commit: Monotonic,
}

impl<'a> Walk<'a> {
    fn new(lun: &'a Rc<Lun>, progress: &'a WalkProgress, todo: VecDeque<SegmentNo>) -> Self {
        let world = &lun.engine.world;
        Self {
            lun,
            progress,
            writes: Writes::new(&world.spawn, &Stride::new(&world.clock)),
            todo,
            next: None,
            writing: VecDeque::new(),
            fresh: Vec::new(),
            made: Vec::new(),
            slab_bytes: 1 << lun.engine.catalog.state().array.slab_shift,
            last_commit: world.clock.now(),
        }
    }

    async fn run(mut self) -> Result<(), WalkError> {
        let walked = self.copy_all().await;
        // However it ended: no slab is given back under a write, and what was written counts.
        if let Some(Ok(unused)) = self.next.take() {
            self.give_back(&unused);
        }
        let settled = self.settle(0).await;
        self.commit().await?;
        walked.and(settled)
    }

    async fn copy_all(&mut self) -> Result<(), WalkError> {
        while let Some(copying) = self.next.take().or_else(|| self.prepare()) {
            let mut copying = copying?;
            if self.is_to_stop() {
                self.give_back(&copying);
                return Err(WalkError::Stopped);
            }
            let mut row = Some(0);
            while let Some(from) = row {
                row = copying.advance(self.lun, from).await;
                if self.next.is_none() {
                    // The drive that is read is not to wait for the last writes.
                    self.next = self.prepare();
                    if let Some(Ok(next)) = &mut self.next {
                        next.begin();
                    }
                }
            }
            self.writing.push_back(copying);
            self.settle(WRITING_MAX).await?;
            if self.is_time_to_commit() {
                self.commit().await?;
            }
        }
        Ok(())
    }

    fn is_to_stop(&self) -> bool {
        self.progress.stop.get() || self.lun.readiness() == Readiness::Gone
    }

    /// The next column to be made, with a slab for it. `None`: nothing is left to do.
    fn prepare(&mut self) -> Option<Result<Copying, WalkError>> {
        while let Some(number) = self.todo.front().copied() {
            if self.is_to_stop() {
                return Some(Err(WalkError::Stopped));
            }
            let made = |slot: &layout::Slot| {
                self.made.iter().any(|(of, column)| {
                    *of == number
                        && (column.copy, column.data_column) == (slot.copy, slot.data_column)
                })
            };
            // Freed meanwhile: nothing is missing any more.
            let segment = self.lun.segment(number);
            let record = self.lun.engine.catalog.state().segments.get(&number).cloned();
            let missing = segment.as_ref().map(|segment| self.lun.missing(segment));
            let slot = missing.into_iter().flatten().find(|slot| !made(slot));
            let (Some(segment), Some(record), Some(slot)) = (segment, record, slot) else {
                self.todo.pop_front();
                continue;
            };
            return Some(self.prepare_column(&segment, &record, &slot));
        }
        None
    }

    fn prepare_column(
        &mut self,
        segment: &Rc<Segment>,
        record: &SegmentRecord,
        slot: &layout::Slot,
    ) -> Result<Copying, WalkError> {
        if segment.readable(slot.data_column.into()).is_empty() {
            return Err(WalkError::SourceLost(segment.number));
        }
        let mut taken = live_columns(segment);
        let made = self.made.iter().filter(|(number, _)| *number == segment.number);
        taken.extend(made.map(|(_, column)| *column));
        let column = self.lun.new_column(slot, &taken, segment.stream)?;
        let Some(drive) = self.lun.engine.live_drive(column.drive) else {
            let mut space = self.lun.engine.space.borrow_mut();
            space.free(self.lun.number, column.drive, column.slab);
            return Err(WalkError::NoDrive);
        };
        self.made.push((segment.number, column));
        Ok(Copying::new(self.lun, segment, record, (column, drive), &self.writes))
    }

    /// The column will not be: nothing is being written to it.
    fn give_back(&mut self, copying: &Copying) {
        let column = copying.column;
        self.lun.engine.space.borrow_mut().free(self.lun.number, column.drive, column.slab);
        self.made.retain(|(_, made)| (made.drive, made.slab) != (column.drive, column.slab));
    }

    /// Waits until at most `left` columns are being written.
    async fn settle(&mut self, left: usize) -> Result<(), WalkError> {
        let mut result = Ok(());
        while let Some(first) = self.writing.front()
            && (self.writing.len() > left || first.is_written())
        {
            let is_whole = first.until_written().await;
            let mut copying = self.writing.pop_front().expect("just seen");
            if !is_whole {
                self.give_back(&copying);
                result = Err(WalkError::Unavailable);
                continue;
            }
            copying.note_lost(self.lun).await;
            let (segment, column) = (copying.segment.number, copying.column);
            self.fresh.push(Fresh { segment, column, drive: copying.drive });
            let done_bytes = self.progress.done_bytes.get() + self.slab_bytes;
            self.progress.done_bytes.set(done_bytes);
            if let Some(step) = &*self.progress.on_step.borrow() {
                step(done_bytes, self.progress.total_bytes.get());
            }
        }
        result
    }

    fn is_time_to_commit(&self) -> bool {
        let now = self.lun.engine.world.clock.now();
        self.fresh.len() as u64 * self.slab_bytes >= COMMIT_BYTES
            || now.since(self.last_commit) >= COMMIT_PERIOD
    }

    async fn commit(&mut self) -> Result<(), WalkError> {
        let fresh = std::mem::take(&mut self.fresh);
        for one in &fresh {
            self.made.retain(|(_, it)| (it.drive, it.slab) != (one.column.drive, one.column.slab));
        }
        self.lun.commit_columns(fresh).await?;
        self.last_commit = self.lun.engine.world.clock.now();
        Ok(())
    }
}

fn live_columns(segment: &Segment) -> Vec<Column> {
    let live = segment.columns.iter().filter(|column| column.live().is_some());
    live.map(|column| column.record).collect()
}
