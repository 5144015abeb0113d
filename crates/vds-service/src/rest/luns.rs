//! LUNs and plexes.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use vds_api as api;
use vds_api::{List, SubsystemFilter};
use vds_model::HResult;
use vds_operation::OperationKind;
use vds_provider::{LunView, Request, View};

use super::answer::{Answer, ApiError, accepted, begun_before, page};
use super::arrays::filter;
use super::extract::{Body, Caller, Name, Params};
use super::{App, Shared};
use crate::convert;

/// GET `/v1/luns`.
pub(super) async fn luns(
    State(app): Shared,
    Params(query): Params<SubsystemFilter>,
) -> Answer<Json<List<api::Lun>>> {
    let snapshot = app.registry.snapshot().await;
    let only = filter(&snapshot, query.subsystem.as_deref())?;
    let facts = app.edges.portal_facts();
    let mut shown = Vec::new();
    for (_, view) in &snapshot.views {
        let of = view.luns.iter().filter(|lun| only.is_none_or(|only| lun.subsystem == only));
        shown.extend(of.map(|lun| convert::lun(view, lun, &facts)));
    }
    Ok(page(shown, |lun| &lun.id, query.after.as_deref(), query.limit))
}

/// GET `/v1/luns/{name}`.
pub(super) async fn lun(State(app): Shared, Name(name): Name) -> Answer<Json<api::Lun>> {
    let snapshot = app.registry.snapshot().await;
    let found = snapshot.lun(&name)?;
    Ok(Json(convert::lun(found.view, found.object, &app.edges.portal_facts())))
}

/// POST `/v1/luns`.
pub(super) async fn create_lun(
    State(app): Shared,
    Caller(asker): Caller,
    Body(body): Body<api::CreateLun>,
) -> Answer<Response> {
    let (provider, request) = app.registry.snapshot().await.create_lun(&body)?;
    Ok(accepted(&app, &app.registry.start(asker, provider, request).await?))
}

/// POST `/v1/luns/plan`.
pub(super) async fn plan_lun(
    State(app): Shared,
    Body(body): Body<api::CreateLun>,
) -> Answer<Json<api::Plan>> {
    let snapshot = app.registry.snapshot().await;
    let (provider, request) = snapshot.create_lun(&body)?;
    let plan = app.registry.plan(provider, &request).await?;
    Ok(Json(convert::plan(snapshot.view(provider).map(AsRef::as_ref), &plan)))
}

/// POST `/v1/luns/max-size`.
pub(super) async fn max_lun_size(
    State(app): Shared,
    Body(body): Body<api::MaxSizeQuery>,
) -> Answer<Json<api::MaxSize>> {
    let (provider, query) = app.registry.snapshot().await.max_size(&body)?;
    let size_bytes = app.registry.max_lun_size(provider, &query).await?;
    Ok(Json(api::MaxSize { size_bytes }))
}

/// PATCH `/v1/luns/{name}`.
pub(super) async fn change_lun(
    State(app): Shared,
    Name(name): Name,
    Caller(asker): Caller,
    Body(body): Body<api::ChangeLun>,
) -> Answer<Response> {
    let asked = app.registry.snapshot().await.change_lun(&name, &body);
    let (provider, request) = match asked {
        Ok(asked) => asked,
        Err(miss) if body.name.is_some() => {
            return begun_before(&app, &asker, OperationKind::SetName, miss);
        }
        Err(miss) => return Err(miss.into()),
    };
    Ok(accepted(&app, &app.registry.start(asker, provider, request).await?))
}

/// DELETE `/v1/luns/{name}`.
pub(super) async fn delete_lun(
    State(app): Shared,
    Name(name): Name,
    Caller(asker): Caller,
    Params(query): Params<api::DeleteLun>,
) -> Answer<Response> {
    let snapshot = app.registry.snapshot().await;
    let found = match snapshot.lun(&name) {
        Ok(found) => found,
        Err(miss) => return begun_before(&app, &asker, OperationKind::DeleteLun, miss),
    };
    if !query.force {
        check_unused(&app, found.view, found.object).await?;
    }
    let request = Request::DeleteLun { lun: found.object.properties.id };
    Ok(accepted(&app, &app.registry.start(asker, found.provider, request).await?))
}

