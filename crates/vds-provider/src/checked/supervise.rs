//! Watching over one operation of a provider: progress and cancel on the way, judgement at the end.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use vds_model::{HResult, OperationId};
use vds_operation::{
    CancelRefusal, CancelRequest, End, ObjectRef, OperationError, Output, OutputType,
    PERCENT_UNKNOWN, Payload, Priority, ProgressUpdate, Seen, Signal, Verdict, Waited, verdict,
};

use super::guard::{Guarded, NoAnswer, ask};
use super::ledger::{Orphan, Watched};
use super::verify::check_output;
use super::{Driver, Shared, compensate, error, makes_object};
use crate::contract::provider_error;
use crate::{Adjustment, Interface, RawOperation, RawStatus, RawWait, Request, View};

/// Pending as VDS's header has it, and as its protocol specification misprints it.
const PENDING_MISPRINT: HResult = HResult(0x0004_2409);

/// Whether a result says that work is still under way.
pub(crate) fn is_pending(result: HResult) -> bool {
    result == HResult::VDS_E_OPERATION_PENDING || result == PENDING_MISPRINT
}

/// How often an operation is looked up again whose wait broke off without a result.
const REATTACH_MAX: u32 = 3;

/// How the start went.
pub(crate) enum Begun {
    NoAnswer(NoAnswer),
    NoOperation,
    /// After a restart the provider does not know the operation.
    Unknown,
    Running {
        start: HResult,
        operation: Arc<dyn RawOperation>,
    },
}

/// What following the work brought.
enum Followed {
    Ended(RawWait),
    NoAnswer(NoAnswer),
}

enum Event {
    Waited(Result<RawWait, crate::Died>),
    Signal(Signal),
    CancelAnswered(Result<HResult, crate::Died>),
    Tick,
}

pub(crate) struct Supervision {
    shared: Arc<Shared>,
    driver: Driver,
    request: Request,
    before: Option<Arc<View>>,
    /// Kinds of bad progress already recorded: each once per operation.
    recorded: BTreeSet<&'static str>,
    last_percent: Option<u32>,
    priority: Priority,
}

impl Supervision {
    pub(crate) fn new(
        shared: Arc<Shared>,
        driver: Driver,
        request: Request,
        before: Option<Arc<View>>,
    ) -> Self {
        let priority = driver.priority();
        let recorded = BTreeSet::new();
        Self { shared, driver, request, before, recorded, last_percent: None, priority }
    }

    pub(crate) fn id(&self) -> OperationId {
        self.driver.id()
    }

    fn mark(&self, result: HResult, message: &str) {
        self.shared.mark(Some(self.id()), result, message);
    }

    fn now(&self) -> u64 {
        self.shared.around.timer.unix_ms()
    }

    /// Watches over the work until its end is durable and shown.
    pub(crate) async fn run(mut self, begun: Begun) {
        self.driver.start(self.now());
        let end = match begun {
            Begun::NoAnswer(no_answer) => Some(self.lost(&no_answer).await),
            Begun::NoOperation => Some(self.breach(Verdict::NoOperation.result(), None).await),
            Begun::Unknown => {
                let message = "after a restart its provider does not know the operation";
                let error = OperationError::new(HResult::VDSX_E_UNKNOWN_TO_PROVIDER, message);
                Some(self.failed(error).await)
            }
            Begun::Running { start, operation } => self.work(start, operation).await,
        };
        self.shared.ledger().making.remove(&self.id());
        // Without an end the driver is dropped: the waits break off, and the work is taken up again some day.
        if let Some(end) = end {
            self.finish(end).await;
        }
    }

    /// Ends the operation failed, without asking the provider anything.
    pub(crate) async fn fail(self, error: OperationError) {
        self.driver.start(self.now());
        self.finish(End::Failed(error)).await;
    }

