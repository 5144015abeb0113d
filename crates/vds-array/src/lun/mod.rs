//! One LUN: its log, its map, and the requests of initiators.
//!
//! ```text
//!   write ─► range claim ─► leaves pinned ─► host stream ─► map ─► answer
//!   read  ─► leaves loaded ─► places ─► one read per run, verified ─► data
//! ```
//! Everything here runs on one thread; no borrow is held across an `await`.

mod census;
mod checkpoint;
mod cleaner;
mod copy;
mod evidence;
mod flush;
mod hold;
mod host;
mod map;
mod moves;
mod open;
mod order;
mod pace;
mod queue;
mod ranges;
mod read;
mod rebuild_map;
mod recovery;
mod scan;
mod scrub;
mod segment;
mod serve;
mod stride;
#[cfg(test)]
mod tests;
mod traffic;
mod unreadable;
mod walk;
mod window;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use vds_format::{
    CheckpointRecord, LunNo, LunRecord, MapEntry, Place, SegmentNo, Sequence, Stream,
};
use vds_io::{LunIoError, LunShape};
use vds_model::LunId;

use crate::catalog::CatalogState;
use crate::engine::Engine;
use crate::layout;
use crate::signal::{Signal, Turn};
use census::Census;
use host::{Change, Host};
use map::Map;
use moves::Moves;
use order::{Order, Ticket};
use queue::Content;
use ranges::RangeLocks;
pub(crate) use segment::Segment;
pub(crate) use serve::LunHandle;
pub use traffic::LunTraffic;
use traffic::Traffic;
use unreadable::Unreadable;

pub(crate) use walk::{WalkError, WalkProgress};

/// Blocks of one unmap submission at most, so that applying it stays short.
pub(crate) const UNMAP_BLOCKS_MAX: u32 = 65_536;

/// Whether a LUN can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// Its log is being recovered.
    Recovering,
    /// Yes.
    Ready,
    /// Too many drives are gone for it to be recovered or written.
    Failed,
    /// Deleted.
    Gone,
}

/// A LUN in use.
pub(crate) struct Lun {
    pub(crate) engine: Rc<Engine>,
    pub(crate) number: LunNo,
    pub(crate) id: LunId,
    readiness: Cell<Readiness>,
    /// The log was recovered: map and live counts are true, whatever became of the drives since.
    recovered: Cell<bool>,
    /// The log lost the header of an acknowledged batch.
    read_only: Cell<bool>,
    shape: Cell<LunShape>,
    epoch: Cell<u32>,
    map: RefCell<Map>,
    segments: RefCell<BTreeMap<SegmentNo, Rc<Segment>>>,
    live: RefCell<LiveCounts>,
    host: RefCell<Host>,
    moves: RefCell<Moves>,
    map_log: RefCell<checkpoint::MapLog>,
    ranges: Rc<RangeLocks>,
    order: Rc<Order>,
    durable_waiters: RefCell<Vec<flush::DurableWaiter>>,
    /// Somebody waits until acknowledging is right.
    awaits_right: Cell<bool>,
    /// Acknowledgements, segments, readiness: anything others may wait for.
    changed: Signal,
    checkpoint_turn: Rc<Turn>,
    switch_turn: Rc<Turn>,
    clean_turn: Rc<Turn>,
    /// Moves may take of the map's part of the share, all but one slab.
    lends_to_moves: Cell<bool>,
    /// The last checkpoint.
    checkpoint: Cell<CheckpointRecord>,
    last_activity_ns: Cell<u64>,
    /// Flips found and repaired wait here for the repairer.
    repairs: RefCell<BTreeSet<u64>>,
    unreadable: RefCell<Unreadable>,
    /// Blocks of which the map says that nobody knows what they held.
    lost_blocks: Cell<u64>,
    /// While it is counted what the map reaches.
    census: RefCell<Option<Census>>,
    /// Of the map pages found unreadable, so many were told to whoever rebuilds maps.
    pages_told: Cell<u64>,
    /// Host writes and flushes since the open: write-back without flush is worth a warning.
    writes: Cell<u64>,
    flushes: Cell<u64>,
    traffic: Traffic,
}

/// Live blocks by segment, and which changed since the last checkpoint.
#[derive(Default)]
pub(crate) struct LiveCounts {
    counts: BTreeMap<SegmentNo, u32>,
    changed: BTreeSet<SegmentNo>,
}

