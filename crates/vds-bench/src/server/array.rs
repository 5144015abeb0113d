//! The daemon: an array on drive files, driven through its command line.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Daemon, Subject, ask, built, free_port, zeros};

const TARGET: &str = "iqn.2025-01.org.example:bench";
const DRIVES: usize = 2;

/// A LUN type that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Layout {
    /// One drive.
    Simple,
    /// Two copies on two drives.
    Mirror,
}

impl Layout {
    /// As `--type` of the command line has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Mirror => "mirror",
        }
    }
}

/// A running `vds serve` with an array on two drive files.
pub struct Array {
    daemon: Daemon,
    program: PathBuf,
    socket: PathBuf,
}

impl Array {
    /// Starts it on `core`, with drive files of `drive_bytes` in `folder`.
    ///
    /// # Errors
    /// When it is not built, does not come up, or refuses the drives.
    pub fn start(core: usize, folder: &Path, drive_bytes: u64) -> Result<Self> {
        let program = built("vds")?;
        let (data, socket) = (folder.join("data"), folder.join("vds.sock"));
        std::fs::create_dir_all(&data)?;
        let arguments =
            ["serve".as_ref(), "--data".as_ref(), data.as_os_str(), "--socket".as_ref()];
        let arguments = arguments.into_iter().chain([socket.as_os_str()]);
        let daemon = Daemon::start(core, &program, arguments, folder.join("vds.log"))?;
        let mut array = Self { daemon, program, socket };
        let (program, socket) = (array.program.clone(), array.socket.clone());
        array
            .daemon
            .wait_for(|| {
                ask(Command::new(&program).arg("--socket").arg(&socket).arg("status")).ok()
            })
            .context("vds serve")?;
        let mut create = array.client(&["subsystem", "create", "bench"]);
        for number in 0..DRIVES {
            let file = folder.join(format!("drive-{number}.img"));
            zeros(&file, drive_bytes)?;
            create.arg("--drive").arg(file);
        }
        ask(&mut create)?;
        let portal = format!("127.0.0.1:{}", free_port()?);
        ask(&mut array.client(&["portal", "add", &portal]))?;
        Ok(array)
    }

    /// Makes a LUN that everybody sees.
    ///
    /// # Errors
    /// When the array refuses.
    pub fn create_lun(&self, layout: Layout, bytes: u64) -> Result<Subject> {
        let (name, size) = (layout.name(), format!("{}MiB", bytes >> 20));
        let lun = ["lun", "create", name, "--type", name, "--size", &size];
        ask(self.client(&lun).args(["--unmask", "*", "--target", TARGET]))?;
        let shown = ask(self.client(&["lun", "show", name]).arg("--json"))?;
        let shown: serde_json::Value = serde_json::from_str(&shown)?;
        let url = shown.pointer("/addresses/0/urls/0").and_then(serde_json::Value::as_str);
        let url = url.with_context(|| format!("LUN {name} has no address: {shown}"))?.parse()?;
        let pid = self.daemon.pid();
        Ok(Subject { name: format!("vds {name}"), url, pid, cached_files: Vec::new() })
    }

    /// Deletes a LUN, so that the next has its space.
    ///
    /// # Errors
    /// When the array refuses.
    pub fn delete_lun(&self, layout: Layout) -> Result<()> {
        ask(&mut self.client(&["lun", "delete", layout.name(), "--force"])).map(drop)
    }

    /// The daemon's process.
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// A command of its client, to be started.
    pub fn client(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--socket").arg(&self.socket).arg("--yes").args(arguments);
        command
    }
}
