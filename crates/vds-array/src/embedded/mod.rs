//! The embedded provider: arrays on drives of this machine, their operations, and what they export.
//!
//! ```text
//!   request ─► planned (refused, or a plan) ─► intent durable ─► planned anew ─► effects and end in one transaction ─► events
//!                                                             └► long work: steps, each durable, resumed after a crash
//! ```
//!
//! # Invariants
//! - Nothing is shown as done before it is durable; an operation whose end could not be made durable breaks off and is
//!   taken up when the array is opened again.
//! - What a request changes is planned from the catalog at the moment it is staged, in one step with staging.
//! - Lives on one thread; no borrow is held across an `await`.
//!
//! # What is not here
//! No provider trait, no sockets, no store: the service wraps this.

mod array;
mod capacity;
mod change;
mod create;
mod discover;
mod drives;
mod errors;
mod exports;
mod gate;
mod heal;
mod health;
mod homes;
mod layouts;
mod make;
mod plan;
mod portal_groups;
mod redundancy;
mod rejoin;
mod resume;
mod run;
mod scrub;
mod secrets;
mod shared;
mod targets;
#[cfg(test)]
mod tests;
mod view;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use vds_io::{BLOCK_BYTES, DiskSource, LocalFuture, LunIo, World};
use vds_model::{HResult, LunId, OperationId, ProviderId, SubsystemId};
use vds_operation::{
    Admission, End, Fingerprint, History, HistoryLimits, IdempotencyKey, ObjectRef, Operation,
    OperationDriver, Output, OutputType,
};
use vds_provider::{
    CreateLun, EventLog, MaxSizeQuery, Plan, RawStart, Refusal, Request, StartContext,
    TargetChoice, View,
};

use crate::signal::Turn;
use crate::{Damage, DamagedThing, LunTraffic};
use array::Array;
use discover::ClosedArray;
use errors::not_found;
use shared::Shared;

pub use exports::{
    Export, ExportedChap, ExportedInitiator, ExportedLun, ExportedPortal, ExportedPortalGroup,
    ExportedTarget, LUN_PRODUCT, LUN_REVISION, LUN_VENDOR,
};
pub use view::lun_identification;

/// The embedded provider. On one thread, behind an `Rc`.
pub struct Embedded {
    shared: Rc<Shared>,
    arrays: RefCell<BTreeMap<SubsystemId, Rc<Array>>>,
    closed: RefCell<BTreeMap<SubsystemId, ClosedArray>>,
    /// Operations of no array: making and opening one, looking for drives.
    operations: RefCell<History>,
    last_view: RefCell<Option<Arc<View>>>,
    /// Whoever looks for drives, opens or makes an array.
    looking: Rc<Turn>,
    is_shut: Cell<bool>,
}

/// Who carries a request out.
enum Place {
    Provider,
    Array(Rc<Array>),
}

impl Embedded {
    /// A provider without any array; [`Embedded::discover`] finds those that are there.
    pub fn new(world: World, source: Rc<dyn DiskSource>, provider: ProviderId) -> Rc<Self> {
        let embedded = Rc::new(Self {
            shared: Shared::new(world, source, provider),
            arrays: RefCell::default(),
            closed: RefCell::default(),
            operations: RefCell::new(History::new(HistoryLimits::default())),
            last_view: RefCell::default(),
            looking: Rc::default(),
            is_shut: Cell::new(false),
        });
        embedded.look_for_absent_drives();
        embedded
    }

    /// The provider's id.
    pub fn id(&self) -> ProviderId {
        self.shared.provider
    }

    /// What `request` would do. Changes nothing.
    ///
    /// # Errors
    /// The [`Refusal`] that starting it would bring.
    pub async fn plan(&self, request: &Request) -> Result<Plan, Refusal> {
        request.check()?;
        let mut plan = match self.place(request)? {
            Place::Array(array) => array.prepare(request)?.plan,
            Place::Provider => self.plan_own(request).await?,
        };
        plan.generation = self.view().generation;
        Ok(plan)
    }

