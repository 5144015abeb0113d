//! A daemon, and a provider in C++ that it is given.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use vds_blackbox::{Cpp, Daemon, SUPPRESSIONS, wait_until};

/// The program `vds`, which lies beside the one that this package makes.
pub(crate) fn vds() -> Result<PathBuf> {
    let program = Path::new(env!("CARGO_BIN_EXE_vds-com-host")).with_file_name("vds");
    ensure!(program.exists(), "{} is missing: cargo build -p vds", program.display());
    Ok(program)
}

fn text(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).context("a path that is text")
}

/// Declared last is dropped first: the daemon before its folder.
pub(crate) struct Scene {
    pub(crate) daemon: Daemon,
    provider: PathBuf,
    library: PathBuf,
    /// Words before the host's own.
    runner: Vec<String>,
    pub(crate) folder: TempDir,
}

impl Scene {
    /// A daemon and the provider's shared object; none without g++.
    pub(crate) fn new() -> Result<Option<Self>> {
        Self::with(&[])
    }

    /// The same; `more` goes to the compiler of the provider.
    pub(crate) fn with(more: &[&str]) -> Result<Option<Self>> {
        let Some(cpp) = Cpp::find()? else { return Ok(None) };
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let provider = cpp.build_provider(folder.path(), more)?;
        std::fs::create_dir(folder.path().join("images"))?;
        let data = folder.path().join("data");
        std::fs::create_dir(&data)?;
        let daemon = Daemon::start(&vds()?, &data)?;
        let library = std::env::current_exe()?.with_file_name("libvds_com.so");
        Ok(Some(Self { daemon, provider, library, runner: Vec::new(), folder }))
    }

    /// The only place where the plug-in may write.
    pub(crate) fn images(&self) -> PathBuf {
        self.folder.path().join("images")
    }

    /// Lets these words run the host from now on.
    pub(crate) fn run_host_by(&mut self, runner: Vec<String>) {
        self.runner = runner;
    }

    /// The provider's shared object, and the library that it needs.
    pub(crate) fn files(&self) -> Result<(String, String)> {
        Ok((text(&self.provider)?, text(&self.library)?))
    }

    /// Registers the provider, playing this part.
    pub(crate) fn add(&self, part: &str, more: &[&str]) -> Result<()> {
        let images = text(&self.images())?;
        let (provider, library) = self.files()?;
        let (part, folder) = (format!("VDS_ERRANT={part}"), format!("VDS_ERRANT_FOLDER={images}"));
        let mut words = vec!["provider", "add", "errant", "--grant-dir", &images];
        words.extend(["--read-dir", &provider, "--read-dir", &library]);
        if self.runner.is_empty() {
            words.extend(["--deadline", "5s", "--"]);
        } else {
            // Whatever looks over its shoulder takes memory, time, and a look at its own process and at what it is told.
            words.extend(["--memory", "8GiB", "--deadline", "60s"]);
            words.extend(["--read-dir", "/proc", "--read-dir", SUPPRESSIONS, "--"]);
        }
        words.extend(self.runner.iter().map(String::as_str));
        words.extend([env!("CARGO_BIN_EXE_vds-com-host"), "--provider", &provider]);
        words.extend(["--set", &part, "--set", &folder]);
        words.extend(more);
        self.daemon.verb(&words)?;
        // A list waits a second for a provider, and one that something looks after may take longer at first.
        wait_until("its array is shown", || {
            let listed = self.daemon.json(&["subsystem", "list"])?;
            let mut arrays = listed["items"].as_array().into_iter().flatten();
            Ok(arrays.any(|array| array["name"] == "errant").then_some(()))
        })
    }

    /// Takes the provider away; its process ends in good order.
    pub(crate) fn remove(&self) -> Result<()> {
        self.daemon.verb(&["provider", "remove", "errant", "--yes"]).map(drop)
    }

    /// What is shown of it.
    pub(crate) fn shown(&self) -> Result<Value> {
        self.daemon.json(&["provider", "show", "errant"])
    }
}
