//! Everything under the one lock: the provider's state, its operations, and the conversation.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use vds_model::{HResult, OperationId};
use vds_operation::{OperationKind, State};
use vds_plugin::{
    AfterCrash, CallError, Cancel, CancelAnswered, Declaration, EVENTS_MAX, EventChange, Events,
    Output, Report, Request, Start, Status, WRONG_PARAMETERS, frame, method, notification,
};
use vds_provider::Refusal;

use crate::journal::{Entry, Journal};
use crate::{Made, News, Planned, Provider, Stop};

/// Operations that run at once; the others are queued.
const RUNNING_MAX: usize = 8;
/// News: so many in a row …
const NEWS_BURST: f64 = 500.0;
/// … then so many in a second. The service permits 1000 and 200.
const NEWS_PER_SECOND: f64 = 150.0;

/// What all threads share.
pub(crate) struct Shared<P: Provider> {
    pub(crate) provider: P,
    desk: Mutex<Desk<P>>,
    running: Mutex<usize>,
    freed: Condvar,
}

/// One operation in memory.
pub(crate) struct Known {
    entry: Entry,
    pub(crate) status: Status,
    is_committed: bool,
    is_journaled: bool,
    pub(crate) is_resumed: bool,
}

/// What the lock guards.
pub(crate) struct Desk<P: Provider> {
    pub(crate) state: P::State,
    pub(crate) generation: u64,
    declared: Vec<Declaration>,
    operations: BTreeMap<OperationId, Known>,
    journal: Journal,
    stream: UnixStream,
    /// News may be told: the handshake is over.
    pub(crate) is_open: bool,
    allowance: f64,
    counted: Instant,
}

/// What becomes of a `start`.
pub(crate) struct Started {
    pub(crate) status: Status,
    /// It is a new one, to be run once the answer is sent.
    pub(crate) is_new: bool,
}

/// The operations of earlier processes, as they are in the journal.
pub(crate) fn unfinished(journal: &Journal) -> Vec<Planned> {
    let open = journal.entries().iter().filter(|(_, entry)| entry.end.is_none());
    open.map(|(id, entry)| planned(*id, entry)).collect()
}

fn planned(operation: OperationId, entry: &Entry) -> Planned {
    Planned { operation, request: entry.request.clone(), plan: entry.plan.clone() }
}

fn now_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

/// The kind that declares a request: its tag, but for `change_mask`, which is a `set_mask`.
pub(crate) fn kind_of(request: &Request) -> String {
    let tag = serde_json::to_value(request)
        .ok()
        .and_then(|value| value.get("kind").and_then(Value::as_str).map(str::to_owned));
    match tag.unwrap_or_default() {
        tag if tag == "change_mask" => OperationKind::SetMask.code().to_owned(),
        tag => tag,
    }
}

impl<P: Provider> Shared<P> {
    pub(crate) fn new(provider: P, desk: Desk<P>) -> Self {
        Self { provider, desk: Mutex::new(desk), running: Mutex::new(0), freed: Condvar::new() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Desk<P>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until one more may run.
    pub(crate) fn enter(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.freed.wait_while(running, |running| *running >= RUNNING_MAX);
        *waited.unwrap_or_else(PoisonError::into_inner) += 1;
    }

    pub(crate) fn leave(&self) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.freed.notify_one();
    }
}

impl<P: Provider> Desk<P> {
    pub(crate) fn new(
        state: P::State,
        declared: Vec<Declaration>,
        journal: Journal,
        stream: UnixStream,
    ) -> Self {
        let operations = journal.entries().iter().map(|(id, entry)| {
            let status = entry.end.clone().unwrap_or_else(|| Status::new(*id, State::Queued));
            let entry = entry.clone();
            let (is_committed, is_journaled, is_resumed) = (false, true, true);
            (*id, Known { entry, status, is_committed, is_journaled, is_resumed })
        });
        Self {
            state,
            generation: 1,
            declared,
            operations: operations.collect(),
            journal,
            stream,
            is_open: false,
            allowance: NEWS_BURST,
            counted: Instant::now(),
        }
    }

    /// Operations that have not ended.
    pub(crate) fn unfinished(&self) -> Vec<Planned> {
        let open = self.operations.iter().filter(|(_, known)| !known.status.is_ended());
        open.map(|(id, known)| planned(*id, &known.entry)).collect()
    }

