//! Walking a segment batch by batch, from whichever copies are there.

use std::rc::Rc;

use vds_format::{BatchEntry, BatchHeader, DriveNo, Place, batch_positions, data_checksum};
use vds_io::Buffer;

use super::{Lun, Segment};
use crate::engine::DamagedThing;

/// Rows read ahead of a column.
const WINDOW_ROWS: u32 = 64;

/// A segment being walked.
pub(super) struct Scanner {
    lun: Rc<Lun>,
    pub(super) segment: Rc<Segment>,
    /// By column of the segment.
    windows: Vec<Option<Window>>,
    /// Damage is told; off where half-written batches are expected.
    reports: bool,
}

struct Window {
    first: u32,
    /// `None`: the column could not be read there.
    rows: Option<Buffer>,
    count: u32,
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

impl Scanner {
    pub(super) fn new(lun: &Rc<Lun>, segment: &Rc<Segment>, reports: bool) -> Self {
        let windows = segment.columns.iter().map(|_| None).collect();
        Self { lun: Rc::clone(lun), segment: Rc::clone(segment), windows, reports }
    }

    /// The batch that begins at `row`, if a valid header of this segment stands there.
    pub(super) async fn batch_at(&mut self, row: u32) -> Option<Found> {
        let (header, wrong_headers) = self.header_at(row).await?;
        let mut complete = wrong_headers.is_empty();
        let mut positions =
            batch_positions(row, header.rows, self.segment.data_columns, self.segment.doubled);
        let mut blocks = Vec::new();
        for entry in &header.entries {
            let BatchEntry::Data { lun_block, checksum } = *entry else { continue };
            let (column, row) = positions.next()?;
            let (data, wrong) = self.data_at(column, row, lun_block, checksum).await;
            complete &= wrong.is_empty();
            let place = Place::new(self.segment.number, column, row, self.segment.rows);
            blocks.push(FoundBlock { lun_block, checksum, place, data, wrong });
        }
        Some(Found { header, blocks, complete, wrong_headers })
    }

    /// The header at `row` from any copy, and which live copies do not have it.
    async fn header_at(&mut self, row: u32) -> Option<(BatchHeader, Vec<(DriveNo, u64)>)> {
        let segment = Rc::clone(&self.segment);
        let mut places = vec![(0, row)];
        if segment.doubled {
            places.push(if segment.data_columns == 1 { (0, row + 1) } else { (1, row) });
        }
        let here = Place::new(segment.number, 0, row, segment.rows);
        let first_row = row;
        let mut found = None;
        let mut wrong = Vec::new();
        for (column, row) in places.into_iter().filter(|(_, row)| *row < segment.rows) {
            for (index, live) in segment.columns.iter().enumerate() {
                if u32::from(live.record.data_column) != column {
                    continue;
                }
                let Some(drive) = live.live() else { continue };
                let array = self.lun.engine.array;
                let read = self.block(index, row).await;
                let read = read.and_then(|block| BatchHeader::decode(block, array, here).ok());
                match read.map(|it| it.0).filter(|header| self.is_ours(header, first_row)) {
                    Some(header) => found = found.or(Some(header)),
                    None => wrong.push((drive.number, live.block(drive, row))),
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

    /// A data block from any copy, and which live copies do not have it.
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
        for (index, live) in segment.columns.iter().enumerate() {
            if u32::from(live.record.data_column) != column {
                continue;
            }
            let Some(drive) = live.live() else { continue };
            let block = self.block(index, row).await;
            match block.filter(|block| data_checksum(block, lun_block) == checksum) {
                Some(block) => data = data.or_else(|| Some(block.to_vec())),
                None => wrong.push((drive.number, live.block(drive, row))),
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

    /// One block of one column, through its window.
    async fn block(&mut self, index: usize, row: u32) -> Option<&[u8]> {
        let inside = |window: &Window| row >= window.first && row - window.first < window.count;
        if !self.windows[index].as_ref().is_some_and(inside) {
            let count = WINDOW_ROWS.min(self.segment.rows - row);
            let column = &self.segment.columns[index];
            let window = match column.read(row, count).await {
                Ok(rows) => Window { first: row, rows: Some(rows), count },
                // One bad sector must not hide its neighbours.
                Err(_) => Window { first: row, rows: column.read(row, 1).await.ok(), count: 1 },
            };
            self.windows[index] = Some(window);
        }
        let window = self.windows[index].as_ref()?;
        let at = usize::try_from(row - window.first).expect("64-bit");
        window.rows.as_ref().map(|rows| rows.block(at))
    }
}
