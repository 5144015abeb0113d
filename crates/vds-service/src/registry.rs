//! All providers as one: their objects, and their operations under one list.
//!
//! ```text
//!   REST, Rust programs ──► Registry ──► Checked ──► Provider
//!                              │ History (by id, by key)
//!                              ├─ Store: intents and ends, found again after a restart
//!                              └─ EventHub: what changed
//! ```

mod extension;
mod phase;
mod resume;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use tokio::sync::watch as channel;
use vds_model::{HResult, OperationId, ProviderId};
use vds_operation::{
    Admission, Fingerprint, History, HistoryLimits, IdempotencyKey, Operation, OperationKind, Owner,
};
use vds_provider::{
    Checked, Deadlines, MaxSizeQuery, Plan, Provider, Refusal, Request, StartContext, Surroundings,
    View,
};

use crate::hub::EventHub;
use crate::lookup::Snapshot;
use crate::store::{ProviderRecords, Store};
use crate::world::{TokioTimer, new_id, unix_ms};
use phase::Phases;

/// How long a list waits for a provider outside this process.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

/// Providers, their objects and operations. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Registry {
    pub(crate) inner: Arc<Inner>,
}

/// Whether a provider can be asked at all.
pub(crate) type Liveness = Arc<dyn Fn() -> bool + Send + Sync>;

/// A provider under supervision.
struct Entry {
    checked: Checked,
    /// None for one that always can.
    liveness: Option<Liveness>,
}

pub(crate) struct Inner {
    providers: RwLock<Vec<Entry>>,
    /// Providers that have not shown their objects in time, and are being waited for in the background.
    late: Mutex<BTreeSet<ProviderId>>,
    /// Providers that take unfinished work up again by themselves.
    resuming: BTreeSet<ProviderId>,
    pub(crate) store: Arc<Store>,
    pub(crate) hub: EventHub,
    operations: Mutex<Operations>,
    phases: Phases,
    /// Counts down the supervisions that have not ended; see [`Registry::drained`].
    pub(crate) supervised: channel::Sender<usize>,
}

/// The operations, and starts that are on their way to becoming one.
struct Operations {
    history: History,
    providers: BTreeMap<OperationId, ProviderId>,
    starting: BTreeMap<IdempotencyKey, channel::Receiver<()>>,
    waiting: BTreeMap<OperationId, resume::Waiting>,
}

impl Operations {
    /// `false`, and nothing changed, if its id or its key is taken.
    fn insert(&mut self, provider: ProviderId, operation: &Operation) -> bool {
        let is_new = self.history.insert(operation.clone());
        if is_new {
            self.providers.insert(operation.id(), provider);
        }
        is_new
    }

    /// Forgets what the limits have no room for; the store is to forget it too.
    fn expire(&mut self) -> Vec<OperationId> {
        let forgotten = self.history.expire(unix_ms());
        for id in &forgotten {
            self.providers.remove(id);
        }
        forgotten
    }
}

/// A provider to be put under supervision.
#[derive(Clone)]
pub struct Loaded {
    /// The provider.
    pub provider: Arc<dyn Provider>,
    /// Whether it takes unfinished work up again by itself, as the embedded array does.
    pub resumes: bool,
}

/// Who asks, and with which key.
#[derive(Clone, Debug)]
pub struct Asker {
    /// Who.
    pub owner: Owner,
    /// The key: the same key with the same request finds the same operation.
    pub key: Option<IdempotencyKey>,
}

impl Asker {
    /// The service itself, for this cause.
    pub fn service(cause: impl Into<String>) -> Self {
        Self { owner: Owner::Service { cause: cause.into() }, key: None }
    }
}

