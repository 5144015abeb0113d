//! A segment in use: its columns on live drives, and the slabs it gives back when nobody reads it any more.

use std::cell::Cell;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use vds_format::{
    BLOCK_BYTES, Column, ColumnState, DriveNo, Label, LunNo, SegmentNo, SegmentRecord,
    SegmentState, SlabNo, Stream,
};
use vds_io::{Buffer, DiskError, DiskErrorKind, LocalFuture, join_all};

use super::stride::PIECE_BLOCKS;
use crate::drive::Drive;
use crate::engine::Engine;

/// A segment. Whoever reads or writes it holds it, and with it its slabs.
pub(crate) struct Segment {
    pub(crate) number: SegmentNo,
    pub(crate) lun: LunNo,
    pub(crate) stream: Stream,
    pub(crate) data_columns: u8,
    pub(crate) doubled: bool,
    pub(crate) epoch: u32,
    /// Rows of a slab.
    pub(crate) rows: u32,
    pub(crate) columns: Vec<LiveColumn>,
    /// As the catalog has it.
    pub(crate) state: Cell<SegmentState>,
}

/// A column and, if it was open when this was made, its drive.
pub(crate) struct LiveColumn {
    pub(crate) record: Column,
    pub(crate) drive: Option<Rc<Drive>>,
    slab: Rc<HeldSlab>,
    /// The label, until it is written.
    owed: Cell<Option<Label>>,
}

/// A segment of moves or of the map that takes no more.
#[derive(Clone)]
pub(super) struct Filled {
    pub(super) segment: Rc<Segment>,
    /// Rows that were written to, from the first on.
    pub(super) rows: u32,
}

/// A slab in use. When a segment's columns are looked up anew, those who still read the old form hold the same slabs: the last
/// to let go gives back a slab that the catalog no longer names.
struct HeldSlab {
    lun: LunNo,
    drive: DriveNo,
    slab: SlabNo,
    /// The catalog no longer names it.
    retired: Cell<bool>,
    engine: Weak<Engine>,
}

impl Drop for HeldSlab {
    fn drop(&mut self) {
        if self.retired.get()
            && let Some(engine) = self.engine.upgrade()
        {
            engine.release(self.lun, vec![(self.drive, self.slab)]);
        }
    }
}

impl LiveColumn {
    /// The drive, if the column can be read and written.
    pub(crate) fn live(&self) -> Option<&Rc<Drive>> {
        self.drive
            .as_ref()
            .filter(|drive| self.record.state == ColumnState::Current && drive.lost().is_none())
    }

    /// The block on the drive where a row lies.
    pub(crate) fn block(&self, drive: &Drive, row: u32) -> u64 {
        drive.slab_block(self.record.slab) + 1 + u64::from(row)
    }

    /// Reads rows.
    pub(crate) async fn read(&self, row: u32, count: u32) -> Result<Buffer, DiskError> {
        self.read_from_label(row + 1, count).await
    }

    /// Reads blocks of the slab: block 0 is the label, block 1 the first row.
    pub(crate) async fn read_from_label(
        &self,
        block: u32,
        count: u32,
    ) -> Result<Buffer, DiskError> {
        let drive = self.live().ok_or_else(missing)?;
        let first = drive.slab_block(self.record.slab) + u64::from(block);
        drive.read(first, count as usize).await
    }

    /// The slab's label is still to be written, with the first row.
    pub(super) fn owe_label(&self, label: Label) {
        self.owed.set(Some(label));
    }

    /// The block of the label, if it is owed.
    fn take_label(&self, drive: &Drive) -> Option<[u8; BLOCK_BYTES]> {
        let engine = self.slab.engine.upgrade()?;
        let label = self.owed.take()?;
        Some(label.encode(engine.array, drive.slab_block(self.record.slab)))
    }

    /// Writes rows, the first with the label if it is owed: in one write, since a disk that turns would seek between two.
    pub(crate) async fn write(&self, row: u32, data: Arc<Buffer>) -> Result<(), DiskError> {
        let drive = self.live().ok_or_else(missing)?;
        let label = if row == 0 { self.take_label(drive) } else { None };
        let Some(label) = label else {
            return drive.write(self.block(drive, row), data).await;
        };
        let mut both = Buffer::zeroed(1 + data.blocks());
        both.block_mut(0).copy_from_slice(&label);
        both.bytes_mut()[BLOCK_BYTES..].copy_from_slice(data.bytes());
        drive.write(drive.slab_block(self.record.slab), Arc::new(both)).await
    }

    /// Whether the other column follows this one on a drive that turns: writing on to the end of this slab costs less than
    /// the seek to the next.
    fn leads_to(&self, next: &Self) -> bool {
        let (here, there) = (&self.record, &next.record);
        here.drive == there.drive
            && here.slab.0 + 1 == there.slab.0
            && self.live().is_some_and(|drive| drive.rotates())
    }

    /// Writes the label if it is owed: of a column that the first batch does not reach.
    pub(super) async fn write_label(&self) -> Result<(), DiskError> {
        let drive = self.live().ok_or_else(missing)?;
        let Some(label) = self.take_label(drive) else { return Ok(()) };
        drive.write(drive.slab_block(self.record.slab), Arc::new(Buffer::copy_of(&label))).await
    }
}

fn missing() -> DiskError {
    DiskError::new(DiskErrorKind::Gone, "the column's drive is not there")
}

