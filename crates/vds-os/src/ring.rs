//! One io_uring ring for one thread of the engine.
//!
//! ```text
//!   read/write/flush ──► slot (file, buffer, waiter) ──► submission queue
//!                                                            │  the driver task: one io_uring_enter for all that
//!   future ◄── waker ◄── slot done ◄── completion queue ◄────┘  the tasks of a turn have queued; woken by epoll
//! ```
//!
//! # Invariants
//! - A slot owns the buffer and a reference to the file until the kernel's completion for it has been seen, whatever
//!   becomes of the future. What the kernel may still touch is never freed and its descriptor never closed.
//! - A slot is reused only after its completion was seen and its result taken or given up.
#![expect(unsafe_code, reason = "the kernel is given addresses of buffers")]

use std::cell::RefCell;
use std::future::poll_fn;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use io_uring::types::{Fd, FsyncFlags, SubmitArgs, Timespec};
use io_uring::{IoUring, Probe, opcode, squeue};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use vds_io::Buffer;

use crate::drive_file::{DriveFile, Failure, progress};

/// What one turn of the engine may queue before the driver must submit in between.
const SUBMISSIONS_MAX: u32 = 256;
/// Completions the kernel keeps for us without overflow handling.
const COMPLETIONS_MAX: u32 = 4096;
/// One request of the kernel's moves at most this much; the rest follows. A multiple of a block.
const PIECE_BYTES_MAX: usize = 1 << 30;
/// How long the end of a ring waits for what is still in flight before it leaves the memory to the kernel for good.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// What is moved, and where to or from.
pub(crate) enum Transfer {
    Read(Buffer),
    Write(Arc<Buffer>),
    Flush,
}

/// How a transfer ended.
pub(crate) type Outcome = Result<(), Failure>;

/// A handle on the ring of this thread. The ring lives until the last handle and the last request are gone.
pub(crate) struct Ring {
    inner: Rc<Inner>,
}

struct Inner {
    // Declared first: leaves epoll before the descriptor is closed.
    readiness: AsyncFd<RingFd>,
    state: RefCell<State>,
}

/// The ring's descriptor, borrowed from the `IoUring` beside it.
struct RingFd(RawFd);

impl AsRawFd for RingFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

struct State {
    ring: IoUring,
    slots: Vec<Slot>,
    free: Vec<usize>,
    in_flight: usize,
    driver: Option<Waker>,
    /// Counts submissions: a thing done "once per turn" is done once per value.
    turn: u64,
    /// Kept for its allocation.
    woken: Vec<Waker>,
}

enum Slot {
    Free,
    Running(Operation),
    Done(Transfer, Outcome),
}

struct Operation {
    file: Arc<DriveFile>,
    transfer: Transfer,
    offset: u64,
    done: usize,
    waiter: Waiter,
}

enum Waiter {
    /// Not asked yet.
    None,
    Task(Waker),
    /// The future was dropped: nobody wants the result.
    Left,
}

impl Operation {
    fn len(&self) -> usize {
        match &self.transfer {
            Transfer::Read(buffer) => buffer.len(),
            Transfer::Write(data) => data.len(),
            Transfer::Flush => 0,
        }
    }

    /// The kernel's form of what is still to be done.
    fn entry(&mut self) -> squeue::Entry {
        let file = Fd(self.file.as_raw_fd());
        let (from, offset) = (self.done, self.offset + self.done as u64);
        match &mut self.transfer {
            Transfer::Read(buffer) => {
                let rest = &mut buffer.bytes_mut()[from..];
                let len = piece(rest.len());
                opcode::Read::new(file, rest.as_mut_ptr(), len).offset(offset).build()
            }
            Transfer::Write(data) => {
                let rest = &data.bytes()[from..];
                let len = piece(rest.len());
                opcode::Write::new(file, rest.as_ptr(), len).offset(offset).build()
            }
            Transfer::Flush => opcode::Fsync::new(file).flags(FsyncFlags::DATASYNC).build(),
        }
    }
}

fn piece(len: usize) -> u32 {
    u32::try_from(len.min(PIECE_BYTES_MAX)).expect("a piece is at most 1 GiB")
}

