//! What a LUN of a type and size needs: columns, drives, slabs.

use std::collections::BTreeSet;

use vds_format::{
    BLOCK_BYTES, Column, DriveNo, EXTRA_MAP_COPY, LunRecord, MAP_FANOUT, PlexRecord, SlabNo,
    Stream, batch_data_blocks_max,
};

/// What one round of cleaning empties at most.
const CLEANING_ROUND_BYTES_MAX: u64 = 64 << 20;

/// A column that a new segment should have, and where it may lie: the first drive with space wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) copy: u8,
    pub(crate) data_column: u8,
    pub(crate) drives: Vec<DriveNo>,
}

/// The columns of a new segment of `lun`.
pub(crate) fn slots(lun: &LunRecord, stream: Stream) -> Vec<Slot> {
    if stream == Stream::Map {
        return map_slots(lun);
    }
    let columns = lun.data_columns;
    let slot = |plex: &PlexRecord, data_column: u8| Slot {
        copy: plex.copy,
        data_column,
        // One data column: each drive of the set exhausted before the next. More: one drive for each.
        drives: if columns == 1 {
            plex.drives.clone()
        } else {
            plex.drives.get(usize::from(data_column)).copied().into_iter().collect()
        },
    };
    lun.plexes.iter().flat_map(|plex| (0..columns).map(move |column| slot(plex, column))).collect()
}

fn map_slots(lun: &LunRecord) -> Vec<Slot> {
    let slot = |copy, drives| Slot { copy, data_column: 0, drives };
    let mut slots: Vec<Slot> =
        lun.plexes.iter().map(|plex| slot(plex.copy, plex.drives.clone())).collect();
    if let [plex] = lun.plexes.as_slice() {
        // The second copy prefers the LUN's other drives; with one drive it lies in another slab of it.
        let mut drives = plex.drives.clone();
        let by = 1.min(drives.len());
        drives.rotate_left(by);
        slots.push(slot(EXTRA_MAP_COPY, drives));
    }
    slots
}

/// The slabs of columns that do not lie on a home of their plex: they stand in for it, or the homes have moved.
pub(crate) fn guests(
    lun: &LunRecord,
    columns: impl Iterator<Item = (Stream, Column)>,
) -> BTreeSet<(DriveNo, SlabNo)> {
    let (data, map) = (slots(lun, Stream::Host), slots(lun, Stream::Map));
    let is_home = |(stream, column): &(Stream, Column)| {
        let slots = if *stream == Stream::Map { &map } else { &data };
        slots.iter().any(|slot| {
            (slot.copy, slot.data_column) == (column.copy, column.data_column)
                && slot.drives.contains(&column.drive)
        })
    };
    let away = columns.filter(|it| !is_home(it));
    away.map(|(_, column)| (column.drive, column.slab)).collect()
}

/// How many segments a LUN needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Of data, the cleaner's share included.
    pub(crate) data_segments: u32,
    /// Of map pages.
    pub(crate) map_segments: u32,
}

/// Pages of a full map over `blocks`.
pub(crate) fn map_pages(blocks: u64) -> u64 {
    let fanout = MAP_FANOUT as u64;
    let mut level = blocks.div_ceil(fanout);
    let mut pages = level;
    while level > 1 {
        level = level.div_ceil(fanout);
        pages += level;
    }
    pages
}

/// Levels of a map over `blocks`.
pub(crate) fn map_levels(blocks: u64) -> u8 {
    let mut levels = 1;
    let mut reach = MAP_FANOUT as u64;
    while reach < blocks {
        reach = reach.saturating_mul(MAP_FANOUT as u64);
        levels += 1;
    }
    levels
}

/// Data blocks of a segment that is filled with full batches.
pub(crate) fn dense_blocks(rows: u32, data_columns: u8, doubled: bool) -> u32 {
    let total = rows * u32::from(data_columns);
    let batch = batch_data_blocks_max(rows, data_columns);
    let headers = 1 + u32::from(doubled);
    let columns = u32::from(data_columns);
    let batch_rows = (batch + headers).div_ceil(columns);
    let full = rows / batch_rows;
    let rest = (total - full * batch_rows * columns).saturating_sub(headers);
    full * batch + rest.min(batch)
}