impl Segment {
    /// Takes a segment into use as the catalog has it; `before` is the form in which it was in use until now.
    pub(crate) fn new(
        engine: &Rc<Engine>,
        record: &SegmentRecord,
        before: Option<&Self>,
    ) -> Rc<Self> {
        let drives = engine.drives.borrow();
        let held = |column: &Column| {
            let mut columns = before.into_iter().flat_map(|before| &before.columns);
            let same =
                columns.find(|it| (it.record.drive, it.record.slab) == (column.drive, column.slab));
            match same {
                Some(same) => Rc::clone(&same.slab),
                None => Rc::new(HeldSlab {
                    lun: record.lun,
                    drive: column.drive,
                    slab: column.slab,
                    retired: Cell::new(false),
                    engine: Rc::downgrade(engine),
                }),
            }
        };
        let columns = record.columns.iter().map(|column| LiveColumn {
            record: *column,
            drive: drives.get(&column.drive).cloned(),
            slab: held(column),
            owed: Cell::new(None),
        });
        let shift = engine.catalog.state().array.slab_shift;
        Rc::new(Self {
            number: record.number,
            lun: record.lun,
            stream: record.stream,
            data_columns: record.data_columns,
            doubled: record.doubled,
            epoch: record.epoch,
            rows: (1 << (shift - 12)) - 1,
            columns: columns.collect(),
            state: Cell::new(record.state),
        })
    }

    /// The copies of a data column that can be read, the least busy drive first.
    pub(crate) fn readable(&self, data_column: u32) -> Vec<&LiveColumn> {
        let mut columns: Vec<(usize, &LiveColumn)> = self
            .columns
            .iter()
            .filter(|column| u32::from(column.record.data_column) == data_column)
            .filter_map(|column| Some((column.live()?.queue_length(), column)))
            .collect();
        columns.sort_by_key(|(queue, column)| (*queue, column.record.copy));
        columns.into_iter().map(|(_, column)| column).collect()
    }

    /// The indexes of all columns that hold a data column, the live one with the least busy drive first.
    pub(crate) fn order_of(&self, data_column: u32) -> Vec<usize> {
        let here =
            |index: &usize| u32::from(self.columns[*index].record.data_column) == data_column;
        let mut order: Vec<usize> = (0..self.columns.len()).filter(here).collect();
        order.sort_by_key(|index| {
            let column = &self.columns[*index];
            let queue = column.live().map_or(usize::MAX, |drive| drive.queue_length());
            (queue, column.record.copy)
        });
        order
    }

    /// Writes zeros to the rows from `row` on where `next`, which is written next, follows on a drive that turns. Nothing
    /// counts on them.
    pub(super) fn write_out_to(self: &Rc<Self>, row: u32, next: &Self) -> Option<LocalFuture<()>> {
        let rows = self.rows - row;
        if rows == 0 || rows > PIECE_BLOCKS {
            return None;
        }
        let pairs = self.columns.iter().zip(&next.columns).enumerate();
        let indexes: Vec<usize> =
            pairs.filter(|(_, (here, there))| here.leads_to(there)).map(|it| it.0).collect();
        if indexes.is_empty() {
            return None;
        }
        let zeros = Arc::new(Buffer::zeroed(rows as usize));
        let writes = indexes.into_iter().map(|index| {
            let (segment, zeros) = (Rc::clone(self), Arc::clone(&zeros));
            let write: LocalFuture<()> = Box::pin(async move {
                if let Err(error) = segment.columns[index].write(row, zeros).await {
                    tracing::debug!(segment = %segment.number, %error, "the end of a slab was not written");
                }
            });
            write
        });
        let writes = join_all(writes.collect());
        Some(Box::pin(async move { drop(writes.await) }))
    }

    /// Whether some copy of each data column can be read.
    pub(crate) fn is_whole(&self) -> bool {
        (0..u32::from(self.data_columns)).all(|column| !self.readable(column).is_empty())
    }

    /// Whether a column lies on a drive that turns.
    pub(super) fn rotates(&self) -> bool {
        self.columns.iter().filter_map(LiveColumn::live).any(|drive| drive.rotates())
    }

    /// Whether a column lies on `drive`.
    pub(crate) fn uses(&self, drive: DriveNo) -> bool {
        self.columns.iter().any(|column| column.record.drive == drive)
    }

    /// The catalog no longer names this segment: all slabs are free once nobody reads them.
    pub(crate) fn retire(&self) {
        self.columns.iter().for_each(|column| column.slab.retired.set(true));
    }

    /// For a planted bug: others may write to the slabs at once.
    #[cfg(test)]
    pub(crate) fn give_away(&self) {
        for column in &self.columns {
            if let Some(drive) = column.live() {
                let garbage = vds_io::Buffer::copy_of(&vec![0xA5; 200 * vds_format::BLOCK_BYTES]);
                let drive = Rc::clone(drive);
                let block = drive.slab_block(column.record.slab);
                let Some(engine) = column.slab.engine.upgrade() else { continue };
                let write = async move {
                    // Whoever got the slab writes to it.
                    let _ = drive.write(block, Arc::new(garbage)).await;
                };
                engine.world.spawn.spawn("new owner", Box::pin(write));
            }
        }
    }

    /// The catalog names this segment with other columns now; slabs that it no longer names are free once nobody reads
    /// them here.
    pub(crate) fn retire_columns_not_in(&self, record: &SegmentRecord) {
        let is_kept = |mine: &&LiveColumn| {
            let slab = (mine.record.drive, mine.record.slab);
            record.columns.iter().any(|column| (column.drive, column.slab) == slab)
        };
        let left = self.columns.iter().filter(|column| !is_kept(column));
        left.for_each(|column| column.slab.retired.set(true));
    }
}