impl LiveCounts {
    fn of_catalog(state: &CatalogState, lun: LunNo) -> Self {
        let counts = state.segments_of(lun).map(|segment| (segment.number, segment.live));
        Self { counts: counts.collect(), changed: BTreeSet::new() }
    }

    /// Counts of all segments that hold data.
    fn data_blocks(&self, segments: &BTreeMap<SegmentNo, Rc<Segment>>) -> u64 {
        let is_data = |number: &SegmentNo| {
            segments.get(number).is_some_and(|segment| segment.stream != Stream::Map)
        };
        let of_data = self.counts.iter().filter(|(number, _)| is_data(number));
        of_data.map(|(_, count)| u64::from(*count)).sum()
    }

    fn add(&mut self, place: Place) {
        *self.counts.entry(place.segment()).or_default() += 1;
        self.changed.insert(place.segment());
    }

    fn remove(&mut self, place: Place) {
        let count = self.counts.entry(place.segment()).or_default();
        assert!(*count > 0, "{} has no live block to lose", place.segment());
        *count -= 1;
        self.changed.insert(place.segment());
    }

    fn set(&mut self, segment: SegmentNo, count: u32) {
        if self.of(segment) != count {
            self.counts.insert(segment, count);
            self.changed.insert(segment);
        }
    }

    fn forget(&mut self, segment: SegmentNo) {
        self.counts.remove(&segment);
        self.changed.remove(&segment);
    }

    pub(crate) fn of(&self, segment: SegmentNo) -> u32 {
        self.counts.get(&segment).copied().unwrap_or(0)
    }
}

/// The map as a checkpoint has it, nothing of it in memory.
fn map_at(checkpoint: &CheckpointRecord, record: &LunRecord) -> Map {
    let levels = checkpoint.levels.max(1);
    let root = MapEntry { place: checkpoint.root, checksum: checkpoint.root_checksum };
    let mut map = Map::new(levels, root, checkpoint.mapped_blocks);
    map.grow(layout::map_levels(record.size_bytes.div_ceil(vds_format::BLOCK_BYTES as u64)));
    map
}

impl Lun {
    /// A LUN as the catalog has it, its log not yet recovered.
    pub(crate) fn new(engine: &Rc<Engine>, number: LunNo) -> Rc<Self> {
        let state = engine.catalog.state();
        let record = &state.luns[&number];
        let checkpoint =
            state.checkpoints.get(&number).copied().unwrap_or_else(|| first_checkpoint(number));
        let segments = state
            .segments_of(number)
            .map(|segment| (segment.number, Segment::new(engine, segment, None)))
            .collect();
        let live = LiveCounts::of_catalog(&state, number);
        let map = map_at(&checkpoint, record);
        let lost_blocks = map.mapped_blocks.saturating_sub(live.data_blocks(&segments));
        let lun = Self {
            engine: Rc::clone(engine),
            number,
            id: record.id,
            readiness: Cell::new(Readiness::Recovering),
            recovered: Cell::new(false),
            read_only: Cell::new(record.read_only),
            shape: Cell::new(shape_of(record, state.array.slab_shift)),
            epoch: Cell::new(checkpoint.epoch),
            map: RefCell::new(map),
            segments: RefCell::new(segments),
            live: RefCell::new(live),
            host: RefCell::new(Host::new(checkpoint.sequence)),
            moves: RefCell::default(),
            map_log: RefCell::default(),
            ranges: Rc::default(),
            order: Rc::default(),
            awaits_right: Cell::new(false),
            durable_waiters: RefCell::default(),
            changed: Signal::default(),
            checkpoint_turn: Rc::default(),
            switch_turn: Rc::default(),
            clean_turn: Rc::default(),
            lends_to_moves: Cell::new(false),
            checkpoint: Cell::new(checkpoint),
            last_activity_ns: Cell::new(engine.world.clock.now().0),
            repairs: RefCell::default(),
            unreadable: RefCell::default(),
            lost_blocks: Cell::new(lost_blocks),
            census: RefCell::default(),
            pages_told: Cell::new(0),
            writes: Cell::new(0),
            flushes: Cell::new(0),
            traffic: Traffic::default(),
        };
        Rc::new(lun)
    }

