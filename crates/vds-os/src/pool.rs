//! Threads that block for one drive, so that the engine's thread never does.
//!
//! Each drive has its own, so that a drive that hangs takes no other drive's threads. They are started when work
//! waits and nobody is idle, and end when idle for long or when the drive is closed.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A blocking `pread` or `pwrite` holds its thread: this is the drive's depth.
const THREADS_MAX: usize = 32;
const IDLE_MAX: Duration = Duration::from_secs(10);
/// The deepest call is a `pread` into a buffer that lies on the heap.
const STACK_BYTES: usize = 256 * 1024;

type Job = Box<dyn FnOnce() + Send>;

/// The threads of one drive.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Pool {
    /// A pool without a thread yet.
    pub(crate) fn new() -> Self {
        let shared = Shared { queue: Mutex::default(), arrived: Condvar::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Runs `work` on a thread of the pool, beginning now; the future waits for its result. Dropping the future
    /// does not stop the work.
    pub(crate) fn run<T: Send + 'static, W: FnOnce() -> T + Send + 'static>(
        &self,
        work: W,
    ) -> impl Future<Output = T> + use<T, W> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.push(Box::new(move || {
            // Nobody may be waiting any more; the work is done all the same.
            let _ = sender.send(work());
        }));
        async move { receiver.await.expect("a job of the pool runs to its end and answers") }
    }

    fn push(&self, job: Job) {
        let mut queue = self.shared.lock();
        queue.jobs.push_back(job);
        if queue.idle >= queue.jobs.len() || queue.threads == THREADS_MAX {
            drop(queue);
            self.shared.arrived.notify_one();
            return;
        }
        queue.threads += 1;
        drop(queue);
        let shared = Arc::clone(&self.shared);
        let builder = thread::Builder::new().name("vds-drive".to_owned()).stack_size(STACK_BYTES);
        if builder.spawn(move || shared.work()).is_err() {
            self.shared.do_without_thread();
        }
    }
}

impl Drop for Pool {
    /// What was queued is still done: a write once issued may reach the drive.
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.arrived.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No job runs under the lock, so a panic cannot leave the queue half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            job();
        }
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.closed {
                queue.threads -= 1;
                return None;
            }
            queue.idle += 1;
            let (guard, timeout) =
                self.arrived.wait_timeout(queue, IDLE_MAX).unwrap_or_else(PoisonError::into_inner);
            queue = guard;
            queue.idle -= 1;
            if timeout.timed_out() && queue.jobs.is_empty() {
                queue.threads -= 1;
                return None;
            }
        }
    }

    /// The system gives no thread: others of the pool do the work, or the caller does.
    fn do_without_thread(&self) {
        let mut queue = self.lock();
        queue.threads -= 1;
        if queue.threads > 0 {
            drop(queue);
            self.arrived.notify_one();
            return;
        }
        let jobs = std::mem::take(&mut queue.jobs);
        drop(queue);
        for job in jobs {
            job();
        }
    }
}
