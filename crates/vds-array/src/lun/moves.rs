//! The move stream: blocks placed anew, by the cleaner, by a repair, or after a crash.
//!
//! A move is compare-and-set on the map: it counts only for blocks that still lie where they lay. It is never replayed; the next
//! checkpoint makes it count, and only that frees the place that the block left.

use std::rc::Rc;

use vds_format::{MapEntry, Sequence, Stream, batch_data_blocks_max, batch_rows};

use super::host::{BatchBuilder, Change, HeaderParts, write_columns_gently};
use super::open::OpenFailure;
use super::segment::Filled;
use super::{Lun, Segment};
use crate::signal::Turn;

/// The stream's state.
#[derive(Default)]
pub(super) struct Moves {
    current: Option<(Rc<Segment>, u32)>,
    full: Vec<Filled>,
    sequence: u64,
    turn: Rc<Turn>,
}

impl Moves {
    /// One batch at a time.
    pub(super) fn turn(&self) -> &Rc<Turn> {
        &self.turn
    }

    pub(super) fn take_full(&mut self) -> Vec<Filled> {
        std::mem::take(&mut self.full)
    }

    pub(super) fn put_back(&mut self, full: Vec<Filled>) {
        self.full.extend(full);
    }

    pub(super) fn open_segment(&self) -> Option<Rc<Segment>> {
        self.current.as_ref().map(|(segment, _)| Rc::clone(segment))
    }

    /// Forgets what was open; whose turn it is stays.
    pub(super) fn start_over(&mut self) {
        self.current = None;
        self.full.clear();
    }

    /// Takes no more batches into the open segment.
    pub(super) fn finish(&mut self) {
        if let Some((segment, rows)) = self.current.take() {
            self.full.push(Filled { segment, rows });
        }
    }
}

/// A block to be placed anew.
pub(super) struct Move {
    pub(super) lun_block: u64,
    /// Where it must still lie for the move to count.
    pub(super) from: MapEntry,
    pub(super) data: Vec<u8>,
}

/// Why blocks were not moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MoveError {
    /// No slab: a checkpoint must free some first.
    #[error("no slab is left")]
    Full,
    /// Drives or array are gone.
    #[error("drives or the array are gone")]
    Unavailable,
}

impl Lun {
    /// Places blocks anew. What was moved counts from the next checkpoint on.
    ///
    /// # Errors
    /// [`MoveError`]; some of the blocks may have moved.
    pub(super) async fn place_anew(self: &Rc<Self>, moves: Vec<Move>) -> Result<(), MoveError> {
        let turn = Rc::clone(self.moves.borrow().turn());
        let _turn = turn.take().await;
        let mut rest = moves.as_slice();
        let mut attempts = 0;
        while !rest.is_empty() {
            let (segment, row) = self.moves_cursor().await?;
            let most = batch_data_blocks_max(segment.rows, segment.data_columns) as usize;
            let mut count = most.min(rest.len());
            let rows_left = segment.rows - row;
            let rows_for = |count: usize| {
                let count = u32::try_from(count).expect("at most 256");
                batch_rows(count, segment.data_columns, segment.doubled)
            };
            while rows_for(count) > rows_left {
                count -= 1;
            }
            if self.write_moves(&segment, row, rows_for(count), &rest[..count]).await {
                rest = &rest[count..];
                continue;
            }
            // A column failed: nothing of this batch counts. Other drives are tried.
            self.moves.borrow_mut().finish();
            for column in &segment.columns {
                if let Some(drive) = &column.drive
                    && let Some(error) = drive.lost()
                {
                    self.engine.expel(drive.number, &error).await;
                }
            }
            attempts += 1;
            if attempts > 4 {
                return Err(MoveError::Unavailable);
            }
        }
        Ok(())
    }

    /// The open segment with room for at least one block, or a new one.
    async fn moves_cursor(self: &Rc<Self>) -> Result<(Rc<Segment>, u32), MoveError> {
        {
            let mut moves = self.moves.borrow_mut();
            if let Some((segment, row)) = &moves.current {
                let least = batch_rows(1, segment.data_columns, segment.doubled);
                if segment.rows - row >= least {
                    return Ok((Rc::clone(segment), *row));
                }
                moves.finish();
            }
        }
        match self.open_segment(Stream::Moves).await {
            Ok(segment) => {
                self.moves.borrow_mut().current = Some((Rc::clone(&segment), 0));
                Ok((segment, 0))
            }
            Err(OpenFailure::Full) => Err(MoveError::Full),
            Err(_) => Err(MoveError::Unavailable),
        }
    }

    async fn write_moves(
        self: &Rc<Self>,
        segment: &Rc<Segment>,
        row: u32,
        rows: u32,
        moves: &[Move],
    ) -> bool {
        let mut batch = BatchBuilder::new(segment, Stream::Moves, row, rows);
        for one in moves {
            batch.data(one.lun_block, &one.data);
        }
        let sequence = {
            let mut state = self.moves.borrow_mut();
            state.sequence += 1;
            if let Some((_, next_row)) = &mut state.current {
                *next_row = row + rows;
            }
            state.sequence
        };
        let parts = HeaderParts {
            array: self.engine.array,
            sequence: Sequence(sequence),
            durable_through: Sequence(0),
            previous_checksum: 0,
        };
        let (columns, changes, _) = batch.finish(&parts);
        self.traffic.add_batch(segment, &columns);
        if write_columns_gently(segment, row, columns).await.is_err() {
            return false;
        }
        for (one, change) in moves.iter().zip(changes) {
            let Change::Map { lun_block, .. } = change else { continue };
            // A newer write, or a leaf that went out of memory unchanged: the first makes the move void, the second cannot be, since
            // the caller pinned it.
            if self.map.borrow().lookup(lun_block) == one.from {
                self.apply(change);
            }
        }
        true
    }
}
