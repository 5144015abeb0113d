//! One column of a segment made anew on another drive: verified at its source, written in large pieces.
//!
//! ```text
//!   Scanner or pages ──row by row──► Sink ──pieces of 1 MiB──► Writes (some in flight, over all columns of a walk)
//! ```
//! A piece is written whole, zeros where nothing stands: so the pieces of slabs that lie one behind the other follow
//! each other without a gap.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use vds_format::{BLOCK_BYTES, Column, MapEntry, MapPage, Place, SegmentRecord, Stream};
use vds_io::{Buffer, Spawn};

use super::map::leaf_of;
use super::scan::{Found, Scanner};
use super::stride::{PIECE_BLOCKS, SHARED_PIECE_BLOCKS, Stride};
use super::window::ColumnReader;
use super::{Lun, Segment};
use crate::drive::Drive;
use crate::signal::Signal;

/// The writes of a walk that are on their way, over all its columns.
pub(super) struct Writes {
    spawn: Rc<dyn Spawn>,
    stride: Rc<Stride>,
    in_flight: Cell<usize>,
    changed: Signal,
}

impl Writes {
    pub(super) fn new(spawn: &Rc<dyn Spawn>, stride: &Rc<Stride>) -> Rc<Self> {
        Rc::new(Self {
            spawn: Rc::clone(spawn),
            stride: Rc::clone(stride),
            in_flight: Cell::new(0),
            changed: Signal::default(),
        })
    }
}

/// A column being made.
pub(super) struct Copying {
    pub(super) segment: Rc<Segment>,
    pub(super) column: Column,
    pub(super) drive: Rc<Drive>,
    source: Source,
    rows: u32,
    /// The columns it can be read from, as they were at its beginning.
    sources: Vec<usize>,
    /// Something was read from no copy, or was right on none.
    has_holes: bool,
    /// Blocks of which no copy was right.
    wrong: Vec<(u64, MapEntry)>,
    sink: Sink,
}

enum Source {
    Batches(Box<Scanner>),
    /// Of a map segment: copies in the order they are asked.
    Pages(Vec<ColumnReader>),
}

impl Copying {
    /// Gets ready to make `column` of a segment.
    pub(super) fn new(
        lun: &Rc<Lun>,
        segment: &Rc<Segment>,
        record: &SegmentRecord,
        (column, drive): (Column, Rc<Drive>),
        writes: &Rc<Writes>,
    ) -> Self {
        let mut sink = Sink::new(&drive, column, writes);
        let source = if segment.stream == Stream::Map {
            let spawn = &lun.engine.world.spawn;
            let order = segment.order_of(0);
            let reader = |index: &usize| {
                ColumnReader::new(spawn, segment, *index, lun.end_row(segment))
                    .ahead(1)
                    .with_stride(&writes.stride)
            };
            Source::Pages(order.iter().map(reader).collect())
        } else {
            let stride = &writes.stride;
            Source::Batches(Box::new(Scanner::of_column(lun, segment, column.data_column, stride)))
        };
        let rows = match &source {
            Source::Batches(scanner) => scanner.end_row(),
            Source::Pages(_) => lun.end_row(segment),
        };
        let label = lun.label(record, &column, &drive);
        sink.label(&label.encode(lun.engine.array, drive.slab_block(column.slab)));
        let sources = live_sources(segment, column.data_column);
        let drives = sources.iter().filter_map(|index| segment.columns[*index].drive.clone());
        writes.stride.watch(drives.chain([Rc::clone(&drive)]).collect());
        let segment = Rc::clone(segment);
        let wrong = Vec::new();
        Self { segment, column, drive, source, rows, sources, has_holes: false, wrong, sink }
    }

    /// Lets the first rows come, before they are asked for.
    pub(super) fn begin(&mut self) {
        match &mut self.source {
            Source::Batches(scanner) => scanner.begin(0),
            Source::Pages(readers) => {
                if let Some(reader) = readers.first_mut() {
                    reader.begin(0);
                }
            }
        }
    }

