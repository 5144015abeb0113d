//! Where the log ends: what a crash left, and how the LUN comes up from it.
//!
//! ```text
//!   stale segments deleted ─► headers and data of the log read ─► end found ─► accepted batches applied
//!     ─► blocks not on all columns placed anew ─► checkpoint of the next epoch seals what was found ─► ready
//! ```
//! Until the checkpoint at the end is durable nothing that the next attempt needs has changed.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use vds_format::{
    BatchEntry, BatchHeader, CheckpointRecord, MapEntry, Record, SegmentNo, SegmentRecord,
    SegmentState, Sequence, Stream,
};

use super::checkpoint::CheckpointError;
use super::host::{Change, Full, Host};
use super::map::leaf_of;
use super::moves::{Move, MoveError};
use super::queue::Content;
use super::scan::{FoundBlock, Scanner};
use super::segment::Filled;
use super::walk::WalkProgress;
use super::{Lun, Readiness, Segment};
use crate::engine::DamagedThing;

/// Why a log could not be recovered. Nothing was changed on the drives; the next attempt starts from the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecoveryError {
    /// No live copy of some column of the log is there.
    #[error("drives that hold the only copy of a part of the log are not there")]
    DrivesMissing,
    /// A map page that replay needs cannot be read from any copy that is there, and was not rebuilt: drives are missing that
    /// may hold it, or what it is rebuilt from.
    #[error("a map page cannot be read from any copy")]
    Map,
    /// The array froze.
    #[error("the array's catalog takes no changes")]
    Frozen,
    /// The only good copy of a block was lost after it was read.
    #[error("a drive left that alone held a part of the log")]
    SourceLost,
    /// A block that lies on too few columns was not placed anew.
    #[error("what a crash left on too few drives could not be placed anew: {0}")]
    Move(MoveError),
    /// The checkpoint that would seal the log was not made.
    #[error("no checkpoint of the recovered log: {0}")]
    Checkpoint(CheckpointError),
}

/// How often recovery is tried, and after what pause.
const ATTEMPTS_MAX: u32 = 4;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(500);

/// A batch found in the log.
struct Logged {
    header: BatchHeader,
    segment: Rc<Segment>,
    verified: bool,
    complete: bool,
    places: Vec<(u64, MapEntry)>,
    /// Those that no copy holds.
    lost: Vec<(u64, MapEntry)>,
}

fn entry_of(block: &FoundBlock) -> (u64, MapEntry) {
    (block.lun_block, MapEntry { place: block.place, checksum: block.checksum })
}

/// The part of a segment that replay looks at.
struct Stretch {
    segment: Rc<Segment>,
    record: SegmentRecord,
    first_row: u32,
    end_row: u32,
}

impl Lun {
    /// Recovers the log and makes the LUN ready, or failed. What drives spoiled that left meanwhile is tried again.
    pub(crate) async fn recover(self: &Rc<Self>) -> Result<(), RecoveryError> {
        let mut result = self.recover_log().await;
        for _ in 1..ATTEMPTS_MAX {
            match &result {
                Ok(()) | Err(RecoveryError::DrivesMissing) => break,
                Err(_) if self.readiness() == Readiness::Gone => break,
                Err(error) => {
                    tracing::warn!(lun = %self.number, %error, "the log's recovery is tried again");
                }
            }
            self.engine.world.clock.sleep(ATTEMPT_PAUSE).await;
            result = self.recover_log().await;
        }
        match &result {
            Ok(()) => {
                self.recovered.set(true);
                self.become_ready();
            }
            Err(_) if self.readiness() == Readiness::Gone => {}
            Err(error) => {
                tracing::error!(lun = %self.number, error = %error, "log not recovered");
                self.set_readiness(Readiness::Failed);
            }
        }
        self.pump();
        result
    }

