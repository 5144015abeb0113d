//! The shelf of drives, and the source that opens them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use vds_io::{
    BLOCK_BYTES, Disk, DiskDescription, DiskError, DiskErrorKind, DiskSource, LocalFuture, OpenMode,
};

use super::control::{Drive, DriveSpec};
use super::disk::SimDisk;
use super::request::{Door, Inner, Shared};
use crate::event::{Event, answer};
use crate::executor::{CrashListener, CrashMode, Sim};

/// How long opening, listing and looking take.
const TICK_NS: u64 = 10_000;

/// Where a run is cut. Writes and flushes of all drives are counted together, from the beginning of the simulation; see
/// [`SimDisks::issued`] and [`SimDisks::completed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutPoint {
    /// The nth write or flush was issued and is in flight; nothing after it is.
    Issued(u64),
    /// The nth write or flush has completed and nobody has heard of it yet.
    Completed(u64),
}

/// The drives of a simulation.
pub struct SimDisks {
    shelf: Rc<Shelf>,
}

/// Which drive stands at which path.
pub(crate) struct Shelf {
    shared: Rc<Shared>,
    paths: RefCell<BTreeMap<String, Rc<Inner>>>,
    /// All drives there ever were: those without a path may still have requests in flight.
    drives: RefCell<Vec<Rc<Inner>>>,
}

impl SimDisks {
    /// An empty shelf.
    pub fn new(sim: &Sim) -> Self {
        let shared = Shared {
            core: sim.core(),
            cut: Cell::new(None),
            issued: Cell::new(0),
            completed: Cell::new(0),
            serials: Cell::new(0),
        };
        let shelf = Rc::new(Shelf {
            shared: Rc::new(shared),
            paths: RefCell::default(),
            drives: RefCell::default(),
        });
        let listener: Weak<Shelf> = Rc::downgrade(&shelf);
        sim.core().listen(listener);
        Self { shelf }
    }

    /// Puts a blank drive on the shelf, of random timing.
    ///
    /// # Panics
    /// When the path is taken.
    pub fn add(&self, path: &str, size_bytes: u64) -> Drive {
        self.add_spec(DriveSpec::new(path, size_bytes))
    }

    /// Puts a blank drive on the shelf.
    ///
    /// # Panics
    /// When the path is taken.
    pub fn add_spec(&self, spec: DriveSpec) -> Drive {
        let path = spec.path.clone();
        let inner = Rc::new(Inner::new(Rc::clone(&self.shelf.shared), spec));
        let before = self.shelf.paths.borrow_mut().insert(path, Rc::clone(&inner));
        assert!(before.is_none(), "two drives at one path");
        self.shelf.drives.borrow_mut().push(Rc::clone(&inner));
        Drive { inner }
    }

    /// The drive at a path.
    ///
    /// # Panics
    /// When there is none.
    pub fn drive(&self, path: &str) -> Drive {
        Drive { inner: self.shelf.at(path).expect("no drive at that path") }
    }

    /// The drives on the shelf, by path.
    pub fn drives(&self) -> Vec<Drive> {
        let paths = self.shelf.paths.borrow();
        paths.values().map(|inner| Drive { inner: Rc::clone(inner) }).collect()
    }

    /// Takes the path away; the drive itself stays as it is for whoever has it open, as an unlinked file does.
    pub fn unlink(&self, path: &str) {
        self.shelf.paths.borrow_mut().remove(path);
    }

    /// Exchanges the drives at two paths. Whoever has them open keeps what he opened.
    ///
    /// # Panics
    /// When one of the paths has no drive.
    pub fn swap(&self, one: &str, other: &str) {
        let mut paths = self.shelf.paths.borrow_mut();
        let first = paths.remove(one).expect("no drive at that path");
        let second = paths.insert(other.into(), Rc::clone(&first)).expect("no drive at that path");
        first.state.borrow_mut().spec.path = other.into();
        second.state.borrow_mut().spec.path = one.into();
        paths.insert(one.into(), second);
    }

    /// What the engine opens drives with. After a crash, ask for a new one.
    pub fn source(&self) -> Rc<dyn DiskSource> {
        let era = self.shelf.shared.core.era();
        Rc::new(SimSource { shelf: Rc::clone(&self.shelf), era, elsewhere: false })
    }

    /// What an engine on another machine opens the same drives with: nobody's lock is seen there, and its own are seen by
    /// nobody here.
    pub fn source_elsewhere(&self) -> Rc<dyn DiskSource> {
        let era = self.shelf.shared.core.era();
        Rc::new(SimSource { shelf: Rc::clone(&self.shelf), era, elsewhere: true })
    }

