//! A plug-in as a provider: each question of the contract becomes one of the conversation.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use vds_model::{HResult, LunId, OperationId, ProviderId, TargetId};
use vds_operation::{Operation, OperationKind};
use vds_plugin::{
    Cancel, CancelAnswered, ChapAnswer, LunOpened, LunParams, Nothing, OperationParams,
    PriorityParams, TargetParams, method,
};
use vds_provider::{
    Adjustment, Answer, Chap, Died, EventBatch, EventLog, MaxSizeQuery, Plan, Provider,
    RawOperation, RawStart, RawStatus, RawWait, Refusal, Request, StartContext, View,
};

use crate::link::broken;
use crate::log::LogTail;
use crate::operation::{Known, Slot, Slots};
use crate::shared::{NoUse, Shared, Synchronize, locked, read};
use crate::state::{PluginSpec, PluginStatus, RunState};
use crate::supervisor::supervise;

/// The data of a LUN, as the plug-in handed it over.
#[derive(Debug)]
pub struct OpenedLun {
    /// What it says the size is.
    pub size_bytes: u64,
    /// Whether it can only be read.
    pub is_read_only: bool,
    /// The descriptor, not looked at.
    pub descriptor: OwnedFd,
}

/// A plug-in. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct PluginProvider {
    shared: Arc<Shared>,
    supervision: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// An operation of a plug-in.
pub(crate) struct PluginOperation {
    pub(crate) shared: Arc<Shared>,
    pub(crate) slot: Arc<Slot>,
    pub(crate) kind: Option<OperationKind>,
}

impl RawOperation for PluginOperation {
    fn id(&self) -> OperationId {
        self.slot.id
    }

    fn wait(&self) -> Answer<RawWait> {
        let slot = Arc::clone(&self.slot);
        Box::pin(async move { slot.wait().await })
    }

    fn query_status(&self) -> Answer<RawStatus> {
        Box::pin(std::future::ready(self.slot.status()))
    }

    fn cancel(&self) -> Answer<HResult> {
        let declared = self.kind.and_then(|kind| self.shared.declared(kind));
        if declared.is_some_and(|declared| declared.cancel == Cancel::NotSupported) {
            return vds_provider::answer(HResult::VDS_E_NOT_SUPPORTED);
        }
        let (shared, operation) = (Arc::clone(&self.shared), self.slot.id);
        run(async move {
            let params = OperationParams { operation };
            let answer: Result<CancelAnswered, NoUse> = shared.ask(method::CANCEL, &params).await;
            match answer {
                Ok(CancelAnswered::Cancelled) => Ok(HResult::S_OK),
                Ok(CancelAnswered::TooLate) => Ok(HResult::VDS_E_CANCEL_TOO_LATE),
                Ok(CancelAnswered::NotSupported) => Ok(HResult::VDS_E_NOT_SUPPORTED),
                Err(NoUse::Refused(error)) => Ok(error.result()),
                Err(NoUse::Died(died)) => Err(died),
            }
        })
    }

    fn adjust(&self, adjustment: Adjustment) -> Answer<HResult> {
        let method = match adjustment {
            Adjustment::Pause => method::PAUSE,
            Adjustment::Resume => method::RESUME,
            Adjustment::Priority(_) => method::SET_PRIORITY,
        };
        if !self.shared.has(method) {
            return vds_provider::answer(HResult::VDS_E_NOT_SUPPORTED);
        }
        let (shared, operation) = (Arc::clone(&self.shared), self.slot.id);
        run(async move {
            let adjusted: Result<Nothing, NoUse> = match adjustment {
                Adjustment::Priority(priority) => {
                    let priority = priority.value();
                    shared.ask(method, &PriorityParams { operation, priority }).await
                }
                _ => shared.ask(method, &OperationParams { operation }).await,
            };
            match adjusted {
                Ok(Nothing {}) => Ok(HResult::S_OK),
                Err(NoUse::Refused(error)) => Ok(error.result()),
                Err(NoUse::Died(died)) => Err(died),
            }
        })
    }
}

/// Asks in a task of its own: a question is asked to its end, also when nobody waits for the answer any more.
fn run<T: Send + 'static>(
    question: impl Future<Output = Result<T, Died>> + Send + 'static,
) -> Answer<T> {
    let asked = tokio::spawn(question);
    Box::pin(async move {
        asked.await.unwrap_or_else(|_| Err(Died::new("the question was broken off")))
    })
}

