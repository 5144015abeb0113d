//! Storage pools.

use axum::Json;
use axum::extract::State;
use vds_api as api;
use vds_api::{List, SubsystemFilter};

use super::Shared;
use super::answer::{Answer, page};
use super::arrays::filter;
use super::extract::{Name, Params};
use crate::convert;

/// GET `/v1/pools`.
pub(super) async fn pools(
    State(app): Shared,
    Params(query): Params<SubsystemFilter>,
) -> Answer<Json<List<api::Pool>>> {
    let snapshot = app.registry.snapshot().await;
    let only = filter(&snapshot, query.subsystem.as_deref())?;
    let mut shown = Vec::new();
    for (provider, view) in &snapshot.views {
        let all = view.all_pools().into_iter();
        let of = all.filter(|pool| only.is_none_or(|only| pool.subsystem == only));
        shown.extend(of.map(|pool| convert::pool(*provider, view, &pool)));
    }
    Ok(page(shown, |pool| &pool.id, query.after.as_deref(), query.limit))
}

/// GET `/v1/pools/{name}`.
pub(super) async fn pool(State(app): Shared, Name(name): Name) -> Answer<Json<api::Pool>> {
    let snapshot = app.registry.snapshot().await;
    let found = snapshot.pool(&name)?;
    Ok(Json(convert::pool(found.provider, found.view, &found.object)))
}