    /// Follows the work to its end; none, if a provider that resumes its own work stopped.
    async fn work(&mut self, start: HResult, mut operation: Arc<dyn RawOperation>) -> Option<End> {
        let mut attached = 0;
        loop {
            if let Err(end) = self.check_identity(&operation).await {
                return Some(end);
            }
            let waited = match self.follow(&operation).await {
                Followed::Ended(waited) => waited,
                Followed::NoAnswer(no_answer) => {
                    if matches!(no_answer, NoAnswer::Silent(_)) {
                        // A last word; whether it is heard does not matter any more.
                        let _ = self.ask(|| operation.cancel()).await;
                    }
                    return Some(self.lost(&no_answer).await);
                }
            };
            let is_broken_off = waited.wait.is_failure() && waited.operation.is_none();
            if is_broken_off && attached < REATTACH_MAX {
                attached += 1;
                self.shared.around.timer.sleep(self.shared.around.deadlines.poll).await;
                let id = self.id();
                if let Ok(Some(found)) =
                    self.shared.ask(|provider| provider.find_operation(id)).await
                {
                    operation = found;
                    continue;
                }
            }
            if is_broken_off && self.shared.around.provider_resumes {
                return None;
            }
            self.check_repeated(&operation, &waited).await;
            return Some(self.judge(start, waited).await);
        }
    }

    async fn ask<T>(&self, question: impl FnOnce() -> crate::Answer<T>) -> Result<T, NoAnswer> {
        ask(&*self.shared.around.timer, self.shared.around.deadlines.answer, question).await
    }

    /// The provider must work under the id it was given.
    async fn check_identity(&mut self, operation: &Arc<dyn RawOperation>) -> Result<(), End> {
        let own = self.id();
        let asked = {
            let operation = Arc::clone(operation);
            self.ask(move || crate::answer(operation.id())).await
        };
        let found = match asked {
            Ok(found) if found == own => return Ok(()),
            Ok(found) => found,
            Err(no_answer) => return Err(self.lost(&no_answer).await),
        };
        let is_used = self.shared.ledger().is_used(found);
        let result =
            if is_used { HResult::VDSX_E_REUSED_OPERATION } else { HResult::VDSX_E_BAD_ID };
        let message = format!("the provider calls the operation {found}");
        Err(self.breach(result, Some(message)).await)
    }

    /// Passes progress out and requests in, until the work ends or nothing is heard any more.
    async fn follow(&mut self, operation: &Arc<dyn RawOperation>) -> Followed {
        let deadlines = self.shared.around.deadlines;
        let mut wait = Guarded::ask(|| operation.wait());
        let mut cancel: Option<Guarded<HResult>> = None;
        let mut signal = Signal::Go;
        let mut last_status: Option<RawStatus> = None;
        let mut quiet = Duration::ZERO;
        loop {
            match self.next_event(&mut wait, cancel.as_mut(), signal).await {
                Event::Waited(Ok(waited)) => return Followed::Ended(waited),
                Event::Waited(Err(died)) => return Followed::NoAnswer(NoAnswer::Died(died)),
                Event::CancelAnswered(answered) => {
                    cancel = None;
                    match answered {
                        Ok(answer) => self.cancel_answered(answer),
                        Err(died) => return Followed::NoAnswer(NoAnswer::Died(died)),
                    }
                }
                Event::Signal(new) => {
                    if new == Signal::Cancel {
                        cancel = Some(Guarded::ask(|| operation.cancel()));
                    } else if let Err(no_answer) = self.adjust(operation, signal, new).await {
                        return Followed::NoAnswer(no_answer);
                    }
                    signal = new;
                }
                Event::Tick => {
                    let status = match self.ask(|| operation.query_status()).await {
                        Ok(status) => status,
                        Err(no_answer) => return Followed::NoAnswer(no_answer),
                    };
                    self.mirror(&status);
                    self.pass_priority(operation).await;
                    let has_news = last_status.as_ref() != Some(&status);
                    quiet = if has_news { Duration::ZERO } else { quiet + deadlines.poll };
                    if quiet >= self.patience(&status) {
                        return Followed::NoAnswer(NoAnswer::Silent(quiet));
                    }
                    last_status = Some(status);
                }
            }
        }
    }

