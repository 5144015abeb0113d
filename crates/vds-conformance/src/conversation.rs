//! One conversation with one process: questions, their answers, news, and what of it breaks the protocol.

use std::collections::BTreeMap;
use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use serde::Serialize;
use serde_json::value::RawValue;
use vds_model::OperationId;
use vds_plugin::{
    CallError, EventChange, Events, FRAME_BYTES_MAX, Found, FrameReader, Message,
    NOTIFICATION_BYTES_MAX, Status, frame, method, request,
};

use crate::trouble::{Step, Trouble, failed};

/// Bytes taken from the socket at once.
const READ_BYTES: usize = 64 << 10;
/// Descriptors one look at the socket may bring.
const DESCRIPTORS_MAX: usize = 4;

/// An answer.
pub(crate) struct Answered {
    pub(crate) outcome: Result<Box<RawValue>, CallError>,
    pub(crate) descriptor: Option<OwnedFd>,
}

/// A question that was asked.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    id: u64,
    method: &'static str,
    at: Instant,
}

/// A status as it was told.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) status: Status,
    /// By `operation.changed`, not by an answer.
    pub(crate) is_news: bool,
}

#[derive(Default)]
struct Heard {
    /// Questions without an answer. Those that need none are false.
    open: BTreeMap<u64, (&'static str, bool)>,
    answers: BTreeMap<u64, Answered>,
    told: Vec<Told>,
    events: Vec<EventChange>,
    breaches: Vec<String>,
    is_initialized: bool,
    is_over: bool,
}

#[derive(Default)]
struct Shared {
    heard: Mutex<Heard>,
    changed: Condvar,
}

/// A conversation.
pub(crate) struct Conversation {
    stream: UnixStream,
    shared: Arc<Shared>,
    last_id: u64,
    answer: Duration,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Conversation {
    /// Listens from now on.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn new(stream: UnixStream, answer: Duration) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (hearing, from) = (Arc::clone(&shared), stream.try_clone()?);
        stream.set_write_timeout(Some(answer))?;
        std::thread::spawn(move || listen(&from, &hearing));
        Ok(Self { stream, shared, last_id: 0, answer })
    }

    /// The frame of a question, not sent yet.
    pub(crate) fn question<T: Serialize>(
        &mut self,
        method: &'static str,
        params: &T,
    ) -> (Asked, Vec<u8>) {
        self.last_id += 1;
        self.shared.lock().open.insert(self.last_id, (method, true));
        let asked = Asked { id: self.last_id, method, at: Instant::now() };
        (asked, frame(&request(self.last_id, method, params)))
    }

