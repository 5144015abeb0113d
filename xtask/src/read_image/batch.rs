//! Batches of a segment of the host or the move stream: headers, entries, data.

use super::checksum;
use super::fields::{Fields, is_zero, u64_at};
use super::head::{Expected, HEAD, Head};
use super::print::Runs;
use super::record::Segment;
use super::report::Report;
use super::slab::{Slab, Slabs, place};
use anyhow::{Result, bail};

const MAGIC: [u8; 8] = *b"VDSBATCH";
const ENTRIES_AT: usize = 128;
const ENTRIES_MAX: u16 = 256;
const ADDRESS_AT: usize = 32;
const DURABLE_AT: usize = 56;
const DOUBLED: u8 = 1;
const SEALED: u8 = 2;
const HOST: u8 = 1;

/// What an entry says of LUN blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A block was written.
    Data { block: u64, checksum: u32 },
    /// Blocks read as zeros from here on.
    Unmap { block: u64, count: u32 },
}

/// A batch whose header was read.
pub(super) struct Batch {
    pub(super) sequence: u64,
    pub(super) durable_through: u64,
    previous: u32,
    checksum: u32,
    lun: u32,
    epoch: u32,
    pub(super) row: u32,
    pub(super) rows: u32,
    stream: u8,
    data_columns: u8,
    /// The entries, data with its place.
    pub(super) entries: Vec<(Entry, Option<u64>)>,
}

/// The header of the batch before: its sequence and its checksum field.
pub(super) type Previous = Option<(u64, u32)>;

/// What a segment's batches come to.
#[derive(Default)]
pub(super) struct Log {
    pub(super) batches: Vec<Batch>,
    /// Data blocks verified, each on each copy.
    pub(super) verified: usize,
}

/// Reads a segment of stream 1 or 2. `previous` is the newest batch of the stream in the segments before.
pub(super) fn read(
    segment: &Segment,
    slabs: &Slabs<'_>,
    array: super::fields::Id,
    previous: &mut Previous,
    report: &mut Report,
) -> Result<Log> {
    let mut walk = Walk { segment, slabs, array, log: Log::default() };
    let end = if segment.state == SEALED { segment.rows } else { slabs.rows };
    let mut row = 0;
    while row < end {
        let Some(batch) = walk.read_batch(row, report)? else { break };
        walk.check_order(&batch, *previous, report);
        *previous = Some((batch.sequence, batch.checksum));
        row += batch.rows;
        walk.log.batches.push(batch);
    }
    walk.check_end(row, report)?;
    Ok(walk.log)
}

struct Walk<'a, 'b> {
    segment: &'a Segment,
    slabs: &'a Slabs<'b>,
    array: super::fields::Id,
    log: Log,
}

impl Walk<'_, '_> {
    fn is_doubled(&self) -> bool {
        self.segment.flags & DOUBLED != 0
    }

    fn name(&self, row: u32) -> String {
        format!("segment {} row {row}", self.segment.number)
    }