impl Registry {
    pub(crate) fn new(
        providers: Vec<Loaded>,
        store: Arc<Store>,
        limits: HistoryLimits,
        deadlines: Deadlines,
    ) -> Self {
        let resuming = providers.iter().filter(|loaded| loaded.resumes);
        let resuming = resuming.map(|loaded| loaded.provider.id()).collect();
        let checked = providers.into_iter().map(|Loaded { provider, resumes }| {
            let records = ProviderRecords { store: Arc::clone(&store), provider: provider.id() };
            let around = Surroundings {
                timer: Arc::new(TokioTimer),
                store: Arc::new(records),
                deadlines,
                provider_resumes: resumes,
            };
            Checked::new(provider, around)
        });
        let operations = Operations {
            history: History::new(limits),
            providers: BTreeMap::new(),
            starting: BTreeMap::new(),
            waiting: BTreeMap::new(),
        };
        let entries = checked.map(|checked| Entry { checked, liveness: None });
        let inner = Inner {
            providers: RwLock::new(entries.collect()),
            late: Mutex::default(),
            resuming,
            store,
            hub: EventHub::new(),
            operations: Mutex::new(operations),
            phases: Phases::new(),
            supervised: channel::Sender::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    fn operations_locked(&self) -> MutexGuard<'_, Operations> {
        self.inner.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the service stands.
    pub(crate) fn phases(&self) -> &Phases {
        &self.inner.phases
    }

    fn entries(&self) -> RwLockReadGuard<'_, Vec<Entry>> {
        self.inner.providers.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The providers, each with its checks.
    pub fn providers(&self) -> Vec<Checked> {
        self.entries().iter().map(|entry| entry.checked.clone()).collect()
    }

    /// Those that neither come nor go.
    fn permanent(&self) -> Vec<Checked> {
        let entries = self.entries();
        let permanent = entries.iter().filter(|entry| entry.liveness.is_none());
        permanent.map(|entry| entry.checked.clone()).collect()
    }

    /// Puts one more provider under supervision: one that may come and go.
    pub(crate) fn add(
        &self,
        provider: Arc<dyn Provider>,
        liveness: Liveness,
        deadlines: Deadlines,
    ) -> Checked {
        let records =
            ProviderRecords { store: Arc::clone(&self.inner.store), provider: provider.id() };
        let around = Surroundings {
            timer: Arc::new(TokioTimer),
            store: Arc::new(records),
            deadlines,
            provider_resumes: false,
        };
        let checked = Checked::new(provider, around);
        let entry = Entry { checked: checked.clone(), liveness: Some(liveness) };
        self.inner.providers.write().unwrap_or_else(PoisonError::into_inner).push(entry);
        checked
    }

    /// Lets go of a provider. Its operations stay in the list.
    pub(crate) fn remove(&self, id: ProviderId) {
        let mut providers = self.inner.providers.write().unwrap_or_else(PoisonError::into_inner);
        providers.retain(|entry| entry.checked.id() != id);
    }

    /// The provider with this id.
    ///
    /// # Errors
    /// There is none.
    pub fn provider(&self, id: ProviderId) -> Result<Checked, Refusal> {
        let entries = self.entries();
        let found = entries.iter().find(|entry| entry.checked.id() == id);
        found.map(|entry| entry.checked.clone()).ok_or_else(|| {
            Refusal::new(HResult::VDS_E_OBJECT_NOT_FOUND, format!("there is no provider {id}"))
        })
    }

    /// What all providers show now. One that does not answer, not in time, or wrongly, is shown as it was before.
    pub async fn snapshot(&self) -> Snapshot {
        let entries: Vec<(Checked, bool)> = {
            let entries = self.entries();
            let can = |entry: &Entry| entry.liveness.as_ref().is_none_or(|is_running| is_running());
            entries.iter().map(|entry| (entry.checked.clone(), can(entry))).collect()
        };
        let looks = entries.into_iter().map(|(checked, can)| async move {
            let view = if !can {
                checked.last_good_view()
            } else if self.inner.resuming.contains(&checked.id()) {
                look(&checked).await
            } else {
                self.look_in_time(&checked).await
            };
            view.map(|view| (checked.id(), view))
        });
        let views = futures_util::future::join_all(looks).await;
        Snapshot { views: views.into_iter().flatten().collect() }
    }

    /// What a provider shows, if that does not keep everybody else waiting.
    async fn look_in_time(&self, checked: &Checked) -> Option<Arc<View>> {
        let late = || self.inner.late.lock().unwrap_or_else(PoisonError::into_inner);
        let id = checked.id();
        if late().contains(&id) {
            return checked.last_good_view();
        }
        let (registry, asked) = (self.clone(), checked.clone());
        let mut looking = tokio::spawn(async move {
            let view = look(&asked).await;
            registry.inner.late.lock().unwrap_or_else(PoisonError::into_inner).remove(&asked.id());
            view
        });
        if let Ok(looked) = tokio::time::timeout(LOOK_TIMEOUT, &mut looking).await {
            return looked.ok().flatten();
        }
        late().insert(id);
        if looking.is_finished() {
            // It was done just then, and nobody would take the mark away.
            late().remove(&id);
        }
        checked.last_good_view()
    }

    /// What `request` would do. Changes nothing.
    ///
    /// # Errors
    /// Why it would not be done.
    pub async fn plan(&self, provider: ProviderId, request: &Request) -> Result<Plan, Refusal> {
        self.provider(provider)?.plan(request).await
    }

    /// The size in bytes of the largest LUN that could be made so. Not a reservation.
    ///
    /// # Errors
    /// Why none can be made.
    pub async fn max_lun_size(
        &self,
        provider: ProviderId,
        query: &MaxSizeQuery,
    ) -> Result<u64, Refusal> {
        self.provider(provider)?.query_max_lun_create_size(query).await
    }

    /// Begins a request, or finds the operation that was begun with the same key before.
    ///
    /// # Errors
    /// What can be refused at the door; there is no operation then.
    pub async fn start(
        &self,
        asker: Asker,
        provider: ProviderId,
        request: Request,
    ) -> Result<Operation, Refusal> {
        self.phases().check_running()?;
        let checked = self.provider(provider)?;
        let Some(key) = asker.key.clone() else {
            return self.begin(checked, asker, request).await;
        };
        let fingerprint = request.fingerprint();
        loop {
            match self.admit(&key, fingerprint)? {
                Admitted::Found(operation) => return Ok(operation),
                // Somebody else is at the same key: look again when that start has come to something.
                Admitted::Wait(mut other) => {
                    let _ = other.changed().await;
                }
                Admitted::First(turn) => {
                    let begun = self.begin(checked, asker, request).await;
                    self.operations_locked().starting.remove(&key);
                    drop(turn);
                    return begun;
                }
            }
        }
    }

    fn admit(&self, key: &IdempotencyKey, fingerprint: Fingerprint) -> Result<Admitted, Refusal> {
        let mut operations = self.operations_locked();
        match operations.history.admit(Some(key), fingerprint) {
            Admission::Same(operation) => return Ok(Admitted::Found(operation)),
            Admission::Conflict(holder) => {
                let message = format!(
                    "the key {:?} was used for the {} operation {}",
                    key.as_str(),
                    holder.kind(),
                    holder.id()
                );
                return Err(Refusal::new(HResult::VDSX_E_KEY_CONFLICT, message));
            }
            Admission::New => {}
        }
        if let Some(other) = operations.starting.get(key)
            // The sender goes with the start, also when its future was dropped.
            && other.has_changed().is_ok()
        {
            return Ok(Admitted::Wait(other.clone()));
        }
        let (turn, others) = channel::channel(());
        operations.starting.insert(key.clone(), others);
        Ok(Admitted::First(turn))
    }

    async fn begin(
        &self,
        checked: Checked,
        asker: Asker,
        request: Request,
    ) -> Result<Operation, Refusal> {
        let id = OperationId::from_bytes(new_id());
        let mut context = StartContext::new(id, asker.owner, unix_ms());
        context.key = asker.key;
        let registry = self.clone();
        // In a task of its own: a caller that goes away half-way leaves no operation without its supervision.
        let begun = tokio::spawn(async move {
            let drives = drive_paths(&request);
            if !drives.is_empty() {
                registry.remember_drives(drives).await?;
            }
            let started = checked.start(context, request).await?;
            let operation = started.operation.clone();
            registry.take_in(checked.id(), &operation);
            registry.supervise(started.supervise);
            Ok(operation)
        });
        begun.await.unwrap_or_else(|_| {
            let message = "the start broke off; look whether it has happened";
            Err(Refusal::new(HResult::E_UNEXPECTED, message))
        })
    }

    async fn remember_drives(&self, paths: Vec<String>) -> Result<(), Refusal> {
        let store = Arc::clone(&self.inner.store);
        let remembered = tokio::task::spawn_blocking(move || store.remember_drives(&paths)).await;
        match remembered {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Refusal::new(error.result(), error.to_string())),
            Err(_) => {
                let message = "the service is stopping";
                Err(Refusal::new(HResult::VDSX_E_SERVICE_STOPPING, message))
            }
        }
    }

    /// The operation with this id, or a unique beginning of it.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn operation(&self, id: &str) -> Result<Operation, Refusal> {
        let operations = self.operations_locked();
        if let Ok(id) = id.parse::<OperationId>() {
            let waiting = || operations.waiting.get(&id).map(|waiting| &waiting.operation);
            let found = operations.history.by_id(id).or_else(waiting);
            return found.cloned().ok_or_else(|| no_operation(&id.to_string()));
        }
        let wanted = id.to_ascii_lowercase();
        let waiting = operations.waiting.values().map(|waiting| &waiting.operation);
        let mut matching = operations.history.iter().chain(waiting).filter(|operation| {
            wanted.len() >= 4 && operation.id().to_string().starts_with(&wanted)
        });
        match (matching.next(), matching.next()) {
            (Some(only), None) => Ok(only.clone()),
            (None, _) => Err(no_operation(id)),
            (Some(_), Some(_)) => {
                let message = format!("more than one operation begins with {id:?}");
                Err(Refusal::new(HResult::VDSX_E_AMBIGUOUS_NAME, message))
            }
        }
    }

