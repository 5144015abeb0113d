//! The requests of initiators.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use vds_format::{BLOCK_BYTES, MAP_FANOUT};
use vds_io::{LocalFuture, LunIo, LunIoError, LunShape, ReadData};

use super::order::Ticket;
use super::queue::{Content, Submission};
use super::ranges::RangeGuard;
use super::{Lun, Readiness, UNMAP_BLOCKS_MAX};
use crate::signal::promise;

const BLOCK: u64 = BLOCK_BYTES as u64;
/// Ranges and edges of one submission.
const CONTENTS_MAX: usize = 32;

/// A handle for the targets.
#[derive(Clone)]
pub(crate) struct LunHandle(pub(crate) Rc<Lun>);

/// A change's place in the order, its blocks and what its answer promises, all taken when it was called for.
struct Place {
    ticket: Ticket,
    claim: RangeGuard,
    /// The LUN was write-through then: the answer waits even if it is write-back by now.
    durable: bool,
}

impl LunHandle {
    /// Takes place and blocks for a change of the bytes `offset..offset + len`. `merges` says that it must read first.
    fn place(&self, offset_bytes: u64, len_bytes: u64, merges: bool) -> Place {
        let end_bytes = offset_bytes.saturating_add(len_bytes);
        let whole = offset_bytes.is_multiple_of(BLOCK) && end_bytes.is_multiple_of(BLOCK);
        let (first, end) = (offset_bytes / BLOCK, end_bytes.div_ceil(BLOCK));
        let claim = self.0.ranges.claim(first, end, merges || !whole);
        let durable = !self.0.shape.get().write_back;
        Place { ticket: self.0.order.ticket(), claim, durable }
    }
}

impl LunIo for LunHandle {
    fn shape(&self) -> LunShape {
        let mut shape = self.0.shape.get();
        shape.read_only |= self.0.read_only.get();
        shape
    }

    fn read(&self, offset_bytes: u64, len_bytes: u64) -> LocalFuture<Result<ReadData, LunIoError>> {
        let lun = Rc::clone(&self.0);
        Box::pin(async move {
            lun.admit_read(offset_bytes, len_bytes).await?;
            lun.read_bytes(offset_bytes, len_bytes).await
        })
    }

    fn write(
        &self,
        offset_bytes: u64,
        data: Bytes,
        durable: bool,
    ) -> LocalFuture<Result<(), LunIoError>> {
        let lun = Rc::clone(&self.0);
        let place = self.place(offset_bytes, data.len() as u64, false);
        Box::pin(async move {
            lun.admit_transfer(offset_bytes, data.len() as u64).await?;
            lun.write_bytes(place, offset_bytes, data, durable).await
        })
    }

    fn write_same(
        &self,
        offset_bytes: u64,
        len_bytes: u64,
        pattern: Bytes,
    ) -> LocalFuture<Result<(), LunIoError>> {
        if pattern.iter().all(|byte| *byte == 0) {
            return self.unmap(vec![(offset_bytes, len_bytes)]);
        }
        let handle = self.clone();
        Box::pin(async move {
            handle.0.admit_write(offset_bytes, len_bytes).await?;
            handle.fill(offset_bytes, len_bytes, &pattern).await
        })
    }

    fn unmap(&self, ranges: Vec<(u64, u64)>) -> LocalFuture<Result<(), LunIoError>> {
        let lun = Rc::clone(&self.0);
        let first = ranges.iter().map(|(offset, _)| *offset).min().unwrap_or(0);
        let end = ranges.iter().map(|(offset, len)| offset.saturating_add(*len)).max().unwrap_or(0);
        let whole = ranges
            .iter()
            .all(|(offset, len)| offset.is_multiple_of(BLOCK) && len.is_multiple_of(BLOCK));
        let place = self.place(first, end.saturating_sub(first), !whole);
        Box::pin(async move {
            for (offset_bytes, len_bytes) in &ranges {
                lun.admit_write(*offset_bytes, *len_bytes).await?;
            }
            lun.zero(place, &ranges).await
        })
    }

    fn compare_and_write(
        &self,
        offset_bytes: u64,
        expected: Bytes,
        data: Bytes,
        durable: bool,
    ) -> LocalFuture<Result<(), LunIoError>> {
        let lun = Rc::clone(&self.0);
        let place = self.place(offset_bytes, data.len() as u64, true);
        Box::pin(async move {
            lun.admit_transfer(offset_bytes, data.len() as u64).await?;
            lun.compare_and_write(place, offset_bytes, &expected, data, durable).await
        })
    }

    fn flush(&self) -> LocalFuture<Result<(), LunIoError>> {
        let lun = Rc::clone(&self.0);
        Box::pin(async move {
            lun.admit(0, 0).await?;
            lun.flushes.set(lun.flushes.get() + 1);
            let target = lun.host.borrow().acked;
            lun.flush_through(target).await
        })
    }
}

