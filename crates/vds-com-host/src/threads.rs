//! Threads for calls of the provider, any of which may block.

use std::io;
use std::thread;

/// Runs `work` in a thread of its own.
///
/// # Errors
/// The process may have no more threads or memory now; `work` was not begun.
pub(crate) fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().spawn(work).map(drop)
}
