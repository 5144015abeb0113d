//! The host stream: what initiators write, in the order of submission.
//!
//! ```text
//!   queue ──form──► in flight (batches, by sequence) ──front done──► map, answers
//!                        │ a column failed: nothing more is issued, what is in flight settles
//!                        └──► seal at the last acknowledged batch, open a segment elsewhere, queue the rest again
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use vds_format::{
    BATCH_ENTRIES_MAX, BLOCK_BYTES, BatchEntry, BatchHeader, DriveNo, MapEntry, Place, Sequence,
    Stream, batch_data_blocks_max, batch_rows, data_checksum,
};
use vds_io::{Buffer, DiskError, DiskErrorKind, LocalFuture, LunIoError, join_all};

use super::pace::Pace;
use super::queue::{Content, Queue, Submission};
use super::segment::{LiveColumn, Segment};
use super::stride::{PIECE_BLOCKS, SHARED_PIECE_BLOCKS};
use super::{Lun, Readiness};

/// Batches of a LUN that may be in flight together: while some are, what comes in gathers for the next one.
const IN_FLIGHT_MAX: usize = 8;
/// More may be while they have no more data blocks than this, if what waits is much: waiting would not make its batches larger.
const IN_FLIGHT_BLOCKS_MAX: usize = 768;
/// Segments that are opened ahead of the stream, at most.
const SPARES_MAX: usize = 16;
/// So many queued blocks are much.
const MANY_BLOCKS: u64 = 64;

/// Where the next batch goes.
pub(super) struct Cursor {
    pub(super) segment: Rc<Segment>,
    pub(super) row: u32,
    pub(super) first: Sequence,
}

/// A segment that takes no more batches, to be sealed by the next checkpoint that contains its last one.
pub(super) struct Full {
    pub(super) segment: Rc<Segment>,
    pub(super) first: Sequence,
    pub(super) last: Sequence,
    pub(super) rows: u32,
}

/// A batch that was issued and not acknowledged.
pub(super) struct InFlight {
    pub(super) sequence: Sequence,
    pub(super) segment: Rc<Segment>,
    pub(super) row: u32,
    submissions: Vec<Submission>,
    changes: Vec<Change>,
    outcome: Option<Result<(), DiskError>>,
}

/// Blocks that are written at once behind the host's back: on drives that turn the seek there and back is what a host waits for.
fn gentle_blocks(column: &LiveColumn) -> usize {
    let rotates = column.live().is_some_and(|drive| drive.rotates());
    (if rotates { PIECE_BLOCKS } else { SHARED_PIECE_BLOCKS }) as usize
}

/// What a batch does to the map.
#[derive(Clone, Copy)]
pub(super) enum Change {
    Map { lun_block: u64, entry: MapEntry },
    Unmap { lun_block: u64, blocks: u32 },
}

/// The stream's state.
pub(super) struct Host {
    pub(super) queue: Queue,
    pub(super) in_flight: VecDeque<InFlight>,
    pub(super) current: Option<Cursor>,
    /// Opened and not written yet, in the order in which they will be.
    pub(super) spares: VecDeque<Rc<Segment>>,
    /// So many are opened together.
    pub(super) spares_wanted: usize,
    pub(super) full: Vec<Full>,
    /// Somebody is opening a segment.
    pub(super) opening: bool,
    pub(super) next_sequence: Sequence,
    pub(super) acked: Sequence,
    pub(super) durable: Sequence,
    previous_checksum: u32,
    /// A column failed; the switch to another segment is under way.
    pub(super) broken: bool,
    /// How many have asked that nothing be issued.
    pub(super) paused: u32,
    /// Row blocks appended since the last checkpoint.
    pub(super) appended_blocks: u64,
    pub(super) pace: Pace,
    /// A pump is under way.
    pumping: bool,
}

impl Host {
    pub(super) fn new(last: Sequence) -> Self {
        Self {
            queue: Queue::default(),
            in_flight: VecDeque::new(),
            current: None,
            spares: VecDeque::new(),
            spares_wanted: 1,
            full: Vec::new(),
            opening: false,
            next_sequence: Sequence(last.0 + 1),
            acked: last,
            durable: last,
            previous_checksum: 0,
            broken: false,
            paused: 0,
            appended_blocks: 0,
            pace: Pace::default(),
            pumping: false,
        }
    }

