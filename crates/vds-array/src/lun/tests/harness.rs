//! One array with one LUN on simulated drives: made, crashed, opened again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use vds_format::{
    BLOCK_BYTES, DriveNo, DriveRecord, DriveState, Geometry, LunNo, LunRecord, PlexRecord,
    PlexState, Record, Reservation,
};
use vds_io::{LunIo, OpenMode, World};
use vds_model::{DriveId, LunId, PlexId, SubsystemId};
use vds_sim::lun_model::{LunModel, Mix, Workload};
use vds_sim::{CrashMode, DriveModel, DriveSpec, Sim, SimDisks};

use crate::catalog::{self, Catalog, NewArray, OpenOptions};
use crate::drive::Drive;
use crate::engine::{Engine, Plant};
use crate::layout::{self, Needs};
use crate::lun::{Lun, LunHandle};

pub(super) const LUN: LunNo = LunNo(1);
const MIB: u64 = 1 << 20;

/// What the LUN looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) copies: u8,
    pub(super) columns: u8,
    /// Drives of each copy.
    pub(super) drives_each: u16,
    pub(super) size_bytes: u64,
    pub(super) write_back: bool,
    /// The data part of the share is that of a LUN of this size, if it is not zero: no more is written than fills that.
    pub(super) data_bytes: u64,
    pub(super) drive_bytes: u64,
    /// On hard disks.
    pub(super) turns: bool,
}

pub(super) const SIMPLE: Layout = Layout {
    copies: 1,
    columns: 1,
    drives_each: 1,
    size_bytes: 8 * MIB,
    write_back: true,
    data_bytes: 0,
    drive_bytes: 64 * MIB,
    turns: false,
};
pub(super) const SPAN: Layout = Layout { drives_each: 2, ..SIMPLE };
pub(super) const STRIPE: Layout = Layout { columns: 3, drives_each: 3, ..SIMPLE };
pub(super) const MIRROR: Layout = Layout { copies: 2, ..SIMPLE };
pub(super) const MIRROR3: Layout = Layout { copies: 3, ..SIMPLE };

impl Layout {
    fn drive_count(self) -> u16 {
        u16::from(self.copies) * self.drives_each
    }

    fn needs(self) -> Needs {
        let of = |bytes: u64| {
            layout::needs(bytes / BLOCK_BYTES as u64, 255, self.columns, self.copies == 1)
        };
        let whole = of(self.size_bytes);
        match self.data_bytes {
            0 => whole,
            bytes => Needs { data_segments: of(bytes).data_segments, ..whole },
        }
    }

    /// What is set aside on each drive.
    fn reservations(self) -> Vec<Reservation> {
        let needs = self.needs();
        let mut slabs = vec![0; usize::from(self.drive_count())];
        for copy in 0..self.copies {
            let first = usize::from(u16::from(copy) * self.drives_each);
            if self.columns > 1 {
                (0..usize::from(self.columns))
                    .for_each(|c| slabs[first + c] += needs.data_segments);
            } else {
                let each = needs.data_segments.div_ceil(u32::from(self.drives_each));
                (0..usize::from(self.drives_each)).for_each(|d| slabs[first + d] += each);
            }
            slabs[first] += needs.map_segments;
            if self.copies == 1 {
                slabs[first + usize::from(self.drives_each > 1)] += needs.map_segments;
            }
        }
        let number = |index: usize| DriveNo(u16::try_from(index).expect("few") + 1);
        let with = slabs.into_iter().enumerate();
        with.map(|(index, slabs)| Reservation { drive: number(index), slabs }).collect()
    }

