//! The REST interface `/v1`: what comes in is parsed and looked up, handed to the registry, and answered. Decides nothing.

mod answer;
mod arrays;
mod drives;
mod events;
mod extract;
mod limit;
mod listen;
mod luns;
mod operations;
mod peer;
mod pools;
mod providers;
mod status;
mod targets;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use tokio::sync::watch;
use vds_api::{BODY_BYTES_MAX, ErrorBody, REQUEST_ID_HEADER, path};
use vds_model::HResult;

use crate::audit::{Audit, AuditEntry};
use crate::edges::Edges;
use crate::plugins::Plugins;
use crate::registry::Registry;
use crate::world::{new_id, unix_ms};

pub(crate) use answer::ApiError;
use answer::Begun;
pub(crate) use listen::{Socket, SocketOptions};
pub(crate) use peer::Peer;

/// Most characters of a request id that a client may choose.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// What every handler knows.
pub(crate) struct App {
    pub(crate) registry: Registry,
    pub(crate) plugins: Plugins,
    pub(crate) edges: Arc<dyn Edges>,
    pub(crate) audit: Audit,
    pub(crate) instance: String,
    pub(crate) data_directory: PathBuf,
    pub(crate) started_unix_ms: u64,
    /// Turns true when the service stops: long polls and event streams end.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// The state as handlers take it.
pub(crate) type Shared = State<Arc<App>>;

/// All routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    let arrays = Router::new()
        .route(path::STATUS, get(status::status))
        .route(path::READY, get(status::ready))
        .route(path::PROVIDERS, get(providers::providers).post(providers::add_provider))
        .route(
            &one(path::PROVIDERS, ""),
            get(providers::provider).delete(providers::remove_provider),
        )
        .route(&one(path::PROVIDERS, "/restart"), post(providers::restart_provider))
        .route(path::SUBSYSTEMS, get(arrays::subsystems).post(arrays::create_subsystem))
        .route(&one(path::SUBSYSTEMS, ""), get(arrays::subsystem).patch(arrays::change_subsystem))
        .route(&one(path::SUBSYSTEMS, "/open"), post(arrays::open_subsystem))
        .route(&one(path::SUBSYSTEMS, "/scrub"), post(arrays::scrub_subsystem))
        .route(path::POOLS, get(pools::pools))
        .route(&one(path::POOLS, ""), get(pools::pool))
        .route(path::CONTROLLERS, get(arrays::controllers))
        .route(path::PORTS, get(arrays::ports))
        .route(path::REENUMERATE, post(arrays::reenumerate))
        .route(path::REFRESH, post(arrays::refresh));
    let drives = Router::new()
        .route(path::DRIVES, get(drives::drives).post(drives::add_drive))
        .route(path::AVAILABLE_DRIVES, get(drives::available_drives))
        .route(&one(path::DRIVES, ""), get(drives::drive).delete(drives::remove_drive))
        .route(&one(path::DRIVES, "/fail"), post(drives::fail_drive))
        .route(&one(path::DRIVES, "/spare"), post(drives::set_drive_spare))
        .route(path::DAMAGE, get(status::damage));
    let lun = get(luns::lun).patch(luns::change_lun).delete(luns::delete_lun);
    let luns = Router::new()
        .route(path::LUNS, get(luns::luns).post(luns::create_lun))
        .route(path::LUN_PLAN, post(luns::plan_lun))
        .route(path::LUN_MAX_SIZE, post(luns::max_lun_size))
        .route(&one(path::LUNS, ""), lun)
        .route(&one(path::LUNS, "/extend"), post(luns::extend_lun))
        .route(&one(path::LUNS, "/max-extension"), post(luns::max_lun_extension))
        .route(&one(path::LUNS, "/recover"), post(luns::recover_lun))
        .route(&one(path::LUNS, "/plexes"), post(luns::add_plex))
        .route(&one(path::PLEXES, ""), get(luns::plex).delete(luns::remove_plex));
    let operations = Router::new()
        .route(path::OPERATIONS, get(operations::operations))
        .route(&one(path::OPERATIONS, ""), get(operations::operation))
        .route(&one(path::OPERATIONS, "/cancel"), post(operations::cancel))
        .route(&one(path::OPERATIONS, "/pause"), post(operations::pause))
        .route(&one(path::OPERATIONS, "/resume"), post(operations::resume))
        .route(&one(path::OPERATIONS, "/priority"), post(operations::set_priority))
        .route(path::EVENTS, get(events::events))
        .route(path::AUDIT, get(status::audit));
    arrays
        .merge(drives)
        .merge(luns)
        .merge(export())
        .merge(operations)
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&app), finish))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(app)
}

