//! Drives of arrays, and the block devices of the machine.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use vds_api as api;
use vds_api::{List, PageQuery, SubsystemFilter};
use vds_model::HResult;
use vds_provider::Request;

use super::Shared;
use super::answer::{Answer, ApiError, accepted, page};
use super::arrays::filter;
use super::extract::{Body, Caller, Name, Params};
use crate::convert;

/// GET `/v1/drives`.
pub(super) async fn drives(
    State(app): Shared,
    Params(query): Params<SubsystemFilter>,
) -> Answer<Json<List<api::Drive>>> {
    let snapshot = app.registry.snapshot().await;
    let only = filter(&snapshot, query.subsystem.as_deref())?;
    let all = snapshot.views.iter().flat_map(|(_, view)| &view.drives);
    let shown = all.filter(|of| only.is_none() || of.subsystem == only);
    let shown = shown.map(convert::drive).collect();
    Ok(page(shown, |drive| &drive.id, query.after.as_deref(), query.limit))
}

/// GET `/v1/drives/{name}`.
pub(super) async fn drive(State(app): Shared, Name(name): Name) -> Answer<Json<api::Drive>> {
    let snapshot = app.registry.snapshot().await;
    Ok(Json(convert::drive(snapshot.drive(&name)?.object)))
}

/// GET `/v1/available-drives`: every block device, and why some cannot be taken.
pub(super) async fn available_drives(
    Params(query): Params<PageQuery>,
) -> Answer<Json<List<api::AvailableDrive>>> {
    let looked = tokio::task::spawn_blocking(|| vds_os::drives(&crate::embedded::own_magics()));
    let found = looked
        .await
        .map_err(|_| ApiError::new(HResult::VDSX_E_SERVICE_STOPPING, "the service is stopping"))?;
    let shown = found.into_iter().map(|drive| api::AvailableDrive {
        is_available: drive.is_available(),
        path: drive.description.path,
        size_bytes: drive.description.size_bytes,
        sector_bytes: drive.description.sector_bytes,
        serial: drive.description.serial,
        model: drive.description.model,
        partition_of: drive.partition_of,
        obstacles: drive.obstacles.iter().map(ToString::to_string).collect(),
    });
    Ok(page(shown.collect(), |drive| &drive.path, query.after.as_deref(), query.limit))
}

/// POST `/v1/drives`.
pub(super) async fn add_drive(
    State(app): Shared,
    Caller(asker): Caller,
    Body(body): Body<api::AddDrive>,
) -> Answer<Response> {
    let (provider, request) = app.registry.snapshot().await.add_drive(&body)?;
    Ok(accepted(&app, &app.registry.start(asker, provider, request).await?))
}

/// DELETE `/v1/drives/{name}`.
pub(super) async fn remove_drive(
    State(app): Shared,
    Name(name): Name,
    Caller(asker): Caller,
) -> Answer<Response> {
    let snapshot = app.registry.snapshot().await;
    let found = snapshot.drive(&name)?;
    let request = Request::RemoveDrive { drive: found.object.properties.id };
    Ok(accepted(&app, &app.registry.start(asker, found.provider, request).await?))
}

/// POST `/v1/drives/{name}/fail`.
pub(super) async fn fail_drive(
    State(app): Shared,
    Name(name): Name,
    Caller(asker): Caller,
    Body(body): Body<api::FailDrive>,
) -> Answer<Response> {
    let (provider, request) = app.registry.snapshot().await.fail_drive(&name, &body)?;
    Ok(accepted(&app, &app.registry.start(asker, provider, request).await?))
}

/// POST `/v1/drives/{name}/spare`.
pub(super) async fn set_drive_spare(
    State(app): Shared,
    Name(name): Name,
    Caller(asker): Caller,
    Body(body): Body<api::SetDriveSpare>,
) -> Answer<Response> {
    let snapshot = app.registry.snapshot().await;
    let found = snapshot.drive(&name)?;
    let drive = found.object.properties.id;
    let request = Request::SetDriveSpare { drive, is_spare: body.is_spare };
    Ok(accepted(&app, &app.registry.start(asker, found.provider, request).await?))
}