/// Segments that the cleaner empties before a checkpoint frees them, in a LUN that has `segments`: the more, the less often the
/// map is written.
pub(crate) fn cleaning_round(segments: u64, segment_blocks: u64) -> u64 {
    let most = CLEANING_ROUND_BYTES_MAX / (BLOCK_BYTES as u64 * segment_blocks);
    (segments / 16).min(most)
}

/// Segments for a LUN of `blocks`: a full LUN fills the data segments to 80 %, so that cleaning always gains, beside those of a
/// cleaning round; maps are written anew as a whole at worst, beside the one in force.
pub(crate) fn needs(blocks: u64, rows: u32, data_columns: u8, doubled: bool) -> Needs {
    let dense = u64::from(dense_blocks(rows, data_columns, doubled));
    let data = (blocks * 5).div_ceil(dense * 4);
    let data = data + cleaning_round(data, u64::from(rows) * u64::from(data_columns)) + 3;
    let pages = map_pages(blocks);
    let map = map_share(pages, rows);
    let clamp = |segments: u64| u32::try_from(segments).unwrap_or(u32::MAX);
    Needs { data_segments: clamp(data), map_segments: clamp(map) }
}

/// Segments of a LUN's share that are the map's, for each of its copies: see decision 0005.
fn map_share(pages: u64, rows: u32) -> u64 {
    (pages * 4 * 5).div_ceil(u64::from(rows) * 4) + 3
}

/// Segments that hold a whole map when filled one after the other.
fn map_whole(pages: u64, rows: u32) -> u64 {
    pages.div_ceil(u64::from(rows))
}

/// Full map segments that a checkpoint may leave pages in, of a map over `blocks` with `live` pages now: those beyond are
/// emptied by it. Two thirds full on average is enough, as long as the share holds what comes next: see decision 0005.
pub(crate) fn map_segments_kept(blocks: u64, live: u64, rows: u32) -> u64 {
    let loose = (live * 3 / 2).div_ceil(u64::from(rows)) + 2;
    let pages = map_pages(blocks);
    loose.min(map_share(pages, rows) - 2 * map_whole(pages, rows) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn map_sizes() {
        for (blocks, pages, levels) in
            [(1, 1, 1), (252, 1, 1), (253, 3, 2), (252 * 252, 253, 2), (252 * 252 + 1, 256, 3)]
        {
            assert_eq!((map_pages(blocks), map_levels(blocks)), (pages, levels), "{blocks} blocks");
        }
    }

    /// The argument of decision 0005, number by number: what one checkpoint keeps, what it and the next write, and the
    /// segment that is half full, at any size.
    #[test]
    fn the_share_of_the_map_holds_two_checkpoints_beside_what_is_kept() {
        // Slabs of 1 to 64 MiB.
        for rows in (8..=14).map(|shift| (1 << shift) - 1) {
            for leaves in (1..4000).chain((4000..4_000_000).step_by(997)) {
                let blocks = leaves * MAP_FANOUT as u64;
                let pages = map_pages(blocks);
                let (share, whole) = (map_share(pages, rows), map_whole(pages, rows));
                for live in [1, pages / 2, pages] {
                    let kept = map_segments_kept(blocks, live, rows);
                    assert!(kept + 2 * whole < share, "{blocks} blocks, {rows} rows: {kept} kept");
                    // Else every checkpoint would write pages that are well where they are.
                    let least = live.div_ceil(u64::from(rows));
                    assert!(kept >= least, "{blocks} blocks, {rows} rows: {kept} of {least}");
                }
            }
        }
    }

    #[test]
    fn dense_segments() {
        // 1 MiB slabs: four batches of 60 data blocks and 2 headers, and 7 rows left for one of 5.
        assert_eq!(dense_blocks(255, 1, true), 4 * 60 + 5);
        assert_eq!(dense_blocks(255, 1, false), 4 * 60 + 10);
    }
}