    fn declaration(&self, request: &Request) -> Option<&Declaration> {
        let kind = kind_of(request);
        self.declared.iter().find(|declared| declared.kind == kind)
    }

    pub(crate) fn after_crash(&self, request: &Request) -> AfterCrash {
        self.declaration(request).map_or(AfterCrash::Resumes, |declared| declared.after_crash)
    }

    // Requests.

    pub(crate) fn start(&mut self, provider: &P, params: Start) -> Result<Started, CallError> {
        if let Some(known) = self.operations.get(&params.operation) {
            if known.entry.request == params.request {
                return Ok(Started { status: known.status.clone(), is_new: false });
            }
            let message = format!("operation {} is another request", params.operation);
            return Err(CallError::new(HResult::VDSX_E_KEY_CONFLICT, message));
        }
        let Some(declared) = self.declaration(&params.request) else {
            let message = format!("this provider cannot do {}", kind_of(&params.request));
            return Err(CallError::new(HResult::VDS_E_NOT_SUPPORTED, message));
        };
        let is_journaled = declared.after_crash != AfterCrash::Forgotten;
        let plan = provider
            .prepare(&self.state, &self.unfinished(), &params.request)
            .map_err(CallError::from)?;
        let entry = Entry::new(params.request, plan);
        if is_journaled {
            // Intent first: nothing has been done so far.
            let stored = self.journal.store(params.operation, entry.clone(), now_ms());
            stored.map_err(|error| {
                CallError::new(HResult::VDS_E_PROVIDER_FAILURE, format!("the journal: {error}"))
            })?;
        }
        let status = Status::new(params.operation, State::Queued);
        let known = Known {
            entry,
            status: status.clone(),
            is_committed: false,
            is_journaled,
            is_resumed: false,
        };
        self.operations.insert(params.operation, known);
        Ok(Started { status, is_new: true })
    }

    pub(crate) fn find(&self, operation: OperationId) -> Option<Status> {
        self.operations.get(&operation).map(|known| known.status.clone())
    }

    pub(crate) fn cancel(&mut self, operation: OperationId) -> Result<CancelAnswered, CallError> {
        let Some(known) = self.operations.get(&operation) else {
            let message = format!("there is no operation {operation}");
            return Err(CallError::new(HResult::VDS_E_OBJECT_NOT_FOUND, message));
        };
        if known.status.is_ended() {
            return Ok(CancelAnswered::TooLate);
        }
        let declared = self.declaration(&known.entry.request);
        if declared.is_none_or(|declared| declared.cancel == Cancel::NotSupported) {
            return Ok(CancelAnswered::NotSupported);
        }
        if known.is_committed {
            return Ok(CancelAnswered::TooLate);
        }
        let entry = Entry { is_cancelled: true, ..known.entry.clone() };
        if known.is_journaled && !known.entry.is_cancelled {
            let stored = self.journal.store(operation, entry.clone(), now_ms());
            stored.map_err(|error| {
                CallError::new(HResult::VDS_E_PROVIDER_FAILURE, format!("the journal: {error}"))
            })?;
        }
        if let Some(known) = self.operations.get_mut(&operation) {
            known.entry = entry;
            State::Cancelling.code().clone_into(&mut known.status.state);
        }
        Ok(CancelAnswered::Cancelled)
    }

    // Of those who run operations.

    fn running(&mut self, operation: OperationId) -> Result<&mut Known, Stop> {
        match self.operations.get_mut(&operation) {
            Some(known) if known.entry.is_cancelled && !known.is_committed => Err(Stop::Cancelled),
            Some(known) => Ok(known),
            None => Err(Stop::Cancelled),
        }
    }

    pub(crate) fn progress(
        &mut self,
        operation: OperationId,
        phase: &str,
        done_bytes: u64,
        total_bytes: u64,
    ) -> Result<(), Stop> {
        let known = self.running(operation)?;
        let status = &mut known.status;
        State::Running.code().clone_into(&mut status.state);
        phase.clone_into(&mut status.phase);
        if total_bytes > 0 {
            let percent = u128::from(done_bytes) * 100 / u128::from(total_bytes);
            let percent = u32::try_from(percent).unwrap_or(99).min(99);
            status.percent = Some(percent.max(status.percent.unwrap_or(0)));
            (status.done_bytes, status.total_bytes) = (Some(done_bytes), Some(total_bytes));
        }
        let status = status.clone();
        self.tell_status(&status, false);
        Ok(())
    }

