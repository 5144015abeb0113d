//! The cleaner: moves what is still live out of the emptiest segments, so that a full LUN can be overwritten for ever.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use vds_format::{MapEntry, SegmentState, Stream, data_checksum};

use super::map::leaf_of;
use super::moves::{Move, MoveError};
use super::scan::Scanner;
use super::{Lun, Readiness, Segment};
use crate::layout;

/// The log that a crash has to walk is at most so long.
const LOG_BYTES_MAX: u64 = 64 << 20;
/// An idle LUN is checkpointed after so long.
const IDLE_CHECKPOINT: Duration = Duration::from_secs(20);
/// Blocks moved together.
const MOVE_BLOCKS_MAX: usize = 256;
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
                while lun.readiness() == Readiness::Ready && lun.host_room() < lun.low_water() {
                    let before = lun.host_room();
                    // A small LUN never gets to the mark: what gains nothing is not done again.
                    if !lun.clean_some().await || lun.host_room() <= before {
                        break;
                    }
                }
                drop(turn);
            };
            self.engine.world.spawn.spawn("clean", Box::pin(task));
        }
    }

    /// Frees space for one host segment at least. False if that cannot be: the drives that hold the share are gone.
    pub(super) async fn make_room(self: &Rc<Self>) -> bool {
        let _turn = self.clean_turn.take().await;
        for _ in 0..ROOM_ROUNDS_MAX {
            if self.host_room() > 0 {
                return true;
            }
            if !self.clean_some().await && !self.until_unpinned().await {
                return self.host_room() > 0;
            }
        }
        self.host_room() > 0
    }

    /// Gives whoever still reads segments that are gone time to let go of them. False if nobody does, or nobody lets go.
    async fn until_unpinned(&self) -> bool {
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

    /// One round: a checkpoint that frees what is dead already, or the emptiest segments cleaned and a checkpoint. False if there is
    /// nothing to gain.
    async fn clean_some(self: &Rc<Self>) -> bool {
        let before = self.segments.borrow().len();
        if self.checkpoint().await.is_err() {
            return false;
        }
        self.until_released().await;
        if self.host_room() >= self.low_water() || self.segments.borrow().len() < before {
            return true;
        }
        let gained = match self.clean_victims().await {
            Ok(0) => self.clean_on_loan().await,
            Ok(_) => self.checkpoint().await.is_ok(),
            Err(_) => false,
        };
        self.until_released().await;
        gained
    }

    /// Moves what is live out of the emptiest segments; how many were emptied before there was no slab left to move to.
    async fn clean_victims(self: &Rc<Self>) -> Result<usize, MoveError> {
        let mut cleaned = 0;
        for victim in self.victims() {
            match self.clean_segment(&victim).await {
                Ok(()) => cleaned += 1,
                Err(MoveError::Full) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(cleaned)
    }

    /// Cleans when crashes have left so many half-filled segments that the cleaner's own part is used up: into a slab of the
    /// map's part. No checkpoint comes between, so that a crash leaves either what was before or a slab gained.
    async fn clean_on_loan(self: &Rc<Self>) -> bool {
        let _turn = self.checkpoint_turn.take().await;
        self.lends_to_moves.set(true);
        let cleaned = self.clean_victims().await;
        self.lends_to_moves.set(false);
        let counts = self.checkpoint_in_turn().await.is_ok();
        counts && cleaned.is_ok_and(|cleaned| cleaned > 0)
    }

    /// Moves what is live out of the emptiest segment, without the checkpoint that would make it count.
    #[cfg(test)]
    pub(crate) async fn clean_once(self: &Rc<Self>) -> bool {
        let _turn = self.clean_turn.take().await;
        match self.victims().first() {
            Some(victim) => self.clean_segment(victim).await.is_ok(),
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
        let Some(record) = self.record() else { return 0 };
        let slots = layout::slots(&record, Stream::Host);
        let is_intact = |slot: &layout::Slot| self.live_home(slot).len() == slot.drives.len();
        // A copy that lacks drives is left out where they are full, if there is another copy.
        let counts = |slot: &&layout::Slot| {
            let mut copies = slots.iter().filter(|it| it.data_column == slot.data_column);
            is_intact(slot) || !copies.any(is_intact)
        };
        let homes = slots.iter().filter(counts).map(|slot| self.live_home(slot));
        let homes = homes.filter(|home| !home.is_empty());
        homes.map(|home| self.room(&record, &home, Stream::Host)).min().unwrap_or(0)
    }

    /// Below so many free host segments the cleaner works.
    fn low_water(&self) -> u64 {
        let segments = self.segments.borrow().len() as u64;
        (segments / 20).clamp(2, 64)
    }

    /// The segments worth cleaning now, emptiest first: as many as give one segment back.
    fn victims(&self) -> Vec<Rc<Segment>> {
        let live = self.live.borrow();
        let mut candidates: Vec<(u32, Rc<Segment>)> = self
            .segments
            .borrow()
            .values()
            .filter(|segment| segment.stream != Stream::Map)
            .filter(|segment| segment.state.get() == SegmentState::Sealed && segment.is_whole())
            .map(|segment| (live.of(segment.number), Rc::clone(segment)))
            .filter(|(live, segment)| *live > 0 && *live < dense(segment))
            .collect();
        candidates.sort_by_key(|(live, segment)| (*live, segment.number));
        let mut gain = 0;
        let mut chosen = Vec::new();
        for (live, segment) in candidates {
            let dense = dense(&segment);
            if gain >= dense {
                break;
            }
            gain += dense - live;
            chosen.push(segment);
        }
        chosen
    }

    /// Moves everything live out of a segment. Blocks that cannot be read stay where they are.
    pub(super) async fn clean_segment(
        self: &Rc<Self>,
        segment: &Rc<Segment>,
    ) -> Result<(), MoveError> {
        let mut scanner = Scanner::new(self, segment, true);
        let mut row = 0;
        let mut moves: Vec<Move> = Vec::new();
        let mut pins: BTreeSet<u64> = BTreeSet::new();
        while row < segment.rows && self.live_of(segment.number) > 0 {
            let Some(found) = scanner.batch_at(row).await else {
                // Behind the last batch, or a header that no copy holds: step over it.
                row += 1;
                continue;
            };
            row += found.header.rows;
            for block in found.blocks {
                let from = MapEntry { place: block.place, checksum: block.checksum };
                let leaf = leaf_of(block.lun_block);
                if self.load_leaf(leaf, false).await.is_err()
                    || self.map.borrow().lookup(block.lun_block) != from
                {
                    continue;
                }
                let Some(data) = block.data else { continue };
                if pins.insert(leaf) {
                    self.map.borrow_mut().pin(leaf);
                }
                moves.push(Move { lun_block: block.lun_block, from, data });
            }
            if moves.len() >= MOVE_BLOCKS_MAX {
                self.move_pinned(&mut moves, &mut pins).await?;
            }
        }
        self.move_pinned(&mut moves, &mut pins).await
    }

    async fn move_pinned(
        self: &Rc<Self>,
        moves: &mut Vec<Move>,
        pins: &mut BTreeSet<u64>,
    ) -> Result<(), MoveError> {
        let moved = self.place_anew(std::mem::take(moves)).await;
        let mut map = self.map.borrow_mut();
        std::mem::take(pins).into_iter().for_each(|leaf| map.unpin(leaf));
        moved
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

/// Blocks that a segment like this one holds when filled densely.
fn dense(segment: &Segment) -> u32 {
    layout::dense_blocks(segment.rows, segment.data_columns, segment.doubled)
}