    /// Copies from `row` on until the next column may begin to be read; the row to go on with, `None` at the end.
    pub(super) async fn advance(&mut self, lun: &Lun, mut row: u32) -> Option<u32> {
        while row < self.rows && !self.sink.has_failed() {
            row = match &mut self.source {
                Source::Batches(_) => self.copy_batch(lun, row).await,
                Source::Pages(_) => self.copy_page(lun, row).await,
            };
            if self.is_all_asked_for() && row < self.rows {
                return Some(row);
            }
        }
        self.sink.finish().await;
        None
    }

    fn is_all_asked_for(&self) -> bool {
        match &self.source {
            Source::Batches(scanner) => scanner.is_all_asked_for(),
            Source::Pages(readers) => {
                readers.first().is_none_or(|reader| reader.is_begun() && reader.is_all_asked_for())
            }
        }
    }

    async fn copy_batch(&mut self, lun: &Lun, row: u32) -> u32 {
        let Source::Batches(scanner) = &mut self.source else { unreachable!("the caller looked") };
        let Some(found) = scanner.batch_at(row).await else {
            // No header that any copy holds: whatever stands there is taken over as it is.
            match scanner.raw_row(self.column.data_column.into(), row).await {
                Some(bytes) => {
                    let bytes = bytes.to_vec();
                    self.sink.put(row, &bytes).await;
                }
                None => self.has_holes = true,
            }
            return row + 1;
        };
        self.has_holes |= !found.is_verified();
        self.put_batch(lun, &found).await;
        row + found.header.rows
    }

    /// The rows of a batch in this data column, put together from what was verified.
    async fn put_batch(&mut self, lun: &Lun, found: &Found) {
        let (header, segment) = (&found.header, Rc::clone(&self.segment));
        let second = if segment.data_columns == 1 { (0, header.row + 1) } else { (1, header.row) };
        let mut block = vec![0; BLOCK_BYTES];
        header.encode(lun.engine.array, &mut block);
        if self.column.data_column == 0 {
            self.sink.put(header.row, &block).await;
        }
        if segment.doubled && second.0 == self.column.data_column {
            self.sink.put(second.1, &block).await;
        }
        for data in &found.blocks {
            let (_, row) = data.place.column_and_row(segment.rows);
            if let Some(bytes) = &data.data {
                self.sink.put(row, bytes).await;
            } else {
                let entry = MapEntry { place: data.place, checksum: data.checksum };
                self.wrong.push((data.lun_block, entry));
            }
        }
    }

    /// A row of a map segment, from the first copy that holds a page there. One that no copy reads stays unwritten; so does
    /// one that holds no page.
    async fn copy_page(&mut self, lun: &Lun, row: u32) -> u32 {
        let Source::Pages(readers) = &mut self.source else { unreachable!("the caller looked") };
        let place = Place::new(self.segment.number, 0, row, self.segment.rows);
        let mut page = None;
        for reader in readers {
            let is_page = |block: &&[u8]| MapPage::decode(block, lun.engine.array, place).is_ok();
            if let Some(bytes) = reader.row(row).await.filter(is_page) {
                page = Some(bytes.to_vec());
                break;
            }
        }
        match page {
            Some(bytes) => self.sink.put(row, &bytes).await,
            None => self.has_holes = true,
        }
        row + 1
    }

    /// Notes the blocks that no copy holds any more, as far as they are still asked for.
    pub(super) async fn note_lost(&mut self, lun: &Rc<Lun>) {
        for (lun_block, entry) in std::mem::take(&mut self.wrong) {
            if lun.load_leaf(leaf_of(lun_block), false).await.is_ok()
                && lun.map.borrow().lookup(lun_block) == entry
            {
                lun.unreadable.borrow_mut().add_block(lun_block);
            }
        }
    }

    /// Whether all that was written has an answer.
    pub(super) fn is_written(&self) -> bool {
        self.sink.state.pending.get() == 0
    }

    /// Waits for what was written. False: some of it was not, or what was read is not all that there was.
    pub(super) async fn until_written(&self) -> bool {
        let writes = Rc::clone(&self.sink.writes);
        writes.changed.until(|| self.is_written().then_some(())).await;
        // With a source gone meanwhile a hole may be what stood there alone.
        let live = live_sources(&self.segment, self.column.data_column);
        let still_there = self.sources.iter().all(|index| live.contains(index));
        !self.sink.has_failed() && (still_there || !self.has_holes)
    }
}

