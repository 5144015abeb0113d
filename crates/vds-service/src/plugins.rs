//! Plug-in providers: registered by the operator, kept in the store, started with the service, served beside its arrays.
//!
//! ```text
//!   REST ──► Plugins ──► Store: Registration
//!               │ one Keeper each
//!               ▼
//!   PluginProvider ◄── Guarded ◄── Checked ◄── Registry         Keeper: what the checked view exports ──► engine's thread
//! ```

mod guarded;
mod keeper;
mod shown;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use vds_api::AddProvider;
use vds_model::{HResult, NAME_BYTES_MAX, ProviderId};
use vds_plugin_host::{ANSWER_DEFAULT, MEMORY_BYTES_DEFAULT, PluginProvider, PluginSpec};
use vds_provider::{Checked, Deadlines, Provider, Refusal};

use crate::ServiceError;
use crate::embedded::EmbeddedHost;
use crate::registry::{Liveness, Registry};
use crate::store::Store;
use guarded::Guarded;
use keeper::Keeper;

/// Most plug-ins.
const PLUGINS_MAX: usize = 64;
/// Bounds of what an operator may choose.
const ANSWER_MIN: Duration = Duration::from_secs(1);
const ANSWER_MAX: Duration = Duration::from_mins(10);
const STALL_MIN: Duration = Duration::from_secs(1);
const STALL_MAX: Duration = Duration::from_hours(24);
const MEMORY_BYTES_MIN: u64 = 16 << 20;
const ARGUMENTS_MAX: usize = 256;
/// The checks wait longer than the conversation does: what that finds out says more.
const CHECKS_LATER: Duration = Duration::from_secs(2);

/// What the store keeps of a plug-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Registration {
    pub(crate) name: String,
    /// The id it gave the first time, as text.
    pub(crate) id: String,
    pub(crate) command: Vec<String>,
    pub(crate) directories: Vec<String>,
    pub(crate) readable: Vec<String>,
    pub(crate) network: bool,
    pub(crate) memory_bytes: u64,
    pub(crate) answer_ms: u64,
    /// How long short work may show nothing new; none for the service's own choice.
    #[serde(default)]
    pub(crate) stall_ms: Option<u64>,
    pub(crate) is_unconfined: bool,
}

struct Kept {
    plugin: PluginProvider,
    /// How long short work of it may show nothing new.
    stall: Duration,
    checked: Checked,
    keeper: Keeper,
    followers: Vec<JoinHandle<()>>,
}

/// All plug-ins. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub(crate) struct Plugins {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    store: Arc<Store>,
    host: Option<EmbeddedHost>,
    launcher: Option<PathBuf>,
    poll: Duration,
    silence: Duration,
    plugins: Mutex<BTreeMap<String, Kept>>,
    /// Registrations are changed one at a time.
    changing: tokio::sync::Mutex<()>,
}

