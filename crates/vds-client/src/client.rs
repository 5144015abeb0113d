//! The client itself: one request, one answer; lists with all their pages; the stream of events.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;
use serde::Serialize;
use serde::de::DeserializeOwned;
use vds_api::{
    API_VERSION, ErrorBody, Event, EventFilter, IDEMPOTENCY_KEY_HEADER, List, Operation, path,
};
use vds_model::HResult;

use crate::event_stream::EventParser;
use crate::transport::{self, Answer, Ask};
use crate::{ClientError, Pending, StreamEvent};

/// How often a request is sent under one key before its connection counts as broken.
const SENDS_MAX: u32 = 3;
/// How long to let the service come back before a request is sent again.
const RESEND_AFTER: Duration = Duration::from_millis(300);
/// How long any answer may take that is not waited for on purpose: the door may look at slow drives.
const ANSWER_WITHIN: Duration = Duration::from_mins(2);
const JSON: &str = "application/json";

/// A client of one service. Cheap to clone; holds no connection.
#[derive(Debug, Clone)]
pub struct Client {
    socket: Arc<Path>,
}

/// A query without fields.
pub(crate) const NO_QUERY: &[(); 0] = &[];

impl Client {
    /// A client of the service that listens on this socket.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into().into() }
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Asks for one thing.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.get_within(path, query, ANSWER_WITHIN).await
    }

    /// As [`Client::get`], for a question whose answer may take this long.
    pub(crate) async fn get_within<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &impl Serialize,
        within: Duration,
    ) -> Result<T, ClientError> {
        let path = with_query(path, query);
        let ask = ask(Method::GET, path.clone());
        let answer = transport::exchange(&self.socket, ask, within).await?;
        read(&path, &answer)
    }

    /// Asks for a whole list, page by page.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &impl Serialize,
    ) -> Result<Vec<T>, ClientError> {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut page = with_query(path, query);
            if let Some(after) = &after {
                let joint = if page.contains('?') { '&' } else { '?' };
                write!(page, "{joint}after={}", path::segment(after))
                    .expect("writing to a text cannot fail");
            }
            let list: List<T> = self.get(&page, NO_QUERY).await?;
            items.extend(list.items);
            match list.next {
                // A service that names the same key again would keep us here for ever.
                Some(next) if after.as_ref() != Some(&next) => after = Some(next),
                _ => return Ok(items),
            }
        }
    }

    /// Asks a question that has a body and changes nothing.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let mut ask = ask(Method::POST, path.to_owned());
        ask.body = Some(to_bytes(body));
        let answer = transport::exchange(&self.socket, ask, ANSWER_WITHIN).await?;
        read(path, &answer)
    }

    /// Asks for something that is done at once and may be asked for twice, such as a cancel.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn act<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let ask = ask(Method::POST, path.to_owned());
        let answer = transport::exchange(&self.socket, ask, ANSWER_WITHIN).await?;
        read(path, &answer)
    }

    /// Takes something away that is gone at once, and may be asked for twice.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn take_away<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let ask = ask(Method::DELETE, path.to_owned());
        let answer = transport::exchange(&self.socket, ask, ANSWER_WITHIN).await?;
        read(path, &answer)
    }

    /// Starts work under a new key; sent again under that key if the connection breaks.
    ///
    /// # Errors
    /// Any [`ClientError`]; after [`ClientError::Broken`] it is unknown whether work was started.
    pub async fn start(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Pending, ClientError> {
        let mut bytes = [0_u8; 16];
        getrandom::fill(&mut bytes).map_err(|source| ClientError::NoRandomness { source })?;
        self.start_with_key(method, path, body, &vds_model::hex::encode(&bytes)).await
    }

    /// Starts work under the caller's key: the same key with the same request finds the same operation.
    ///
    /// # Errors
    /// As [`Client::start`]; the key with another request is refused as `operation.key_conflict`.
    pub async fn start_with_key(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        key: &str,
    ) -> Result<Pending, ClientError> {
        let mut sends = 1;
        let answer = loop {
            let mut ask = ask(method.clone(), path.to_owned());
            ask.headers.push((IDEMPOTENCY_KEY_HEADER, key.to_owned()));
            ask.body = body.map(to_bytes);
            match transport::exchange(&self.socket, ask, ANSWER_WITHIN).await {
                Err(ClientError::Broken { .. }) if sends < SENDS_MAX => sends += 1,
                // It broke before, so the service may be restarting and know the key afterwards.
                Err(ClientError::Unreachable { .. }) if (2..SENDS_MAX).contains(&sends) => {
                    sends += 1;
                }
                other => break other?,
            }
            tokio::time::sleep(RESEND_AFTER).await;
        };
        let operation: Operation = read(path, &answer)?;
        Ok(Pending::new(self.clone(), operation))
    }

    /// Opens the stream of events, after this number or with the next event.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn events(&self, after: Option<u64>) -> Result<EventStream, ClientError> {
        let path = with_query(path::EVENTS, &EventFilter { after });
        let mut ask = ask(Method::GET, path.clone());
        ask.accept = "text/event-stream";
        let response = transport::open(&self.socket, ask).await?;
        let status = response.status().as_u16();
        if status != 200 {
            let body = transport::read_body(response.into_body()).await?;
            return Err(refused(&path, &Answer { status, body }));
        }
        let incoming = response.into_body();
        Ok(EventStream { incoming, parser: EventParser::default(), ready: VecDeque::new() })
    }
}

