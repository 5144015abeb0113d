//! Why the service did not start.

use std::io;
use std::path::PathBuf;

use vds_model::{HResult, ResultCode};

/// Why the service did not start. Unless the variant says otherwise nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// Another daemon works on this data directory.
    #[error("{} is in use by a service{}", directory.display(), pid_text(*pid))]
    AlreadyRunning {
        /// The data directory.
        directory: PathBuf,
        /// The other daemon's process, if it could be told.
        pid: Option<u32>,
    },
    /// Somebody answers on the socket.
    #[error("a service answers on {} already", socket.display())]
    SocketInUse {
        /// The socket.
        socket: PathBuf,
    },
    /// A file or directory could not be made, opened or changed.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was to be done.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The service's own store is damaged.
    #[error("the store {} is damaged: {reason}", path.display())]
    StoreCorrupt {
        /// The store.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The service's own store could not be read or written.
    #[error("the store {} failed: {reason}", path.display())]
    StoreFailed {
        /// The store.
        path: PathBuf,
        /// What happened.
        reason: String,
    },
    /// The store was written by a newer version.
    #[error("the store {} has version {found}, this program reads {known}", path.display())]
    StoreNewer {
        /// The store.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The version this program writes.
        known: u64,
    },
    /// The thread of the embedded array could not be started.
    #[error("the engine could not be started")]
    Engine {
        /// Why not.
        source: io::Error,
    },
}

fn pid_text(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" with process id {pid}"))
}

impl ServiceError {
    /// The result to report.
    pub fn result(&self) -> HResult {
        match self {
            Self::AlreadyRunning { .. } | Self::SocketInUse { .. } => {
                HResult::VDSX_E_SERVICE_RUNNING
            }
            Self::File { .. } | Self::StoreFailed { .. } | Self::Engine { .. } => {
                HResult::VDSX_E_STORE_FAILED
            }
            Self::StoreCorrupt { .. } => HResult::VDSX_E_STORE_CORRUPT,
            Self::StoreNewer { .. } => HResult::VDSX_E_VERSION_MISMATCH,
        }
    }

    /// Stable: in `--json` and logs.
    pub fn code(&self) -> &'static str {
        self.result().code()
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        self.result().entry().map_or("", ResultCode::advice)
    }
}