    /// Every operation, running or ended, with its provider; newest first.
    pub fn operations(&self) -> Vec<(Option<ProviderId>, Operation)> {
        let mut all: Vec<_> = {
            let operations = self.operations_locked();
            let of = |operation: &Operation| operations.providers.get(&operation.id()).copied();
            let waiting = operations.waiting.values().map(|waiting| &waiting.operation);
            let listed = operations.history.iter().chain(waiting);
            listed.map(|operation| (of(operation), operation.clone())).collect()
        };
        all.sort_by_cached_key(|(_, operation)| {
            let status = operation.status();
            std::cmp::Reverse((status.created_unix_ms, status.id))
        });
        all
    }

    /// The first event after the one with this number, of objects or operations; waits until there is one. 0 gives the
    /// oldest kept.
    pub async fn next_event(&self, after: u64) -> vds_api::Event {
        self.inner.hub.next(after).await
    }

    /// The number of the newest event, 0 if there was none.
    pub fn last_event(&self) -> u64 {
        self.inner.hub.last()
    }

    /// The provider of an operation.
    pub fn provider_of(&self, id: OperationId) -> Option<ProviderId> {
        self.operations_locked().providers.get(&id).copied()
    }
}

/// What a provider shows now, or showed before.
async fn look(checked: &Checked) -> Option<Arc<View>> {
    match checked.view().await {
        Ok(view) => Some(view),
        Err(refusal) => {
            tracing::warn!(
                provider = %checked.id(), error.code = refusal.code(), error = %refusal,
                "a provider does not show its objects"
            );
            checked.last_good_view()
        }
    }
}

enum Admitted {
    Found(Operation),
    Wait(channel::Receiver<()>),
    First(channel::Sender<()>),
}

fn no_operation(id: &str) -> Refusal {
    Refusal::new(HResult::VDS_E_OBJECT_NOT_FOUND, format!("there is no operation {id:?}"))
        .with_hint("Ended operations are kept for a while only; list those that are known.")
}

/// Where members will be found again, before they are members.
pub(crate) fn drive_paths(request: &Request) -> Vec<String> {
    match request {
        Request::CreateSubsystem { drives, .. } => {
            drives.iter().map(|drive| drive.path.clone()).collect()
        }
        Request::AddDrive { drive, .. } => vec![drive.path.clone()],
        _ => Vec::new(),
    }
}

/// Whether an operation of this kind is worth an event of its own when it is the array's housekeeping.
pub(crate) fn is_quiet(kind: OperationKind) -> bool {
    matches!(kind, OperationKind::Cleaning | OperationKind::FreeSpace)
}
