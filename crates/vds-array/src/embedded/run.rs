//! Carrying operations out: intent first, then the work, then effects and end in one transaction, then events.

use std::rc::Rc;

use futures_util::FutureExt as _;
use vds_format::Record;
use vds_io::LocalFuture;
use vds_model::{Change, HResult, Notification};
use vds_operation::{
    End, ObjectRef, Operation, OperationDriver, OperationError, OperationRecord, Output,
    PreparedEnd, Signal,
};
use vds_provider::{ChapSecretChange, Plan, RawStart, Refusal, Request, StartContext};

use super::array::{Array, Busy};
use super::errors::of_catalog;
use super::redundancy::Place;
use crate::catalog::CatalogError;

/// Arguments of an ended operation are kept up to this length; the fingerprint always is.
const ENDED_ARGUMENTS_MAX: usize = 1024;

/// Changes the runtime in one step.
type Apply = Box<dyn FnOnce(&Rc<Array>)>;
/// What is left to do afterwards.
type Then = Box<dyn FnOnce(Rc<Array>) -> LocalFuture<()>>;

/// What a request of one transaction does.
pub(super) struct Effect {
    /// What becomes durable together with the operation's end.
    pub(super) records: Vec<Record>,
    pub(super) output: Output,
    /// A success code.
    pub(super) result: HResult,
    /// The runtime, right after the records are staged and before anything else runs.
    pub(super) apply: Apply,
    /// What is left to do when they are durable, before the end shows.
    pub(super) then: Option<Then>,
    pub(super) events: Vec<Notification>,
    /// Whether targets, portals, masks or LUNs are other ones afterwards.
    pub(super) exports: bool,
}

impl Effect {
    /// Records with an output, nothing else.
    pub(super) fn new(records: Vec<Record>, output: Output) -> Self {
        Self {
            records,
            output,
            result: HResult::S_OK,
            apply: Box::new(|_| {}),
            then: None,
            events: Vec::new(),
            exports: false,
        }
    }
}

/// A request that could be carried out now.
pub(super) struct Prepared {
    pub(super) plan: Plan,
    pub(super) work: Work,
}

/// How a request is carried out.
pub(super) enum Work {
    /// By one transaction.
    Transaction(Box<Effect>),
    /// By several steps; the LUN whose layout they change, if one.
    Steps(Option<vds_format::LunNo>),
}

impl Array {
    /// Turns a request away, or makes its intent durable and begins.
    pub(super) async fn begin(
        self: &Rc<Self>,
        context: StartContext,
        request: Request,
    ) -> RawStart {
        let busy = match self.admit(&request) {
            Ok(busy) => busy,
            Err(refusal) => return RawStart::refused(refusal),
        };
        let (operation, driver) = Operation::begin(context.intent(&request));
        let mut records = vec![operation_record(&driver.record())];
        if frees_space(&request) {
            records.push(into_reserve());
        }
        // Counted from here on: an array that closes waits for it.
        let working = self.working();
        let mut commit = self.engine.catalog.commit(records);
        if let Some(Err(error)) = (&mut commit).now_or_never() {
            return RawStart::refused(of_catalog(&error));
        }
        if !self.operations.borrow_mut().insert(operation.clone()) {
            let message = format!("operation {} exists already", operation.id());
            return RawStart::refused(Refusal::new(HResult::VDSX_E_REUSED_OPERATION, message));
        }
        self.undurable.borrow_mut().insert(operation.id());
        if let Err(error) = commit.await {
            return RawStart::refused(of_catalog(&error));
        }
        self.undurable.borrow_mut().remove(&operation.id());
        self.spawn_work(driver, request, busy);
        drop(working);
        RawStart::started(operation)
    }

    /// Whether a request can be carried out now. Keeps others away from a LUN whose layout it changes.
    fn admit(self: &Rc<Self>, request: &Request) -> Result<Option<Busy>, Refusal> {
        if self.closing.get() {
            let message = "the array is being closed";
            return Err(Refusal::new(HResult::VDSX_E_SERVICE_STOPPING, message));
        }
        if let Some(reason) = self.engine.catalog.frozen() {
            return Err(of_catalog(&CatalogError::Frozen(reason)));
        }
        let lun = match self.prepare(request)?.work {
            Work::Steps(Some(lun)) => lun,
            Work::Transaction(_) | Work::Steps(None) => return Ok(None),
        };
        let busy = self.try_busy(lun).ok_or_else(|| {
            let message = "another operation is changing the layout of this LUN";
            Refusal::new(HResult::VDS_E_ANOTHER_CALL_IN_PROGRESS, message)
        })?;
        Ok(Some(busy))
    }