    /// The kinds of error among what is in flight.
    pub(super) fn errors(&self) -> Vec<DiskErrorKind> {
        let outcomes = self.in_flight.iter().filter_map(|batch| batch.outcome.as_ref());
        outcomes.filter_map(|outcome| outcome.as_ref().err()).map(|error| error.kind).collect()
    }

    /// Whether nothing is queued or in flight: the map tells everything.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty()
    }

    /// Whether everything in flight has been answered by its drives.
    pub(super) fn has_settled(&self) -> bool {
        self.in_flight.iter().all(|batch| batch.outcome.is_some())
    }

    fn may_issue(&self) -> bool {
        self.paused == 0
            && !self.broken
            && !self.queue.is_empty()
            && self.pace.allows()
            && (self.in_flight.len() < IN_FLIGHT_MAX || self.may_issue_more())
    }

    /// Takes over segments that were opened. A stream that fills one and then waits uses them up faster than they are opened:
    /// from now on more are opened together. So they are on drives that turn, where each opening costs seeks.
    pub(super) fn add_spares(&mut self, opened: Vec<Rc<Segment>>) {
        if self.current.is_none() && !self.full.is_empty() && !self.queue.is_empty() {
            self.want_more_spares();
        }
        self.spares.extend(opened);
    }

    fn want_more_spares(&mut self) {
        self.spares_wanted = (self.spares_wanted * 2).min(SPARES_MAX);
    }

    fn may_issue_more(&self) -> bool {
        let blocks = |batch: &InFlight| batch.changes.len();
        self.queue.data_blocks() >= MANY_BLOCKS
            && self.in_flight.iter().map(blocks).sum::<usize>() < IN_FLIGHT_BLOCKS_MAX
    }

    /// Takes from the queue what fits one batch and the rows that are left; `None` if the segment is full for the next one.
    fn take_batch(&mut self) -> Option<Vec<Submission>> {
        let cursor = self.current.as_ref()?;
        let segment = &cursor.segment;
        let rows_left = segment.rows - cursor.row;
        let blocks_max = batch_data_blocks_max(segment.rows, segment.data_columns);
        let (mut count, mut blocks, mut entries) = (0, 0, 0);
        for submission in self.queue.iter() {
            let more = blocks + submission.data_blocks();
            entries += submission.entries();
            let rows = batch_rows(more, segment.data_columns, segment.doubled);
            if rows > rows_left || more > blocks_max || entries > BATCH_ENTRIES_MAX {
                break;
            }
            blocks = more;
            count += 1;
        }
        (count > 0).then(|| self.queue.take(count))
    }
}

impl Lun {
    /// Queues a change and issues what can be issued. Leaves that it touches are pinned.
    pub(super) fn enqueue(self: &Rc<Self>, submission: Submission) {
        self.host.borrow_mut().queue.push(submission);
        self.pump();
    }

    /// Sees to it that what can be issued is, once everybody who is about to submit has: they share a batch.
    pub(super) fn pump(self: &Rc<Self>) {
        let pumping = std::mem::replace(&mut self.host.borrow_mut().pumping, true);
        if !pumping {
            let lun = Rc::clone(self);
            let task = async move {
                lun.host.borrow_mut().pumping = false;
                lun.issue_batches();
            };
            self.engine.world.spawn.spawn("issue", Box::pin(task));
        }
    }

    /// Issues batches as long as there is something to issue and a place for it.
    fn issue_batches(self: &Rc<Self>) {
        loop {
            let mut host = self.host.borrow_mut();
            if !host.may_issue() {
                return;
            }
            if host.current.is_none() && !self.advance_segment(&mut host) {
                return;
            }
            let Some(submissions) = host.take_batch() else {
                Self::finish_segment(&mut host);
                let writes = Self::write_out(&host);
                drop(host);
                if let Some(writes) = writes {
                    self.engine.world.spawn.spawn("end of slab", writes);
                }
                continue;
            };
            let writes = self.issue(&mut host, submissions);
            drop(host);
            #[cfg(test)]
            if self.engine.has(crate::engine::Plant::AcknowledgeEarly) {
                let newest = self.host.borrow_mut().in_flight.back_mut().map(|batch| {
                    batch.outcome = Some(Ok(()));
                });
                assert!(newest.is_some());
                self.acknowledge();
            }
            self.engine.world.spawn.spawn("batch", writes);
        }
    }

