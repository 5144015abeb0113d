//! Making acknowledged writes durable.

use std::collections::BTreeSet;
use std::rc::Rc;

use vds_format::{DriveNo, Sequence};
use vds_io::{LocalFuture, LunIoError, join_all};

use super::Lun;
use super::host::Host;
use crate::drive::Drive;
use crate::signal::Promise;

/// Somebody who waits until a batch is durable.
pub(super) struct DurableWaiter {
    sequence: Sequence,
    answer: Promise<Result<(), LunIoError>>,
}

impl Lun {
    /// Answers once `sequence`, which is acknowledged, is durable.
    pub(super) fn answer_when_durable(
        self: &Rc<Self>,
        sequence: Sequence,
        answer: Promise<Result<(), LunIoError>>,
    ) {
        let first = {
            let mut waiters = self.durable_waiters.borrow_mut();
            waiters.push(DurableWaiter { sequence, answer });
            waiters.len() == 1
        };
        if first {
            let lun = Rc::clone(self);
            let task = async move { lun.serve_durable_waiters().await };
            self.engine.world.spawn.spawn("durable", Box::pin(task));
        }
    }

    /// Flushes until nobody waits. Those who come while a flush runs share the next.
    async fn serve_durable_waiters(self: &Rc<Self>) {
        loop {
            let target = self.host.borrow().acked;
            let result = self.flush_through(target).await;
            let (served, rest): (Vec<_>, Vec<_>) = self
                .durable_waiters
                .take()
                .into_iter()
                .partition(|waiter| waiter.sequence <= target);
            let done = rest.is_empty();
            *self.durable_waiters.borrow_mut() = rest;
            for waiter in served {
                waiter.answer.answer(result.clone());
            }
            if done {
                return;
            }
        }
    }

    /// Makes every batch up to `target` durable on all columns, or its missing columns' absence.
    ///
    /// # Errors
    /// [`LunIoError::Unavailable`]: a drive with the only copy of something failed its flush, or the array froze.
    pub(super) async fn flush_through(self: &Rc<Self>, target: Sequence) -> Result<(), LunIoError> {
        #[cfg(test)]
        if self.engine.has(crate::engine::Plant::FlushEarly) {
            return Ok(());
        }
        loop {
            self.permit().await?;
            let (numbers, drives) = {
                let host = self.host.borrow();
                if host.durable >= target {
                    return Ok(());
                }
                let numbers = Self::drives_since_durable(&host);
                let drives = self.live_drives(&numbers);
                (numbers, drives)
            };
            let flushed = flush_all(&drives).await.is_empty();
            // What a lost drive missed counts only once its absence is durable; what was only there is gone.
            let lost = self.lost_drives(&numbers);
            for drive in &lost {
                let error = drive.lost().expect("it is lost");
                if !self.engine.expel(drive.number, &error).await {
                    return Err(LunIoError::Unavailable);
                }
            }
            if !lost.is_empty() && !self.unflushed_is_whole() {
                return Err(LunIoError::Unavailable);
            }
            if flushed {
                self.permit().await?;
                let mut host = self.host.borrow_mut();
                host.durable = host.durable.max(target);
                return Ok(());
            }
        }
    }

    /// Waits until it is right to acknowledge.
    async fn permit(&self) -> Result<(), LunIoError> {
        self.engine.catalog.standing().permit().await.map_err(|_| LunIoError::Unavailable)
    }

    /// The drives that hold batches which may not be durable.
    fn drives_since_durable(host: &Host) -> BTreeSet<DriveNo> {
        let mut numbers: BTreeSet<DriveNo> = BTreeSet::new();
        let mut segments: Vec<_> = host.full.iter().map(|full| &full.segment).collect();
        segments.extend(host.current.iter().map(|cursor| &cursor.segment));
        for segment in segments {
            numbers.extend(segment.columns.iter().map(|column| column.record.drive));
        }
        numbers
    }

    pub(super) fn live_drives(&self, numbers: &BTreeSet<DriveNo>) -> Vec<Rc<Drive>> {
        numbers.iter().filter_map(|number| self.engine.live_drive(*number)).collect()
    }

    /// Whether each data column of the segments that may hold something not durable has a live copy.
    fn unflushed_is_whole(&self) -> bool {
        let host = self.host.borrow();
        let full = host.full.iter().map(|full| &full.segment);
        let current = host.current.iter().map(|cursor| &cursor.segment);
        full.chain(current).all(|segment| segment.is_whole())
    }
}

/// Flushes drives together; returns those that failed.
pub(super) async fn flush_all(drives: &[Rc<Drive>]) -> Vec<Rc<Drive>> {
    let flushes = drives.iter().map(|drive| {
        let drive = Rc::clone(drive);
        let flush: LocalFuture<_> = Box::pin(async move { drive.flush().await });
        flush
    });
    let results = join_all(flushes.collect()).await;
    let failed = drives.iter().zip(results).filter(|(_, result)| result.is_err());
    failed.map(|(drive, _)| Rc::clone(drive)).collect()
}
