//! The one thread that everything which waits for the service runs on.
//!
//! It begins with the first call and ends with the last `CoUninitialize`. Callers wait on a channel, so any thread may
//! call, be it a runtime's own.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::abi::{E_OUTOFMEMORY, E_UNEXPECTED};
use crate::com::HRESULT;

struct Worker {
    /// The process that it was begun in: a child of a fork has no thread but its own.
    process: u32,
    handle: Handle,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

static WORKER: Mutex<Option<Worker>> = Mutex::new(None);

fn worker() -> MutexGuard<'static, Option<Worker>> {
    WORKER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The way onto the thread; begins it if need be.
///
/// # Errors
/// `E_OUTOFMEMORY` when the system gives no thread or no descriptor.
pub(crate) fn handle() -> Result<Handle, HRESULT> {
    let mut worker = worker();
    if worker.as_ref().is_some_and(|worker| worker.process != std::process::id()) {
        // The parent's: nothing of it may be joined or ended here.
        core::mem::forget(worker.take());
    }
    match &*worker {
        Some(worker) => Ok(worker.handle.clone()),
        None => Ok(worker.insert(begin()?).handle.clone()),
    }
}

fn begin() -> Result<Worker, HRESULT> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|_| E_OUTOFMEMORY)?;
    let handle = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel();
    let thread = thread::Builder::new()
        .name("libvds".to_owned())
        .spawn(move || {
            // Ended by a message or by the sender's end, which mean the same.
            drop(runtime.block_on(stopped));
        })
        .map_err(|_| E_OUTOFMEMORY)?;
    Ok(Worker { process: std::process::id(), handle, stop, thread })
}

/// Ends the thread, and what still runs on it. The next call begins it anew.
pub(crate) fn stop() {
    let Some(worker) = worker().take() else { return };
    if worker.process != std::process::id() {
        core::mem::forget(worker);
        return;
    }
    drop(worker.stop);
    // It does not panic: what it runs are tasks, and their panics end with them.
    drop(worker.thread.join());
}

/// Runs something on the thread and waits for it.
///
/// # Errors
/// `E_UNEXPECTED` when it panicked or the thread was ended meanwhile; as [`handle`].
pub(crate) fn block_on<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> Result<T, HRESULT> {
    let (sender, receiver) = mpsc::sync_channel(1);
    handle()?.spawn(async move {
        // The caller waits for as long as this runs.
        drop(sender.send(future.await));
    });
    receiver.recv().map_err(|_| E_UNEXPECTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_again_after_its_end_and_survives_a_panic() {
        assert_eq!(block_on(async { 7 }), Ok(7));
        assert_eq!(block_on(async { panic!("planted") }), Err::<(), _>(E_UNEXPECTED));
        stop();
        assert_eq!(block_on(async { 8 }), Ok(8));
    }
}
