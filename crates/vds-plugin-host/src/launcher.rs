//! The launcher: the service's own program, started once more, that sets limits for itself and then becomes the plug-in.
//!
//! It is a process of its own because limits hold for whoever sets them, and because nothing can be set safely between a
//! fork and the start of another program in a process with threads.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use serde::{Deserialize, Serialize};

/// The verb under which the service's program is the launcher.
pub const LAUNCHER_VERB: &str = "provider-launcher";
/// What the launcher's one line on stderr begins with.
const REPORT: &str = "vds-launcher: ";
/// The launcher's exit code when the plug-in's program could not be executed.
const EXIT_NOT_EXECUTED: i32 = 97;
/// The launcher's exit code when the kernel cannot confine.
const EXIT_UNCONFINED: i32 = 98;

/// How gladly the kernel ends it when memory is short, from -1000 to 1000.
const OOM_SCORE: &str = "500";
/// How far it stands back when processors are short, from 0 to 19.
const NICENESS: i32 = 10;
/// Open files.
const FILES_MAX: u64 = 256;
/// The landlock rules that are asked for; an older kernel gives what it has.
const RULES: ABI = ABI::V6;
/// What every program may read and execute.
const SYSTEM: [&str; 10] = [
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/bin",
    "/sbin",
    "/opt",
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/etc/localtime",
];
/// What it may read beside that with the network.
const NETWORK: [&str; 6] = [
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/ssl",
    "/etc/services",
    "/run/systemd/resolve",
];
/// Devices of no consequence.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// Calls that no provider of arrays needs, and that reach around the other limits.
const REFUSED: [libc::c_long; 27] = [
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_clock_settime,
    libc::SYS_open_by_handle_at,
];

/// What the launcher is told, as JSON in its one argument: what to become, and what of the machine it may use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Orders {
    /// The program, absolute, and its arguments.
    pub command: Vec<String>,
    /// Folders, files and devices it may read and write.
    pub directories: Vec<PathBuf>,
    /// Folders and files it may read and execute beside the system's.
    pub readable: Vec<PathBuf>,
    /// Whether it may open sockets of the network.
    pub network: bool,
    /// Most memory; 0 for no limit.
    pub memory_bytes: u64,
    /// Whether it runs without confinement, as the operator said.
    pub is_unconfined: bool,
}

/// What starts the launcher, which becomes the plug-in: in a process group of its own, its descriptors up to whoever starts it.
pub fn launch(launcher: &Path, orders: &Orders) -> Command {
    let orders = serde_json::to_string(orders).expect("texts and numbers become JSON");
    let mut command = Command::new(launcher);
    command.arg(LAUNCHER_VERB).arg(orders).env_clear().process_group(0);
    command
}

/// What confines the plug-in, in words, if this is the launcher's line about it: the first on its standard error.
pub fn confinement_told(line: &str) -> Option<&str> {
    line.strip_prefix(REPORT)
}

/// Why the launcher ended without becoming the plug-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotBecome {
    /// The program could not be executed.
    NotExecuted,
    /// The kernel cannot confine.
    Unconfined,
}

/// Whether an end is the launcher's own; its last line says more.
pub fn not_become(status: ExitStatus) -> Option<NotBecome> {
    match status.code() {
        Some(EXIT_NOT_EXECUTED) => Some(NotBecome::NotExecuted),
        Some(EXIT_UNCONFINED) => Some(NotBecome::Unconfined),
        _ => None,
    }
}

/// Why the plug-in was not started: an exit code, and words for the log.
struct Failure {
    code: i32,
    words: String,
}

fn unconfined(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure { code: EXIT_UNCONFINED, words: format!("{what}: {error}") }
}

fn not_executed(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure { code: EXIT_NOT_EXECUTED, words: format!("{what}: {error}") }
}

/// Becomes the plug-in that the arguments name; returns only if that fails, with the exit code. To be called before the
/// process has a second thread.
pub fn run_launcher(arguments: impl IntoIterator<Item = String>) -> i32 {
    let failure = match become_plugin(arguments) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    // The service reads this line; without one there is nobody to tell.
    eprintln!("{}", failure.words);
    failure.code
}

fn become_plugin(
    arguments: impl IntoIterator<Item = String>,
) -> Result<std::convert::Infallible, Failure> {
    let orders = arguments.into_iter().next().unwrap_or_default();
    let orders: Orders = serde_json::from_str(&orders)
        .map_err(|error| not_executed("the launcher's argument", &error))?;
    let (program, rest) = orders
        .command
        .split_first()
        .ok_or_else(|| not_executed("the launcher's argument", &"no program is named"))?;
    // The plug-in dies with the service, whatever becomes of its socket.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| not_executed("asking for the parent's death", &error))?;
    vds_os::inherit_nothing()
        .map_err(|error| unconfined("keeping back open descriptors", &error))?;
    rustix::thread::set_no_new_privs(true)
        .map_err(|error| unconfined("giving up new privileges", &error))?;
    // Where memory is short it goes before the service, whose mark it inherited. Best effort: without /proc it has its
    // own limit still.
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    let report = if orders.is_unconfined {
        "unconfined, as the operator said".to_owned()
    } else {
        confine(&orders)?
    };
    // Where processors are short the data path of every LUN comes first.
    rustix::process::nice(NICENESS).map_err(|error| unconfined("standing back", &error))?;
    limit(Resource::Core, 0)?;
    limit(Resource::Nofile, FILES_MAX)?;
    eprintln!("{REPORT}{report}");
    let mut command = Command::new(program);
    command.args(rest).env_clear();
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LANG", "C.UTF-8");
    command.env("VDS_PROVIDER_PROTOCOL", vds_plugin::VERSION.to_string());
    command.current_dir(working_directory(&orders.directories));
    if orders.memory_bytes > 0 {
        limit(Resource::As, orders.memory_bytes)?;
    }
    let error = command.exec();
    Err(not_executed(&format!("executing {program}"), &error))
}