    async fn recover_log(self: &Rc<Self>) -> Result<(), RecoveryError> {
        let checkpoint = self.checkpoint.get();
        self.go_back_to_checkpoint();
        self.delete_stale(checkpoint.epoch).await?;
        let stretches = self.stretches(checkpoint.epoch);
        let open = self.segments.borrow().values().any(|s| s.state.get() == SegmentState::Open);
        if stretches.is_empty() && !open {
            return Ok(());
        }
        if !stretches.iter().all(|stretch| stretch.segment.is_whole()) {
            return Err(RecoveryError::DrivesMissing);
        }
        let mut log = BTreeMap::new();
        for stretch in &stretches {
            self.read_stretch(stretch, &mut log).await;
        }
        // A drive that left meanwhile must not make the log look shorter than it is. Nothing was changed so far.
        if !stretches.iter().all(|stretch| stretch.segment.is_whole()) {
            return Err(RecoveryError::DrivesMissing);
        }
        let last = match self.replay(checkpoint.sequence, &log).await {
            Err(RecoveryError::Map) => {
                self.rebuild_before_replay(checkpoint).await?;
                self.replay(checkpoint.sequence, &log).await?
            }
            other => other?,
        };
        tracing::debug!(
            lun = %self.number, epoch = checkpoint.epoch, checkpoint = checkpoint.sequence.0, last = last.0,
            found = log.len(), stretches = stretches.len(), "log read"
        );
        #[cfg(test)]
        self.replay_moves_if_planted().await;
        self.restart_log(&stretches, last, &log, checkpoint.epoch).await
    }

    /// Rebuilds the map as the checkpoint has it, from what it can be rebuilt from now: the log changes it at once.
    async fn rebuild_before_replay(
        self: &Rc<Self>,
        checkpoint: CheckpointRecord,
    ) -> Result<(), RecoveryError> {
        self.go_back_to_checkpoint();
        let progress = WalkProgress::default();
        let rebuilt = self.rebuild_map(Some(checkpoint), &progress, 0).await;
        rebuilt.map(drop).map_err(|error| {
            tracing::warn!(lun = %self.number, %error, "the map is not rebuilt now");
            RecoveryError::Map
        })
    }

    /// The planted bug: moves take effect without the checkpoint that they belong to, over whatever was written since.
    #[cfg(test)]
    async fn replay_moves_if_planted(self: &Rc<Self>) {
        if !self.engine.has(crate::engine::Plant::ReplayMoves) {
            return;
        }
        let moves: Vec<Rc<Segment>> =
            self.all_segments().into_iter().filter(|s| s.stream == Stream::Moves).collect();
        for segment in moves {
            let mut scanner = Scanner::new(self, &segment, false);
            while let Some(found) = scanner.next_batch().await {
                for block in found.blocks {
                    let entry = MapEntry { place: block.place, checksum: block.checksum };
                    if self.load_leaf(leaf_of(block.lun_block), true).await.is_ok() {
                        self.apply(Change::Map { lun_block: block.lun_block, entry });
                    }
                }
            }
        }
    }

    /// Deletes what an attempt at recovery opened that did not finish, and what was open for moves and map pages without any
    /// that the checkpoint counts on.
    async fn delete_stale(self: &Rc<Self>, epoch: u32) -> Result<(), RecoveryError> {
        let is_empty = |segment: &Segment| {
            segment.stream != Stream::Host
                && segment.state.get() == SegmentState::Open
                && self.live_of(segment.number) == 0
        };
        let is_stale = |it: &&Rc<Segment>| it.epoch > epoch || is_empty(it);
        let stale: Vec<Rc<Segment>> =
            self.segments.borrow().values().filter(is_stale).cloned().collect();
        if stale.is_empty() {
            return Ok(());
        }
        let numbers = stale.iter().map(|segment| segment.number).collect();
        let commit = self.engine.catalog.commit(vec![Record::SegmentsDeleted(numbers)]);
        for segment in stale {
            self.segments.borrow_mut().remove(&segment.number);
            self.live.borrow_mut().forget(segment.number);
            segment.retire();
        }
        commit.await.map_err(|_| RecoveryError::Frozen)?;
        // Recovery may need these very slabs.
        self.until_released().await;
        Ok(())
    }

    /// The host segments of the epoch that hold something newer than the checkpoint, by number.
    fn stretches(&self, epoch: u32) -> Vec<Stretch> {
        let checkpoint = self.checkpoint.get();
        let state = self.engine.catalog.state();
        let segments = self.segments.borrow();
        let newer = segments.values().filter(|segment| {
            let record = &state.segments[&segment.number];
            segment.stream == Stream::Host
                && segment.epoch == epoch
                && (record.state == SegmentState::Open
                    || record.last_sequence > checkpoint.sequence)
        });
        let stretch = |segment: &Rc<Segment>| {
            let record = state.segments[&segment.number].clone();
            let first_row =
                if segment.number == checkpoint.replay_segment { checkpoint.replay_row } else { 0 };
            let end_row =
                if record.state == SegmentState::Open { segment.rows } else { record.rows };
            Stretch { segment: Rc::clone(segment), record, first_row, end_row }
        };
        newer.map(stretch).collect()
    }