impl LunHandle {
    /// Writes `pattern` over and over, in transfers as large as a batch takes.
    async fn fill(
        &self,
        offset_bytes: u64,
        len_bytes: u64,
        pattern: &[u8],
    ) -> Result<(), LunIoError> {
        let most = u64::from(self.0.shape.get().transfer_bytes_max).min(len_bytes);
        let count = usize::try_from(most).expect("64-bit") / pattern.len().max(1);
        let chunk = Bytes::from(pattern.repeat(count));
        let mut at = offset_bytes;
        let end = offset_bytes + len_bytes;
        while at < end {
            let length = (end - at).min(chunk.len() as u64);
            let part = chunk.slice(..usize::try_from(length).expect("64-bit"));
            self.write(at, part, false).await?;
            at += length;
        }
        Ok(())
    }
}

impl Lun {
    /// As [`Lun::admit`], but a LUN that failed after its log was recovered still reads what its live drives hold.
    async fn admit_read(&self, offset_bytes: u64, len_bytes: u64) -> Result<(), LunIoError> {
        match self.admit(offset_bytes, len_bytes).await {
            Err(LunIoError::Unavailable) if self.recovered.get() => Ok(()),
            other => other,
        }
    }

    /// Checks a range and waits until the log is recovered.
    async fn admit(&self, offset_bytes: u64, len_bytes: u64) -> Result<(), LunIoError> {
        let shape = self.shape.get();
        let sector = u64::from(shape.sector_bytes);
        let end = offset_bytes.checked_add(len_bytes).ok_or(LunIoError::OutOfRange)?;
        let whole = offset_bytes.is_multiple_of(sector) && len_bytes.is_multiple_of(sector);
        if end > shape.size_bytes || !whole {
            return Err(LunIoError::OutOfRange);
        }
        self.last_activity_ns.set(self.engine.world.clock.now().0);
        if self.readiness.get() == Readiness::Ready {
            return Ok(());
        }
        self.changed
            .until(|| match self.readiness.get() {
                Readiness::Recovering => None,
                Readiness::Ready => Some(Ok(())),
                Readiness::Failed => Some(Err(LunIoError::Unavailable)),
                Readiness::Gone => Some(Err(LunIoError::Gone)),
            })
            .await
    }

    async fn admit_transfer(&self, offset_bytes: u64, len_bytes: u64) -> Result<(), LunIoError> {
        if len_bytes > u64::from(self.shape.get().transfer_bytes_max) {
            return Err(LunIoError::OutOfRange);
        }
        self.admit_write(offset_bytes, len_bytes).await
    }

    async fn admit_write(&self, offset_bytes: u64, len_bytes: u64) -> Result<(), LunIoError> {
        self.admit(offset_bytes, len_bytes).await?;
        if self.read_only.get() || self.shape.get().read_only {
            return Err(LunIoError::WriteProtected);
        }
        if self.engine.catalog.frozen().is_some() {
            return Err(LunIoError::Unavailable);
        }
        self.writes.set(self.writes.get() + 1);
        Ok(())
    }

    /// Writes any sectors: whole blocks go as they are, others are merged with what is there.
    async fn write_bytes(
        self: &Rc<Self>,
        place: Place,
        offset_bytes: u64,
        data: Bytes,
        durable: bool,
    ) -> Result<(), LunIoError> {
        if data.is_empty() {
            return Ok(());
        }
        place.claim.granted().await;
        let (first, data) = self.merge(offset_bytes, data).await?;
        self.submit(place, vec![Content::Data { lun_block: first, data }], durable).await
    }

    /// The whole blocks that `data` touches, with it laid over what is there. The range is claimed.
    async fn merge(
        self: &Rc<Self>,
        offset_bytes: u64,
        data: Bytes,
    ) -> Result<(u64, Bytes), LunIoError> {
        let first = offset_bytes / BLOCK;
        let at = usize::try_from(offset_bytes % BLOCK).expect("less than a block");
        let tail = (at + data.len()) % BLOCK_BYTES;
        if at == 0 && tail == 0 {
            return Ok((first, data));
        }
        let blocks = (at + data.len()).div_ceil(BLOCK_BYTES);
        let mut merged = vec![0; blocks * BLOCK_BYTES];
        if at > 0 {
            let head = self.read_blocks(first, first + 1).await?.to_vec();
            merged[..BLOCK_BYTES].copy_from_slice(&head);
        }
        if tail > 0 && (blocks > 1 || at == 0) {
            let last = first + blocks as u64 - 1;
            let end = self.read_blocks(last, last + 1).await?.to_vec();
            merged[(blocks - 1) * BLOCK_BYTES..].copy_from_slice(&end);
        }
        merged[at..at + data.len()].copy_from_slice(&data);
        Ok((first, Bytes::from(merged)))
    }

