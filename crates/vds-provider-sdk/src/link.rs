//! The conversation: frames in, answers out.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use vds_model::{HResult, OperationId, ProviderId};
use vds_plugin::{
    AfterCrash, CallError, ChapAnswer, FRAME_BYTES_MAX, Found, FrameReader, Initialize,
    Initialized, LunOpened, LunParams, METHOD_NOT_FOUND, Maker, Message, Nothing, OperationParams,
    PLUGIN_FAILED, PlanParams, Start, TargetParams, VERSION, ViewParams, Viewed, answer,
    error_answer, frame, method,
};
use vds_provider::Refusal;

use crate::desk::{Desk, Shared, unfinished, wrong};
use crate::files::{claim, own_id};
use crate::journal::Journal;
use crate::{About, Made, Operation, Provider, Stop};

/// Bytes taken from the socket at once.
const READ_BYTES: usize = 64 << 10;

/// Talks to the service until it ends the conversation. `folder` keeps the SDK's state: the provider's id and the
/// journal; one process uses it at a time. `main` returns after this: operations stop where they are, as in a crash, and
/// the next process takes them up.
///
/// # Errors
/// Descriptor 0 is no socket (the service starts this program), the folder or the state cannot be used, or a frame's length
/// cannot be.
pub fn serve<P: Provider>(folder: &Path, provider: P) -> io::Result<()> {
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    stream.peer_addr().map_err(|error| {
        let advice =
            "the service starts this program (vds provider add); or try it: vds provider test";
        io::Error::new(error.kind(), format!("descriptor 0 is no socket: {advice}"))
    })?;
    std::fs::create_dir_all(folder)?;
    let _claim = claim(folder)?;
    let id = own_id(folder)?;
    let journal = Journal::open(folder.join("operations.jsonl"))?;
    let state = provider.load(id, &unfinished(&journal))?;
    let about = provider.about();
    let desk = Desk::new(state, about.operations.clone(), journal, stream.try_clone()?);
    let shared = Arc::new(Shared::new(provider, desk));
    Link { shared, id, about }.talk(stream)
}

struct Link<P: Provider> {
    shared: Arc<Shared<P>>,
    id: ProviderId,
    about: About,
}

/// What goes out for one request.
enum Reply {
    Json(Vec<u8>),
    Opened {
        json: Vec<u8>,
        descriptor: OwnedFd,
    },
    /// A new operation, to be run once the answer is sent.
    Begun {
        json: Vec<u8>,
        operation: OperationId,
    },
}

fn params<T: DeserializeOwned>(method: &str, text: &RawValue) -> Result<T, CallError> {
    serde_json::from_str(text.get()).map_err(|error| wrong(method, &error))
}

