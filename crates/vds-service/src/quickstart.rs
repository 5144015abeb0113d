//! The first minutes: an array on drive files, a portal on the loopback, a LUN that anybody on this machine may use.
//!
//! Every step looks first whether it is done, so that a second start finds what the first one made, and one that was
//! interrupted is finished.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use vds_api as api;
use vds_model::{HResult, LunType, SubsystemId, SubsystemStatus, UnmaskingList};
use vds_operation::{IdempotencyKey, Operation, Output};
use vds_provider::{CreateLun, NewDrive, Refusal, Request, Wipe};

use crate::convert;
use crate::lookup::Snapshot;
use crate::registry::Asker;
use crate::service::{DRIVE_FILES, Service};

/// The port that iSCSI has.
const ISCSI_PORT: u16 = 3260;
/// How long an array may take to open: it waits for a minute for drives that are away.
const OPEN_TIMEOUT: Duration = Duration::from_secs(90);
/// How often it is looked at meanwhile.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// What is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuickstartOptions {
    /// Drive files.
    pub drives: usize,
    /// The size of each, in whole blocks of 4096 bytes.
    pub drive_bytes: u64,
    /// The size of the LUN.
    pub lun_bytes: u64,
}

impl Default for QuickstartOptions {
    /// Four drive files of 2 GiB, a LUN of 1 GiB.
    fn default() -> Self {
        Self { drives: 4, drive_bytes: 2 << 30, lun_bytes: 1 << 30 }
    }
}

/// What there is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quickstart {
    /// Whether the array was made by this call.
    pub is_new: bool,
    /// The array.
    pub subsystem: api::Subsystem,
    /// Its drives.
    pub drives: Vec<api::Drive>,
    /// Its portals.
    pub portals: Vec<api::Portal>,
    /// Its LUNs, with where to find them; none if the first one was deleted since.
    pub luns: Vec<api::Lun>,
}

/// Why it did not come about. What was made before the step that failed stays, and is found by the next call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuickstartError {
    /// A drive file could not be made.
    #[error("cannot make the drive file {}: {reason}", path.display())]
    DriveFile {
        /// The file.
        path: PathBuf,
        /// What happened.
        reason: String,
        /// The result.
        result: HResult,
    },
    /// A step was refused or failed.
    #[error("cannot {step}: {reason}")]
    Step {
        /// What was to be done.
        step: &'static str,
        /// What happened.
        reason: String,
        /// The result.
        result: HResult,
        /// What to do about it.
        hint: String,
    },
}

impl QuickstartError {
    /// The result to report.
    pub fn result(&self) -> HResult {
        match self {
            Self::DriveFile { result, .. } | Self::Step { result, .. } => *result,
        }
    }

    /// Stable: in `--json` and logs.
    pub fn code(&self) -> &'static str {
        self.result().code()
    }

    /// What to do about it.
    pub fn hint(&self) -> &str {
        match self {
            Self::DriveFile { result, .. } => result.entry().map_or("", |entry| entry.advice()),
            Self::Step { hint, .. } => hint,
        }
    }
}

fn refused(step: &'static str) -> impl Fn(Refusal) -> QuickstartError {
    move |refusal| QuickstartError::Step {
        step,
        hint: refusal.hint().to_owned(),
        result: refusal.result,
        reason: refusal.message,
    }
}

/// Makes what is not there yet. `begun` is told of each operation that is begun: what it is for, and its id.
///
/// # Errors
/// [`QuickstartError`]; what was made so far stays.
pub async fn quickstart(
    service: &Service,
    options: &QuickstartOptions,
    begun: &mut (dyn FnMut(&'static str, &api::Operation) + Send),
) -> Result<Quickstart, QuickstartError> {
    let mut steps = Steps { service, begun };
    let found = steps.snapshot().await;
    let existing = found.views.iter().find_map(|(_, view)| view.subsystems.first());
    let (subsystem, is_new) = match existing {
        Some(subsystem) => (steps.opened(subsystem.properties.id).await?, false),
        None => (steps.make_array(options).await?, true),
    };
    steps.make_portal(subsystem).await?;
    steps.make_lun(subsystem, options).await?;
    Ok(steps.summary(subsystem, is_new).await)
}

struct Steps<'a> {
    service: &'a Service,
    begun: &'a mut (dyn FnMut(&'static str, &api::Operation) + Send),
}

