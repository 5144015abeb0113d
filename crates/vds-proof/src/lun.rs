//! A LUN under test: the real one, with every answer held against what may be.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;

use bytes::Bytes;
use vds_io::{LocalFuture, LunIo, LunIoError, LunShape, ReadData};
use vds_model::LunId;
use vds_operation::{ObjectRef, OperationKind};

use crate::fault::FaultKind;
use crate::ledger::Taint;
use crate::proof::Proof;

/// Passes everything on and looks at the errors.
pub(crate) struct WatchedLun {
    proof: Rc<Proof>,
    lun: LunId,
    inner: Rc<dyn LunIo>,
    /// What writes are promised from now on.
    write_through: Rc<Cell<bool>>,
    /// What the last write to be answered was promised when it was submitted.
    last: Rc<Cell<bool>>,
}

impl WatchedLun {
    pub(crate) fn new(
        proof: &Rc<Proof>,
        lun: LunId,
        inner: Rc<dyn LunIo>,
        write_through: Rc<Cell<bool>>,
    ) -> Rc<Self> {
        let proof = Rc::clone(proof);
        Rc::new(Self { proof, lun, inner, write_through, last: Rc::default() })
    }

    /// Follows a change to its answer.
    fn change(
        &self,
        what: &'static str,
        answer: LocalFuture<Result<(), LunIoError>>,
    ) -> LocalFuture<Result<(), LunIoError>> {
        let promised = self.write_through.get();
        let last = Rc::clone(&self.last);
        let watched = self.watch(what, answer);
        Box::pin(async move {
            let result = watched.await;
            // Whoever asked looks at the shape right now, in the same poll.
            last.set(promised);
            result
        })
    }

    fn watch<T: 'static>(
        &self,
        what: &'static str,
        answer: impl Future<Output = Result<T, LunIoError>> + 'static,
    ) -> LocalFuture<Result<T, LunIoError>> {
        let (proof, lun) = (Rc::clone(&self.proof), self.lun);
        Box::pin(async move {
            let result = answer.await;
            if let Err(error) = &result
                && let Some(why) = complaint(&proof, lun, error)
            {
                proof.violate(format!("a {what} of {lun} failed: {error}; {why}"));
            }
            result
        })
    }
}

/// Why an error may not be.
pub(crate) fn complaint(proof: &Proof, id: LunId, error: &LunIoError) -> Option<&'static str> {
    let ledger = proof.ledger.borrow();
    let Some(lun) = ledger.luns.get(&id) else {
        // Deleted, and known to be.
        return None;
    };
    let busy = |wanted| ledger.is_busy(ObjectRef::Lun(id), |kind| kind == wanted);
    let may_refuse = lun.taint > Taint::Clean || ledger.is_exposed(lun);
    let full = ledger.victim.as_ref().is_some_and(|it| it.faults.contains(&FaultKind::NoSpace));
    match error {
        LunIoError::BecomingReady | LunIoError::Miscompare { .. } | LunIoError::OutOfRange => None,
        LunIoError::Gone if busy(OperationKind::DeleteLun) => None,
        LunIoError::Gone => Some("nobody deleted it"),
        LunIoError::Unavailable if lun.offline || busy(OperationKind::SetStatus) => None,
        LunIoError::NoSpace if full => None,
        _ if may_refuse => None,
        LunIoError::Medium { .. } => Some("a good copy exists"),
        LunIoError::WriteProtected => Some("nothing of its log is lost"),
        LunIoError::NoSpace => Some("its space is reserved"),
        _ => Some("enough of its drives are there"),
    }
}

impl LunIo for WatchedLun {
    fn shape(&self) -> LunShape {
        LunShape { write_back: !self.last.get(), ..self.inner.shape() }
    }

    fn read(&self, offset_bytes: u64, len_bytes: u64) -> LocalFuture<Result<ReadData, LunIoError>> {
        self.watch("read", self.inner.read(offset_bytes, len_bytes))
    }

    fn write(
        &self,
        offset_bytes: u64,
        data: Bytes,
        durable: bool,
    ) -> LocalFuture<Result<(), LunIoError>> {
        self.change("write", self.inner.write(offset_bytes, data, durable))
    }

    fn write_same(
        &self,
        offset_bytes: u64,
        len_bytes: u64,
        pattern: Bytes,
    ) -> LocalFuture<Result<(), LunIoError>> {
        self.change("write same", self.inner.write_same(offset_bytes, len_bytes, pattern))
    }

    fn unmap(&self, ranges: Vec<(u64, u64)>) -> LocalFuture<Result<(), LunIoError>> {
        self.change("unmap", self.inner.unmap(ranges))
    }

    fn compare_and_write(
        &self,
        offset_bytes: u64,
        expected: Bytes,
        data: Bytes,
        durable: bool,
    ) -> LocalFuture<Result<(), LunIoError>> {
        let answer = self.inner.compare_and_write(offset_bytes, expected, data, durable);
        self.change("compare and write", answer)
    }

    fn flush(&self) -> LocalFuture<Result<(), LunIoError>> {
        self.watch("flush", self.inner.flush())
    }
}
