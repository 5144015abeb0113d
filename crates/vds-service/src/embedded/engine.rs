//! The engine's thread: the arrays, the iSCSI server, and the jobs that come in.

use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::LocalSet;
use vds_api::{Damage, Session};
use vds_array::{DamagedThing, Embedded};
use vds_io::{BLOCK_BYTES, DiskSource, World};
use vds_model::ProviderId;
use vds_os::{Magic, OsDiskSource, SourceOptions};
use vds_provider::{EventLog, View};
use vds_target::{Limits, Server};

use super::directory::{Directory, Exporter};
use super::foreign::{Everything, Foreign, ForeignExports};
use super::portals::{Portals, RETRY_INTERVAL};
use super::source::KnownDrives;
use super::{Facts, Job, Setup};

/// How long initiators have to log out when the service stops.
const LOGOUT_GRACE: Duration = Duration::from_secs(2);

/// How long a view waits for portals that are about to listen.
const APPLY_TIMEOUT: Duration = Duration::from_secs(1);

/// The marks of our own members.
pub(crate) fn own_magics() -> Vec<Magic> {
    vec![Magic {
        offset_bytes: 0,
        bytes: vds_array::SUPERBLOCK_MAGIC.to_vec(),
        name: "a member of a VDS array".to_owned(),
    }]
}

/// What lives on the engine's thread.
pub(super) struct Engine {
    pub(super) embedded: Rc<Embedded>,
    pub(super) source: Rc<KnownDrives>,
    foreign: Rc<Foreign>,
    server: Server,
    closing: watch::Sender<bool>,
    /// The version of the exports that portals and sessions have taken over.
    applied: watch::Sender<u64>,
}

/// The thread's main function: serves jobs until the engine is closed or nobody can send any more.
pub(super) fn run(
    setup: Setup,
    facts: Arc<Mutex<Facts>>,
    jobs: mpsc::Receiver<Job>,
    ready: oneshot::Sender<io::Result<EventLog>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            // Nobody waits any more: the service has given up starting.
            let _ = ready.send(Err(error));
            return;
        }
    };
    LocalSet::new().block_on(&runtime, serve(setup, facts, jobs, ready));
    runtime.shutdown_timeout(LOGOUT_GRACE);
}

async fn serve(
    setup: Setup,
    facts: Arc<Mutex<Facts>>,
    mut jobs: mpsc::Receiver<Job>,
    ready: oneshot::Sender<io::Result<EventLog>>,
) {
    let world = vds_os::world();
    let source = Rc::new(KnownDrives::new(OsDiskSource::new(SourceOptions {
        configured: setup.drives,
        scan_devices: setup.scan_devices,
        own: own_magics(),
        ..SourceOptions::default()
    })));
    let drives: Rc<dyn DiskSource> = Rc::<KnownDrives>::clone(&source);
    let embedded = Embedded::new(world.clone(), drives, setup.provider);
    let foreign = Rc::new(Foreign::new());
    let exporter: Rc<dyn Exporter> =
        Rc::new(Everything { embedded: Rc::clone(&embedded), foreign: Rc::clone(&foreign) });
    let directory = Rc::new(Directory::new(exporter));
    let server = Server::new(Rc::<Directory>::clone(&directory), Limits::default());
    let portals = Portals::new(server.clone(), directory, facts, embedded.events());
    let (closing, closed) = watch::channel(false);
    let applied = watch::Sender::new(0);
    let engine = Rc::new(Engine { embedded, source, foreign, server, closing, applied });
    follow_exports(&world, &engine, portals, closed.clone());
    let _ = ready.send(Ok(engine.embedded.events()));
    loop {
        let mut closed = closed.clone();
        let job = tokio::select! {
            job = jobs.recv() => job,
            _ = closed.wait_for(|closed| *closed) => return,
        };
        let Some(job) = job else {
            // The service is gone without a word: the drives are let go all the same.
            engine.close().await;
            return;
        };
        // A panic in a job ends the process: what the engine holds would be half-changed, a restart recovers.
        world.spawn.spawn("request", job(Rc::clone(&engine)));
    }
}

