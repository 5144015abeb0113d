//! What comes in: bodies, queries, who asks. Everything that is wrong becomes an answer that says what.

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use vds_api::{BODY_BYTES_MAX, IDEMPOTENCY_KEY_HEADER};
use vds_model::HResult;
use vds_operation::{IdempotencyKey, KEY_BYTES_MAX};

use super::{ApiError, Peer};
use crate::registry::Asker;

fn malformed(message: impl Into<String>) -> ApiError {
    ApiError::new(HResult::VDSX_E_MALFORMED, message)
}

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
                let message = format!("the body has more than {BODY_BYTES_MAX} bytes");
                ApiError::new(HResult::VDSX_E_TOO_LARGE, message)
            } else {
                malformed("the body did not arrive")
            }
        })?;
        // An empty body is an empty object: every field may be left out then, or is missed by name.
        let bytes = if bytes.is_empty() { Bytes::from_static(b"{}") } else { bytes };
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| malformed(format!("the body is not as it must be: {error}")))
    }
}

/// The query of the address.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(params) = Query::from_request_parts(parts, state)
            .await
            .map_err(|rejection| malformed(rejection.body_text()))?;
        Ok(Self(params))
    }
}

/// The name of an object in the path.
pub(super) struct Name(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(name) = Path::from_request_parts(parts, state)
            .await
            .map_err(|_| malformed("the name in the path is no text"))?;
        Ok(Self(name))
    }
}

/// The names of an object and of another one in it, both in the path.
pub(super) struct Names(pub(super) String, pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Names {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path((outer, inner)) = Path::from_request_parts(parts, state)
            .await
            .map_err(|_| malformed("a name in the path is no text"))?;
        Ok(Self(outer, inner))
    }
}

/// Who asks, and with which key.
pub(super) struct Caller(pub(super) Asker);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let peer = parts.extensions.get::<Peer>().cloned().unwrap_or_default();
        let key = match parts.headers.get(IDEMPOTENCY_KEY_HEADER) {
            None => None,
            Some(value) => {
                let key = value.to_str().ok().and_then(IdempotencyKey::new);
                Some(key.ok_or_else(|| {
                    malformed(format!("the key has 1 to {KEY_BYTES_MAX} printable characters"))
                })?)
            }
        };
        Ok(Self(Asker { owner: peer.owner(), key }))
    }
}
