//! Superblocks, and what lies beside them: the two slots of a drive.

use super::fields::{Fields, Id, is_zero};
use super::head::{Expected, HEAD, Head};
use super::image::{BLOCK, Image};
use super::report::Report;
use anyhow::Result;

const MAGIC: [u8; 8] = *b"VDSSUPER";
const NAME_BYTES: usize = 64;
/// Behind the last field.
const END: usize = 208;
/// The blocks between slot 0 and the ring.
const RING_FIRST: u64 = 16;
/// What a slab's size can be.
pub(super) const SLAB_SHIFTS: std::ops::RangeInclusive<u8> = 20..=26;

/// One slot's fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Superblock {
    pub(super) array: Id,
    pub(super) generation: u64,
    pub(super) drive: Id,
    pub(super) blocks: u64,
    pub(super) journal_first: u64,
    pub(super) journal_blocks: u32,
    pub(super) snapshot_blocks: u32,
    pub(super) slab_start: u64,
    pub(super) slab_count: u32,
    pub(super) slab_shift: u8,
    pub(super) joined_ms: u64,
    pub(super) instance: Id,
    pub(super) name: String,
    pub(super) boot: Id,
}

impl Superblock {
    /// Blocks of a slab.
    pub(super) fn slab_blocks(&self) -> u64 {
        1 << (self.slab_shift - 12)
    }

    /// The block of a slab's label.
    pub(super) fn slab_block(&self, slab: u32) -> u64 {
        self.slab_start + u64::from(slab) * self.slab_blocks()
    }

    /// The first block of a snapshot area.
    pub(super) fn snapshot_block(&self, area: u32) -> u64 {
        self.journal_first
            + u64::from(self.journal_blocks)
            + u64::from(area) * u64::from(self.snapshot_blocks)
    }

    fn parse(block: &[u8]) -> Result<(Self, Vec<String>)> {
        let mut complaints = Vec::new();
        let head = Head::of(block);
        let mut fields = Fields::from(block, HEAD);
        let drive = fields.id()?;
        let blocks = fields.u64()?;
        let journal_first = fields.u64()?;
        let journal_blocks = fields.u32()?;
        let snapshot_blocks = fields.u32()?;
        let slab_start = fields.u64()?;
        let slab_count = fields.u32()?;
        let slab_shift = fields.u8()?;
        if !is_zero(fields.take(3)?) {
            complaints.push("bytes 101..104 are not zero".to_owned());
        }
        let joined_ms = fields.u64()?;
        let instance = fields.id()?;
        let padded = fields.take(NAME_BYTES)?;
        let length = padded.iter().position(|byte| *byte == 0).unwrap_or(NAME_BYTES);
        let (name, padding) = padded.split_at(length);
        let boot = fields.id()?;
        if !is_zero(padding) || !is_zero(&block[END..]) {
            complaints.push("padding is not zero".to_owned());
        }
        if std::str::from_utf8(name).is_err() {
            complaints.push("the name is not UTF-8".to_owned());
        }
        let name = String::from_utf8_lossy(name).into_owned();
        let superblock = Self {
            array: head.array,
            generation: head.generation,
            drive,
            blocks,
            journal_first,
            journal_blocks,
            snapshot_blocks,
            slab_start,
            slab_count,
            slab_shift,
            joined_ms,
            instance,
            name,
            boot,
        };
        Ok((superblock, complaints))
    }

    /// What does not fit on the drive or into the drawing.
    fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.journal_first != RING_FIRST {
            complaints.push(format!("the journal starts at block {}", self.journal_first));
        }
        if !SLAB_SHIFTS.contains(&self.slab_shift) {
            complaints.push(format!("slab_shift {} is out of range", self.slab_shift));
            return complaints;
        }
        let metadata_end =
            RING_FIRST + u64::from(self.journal_blocks) + 2 * u64::from(self.snapshot_blocks);
        if self.slab_start < metadata_end {
            complaints.push("slab 0 lies over the snapshot areas".to_owned());
        }
        if !self.slab_start.is_multiple_of(self.slab_blocks()) {
            complaints.push(format!("slab_start {} is not aligned", self.slab_start));
        }
        let slabs_end =
            self.slab_start.saturating_add(u64::from(self.slab_count) * self.slab_blocks());
        if slabs_end >= self.blocks {
            complaints.push("the slabs reach over slot 1".to_owned());
        }
        complaints
    }
}

