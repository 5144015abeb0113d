//! A scrub: everything on every drive is read and verified before it is needed, and mended where another copy has it.
//!
//! ```text
//!   the catalog on every member ─► one LUN after the other, by number ─► report
//! ```
//! What was done is durable after each LUN, so that a scrub goes on where it was.

use std::rc::Rc;
use std::time::Duration;

use vds_format::LunNo;
use vds_model::{HResult, LunId, OperationId};
use vds_operation::{
    ByteReader, ByteWriter, CodecError, End, OperationDriver, OperationKind, Output, Owner,
    ProgressUpdate, ScrubReport, Signal,
};
use vds_provider::{Refusal, Request, StartContext};

use super::array::{Array, Entry};
use super::homes::LayoutError;
use super::plan::steps;
use super::redundancy::walk_refusal;
use super::run::{Prepared, abandon, operation_record};
use crate::DamagedThing;
use crate::catalog::DamagedStructure;
use crate::lun::{Lun, Readiness, WalkError, WalkProgress};

/// How often a LUN that a failing drive broke off is begun again.
const FAILURES_MAX: u32 = 4;
/// The pause before that.
const FAILURE_PAUSE: Duration = Duration::from_millis(200);

/// How far a scrub is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cursor {
    /// The catalog and all LUNs up to this number are done; `None`: nothing is.
    done: Option<LunNo>,
    report: ScrubReport,
}

/// How the scrub of one LUN ended.
enum Scrubbed {
    Done(ScrubReport),
    /// The LUN is gone.
    Skipped,
    Failed(Refusal),
    Cancelled,
    /// The array is being closed, or frozen: it goes on when the array is opened again.
    BrokenOff,
}

impl Cursor {
    fn encode(self) -> Vec<u8> {
        let mut writer = ByteWriter::new();
        writer.option(self.done, |writer, lun| writer.u32(lun.0));
        writer.u64(self.report.checked_blocks);
        writer.u64(self.report.repaired_blocks);
        writer.u64(self.report.lost_blocks);
        writer.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = ByteReader::new(bytes);
        let done = reader.option("done", |reader| reader.u32("lun"))?.map(LunNo);
        let report = ScrubReport {
            checked_blocks: reader.u64("checked")?,
            repaired_blocks: reader.u64("repaired")?,
            lost_blocks: reader.u64("lost")?,
        };
        reader.finish()?;
        Ok(Self { done, report })
    }

    fn add(&mut self, report: ScrubReport) {
        self.report.checked_blocks += report.checked_blocks;
        self.report.repaired_blocks += report.repaired_blocks;
        self.report.lost_blocks += report.lost_blocks;
    }
}

impl Array {
    pub(super) fn prepare_scrub(&self) -> Result<Prepared, Refusal> {
        let operations = self.operations.borrow();
        let mut running = operations.iter().filter(|it| !it.is_ended());
        if let Some(other) = running.find(|it| it.kind() == OperationKind::Scrub) {
            let message = format!("operation {} is scrubbing this array", other.id());
            return Err(Refusal::new(HResult::VDS_E_ANOTHER_CALL_IN_PROGRESS, message));
        }
        let name = &self.state().array.name;
        Ok(steps(format!("read and verify everything on array {name}"), None))
    }

    pub(super) async fn scrub(self: &Rc<Self>, driver: &Rc<OperationDriver>) {
        // One that cannot be read begins anew: nothing is done twice but reading.
        let mut cursor = Cursor::decode(&driver.record().cursor).unwrap_or_default();
        if cursor.done.is_none() {
            driver.phase("catalog");
            match self.scrub_catalog().await {
                Some(report) => cursor.add(report),
                None => return,
            }
            cursor.done = Some(LunNo(0));
        }
        let todo: Vec<(LunNo, LunId, u64)> = self.still_to_scrub(cursor.done);
        let total_bytes: u64 = todo.iter().map(|it| it.2).sum();
        let mut done_bytes = 0;
        let mut failed = None;
        for (number, id, bytes) in todo {
            driver.phase(&format!("LUN {id}"));
            match self.scrub_lun(driver, number, (done_bytes, total_bytes)).await {
                Scrubbed::Done(report) => cursor.add(report),
                Scrubbed::Skipped => {}
                Scrubbed::Failed(refusal) => {
                    tracing::warn!(lun = %number, error = %refusal, "LUN not scrubbed");
                    failed = failed.or(Some(refusal));
                }
                Scrubbed::Cancelled => {
                    return self.end(driver, End::cancelled(), Vec::new()).await;
                }
                Scrubbed::BrokenOff => return,
            }
            done_bytes += bytes;
            cursor.done = Some(number);
            driver.cursor(cursor.encode());
            let record = operation_record(&driver.record());
            if let Err(error) = self.engine.catalog.commit(vec![record]).await {
                return abandon(driver, &error);
            }
        }
        let end = match failed {
            Some(refusal) => End::Failed(refusal.into()),
            None if driver.pass_commit_point().is_err() => End::cancelled(),
            None => End::success(Output::Scrub(cursor.report)),
        };
        self.end(driver, end, Vec::new()).await;
    }