/// Events as they happen.
#[derive(Debug)]
pub struct EventStream {
    incoming: Incoming,
    parser: EventParser,
    ready: VecDeque<StreamEvent>,
}

impl EventStream {
    /// The next event; `None` when the service ended the stream. Giving up the wait loses nothing.
    ///
    /// # Errors
    /// [`ClientError::Broken`], [`ClientError::NotUnderstood`], [`ClientError::AnswerTooLong`].
    pub async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                let not_understood = |source| {
                    let path = path::EVENTS.to_owned();
                    ClientError::NotUnderstood { path, status: 200, source }
                };
                return serde_json::from_str(&event.data).map(Some).map_err(not_understood);
            }
            let Some(frame) = self.incoming.frame().await else { return Ok(None) };
            let frame = frame.map_err(|source| ClientError::Broken { source })?;
            if let Ok(data) = frame.into_data() {
                self.parser
                    .feed(&data, &mut self.ready)
                    .map_err(|_| ClientError::AnswerTooLong { bytes_max: data.len() })?;
            }
        }
    }
}

fn ask(method: Method, path: String) -> Ask {
    Ask { method, path, headers: Vec::new(), body: None, accept: JSON }
}

fn to_bytes(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("the types of the API have text keys only")
}

fn read<T: DeserializeOwned>(path: &str, answer: &Answer) -> Result<T, ClientError> {
    if !(200..300).contains(&answer.status) {
        return Err(refused(path, answer));
    }
    serde_json::from_slice(&answer.body).map_err(|source| ClientError::NotUnderstood {
        path: path.to_owned(),
        status: answer.status,
        source,
    })
}

fn refused(path: &str, answer: &Answer) -> ClientError {
    let status = answer.status;
    match serde_json::from_slice::<ErrorBody>(&answer.body) {
        Ok(body) if body.result() != HResult::S_OK => {
            ClientError::Refused { status, body: Box::new(body) }
        }
        Ok(_) => {
            let message = format!("{API_VERSION} answered status {status} and calls it a success");
            let body = ErrorBody::new(HResult::VDSX_E_VERSION_MISMATCH, message);
            ClientError::Refused { status, body: Box::new(body) }
        }
        Err(source) => ClientError::NotUnderstood { path: path.to_owned(), status, source },
    }
}

/// A path with the fields of a query; fields that are null are left out.
fn with_query(path: &str, query: &impl Serialize) -> String {
    let mut whole = path.to_owned();
    let query = serde_json::to_value(query).expect("the types of the API have text keys only");
    let fields = query.as_object().into_iter().flatten();
    let mut joint = if path.contains('?') { '&' } else { '?' };
    for (name, value) in fields {
        let value = match value {
            serde_json::Value::Null => continue,
            serde_json::Value::String(text) => path::segment(text),
            other => path::segment(&other.to_string()),
        };
        write!(whole, "{joint}{name}={value}").expect("writing to a text cannot fail");
        joint = '&';
    }
    whole
}

#[cfg(test)]
mod tests {
    use vds_api::{OperationFilter, OperationState, WaitQuery};

    use super::*;

    fn check(query: &impl Serialize, expected: &str) {
        assert_eq!(with_query("/v1/operations", query), expected);
    }

    #[test]
    fn queries_are_written() {
        check(&NO_QUERY, "/v1/operations");
        check(&WaitQuery::default(), "/v1/operations");
        check(
            &WaitQuery { wait_ms: Some(5), seen_version: Some(7) },
            "/v1/operations?seen_version=7&wait_ms=5",
        );
        check(
            &OperationFilter {
                state: Some(OperationState::Running),
                key: Some("a b&c".to_owned()),
                ..OperationFilter::default()
            },
            "/v1/operations?key=a%20b%26c&running=false&state=running",
        );
    }
}
