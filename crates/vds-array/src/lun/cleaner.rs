//! The cleaner: moves what is still live out of the emptiest segments, so that a full LUN can be overwritten for ever.

use std::collections::{BTreeSet, VecDeque};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, join, select};
use vds_format::{MapEntry, SegmentNo, SegmentState, Stream, batch_data_blocks_max, data_checksum};

use super::map::leaf_of;
use super::moves::{Move, MoveError};
use super::open::MOVES_SHARE;
use super::scan::Scanner;
use super::{Lun, Readiness, Segment};
use crate::layout;

/// The log that a crash has to walk is at most so long.
const LOG_BYTES_MAX: u64 = 64 << 20;
/// An idle LUN is checkpointed after so long.
const IDLE_CHECKPOINT: Duration = Duration::from_secs(20);
/// Rounds of cleaning and checkpoint before a write that waits for space gives up.
const ROOM_ROUNDS_MAX: usize = 64;
/// How often it looks, and with what pause, whether segments that are gone are still being read: a request has an answer
/// within a drive's deadline.
const PINNED_LOOKS_MAX: usize = 500;
const PINNED_PAUSE: Duration = Duration::from_millis(20);

impl Lun {
    /// Cleans in the background until the share has room again. Does nothing if that is under way.
    pub(super) fn ask_for_cleaning(self: &Rc<Self>) {
        if let Some(turn) = self.clean_turn.try_take() {
            let lun = Rc::clone(self);
            let task = async move {
                lun.clean_to_mark().await;
                drop(turn);
            };
            self.engine.world.spawn.spawn("clean", Box::pin(task));
        }
    }

    /// Rounds of cleaning until enough is free, with the host stream held to their pace.
    async fn clean_to_mark(self: &Rc<Self>) {
        self.host.borrow_mut().pace.begin();
        while self.readiness() == Readiness::Ready && self.host_room() < self.low_water() {
            let (room, written) = (self.host_room(), self.host.borrow().next_sequence);
            let gained = self.clean_some().await;
            // A small LUN never gets to the mark: what gains nothing, with nobody writing, is not done again.
            let is_idle = self.host.borrow().next_sequence == written;
            if !gained || (is_idle && self.host_room() <= room) {
                break;
            }
        }
        let is_short = self.host_room() < self.low_water();
        let mut host = self.host.borrow_mut();
        host.pace.end();
        if !is_short {
            host.pace.allow(self.burst_blocks(), self.burst_blocks());
        }
        drop(host);
        self.pump();
    }

    /// Frees space for one host segment at least. False if that cannot be: the drives that hold the share are gone.
    pub(super) async fn make_room(self: &Rc<Self>) -> bool {
        for _ in 0..ROOM_ROUNDS_MAX {
            // Whoever cleans already may have made room long before the turn is given up.
            let room = self.engine.space_changed.until(|| (self.host_room() > 0).then_some(()));
            let _turn = match select(pin!(self.clean_turn.take()), pin!(room)).await {
                Either::Left((turn, _)) => turn,
                Either::Right(_) => return true,
            };
            if self.host_room() > 0 {
                return true;
            }
            if !self.clean_some().await && !self.until_unpinned().await {
                break;
            }
        }
        self.host_room() > 0
    }

    /// Row blocks that the host stream may append at once while it is paced: a segment.
    fn burst_blocks(&self) -> u64 {
        let rows = (1_u64 << (self.engine.catalog.state().array.slab_shift - 12)) - 1;
        rows * self.record().map_or(1, |record| u64::from(record.data_columns))
    }

    /// Gives whoever still reads segments that are gone time to let go of them. False if nobody does, or nobody lets go.
    pub(super) async fn until_unpinned(&self) -> bool {
        let pinned = self.pinned_slabs();
        for _ in 0..PINNED_LOOKS_MAX {
            if pinned == 0 || self.readiness() == Readiness::Gone {
                return false;
            }
            self.engine.world.clock.sleep(PINNED_PAUSE).await;
            if self.pinned_slabs() < pinned {
                return true;
            }
        }
        false
    }

    /// Slabs that this LUN has and that no segment of it names.
    fn pinned_slabs(&self) -> u64 {
        let Some(record) = self.record() else { return 0 };
        let (space, segments) = (self.engine.space.borrow(), self.segments.borrow());
        let drives = record.reservations.iter().map(|it| it.drive);
        let pinned = drives.map(|drive| {
            let columns = segments.values().flat_map(|segment| &segment.columns);
            let named = columns.filter(|column| column.record.drive == drive).count() as u64;
            u64::from(space.used_by(self.number, drive)).saturating_sub(named)
        });
        pinned.sum()
    }

