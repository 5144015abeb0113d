//! What is shared around one plug-in: its conversation as it is now, its operations, its last view, and the questions of the
//! contract as those of the protocol.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::{Notify, watch};
use vds_model::{HResult, LunId, OperationId, ProviderId};
use vds_operation::{OperationKind, Owner};
use vds_plugin::{
    CallError, EVENTS_MAX, Events, Found, Initialized, MaxSize, MaxSizeAnswer, OperationParams,
    PlanParams, Start, Status, ViewParams, Viewed, method,
};
use vds_provider::{
    BoxFuture, Died, EventLog, MaxSizeQuery, Plan, RawOperation, RawStart, Refusal, Request,
    StartContext, View,
};

use crate::identity::{Rejected, properties};
use crate::link::{Answered, Link, News, broken};
use crate::log::LogTail;
use crate::operation::{Known, Slot, Slots};
use crate::patience::patience;
use crate::provider::PluginOperation;
use crate::state::{PluginSpec, RunState};
use crate::supervisor::say_goodbye;

/// Brings what is served in line with what is shown: runs before the end of an operation is told.
pub type Synchronize = Arc<dyn Fn() -> BoxFuture<()> + Send + Sync>;

/// The longest an end is held back for that.
const SYNCHRONIZE_MAX: std::time::Duration = std::time::Duration::from_secs(2);

/// The last view, as long as its generation lasts.
pub(crate) struct Seen {
    generation: u64,
    view: Arc<View>,
    pub(crate) data_versions: BTreeMap<LunId, u64>,
}

pub(crate) struct Shared {
    pub(crate) spec: PluginSpec,
    pub(crate) log: LogTail,
    pub(crate) restart: Notify,
    pub(crate) id: OnceLock<ProviderId>,
    pub(crate) stopping: watch::Sender<bool>,
    pub(crate) state: watch::Sender<RunState>,
    pub(crate) link: watch::Sender<Option<Arc<Link>>>,
    pub(crate) handshake: Mutex<Option<Initialized>>,
    pub(crate) confinement: Mutex<String>,
    pub(crate) starts: AtomicU64,
    pub(crate) slots: Slots,
    pub(crate) seen: Mutex<Option<Seen>>,
    /// What the service has to say of LUNs.
    pub(crate) notes: Mutex<BTreeMap<LunId, String>>,
    pub(crate) events: EventLog,
    /// Grows whenever something may have changed.
    pub(crate) changes: watch::Sender<u64>,
    pub(crate) synchronize: OnceLock<Synchronize>,
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn set_state(&self, state: RunState) {
        self.state.send_replace(state);
        self.changed();
    }

    pub(crate) fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    pub(crate) fn set_confinement(&self, report: &str) {
        report.clone_into(&mut locked(&self.confinement));
    }

    pub(crate) fn count_start(&self) {
        self.starts.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    pub(crate) async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }

    /// Waits until the process is to end, and tells it.
    pub(crate) async fn asked_to_end(&self, link: &Link) {
        tokio::select! {
            () = self.stopped() => {}
            () = self.restart.notified() => {}
        }
        if self.link.borrow().is_some() {
            say_goodbye(link).await;
        }
    }

    /// Takes the handshake over; its id stays the first one for ever.
    pub(crate) fn accept(&self, said: Initialized) -> Result<(), Rejected> {
        let id = *self.id.get_or_init(|| said.provider.id);
        if id != said.provider.id {
            let reason = format!("it calls itself {} and was {id} before", said.provider.id);
            let died = Died::because(HResult::VDSX_E_BAD_ID, reason);
            return Err(Rejected { died, is_final: true });
        }
        *locked(&self.handshake) = Some(said);
        *locked(&self.seen) = None;
        Ok(())
    }

    /// Lets questions through, and asks after the operations that were under way.
    pub(crate) fn link_up(self: &Arc<Self>, link: &Arc<Link>) {
        self.link.send_replace(Some(Arc::clone(link)));
        for slot in self.slots.open() {
            let shared = Arc::clone(self);
            tokio::spawn(async move { shared.ask_again(&slot).await });
        }
    }

    pub(crate) fn unlink(&self) {
        self.link.send_replace(None);
    }

