//! Providers, subsystems, controllers and ports.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use vds_api as api;
use vds_api::{List, PageQuery, SubsystemFilter};
use vds_model::{HResult, SubsystemId};
use vds_provider::Request;

use super::Shared;
use super::answer::{Answer, ApiError, accepted, page};
use super::extract::{Body, Caller, Name, Params};
use crate::convert;
use crate::lookup::Snapshot;
use crate::registry::Asker;

/// The subsystem a list is limited to.
pub(super) fn filter(snapshot: &Snapshot, name: Option<&str>) -> Answer<Option<SubsystemId>> {
    match name {
        None => Ok(None),
        Some(name) => Ok(Some(snapshot.subsystem(name)?.object.properties.id)),
    }
}

/// GET `/v1/providers`.
pub(super) async fn providers(
    State(app): Shared,
    Params(query): Params<PageQuery>,
) -> Json<List<api::Provider>> {
    let snapshot = app.registry.snapshot().await;
    let shown = app
        .registry
        .providers()
        .iter()
        .filter_map(|checked| Some(convert::provider(snapshot.view(checked.id())?, checked)));
    page(shown.collect(), |provider| &provider.id, query.after.as_deref(), query.limit)
}

/// GET `/v1/providers/{name}`.
pub(super) async fn provider(State(app): Shared, Name(name): Name) -> Answer<Json<api::Provider>> {
    let snapshot = app.registry.snapshot().await;
    let mut shown = app
        .registry
        .providers()
        .iter()
        .filter_map(|checked| Some(convert::provider(snapshot.view(checked.id())?, checked)));
    let found = shown.find(|provider| provider.id == name || provider.name == name);
    found.map(Json).ok_or_else(|| {
        ApiError::new(HResult::VDS_E_OBJECT_NOT_FOUND, format!("there is no provider {name:?}"))
    })
}

/// GET `/v1/subsystems`.
pub(super) async fn subsystems(
    State(app): Shared,
    Params(query): Params<PageQuery>,
) -> Json<List<api::Subsystem>> {
    let snapshot = app.registry.snapshot().await;
    let mut shown = Vec::new();
    for (provider, view) in &snapshot.views {
        let of = view.subsystems.iter().map(|of| convert::subsystem(*provider, view, of));
        shown.extend(of);
    }
    page(shown, |subsystem| &subsystem.id, query.after.as_deref(), query.limit)
}

/// GET `/v1/subsystems/{name}`.
pub(super) async fn subsystem(
    State(app): Shared,
    Name(name): Name,
) -> Answer<Json<api::Subsystem>> {
    let snapshot = app.registry.snapshot().await;
    let found = snapshot.subsystem(&name)?;
    Ok(Json(convert::subsystem(found.provider, found.view, found.object)))
}

/// POST `/v1/subsystems`.
pub(super) async fn create_subsystem(
    State(app): Shared,
    Caller(asker): Caller,
    Body(body): Body<api::CreateSubsystem>,
) -> Answer<Response> {
    let (provider, request) = app.registry.snapshot().await.create_subsystem(&body)?;
    Ok(accepted(&app, &app.registry.start(asker, provider, request).await?))
}

/// POST `/v1/subsystems/{name}/open`.
pub(super) async fn open_subsystem(
    State(app): Shared,
    Name(name): Name,
    Caller(asker): Caller,
    Body(body): Body<api::OpenSubsystem>,
) -> Answer<Response> {
    let (provider, request) = app.registry.snapshot().await.open_subsystem(&name, &body)?;
    Ok(accepted(&app, &app.registry.start(asker, provider, request).await?))
}

/// POST `/v1/subsystems/{name}/scrub`.
pub(super) async fn scrub_subsystem(
    State(app): Shared,
    Name(name): Name,
    Caller(asker): Caller,
) -> Answer<Response> {
    let snapshot = app.registry.snapshot().await;
    let found = snapshot.subsystem(&name)?;
    let request = Request::ScrubSubsystem { subsystem: found.object.properties.id };
    Ok(accepted(&app, &app.registry.start(asker, found.provider, request).await?))
}

/// GET `/v1/controllers`.
pub(super) async fn controllers(
    State(app): Shared,
    Params(query): Params<SubsystemFilter>,
) -> Answer<Json<List<api::Controller>>> {
    let snapshot = app.registry.snapshot().await;
    let only = filter(&snapshot, query.subsystem.as_deref())?;
    let all = snapshot.views.iter().flat_map(|(_, view)| &view.controllers);
    let shown = all.filter(|of| only.is_none_or(|only| of.subsystem == only));
    let shown = shown.map(convert::controller).collect();
    Ok(page(shown, |controller| &controller.id, query.after.as_deref(), query.limit))
}

/// GET `/v1/ports`.
pub(super) async fn ports(
    State(app): Shared,
    Params(query): Params<PageQuery>,
) -> Json<List<api::Port>> {
    let snapshot = app.registry.snapshot().await;
    let all = snapshot.views.iter().flat_map(|(_, view)| &view.ports);
    let shown = all.map(convert::port).collect();
    page(shown, |port| &port.id, query.after.as_deref(), query.limit)
}

/// POST `/v1/reenumerate`: of the first provider, which is the embedded one where there is one.
pub(super) async fn reenumerate(State(app): Shared, Caller(asker): Caller) -> Answer<Response> {
    start_on_first(&app, asker, Request::Reenumerate).await
}

/// POST `/v1/refresh`.
pub(super) async fn refresh(State(app): Shared, Caller(asker): Caller) -> Answer<Response> {
    start_on_first(&app, asker, Request::Refresh).await
}

async fn start_on_first(app: &super::App, asker: Asker, request: Request) -> Answer<Response> {
    let Some(first) = app.registry.providers().first() else {
        return Err(ApiError::new(HResult::VDS_E_OBJECT_NOT_FOUND, "there is no provider"));
    };
    Ok(accepted(app, &app.registry.start(asker, first.id(), request).await?))
}
