//! `vds serve`: the daemon in the foreground, from its start to its clean stop.
//!
//! ```text
//!   start ──► running (READY=1) ──SIGTERM, SIGINT or SIGHUP──► stopping (STOPPING=1) ──► ended
//!                                                                 └──the same again──► ended at once, as after a crash
//! ```

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;
use vds_model::HResult;
use vds_service::{Config, HistoryLimits, Service, ServiceError};

use crate::command::{DEFAULT_DATA, DEFAULT_SOCKET, GlobalArgs, ServeArgs};
use crate::failure::Failure;
use crate::quickstart;

/// The socket's name in a data directory other than the default.
const SOCKET_FILE: &str = "vds.sock";

/// Runs until it is told to stop.
///
/// # Errors
/// [`Failure::Daemon`] when it cannot start.
pub(crate) fn serve(global: &GlobalArgs, arguments: &ServeArgs) -> Result<(), Failure> {
    log(arguments)?;
    let failed = |source| Failure::Input { path: "runtime".into(), source };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    let served = runtime.block_on(run(global, arguments));
    runtime.shutdown_background();
    served
}

/// Logs to standard error: what `RUST_LOG` asks for, or state changes; on a quick start, only what is wrong.
fn log(arguments: &ServeArgs) -> Result<(), Failure> {
    let usual = if arguments.quickstart.is_some() { "warn" } else { "info" };
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(text)
            .map_err(|error| Failure::Usage { message: format!("RUST_LOG: {error}") })?,
        _ => EnvFilter::new(usual),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if arguments.log_json {
        builder.json().flatten_event(true).init();
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).init();
    }
    Ok(())
}

/// Signals that ask for a stop.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Stop {
    fn listen() -> Result<Self, Failure> {
        let failed = |source| Failure::Input { path: "signals".into(), source };
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            hang_up: signal(SignalKind::hangup()).map_err(failed)?,
        })
    }

    /// Waits for the next one; gives its name.
    async fn asked(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hang_up.recv() => "SIGHUP",
        }
    }
}

/// The directory and the socket these arguments mean.
fn places(global: &GlobalArgs, arguments: &ServeArgs) -> (PathBuf, PathBuf) {
    let chosen = arguments.quickstart.as_ref().or(arguments.data.as_ref());
    let socket = match (&global.socket, chosen) {
        (Some(socket), _) => socket.clone(),
        (None, Some(directory)) => directory.join(SOCKET_FILE),
        (None, None) => DEFAULT_SOCKET.into(),
    };
    (chosen.cloned().unwrap_or_else(|| DEFAULT_DATA.into()), socket)
}

/// How much of the past is kept: the usual, where nothing was said.
fn history(arguments: &ServeArgs) -> HistoryLimits {
    let usual = HistoryLimits::default();
    let count = arguments.history_count.and_then(|count| usize::try_from(count).ok());
    let age_ms =
        arguments.history_age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    HistoryLimits {
        ended_max: count.unwrap_or(usual.ended_max),
        age_ms_max: age_ms.unwrap_or(usual.age_ms_max),
    }
}

async fn run(global: &GlobalArgs, arguments: &ServeArgs) -> Result<(), Failure> {
    let mut stop = Stop::listen()?;
    let (directory, socket) = places(global, arguments);
    let mut config = Config::new(&directory);
    config.history = history(arguments);
    // The very program that runs, also when its file was replaced meanwhile.
    config.launcher = Some(PathBuf::from("/proc/self/exe"));
    config.socket = Some(socket.clone());
    if let Some(directory) = &arguments.quickstart {
        config.drives = quickstart::drive_files(directory)?;
    } else {
        config.scan_devices = true;
    }
    let started = tokio::select! {
        started = Service::start(config) => started,
        _ = stop.asked() => return Ok(()),
    };
    let service = started.map_err(|error| failure(&error))?;
    tell(&[NotifyState::Ready]);
    let done = tokio::select! {
        done = work(arguments.quickstart.as_deref(), &socket) => done,
        name = stop.asked() => {
            tracing::info!(signal = name, "stopping");
            Ok(())
        }
    };
    tell(&[NotifyState::Stopping]);
    tokio::select! {
        () = service.shutdown() => done,
        _ = stop.asked() => {
            tracing::warn!("stopped at once: the next start takes up what was left");
            done
        }
    }
}

/// What the program does while the service runs: make the first array, if asked to, then nothing. Ends only on failure.
async fn work(quickstart: Option<&Path>, socket: &Path) -> Result<(), Failure> {
    if let Some(directory) = quickstart {
        quickstart::prepare(directory, socket).await?;
    }
    std::future::pending().await
}

/// Tells the service manager, if there is one.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(error = %error, "the service manager could not be told");
    }
}

fn failure(error: &ServiceError) -> Failure {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    let mut is_denied = false;
    while let Some(inner) = source {
        message = format!("{message}: {inner}");
        is_denied |= inner
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied);
        source = inner.source();
    }
    if is_denied {
        let hint = "Run it as root, or name a directory of yours with --data.".to_owned();
        return Failure::Daemon { result: HResult::E_ACCESSDENIED, message, hint: Some(hint) };
    }
    Failure::Daemon { result: error.result(), message, hint: Some(error.hint().to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(data: Option<&str>, quickstart: Option<&str>, socket: Option<&str>, expected: &str) {
        let global = GlobalArgs { socket: socket.map(Into::into), ..GlobalArgs::default() };
        let arguments = ServeArgs {
            data: data.map(Into::into),
            quickstart: quickstart.map(Into::into),
            ..ServeArgs::default()
        };
        let (directory, socket) = places(&global, &arguments);
        assert_eq!(format!("{} {}", directory.display(), socket.display()), expected);
    }

    #[test]
    fn a_directory_brings_its_socket() {
        check(None, None, None, "/var/lib/vds /run/vds/vds.sock");
        check(Some("d"), None, None, "d d/vds.sock");
        check(Some("d"), None, Some("s"), "d s");
        check(None, Some("q"), None, "q q/vds.sock");
    }

    #[test]
    fn the_past_is_kept_as_long_as_was_said() {
        let usual = HistoryLimits::default();
        assert_eq!(history(&ServeArgs::default()), usual);
        let count = ServeArgs { history_count: Some(5), ..ServeArgs::default() };
        assert_eq!(history(&count), HistoryLimits { ended_max: 5, ..usual });
        let age = Some(std::time::Duration::from_secs(2));
        let age = ServeArgs { history_age: age, ..ServeArgs::default() };
        assert_eq!(history(&age), HistoryLimits { age_ms_max: 2000, ..usual });
    }

    /// `--help` names them.
    #[test]
    fn the_usual_limits_are_the_ones_told() {
        let usual = HistoryLimits::default();
        assert_eq!((usual.ended_max, usual.age_ms_max), (10_000, 30 * 86_400_000));
    }
}
