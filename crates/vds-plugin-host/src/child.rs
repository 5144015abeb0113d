//! The process of a plug-in: started through the launcher, with one end of a socket pair as its descriptor 0.

use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::{Pid, Signal};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use crate::launcher::launch;
use crate::state::PluginSpec;

/// A process that was started.
pub(crate) struct Started {
    pub(crate) child: Child,
    pub(crate) group: Option<Pid>,
    pub(crate) stream: UnixStream,
    pub(crate) stdout: Option<ChildStdout>,
    pub(crate) stderr: Option<ChildStderr>,
}

/// Starts the launcher, which becomes the plug-in.
///
/// # Errors
/// What the system says.
pub(crate) fn start(spec: &PluginSpec) -> io::Result<Started> {
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let mut command = Command::from(launch(&spec.launcher, &spec.orders()));
    command
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn()?;
    // The plug-in's end now belongs to the process alone.
    drop(command);
    let ours = StdUnixStream::from(ours);
    ours.set_nonblocking(true)?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    Ok(Started { child, group, stream: UnixStream::from_std(ours)?, stdout, stderr })
}

/// Ends the process and whatever it started in its group.
pub(crate) async fn kill(child: &mut Child, group: Option<Pid>) -> Option<ExitStatus> {
    if let Some(group) = group {
        // It may have ended by itself.
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
    let _ = child.start_kill();
    child.wait().await.ok()
}

/// How a process ended, in words.
pub(crate) fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it exited with code {code}"),
        (None, Some(signal)) => format!("it was killed by signal {signal}"),
        (None, None) => "it ended".to_owned(),
    }
}