    /// How long an unchanged status is borne.
    fn patience(&self, status: &RawStatus) -> Duration {
        let deadlines = self.shared.around.deadlines;
        let is_long = self.driver.record().kind.is_pausable();
        if !is_pending(status.operation) {
            // It says it has ended: then the wait has to end too.
            deadlines.answer
        } else if self.driver.is_cancel_requested() {
            // Whatever it waits for, a cancel ends that.
            deadlines.silence
        } else if is_long || status.is_paused || status.waits_for.is_some() {
            // Long work shows that it lives by answering for its status at all.
            Duration::MAX
        } else {
            deadlines.silence
        }
    }

    async fn next_event(
        &self,
        wait: &mut Guarded<RawWait>,
        mut cancel: Option<&mut Guarded<HResult>>,
        signal: Signal,
    ) -> Event {
        let mut attention = self.driver.attention(signal);
        let mut tick = self.shared.around.timer.sleep(self.shared.around.deadlines.poll);
        poll_fn(|context| {
            if let Poll::Ready(waited) = Pin::new(&mut *wait).poll(context) {
                return Poll::Ready(Event::Waited(waited));
            }
            if let Some(cancel) = cancel.as_deref_mut()
                && let Poll::Ready(answer) = Pin::new(cancel).poll(context)
            {
                return Poll::Ready(Event::CancelAnswered(answer));
            }
            if let Poll::Ready(signal) = Pin::new(&mut attention).poll(context) {
                return Poll::Ready(Event::Signal(signal));
            }
            tick.as_mut().poll(context).map(|()| Event::Tick)
        })
        .await
    }

    fn cancel_answered(&mut self, answer: HResult) {
        if answer.is_success() || answer == HResult::VDS_E_OPERATION_CANCELED {
            return;
        }
        let is_never = matches!(answer.as_vds(), HResult::VDS_E_NOT_SUPPORTED | HResult::E_NOTIMPL);
        let refusal = if is_never { CancelRefusal::NotSupported } else { CancelRefusal::TooLate };
        self.driver.refuse_cancel(refusal);
    }

    async fn adjust(
        &self,
        operation: &Arc<dyn RawOperation>,
        old: Signal,
        new: Signal,
    ) -> Result<(), NoAnswer> {
        let adjustment = match (old, new) {
            (_, Signal::Hold) => Adjustment::Pause,
            (Signal::Hold, Signal::Go) => Adjustment::Resume,
            _ => return Ok(()),
        };
        self.ask(|| operation.adjust(adjustment)).await.map(|_| ())
    }

    async fn pass_priority(&mut self, operation: &Arc<dyn RawOperation>) {
        let priority = self.driver.priority();
        if priority != self.priority {
            self.priority = priority;
            // A provider that cannot do it works as before; that is no fault.
            let _ = self.ask(|| operation.adjust(Adjustment::Priority(priority))).await;
        }
    }

    /// Passes the provider's progress on, as far as it can be believed.
    fn mirror(&mut self, status: &RawStatus) {
        if status.query.is_failure() && !is_pending(status.query) {
            return;
        }
        let percent = status.percent;
        let mut update = ProgressUpdate {
            percent: None,
            done_bytes: status.progress.done_bytes,
            total_bytes: status.progress.total_bytes,
        };
        if percent != PERCENT_UNKNOWN && is_pending(status.operation) {
            if percent > 100 {
                self.record_once("above", &format!("progress of {percent} percent"));
            }
            let percent = percent.min(100);
            if let Some(last) = self.last_percent.filter(|last| percent < *last) {
                self.record_once(
                    "fell",
                    &format!("progress fell from {last} to {percent} percent"),
                );
            }
            self.last_percent = self.last_percent.max(Some(percent));
            update.percent = u8::try_from(percent).ok();
        }
        if update != ProgressUpdate::default() {
            self.driver.progress(update, self.now());
        }
        self.driver.phase(&status.progress.phase);
        self.driver.waits_for(status.waits_for.as_deref());
    }

