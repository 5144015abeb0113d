//! Operations under way and ended, each with the threads that follow it.
//!
//! A wait blocks, so it has a thread of its own; another one looks at the progress meanwhile. No request waits for
//! either.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use vds_model::{HResult, OperationId};
use vds_operation::{OperationKind, PERCENT_UNKNOWN, State};
use vds_plugin::{CallError, CancelAnswered, Request, Start, Status};

use crate::begin::{Begun, begin};
use crate::com::{Looked, Work};
use crate::host::{Host, locked};
use crate::threads::spawn;
use crate::verdict::{failed, judge};

/// How often the progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Ended ones are remembered for so long, and so many of them in any case.
const REMEMBER: Duration = Duration::from_hours(24);
const REMEMBERED_MIN: usize = 1000;

/// All operations of this process, by id.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    all: Mutex<BTreeMap<OperationId, Arc<Operation>>>,
    /// Held while one is begun, so that an id is begun once.
    beginning: Mutex<()>,
    /// Ids that are being begun: whoever asks after one waits until it is.
    awaited: Mutex<BTreeSet<OperationId>>,
    begun: Condvar,
}

#[derive(Debug)]
struct Operation {
    request: Request,
    status: Mutex<Status>,
    ended: Condvar,
    ended_at: Mutex<Option<Instant>>,
    /// None for a method that blocks.
    work: Option<Work>,
}

impl Operations {
    fn find(&self, id: OperationId) -> Option<Arc<Operation>> {
        locked(&self.all).get(&id).cloned()
    }

    /// The status of one; none for an id that was never begun here.
    pub(crate) fn status(&self, id: OperationId) -> Option<Status> {
        self.until_begun(id);
        self.find(id).map(|operation| locked(&operation.status).clone())
    }

    /// The service has asked for this one. To be called in the order of its requests.
    pub(crate) fn expect(&self, id: OperationId) {
        locked(&self.awaited).insert(id);
    }

    /// It is begun, or refused.
    pub(crate) fn has_begun(&self, id: OperationId) {
        locked(&self.awaited).remove(&id);
        self.begun.notify_all();
    }

    /// Waits until one that was asked for is begun, or refused.
    fn until_begun(&self, id: OperationId) {
        let awaited = locked(&self.awaited);
        let waited = self.begun.wait_while(awaited, |awaited| awaited.contains(&id));
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn insert(&self, id: OperationId, operation: Arc<Operation>) {
        let mut all = locked(&self.all);
        all.insert(id, operation);
        let ended = |operation: &Operation| *locked(&operation.ended_at);
        let mut old: Vec<(Instant, OperationId)> =
            all.iter().filter_map(|(id, one)| ended(one).map(|at| (at, *id))).collect();
        old.sort_unstable();
        let spare = old.len().saturating_sub(REMEMBERED_MIN);
        for (at, id) in old.into_iter().take(spare) {
            if at.elapsed() > REMEMBER {
                all.remove(&id);
            }
        }
    }
}

impl Operation {
    fn is_ended(&self) -> bool {
        locked(&self.status).is_ended()
    }