    /// One round: the emptiest segments cleaned, and a checkpoint that frees them. False if there is nothing to gain.
    async fn clean_some(self: &Rc<Self>) -> bool {
        if self.clean_victims(self.round_segments()).await.is_err() {
            return false;
        }
        let before = self.segments.borrow().len();
        if self.checkpoint().await.is_err() {
            return false;
        }
        self.until_released().await;
        if self.host_room() >= self.low_water() || self.segments.borrow().len() < before {
            return true;
        }
        // What that checkpoint sealed may be worth cleaning now.
        let gained = match self.clean_victims(1).await {
            Ok(0) => self.clean_on_loan().await,
            Ok(_) => self.checkpoint().await.is_ok(),
            Err(_) => false,
        };
        self.until_released().await;
        gained
    }

    /// Moves what is live out of the emptiest segments until `wanted` wait for a checkpoint to free them; how many were
    /// emptied before there was no slab left to move to, or nothing more to gain.
    async fn clean_victims(self: &Rc<Self>, wanted: u64) -> Result<usize, MoveError> {
        // What cannot be read stays where it is: such a segment would be chosen again and again.
        let mut cleaned = BTreeSet::new();
        while self.empty_segments() < wanted {
            let Some(victim) = self.victim(&cleaned) else { break };
            match self.clean_segment(&victim).await {
                Ok(()) => cleaned.insert(victim.number),
                Err(MoveError::Full) => break,
                Err(error) => return Err(error),
            };
        }
        Ok(cleaned.len())
    }

    /// Cleans when crashes have left so many half-filled segments that the cleaner's own part is used up: into a slab of the
    /// map's part. No checkpoint comes between, so that a crash leaves either what was before or a slab gained.
    async fn clean_on_loan(self: &Rc<Self>) -> bool {
        let _turn = self.checkpoint_turn.take().await;
        self.lends_to_moves.set(true);
        let cleaned = self.clean_victims(1).await;
        self.lends_to_moves.set(false);
        let counts = self.checkpoint_in_turn().await.is_ok();
        counts && cleaned.is_ok_and(|cleaned| cleaned > 0)
    }

    /// Moves what is live out of the emptiest segment, without the checkpoint that would make it count.
    #[cfg(test)]
    pub(crate) async fn clean_once(self: &Rc<Self>) -> bool {
        let _turn = self.clean_turn.take().await;
        match self.victim(&BTreeSet::new()) {
            Some(victim) => self.clean_segment(&victim).await.is_ok(),
            None => false,
        }
    }

    /// Waits until slabs that were freed can be taken.
    pub(super) async fn until_released(&self) {
        let engine = &self.engine;
        engine.space_changed.until(|| (engine.releasing.get() == 0).then_some(())).await;
    }

    /// How many host segments could be opened now.
    pub(super) fn host_room(&self) -> u64 {
        self.room_for(Stream::Host)
    }

    /// How many segments of host data or moves could be opened now.
    fn room_for(&self, stream: Stream) -> u64 {
        let Some(record) = self.record() else { return 0 };
        let slots = layout::slots(&record, stream);
        let is_intact = |slot: &layout::Slot| self.live_home(slot).len() == slot.drives.len();
        // A copy that lacks drives is left out where they are full, if there is another copy.
        let counts = |slot: &&layout::Slot| {
            let mut copies = slots.iter().filter(|it| it.data_column == slot.data_column);
            is_intact(slot) || !copies.any(is_intact)
        };
        let homes = slots.iter().filter(counts).map(|slot| self.live_home(slot));
        let homes = homes.filter(|home| !home.is_empty());
        homes.map(|home| self.room(&record, &home, stream)).min().unwrap_or(0)
    }

    /// Segments that are emptied for one checkpoint.
    pub(super) fn round_segments(&self) -> u64 {
        layout::cleaning_round(self.segments.borrow().len() as u64, self.burst_blocks()).max(1)
    }

    /// Below so many free host segments the cleaner works: with fewer, host and moves would use them up within its round.
    fn low_water(&self) -> u64 {
        self.round_segments() + 1
    }