impl<P: Provider> Link<P> {
    fn talk(&self, mut stream: UnixStream) -> io::Result<()> {
        let mut reader = FrameReader::new(FRAME_BYTES_MAX);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let bytes = match stream.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(error),
            };
            reader.push(&buffer[..bytes]);
            while let Some(json) = reader.next_frame().map_err(io::Error::other)? {
                match Message::parse(&json) {
                    Ok(Message::Request { id, method, params }) => {
                        self.serve_one(id, &method, &params)?;
                        if method == method::SHUTDOWN {
                            return Ok(());
                        }
                    }
                    Ok(_) => eprintln!("a frame that is no request was passed over"),
                    Err(error) => eprintln!("a frame was passed over: {error}"),
                }
            }
        }
    }

    fn serve_one(&self, id: u64, method: &str, params: &RawValue) -> io::Result<()> {
        // The answer is sent under the lock: no news overtakes the older state that it tells.
        let mut desk = self.shared.lock();
        let was_open = desk.is_open;
        let reply = self.reply(&mut desk, id, method, params);
        let reply = reply.unwrap_or_else(|error| Reply::Json(error_answer(id, &error)));
        let begun = match reply {
            Reply::Json(json) => {
                send(&mut desk, id, &json);
                None
            }
            Reply::Opened { json, descriptor } => {
                send_with(desk.stream(), &json, &descriptor)?;
                None
            }
            Reply::Begun { json, operation } => {
                send(&mut desk, id, &json);
                Some(operation)
            }
        };
        let resumed = if desk.is_open && !was_open { desk.unfinished() } else { Vec::new() };
        drop(desk);
        resumed.iter().map(|planned| planned.operation).chain(begun).for_each(|id| self.begin(id));
        Ok(())
    }

    fn reply(
        &self,
        desk: &mut Desk<P>,
        id: u64,
        method: &str,
        text: &RawValue,
    ) -> Result<Reply, CallError> {
        let provider = &self.shared.provider;
        if !desk.is_open && method != method::INITIALIZE {
            let message = format!("{method} before initialize");
            return Err(CallError::new(HResult::VDS_E_INITIALIZE_NOT_CALLED, message));
        }
        match method {
            method::INITIALIZE => {
                let said = self.initialize(&params(method, text)?)?;
                desk.is_open = true;
                Ok(reply_with(id, &said))
            }
            method::PING | method::SHUTDOWN => Ok(reply_with(id, &Nothing {})),
            method::VIEW => {
                let asked: ViewParams = params(method, text)?;
                if asked.generation == Some(desk.generation) {
                    return Ok(reply_with(id, &Viewed::Unchanged { unchanged: true }));
                }
                let mut view = provider.view(&desk.state);
                view.generation = desk.generation;
                Ok(reply_with(id, &view))
            }
            method::START => {
                let start: Start = params(method, text)?;
                let operation = start.operation;
                let started = desk.start(provider, start)?;
                let json = answer(id, &started.status);
                Ok(if started.is_new {
                    Reply::Begun { json, operation }
                } else {
                    Reply::Json(json)
                })
            }
            method::FIND => {
                let asked: OperationParams = params(method, text)?;
                Ok(reply_with(id, &Found { operation: desk.find(asked.operation) }))
            }
            method::CANCEL => {
                let asked: OperationParams = params(method, text)?;
                Ok(reply_with(id, &desk.cancel(asked.operation)?))
            }
            _ if self.about.methods.contains(&method) => self.optional(desk, id, method, text),
            _ => Err(unknown(method)),
        }
    }

    fn optional(
        &self,
        desk: &mut Desk<P>,
        id: u64,
        method: &str,
        text: &RawValue,
    ) -> Result<Reply, CallError> {
        let provider = &self.shared.provider;
        match method {
            method::MAX_LUN_CREATE_SIZE => {
                let query = params(method, text)?;
                let most = provider.max_lun_create_size(&desk.state, &desk.unfinished(), &query);
                let size_bytes = most?;
                Ok(reply_with(id, &vds_plugin::MaxSizeAnswer { size_bytes }))
            }
            method::PLAN => {
                let asked: PlanParams = params(method, text)?;
                Ok(reply_with(id, &provider.plan(&desk.state, &asked.request)?))
            }
            method::LUN_OPEN => {
                let asked: LunParams = params(method, text)?;
                let opened = provider.open_lun(&mut desk.state, asked.lun)?;
                let (size_bytes, is_read_only) = (opened.size_bytes, opened.is_read_only);
                let said = LunOpened { size_bytes, is_read_only, descriptor: true };
                Ok(Reply::Opened { json: answer(id, &said), descriptor: opened.descriptor })
            }
            method::LUN_CLOSE => {
                let asked: LunParams = params(method, text)?;
                provider.close_lun(&mut desk.state, asked.lun)?;
                Ok(reply_with(id, &Nothing {}))
            }
            method::TARGET_CHAP => {
                let asked: TargetParams = params(method, text)?;
                let chap = provider.target_chap(&desk.state, asked.target)?;
                Ok(reply_with(id, &ChapAnswer { chap }))
            }
            _ => Err(unknown(method)),
        }
    }

    fn initialize(&self, said: &Initialize) -> Result<Initialized, CallError> {
        let (min, max) = (said.protocol.min, said.protocol.max);
        if !(min..=max).contains(&VERSION) {
            let message = format!("the service speaks versions {min} to {max}, this is {VERSION}");
            return Err(CallError::new(HResult::VDS_E_NOT_SUPPORTED, message));
        }
        if let Some(other) = said.provider.filter(|other| *other != self.id) {
            eprintln!("this is not the folder of provider {other}: this is {}", self.id);
        }
        let About { name, version, lun_types, operations, methods } = self.about.clone();
        Ok(Initialized {
            protocol: VERSION,
            provider: Maker { id: self.id, name, version },
            methods: methods.into_iter().map(str::to_owned).collect(),
            operations,
            lun_types,
        })
    }

    /// Runs an operation in a thread of its own.
    fn begin(&self, id: OperationId) {
        let Some(operation) = self.operation(id) else { return };
        std::thread::spawn(move || {
            let shared = Arc::clone(&operation.shared);
            shared.enter();
            let end = attempt(&operation);
            if let Err(error) = shared.lock().end(operation.id, end) {
                // An end that is not durable must not be told, and one that is not told would hang: begin anew.
                eprintln!("operation {} cannot be ended ({error}): exiting", operation.id);
                std::process::exit(1);
            }
            shared.leave();
        });
    }

    fn operation(&self, id: OperationId) -> Option<Operation<P>> {
        let desk = self.shared.lock();
        let planned = desk.unfinished().into_iter().find(|planned| planned.operation == id)?;
        let is_resumed = desk.is_resumed(id);
        let shared = Arc::clone(&self.shared);
        Some(Operation { shared, id, request: planned.request, plan: planned.plan, is_resumed })
    }
}