    /// Forgets what an attempt at recovery made of the checkpoint.
    fn go_back_to_checkpoint(&self) {
        let state = self.engine.catalog.state();
        let Some(record) = state.luns.get(&self.number) else { return };
        let pages = self.map.borrow().page_count();
        self.engine.map_pages.set(self.engine.map_pages.get().saturating_sub(pages));
        *self.map.borrow_mut() = map_at(&self.checkpoint.get(), record);
        *self.live.borrow_mut() = LiveCounts::of_catalog(&state, self.number);
        let held = self.live.borrow().data_blocks(&self.segments.borrow());
        self.lost_blocks.set(self.map.borrow().mapped_blocks.saturating_sub(held));
        self.moves.borrow_mut().start_over();
        *self.map_log.borrow_mut() = checkpoint::MapLog::default();
    }

    /// The LUN as the catalog has it now.
    pub(crate) fn record(&self) -> Option<LunRecord> {
        self.engine.catalog.state().luns.get(&self.number).cloned()
    }

    /// Looks again at what the catalog says of size, caching and status.
    pub(crate) fn refresh(&self) {
        let state = self.engine.catalog.state();
        if let Some(record) = state.luns.get(&self.number) {
            self.shape.set(shape_of(record, state.array.slab_shift));
            let blocks = record.size_bytes.div_ceil(vds_format::BLOCK_BYTES as u64);
            self.map.borrow_mut().grow(layout::map_levels(blocks));
            let segments = self.segments.borrow();
            let columns = segments.values().flat_map(|segment| {
                segment.columns.iter().map(|column| (segment.stream, column.record))
            });
            let guests = layout::guests(record, columns);
            self.engine.space.borrow_mut().set_guests(self.number, guests);
        }
        self.changed.notify();
    }

    /// Whether something was found that no copy holds, and was not written anew since.
    pub(crate) fn has_unreadable(&self) -> bool {
        !self.unreadable.borrow().is_empty() || self.lost_blocks.get() > 0
    }

    /// Whether a map page was found that no copy holds.
    #[cfg(test)]
    pub(crate) fn has_unreadable_pages(&self) -> bool {
        self.unreadable.borrow().has_pages()
    }

    /// Drops every leaf that can be read again.
    #[cfg(test)]
    pub(crate) fn drop_clean_leaves(&self) {
        let before = self.map.borrow().page_count();
        while self.map.borrow_mut().evict(64) > 0 {}
        while self.map.borrow_mut().evict(64) > 0 {}
        let dropped = before - self.map.borrow().page_count();
        self.engine.map_pages.set(self.engine.map_pages.get().saturating_sub(dropped));
    }

    /// Blocks of which nobody knows what they held, since the map pages that knew it were lost.
    pub(crate) fn lost_blocks(&self) -> u64 {
        self.lost_blocks.get()
    }

    /// Whether a map page was found that no copy holds, since this was last true: its rebuilding is then the caller's to begin.
    pub(crate) fn take_map_loss(&self) -> bool {
        let unreadable = self.unreadable.borrow();
        if self.readiness() != Readiness::Ready || !unreadable.has_pages() {
            return false;
        }
        self.pages_told.replace(unreadable.pages_found()) != unreadable.pages_found()
    }

    /// What [`Lun::take_map_loss`] told came to nothing: it tells it again.
    pub(crate) fn tell_map_loss_again(&self) {
        self.pages_told.set(0);
    }

    /// Whether it can be used.
    pub(crate) fn readiness(&self) -> Readiness {
        self.readiness.get()
    }

    /// Counts of writes and flushes since the open.
    pub(crate) fn activity(&self) -> (u64, u64) {
        (self.writes.get(), self.flushes.get())
    }

    /// What it has written to its drives since the open.
    pub(crate) fn traffic(&self) -> LunTraffic {
        self.traffic.now()
    }

    /// Blocks that hold data.
    pub(crate) fn mapped_blocks(&self) -> u64 {
        self.map.borrow().mapped_blocks
    }

    fn set_readiness(&self, readiness: Readiness) {
        if self.readiness.get() != Readiness::Gone {
            self.readiness.set(readiness);
        }
        self.changed.notify();
    }

    /// It can be used from now on. A drive may have left while it could not: what was being appended to there is left now.
    fn become_ready(self: &Rc<Self>) {
        self.set_readiness(Readiness::Ready);
        let is_broken = {
            let host = self.host.borrow();
            host.broken && host.has_settled()
        };
        if is_broken {
            self.spawn_switch();
        }
    }