    /// Crashes the machine at a cut point. One is armed at a time; the last word counts.
    pub fn crash_at(&self, cut: CutPoint, mode: CrashMode) {
        self.shelf.shared.cut.set(Some((cut, mode)));
    }

    /// No cut point any more.
    pub fn disarm(&self) {
        self.shelf.shared.cut.set(None);
    }

    /// Writes and flushes issued to all drives so far.
    pub fn issued(&self) -> u64 {
        self.shelf.shared.issued.get()
    }

    /// Writes and flushes completed by all drives so far.
    pub fn completed(&self) -> u64 {
        self.shelf.shared.completed.get()
    }
}

impl CrashListener for Shelf {
    fn crashed(&self, mode: CrashMode) {
        for drive in self.drives.borrow().iter() {
            drive.crashed(mode);
        }
    }
}

impl Shelf {
    pub(crate) fn at(&self, path: &str) -> Option<Rc<Inner>> {
        self.paths.borrow().get(path).cloned()
    }

    /// An answer that comes a moment later.
    pub(crate) fn after_a_tick<T: 'static>(
        &self,
        value: impl FnOnce() -> T + 'static,
    ) -> LocalFuture<T> {
        let (sender, answer) = answer();
        let core = &self.shared.core;
        let call = Event::Call(Box::new(move || sender.send(value())));
        core.add_event(core.now_ns() + TICK_NS, call);
        Box::pin(answer)
    }
}

/// Opens drives by path, for one life of the machine.
pub struct SimSource {
    shelf: Rc<Shelf>,
    era: u64,
    /// On another machine: locks do not reach there.
    elsewhere: bool,
}

impl DiskSource for SimSource {
    fn open(&self, path: &str, mode: OpenMode) -> LocalFuture<Result<Rc<dyn Disk>, DiskError>> {
        if !self.shelf.shared.core.is_alive(self.era) {
            return Box::pin(std::future::pending());
        }
        let opened = self.open_now(path, &mode);
        let words = match &opened {
            Ok(_) => format!("{path} opened as {mode:?}"),
            Err(error) => format!("{path} not opened as {mode:?}: {error:?}"),
        };
        self.shelf.shared.core.note(words);
        self.shelf.after_a_tick(move || opened)
    }

    fn candidates(&self) -> LocalFuture<Vec<String>> {
        let paths = self.shelf.paths.borrow();
        let present = paths.iter().filter(|(_, inner)| inner.state.borrow().present);
        let found: Vec<String> = present.map(|(path, _)| path.clone()).collect();
        self.shelf.after_a_tick(move || found)
    }
}

impl SimSource {
    fn open_now(&self, path: &str, mode: &OpenMode) -> Result<Rc<dyn Disk>, DiskError> {
        let refuse = |kind, text: &str| Err(DiskError::new(kind, format!("{path}: {text}")));
        let Some(inner) = self.shelf.at(path) else {
            return refuse(DiskErrorKind::NotFound, "no such drive");
        };
        let mut state = inner.state.borrow_mut();
        if !state.present {
            return refuse(DiskErrorKind::NotFound, "no such drive");
        }
        if let Some(kind) = state.opening_error {
            return refuse(kind, "made to fail when opened");
        }
        let read_only = *mode == OpenMode::ReadOnly;
        let is_held = state.holder.is_some() || state.held_by_others;
        if !read_only && is_held && !self.elsewhere {
            return refuse(DiskErrorKind::InUse, "held by somebody else");
        }
        match mode {
            OpenMode::Blank if state.media.page(0).is_some() => {
                return refuse(DiskErrorKind::Foreign, "carries data");
            }
            OpenMode::Wipe { serial } if !serial_fits(&state.spec, serial.as_deref()) => {
                return refuse(DiskErrorKind::Foreign, "the serial named is not the drive's");
            }
            _ => {}
        }
        let serial = self.shelf.shared.next_serial();
        if !read_only && !self.elsewhere {
            state.holder = Some(serial);
        }
        let size_bytes = state.spec.size_bytes / BLOCK_BYTES as u64 * BLOCK_BYTES as u64;
        let door = Door { era: self.era, incarnation: state.incarnation, size_bytes, read_only };
        let description = DiskDescription {
            path: path.to_owned(),
            size_bytes,
            sector_bytes: state.spec.sector_bytes,
            serial: state.spec.serial.clone(),
            model: state.spec.model.clone(),
            kind: state.spec.kind,
            rotates: state.spec.rotates,
        };
        drop(state);
        Ok(Rc::new(SimDisk { inner, shelf: Rc::clone(&self.shelf), door, serial, description }))
    }
}

/// Whoever wipes a drive that has a serial must name it.
fn serial_fits(spec: &DriveSpec, named: Option<&str>) -> bool {
    match named {
        Some(named) => named == spec.serial,
        None => spec.serial.is_empty(),
    }
}