/// Refuses while an initiator that may see the LUN is logged in to a target of it.
async fn check_unused(app: &App, view: &View, lun: &LunView) -> Answer<()> {
    let targets: Vec<String> = view
        .targets_of(lun.properties.id)
        .map(|target| target.properties.iscsi_name.to_string())
        .collect();
    let mut sessions = app.edges.sessions().await.into_iter();
    let user = sessions.find(|session| {
        let is_here = session.target.as_ref().is_some_and(|target| targets.contains(target));
        is_here && lun.properties.unmasking_list.admits_initiator(&session.initiator)
    });
    match user {
        None => Ok(()),
        Some(session) => {
            let message = format!(
                "{} is logged in from {} and sees LUN {:?}",
                session.initiator, session.peer, lun.properties.friendly_name
            );
            Err(ApiError::new(HResult::VDSX_E_LUN_IN_USE, message))
        }
    }
}

/// POST `/v1/luns/{name}/extend`.
pub(super) async fn extend_lun(
    State(app): Shared,
    Name(name): Name,
    Caller(asker): Caller,
    Body(body): Body<api::ExtendLun>,
) -> Answer<Response> {
    let (provider, request) = app.registry.snapshot().await.extend_lun(&name, &body)?;
    Ok(accepted(&app, &app.registry.start(asker, provider, request).await?))
}

/// POST `/v1/luns/{name}/max-extension`.
pub(super) async fn max_lun_extension(
    State(app): Shared,
    Name(name): Name,
    Body(body): Body<api::MaxExtensionQuery>,
) -> Answer<Json<api::MaxSize>> {
    let snapshot = app.registry.snapshot().await;
    let found = snapshot.lun(&name)?;
    let drives = snapshot.drives(found.provider, body.drives.as_ref())?;
    let beneath =
        found.view.drives.iter().filter(|of| of.subsystem == Some(found.object.subsystem));
    let most_bytes = beneath.map(|drive| drive.properties.size.0).fold(0, u64::saturating_add);
    let lun = found.object.properties.id;
    let size_bytes =
        app.registry.max_lun_extension(found.provider, lun, drives.as_deref(), most_bytes).await?;
    Ok(Json(api::MaxSize { size_bytes }))
}

/// POST `/v1/luns/{name}/recover`.
pub(super) async fn recover_lun(
    State(app): Shared,
    Name(name): Name,
    Caller(asker): Caller,
) -> Answer<Response> {
    let snapshot = app.registry.snapshot().await;
    let found = snapshot.lun(&name)?;
    let request = Request::RecoverLun { lun: found.object.properties.id };
    Ok(accepted(&app, &app.registry.start(asker, found.provider, request).await?))
}

/// POST `/v1/luns/{name}/plexes`.
pub(super) async fn add_plex(
    State(app): Shared,
    Name(name): Name,
    Caller(asker): Caller,
    Body(body): Body<api::AddPlex>,
) -> Answer<Response> {
    let snapshot = app.registry.snapshot().await;
    if let Some(other) = &body.absorb {
        // Repeated, the request does not find the LUN any more, and finds its operation.
        match snapshot.lun(other) {
            Ok(found) => check_unused(&app, found.view, found.object).await?,
            Err(miss) => return begun_before(&app, &asker, OperationKind::AddPlex, miss),
        }
    }
    let (provider, request) = snapshot.add_plex(&name, &body)?;
    Ok(accepted(&app, &app.registry.start(asker, provider, request).await?))
}

/// GET `/v1/plexes/{name}`.
pub(super) async fn plex(State(app): Shared, Name(name): Name) -> Answer<Json<api::Plex>> {
    let snapshot = app.registry.snapshot().await;
    let found = snapshot.plex(&name)?;
    let id = found.object.properties.id;
    let (lun, plex) = found.view.plex(id).ok_or_else(|| {
        ApiError::new(HResult::VDS_E_OBJECT_NOT_FOUND, format!("there is no plex {name:?}"))
    })?;
    Ok(Json(convert::plex(found.view, lun, plex)))
}

/// DELETE `/v1/plexes/{name}`.
pub(super) async fn remove_plex(
    State(app): Shared,
    Name(name): Name,
    Caller(asker): Caller,
) -> Answer<Response> {
    let snapshot = app.registry.snapshot().await;
    let found = match snapshot.plex(&name) {
        Ok(found) => found,
        Err(miss) => return begun_before(&app, &asker, OperationKind::RemovePlex, miss),
    };
    let request = Request::RemovePlex { plex: found.object.properties.id };
    Ok(accepted(&app, &app.registry.start(asker, found.provider, request).await?))
}
