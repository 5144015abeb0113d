//! The data path of a LUN that its operator may set offline.

use std::cell::Cell;
use std::future::ready;
use std::rc::Rc;

use bytes::Bytes;
use vds_io::{LocalFuture, LunIo, LunIoError, LunShape, ReadData};

use crate::lun::LunHandle;

/// Passes requests on while the LUN is online.
pub(super) struct Gate {
    lun: LunHandle,
    offline: Rc<Cell<bool>>,
}

impl Gate {
    pub(super) fn new(lun: LunHandle, offline: Rc<Cell<bool>>) -> Self {
        Self { lun, offline }
    }

    fn pass<T: 'static>(
        &self,
        request: impl FnOnce(&LunHandle) -> LocalFuture<Result<T, LunIoError>>,
    ) -> LocalFuture<Result<T, LunIoError>> {
        if self.offline.get() {
            return Box::pin(ready(Err(LunIoError::Unavailable)));
        }
        request(&self.lun)
    }
}

impl LunIo for Gate {
    fn shape(&self) -> LunShape {
        self.lun.shape()
    }

    fn read(&self, offset_bytes: u64, len_bytes: u64) -> LocalFuture<Result<ReadData, LunIoError>> {
        self.pass(|lun| lun.read(offset_bytes, len_bytes))
    }

    fn write(
        &self,
        offset_bytes: u64,
        data: Bytes,
        durable: bool,
    ) -> LocalFuture<Result<(), LunIoError>> {
        self.pass(|lun| lun.write(offset_bytes, data, durable))
    }

    fn write_same(
        &self,
        offset_bytes: u64,
        len_bytes: u64,
        pattern: Bytes,
    ) -> LocalFuture<Result<(), LunIoError>> {
        self.pass(|lun| lun.write_same(offset_bytes, len_bytes, pattern))
    }

    fn unmap(&self, ranges: Vec<(u64, u64)>) -> LocalFuture<Result<(), LunIoError>> {
        self.pass(|lun| lun.unmap(ranges))
    }

    fn compare_and_write(
        &self,
        offset_bytes: u64,
        expected: Bytes,
        data: Bytes,
        durable: bool,
    ) -> LocalFuture<Result<(), LunIoError>> {
        self.pass(|lun| lun.compare_and_write(offset_bytes, expected, data, durable))
    }

    fn flush(&self) -> LocalFuture<Result<(), LunIoError>> {
        self.pass(LunHandle::flush)
    }
}
