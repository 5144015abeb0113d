//! A daemon with an array, and a plug-in beside it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use vds_blackbox::{Daemon, drive_file, wait_until};

/// How long the plug-in may take for an answer.
pub(crate) const DEADLINE_S: u64 = 3;
/// The initiator that sees the plug-in's LUNs.
pub(crate) const HOST: &str = "iqn.2025-01.org.example:host";

pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_vds"))
}

/// The plug-in of these tests: LUNs are files in a folder, and the names of LUNs say what it does wrong.
fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vds-plugin-host/tests/plugin.py")
}

/// The interpreter, and where its library lies: it need not be the system's.
fn python() -> (String, String) {
    let words = "import sys; print(sys.executable); print(sys.base_prefix)";
    let told = Command::new("python3").args(["-c", words]).output();
    let told = told.expect("python3 is needed: apt-get install python3").stdout;
    let told = String::from_utf8(told).unwrap();
    let (program, library) = told.trim().split_once('\n').unwrap();
    (program.to_owned(), library.to_owned())
}

/// Whether there is no interpreter for the plug-in; says so then.
pub(crate) fn is_without_python() -> bool {
    let without = std::env::var("VDS_TEST_WITHOUT").unwrap_or_default();
    let is_without = without.split(',').any(|name| name == "python3");
    if is_without {
        println!("not run: without python3");
    }
    is_without
}

/// Declared last is dropped first: the daemon before its folder.
pub(crate) struct Scene {
    pub(crate) daemon: Daemon,
    pub(crate) shelf: PathBuf,
    pub(crate) folder: TempDir,
}

impl Scene {
    /// An array `main` of two drives with a portal, and the plug-in `shelf` with a portal of its own.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let daemon = Daemon::start(program(), folder.path()).unwrap();
        let drives: Vec<String> = (1..=2)
            .map(|number| drive_file(folder.path(), &format!("drive-{number}"), 1 << 30).unwrap())
            .collect();
        daemon.make_array(&drives).unwrap();
        let shelf = folder.path().join("shelf");
        std::fs::create_dir(&shelf).unwrap();
        let scene = Self { daemon, shelf, folder };
        scene.add();
        scene.daemon.verb(&["portal", "add", "127.0.0.1:0", "--subsystem", "shelf"]).unwrap();
        scene
    }

    /// Registers the plug-in.
    pub(crate) fn add(&self) {
        self.add_with(&[]);
    }

    /// Registers the plug-in, with more options.
    pub(crate) fn add_with(&self, more: &[&str]) {
        let (program, library) = python();
        let (script, shelf) = (fixture(), self.shelf.to_str().unwrap());
        let deadline = format!("{DEADLINE_S}s");
        let grants = ["provider", "add", "shelf", "--grant-dir", shelf, "--read-dir", &library];
        let limits = ["--deadline", &deadline, "--memory", "256MiB"];
        let command = ["--", &program, script.to_str().unwrap(), shelf];
        self.daemon.verb(&[&grants[..], &limits, more, &command].concat()).unwrap();
    }

    /// Makes a LUN of the plug-in that the host sees.
    pub(crate) fn make_lun(&self, name: &str) -> String {
        let words =
            ["lun", "create", name, "--subsystem", "shelf", "--size", "16MiB", "--unmask", HOST];
        self.daemon.verb(&words).unwrap();
        self.daemon.url(name).unwrap()
    }

    pub(crate) fn shown(&self) -> Value {
        self.daemon.json(&["provider", "show", "shelf"]).unwrap()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> rustix::process::Pid {
        let pid = self.shown()["plugin"]["pid"].as_i64().unwrap();
        rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
    }

    /// Has it started again at once; it runs when the verb is done.
    pub(crate) fn restart(&self) {
        self.daemon.verb(&["provider", "restart", "shelf"]).unwrap();
    }

    /// Waits until it runs and shows its objects.
    pub(crate) fn running(&self) {
        wait_until("the plug-in runs", || {
            let state = self.shown();
            Ok((state["plugin"]["state"] == "running").then_some(()))
        })
        .unwrap();
    }
}