    fn record(self) -> LunRecord {
        let plex = |copy: u8| PlexRecord {
            id: PlexId::from_bytes([copy + 1; 16]),
            copy,
            state: PlexState::Whole,
            drives: (0..self.drives_each)
                .map(|drive| DriveNo(u16::from(copy) * self.drives_each + drive + 1))
                .collect(),
        };
        LunRecord {
            number: LUN,
            id: LunId::from_bytes([9; 16]),
            name: "l".into(),
            lun_type: 10,
            asked_type: 10,
            size_bytes: self.size_bytes,
            sector_bytes: 512,
            data_columns: self.columns,
            write_back: self.write_back,
            offline: false,
            read_only: false,
            mask: String::new(),
            hints: Vec::new(),
            target: 0,
            target_lun: 0,
            created_unix_ms: 0,
            plexes: (0..self.copies).map(plex).collect(),
            reservations: self.reservations(),
        }
    }
}

/// A simulated machine with one array.
pub(super) struct Machine {
    pub(super) sim: Sim,
    pub(super) disks: SimDisks,
    pub(super) layout: Layout,
    pub(super) model: Rc<RefCell<LunModel>>,
    pub(super) extra_drives: u16,
    /// A bug that every life has.
    pub(super) plant: Cell<Option<Plant>>,
}

/// The service while it lives.
pub(super) struct Life {
    pub(super) engine: Rc<Engine>,
    pub(super) lun: Rc<Lun>,
    pub(super) io: Rc<dyn LunIo>,
    /// What the opening found damaged in the catalog.
    pub(super) damage: Vec<catalog::Damage>,
}

impl Machine {
    pub(super) fn new(seed: u64, layout: Layout) -> Self {
        Self::with_extra(seed, layout, 0)
    }

    /// With drives that no LUN uses yet.
    pub(super) fn with_extra(seed: u64, layout: Layout, extra_drives: u16) -> Self {
        let sim = Sim::new(seed);
        let disks = SimDisks::new(&sim);
        for drive in 1..=layout.drive_count() + extra_drives {
            let spec = DriveSpec::new(&format!("d{drive}"), layout.drive_bytes);
            let spec = if seed % 2 == 1 { spec.rotating() } else { spec };
            disks.add_spec(if layout.turns { spec.timing(DriveModel::HDD) } else { spec });
        }
        let model = Rc::new(RefCell::new(LunModel::new(seed, layout.size_bytes)));
        Self { sim, disks, layout, model, extra_drives, plant: Cell::new(None) }
    }

    fn drive_count(&self) -> u16 {
        self.layout.drive_count() + self.extra_drives
    }

    /// Makes the array and its LUN.
    pub(super) async fn create(&self) -> Life {
        let world = self.sim.world();
        let drive_bytes = self.layout.drive_bytes;
        let sizes = Geometry::array_sizes(drive_bytes, drive_bytes);
        let mut drives = Vec::new();
        let mut records = Vec::new();
        for number in 1..=self.drive_count() {
            let path = format!("d{number}");
            let disk = self.disks.source().open(&path, OpenMode::Blank).await.expect("blank");
            let geometry = Geometry::of_drive(drive_bytes, sizes).expect("large enough");
            let low = u8::try_from(number).expect("few");
            let id = DriveId::from_bytes([low; 16]);
            let number = DriveNo(number);
            drives.push(Drive::start(number, id, geometry, disk, world.clone()));
            records.push(Record::Drive(DriveRecord {
                number,
                id,
                name: path.clone(),
                path,
                serial: String::new(),
                size_bytes: drive_bytes,
                slab_start: geometry.slab_start,
                slab_count: geometry.slab_count,
                state: DriveState::Active,
                hot_spare: false,
                reason: String::new(),
                retired_slabs: Vec::new(),
            }));
        }
        let new = NewArray {
            id: SubsystemId::from_bytes([7; 16]),
            lineage: vds_format::Lineage([1; 16]),
            name: "main".into(),
        };
        records.push(Record::Lun(self.layout.record()));
        let catalog = Catalog::create(world.clone(), new, drives.clone(), records).await;
        self.start(world, catalog.expect("healthy drives"), drives).await
    }

