//! A daemon of our own with one LUN for the suite to overwrite: a mirror on two sparse files in a new folder.

use crate::process;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const DRIVE_BYTES: u64 = 4 << 30;
const LUN_SIZE: &str = "1GiB";
/// How long the daemon may take to come up, and to go.
const PATIENCE: Duration = Duration::from_mins(1);

/// The daemon; killed, and its folder removed, when dropped.
pub(super) struct Array {
    program: PathBuf,
    folder: PathBuf,
    child: Child,
}

impl Array {
    /// Builds the program, starts it and makes the LUN.
    ///
    /// # Errors
    /// When any of it fails.
    pub(super) fn start(root: &Path) -> Result<Self> {
        process::run(
            Command::new("cargo").args(["build", "--quiet", "--package", "vds"]).current_dir(root),
        )?;
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
        let program = target.join("debug/vds");
        let folder = target.join(format!("iscsi-suite-{}", std::process::id()));
        std::fs::create_dir_all(&folder).context("making the array's folder")?;
        let log = File::create(folder.join("log")).context("making the daemon's log")?;
        let child = Command::new(&program)
            .args(["serve", "--data"])
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("starting vds")?;
        let mut array = Self { program, folder, child };
        let started = Instant::now();
        while array.verb(&["status"]).is_err() {
            array.ensure_alive()?;
            ensure!(started.elapsed() < PATIENCE, "the daemon does not answer\n{}", array.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(array)
    }

    /// Makes the LUN and tells its address.
    ///
    /// # Errors
    /// When a verb fails.
    pub(super) fn make_lun(&self) -> Result<String> {
        let mut drives = Vec::new();
        for number in 1..=2 {
            let path = self.folder.join(format!("drive-{number}"));
            let file = File::create_new(&path).context("making a drive file")?;
            file.set_len(DRIVE_BYTES).context("making a drive file")?;
            drives.push(path.to_str().context("the path is no UTF-8")?.to_owned());
        }
        self.verb(&["subsystem", "create", "suite", "--drive", &drives[0], "--drive", &drives[1]])?;
        self.verb(&["portal", "add", "127.0.0.1:0"])?;
        let create = ["lun", "create", "suite", "--type", "mirror", "--size", LUN_SIZE];
        self.verb(&[&create[..], &["--unmask", "*"]].concat())?;
        let shown: Value = serde_json::from_str(&self.verb(&["lun", "show", "suite", "--json"])?)
            .context("`vds lun show --json` printed no JSON")?;
        let url = shown["addresses"][0]["urls"][0].as_str();
        Ok(url.with_context(|| format!("the LUN has no address: {shown:#}"))?.to_owned())
    }

    /// Stops the daemon, which has to be there still.
    ///
    /// # Errors
    /// When it died before, or does not end, or not well.
    pub(super) fn stop(mut self) -> Result<()> {
        self.ensure_alive()?;
        let pid = self.child.id().to_string();
        process::run(Command::new("kill").args(["-s", "TERM", &pid]))?;
        let started = Instant::now();
        loop {
            match self.child.try_wait().context("waiting for the daemon")? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the daemon ended with {status}\n{}", self.log()),
                None => ensure!(started.elapsed() < PATIENCE, "SIGTERM does not end the daemon"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn ensure_alive(&mut self) -> Result<()> {
        match self.child.try_wait().context("looking after the daemon")? {
            None => Ok(()),
            Some(status) => bail!("the daemon died: {status}\n{}", self.log()),
        }
    }

    fn verb(&self, words: &[&str]) -> Result<String> {
        let program = self.program.to_string_lossy();
        let socket = self.folder.join("vds.sock");
        let socket = socket.to_string_lossy();
        let all = [&["60", &*program, "--socket", &*socket][..], words].concat();
        process::output(&self.folder, "timeout", &all)
    }

    /// The end of its log.
    fn log(&self) -> String {
        let text = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Array {
    fn drop(&mut self) {
        // Gone already is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