    /// Waits for the end, for so long at most.
    fn ends_within(&self, limit: Duration) -> bool {
        let status = locked(&self.status);
        match self.ended.wait_timeout_while(status, limit, |status| !status.is_ended()) {
            Ok((status, _)) => status.is_ended(),
            Err(poisoned) => poisoned.into_inner().0.is_ended(),
        }
    }
}

/// Begins an operation, or tells of it if it is known. One that the provider's method refuses has ended. None where the
/// provider told success and gave no object.
///
/// # Errors
/// Refused by the host: there is no operation, or one that was begun with another request.
pub(crate) fn start(host: &Arc<Host>, asked: &Start) -> Result<Option<Status>, CallError> {
    let started = begin_once(host, asked);
    host.operations.has_begun(asked.operation);
    started
}

fn begin_once(host: &Arc<Host>, asked: &Start) -> Result<Option<Status>, CallError> {
    let id = asked.operation;
    let beginning = locked(&host.operations.beginning);
    if let Some(known) = host.operations.find(id) {
        if known.request != asked.request {
            let message = format!("operation {id} was begun with another request");
            return Err(CallError::new(HResult::VDSX_E_KEY_CONFLICT, message));
        }
        let status = locked(&known.status).clone();
        return Ok(Some(status));
    }
    let (kind, begun) = begin(host, &asked.request)?;
    let mut status = Status::new(id, State::Running);
    let work = match &begun {
        Begun::Work(work) if !work.is_there() => return Ok(None),
        Begun::Work(work) => {
            status.percent = work.look().and_then(percent);
            Some(work.clone())
        }
        Begun::Failed(fault) => {
            status = failed(id, fault.result, fault.to_string());
            None
        }
        Begun::Task(_) => None,
    };
    let ended_at = status.is_ended().then(Instant::now);
    let operation = Arc::new(Operation {
        request: asked.request.clone(),
        status: Mutex::new(status),
        ended: Condvar::new(),
        ended_at: Mutex::new(ended_at),
        work,
    });
    host.operations.insert(id, Arc::clone(&operation));
    drop(beginning);
    match begun {
        Begun::Failed(_) => {}
        Begun::Work(work) => follow(host, &operation, kind, &work, named(&asked.request)),
        Begun::Task(task) => {
            let work = {
                let (host, operation) = (Arc::clone(host), Arc::clone(&operation));
                move || {
                    let status = match task() {
                        Ok(result) => succeeded(id, kind, result),
                        Err(fault) => failed(id, fault.result, fault.to_string()),
                    };
                    end(&host, &operation, status);
                }
            };
            if let Err(error) = spawn(work) {
                end(host, &operation, without_thread(id, &error));
            }
        }
    }
    let status = locked(&operation.status).clone();
    Ok(Some(status))
}

fn named(request: &Request) -> Option<String> {
    match request {
        Request::CreateLun { name, .. } if !name.is_empty() => Some(name.clone()),
        _ => None,
    }
}

fn succeeded(id: OperationId, kind: OperationKind, result: HResult) -> Status {
    let mut status = Status::new(id, State::Succeeded);
    status.result = result;
    status.percent = Some(100);
    status.output = Some(vds_plugin::Output::of(kind));
    status
}

/// As it came, but for VDS's word for unknown.
fn percent(looked: Looked) -> Option<u32> {
    (looked.is_pending && looked.percent != PERCENT_UNKNOWN).then_some(looked.percent)
}

fn follow(
    host: &Arc<Host>,
    operation: &Arc<Operation>,
    kind: OperationKind,
    work: &Work,
    name: Option<String>,
) {
    let id = locked(&operation.status).operation;
    let wait = {
        let (host, operation, work) = (Arc::clone(host), Arc::clone(operation), work.clone());
        move || {
            if let Some(waited) = work.wait() {
                let status = judge(&host, id, kind, work.start_result(), waited, name.as_deref());
                end(&host, &operation, status);
            }
        }
    };
    let look = {
        let (host, operation, work) = (Arc::clone(host), Arc::clone(operation), work.clone());
        move || watch(&host, &operation, &work)
    };
    if let Err(error) = spawn(wait).and_then(|()| spawn(look)) {
        // Nobody would hear of its end, or give it up.
        end(host, operation, without_thread(id, &error));
        let _ = work.cancel();
    }
}

fn without_thread(id: OperationId, error: &std::io::Error) -> Status {
    let message = format!(
        "there is no thread to follow the operation: {error}; it was given up; allow more memory"
    );
    failed(id, HResult::E_OUTOFMEMORY, message)
}

/// Tells of progress, and gives up an operation that nothing new is heard of.
fn watch(host: &Host, operation: &Operation, work: &Work) {
    let mut news = Instant::now();
    let mut last = work.look();
    while !operation.ends_within(LOOK_EVERY.min(host.quiet)) {
        let looked = work.look();
        if looked != last {
            last = looked;
            news = Instant::now();
            let mut status = locked(&operation.status);
            if !status.is_ended() {
                status.percent = looked.and_then(percent).or(status.percent);
                host.outbox.operation_changed(&status);
            }
        } else if news.elapsed() >= host.quiet {
            let id = locked(&operation.status).operation;
            let message = format!(
                "the provider told nothing new of the operation for {} ms; it was given up",
                host.quiet.as_millis()
            );
            end(host, operation, failed(id, HResult::VDSX_E_PROVIDER_SILENT, message));
            // Whether it can be stopped is the provider's affair; nobody waits for the answer.
            let _ = work.cancel();
        }
    }
}

/// Ends it, once.
fn end(host: &Host, operation: &Operation, status: Status) {
    let mut now = locked(&operation.status);
    if now.is_ended() {
        return;
    }
    *now = status;
    *locked(&operation.ended_at) = Some(Instant::now());
    host.outbox.operation_changed(&now);
    operation.ended.notify_all();
}

/// Asks for an operation to be stopped.
///
/// # Errors
/// There is none of this id.
pub(crate) fn cancel(host: &Host, id: OperationId) -> Result<CancelAnswered, CallError> {
    host.operations.until_begun(id);
    let operation = host.operations.find(id).ok_or_else(|| {
        CallError::new(HResult::VDS_E_OBJECT_NOT_FOUND, format!("there is no operation {id}"))
    })?;
    if operation.is_ended() {
        return Ok(CancelAnswered::TooLate);
    }
    let Some(work) = &operation.work else {
        return Ok(CancelAnswered::NotSupported);
    };
    let answered = work.cancel().unwrap_or_else(|fault| fault.result);
    Ok(match answered {
        HResult::VDS_E_OPERATION_CANCELED => CancelAnswered::Cancelled,
        HResult::VDS_E_CANCEL_TOO_LATE => CancelAnswered::TooLate,
        result if result.is_success() => CancelAnswered::Cancelled,
        _ => CancelAnswered::NotSupported,
    })
}
