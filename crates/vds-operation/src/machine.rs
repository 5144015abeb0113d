//! The operation's state machine: events in, answers out; no clock, no waker, no lock.

use vds_model::HResult;

use crate::record::bounded;
use crate::{
    CURSOR_BYTES_MAX, CancelSupport, End, OperationRecord, OperationStatus, Priority, State,
};

/// The answer to somebody who asks for cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelRequest {
    /// The worker has been asked; the end tells whether it was in time.
    Requested,
    /// It has ended, or passed its commit point: `VDS_E_CANCEL_TOO_LATE`.
    TooLate,
    /// This kind cannot be cancelled: `VDS_E_NOT_SUPPORTED`.
    NotSupported,
    /// It was cancelled before: `VDS_E_OPERATION_CANCELED`.
    AlreadyCancelled,
}

/// Why a cancel that was asked for does not come about after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelRefusal {
    /// The work had passed its commit point already.
    TooLate,
    /// Whoever does the work cannot stop it.
    NotSupported,
}

/// Why an operation cannot be paused, resumed or given a priority. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PauseError {
    /// This kind cannot be paused.
    #[error("operations of this kind cannot be paused")]
    NotSupported,
    /// It has ended, or is about to.
    #[error("the operation has ended")]
    Ended,
    /// It is being cancelled.
    #[error("the operation is being cancelled")]
    Cancelling,
}

impl PauseError {
    /// The result of such a call.
    pub fn hresult(self) -> HResult {
        match self {
            Self::NotSupported => HResult::VDSX_E_PAUSE_NOT_SUPPORTED,
            Self::Ended | Self::Cancelling => HResult::VDSX_E_OPERATION_ENDED,
        }
    }

    /// The stable dotted code.
    pub fn code(self) -> &'static str {
        self.hresult().code()
    }
}

/// What the worker is to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// Work.
    Go,
    /// Hold still until resumed or cancelled.
    Hold,
    /// Stop, and leave what the table of end states says for cancel.
    Cancel,
}

/// Somebody cancelled before the commit point: the worker must undo and end cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operation was cancelled before its commit point")]
pub struct CancelRequested;

/// What a worker reports of its progress. `None` leaves a value as it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgressUpdate {
    /// Percent done. Left out, it follows from the bytes.
    pub percent: Option<u8>,
    /// Bytes done.
    pub done_bytes: Option<u64>,
    /// Bytes to do in all.
    pub total_bytes: Option<u64>,
}

impl ProgressUpdate {
    /// Bytes done out of a total.
    pub fn bytes(done_bytes: u64, total_bytes: u64) -> Self {
        Self { percent: None, done_bytes: Some(done_bytes), total_bytes: Some(total_bytes) }
    }

    /// Percent alone.
    pub fn percent(percent: u8) -> Self {
        Self { percent: Some(percent), ..Self::default() }
    }
}

/// Speed over roughly the last four samples, a sample a second at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rate {
    sampled_unix_ms: Option<u64>,
    sampled_bytes: u64,
    bytes_per_second: Option<u64>,
}

impl Rate {
    fn sample(&mut self, done_bytes: u64, unix_ms: u64) {
        const SAMPLE_MS: u64 = 1000;
        let Some(before) = self.sampled_unix_ms else {
            self.sampled_unix_ms = Some(unix_ms);
            self.sampled_bytes = done_bytes;
            return;
        };
        let elapsed_ms = unix_ms.saturating_sub(before);
        if elapsed_ms < SAMPLE_MS {
            return;
        }
        let bytes = done_bytes.saturating_sub(self.sampled_bytes);
        let now = bytes.saturating_mul(1000) / elapsed_ms;
        self.bytes_per_second =
            Some(self.bytes_per_second.map_or(now, |old| old - old / 4 + now / 4));
        self.sampled_unix_ms = Some(unix_ms);
        self.sampled_bytes = done_bytes;
    }
}

