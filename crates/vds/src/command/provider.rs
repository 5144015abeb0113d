//! `vds provider`: who makes the objects, plug-ins among them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use vds_model::Bytes;

use super::values;

const ADD_EXAMPLE: &str = "\
Examples:
  vds provider add shelf --grant-dir /srv/shelf -- /usr/bin/python3 /opt/shelf/plugin.py /srv/shelf
  vds provider add san --network --memory 256MiB --deadline 10s -- /opt/san/provider

The program is executed by the daemon, with its rights, and confined: it reaches what is granted and
nothing else. docs/provider-protocol.md says what it has to do. Only root adds providers.";

/// Verbs of `vds provider`.
#[derive(Debug, Subcommand)]
pub(crate) enum ProviderVerb {
    /// List providers
    #[command(after_help = "Example:\n  vds provider list")]
    List,
    /// Show one provider: its process, what confines it, what it can do, the last it said
    #[command(after_help = "Example:\n  vds provider show shelf")]
    Show {
        /// Name or id
        provider: String,
    },
    /// Register a plug-in provider and start it
    #[command(after_help = ADD_EXAMPLE)]
    Add(AddProviderArgs),
    /// Let go of a plug-in provider: its LUNs are no longer served, what it keeps stays as it is
    #[command(after_help = "Example:\n  vds provider remove shelf")]
    Remove {
        /// Name or id
        provider: String,
    },
    /// End the process of a plug-in provider and start it again at once
    #[command(after_help = "Example:\n  vds provider restart shelf\n\n\
        LUNs stay in service meanwhile. One that took no more writes is opened anew. What the\n\
        provider did wrong before is forgotten.")]
    Restart {
        /// Name or id
        provider: String,
    },
    /// Judge a plug-in provider: does its program keep what the protocol promises?
    Test(Box<super::JudgeArgs>),
}

/// What a plug-in is granted.
#[derive(Debug, Clone, Args)]
pub(crate) struct GrantArgs {
    /// A folder, file or device it may read and write; repeat for more
    #[arg(long = "grant-dir", value_name = "PATH")]
    pub(crate) directories: Vec<PathBuf>,
    /// A folder or file it may read and execute beside the system's programs; repeat for more
    #[arg(long = "read-dir", value_name = "PATH")]
    pub(crate) readable: Vec<PathBuf>,
    /// Let it open sockets of the network
    #[arg(long)]
    pub(crate) network: bool,
    /// Most memory it may have [default: 512MiB]
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub(crate) memory: Option<Bytes>,
}

/// Arguments of `vds provider add`.
#[derive(Debug, Args)]
pub(crate) struct AddProviderArgs {
    /// Its name: the one in lists and commands
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) grants: GrantArgs,
    /// How long an answer of it may take before it is killed [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub(crate) deadline: Option<Duration>,
    /// How long short work of it may show nothing new before it ends failed [default: 2m]
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub(crate) stall: Option<Duration>,
    /// Run it without confinement, with all rights of the daemon
    #[arg(long)]
    pub(crate) unconfined: bool,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}
