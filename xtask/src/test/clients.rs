//! The outside clients that judge us: there before the tests start, installed where that may be done, or a failure
//! that names the command.

use crate::process;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};

/// How to see that a client is there.
enum Probe {
    /// Its program is on the path.
    Program,
    /// `qemu-img` knows this protocol: its drivers are packages of their own.
    QemuProtocol(&'static str),
}

struct Client {
    name: &'static str,
    package: &'static str,
    probe: Probe,
}

const fn program(name: &'static str, package: &'static str) -> Client {
    Client { name, package, probe: Probe::Program }
}

/// Everything that tests start of others' programs. `qemu-iscsi` is `qemu-img`'s iSCSI driver.
const CLIENTS: &[Client] = &[
    program("iscsi-ls", "libiscsi-bin"),
    program("iscsi-inq", "libiscsi-bin"),
    program("iscsi-perf", "libiscsi-bin"),
    program("iscsi-test-cu", "libiscsi-bin"),
    program("qemu-img", "qemu-utils"),
    Client { name: "qemu-iscsi", package: "qemu-block-extra", probe: Probe::QemuProtocol("iscsi") },
    program("mkfs.ext4", "e2fsprogs"),
    program("mkfs.xfs", "xfsprogs"),
    program("mkfs.btrfs", "btrfs-progs"),
    program("mkfs.vfat", "dosfstools"),
    program("mkfs.f2fs", "f2fs-tools"),
    program("mkfs.ntfs", "ntfs-3g"),
    program("losetup", "mount"),
    program("curl", "curl"),
    program("python3", "python3"),
    program("gcc", "gcc"),
    program("g++", "g++"),
    program("valgrind", "valgrind"),
    program("python3", "python3"),
];

/// The environment variable that tells tests which clients were left out, by comma.
pub(super) const WITHOUT: &str = "VDS_TEST_WITHOUT";

/// Makes sure that every client is there but those left out.
///
/// # Errors
/// When one is missing and could not be installed, with the command that would.
pub(super) fn ensure(root: &Path, without: &[String]) -> Result<()> {
    if let Some(unknown) = without.iter().find(|name| !CLIENTS.iter().any(|c| c.name == **name)) {
        let known: Vec<_> = CLIENTS.iter().map(|client| client.name).collect();
        bail!("--without {unknown}: no such client; there are {}", known.join(", "));
    }
    let missing = missing(without);
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|client| client.name).collect();
    if !may_install(root) {
        let complaint = complaint(&names, &install_command(root, &missing));
        bail!("{complaint}\nor leave tests out: --without CLIENT");
    }
    println!("installing {}", names.join(", "));
    // First the lists: the versions asked for come from them.
    let shell =
        |script: &str| process::run(Command::new("sh").args(["-c", script]).stdin(Stdio::null()));
    shell("apt-get update -q")?;
    let install = install_command(root, &missing);
    let installed = shell(&install);
    let still: Vec<_> = self::missing(without).iter().map(|client| client.name).collect();
    if still.is_empty() {
        return Ok(());
    }
    let complaint = complaint(&still, &install);
    match installed {
        Ok(()) => bail!("{complaint}\nIt ran, and they are still missing"),
        Err(error) => Err(error).with_context(|| complaint),
    }
}

fn complaint(names: &[&str], install: &str) -> String {
    format!("missing: {}. As root:\n    {install}", names.join(", "))
}

fn missing(without: &[String]) -> Vec<&'static Client> {
    CLIENTS
        .iter()
        .filter(|client| !without.iter().any(|name| name == client.name) && !is_there(client))
        .collect()
}

fn is_there(client: &Client) -> bool {
    match client.probe {
        Probe::Program => find(client.name),
        Probe::QemuProtocol(protocol) => knows_protocol(protocol),
    }
}

/// Looks along the path, and where Debian keeps root's programs.
fn find(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin".into(), "/sbin".into()]);
    folders.iter().any(|folder| folder.join(name).is_file())
}

/// Asks for an address where nobody listens: the complaint tells a missing driver from a missing peer.
fn knows_protocol(protocol: &str) -> bool {
    let url = format!("{protocol}://127.0.0.1:1/iqn.2025-01.org.example:none/0");
    let output = Command::new("timeout")
        .args(["10", "qemu-img", "info", &url])
        .stdin(Stdio::null())
        .output();
    // The second are the words of later versions.
    let complaints = ["Unknown protocol", "Unable to load module"];
    let is_known = |told: &[u8]| {
        let told = String::from_utf8_lossy(told);
        !complaints.iter().any(|complaint| told.contains(complaint))
    };
    output.is_ok_and(|output| is_known(&output.stderr)) && find("qemu-img")
}

fn may_install(root: &Path) -> bool {
    let is_root = process::output(root, "id", &["-u"]).is_ok_and(|id| id.trim() == "0");
    is_root && find("apt-get")
}

/// The command that installs them. A driver of QEMU fits only the tools of its own version, so all that is there of
/// QEMU is asked for together, at the version the distribution has, even where a newer one is installed.
fn install_command(root: &Path, missing: &[&Client]) -> String {
    let mut packages: Vec<String> =
        missing.iter().map(|client| client.package.to_owned()).collect();
    packages.dedup();
    let mut command =
        "DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends".to_owned();
    if packages.iter().any(|package| package.starts_with("qemu-")) {
        packages.retain(|package| !package.starts_with("qemu-"));
        command.push_str(" --allow-downgrades");
        let policy = process::output(root, "apt-cache", &["policy", "qemu-block-extra"]);
        let version = policy.ok().as_deref().and_then(candidate).map(|v| format!("={v}"));
        let version = version.unwrap_or_default();
        let mut qemu = vec!["qemu-utils", "qemu-block-extra"];
        qemu.extend(["qemu-system-common", "qemu-system-x86"].into_iter().filter(|package| {
            let status = process::output(root, "dpkg-query", &["-W", "-f=${Status}", package]);
            status.is_ok_and(|status| status.ends_with(" installed"))
        }));
        packages.extend(qemu.iter().map(|package| format!("{package}{version}")));
    }
    for package in packages {
        command.push(' ');
        command.push_str(&package);
    }
    command
}

fn candidate(policy: &str) -> Option<&str> {
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (version != "(none)").then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_nobody_knows_cannot_be_left_out() {
        let error = ensure(Path::new("."), &["iscsi-nonsense".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("iscsi-perf"), "{error}");
    }

    #[test]
    fn the_driver_and_the_tools_have_one_version() {
        assert_eq!(candidate("a:\n  Installed: 1\n  Candidate: 7.2\n"), Some("7.2"));
        assert_eq!(candidate("a:\n  Candidate: (none)\n"), None);
        let client = CLIENTS.iter().find(|client| client.name == "qemu-iscsi").unwrap();
        let command = install_command(Path::new("."), &[client]);
        assert!(command.contains(" qemu-utils"), "{command}");
        assert!(command.contains(" qemu-block-extra"), "{command}");
    }

    #[test]
    fn a_program_that_is_not_there_is_missed() {
        assert!(find("sh"));
        assert!(!find("no-such-program-anywhere"));
    }
}
