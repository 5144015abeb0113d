//! A provider in memory: honest, and on demand wrong in every way a provider can be wrong.
//!
//! It is a provider like any other (`vds serve` can load it for demonstrations), and the tests of the checks drive it.

mod array;
mod misbehaviour;
mod object;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vds_model::{
    Bytes, Change, DriveId, LunId, Notification, OperationId, ProviderId, Subject, SubsystemId,
};
use vds_operation::{
    End, ObjectRef, Operation, OperationDriver, OperationKind, Output, ProgressUpdate, Signal,
};

use crate::{
    Answer, EventBatch, EventLog, MaxSizeQuery, Plan, PoolView, Provider, RawOperation, RawStart,
    Refusal, Request, StartContext, View, answer,
};
use array::Array;
pub use misbehaviour::{Misbehaviour, ViewMisbehaviour};
use misbehaviour::{Tricky, silence};

/// Steps from the start of an operation to its end.
const STEPS: u64 = 4;

/// When the simulated provider works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// At once: an operation has ended when its start answers.
    #[default]
    AtOnce,
    /// A quarter at each [`SimulatedProvider::advance`].
    Stepwise,
}

struct Work {
    driver: OperationDriver,
    request: Request,
    tricks: Vec<Misbehaviour>,
    steps: u64,
}

struct Inner {
    array: Array,
    pace: Pace,
    unix_ms: u64,
    working: Vec<Work>,
    operations: BTreeMap<OperationId, Arc<Tricky>>,
    script: VecDeque<(OperationKind, Vec<Misbehaviour>)>,
    view_script: VecDeque<ViewMisbehaviour>,
    starts: Vec<(OperationId, Request)>,
}

/// A simulated hardware provider with one subsystem. Cheap to clone; all clones are the same provider.
#[derive(Clone)]
pub struct SimulatedProvider {
    inner: Arc<Mutex<Inner>>,
    events: EventLog,
    id: ProviderId,
}

impl SimulatedProvider {
    /// A provider whose array has drives of these sizes.
    pub fn new(id: ProviderId, drive_bytes: &[u64]) -> Self {
        let inner = Inner {
            array: Array::new(id, drive_bytes),
            pace: Pace::default(),
            unix_ms: 0,
            working: Vec::new(),
            operations: BTreeMap::new(),
            script: VecDeque::new(),
            view_script: VecDeque::new(),
            starts: Vec::new(),
        };
        Self { inner: Arc::new(Mutex::new(inner)), events: EventLog::new(), id }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its only subsystem.
    pub fn subsystem(&self) -> SubsystemId {
        self.lock().array.subsystem()
    }

    /// Its drives, in the order of their slots.
    pub fn drives(&self) -> Vec<DriveId> {
        self.lock().array.view.drives.iter().map(|drive| drive.properties.id).collect()
    }

    /// The LUNs that are really there, whatever the provider says.
    pub fn luns(&self) -> Vec<LunId> {
        self.lock().array.view.luns.iter().map(|lun| lun.properties.id).collect()
    }

    /// Everything that was started, in order.
    pub fn starts(&self) -> Vec<(OperationId, Request)> {
        self.lock().starts.clone()
    }

    /// From now on works at this pace.
    pub fn set_pace(&self, pace: Pace) {
        self.lock().pace = pace;
    }

    /// The next start of this kind goes wrong in these ways.
    pub fn misbehave(&self, kind: OperationKind, how: impl IntoIterator<Item = Misbehaviour>) {
        self.lock().script.push_back((kind, how.into_iter().collect()));
    }

    /// The next view goes wrong in this way.
    pub fn misbehave_view(&self, how: ViewMisbehaviour) {
        self.lock().view_script.push_back(how);
    }

    /// Works for a step on everything that is under way, and lets time pass for its records.
    pub fn advance(&self) {
        let events = {
            let mut inner = self.lock();
            inner.unix_ms += 1000;
            let working = std::mem::take(&mut inner.working);
            let mut events = Vec::new();
            for work in working {
                events.push(inner.step(work));
            }
            events
        };
        for batch in events {
            self.events.publish(batch);
        }
    }

    /// Whether anything is under way.
    pub fn is_working(&self) -> bool {
        !self.lock().working.is_empty()
    }
}

impl Inner {
    /// One step of one operation; what is to be announced if it ended.
    fn step(&mut self, mut work: Work) -> Vec<Notification> {
        let is_stuck = work.tricks.contains(&Misbehaviour::StuckWork);
        match work.driver.signal() {
            Signal::Cancel if !is_stuck => {
                let end = self.cancelled_end(&work);
                work.driver.finish(end, self.unix_ms);
                return Vec::new();
            }
            Signal::Go if !is_stuck => {
                work.steps += 1;
                if work.steps >= STEPS {
                    return self.complete(&work);
                }
                let update = ProgressUpdate::bytes(work.steps << 20, STEPS << 20);
                work.driver.progress(update, self.unix_ms);
                work.driver.phase("working");
            }
            _ => {}
        }
        self.working.push(work);
        Vec::new()
    }

