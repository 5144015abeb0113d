//! Our own target over memory, without an array: what the protocol alone costs.

use std::path::Path;

use anyhow::{Context, Result};

use super::{Daemon, Subject, built};
use crate::url::Url;

/// A running ramdisk.
pub struct Memory {
    _daemon: Daemon,
    /// Its LUN.
    pub subject: Subject,
}

impl Memory {
    /// Starts it on `core` with a LUN of `mib`.
    ///
    /// # Errors
    /// When it is not built or does not come up.
    pub fn start(core: usize, folder: &Path, mib: u64) -> Result<Self> {
        let log = folder.join("ramdisk.log");
        let size = mib.to_string();
        let arguments = ["--port", "0", "--write-back", "--size-mib", &size];
        let program = built("examples/ramdisk")?;
        let mut daemon = Daemon::start(core, program, arguments, log.clone())?;
        let url: Url = daemon
            .wait_for(|| {
                let said = std::fs::read_to_string(&log).ok()?;
                said.lines().find_map(|line| line.parse().ok())
            })
            .context("the ramdisk")?;
        let subject = Subject {
            name: "vds over memory".to_owned(),
            url,
            pid: daemon.pid(),
            cached_files: Vec::new(),
        };
        Ok(Self { _daemon: daemon, subject })
    }
}
