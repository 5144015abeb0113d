//! Outside clients, each under a time limit.

use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::wait::wait_within;

/// What came of a program.
#[derive(Debug)]
pub struct Ran {
    /// The command, for messages.
    pub line: String,
    /// Its exit code; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Whether it ended well.
    pub fn is_ok(&self) -> bool {
        self.code == 0
    }

    /// The same, if it ended with this code.
    ///
    /// # Errors
    /// With everything it printed.
    pub fn expect_code(self, code: i32) -> Result<Self> {
        if self.code != code {
            bail!("{} ended with {}\n{}{}", self.line, self.code, self.stdout, self.stderr);
        }
        Ok(self)
    }

    /// Standard output as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout)
            .with_context(|| format!("{} printed\n{}", self.line, self.stdout))
    }
}

/// Runs an outside client, for so long at most.
///
/// # Errors
/// When it cannot be started or does not end; a bad end is a [`Ran`].
pub fn outside(words: &[&str], limit: Duration) -> Result<Ran> {
    let (program, arguments) = words.split_first().context("a command has a program")?;
    run_limited(Command::new(program).args(arguments), limit)
}

/// Runs a command to its end, for so long at most; killed when the time is over.
///
/// # Errors
/// When it cannot be started or does not end.
pub fn run_limited(command: &mut Command, limit: Duration) -> Result<Ran> {
    let line = line_of(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("starting {line}"))?;
    let stdout = child.stdout.take().map(collect);
    let stderr = child.stderr.take().map(collect);
    let ended = wait_within(limit, &line, || Ok(child.try_wait()?));
    if ended.is_err() {
        // It may just have ended.
        let _ = child.kill();
        let _ = child.wait();
    }
    let text = |reader: Option<thread::JoinHandle<String>>| {
        reader.and_then(|reader| reader.join().ok()).unwrap_or_default()
    };
    let (stdout, stderr) = (text(stdout), text(stderr));
    let status = ended.with_context(|| format!("{line} hangs\n{stdout}{stderr}"))?;
    Ok(Ran { line, code: status.code().unwrap_or(-1), stdout, stderr })
}

fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

fn collect(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is still worth telling.
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