    /// Works on an operation whose intent is durable.
    pub(super) fn spawn_work(
        self: &Rc<Self>,
        driver: OperationDriver,
        request: Request,
        busy: Option<Busy>,
    ) {
        let array = Rc::clone(self);
        let working = self.working();
        let task = async move {
            array.work(Rc::new(driver), request).await;
            drop(busy);
            drop(working);
        };
        self.shared.world.spawn.spawn("operation", Box::pin(task));
    }

    async fn work(self: &Rc<Self>, driver: Rc<OperationDriver>, request: Request) {
        driver.start(self.shared.unix_ms());
        match self.until_go(&driver).await {
            Signal::Cancel => return self.cancel_before_work(&driver, &request).await,
            // The array is being closed: it goes on when it is opened again.
            Signal::Hold => return,
            Signal::Go => {}
        }
        match request {
            Request::RecoverLun { lun } => self.recover_lun(&driver, lun).await,
            Request::AddPlex { lun, drives } => {
                self.add_plex(&driver, lun, Place::Drives(drives)).await;
            }
            Request::AbsorbLun { lun, other } => {
                self.add_plex(&driver, lun, Place::Of(other)).await;
            }
            Request::RemovePlex { plex } => self.remove_plex(&driver, plex).await,
            Request::FailDrive { drive } => self.fail_drive(&driver, drive).await,
            Request::AddDrive { drive, .. } => self.add_drive(&driver, &drive).await,
            Request::RemoveDrive { drive } => self.remove_drive(&driver, drive).await,
            Request::ScrubSubsystem { .. } => self.scrub(&driver).await,
            request => self.transact(&driver, &request).await,
        }
    }

    /// Ends an operation that was cancelled before its work began, or went on: what an earlier life of it left goes too.
    async fn cancel_before_work(self: &Rc<Self>, driver: &OperationDriver, request: &Request) {
        let begun = match request {
            Request::AddPlex { lun, .. } | Request::AbsorbLun { lun, .. } => {
                self.building_plex(driver, *lun)
            }
            _ => None,
        };
        match begun {
            Some(plex) => self.drop_plex(driver, plex, End::cancelled()).await,
            None => self.end(driver, End::cancelled(), Vec::new()).await,
        }
    }

    /// Carries out a request of one transaction, planned anew: the array may have changed since it was admitted.
    async fn transact(self: &Rc<Self>, driver: &OperationDriver, request: &Request) {
        let effect = match self.prepare(request).map(|prepared| prepared.work) {
            Ok(Work::Transaction(effect)) => *effect,
            Ok(Work::Steps(_)) => {
                unreachable!("requests of several steps have workers of their own")
            }
            Err(refusal) => return self.fail(driver, refusal).await,
        };
        self.commit_effect(driver, effect).await;
    }

    /// Makes an effect durable together with the operation's end.
    pub(super) async fn commit_effect(self: &Rc<Self>, driver: &OperationDriver, effect: Effect) {
        if driver.pass_commit_point().is_err() {
            return self.end(driver, End::cancelled(), Vec::new()).await;
        }
        let Effect { mut records, output, result, apply, then, events, exports } = effect;
        let end = End::Succeeded { hresult: result, output };
        let prepared = driver.prepare_end(end, self.shared.unix_ms());
        #[cfg(test)]
        if PLANTED.get() {
            let _ = self.engine.catalog.commit(std::mem::take(&mut records)).await;
        }
        records.extend(self.end_records(prepared.record()));
        let mut commit = self.engine.catalog.commit(records);
        if let Some(Err(error)) = (&mut commit).now_or_never() {
            // Nothing was staged.
            drop(prepared);
            return self.fail(driver, of_catalog(&error)).await;
        }
        apply(self);
        self.forget_makers(&events);
        if exports {
            self.shared.exports_change();
        }
        if let Some(object) = output.object() {
            self.made_by.borrow_mut().insert(object, driver.id());
        }
        match commit.await {
            Ok(_) => {
                if let Some(then) = then {
                    then(Rc::clone(self)).await;
                }
                self.show(prepared, events);
            }
            Err(error) => abandon(driver, &error),
        }
    }

