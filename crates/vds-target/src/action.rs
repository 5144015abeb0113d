//! Actions of the device server, carried out on the LUN.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use vds_io::{LocalFuture, LunIo, LunIoError, ReadData};
use vds_iscsi::session::TaskId;
use vds_scsi::{Action, Compare, Fault, Pattern, Range};

/// What came of an action: the data of a read, empty for everything else.
pub(crate) type Outcome = Result<ReadData, Fault>;

/// An action under way. The two that matter for speed are the LUN's own futures, without a wrapper.
enum Work {
    Read(LocalFuture<Result<ReadData, LunIoError>>),
    Plain(LocalFuture<Result<(), LunIoError>>),
    Other(LocalFuture<Outcome>),
}

/// A task's action under way.
pub(crate) struct Running {
    pub(crate) task: TaskId,
    work: Work,
}

impl Running {
    /// Begins `action` with its data-out: as long as [`Action::data_out_bytes`] says, or what the initiator sent of it.
    ///
    /// # Panics
    /// For an action that is not for the LUN: the caller answers it.
    pub(crate) fn begin(task: TaskId, io: Rc<dyn LunIo>, action: &Action, data: Bytes) -> Self {
        let work = match action {
            Action::Read { range, fua: false } => {
                Work::Read(io.read(range.offset_bytes, range.len_bytes))
            }
            Action::Write { range, durable, verify: false } => {
                match exactly(&data, range.len_bytes) {
                    Some(data) => Work::Plain(io.write(range.offset_bytes, data, *durable)),
                    None => Work::Other(Box::pin(std::future::ready(Err(Fault::OutOfRange)))),
                }
            }
            Action::Flush => Work::Plain(io.flush()),
            other => {
                let action = other.clone();
                Work::Other(Box::pin(async move { carry_out(&*io, &action, data).await }))
            }
        };
        Self { task, work }
    }
}

impl Future for Running {
    type Output = (TaskId, Outcome);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let task = self.task;
        let outcome = match &mut self.work {
            Work::Read(future) => future.as_mut().poll(context).map_err(|error| fault(&error)),
            Work::Plain(future) => future
                .as_mut()
                .poll(context)
                .map_ok(|()| ReadData::default())
                .map_err(|error| fault(&error)),
            Work::Other(future) => future.as_mut().poll(context),
        };
        outcome.map(|outcome| (task, outcome))
    }
}

/// The first `len` bytes, if there are so many.
fn exactly(data: &Bytes, len: u64) -> Option<Bytes> {
    let len = usize::try_from(len).ok()?;
    (data.len() >= len).then(|| data.slice(..len))
}

async fn carry_out(io: &dyn LunIo, action: &Action, data: Bytes) -> Outcome {
    match action {
        Action::Read { range, .. } => {
            // FUA: the answer must not be newer than what is durable.
            io.flush().await.map_err(|error| fault(&error))?;
            return read(io, *range).await;
        }
        Action::TestReady => {
            // Nothing of the medium: a drive that hangs does not make the LUN unready.
            io.read(0, 0).await.map_err(|error| fault(&error))?;
        }
        Action::Write { range, durable, .. } => {
            let data = exactly(&data, range.len_bytes).ok_or(Fault::OutOfRange)?;
            let write = io.write(range.offset_bytes, data.clone(), *durable);
            write.await.map_err(|error| fault(&error))?;
            compare(&read(io, *range).await?, &data)?;
        }
        Action::WriteSame { range, pattern, durable } => {
            let sector = u64::from(io.shape().sector_bytes);
            let pattern = match pattern {
                Pattern::DataOut => exactly(&data, sector).ok_or(Fault::OutOfRange)?,
                Pattern::Zeros => Bytes::from(vec![0; io.shape().sector_bytes as usize]),
            };
            let write = io.write_same(range.offset_bytes, range.len_bytes, pattern);
            write.await.map_err(|error| fault(&error))?;
            flush_if(io, *durable).await?;
        }
        Action::Unmap { ranges, durable } => {
            let ranges = ranges.iter().map(|range| (range.offset_bytes, range.len_bytes));
            io.unmap(ranges.collect()).await.map_err(|error| fault(&error))?;
            flush_if(io, *durable).await?;
        }
        Action::CompareAndWrite { range, durable } => {
            let both = exactly(&data, 2 * range.len_bytes).ok_or(Fault::OutOfRange)?;
            let expected = both.slice(..both.len() / 2);
            let new = both.slice(both.len() / 2..);
            let write = io.compare_and_write(range.offset_bytes, expected, new, *durable);
            write.await.map_err(|error| fault(&error))?;
        }
        Action::Verify { range, compare: how } => verify(io, *range, *how, &data).await?,
        Action::Flush => flush_if(io, true).await?,
        Action::SetWriteBack { write_back } => flush_if(io, !write_back).await?,
        Action::Respond(_) | Action::Collect(_) => unreachable!("the connection answers these"),
    }
    Ok(ReadData::default())
}

async fn read(io: &dyn LunIo, range: Range) -> Outcome {
    io.read(range.offset_bytes, range.len_bytes).await.map_err(|error| fault(&error))
}

async fn flush_if(io: &dyn LunIo, wanted: bool) -> Result<(), Fault> {
    if wanted { io.flush().await.map_err(|error| fault(&error)) } else { Ok(()) }
}

async fn verify(io: &dyn LunIo, range: Range, how: Compare, data: &Bytes) -> Result<(), Fault> {
    let found = read(io, range).await?;
    match how {
        Compare::Nothing => Ok(()),
        Compare::DataOut => {
            let expected = exactly(data, range.len_bytes).ok_or(Fault::OutOfRange)?;
            compare(&found, &expected)
        }
        Compare::DataOutEachSector => {
            let sector = u64::from(io.shape().sector_bytes);
            let sector = exactly(data, sector).ok_or(Fault::OutOfRange)?;
            compare(&found, &sector)
        }
    }
}

/// Whether what was read is `expected`, over and over.
fn compare(found: &ReadData, expected: &[u8]) -> Result<(), Fault> {
    let mut pattern = expected.iter().cycle();
    let mut offset_bytes = 0;
    for piece in &found.pieces {
        for byte in piece.bytes() {
            if Some(byte) != pattern.next() {
                return Err(Fault::Miscompare { offset_bytes });
            }
            offset_bytes += 1;
        }
    }
    Ok(())
}

/// The one place where the LUN's errors become the device server's.
fn fault(error: &LunIoError) -> Fault {
    match *error {
        LunIoError::OutOfRange => Fault::OutOfRange,
        LunIoError::Medium { offset_bytes } => Fault::Medium { offset_bytes },
        LunIoError::Miscompare { offset_bytes } => Fault::Miscompare { offset_bytes },
        LunIoError::BecomingReady => Fault::BecomingReady,
        LunIoError::WriteProtected => Fault::WriteProtected,
        LunIoError::NoSpace => Fault::NoSpace,
        LunIoError::Gone => Fault::Gone,
        // What we do not know yet is at least not done.
        _ => Fault::Unavailable,
    }
}
