//! A real daemon on a directory of its own.

use std::fs::File;
use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::program::{Ran, command, run_on};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Polls until `condition` gives something.
#[track_caller]
pub(crate) fn wait_until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "{what} did not happen");
        wait_a_moment();
    }
}

fn wait_a_moment() {
    std::thread::sleep(Duration::from_millis(20));
}

/// Who runs daemons in this process. Run by root they look at every block device of the machine: a test that makes some is alone.
static MACHINE: Mutex<Machine> = Mutex::new(Machine { daemons: 0, is_taken: false });
static MACHINE_CHANGED: Condvar = Condvar::new();

struct Machine {
    daemons: usize,
    is_taken: bool,
}

impl Machine {
    /// Waits until `may` agrees, and makes the change.
    fn change(may: impl Fn(&Self) -> bool, change: impl FnOnce(&mut Self)) {
        let machine = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = MACHINE_CHANGED.wait_while(machine, |machine| !may(machine));
        change(&mut waited.unwrap_or_else(PoisonError::into_inner));
        MACHINE_CHANGED.notify_all();
    }
}

/// One daemon among others.
struct Among;

impl Among {
    fn join() -> Self {
        Machine::change(|machine| !machine.is_taken, |machine| machine.daemons += 1);
        Self
    }
}

impl Drop for Among {
    fn drop(&mut self) {
        Machine::change(|_| true, |machine| machine.daemons -= 1);
    }
}

/// No other test of this process runs a daemon while this lives.
pub(crate) struct Alone;

impl Alone {
    pub(crate) fn take() -> Self {
        Machine::change(
            |machine| machine.daemons == 0 && !machine.is_taken,
            |machine| machine.is_taken = true,
        );
        Self
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        Machine::change(|_| true, |machine| machine.is_taken = false);
    }
}

/// A daemon; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    directory: PathBuf,
    socket: PathBuf,
    /// Given up after the process is gone.
    _among: Option<Among>,
}

impl Daemon {
    /// Starts `vds serve` with these arguments and waits until it says that it is ready; its output goes to files in the
    /// directory, its socket is there too.
    #[track_caller]
    pub(crate) fn start(directory: &Path, arguments: &[&str]) -> Self {
        let mut command = command();
        command.arg("serve").args(arguments);
        Self::spawn(directory, command, Some(Among::join()))
    }

    /// `vds` without a verb, in this directory.
    #[track_caller]
    pub(crate) fn bare(directory: &Path) -> Self {
        let mut command = command();
        command.current_dir(directory);
        Self::spawn(&directory.join("vds-data"), command, Some(Among::join()))
    }

    #[track_caller]
    fn spawn(directory: &Path, mut command: Command, among: Option<Among>) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        let place = directory.join("notify");
        // Left by an earlier start.
        let _ = std::fs::remove_file(&place);
        let notify = UnixDatagram::bind(&place).unwrap();
        notify.set_nonblocking(true).unwrap();
        let log = |name: &str| {
            let mut options = File::options();
            options.append(true).create(true).open(directory.join(name)).unwrap()
        };
        command.env("NOTIFY_SOCKET", &place);
        command.stdout(log("stdout")).stderr(log("stderr"));
        let child = command.spawn().unwrap();
        let socket = directory.join("vds.sock");
        let directory = directory.to_owned();
        let mut daemon = Self { child, directory, socket, _among: among };
        wait_until("READY", || {
            let mut bytes = [0; 64];
            let ended = daemon.child.try_wait().unwrap();
            assert!(ended.is_none(), "{}", daemon.log());
            notify.recv(&mut bytes).ok().filter(|length| bytes[..*length].starts_with(b"READY=1"))
        });
        daemon
    }

    /// Runs a verb against it.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run_on(&self.socket, arguments)
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// What it wrote to standard error.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("stderr")).unwrap()
    }

    /// What it wrote to standard output.
    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(self.directory.join("stdout")).unwrap()
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Sends a signal that stops it and expects a clean end.
    #[track_caller]
    pub(crate) fn stop(mut self, signal: &str) {
        self.signal(signal);
        let status = wait_until("the end of the daemon", || self.child.try_wait().unwrap());
        assert!(status.success(), "{status}\n{}", self.log());
        assert!(!self.socket.exists(), "the socket is left");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts it on `data` in a directory.
#[track_caller]
pub(crate) fn serve(directory: &Path) -> Daemon {
    Daemon::start(directory, &["--data", directory.to_str().unwrap()])
}

/// The same, for a test that no other daemon must run beside.
#[track_caller]
pub(crate) fn serve_alone(_: &Alone, directory: &Path) -> Daemon {
    let mut command = command();
    command.args(["serve", "--data", directory.to_str().unwrap()]);
    Daemon::spawn(directory, command, None)
}

#[test]
fn it_starts_answers_and_stops() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = serve(directory.path());
    let status = daemon.run(&["status", "--json"]).expect_code(0).json();
    assert_eq!(status["on_disk_version"], 1);
    assert_eq!(status["data_directory"], directory.path().to_str().unwrap());
    assert!(daemon.run(&["status"]).expect_code(0).stdout.contains("no array yet"));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(daemon.socket()).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o660);
    daemon.stop("TERM");
    let instance = status["instance"].clone();
    let daemon = serve(directory.path());
    assert_eq!(daemon.run(&["status", "--json"]).json()["instance"], instance);
    daemon.stop("INT");
}

#[test]
fn one_daemon_for_one_directory() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = serve(directory.path());
    let data = directory.path().to_str().unwrap();
    let second = crate::program::run(&["serve", "--data", data]).expect_code(4);
    assert!(second.stderr.contains("error[service.already_running]"), "{}", second.stderr);
    let elsewhere = tempfile::tempdir().unwrap();
    let second = run_on(daemon.socket(), &["serve", "--data", elsewhere.path().to_str().unwrap()]);
    assert!(second.expect_code(4).stderr.contains("error[service.already_running]"));
    daemon.run(&["status"]).expect_code(0);
}

#[test]
fn a_directory_that_cannot_be_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let ran = crate::program::run(&["serve", "--data", file.to_str().unwrap()]).expect_code(1);
    assert!(ran.stderr.starts_with("error[service.store_failed]: cannot "), "{}", ran.stderr);
}

#[test]
fn the_service_manager_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let notify = UnixDatagram::bind(&path).unwrap();
    notify.set_read_timeout(Some(PATIENCE)).unwrap();
    let data = directory.path().join("data");
    let mut command = command();
    command.args(["serve", "--log-json", "--data", data.to_str().unwrap()]);
    command.env("NOTIFY_SOCKET", &path).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let next = || {
        let mut bytes = [0; 256];
        let length = notify.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).trim().to_owned()
    };
    assert_eq!(next(), "READY=1");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    assert_eq!(next(), "STOPPING=1");
    assert!(child.wait().unwrap().success());
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    for line in log.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(record["level"].is_string(), "{line}");
    }
    assert!(log.contains("stopping"), "{log}");
}