    /// The current segment takes no more.
    pub(super) fn finish_segment(host: &mut Host) {
        if let Some(cursor) = host.current.take() {
            let last = Sequence(host.next_sequence.0 - 1);
            host.full.push(Full {
                segment: cursor.segment,
                first: cursor.first,
                last,
                rows: cursor.row,
            });
        }
    }

    /// The writes that lead from the segment just finished to the next, where they save a seek.
    fn write_out(host: &Host) -> Option<LocalFuture<()>> {
        let (full, next) = (host.full.last()?, host.spares.front()?);
        full.segment.write_out_to(full.rows, next)
    }

    /// Makes a spare segment the current one, and sees to it that there are spares.
    fn advance_segment(self: &Rc<Self>, host: &mut Host) -> bool {
        if let Some(segment) = host.spares.pop_front() {
            if segment.rotates() && !host.full.is_empty() {
                host.want_more_spares();
            }
            host.current = Some(Cursor { segment, row: 0, first: host.next_sequence });
        }
        if !host.opening && host.spares.len() * 2 < host.spares_wanted {
            host.opening = true;
            let lun = Rc::clone(self);
            let task = async move { lun.open_spares().await };
            self.engine.world.spawn.spawn("open segment", Box::pin(task));
        }
        host.current.is_some()
    }

    /// Builds a batch, notes it as in flight, and returns the writes of all its columns.
    fn issue(self: &Rc<Self>, host: &mut Host, submissions: Vec<Submission>) -> LocalFuture<()> {
        let sequence = host.next_sequence;
        host.next_sequence = Sequence(sequence.0 + 1);
        let durable_through = host.durable;
        let previous_checksum = host.previous_checksum;
        let cursor = host.current.as_mut().expect("the caller looked");
        let data_blocks = submissions.iter().map(Submission::data_blocks).sum();
        let segment = Rc::clone(&cursor.segment);
        let rows = batch_rows(data_blocks, segment.data_columns, segment.doubled);
        let row = cursor.row;
        cursor.row += rows;
        let mut batch = BatchBuilder::new(&segment, Stream::Host, row, rows);
        for submission in &submissions {
            for content in &submission.contents {
                match content {
                    Content::Data { lun_block, data } => {
                        for (index, block) in data.chunks_exact(BLOCK_BYTES).enumerate() {
                            batch.data(lun_block + index as u64, block);
                        }
                    }
                    Content::Unmap { lun_block, blocks } => batch.unmap(*lun_block, *blocks),
                }
            }
        }
        let header =
            HeaderParts { array: self.engine.array, sequence, durable_through, previous_checksum };
        let (columns, changes, checksum) = batch.finish(&header);
        host.previous_checksum = checksum;
        self.traffic.add_batch(&segment, &columns);
        let blocks = u64::from(rows) * u64::from(segment.data_columns);
        host.appended_blocks += blocks;
        host.pace.appended(blocks);
        host.in_flight.push_back(InFlight {
            sequence,
            segment: Rc::clone(&segment),
            row,
            submissions,
            changes,
            outcome: None,
        });
        let lun = Rc::clone(self);
        Box::pin(async move {
            let outcome = write_columns(&segment, row, columns).await;
            lun.batch_settled(sequence, outcome);
        })
    }

    fn batch_settled(self: &Rc<Self>, sequence: Sequence, outcome: Result<(), DiskError>) {
        {
            let mut host = self.host.borrow_mut();
            host.broken |= outcome.is_err();
            let batch = host.in_flight.iter_mut().find(|batch| batch.sequence == sequence);
            #[cfg(test)]
            if batch.is_none() && self.engine.has(crate::engine::Plant::AcknowledgeEarly) {
                return;
            }
            batch.expect("in flight until it settles").outcome = Some(outcome);
        }
        self.acknowledge();
        let switch = {
            let host = self.host.borrow();
            host.broken && host.has_settled()
        };
        if switch {
            self.spawn_switch();
        }
        self.pump();
        self.changed.notify();
    }

