//! Reading: places, one read for each run, every block verified; another copy when one is wrong.

use std::rc::Rc;

use vds_format::{BLOCK_BYTES, DecodeError, FormatError, MapEntry, MapPage, data_checksum};
use vds_io::{Buffer, LocalFuture, LunIoError, ReadData, ReadPiece, join_all};

use super::map::{Wanted, leaf_of};
use super::rebuild_map::damaged_range;
use super::{Lun, Readiness, Segment};
use crate::engine::DamagedThing;

const BLOCK: u64 = BLOCK_BYTES as u64;

/// Leaves dropped at once when the budget is used up.
const EVICT_COUNT: usize = 64;

/// Blocks that one read of one column serves.
struct Run {
    /// Where the run begins in the LUN.
    lun_block: u64,
    source: Source,
}

enum Source {
    /// Not mapped: zeros.
    Hole {
        blocks: u64,
    },
    Data {
        segment: Rc<Segment>,
        column: u32,
        row: u32,
        entries: Vec<MapEntry>,
    },
}

impl Run {
    fn blocks(&self) -> u64 {
        match &self.source {
            Source::Hole { blocks } => *blocks,
            Source::Data { entries, .. } => entries.len() as u64,
        }
    }
}

impl Lun {
    /// Reads any range of bytes.
    pub(super) async fn read_bytes(
        self: &Rc<Self>,
        offset_bytes: u64,
        len_bytes: u64,
    ) -> Result<ReadData, LunIoError> {
        if len_bytes == 0 {
            return Ok(ReadData::default());
        }
        let (first, end) = (offset_bytes / BLOCK, (offset_bytes + len_bytes).div_ceil(BLOCK));
        // What cannot be read may begin before the range: an edge of a block, or of a page of the map.
        let within = |error| match error {
            LunIoError::Medium { offset_bytes: at } => {
                LunIoError::Medium { offset_bytes: at.max(offset_bytes) }
            }
            other => other,
        };
        let data = self.read_blocks(first, end).await.map_err(within)?;
        let skip = usize::try_from(offset_bytes - first * BLOCK).expect("less than a block");
        Ok(cut(data, skip, usize::try_from(len_bytes).expect("64-bit")))
    }

    /// Reads whole blocks.
    pub(super) async fn read_blocks(
        self: &Rc<Self>,
        first: u64,
        end: u64,
    ) -> Result<ReadData, LunIoError> {
        let runs = self.plan_read(first, end).await?;
        let mut data = ReadData::default();
        if runs.len() == 1 {
            for run in runs {
                data.pieces.push(Rc::clone(self).read_run(run).await?);
            }
            return Ok(data);
        }
        let reads = runs.into_iter().map(|run| {
            let read: LocalFuture<_> = Box::pin(Rc::clone(self).read_run(run));
            read
        });
        for piece in join_all(reads.collect()).await {
            data.pieces.push(piece?);
        }
        Ok(data)
    }

    /// Looks all blocks up in one step, so that a command sees each write whole or not at all.
    async fn plan_read(self: &Rc<Self>, first: u64, end: u64) -> Result<Vec<Run>, LunIoError> {
        loop {
            let wanted = {
                let mut map = self.map.borrow_mut();
                (leaf_of(first)..=leaf_of(end - 1)).find_map(|leaf| map.want(leaf, false))
            };
            match wanted {
                None => return self.runs(first, end),
                Some(wanted) => self.load_page(wanted).await?,
            }
        }
    }

    fn runs(&self, first: u64, end: u64) -> Result<Vec<Run>, LunIoError> {
        let map = self.map.borrow();
        let mut runs: Vec<Run> = Vec::new();
        for block in first..end {
            let entry = map.lookup(block);
            if let Some(run) = runs.last_mut()
                && extend(run, entry)
            {
                continue;
            }
            if entry.place.is_lost() {
                return Err(LunIoError::Medium { offset_bytes: block * BLOCK });
            }
            let source = if entry.place.is_nowhere() {
                Source::Hole { blocks: 1 }
            } else {
                let Some(segment) = self.segment(entry.place.segment()) else {
                    assert_eq!(self.readiness(), Readiness::Gone, "a mapped segment is in use");
                    return Err(LunIoError::Gone);
                };
                let (column, row) = entry.place.column_and_row(segment.rows);
                Source::Data { segment, column, row, entries: vec![entry] }
            };
            runs.push(Run { lun_block: block, source });
        }
        Ok(runs)
    }