    /// A number for a question that may be left without an answer.
    pub(crate) fn spare_id(&mut self) -> u64 {
        self.last_id += 1;
        self.shared.lock().open.insert(self.last_id, ("a bad frame", false));
        self.last_id
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// They cannot be sent: the provider is gone, or does not read.
    pub(crate) fn send(&self, bytes: &[u8]) -> Step {
        (&self.stream).write_all(bytes).map_err(|error| {
            Trouble::Failed(format!("the provider does not take what it is sent: {error}"))
        })
    }

    /// Asks.
    ///
    /// # Errors
    /// The question cannot be sent.
    pub(crate) fn ask<T: Serialize>(&mut self, method: &'static str, params: &T) -> Step<Asked> {
        let (asked, bytes) = self.question(method, params);
        self.send(&bytes)?;
        Ok(asked)
    }

    /// Waits for an answer.
    ///
    /// # Errors
    /// The provider dies first, or is silent.
    pub(crate) fn answer(&self, asked: Asked) -> Step<Answered> {
        let (answer, method) = (self.answer, asked.method);
        let found = self.wait(asked.at + answer, |heard| heard.answers.remove(&asked.id));
        match found {
            Waited::Found(answered) => Ok(answered),
            Waited::Over => failed(format!(
                "the provider ended the conversation and left `{method}` unanswered"
            )),
            Waited::TimedOut => {
                let ms = answer.as_millis();
                failed(format!("`{method}` was not answered within {ms} ms"))
            }
        }
    }

    /// Waits until something is there among what was heard.
    fn wait<T>(&self, until: Instant, mut look: impl FnMut(&mut Heard) -> Option<T>) -> Waited<T> {
        let mut heard = self.shared.lock();
        loop {
            if let Some(found) = look(&mut heard) {
                return Waited::Found(found);
            }
            if heard.is_over {
                return Waited::Over;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Waited::TimedOut;
            }
            let waited = self.shared.changed.wait_timeout(heard, left);
            heard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for an operation's end; none if it does not come in time or the conversation ends.
    pub(crate) fn wait_end(&self, operation: OperationId, at_most: Duration) -> Option<Status> {
        self.wait_status(operation, at_most, Status::is_ended)
    }

    /// Waits for a status that is as wanted.
    pub(crate) fn wait_status(
        &self,
        operation: OperationId,
        at_most: Duration,
        is_wanted: impl Fn(&Status) -> bool,
    ) -> Option<Status> {
        let found = self.wait(Instant::now() + at_most, |heard| {
            let mut told = heard.told.iter().map(|told| &told.status);
            told.find(|status| status.operation == operation && is_wanted(status)).cloned()
        });
        found.found()
    }

    /// Waits for a status after an operation's end that differs from it. True if one was told.
    pub(crate) fn wait_other_end(&self, operation: OperationId, at_most: Duration) -> bool {
        let found = self.wait(Instant::now() + at_most, |heard| {
            let told = heard.told.iter().map(|told| &told.status);
            let of_it = told.filter(|status| status.operation == operation);
            let mut from_end = of_it.skip_while(|status| !status.is_ended());
            let end = from_end.next()?;
            from_end.any(|status| status != end).then_some(())
        });
        found.found().is_some()
    }

    /// Waits for an event.
    pub(crate) fn wait_event(&self, change: &EventChange) -> bool {
        let found = self.wait(Instant::now() + self.answer, |heard| {
            heard.events.contains(change).then_some(())
        });
        found.found().is_some()
    }

    /// Waits until the conversation is over.
    pub(crate) fn wait_over(&self, at_most: Duration) -> bool {
        matches!(self.wait::<()>(Instant::now() + at_most, |_| None), Waited::Over)
    }

    /// Everything told about an operation, in order.
    pub(crate) fn told(&self, operation: OperationId) -> Vec<Told> {
        let heard = self.shared.lock();
        heard.told.iter().filter(|told| told.status.operation == operation).cloned().collect()
    }

    /// The first breach of the protocol so far.
    pub(crate) fn breach(&self) -> Option<String> {
        self.shared.lock().breaches.first().cloned()
    }

    /// Ends the conversation.
    pub(crate) fn close(&self) {
        // It may be over already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

enum Waited<T> {
    Found(T),
    Over,
    TimedOut,
}

impl<T> Waited<T> {
    fn found(self) -> Option<T> {
        if let Self::Found(found) = self { Some(found) } else { None }
    }
}

fn listen(stream: &UnixStream, shared: &Shared) {
    let mut reader = FrameReader::new(FRAME_BYTES_MAX);
    let mut descriptors = Vec::new();
    let mut buffer = vec![0; READ_BYTES];
    let breach = loop {
        match receive(stream, &mut buffer, &mut descriptors) {
            Ok(0) => break reader.is_within_frame().then(|| "it ended within a frame".to_owned()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // The socket of a process that was killed.
            Err(_) => break None,
            Ok(bytes) => reader.push(&buffer[..bytes]),
        }
        let mut heard = shared.lock();
        loop {
            match reader.next_frame() {
                Ok(Some(json)) => heard.take(&json, &mut descriptors),
                Ok(None) => break,
                Err(error) => {
                    heard.breaches.push(format!("it sent {error}"));
                    heard.is_over = true;
                    break;
                }
            }
        }
        heard.take_back(&mut descriptors);
        shared.changed.notify_all();
        if heard.is_over {
            break None;
        }
    };
    let mut heard = shared.lock();
    heard.breaches.extend(breach);
    heard.is_over = true;
    shared.changed.notify_all();
}

fn receive(
    stream: &UnixStream,
    buffer: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = rustix::net::recvmsg(stream, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    for ancillary in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = ancillary {
            descriptors.extend(rights);
        }
    }
    Ok(message.bytes)
}

impl Heard {
    fn take(&mut self, json: &[u8], descriptors: &mut Vec<OwnedFd>) {
        match Message::parse(json) {
            Ok(Message::Answer { id, outcome }) => self.take_answer(id, outcome, descriptors),
            Ok(Message::Notification { method, params }) => {
                if !self.is_initialized {
                    self.breaches.push(format!("it sent `{method}` before the handshake was over"));
                }
                if json.len() > NOTIFICATION_BYTES_MAX {
                    let bytes = json.len();
                    self.breaches.push(format!("it sent a notification of {bytes} bytes"));
                }
                self.take_news(&method, &params);
            }
            Ok(Message::Request { method, .. }) => {
                self.breaches.push(format!("it asked for `{method}`, and only the service asks"));
            }
            Err(error) => self.breaches.push(format!("it sent something else: {error}")),
        }
    }

    /// A descriptor may arrive with what was sent before its answer, never without the question.
    fn take_back(&mut self, descriptors: &mut Vec<OwnedFd>) {
        let is_asked_for = self.open.values().any(|(method, _)| *method == method::LUN_OPEN);
        if !is_asked_for && descriptors.drain(..).next().is_some() {
            self.breaches.push("it sent a descriptor that was not asked for".to_owned());
        }
    }

    fn take_answer(
        &mut self,
        id: u64,
        outcome: Result<Box<RawValue>, CallError>,
        descriptors: &mut Vec<OwnedFd>,
    ) {
        let Some((method, is_needed)) = self.open.remove(&id) else {
            self.breaches.push(format!("it answered question {id}, which is not open"));
            return;
        };
        self.is_initialized |= method == method::INITIALIZE && outcome.is_ok();
        if let Ok(result) = &outcome {
            let status = match method {
                method::START => serde_json::from_str(result.get()).ok(),
                method::FIND => {
                    serde_json::from_str(result.get()).ok().and_then(|found: Found| found.operation)
                }
                _ => None,
            };
            self.told.extend(status.map(|status| Told { status, is_news: false }));
        }
        let descriptor = if method == method::LUN_OPEN { descriptors.pop() } else { None };
        if is_needed {
            self.answers.insert(id, Answered { outcome, descriptor });
        }
    }

    fn take_news(&mut self, method: &str, params: &RawValue) {
        match method {
            method::OPERATION_CHANGED => match serde_json::from_str::<Status>(params.get()) {
                Ok(status) => {
                    if let Err(error) = status.state() {
                        self.breaches.push(format!("it told a status that cannot be: {error}"));
                    }
                    self.told.push(Told { status, is_news: true });
                }
                Err(error) => {
                    self.breaches.push(format!("it told a status that cannot be read: {error}"));
                }
            },
            method::EVENTS => match serde_json::from_str::<Events>(params.get()) {
                Ok(events) => self.events.extend(events.changes),
                Err(error) => {
                    self.breaches.push(format!("it told events that cannot be read: {error}"));
                }
            },
            _ => {}
        }
    }
}