    /// Opens the array as it is on the drives; a second time if a drive failed under the first.
    pub(super) async fn open(&self) -> Life {
        let world = self.sim.world();
        let mut attempts = 0;
        loop {
            let mut disks = Vec::new();
            for path in self.disks.source().candidates().await {
                if let Ok(disk) = self.disks.source().open(&path, OpenMode::Member).await {
                    disks.push(disk);
                }
            }
            match catalog::open(world.clone(), disks, &OpenOptions::default()).await {
                Ok(opened) => {
                    let life = self.start(world, opened.catalog, opened.drives).await;
                    return Life { damage: opened.damage, ..life };
                }
                Err(error) if attempts == 2 => panic!("the array does not open: {error:?}"),
                Err(_) => attempts += 1,
            }
            // What the failed attempt left running lets go of the drives.
            world.clock.sleep(std::time::Duration::from_secs(10)).await;
        }
    }

    async fn start(&self, world: World, catalog: Rc<Catalog>, drives: Vec<Rc<Drive>>) -> Life {
        let engine = Engine::new(world, catalog.array(), catalog, drives);
        engine.plant.set(self.plant.get());
        let lun = Lun::new(&engine, LUN);
        let told = (Rc::downgrade(&engine), Rc::downgrade(&lun));
        engine.catalog.subscribe_expelled(Box::new(move |number| {
            let (Some(engine), Some(lun)) = (told.0.upgrade(), told.1.upgrade()) else { return };
            if engine.catalog.state().drives[&number].state == DriveState::Leaving {
                return;
            }
            engine.drop_drive(number);
            lun.leave_drive(number);
        }));
        if let Err(error) = lun.recover().await {
            panic!("the log does not recover: {error}");
        }
        let io: Rc<dyn LunIo> = Rc::new(LunHandle(Rc::clone(&lun)));
        Life { engine, lun, io, damage: Vec::new() }
    }

    pub(super) fn workload(&self, life: &Life, mix: Mix) -> Workload {
        Workload::new(
            Rc::clone(&life.io),
            Rc::clone(&self.model),
            self.sim.world(),
            self.sim.chance(),
            mix,
        )
    }

    /// Cuts the life short, and tells the model.
    pub(super) fn crash(&self, mode: CrashMode) {
        self.sim.crash(mode);
        self.model.borrow_mut().crashed(mode);
    }
}

impl Life {
    /// Everything that must hold whenever nothing is being changed.
    pub(super) fn check(&self) {
        let state = self.engine.catalog.state();
        if let Err(broken) = state.check_invariants() {
            panic!("{broken:?}");
        }
        self.lun.check_invariants();
    }
}

impl Life {
    /// Sets what is free on all drives aside for a LUN that nobody writes to.
    pub(super) fn promise_the_rest_to_another(&self) {
        let mut space = self.engine.space.borrow_mut();
        let drives: Vec<DriveNo> = self.engine.drives.borrow().keys().copied().collect();
        let rest = |drive: DriveNo| {
            let slabs = u32::try_from(space.unpromised(drive)).expect("few");
            Reservation { drive, slabs }
        };
        let rest: Vec<Reservation> = drives.into_iter().map(rest).collect();
        space.reserve(LunNo(2), &rest);
    }

    /// Puts `with` in the place of a plex's drive and rebuilds what it lacks, as an operator's recovery does.
    pub(super) async fn recover_onto(
        &self,
        lost: DriveNo,
        with: DriveNo,
    ) -> Result<(), crate::lun::WalkError> {
        let mut record = self.lun.record().expect("the LUN exists");
        for plex in &mut record.plexes {
            plex.drives.iter_mut().filter(|drive| **drive == lost).for_each(|drive| *drive = with);
        }
        let moved = record.reservations.iter_mut().filter(|r| r.drive == lost);
        moved.for_each(|reservation| reservation.drive = with);
        let hold = self.lun.hold().await;
        let reservations = record.reservations.clone();
        let commit = self.engine.catalog.commit(vec![Record::Lun(record)]);
        self.engine.space.borrow_mut().reserve(LUN, &reservations);
        commit.await.map_err(|_| crate::lun::WalkError::Unavailable)?;
        self.lun.reload_segments();
        drop(hold);
        self.lun.rebuild(&crate::lun::WalkProgress::default()).await
    }
}
