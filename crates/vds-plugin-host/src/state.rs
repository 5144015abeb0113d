//! What a plug-in is registered with, and how it is at the moment.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use vds_model::{HResult, LunId, LunIdentification, ProviderId};
use vds_plugin::Initialized;

use crate::launcher::Orders;

/// How long an answer may take unless the operator chose otherwise.
pub const ANSWER_DEFAULT: Duration = Duration::from_secs(30);
/// How much memory a plug-in may have unless the operator chose otherwise.
pub const MEMORY_BYTES_DEFAULT: u64 = 512 << 20;

/// What hosts see of a LUN: said by whoever serves it.
pub type Identify = Arc<dyn Fn(LunId) -> LunIdentification + Send + Sync>;

/// How a plug-in is started.
#[derive(Clone)]
pub struct PluginSpec {
    /// Its name: the one in lists and commands.
    pub name: String,
    /// The program, absolute, and its arguments.
    pub command: Vec<String>,
    /// Folders, files and devices it may read and write.
    pub directories: Vec<PathBuf>,
    /// Folders and files it may read and execute beside the system's.
    pub readable: Vec<PathBuf>,
    /// Whether it may open sockets of the network.
    pub network: bool,
    /// Most memory.
    pub memory_bytes: u64,
    /// How long an answer may take.
    pub answer: Duration,
    /// Whether it runs without confinement, as the operator said.
    pub is_unconfined: bool,
    /// The program that sets the limits, with the arguments before those of [`LAUNCHER_VERB`](crate::LAUNCHER_VERB).
    pub launcher: PathBuf,
    /// The id it gave the first time.
    pub known_id: Option<ProviderId>,
    /// What hosts see of its LUNs.
    pub identify: Identify,
}

impl PluginSpec {
    /// What its launcher is told.
    pub(crate) fn orders(&self) -> Orders {
        Orders {
            command: self.command.clone(),
            directories: self.directories.clone(),
            readable: self.readable.clone(),
            network: self.network,
            memory_bytes: self.memory_bytes,
            is_unconfined: self.is_unconfined,
        }
    }
}

/// Where its process stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It was started and has not answered the handshake yet.
    Starting,
    /// It works.
    Running {
        /// Its process.
        pid: u32,
        /// Since when, milliseconds since 1970.
        since_unix_ms: u64,
    },
    /// It ended and is started again.
    Waiting {
        /// Why it ended.
        reason: String,
        /// When it is started again, milliseconds since 1970.
        until_unix_ms: u64,
        /// How often it failed in a row.
        failures: u32,
    },
    /// It is not started again until the operator says so.
    Failed {
        /// The result that goes with it.
        result: HResult,
        /// Why.
        reason: String,
    },
    /// It was told to end.
    Stopped,
}

/// Everything there is to tell about a plug-in.
#[derive(Clone, Debug)]
pub struct PluginStatus {
    /// Where its process stands.
    pub state: RunState,
    /// What it said of itself in the last handshake.
    pub handshake: Option<Initialized>,
    /// What confines it, in words.
    pub confinement: String,
    /// How often it was started.
    pub starts: u64,
    /// The last lines it wrote.
    pub log: Vec<String>,
}
