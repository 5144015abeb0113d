//! Waiters, watchers and the worker: who is woken, how often, and what they see then.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake};

use vds_model::LunId;

use super::*;
use crate::machine::tests::intent;
use crate::{CancelAnswer, State, WaitError};

#[derive(Default)]
struct Counter {
    wakes: AtomicUsize,
    operation: Mutex<Option<Operation>>,
    seen: Mutex<Vec<State>>,
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        if let Some(operation) = &*self.operation.lock().unwrap() {
            self.seen.lock().unwrap().push(operation.status().state);
        }
    }
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>, counter: &Arc<Counter>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(Arc::clone(counter))))
}

fn lun() -> Output {
    Output::CreateLun(LunId::from_bytes([9; 16]))
}

fn begin(kind: OperationKind) -> (Operation, OperationDriver) {
    let (operation, driver) = Operation::begin(intent(kind));
    driver.start(1001);
    (operation, driver)
}

#[test]
fn every_waiter_wakes_once_after_the_end_is_durable_and_sees_all_of_it() {
    let (operation, driver) = begin(OperationKind::CreateLun);
    let counters: Vec<_> = (0..5).map(|_| Arc::new(Counter::default())).collect();
    let mut waits: Vec<_> = counters.iter().map(|_| Box::pin(operation.wait())).collect();
    for (wait, counter) in waits.iter_mut().zip(&counters) {
        *counter.operation.lock().unwrap() = Some(operation.clone());
        assert!(poll(wait.as_mut(), counter).is_pending());
        // Polled again without a wake, as executors may: still one place in the table.
        assert!(poll(wait.as_mut(), counter).is_pending());
    }
    let prepared = driver.prepare_end(End::success(lun()), 1002);
    assert_eq!(prepared.record().state, State::Succeeded);
    assert_eq!(operation.status().state, State::Running, "not durable, not visible");
    for counter in &counters {
        assert_eq!(counter.wakes.load(Ordering::SeqCst), 0);
    }
    prepared.publish();
    for (wait, counter) in waits.iter_mut().zip(&counters) {
        assert_eq!(counter.wakes.load(Ordering::SeqCst), 1);
        assert_eq!(*counter.seen.lock().unwrap(), [State::Succeeded]);
        assert_eq!(poll(wait.as_mut(), counter), Poll::Ready(Ok(End::success(lun()))));
    }
    // A wait after the end returns at once, every time; dropping the driver changes nothing.
    drop(driver);
    for _ in 0..3 {
        let counter = Arc::new(Counter::default());
        let mut ended = pin!(operation.clone().into_future());
        assert_eq!(poll(ended.as_mut(), &counter), Poll::Ready(Ok(lun())));
    }
}

#[test]
fn a_dropped_wait_is_not_woken_and_cancels_nothing() {
    let (operation, driver) = begin(OperationKind::CreateLun);
    let counter = Arc::new(Counter::default());
    let mut wait = Box::pin(operation.wait());
    assert!(poll(wait.as_mut(), &counter).is_pending());
    drop(wait);
    assert!(operation.lock().waiters.wakers.is_empty());
    assert_eq!(driver.signal(), Signal::Go);
    driver.finish(End::success(lun()), 1002);
    assert_eq!(counter.wakes.load(Ordering::SeqCst), 0);
}

#[test]
fn a_time_out_leaves_the_work_alone_and_never_hides_a_result() {
    let (operation, driver) = begin(OperationKind::CreateLun);
    let counter = Arc::new(Counter::default());
    let mut timed = pin!(operation.wait_timeout(std::future::ready(())));
    assert_eq!(poll(timed.as_mut(), &counter), Poll::Ready(Err(WaitError::TimedOut)));
    assert_eq!(operation.status().state, State::Running);
    driver.finish(End::success(lun()), 1002);
    let mut timed = pin!(operation.wait_timeout(std::future::ready(())));
    assert_eq!(poll(timed.as_mut(), &counter), Poll::Ready(Ok(End::success(lun()))));
}

#[test]
fn a_watcher_misses_nothing_between_two_looks() {
    let (operation, driver) = begin(OperationKind::RecoverLun);
    let counter = Arc::new(Counter::default());
    let mut seen = operation.status();
    let mut percents = Vec::new();
    for percent in [10, 20, 20, 30] {
        let mut changed = pin!(operation.changed(seen.version));
        assert!(poll(changed.as_mut(), &counter).is_pending());
        driver.progress(ProgressUpdate::percent(percent), 1100);
        let Poll::Ready(status) = poll(changed.as_mut(), &counter) else { panic!("no news") };
        percents.push(status.progress.percent);
        seen = status;
    }
    assert_eq!(percents, [Some(10), Some(20), Some(20), Some(30)]);
    assert_eq!(counter.wakes.load(Ordering::SeqCst), 4);
    // A change before the look is not lost either.
    driver.phase("moving");
    let mut changed = pin!(operation.changed(seen.version));
    assert!(poll(changed.as_mut(), &counter).is_ready());
}