impl PluginProvider {
    /// Begins to keep a plug-in alive. Inside a tokio runtime.
    pub fn start(spec: PluginSpec) -> Self {
        let id = OnceLock::new();
        if let Some(known) = spec.known_id {
            let _ = id.set(known);
        }
        let shared = Arc::new(Shared {
            spec,
            log: LogTail::default(),
            restart: Notify::new(),
            id,
            stopping: watch::Sender::new(false),
            state: watch::Sender::new(RunState::Starting),
            link: watch::Sender::new(None),
            handshake: Mutex::default(),
            confinement: Mutex::default(),
            starts: AtomicU64::new(0),
            slots: Slots::default(),
            seen: Mutex::default(),
            notes: Mutex::default(),
            events: EventLog::new(),
            changes: watch::Sender::new(0),
            synchronize: OnceLock::new(),
        });
        let supervision = tokio::spawn(supervise(Arc::clone(&shared)));
        Self { shared, supervision: Arc::new(Mutex::new(Some(supervision))) }
    }

    /// Waits for the first handshake, whatever comes of it.
    ///
    /// # Errors
    /// Why it does not run; it is stopped then.
    pub async fn first_handshake(&self) -> Result<ProviderId, Refusal> {
        match self.settled(1).await {
            Ok(()) => Ok(self.id()),
            Err(refusal) => {
                self.stop().await;
                Err(refusal)
            }
        }
    }

    /// Waits until it is known what came of the first start: it runs, or not. It goes on either way.
    pub async fn first_settled(&self) {
        // Why it does not run is in its status.
        let _ = self.settled(1).await;
    }

    /// Waits until what came of the start with this number is known.
    async fn settled(&self, start: u64) -> Result<(), Refusal> {
        let shared = &self.shared;
        let mut states = shared.state.subscribe();
        let state = loop {
            let state = states.borrow_and_update().clone();
            let is_begun = shared.starts.load(Ordering::Acquire) >= start;
            if state == RunState::Stopped || (is_begun && state != RunState::Starting) {
                break state;
            }
            if states.changed().await.is_err() {
                break RunState::Stopped;
            }
        };
        let (result, reason) = match state {
            RunState::Running { .. } => return Ok(()),
            RunState::Failed { result, reason } => (result, reason),
            RunState::Waiting { reason, .. } => (HResult::VDSX_E_PROVIDER_START, reason),
            RunState::Starting | RunState::Stopped => {
                (HResult::VDSX_E_PROVIDER_START, "it was stopped".to_owned())
            }
        };
        let last = shared.log.lines().last().cloned();
        let said = last.map(|line| format!("; its last words: {line}")).unwrap_or_default();
        let message = format!("provider {} does not run: {reason}{said}", self.name());
        Err(Refusal::new(result, message))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared.spec.name
    }

    /// What it was registered with.
    pub fn spec(&self) -> &PluginSpec {
        &self.shared.spec
    }

    /// How it is.
    pub fn status(&self) -> PluginStatus {
        PluginStatus {
            state: self.shared.state.borrow().clone(),
            handshake: locked(&self.shared.handshake).clone(),
            confinement: locked(&self.shared.confinement).clone(),
            starts: self.shared.starts.load(Ordering::Relaxed),
            log: self.shared.log.lines(),
        }
    }

    /// A number that grows whenever something may have changed: objects, operations, the process.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Whether questions can be asked now.
    pub fn is_running(&self) -> bool {
        self.shared.link.borrow().is_some()
    }

    /// What is to be done before the end of an operation is told. Set once.
    pub fn on_end(&self, synchronize: Synchronize) {
        let _ = self.shared.synchronize.set(synchronize);
    }

    /// Ends the process and starts it again at once; waits for what comes of that.
    ///
    /// # Errors
    /// Why it does not run. It is started again later, if that may help.
    pub async fn restart(&self) -> Result<(), Refusal> {
        let starts = self.shared.starts.load(Ordering::Acquire);
        self.shared.restart.notify_one();
        self.settled(starts + 1).await
    }

    /// Ends the process for good, and every operation with it: the plug-in is not registered any more.
    pub async fn remove(&self) {
        self.stop().await;
        for slot in self.shared.slots.open() {
            slot.lose(Known::Lost(Died::new("it was removed while the operation was under way")));
        }
    }

    /// Ends the process: told first, then killed. Operations under way are left as they are, for the next start.
    pub async fn stop(&self) {
        self.shared.stopping.send_replace(true);
        let supervision = locked(&self.supervision).take();
        if let Some(supervision) = supervision {
            // Its panic is told by the runtime.
            let _ = supervision.await;
        }
    }

    /// Where the data of this LUN has moved how often, as of the last view.
    pub fn data_version(&self, lun: LunId) -> u64 {
        let seen = locked(&self.shared.seen);
        seen.as_ref().and_then(|seen| seen.data_versions.get(&lun).copied()).unwrap_or(0)
    }