    /// Makes visible, in order, every batch that is written with all before it, as soon as that is right.
    fn acknowledge(self: &Rc<Self>) {
        loop {
            if !self.engine.catalog.standing().holds() {
                return self.acknowledge_later();
            }
            let batch = {
                let mut host = self.host.borrow_mut();
                if !matches!(host.in_flight.front(), Some(InFlight { outcome: Some(Ok(())), .. })) {
                    return;
                }
                let batch = host.in_flight.pop_front().expect("just seen");
                assert_eq!(batch.sequence.0, host.acked.0 + 1, "batches are acknowledged in order");
                host.acked = batch.sequence;
                batch
            };
            for change in &batch.changes {
                self.apply(*change);
            }
            for submission in batch.submissions {
                self.unpin(&submission.pins);
                if submission.durable {
                    self.answer_when_durable(batch.sequence, submission.answer);
                } else {
                    submission.answer.answer(Ok(()));
                }
            }
        }
    }

    /// Acknowledges once it is known that the array is still ours. If it is not, what is in flight is refused.
    fn acknowledge_later(self: &Rc<Self>) {
        if self.awaits_right.replace(true) {
            return;
        }
        let lun = Rc::clone(self);
        let task = async move {
            let permit = lun.engine.catalog.standing().permit().await;
            lun.awaits_right.set(false);
            let give_up = {
                let mut host = lun.host.borrow_mut();
                host.broken |= permit.is_err() && !host.in_flight.is_empty();
                host.broken && host.has_settled()
            };
            if permit.is_ok() {
                lun.acknowledge();
            } else if give_up {
                lun.spawn_switch();
            }
            lun.pump();
            lun.changed.notify();
        };
        self.engine.world.spawn.spawn("acknowledge", Box::pin(task));
    }

    /// Takes back what was issued and not acknowledged, in order, in front of the queue. All of it has settled.
    pub(super) fn requeue(host: &mut Host) {
        let mut again: Vec<Submission> = Vec::new();
        for batch in host.in_flight.drain(..) {
            assert!(batch.outcome.is_some(), "only settled batches are issued again");
            again.extend(batch.submissions);
        }
        host.queue.put_back(again);
        host.next_sequence = Sequence(host.acked.0 + 1);
        host.previous_checksum = 0;
    }

    /// Fails everything queued; used when no segment can be opened and none will be.
    pub(super) fn fail_queue(self: &Rc<Self>, error: &LunIoError) {
        // Whatever else came to pass: a LUN that was deleted meanwhile is gone.
        let is_gone = self.readiness() == Readiness::Gone;
        let error = if is_gone { &LunIoError::Gone } else { error };
        let queue = self.host.borrow_mut().queue.take_all();
        for submission in queue {
            self.unpin(&submission.pins);
            submission.answer.answer(Err(error.clone()));
        }
    }
}

/// Writes the buffers of a batch on all columns of its segment. An error of any column is an error.
pub(super) async fn write_columns(
    segment: &Rc<Segment>,
    row: u32,
    columns: Vec<Option<Arc<Buffer>>>,
) -> Result<(), DiskError> {
    let mut writes: Vec<LocalFuture<Result<(), DiskError>>> = Vec::new();
    for (index, column) in segment.columns.iter().enumerate() {
        let segment = Rc::clone(segment);
        match &columns[usize::from(column.record.data_column)] {
            Some(data) => {
                let data = Arc::clone(data);
                writes.push(Box::pin(async move { segment.columns[index].write(row, data).await }));
            }
            // A data column that this batch does not reach holds only padding there.
            None if row > 0 => {}
            None => {
                writes.push(Box::pin(async move { segment.columns[index].write_label().await }));
            }
        }
    }
    join_all(writes).await.into_iter().collect()
}

