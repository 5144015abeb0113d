//! An opened drive, as the engine sees it.

use std::rc::Rc;
use std::sync::Arc;

use vds_io::{Buffer, Disk, DiskDescription, DiskError, DiskErrorKind, LocalFuture};

use super::request::{Done, Door, Inner, Op};
use super::source::Shelf;
use crate::event::answer;

/// One opened drive. Requests are issued by the call, not by the first poll; dropping the future cancels nothing.
pub struct SimDisk {
    pub(super) inner: Rc<Inner>,
    pub(super) shelf: Rc<Shelf>,
    pub(super) door: Door,
    /// Tells this handle from all others.
    pub(super) serial: u64,
    pub(super) description: DiskDescription,
}

impl Disk for SimDisk {
    fn describe(&self) -> DiskDescription {
        self.description.clone()
    }

    fn read(&self, offset_bytes: u64, buffer: Buffer) -> LocalFuture<(Buffer, Done)> {
        let (sender, answer) = answer();
        self.inner.submit(self.door, Op::Read { offset_bytes, buffer, answer: sender });
        Box::pin(answer)
    }

    fn write(&self, offset_bytes: u64, data: Arc<Buffer>) -> LocalFuture<Done> {
        let (sender, answer) = answer();
        self.inner.submit(self.door, Op::Write { offset_bytes, data, answer: sender });
        Box::pin(answer)
    }

    fn flush(&self) -> LocalFuture<Done> {
        let (sender, answer) = answer();
        self.inner.submit(self.door, Op::Flush { answer: sender });
        Box::pin(answer)
    }

    fn discard(&self, offset_bytes: u64, len_bytes: u64) -> LocalFuture<Done> {
        let (sender, answer) = answer();
        self.inner.submit(self.door, Op::Discard { offset_bytes, len_bytes, answer: sender });
        Box::pin(answer)
    }

    /// Hangs with the drive: where requests hang, so does the question whether it is there.
    fn check_present(&self) -> LocalFuture<Done> {
        if let Some(answer) = self.inner.hang_with_the_rest() {
            return answer;
        }
        let result = self.presence();
        self.shelf.after_a_tick(move || result)
    }
}

impl SimDisk {
    fn presence(&self) -> Done {
        let path = &self.description.path;
        let gone = |text: &str| Err(DiskError::new(DiskErrorKind::Gone, format!("{path}: {text}")));
        let Some(found) = self.shelf.at(path) else { return gone("nothing is there") };
        let state = self.inner.state.borrow();
        if !Rc::ptr_eq(&found, &self.inner) {
            gone("another drive is there now")
        } else if !state.present || state.incarnation != self.door.incarnation {
            gone("the drive is gone")
        } else if state.spec.size_bytes < self.description.size_bytes {
            gone("the drive has shrunk")
        } else {
            Ok(())
        }
    }
}

impl Drop for SimDisk {
    fn drop(&mut self) {
        let mut state = self.inner.state.borrow_mut();
        if state.holder == Some(self.serial) {
            state.holder = None;
        }
    }
}
