//! Keeps what is served of one plug-in in line with what it shows: opens and closes LUNs, and tells the engine's thread.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use vds_array::{
    Export, ExportedChap, ExportedInitiator, ExportedLun, ExportedPortal, ExportedPortalGroup,
    ExportedTarget,
};
use vds_model::{Address, HResult, LunId, LunStatus, PortalAddress};
use vds_os::LunFile;
use vds_plugin_host::{OpenedLun, PluginProvider};
use vds_provider::{
    Caching, Checked, LunView, PortalView, Provider, Refusal, SubsystemView, TargetView, View,
};

use crate::embedded::{EmbeddedHost, ForeignExports, ServedLun};

/// How often it is looked again without news: a plug-in may forget to tell some.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

struct Open {
    file: Arc<LunFile>,
    data_version: u64,
}

#[derive(Default)]
struct State {
    open: BTreeMap<LunId, Open>,
    /// Why LUNs are not served: told once each.
    unserved: BTreeMap<LunId, String>,
}

struct Shared {
    plugin: PluginProvider,
    checked: Checked,
    host: Option<EmbeddedHost>,
    state: tokio::sync::Mutex<State>,
    reopen: AtomicBool,
}

/// The keeper of one plug-in.
pub(super) struct Keeper {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Keeper {
    pub(super) fn start(
        plugin: PluginProvider,
        checked: Checked,
        host: Option<EmbeddedHost>,
    ) -> Self {
        let state = tokio::sync::Mutex::default();
        let reopen = AtomicBool::new(false);
        let shared = Arc::new(Shared { plugin, checked, host, state, reopen });
        let weak = Arc::downgrade(&shared);
        shared.plugin.on_end(Arc::new(move || {
            let shared = weak.upgrade();
            Box::pin(async move {
                if let Some(shared) = shared {
                    shared.synchronize().await;
                }
            })
        }));
        let kept = Arc::clone(&shared);
        let task = tokio::spawn(async move { kept.follow().await });
        Self { shared, task }
    }

    /// LUNs whose file failed a write are opened anew with the next process.
    pub(super) fn reopen_broken(&self) {
        self.shared.reopen.store(true, Ordering::Release);
    }

    /// Takes everything out of service, durably.
    pub(super) async fn end(&self) {
        self.task.abort();
        let mut state = self.shared.state.lock().await;
        self.shared.serve(ForeignExports::default()).await;
        let open = std::mem::take(&mut state.open);
        for (lun, open) in open {
            self.shared.close(lun, open).await;
        }
    }
}

impl Shared {
    async fn follow(&self) {
        let mut changes = self.plugin.changes();
        let mut was_running = false;
        loop {
            changes.borrow_and_update();
            let is_running = self.plugin.is_running();
            if is_running && !was_running {
                // What operations left behind over which it died.
                if let Err(refusal) = self.checked.sweep().await {
                    tracing::debug!(provider = self.plugin.name(), error = %refusal, "no sweep");
                }
            }
            was_running = is_running;
            if is_running {
                self.synchronize().await;
            }
            // Out of time it is looked all the same.
            let _ = tokio::time::timeout(LOOK_INTERVAL, changes.changed()).await;
        }
    }

    async fn serve(&self, exports: ForeignExports) {
        if let Some(host) = &self.host {
            host.set_exports(self.plugin.id(), exports).await;
        }
    }

    /// Brings what is served in line with what is shown. What cannot be asked about is served as before.
    async fn synchronize(&self) {
        let mut state = self.state.lock().await;
        let Ok(view) = self.checked.view().await else { return };
        let wanted: BTreeSet<LunId> =
            view.targets.iter().flat_map(|target| &target.luns).map(|entry| entry.lun).collect();
        let is_online = |lun: &&LunView| lun.properties.status == LunStatus::Online;
        let luns: Vec<&LunView> = view
            .luns
            .iter()
            .filter(|lun| wanted.contains(&lun.properties.id))
            .filter(is_online)
            .collect();
        if self.reopen.swap(false, Ordering::AcqRel) {
            state.open.retain(|_, open| !open.file.is_broken());
        }
        let mut served = BTreeMap::new();
        for lun in &luns {
            self.open(&mut state, lun).await;
            let id = lun.properties.id;
            if let Some(open) = state.open.get(&id) {
                let served_lun = ServedLun {
                    file: Arc::clone(&open.file),
                    size_bytes: lun.properties.size.0,
                    sector_bytes: lun.sector_size.bytes(),
                    is_write_back: lun.caching == Caching::WriteBack,
                };
                served.insert(id, served_lun);
            }
        }
        let exports = self.exports(&view).await;
        let kept: BTreeSet<LunId> = served.keys().copied().collect();
        self.serve(ForeignExports { exports, luns: served }).await;
        let gone: Vec<LunId> =
            state.open.keys().copied().filter(|lun| !kept.contains(lun)).collect();
        for lun in gone {
            if let Some(open) = state.open.remove(&lun) {
                self.close(lun, open).await;
            }
        }
        state.unserved.retain(|lun, _| wanted.contains(lun));
    }