/// The same for work behind the host's back: in small pieces, one after the other on each drive, so that a write of the host
/// never waits long for it.
pub(super) async fn write_columns_gently(
    segment: &Rc<Segment>,
    row: u32,
    columns: Vec<Option<Arc<Buffer>>>,
) -> Result<(), DiskError> {
    let mut by_drive: BTreeMap<DriveNo, Vec<(usize, Arc<Buffer>)>> = BTreeMap::new();
    for (index, column) in segment.columns.iter().enumerate() {
        match &columns[usize::from(column.record.data_column)] {
            Some(data) => {
                by_drive.entry(column.record.drive).or_default().push((index, Arc::clone(data)));
            }
            None if row > 0 => {}
            None => column.write_label().await?,
        }
    }
    let writes = by_drive.into_values().map(|columns| {
        let segment = Rc::clone(segment);
        let write: LocalFuture<Result<(), DiskError>> = Box::pin(async move {
            for (index, data) in columns {
                let mut row = row;
                let piece_bytes = gentle_blocks(&segment.columns[index]) * BLOCK_BYTES;
                for piece in data.bytes().chunks(piece_bytes) {
                    let piece = Buffer::copy_of(piece);
                    let rows = u32::try_from(piece.blocks()).expect("a piece is small");
                    segment.columns[index].write(row, Arc::new(piece)).await?;
                    row += rows;
                }
            }
            Ok(())
        });
        write
    });
    join_all(writes.collect()).await.into_iter().collect()
}

/// Puts a batch together.
pub(super) struct BatchBuilder {
    segment: Rc<Segment>,
    stream: Stream,
    row: u32,
    rows: u32,
    columns: Vec<Option<Buffer>>,
    positions: Box<dyn Iterator<Item = (u32, u32)>>,
    entries: Vec<BatchEntry>,
    changes: Vec<Change>,
}

/// What a header says beyond its batch's content.
pub(super) struct HeaderParts {
    pub(super) array: vds_model::SubsystemId,
    pub(super) sequence: Sequence,
    pub(super) durable_through: Sequence,
    pub(super) previous_checksum: u32,
}

impl BatchBuilder {
    pub(super) fn new(segment: &Rc<Segment>, stream: Stream, row: u32, rows: u32) -> Self {
        let positions =
            vds_format::batch_positions(row, rows, segment.data_columns, segment.doubled);
        Self {
            segment: Rc::clone(segment),
            stream,
            row,
            rows,
            columns: (0..segment.data_columns).map(|_| None).collect(),
            positions: Box::new(positions),
            entries: Vec::new(),
            changes: Vec::new(),
        }
    }

    pub(super) fn data(&mut self, lun_block: u64, block: &[u8]) {
        let checksum = data_checksum(block, lun_block);
        let (column, row) = self.positions.next().expect("the rows were counted for the data");
        self.block_mut(column, row).copy_from_slice(block);
        self.entries.push(BatchEntry::Data { lun_block, checksum });
        let place = Place::new(self.segment.number, column, row, self.segment.rows);
        self.changes.push(Change::Map { lun_block, entry: MapEntry { place, checksum } });
    }

    pub(super) fn unmap(&mut self, lun_block: u64, blocks: u32) {
        self.entries.push(BatchEntry::Unmap { lun_block, blocks });
        self.changes.push(Change::Unmap { lun_block, blocks });
    }

    /// The buffers by data column, what the batch does to the map, and its header's checksum.
    pub(super) fn finish(
        mut self,
        parts: &HeaderParts,
    ) -> (Vec<Option<Arc<Buffer>>>, Vec<Change>, u32) {
        let segment = Rc::clone(&self.segment);
        let header = BatchHeader {
            place: Place::new(segment.number, 0, self.row, segment.rows),
            sequence: parts.sequence,
            durable_through: parts.durable_through,
            previous_checksum: parts.previous_checksum,
            lun: segment.lun,
            epoch: segment.epoch,
            row: self.row,
            rows: self.rows,
            stream: self.stream,
            data_columns: segment.data_columns,
            entries: std::mem::take(&mut self.entries),
        };
        let row = self.row;
        let checksum = header.encode(parts.array, self.block_mut(0, row));
        if segment.doubled {
            let (column, second) = if segment.data_columns == 1 { (0, row + 1) } else { (1, row) };
            header.encode(parts.array, self.block_mut(column, second));
        }
        let columns = self.columns.into_iter().map(|column| column.map(Arc::new)).collect();
        (columns, self.changes, checksum)
    }

    fn block_mut(&mut self, column: u32, row: u32) -> &mut [u8] {
        let rows = self.rows as usize;
        let buffer = self.columns[column as usize].get_or_insert_with(|| Buffer::zeroed(rows));
        buffer.block_mut((row - self.row) as usize)
    }
}