/// The state machine of one operation; the picture stands at [`State`].
///
/// The end takes two steps. [`OperationCore::prepare_end`] returns the record that must be durable first; nobody sees
/// anything of it yet. [`OperationCore::end_durable`] then shows the end, once and for ever.
#[derive(Clone, Debug)]
pub struct OperationCore {
    record: OperationRecord,
    /// What a paused operation goes back to.
    resumes_to: State,
    /// The end that is being made durable.
    prepared: Option<OperationRecord>,
    waits_for: Option<String>,
    rate: Rate,
    version: u64,
}

impl OperationCore {
    /// Takes a record: a new one, or one found after a restart, ended or not.
    ///
    /// One found running or cancelling is queued again: nobody works on it yet. A cancel that was asked for before the
    /// crash is not forgotten: the operation stays cancelling.
    pub fn new(mut record: OperationRecord) -> Self {
        if record.state == State::Running {
            record.state = State::Queued;
        }
        let core = Self {
            record,
            resumes_to: State::Queued,
            prepared: None,
            waits_for: None,
            rate: Rate::default(),
            version: 1,
        };
        core.check_invariants();
        core
    }

    /// What must be durable of it now.
    pub fn record(&self) -> &OperationRecord {
        &self.record
    }

    /// Grows with every visible change, never repeats.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether it has ended, visibly.
    pub fn is_ended(&self) -> bool {
        self.record.state.is_end()
    }

    /// What the worker is to do now.
    pub fn signal(&self) -> Signal {
        match self.record.state {
            State::Cancelling => Signal::Cancel,
            State::Paused => Signal::Hold,
            _ => Signal::Go,
        }
    }

    /// Everything there is to see.
    pub fn status(&self) -> OperationStatus {
        let record = &self.record;
        let remaining = match (record.progress.done_bytes, record.progress.total_bytes) {
            (Some(done), Some(total)) => Some(total.saturating_sub(done)),
            _ => None,
        };
        let rate = self.rate.bytes_per_second.filter(|_| !self.is_ended());
        let eta_ms = remaining.zip(rate.filter(|rate| *rate > 0)).map(|(bytes, rate)| {
            u64::try_from(u128::from(bytes) * 1000 / u128::from(rate)).unwrap_or(u64::MAX)
        });
        OperationStatus {
            id: record.id,
            kind: record.kind,
            subject: record.subject,
            parent: record.parent,
            owner: record.owner.clone(),
            state: record.state,
            cancel_support: record.cancel_support,
            committed: record.committed,
            priority: record.priority,
            progress: record.progress.clone(),
            waits_for: self.waits_for.clone(),
            bytes_per_second: rate,
            eta_ms,
            created_unix_ms: record.created_unix_ms,
            started_unix_ms: record.started_unix_ms,
            ended_unix_ms: record.ended_unix_ms,
            end: record.end.clone(),
            version: self.version,
        }
    }

    /// A worker takes it up. Already begun (after a pause, a restart) is no error.
    pub fn start(&mut self, unix_ms: u64) -> Signal {
        self.assert_unended();
        if self.record.started_unix_ms.is_none() {
            self.record.started_unix_ms = Some(unix_ms);
        }
        match self.record.state {
            State::Queued => self.record.state = State::Running,
            State::Paused => self.resumes_to = State::Running,
            _ => {}
        }
        self.changed();
        self.signal()
    }

    /// Somebody asks for cancel.
    pub fn request_cancel(&mut self) -> CancelRequest {
        if self.record.state == State::Cancelled {
            return CancelRequest::AlreadyCancelled;
        }
        if self.record.cancel_support == CancelSupport::Never {
            return CancelRequest::NotSupported;
        }
        if self.is_ended() || self.record.committed || self.prepared.is_some() {
            return CancelRequest::TooLate;
        }
        if self.record.state != State::Cancelling {
            self.record.state = State::Cancelling;
            self.changed();
        }
        CancelRequest::Requested
    }

