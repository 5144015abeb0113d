//! Walking a segment batch by batch, from whichever copies are there.

use std::rc::Rc;

use vds_format::{
    BatchEntry, BatchHeader, DriveNo, Place, SegmentState, batch_positions, data_checksum,
};

use super::stride::Stride;
use super::window::ColumnReader;
use super::{Lun, Segment};
use crate::engine::DamagedThing;

/// A segment being walked.
pub(super) struct Scanner {
    lun: Rc<Lun>,
    pub(super) segment: Rc<Segment>,
    /// By column of the segment.
    readers: Vec<ColumnReader>,
    /// The columns that hold a data column, the one to read first at the front; by data column.
    order: Vec<Vec<usize>>,
    copies: Copies,
    /// Only this data column is looked at, and what holds headers.
    only: Option<u32>,
    /// Damage is told; off where half-written batches are expected.
    reports: bool,
    /// Where [`Scanner::next_batch`] goes on.
    row: u32,
    end_row: u32,
}

/// How much is read of what stands there more than once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Copies {
    All,
    /// The first that is right.
    One,
}

/// A batch as it was found.
pub(super) struct Found {
    pub(super) header: BatchHeader,
    /// Each data block in order; `None` where no copy verifies.
    pub(super) blocks: Vec<FoundBlock>,
    /// Every live column holds header and data as it should.
    pub(super) complete: bool,
    /// Where a copy of the header is wrong: drive and block.
    pub(super) wrong_headers: Vec<(DriveNo, u64)>,
}

/// A data block of a batch.
pub(super) struct FoundBlock {
    pub(super) lun_block: u64,
    pub(super) checksum: u32,
    pub(super) place: Place,
    /// The bytes, if some copy verifies.
    pub(super) data: Option<Vec<u8>>,
    /// Where a copy is wrong: drive and block.
    pub(super) wrong: Vec<(DriveNo, u64)>,
}

impl Found {
    /// Whether every block can be read.
    pub(super) fn is_verified(&self) -> bool {
        self.blocks.iter().all(|block| block.data.is_some())
    }
}

impl Lun {
    /// The row behind the last that counts: of a segment that is not sealed, all may.
    pub(super) fn end_row(&self, segment: &Segment) -> u32 {
        let state = self.engine.catalog.state();
        let record = state.segments.get(&segment.number);
        let sealed = record.filter(|it| it.state == SegmentState::Sealed);
        sealed.map_or(segment.rows, |record| record.rows.min(segment.rows))
    }
}

impl Scanner {
    /// Reads every copy of every block, in small pieces.
    pub(super) fn new(lun: &Rc<Lun>, segment: &Rc<Segment>, reports: bool) -> Self {
        Self::with(lun, segment, Copies::All, reports)
    }

    /// Reads one copy, and another only where that one is wrong: [`Found::complete`] and [`FoundBlock::wrong`] tell only of
    /// what was read.
    pub(super) fn one_copy(lun: &Rc<Lun>, segment: &Rc<Segment>, reports: bool) -> Self {
        Self::with(lun, segment, Copies::One, reports)
    }

    /// Reads one copy of one data column, giving way to others. Blocks of other data columns are left out.
    pub(super) fn of_column(
        lun: &Rc<Lun>,
        segment: &Rc<Segment>,
        data_column: u8,
        stride: &Rc<Stride>,
    ) -> Self {
        let mut scanner = Self::with(lun, segment, Copies::One, true).with_stride(stride);
        scanner.only = Some(data_column.into());
        scanner
    }

    fn with(lun: &Rc<Lun>, segment: &Rc<Segment>, copies: Copies, reports: bool) -> Self {
        let end_row = lun.end_row(segment);
        let columns = segment.columns.len();
        let spawn = &lun.engine.world.spawn;
        let reader = |index| ColumnReader::new(spawn, segment, index, end_row);
        let readers = (0..columns).map(reader).collect();
        let order = (0..u32::from(segment.data_columns)).map(|column| segment.order_of(column));
        Self {
            lun: Rc::clone(lun),
            segment: Rc::clone(segment),
            readers,
            order: order.collect(),
            copies,
            only: None,
            reports,
            row: 0,
            end_row,
        }
    }

    /// The same, reading large pieces, and ahead.
    pub(super) fn ahead(mut self) -> Self {
        let all = self.copies == Copies::All;
        let columns = if all { self.readers.len() } else { self.segment.data_columns.into() };
        self.readers = self.readers.into_iter().map(|reader| reader.ahead(columns)).collect();
        self
    }

    /// The same, reading ahead, but giving way to others.
    pub(super) fn with_stride(self, stride: &Rc<Stride>) -> Self {
        let mut scanner = self.ahead();
        let readers = scanner.readers.into_iter();
        scanner.readers = readers.map(|reader| reader.with_stride(stride)).collect();
        scanner
    }

    /// The same, of rows `first..end` only, for [`Scanner::next_batch`].
    pub(super) fn between(mut self, first: u32, end: u32) -> Self {
        (self.row, self.end_row) = (first, end);
        self
    }

    /// The row behind the last that counts.
    pub(super) fn end_row(&self) -> u32 {
        self.end_row
    }

