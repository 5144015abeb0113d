//! Map pages, and the tree that a checkpoint names.

use super::fields::{Fields, Id, is_zero, u64_at};
use super::head::{Expected, HEAD, Head};
use super::print::Runs;
use super::record::{Checkpoint, Segment};
use super::report::Report;
use super::slab::{Slabs, place, segment_of};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};

const MAGIC: [u8; 8] = *b"VDSMAPPG";
const ADDRESS_AT: usize = 32;
const ENTRIES: u64 = 252;
const SEALED: u8 = 2;
/// The place of a block of which nobody knows what it held.
pub(super) const LOST: u64 = 1;

/// Where something lies, and its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) place: u64,
    pub(super) checksum: u32,
}

/// A valid page.
pub(super) struct Page {
    checksum: u32,
    generation: u64,
    lun: u32,
    level: u8,
    index: u64,
    entries: Vec<Pointer>,
}

/// Pages by their place.
pub(super) type Pages = BTreeMap<u64, Page>;

/// Reads the pages of a segment of stream 3; the rows they fill.
pub(super) fn read(
    segment: &Segment,
    slabs: &Slabs<'_>,
    array: Id,
    pages: &mut Pages,
    report: &mut Report,
) -> Result<u32> {
    let end = if segment.state == SEALED { segment.rows } else { slabs.rows };
    let mut used = 0;
    for row in 0..end {
        let address = place(segment.number, 0, row, slabs.rows);
        let expected = Expected { magic: MAGIC, array: Some(array), address };
        let complaints = |block: &[u8]| Head::of(block).complaints(block, expected);
        let mut copies = Vec::new();
        for slab in slabs.of_data_column(0) {
            copies.push((format!("{}, map page {address:#x}", slab.name(row)), slab.row(row)?));
        }
        let valid = copies.iter().find(|(_, block)| complaints(block).is_empty());
        let Some((_, block)) = valid else {
            // What another segment left here is no page of ours.
            for (name, block) in &copies {
                if block.starts_with(&MAGIC) && u64_at(block, ADDRESS_AT) == address {
                    report.mismatch_all(name, &complaints(block));
                }
            }
            continue;
        };
        for (name, other) in copies.iter().filter(|(_, other)| other != block) {
            report.mismatch(name, "differs from its other copy");
            report.mismatch_all(name, &complaints(other));
        }
        used = row + 1;
        let name = format!("segment {} row {row}, map page", segment.number);
        pages.insert(address, parse(segment, row, block, &name, report)?);
    }
    Ok(used)
}

fn parse(
    segment: &Segment,
    row: u32,
    block: &[u8],
    name: &str,
    report: &mut Report,
) -> Result<Page> {
    let head = Head::of(block);
    report.line(2, format_args!("map page at row {row}: {head}"));
    let mut fields = Fields::from(block, HEAD);
    let lun = fields.u32()?;
    let level = fields.u8()?;
    let zero = fields.take(3)?;
    let index = fields.u64()?;
    report.line(3, format_args!("LUN {lun}, level {level}, index {index}"));
    if lun != segment.lun || !is_zero(zero) {
        report.mismatch(name, format_args!("LUN {lun}, then {zero:?}"));
    }
    let mut entries = Vec::new();
    let mut runs = Runs::new("entry");
    for at in 0..ENTRIES {
        let pointer = Pointer { place: fields.u64()?, checksum: fields.u32()? };
        let spare = fields.u32()?;
        let is_lost = pointer.place == LOST;
        if spare != 0
            || ((pointer.place == 0 || is_lost) && pointer.checksum != 0)
            || (is_lost && level != 0)
        {
            report.mismatch(name, format_args!("entry {at} is {pointer:?}, then {spare}"));
        }
        if is_lost {
            report.line(4, format_args!("entry {at}: lost"));
        } else if pointer.place != 0 {
            runs.add(at, pointer.place, pointer.checksum, report);
        }
        entries.push(pointer);
    }
    runs.end(report);
    Ok(Page { checksum: head.checksum, generation: head.generation, lun, level, index, entries })
}

/// What a tree leads to.
#[derive(Default)]
pub(super) struct Tree {
    /// LUN blocks that are mapped.
    pub(super) blocks: BTreeMap<u64, Pointer>,
    /// Live blocks of each segment: pages, or data.
    pub(super) live: BTreeMap<u64, u32>,
    /// Pages of the tree.
    pub(super) pages: usize,
    /// LUN blocks of which nobody knows what they held. They count as mapped.
    pub(super) lost: BTreeSet<u64>,
}

/// Follows the tree of a checkpoint.
pub(super) fn follow(checkpoint: &Checkpoint, pages: &Pages, report: &mut Report) -> Tree {
    let mut tree = Tree::default();
    if let Some(level) = checkpoint.levels.checked_sub(1) {
        let root = Pointer { place: checkpoint.root, checksum: checkpoint.root_checksum };
        tree.descend(root, level, 0, checkpoint, pages, report);
    } else if checkpoint.root != 0 {
        let name = format!("checkpoint of LUN {}", checkpoint.lun);
        report.mismatch(name, "no level, but a root");
    }
    tree
}

impl Tree {
    fn descend(
        &mut self,
        pointer: Pointer,
        level: u8,
        index: u64,
        checkpoint: &Checkpoint,
        pages: &Pages,
        report: &mut Report,
    ) {
        if pointer.place == 0 {
            return;
        }
        let name = format!("LUN {}, map level {level} index {index}", checkpoint.lun);
        let Some(page) = pages.get(&pointer.place) else {
            report.mismatch(name, format_args!("no valid page at place {:#x}", pointer.place));
            return;
        };
        let is_right = page.checksum == pointer.checksum
            && (page.lun, page.level, page.index) == (checkpoint.lun, level, index)
            && page.generation <= checkpoint.sequence;
        if !is_right {
            let found = (page.lun, page.level, page.index, page.generation);
            let what = format!(
                "the page at place {:#x} has LUN, level, index, generation {found:?} and checksum {:08x}, wanted {:08x}",
                pointer.place, page.checksum, pointer.checksum
            );
            report.mismatch(name, what);
            return;
        }
        self.pages += 1;
        *self.live.entry(segment_of(pointer.place)).or_default() += 1;
        let below = (0..ENTRIES).zip(&page.entries).filter(|(_, entry)| entry.place != 0);
        for (at, entry) in below {
            let index = index * ENTRIES + at;
            if let Some(level) = level.checked_sub(1) {
                self.descend(*entry, level, index, checkpoint, pages, report);
            } else if entry.place == LOST {
                self.lost.insert(index);
            } else {
                *self.live.entry(segment_of(entry.place)).or_default() += 1;
                self.blocks.insert(index, *entry);
            }
        }
    }
}