    /// The LUN's deletion is staged: nothing is served any more, its slabs come free when that is durable and the last read
    /// has ended.
    pub(crate) fn depart(self: &Rc<Self>) {
        self.set_readiness(Readiness::Gone);
        for segment in std::mem::take(&mut *self.segments.borrow_mut()).into_values() {
            segment.retire();
        }
        let mut host = self.host.borrow_mut();
        host.current = None;
        host.spares.clear();
        host.full.clear();
        drop(host);
        *self.moves.borrow_mut() = Moves::default();
        *self.map_log.borrow_mut() = checkpoint::MapLog::default();
        self.fail_queue(&LunIoError::Gone);
        let pages = self.map.borrow().page_count();
        self.engine.map_pages.set(self.engine.map_pages.get().saturating_sub(pages));
    }

    /// The segment with this number, if it is still in use.
    fn segment(&self, number: SegmentNo) -> Option<Rc<Segment>> {
        self.segments.borrow().get(&number).cloned()
    }

    /// All segments now.
    pub(crate) fn all_segments(&self) -> Vec<Rc<Segment>> {
        self.segments.borrow().values().cloned().collect()
    }

    /// Live blocks of a segment.
    pub(crate) fn live_of(&self, segment: SegmentNo) -> u32 {
        self.live.borrow().of(segment)
    }

    /// Takes over the columns that the catalog has for a segment now.
    fn reload_segment(&self, number: SegmentNo) {
        let state = self.engine.catalog.state();
        let Some(record) = state.segments.get(&number) else { return };
        let before = self.segment(number);
        let fresh = Segment::new(&self.engine, record, before.as_deref());
        if let Some(old) = self.segments.borrow_mut().insert(number, fresh) {
            old.retire_columns_not_in(record);
        }
    }

    /// Drives came or went: columns are looked up anew. What is being appended to keeps its own.
    pub(crate) fn reload_segments(self: &Rc<Self>) {
        let numbers: Vec<SegmentNo> = self.segments.borrow().keys().copied().collect();
        for number in numbers {
            self.reload_segment(number);
        }
        self.changed.notify();
    }

    /// A drive came back: a LUN that had failed for want of it is tried again.
    pub(crate) async fn revive(self: &Rc<Self>) {
        self.reload_segments();
        if self.readiness() != Readiness::Failed {
            return;
        }
        if self.recovered.get() {
            self.become_ready();
            self.pump();
        } else {
            // The reason of a failure is logged where it is found, and shown as the LUN's status.
            let _ = self.recover().await;
        }
    }

    /// The blocks of a drive that hold something live, and what.
    #[cfg(test)]
    pub(crate) fn live_blocks_on(
        &self,
        number: vds_format::DriveNo,
    ) -> BTreeMap<u64, crate::engine::DamagedThing> {
        use crate::engine::DamagedThing;
        let mut found = BTreeMap::new();
        let map = self.map.borrow();
        for (level, index, place) in map.entries_in_memory() {
            let what = match level {
                0 => DamagedThing::Data { lun: self.number, lun_block: index },
                _ => rebuild_map::damaged_range(self, level - 1, index),
            };
            let Some(segment) = self.segment(place.segment()) else { continue };
            let (data_column, row) = place.column_and_row(segment.rows);
            for column in &segment.columns {
                let here = u32::from(column.record.data_column) == data_column;
                if let Some(drive) = column.live()
                    && here
                    && drive.number == number
                {
                    found.insert(column.block(drive, row), what);
                    let label = drive.slab_block(column.record.slab);
                    found.insert(label, DamagedThing::Label { lun: self.number });
                }
            }
        }
        found
    }

    /// Live counts agree with what the map in memory shows, and everything it names is in use.
    ///
    /// # Panics
    /// When they do not: a bug.
    #[cfg(test)]
    pub(crate) fn check_invariants(&self) {
        let map = self.map.borrow();
        let live = self.live.borrow();
        let segments = self.segments.borrow();
        let mut counted: BTreeMap<SegmentNo, u32> = BTreeMap::new();
        for place in map.places_in_memory() {
            assert!(segments.contains_key(&place.segment()), "{place:?} is in no segment in use");
            *counted.entry(place.segment()).or_default() += 1;
        }
        for (segment, count) in counted {
            assert!(
                live.of(segment) >= count,
                "{segment} has {count} live blocks and says {}",
                live.of(segment)
            );
        }
        let held = live.data_blocks(&segments);
        let (lost, mapped) = (self.lost_blocks.get(), map.mapped_blocks);
        assert_eq!(held + lost, mapped, "{held} live and {lost} lost, {mapped} mapped");
    }

