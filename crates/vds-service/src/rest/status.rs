//! The service at a glance, damage on drives, the audit trail.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use vds_api::{
    AuditRow, Damage, List, PAGE_ITEMS_MAX, PageQuery, Readiness, ReadyQuery, Status, WAIT_MS_MAX,
};
use vds_model::{HResult, Health, ProviderId, SubsystemStatus};
use vds_provider::View;

use super::Shared;
use super::answer::{Answer, ApiError};
use super::extract::Params;
use crate::convert;
use crate::lookup::Snapshot;
use crate::world::unix_ms;

/// From well to lost: the later one of two is the worse.
const WORSE: [Health; 11] = [
    Health::Healthy,
    Health::Unknown,
    Health::Rebuilding,
    Health::PendingFailure,
    Health::Failing,
    Health::Stale,
    Health::Degraded,
    Health::FailingRedundancy,
    Health::FailedRedundancy,
    Health::FailedRedundancyFailing,
    Health::Failed,
];

fn worst(snapshot: &Snapshot) -> Health {
    let of_view = |view: &View| {
        let subsystems = view.subsystems.iter().map(|subsystem| subsystem.properties.health);
        let luns = view.luns.iter().map(|lun| lun.properties.health);
        // A failed drive whose LUNs have been recovered is no news; what it still costs, LUNs and subsystem say.
        subsystems.chain(luns).collect::<Vec<_>>()
    };
    let rank = |health: &Health| WORSE.iter().position(|known| known == health).unwrap_or(1);
    let healths = snapshot.views.iter().flat_map(|(_, view)| of_view(view));
    healths.max_by_key(rank).unwrap_or(Health::Healthy)
}

fn notes(snapshot: &Snapshot) -> Vec<String> {
    let mut notes = Vec::new();
    for (_, view) in &snapshot.views {
        for subsystem in &view.subsystems {
            let name = &subsystem.properties.friendly_name;
            if subsystem.properties.status != SubsystemStatus::Online {
                notes.push(format!("subsystem {name} is {}", subsystem.properties.status));
            }
            notes.extend(subsystem.notes.iter().map(|note| format!("subsystem {name}: {note}")));
        }
        for lun in &view.luns {
            let name = &lun.properties.friendly_name;
            if lun.properties.health != Health::Healthy {
                notes.push(format!("LUN {name} is {}", lun.properties.health));
            }
            notes.extend(lun.notes.iter().map(|note| format!("LUN {name}: {note}")));
        }
        for drive in &view.drives {
            let name = &drive.properties.friendly_name;
            notes.extend(drive.notes.iter().map(|note| format!("drive {name}: {note}")));
        }
    }
    notes
}

/// GET `/v1/status`.
pub(super) async fn status(State(app): Shared) -> Json<Status> {
    let snapshot = app.registry.snapshot().await;
    let mut notes = notes(&snapshot);
    for (portal, reason) in app.edges.portal_facts().failed {
        notes.push(format!("portal {portal} does not listen: {reason}"));
    }
    for checked in app.registry.providers() {
        notes.extend(checked.orphans().into_iter().map(|orphan| {
            format!("{} was left behind: {}; {}", orphan.object, orphan.reason, orphan.command)
        }));
    }
    let providers = super::providers::shown(&app).await;
    for provider in &providers {
        let Some(plugin) = &provider.plugin else { continue };
        if let Some(reason) = &plugin.reason {
            let (name, state) = (&provider.name, &plugin.state);
            notes.push(format!("provider {name} is not running ({state}): {reason}"));
        }
    }
    let of_view = |(provider, view): &(ProviderId, Arc<View>)| {
        let subsystems = view.subsystems.iter();
        subsystems.map(|of| convert::subsystem(*provider, view, of)).collect::<Vec<_>>()
    };
    let views = || snapshot.views.iter().map(|(_, view)| view);
    let running = app.registry.operations().iter().filter(|(_, of)| !of.is_ended()).count();
    Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        on_disk_version: app.edges.on_disk_version(),
        instance: app.instance.clone(),
        is_started: app.registry.phases().check_started().is_ok(),
        pid: std::process::id(),
        started_unix_ms: app.started_unix_ms,
        now_unix_ms: unix_ms(),
        data_directory: app.data_directory.display().to_string(),
        providers,
        subsystems: snapshot.views.iter().flat_map(of_view).collect(),
        drives: views().map(|view| view.drives.len() as u64).sum(),
        luns: views().map(|view| view.luns.len() as u64).sum(),
        sessions: app.edges.sessions().await.len() as u64,
        operations_running: running as u64,
        health: worst(&snapshot).label().to_owned(),
        notes,
    })
}

/// GET `/v1/ready`: at once, or when it is ready or will not be, or when the time is up.
pub(super) async fn ready(
    State(app): Shared,
    Params(query): Params<ReadyQuery>,
) -> Json<Readiness> {
    if let Some(wait_ms) = query.wait_ms {
        let within = Duration::from_millis(wait_ms.min(WAIT_MS_MAX));
        // Out of time: it is told as it stands.
        let _ = tokio::time::timeout(within, app.registry.phases().started()).await;
    }
    Json(app.registry.phases().readiness())
}

fn number(key: Option<&str>) -> Answer<Option<u64>> {
    key.map(str::parse).transpose().map_err(|_| {
        ApiError::new(HResult::VDSX_E_MALFORMED, "the key of a page of this list is a number")
    })
}

/// GET `/v1/damage`: oldest first; what was found is kept only while the service runs.
pub(super) async fn damage(
    State(app): Shared,
    Params(query): Params<PageQuery>,
) -> Answer<Json<List<Damage>>> {
    let after = number(query.after.as_deref())?.unwrap_or(0);
    let limit = query.limit.unwrap_or(PAGE_ITEMS_MAX).clamp(1, PAGE_ITEMS_MAX);
    let mut items = app.edges.damage().await;
    items.retain(|damage| damage.number > after);
    let is_last = items.len() <= limit;
    items.truncate(limit);
    let next = if is_last { None } else { items.last().map(|damage| damage.number.to_string()) };
    Ok(Json(List { items, next }))
}

/// GET `/v1/audit`: newest first.
pub(super) async fn audit(
    State(app): Shared,
    Params(query): Params<PageQuery>,
) -> Answer<Json<List<AuditRow>>> {
    let limit = query.limit.unwrap_or(PAGE_ITEMS_MAX).clamp(1, PAGE_ITEMS_MAX);
    let before = number(query.after.as_deref())?.unwrap_or(u64::MAX);
    let store = Arc::clone(&app.registry.inner.store);
    let read = tokio::task::spawn_blocking(move || store.audit(before, limit)).await;
    let rows = read.map_err(|_| {
        ApiError::new(HResult::VDSX_E_SERVICE_STOPPING, "the service is stopping")
    })??;
    let next = (rows.len() == limit).then(|| rows.last().map(|row| row.number.to_string()));
    Ok(Json(List { items: rows, next: next.flatten() }))
}