    /// Every block where the header of a batch at `row` stands.
    fn header_blocks(&self, row: u32) -> Result<Vec<(String, Vec<u8>)>> {
        let mut blocks = Vec::new();
        let mut add = |slab: &Slab<'_>, row: u32| -> Result<()> {
            blocks.push((slab.name(row), slab.row(row)?));
            Ok(())
        };
        for slab in self.slabs.of_data_column(0) {
            add(slab, row)?;
            if self.is_doubled() && self.segment.data_columns == 1 && row + 1 < self.slabs.rows {
                add(slab, row + 1)?;
            }
        }
        if self.is_doubled() && self.segment.data_columns > 1 {
            self.slabs.of_data_column(1).try_for_each(|slab| add(slab, row))?;
        }
        Ok(blocks)
    }

    fn complaints(&self, row: u32, block: &[u8]) -> Vec<String> {
        let address = place(self.segment.number, 0, row, self.slabs.rows);
        let expected = Expected { magic: MAGIC, array: Some(self.array), address };
        Head::of(block).complaints(block, expected)
    }

    /// The batch at `row`, if there is one.
    fn read_batch(&mut self, row: u32, report: &mut Report) -> Result<Option<Batch>> {
        let blocks = self.header_blocks(row)?;
        let valid = blocks.iter().find(|(_, block)| self.complaints(row, block).is_empty());
        let Some((_, header)) = valid else {
            let address = place(self.segment.number, 0, row, self.slabs.rows);
            // What another segment left here is no header of ours.
            for (name, block) in &blocks {
                if block.starts_with(&MAGIC) && u64_at(block, ADDRESS_AT) == address {
                    let complaints = self.complaints(row, block);
                    report.mismatch_all(format_args!("{name}, batch header"), &complaints);
                }
            }
            return Ok(None);
        };
        let head = Head::of(header);
        report.line(2, format_args!("batch at row {row}: {head}"));
        let (batch, complaints) = match self.parse(row, header) {
            Ok(parsed) => parsed,
            Err(error) => {
                report.mismatch(self.name(row), format_args!("{error:#}"));
                return Ok(None);
            }
        };
        batch.print(report);
        report.mismatch_all(self.name(row), &complaints);
        for (name, block) in &blocks {
            if block != header {
                let complaints = self.complaints(row, block);
                let place = format!("{name}, batch header");
                report.mismatch(&place, "differs from its other copy");
                report.mismatch_all(&place, &complaints);
            }
        }
        self.check_data(&batch, report)?;
        Ok(Some(batch))
    }

    fn parse(&self, row: u32, header: &[u8]) -> Result<(Batch, Vec<String>)> {
        let mut fields = Fields::from(header, HEAD);
        let mut batch = Batch {
            sequence: fields.u64()?,
            durable_through: fields.u64()?,
            previous: fields.u32()?,
            checksum: Head::of(header).checksum,
            lun: fields.u32()?,
            epoch: fields.u32()?,
            row: fields.u32()?,
            rows: fields.u32()?,
            stream: 0,
            data_columns: 0,
            entries: Vec::new(),
        };
        let count = fields.u16()?;
        batch.stream = fields.u8()?;
        batch.data_columns = fields.u8()?;
        if batch.rows == 0 || batch.rows > self.slabs.rows - row {
            bail!("a batch of {} rows", batch.rows);
        }
        if count > ENTRIES_MAX {
            bail!("a batch of {count} entries");
        }
        let mut complaints = self.complaints_of(row, &batch, Head::of(header).generation);
        let mut entries = Fields::from(header, ENTRIES_AT);
        let mut positions = self.data_positions(batch.rows);
        for _ in 0..count {
            let (first, second) = (entries.u64()?, entries.u32()?);
            let block = first & ((1 << 56) - 1);
            batch.entries.push(match first >> 56 {
                1 => {
                    let Some((column, offset)) = positions.next() else {
                        bail!("{} rows do not hold its data", batch.rows);
                    };
                    let at = place(self.segment.number, column, row + offset, self.slabs.rows);
                    (Entry::Data { block, checksum: second }, Some(at))
                }
                2 => (Entry::Unmap { block, count: second }, None),
                kind => bail!("an entry of the unknown kind {kind}"),
            });
        }
        let unused = &header[ENTRIES_AT + 12 * usize::from(count)..];
        if !is_zero(&header[88..ENTRIES_AT]) || !is_zero(unused) {
            complaints.push("what is reserved is not zero".to_owned());
        }
        Ok((batch, complaints))
    }

    fn complaints_of(&self, row: u32, batch: &Batch, generation: u64) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut same = |what: &str, found: u64, wanted: u64| {
            if found != wanted {
                complaints.push(format!("{what} is {found}, not {wanted}"));
            }
        };
        same("the sequence", batch.sequence, generation);
        same("the LUN", batch.lun.into(), self.segment.lun.into());
        same("the epoch", batch.epoch.into(), self.segment.epoch.into());
        same("the row", batch.row.into(), row.into());
        same("the stream", batch.stream.into(), self.segment.stream.into());
        same("data columns", batch.data_columns.into(), self.segment.data_columns.into());
        if batch.durable_through >= batch.sequence {
            complaints.push(format!("durable_through {} is its own", batch.durable_through));
        }
        complaints
    }

    /// Data column and row within the batch of each position that takes data, in their order.
    fn data_positions(&self, rows: u32) -> impl Iterator<Item = (u8, u32)> + use<> {
        let (columns, doubled) = (self.segment.data_columns, self.is_doubled());
        let is_header = move |column: u8, row: u32| match (column, row) {
            (0, 0) => true,
            (0, 1) => doubled && columns == 1,
            (1, 0) => doubled,
            _ => false,
        };
        (0..columns)
            .flat_map(move |column| (0..rows).map(move |row| (column, row)))
            .filter(move |(column, row)| !is_header(*column, *row))
    }

    /// Verifies each data block and the zeros behind them on every copy.
    fn check_data(&mut self, batch: &Batch, report: &mut Report) -> Result<()> {
        let mut data = batch.entries.iter().filter_map(|(entry, _)| match entry {
            Entry::Data { block, checksum } => Some((*block, *checksum)),
            Entry::Unmap { .. } => None,
        });
        let mut reached = u8::from(self.is_doubled());
        for (column, offset) in self.data_positions(batch.rows) {
            let row = batch.row + offset;
            let data = data.next();
            if data.is_some() {
                reached = reached.max(column);
            } else if column > reached {
                // A column with neither header nor data was not written: it holds what it held.
                break;
            }
            let mut copies = 0_usize;
            for slab in self.slabs.of_data_column(column) {
                copies += 1;
                let bytes = slab.row(row)?;
                let Some((block, wanted)) = data else {
                    if !is_zero(&bytes) {
                        report.mismatch(slab.name(row), "is not zero behind a batch's data");
                    }
                    continue;
                };
                let computed = checksum::of_data(&bytes, block);
                if computed == wanted {
                    self.log.verified += 1;
                } else {
                    let what = format_args!(
                        "block {block} of LUN {}: checksum computed {computed:08x}, not {wanted:08x}",
                        batch.lun
                    );
                    report.mismatch(slab.name(row), what);
                }
            }
            if copies == 0 {
                report.mismatch(self.name(row), "no copy can be read");
            }
        }
        Ok(())
    }

    fn check_order(&self, batch: &Batch, previous: Previous, report: &mut Report) {
        let name = self.name(batch.row);
        let wanted = match (self.log.batches.last(), self.segment.first_sequence) {
            (Some(before), _) => before.sequence + 1,
            // The record does not say it.
            (None, 0) => batch.sequence,
            (None, first) => first,
        };
        if batch.sequence != wanted {
            report.mismatch(&name, format_args!("sequence {}, not {wanted}", batch.sequence));
        }
        if let Some((sequence, checksum)) = previous {
            let follows = sequence + 1 == batch.sequence;
            if follows && batch.previous != 0 && batch.previous != checksum {
                report.mismatch(&name, "does not follow the header of the batch before");
            }
        }
    }

    /// Where the batches end: a sealed segment says it, an open one has no header of its own behind it.
    fn check_end(&self, row: u32, report: &mut Report) -> Result<()> {
        let segment = self.segment;
        let last = self.log.batches.last().map_or(0, |batch| batch.sequence);
        report.line(2, format_args!("ends at row {row}, sequence {last}"));
        let is_host = segment.stream == HOST;
        if segment.state == SEALED && is_host && row != segment.rows {
            let what = format_args!("{} rows count, the batches end at {row}", segment.rows);
            report.mismatch(self.name(row), what);
        }
        let said = segment.last_sequence;
        if segment.state == SEALED && said != 0 && said != last {
            report.mismatch(self.name(row), format_args!("last sequence is {last}, not {said}"));
        }
        if segment.state == SEALED && is_host {
            return Ok(());
        }
        for later in row..self.slabs.rows {
            for (name, block) in self.header_blocks(later)? {
                if !self.complaints(later, &block).is_empty() {
                    continue;
                }
                // A header says at its offset 56 what was durable when it was written.
                let durable = u64_at(&block, DURABLE_AT);
                if is_host && durable > last {
                    let what = format_args!("batch {durable} was durable, and the log ends before");
                    report.mismatch(name, what);
                } else {
                    report.line(2, format_args!("{name}: a batch behind the end"));
                }
            }
        }
        Ok(())
    }
}

impl Batch {
    fn print(&self, report: &mut Report) {
        let Self { sequence, durable_through, previous, lun, epoch, row, rows, .. } = self;
        let Self { stream, data_columns, entries, .. } = self;
        let count = entries.len();
        report.line(
            3,
            format_args!(
                "sequence {sequence}, durable_through {durable_through}, header before {previous:08x}, LUN {lun}, epoch \
                 {epoch}, row {row}, rows {rows}, entries {count}, stream {stream}, data columns {data_columns}"
            ),
        );
        let mut runs = Runs::new("data: LUN block");
        for (entry, at) in entries {
            match (entry, at) {
                (Entry::Data { block, checksum }, Some(at)) => {
                    runs.add(*block, *at, *checksum, report);
                }
                (Entry::Data { .. }, None) => unreachable!("data has a place"),
                (Entry::Unmap { block, count }, _) => {
                    runs.end(report);
                    report.line(4, format_args!("unmap: LUN block {block}, count {count}"));
                }
            }
        }
        runs.end(report);
    }
}