    fn record_once(&mut self, what: &'static str, message: &str) {
        if self.recorded.insert(what) {
            self.mark(HResult::VDSX_E_BAD_PROGRESS, message);
        }
    }

    /// An end is told once: asked again, the operation must say the same. The first end stands.
    async fn check_repeated(&self, operation: &Arc<dyn RawOperation>, first: &RawWait) {
        let is_end = |result: &HResult| first.wait.is_success() && !is_pending(*result);
        let Some(ended) = first.operation.filter(is_end) else {
            return;
        };
        let again = self.ask(|| operation.wait()).await;
        let status = self.ask(|| operation.query_status()).await;
        let other = match (again, status) {
            (Ok(again), _) if again.operation != Some(ended) => again.operation,
            (Ok(again), _) if again.output.type_number != first.output.type_number => Some(ended),
            (_, Ok(status)) if status.operation.as_vds() != ended.as_vds() => {
                Some(status.operation)
            }
            _ => return,
        };
        let other = other.map_or_else(|| "nothing".to_owned(), |other| other.to_string());
        let message = format!("the operation ended with {ended}, then with {other}");
        self.mark(HResult::VDSX_E_DUPLICATE_END, &message);
    }

    /// Judges the end by the decision table, then looks whether what is there fits.
    async fn judge(&mut self, start: HResult, waited: RawWait) -> End {
        let expected = self.driver.record().kind.output_type();
        if waited.wait.is_success() && waited.operation.is_some_and(is_pending) {
            self.watch();
            let message = "the wait ended while the work is pending".to_owned();
            return self.breach(HResult::VDSX_E_BAD_MESSAGE, Some(message)).await;
        }
        let seen = Seen { start, waited: Some(seen(&waited, expected)) };
        match verdict(&seen, expected) {
            Verdict::Success { operation, .. } => match output(&waited, expected) {
                Some(output) => self.succeeded(operation, output).await,
                None => self.breach(HResult::VDSX_E_NO_OUTPUT, None).await,
            },
            Verdict::OperationFailed(result) => {
                if waited.output.object.is_some() {
                    let message = "the operation failed and yet returned an object";
                    self.mark(HResult::VDSX_E_OUTPUT_ON_FAILURE, message);
                }
                let error = provider_error(result, &waited.message, waited.hint.as_deref());
                if result == HResult::VDS_E_OPERATION_CANCELED {
                    self.cancelled(error).await
                } else {
                    self.failed(error).await
                }
            }
            Verdict::WaitFailed(result) => {
                let error = provider_error(result, &waited.message, waited.hint.as_deref());
                self.watch();
                self.failed(error).await
            }
            Verdict::QueryFailed(result) => {
                let message = format!("what the provider made lacks its interface: {result}");
                let result = match result {
                    HResult::E_NOINTERFACE => HResult::VDSX_E_NO_LUN_INTERFACE,
                    other => other,
                };
                self.breach(result, Some(message)).await
            }
            other => self.breach(other.result(), None).await,
        }
    }

    async fn succeeded(&mut self, hresult: HResult, output: Output) -> End {
        let id = self.id();
        let after = match self.shared.look(Some(id)).await {
            Ok(after) => after,
            Err(fault) => {
                self.watch();
                return self.failed(error(fault)).await;
            }
        };
        let given = output.object().and_then(|object| {
            let ledger = self.shared.ledger();
            ledger.given.get(&object).map(|other| (object, *other))
        });
        if let Some((object, other)) = given.filter(|(_, other)| *other != id) {
            let message = format!("{object} is the output of operation {other} already");
            return self.breach(HResult::VDSX_E_BAD_ID, Some(message)).await;
        }
        if let Output::CreateLun(lun) = output
            && let Some(fault) = after.hidden.get(&ObjectRef::Lun(lun)).cloned()
        {
            return self.breach(fault.result, Some(fault.message)).await;
        }
        let before = self.before.as_deref();
        if let Err(fault) = check_output(&self.request, output, before, &after.good) {
            return self.breach(fault.result, Some(fault.message)).await;
        }
        if let Some(object) = output.object() {
            let mut ledger = self.shared.ledger();
            ledger.given.insert(object, id);
            ledger.orphans.remove(&object);
        }
        End::Succeeded { hresult, output }
    }

