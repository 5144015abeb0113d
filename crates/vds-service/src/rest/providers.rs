//! Providers: those inside the service, and plug-ins, which come and go.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use vds_api as api;
use vds_api::{List, PageQuery};
use vds_model::HResult;

use super::answer::{Answer, ApiError, page};
use super::extract::{Body, Name, Params};
use super::{App, Peer, Shared};
use crate::convert;

/// Proof that the caller may have this service execute programs: he is root, or the service's own user.
pub(super) struct Administrator;

impl<S: Send + Sync> FromRequestParts<S> for Administrator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let peer = parts.extensions.get::<Peer>().cloned().unwrap_or_default();
        let uid = peer.credentials.map(|credentials| credentials.uid);
        let own = rustix::process::geteuid().as_raw();
        if uid.is_some_and(|uid| uid == 0 || uid == own) {
            return Ok(Self);
        }
        let message = "plug-ins are programs that the service executes: only root registers them";
        Err(ApiError::new(HResult::VDSX_E_ROLE_TOO_LOW, message))
    }
}

/// All providers, with what is known of them now.
pub(super) async fn shown(app: &App) -> Vec<api::Provider> {
    let snapshot = app.registry.snapshot().await;
    let mut plugins = app.plugins.shown();
    let mut all = Vec::new();
    for checked in app.registry.providers() {
        let id = checked.id().to_string();
        let at = plugins.iter().position(|plugin| plugin.id == id);
        let process = at.map(|at| plugins.swap_remove(at));
        match (snapshot.view(checked.id()), process) {
            (Some(view), process) => {
                let mut provider = convert::provider(view, &checked);
                provider.plugin = process.and_then(|process| process.plugin);
                all.push(provider);
            }
            // It has shown nothing yet.
            (None, process) => all.extend(process),
        }
    }
    all
}

/// The provider called so.
pub(super) async fn one(app: &App, name: &str) -> Answer<api::Provider> {
    let mut all = shown(app).await.into_iter();
    let found = all.find(|provider| provider.id == name || provider.name == name);
    found.ok_or_else(|| {
        ApiError::new(HResult::VDS_E_OBJECT_NOT_FOUND, format!("there is no provider {name:?}"))
    })
}

/// GET `/v1/providers`.
pub(super) async fn providers(
    State(app): Shared,
    Params(query): Params<PageQuery>,
) -> Json<List<api::Provider>> {
    let shown = shown(&app).await;
    page(shown, |provider| &provider.id, query.after.as_deref(), query.limit)
}

/// GET `/v1/providers/{name}`.
pub(super) async fn provider(State(app): Shared, Name(name): Name) -> Answer<Json<api::Provider>> {
    Ok(Json(one(&app, &name).await?))
}

/// POST `/v1/providers`.
pub(super) async fn add_provider(
    State(app): Shared,
    _administrator: Administrator,
    Body(body): Body<api::AddProvider>,
) -> Answer<(StatusCode, Json<api::Provider>)> {
    let id = app.plugins.add(&body).await?;
    Ok((StatusCode::CREATED, Json(one(&app, &id.to_string()).await?)))
}

/// DELETE `/v1/providers/{name}`: answered with what it was.
pub(super) async fn remove_provider(
    State(app): Shared,
    _administrator: Administrator,
    Name(name): Name,
) -> Answer<Json<api::Provider>> {
    let was = one(&app, &name).await?;
    app.plugins.remove(&name).await?;
    Ok(Json(was))
}

/// POST `/v1/providers/{name}/restart`.
pub(super) async fn restart_provider(
    State(app): Shared,
    _administrator: Administrator,
    Name(name): Name,
) -> Answer<Json<api::Provider>> {
    app.plugins.restart(&name).await?;
    Ok(Json(one(&app, &name).await?))
}
