//! Every state with every event, and what must hold after any sequence of events.

use proptest::prelude::*;
use vds_model::{LunId, OperationId};

use super::*;
use crate::{Intent, OperationError, OperationKind, Output, OutputType, Owner};

pub(crate) fn intent(kind: OperationKind) -> Intent {
    Intent {
        id: OperationId::from_bytes([1; 16]),
        kind,
        subject: None,
        arguments: vec![1, 2, 3],
        owner: Owner::Client { name: "ann".into(), from: "unix socket".into() },
        key: None,
        parent: None,
        priority: Priority::DEFAULT,
        created_unix_ms: 1000,
    }
}

fn success(kind: OperationKind) -> End {
    End::success(match kind {
        OperationKind::CreateLun => Output::CreateLun(LunId::from_bytes([2; 16])),
        kind => Output::Done(kind.output_type()),
    })
}

fn failure() -> End {
    End::Failed(OperationError::new(HResult::VDS_E_NOT_ENOUGH_SPACE, "no space"))
}

/// A core of this kind, brought to this state in the ordinary way.
fn core_in(kind: OperationKind, state: State) -> OperationCore {
    let mut core = OperationCore::new(OperationRecord::new(intent(kind)));
    if state == State::Queued {
        return core;
    }
    core.start(2000);
    match state {
        State::Queued | State::Running => {}
        State::Paused => core.pause().expect("pausable"),
        State::Cancelling => assert_eq!(core.request_cancel(), CancelRequest::Requested),
        State::Succeeded => end(&mut core, success(kind)),
        State::Failed => end(&mut core, failure()),
        State::Cancelled => {
            core.request_cancel();
            end(&mut core, End::cancelled());
        }
    }
    assert_eq!(core.record().state, state);
    core
}

fn end(core: &mut OperationCore, end: End) {
    core.prepare_end(end, 3000);
    core.end_durable();
}

/// Goal: each outside event, in each state, gives exactly the state and the answer in this table.
#[test]
fn every_state_answers_every_request() {
    use CancelRequest as C;
    use State as S;
    let pausable = OperationKind::RecoverLun;
    let ended = Err(PauseError::Ended);
    let cancelling = Err(PauseError::Cancelling);
    // state, cancel: answer and state, pause: answer and state, resume: answer and state
    let table = [
        (S::Queued, C::Requested, S::Cancelling, Ok(()), S::Paused, Ok(()), S::Queued),
        (S::Running, C::Requested, S::Cancelling, Ok(()), S::Paused, Ok(()), S::Running),
        (S::Paused, C::Requested, S::Cancelling, Ok(()), S::Paused, Ok(()), S::Running),
        (
            S::Cancelling,
            C::Requested,
            S::Cancelling,
            cancelling,
            S::Cancelling,
            cancelling,
            S::Cancelling,
        ),
        (S::Succeeded, C::TooLate, S::Succeeded, ended, S::Succeeded, ended, S::Succeeded),
        (S::Failed, C::TooLate, S::Failed, ended, S::Failed, ended, S::Failed),
        (S::Cancelled, C::AlreadyCancelled, S::Cancelled, ended, S::Cancelled, ended, S::Cancelled),
    ];
    assert_eq!(table.len(), State::ALL.len());
    for (state, cancel, cancelled, pause, paused, resume, resumed) in table {
        let mut core = core_in(pausable, state);
        assert_eq!((core.request_cancel(), core.record().state), (cancel, cancelled), "{state}");
        let mut core = core_in(pausable, state);
        assert_eq!((core.pause(), core.record().state), (pause, paused), "{state}");
        let mut core = core_in(pausable, state);
        assert_eq!((core.resume(), core.record().state), (resume, resumed), "{state}");
        core.check_invariants();
    }
}

/// Goal: from each unended state the worker can reach each end but a cancel nobody asked for.
#[test]
fn the_worker_may_end_from_every_unended_state() {
    for state in [State::Queued, State::Running, State::Paused, State::Cancelling] {
        for wanted in [success(OperationKind::RecoverLun), failure(), End::cancelled()] {
            if wanted.state() == State::Cancelled && state != State::Cancelling {
                continue;
            }
            let mut core = core_in(OperationKind::RecoverLun, state);
            end(&mut core, wanted.clone());
            assert_eq!(core.record().end, Some(wanted));
            core.check_invariants();
        }
    }
}

#[test]
fn a_cancel_before_the_commit_point_stops_the_commit_and_one_after_it_is_too_late() {
    let mut core = core_in(OperationKind::CreateLun, State::Cancelling);
    assert_eq!(core.pass_commit_point(), Err(CancelRequested));

    let mut core = core_in(OperationKind::CreateLun, State::Running);
    assert_eq!(core.pass_commit_point(), Ok(()));
    assert_eq!(core.request_cancel(), CancelRequest::TooLate);

    // Preparing the end closes the door too; withdrawing it opens the door again.
    let mut core = core_in(OperationKind::CreateLun, State::Running);
    core.prepare_end(failure(), 3000);
    assert_eq!(core.request_cancel(), CancelRequest::TooLate);
    assert_eq!(core.record().state, State::Running, "nobody sees an end that is not durable");
    core.withdraw_end();
    assert_eq!(core.request_cancel(), CancelRequest::Requested);
}