    async fn read_run(self: Rc<Self>, run: Run) -> Result<ReadPiece, LunIoError> {
        let length = usize::try_from(run.blocks() * BLOCK).expect("64-bit");
        let Source::Data { segment, column, row, entries } = run.source else {
            let blocks = length / BLOCK_BYTES;
            return Ok(ReadPiece {
                buffer: Rc::new(Buffer::zeroed(blocks)),
                start: 0,
                len: length,
            });
        };
        let count = u32::try_from(entries.len()).expect("bounded by the transfer limit");
        let first = segment.readable(column).first().map(|column| column.read(row, count));
        let mut buffer = match first {
            None => Buffer::zeroed(entries.len()),
            Some(read) => read.await.unwrap_or_else(|_| Buffer::zeroed(entries.len())),
        };
        for (index, entry) in entries.iter().enumerate() {
            let lun_block = run.lun_block + index as u64;
            #[cfg(test)]
            if self.engine.has(crate::engine::Plant::TrustStaleMirror) {
                continue;
            }
            if data_checksum(buffer.block(index), lun_block) == entry.checksum {
                continue;
            }
            let good = self.read_another(&segment, *entry, lun_block).await?;
            buffer.block_mut(index).copy_from_slice(good.block(0));
        }
        Ok(ReadPiece { buffer: Rc::new(buffer), start: 0, len: length })
    }

    /// One block, from whichever copy holds it. Wrong copies are reported, and the block is placed anew.
    async fn read_another(
        self: &Rc<Self>,
        segment: &Rc<Segment>,
        entry: MapEntry,
        lun_block: u64,
    ) -> Result<Buffer, LunIoError> {
        let matches = |block: &[u8]| data_checksum(block, lun_block) == entry.checksum;
        let what = DamagedThing::Data { lun: self.number, lun_block };
        let read = self.read_verified(segment, entry.place, what, matches).await;
        let Some((buffer, damaged)) = read else {
            if self.map.borrow().lookup(lun_block) == entry {
                self.unreadable.borrow_mut().add_block(lun_block);
            }
            return Err(LunIoError::Medium { offset_bytes: lun_block * BLOCK });
        };
        self.unreadable.borrow_mut().forget_blocks(lun_block, lun_block + 1);
        if damaged {
            self.ask_for_repair(lun_block);
        }
        Ok(buffer)
    }

    /// Reads one block of a segment from the first copy that passes `matches`; the flag says that another did not. Every copy that
    /// answered with other bytes is reported.
    pub(super) async fn read_verified(
        self: &Rc<Self>,
        segment: &Rc<Segment>,
        place: vds_format::Place,
        what: DamagedThing,
        matches: impl Fn(&[u8]) -> bool,
    ) -> Option<(Buffer, bool)> {
        let (column, row) = place.column_and_row(segment.rows);
        let mut wrong = Vec::new();
        let mut found = None;
        for copy in segment.readable(column) {
            let Some(drive) = copy.live() else { continue };
            let block = copy.block(drive, row);
            match copy.read(row, 1).await {
                Ok(buffer) if matches(buffer.block(0)) => {
                    found = Some(buffer);
                    break;
                }
                Ok(_) => wrong.push((drive.number, block)),
                Err(error) if error.kind == vds_io::DiskErrorKind::Range => {
                    wrong.push((drive.number, block));
                }
                Err(_) => {}
            }
        }
        for (drive, block) in &wrong {
            self.engine.report(*drive, *block, what, found.is_some());
        }
        found.map(|buffer| (buffer, !wrong.is_empty()))
    }

    /// Loads a leaf and what is above it, if it exists or is to be made.
    pub(super) async fn load_leaf(
        self: &Rc<Self>,
        leaf: u64,
        create: bool,
    ) -> Result<(), LunIoError> {
        loop {
            let before = self.map.borrow().page_count();
            let wanted = self.map.borrow_mut().want(leaf, create);
            self.count_pages(before);
            match wanted {
                None => return Ok(()),
                Some(wanted) => self.load_page(wanted).await?,
            }
        }
    }

