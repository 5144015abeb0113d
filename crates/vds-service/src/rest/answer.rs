//! Answers: lists, begun operations, errors.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use vds_api::{ErrorBody, List, PAGE_ITEMS_MAX, path};
use vds_model::{HResult, OperationId};
use vds_operation::{Operation, OperationKind};
use vds_provider::Refusal;

use super::App;
use crate::ServiceError;
use crate::convert::refusal_body;
use crate::registry::Asker;

/// A request that was not done.
#[derive(Debug)]
pub(crate) struct ApiError(Box<ErrorBody>);

/// What a handler answers.
pub(crate) type Answer<T> = Result<T, ApiError>;

impl ApiError {
    pub(crate) fn new(result: HResult, message: impl Into<String>) -> Self {
        Self(Box::new(ErrorBody::new(result, message)))
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self(Box::new(refusal_body(&refusal)))
    }
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        tracing::error!(error.code = error.code(), %error, "a request failed");
        Self::new(error.result(), error.to_string())
    }
}

/// The status alone: the body is written where the request's id is known.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.result_kind().http_status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(*self.0);
        response
    }
}

/// The operation that a request began, for the audit trail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun(pub(super) OperationId);

/// 202, with the operation and where to ask after it.
pub(super) fn accepted(app: &App, operation: &Operation) -> Response {
    let status = operation.status();
    let body = app.registry.shown(operation, &status);
    let location = path::operation(&body.id);
    let mut response = (StatusCode::ACCEPTED, Json(body)).into_response();
    response.extensions_mut().insert(Begun(status.id));
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// The operation that a request of this kind began with the same key before; else the miss.
///
/// For requests that take their object away, or its name: repeated, they do not find it any more, and find their operation. A name
/// that leads nowhere cannot be compared with the one of the first request: the key alone tells.
pub(super) fn begun_before(
    app: &App,
    asker: &Asker,
    kind: OperationKind,
    miss: impl Into<ApiError>,
) -> Answer<Response> {
    let is_it = |operation: &Operation| {
        operation.kind() == kind && asker.key.is_some() && operation.record().key == asker.key
    };
    let before = app.registry.operations().into_iter().find(|(_, operation)| is_it(operation));
    before.map(|(_, operation)| accepted(app, &operation)).ok_or_else(|| miss.into())
}

/// The page of `items` after a key, in the order of the keys.
pub(super) fn page<T>(
    mut items: Vec<T>,
    key: impl Fn(&T) -> &str,
    after: Option<&str>,
    limit: Option<usize>,
) -> Json<List<T>> {
    if let Some(after) = after {
        items.retain(|item| key(item) > after);
    }
    items.sort_by(|a, b| key(a).cmp(key(b)));
    let limit = limit.unwrap_or(PAGE_ITEMS_MAX).clamp(1, PAGE_ITEMS_MAX);
    let is_last = items.len() <= limit;
    items.truncate(limit);
    let next = if is_last { None } else { items.last().map(|item| key(item).to_owned()) };
    Json(List { items, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_meet_without_gap_or_overlap() {
        let all: Vec<String> = (0..7).map(|number| format!("k{}", 9 - number)).collect();
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let Json(list) = page(all.clone(), String::as_str, after.as_deref(), Some(3));
            seen.extend(list.items);
            after = list.next;
            if after.is_none() {
                break;
            }
        }
        let mut sorted = all;
        sorted.sort();
        assert_eq!(seen, sorted);
    }
}