    /// Reads every batch of a stretch, also behind a gap: a later header may say that an earlier batch was durable.
    async fn read_stretch(
        self: &Rc<Self>,
        stretch: &Stretch,
        log: &mut BTreeMap<Sequence, Logged>,
    ) {
        let scanner = Scanner::new(self, &stretch.segment, false).ahead();
        let mut scanner = scanner.between(stretch.first_row, stretch.end_row);
        while let Some(found) = scanner.next_batch().await {
            let logged = Logged {
                verified: found.is_verified(),
                complete: found.complete,
                places: found.blocks.iter().map(entry_of).collect(),
                lost: found.blocks.iter().filter(|it| it.data.is_none()).map(entry_of).collect(),
                header: found.header,
                segment: Rc::clone(&stretch.segment),
            };
            log.insert(logged.header.sequence, logged);
        }
    }

    /// Applies the accepted batches in order; returns the last one.
    async fn replay(
        self: &Rc<Self>,
        after: Sequence,
        log: &BTreeMap<Sequence, Logged>,
    ) -> Result<Sequence, RecoveryError> {
        let durable = log.values().map(|batch| batch.header.durable_through).max();
        let durable = durable.unwrap_or(after);
        let mut last = after;
        loop {
            let next = Sequence(last.0 + 1);
            match log.get(&next) {
                Some(batch) if batch.verified || next <= durable => {
                    self.replay_batch(batch).await?;
                }
                // Its blocks are unknown: nobody can tell what is missing.
                None if next <= durable => {
                    tracing::error!(lun = %self.number, sequence = next.0, "a durable batch is lost");
                    self.read_only.set(true);
                }
                _ => return Ok(last),
            }
            last = next;
        }
    }

    async fn replay_batch(self: &Rc<Self>, batch: &Logged) -> Result<(), RecoveryError> {
        let mut places = batch.places.iter();
        for entry in &batch.header.entries {
            let change = match *entry {
                BatchEntry::Data { .. } => {
                    let (lun_block, entry) = *places.next().expect("a place for each data entry");
                    Change::Map { lun_block, entry }
                }
                BatchEntry::Unmap { lun_block, blocks } => Change::Unmap { lun_block, blocks },
            };
            let content = match change {
                Change::Map { lun_block, .. } => {
                    self.load_leaf(leaf_of(lun_block), true)
                        .await
                        .map_err(|_| RecoveryError::Map)?;
                    None
                }
                Change::Unmap { lun_block, blocks } => Some(Content::Unmap { lun_block, blocks }),
            };
            let pins = match &content {
                Some(content) => {
                    self.pin(std::slice::from_ref(content)).await.map_err(|_| RecoveryError::Map)?
                }
                None => Vec::new(),
            };
            self.apply(change);
            self.unpin(&pins);
        }
        self.report_damaged(batch);
        Ok(())
    }

    /// A durable batch with blocks that no copy holds: they are unreadable from now on, and said so.
    fn report_damaged(&self, batch: &Logged) {
        for (lun_block, entry) in &batch.lost {
            self.unreadable.borrow_mut().add_block(*lun_block);
            let (column, row) = entry.place.column_and_row(batch.segment.rows);
            let copy =
                batch.segment.columns.iter().find(|c| u32::from(c.record.data_column) == column);
            if let Some(copy) = copy
                && let Some(drive) = &copy.drive
            {
                let what = DamagedThing::Data { lun: self.number, lun_block: *lun_block };
                self.engine.report(drive.number, copy.block(drive, row), what, false);
            }
        }
    }

