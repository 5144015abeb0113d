//! Where the engine looks for drives: what the machine shows, what was configured, and what it was told of meanwhile.

use std::cell::RefCell;
use std::rc::Rc;

use vds_io::{Disk, DiskError, DiskSource, LocalFuture, OpenMode};
use vds_os::OsDiskSource;
use vds_provider::Request;

/// Most paths noted beside those configured.
const NOTED_MAX: usize = 4096;

/// The drives of the machine, and paths that requests named since the start.
pub(super) struct KnownDrives {
    inner: OsDiskSource,
    noted: RefCell<Vec<String>>,
}

impl KnownDrives {
    pub(super) fn new(inner: OsDiskSource) -> Self {
        Self { inner, noted: RefCell::default() }
    }

    /// Remembers the drives that a request names: members may come back there.
    pub(super) fn note(&self, request: &Request) {
        let mut noted = self.noted.borrow_mut();
        for path in crate::registry::drive_paths(request) {
            if noted.len() < NOTED_MAX && !noted.contains(&path) {
                noted.push(path);
            }
        }
    }
}

impl DiskSource for KnownDrives {
    fn open(&self, path: &str, mode: OpenMode) -> LocalFuture<Result<Rc<dyn Disk>, DiskError>> {
        self.inner.open(path, mode)
    }

    fn candidates(&self) -> LocalFuture<Vec<String>> {
        let (found, noted) = (self.inner.candidates(), self.noted.borrow().clone());
        Box::pin(async move {
            let mut paths = found.await;
            for path in noted {
                if !paths.contains(&path) {
                    paths.push(path);
                }
            }
            paths
        })
    }
}
