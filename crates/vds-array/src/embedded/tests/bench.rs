//! A simulated machine with the embedded provider on it, through any number of lives.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use vds_model::{
    DriveId, HResult, LunId, LunType, OperationId, ProviderId, SubsystemId, UnmaskingList,
};
use vds_operation::{Operation, OperationError, Output, Owner, Wait};
use vds_provider::{CreateLun, NewDrive, RawStart, Request, StartContext, View, Wipe};
use vds_sim::{Sim, SimDisks, Stopped};

use super::super::Embedded;

pub(super) const MIB: u64 = 1 << 20;
pub(super) const PROVIDER: ProviderId = ProviderId::from_bytes([0xee; 16]);

/// The machine.
pub(super) struct Bench {
    pub(super) sim: Sim,
    pub(super) disks: SimDisks,
    next_operation: Cell<u32>,
}

/// What a start led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Refused(HResult),
    Failed(HResult),
    Done(Output),
}

impl Bench {
    /// `drives` drives d1, d2, … of `size_bytes` each.
    pub(super) fn new(seed: u64, drives: u16, size_bytes: u64) -> Self {
        let sim = Sim::new(seed);
        let disks = SimDisks::new(&sim);
        for drive in 1..=drives {
            disks.add(&path(drive), size_bytes);
        }
        Self { sim, disks, next_operation: Cell::new(1) }
    }

    /// The service comes up and looks for arrays.
    pub(super) fn start(&self) -> Rc<Embedded> {
        self.try_start().unwrap()
    }

    pub(super) fn try_start(&self) -> Result<Rc<Embedded>, Stopped> {
        let embedded = Embedded::new(self.sim.world(), self.disks.source(), PROVIDER);
        self.sim.run_until(embedded.discover())?;
        Ok(embedded)
    }

    pub(super) fn context(&self) -> StartContext {
        let number = self.next_operation.get();
        self.next_operation.set(number + 1);
        let owner = Owner::Client { name: "tester".into(), from: "here".into() };
        let unix_ms = self.sim.world().clock.unix_ms();
        StartContext::new(OperationId::from_bytes(u128::from(number).to_be_bytes()), owner, unix_ms)
    }

    /// Starts a request; a refusal is the error.
    pub(super) fn begin(
        &self,
        embedded: &Rc<Embedded>,
        request: Request,
    ) -> Result<Operation, HResult> {
        let context = self.context();
        let id = context.operation;
        let started = self.sim.run_until(embedded.start(context, request)).unwrap();
        started_as(&started).map(|()| embedded.find_operation(id).expect("it was started"))
    }

    /// Starts a request and waits for its end.
    pub(super) fn run(&self, embedded: &Rc<Embedded>, request: Request) -> Outcome {
        self.try_run(embedded, request).unwrap()
    }

    pub(super) fn try_run(
        &self,
        embedded: &Rc<Embedded>,
        request: Request,
    ) -> Result<Outcome, Stopped> {
        let context = self.context();
        let id = context.operation;
        let started = self.sim.run_until(embedded.start(context, request))?;
        if let Err(result) = started_as(&started) {
            return Ok(Outcome::Refused(result));
        }
        let operation = embedded.find_operation(id).expect("it was started");
        let end = self.sim.run_until(wait(&operation))?.expect("the worker lives");
        check(embedded);
        Ok(outcome(end.result()))
    }

    /// Makes an array of the first `drives` drives.
    pub(super) fn make_array(&self, embedded: &Rc<Embedded>, drives: u16) -> SubsystemId {
        match self.run(embedded, make_request(drives)) {
            Outcome::Done(Output::MakeArray(id)) => id,
            other => panic!("no array: {other:?}"),
        }
    }

    /// A service with an array of all drives given.
    pub(super) fn with_array(seed: u64, drives: u16) -> (Self, Rc<Embedded>, SubsystemId) {
        let bench = Self::new(seed, drives, 64 * MIB);
        let embedded = bench.start();
        let id = bench.make_array(&embedded, drives);
        (bench, embedded, id)
    }

