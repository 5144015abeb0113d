//! Targets, portals and sessions.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use vds_api as api;
use vds_api::{List, PageQuery, SubsystemFilter};
use vds_operation::OperationKind;
use vds_provider::Request;

use super::Shared;
use super::answer::{Answer, accepted, begun_before, page};
use super::arrays::filter;
use super::extract::{Body, Caller, Name, Names, Params};
use crate::convert;

/// GET `/v1/targets`.
pub(super) async fn targets(
    State(app): Shared,
    Params(query): Params<SubsystemFilter>,
) -> Answer<Json<List<api::Target>>> {
    let snapshot = app.registry.snapshot().await;
    let only = filter(&snapshot, query.subsystem.as_deref())?;
    let mut shown = Vec::new();
    for (_, view) in &snapshot.views {
        let of = view.targets.iter().filter(|of| only.is_none_or(|only| of.subsystem == only));
        shown.extend(of.map(|target| convert::target(view, target)));
    }
    Ok(page(shown, |target| &target.id, query.after.as_deref(), query.limit))
}

/// GET `/v1/targets/{name}`.
pub(super) async fn target(State(app): Shared, Name(name): Name) -> Answer<Json<api::Target>> {
    let snapshot = app.registry.snapshot().await;
    let found = snapshot.target(&name)?;
    Ok(Json(convert::target(found.view, found.object)))
}

/// POST `/v1/targets`.
pub(super) async fn create_target(
    State(app): Shared,
    Caller(asker): Caller,
    Body(body): Body<api::CreateTarget>,
) -> Answer<Response> {
    let (provider, request) = app.registry.snapshot().await.create_target(&body)?;
    Ok(accepted(&app, &app.registry.start(asker, provider, request).await?))
}

/// DELETE `/v1/targets/{name}`.
pub(super) async fn delete_target(
    State(app): Shared,
    Name(name): Name,
    Caller(asker): Caller,
) -> Answer<Response> {
    let snapshot = app.registry.snapshot().await;
    let found = match snapshot.target(&name) {
        Ok(found) => found,
        Err(miss) => return begun_before(&app, &asker, OperationKind::DeleteTarget, miss),
    };
    let request = Request::DeleteTarget { target: found.object.properties.id };
    Ok(accepted(&app, &app.registry.start(asker, found.provider, request).await?))
}

/// PUT `/v1/targets/{name}/chap`.
pub(super) async fn set_chap(
    State(app): Shared,
    Name(name): Name,
    Caller(asker): Caller,
    Body(body): Body<api::SetTargetChap>,
) -> Answer<Response> {
    let (provider, request) = app.registry.snapshot().await.set_chap(&name, &body)?;
    Ok(accepted(&app, &app.registry.start(asker, provider, request).await?))
}

/// PUT `/v1/targets/{name}/secret`.
pub(super) async fn set_secret(
    State(app): Shared,
    Name(name): Name,
    Caller(asker): Caller,
    Body(body): Body<api::SetTargetSecret>,
) -> Answer<Response> {
    let (provider, request) = app.registry.snapshot().await.set_secret(&name, &body)?;
    Ok(accepted(&app, &app.registry.start(asker, provider, request).await?))
}

/// PATCH `/v1/targets/{name}`.
pub(super) async fn change_target(
    State(app): Shared,
    Name(name): Name,
    Caller(asker): Caller,
    Body(body): Body<api::ChangeTarget>,
) -> Answer<Response> {
    let asked = app.registry.snapshot().await.change_target(&name, &body);
    let (provider, request) = match asked {
        Ok(asked) => asked,
        Err(miss) => return begun_before(&app, &asker, OperationKind::SetName, miss),
    };
    Ok(accepted(&app, &app.registry.start(asker, provider, request).await?))
}

