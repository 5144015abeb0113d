//! Debian's `tgt`: the peer. One instance of its own, with a control port of its own, so that no other is disturbed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Daemon, Subject, ask, free_port, zeros};

const TARGET: &str = "iqn.2025-01.org.example:tgt";

/// How tgt opens the file behind a LUN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Around the page cache (`--bsoflags direct`).
    Direct,
    /// Through the page cache, as it does when told nothing.
    Cached,
}

impl Mode {
    /// What the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "tgt direct",
            Self::Cached => "tgt cached",
        }
    }
}

/// A running tgtd. It ends by SIGKILL only: that is how it is while it has a target.
pub struct Tgt {
    daemon: Daemon,
    control: String,
    port: u16,
    folder: PathBuf,
    luns: u8,
}

impl Tgt {
    /// Starts it on `core`, with files in `folder`.
    ///
    /// # Errors
    /// When it is not installed (`apt-get install tgt`) or does not come up.
    pub fn start(core: usize, folder: &Path) -> Result<Self> {
        let port = free_port()?;
        // A free TCP port's number, without the bit tgtd has no room for: no other instance of ours has it.
        let control = (port & 0x7fff).to_string();
        let portal = format!("portal=127.0.0.1:{port}");
        let arguments = ["-f", "-C", &control, "--iscsi", &portal];
        let mut daemon = Daemon::start(core, "tgtd", arguments, folder.join("tgtd.log"))?;
        daemon
            .wait_for(|| admin(&control, &["--mode", "sys", "--op", "show"]).ok())
            .context("tgtd (Debian: apt-get install tgt)")?;
        let name = ["--mode", "target", "--op", "new", "--tid", "1", "-T", TARGET];
        admin(&control, &name)?;
        admin(&control, &["--mode", "target", "--op", "bind", "--tid", "1", "-I", "ALL"])?;
        Ok(Self { daemon, control, port, folder: folder.to_owned(), luns: 0 })
    }

    /// Adds a LUN on a file of `bytes` zeros.
    ///
    /// # Errors
    /// When the file cannot be made or tgtd refuses it.
    pub fn add_lun(&mut self, mode: Mode, bytes: u64) -> Result<Subject> {
        self.luns += 1;
        let file = self.folder.join(format!("tgt-{}.img", self.luns));
        zeros(&file, bytes)?;
        let number = self.luns.to_string();
        let path = file.to_str().context("the path is not UTF-8")?;
        let mut arguments = vec!["--mode", "logicalunit", "--op", "new", "--tid", "1"];
        arguments.extend(["--lun", &number, "--bstype", "rdwr", "-b", path]);
        if mode == Mode::Direct {
            arguments.extend(["--bsoflags", "direct"]);
        }
        admin(&self.control, &arguments)?;
        let url = format!("iscsi://127.0.0.1:{}/{TARGET}/{number}", self.port).parse()?;
        let cached_files = if mode == Mode::Cached { vec![file] } else { Vec::new() };
        let (name, pid) = (mode.name().to_owned(), self.daemon.pid());
        Ok(Subject { name, url, pid, cached_files })
    }
}

impl Drop for Tgt {
    fn drop(&mut self) {
        for suffix in ["", ".lock"] {
            // SIGKILL leaves its control socket behind.
            let _ = std::fs::remove_file(format!("/var/run/tgtd/socket.{}{suffix}", self.control));
        }
    }
}

fn admin(control: &str, arguments: &[&str]) -> Result<String> {
    ask(Command::new("tgtadm").args(["-C", control, "--lld", "iscsi"]).args(arguments))
}