    /// Starts the next epoch: what is not on all columns is placed anew, then a checkpoint seals everything that was open.
    async fn restart_log(
        self: &Rc<Self>,
        stretches: &[Stretch],
        last: Sequence,
        log: &BTreeMap<Sequence, Logged>,
        epoch: u32,
    ) -> Result<(), RecoveryError> {
        self.epoch.set(epoch + 1);
        {
            // Whoever wants nothing to be appended may have come before.
            let mut host = self.host.borrow_mut();
            let paused = host.paused;
            *host = Host::new(last);
            host.paused = paused;
        }
        let accepted: Vec<&Logged> =
            log.iter().filter(|(sequence, _)| **sequence <= last).map(|(_, batch)| batch).collect();
        // There is no checkpoint before the one at the end: what moves borrow is gained or was never taken.
        self.lends_to_moves.set(true);
        let completed = self.complete_batches(&accepted).await;
        self.lends_to_moves.set(false);
        let incomplete = completed?;
        {
            let mut host = self.host.borrow_mut();
            // Nothing is known to be flushed; the checkpoint flushes everything.
            for stretch in stretches {
                let of_segment =
                    accepted.iter().filter(|b| b.segment.number == stretch.segment.number);
                let last_here = of_segment.max_by_key(|batch| batch.header.sequence);
                let rows = last_here.map_or(stretch.first_row, |b| b.header.row + b.header.rows);
                host.full.push(Full {
                    segment: Rc::clone(&stretch.segment),
                    first: stretch.record.first_sequence,
                    last: last_here.map_or(Sequence(0), |batch| batch.header.sequence),
                    rows,
                });
            }
        }
        self.seal_other_open(stretches);
        self.checkpoint().await.map_err(RecoveryError::Checkpoint)?;
        incomplete.into_iter().for_each(|lun_block| self.ask_for_repair(lun_block));
        Ok(())
    }

    /// Places anew what is not on all columns; returns the blocks for which there is no slab now. They stay where they are,
    /// readable from the copies that have them.
    async fn complete_batches(
        self: &Rc<Self>,
        accepted: &[&Logged],
    ) -> Result<Vec<u64>, RecoveryError> {
        let mut left = Vec::new();
        for batch in accepted.iter().filter(|batch| batch.verified && !batch.complete) {
            match self.complete_batch(batch).await {
                Ok(()) => {}
                Err(RecoveryError::Move(MoveError::Full)) => {
                    tracing::warn!(lun = %self.number, "no slab for blocks that a crash left on too few drives");
                    left.extend(batch.places.iter().map(|(lun_block, _)| *lun_block));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(left)
    }

    /// Blocks of a batch that are still live and not on every column go to a fresh segment.
    async fn complete_batch(self: &Rc<Self>, batch: &Logged) -> Result<(), RecoveryError> {
        let mut moves = Vec::new();
        let mut pins = Vec::new();
        for (lun_block, from) in &batch.places {
            let leaf = leaf_of(*lun_block);
            self.load_leaf(leaf, false).await.map_err(|_| RecoveryError::Map)?;
            if self.map.borrow().lookup(*lun_block) != *from {
                continue;
            }
            self.map.borrow_mut().pin(leaf);
            pins.push(leaf);
            let Some(data) = self.read_quietly(&batch.segment, *lun_block, *from).await else {
                // Without it the log may end elsewhere.
                self.unpin(&pins);
                return Err(RecoveryError::SourceLost);
            };
            moves.push(Move { lun_block: *lun_block, from: *from, data });
        }
        let moved = self.place_anew(moves).await;
        self.unpin(&pins);
        moved.map_err(RecoveryError::Move)
    }

    /// One verified block, without a report: copies that a crash left behind are expected here.
    async fn read_quietly(
        &self,
        segment: &Rc<Segment>,
        lun_block: u64,
        entry: MapEntry,
    ) -> Option<Vec<u8>> {
        let (column, row) = entry.place.column_and_row(segment.rows);
        for copy in segment.readable(column) {
            if let Ok(buffer) = copy.read(row, 1).await
                && vds_format::data_checksum(buffer.block(0), lun_block) == entry.checksum
            {
                return Some(buffer.block(0).to_vec());
            }
        }
        None
    }

    /// Move and map segments that were open are appended to no more.
    fn seal_other_open(&self, stretches: &[Stretch]) {
        // How far they were written is not known.
        let filled =
            |segment: &Rc<Segment>| Filled { segment: Rc::clone(segment), rows: segment.rows };
        let mine = |number: SegmentNo| stretches.iter().any(|s| s.segment.number == number);
        let epoch = self.epoch.get();
        let segments = self.segments.borrow();
        for segment in segments.values() {
            let open = segment.state.get() == SegmentState::Open && segment.epoch < epoch;
            if !open || mine(segment.number) {
                continue;
            }
            match segment.stream {
                Stream::Host => {}
                Stream::Moves => self.moves.borrow_mut().put_back(vec![filled(segment)]),
                Stream::Map => self.map_log.borrow_mut().add_full(filled(segment)),
            }
        }
    }
}