    /// Cancelled, as far as anybody asked for that; nothing may be left of it.
    async fn cancelled(&mut self, error: OperationError) -> End {
        let is_asked_for = self.driver.is_cancel_requested()
            || self.driver.operation().request_cancel() == CancelRequest::Requested;
        match self.failed(error).await {
            End::Failed(error) if is_asked_for => End::Cancelled(error),
            end => end,
        }
    }

    /// The provider broke the contract: the operation fails and the provider is marked.
    async fn breach(&mut self, result: HResult, message: Option<String>) -> End {
        let meaning =
            result.entry().map_or("the provider broke its contract", |entry| entry.meaning);
        let message = message.unwrap_or_else(|| meaning.to_owned());
        self.mark(result, &message);
        self.failed(OperationError::new(result, message)).await
    }

    /// The provider cannot be asked any more; what it has begun may still come about.
    async fn lost(&mut self, no_answer: &NoAnswer) -> End {
        self.mark(no_answer.result(), &no_answer.message());
        self.watch();
        self.failed(OperationError::new(no_answer.result(), no_answer.message())).await
    }

    fn watch(&self) {
        if makes_object(&self.request) {
            let watched = Watched { request: self.request.clone(), before: self.before.clone() };
            self.shared.ledger().watch(self.id(), watched);
        }
    }

    /// Failed: looks again, and tells what is left and how to remove it.
    async fn failed(&mut self, error: OperationError) -> End {
        self.driver.phase("undoing");
        let left = self.compensate().await;
        if left.is_empty() {
            return End::Failed(error);
        }
        let commands: Vec<&str> = left.iter().map(|orphan| orphan.command.as_str()).collect();
        End::Failed(
            error.with_hint(format!("Something is left; remove it with: {}", commands.join("; "))),
        )
    }

    /// Removes what appeared under this operation's id; what is left is returned.
    pub(crate) async fn compensate(&self) -> Vec<Orphan> {
        if !makes_object(&self.request) {
            return Vec::new();
        }
        let (id, before) = (self.id(), self.before.as_deref());
        let left = compensate::remove_leftovers(&self.shared, id, &self.request, before).await;
        left.unwrap_or_else(|_| {
            self.watch();
            Vec::new()
        })
    }

    /// The end: durable first, then shown.
    async fn finish(self, end: End) {
        let timer = &self.shared.around.timer;
        loop {
            let prepared = self.driver.prepare_end(end.clone(), self.now());
            match self.shared.around.store.store(prepared.record().clone()).await {
                Ok(()) => {
                    prepared.publish();
                    break;
                }
                Err(error) => {
                    drop(prepared);
                    self.driver.waits_for(Some(&format!("its record to be stored: {error}")));
                    timer.sleep(self.shared.around.deadlines.poll).await;
                }
            }
        }
    }
}

/// What the decision table looks at.
fn seen(waited: &RawWait, expected: OutputType) -> Waited {
    let object = waited.output.object.as_ref();
    let fitting = object.filter(|raw| Output::with_object(expected, raw.object).is_some());
    let has_interface = fitting.is_some_and(|raw| {
        Interface::of(raw.object).is_some_and(|interface| raw.interfaces.contains(&interface))
    });
    Waited {
        wait: waited.wait,
        operation: waited.operation,
        output_type: waited.output.type_number,
        has_object: fitting.is_some(),
        query: fitting.map_or(HResult::S_OK, |raw| raw.query),
        has_interface,
    }
}

/// The output of a success, made ours.
fn output(waited: &RawWait, expected: OutputType) -> Option<Output> {
    match expected.payload() {
        Payload::None => Some(Output::Done(expected)),
        Payload::Report => waited.output.report.map(Output::Scrub),
        _ => Output::with_object(expected, waited.output.object.as_ref()?.object),
    }
}