impl Plugins {
    pub(crate) fn new(
        registry: Registry,
        store: Arc<Store>,
        host: Option<EmbeddedHost>,
        launcher: Option<PathBuf>,
        deadlines: Deadlines,
    ) -> Self {
        let inner = Inner {
            registry,
            store,
            host,
            launcher,
            poll: deadlines.poll,
            silence: deadlines.silence,
            plugins: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    fn plugins(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.inner.plugins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts what is registered, without waiting for any of it. What was started.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) async fn start(&self) -> Result<Vec<PluginProvider>, ServiceError> {
        let store = Arc::clone(&self.inner.store);
        let read = tokio::task::spawn_blocking(move || store.plugins()).await;
        let Ok(registrations) = read else { return Ok(Vec::new()) };
        let mut started = Vec::new();
        for registration in registrations? {
            let name = registration.name.clone();
            let stall = registration.stall_ms.map(Duration::from_millis);
            match self.spec(&registration) {
                Ok(spec) => {
                    let plugin = PluginProvider::start(spec);
                    started.push(plugin.clone());
                    self.keep(plugin, stall);
                }
                Err(refusal) => tracing::error!(
                    provider = name, error.code = refusal.code(), error = %refusal,
                    "a plug-in is not started"
                ),
            }
        }
        Ok(started)
    }

    fn spec(&self, registration: &Registration) -> Result<PluginSpec, Refusal> {
        let launcher = self.inner.launcher.clone().ok_or_else(|| {
            let message = "this service was started without a program to launch plug-ins with";
            Refusal::new(HResult::VDS_E_NOT_SUPPORTED, message)
        })?;
        Ok(PluginSpec {
            name: registration.name.clone(),
            command: registration.command.clone(),
            directories: registration.directories.iter().map(PathBuf::from).collect(),
            readable: registration.readable.iter().map(PathBuf::from).collect(),
            network: registration.network,
            memory_bytes: registration.memory_bytes,
            answer: Duration::from_millis(registration.answer_ms),
            is_unconfined: registration.is_unconfined,
            launcher,
            known_id: registration.id.parse().ok(),
            identify: Arc::new(vds_array::lun_identification),
        })
    }

    /// Puts a plug-in under supervision and what it exports into service.
    fn keep(&self, plugin: PluginProvider, stall: Option<Duration>) {
        let answer = plugin.spec().answer + CHECKS_LATER;
        let stall = stall.unwrap_or(self.inner.silence);
        let poll = self.inner.poll.min(stall);
        let deadlines = Deadlines { answer, start: answer, silence: stall, poll };
        let is_running: Liveness = {
            let plugin = plugin.clone();
            Arc::new(move || plugin.is_running())
        };
        let guarded = Guarded { plugin: plugin.clone(), host: self.inner.host.clone() };
        let checked = self.inner.registry.add(Arc::new(guarded), is_running, deadlines);
        let keeper = Keeper::start(plugin.clone(), checked.clone(), self.inner.host.clone());
        let followers = self.inner.registry.follow_one(checked.clone()).into();
        let name = plugin.name().to_owned();
        self.plugins().insert(name, Kept { plugin, stall, checked, keeper, followers });
    }

    /// Registers a plug-in: starts it, has it say who it is, and keeps it.
    ///
    /// # Errors
    /// Something in the request cannot be, or the plug-in does not run; it is not registered then.
    pub(crate) async fn add(&self, body: &AddProvider) -> Result<ProviderId, Refusal> {
        let _changing = self.inner.changing.lock().await;
        let mut registration = registration(body)?;
        if self.plugins().len() >= PLUGINS_MAX {
            let message = format!("there are {PLUGINS_MAX} plug-ins already");
            return Err(Refusal::new(HResult::VDS_E_CONFIG_LIMIT, message));
        }
        let snapshot = self.inner.registry.snapshot().await;
        let is_taken = |name: &str| snapshot.views.iter().any(|(_, v)| v.provider.name == name);
        if self.plugins().contains_key(&body.name) || is_taken(&body.name) {
            let message = format!("there is a provider {} already", body.name);
            return Err(Refusal::new(HResult::VDS_E_OBJECT_EXISTS, message)
                .with_hint("Choose another name, or remove that one first."));
        }
        let plugin = PluginProvider::start(self.spec(&registration)?);
        let id = plugin.first_handshake().await?;
        if self.inner.registry.provider(id).is_ok() {
            plugin.stop().await;
            let message = format!("it calls itself {id}, which another provider is");
            return Err(Refusal::new(HResult::VDSX_E_BAD_ID, message)
                .with_hint("Is it registered already? See: vds provider list."));
        }
        registration.id = id.to_string();
        let store = Arc::clone(&self.inner.store);
        if let Err(refusal) = stored(move || store.put_plugin(&registration)).await {
            plugin.stop().await;
            return Err(refusal);
        }
        self.keep(plugin, body.stall_ms.map(Duration::from_millis));
        Ok(id)
    }

    /// Lets go of a plug-in: its LUNs are no longer served, its process ends, its registration is forgotten. What it has
    /// stays as it is.
    ///
    /// # Errors
    /// There is none of that name, or the store failed.
    pub(crate) async fn remove(&self, name: &str) -> Result<(), Refusal> {
        let _changing = self.inner.changing.lock().await;
        let name = self.named(name)?;
        let (store, forgotten) = (Arc::clone(&self.inner.store), name.clone());
        stored(move || store.forget_plugin(&forgotten)).await?;
        let Some(kept) = self.plugins().remove(&name) else { return Ok(()) };
        kept.keeper.end().await;
        for follower in &kept.followers {
            follower.abort();
        }
        kept.plugin.remove().await;
        self.inner.registry.remove(kept.plugin.id());
        Ok(())
    }

    /// Ends the process of a plug-in and starts it again at once. What it did wrong before is forgotten.
    ///
    /// # Errors
    /// There is none of that name, or it does not run again.
    pub(crate) async fn restart(&self, name: &str) -> Result<(), Refusal> {
        let name = self.named(name)?;
        let plugin = self.plugins().get(&name).map(|kept| {
            kept.keeper.reopen_broken();
            kept.checked.clear_marks();
            kept.plugin.clone()
        });
        match plugin {
            Some(plugin) => plugin.restart().await,
            None => Ok(()),
        }
    }

    /// The name of the plug-in that is called so: by name or id.
    fn named(&self, name: &str) -> Result<String, Refusal> {
        let plugins = self.plugins();
        let mut kept = plugins.iter();
        let found = kept.find(|(own, kept)| *own == name || kept.plugin.id().to_string() == name);
        found.map(|(own, _)| own.clone()).ok_or_else(|| {
            let message = format!("there is no plug-in provider {name:?}");
            Refusal::new(HResult::VDS_E_OBJECT_NOT_FOUND, message)
        })
    }

    /// Tells every plug-in to end.
    pub(crate) async fn shutdown(&self) {
        let all = std::mem::take(&mut *self.plugins());
        let ends = all.into_values().map(|kept| async move {
            kept.keeper.end().await;
            for follower in &kept.followers {
                follower.abort();
            }
            kept.plugin.stop().await;
        });
        futures_util::future::join_all(ends).await;
    }
}

async fn stored(
    work: impl FnOnce() -> Result<(), ServiceError> + Send + 'static,
) -> Result<(), Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Refusal::new(error.result(), error.to_string())),
        Err(_) => Err(Refusal::new(HResult::VDSX_E_SERVICE_STOPPING, "the service is stopping")),
    }
}

