//! A LUN in a file: what was written is read, in order, and what fails is said.

use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;

use tempfile::TempDir;

use super::*;
use crate::LunFileError;

const SIZE_BYTES: u64 = 1 << 20;

struct Stage {
    folder: TempDir,
    file: Arc<LunFile>,
    lun: FileLun,
}

fn open(folder: &TempDir) -> File {
    let path = folder.path().join("data");
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).unwrap()
}

fn stage() -> Stage {
    let folder = TempDir::new().unwrap();
    let file = open(&folder);
    file.set_len(SIZE_BYTES).unwrap();
    let file = Arc::new(LunFile::adopt(&OwnedFd::from(file), SIZE_BYTES, false).unwrap());
    let lun = FileLun::new(Arc::clone(&file), SIZE_BYTES, 512, true);
    Stage { folder, file, lun }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn filled(byte: u8, len: usize) -> Bytes {
    Bytes::from(vec![byte; len])
}

#[test]
fn what_was_written_is_read() {
    let Stage { lun, .. } = stage();
    run(async {
        lun.write(512, filled(7, 1024), true).await.unwrap();
        lun.write_same(4096, 2048, filled(9, 512)).await.unwrap();
        let found = lun.read(0, 8192).await.unwrap().to_vec();
        assert_eq!((found[511], found[512], found[1535], found[1536]), (0, 7, 7, 0));
        assert_eq!((found[4096], found[6143], found[6144]), (9, 9, 0));
        lun.unmap(vec![(512, 512), (4096, 8192)]).await.unwrap();
        let found = lun.read(0, 8192).await.unwrap().to_vec();
        assert_eq!((found[512], found[1024], found[4096]), (0, 7, 0));
        lun.flush().await.unwrap();
    });
}

#[test]
fn ranges_are_checked() {
    let Stage { lun, .. } = stage();
    run(async {
        let out = Err(LunIoError::OutOfRange);
        assert_eq!(lun.read(SIZE_BYTES, 512).await.map(drop), out);
        assert_eq!(lun.read(1, 512).await.map(drop), out);
        assert_eq!(lun.read(u64::MAX - 511, 512).await.map(drop), out);
        assert_eq!(lun.write(SIZE_BYTES - 512, filled(1, 1024), false).await, out);
        assert_eq!(lun.unmap(vec![(0, 512), (SIZE_BYTES, 512)]).await, out);
        assert_eq!(lun.read(0, 0).await.map(|data| data.len()), Ok(0));
    });
}

#[test]
fn a_comparison_is_one_step() {
    let Stage { lun, .. } = stage();
    run(async {
        lun.compare_and_write(0, filled(0, 512), filled(1, 512), false).await.unwrap();
        let mut expected = vec![1; 512];
        expected[100] = 2;
        let compared = lun.compare_and_write(0, expected.into(), filled(3, 512), false).await;
        assert_eq!(compared, Err(LunIoError::Miscompare { offset_bytes: 100 }));
        assert_eq!(lun.read(0, 512).await.unwrap().to_vec(), vec![1; 512]);
    });
}

#[test]
fn overlapping_writes_keep_their_order() {
    let Stage { lun, .. } = stage();
    run(async {
        for round in 0..50_u8 {
            let first = lun.write(0, filled(round, 64 << 10), false);
            let second = lun.write(512, filled(round + 100, 64 << 10), false);
            let read = lun.read(0, 65 << 10);
            // Waited for the other way round.
            let (read, second, first) = tokio::join!(read, second, first);
            first.and(second).unwrap();
            let found = read.unwrap().to_vec();
            assert!(found[..512].iter().all(|byte| *byte == round));
            assert!(found[512..].iter().take(64 << 10).all(|byte| *byte == round + 100));
        }
    });
}

#[test]
fn a_file_that_was_shortened_is_neither_read_beyond_nor_made_long_again() {
    let Stage { folder, file, lun } = stage();
    open(&folder).set_len(4096).unwrap();
    run(async {
        let found = lun.read(0, 8192).await.map(drop);
        assert_eq!(found, Err(LunIoError::Medium { offset_bytes: 4096 }));
        assert_eq!(lun.write(0, filled(1, 512), false).await, Err(LunIoError::Unavailable));
        assert!(file.is_broken() && lun.shape().read_only);
        assert_eq!(lun.write(0, filled(1, 512), false).await, Err(LunIoError::WriteProtected));
        assert_eq!(lun.flush().await, Err(LunIoError::Unavailable));
        assert_eq!(open(&folder).metadata().unwrap().len(), 4096);
    });
}

#[test]
fn only_files_with_the_right_to_write_are_taken() {
    let folder = TempDir::new().unwrap();
    open(&folder).set_len(512).unwrap();
    let path = folder.path().join("data");
    let check = |file: File, least_bytes, is_read_only, expected: Option<LunFileError>| {
        let found = LunFile::adopt(&OwnedFd::from(file), least_bytes, is_read_only).map(drop);
        assert_eq!(found.err(), expected);
    };
    check(open(&folder), 512, false, None);
    check(File::open(&path).unwrap(), 512, true, None);
    let access = Some(LunFileError::Access { wanted: "writing" });
    check(File::open(&path).unwrap(), 512, false, access);
    let write_only = OpenOptions::new().write(true).open(&path).unwrap();
    check(write_only, 512, false, Some(LunFileError::Access { wanted: "reading" }));
    let size = LunFileError::Size { found_bytes: 512, wanted_bytes: 513 };
    check(open(&folder), 513, false, Some(size));
    check(File::open(folder.path()).unwrap(), 0, true, Some(LunFileError::Kind));
    check(File::open("/dev/null").unwrap(), 0, true, Some(LunFileError::Kind));
}

#[test]
fn appending_does_not_carry_over() {
    let folder = TempDir::new().unwrap();
    open(&folder).set_len(SIZE_BYTES).unwrap();
    let path = folder.path().join("data");
    let appending = OpenOptions::new().read(true).append(true).open(path).unwrap();
    let file = LunFile::adopt(&OwnedFd::from(appending), SIZE_BYTES, false).unwrap();
    let lun = FileLun::new(Arc::new(file), SIZE_BYTES, 512, true);
    run(async { lun.write(0, filled(5, 512), true).await.unwrap() });
    assert_eq!(std::fs::metadata(folder.path().join("data")).unwrap().len(), SIZE_BYTES);
}
