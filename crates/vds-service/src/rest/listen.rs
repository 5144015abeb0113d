//! The Unix socket: its place, its rights, and the server behind it.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::Next;
use axum::response::Response;
use axum::serve::IncomingStream;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::limit::Limited;
use super::peer::id_of;
use super::{App, Peer, router};
use crate::ServiceError;

/// How long connections may take to end once the service stops.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Who may use the socket: its owner and its group.
const SOCKET_MODE: u32 = 0o660;

/// Where the socket is to be.
#[derive(Clone, Debug)]
pub(crate) struct SocketOptions {
    /// Its path.
    pub(crate) path: PathBuf,
    /// The group that may use it, if it exists on this machine.
    pub(crate) group: Option<String>,
}

/// The socket, served until it is closed.
pub(crate) struct Socket {
    path: PathBuf,
    serving: JoinHandle<io::Result<()>>,
}

impl Connected<IncomingStream<'_, Limited>> for Peer {
    fn connect_info(connection: IncomingStream<'_, Limited>) -> Self {
        Self::of(&connection.io().stream)
    }
}

impl Socket {
    /// Binds the socket; one that nobody answers on is replaced.
    ///
    /// # Errors
    /// [`ServiceError::SocketInUse`] if somebody answers; that it cannot be bound or given its rights.
    pub(crate) async fn bind(options: &SocketOptions) -> Result<UnixListener, ServiceError> {
        let path = &options.path;
        if UnixStream::connect(path).await.is_ok() {
            return Err(ServiceError::SocketInUse { socket: path.clone() });
        }
        let failed =
            |action| move |source| ServiceError::File { action, path: path.clone(), source };
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("replace")(error));
            }
            _ => {}
        }
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(failed("make the directory of"))?;
        }
        // Bound under another name and moved once its rights are set: there is no moment at which others get in.
        let hidden = path.with_extension("new");
        let _ = std::fs::remove_file(&hidden);
        let listener = UnixListener::bind(&hidden).map_err(failed("bind"))?;
        let placed = give_rights(&hidden, options.group.as_deref())
            .and_then(|()| std::fs::rename(&hidden, path));
        placed.map_err(failed("set the rights of"))?;
        Ok(listener)
    }

    /// Serves the routes on a bound socket until `stopping` turns true.
    pub(crate) fn serve(
        options: &SocketOptions,
        listener: UnixListener,
        app: Arc<App>,
        mut stopping: watch::Receiver<bool>,
    ) -> Self {
        let service = router(app)
            .layer(axum::middleware::from_fn(note_peer))
            .into_make_service_with_connect_info::<Peer>();
        let stopped = async move {
            // Nobody left to say so means the same.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        };
        let serving = tokio::spawn(async move {
            axum::serve(Limited::new(listener), service).with_graceful_shutdown(stopped).await
        });
        Self { path: options.path.clone(), serving }
    }

    /// Removes the socket and waits for its connections, for a while. `stopping` must be true.
    pub(crate) async fn close(mut self) {
        let _ = std::fs::remove_file(&self.path);
        if tokio::time::timeout(CLOSE_TIMEOUT, &mut self.serving).await.is_err() {
            tracing::debug!("connections were still open at the end");
            self.serving.abort();
        }
    }
}

/// Puts the peer where extractors and the audit trail look for it.
async fn note_peer(mut request: Request, next: Next) -> Response {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<Peer>>().cloned() {
        request.extensions_mut().insert(peer);
    }
    next.run(request).await
}

fn give_rights(path: &Path, group: Option<&str>) -> io::Result<()> {
    if let Some(gid) = group.and_then(|group| id_of("/etc/group", group)) {
        // Only root, or a member of the group, may give it away; for others the socket is theirs alone.
        if let Err(error) = std::os::unix::fs::chown(path, None, Some(gid)) {
            tracing::debug!(%error, gid, "the socket keeps its group");
        }
    }
    std::fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE))
}