/// The live columns that a copy of a data column is read from: those that hold it, and its headers.
fn live_sources(segment: &Segment, data_column: u8) -> Vec<usize> {
    let of_it = |index: &usize| {
        let column = &segment.columns[*index];
        [0, data_column].contains(&column.record.data_column) && column.live().is_some()
    };
    (0..segment.columns.len()).filter(of_it).collect()
}

/// Where the rows of a new column go.
struct Sink {
    writes: Rc<Writes>,
    drive: Rc<Drive>,
    slab_block: u64,
    slab_blocks: u32,
    piece: Option<Piece>,
    state: Rc<Written>,
}

/// Blocks of the slab put together to be written at once.
struct Piece {
    first: u32,
    blocks: Buffer,
}

#[derive(Default)]
struct Written {
    pending: Cell<usize>,
    failed: Cell<bool>,
}

impl Sink {
    fn new(drive: &Rc<Drive>, column: Column, writes: &Rc<Writes>) -> Self {
        Self {
            writes: Rc::clone(writes),
            drive: Rc::clone(drive),
            slab_block: drive.slab_block(column.slab),
            slab_blocks: drive.geometry.slab_blocks(),
            piece: None,
            state: Rc::default(),
        }
    }

    fn has_failed(&self) -> bool {
        self.state.failed.get()
    }

    fn label(&mut self, bytes: &[u8]) {
        self.piece_from(0).blocks.block_mut(0).copy_from_slice(bytes);
    }

    /// A new piece that begins at `first`.
    fn piece_from(&mut self, first: u32) -> &mut Piece {
        let count = (PIECE_BLOCKS - first % PIECE_BLOCKS).min(self.slab_blocks - first);
        self.piece.insert(Piece { first, blocks: Buffer::zeroed(count as usize) })
    }

    /// Takes a row. Rows come in order.
    async fn put(&mut self, row: u32, bytes: &[u8]) {
        let block = row + 1;
        if let Some(piece) = &self.piece {
            let at = (block - piece.first) as usize;
            if at >= piece.blocks.blocks() {
                self.finish().await;
            } else if at > 0
                && block.is_multiple_of(SHARED_PIECE_BLOCKS)
                && self.writes.stride.is_shared()
            {
                self.finish_before(block).await;
            }
        }
        if self.piece.is_none() {
            self.piece_from(block - block % SHARED_PIECE_BLOCKS);
        }
        let piece = self.piece.as_mut().expect("just made");
        piece.blocks.block_mut((block - piece.first) as usize).copy_from_slice(bytes);
    }

    /// Writes the part of the piece before `block`.
    async fn finish_before(&mut self, block: u32) {
        let Some(piece) = self.piece.take() else { return };
        let bytes = (block - piece.first) as usize * BLOCK_BYTES;
        let part = Buffer::copy_of(&piece.blocks.bytes()[..bytes]);
        self.write(Piece { first: piece.first, blocks: part }).await;
    }

    /// Writes the piece.
    async fn finish(&mut self) {
        if let Some(piece) = self.piece.take() {
            self.write(piece).await;
        }
    }

    /// Has a piece written as soon as there is room among those in flight.
    async fn write(&self, piece: Piece) {
        let writes = Rc::clone(&self.writes);
        let max = writes.stride.writes_max();
        writes.changed.until(|| (writes.in_flight.get() < max).then_some(())).await;
        writes.in_flight.set(writes.in_flight.get() + 1);
        self.state.pending.set(self.state.pending.get() + 1);
        let (drive, state) = (Rc::clone(&self.drive), Rc::clone(&self.state));
        let block = self.slab_block + u64::from(piece.first);
        let spawn = Rc::clone(&writes.spawn);
        let write = async move {
            let own = writes.stride.own(drive.number);
            let written = drive.write(block, Arc::new(piece.blocks)).await;
            drop(own);
            if let Err(error) = written {
                tracing::debug!(drive = %drive.number, %error, "copy not written");
                state.failed.set(true);
            }
            state.pending.set(state.pending.get() - 1);
            writes.in_flight.set(writes.in_flight.get() - 1);
            writes.changed.notify();
        };
        spawn.spawn("write copy", Box::pin(write));
    }
}
