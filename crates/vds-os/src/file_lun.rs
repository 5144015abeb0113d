//! The data path of a LUN that lies in one file or block device: threads that read and write it.

use std::future::ready;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use vds_io::{Buffer, LocalFuture, LunIo, LunIoError, LunShape, ReadData, ReadPiece};

use crate::lun_file::{LunFile, WriteError};
use crate::order::{Span, Turn};
use crate::pool::Pool;

/// The most bytes of one command: what initiators rarely exceed, and what a thread copies in well under a millisecond.
const TRANSFER_BYTES_MAX: u32 = 1 << 20;

/// A LUN in a [`LunFile`].
pub struct FileLun {
    file: Arc<LunFile>,
    size_bytes: u64,
    sector_bytes: u32,
    is_write_back: bool,
    pool: Rc<Pool>,
}

impl FileLun {
    /// A LUN of the first `size_bytes` of the file. It is write-through unless `is_write_back`.
    pub fn new(
        file: Arc<LunFile>,
        size_bytes: u64,
        sector_bytes: u32,
        is_write_back: bool,
    ) -> Self {
        Self { file, size_bytes, sector_bytes, is_write_back, pool: Rc::new(Pool::new()) }
    }

    fn admits(&self, offset_bytes: u64, len_bytes: u64) -> bool {
        let sector = u64::from(self.sector_bytes);
        let end = offset_bytes.checked_add(len_bytes);
        end.is_some_and(|end| end <= self.size_bytes)
            && offset_bytes.is_multiple_of(sector)
            && len_bytes.is_multiple_of(sector)
    }

    /// Does something to the file in a thread, when it is its turn on these bytes. The turn lasts as long as the work,
    /// also when nobody waits for it any more.
    fn change(
        &self,
        spans: Vec<(u64, u64)>,
        durable: bool,
        work: impl FnOnce(&LunFile) -> Result<(), WriteFailure> + Send + 'static,
    ) -> LocalFuture<Result<(), LunIoError>> {
        if !spans.iter().all(|(offset, len)| self.admits(*offset, *len)) {
            return Box::pin(ready(Err(LunIoError::OutOfRange)));
        }
        if self.file.is_read_only() {
            return Box::pin(ready(Err(LunIoError::WriteProtected)));
        }
        let span = |(start, len)| Span { start, end: start + len, is_write: true };
        let entering = self.file.order.enter(spans.into_iter().map(span).collect());
        let (file, pool) = (Arc::clone(&self.file), Rc::clone(&self.pool));
        let durable = durable || !self.is_write_back;
        Box::pin(async move {
            let turn: Turn = entering.await;
            let done = pool.run(move || {
                let done = work(&file).and_then(|()| {
                    if durable { file.flush().map_err(WriteFailure::from) } else { Ok(()) }
                });
                drop(turn);
                done
            });
            done.await.map_err(|failure| failure.0)
        })
    }
}

/// A failure inside the work, already in the LUN's words.
struct WriteFailure(LunIoError);

impl From<WriteError> for WriteFailure {
    fn from(error: WriteError) -> Self {
        Self(match error {
            WriteError::NoSpace => LunIoError::NoSpace,
            WriteError::Broken => LunIoError::Unavailable,
        })
    }
}

impl LunIo for FileLun {
    fn shape(&self) -> LunShape {
        LunShape {
            size_bytes: self.size_bytes,
            sector_bytes: self.sector_bytes,
            transfer_bytes_max: TRANSFER_BYTES_MAX,
            write_back: self.is_write_back,
            read_only: self.file.is_read_only(),
        }
    }

