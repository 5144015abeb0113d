//! One conversation with one process: questions and their answers, news, and the end of it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;
use vds_model::HResult;
use vds_plugin::{
    CallError, FRAME_BYTES_MAX, FrameReader, Message, NOTIFICATION_BYTES_MAX, frame, method,
};
use vds_provider::Died;

use crate::patience::patience;
use crate::receive::{Received, receive};

/// Most requests without an answer.
pub(crate) const REQUESTS_MAX: u32 = 8;
/// News in a second, averaged …
pub(crate) const NEWS_PER_SECOND: u32 = 200;
/// … after so many.
const NEWS_BURST: u32 = 1000;
/// Frames on their way out.
const OUTGOING_MAX: usize = REQUESTS_MAX as usize;
/// Bytes taken from the socket at once.
const READ_BYTES: usize = 64 << 10;

/// An answer, and the descriptor that came with it.
pub(crate) struct Answered {
    pub(crate) outcome: Result<Box<RawValue>, CallError>,
    pub(crate) descriptor: Option<OwnedFd>,
}

/// What the conversation brings beside answers.
pub(crate) trait News: Send + Sync {
    /// A notification of this method.
    fn heard(&self, method: &str, params: &RawValue);
}

struct Asked {
    wants_descriptor: bool,
    answer: oneshot::Sender<Answered>,
}

#[derive(Default)]
struct Pending {
    last_id: u64,
    asked: BTreeMap<u64, Asked>,
    /// Messages heard so far.
    heard: u64,
}

/// A conversation. It goes on until [`Link::gone`] has a reason.
pub(crate) struct Link {
    outgoing: mpsc::Sender<Vec<u8>>,
    pending: Mutex<Pending>,
    permits: Semaphore,
    /// One at a time: a descriptor says for itself not which LUN it is of.
    opening: tokio::sync::Mutex<()>,
    gone: watch::Sender<Option<Died>>,
    answer: Duration,
}

/// The other half of a link: what the tasks around it need.
pub(crate) struct LinkTasks {
    stream: Arc<UnixStream>,
    queue: mpsc::Receiver<Vec<u8>>,
}

pub(crate) fn broken(message: impl Into<String>) -> Died {
    Died::because(HResult::VDSX_E_BAD_MESSAGE, message)
}

impl Link {
    pub(crate) fn new(stream: UnixStream, answer: Duration) -> (Arc<Self>, LinkTasks) {
        let (outgoing, queue) = mpsc::channel(OUTGOING_MAX);
        let link = Self {
            outgoing,
            pending: Mutex::default(),
            permits: Semaphore::new(REQUESTS_MAX as usize),
            opening: tokio::sync::Mutex::default(),
            gone: watch::Sender::new(None),
            answer,
        };
        (Arc::new(link), LinkTasks { stream: Arc::new(stream), queue })
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the conversation. The first reason stands.
    pub(crate) fn end(&self, reason: Died) {
        self.gone.send_if_modified(|gone| {
            let is_first = gone.is_none();
            if is_first {
                *gone = Some(reason);
            }
            is_first
        });
        // Whoever waits for an answer looks at the reason.
        self.pending().asked.clear();
    }

    /// Why the conversation is over, once it is.
    pub(crate) async fn gone(&self) -> Died {
        let mut gone = self.gone.subscribe();
        let found = gone.wait_for(Option::is_some).await.ok().and_then(|gone| gone.clone());
        found.unwrap_or_else(|| Died::new("the conversation was dropped"))
    }

    /// Whether the conversation is over.
    pub(crate) fn is_over(&self) -> bool {
        self.gone.borrow().is_some()
    }

    /// Asks, and waits for the answer; out of time, the conversation is over. To be run to its end: an answer to a
    /// question that was given up would be an answer to nothing.
    ///
    /// # Errors
    /// The conversation is over, or ended over this question.
    pub(crate) async fn call<T: Serialize + Sync>(
        &self,
        method: &str,
        params: &T,
    ) -> Result<Answered, Died> {
        let wants_descriptor = method == method::LUN_OPEN;
        let work = async {
            let _opening = if wants_descriptor { Some(self.opening.lock().await) } else { None };
            let permit = self.permits.acquire().await;
            let _permit = permit.map_err(|_| Died::new("the conversation was dropped"))?;
            self.ask(method, params, wants_descriptor).await
        };
        tokio::select! {
            biased;
            died = self.gone() => Err(died),
            answered = work => answered,
        }
    }

    async fn ask<T: Serialize + Sync>(
        &self,
        method: &str,
        params: &T,
        wants_descriptor: bool,
    ) -> Result<Answered, Died> {
        let (answer, answered) = oneshot::channel();
        let id = {
            let mut pending = self.pending();
            pending.last_id += 1;
            let id = pending.last_id;
            pending.asked.insert(id, Asked { wants_descriptor, answer });
            id
        };
        let json = vds_plugin::request(id, method, params);
        let exchange = async {
            self.outgoing.send(frame(&json)).await.ok()?;
            answered.await.ok()
        };
        tokio::select! {
            answered = exchange => match answered {
                Some(answered) => Ok(answered),
                // The question was dropped because the conversation ended.
                None => Err(self.gone().await),
            },
            () = patience(self.answer) => {
                let seconds = self.answer.as_secs_f32();
                let how = format!("the provider did not answer to {method} within {seconds} s");
                let silent = Died::because(HResult::VDSX_E_PROVIDER_SILENT, how);
                self.end(silent.clone());
                Err(silent)
            }
        }
    }

    /// Asks for a sign of life whenever nothing was heard for a while and nothing else is asked. Never ends by itself.
    pub(crate) async fn heartbeat(&self, interval: Duration) {
        let mut heard = 0;
        loop {
            tokio::time::sleep(interval).await;
            let (now, is_asked) = {
                let pending = self.pending();
                (pending.heard, !pending.asked.is_empty())
            };
            if now == heard && !is_asked {
                // Out of time, the link ends, and this task with it.
                let _ = self.call(method::PING, &vds_plugin::Nothing {}).await;
            }
            heard = self.pending().heard;
        }
    }

    fn answered(&self, id: u64, answered: Answered) -> Result<(), Died> {
        let asked = self.pending().asked.remove(&id);
        let Some(asked) = asked else {
            return Err(broken(format!("an answer to {id}, which was not asked")));
        };
        let wants_now = asked.wants_descriptor && answered.outcome.is_ok();
        match (wants_now, &answered.descriptor) {
            (true, None) => Err(broken("an answer to lun.open without a descriptor")),
            (false, Some(_)) => Err(broken("a descriptor that was not asked for")),
            _ => {
                // Whoever asked may have gone.
                let _ = asked.answer.send(answered);
                Ok(())
            }
        }
    }
}

impl LinkTasks {
    /// Reads until the end of the stream, which is `Ok`, or until it makes no sense any more.
    pub(crate) async fn read(
        stream: &UnixStream,
        link: &Link,
        news: &dyn News,
    ) -> Result<(), Died> {
        let mut reader = Reader {
            frames: FrameReader::new(FRAME_BYTES_MAX),
            descriptors: Vec::new(),
            allowance: Allowance::new(Instant::now()),
        };
        let mut buffer = vec![0; READ_BYTES];
        loop {
            // A process that died with something unread resets the socket: that is its end too.
            let Ok(received) = receive(stream, &mut buffer).await else { return Ok(()) };
            if received.bytes == 0 {
                return Ok(());
            }
            reader.take(received, &buffer, link, news)?;
            // A flood does not keep the thread from everybody else.
            tokio::task::yield_now().await;
        }
    }