/// From the beginning, or from where an earlier process left it, to the end.
fn attempt<P: Provider>(operation: &Operation<P>) -> Result<Made, Stop> {
    let provider = &operation.shared.provider;
    let run = || {
        let after_crash = operation.shared.lock().after_crash(&operation.request);
        if operation.is_resumed && after_crash == AfterCrash::RolledBack {
            let message = "the provider died in the middle of it; it was rolled back";
            return Err(Refusal::new(HResult::VDS_E_PROVIDER_FAILURE, message).into());
        }
        operation.progress("", 0, 0)?;
        let made = provider.run(operation)?;
        // What never called `commit` can be cancelled until here.
        operation.commit(|_, _| Ok(made))
    };
    let done = guarded(run);
    let is_committed = operation.shared.lock().is_committed(operation.id);
    match done {
        Err(stop) if !is_committed => match guarded(|| provider.undo(operation)) {
            Ok(()) | Err(Stop::Cancelled) => Err(stop),
            Err(Stop::Refused(left)) => Err(with(stop, &left.message)),
        },
        done => done,
    }
}

/// A panic is a failure like others: the operation must end.
fn guarded<T>(work: impl FnOnce() -> Result<T, Stop>) -> Result<T, Stop> {
    std::panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let message = "the provider panicked; its log says where";
        Err(Refusal::new(HResult::VDS_E_PROVIDER_FAILURE, message).into())
    })
}

/// The failure, with what could not be undone.
fn with(stop: Stop, left: &str) -> Stop {
    match stop {
        Stop::Cancelled => {
            let message = format!("it was cancelled, and could not be undone: {left}");
            Stop::Refused(Refusal::new(HResult::VDS_E_PROVIDER_FAILURE, message))
        }
        Stop::Refused(refusal) => {
            let message = format!("{}; it could not be undone: {left}", refusal.message);
            Stop::Refused(Refusal { message, ..refusal })
        }
    }
}

fn unknown(method: &str) -> CallError {
    let message = format!("there is no method {method}");
    CallError { code: METHOD_NOT_FOUND, message, data: None }
}

fn reply_with<T: Serialize>(id: u64, result: &T) -> Reply {
    Reply::Json(answer(id, result))
}

fn send<P: Provider>(desk: &mut Desk<P>, id: u64, json: &[u8]) {
    if json.len() > FRAME_BYTES_MAX {
        let message = format!("the answer has {} bytes, too many for a frame", json.len());
        let error = CallError { code: PLUGIN_FAILED, message, data: None };
        return desk.send(&error_answer(id, &error));
    }
    desk.send(json);
}

/// Sends a frame and, with its first bytes, a descriptor.
fn send_with(mut stream: &UnixStream, json: &[u8], descriptor: &OwnedFd) -> io::Result<()> {
    let frame = frame(json);
    let descriptors = [descriptor.as_fd()];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let slices = [IoSlice::new(&frame)];
    let sent = rustix::net::sendmsg(stream, &slices, &mut control, SendFlags::NOSIGNAL)?;
    stream.write_all(&frame[sent..])
}