impl Ring {
    /// A ring, and its driver as a task of the present `LocalSet`.
    ///
    /// # Errors
    /// When the kernel has none or forbids it (seccomp, `kernel.io_uring_disabled`): the caller uses threads.
    pub(crate) fn start() -> std::io::Result<Rc<Self>> {
        let ring = build()?;
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        let needed = [opcode::Read::CODE, opcode::Write::CODE, opcode::Fsync::CODE];
        if !needed.iter().all(|&code| probe.is_supported(code)) {
            return Err(std::io::ErrorKind::Unsupported.into());
        }
        let fd = RingFd(ring.as_raw_fd());
        // SAFETY: the descriptor is the ring's, which `Inner` keeps open until after `readiness` is dropped.
        let readiness = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?;
        let state = State {
            ring,
            slots: Vec::new(),
            free: Vec::new(),
            in_flight: 0,
            driver: None,
            turn: 0,
            woken: Vec::new(),
        };
        let inner = Rc::new(Inner { readiness, state: RefCell::new(state) });
        let driver = Rc::clone(&inner);
        tokio::task::spawn_local(async move {
            poll_fn(|context| driver.drive(context)).await;
        });
        Ok(Rc::new(Self { inner }))
    }

    /// A number that changes with every submission to the kernel.
    pub(crate) fn turn(&self) -> u64 {
        self.inner.state.borrow().turn
    }

    /// Queues a transfer, to be submitted at the end of this turn.
    pub(crate) fn issue(
        self: &Rc<Self>,
        file: Arc<DriveFile>,
        transfer: Transfer,
        offset: u64,
    ) -> Completion {
        let operation = Operation { file, transfer, offset, done: 0, waiter: Waiter::None };
        let mut state = self.inner.state.borrow_mut();
        let slot = state.keep(operation);
        state.queue(slot);
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        Completion { ring: Rc::clone(self), slot: Some(slot) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // The driver ends when it sees that it is alone.
        let driver = self.inner.state.borrow_mut().driver.take();
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}

fn build() -> std::io::Result<IoUring> {
    // Completions are then worked off when this thread enters the kernel anyway instead of by interrupting it.
    let best = IoUring::builder()
        .dontfork()
        .setup_cqsize(COMPLETIONS_MAX)
        .setup_coop_taskrun()
        .setup_single_issuer()
        .build(SUBMISSIONS_MAX);
    match best {
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
            IoUring::builder().dontfork().setup_cqsize(COMPLETIONS_MAX).build(SUBMISSIONS_MAX)
        }
        other => other,
    }
}

/// A transfer under way. Dropping it gives up the result, not the transfer.
pub(crate) struct Completion {
    ring: Rc<Ring>,
    slot: Option<usize>,
}

impl Future for Completion {
    type Output = (Transfer, Outcome);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let slot = self.slot.expect("polled after it was ready");
        let result = self.ring.inner.state.borrow_mut().take(slot, context.waker());
        if result.is_ready() {
            self.slot = None;
        }
        result
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.ring.inner.state.borrow_mut().leave(slot);
        }
    }
}

impl Inner {
    /// Submits what is queued and takes what is done, until there is nothing of either.
    fn drive(self: &Rc<Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let stalled = !self.state.borrow_mut().submit();
            self.reap();
            if stalled {
                // The kernel is short of something: let other tasks go first, then try again.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let mut state = self.state.borrow_mut();
            if state.must_enter() {
                continue;
            }
            if state.in_flight == 0 && Rc::strong_count(self) == 1 {
                return Poll::Ready(());
            }
            drop(state);
            match self.readiness.poll_read_ready(context) {
                // Cleared before the completions are looked at, so that none falls between.
                Poll::Ready(Ok(mut guard)) => guard.clear_ready(),
                // The runtime is ending, and every other task of this thread with it.
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {
                    self.state.borrow_mut().driver = Some(context.waker().clone());
                    return Poll::Pending;
                }
            }
        }
    }

    fn reap(&self) {
        let mut state = self.state.borrow_mut();
        let mut woken = std::mem::take(&mut state.woken);
        state.reap(&mut woken);
        drop(state);
        // Woken outside the borrow: a waker may run whatever it likes.
        for waker in woken.drain(..) {
            waker.wake();
        }
        self.state.borrow_mut().woken = woken;
    }
}

impl State {
    fn keep(&mut self, operation: Operation) -> usize {
        self.in_flight += 1;
        if let Some(slot) = self.free.pop() {
            self.slots[slot] = Slot::Running(operation);
            return slot;
        }
        self.slots.push(Slot::Running(operation));
        self.slots.len() - 1
    }

    /// Puts the operation of `slot` into the submission queue.
    fn queue(&mut self, slot: usize) {
        let Slot::Running(operation) = &mut self.slots[slot] else {
            unreachable!("only a running operation is queued");
        };
        let entry = operation.entry().user_data(slot as u64);
        while self.ring.submission().is_full() {
            if !self.submit() {
                let mut woken = std::mem::take(&mut self.woken);
                self.reap(&mut woken);
                // Woken by the driver, which runs soon: something is queued.
                self.woken = woken;
            }
        }
        // SAFETY: the entry names a file and memory that `slots[slot]` owns and keeps, unmoved on the heap, until
        // `reap` has seen this entry's completion; `Drop` leaves them to the kernel if that never comes.
        let pushed = unsafe { self.ring.submission().push(&entry) };
        assert!(pushed.is_ok(), "the submission queue has room");
    }