    async fn plan_own(&self, request: &Request) -> Result<Plan, Refusal> {
        let mut plan = Plan::default();
        match request {
            Request::CreateSubsystem { name, drives } => {
                return self.plan_array(name, drives).await;
            }
            Request::OpenSubsystem { without, .. } => {
                plan.summary = format!("open the array without {} of its drives", without.len());
                if !without.is_empty() {
                    plan.risks.push("what only those drives hold is given up".to_owned());
                }
            }
            _ => "look for arrays and drives".clone_into(&mut plan.summary),
        }
        Ok(plan)
    }

    /// Begins `request` under the id of `context`, or refuses it. What belongs to an array has its intent durable on the
    /// array's drives when this completes. The same key with the same arguments gives the same operation.
    pub async fn start(self: &Rc<Self>, context: StartContext, request: Request) -> RawStart {
        if let Err(refusal) = request.check() {
            return RawStart::refused(refusal);
        }
        if self.is_shut.get() {
            let message = "the service is stopping";
            return RawStart::refused(Refusal::new(HResult::VDSX_E_SERVICE_STOPPING, message));
        }
        match self.known(&context, &request) {
            Ok(Some(operation)) => return RawStart::started(operation),
            Ok(None) => {}
            Err(refusal) => return RawStart::refused(refusal),
        }
        match self.place(&request) {
            Ok(Place::Array(array)) => array.begin(context, request).await,
            Ok(Place::Provider) => self.begin_own(&context, request).await,
            Err(refusal) => RawStart::refused(refusal),
        }
    }

    /// The operation that this start repeats.
    fn known(
        &self,
        context: &StartContext,
        request: &Request,
    ) -> Result<Option<Operation>, Refusal> {
        let fingerprint = request.fingerprint();
        if let Some(operation) = self.find_operation(context.operation) {
            if operation.record().fingerprint == fingerprint {
                return Ok(Some(operation));
            }
            let message = format!("operation {} exists already", context.operation);
            return Err(Refusal::new(HResult::VDSX_E_REUSED_OPERATION, message));
        }
        match self.admission(context.key.as_ref(), fingerprint) {
            Admission::New => Ok(None),
            Admission::Same(operation) => Ok(Some(operation)),
            Admission::Conflict(operation) => {
                let message = format!("operation {} holds this key", operation.id());
                Err(Refusal::new(HResult::VDSX_E_KEY_CONFLICT, message))
            }
        }
    }

    fn admission(&self, key: Option<&IdempotencyKey>, fingerprint: Fingerprint) -> Admission {
        let own = self.operations.borrow().admit(key, fingerprint);
        if !matches!(own, Admission::New) {
            return own;
        }
        let arrays = self.arrays.borrow();
        let mut admissions =
            arrays.values().map(|array| array.operations.borrow().admit(key, fingerprint));
        admissions.find(|it| !matches!(it, Admission::New)).unwrap_or(Admission::New)
    }

    /// Who carries a request out.
    fn place(&self, request: &Request) -> Result<Place, Refusal> {
        if matches!(
            request,
            Request::CreateSubsystem { .. }
                | Request::OpenSubsystem { .. }
                | Request::Refresh
                | Request::Reenumerate
        ) {
            if let Request::OpenSubsystem { subsystem, .. } = request {
                self.check_known(*subsystem)?;
            }
            return Ok(Place::Provider);
        }
        let subject = request.subject().expect("requests of arrays have a subject");
        let array = self.array_of(subject)?;
        self.check_target_name(&array, request)?;
        Ok(Place::Array(array))
    }

    /// Targets of all arrays are reached through one server: their names must differ.
    fn check_target_name(&self, array: &Array, request: &Request) -> Result<(), Refusal> {
        let (Request::CreateTarget { iqn: asked, .. }
        | Request::CreateLun(CreateLun { target: TargetChoice::Named(asked), .. })) = request
        else {
            return Ok(());
        };
        let wanted = asked.to_ascii_lowercase();
        let arrays = self.arrays.borrow();
        let mut others = arrays.values().filter(|other| other.id != array.id);
        let is_taken = others
            .any(|other| other.state().targets.values().any(|target| target.iscsi_name == wanted));
        if is_taken {
            let message = format!("another array has a target {asked} already");
            return Err(Refusal::new(HResult::VDS_E_NAME_NOT_UNIQUE, message));
        }
        Ok(())
    }