impl Steps<'_> {
    async fn snapshot(&self) -> Snapshot {
        self.service.registry().snapshot().await
    }

    /// Begins a step and waits for its end. A key that was used by an operation that failed is not used again.
    async fn run(
        &mut self,
        step: &'static str,
        key: Option<String>,
        request: Request,
    ) -> Result<Output, QuickstartError> {
        let registry = self.service.registry();
        let Some(provider) = registry.providers().first().map(vds_provider::Checked::id) else {
            let message = "the service has no provider";
            return Err(refused(step)(Refusal::new(HResult::VDS_E_OBJECT_NOT_FOUND, message)));
        };
        let mut asker = Asker::service("quickstart");
        asker.key = key.and_then(IdempotencyKey::new);
        let start = |asker| registry.start(asker, provider, request.clone());
        let mut operation = start(asker.clone()).await.map_err(refused(step))?;
        if operation.try_result().is_some_and(|result| result.is_err()) && asker.key.is_some() {
            asker.key = None;
            operation = start(asker).await.map_err(refused(step))?;
        }
        let shown = |operation: &Operation| registry.shown(operation, &operation.status());
        (self.begun)(step, &shown(&operation));
        (&operation).await.map_err(|error| QuickstartError::Step {
            step,
            hint: error.hint().to_owned(),
            result: error.result,
            reason: error.message,
        })
    }

    /// Waits until an array that was found is open.
    async fn opened(&mut self, id: SubsystemId) -> Result<SubsystemId, QuickstartError> {
        let waited = tokio::time::timeout(OPEN_TIMEOUT, async {
            loop {
                let snapshot = self.snapshot().await;
                let mut views = snapshot.views.iter();
                let found = views.find_map(|(_, view)| view.subsystem(id).cloned());
                let is_waiting = found
                    .as_ref()
                    .is_some_and(|found| found.properties.status == SubsystemStatus::NotReady);
                if !is_waiting {
                    return found;
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        });
        match waited.await.ok().flatten() {
            Some(found)
                if !matches!(
                    found.properties.status,
                    SubsystemStatus::Failed | SubsystemStatus::Offline
                ) =>
            {
                Ok(id)
            }
            found => {
                let notes = found.map(|found| found.notes.join("; ")).unwrap_or_default();
                let message = format!("the array {id} does not open: {notes}");
                Err(refused("open the array")(Refusal::new(HResult::VDSX_E_ARRAY_CLOSED, message)))
            }
        }
    }

    async fn make_array(
        &mut self,
        options: &QuickstartOptions,
    ) -> Result<SubsystemId, QuickstartError> {
        let directory = self.service.data_directory().join(DRIVE_FILES);
        let mut drives = Vec::new();
        for number in 1..=options.drives {
            let path = directory.join(format!("drive{number}.img"));
            make_drive_file(&path, options.drive_bytes).await?;
            drives.push(NewDrive { path: path.display().to_string(), wipe: Wipe::No });
        }
        let request = Request::CreateSubsystem { name: "main".to_owned(), drives };
        match self.run("make the array", None, request).await? {
            Output::MakeArray(id) => Ok(id),
            other => unreachable!("an array was asked for and checked, not {other:?}"),
        }
    }

    async fn make_portal(&mut self, subsystem: SubsystemId) -> Result<(), QuickstartError> {
        let snapshot = self.snapshot().await;
        let mut portals = snapshot.views.iter().flat_map(|(_, view)| &view.portals);
        if portals.any(|portal| portal.subsystem == subsystem) {
            return Ok(());
        }
        let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, ISCSI_PORT));
        // Port 0: the provider looks for a free one, which is then the portal's for good.
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let first = if TcpListener::bind(usual).is_ok() { usual } else { any };
        if self.try_portal(subsystem, first).await? {
            return Ok(());
        }
        // Somebody took the port in between.
        self.try_portal(subsystem, any).await?;
        Ok(())
    }

    /// Adds a portal; one that does not come to listen is taken away again. Returns whether it listens.
    async fn try_portal(
        &mut self,
        subsystem: SubsystemId,
        listen: SocketAddr,
    ) -> Result<bool, QuickstartError> {
        let request = Request::AddPortal { subsystem, listen, announce: None };
        let Output::AddPortal(portal) = self.run("open the portal", None, request).await? else {
            unreachable!("a portal was asked for and checked");
        };
        // Looking waits until portals that are about to listen do.
        self.snapshot().await;
        let listens = self.service.portal_facts().listening.contains_key(&portal);
        if !listens {
            self.run("take the portal away", None, Request::RemovePortal { portal }).await?;
        }
        Ok(listens)
    }

    async fn make_lun(
        &mut self,
        subsystem: SubsystemId,
        options: &QuickstartOptions,
    ) -> Result<(), QuickstartError> {
        let snapshot = self.snapshot().await;
        let mut luns = snapshot.views.iter().flat_map(|(_, view)| &view.luns);
        if luns.any(|lun| lun.subsystem == subsystem) {
            return Ok(());
        }
        let mut create = CreateLun::new(subsystem, LunType::Mirror, options.lun_bytes);
        "first".clone_into(&mut create.name);
        create.unmasking_list = UnmaskingList::Everybody;
        // The key makes this happen once: a LUN that was deleted since is not made again.
        let key = format!("quickstart-lun-{subsystem}");
        self.run("create the LUN", Some(key), Request::CreateLun(create)).await?;
        Ok(())
    }

    async fn summary(&mut self, id: SubsystemId, is_new: bool) -> Quickstart {
        let facts = self.service.portal_facts();
        let snapshot = self.snapshot().await;
        let mut summary = None;
        for (provider, view) in &snapshot.views {
            let Some(subsystem) = view.subsystem(id) else { continue };
            let drives = view.drives.iter().filter(|drive| drive.subsystem == Some(id));
            let portals = view.portals.iter().filter(|portal| portal.subsystem == id);
            let luns = view.luns.iter().filter(|lun| lun.subsystem == id);
            summary = Some(Quickstart {
                is_new,
                subsystem: convert::subsystem(*provider, view, subsystem),
                drives: drives.map(convert::drive).collect(),
                portals: portals.map(|portal| convert::portal(portal, &facts)).collect(),
                luns: luns.map(|lun| convert::lun(view, lun, &facts)).collect(),
            });
        }
        summary.expect("the array was open a moment ago, and arrays do not close by themselves")
    }
}

async fn make_drive_file(path: &Path, size_bytes: u64) -> Result<(), QuickstartError> {
    let failed = |result: HResult, reason: String| QuickstartError::DriveFile {
        path: path.to_owned(),
        reason,
        result,
    };
    // Left by a start that was interrupted: an array on it would have been found.
    if path.metadata().is_ok_and(|file| file.is_file() && file.len() == size_bytes) {
        return Ok(());
    }
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)
            .map_err(|error| failed(HResult::VDSX_E_STORE_FAILED, error.to_string()))?;
    }
    let text = path.display().to_string();
    let made =
        tokio::task::spawn_blocking(move || vds_os::create_drive_file(&text, size_bytes)).await;
    match made {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            let result = match error.kind {
                vds_io::DiskErrorKind::NoSpace => HResult::VDSX_E_BACKING_FULL,
                vds_io::DiskErrorKind::Permission => HResult::E_ACCESSDENIED,
                _ => HResult::VDSX_E_DRIVE_OPEN,
            };
            Err(failed(result, error.message))
        }
        Err(_) => {
            Err(failed(HResult::VDSX_E_SERVICE_STOPPING, "the service is stopping".to_owned()))
        }
    }
}