    fn cancelled_end(&mut self, work: &Work) -> End {
        if work.tricks.contains(&Misbehaviour::LeavesObjectOnCancel) {
            let _ = self.array.apply(&work.request, work.driver.id());
        }
        End::cancelled()
    }

    fn complete(&mut self, work: &Work) -> Vec<Notification> {
        let id = work.driver.id();
        let failing = work.tricks.iter().find_map(|trick| match trick {
            Misbehaviour::FailWork(result) => Some(*result),
            _ => None,
        });
        let result = match failing {
            Some(result) => Err(Refusal::new(result, "the simulated work failed")),
            None if work.driver.pass_commit_point().is_err() => {
                work.driver.finish(End::cancelled(), self.unix_ms);
                return Vec::new();
            }
            None => self.array.apply(&work.request, id),
        };
        let output = result.as_ref().ok().copied();
        for trick in &work.tricks {
            self.spoil(trick, &work.request, id, output);
        }
        let end = match result {
            Ok(output) => End::success(output),
            Err(refusal) => End::Failed(refusal.into()),
        };
        work.driver.finish(end, self.unix_ms);
        announcements(&work.request, output)
    }

    /// What goes wrong with the objects themselves.
    fn spoil(
        &mut self,
        trick: &Misbehaviour,
        request: &Request,
        id: OperationId,
        output: Option<Output>,
    ) {
        if let Misbehaviour::LeavesObjectOnFailure = trick {
            let _ = self.array.apply(request, id);
            return;
        }
        let Some(Output::CreateLun(made)) = output else {
            return;
        };
        let view = &mut self.array.view;
        let Some(lun) = view.luns.iter_mut().find(|lun| lun.properties.id == made) else {
            return;
        };
        match trick {
            Misbehaviour::MakesNothing => {
                view.luns.retain(|lun| lun.properties.id != made);
                view.targets
                    .iter_mut()
                    .for_each(|target| target.luns.retain(|entry| entry.lun != made));
            }
            Misbehaviour::WrongSize(size_bytes) => {
                lun.properties.size = Bytes(*size_bytes);
                lun.plexes.iter_mut().for_each(|plex| {
                    plex.properties.size = Bytes(*size_bytes);
                });
            }
            Misbehaviour::TooLittleReserved => lun.plexes[0].extents.truncate(0),
            Misbehaviour::OnDrive(drive) => lun.plexes[0].extents[0].drive = *drive,
            Misbehaviour::WrongLunType(lun_type) => lun.properties.lun_type = *lun_type,
            Misbehaviour::HidesMaker => {
                view.made_by.clear();
            }
            _ => return,
        }
        self.array.changed();
    }
}

fn announcements(request: &Request, output: Option<Output>) -> Vec<Notification> {
    let subject = match (request, output) {
        (_, None) => return Vec::new(),
        (_, Some(Output::CreateLun(id))) => (Subject::Lun(id), Change::Arrive),
        (_, Some(Output::CreateTarget(id))) => (Subject::Target(id), Change::Arrive),
        (_, Some(Output::AddPortal(id))) => (Subject::Portal(id), Change::Arrive),
        (Request::DeleteLun { lun }, _) => (Subject::Lun(*lun), Change::Depart),
        (Request::DeleteTarget { target }, _) => (Subject::Target(*target), Change::Depart),
        (Request::RemovePortal { portal }, _) => (Subject::Portal(*portal), Change::Depart),
        (request, _) => match request.subject() {
            Some(ObjectRef::Lun(id)) => (Subject::Lun(id), Change::Modify),
            Some(ObjectRef::Target(id)) => (Subject::Target(id), Change::Modify),
            _ => return Vec::new(),
        },
    };
    Notification::new(subject.0, subject.1).into_iter().collect()
}

/// Shows the pool that the array has, with something wrong about it.
fn show_pool(view: &mut View, wrong: impl FnMut(&mut PoolView)) {
    let mut pools = view.all_pools();
    pools.iter_mut().take(1).for_each(wrong);
    view.pools = pools;
}

impl Provider for SimulatedProvider {
    fn id(&self) -> ProviderId {
        self.id
    }

