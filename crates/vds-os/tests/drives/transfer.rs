//! Reads, writes, flushes and discards, by ring and by threads.

use std::sync::Arc;

use vds_io::{Buffer, DiskErrorKind, LocalFuture, OpenMode, join_all};

use crate::fixture::{BLOCK, filled, on_each_route, read, refused};

/// A small generator, so that a run can be repeated.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Goal: what is read is what was written last. Method: rounds of up to 64 concurrent requests on ranges that do not
/// overlap within a round, against a plain model.
#[test]
fn concurrent_requests_equal_a_model() {
    const BLOCKS: u64 = 2048;
    on_each_route(BLOCKS, |scene| async move {
        let disk = scene.member().await;
        let mut model = vec![0u8; usize::try_from(BLOCKS).unwrap()];
        let mut seeded = Seeded(7);
        for round in 0..60u8 {
            let mut requests: Vec<LocalFuture<()>> = Vec::new();
            let mut at = seeded.below(40);
            while at + 40 < BLOCKS && requests.len() < 64 {
                let blocks = usize::try_from(1 + seeded.below(32)).unwrap();
                let range = usize::try_from(at).unwrap()..usize::try_from(at).unwrap() + blocks;
                if seeded.below(2) == 0 {
                    let byte = round.wrapping_mul(31).wrapping_add(u8::try_from(at % 251).unwrap());
                    model[range].fill(byte);
                    let writing = disk.write(at * BLOCK, filled(blocks, byte));
                    requests.push(Box::pin(async move { writing.await.unwrap() }));
                } else {
                    let expected = model[range].to_vec();
                    let reading = disk.read(at * BLOCK, Buffer::zeroed(blocks));
                    requests.push(Box::pin(async move {
                        let (buffer, result) = reading.await;
                        result.unwrap();
                        for (index, &byte) in expected.iter().enumerate() {
                            assert!(buffer.block(index).iter().all(|&read| read == byte));
                        }
                    }));
                }
                at += blocks as u64 + seeded.below(40);
            }
            join_all(requests).await;
            if round % 8 == 0 {
                disk.flush().await.unwrap();
            }
        }
        drop(disk);
        let again = scene.member().await;
        let all = read(again.as_ref(), 0, model.len()).await.unwrap();
        assert!(model.iter().enumerate().all(|(at, &byte)| all.block(at)[17] == byte));
    });
}

/// Goal: a dropped future neither stops a write nor frees what the kernel still uses. Method: thousands of futures
/// dropped at once, unpolled or polled; then everything is read back, by a handle that had to wait for the hold.
#[test]
fn buffers_and_writes_survive_dropped_futures() {
    const BLOCKS: u64 = 4096;
    on_each_route(BLOCKS, |scene| async move {
        let disk = scene.member().await;
        for at in 0..BLOCKS {
            let byte = u8::try_from(at % 250).unwrap() + 1;
            let mut writing = disk.write(at * BLOCK, filled(1, byte));
            let reading = disk.read(at * BLOCK, Buffer::zeroed(1));
            if at % 3 == 0 {
                let polled = std::future::poll_fn(|context| {
                    std::task::Poll::Ready(writing.as_mut().poll(context).is_ready())
                });
                let _ = polled.await;
            }
            drop((writing, reading));
        }
        drop(disk);
        // The hold lasts until the last of them is on the drive.
        let again = loop {
            match scene.open(OpenMode::Member).await {
                Ok(disk) => break disk,
                Err(error) => assert_eq!(error.kind, DiskErrorKind::InUse, "{error}"),
            }
        };
        let all = read(again.as_ref(), 0, usize::try_from(BLOCKS).unwrap()).await.unwrap();
        for at in 0..usize::try_from(BLOCKS).unwrap() {
            assert_eq!(usize::from(all.block(at)[0]), at % 250 + 1, "block {at}");
        }
    });
}

#[test]
fn a_runtime_that_ends_early_leaves_no_request_behind() {
    on_each_route(256, |scene| async move {
        let disk = scene.member().await;
        let data = filled(256, 9);
        drop(disk.write(0, Arc::clone(&data)));
        // The source, the disk and the ring go with the runtime, right after this.
    });
}

#[test]
fn what_lies_outside_is_refused_and_nothing_is_nothing() {
    on_each_route(16, |scene| async move {
        let disk = scene.member().await;
        for offset in [16 * BLOCK, 512, u64::MAX - 4095] {
            let (_, result) = disk.read(offset, Buffer::zeroed(1)).await;
            refused(result, DiskErrorKind::OutOfRange, &["65536 bytes"]);
            let result = disk.write(offset, filled(1, 1)).await;
            refused(result, DiskErrorKind::OutOfRange, &["writing 4096 bytes"]);
        }
        refused(disk.discard(0, 17 * BLOCK).await, DiskErrorKind::OutOfRange, &["discarding"]);
        assert!(read(disk.as_ref(), 16, 0).await.is_ok());
        assert!(disk.write(0, filled(0, 0)).await.is_ok());
    });
}

#[test]
fn a_discard_leaves_its_neighbours() {
    on_each_route(64, |scene| async move {
        // Sparse from the beginning, so that space is given back.
        let file = std::fs::File::options().write(true).open(&scene.path).unwrap();
        file.set_len(0).unwrap();
        file.set_len(256 * BLOCK).unwrap();
        drop(file);
        let disk = scene.member().await;
        disk.write(0, filled(128, 5)).await.unwrap();
        disk.flush().await.unwrap();
        disk.discard(40 * BLOCK, 20 * BLOCK).await.unwrap();
        for (at, expected) in [(0, 5), (39, 5), (60, 5), (127, 5), (128, 0)] {
            assert_eq!(read(disk.as_ref(), at, 1).await.unwrap().bytes()[4095], expected, "{at}");
        }
        disk.write(40 * BLOCK, filled(20, 6)).await.unwrap();
        assert_eq!(read(disk.as_ref(), 59, 1).await.unwrap().bytes()[0], 6);
    });
}

#[test]
fn a_file_with_space_set_aside_keeps_it_through_a_discard() {
    use std::os::unix::fs::MetadataExt;
    on_each_route(64, |scene| async move {
        let disk = scene.member().await;
        let before = std::fs::metadata(&scene.path).unwrap().blocks();
        disk.write(0, filled(64, 5)).await.unwrap();
        disk.flush().await.unwrap();
        disk.discard(0, 64 * BLOCK).await.unwrap();
        assert!(std::fs::metadata(&scene.path).unwrap().blocks() >= before);
    });
}