    /// The stream, and the task that writes what is asked.
    pub(crate) fn split(self) -> (Arc<UnixStream>, impl Future<Output = io::Error> + Send) {
        let Self { stream, mut queue } = self;
        let to = Arc::clone(&stream);
        let writing = async move {
            while let Some(frame) = queue.recv().await {
                if let Err(error) = write_all(&to, &frame).await {
                    return error;
                }
            }
            io::Error::from(io::ErrorKind::BrokenPipe)
        };
        (stream, writing)
    }
}

async fn write_all(stream: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

struct Reader {
    frames: FrameReader,
    descriptors: Vec<OwnedFd>,
    allowance: Allowance,
}

impl Reader {
    fn take(
        &mut self,
        received: Received,
        buffer: &[u8],
        link: &Link,
        news: &dyn News,
    ) -> Result<(), Died> {
        self.descriptors.extend(received.descriptors);
        let is_wanted = link.pending().asked.values().any(|asked| asked.wants_descriptor);
        let most = usize::from(is_wanted);
        if received.is_truncated || self.descriptors.len() > most {
            return Err(broken("a descriptor that was not asked for"));
        }
        self.frames.push(&buffer[..received.bytes]);
        while let Some(json) =
            self.frames.next_frame().map_err(|error| broken(error.to_string()))?
        {
            link.pending().heard += 1;
            let message = Message::parse(&json).map_err(|error| broken(error.to_string()))?;
            match message {
                Message::Request { method, .. } => {
                    return Err(broken(format!("a request ({method:?}); only the service asks")));
                }
                Message::Answer { id, outcome } => {
                    let wants = link.pending().asked.get(&id).is_some_and(|a| a.wants_descriptor);
                    let descriptor = if wants { self.descriptors.pop() } else { None };
                    link.answered(id, Answered { outcome, descriptor })?;
                }
                Message::Notification { method, params } => {
                    if json.len() > NOTIFICATION_BYTES_MAX {
                        return Err(broken(format!("a notification of {} bytes", json.len())));
                    }
                    if !self.allowance.take(Instant::now()) {
                        return Err(broken(format!(
                            "more than {NEWS_PER_SECOND} notifications in a second"
                        )));
                    }
                    news.heard(&method, &params);
                }
            }
        }
        Ok(())
    }
}

/// So many in a second, averaged, after a burst.
struct Allowance {
    left: u32,
    since: Instant,
}

impl Allowance {
    fn new(now: Instant) -> Self {
        Self { left: NEWS_BURST, since: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let passed_ms = u32::try_from((now - self.since).as_millis()).unwrap_or(u32::MAX);
        let gained = passed_ms.saturating_mul(NEWS_PER_SECOND) / 1000;
        if gained > 0 {
            self.left = self.left.saturating_add(gained).min(NEWS_BURST);
            self.since = now;
        }
        let is_taken = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_taken
    }
}