#[test]
fn only_kinds_that_say_so_refuse_cancel_and_pause() {
    for kind in OperationKind::ALL.iter().copied() {
        let mut core = core_in(kind, State::Running);
        let never = kind.cancel_support() == CancelSupport::Never;
        let expected = if never { CancelRequest::NotSupported } else { CancelRequest::Requested };
        assert_eq!(core.request_cancel(), expected, "{kind}");
        let mut core = core_in(kind, State::Running);
        assert_eq!(core.pause().is_ok(), kind.is_pausable(), "{kind}");
    }
}

#[test]
fn percent_is_a_hundred_on_success_only_and_vds_sees_zero_otherwise() {
    let ends = [(success(OperationKind::RecoverLun), 100), (failure(), 0), (End::cancelled(), 0)];
    for (wanted, percent) in ends {
        let mut core = core_in(OperationKind::RecoverLun, State::Running);
        assert_eq!(core.status().query_status().percent, crate::PERCENT_UNKNOWN);
        core.progress(ProgressUpdate::bytes(100, 100), 2500);
        let running = core.status().query_status();
        assert_eq!(running.hresult, HResult::VDS_E_OPERATION_PENDING);
        assert_eq!(running.percent, 99, "all bytes moved is not the end");
        core.request_cancel();
        end(&mut core, wanted.clone());
        let ended = core.status().query_status();
        assert_eq!((ended.hresult, ended.percent), (wanted.hresult(), percent));
    }
}

#[test]
fn rate_and_time_left_come_from_the_bytes() {
    let mut core = core_in(OperationKind::RecoverLun, State::Running);
    core.progress(ProgressUpdate::bytes(0, 10_000), 10_000);
    assert_eq!(core.status().eta_ms, None, "unknown is unknown");
    core.progress(ProgressUpdate::bytes(1000, 10_000), 12_000);
    assert_eq!(core.status().bytes_per_second, Some(500));
    assert_eq!(core.status().eta_ms, Some(18_000));
}

#[test]
fn secrets_leave_the_record_with_the_end() {
    let mut core = core_in(OperationKind::SetTargetChap, State::Running);
    assert!(!core.record().arguments.is_empty());
    end(&mut core, End::success(Output::Done(OutputType::SetTargetChap)));
    assert!(core.record().arguments.is_empty());
}

#[test]
fn after_a_restart_work_is_queued_again_and_a_cancel_is_not_forgotten() {
    for (state, expected) in [
        (State::Queued, State::Queued),
        (State::Running, State::Queued),
        (State::Paused, State::Paused),
        (State::Cancelling, State::Cancelling),
        (State::Cancelled, State::Cancelled),
    ] {
        let record = core_in(OperationKind::RecoverLun, state).record().clone();
        assert_eq!(OperationCore::new(record).record().state, expected);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Start,
    Cancel,
    Pause,
    Resume,
    Percent(u8),
    Bytes(u64, u64),
    Commit,
    Prepare(u8),
    Durable,
    Withdraw,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Start),
        Just(Step::Cancel),
        Just(Step::Pause),
        Just(Step::Resume),
        any::<u8>().prop_map(Step::Percent),
        (any::<u64>(), any::<u64>()).prop_map(|(done, total)| Step::Bytes(done, total)),
        Just(Step::Commit),
        (0..3_u8).prop_map(Step::Prepare),
        Just(Step::Durable),
        Just(Step::Withdraw),
    ]
}

/// Applies a step if the worker, who knows what it does, could take it now.
fn apply(core: &mut OperationCore, prepared: &mut bool, step: &Step) {
    let worker_may = !core.is_ended() && !*prepared;
    match step {
        Step::Cancel => _ = core.request_cancel(),
        Step::Pause => _ = core.pause(),
        Step::Resume => _ = core.resume(),
        Step::Start if worker_may => _ = core.start(5000),
        Step::Percent(percent) if worker_may => {
            core.progress(ProgressUpdate::percent(*percent), 6000);
        }
        Step::Bytes(done, total) if worker_may => {
            core.progress(ProgressUpdate::bytes(*done, *total), 7000);
        }
        Step::Commit if worker_may => _ = core.pass_commit_point(),
        Step::Prepare(which) if worker_may => {
            let wanted = match which {
                0 => success(core.record().kind),
                1 if core.signal() == Signal::Cancel => End::cancelled(),
                _ => failure(),
            };
            core.prepare_end(wanted, 8000);
            *prepared = true;
        }
        Step::Durable if *prepared => {
            core.end_durable();
            *prepared = false;
        }
        Step::Withdraw if *prepared => {
            core.withdraw_end();
            *prepared = false;
        }
        _ => {}
    }
}

proptest! {
    /// Goal: whatever happens, percent and bytes never fall before the end, the version grows with every change, an
    /// end is for ever, and every record on the way survives its codec.
    #[test]
    fn progress_is_monotone_and_the_end_is_final(steps in prop::collection::vec(step(), 1..60)) {
        let mut core = OperationCore::new(OperationRecord::new(intent(OperationKind::RecoverLun)));
        let mut prepared = false;
        for step in &steps {
            let before = core.status();
            apply(&mut core, &mut prepared, step);
            core.check_invariants();
            let after = core.status();
            prop_assert!(after.progress.done_bytes >= before.progress.done_bytes);
            prop_assert!(after.progress.percent >= before.progress.percent);
            prop_assert!(after.version >= before.version);
            if after.version == before.version {
                prop_assert_eq!(&after, &before);
            }
            if before.state.is_end() {
                prop_assert_eq!(&after, &before);
            }
            let record = core.record();
            prop_assert_eq!(&OperationRecord::decode(&record.encode()), &Ok(record.clone()));
        }
    }
}