    /// Sealed segments without a live block: the next checkpoint frees them.
    fn empty_segments(&self) -> u64 {
        let live = self.live.borrow();
        let segments = self.segments.borrow();
        let empty = segments.values().filter(|it| is_cleanable(it) && live.of(it.number) == 0);
        empty.count() as u64
    }

    /// The segment worth cleaning most: the emptiest that is not `cleaned` yet, if anything is gained by it.
    fn victim(&self, cleaned: &BTreeSet<SegmentNo>) -> Option<Rc<Segment>> {
        let live = self.live.borrow();
        let segments = self.segments.borrow();
        let candidates = segments
            .values()
            .filter(|it| is_cleanable(it) && it.is_whole() && !cleaned.contains(&it.number))
            .map(|segment| (live.of(segment.number), segment))
            .filter(|(live, segment)| *live > 0 && *live < dense(segment));
        candidates.min_by_key(|(live, it)| (*live, it.number)).map(|(_, it)| Rc::clone(it))
    }

    /// Moves everything live out of a segment. Blocks that cannot be read stay where they are.
    pub(super) async fn clean_segment(
        self: &Rc<Self>,
        segment: &Rc<Segment>,
    ) -> Result<(), MoveError> {
        let mut harvest = Harvest::new(self, segment);
        let gain = Gain::of(segment, self.live_of(segment.number));
        let at_once = batch_data_blocks_max(segment.rows, segment.data_columns) as usize;
        let mut ready = harvest.next(at_once).await;
        while !ready.is_empty() {
            let count = ready.len();
            // The next are read while these are written.
            let (moved, next) = join(self.move_pinned(ready), harvest.next(at_once)).await;
            ready = next;
            if moved.is_err() {
                self.unpin_leaves(ready.iter().map(|it| leaf_of(it.lun_block)));
                return moved;
            }
            self.allow_host(gain.by(count));
        }
        Ok(())
    }

    /// Cleaning gained so many row blocks: the host stream may append as many, and fewer the farther the LUN is from having
    /// the room that a round takes.
    fn allow_host(self: &Rc<Self>, gained: u64) {
        let have = self.room_for(Stream::Moves) + self.empty_segments();
        let wanted = self.low_water() + MOVES_SHARE;
        let allowed = gained * have.min(wanted) / wanted;
        self.host.borrow_mut().pace.allow(allowed, self.burst_blocks());
        self.pump();
    }

    /// Places blocks anew whose leaves are pinned, once for each, and gives the pins back.
    async fn move_pinned(self: &Rc<Self>, moves: Vec<Move>) -> Result<(), MoveError> {
        let leaves: Vec<u64> = moves.iter().map(|it| leaf_of(it.lun_block)).collect();
        let moved = self.place_anew(moves).await;
        self.unpin_leaves(leaves.into_iter());
        moved
    }

    fn unpin_leaves(&self, leaves: impl Iterator<Item = u64>) {
        let mut map = self.map.borrow_mut();
        leaves.for_each(|leaf| map.unpin(leaf));
    }

    /// A block was wrong on one copy and right on another: it is placed anew, on all.
    pub(super) fn ask_for_repair(self: &Rc<Self>, lun_block: u64) {
        let first = {
            let mut repairs = self.repairs.borrow_mut();
            repairs.insert(lun_block) && repairs.len() == 1
        };
        if first {
            let lun = Rc::clone(self);
            let task = async move { lun.repair().await };
            self.engine.world.spawn.spawn("repair", Box::pin(task));
        }
    }

    async fn repair(self: &Rc<Self>) {
        loop {
            let Some(lun_block) = self.repairs.borrow().first().copied() else { return };
            self.repair_block(lun_block).await;
            self.repairs.borrow_mut().remove(&lun_block);
        }
    }

    async fn repair_block(self: &Rc<Self>, lun_block: u64) {
        let leaf = leaf_of(lun_block);
        if self.load_leaf(leaf, false).await.is_err() || !self.map.borrow().has_leaf(leaf) {
            return;
        }
        self.map.borrow_mut().pin(leaf);
        let from = self.map.borrow().lookup(lun_block);
        if let Some(segment) = self.segment(from.place.segment()) {
            let matches = |block: &[u8]| data_checksum(block, lun_block) == from.checksum;
            // No report here: the damage was told when it was found.
            let (column, row) = from.place.column_and_row(segment.rows);
            for copy in segment.readable(column) {
                if let Ok(buffer) = copy.read(row, 1).await
                    && matches(buffer.block(0))
                {
                    let data = buffer.block(0).to_vec();
                    let moved = self.place_anew(vec![Move { lun_block, from, data }]).await;
                    tracing::info!(lun = %self.number, lun_block, ok = moved.is_ok(), "block repaired");
                    break;
                }
            }
        }
        self.map.borrow_mut().unpin(leaf);
    }