    /// What a batch does to map and live counts, in one step.
    fn apply(&self, change: Change) {
        let mut map = self.map.borrow_mut();
        let mut live = self.live.borrow_mut();
        match change {
            Change::Map { lun_block, entry } => {
                let before = map.set(lun_block, entry);
                if before.place.is_somewhere() {
                    live.remove(before.place);
                }
                live.add(entry.place);
                self.count_change(lun_block, before, entry);
                self.unreadable.borrow_mut().forget_blocks(lun_block, lun_block + 1);
            }
            Change::Unmap { lun_block, blocks } => {
                let end = lun_block + u64::from(blocks);
                self.unreadable.borrow_mut().forget_blocks(lun_block, end);
                let mut block = lun_block;
                while block < end {
                    let leaf = map::leaf_of(block);
                    let next = ((leaf + 1) * vds_format::MAP_FANOUT as u64).min(end);
                    if map.has_leaf(leaf) {
                        for block in block..next {
                            if map.lookup(block).place.is_nowhere() {
                                continue;
                            }
                            let before = map.set(block, MapEntry::default());
                            if before.place.is_somewhere() {
                                live.remove(before.place);
                            }
                            self.count_change(block, before, MapEntry::default());
                        }
                    }
                    block = next;
                }
            }
        }
    }

    /// Loads and pins the leaves that a change touches, and waits for its turn.
    async fn pin_in_turn(
        self: &Rc<Self>,
        ticket: &Ticket,
        contents: &[Content],
    ) -> Result<Vec<u64>, LunIoError> {
        let mut pins = self.pin(contents).await?;
        ticket.turn().await;
        // Changes before this one may have made leaves since, which would go out of memory before it is seen.
        let unmaps = contents.iter().filter(|content| matches!(content, Content::Unmap { .. }));
        match self.pin(unmaps).await {
            Ok(more) => pins.extend(more),
            Err(error) => {
                self.unpin(&pins);
                return Err(error);
            }
        }
        Ok(pins)
    }

    /// Loads and pins the leaves that contents touch; those they will not touch because they do not exist are left out.
    async fn pin<'a>(
        self: &Rc<Self>,
        contents: impl IntoIterator<Item = &'a Content>,
    ) -> Result<Vec<u64>, LunIoError> {
        let mut pins = Vec::new();
        let wanted = contents.into_iter().flat_map(|content| {
            let create = matches!(content, Content::Data { .. });
            leaves(content).map(move |leaf| (leaf, create))
        });
        for (leaf, create) in wanted {
            if let Err(error) = self.load_leaf(leaf, create).await {
                self.unpin(&pins);
                return Err(error);
            }
            let mut map = self.map.borrow_mut();
            if map.has_leaf(leaf) {
                map.pin(leaf);
                pins.push(leaf);
            }
        }
        Ok(pins)
    }

    fn unpin(&self, pins: &[u64]) {
        let mut map = self.map.borrow_mut();
        pins.iter().for_each(|leaf| map.unpin(*leaf));
    }
}

/// The leaves that a change touches.
fn leaves(content: &Content) -> std::ops::RangeInclusive<u64> {
    let (first, blocks) = match content {
        Content::Data { lun_block, data } => {
            (*lun_block, (data.len() / vds_format::BLOCK_BYTES) as u64)
        }
        Content::Unmap { lun_block, blocks } => (*lun_block, u64::from(*blocks)),
    };
    map::leaf_of(first)..=map::leaf_of(first + blocks.max(1) - 1)
}

/// The checkpoint of a LUN that was never written.
pub(crate) fn first_checkpoint(lun: LunNo) -> CheckpointRecord {
    CheckpointRecord {
        lun,
        epoch: 1,
        sequence: Sequence(0),
        replay_segment: SegmentNo(0),
        replay_row: 0,
        levels: 0,
        root: Place::NOWHERE,
        root_checksum: 0,
        mapped_blocks: 0,
    }
}

fn shape_of(record: &LunRecord, slab_shift: u8) -> LunShape {
    let rows = (1_u32 << (slab_shift - 12)) - 1;
    let blocks = vds_format::batch_data_blocks_max(rows, record.data_columns);
    // A range that is not aligned to blocks touches one block more than it is long.
    let transfer_bytes_max = (blocks - 1) / 4 * 4 * 4096;
    LunShape {
        size_bytes: record.size_bytes,
        sector_bytes: record.sector_bytes,
        transfer_bytes_max,
        write_back: record.write_back,
        read_only: record.read_only,
    }
}
