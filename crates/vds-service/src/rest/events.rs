//! The stream of events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use vds_api::EventFilter;

use super::extract::Params;
use super::{App, Shared};

/// Where a browser or client that comes back left off.
const LAST_EVENT_ID: &str = "last-event-id";

/// GET `/v1/events`.
pub(super) async fn events(
    State(app): Shared,
    headers: HeaderMap,
    Params(query): Params<EventFilter>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let returning = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.parse().ok());
    let after = returning.or(query.after).unwrap_or_else(|| app.registry.inner.hub.last());
    Sse::new(futures_util::stream::unfold((app, after), next)).keep_alive(KeepAlive::default())
}

async fn next(
    (app, after): (Arc<App>, u64),
) -> Option<(Result<Event, Infallible>, (Arc<App>, u64))> {
    let mut stopping = app.stopping.clone();
    let event = tokio::select! {
        event = app.registry.inner.hub.next(after) => event,
        _ = stopping.wait_for(|stopping| *stopping) => return None,
    };
    let name = if event.operation.is_some() { "operation" } else { "change" };
    let number = event.number;
    let sent = Event::default().id(number.to_string()).event(name);
    let data = serde_json::to_string(&event).expect("texts and numbers become JSON");
    Some((Ok(sent.data(data)), (app, number)))
}