    /// Whoever really does the work, a provider, will not be stopped: the operation goes on, and a further cancel is
    /// refused for the same reason. Nothing happens if it is not cancelling.
    pub fn refuse_cancel(&mut self, refusal: CancelRefusal) {
        if self.record.state != State::Cancelling || self.prepared.is_some() {
            return;
        }
        self.record.state = State::Running;
        match refusal {
            CancelRefusal::TooLate => self.record.committed = true,
            CancelRefusal::NotSupported => self.record.cancel_support = CancelSupport::Never,
        }
        self.changed();
    }

    /// Somebody asks it to hold. Once more is no error.
    ///
    /// # Errors
    /// [`PauseError`]; nothing was changed.
    pub fn pause(&mut self) -> Result<(), PauseError> {
        self.check_pausable()?;
        if self.record.state != State::Paused {
            self.resumes_to = self.record.state;
            self.record.state = State::Paused;
            self.changed();
        }
        Ok(())
    }

    /// Somebody asks it to go on. Not paused is no error.
    ///
    /// # Errors
    /// [`PauseError`]; nothing was changed.
    pub fn resume(&mut self) -> Result<(), PauseError> {
        self.check_pausable()?;
        if self.record.state == State::Paused {
            self.record.state = self.resumes_to;
            self.changed();
        }
        Ok(())
    }

    /// Somebody gives it another priority.
    ///
    /// # Errors
    /// [`PauseError`]; nothing was changed.
    pub fn set_priority(&mut self, priority: Priority) -> Result<(), PauseError> {
        self.check_pausable()?;
        if self.record.priority != priority {
            self.record.priority = priority;
            self.changed();
        }
        Ok(())
    }

    fn check_pausable(&self) -> Result<(), PauseError> {
        if !self.record.kind.is_pausable() {
            return Err(PauseError::NotSupported);
        }
        if self.is_ended() || self.prepared.is_some() {
            return Err(PauseError::Ended);
        }
        if self.record.state == State::Cancelling {
            return Err(PauseError::Cancelling);
        }
        Ok(())
    }

    /// The worker reports progress. Percent stays below 100 until the end; neither it nor the bytes done ever fall.
    pub fn progress(&mut self, update: ProgressUpdate, unix_ms: u64) {
        self.assert_unended();
        let progress = &mut self.record.progress;
        progress.total_bytes = update.total_bytes.or(progress.total_bytes);
        // `None` is smaller than any `Some`, so `max` also keeps what is known.
        progress.done_bytes = progress.done_bytes.max(update.done_bytes);
        let by_bytes = match (progress.done_bytes, progress.total_bytes) {
            (Some(done), Some(total)) if total > 0 => {
                let percent = u128::from(done) * 100 / u128::from(total);
                Some(u8::try_from(percent).unwrap_or(99))
            }
            _ => None,
        };
        let percent = update.percent.or(by_bytes).map(|percent| percent.min(99));
        progress.percent = progress.percent.max(percent);
        if let Some(done_bytes) = progress.done_bytes {
            self.rate.sample(done_bytes, unix_ms);
        }
        self.changed();
    }

    /// The worker says what it is doing, in a word or two.
    pub fn phase(&mut self, phase: &str) {
        self.assert_unended();
        if self.record.progress.phase != phase {
            bounded(phase).clone_into(&mut self.record.progress.phase);
            self.changed();
        }
    }

    /// The worker says what it waits for, `None` when it waits no longer.
    pub fn waits_for(&mut self, what: Option<&str>) {
        self.assert_unended();
        let what = what.map(|what| bounded(what).to_owned());
        if self.waits_for != what {
            self.waits_for = what;
            self.changed();
        }
    }

    /// The worker says where it would go on after a restart. Not visible outside.
    ///
    /// # Panics
    /// When the cursor is longer than [`CURSOR_BYTES_MAX`].
    pub fn cursor(&mut self, cursor: Vec<u8>) {
        self.assert_unended();
        assert!(cursor.len() <= CURSOR_BYTES_MAX, "a cursor is bounded");
        self.record.cursor = cursor;
    }

