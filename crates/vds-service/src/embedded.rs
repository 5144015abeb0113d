//! The embedded array as a provider: its engine on a thread of its own, reached by messages, with the iSCSI server beside it.
//!
//! ```text
//!   control plane, any thread                      engine's thread (tokio current_thread, LocalSet)
//!   EmbeddedHost ── bounded channel of jobs ──►  Engine ── Embedded (arrays, drives, LUNs)
//!        ▲                                          │        │ exports, LunIo
//!        └── PortalFacts (shared) ◄── portals ──────┴── vds_target::Server ◄── initiators
//! ```

mod directory;
mod engine;
mod foreign;
mod portals;
mod source;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};
use vds_api::{Damage, Session};
use vds_io::LocalFuture;
use vds_model::{HResult, OperationId, PortalStatus, ProviderId};
use vds_operation::Operation;
use vds_provider::{
    Answer, BoxFuture, Died, EventBatch, EventLog, MaxSizeQuery, Plan, Provider, RawOperation,
    RawStart, Refusal, Request, StartContext, View,
};

use crate::ServiceError;
use crate::convert::PortalFacts;
use crate::edges::Edges;
use engine::Engine;
pub(crate) use engine::own_magics;
pub(crate) use foreign::{ForeignExports, ServedLun};

/// Requests on their way to the engine; beyond it callers wait.
const JOBS_MAX: usize = 256;

/// Work for the engine's thread.
type Job = Box<dyn FnOnce(std::rc::Rc<Engine>) -> LocalFuture<()> + Send>;

/// What the engine is started with.
pub(crate) struct Setup {
    /// The provider's id.
    pub(crate) provider: ProviderId,
    /// Places to look for members of arrays.
    pub(crate) drives: Vec<String>,
    /// Whether the block devices of the machine are looked at, too.
    pub(crate) scan_devices: bool,
}

/// What is known of portals, told by the engine's thread.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) portals: PortalFacts,
    /// Grows with every change of `portals`.
    pub(crate) version: u64,
}

/// The embedded array, from any thread. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub(crate) struct EmbeddedHost {
    inner: Arc<Inner>,
}

struct Inner {
    id: ProviderId,
    jobs: mpsc::Sender<Job>,
    events: EventLog,
    facts: Arc<Mutex<Facts>>,
    /// The last view handed out: as long as nothing changes it is the same one.
    view: Mutex<Option<Arc<View>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

fn died() -> Died {
    Died::new("the engine's thread has ended")
}

impl EmbeddedHost {
    /// Starts the engine's thread. Arrays are not looked for yet: see [`EmbeddedHost::discover`].
    ///
    /// # Errors
    /// The thread or its runtime could not be started.
    pub(crate) async fn start(setup: Setup) -> Result<Self, ServiceError> {
        let id = setup.provider;
        let (jobs, receiver) = mpsc::channel(JOBS_MAX);
        let (ready, started) = oneshot::channel();
        let facts = Arc::new(Mutex::new(Facts::default()));
        let shared = Arc::clone(&facts);
        let thread = std::thread::Builder::new()
            .name("vds-engine".to_owned())
            .spawn(move || engine::run(setup, shared, receiver, ready))
            .map_err(|source| ServiceError::Engine { source })?;
        let started = started.await.unwrap_or_else(|_| Err(std::io::Error::other(died().how)));
        let events = started.map_err(|source| ServiceError::Engine { source })?;
        let (view, thread) = (Mutex::default(), Mutex::new(Some(thread)));
        Ok(Self { inner: Arc::new(Inner { id, jobs, events, facts, view, thread }) })
    }

    /// Does something on the engine's thread and brings the answer back.
    fn call<T, F>(&self, work: impl FnOnce(std::rc::Rc<Engine>) -> F + Send + 'static) -> Answer<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let jobs = self.inner.jobs.clone();
        Box::pin(async move {
            let (sender, receiver) = oneshot::channel();
            let job: Job = Box::new(move |engine| {
                let work = work(engine);
                Box::pin(async move {
                    // Whoever asked may have gone; the work is done all the same.
                    let _ = sender.send(work.await);
                })
            });
            jobs.send(job).await.map_err(|_| died())?;
            receiver.await.map_err(|_| died())
        })
    }

    /// Looks for arrays on the drives and opens what can be opened.
    pub(crate) async fn discover(&self) {
        let answer = self.call(|engine| async move { engine.embedded.discover().await });
        if let Err(error) = answer.await {
            tracing::error!(%error, "arrays were not looked for");
        }
    }

    /// Takes over what another provider exports, and waits, for a while, until initiators see it.
    pub(crate) async fn set_exports(&self, provider: ProviderId, exports: ForeignExports) {
        let set =
            self.call(move |engine| async move { engine.set_exports(provider, exports).await });
        if let Err(error) = set.await {
            tracing::debug!(%error, "exports were not taken over");
        }
    }