/// Applies what the arrays export, whenever it changes, until the engine closes.
fn follow_exports(
    world: &World,
    engine: &Rc<Engine>,
    mut portals: Portals,
    mut closed: watch::Receiver<bool>,
) {
    let engine = Rc::clone(engine);
    let task = async move {
        let embedded = &engine.embedded;
        let mut foreign = engine.foreign.changes();
        let mut is_whole = true;
        let mut seen = None;
        loop {
            foreign.borrow_and_update();
            let own = embedded.exports_version();
            let version = engine.exports_version();
            if seen != Some(version) {
                seen = Some(version);
                is_whole = portals.apply().await;
                engine.applied.send_replace(version);
                continue;
            }
            let retry = async {
                if is_whole {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(RETRY_INTERVAL).await;
            };
            tokio::select! {
                _ = embedded.exports_changed(own) => {}
                _ = foreign.changed() => {}
                () = retry => is_whole = portals.retry().await,
                _ = closed.wait_for(|closed| *closed) => return,
            }
        }
    };
    world.spawn.spawn("exports", Box::pin(task));
}

impl Engine {
    /// Ends sessions, then closes the arrays; the thread ends after it.
    pub(super) async fn close(&self) {
        self.server.shutdown(LOGOUT_GRACE).await;
        self.embedded.shutdown().await;
        self.closing.send_replace(true);
    }

    /// Grows with every change of what is exported, by the arrays or by other providers.
    fn exports_version(&self) -> u64 {
        self.embedded.exports_version() + self.foreign.version()
    }

    /// Waits until portals and sessions know what is exported.
    async fn applied(&self) {
        let version = self.exports_version();
        let mut applied = self.applied.subscribe();
        let caught_up = applied.wait_for(|applied| *applied >= version);
        // Out of time: the portal's status tells what there is to tell.
        let _ = tokio::time::timeout(APPLY_TIMEOUT, caught_up).await;
    }

    /// All objects, once portals and sessions know what is exported: who sees a portal here finds it listening.
    pub(super) async fn view(&self) -> Arc<View> {
        self.applied().await;
        self.embedded.view()
    }

    /// Takes over what another provider exports.
    pub(super) async fn set_exports(&self, provider: ProviderId, exports: ForeignExports) {
        self.foreign.set(provider, exports);
        self.applied().await;
    }

    /// Initiators that are logged in.
    pub(super) fn sessions(&self) -> Vec<Session> {
        let sessions = self.server.sessions().into_iter().map(|session| {
            let since = session.since.duration_since(UNIX_EPOCH).ok();
            let portal = vds_model::PortalId::from_bytes(session.portal.0.to_be_bytes());
            Session {
                id: session.id.to_string(),
                initiator: session.initiator,
                target: (!session.target.is_empty()).then_some(session.target),
                peer: session.remote.to_string(),
                portal: Some(portal.to_string()),
                since_unix_ms: since.and_then(|since| u64::try_from(since.as_millis()).ok()),
            }
        });
        sessions.collect()
    }

    /// Damage found on drives, oldest first.
    pub(super) fn damage(&self) -> Vec<Damage> {
        let view = self.embedded.view();
        let found = self.embedded.damage();
        found.iter().zip(1..).map(|(damage, number)| shown(&view, damage, number)).collect()
    }
}

fn shown(view: &View, damage: &vds_array::Damage, number: u64) -> Damage {
    let drive_name = damage.drive.to_string();
    // Names of drives are unique in an array; with several arrays a name alone may not tell which drive it was.
    let mut named = view.drives.iter().filter(|drive| drive.properties.friendly_name == drive_name);
    let drive = match (named.next(), named.next()) {
        (Some(only), None) => only.properties.id.to_string(),
        _ => String::new(),
    };
    let (structure, detail) = match &damage.what {
        DamagedThing::Superblock => ("superblock", String::new()),
        DamagedThing::Catalog => ("catalog", String::new()),
        DamagedThing::BatchHeader { lun } => ("header", format!(" of LUN {lun}")),
        DamagedThing::Data { lun, lun_block } => {
            ("data", format!(" of block {lun_block} of LUN {lun}"))
        }
        DamagedThing::MapPage { lun, first_block, blocks } => {
            let end = first_block + blocks;
            ("map_page", format!(" of blocks {first_block}..{end} of LUN {lun}"))
        }
        DamagedThing::LostBlocks { lun, first_block, blocks } => {
            let end = first_block + blocks;
            ("lost_blocks", format!(" {first_block}..{end} of LUN {lun}: their map page"))
        }
        DamagedThing::Label { lun } => ("label", format!(" of LUN {lun}")),
    };
    let outcome = if damage.repaired { "repaired" } else { "open" };
    Damage {
        number,
        found_unix_ms: damage.unix_ms,
        drive,
        message: format!("{structure}{detail} on {drive_name} was damaged"),
        drive_name,
        offset_bytes: damage.block.saturating_mul(BLOCK_BYTES as u64),
        structure: structure.to_owned(),
        lun: None,
        outcome: outcome.to_owned(),
    }
}