    /// The process is gone. Its operations wait for the next one if it died; otherwise they are lost.
    pub(crate) fn lost(self: &Arc<Self>, died: &Died) {
        if self.is_stopping() {
            // They are asked for again when the service is back, or ended by whoever removes the plug-in.
            self.changed();
            return;
        }
        for slot in self.slots.open() {
            if died.result != HResult::VDSX_E_PROVIDER_DIED {
                slot.lose(Known::Lost(died.clone()));
                continue;
            }
            let (shared, died) = (Arc::clone(self), died.clone());
            tokio::spawn(async move {
                let mut links = shared.link.subscribe();
                tokio::select! {
                    _ = links.wait_for(Option::is_some) => {}
                    () = patience(shared.spec.answer) => slot.lose(Known::Lost(died)),
                }
            });
        }
        self.changed();
    }

    pub(crate) async fn ask_again(self: &Arc<Self>, slot: &Arc<Slot>) {
        let params = OperationParams { operation: slot.id };
        let found: Result<Found, NoUse> = self.ask(method::FIND, &params).await;
        match found {
            Ok(Found { operation: Some(status) }) => self.tell(slot, status).await,
            Ok(Found { operation: None }) => slot.lose(Known::Forgotten),
            Err(NoUse::Died(died)) if died.result == HResult::VDSX_E_PROVIDER_DIED => {}
            Err(NoUse::Died(died)) => slot.lose(Known::Lost(died)),
            Err(NoUse::Refused(error)) => {
                let how = format!("asked for the operation, it says: {}", error.refusal().message);
                slot.lose(Known::Lost(Died::because(error.result(), how)));
            }
        }
    }

    /// Makes a status known; an end only once everything is served that it made.
    pub(crate) async fn tell(&self, slot: &Slot, status: Status) {
        if status.is_ended() && slot.is_open() {
            self.changed();
            if let Some(synchronize) = self.synchronize.get() {
                let _ = tokio::time::timeout(SYNCHRONIZE_MAX, synchronize()).await;
            }
        }
        slot.tell(status);
    }

    pub(crate) fn link_now(&self) -> Result<Arc<Link>, Died> {
        if let Some(link) = &*self.link.borrow() {
            return Ok(Arc::clone(link));
        }
        let how = match &*self.state.borrow() {
            RunState::Failed { result, reason } => return Err(Died::because(*result, reason)),
            RunState::Waiting { reason, .. } => format!("{reason}; it is started again"),
            RunState::Starting => "it is being started".to_owned(),
            RunState::Running { .. } | RunState::Stopped => "it is ending".to_owned(),
        };
        let how = format!("provider {} is not running: {how}", self.spec.name);
        Err(Died::because(HResult::VDSX_E_PROVIDER_NOT_RUNNING, how))
    }

    pub(crate) async fn ask<P: Serialize + Sync, R: DeserializeOwned>(
        &self,
        method: &str,
        params: &P,
    ) -> Result<R, NoUse> {
        let link = self.link_now()?;
        let Answered { outcome, .. } = link.call(method, params).await?;
        read(method, &outcome.map_err(NoUse::Refused)?).map_err(NoUse::Died)
    }

    pub(crate) fn has(&self, method: &str) -> bool {
        locked(&self.handshake).as_ref().is_some_and(|said| said.has(method))
    }

    pub(crate) fn declared(&self, kind: OperationKind) -> Option<vds_plugin::Declaration> {
        locked(&self.handshake).as_ref().and_then(|said| said.declared(kind).cloned())
    }

    pub(crate) async fn view(&self) -> Result<Arc<View>, Died> {
        let generation = locked(&self.seen).as_ref().map(|seen| seen.generation);
        let asked = self.ask(method::VIEW, &ViewParams { generation }).await;
        let wire = match asked.map_err(NoUse::into_died)? {
            Viewed::Unchanged { unchanged: true } => {
                let seen = locked(&self.seen);
                let known = seen.as_ref().filter(|seen| Some(seen.generation) == generation);
                return known.map(|seen| Arc::clone(&seen.view)).ok_or_else(|| {
                    broken("it says that nothing has changed, and was told of no generation")
                });
            }
            Viewed::Unchanged { unchanged: false } => {
                return Err(broken("an answer to view that is none"));
            }
            Viewed::View(wire) => wire,
        };
        let said = locked(&self.handshake).clone();
        let said = said.ok_or_else(|| broken("a view before the handshake"))?;
        let data_versions = wire.luns.iter().map(|lun| (lun.id, lun.data_version)).collect();
        let generation = wire.generation;
        let identify = &self.spec.identify;
        let view = wire.into_contract(properties(&self.spec, &said), |lun| identify(lun));
        let mut view = view.map_err(|error| broken(error.to_string()))?;
        for subsystem in &mut view.subsystems {
            subsystem.makes_targets = said.declared(OperationKind::CreateTarget).is_some();
        }
        for lun in &mut view.luns {
            lun.notes.extend(locked(&self.notes).get(&lun.properties.id).cloned());
        }
        let view = Arc::new(view);
        let seen = Seen { generation, view: Arc::clone(&view), data_versions };
        *locked(&self.seen) = Some(seen);
        Ok(view)
    }