    /// Submits contents as one change, in its turn, and waits for the answer.
    async fn submit(
        self: &Rc<Self>,
        place: Place,
        contents: Vec<Content>,
        durable: bool,
    ) -> Result<(), LunIoError> {
        let pins = self.pin_in_turn(&place.ticket, &contents).await?;
        if self.readiness.get() == Readiness::Gone {
            self.unpin(&pins);
            return Err(LunIoError::Gone);
        }
        if contents.is_empty() && self.host.borrow().is_idle() {
            return Ok(());
        }
        // A change of nothing is answered in its turn, too: nobody may flush behind it and miss what came before.
        let durable = durable || place.durable || !self.shape.get().write_back;
        let (promise, answer) = promise();
        self.enqueue(Submission { contents, durable, pins, answer: promise });
        // The next in the order may go; the blocks stay claimed until the change is seen.
        drop(place.ticket);
        answer.await
    }

    async fn compare_and_write(
        self: &Rc<Self>,
        place: Place,
        offset_bytes: u64,
        expected: &[u8],
        data: Bytes,
        durable: bool,
    ) -> Result<(), LunIoError> {
        if expected.len() != data.len() {
            return Err(LunIoError::OutOfRange);
        }
        place.claim.granted().await;
        let found = self.read_bytes(offset_bytes, data.len() as u64).await?.to_vec();
        if let Some(at) = found.iter().zip(expected).position(|(found, wanted)| found != wanted) {
            return Err(LunIoError::Miscompare { offset_bytes: at as u64 });
        }
        self.write_bytes(place, offset_bytes, data, durable).await
    }

    /// Makes ranges read as zeros: whole blocks are unmapped, edges written.
    async fn zero(self: &Rc<Self>, place: Place, ranges: &[(u64, u64)]) -> Result<(), LunIoError> {
        place.claim.granted().await;
        let mut edges: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        let mut contents = Vec::new();
        for (offset, len_bytes) in ranges {
            let end = offset + len_bytes;
            let (first, last) = (offset.div_ceil(BLOCK), end / BLOCK);
            for block in [offset / BLOCK, end / BLOCK] {
                let from = (*offset).max(block * BLOCK);
                let to = end.min((block + 1) * BLOCK);
                if from >= to || to - from == BLOCK {
                    continue;
                }
                if let std::collections::btree_map::Entry::Vacant(e) = edges.entry(block) {
                    e.insert(self.read_blocks(block, block + 1).await?.to_vec());
                }
                let within = |byte: u64| usize::try_from(byte - block * BLOCK).expect("a block");
                let bytes = edges.get_mut(&block).expect("just read");
                bytes[within(from)..within(to)].fill(0);
            }
            self.unmaps(&place, first, last, &mut contents);
        }
        // Edges first: a whole block of one range may be the edge of another.
        let data = |(lun_block, bytes)| Content::Data { lun_block, data: Bytes::from(bytes) };
        let mut all: Vec<Content> = edges.into_iter().map(data).collect();
        all.append(&mut contents);
        self.submit_all(place, all).await
    }

    /// The unmaps of whole blocks, those left out that hold nothing and are about to hold nothing.
    fn unmaps(&self, place: &Place, first: u64, end: u64, contents: &mut Vec<Content>) {
        let is_still = place.ticket.is_up() && self.host.borrow().is_idle();
        let fanout = MAP_FANOUT as u64;
        let mut block = first;
        while block < end {
            let next = (block + u64::from(UNMAP_BLOCKS_MAX)).min(end);
            let map = self.map.borrow();
            if (block / fanout..=(next - 1) / fanout).any(|leaf| map.leaf_may_hold(leaf))
                || !is_still
            {
                let blocks = u32::try_from(next - block).expect("at most UNMAP_BLOCKS_MAX");
                contents.push(Content::Unmap { lun_block: block, blocks });
            }
            block = next;
        }
    }

    /// Submits contents, as one change where they are few; else in pieces, one after the other, all in the change's turn.
    async fn submit_all(
        self: &Rc<Self>,
        place: Place,
        mut contents: Vec<Content>,
    ) -> Result<(), LunIoError> {
        while contents.len() > CONTENTS_MAX {
            let rest = contents.split_off(CONTENTS_MAX);
            let part = std::mem::replace(&mut contents, rest);
            let pins = self.pin_in_turn(&place.ticket, &part).await?;
            let (promise, answer) = promise();
            let durable = place.durable || !self.shape.get().write_back;
            self.enqueue(Submission { contents: part, durable, pins, answer: promise });
            answer.await?;
        }
        self.submit(place, contents, false).await
    }
}