    fn read(&self, offset_bytes: u64, len_bytes: u64) -> LocalFuture<Result<ReadData, LunIoError>> {
        let Some(len) =
            usize::try_from(len_bytes).ok().filter(|_| self.admits(offset_bytes, len_bytes))
        else {
            return Box::pin(ready(Err(LunIoError::OutOfRange)));
        };
        if len == 0 {
            return Box::pin(ready(Ok(ReadData::default())));
        }
        let span = Span { start: offset_bytes, end: offset_bytes + len_bytes, is_write: false };
        let entering = self.file.order.enter(vec![span]);
        let (file, pool) = (Arc::clone(&self.file), Rc::clone(&self.pool));
        Box::pin(async move {
            let turn = entering.await;
            let read = pool.run(move || {
                let mut buffer = Buffer::zeroed(len.div_ceil(vds_io::BLOCK_BYTES));
                let read = file.read(offset_bytes, &mut buffer.bytes_mut()[..len]);
                drop(turn);
                read.map(|()| buffer)
            });
            match read.await {
                Ok(buffer) => {
                    let piece = ReadPiece { buffer: Rc::new(buffer), start: 0, len };
                    Ok(ReadData { pieces: vec![piece] })
                }
                Err(offset_bytes) => Err(LunIoError::Medium { offset_bytes }),
            }
        })
    }

    fn write(
        &self,
        offset_bytes: u64,
        data: Bytes,
        durable: bool,
    ) -> LocalFuture<Result<(), LunIoError>> {
        let (len_bytes, size_bytes) = (data.len() as u64, self.size_bytes);
        if len_bytes > u64::from(TRANSFER_BYTES_MAX) {
            return Box::pin(ready(Err(LunIoError::OutOfRange)));
        }
        self.change(vec![(offset_bytes, len_bytes)], durable, move |file| {
            Ok(file.write(offset_bytes, &data, size_bytes)?)
        })
    }

    fn write_same(
        &self,
        offset_bytes: u64,
        len_bytes: u64,
        pattern: Bytes,
    ) -> LocalFuture<Result<(), LunIoError>> {
        let size_bytes = self.size_bytes;
        if pattern.len() != self.sector_bytes as usize {
            return Box::pin(ready(Err(LunIoError::OutOfRange)));
        }
        self.change(vec![(offset_bytes, len_bytes)], false, move |file| {
            if pattern.iter().all(|byte| *byte == 0) {
                Ok(file.discard(offset_bytes, len_bytes, size_bytes)?)
            } else {
                Ok(file.fill(offset_bytes, len_bytes, &pattern, size_bytes)?)
            }
        })
    }

    fn unmap(&self, ranges: Vec<(u64, u64)>) -> LocalFuture<Result<(), LunIoError>> {
        let size_bytes = self.size_bytes;
        self.change(ranges.clone(), false, move |file| {
            for (offset, len) in ranges {
                file.discard(offset, len, size_bytes)?;
            }
            Ok(())
        })
    }

    fn compare_and_write(
        &self,
        offset_bytes: u64,
        expected: Bytes,
        data: Bytes,
        durable: bool,
    ) -> LocalFuture<Result<(), LunIoError>> {
        let (len_bytes, size_bytes) = (data.len() as u64, self.size_bytes);
        if expected.len() != data.len() || len_bytes > u64::from(TRANSFER_BYTES_MAX) {
            return Box::pin(ready(Err(LunIoError::OutOfRange)));
        }
        self.change(vec![(offset_bytes, len_bytes)], durable, move |file| {
            let mut found = vec![0; expected.len()];
            file.read(offset_bytes, &mut found)
                .map_err(|offset_bytes| WriteFailure(LunIoError::Medium { offset_bytes }))?;
            let mut pairs = found.iter().zip(expected.iter());
            if let Some(at) = pairs.position(|(found, expected)| found != expected) {
                let offset_bytes = at as u64;
                return Err(WriteFailure(LunIoError::Miscompare { offset_bytes }));
            }
            Ok(file.write(offset_bytes, &data, size_bytes)?)
        })
    }

    fn flush(&self) -> LocalFuture<Result<(), LunIoError>> {
        let file = Arc::clone(&self.file);
        let pool = Rc::clone(&self.pool);
        Box::pin(async move {
            let flushed = pool.run(move || file.flush()).await;
            flushed.map_err(|error| WriteFailure::from(error).0)
        })
    }
}

#[cfg(test)]
mod tests;
