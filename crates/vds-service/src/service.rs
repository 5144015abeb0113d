//! The service as a whole: starting, stopping.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use vds_model::{OperationId, ProviderId};
use vds_operation::HistoryLimits;
use vds_provider::Deadlines;

use crate::ServiceError;
use crate::audit::Audit;
use crate::edges::{Edges, NoEdges};
use crate::embedded::{EmbeddedHost, Setup};
use crate::lock::DirectoryLock;
use crate::plugins::Plugins;
use crate::registry::{Loaded, Registry};
use crate::rest::{App, Socket, SocketOptions};
use crate::store::Store;
use crate::world::unix_ms;

/// The store in the data directory.
const STORE_FILE: &str = "service.redb";
/// The group that may use the socket, where it exists.
const SOCKET_GROUP: &str = "vds";
/// How long a stopping service waits for operations that are about to end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// How a service is to be started.
#[derive(Clone)]
pub struct Config {
    /// Where it keeps its own state; made if it is not there.
    pub data_directory: PathBuf,
    /// Where clients reach it; `None` for a service that only its own program uses.
    pub socket: Option<PathBuf>,
    /// Paths that may carry members of arrays, beside those where some were found before.
    pub drives: Vec<String>,
    /// Whether the block devices of the machine are looked at for members, too.
    pub scan_devices: bool,
    /// Whether there is an embedded array.
    pub embedded: bool,
    /// Further providers.
    pub providers: Vec<Loaded>,
    /// How much of the past is kept.
    pub history: HistoryLimits,
    /// How long providers may be silent.
    pub deadlines: Deadlines,
    /// The program that launches plug-in providers: one that carries [`vds_plugin_host::run_launcher`]. None for a service
    /// without plug-ins.
    pub launcher: Option<PathBuf>,
}

impl Config {
    /// The usual service on this data directory, without a socket.
    pub fn new(data_directory: impl Into<PathBuf>) -> Self {
        Self {
            data_directory: data_directory.into(),
            socket: None,
            drives: Vec::new(),
            scan_devices: false,
            embedded: true,
            providers: Vec::new(),
            history: HistoryLimits::default(),
            deadlines: Deadlines::default(),
            launcher: None,
        }
    }
}

/// A running service. To be ended with [`Service::shutdown`]; merely dropped, it goes on until its runtime or the process
/// ends, and that as after a crash.
pub struct Service {
    registry: Registry,
    plugins: Plugins,
    stopping: watch::Sender<bool>,
    socket: Option<Socket>,
    socket_path: Option<PathBuf>,
    followers: Vec<JoinHandle<()>>,
    auditing: JoinHandle<()>,
    audit: Option<Audit>,
    instance: String,
    host: Option<EmbeddedHost>,
    data_directory: PathBuf,
    _lock: DirectoryLock,
}

/// Starts the engine where members of arrays may be: as configured, and where some were found before.
async fn start_host(
    config: &Config,
    store: &Arc<Store>,
    provider: ProviderId,
) -> Result<EmbeddedHost, ServiceError> {
    let mut drives = config.drives.clone();
    for path in store.drives()? {
        if !drives.contains(&path) {
            drives.push(path);
        }
    }
    EmbeddedHost::start(Setup { provider, drives, scan_devices: config.scan_devices }).await
}

fn make_directory(path: &Path) -> Result<(), ServiceError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| ServiceError::File { action: "make", path: path.into(), source })
}