/// The path of one object, and of what is below it.
fn one(base: &str, tail: &str) -> String {
    format!("{base}/{{name}}{tail}")
}

/// Routes of what hosts reach: targets, portals, sessions.
fn export() -> Router<Arc<App>> {
    let target = get(targets::target).patch(targets::change_target).delete(targets::delete_target);
    Router::new()
        .route(path::TARGETS, get(targets::targets).post(targets::create_target))
        .route(&one(path::TARGETS, ""), target)
        .route(&one(path::TARGETS, "/chap"), put(targets::set_chap))
        .route(&one(path::TARGETS, "/secret"), put(targets::set_secret))
        .route(path::PORTALS, get(targets::portals).post(targets::add_portal))
        .route(&one(path::PORTALS, ""), delete(targets::remove_portal).get(targets::portal))
        .route(&one(path::TARGETS, "/portal-groups"), post(targets::create_portal_group))
        .route(&one(path::PORTAL_GROUPS, ""), delete(targets::delete_portal_group))
        .route(
            &one(path::PORTAL_GROUPS, "/portals/{portal}"),
            put(targets::add_to_portal_group).delete(targets::remove_from_portal_group),
        )
        .route(path::SESSIONS, get(targets::sessions))
}

async fn no_such_route(request: Request) -> ApiError {
    let message = format!("there is no {}", request.uri().path());
    ApiError::new(HResult::VDSX_E_NO_SUCH_ROUTE, message)
}

async fn no_such_method(request: Request) -> ApiError {
    let message = format!("{} does not take {}", request.uri().path(), request.method());
    ApiError::new(HResult::VDSX_E_NO_SUCH_ROUTE, message)
}

/// Around every request: gives it an id, writes the body of what went wrong, and keeps the audit trail.
async fn finish(State(app): Shared, request: Request, next: Next) -> Response {
    let request_id = request_id(&request);
    let entry = (!is_question(&request)).then(|| {
        let peer = request.extensions().get::<Peer>().cloned().unwrap_or_default();
        (peer, format!("{} {}", request.method(), request.uri().path()))
    });
    let started = match request.uri().path() {
        path::STATUS | path::READY => Ok(()),
        _ => app.registry.phases().check_started(),
    };
    let mut response = match started {
        Ok(()) => next.run(request).await,
        Err(refusal) => ApiError::from(refusal).into_response(),
    };
    let error = response.extensions_mut().remove::<ErrorBody>().map(|mut body| {
        body.request_id.clone_from(&request_id);
        body
    });
    if let Some((peer, what)) = entry {
        let begun = response.extensions().get::<Begun>();
        app.audit
            .add(AuditEntry {
                unix_ms: unix_ms(),
                request_id: request_id.clone(),
                who: peer.who(),
                from: peer.from(),
                what,
                operation: begun.map(|begun| begun.0.to_string()),
                http_status: response.status().as_u16(),
                code: error.as_ref().map(|error| error.code.clone()),
            })
            .await;
    }
    if let Some(body) = error {
        response = (response.status(), axum::Json(body)).into_response();
    }
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID_HEADER, value);
    }
    response
}

/// Whether a request cannot change anything.
fn is_question(request: &Request) -> bool {
    let questions = [path::LUN_PLAN, path::LUN_MAX_SIZE];
    matches!(*request.method(), Method::GET | Method::HEAD)
        || questions.contains(&request.uri().path())
        || request.uri().path().ends_with("/max-extension")
}

/// The id the client chose, if it is a decent one, or a new one.
fn request_id(request: &Request) -> String {
    let chosen = request.headers().get(REQUEST_ID_HEADER).and_then(|value| value.to_str().ok());
    let decent = chosen.filter(|id| {
        !id.is_empty()
            && id.len() <= REQUEST_ID_BYTES_MAX
            && id.bytes().all(|byte| byte.is_ascii_graphic())
    });
    decent.map_or_else(|| vds_model::OperationId::from_bytes(new_id()).to_string(), str::to_owned)
}
