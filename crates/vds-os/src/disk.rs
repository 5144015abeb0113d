//! A drive of the real machine behind [`Disk`], by ring, by threads or on the spot.

use std::cell::Cell;
use std::future::{poll_fn, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use vds_io::{Buffer, Disk, DiskDescription, DiskError, LocalFuture};

use crate::drive_file::{Action, DriveFile};
use crate::pool::Pool;
use crate::ring::{Ring, Transfer};

/// An opened drive whose reads, writes and flushes go through this thread's io_uring ring.
///
/// Discards and [`Disk::check_present`] may block and run on a thread of the drive's own.
pub(crate) struct UringDisk {
    file: Arc<DriveFile>,
    ring: Rc<Ring>,
    pool: Pool,
    /// The ring's turn in which the file's length was last looked at.
    length_checked: Cell<u64>,
}

/// An opened drive whose requests block threads of its own.
pub(crate) struct ThreadDisk {
    file: Arc<DriveFile>,
    pool: Pool,
}

/// An opened drive file that lies in memory. A request is carried out by the thread that makes it: handing it to
/// another costs more than the copy.
///
/// Discards and [`Disk::check_present`] run on a thread of the drive's own, as with the others.
pub(crate) struct MemoryDisk {
    file: Arc<DriveFile>,
    pool: Pool,
}

impl UringDisk {
    pub(crate) fn new(file: DriveFile, ring: Rc<Ring>) -> Self {
        // No turn of the ring ever has this number, so that the first write checks.
        let length_checked = Cell::new(u64::MAX);
        Self { file: Arc::new(file), ring, pool: Pool::new(), length_checked }
    }

    /// Once for all writes of a turn: one look per submission is as good as one per write.
    fn admit_write(&self, offset: u64, len: u64) -> Result<(), DiskError> {
        self.file.admit(Action::Write, offset, len)?;
        let turn = self.ring.turn();
        if self.length_checked.get() != turn {
            self.file.check_length()?;
            self.length_checked.set(turn);
        }
        Ok(())
    }
}

impl Disk for UringDisk {
    fn describe(&self) -> DiskDescription {
        self.file.description().clone()
    }

    fn read(&self, offset: u64, buffer: Buffer) -> LocalFuture<(Buffer, Result<(), DiskError>)> {
        let len = buffer.len() as u64;
        let admitted = self.file.admit(Action::Read, offset, len);
        if admitted.is_err() || len == 0 {
            return Box::pin(ready((buffer, admitted)));
        }
        let file = Arc::clone(&self.file);
        let completion = self.ring.issue(Arc::clone(&file), Transfer::Read(buffer), offset);
        Box::pin(async move {
            let (transfer, outcome) = completion.await;
            let Transfer::Read(buffer) = transfer else {
                unreachable!("a read comes back as a read")
            };
            (buffer, outcome.map_err(|failure| file.failed(Action::Read, offset, len, failure)))
        })
    }

    fn write(&self, offset: u64, data: Arc<Buffer>) -> LocalFuture<Result<(), DiskError>> {
        let len = data.len() as u64;
        let admitted = self.admit_write(offset, len);
        if admitted.is_err() || len == 0 {
            return Box::pin(ready(admitted));
        }
        let file = Arc::clone(&self.file);
        let completion = self.ring.issue(Arc::clone(&file), Transfer::Write(data), offset);
        Box::pin(async move {
            let (_, outcome) = completion.await;
            outcome.map_err(|failure| file.failed(Action::Write, offset, len, failure))
        })
    }

    fn flush(&self) -> LocalFuture<Result<(), DiskError>> {
        if let Err(error) = self.file.admit(Action::Flush, 0, 0) {
            return Box::pin(ready(Err(error)));
        }
        let file = Arc::clone(&self.file);
        let completion = self.ring.issue(Arc::clone(&file), Transfer::Flush, 0);
        Box::pin(async move {
            let (_, outcome) = completion.await;
            outcome.map_err(|failure| file.failed(Action::Flush, 0, 0, failure))
        })
    }

    fn discard(&self, offset: u64, len: u64) -> LocalFuture<Result<(), DiskError>> {
        discard(&self.file, &self.pool, offset, len)
    }

    fn check_present(&self) -> LocalFuture<Result<(), DiskError>> {
        check_present(&self.file, &self.pool)
    }
}

impl ThreadDisk {
    pub(crate) fn new(file: DriveFile) -> Self {
        Self { file: Arc::new(file), pool: Pool::new() }
    }
}

impl Disk for ThreadDisk {
    fn describe(&self) -> DiskDescription {
        self.file.description().clone()
    }

    fn read(
        &self,
        offset: u64,
        mut buffer: Buffer,
    ) -> LocalFuture<(Buffer, Result<(), DiskError>)> {
        let admitted = self.file.admit(Action::Read, offset, buffer.len() as u64);
        if admitted.is_err() || buffer.is_empty() {
            return Box::pin(ready((buffer, admitted)));
        }
        let file = Arc::clone(&self.file);
        Box::pin(self.pool.run(move || {
            let result = file.read(offset, buffer.bytes_mut());
            (buffer, result)
        }))
    }

    fn write(&self, offset: u64, data: Arc<Buffer>) -> LocalFuture<Result<(), DiskError>> {
        let admitted = self.file.admit(Action::Write, offset, data.len() as u64);
        if admitted.is_err() || data.is_empty() {
            return Box::pin(ready(admitted));
        }
        let file = Arc::clone(&self.file);
        Box::pin(self.pool.run(move || file.write(offset, data.bytes())))
    }

    fn flush(&self) -> LocalFuture<Result<(), DiskError>> {
        if let Err(error) = self.file.admit(Action::Flush, 0, 0) {
            return Box::pin(ready(Err(error)));
        }
        let file = Arc::clone(&self.file);
        Box::pin(self.pool.run(move || file.flush()))
    }

    fn discard(&self, offset: u64, len: u64) -> LocalFuture<Result<(), DiskError>> {
        discard(&self.file, &self.pool, offset, len)
    }

    fn check_present(&self) -> LocalFuture<Result<(), DiskError>> {
        check_present(&self.file, &self.pool)
    }
}

impl MemoryDisk {
    pub(crate) fn new(file: DriveFile) -> Self {
        Self { file: Arc::new(file), pool: Pool::new() }
    }
}

impl Disk for MemoryDisk {
    fn describe(&self) -> DiskDescription {
        self.file.description().clone()
    }

    fn read(
        &self,
        offset: u64,
        mut buffer: Buffer,
    ) -> LocalFuture<(Buffer, Result<(), DiskError>)> {
        let mut result = self.file.admit(Action::Read, offset, buffer.len() as u64);
        if result.is_ok() {
            result = self.file.read(offset, buffer.bytes_mut());
        }
        next_turn((buffer, result))
    }

    fn write(&self, offset: u64, data: Arc<Buffer>) -> LocalFuture<Result<(), DiskError>> {
        let admitted = self.file.admit(Action::Write, offset, data.len() as u64);
        let result = match admitted {
            Ok(()) if !data.is_empty() => self.file.write(offset, data.bytes()),
            other => other,
        };
        next_turn(result)
    }

    fn flush(&self) -> LocalFuture<Result<(), DiskError>> {
        let admitted = self.file.admit(Action::Flush, 0, 0);
        next_turn(admitted.and_then(|()| self.file.flush()))
    }

    fn discard(&self, offset: u64, len: u64) -> LocalFuture<Result<(), DiskError>> {
        discard(&self.file, &self.pool, offset, len)
    }

    fn check_present(&self) -> LocalFuture<Result<(), DiskError>> {
        check_present(&self.file, &self.pool)
    }
}

/// `value`, after every other task that can run has run: long work on a drive that always answers at once would keep
/// its thread for itself otherwise.
fn next_turn<T: 'static>(value: T) -> LocalFuture<T> {
    let mut value = Some(value);
    let mut waited = false;
    Box::pin(poll_fn(move |context| {
        if waited {
            return Poll::Ready(value.take().expect("polled after it was ready"));
        }
        waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }))
}

fn discard(
    file: &Arc<DriveFile>,
    pool: &Pool,
    offset: u64,
    len: u64,
) -> LocalFuture<Result<(), DiskError>> {
    if let Err(error) = file.admit(Action::Discard, offset, len) {
        return Box::pin(ready(Err(error)));
    }
    let file = Arc::clone(file);
    Box::pin(pool.run(move || file.discard(offset, len)))
}

fn check_present(file: &Arc<DriveFile>, pool: &Pool) -> LocalFuture<Result<(), DiskError>> {
    let file = Arc::clone(file);
    Box::pin(pool.run(move || file.check_present()))
}
