//! Where the drives of the real machine come from.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use vds_io::{Disk, DiskError, DiskErrorKind, DiskSource, LocalFuture, OpenMode};

use crate::disk::{MemoryDisk, ThreadDisk, UringDisk};
use crate::kernel::{Kernel, Obstacle};
use crate::open::{Attached, Manner, attach};
use crate::ring::Ring;
use crate::signature::Magic;

/// How requests reach the drives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// By the engine's own thread for files in memory, through the ring for each drive that is as fast that way, through
    /// threads otherwise.
    #[default]
    Best,
    /// By the engine's own thread, whatever the drive: it waits for each request.
    Inline,
    /// Through the ring, whatever the drive.
    Ring,
    /// Through threads.
    Threads,
}

/// What an [`OsDiskSource`] should know.
#[derive(Clone, Debug, Default)]
pub struct SourceOptions {
    /// Drives told by configuration, in order: they are the first candidates.
    pub configured: Vec<String>,
    /// Whether the block devices of the system are candidates as well.
    pub scan_devices: bool,
    /// The marks of our own members, which make a drive no blank one.
    pub own: Vec<Magic>,
    /// How requests reach the drives.
    pub route: Route,
}

/// Block devices and plain files of this machine, for an engine on this thread.
pub struct OsDiskSource {
    kernel: Kernel,
    own: Arc<[Magic]>,
    configured: Vec<String>,
    scan_devices: bool,
    route: Route,
    ring: Option<Rc<Ring>>,
}

impl OsDiskSource {
    /// A source for this thread, which must run a tokio current-thread runtime with a `LocalSet`.
    ///
    /// Where the kernel gives no io_uring, all drives are served by threads; [`OsDiskSource::has_ring`] tells.
    ///
    /// # Panics
    /// Outside such a runtime.
    pub fn new(options: SourceOptions) -> Self {
        let ring = match options.route {
            Route::Threads | Route::Inline => None,
            Route::Best | Route::Ring => start_ring(),
        };
        Self {
            kernel: Kernel::default(),
            own: options.own.into(),
            configured: options.configured,
            scan_devices: options.scan_devices,
            route: options.route,
            ring,
        }
    }

    /// Whether io_uring is there for drives that profit from it.
    pub fn has_ring(&self) -> bool {
        self.ring.is_some()
    }
}

fn start_ring() -> Option<Rc<Ring>> {
    match Ring::start() {
        Ok(ring) => Some(ring),
        Err(error) => {
            tracing::warn!(%error, "no io_uring on this system: drives are served by threads");
            None
        }
    }
}

impl DiskSource for OsDiskSource {
    fn open(&self, path: &str, mode: OpenMode) -> LocalFuture<Result<Rc<dyn Disk>, DiskError>> {
        let (kernel, own) = (self.kernel.clone(), Arc::clone(&self.own));
        let (ring, wanted) = (self.ring.clone(), self.route);
        let path = path.to_owned();
        Box::pin(async move {
            let name = path.clone();
            let opening =
                tokio::task::spawn_blocking(move || attach(&kernel, &own, &path, &mode)).await;
            let Ok(attached) = opening else {
                let text = format!("{name}: not opened: the program is ending");
                return Err(DiskError::new(DiskErrorKind::Busy, text));
            };
            let Attached { file, manner } = attached?;
            let disk: Rc<dyn Disk> = match (wanted, manner, ring) {
                (Route::Inline, _, _) | (Route::Best, Manner::Memory, _) => {
                    Rc::new(MemoryDisk::new(file))
                }
                (Route::Ring, _, Some(ring)) | (Route::Best, Manner::Nowait, Some(ring)) => {
                    Rc::new(UringDisk::new(file, ring))
                }
                _ => Rc::new(ThreadDisk::new(file)),
            };
            Ok(disk)
        })
    }

    fn candidates(&self) -> LocalFuture<Vec<String>> {
        let configured = self.configured.clone();
        let kernel = self.scan_devices.then(|| self.kernel.clone());
        Box::pin(async move {
            tokio::task::spawn_blocking(move || candidates(configured, kernel.as_ref()))
                .await
                .unwrap_or_default()
        })
    }
}

/// Configured paths first, then the devices that nobody uses, each device once whatever its names.
fn candidates(configured: Vec<String>, kernel: Option<&Kernel>) -> Vec<String> {
    let Some(kernel) = kernel else { return configured };
    let number = |path: &str| rustix::fs::stat(path).ok().map(|stat| stat.st_rdev);
    let known: BTreeSet<u64> =
        configured.iter().filter_map(|path| number(path)).filter(|&rdev| rdev != 0).collect();
    let mut paths = configured;
    for device in kernel.devices() {
        let free = device.size_bytes > 0 && !known.contains(&device.rdev);
        let used = |obstacle: &Obstacle| {
            matches!(
                obstacle,
                Obstacle::Mounted { .. } | Obstacle::Swap { .. } | Obstacle::Holder { .. }
            )
        };
        if free && !kernel.device_users(device.rdev).iter().any(used) {
            paths.push(device.path);
        }
    }
    paths
}
