//! HTTP/1.1 over the Unix socket: one connection for each request, so that nothing is ever reused stale.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::Instant;
use vds_api::ErrorBody;
use vds_model::HResult;

use crate::ClientError;

/// Most bytes of an answer that is read as a whole.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// How long a service that says that it is still starting is asked again, and how often.
const STARTING_MAX: Duration = Duration::from_secs(10);
const STARTING_PAUSE: Duration = Duration::from_millis(100);

/// What is asked of the service.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) accept: &'static str,
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn says_starting(&self) -> bool {
        self.status == 503
            && serde_json::from_slice::<ErrorBody>(&self.body)
                .is_ok_and(|body| body.result() == HResult::VDSX_E_SERVICE_STARTING)
    }
}

/// Sends a request; the answer's body is still to be read.
///
/// # Errors
/// [`ClientError::Unreachable`], [`ClientError::Denied`] before anything was sent;
/// [`ClientError::Broken`] when the service may have acted on the request.
pub(crate) async fn open(socket: &Path, ask: Ask) -> Result<Response<Incoming>, ClientError> {
    let stream = UnixStream::connect(socket).await.map_err(|source| {
        let socket = socket.to_owned();
        match source.kind() {
            std::io::ErrorKind::PermissionDenied => ClientError::Denied { socket, source },
            _ => ClientError::Unreachable { socket, source },
        }
    })?;
    let broken = |source| ClientError::Broken { source };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // It ends by itself when the answer is read or dropped.
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(ask.method)
        .uri(&ask.path)
        .header(HOST, "vds")
        .header(ACCEPT, ask.accept);
    for (name, value) in &ask.headers {
        request = request.header(*name, value);
    }
    if ask.body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let body = Full::new(Bytes::from(ask.body.unwrap_or_default()));
    let request =
        request.body(body).map_err(|_| ClientError::BadPath { path: ask.path.clone() })?;
    sender.send_request(request).await.map_err(broken)
}

/// Sends a request and reads the whole answer, which may take this long. A service that is starting has done nothing yet and is
/// asked again for a while.
///
/// # Errors
/// As [`open`]; [`ClientError::AnswerTooLong`], [`ClientError::Silent`].
pub(crate) async fn exchange(
    socket: &Path,
    ask: Ask,
    within: Duration,
) -> Result<Answer, ClientError> {
    let answered = async {
        let begun = Instant::now();
        loop {
            let response = open(socket, ask.clone()).await?;
            let status = response.status().as_u16();
            let answer = Answer { status, body: read_body(response.into_body()).await? };
            if !answer.says_starting() || begun.elapsed() >= STARTING_MAX {
                return Ok(answer);
            }
            tokio::time::sleep(STARTING_PAUSE).await;
        }
    };
    tokio::time::timeout(within, answered).await.unwrap_or_else(|_| {
        Err(ClientError::Silent { socket: socket.to_owned(), waited_s: within.as_secs() })
    })
}

/// Reads a body to its end.
pub(crate) async fn read_body(mut incoming: Incoming) -> Result<Vec<u8>, ClientError> {
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|source| ClientError::Broken { source })?;
        if let Ok(data) = frame.into_data() {
            if body.len() + data.len() > ANSWER_BYTES_MAX {
                return Err(ClientError::AnswerTooLong { bytes_max: ANSWER_BYTES_MAX });
            }
            body.extend_from_slice(&data);
        }
    }
    Ok(body)
}
