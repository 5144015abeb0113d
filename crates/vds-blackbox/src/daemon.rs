//! A real daemon on a folder of its own.

use std::fs::File;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::outside::{Ran, run_limited};
use crate::rest::{Asked, ask};
use crate::wait::wait_until;

/// How long a verb may take.
const VERB_MAX: Duration = Duration::from_mins(3);
/// How long an answer of the REST API may take that is not waited for on purpose.
const ANSWER_MAX: Duration = Duration::from_mins(1);

/// The daemon; killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    program: PathBuf,
    folder: PathBuf,
    child: Child,
}

/// Makes a sparse drive file and gives its path.
///
/// # Errors
/// When it is there already or cannot be made.
pub fn drive_file(folder: &Path, name: &str, bytes: u64) -> Result<String> {
    let path = folder.join(name);
    let file = File::create_new(&path).with_context(|| path.display().to_string())?;
    file.set_len(bytes)?;
    Ok(path.to_str().context("a path in UTF-8")?.to_owned())
}

impl Daemon {
    /// Starts `program serve --data folder` and waits until it says that it is ready.
    ///
    /// # Errors
    /// When it ends or is not ready within a minute.
    pub fn start(program: &Path, folder: &Path) -> Result<Self> {
        let place = folder.join("notify");
        // Left by an earlier start.
        let _ = std::fs::remove_file(&place);
        let notify = UnixDatagram::bind(&place)?;
        notify.set_nonblocking(true)?;
        let log = File::options().append(true).create(true).open(folder.join("log"))?;
        let child = Command::new(program)
            .args(["serve", "--data"])
            .arg(folder)
            .env_remove("VDS_SOCKET")
            .env("NOTIFY_SOCKET", &place)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let mut daemon = Self { program: program.into(), folder: folder.into(), child };
        wait_until("the daemon is ready", || {
            daemon.ensure_alive()?;
            let mut bytes = [0; 64];
            let told = notify.recv(&mut bytes).ok();
            Ok(told.filter(|length| bytes[..*length].starts_with(b"READY=1")))
        })?;
        Ok(daemon)
    }

    /// Where it lives.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("vds.sock")
    }

    /// Runs a verb, whatever comes of it.
    ///
    /// # Errors
    /// When the verb hangs.
    pub fn try_verb(&self, words: &[&str]) -> Result<Ran> {
        let mut command = Command::new(&self.program);
        command.env("VDS_SOCKET", self.socket()).args(words);
        run_limited(&mut command, VERB_MAX)
    }

    /// Runs a verb that has to succeed.
    ///
    /// # Errors
    /// When it does not, with what it printed and the end of the daemon's log.
    pub fn verb(&self, words: &[&str]) -> Result<Ran> {
        self.try_verb(words)?.expect_code(0).with_context(|| self.log_end())
    }

    /// Runs a verb that has to succeed and prints JSON.
    ///
    /// # Errors
    /// When it does not.
    pub fn json(&self, words: &[&str]) -> Result<Value> {
        self.verb(&[words, &["--json"]].concat())?.json()
    }

    /// Asks by REST and wants 200 or 202.
    ///
    /// # Errors
    /// When the answer is another.
    pub fn ask(&self, asked: &Asked) -> Result<Value> {
        let (status, body) = ask(&self.socket(), asked, ANSWER_MAX)?;
        ensure!(matches!(status, 200 | 202), "{} {}: {status} {body}", asked.method, asked.path);
        Ok(body)
    }

    /// What `vds lun show` says.
    ///
    /// # Errors
    /// When there is no such LUN.
    pub fn lun(&self, name: &str) -> Result<Value> {
        self.ask(&Asked::get(format!("/v1/luns/{name}")))
    }

    /// The LUN's first address.
    ///
    /// # Errors
    /// When it has none.
    pub fn url(&self, lun: &str) -> Result<String> {
        let shown = self.lun(lun)?;
        let url = shown["addresses"][0]["urls"][0].as_str();
        Ok(url.with_context(|| format!("no address in {shown:#}"))?.to_owned())
    }

    /// Makes the array `main` on these drives, with a portal on a free port of this machine.
    ///
    /// # Errors
    /// When a verb fails.
    pub fn make_array(&self, drives: &[String]) -> Result<()> {
        let mut words = vec!["subsystem", "create", "main"];
        words.extend(drives.iter().flat_map(|drive| ["--drive", drive]));
        self.verb(&words)?;
        self.verb(&["portal", "add", "127.0.0.1:0"])?;
        Ok(())
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When it died, with the end of its log.
    pub fn ensure_alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the daemon ended: {status}\n{}", self.log_end()),
        }
    }

    /// SIGKILL, and the child collected.
    ///
    /// # Errors
    /// When it had ended by itself.
    pub fn kill(mut self) -> Result<()> {
        self.ensure_alive()?;
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and a clean end within a minute.
    ///
    /// # Errors
    /// When it ends otherwise.
    pub fn stop(mut self) -> Result<()> {
        self.ensure_alive()?;
        let pid = self.child.id().to_string();
        run_limited(Command::new("kill").args(["-s", "TERM", &pid]), ANSWER_MAX)?;
        let status = wait_until("the daemon ends", || Ok(self.child.try_wait()?))
            .with_context(|| self.log_end())?;
        ensure!(status.success(), "the daemon ended with {status}\n{}", self.log_end());
        Ok(())
    }

    /// The end of its log.
    pub fn log_end(&self) -> String {
        let text = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("the daemon's log ends:\n{}", lines[lines.len().saturating_sub(30)..].join("\n"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Gone already is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