/// Reads both slots and the blocks before the ring. The newest valid one, if there is one.
pub(super) fn read(image: &Image, report: &mut Report) -> Result<Option<Superblock>> {
    let first = read_slot(image, 0, 0, report)?;
    // Where the drive has grown, slot 0 knows where slot 1 lies.
    let last = first.as_ref().map_or(image.blocks, |it| it.blocks).min(image.blocks);
    let second = read_slot(image, 1, last.saturating_sub(1), report)?;
    if let (Some(first), Some(second)) = (&first, &second) {
        compare(&image.name, first, second, report);
    }
    let newest = [first, second].into_iter().flatten().max_by_key(|slot| slot.generation);
    let Some(superblock) = newest else { return Ok(None) };
    if superblock.blocks > image.blocks {
        let what = format!("has {} blocks, not {}", image.blocks, superblock.blocks);
        report.mismatch(&image.name, what);
        return Ok(None);
    }
    let between = image.read(1, RING_FIRST - 1)?;
    for (block, bytes) in (1..).zip(between.chunks(BLOCK)) {
        if !is_zero(bytes) {
            report.mismatch(&image.name, format_args!("block {block} is not zero"));
        }
    }
    Ok(Some(superblock))
}

/// Both slots say the same but where a crash came between the two writes: then one is older.
fn compare(name: &str, first: &Superblock, second: &Superblock, report: &mut Report) {
    if first.generation == second.generation && first != second {
        report.mismatch(name, "the superblocks differ, with the same generation");
    }
    if first.generation != second.generation {
        let generations = (first.generation, second.generation);
        report.head(1, format_args!("superblocks of different generations: {generations:?}"));
    }
    if (first.array, first.drive) != (second.array, second.drive) {
        report.mismatch(name, "the superblocks are of different drives");
    }
}

fn read_slot(
    image: &Image,
    slot: u8,
    block: u64,
    report: &mut Report,
) -> Result<Option<Superblock>> {
    let bytes = image.read(block, 1)?;
    let head = Head::of(&bytes);
    let place = format!("{} block {block}, superblock slot {slot}", image.name);
    report.line(1, format_args!("superblock slot {slot} at block {block}: {head}"));
    let (superblock, mut complaints) = Superblock::parse(&bytes)?;
    let expected = Expected { magic: MAGIC, array: None, address: block };
    complaints.extend(head.complaints(&bytes, expected));
    complaints.extend(superblock.complaints());
    print(&superblock, report);
    if complaints.is_empty() {
        return Ok(Some(superblock));
    }
    report.mismatch_all(place, &complaints);
    Ok(None)
}

fn print(superblock: &Superblock, report: &mut Report) {
    let Superblock { drive, blocks, journal_first, journal_blocks, .. } = superblock;
    let Superblock { snapshot_blocks, slab_start, slab_count, slab_shift, .. } = superblock;
    let Superblock { joined_ms, instance, name, boot, .. } = superblock;
    report.line(
        2,
        format_args!(
            "drive {drive}, blocks {blocks}, journal {journal_first} + {journal_blocks}, snapshot_blocks {snapshot_blocks}, \
             slab_start {slab_start}, slab_count {slab_count}, slab_shift {slab_shift}"
        ),
    );
    report.line(
        2,
        format_args!(
            "joined {joined_ms} ms, instance {instance}, boot {boot}, array name {name:?}"
        ),
    );
}