    fn check_known(&self, id: SubsystemId) -> Result<(), Refusal> {
        let known =
            self.arrays.borrow().contains_key(&id) || self.closed.borrow().contains_key(&id);
        if known { Ok(()) } else { Err(not_found(ObjectRef::Subsystem(id))) }
    }

    /// The open array that has an object.
    fn array_of(&self, object: ObjectRef) -> Result<Rc<Array>, Refusal> {
        if let ObjectRef::Subsystem(id) = object {
            return self.open_array(id);
        }
        let arrays = self.arrays.borrow();
        let found = arrays.values().find(|array| {
            let state = array.state();
            match object {
                ObjectRef::Lun(id) => state.luns.values().any(|it| it.id == id),
                ObjectRef::Plex(id) => {
                    state.luns.values().any(|lun| lun.plexes.iter().any(|it| it.id == id))
                }
                ObjectRef::Drive(id) => state.drives.values().any(|it| it.id == id),
                ObjectRef::Target(id) => state.targets.values().any(|it| it.id == id),
                ObjectRef::Portal(id) => state.portals.values().any(|it| it.id == id),
                ObjectRef::PortalGroup(id) => portal_groups::has_group(&state, id),
                _ => false,
            }
        });
        found.cloned().ok_or_else(|| not_found(object))
    }

    fn open_array(&self, id: SubsystemId) -> Result<Rc<Array>, Refusal> {
        if let Some(array) = self.arrays.borrow().get(&id) {
            return Ok(Rc::clone(array));
        }
        match self.closed.borrow().get(&id) {
            Some(closed) => Err(Refusal::new(closed.result, closed.notes.join("; "))),
            None => Err(not_found(ObjectRef::Subsystem(id))),
        }
    }

    /// Begins what no array keeps; the service keeps its record.
    async fn begin_own(self: &Rc<Self>, context: &StartContext, request: Request) -> RawStart {
        if let Request::CreateSubsystem { name, drives } = &request
            && let Err(refusal) = self.plan_array(name, drives).await
        {
            return RawStart::refused(refusal);
        }
        let (operation, driver) = Operation::begin(context.intent(&request));
        if !self.operations.borrow_mut().insert(operation.clone()) {
            let message = format!("operation {} exists already", operation.id());
            return RawStart::refused(Refusal::new(HResult::VDSX_E_REUSED_OPERATION, message));
        }
        let embedded = Rc::clone(self);
        let task = async move { embedded.work_own(driver, request).await };
        self.shared.world.spawn.spawn("operation", Box::pin(task));
        RawStart::started(operation)
    }

    async fn work_own(self: Rc<Self>, driver: OperationDriver, request: Request) {
        if driver.start(self.shared.unix_ms()) == vds_operation::Signal::Cancel {
            driver.finish(End::cancelled(), self.shared.unix_ms());
            return;
        }
        let end = match request {
            Request::CreateSubsystem { name, drives } => {
                return self.make_array(&driver, &name, &drives).await;
            }
            Request::OpenSubsystem { subsystem, without } => {
                if driver.pass_commit_point().is_err() {
                    End::cancelled()
                } else {
                    match self.open_without(subsystem, without).await {
                        Ok(()) => End::success(Output::OpenArray(subsystem)),
                        Err(refusal) => End::Failed(refusal.into()),
                    }
                }
            }
            other => {
                self.discover().await;
                let refresh = matches!(other, Request::Refresh);
                let output = if refresh { OutputType::Refresh } else { OutputType::Reenumerate };
                End::success(Output::Done(output))
            }
        };
        driver.finish(end, self.shared.unix_ms());
        let expired = self.operations.borrow_mut().expire(self.shared.unix_ms());
        tracing::debug!(count = expired.len(), "operations forgotten");
    }

    /// The size in bytes of the largest LUN that could be made so; 0 if none could. Not a reservation.
    ///
    /// # Errors
    /// [`Refusal`] for what could not be made at any size.
    #[expect(clippy::unused_async, reason = "as the other questions, which wait for drives")]
    pub async fn query_max_lun_create_size(&self, query: MaxSizeQuery) -> Result<u64, Refusal> {
        query.check()?;
        self.open_array(query.subsystem)?.max_create_size(&query)
    }

