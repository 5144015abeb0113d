//! The whole world at work on a LUN that writes in place: one command at a time it keeps its promise, and as soon as
//! anything may be torn or reordered it cannot, which the model must see.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use vds_io::{
    Buffer, Disk, LocalFuture, LunIo, LunIoError, LunShape, OpenMode, ReadData, ReadPiece,
};
use vds_sim::lun_model::{LunModel, Mix, Violation, Workload};
use vds_sim::{CrashMode, CutPoint, Sim, SimDisks, Stopped, seeds};

const SIZE_BYTES: u64 = 256 << 10;

/// A LUN whose blocks lie on a drive where they lie on the LUN.
struct InPlace {
    disk: Rc<dyn Disk>,
}

impl LunIo for InPlace {
    fn shape(&self) -> LunShape {
        LunShape {
            size_bytes: SIZE_BYTES,
            sector_bytes: 4096,
            transfer_bytes_max: 64 << 10,
            write_back: true,
            read_only: false,
        }
    }

    fn read(&self, offset_bytes: u64, len_bytes: u64) -> LocalFuture<Result<ReadData, LunIoError>> {
        let len = usize::try_from(len_bytes).unwrap();
        let read = self.disk.read(offset_bytes, Buffer::zeroed(len / 4096));
        Box::pin(async move {
            let (buffer, result) = read.await;
            result.map_err(|_| LunIoError::Medium { offset_bytes })?;
            let piece = ReadPiece { buffer: Rc::new(buffer), start: 0, len };
            Ok(ReadData { pieces: vec![piece] })
        })
    }

    fn write(
        &self,
        offset_bytes: u64,
        data: Bytes,
        durable: bool,
    ) -> LocalFuture<Result<(), LunIoError>> {
        let disk = Rc::clone(&self.disk);
        let written = disk.write(offset_bytes, Arc::new(Buffer::copy_of(&data)));
        Box::pin(async move {
            written.await.map_err(|_| LunIoError::Unavailable)?;
            if durable {
                disk.flush().await.map_err(|_| LunIoError::Unavailable)?;
            }
            Ok(())
        })
    }

    fn write_same(
        &self,
        offset_bytes: u64,
        len_bytes: u64,
        pattern: Bytes,
    ) -> LocalFuture<Result<(), LunIoError>> {
        let count = usize::try_from(len_bytes).unwrap() / pattern.len();
        self.write(offset_bytes, pattern.repeat(count).into(), false)
    }

    fn unmap(&self, _ranges: Vec<(u64, u64)>) -> LocalFuture<Result<(), LunIoError>> {
        Box::pin(std::future::ready(Err(LunIoError::WriteProtected)))
    }

    fn compare_and_write(
        &self,
        _offset_bytes: u64,
        _expected: Bytes,
        _data: Bytes,
        _durable: bool,
    ) -> LocalFuture<Result<(), LunIoError>> {
        Box::pin(std::future::ready(Err(LunIoError::WriteProtected)))
    }

    fn flush(&self) -> LocalFuture<Result<(), LunIoError>> {
        let flushed = self.disk.flush();
        Box::pin(async move { flushed.await.map_err(|_| LunIoError::Unavailable) })
    }
}

/// Runs a workload, `depth` commands at a time, cuts it after the nth write or flush, and looks.
fn run(seed: u64, depth: usize, mix: Mix, cut: CutPoint, mode: CrashMode) -> Result<(), Violation> {
    let sim = Sim::new(seed);
    let disks = SimDisks::new(&sim);
    disks.add("d0", SIZE_BYTES);
    let model = Rc::new(RefCell::new(LunModel::new(seed, SIZE_BYTES)));
    let start = |open_mode| {
        let disk = sim.run_until(disks.source().open("d0", open_mode)).unwrap().unwrap();
        let lun = Rc::new(InPlace { disk });
        Workload::new(lun, Rc::clone(&model), sim.world(), sim.chance(), mix)
    };
    let workload = start(OpenMode::Blank);
    disks.crash_at(cut, mode);
    match sim.run_until(workload.run(depth, 1000)) {
        Ok(Ok(())) => panic!("the cut never came"),
        Ok(Err(violation)) => return Err(violation),
        Err(stopped) => assert_eq!(stopped, Stopped::Crashed(mode)),
    }
    model.borrow_mut().crashed(mode);
    let workload = start(OpenMode::Member);
    sim.run_until(workload.verify()).unwrap().map(|_| ())
}

const WRITES: Mix = Mix { unmaps: 0, compares: 0, ..Mix::USUAL };
const DURABLE: Mix = Mix { fua_one_in: 1, zeros: 0, ..WRITES };

/// How many of the seeds end with a violation.
fn caught(depth: usize, mix: Mix, cut: fn(u64) -> CutPoint, mode: CrashMode) -> usize {
    let seeds = seeds(60);
    seeds.filter(|seed| run(*seed, depth, mix, cut(20 + seed % 7), mode).is_err()).count()
}

#[test]
fn one_command_at_a_time_keeps_the_promise_where_nothing_is_in_flight() {
    assert_eq!(caught(1, WRITES, CutPoint::Completed, CrashMode::Kill), 0);
    // With every write durable, an even number of completions leaves nothing in the cache but at most one whole write.
    let flushed = |n| CutPoint::Completed(n / 2 * 2);
    let mix = Mix { flushes: 0, ..DURABLE };
    assert_eq!(caught(1, mix, flushed, CrashMode::PowerCut), 0);
}

#[test]
fn writing_in_place_is_no_prefix_and_is_caught() {
    let found = [
        caught(1, DURABLE, CutPoint::Issued, CrashMode::Kill),
        caught(1, WRITES, CutPoint::Completed, CrashMode::PowerCut),
        caught(6, WRITES, CutPoint::Issued, CrashMode::Kill),
        caught(6, WRITES, CutPoint::Issued, CrashMode::PowerCut),
    ];
    assert!(found.iter().all(|count| *count >= 5), "{found:?} of 60 each");
}