    /// Shows a durable end, then tells the events.
    pub(super) fn show(&self, prepared: PreparedEnd, events: Vec<Notification>) {
        prepared.publish();
        self.shared.publish(events);
    }

    /// Ends an operation that changed nothing, or whose changes are durable already.
    pub(super) async fn end(
        self: &Rc<Self>,
        driver: &OperationDriver,
        end: End,
        events: Vec<Notification>,
    ) {
        let prepared = driver.prepare_end(end, self.shared.unix_ms());
        let records = self.end_records(prepared.record());
        match self.engine.catalog.commit(records).await {
            Ok(_) => self.show(prepared, events),
            Err(error) => abandon(driver, &error),
        }
    }

    /// Ends an operation as failed.
    pub(super) async fn fail(
        self: &Rc<Self>,
        driver: &OperationDriver,
        error: impl Into<OperationError>,
    ) {
        self.end(driver, End::Failed(error.into()), Vec::new()).await;
    }

    /// The record of an end, and deletions of those that are too many.
    pub(super) fn end_records(&self, ended: &OperationRecord) -> Vec<Record> {
        let mut durable = ended.clone();
        if durable.arguments.len() > ENDED_ARGUMENTS_MAX {
            durable.arguments.clear();
        }
        let mut records = vec![operation_record(&durable), into_reserve()];
        let expired = self.operations.borrow_mut().expire(self.shared.unix_ms());
        let mut made_by = self.made_by.borrow_mut();
        for id in expired {
            made_by.retain(|_, maker| *maker != id);
            records.push(Record::OperationDeleted(id));
        }
        records
    }

    /// Objects that depart were made by nobody any more.
    pub(super) fn forget_makers(&self, events: &[Notification]) {
        for event in events.iter().filter(|event| event.change() == Change::Depart) {
            let gone = event.subject().id_bytes();
            self.made_by.borrow_mut().retain(|object, _| object.id_bytes() != gone);
        }
    }

    /// Remembers which operation made an object, as long as there is one.
    pub(super) fn note_maker(&self, operation: &Operation) {
        let object: Option<ObjectRef> = operation.status().output().and_then(|it| it.object());
        if let Some(object) = object.filter(|object| self.exists(*object)) {
            self.made_by.borrow_mut().insert(object, operation.id());
        }
    }
}

impl Array {
    /// Whether the catalog has an object that an operation made.
    fn exists(&self, object: ObjectRef) -> bool {
        let state = self.state();
        match object {
            ObjectRef::Lun(id) => state.luns.values().any(|lun| lun.id == id),
            ObjectRef::Target(id) => state.targets.values().any(|target| target.id == id),
            ObjectRef::Portal(id) => state.portals.values().any(|portal| portal.id == id),
            ObjectRef::PortalGroup(id) => state.portal_groups.contains_key(&id),
            ObjectRef::Drive(id) => state.drives.values().any(|drive| drive.id == id),
            ObjectRef::Subsystem(id) => id == self.id,
            _ => false,
        }
    }
}

#[cfg(test)]
thread_local! {
    /// Planted bug: effects become durable before the end, so that the tests can show that they would see it.
    pub(super) static PLANTED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// An operation as the catalog keeps it.
pub(super) fn operation_record(record: &OperationRecord) -> Record {
    Record::Operation { id: record.id, record: record.encode() }
}

/// A record that changes nothing and lets a transaction into the space kept for those that free some: ends, and what
/// deletes.
pub(super) fn into_reserve() -> Record {
    Record::SegmentsDeleted(Vec::new())
}

fn frees_space(request: &Request) -> bool {
    matches!(
        request,
        Request::DeleteLun { .. }
            | Request::RemovePlex { .. }
            | Request::DeleteTarget { .. }
            | Request::RemovePortal { .. }
            | Request::DeletePortalGroup { .. }
            | Request::RemoveFromPortalGroup { .. }
            | Request::RemoveDrive { .. }
            | Request::FailDrive { .. }
            | Request::SetTargetChap { chap: None, .. }
            | Request::SetTargetSecret { change: ChapSecretChange { secret: None, .. }, .. }
    )
}

/// The end could not be made durable: nobody may see it. The operation is taken up when the array is opened again.
pub(super) fn abandon(driver: &OperationDriver, error: &CatalogError) {
    tracing::error!(op = %driver.id(), error.code = error.code(), %error, "operation broken off");
}