    pub(crate) async fn plan(&self, request: Request) -> Result<Result<Plan, Refusal>, Died> {
        let kind = request.kind();
        let Some(asked) = vds_plugin::Request::of(request.clone()) else {
            return Ok(Err(not_asked(&request)));
        };
        if !self.has(method::PLAN) || self.declared(kind).is_none() {
            let message = format!("provider {} makes no plans for {kind}", self.spec.name);
            return Ok(Err(Refusal::new(HResult::VDS_E_NOT_SUPPORTED, message)));
        }
        let plan: Result<vds_plugin::Plan, NoUse> =
            self.ask(method::PLAN, &PlanParams { request: asked }).await;
        answered(plan.map(Plan::from))
    }

    pub(crate) async fn max_size(&self, query: MaxSizeQuery) -> Result<Result<u64, Refusal>, Died> {
        if !self.has(method::MAX_LUN_CREATE_SIZE) {
            let message = format!("provider {} does not tell", self.spec.name);
            return Ok(Err(Refusal::new(HResult::VDS_E_NOT_SUPPORTED, message)));
        }
        let size: Result<MaxSizeAnswer, NoUse> =
            self.ask(method::MAX_LUN_CREATE_SIZE, &MaxSize::from(&query)).await;
        answered(size.map(|size| size.size_bytes))
    }

    pub(crate) async fn start(
        self: &Arc<Self>,
        context: StartContext,
        request: Request,
    ) -> Result<RawStart, Died> {
        let (kind, operation) = (request.kind(), context.operation);
        let Some(asked) = vds_plugin::Request::of(request.clone()) else {
            self.link_now()?;
            return Ok(RawStart::refused(not_asked(&request)));
        };
        if self.declared(kind).is_none() {
            self.link_now()?;
            return Ok(RawStart::refused(not_offered(&self.spec.name, kind)));
        }
        // Followed from before the question: its news may come before the answer.
        let slot = self.slots.of(operation);
        let params = Start {
            operation,
            request: asked,
            owner: owner(&context.owner),
            priority: context.priority.value(),
            unix_ms: context.unix_ms,
        };
        let link = self.link_now()?;
        let raw = match link.call(method::START, &params).await?.outcome {
            Ok(raw) => raw,
            Err(error) => return Ok(RawStart::refused(error.refusal())),
        };
        let accepted = |operation| RawStart {
            result: HResult::S_OK,
            message: String::new(),
            hint: None,
            operation,
        };
        if read::<Named>(method::START, &raw)?.operation.is_none() {
            return Ok(accepted(None));
        }
        let status: Status = read(method::START, &raw)?;
        let slot =
            if status.operation == operation { slot } else { self.slots.of(status.operation) };
        self.tell(&slot, status).await;
        Ok(accepted(Some(self.follow(slot, Some(kind)))))
    }

    pub(crate) fn follow(
        self: &Arc<Self>,
        slot: Arc<Slot>,
        kind: Option<OperationKind>,
    ) -> Arc<dyn RawOperation> {
        Arc::new(PluginOperation { shared: Arc::clone(self), slot, kind })
    }

    pub(crate) async fn find(
        self: &Arc<Self>,
        id: OperationId,
    ) -> Result<Option<Arc<dyn RawOperation>>, Died> {
        if let Some(slot) = self.slots.find(id) {
            return Ok(Some(self.follow(slot, None)));
        }
        // After a restart of the service: it is worth waiting for.
        let mut links = self.link.subscribe();
        let mut states = self.state.subscribe();
        tokio::select! {
            _ = links.wait_for(Option::is_some) => {}
            _ = states.wait_for(|s| matches!(s, RunState::Failed { .. } | RunState::Stopped)) => {}
            () = patience(self.spec.answer) => {}
        }
        let slot = self.slots.of(id);
        let found: Result<Found, NoUse> =
            self.ask(method::FIND, &OperationParams { operation: id }).await;
        match found.map_err(NoUse::into_died)?.operation {
            None => Ok(None),
            Some(status) => {
                let slot =
                    if status.operation == id { slot } else { self.slots.of(status.operation) };
                self.tell(&slot, status).await;
                Ok(Some(self.follow(slot, None)))
            }
        }
    }
}

