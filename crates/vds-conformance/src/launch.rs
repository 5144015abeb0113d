//! The provider's process: started by the service's launcher, with one end of a socket pair as its descriptor 0.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::{Pid, Signal};
use vds_plugin_host::{confinement_told, launch};

use crate::Options;
use crate::trouble::{Step, Trouble};

/// Lines of its log that are kept.
const LINES_MAX: usize = 20;
/// Bytes of a line that are kept.
const LINE_BYTES_MAX: u64 = 1000;
/// The pause between two looks at whether it has ended.
const LOOK: Duration = Duration::from_millis(5);

/// A process, killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    lines: Arc<Mutex<VecDeque<String>>>,
    confinement: String,
}

/// Starts the provider. The socket is the service's end.
///
/// # Errors
/// The program cannot be started.
pub(crate) fn start(options: &Options) -> Step<(Process, UnixStream)> {
    let failed = |error: std::io::Error| {
        let launcher = options.launcher.display();
        Trouble::Failed(format!("the launcher {launcher} cannot be started: {error}"))
    };
    let pair = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    );
    let (ours, theirs) = pair.map_err(|error| failed(error.into()))?;
    let mut command = launch(&options.launcher, &options.orders);
    command.stdin(Stdio::from(theirs)).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let lines = Arc::default();
    follow(child.stdout.take().map(BufReader::new), &lines);
    let mut stderr = child.stderr.take().map(BufReader::new);
    // The launcher says one line before it becomes the provider, or why it does not.
    let first = stderr.as_mut().and_then(line).unwrap_or_default();
    let confinement = confinement_told(&first).unwrap_or_default().to_owned();
    if confinement.is_empty() && !first.is_empty() {
        keep(&lines, first);
    }
    follow(stderr, &lines);
    Ok((Process { child, lines, confinement }, UnixStream::from(ours)))
}

/// The next line; none at the end. One that is too long comes in several pieces.
fn line(from: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    let read = from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
    matches!(read, Ok(1..)).then(|| String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn keep(lines: &Mutex<VecDeque<String>>, line: String) {
    let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    lines.push_back(line);
    if lines.len() > LINES_MAX {
        lines.pop_front();
    }
}

/// Keeps the last lines of what it writes.
fn follow(from: Option<impl BufRead + Send + 'static>, lines: &Arc<Mutex<VecDeque<String>>>) {
    let Some(mut from) = from else { return };
    let lines = Arc::clone(lines);
    std::thread::spawn(move || {
        while let Some(line) = line(&mut from) {
            keep(&lines, line);
        }
    });
}

impl Process {
    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What confines it, in words.
    pub(crate) fn confinement(&self) -> &str {
        &self.confinement
    }

    /// The last lines it wrote.
    pub(crate) fn log(&self) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect()
    }

    /// `kill -9`, to it and to what it started.
    pub(crate) fn kill(&mut self) {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let (Some(group), Ok(None)) = (group, self.child.try_wait()) {
            // It may end by itself in this moment.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until it has ended by itself; `None` if it does not in time.
    pub(crate) fn wait_exit(&mut self, at_most: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + at_most;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() > until {
                return None;
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How a process ended, in words.
pub(crate) fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}