    /// The worker is about to commit: from here on a cancel is too late. Once more is no error.
    ///
    /// # Errors
    /// [`CancelRequested`] if a cancel came first: nothing may be committed.
    pub fn pass_commit_point(&mut self) -> Result<(), CancelRequested> {
        self.assert_unended();
        if self.record.state == State::Cancelling {
            return Err(CancelRequested);
        }
        if !self.record.committed {
            self.record.committed = true;
            self.changed();
        }
        Ok(())
    }

    /// The worker is done: the record that must be durable before anybody sees the end. From here on a cancel is too
    /// late, unless [`OperationCore::withdraw_end`].
    ///
    /// # Panics
    /// When the end is not one of this operation: an output of another type, a success with a failure code, a cancel
    /// nobody asked for, a second end. All of these are bugs of the worker.
    pub fn prepare_end(&mut self, end: End, unix_ms: u64) -> &OperationRecord {
        self.assert_unended();
        assert!(self.prepared.is_none(), "an operation has one end");
        match &end {
            End::Succeeded { hresult, output } => {
                assert_eq!(output.output_type(), self.record.kind.output_type(), "output type");
                assert!(hresult.is_success(), "success carries a success code");
            }
            End::Failed(error) => assert!(error.result.is_failure(), "failure code"),
            End::Cancelled(_) => {
                assert_eq!(self.record.state, State::Cancelling, "nobody asked for cancel");
            }
        }
        let mut ended = self.record.clone();
        ended.state = end.state();
        ended.progress.percent = match (ended.state, ended.progress.percent) {
            (State::Succeeded, _) => Some(100),
            (_, percent) => percent,
        };
        ended.ended_unix_ms = Some(unix_ms.max(ended.started_unix_ms.unwrap_or(0)));
        ended.end = Some(end);
        ended.cursor.clear();
        if ended.kind.has_secret_arguments() {
            ended.arguments.clear();
        }
        self.prepared.insert(ended)
    }

    /// The end could not be made durable: the operation goes on as before.
    ///
    /// # Panics
    /// When no end was prepared.
    pub fn withdraw_end(&mut self) {
        assert!(self.prepared.take().is_some(), "no end was prepared");
    }

    /// The prepared end is durable: it is shown.
    ///
    /// The caller then wakes the waiters, and after them lets the events go out.
    ///
    /// # Panics
    /// When no end was prepared.
    pub fn end_durable(&mut self) {
        self.record = self.prepared.take().expect("an end is prepared before it is durable");
        self.waits_for = None;
        self.changed();
        self.check_invariants();
    }

    /// The result of the work: pending until the end.
    pub fn hresult(&self) -> HResult {
        self.record.end.as_ref().map_or(HResult::VDS_E_OPERATION_PENDING, End::hresult)
    }

    fn changed(&mut self) {
        self.version += 1;
    }

    fn assert_unended(&self) {
        assert!(!self.is_ended(), "operation {} has ended", self.record.id);
    }

    /// Checks what must hold between any two calls.
    ///
    /// # Panics
    /// When something does not hold.
    pub fn check_invariants(&self) {
        let record = &self.record;
        assert_eq!(record.end.is_some(), record.state.is_end());
        assert_eq!(record.ended_unix_ms.is_some(), record.state.is_end());
        assert_eq!(record.end.as_ref().map(End::state), Some(record.state).filter(|s| s.is_end()));
        assert_eq!(record.progress.percent == Some(100), record.state == State::Succeeded);
        assert!(record.progress.percent.is_none_or(|percent| percent <= 100));
        if record.is_cancelling_or_cancelled() {
            assert_ne!(record.cancel_support, CancelSupport::Never);
            assert!(!record.committed, "a committed operation cannot be cancelled");
        }
        if self.prepared.is_some() {
            assert!(!record.state.is_end(), "an operation ends once");
        }
    }
}

impl OperationRecord {
    fn is_cancelling_or_cancelled(&self) -> bool {
        matches!(self.state, State::Cancelling | State::Cancelled)
    }
}

#[cfg(test)]
pub(crate) mod tests;
