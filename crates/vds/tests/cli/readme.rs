//! The six commands of README.md, as they stand there, on two loop devices. Needs root.

use std::path::Path;
use std::process::Command;

use crate::daemon::{Alone, serve_alone};
use crate::quickstart::is_without;

const README: &str = include_str!("../../../../README.md");
const MARK: &str = "<!-- run as a test: crates/vds/tests/cli/readme.rs -->";

/// A loop device over a sparse file; let go of when dropped.
struct LoopDevice(String);

impl LoopDevice {
    fn over(path: &Path) -> Option<Self> {
        std::fs::File::create_new(path).unwrap().set_len(2 << 30).unwrap();
        let ran = Command::new("losetup").args(["--find", "--show"]).arg(path).output().unwrap();
        let name = String::from_utf8_lossy(&ran.stdout).trim().to_owned();
        (ran.status.success() && !name.is_empty()).then_some(Self(name))
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        // Nothing can be done about a device that does not go.
        let _ = Command::new("losetup").args(["--detach", &self.0]).status();
    }
}

/// The commands, one to a line: both blocks after the mark.
fn commands() -> Vec<&'static str> {
    let text = README.split(MARK).nth(1).expect("the README has the mark");
    let blocks = text.split("```").skip(1).step_by(2).take(2);
    blocks.flat_map(|block| block.lines().skip(1)).collect()
}

/// A port nobody listens on at the moment.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn six_commands_lead_to_a_lun_with_chap() {
    let commands = commands();
    assert_eq!(commands.len(), 6, "{commands:#?}");
    if is_without("iscsi-inq") || is_without("losetup") {
        return;
    }
    let alone = Alone::take();
    let directory = tempfile::tempdir().unwrap();
    let first = LoopDevice::over(&directory.path().join("one"));
    let second = LoopDevice::over(&directory.path().join("two"));
    let (Some(first), Some(second)) = (first, second) else {
        println!("not run: needs root and loop devices");
        return;
    };
    // As they stand there, but for what of this machine others may be using: directory, devices, port.
    assert_eq!(commands[0], "vds serve");
    let daemon = serve_alone(&alone, &directory.path().join("data"));
    let script = commands[1..]
        .join("\n")
        .replace("/dev/loop0", &first.0)
        .replace("/dev/loop1", &second.0)
        .replace("3260", &free_port().to_string());
    let last = script.lines().last().unwrap();
    let other =
        last.replace("-i iqn.2025-01.org.example:host2", "-i iqn.2025-01.org.example:host3");
    let wrong = last.replace("%correct", "%mistaken");
    let script = format!(
        "set -e\n{script}\n\
         if {other}; then echo 'seen by another host' >&2; exit 9; fi\n\
         if {wrong}; then echo 'seen without the secret' >&2; exit 9; fi\n"
    );
    let program = Path::new(env!("CARGO_BIN_EXE_vds")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("timeout");
    command.args(["60", "sh", "-c", &script]).env("PATH", path);
    let ran = command.env("VDS_SOCKET", daemon.socket()).output().unwrap();
    let (out, error) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{}\n{out}\n{error}\n{}", ran.status, daemon.log());
    assert!(out.contains("Vendor"), "{out}");
    daemon.stop("TERM");
}