fn malformed(message: impl Into<String>) -> Refusal {
    Refusal::new(HResult::VDSX_E_MALFORMED, message)
}

fn absolute(what: &str, path: &str) -> Result<String, Refusal> {
    if !Path::new(path).is_absolute() {
        return Err(malformed(format!("the {what} {path:?} is no absolute path")));
    }
    if !Path::new(path).exists() {
        return Err(malformed(format!("the {what} {path} is not there")));
    }
    Ok(path.to_owned())
}

/// A request to register, with everything in it looked at.
fn registration(body: &AddProvider) -> Result<Registration, Refusal> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if body.name.is_empty() || body.name.len() > NAME_BYTES_MAX || !body.name.bytes().all(is_name) {
        let message = format!("{:?} is no name for a provider", body.name);
        return Err(Refusal::new(HResult::VDSX_E_BAD_NAME, message)
            .with_hint("Use letters, digits, hyphens, underscores and dots."));
    }
    let Some(program) = body.command.first() else {
        return Err(malformed("no program is named"));
    };
    absolute("program", program)?;
    if body.command.len() > ARGUMENTS_MAX {
        return Err(malformed(format!("more than {ARGUMENTS_MAX} arguments")));
    }
    let paths = |what: &str, paths: &[String]| -> Result<Vec<String>, Refusal> {
        paths.iter().map(|path| absolute(what, path)).collect()
    };
    let memory_bytes = body.memory_bytes.unwrap_or(MEMORY_BYTES_DEFAULT);
    if memory_bytes != 0 && memory_bytes < MEMORY_BYTES_MIN {
        return Err(malformed(format!(
            "memory of {memory_bytes} B, at least {MEMORY_BYTES_MIN} are needed"
        )));
    }
    let answer = body.deadline_ms.map_or(ANSWER_DEFAULT, Duration::from_millis);
    if !(ANSWER_MIN..=ANSWER_MAX).contains(&answer) {
        let message = format!("a deadline of {} ms; it has 1 s to 10 min", answer.as_millis());
        return Err(malformed(message));
    }
    if let Some(stall) = body.stall_ms.map(Duration::from_millis)
        && !(STALL_MIN..=STALL_MAX).contains(&stall)
    {
        let message = format!("a stall of {} ms; it has 1 s to 24 h", stall.as_millis());
        return Err(malformed(message));
    }
    Ok(Registration {
        name: body.name.clone(),
        id: String::new(),
        command: body.command.clone(),
        directories: paths("granted path", &body.directories)?,
        readable: paths("readable path", &body.readable)?,
        network: body.network,
        memory_bytes,
        answer_ms: u64::try_from(answer.as_millis()).unwrap_or(u64::MAX),
        stall_ms: body.stall_ms,
        is_unconfined: body.unconfined,
    })
}