    /// The operation with this id, running or ended.
    pub fn find_operation(&self, id: OperationId) -> Option<Operation> {
        if let Some(operation) = self.operations.borrow().by_id(id) {
            return Some(operation.clone());
        }
        let arrays = self.arrays.borrow();
        arrays.values().find_map(|array| array.operations.borrow().by_id(id).cloned())
    }

    /// All operations, running and remembered, each once.
    pub fn operations(&self) -> Vec<Operation> {
        let mut seen = BTreeSet::new();
        let mut all: Vec<Operation> = self.operations.borrow().iter().cloned().collect();
        for array in self.arrays.borrow().values() {
            let undurable = array.undurable.borrow();
            let operations = array.operations.borrow();
            let told = operations.iter().filter(|operation| !undurable.contains(&operation.id()));
            all.extend(told.cloned());
        }
        all.retain(|operation| seen.insert(operation.id()));
        all
    }

    /// The events of all arrays.
    pub fn events(&self) -> EventLog {
        self.shared.events.clone()
    }

    /// The data path of a LUN; `None` while its array is not open. The same LUN served again by a later call shares
    /// everything with this one.
    pub fn lun_io(&self, id: LunId) -> Option<Rc<dyn LunIo>> {
        self.arrays.borrow().values().find_map(|array| array.lun_io(id))
    }

    /// What a LUN has written to its drives; `None` while its array is not open.
    pub fn lun_traffic(&self, id: LunId) -> Option<LunTraffic> {
        self.arrays.borrow().values().find_map(|array| array.lun_traffic(id))
    }

    /// Keeps no more than about this many bytes of map pages in memory, for each array that is open now. Without it they are
    /// 256 MiB; pages in use stay whatever the limit.
    pub fn limit_map_cache(&self, bytes: u64) {
        let pages = usize::try_from(bytes / BLOCK_BYTES as u64).unwrap_or(usize::MAX);
        for array in self.arrays.borrow().values() {
            array.engine.map_pages_max.set(pages);
        }
    }

    /// What the open arrays offer over iSCSI, secrets included.
    pub fn exports(&self) -> Vec<Export> {
        self.arrays.borrow().values().map(|array| array.export()).collect()
    }

    /// Grows whenever [`Embedded::exports`] may be another one.
    pub fn exports_version(&self) -> u64 {
        self.shared.exports_version()
    }

    /// Completes with the version as soon as it is another one than `seen`.
    pub fn exports_changed(&self, seen: u64) -> LocalFuture<u64> {
        let shared = Rc::clone(&self.shared);
        Box::pin(async move {
            let version = || Some(shared.exports_version()).filter(|version| *version != seen);
            shared.exports_changed.until(version).await
        })
    }

    /// What was found damaged since the arrays were opened, as far as it is kept: first what the opening found in
    /// catalogs, which it rewrote.
    pub fn damage(&self) -> Vec<Damage> {
        let mut all = Vec::new();
        for array in self.arrays.borrow().values() {
            all.extend(array.damage.iter().filter_map(|found| {
                let what = match found.what {
                    crate::catalog::DamagedStructure::Superblock => DamagedThing::Superblock,
                    _ => DamagedThing::Catalog,
                };
                let (drive, block) = (found.number?, found.block);
                Some(Damage { drive, block, what, repaired: true, unix_ms: array.opened_unix_ms })
            }));
            all.extend(array.engine.damage());
        }
        all
    }

    /// Ends all work: short operations finish, long ones break off and go on when their array is opened again, logs are
    /// checkpointed. Afterwards nothing is taken any more, and drives are let go as soon as nobody uses a LUN.
    pub async fn shutdown(&self) {
        self.is_shut.set(true);
        let _turn = self.looking.take().await;
        let arrays = std::mem::take(&mut *self.arrays.borrow_mut());
        for array in arrays.into_values() {
            array.close().await;
        }
        self.closed.borrow_mut().clear();
        self.shared.exports_change();
    }
}