    /// Reads a map page from a copy that passes and puts it into the tree.
    pub(super) async fn load_page(self: &Rc<Self>, wanted: Wanted) -> Result<(), LunIoError> {
        let place = wanted.entry.place;
        let Some(segment) = self.segment(place.segment()) else {
            // A checkpoint moved the page while we came here: the tree knows better by now.
            return if self.map.borrow().lies_at(wanted.level, wanted.index, place) {
                Err(Self::unreadable_page(wanted))
            } else {
                Ok(())
            };
        };
        let decode = |block: &[u8]| self.decode_page(block, wanted);
        let what = damaged_range(self, wanted.level, wanted.index);
        let read = self.read_verified(&segment, place, what, |block| decode(block).is_ok()).await;
        let Some((buffer, damaged)) = read else {
            self.unreadable.borrow_mut().add_page(wanted.level, wanted.index);
            return Err(Self::unreadable_page(wanted));
        };
        self.unreadable.borrow_mut().forget_page(wanted.level, wanted.index);
        let page = decode(buffer.block(0)).map_err(|_| Self::unreadable_page(wanted))?;
        let mut map = self.map.borrow_mut();
        let before = map.page_count();
        map.insert(wanted, page.entries);
        if damaged && map.lies_at(wanted.level, wanted.index, place) {
            // Written anew, on all copies, by the next checkpoint.
            map.mark_page_dirty(wanted.level, wanted.index);
        }
        drop(map);
        self.count_pages(before);
        Ok(())
    }

    pub(super) fn decode_page(&self, block: &[u8], wanted: Wanted) -> Result<MapPage, FormatError> {
        let (page, checksum) = MapPage::decode(block, self.engine.array, wanted.entry.place)?;
        let is_it = page.lun == self.number
            && page.level == wanted.level
            && page.index == wanted.index
            && checksum == wanted.entry.checksum;
        let unknown = DecodeError::Unknown { field: "page", value: page.index };
        if is_it { Ok(page) } else { Err(unknown.into()) }
    }

    fn unreadable_page(wanted: Wanted) -> LunIoError {
        let span = (vds_format::MAP_FANOUT as u64).pow(u32::from(wanted.level) + 1);
        LunIoError::Medium { offset_bytes: wanted.index.saturating_mul(span).saturating_mul(BLOCK) }
    }

    /// Counts pages that came into memory since there were `before`, and drops leaves when there are too many.
    pub(super) fn count_pages(&self, before: usize) {
        let mut map = self.map.borrow_mut();
        let now = map.page_count();
        let total = &self.engine.map_pages;
        total.set((total.get() + now).saturating_sub(before));
        if now > before && total.get() > self.engine.map_pages_max.get() {
            let dropped = map.evict(EVICT_COUNT);
            total.set(total.get().saturating_sub(dropped));
        }
    }
}

/// Makes the run one block longer if `entry` lies right behind it.
fn extend(run: &mut Run, entry: MapEntry) -> bool {
    match &mut run.source {
        Source::Hole { blocks } if entry.place.is_nowhere() => {
            *blocks += 1;
            true
        }
        Source::Data { segment, row, entries, .. } => {
            let last = entries.last().expect("a run has a block").place;
            let follows = entry.place.0 == last.0 + 1
                && entry.place.segment() == segment.number
                && (*row as usize) + entries.len() < segment.rows as usize;
            if follows {
                entries.push(entry);
            }
            follows
        }
        Source::Hole { .. } => false,
    }
}

/// The bytes `skip..skip + length` of `data`.
fn cut(data: ReadData, skip: usize, length: usize) -> ReadData {
    let mut out = ReadData::default();
    let (mut skip, mut left) = (skip, length);
    for piece in data.pieces {
        if skip >= piece.len {
            skip -= piece.len;
            continue;
        }
        let len = (piece.len - skip).min(left);
        out.pieces.push(ReadPiece { buffer: piece.buffer, start: piece.start + skip, len });
        skip = 0;
        left -= len;
        if left == 0 {
            break;
        }
    }
    out
}
