//! Operations: the list, waiting, cancelling, pausing.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use vds_api as api;
use vds_api::{
    CancelAnswer, CancelOutcome, List, OperationFilter, PAGE_ITEMS_MAX, WAIT_MS_MAX, WaitQuery,
};
use vds_model::HResult;
use vds_operation::{Operation, PauseError, Priority};

use super::answer::{Answer, ApiError};
use super::extract::{Body, Name, Params};
use super::{App, Shared};
use crate::convert;

/// The key of an operation in the list, which is newest first: a later key comes first.
fn key(operation: &api::Operation) -> String {
    format!("{:016x}-{}", operation.created_unix_ms, operation.id)
}

/// GET `/v1/operations`.
pub(super) async fn operations(
    State(app): Shared,
    Params(filter): Params<OperationFilter>,
) -> Json<List<api::Operation>> {
    let limit = filter.limit.unwrap_or(PAGE_ITEMS_MAX).clamp(1, PAGE_ITEMS_MAX);
    let mut items = Vec::new();
    let mut is_last = true;
    for (_, operation) in app.registry.operations() {
        let shown = app.registry.shown(&operation, &operation.status());
        let is_wanted = filter.state.is_none_or(|state| shown.state == state)
            && filter.kind.as_ref().is_none_or(|kind| shown.kind == *kind)
            && filter.key.as_ref().is_none_or(|key| shown.key.as_ref() == Some(key))
            && !(filter.running && shown.is_ended())
            && filter.after.as_ref().is_none_or(|after| key(&shown) < *after);
        if is_wanted && items.len() == limit {
            is_last = false;
            break;
        }
        if is_wanted {
            items.push(shown);
        }
    }
    let next = if is_last { None } else { items.last().map(key) };
    Json(List { items, next })
}

/// GET `/v1/operations/{name}`: at once, or when it has ended or changed, or when the time is up.
pub(super) async fn operation(
    State(app): Shared,
    Name(name): Name,
    Params(query): Params<WaitQuery>,
) -> Answer<Json<api::Operation>> {
    let operation = app.registry.operation(&name)?;
    if let Some(wait_ms) = query.wait_ms {
        let sleep = tokio::time::sleep(Duration::from_millis(wait_ms.min(WAIT_MS_MAX)));
        let mut stopping = app.stopping.clone();
        let news = async {
            match query.seen_version {
                Some(seen) => drop(operation.changed(seen).await),
                None => drop(operation.wait().await),
            }
        };
        tokio::select! {
            () = news => {}
            () = sleep => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    }
    Ok(shown(&app, &operation))
}

fn shown(app: &App, operation: &Operation) -> Json<api::Operation> {
    Json(app.registry.shown(operation, &operation.status()))
}

/// POST `/v1/operations/{name}/cancel`: answered once it is known whether it was in time, or when a request has
/// waited as long as any may.
pub(super) async fn cancel(State(app): Shared, Name(name): Name) -> Answer<Json<CancelAnswer>> {
    let operation = app.registry.operation(&name)?;
    let cancelled = operation.cancel();
    let mut stopping = app.stopping.clone();
    let answer = tokio::select! {
        answer = cancelled => Some(answer),
        () = tokio::time::sleep(Duration::from_millis(WAIT_MS_MAX)) => None,
        _ = stopping.wait_for(|stopping| *stopping) => None,
    };
    let (outcome, result) = match answer {
        None => (CancelOutcome::Pending, HResult::VDS_E_OPERATION_PENDING),
        Some(Ok(answer)) => (convert::cancel_outcome(answer), answer.hresult()),
        Some(Err(error)) => return Err(ApiError::new(error.hresult(), error.to_string())),
    };
    let result = result.name().map_or_else(|| result.to_string(), str::to_owned);
    Ok(Json(CancelAnswer { outcome, result, operation: shown(&app, &operation).0 }))
}

fn adjusted(
    app: &App,
    operation: &Operation,
    result: Result<(), PauseError>,
) -> Answer<Json<api::Operation>> {
    result.map_err(|error| {
        let result = HResult::by_code(error.code()).unwrap_or(error.hresult());
        ApiError::new(result, error.to_string())
    })?;
    Ok(shown(app, operation))
}

/// POST `/v1/operations/{name}/pause`.
pub(super) async fn pause(State(app): Shared, Name(name): Name) -> Answer<Json<api::Operation>> {
    let operation = app.registry.operation(&name)?;
    adjusted(&app, &operation, operation.pause())
}

/// POST `/v1/operations/{name}/resume`.
pub(super) async fn resume(State(app): Shared, Name(name): Name) -> Answer<Json<api::Operation>> {
    let operation = app.registry.operation(&name)?;
    adjusted(&app, &operation, operation.resume_work())
}

/// POST `/v1/operations/{name}/priority`.
pub(super) async fn set_priority(
    State(app): Shared,
    Name(name): Name,
    Body(body): Body<api::ChangePriority>,
) -> Answer<Json<api::Operation>> {
    let operation = app.registry.operation(&name)?;
    let Some(priority) = Priority::new(body.priority) else {
        let message = format!("a priority is 0 to 15, not {}", body.priority);
        return Err(ApiError::new(HResult::VDSX_E_BAD_PRIORITY, message));
    };
    adjusted(&app, &operation, operation.set_priority(priority))
}