    fn view(&self) -> Answer<Arc<View>> {
        let mut inner = self.lock();
        let mut view = inner.array.view.clone();
        match inner.view_script.pop_front() {
            None => {}
            Some(ViewMisbehaviour::Silent) => return silence(),
            Some(ViewMisbehaviour::Dies) => return misbehaviour::death(),
            Some(ViewMisbehaviour::DuplicateId) => {
                let twice = view.drives[0].clone();
                view.drives.push(twice);
            }
            Some(ViewMisbehaviour::NullId) => view.drives[0].properties.id = DriveId::nil(),
            Some(ViewMisbehaviour::ExtentsBeyondDrive) => view.drives[0].properties.size = Bytes(1),
            Some(ViewMisbehaviour::NoIdentification) => {
                view.subsystems[0].properties.identification.clear();
            }
            Some(ViewMisbehaviour::PoolOverdrawn) => {
                show_pool(&mut view, |pool| pool.properties.managed = Bytes(0));
            }
            Some(ViewMisbehaviour::PoolBeyondDrive) => {
                show_pool(&mut view, |pool| pool.extents.extend_from_within(..));
            }
            Some(ViewMisbehaviour::PoolOnNoDrive) => {
                show_pool(&mut view, |pool| pool.extents[0].drive = DriveId::nil());
            }
            Some(ViewMisbehaviour::PoolOfNoSubsystem) => {
                show_pool(&mut view, |pool| pool.subsystem = SubsystemId::nil());
            }
        }
        answer(Arc::new(view))
    }

    fn plan(&self, request: Request) -> Answer<Result<Plan, Refusal>> {
        answer(self.lock().array.plan(&request))
    }

    fn start(&self, context: StartContext, request: Request) -> Answer<RawStart> {
        let mut inner = self.lock();
        inner.unix_ms = inner.unix_ms.max(context.unix_ms);
        inner.starts.push((context.operation, request.clone()));
        let kind = request.kind();
        let scripted = inner.script.iter().position(|(of, _)| *of == kind);
        let tricks = scripted.and_then(|at| inner.script.remove(at)).map_or(Vec::new(), |s| s.1);
        for trick in &tricks {
            match trick {
                Misbehaviour::PanicsAtStart => panic!("the simulated provider panics"),
                Misbehaviour::DiesAtStart => return misbehaviour::death(),
                Misbehaviour::SilentAtStart => return silence(),
                Misbehaviour::RefusesStart(result) => {
                    return answer(RawStart::refused(Refusal::new(*result, "told to refuse")));
                }
                _ => {}
            }
        }
        if let Err(refusal) = inner.array.plan(&request) {
            return answer(RawStart::refused(refusal));
        }
        let (operation, driver) = Operation::begin(context.intent(&request));
        driver.start(inner.unix_ms);
        let told = Arc::new(Tricky::new(operation, tricks.clone()));
        inner.operations.insert(context.operation, Arc::clone(&told));
        let work = Work { driver, request, tricks: tricks.clone(), steps: 0 };
        let mut events = Vec::new();
        if inner.pace == Pace::AtOnce && !tricks.contains(&Misbehaviour::StuckWork) {
            events = inner.complete(&work);
        } else {
            inner.working.push(work);
        }
        drop(inner);
        self.events.publish(events);
        misbehaviour::start_answer(told, &tricks)
    }

    fn query_max_lun_create_size(&self, query: MaxSizeQuery) -> Answer<Result<u64, Refusal>> {
        answer(self.lock().array.max_size(&query))
    }

    fn find_operation(&self, id: OperationId) -> Answer<Option<Arc<dyn RawOperation>>> {
        let found = self.lock().operations.get(&id).cloned();
        answer(found.map(|operation| operation as Arc<dyn RawOperation>))
    }

    fn operations(&self) -> Answer<Vec<Operation>> {
        answer(Vec::new())
    }

    fn next_events(&self, after: u64) -> Answer<EventBatch> {
        let next = self.events.next(after);
        Box::pin(async move { Ok(next.await) })
    }
}