    /// Adds to the notes of a LUN what the service has to say of it, or takes that away.
    pub fn set_note(&self, lun: LunId, note: Option<&str>) {
        let is_news = {
            let mut notes = locked(&self.shared.notes);
            let old = match note {
                Some(note) => notes.insert(lun, note.to_owned()),
                None => notes.remove(&lun),
            };
            old.as_deref() != note
        };
        if is_news {
            // Shown anew with the next view.
            *locked(&self.shared.seen) = None;
        }
    }

    /// Asks for the data of a LUN.
    ///
    /// # Errors
    /// It has none to hand over, or cannot be asked.
    pub async fn open_lun(&self, lun: LunId) -> Result<OpenedLun, Refusal> {
        let shared = Arc::clone(&self.shared);
        let opened = run(async move {
            if !shared.has(method::LUN_OPEN) {
                let message = format!("provider {} hands over no data", shared.spec.name);
                return Ok(Err(Refusal::new(HResult::VDS_E_NOT_SUPPORTED, message)));
            }
            let link = shared.link_now()?;
            let answer = link.call(method::LUN_OPEN, &LunParams { lun }).await?;
            let raw = match answer.outcome {
                Ok(raw) => raw,
                Err(error) => return Ok(Err(error.refusal())),
            };
            let opened: LunOpened = read(method::LUN_OPEN, &raw)?;
            let descriptor = answer.descriptor.filter(|_| opened.descriptor);
            let descriptor = descriptor.ok_or_else(|| broken("a LUN without a descriptor"))?;
            Ok(Ok(OpenedLun {
                size_bytes: opened.size_bytes,
                is_read_only: opened.is_read_only,
                descriptor,
            }))
        });
        opened.await.unwrap_or_else(|died| Err(Refusal::new(died.result, died.to_string())))
    }

    /// Tells that the data of a LUN is not used any more. Whether that is heard does not matter.
    pub async fn close_lun(&self, lun: LunId) {
        let shared = Arc::clone(&self.shared);
        let closed = run(async move {
            if shared.has(method::LUN_CLOSE) {
                let params = LunParams { lun };
                let closed: Result<Nothing, NoUse> = shared.ask(method::LUN_CLOSE, &params).await;
                closed.map_err(NoUse::into_died)?;
            }
            Ok(())
        });
        if let Err(died) = closed.await {
            tracing::debug!(provider = self.name(), lun = %lun, error = %died, "not closed");
        }
    }

    /// The secrets of a target.
    ///
    /// # Errors
    /// It cannot be asked, or answers with secrets that are none: nobody may log in then.
    pub async fn target_chap(&self, target: TargetId) -> Result<Option<Chap>, Refusal> {
        let shared = Arc::clone(&self.shared);
        let asked = run(async move {
            let params = TargetParams { target };
            let answer: Result<ChapAnswer, NoUse> = shared.ask(method::TARGET_CHAP, &params).await;
            let chap = answer.map_err(NoUse::into_died)?.chap.map(Chap::try_from).transpose();
            chap.map_err(|error| broken(format!("secrets of {target}: {error}")))
        });
        asked.await.map_err(|died| Refusal::new(died.result, died.to_string()))
    }

    /// Whether it does operations of this kind.
    pub fn offers(&self, kind: OperationKind) -> bool {
        self.shared.declared(kind).is_some()
    }
}

impl Provider for PluginProvider {
    fn id(&self) -> ProviderId {
        // Nil until the first handshake, before which nobody is given the provider.
        self.shared.id.get().copied().unwrap_or(ProviderId::nil())
    }

    fn view(&self) -> Answer<Arc<View>> {
        let shared = Arc::clone(&self.shared);
        run(async move { shared.view().await })
    }

    fn plan(&self, request: Request) -> Answer<Result<Plan, Refusal>> {
        let shared = Arc::clone(&self.shared);
        run(async move { shared.plan(request).await })
    }

    fn start(&self, context: StartContext, request: Request) -> Answer<RawStart> {
        let shared = Arc::clone(&self.shared);
        run(async move { shared.start(context, request).await })
    }

    fn query_max_lun_create_size(&self, query: MaxSizeQuery) -> Answer<Result<u64, Refusal>> {
        let shared = Arc::clone(&self.shared);
        run(async move { shared.max_size(query).await })
    }

    fn find_operation(&self, id: OperationId) -> Answer<Option<Arc<dyn RawOperation>>> {
        let shared = Arc::clone(&self.shared);
        run(async move { shared.find(id).await })
    }

    fn operations(&self) -> Answer<Vec<Operation>> {
        // A plug-in begins no operations by itself.
        vds_provider::answer(Vec::new())
    }

    fn next_events(&self, after: u64) -> Answer<EventBatch> {
        let next = self.shared.events.next(after);
        Box::pin(async move { Ok(next.await) })
    }
}
