//! What the tests share: a runtime like that of an engine's thread, sources by route, drive files.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use vds_io::{BLOCK_BYTES, Buffer, Disk, DiskError, DiskErrorKind, DiskSource, OpenMode};
use vds_os::{Magic, OsDiskSource, Route, SourceOptions, create_drive_file};

pub(crate) const BLOCK: u64 = BLOCK_BYTES as u64;
pub(crate) const ROUTES: [Route; 3] = [Route::Ring, Route::Threads, Route::Inline];

/// Runs `test` as an engine's thread would.
pub(crate) fn on_engine_thread<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

/// Runs `test` once by ring and once by threads, each time with a fresh file of `blocks` blocks.
pub(crate) fn on_each_route<F: Future<Output = ()>>(blocks: u64, test: impl Fn(Scene) -> F) {
    for route in ROUTES {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("drive");
        create_drive_file(path.to_str().unwrap(), blocks * BLOCK).unwrap();
        on_engine_thread(async {
            let source = source(route);
            let has_ring = source.has_ring();
            if route == Route::Ring && !has_ring {
                println!("not run: by ring, for this system gives no io_uring");
                return;
            }
            test(Scene { _directory: directory, path, source }).await;
        });
    }
}

/// One drive file and a source that can open it.
pub(crate) struct Scene {
    _directory: tempfile::TempDir,
    pub(crate) path: PathBuf,
    pub(crate) source: OsDiskSource,
}

impl Scene {
    pub(crate) fn name(&self) -> &str {
        self.path.to_str().unwrap()
    }

    pub(crate) async fn open(&self, mode: OpenMode) -> Result<Rc<dyn Disk>, DiskError> {
        self.source.open(self.name(), mode).await
    }

    pub(crate) async fn member(&self) -> Rc<dyn Disk> {
        self.open(OpenMode::Member).await.unwrap()
    }
}

pub(crate) fn source(route: Route) -> OsDiskSource {
    let own = Magic { offset_bytes: 0, bytes: b"OUR-MARK".to_vec(), name: "our member".into() };
    OsDiskSource::new(SourceOptions { own: vec![own], route, ..SourceOptions::default() })
}

pub(crate) fn filled(blocks: usize, byte: u8) -> Arc<Buffer> {
    let mut buffer = Buffer::zeroed(blocks);
    buffer.bytes_mut().fill(byte);
    Arc::new(buffer)
}

/// Reads `blocks` blocks from block `at`.
pub(crate) async fn read(disk: &dyn Disk, at: u64, blocks: usize) -> Result<Buffer, DiskError> {
    let (buffer, result) = disk.read(at * BLOCK, Buffer::zeroed(blocks)).await;
    result.map(|()| buffer)
}

/// Asserts that `result` is an error of `kind` whose text holds every word.
pub(crate) fn refused<T>(result: Result<T, DiskError>, kind: DiskErrorKind, words: &[&str]) {
    let error = result.err().expect("refused");
    assert_eq!(error.kind, kind, "{error}");
    for word in words {
        assert!(error.message.contains(word), "{error} lacks {word:?}");
    }
}