fn working_directory(granted: &[PathBuf]) -> &Path {
    granted.iter().find(|path| path.is_dir()).map_or(Path::new("/"), PathBuf::as_path)
}

fn limit(resource: Resource, most: u64) -> Result<(), Failure> {
    let limit = Rlimit { current: Some(most), maximum: Some(most) };
    rustix::process::setrlimit(resource, limit)
        .map_err(|error| unconfined("setting a limit", &error))
}

/// Takes away what a provider does not need. Returns what is in force.
fn confine(orders: &Orders) -> Result<String, Failure> {
    let landlock = restrict_files(orders)?;
    drop_capabilities()?;
    refuse_calls(orders.network)?;
    let sockets = if orders.network { "no Unix sockets" } else { "no sockets" };
    Ok(format!("{landlock}; seccomp: {sockets}; no capabilities"))
}

/// The plug-in's own program and the files among its arguments, with the folders they lie in.
fn own_files(command: &[String]) -> Vec<PathBuf> {
    let files = command.iter().map(Path::new).filter(|path| path.is_absolute() && path.is_file());
    let folders = files.filter_map(Path::parent).filter(|folder| *folder != Path::new("/"));
    folders.map(Path::to_path_buf).collect()
}

fn restrict_files(orders: &Orders) -> Result<String, Failure> {
    let failed = |error: landlock::RulesetError| unconfined("landlock", &error);
    let mut ruleset =
        Ruleset::default().handle_access(AccessFs::from_all(RULES)).map_err(failed)?;
    if !orders.network {
        ruleset = ruleset.handle_access(AccessNet::from_all(RULES)).map_err(failed)?;
    }
    let ruleset = ruleset.scope(Scope::from_all(RULES)).map_err(failed)?;
    let mut readable: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    readable.extend(own_files(&orders.command));
    readable.extend(orders.readable.iter().cloned());
    if orders.network {
        readable.extend(NETWORK.iter().map(PathBuf::from));
    }
    let read = AccessFs::from_read(RULES);
    let device = AccessFs::ReadFile | AccessFs::WriteFile;
    let status = ruleset
        .create()
        .and_then(|created| created.add_rules(path_beneath_rules(&readable, read)))
        .and_then(|created| created.add_rules(path_beneath_rules(DEVICES, device)))
        .and_then(|created| {
            let everything = AccessFs::from_all(RULES);
            created.add_rules(path_beneath_rules(&orders.directories, everything))
        })
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(failed)?;
    let abi = match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => effective_abi,
        LandlockStatus::NotEnabled => return Err(unconfined("landlock", &"it is not enabled")),
        LandlockStatus::NotImplemented => {
            return Err(unconfined("landlock", &"this kernel does not have it"));
        }
    };
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err(unconfined("landlock", &"the kernel enforces none of the rules"));
    }
    let mut parts = vec!["files"];
    if !orders.network && abi >= ABI::V4 {
        parts.push("TCP");
    }
    if abi >= ABI::V6 {
        parts.push("signals");
    }
    Ok(format!("landlock (ABI {}): {}", abi as i32, parts.join(", ")))
}

fn drop_capabilities() -> Result<(), Failure> {
    for capability in CapabilitySet::all().iter() {
        // Who has no right to change the set has none of them either.
        let _ = rustix::thread::remove_capability_from_bounding_set(capability);
    }
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none)
        .map_err(|error| unconfined("giving up capabilities", &error))
}

/// The number under which a 64-bit x86 kernel may have the same call for programs with 32-bit pointers.
#[cfg(target_arch = "x86_64")]
const OTHER_NUMBERS: Option<i64> = Some(0x4000_0000);
#[cfg(not(target_arch = "x86_64"))]
const OTHER_NUMBERS: Option<i64> = None;

fn refuse_calls(network: bool) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| unconfined("seccomp", error);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    // Without the network there is nobody to talk to. With it, Unix sockets stay closed: behind one of them sits this
    // service, which takes a process of its own user for its operator.
    let mut sockets = Vec::new();
    if network {
        let unix = u64::from(libc::AF_UNIX.unsigned_abs());
        let is_unix = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, unix);
        let is_unix = is_unix.and_then(|is_unix| SeccompRule::new(vec![is_unix]));
        sockets.push(is_unix.map_err(|error| failed(&error))?);
    }
    rules.insert(libc::SYS_socket, sockets);
    if let Some(offset) = OTHER_NUMBERS {
        let others: Vec<_> =
            rules.iter().map(|(call, rules)| (call | offset, rules.clone())).collect();
        rules.extend(others);
    }
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let architecture = std::env::consts::ARCH.try_into();
    let architecture = architecture.map_err(|error: seccompiler::BackendError| failed(&error))?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, architecture);
    let program = filter.and_then(BpfProgram::try_from).map_err(|error| failed(&error))?;
    seccompiler::apply_filter(&program).map_err(|error| failed(&error))
}