    pub(crate) fn commit<T>(
        &mut self,
        operation: OperationId,
        step: impl FnOnce(&mut P::State, &mut News) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let known = self.running(operation)?;
        known.is_committed = true;
        known.status.is_committed = true;
        let mut news = News::new();
        let done = step(&mut self.state, &mut news);
        if !news.is_empty() {
            self.generation += 1;
        }
        for changes in news.chunks(EVENTS_MAX) {
            let changes = changes.iter().copied().map(EventChange::from).collect();
            self.tell(&notification(method::EVENTS, &Events { changes }), true);
        }
        done
    }

    /// Whether an earlier process began it.
    pub(crate) fn is_resumed(&self, operation: OperationId) -> bool {
        self.operations.get(&operation).is_some_and(|known| known.is_resumed)
    }

    pub(crate) fn is_committed(&self, operation: OperationId) -> bool {
        self.operations.get(&operation).is_some_and(|known| known.is_committed)
    }

    /// The end: durable, then told.
    pub(crate) fn end(
        &mut self,
        operation: OperationId,
        end: Result<Made, Stop>,
    ) -> io::Result<()> {
        let Some(known) = self.operations.get(&operation) else { return Ok(()) };
        let mut status = known.status.clone();
        finish(&mut status, kind_of(&known.entry.request), end);
        let entry = Entry { end: Some(status.clone()), ..known.entry.clone() };
        if known.is_journaled {
            self.journal.store(operation, entry.clone(), now_ms())?;
            for old in self.journal.tidy()? {
                self.operations.remove(&old);
            }
        }
        if let Some(known) = self.operations.get_mut(&operation) {
            (known.entry, known.status) = (entry, status.clone());
        }
        self.tell_status(&status, true);
        Ok(())
    }

    // What is sent.

    fn tell_status(&mut self, status: &Status, is_needed: bool) {
        self.tell(&notification(method::OPERATION_CHANGED, status), is_needed);
    }

    /// Tells news, within the permitted number: what is needed waits for its turn, the rest is left out.
    fn tell(&mut self, json: &[u8], is_needed: bool) {
        if !self.is_open {
            return;
        }
        loop {
            let earned = self.counted.elapsed().as_secs_f64() * NEWS_PER_SECOND;
            self.counted = Instant::now();
            self.allowance = (self.allowance + earned).min(NEWS_BURST);
            if self.allowance >= if is_needed { 1.0 } else { NEWS_BURST / 2.0 } {
                self.allowance -= 1.0;
                return self.send(json);
            }
            if !is_needed {
                return;
            }
            std::thread::sleep(std::time::Duration::from_secs_f64(1.0 / NEWS_PER_SECOND));
        }
    }

    pub(crate) fn send(&mut self, json: &[u8]) {
        if io::Write::write_all(&mut self.stream, &frame(json)).is_err() {
            // The service is gone. The journal knows what is unfinished.
            std::process::exit(0);
        }
    }

    pub(crate) fn stream(&self) -> &UnixStream {
        &self.stream
    }
}

/// The status of an end.
fn finish(status: &mut Status, kind: String, end: Result<Made, Stop>) {
    let (state, result) = match end {
        Ok(made) => {
            status.percent = Some(100);
            status.output = Some(Output {
                kind,
                object: if let Made::Object(object) = made { Some(object.into()) } else { None },
                report: if let Made::Report(report) = made {
                    Some(Report {
                        checked_blocks: report.checked_blocks,
                        repaired_blocks: report.repaired_blocks,
                        lost_blocks: report.lost_blocks,
                    })
                } else {
                    None
                },
            });
            (State::Succeeded, HResult::S_OK)
        }
        Err(Stop::Cancelled) => {
            "it was cancelled".clone_into(&mut status.message);
            (State::Cancelled, HResult::VDS_E_OPERATION_CANCELED)
        }
        Err(Stop::Refused(Refusal { result, message, hint })) => {
            (status.message, status.hint) = (message, hint);
            (State::Failed, result)
        }
    };
    state.code().clone_into(&mut status.state);
    status.result = result;
}

/// Parameters that cannot be used.
pub(crate) fn wrong(method: &str, error: &dyn std::fmt::Display) -> CallError {
    CallError { code: WRONG_PARAMETERS, message: format!("{method}: {error}"), data: None }
}