    /// LUNs behind `done`, with the bytes that are to be gone over.
    fn still_to_scrub(&self, done: Option<LunNo>) -> Vec<(LunNo, LunId, u64)> {
        let luns = self.luns.borrow();
        let left = luns.iter().filter(|(number, _)| done.is_none_or(|done| **number > done));
        left.map(|(number, entry)| (*number, entry.lun.id, entry.lun.scrub_bytes())).collect()
    }

    /// Begins a scrub where a map page was found that no copy holds: it rebuilds the map. The service owns it.
    pub(super) fn scrub_lost_map(self: &Rc<Self>, lun: &Rc<Lun>) {
        let (array, lun) = (Rc::clone(self), Rc::clone(lun));
        let task = async move {
            let id = OperationId::from_bytes(array.shared.id_bytes());
            let cause = format!("no copy holds a page of the map of LUN {}", lun.id);
            let owner = Owner::Service { cause };
            let context = StartContext::new(id, owner, array.shared.unix_ms());
            let request = Request::ScrubSubsystem { subsystem: array.id };
            if array.prepare_scrub().is_err() {
                // Another is under way, and may have passed this LUN.
                return lun.tell_map_loss_again();
            }
            array.begin(context, request).await;
        };
        self.shared.world.spawn.spawn("scrub lost map", Box::pin(task));
    }

    /// `None`: the array is frozen or being closed.
    async fn scrub_catalog(&self) -> Option<ScrubReport> {
        let scrub = match self.engine.catalog.scrub().await {
            Ok(scrub) => scrub,
            Err(error) => {
                tracing::warn!(array = %self.id, %error, "catalog not scrubbed");
                return None;
            }
        };
        let mut report = ScrubReport { checked_blocks: scrub.checked_blocks, ..Default::default() };
        for found in scrub.found {
            let what = match found.what {
                DamagedStructure::Superblock => DamagedThing::Superblock,
                _ => DamagedThing::Catalog,
            };
            self.engine.report(found.drive, found.block, what, found.repaired);
            if found.repaired {
                report.repaired_blocks += 1;
            } else {
                report.lost_blocks += 1;
            }
        }
        Some(report)
    }

    async fn scrub_lun(
        self: &Rc<Self>,
        driver: &Rc<OperationDriver>,
        number: LunNo,
        (before_bytes, total_bytes): (u64, u64),
    ) -> Scrubbed {
        let mut failures = 0;
        loop {
            match self.until_go(driver).await {
                _ if self.closing.get() => return Scrubbed::BrokenOff,
                Signal::Cancel => return Scrubbed::Cancelled,
                Signal::Go | Signal::Hold => {}
            }
            let entry = match self.until_recovered(number).await {
                Ok(entry) => entry,
                Err(LayoutError::Refused(refusal)) => {
                    let is_gone = self.entry(number).is_none();
                    return if is_gone { Scrubbed::Skipped } else { Scrubbed::Failed(refusal) };
                }
                Err(LayoutError::Cancelled | LayoutError::Open(_)) => return Scrubbed::BrokenOff,
            };
            let progress = self.scrub_progress(driver, before_bytes, total_bytes);
            let result = entry.lun.scrub(&progress).await;
            *progress.on_step.borrow_mut() = None;
            match result {
                Ok(found) => {
                    return Scrubbed::Done(ScrubReport {
                        checked_blocks: found.checked,
                        repaired_blocks: found.damaged.saturating_sub(found.lost),
                        lost_blocks: found.lost,
                    });
                }
                Err(_) if is_gone(&entry) => return Scrubbed::Skipped,
                Err(WalkError::Stopped) => {}
                Err(_) if self.engine.catalog.frozen().is_some() => return Scrubbed::BrokenOff,
                Err(error) => {
                    failures += 1;
                    if failures > FAILURES_MAX {
                        return Scrubbed::Failed(walk_refusal(error));
                    }
                    self.shared.world.clock.sleep(FAILURE_PAUSE * failures).await;
                }
            }
        }
    }

    /// Tells the operation how far a LUN is, and the LUN when to stop.
    fn scrub_progress(
        self: &Rc<Self>,
        driver: &Rc<OperationDriver>,
        before_bytes: u64,
        total_bytes: u64,
    ) -> Rc<WalkProgress> {
        let progress = Rc::new(WalkProgress::default());
        let (stop, told) = (Rc::downgrade(&progress), Rc::clone(driver));
        let array = Rc::downgrade(self);
        let clock = Rc::clone(&self.shared.world.clock);
        *progress.on_step.borrow_mut() = Some(Box::new(move |done, _| {
            // Segments may come and go meanwhile: the total is as it was at the beginning.
            let done = (before_bytes + done).min(total_bytes);
            told.progress(ProgressUpdate::bytes(done, total_bytes), clock.unix_ms());
            let is_closing = array.upgrade().is_none_or(|array| array.closing.get());
            if (is_closing || told.signal() != Signal::Go)
                && let Some(progress) = stop.upgrade()
            {
                progress.stop.set(true);
            }
        }));
        progress
    }
}

fn is_gone(entry: &Entry) -> bool {
    entry.lun.readiness() == Readiness::Gone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_round_trips() {
        let report = ScrubReport { checked_blocks: 5, repaired_blocks: 3, lost_blocks: 1 };
        for cursor in [Cursor::default(), Cursor { done: Some(LunNo(7)), report }] {
            assert_eq!(Cursor::decode(&cursor.encode()), Ok(cursor));
        }
        assert!(Cursor::decode(&[]).is_err());
    }
}