    /// Lets what stands at `row` come, before it is asked for.
    pub(super) fn begin(&mut self, row: u32) {
        for (data_column, order) in (0..).zip(&self.order) {
            let holds_headers = data_column == 0;
            if self.only.is_some_and(|only| only != data_column) && !holds_headers {
                continue;
            }
            let live = order.iter().filter(|index| self.segment.columns[**index].live().is_some());
            let wanted = if self.copies == Copies::One { 1 } else { usize::MAX };
            live.take(wanted).for_each(|index| self.readers[*index].begin(row));
        }
    }

    /// Whether everything up to the end is here or on its way.
    pub(super) fn is_all_asked_for(&self) -> bool {
        let mut begun = self.readers.iter().filter(|reader| reader.is_begun()).peekable();
        begun.peek().is_some() && begun.all(ColumnReader::is_all_asked_for)
    }

    /// The next batch in the order of rows; what is no batch is passed over. `None`: there is none up to the end.
    pub(super) async fn next_batch(&mut self) -> Option<Found> {
        while self.row < self.end_row {
            if let Some(found) = self.batch_at(self.row).await {
                self.row += found.header.rows;
                return Some(found);
            }
            self.row += 1;
        }
        None
    }

    /// The batch that begins at `row`, if a valid header of this segment stands there.
    pub(super) async fn batch_at(&mut self, row: u32) -> Option<Found> {
        self.begin(row);
        let (header, wrong_headers) = self.header_at(row).await?;
        let mut complete = wrong_headers.is_empty();
        let mut positions =
            batch_positions(row, header.rows, self.segment.data_columns, self.segment.doubled);
        let mut blocks = Vec::new();
        for entry in &header.entries {
            let BatchEntry::Data { lun_block, checksum } = *entry else { continue };
            let (column, row) = positions.next()?;
            if self.only.is_some_and(|only| only != column) {
                continue;
            }
            let (data, wrong) = self.data_at(column, row, lun_block, checksum).await;
            complete &= wrong.is_empty();
            let place = Place::new(self.segment.number, column, row, self.segment.rows);
            blocks.push(FoundBlock { lun_block, checksum, place, data, wrong });
        }
        Some(Found { header, blocks, complete, wrong_headers })
    }

    /// A row of a data column as it stands there, from the first copy that can be read.
    pub(super) async fn raw_row(&mut self, data_column: u32, row: u32) -> Option<&[u8]> {
        let mut found = None;
        for at in 0..self.order[data_column as usize].len() {
            let index = self.order[data_column as usize][at];
            if self.readers[index].row(row).await.is_some() {
                found = Some(index);
                break;
            }
        }
        self.readers[found?].row(row).await
    }

    /// The header at `row` from any copy, and which live copies that were read do not have it.
    pub(super) async fn header_at(
        &mut self,
        row: u32,
    ) -> Option<(BatchHeader, Vec<(DriveNo, u64)>)> {
        let segment = Rc::clone(&self.segment);
        let mut places = vec![(0, row)];
        if segment.doubled {
            places.push(if segment.data_columns == 1 { (0, row + 1) } else { (1, row) });
        }
        let here = Place::new(segment.number, 0, row, segment.rows);
        let first_row = row;
        let mut found = None;
        let mut wrong = Vec::new();
        'places: for (column, row) in places.into_iter().filter(|(_, row)| *row < segment.rows) {
            for at in 0..self.order[column].len() {
                let index = self.order[column][at];
                let live = &segment.columns[index];
                let Some(drive) = live.live() else { continue };
                let array = self.lun.engine.array;
                let read = self.readers[index].row(row).await;
                let read = read.and_then(|block| BatchHeader::decode(block, array, here).ok());
                match read.map(|it| it.0).filter(|header| self.is_ours(header, first_row)) {
                    Some(header) => found = found.or(Some(header)),
                    None => wrong.push((drive.number, live.block(drive, row))),
                }
                if found.is_some() && self.copies == Copies::One {
                    break 'places;
                }
            }
        }
        let header = found?;
        if self.reports {
            let what = DamagedThing::BatchHeader { lun: self.lun.number };
            for (drive, block) in &wrong {
                self.lun.engine.report(*drive, *block, what, true);
            }
        }
        Some((header, wrong))
    }

    fn is_ours(&self, header: &BatchHeader, row: u32) -> bool {
        header.lun == self.lun.number
            && header.epoch == self.segment.epoch
            && header.stream == self.segment.stream
            && header.data_columns == self.segment.data_columns
            && header.row == row
            && header.rows <= self.segment.rows - row
    }

    /// A data block from any copy, and which live copies that were read do not have it.
    async fn data_at(
        &mut self,
        column: u32,
        row: u32,
        lun_block: u64,
        checksum: u32,
    ) -> (Option<Vec<u8>>, Vec<(DriveNo, u64)>) {
        let segment = Rc::clone(&self.segment);
        let mut data = None;
        let mut wrong = Vec::new();
        for at in 0..self.order[column as usize].len() {
            let index = self.order[column as usize][at];
            let live = &segment.columns[index];
            let Some(drive) = live.live() else { continue };
            let block = self.readers[index].row(row).await;
            match block.filter(|block| data_checksum(block, lun_block) == checksum) {
                Some(block) => data = data.or_else(|| Some(block.to_vec())),
                None => wrong.push((drive.number, live.block(drive, row))),
            }
            if data.is_some() && self.copies == Copies::One {
                break;
            }
        }
        if self.reports {
            let what = DamagedThing::Data { lun: self.lun.number, lun_block };
            for (drive, block) in &wrong {
                self.lun.engine.report(*drive, *block, what, data.is_some());
            }
        }
        (data, wrong)
    }
}