    /// Whether the kernel has something to take, or completions it had no room for and gives only when asked.
    fn must_enter(&mut self) -> bool {
        let queue = self.ring.submission();
        !queue.is_empty() || queue.cq_overflow()
    }

    /// Hands the queue to the kernel. False if it takes none now.
    fn submit(&mut self) -> bool {
        if !self.must_enter() {
            return true;
        }
        self.turn += 1;
        match self.ring.submit() {
            Ok(_) => true,
            Err(error) => {
                let number = error.raw_os_error().map(Errno::from_raw_os_error);
                // Interrupted, short of memory, or completions must be taken first.
                let passing = [Errno::INTR, Errno::AGAIN, Errno::BUSY, Errno::NOMEM];
                let known = number.is_some_and(|number| passing.contains(&number));
                assert!(known, "io_uring_enter on our own ring: {error}");
                false
            }
        }
    }

    fn reap(&mut self, woken: &mut Vec<Waker>) {
        loop {
            let completion = self.ring.completion().next();
            let Some(completion) = completion else { return };
            let slot = usize::try_from(completion.user_data()).expect("it was a slot's number");
            let moved = usize::try_from(completion.result())
                .map_err(|_| Errno::from_raw_os_error(-completion.result()));
            self.complete(slot, moved, woken);
        }
    }

    fn complete(&mut self, slot: usize, moved: Result<usize, Errno>, woken: &mut Vec<Waker>) {
        let Slot::Running(operation) = &mut self.slots[slot] else {
            unreachable!("the kernel completes what is running, once");
        };
        let len = operation.len();
        let outcome = match moved {
            Err(Errno::INTR) => Ok(operation.done),
            moved if len == 0 => moved.map_err(Failure::Errno),
            moved => progress(operation.done, len, moved),
        };
        let interrupted = moved == Err(Errno::INTR);
        if let Ok(done) = outcome
            && (done < len || interrupted)
        {
            operation.done = done;
            self.queue(slot);
            return;
        }
        self.in_flight -= 1;
        let Slot::Running(operation) = std::mem::replace(&mut self.slots[slot], Slot::Free) else {
            unreachable!("it was running just now");
        };
        match operation.waiter {
            Waiter::Left => {
                self.free.push(slot);
                return;
            }
            Waiter::Task(waker) => woken.push(waker),
            Waiter::None => {}
        }
        self.slots[slot] = Slot::Done(operation.transfer, outcome.map(|_| ()));
    }

    /// The result of `slot`, or a note to wake its task.
    fn take(&mut self, slot: usize, waker: &Waker) -> Poll<(Transfer, Outcome)> {
        if let Slot::Running(operation) = &mut self.slots[slot] {
            match &mut operation.waiter {
                Waiter::Task(known) => known.clone_from(waker),
                waiter => *waiter = Waiter::Task(waker.clone()),
            }
            return Poll::Pending;
        }
        let Slot::Done(transfer, outcome) = std::mem::replace(&mut self.slots[slot], Slot::Free)
        else {
            unreachable!("a slot is taken once");
        };
        self.free.push(slot);
        Poll::Ready((transfer, outcome))
    }

    /// Nobody wants the result of `slot`.
    fn leave(&mut self, slot: usize) {
        if let Slot::Running(operation) = &mut self.slots[slot] {
            operation.waiter = Waiter::Left;
        } else {
            self.slots[slot] = Slot::Free;
            self.free.push(slot);
        }
    }

    /// Submits and waits for what is in flight, for a while.
    fn drain(&mut self) {
        let deadline = Instant::now() + DRAIN_MAX;
        while self.in_flight > 0 && Instant::now() < deadline {
            let patience = Timespec::new().nsec(100_000_000);
            let arguments = SubmitArgs::new().timespec(&patience);
            let waited = self.ring.submitter().submit_with_args(1, &arguments);
            let again = [Errno::TIME, Errno::INTR, Errno::AGAIN, Errno::BUSY];
            let lost = waited.is_err_and(|error| {
                let number = error.raw_os_error().map(Errno::from_raw_os_error);
                !number.is_some_and(|number| again.contains(&number))
            });
            if lost {
                return;
            }
            self.reap(&mut Vec::new());
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.drain();
        if self.in_flight > 0 {
            tracing::error!(
                in_flight = self.in_flight,
                "requests hang in the kernel; their memory is left to it"
            );
            // The kernel may still write there: a leak is right, freeing is not.
            std::mem::forget(std::mem::take(&mut self.slots));
        }
    }
}