fn cancel_answer(kind: OperationKind, work: impl FnOnce(&OperationDriver)) -> CancelAnswer {
    let (operation, driver) = begin(kind);
    let counter = Arc::new(Counter::default());
    let mut cancel = pin!(operation.cancel());
    if let Poll::Ready(answer) = poll(cancel.as_mut(), &counter) {
        return answer.unwrap();
    }
    work(&driver);
    match poll(cancel.as_mut(), &counter) {
        Poll::Ready(answer) => answer.unwrap(),
        Poll::Pending => panic!("a cancel is answered"),
    }
}

#[test]
fn a_cancel_is_always_answered() {
    let kind = OperationKind::CreateLun;
    let heeds = |driver: &OperationDriver| {
        assert!(driver.is_cancel_requested());
        assert!(driver.pass_commit_point().is_err());
        driver.finish(End::cancelled(), 1002);
    };
    assert_eq!(cancel_answer(kind, heeds), CancelAnswer::Cancelled);
    let was_done = |driver: &OperationDriver| drop(driver.finish(End::success(lun()), 1002));
    assert_eq!(cancel_answer(kind, was_done), CancelAnswer::TooLate);
    let refuses = |refusal| move |driver: &OperationDriver| driver.refuse_cancel(refusal);
    assert_eq!(cancel_answer(kind, refuses(CancelRefusal::TooLate)), CancelAnswer::TooLate);
    let not_supported = refuses(CancelRefusal::NotSupported);
    assert_eq!(cancel_answer(kind, not_supported), CancelAnswer::NotSupported);
    assert_eq!(cancel_answer(OperationKind::Refresh, |_| ()), CancelAnswer::NotSupported);
    let (operation, driver) = begin(kind);
    operation.request_cancel();
    driver.finish(End::cancelled(), 1002);
    assert_eq!(operation.request_cancel(), CancelRequest::AlreadyCancelled);
}

#[test]
fn cancelling_a_parent_cancels_its_children_also_those_that_come_later() {
    let (parent, _parent_driver) = begin(OperationKind::DrainDrive);
    let (early, early_driver) = begin(OperationKind::RecoverLun);
    parent.add_child(&early);
    parent.request_cancel();
    assert!(early_driver.is_cancel_requested());
    let (late, late_driver) = begin(OperationKind::RecoverLun);
    parent.add_child(&late);
    assert!(late_driver.is_cancel_requested());
    assert_eq!(parent.children().len(), 2);
}

#[test]
fn the_worker_is_woken_for_pause_resume_and_cancel() {
    let (operation, driver) = begin(OperationKind::RecoverLun);
    let counter = Arc::new(Counter::default());
    let mut signal = driver.signal();
    let requests: [(&dyn Fn(), Signal); 3] = [
        (&|| operation.pause().unwrap(), Signal::Hold),
        (&|| operation.resume_work().unwrap(), Signal::Go),
        (&|| assert_eq!(operation.request_cancel(), CancelRequest::Requested), Signal::Cancel),
    ];
    for (request, expected) in requests {
        let mut attention = pin!(driver.attention(signal));
        assert!(poll(attention.as_mut(), &counter).is_pending());
        request();
        assert_eq!(poll(attention.as_mut(), &counter), Poll::Ready(expected));
        signal = expected;
    }
    assert_eq!(counter.wakes.load(Ordering::SeqCst), 3);
}

#[test]
fn a_worker_that_stops_breaks_off_the_waits_but_not_the_operation() {
    let (operation, driver) = begin(OperationKind::CreateLun);
    let counter = Arc::new(Counter::default());
    let mut wait = pin!(operation.wait());
    assert!(poll(wait.as_mut(), &counter).is_pending());
    let prepared = driver.prepare_end(End::success(lun()), 1002);
    drop(prepared);
    assert_eq!(operation.status().state, State::Running, "a withdrawn end is none");
    drop(driver);
    assert_eq!(counter.wakes.load(Ordering::SeqCst), 1);
    assert_eq!(poll(wait.as_mut(), &counter), Poll::Ready(Err(WaitError::WorkerGone)));
    assert!(!operation.is_ended());
}

/// Goal: no wake is lost between looking and falling asleep, on real threads.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the test is about threads that meet in one operation"
)]
fn waiters_on_other_threads_all_see_the_end() {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    for _ in 0..200 {
        let (operation, driver) = begin(OperationKind::CreateLun);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
                    let mut wait = pin!(operation.wait());
                    while wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                        std::thread::park();
                    }
                });
            }
            driver.progress(ProgressUpdate::percent(50), 1001);
            driver.finish(End::success(lun()), 1002);
        });
    }
}
