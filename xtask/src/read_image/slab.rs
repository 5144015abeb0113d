//! The slabs of a segment: where its columns lie, and their labels.

use super::fields::{Fields, Id, is_zero};
use super::head::{Expected, HEAD, Head};
use super::image::Image;
use super::record::{Column, Lun, Segment};
use super::report::Report;
use super::superblock::Superblock;
use anyhow::Result;
use std::collections::BTreeMap;

const MAGIC: [u8; 8] = *b"VDSLABEL";
const END: usize = 96;
const CURRENT: u8 = 1;
const INDEX_BITS: u32 = 24;

/// A drive that could be read.
pub(super) struct Drive {
    pub(super) image: Image,
    pub(super) superblock: Superblock,
}

/// The drives of the array by their numbers.
pub(super) type Drives<'a> = BTreeMap<u16, &'a Drive>;

/// The place of a block of a segment.
pub(super) fn place(segment: u64, data_column: u8, row: u32, slab_rows: u32) -> u64 {
    (segment << INDEX_BITS) + u64::from(data_column) * u64::from(slab_rows) + u64::from(row)
}

/// The segment of a place.
pub(super) fn segment_of(place: u64) -> u64 {
    place >> INDEX_BITS
}

/// One column whose bytes can be had.
pub(super) struct Slab<'a> {
    pub(super) column: Column,
    drive: &'a Drive,
    label_block: u64,
}

impl Slab<'_> {
    /// The block that holds a row.
    pub(super) fn block_of(&self, row: u32) -> u64 {
        self.label_block + 1 + u64::from(row)
    }

    /// A row's bytes.
    pub(super) fn row(&self, row: u32) -> Result<Vec<u8>> {
        self.drive.image.read(self.block_of(row), 1)
    }

    /// A row, for a message.
    pub(super) fn name(&self, row: u32) -> String {
        format!("{} block {}", self.drive.image.name, self.block_of(row))
    }
}

/// A segment's columns, those that can be read.
pub(super) struct Slabs<'a> {
    pub(super) slabs: Vec<Slab<'a>>,
    /// Rows of a slab.
    pub(super) rows: u32,
}

impl<'a> Slabs<'a> {
    /// The current columns. One whose drive is not there is told.
    pub(super) fn of(
        segment: &Segment,
        drives: &Drives<'a>,
        slab_shift: u8,
        report: &mut Report,
    ) -> Self {
        let mut slabs = Vec::new();
        for column in segment.columns.iter().filter(|column| column.state == CURRENT) {
            let drive = drives.get(&column.drive);
            let Some(drive) = drive.filter(|drive| column.slab < drive.superblock.slab_count)
            else {
                let (slab, drive) = (column.slab, column.drive);
                let what = format_args!("slab {slab} of drive {drive} is not there");
                report.mismatch(format_args!("segment {}", segment.number), what);
                continue;
            };
            let label_block = drive.superblock.slab_block(column.slab);
            slabs.push(Slab { column: *column, drive, label_block });
        }
        Self { slabs, rows: (1 << (slab_shift - 12)) - 1 }
    }

    /// Those that hold a data column, one for each copy.
    pub(super) fn of_data_column(&self, data_column: u8) -> impl Iterator<Item = &Slab<'a>> {
        self.slabs.iter().filter(move |slab| slab.column.data == data_column)
    }

    /// Reads the labels; how many are this segment's. `is_used` if rows were written: then each label has to be.
    pub(super) fn check_labels(
        &self,
        segment: &Segment,
        lun: &Lun,
        is_used: bool,
        report: &mut Report,
    ) -> Result<usize> {
        let mut own = 0;
        for slab in &self.slabs {
            own += usize::from(slab.check_label(segment, lun, is_used, report)?);
        }
        Ok(own)
    }
}

/// The fields behind the head.
#[derive(Debug, PartialEq, Eq)]
struct Label {
    generation: u64,
    drive: Id,
    slab: u32,
    lun: u32,
    copy: u8,
    data_column: u8,
    data_columns: u8,
    stream: u8,
    epoch: u32,
    lun_id: Id,
}

impl Label {
    fn parse(block: &[u8]) -> Result<Self> {
        let mut fields = Fields::from(block, HEAD);
        Ok(Self {
            generation: Head::of(block).generation,
            drive: fields.id()?,
            slab: fields.u32()?,
            lun: fields.u32()?,
            copy: fields.u8()?,
            data_column: fields.u8()?,
            data_columns: fields.u8()?,
            stream: fields.u8()?,
            epoch: fields.u32()?,
            lun_id: fields.id()?,
        })
    }
}

impl Slab<'_> {
    fn check_label(
        &self,
        segment: &Segment,
        lun: &Lun,
        is_used: bool,
        report: &mut Report,
    ) -> Result<bool> {
        let (block, superblock) = (self.label_block, &self.drive.superblock);
        let name = &self.drive.image.name;
        let bytes = self.drive.image.read(block, 1)?;
        let place = format!("{name} block {block}, label of slab {}", self.column.slab);
        if is_zero(&bytes) {
            report.line(2, format_args!("label at {name} block {block}: none yet"));
            if is_used {
                report.mismatch(place, "there is none, and the segment holds something");
            }
            return Ok(false);
        }
        let head = Head::of(&bytes);
        let found = Label::parse(&bytes)?;
        report.line(2, format_args!("label at {name} block {block}: {head}"));
        let Label { drive, slab, lun: number, copy, data_column, .. } = &found;
        let Label { data_columns, stream, epoch, lun_id, .. } = &found;
        report.line(
            3,
            format_args!(
                "drive {drive}, slab {slab}, LUN {number}, copy {copy}, data column {data_column}, data columns \
                 {data_columns}, stream {stream}, epoch {epoch}, LUN id {lun_id}"
            ),
        );
        let expected = Expected { magic: MAGIC, array: Some(superblock.array), address: block };
        let mut complaints = head.complaints(&bytes, expected);
        if !is_zero(&bytes[END..]) {
            complaints.push("the padding is not zero".to_owned());
        }
        let own = Label {
            generation: segment.number,
            drive: superblock.drive,
            slab: self.column.slab,
            lun: segment.lun,
            copy: self.column.copy,
            data_column: self.column.data,
            data_columns: segment.data_columns,
            stream: segment.stream,
            epoch: segment.epoch,
            lun_id: lun.id,
        };
        // The label of the segment that had the slab before stays until the first batch.
        if found != own && (is_used || found.generation == segment.number) {
            complaints.push(format!("the label is {found:?}, the catalog says {own:?}"));
        }
        report.mismatch_all(place, &complaints);
        Ok(found == own && complaints.is_empty())
    }
}