    /// Opens a LUN that is not open, has moved, or has outgrown its file.
    async fn open(&self, state: &mut State, lun: &LunView) {
        let id = lun.properties.id;
        let data_version = self.plugin.data_version(id);
        if let Some(open) = state.open.get(&id) {
            if open.data_version == data_version {
                return;
            }
            flush(&open.file).await;
        }
        match self.opened(id, lun.properties.size.0).await {
            Ok(file) => {
                state.unserved.remove(&id);
                state.open.insert(id, Open { file: Arc::new(file), data_version });
            }
            Err(refusal) => {
                // Where it was is no place for its data any more.
                state.open.remove(&id);
                let reason = format!("not served: {}", refusal.message);
                if state.unserved.get(&id) != Some(&reason) {
                    tracing::warn!(
                        provider = self.plugin.name(), lun = %id, error.code = refusal.code(),
                        error = refusal.message, "a LUN is not served"
                    );
                    self.plugin.set_note(id, Some(&reason));
                    state.unserved.insert(id, reason);
                }
                return;
            }
        }
        self.plugin.set_note(id, None);
    }

    async fn opened(&self, lun: LunId, least_bytes: u64) -> Result<LunFile, Refusal> {
        let OpenedLun { is_read_only, descriptor, .. } = self.plugin.open_lun(lun).await?;
        let adopted = tokio::task::spawn_blocking(move || {
            LunFile::adopt(&descriptor, least_bytes, is_read_only)
        });
        let adopted = adopted.await.map_err(|_| {
            Refusal::new(HResult::VDSX_E_SERVICE_STOPPING, "the service is stopping")
        })?;
        adopted.map_err(|error| {
            let message = format!("what it handed over as LUN {lun} cannot be used: {error}");
            Refusal::new(HResult::VDSX_E_BAD_DESCRIPTOR, message)
        })
    }

    async fn close(&self, lun: LunId, open: Open) {
        flush(&open.file).await;
        drop(open);
        if self.plugin.is_running() {
            self.plugin.close_lun(lun).await;
        }
    }

    async fn exports(&self, view: &View) -> Vec<Export> {
        let mut exports = Vec::new();
        for subsystem in &view.subsystems {
            let mut targets = Vec::new();
            let of = subsystem.properties.id;
            for target in view.targets.iter().filter(|target| target.subsystem == of) {
                targets.push(self.exported(view, target).await);
            }
            exports.push(export(view, subsystem, targets));
        }
        exports
    }

    async fn exported(&self, view: &View, target: &TargetView) -> ExportedTarget {
        let luns = target.luns.iter().filter_map(|entry| {
            let lun = view.lun(entry.lun)?;
            Some(ExportedLun {
                number: entry.number,
                lun: entry.lun,
                name: lun.properties.friendly_name.clone(),
                unmasking_list: lun.properties.unmasking_list.clone(),
            })
        });
        ExportedTarget {
            id: target.properties.id,
            iscsi_name: target.properties.iscsi_name.to_string(),
            alias: target.properties.friendly_name.clone(),
            chap: if target.properties.is_chap_enabled {
                Some(self.chap(target).await)
            } else {
                None
            },
            portal_groups: portal_groups(view, target),
            luns: luns.collect(),
        }
    }

    /// The secrets of a target that asks for some. Without them nobody logs in.
    async fn chap(&self, target: &TargetView) -> ExportedChap {
        let nobody =
            ExportedChap { initiators: Vec::new(), mutual: None, mutual_initiators: Vec::new() };
        let asked = self.plugin.target_chap(target.properties.id).await;
        let chap = match asked {
            Ok(Some(chap)) => chap,
            Ok(None) => return nobody,
            Err(refusal) => {
                tracing::warn!(
                    provider = self.plugin.name(), error.code = refusal.code(), error = %refusal,
                    "the secrets of a target are not told: nobody can log in to it"
                );
                return nobody;
            }
        };
        let login = ExportedInitiator {
            initiator: None,
            user: chap.initiator.user,
            secret: chap.initiator.secret,
        };
        let mutual = chap.target.map(|target| (target.user, target.secret));
        ExportedChap { initiators: vec![login], mutual, mutual_initiators: Vec::new() }
    }
}

/// The groups that a plug-in shows; a target for which it shows none is reached through every portal of its array.
fn portal_groups(view: &View, target: &TargetView) -> Vec<ExportedPortalGroup> {
    if target.portal_groups.is_empty() {
        let portals = view.portals.iter().filter(|portal| portal.subsystem == target.subsystem);
        let portals = portals.map(|portal| portal.properties.id).collect();
        return vec![ExportedPortalGroup { tag: 1, portals }];
    }
    let groups = target.portal_groups.iter().map(|group| ExportedPortalGroup {
        tag: group.properties.tag.0,
        portals: group.portals.clone(),
    });
    groups.collect()
}

async fn flush(file: &Arc<LunFile>) {
    let file = Arc::clone(file);
    // An error has marked the file; there is nobody to tell.
    let _ = tokio::task::spawn_blocking(move || file.sync()).await;
}

fn export(view: &View, subsystem: &SubsystemView, targets: Vec<ExportedTarget>) -> Export {
    let of = subsystem.properties.id;
    let portals = view.portals.iter().filter(|portal| portal.subsystem == of);
    Export {
        subsystem: of,
        name: subsystem.properties.friendly_name.clone(),
        targets,
        portals: portals.filter_map(exported_portal).collect(),
    }
}

fn exported_portal(portal: &PortalView) -> Option<ExportedPortal> {
    Some(ExportedPortal {
        id: portal.properties.id,
        listen: socket_address(&portal.properties.address)?,
        announce: portal.announced.as_ref().and_then(socket_address),
    })
}

fn socket_address(address: &PortalAddress) -> Option<std::net::SocketAddr> {
    match &address.host {
        Address::Ipv4(host) => Some((*host, address.port).into()),
        Address::Ipv6 { address: host, flow, scope } => {
            Some(std::net::SocketAddrV6::new(*host, address.port, *flow, *scope).into())
        }
        Address::Text(_) | Address::Empty => None,
    }
}