    /// Makes a LUN.
    pub(super) fn make_lun(&self, embedded: &Rc<Embedded>, create: CreateLun) -> LunId {
        match self.run(embedded, Request::CreateLun(create)) {
            Outcome::Done(Output::CreateLun(id)) => id,
            other => panic!("no LUN: {other:?}"),
        }
    }

    /// Lets virtual time pass.
    pub(super) fn pass(&self, seconds: u64) {
        self.sim.run_for(Duration::from_secs(seconds)).unwrap();
    }
}

pub(super) fn path(drive: u16) -> String {
    format!("d{drive}")
}

pub(super) fn new_drive(drive: u16) -> NewDrive {
    NewDrive { path: path(drive), wipe: Wipe::No }
}

pub(super) fn make_request(drives: u16) -> Request {
    let drives = (1..=drives).map(new_drive).collect();
    Request::CreateSubsystem { name: "main".into(), drives }
}

pub(super) fn create(array: SubsystemId, lun_type: LunType, size_bytes: u64) -> CreateLun {
    let unmasking_list = UnmaskingList::Everybody;
    CreateLun { unmasking_list, ..CreateLun::new(array, lun_type, size_bytes) }
}

fn wait(operation: &Operation) -> Wait {
    operation.wait()
}

fn started_as(started: &RawStart) -> Result<(), HResult> {
    if started.result.is_failure() {
        assert!(started.operation.is_none());
        return Err(started.result);
    }
    assert!(started.operation.is_some());
    Ok(())
}

pub(super) fn outcome(result: Result<Output, OperationError>) -> Outcome {
    match result {
        Ok(output) => Outcome::Done(output),
        Err(error) => Outcome::Failed(error.result),
    }
}

/// The ids of the array's drives, d1 first.
pub(super) fn drive_ids(view: &View) -> Vec<DriveId> {
    let mut drives: Vec<(String, DriveId)> = view
        .drives
        .iter()
        .filter(|drive| drive.subsystem.is_some())
        .map(|drive| (drive.path.clone(), drive.properties.id))
        .collect();
    drives.sort();
    drives.into_iter().map(|(_, id)| id).collect()
}

/// Everything that must hold between any two operations.
pub(super) fn check(embedded: &Embedded) {
    for array in embedded.arrays.borrow().values() {
        array.state().check_invariants().unwrap();
        for operation in array.operations.borrow().iter() {
            let stored = array.state().operations.contains_key(&operation.id());
            assert!(stored, "{operation:?} is not in the catalog");
        }
    }
    let view = embedded.view();
    for subsystem in &view.subsystems {
        subsystem.properties.check().unwrap();
    }
    for drive in &view.drives {
        drive.properties.check().unwrap();
        let sum: u64 = drive.extents.iter().map(|extent| extent.size.0).sum();
        assert!(sum <= drive.properties.size.0 || drive.properties.size.0 == 0, "{drive:?}");
    }
    for lun in &view.luns {
        lun.properties.check().unwrap();
        let extents = lun.plexes.iter().flat_map(|plex| &plex.extents);
        let reserved: u64 = extents.map(|extent| extent.size.0).sum();
        assert_eq!(reserved, lun.reserved_bytes, "{lun:?}");
        for plex in &lun.plexes {
            plex.properties.check(lun.properties.size).unwrap();
            let reserved: u64 = plex.extents.iter().map(|extent| extent.size.0).sum();
            assert!(reserved >= lun.properties.size.0, "{plex:?} reserves too little");
        }
    }
    for target in &view.targets {
        target.properties.check().unwrap();
        assert!(target.luns.iter().all(|lun| view.lun(lun.lun).is_some()));
    }
    for object in view.made_by.keys() {
        assert!(view.contains(*object), "{object} was made and is not shown");
    }
    let ids: Vec<_> = view.objects().map(vds_operation::ObjectRef::id_bytes).collect();
    let once: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), once.len(), "an id is used twice");
}