/// GET `/v1/portals`.
pub(super) async fn portals(
    State(app): Shared,
    Params(query): Params<SubsystemFilter>,
) -> Answer<Json<List<api::Portal>>> {
    let snapshot = app.registry.snapshot().await;
    let only = filter(&snapshot, query.subsystem.as_deref())?;
    let facts = app.edges.portal_facts();
    let all = snapshot.views.iter().flat_map(|(_, view)| &view.portals);
    let shown = all.filter(|of| only.is_none_or(|only| of.subsystem == only));
    let shown = shown.map(|portal| convert::portal(portal, &facts)).collect();
    Ok(page(shown, |portal| &portal.id, query.after.as_deref(), query.limit))
}

/// GET `/v1/portals/{name}`.
pub(super) async fn portal(State(app): Shared, Name(name): Name) -> Answer<Json<api::Portal>> {
    let snapshot = app.registry.snapshot().await;
    let found = snapshot.portal(&name)?;
    Ok(Json(convert::portal(found.object, &app.edges.portal_facts())))
}

/// POST `/v1/portals`.
pub(super) async fn add_portal(
    State(app): Shared,
    Caller(asker): Caller,
    Body(body): Body<api::AddPortal>,
) -> Answer<Response> {
    let (provider, request) = app.registry.snapshot().await.add_portal(&body)?;
    Ok(accepted(&app, &app.registry.start(asker, provider, request).await?))
}

/// DELETE `/v1/portals/{name}`.
pub(super) async fn remove_portal(
    State(app): Shared,
    Name(name): Name,
    Caller(asker): Caller,
) -> Answer<Response> {
    let snapshot = app.registry.snapshot().await;
    let found = snapshot.portal(&name)?;
    let request = Request::RemovePortal { portal: found.object.properties.id };
    Ok(accepted(&app, &app.registry.start(asker, found.provider, request).await?))
}

/// POST `/v1/targets/{name}/portal-groups`.
pub(super) async fn create_portal_group(
    State(app): Shared,
    Name(name): Name,
    Caller(asker): Caller,
) -> Answer<Response> {
    let (provider, request) = app.registry.snapshot().await.create_portal_group(&name)?;
    Ok(accepted(&app, &app.registry.start(asker, provider, request).await?))
}

/// DELETE `/v1/portal-groups/{name}`.
pub(super) async fn delete_portal_group(
    State(app): Shared,
    Name(name): Name,
    Caller(asker): Caller,
) -> Answer<Response> {
    let asked = app.registry.snapshot().await.delete_portal_group(&name);
    let (provider, request) = match asked {
        Ok(asked) => asked,
        Err(miss) => return begun_before(&app, &asker, OperationKind::DeletePortalGroup, miss),
    };
    Ok(accepted(&app, &app.registry.start(asker, provider, request).await?))
}

/// PUT `/v1/portal-groups/{name}/portals/{portal}`.
pub(super) async fn add_to_portal_group(
    State(app): Shared,
    Names(name, portal): Names,
    Caller(asker): Caller,
) -> Answer<Response> {
    let (provider, request) = app.registry.snapshot().await.add_to_portal_group(&name, &portal)?;
    Ok(accepted(&app, &app.registry.start(asker, provider, request).await?))
}

/// DELETE `/v1/portal-groups/{name}/portals/{portal}`.
pub(super) async fn remove_from_portal_group(
    State(app): Shared,
    Names(name, portal): Names,
    Caller(asker): Caller,
) -> Answer<Response> {
    let (provider, request) =
        app.registry.snapshot().await.remove_from_portal_group(&name, &portal)?;
    Ok(accepted(&app, &app.registry.start(asker, provider, request).await?))
}

/// GET `/v1/sessions`.
pub(super) async fn sessions(
    State(app): Shared,
    Params(query): Params<PageQuery>,
) -> Json<List<api::Session>> {
    let sessions = app.edges.sessions().await;
    page(sessions, |session| &session.id, query.after.as_deref(), query.limit)
}
