//! Servers under measurement: each a process on a core of its own, stopped while another one's turn is on.

pub mod array;
pub mod memory;
pub mod tgt;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::process;
use crate::url::Url;

/// How long a server may take to answer after it was started.
const START_MAX: Duration = Duration::from_secs(30);
const START_STEP: Duration = Duration::from_millis(50);

/// A LUN that a server serves.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What the table calls it.
    pub name: String,
    /// Where it is.
    pub url: Url,
    /// Its process.
    pub pid: u32,
    /// Files whose dirty pages are written out after each run, so that nobody pays for them in another's turn.
    pub cached_files: Vec<PathBuf>,
}

impl Subject {
    /// Lets the server run.
    ///
    /// # Errors
    /// When it is gone.
    pub fn resume(&self) -> Result<()> {
        signal(self.pid, Signal::CONT)
    }

    /// Stops the server where it is: whatever it still wants to do is done, and paid for, in its own next turn.
    ///
    /// # Errors
    /// When it is gone.
    pub fn pause(&self) -> Result<()> {
        for file in &self.cached_files {
            File::open(file)?.sync_all().with_context(|| file.display().to_string())?;
        }
        signal(self.pid, Signal::STOP)
    }
}

fn signal(pid: u32, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?).context("a process id is not zero")?;
    kill_process(pid, signal).with_context(|| format!("process {}", pid.as_raw_nonzero()))
}

/// A process that ends with us, and by SIGKILL.
struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts `program` on `core`; what it says goes to `log`.
    fn start<A: AsRef<OsStr>>(
        core: usize,
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = A>,
        log: PathBuf,
    ) -> Result<Self> {
        let output = File::create(&log)?;
        let program = program.as_ref();
        // taskset and setpriv both become the next program: the child's id is the server's.
        let child = Command::new("taskset")
            .args(["-c", &core.to_string(), "setpriv", "--pdeathsig", "KILL"])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Ctrl-C is ours; the server is killed when we are gone.
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        Ok(Self { child, log })
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks `ready` until it has an answer.
    fn wait_for<T>(&mut self, mut ready: impl FnMut() -> Option<T>) -> Result<T> {
        let begun = Instant::now();
        loop {
            if let Some(answer) = ready() {
                return Ok(answer);
            }
            let ended = self.child.try_wait()?;
            if ended.is_some() || begun.elapsed() > START_MAX {
                let said = fs::read_to_string(&self.log).unwrap_or_default();
                bail!("{} does not come up; it said:\n{said}", self.log.display());
            }
            std::thread::sleep(START_STEP);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may be gone already, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end and returns what it printed.
fn ask(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("starting {}", command.get_program().display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?}: {}\n{}", output.status, said.trim_end());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// A port of the loopback that nobody listens on now.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Where a program of this build lies, beside this one.
fn built(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.parent().unwrap_or(Path::new(".")).join(name);
    if !path.exists() {
        bail!("{} is not built; `cargo xtask bench` builds what is needed", path.display());
    }
    Ok(path)
}

/// A file of zeros, every block of it allocated and written: later writes meet no file system at work.
fn zeros(path: &Path, bytes: u64) -> Result<()> {
    let chunk = vec![0; 4 << 20];
    let mut file = File::create(path).with_context(|| path.display().to_string())?;
    let mut left = bytes;
    while left > 0 {
        let count = left.min(chunk.len() as u64);
        std::io::Write::write_all(&mut file, &chunk[..usize::try_from(count)?])
            .with_context(|| path.display().to_string())?;
        left -= count;
    }
    file.sync_all().with_context(|| path.display().to_string())
}

/// Memory of a server that has been left alone for `rest`.
///
/// # Errors
/// When it is gone.
pub fn idle_bytes(pid: u32, rest: Duration) -> Result<u64> {
    std::thread::sleep(rest);
    process::resident_bytes(pid)
}
