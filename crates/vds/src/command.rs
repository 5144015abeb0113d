//! The command tree: what can be typed, and what `--help` says about it.
//!
//! ```text
//! vds [global options] NOUN VERB [arguments]       vds alone = vds serve --quickstart ./vds-data
//! ```
//!
//! Only types and texts are here; what a verb does is in [`crate::run`].

mod array;
mod export;
mod judge;
mod lun;
mod pool;
mod provider;
mod values;
mod work;

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

pub(crate) use array::{DriveVerb, NewDriveArgs, SubsystemVerb};
pub(crate) use export::{
    ChapArgs, PortalGroupVerb, PortalVerb, SecretArgs, SessionVerb, TargetVerb,
};
pub(crate) use judge::JudgeArgs;
pub(crate) use lun::{CachingName, CreateLunArgs, LayoutArgs, LunVerb, PlexVerb, SetLunArgs};
pub(crate) use pool::PoolVerb;
pub(crate) use provider::{AddProviderArgs, ProviderVerb};
pub(crate) use work::OperationVerb;

/// The directory of `vds` without a verb.
pub(crate) const QUICKSTART_DATA: &str = "./vds-data";
/// Where the daemon keeps what is its own.
pub(crate) const DEFAULT_DATA: &str = "/var/lib/vds";
/// Where the daemon listens and clients look for it.
pub(crate) const DEFAULT_SOCKET: &str = "/run/vds/vds.sock";

/// What `--version` prints after the name.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    format!("{} (on-disk version {})", env!("CARGO_PKG_VERSION"), vds_service::ON_DISK_VERSION)
});

const ROOT_EXAMPLE: &str = "\
Examples:
  vds                                              try it: an array on four files, one LUN
  vds serve                                        run as a service
  vds subsystem create main --drive /dev/sdb --drive /dev/sdc
  vds lun create db1 --type mirror --size 20GiB --unmask iqn.2025-01.org.example:db
  vds operation list --watch

Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 conflict or busy, 5 service unreachable,
            6 wait timed out (the operation goes on), 7 operation cancelled, 8 not permitted";

/// A storage array in one program.
#[derive(Debug, Parser)]
#[command(
    name = "vds",
    version = VERSION.as_str(),
    about = "A storage array in one program: drives in, redundant LUNs out, over iSCSI",
    after_help = ROOT_EXAMPLE,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) noun: Option<Noun>,
}

/// Options every verb takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Print JSON: the fields of the REST API, sizes as exact `_bytes`
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Start the operation, print its id and do not wait for its end
    #[arg(long, global = true)]
    pub(crate) no_wait: bool,
    /// Wait at most so long, such as 30s or 10m; the operation goes on (exit code 6)
    #[arg(long, global = true, value_name = "TIME", value_parser = values::duration)]
    pub(crate) timeout: Option<Duration>,
    /// Do not ask before destroying something or opening it to everybody
    #[arg(long, global = true)]
    pub(crate) yes: bool,
    /// The daemon's socket [default: /run/vds/vds.sock]
    #[arg(long, global = true, value_name = "PATH", env = "VDS_SOCKET", hide_env_values = true)]
    pub(crate) socket: Option<PathBuf>,
}

/// What is worked on.
#[derive(Debug, Subcommand)]
pub(crate) enum Noun {
    /// Run the daemon in the foreground
    Serve(ServeArgs),
    /// Show the state of the array, its LUNs and its drives at a glance
    #[command(after_help = "Example:\n  vds status")]
    Status,
    /// Arrays: make one on drives, open one that misses some
    #[command(subcommand)]
    Subsystem(SubsystemVerb),
    /// Drives: block devices or plain files
    #[command(subcommand)]
    Drive(DriveVerb),
    /// Storage pools: the capacity that LUNs come from
    #[command(subcommand)]
    Pool(PoolVerb),
    /// LUNs: what hosts see as disks
    #[command(subcommand)]
    Lun(LunVerb),
    /// Plexes: the copies a LUN consists of
    #[command(subcommand)]
    Plex(PlexVerb),
    /// Operations: everything that takes time, running or ended
    #[command(subcommand)]
    Operation(OperationVerb),
    /// iSCSI targets: names hosts log in to
    #[command(subcommand)]
    Target(TargetVerb),
    /// Portals: addresses the array listens on
    #[command(subcommand)]
    Portal(PortalVerb),
    /// Portal groups: through which portals a target is reached
    #[command(subcommand)]
    PortalGroup(PortalGroupVerb),
    /// Sessions: hosts that are logged in
    #[command(subcommand)]
    Session(SessionVerb),
    /// Providers: who makes the objects, plug-ins among them
    #[command(subcommand)]
    Provider(ProviderVerb),
    /// List damage: blocks that were found bad, on which drive, repaired or not
    #[command(after_help = "Example:\n  vds damage --json")]
    Damage,
    /// Watch what happens, one line per event, until Ctrl-C
    #[command(after_help = "Example:\n  vds event --json | jq .")]
    Event,
    /// Print the completion script of a shell
    #[command(
        after_help = "Example:\n  vds completion bash > /usr/share/bash-completion/completions/vds"
    )]
    Completion {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Set limits, then become a plug-in: what the daemon starts
    #[command(hide = true, name = vds_plugin_host::LAUNCHER_VERB, after_help = "Example:\n  vds provider-launcher ORDERS")]
    ProviderLauncher {
        /// What the daemon tells it
        orders: Vec<String>,
    },
    /// Write the manual pages into a directory
    #[command(hide = true, after_help = "Example:\n  vds man /usr/share/man/man1")]
    Man {
        /// Where; it must exist
        directory: PathBuf,
    },
}

const SERVE_EXAMPLE: &str = "\
Examples:
  vds serve                                        /var/lib/vds and /run/vds/vds.sock
  vds serve --data /srv/vds --socket /srv/vds/sock
  vds serve --quickstart ./vds-data                a first array on files, to try things
  vds serve --history-count 500 --history-age 7d   forget sooner what operations did

SIGTERM and Ctrl-C stop it cleanly. NOTIFY_SOCKET is honoured. RUST_LOG sets what is logged.";

/// Arguments of `vds serve`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = SERVE_EXAMPLE)]
pub(crate) struct ServeArgs {
    /// Where the daemon keeps what is its own; drives hold the rest [default: /var/lib/vds]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Make, or find again, a first array on four drive files in this directory
    #[arg(long, value_name = "DIR", conflicts_with = "data")]
    pub(crate) quickstart: Option<PathBuf>,
    /// Keep at most so many operations that have ended; running ones always stay [default: 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) history_count: Option<u32>,
    /// Keep an operation at most so long after its end, such as 12h or 7d [default: 30d]
    #[arg(long, value_name = "TIME", value_parser = values::age)]
    pub(crate) history_age: Option<Duration>,
    /// Log JSON, one object per line
    #[arg(long)]
    pub(crate) log_json: bool,
}