    /// What the array's clockwork asks of every LUN now and then: a checkpoint when the log is long or the LUN idle, cleaning
    /// when space is short.
    pub(crate) fn maintain(self: &Rc<Self>) {
        if self.readiness() != Readiness::Ready {
            return;
        }
        let appended = self.host.borrow().appended_blocks;
        let now = self.engine.world.clock.now();
        let idle = now.since(vds_io::Monotonic(self.last_activity_ns.get()));
        let dirty = appended > 0 || self.map.borrow().dirty_pages() > 0;
        let long = appended * vds_format::BLOCK_BYTES as u64 >= LOG_BYTES_MAX / 2;
        if idle >= IDLE_CHECKPOINT {
            self.host.borrow_mut().spares_wanted = 1;
        }
        if (long || (dirty && idle >= IDLE_CHECKPOINT)) && !self.checkpoint_turn.is_taken() {
            let lun = Rc::clone(self);
            let task = async move {
                if let Err(error) = lun.checkpoint().await {
                    tracing::debug!(lun = %lun.number, ?error, "no checkpoint");
                }
            };
            self.engine.world.spawn.spawn("checkpoint", Box::pin(task));
        }
        if self.host_room() < self.low_water() {
            self.ask_for_cleaning();
        }
    }
}

/// The live blocks of a segment, as they are read; the leaves of those that were read are pinned.
struct Harvest {
    lun: Rc<Lun>,
    scanner: Scanner,
    row: u32,
    /// Read and not handed out.
    moves: VecDeque<Move>,
}

impl Harvest {
    fn new(lun: &Rc<Lun>, segment: &Rc<Segment>) -> Self {
        let scanner = Scanner::one_copy(lun, segment, true);
        Self { lun: Rc::clone(lun), scanner, row: 0, moves: VecDeque::new() }
    }

    /// The next `count`; fewer at the end only. Blocks that cannot be read are left out.
    async fn next(&mut self, count: usize) -> Vec<Move> {
        let (rows, number) = (self.scanner.end_row(), self.scanner.segment.number);
        while self.moves.len() < count && self.row < rows && self.lun.live_of(number) > 0 {
            let Some(found) = self.scanner.batch_at(self.row).await else {
                // Behind the last batch, or a header that no copy holds: step over it.
                self.row += 1;
                continue;
            };
            self.row += found.header.rows;
            for block in found.blocks {
                let from = MapEntry { place: block.place, checksum: block.checksum };
                let leaf = leaf_of(block.lun_block);
                if self.lun.load_leaf(leaf, false).await.is_err()
                    || self.lun.map.borrow().lookup(block.lun_block) != from
                {
                    continue;
                }
                let Some(data) = block.data else { continue };
                self.lun.map.borrow_mut().pin(leaf);
                self.moves.push_back(Move { lun_block: block.lun_block, from, data });
            }
        }
        self.moves.drain(..count.min(self.moves.len())).collect()
    }
}

impl Drop for Harvest {
    fn drop(&mut self) {
        self.lun.unpin_leaves(self.moves.iter().map(|it| leaf_of(it.lun_block)));
    }
}

/// What cleaning a segment gains, in shares of what must be moved for it.
struct Gain {
    blocks: u64,
    live: u64,
}

impl Gain {
    fn of(segment: &Segment, live: u32) -> Self {
        let blocks = u64::from(segment.rows) * u64::from(segment.data_columns);
        Self { blocks: blocks.saturating_sub(live.into()), live: live.max(1).into() }
    }

    /// By having moved so many blocks.
    fn by(&self, moved: usize) -> u64 {
        self.blocks * moved as u64 / self.live
    }
}

/// Whether a segment's live blocks can be moved elsewhere: nothing is appended to it any more.
fn is_cleanable(segment: &Segment) -> bool {
    segment.stream != Stream::Map && segment.state.get() == SegmentState::Sealed
}

/// Blocks that a segment like this one holds when filled densely.
fn dense(segment: &Segment) -> u32 {
    layout::dense_blocks(segment.rows, segment.data_columns, segment.doubled)
}
