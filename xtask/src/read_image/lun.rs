//! A LUN: its segments, its map, and the log behind its checkpoint.

use super::batch::{self, Batch, Entry, Log, Previous};
use super::fields::Id;
use super::image::BLOCK;
use super::map::{self, Pages, Pointer, Tree};
use super::print;
use super::record::{Checkpoint, Lun, Record, Segment};
use super::report::Report;
use super::slab::{Drives, Slabs};
use super::state::State;
use super::superblock::SLAB_SHIFTS;
use anyhow::Result;
use std::collections::BTreeMap;

const HOST: u8 = 1;
const MAP: u8 = 3;
const OPEN: u8 = 1;

/// What was found of one LUN.
#[derive(Default)]
struct Found {
    /// Batches of the host stream by segment.
    host: BTreeMap<u64, Vec<Batch>>,
    /// Blocks of batches by their place: LUN block and checksum.
    data: BTreeMap<u64, (u64, u32)>,
    pages: Pages,
    labels: usize,
    batches: usize,
    verified: usize,
}

/// Reads everything of a LUN and compares it with the catalog.
pub(super) fn read(
    lun: &Lun,
    state: &State,
    array: Id,
    drives: &Drives<'_>,
    report: &mut Report,
) -> Result<()> {
    report.line(0, format_args!(""));
    report.line(0, format_args!("LUN {} {:?}", lun.number, lun.name));
    let Some(slab_shift) = state.array.as_ref().map(|array| array.slab_shift) else {
        return Ok(());
    };
    if !SLAB_SHIFTS.contains(&slab_shift) {
        report.mismatch("catalog", format_args!("slab_shift {slab_shift} is out of range"));
        return Ok(());
    }
    let segments: Vec<&Segment> =
        state.segments.values().filter(|segment| segment.lun == lun.number).collect();
    let mut found = Found::default();
    let mut previous: BTreeMap<u8, Previous> = BTreeMap::new();
    for segment in &segments {
        print::record(&Record::Segment((*segment).clone()), 1, report);
        let slabs = Slabs::of(segment, drives, slab_shift, report);
        let is_used = if segment.stream == MAP {
            map::read(segment, &slabs, array, &mut found.pages, report)? > 0
        } else {
            let previous = previous.entry(segment.stream).or_default();
            let log = batch::read(segment, &slabs, array, previous, report)?;
            found.take(segment, log)
        };
        found.labels += slabs.check_labels(segment, lun, is_used, report)?;
    }
    let Some(checkpoint) = state.checkpoints.get(&lun.number) else {
        report.mismatch(format_args!("LUN {}", lun.number), "has no checkpoint");
        return Ok(());
    };
    let tree = map::follow(checkpoint, &found.pages, report);
    check_tree(lun, checkpoint, &tree, &found, report);
    check_live(&segments, &tree, report);
    let (replayed, mapped) = replay(checkpoint, &segments, &found, &tree, report);
    report.head(
        0,
        format_args!(
            "LUN {} {:?}: {} segments, {} labels, {} batches, {} data blocks verified, {} map pages of which {} in the tree; {} \
             blocks mapped at sequence {}, {replayed} batches behind it, then {mapped}",
            lun.number,
            lun.name,
            segments.len(),
            found.labels,
            found.batches,
            found.verified,
            found.pages.len(),
            tree.pages,
            tree.blocks.len(),
            checkpoint.sequence
        ),
    );
    Ok(())
}

impl Found {
    /// Takes a segment's batches; whether there are any.
    fn take(&mut self, segment: &Segment, log: Log) -> bool {
        for (entry, place) in log.batches.iter().flat_map(|batch| &batch.entries) {
            if let (Entry::Data { block, checksum }, Some(place)) = (entry, place) {
                self.data.insert(*place, (*block, *checksum));
            }
        }
        let is_used = !log.batches.is_empty();
        self.batches += log.batches.len();
        self.verified += log.verified;
        if segment.stream == HOST {
            self.host.insert(segment.number, log.batches);
        }
        is_used
    }
}

/// Each leaf entry is a block of a batch, which says the same.
fn check_tree(lun: &Lun, checkpoint: &Checkpoint, tree: &Tree, found: &Found, report: &mut Report) {
    let name = format!("LUN {}", lun.number);
    let mapped = tree.blocks.len() + tree.lost.len();
    if mapped as u64 != checkpoint.mapped_blocks {
        let said = checkpoint.mapped_blocks;
        report.mismatch(&name, format_args!("{mapped} blocks mapped, the checkpoint says {said}"));
    }
    let blocks = lun.size_bytes.div_ceil(BLOCK as u64);
    for block in tree.blocks.keys().chain(&tree.lost) {
        if *block >= blocks {
            report.mismatch(&name, format_args!("block {block} is behind the end and mapped"));
        }
    }
    for (block, pointer) in &tree.blocks {
        let Pointer { place, checksum } = *pointer;
        let wanted = Some(&(*block, checksum));
        let data = found.data.get(&place);
        if data != wanted {
            let what = format_args!(
                "block {block}: the map has place {place:#x}, checksum {checksum:08x}; the batch there has {data:?}"
            );
            report.mismatch(&name, what);
        }
    }
}

fn check_live(segments: &[&Segment], tree: &Tree, report: &mut Report) {
    for segment in segments {
        let live = tree.live.get(&segment.number).copied().unwrap_or_default();
        if live != segment.live {
            let what = format_args!("{live} blocks are live, the catalog says {}", segment.live);
            report.mismatch(format_args!("segment {}", segment.number), what);
        }
    }
}

/// Applies the log behind the checkpoint: its batches, and how many blocks are mapped then.
fn replay(
    checkpoint: &Checkpoint,
    segments: &[&Segment],
    found: &Found,
    tree: &Tree,
    report: &mut Report,
) -> (usize, usize) {
    let lost = tree.lost.iter().map(|block| (*block, Pointer { place: map::LOST, checksum: 0 }));
    let mut blocks: BTreeMap<u64, Pointer> = tree.blocks.clone().into_iter().chain(lost).collect();
    let mut sequence = checkpoint.sequence;
    let mut replayed = 0;
    let log = segments.iter().filter(|segment| {
        let has_newer = segment.state == OPEN || segment.last_sequence > checkpoint.sequence;
        segment.stream == HOST && segment.epoch == checkpoint.epoch && has_newer
    });
    for segment in log {
        let is_first = segment.number == checkpoint.replay_segment;
        let batches = found.host.get(&segment.number).into_iter().flatten();
        for batch in batches.filter(|it| !is_first || it.row >= checkpoint.replay_row) {
            if batch.sequence != sequence + 1 {
                let what = format_args!("sequence {} behind {sequence}", batch.sequence);
                report.mismatch(format_args!("replay of LUN {}", checkpoint.lun), what);
            }
            sequence = batch.sequence;
            replayed += 1;
            for (entry, place) in &batch.entries {
                match (entry, place) {
                    (Entry::Data { block, checksum }, Some(place)) => {
                        blocks.insert(*block, Pointer { place: *place, checksum: *checksum });
                    }
                    (Entry::Data { .. }, None) => unreachable!("data has a place"),
                    (Entry::Unmap { block, count }, _) => {
                        let end = block + u64::from(*count);
                        blocks.retain(|mapped, _| !(*block..end).contains(mapped));
                    }
                }
            }
        }
    }
    (replayed, blocks.len())
}
