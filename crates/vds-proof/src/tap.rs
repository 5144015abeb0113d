//! A tap between the array and the simulated drives: it names every request, cuts the run where it is told to, and sees
//! which request met a fault.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use vds_format::Geometry;
use vds_io::{Buffer, Disk, DiskDescription, DiskError, DiskSource, LocalFuture, OpenMode};
use vds_sim::{CrashMode, Drive, Sim, SimDisks};

use crate::boundary::{Boundary, Moment};

/// Where the run is to be cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// Only at this kind of boundary; `None`: at any.
    pub(crate) at: Option<Boundary>,
    /// So many of them pass first.
    pub(crate) skip: u64,
    pub(crate) moment: Moment,
    pub(crate) mode: CrashMode,
}

type Done = Result<(), DiskError>;

/// What the tap tells.
pub(crate) trait Listener {
    /// A boundary was passed.
    fn passed(&self, boundary: Boundary);
    /// The run is cut here.
    fn cut(&self, boundary: Boundary, cut: Cut);
    /// A request of this path met a fault.
    fn fault(&self, path: &str);
}

/// The tap's state, shared by all handles.
pub(crate) struct Tap {
    sim: Rc<Sim>,
    disks: Rc<SimDisks>,
    cut: Cell<Option<Cut>>,
    /// What each drive was told since its last flush was issued.
    unflushed: RefCell<BTreeMap<String, BTreeSet<Boundary>>>,
    listener: RefCell<Option<Rc<dyn Listener>>>,
}

impl Tap {
    pub(crate) fn new(sim: Rc<Sim>, disks: Rc<SimDisks>) -> Rc<Self> {
        Rc::new(Self {
            sim,
            disks,
            cut: Cell::new(None),
            unflushed: RefCell::default(),
            listener: RefCell::default(),
        })
    }

    pub(crate) fn listen(&self, listener: Rc<dyn Listener>) {
        *self.listener.borrow_mut() = Some(listener);
    }

    /// Cuts the run there; the last word counts.
    pub(crate) fn arm(&self, cut: Cut) {
        self.cut.set(Some(cut));
    }

    /// No cut any more.
    pub(crate) fn disarm(&self) {
        self.cut.set(None);
    }

    /// The source for one life of the machine.
    pub(crate) fn source(self: &Rc<Self>) -> Rc<dyn DiskSource> {
        self.unflushed.borrow_mut().clear();
        Rc::new(Source { tap: Rc::clone(self), inner: self.disks.source() })
    }

    fn tell(&self, told: impl FnOnce(&dyn Listener)) {
        let listener = self.listener.borrow().clone();
        if let Some(listener) = listener {
            told(&*listener);
        }
    }

    /// Counts a boundary; the cut if it is to be here.
    fn pass(&self, boundary: Boundary) -> Option<Cut> {
        self.tell(|it| it.passed(boundary));
        let mut cut = self.cut.get()?;
        if cut.at.is_some_and(|at| at != boundary) {
            return None;
        }
        if cut.skip > 0 {
            cut.skip -= 1;
            self.cut.set(Some(cut));
            return None;
        }
        self.cut.set(None);
        Some(cut)
    }

    /// Follows one write, flush or discard to its cut.
    fn follow(
        self: &Rc<Self>,
        boundary: Boundary,
        request: LocalFuture<Done>,
    ) -> LocalFuture<Done> {
        let Some(cut) = self.pass(boundary) else { return request };
        match cut.moment {
            Moment::Issued => {
                self.tell(|it| it.cut(boundary, cut));
                self.sim.crash_soon(cut.mode);
                request
            }
            Moment::Completed => {
                Box::pin(CutWhenDone { tap: Rc::clone(self), boundary, cut, request })
            }
        }
    }
}

/// Cuts the run when a request completes; nobody hears of it.
struct CutWhenDone {
    tap: Rc<Tap>,
    boundary: Boundary,
    cut: Cut,
    request: LocalFuture<Done>,
}

impl Future for CutWhenDone {
    type Output = Done;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Done> {
        let Poll::Ready(_) = self.request.as_mut().poll(context) else { return Poll::Pending };
        let (boundary, cut) = (self.boundary, self.cut);
        self.tap.tell(|it| it.cut(boundary, cut));
        self.tap.sim.crash_soon(cut.mode);
        Poll::Pending
    }
}

struct Source {
    tap: Rc<Tap>,
    inner: Rc<dyn DiskSource>,
}

impl DiskSource for Source {
    fn open(&self, path: &str, mode: OpenMode) -> LocalFuture<Result<Rc<dyn Disk>, DiskError>> {
        let tap = Rc::clone(&self.tap);
        let opening = self.inner.open(path, mode);
        let path = path.to_owned();
        Box::pin(async move {
            let inner = opening.await?;
            let drive = tap.disks.drive(&path);
            let bytes = inner.describe().size_bytes;
            let geometry = Geometry::of_drive(bytes, Geometry::array_sizes(bytes, bytes)).ok();
            Ok(Rc::new(TappedDisk { tap, path, inner, drive, geometry }) as Rc<dyn Disk>)
        })
    }

    fn candidates(&self) -> LocalFuture<Vec<String>> {
        self.inner.candidates()
    }
}

struct TappedDisk {
    tap: Rc<Tap>,
    path: String,
    inner: Rc<dyn Disk>,
    drive: Drive,
    /// `None` for a drive that no array could use.
    geometry: Option<Geometry>,
}

impl TappedDisk {
    /// Issues a request and tells whether it met a fault.
    fn issue<T>(&self, request: impl FnOnce(&dyn Disk) -> T) -> T {
        let before = self.drive.fault_hits();
        let issued = request(&*self.inner);
        if self.drive.fault_hits() != before {
            self.tap.tell(|it| it.fault(&self.path));
        }
        issued
    }

    fn note(&self, boundary: Boundary) {
        let mut unflushed = self.tap.unflushed.borrow_mut();
        unflushed.entry(self.path.clone()).or_default().insert(boundary);
    }
}

impl Disk for TappedDisk {
    fn describe(&self) -> DiskDescription {
        self.inner.describe()
    }

    fn read(&self, offset_bytes: u64, buffer: Buffer) -> LocalFuture<(Buffer, Done)> {
        self.issue(|disk| disk.read(offset_bytes, buffer))
    }

    fn write(&self, offset_bytes: u64, data: Arc<Buffer>) -> LocalFuture<Done> {
        let named = |name: fn(&Geometry, u64, &[u8]) -> Boundary| {
            let geometry = self.geometry.as_ref();
            geometry.map_or(Boundary::Column, |it| name(it, offset_bytes, data.bytes()))
        };
        let boundary = named(Boundary::of_write);
        self.note(named(Boundary::to_cover));
        let request = self.issue(|disk| disk.write(offset_bytes, data));
        self.tap.follow(boundary, request)
    }

    fn flush(&self) -> LocalFuture<Done> {
        let covered = self.tap.unflushed.borrow_mut().remove(&self.path).unwrap_or_default();
        let request = self.issue(|disk| disk.flush());
        self.tap.follow(Boundary::of_flush(&covered), request)
    }

    fn discard(&self, offset_bytes: u64, len_bytes: u64) -> LocalFuture<Done> {
        let request = self.issue(|disk| disk.discard(offset_bytes, len_bytes));
        self.tap.follow(Boundary::Discard, request)
    }

    fn check_present(&self) -> LocalFuture<Done> {
        self.inner.check_present()
    }
}