impl Service {
    /// Starts the service inside the current tokio runtime. When it returns, arrays have been looked for, unfinished
    /// operations taken up, and the socket answers; requests that come in earlier are told to come again.
    ///
    /// # Errors
    /// [`ServiceError`]; nothing is running then.
    pub async fn start(config: Config) -> Result<Self, ServiceError> {
        make_directory(&config.data_directory)?;
        let lock = DirectoryLock::take(&config.data_directory)?;
        let store = Arc::new(Store::open(&config.data_directory.join(STORE_FILE))?);
        let identity = store.identity()?;
        let options = config
            .socket
            .clone()
            .map(|path| SocketOptions { path, group: Some(SOCKET_GROUP.to_owned()) });
        let bound = match options {
            Some(options) => Some((Socket::bind(&options).await?, options)),
            None => None,
        };
        let host = if config.embedded {
            Some(start_host(&config, &store, identity.provider).await?)
        } else {
            None
        };
        let own =
            host.iter().map(|host| Loaded { provider: Arc::new(host.clone()), resumes: true });
        let providers = own.chain(config.providers).collect();
        let registry =
            Registry::new(providers, Arc::clone(&store), config.history, config.deadlines);
        let plugins = Plugins::new(
            registry.clone(),
            Arc::clone(&store),
            host.clone(),
            config.launcher,
            config.deadlines,
        );
        let (audit, auditing) = Audit::start(Arc::clone(&store));
        let mut service = Self {
            registry,
            plugins,
            stopping: watch::Sender::new(false),
            socket: None,
            socket_path: config.socket,
            followers: Vec::new(),
            auditing,
            audit: Some(audit),
            instance: OperationId::from_bytes(identity.instance).to_string(),
            host,
            data_directory: config.data_directory,
            _lock: lock,
        };
        if let Some((listener, options)) = bound {
            service.serve(&options, listener);
        }
        if let Err(error) = service.take_up().await {
            // Who waits for the start is answered before the socket is closed.
            service.registry.phases().fail(error.to_string());
            service.shutdown().await;
            return Err(error);
        }
        tracing::info!(instance = service.instance, "the service is running");
        Ok(service)
    }

    fn serve(&mut self, options: &SocketOptions, listener: UnixListener) {
        let edges: Arc<dyn Edges> = match &self.host {
            Some(host) => Arc::new(host.clone()),
            None => Arc::new(NoEdges),
        };
        let app = Arc::new(App {
            registry: self.registry.clone(),
            plugins: self.plugins.clone(),
            edges,
            audit: self.audit.clone().expect("taken only by the shutdown"),
            instance: self.instance.clone(),
            data_directory: self.data_directory.clone(),
            started_unix_ms: unix_ms(),
            stopping: self.stopping.subscribe(),
        });
        let stopped = self.stopping.subscribe();
        self.socket = Some(Socket::serve(options, listener, app, stopped));
    }

    /// Looks for arrays, takes up what had not ended, and lets requests in; then, ready or not, plug-ins tell what they have.
    async fn take_up(&mut self) -> Result<(), ServiceError> {
        if let Some(host) = &self.host {
            host.discover().await;
        }
        let plugins = self.plugins.start().await?;
        self.registry.resume().await?;
        self.followers = self.registry.follow();
        self.registry.phases().run(plugins.iter().map(|plugin| plugin.name().to_owned()).collect());
        for plugin in plugins {
            let registry = self.registry.clone();
            self.followers.push(tokio::spawn(async move {
                plugin.first_settled().await;
                registry.phases().settle(plugin.name());
            }));
        }
        Ok(())
    }

    /// Providers, objects and operations.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The data directory's id, the same over restarts.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Where clients reach it.
    pub fn socket(&self) -> Option<&Path> {
        self.socket_path.as_deref()
    }

    /// Stops: no new work is taken, long polls and event streams end, what is about to end is waited for, then the
    /// embedded array is closed. Operations that are not done go on at the next start.
    pub async fn shutdown(mut self) {
        self.registry.phases().stop();
        self.stopping.send_replace(true);
        if let Some(socket) = self.socket.take() {
            socket.close().await;
        }
        for follower in &self.followers {
            follower.abort();
        }
        self.plugins.shutdown().await;
        if let Some(host) = &self.host {
            host.shutdown().await;
        }
        let left = self.registry.drained(DRAIN_TIMEOUT).await;
        if left > 0 {
            tracing::info!(left, "operations go on at the next start");
        }
        self.audit = None;
        if tokio::time::timeout(DRAIN_TIMEOUT, &mut self.auditing).await.is_err() {
            tracing::warn!("the end of the audit trail was not written");
        }
        tracing::info!(instance = self.instance, "the service has stopped");
    }
}
