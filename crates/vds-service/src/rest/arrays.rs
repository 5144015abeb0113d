//! Subsystems, controllers and ports.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use vds_api as api;
use vds_api::{List, PageQuery, ProviderFilter, SubsystemFilter};
use vds_model::{HResult, SubsystemId};
use vds_operation::OperationKind;
use vds_provider::Request;

use super::answer::{Answer, ApiError, accepted, begun_before, page};
use super::extract::{Body, Caller, Name, Params};
use super::{Shared, providers};
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

/// PATCH `/v1/subsystems/{name}`.
pub(super) async fn change_subsystem(
    State(app): Shared,
    Name(name): Name,
    Caller(asker): Caller,
    Body(body): Body<api::ChangeSubsystem>,
) -> Answer<Response> {
    let asked = app.registry.snapshot().await.change_subsystem(&name, &body);
    let (provider, request) = match asked {
        Ok(asked) => asked,
        Err(miss) => return begun_before(&app, &asker, OperationKind::SetName, miss),
    };
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

/// POST `/v1/reenumerate`.
pub(super) async fn reenumerate(
    State(app): Shared,
    Params(query): Params<ProviderFilter>,
    Caller(asker): Caller,
) -> Answer<Response> {
    start_on(&app, asker, query.provider.as_deref(), Request::Reenumerate).await
}

/// POST `/v1/refresh`.
pub(super) async fn refresh(
    State(app): Shared,
    Params(query): Params<ProviderFilter>,
    Caller(asker): Caller,
) -> Answer<Response> {
    start_on(&app, asker, query.provider.as_deref(), Request::Refresh).await
}

/// On the provider called so, or on the first, which is the embedded one where there is one.
async fn start_on(
    app: &super::App,
    asker: Asker,
    provider: Option<&str>,
    request: Request,
) -> Answer<Response> {
    let wanted = match provider {
        Some(name) => Some(providers::one(app, name).await?.id),
        None => None,
    };
    let providers = app.registry.providers();
    let mut ids = providers.iter().map(vds_provider::Checked::id);
    let id = ids.find(|id| wanted.as_ref().is_none_or(|wanted| id.to_string() == *wanted));
    let Some(id) = id else {
        return Err(ApiError::new(HResult::VDS_E_OBJECT_NOT_FOUND, "there is no provider"));
    };
    Ok(accepted(app, &app.registry.start(asker, id, request).await?))
}