    /// Ends sessions, brings everything to the drives, releases them, and ends the thread.
    pub(crate) async fn shutdown(&self) {
        let closed = self.call(|engine| async move { engine.close().await }).await;
        if let Err(error) = closed {
            tracing::error!(%error, "the array was not closed cleanly");
        }
        let thread = self.inner.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && tokio::task::spawn_blocking(move || thread.join())
                .await
                .is_ok_and(|end| end.is_err())
        {
            tracing::error!("the engine's thread ended with a panic");
        }
    }

    fn facts(&self) -> std::sync::MutexGuard<'_, Facts> {
        self.inner.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one of our portals listens on exactly this address.
    pub(crate) fn listens(&self, listen: SocketAddr) -> bool {
        self.facts().portals.listening.values().any(|address| *address == listen)
    }

    /// The engine's view with the portals as they are. The generation counts both.
    fn completed(&self, seen: &Arc<View>) -> Arc<View> {
        let facts = self.facts();
        let generation = seen.generation + facts.version;
        let mut last = self.inner.view.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = &*last
            && last.generation == generation
        {
            return Arc::clone(last);
        }
        let mut view = View::clone(seen);
        view.generation = generation;
        for portal in &mut view.portals {
            let id = portal.properties.id;
            portal.properties.status = if facts.portals.listening.contains_key(&id) {
                PortalStatus::Online
            } else if facts.portals.failed.contains_key(&id) {
                PortalStatus::Failed
            } else {
                PortalStatus::NotReady
            };
        }
        let view = Arc::new(view);
        *last = Some(Arc::clone(&view));
        view
    }
}

/// The address, with a free port where it leaves the choice open, if it can be listened on now. Somebody else may take it
/// before that is done; the portal then shows that.
pub(crate) fn check_address(listen: SocketAddr) -> Result<SocketAddr, Refusal> {
    TcpListener::bind(listen).and_then(|listener| listener.local_addr()).map_err(|error| {
        let message = format!("cannot listen on {listen}: {error}");
        Refusal::new(HResult::VDSX_E_LISTEN_FAILED, message)
    })
}

impl Provider for EmbeddedHost {
    fn id(&self) -> ProviderId {
        self.inner.id
    }

    fn view(&self) -> Answer<Arc<View>> {
        let host = self.clone();
        let view = self.call(|engine| async move { engine.view().await });
        Box::pin(async move { Ok(host.completed(&view.await?)) })
    }

    fn plan(&self, request: Request) -> Answer<Result<Plan, Refusal>> {
        self.call(|engine| async move { engine.embedded.plan(&request).await })
    }

    fn start(&self, context: StartContext, request: Request) -> Answer<RawStart> {
        let request = match request {
            // Where one of ours listens already the array says so.
            Request::AddPortal { listen, .. } if self.listens(listen) => request,
            Request::AddPortal { subsystem, listen, announce } => match check_address(listen) {
                Ok(listen) => Request::AddPortal { subsystem, listen, announce },
                Err(refusal) => return vds_provider::answer(RawStart::refused(refusal)),
            },
            other => other,
        };
        self.call(|engine| async move {
            engine.source.note(&request);
            engine.embedded.start(context, request).await
        })
    }

    fn query_max_lun_create_size(&self, query: MaxSizeQuery) -> Answer<Result<u64, Refusal>> {
        self.call(|engine| async move { engine.embedded.query_max_lun_create_size(query).await })
    }

    fn find_operation(&self, id: OperationId) -> Answer<Option<Arc<dyn RawOperation>>> {
        self.call(move |engine| async move {
            let found = engine.embedded.find_operation(id);
            found.map(|operation| -> Arc<dyn RawOperation> { Arc::new(operation) })
        })
    }

    fn operations(&self) -> Answer<Vec<Operation>> {
        self.call(|engine| async move { engine.embedded.operations() })
    }

    fn next_events(&self, after: u64) -> Answer<EventBatch> {
        let next = self.inner.events.next(after);
        Box::pin(async move { Ok(next.await) })
    }
}

impl Edges for EmbeddedHost {
    fn portal_facts(&self) -> PortalFacts {
        self.facts().portals.clone()
    }

    fn sessions(&self) -> BoxFuture<Vec<Session>> {
        let sessions = self.call(|engine| async move { engine.sessions() });
        Box::pin(async move { sessions.await.unwrap_or_default() })
    }

    fn damage(&self) -> BoxFuture<Vec<Damage>> {
        let damage = self.call(|engine| async move { engine.damage() });
        Box::pin(async move { damage.await.unwrap_or_default() })
    }

    fn on_disk_version(&self) -> u32 {
        vds_array::FORMAT_VERSION
    }
}