/// The member that says of which operation a status is.
#[derive(serde::Deserialize)]
struct Named {
    #[serde(default)]
    operation: Option<serde::de::IgnoredAny>,
}

/// No answer that is of use.
pub(crate) enum NoUse {
    Died(Died),
    Refused(CallError),
}

impl From<Died> for NoUse {
    fn from(died: Died) -> Self {
        Self::Died(died)
    }
}

impl NoUse {
    /// For questions that may not be refused.
    pub(crate) fn into_died(self) -> Died {
        match self {
            Self::Died(died) => died,
            Self::Refused(error) => Died::because(error.result(), error.refusal().message),
        }
    }
}

fn answered<T>(answer: Result<T, NoUse>) -> Result<Result<T, Refusal>, Died> {
    match answer {
        Ok(value) => Ok(Ok(value)),
        Err(NoUse::Refused(error)) => Ok(Err(error.refusal())),
        Err(NoUse::Died(died)) => Err(died),
    }
}

pub(crate) fn read<T: DeserializeOwned>(method: &str, raw: &RawValue) -> Result<T, Died> {
    serde_json::from_str(raw.get())
        .map_err(|error| broken(format!("an answer to {method} that cannot be read: {error}")))
}

fn not_offered(name: &str, kind: OperationKind) -> Refusal {
    let message = format!("provider {name} does not offer {kind}");
    Refusal::new(HResult::VDS_E_NOT_SUPPORTED, message)
}

/// The protocol has no words for it, whatever the plug-in declares.
fn not_asked(request: &Request) -> Refusal {
    let (what, hint) = match request {
        Request::SetTargetSecret { .. } => (
            "one secret alone",
            Some(
                "Set all secrets of the target at once: vds target set, or vds target clear-chap.",
            ),
        ),
        Request::SetTargetName { .. } => ("another name for a target", None),
        Request::SetSubsystemName { .. } => ("another name for a subsystem", None),
        Request::SetLunTarget { .. } => (
            "another target for a LUN",
            Some("The target is chosen when the LUN is made: vds lun create --target."),
        ),
        Request::AbsorbLun { .. } => {
            ("a copy in the place of a LUN", Some("Add a copy on free space: vds lun add-plex."))
        }
        Request::CreatePortalGroup { .. }
        | Request::DeletePortalGroup { .. }
        | Request::AddToPortalGroup { .. }
        | Request::RemoveFromPortalGroup { .. } => ("a change of portal groups", None),
        _ => ("this", None),
    };
    let message = format!("plug-in providers cannot be asked for {what}");
    let refusal = Refusal::new(HResult::VDS_E_NOT_SUPPORTED, message);
    match hint {
        Some(hint) => refusal.with_hint(hint),
        None => refusal,
    }
}

fn owner(owner: &Owner) -> String {
    match owner {
        Owner::Client { name, .. } => name.clone(),
        Owner::Service { cause } => format!("the service: {cause}"),
    }
}

impl News for Shared {
    fn heard(&self, method: &str, params: &RawValue) {
        match method {
            method::OPERATION_CHANGED => self.operation_changed(params),
            method::EVENTS => {
                let Ok(events) = serde_json::from_str::<Events>(params.get()) else {
                    tracing::warn!(provider = self.spec.name, "events that cannot be read");
                    return;
                };
                let changes = events.changes.iter().take(EVENTS_MAX);
                let known = changes.filter_map(vds_plugin::EventChange::notification);
                self.events.publish(known.collect());
                self.changed();
            }
            // From a newer version of the protocol.
            _ => {}
        }
    }
}

impl Shared {
    fn operation_changed(&self, params: &RawValue) {
        let status = match serde_json::from_str::<Status>(params.get()) {
            Ok(status) => status,
            Err(error) => {
                let named = serde_json::from_str::<OperationParams>(params.get());
                let slot = named.ok().and_then(|named| self.slots.find(named.operation));
                if let Some(slot) = slot {
                    let how = format!("a status that cannot be read: {error}");
                    slot.lose(Known::Lost(broken(how)));
                }
                return;
            }
        };
        let Some(slot) = self.slots.find(status.operation) else { return };
        let is_end = status.is_ended() && slot.is_open();
        let synchronize = self.synchronize.get().filter(|_| is_end).cloned();
        if is_end {
            self.changed();
        }
        let Some(synchronize) = synchronize else {
            slot.tell(status);
            return;
        };
        tokio::spawn(async move {
            let _ = tokio::time::timeout(SYNCHRONIZE_MAX, synchronize()).await;
            slot.tell(status);
        });
    }
}
