//! A service in this very process, where one is offered: [`offer`] is called by whoever brings it, `VDS_EMBEDDED` asks for it.
//!
//! It begins with the first `LoadService`, and ends with the last `CoUninitialize` if no object is alive then. A process that
//! ends otherwise leaves its array as a crash would: what was acknowledged is there, and work goes on at the next start.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use vds_model::HResult;

use crate::abi::{E_INVALIDARG, VDS_E_NOT_SUPPORTED};
use crate::objects::answer::{Answer, refusal};

/// A service that runs in this process.
pub trait Running: Send {
    /// Where it is reached.
    fn socket(&self) -> &Path;

    /// Ends it: what is about to end is waited for.
    fn stop(self: Box<Self>);
}

/// Starts a service that keeps its state in this directory.
pub type Start = fn(&Path) -> Result<Box<dyn Running>, HResult>;

/// The variable that names the directory.
const DIRECTORY: &str = "VDS_EMBEDDED";

static OFFERED: OnceLock<Start> = OnceLock::new();
static HERE: Mutex<Option<Here>> = Mutex::new(None);

struct Here {
    /// The process that it was begun in: a child of a fork has none of its threads.
    process: u32,
    directory: PathBuf,
    running: Box<dyn Running>,
}

/// Says how a service is started in this process. The first one stays.
pub fn offer(start: Start) {
    let _ = OFFERED.set(start);
}

fn here() -> MutexGuard<'static, Option<Here>> {
    HERE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The socket of the service in this process, which begins if need be; none unless the environment asks for one.
///
/// # Errors
/// `VDS_E_NOT_SUPPORTED` where none is offered: this is the library without it. `E_INVALIDARG` while one runs on another
/// directory. What the service says when it does not start.
pub(crate) fn socket() -> Answer<Option<PathBuf>> {
    let asked = std::env::var_os(DIRECTORY).filter(|directory| !directory.is_empty());
    let Some(directory) = asked.map(PathBuf::from) else { return Ok(None) };
    let mut here = here();
    forget_parents(&mut here);
    if let Some(here) = &*here {
        if here.directory != directory {
            return Err(E_INVALIDARG);
        }
        return Ok(Some(here.running.socket().to_owned()));
    }
    let start = OFFERED.get().ok_or(VDS_E_NOT_SUPPORTED)?;
    let running = start(&directory).map_err(refusal)?;
    let socket = running.socket().to_owned();
    *here = Some(Here { process: std::process::id(), directory, running });
    Ok(Some(socket))
}

/// Ends it, if there is one.
pub(crate) fn stop() {
    let mut here = here();
    forget_parents(&mut here);
    if let Some(here) = here.take() {
        here.running.stop();
    }
}

/// What a fork brought along is the parent's: nothing of it may be joined or ended here.
fn forget_parents(here: &mut Option<Here>) {
    if here.as_ref().is_some_and(|here| here.process != std::process::id()) {
        core::mem::forget(here.take());
    }
}
