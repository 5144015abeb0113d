//! `vds subsystem` and `vds drive`: arrays and what they stand on.

use std::path::PathBuf;

use clap::{Args, Subcommand};

const CREATE_EXAMPLE: &str = "\
Examples:
  vds subsystem create main --drive /dev/sdb --drive /dev/sdc
  vds subsystem create lab --drive /srv/d1.img --drive /srv/d2.img

A plain file must exist with its size, made for instance by: truncate -s 100GiB /srv/d1.img
Drives that carry data are refused; --wipe destroys what they carry.";

/// Verbs of `vds subsystem`.
#[derive(Debug, Subcommand)]
pub(crate) enum SubsystemVerb {
    /// List arrays
    #[command(after_help = "Example:\n  vds subsystem list")]
    List,
    /// Show one array
    #[command(after_help = "Example:\n  vds subsystem show main")]
    Show {
        /// Name or id; may be left out where there is only one
        subsystem: Option<String>,
    },
    /// Make an array on drives
    #[command(after_help = CREATE_EXAMPLE)]
    Create {
        /// The new array's name
        name: String,
        /// A drive: block device or plain file; repeat for more
        #[arg(long = "drive", value_name = "PATH", required = true)]
        drives: Vec<PathBuf>,
        /// Destroy what the drives carry
        #[arg(long)]
        wipe: bool,
    },
    /// Read and verify everything on an array, and mend what another copy has
    #[command(after_help = "Example:\n  vds subsystem scrub main --no-wait\n\n\
        What was found is listed by `vds damage`.")]
    Scrub {
        /// Name or id; may be left out where there is only one
        subsystem: Option<String>,
    },
    /// Give an array another name
    #[command(after_help = "Example:\n  vds subsystem rename main archive")]
    Rename {
        /// Name or id
        subsystem: String,
        /// The new name
        name: String,
    },
    /// Open an array that does not open by itself because drives are missing
    #[command(after_help = "Example:\n  vds subsystem open main --without d2\n\n\
        Drives left out are expelled: they come back as empty ones.")]
    Open {
        /// Name or id
        subsystem: String,
        /// A drive to do without, by name or id; repeat for more
        #[arg(long, value_name = "DRIVE", required = true)]
        without: Vec<String>,
    },
}

/// A drive to be taken in.
#[derive(Debug, Args)]
pub(crate) struct NewDriveArgs {
    /// Path of a block device or a plain file
    pub(crate) path: PathBuf,
    /// Destroy what the drive carries
    #[arg(long)]
    pub(crate) wipe: bool,
    /// Serial number of the drive meant, checked before it is wiped
    #[arg(long, value_name = "S", requires = "wipe")]
    pub(crate) serial: Option<String>,
    /// Into which array; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    pub(crate) subsystem: Option<String>,
}

/// Verbs of `vds drive`.
#[derive(Debug, Subcommand)]
pub(crate) enum DriveVerb {
    /// List the drives of all arrays
    #[command(after_help = "Examples:\n  vds drive list\n  vds drive list --available")]
    List {
        /// List the machine's block devices instead, and what stands in the way of their use
        #[arg(long)]
        available: bool,
    },
    /// Show one drive and what lies on it
    #[command(after_help = "Example:\n  vds drive show d3")]
    Show {
        /// Name, path or id
        drive: String,
    },
    /// Take a drive into an array
    #[command(
        after_help = "Examples:\n  vds drive add /dev/sdd\n  vds drive add /dev/sdd --wipe --serial ZX1A2B3C"
    )]
    Add(NewDriveArgs),
    /// Declare a drive failed: it is used no more, redundant LUNs go on without it
    #[command(after_help = "Example:\n  vds drive fail d3 --yes")]
    Fail {
        /// Name, path or id
        drive: String,
    },
    /// Keep a drive as a hot spare
    #[command(after_help = "Examples:\n  vds drive spare d4\n  vds drive spare d4 --off")]
    Spare {
        /// Name, path or id
        drive: String,
        /// Use it for data again
        #[arg(long)]
        off: bool,
    },
    /// Release an empty drive from its array
    #[command(after_help = "Example:\n  vds drive remove d4 --yes")]
    Remove {
        /// Name, path or id
        drive: String,
    },
}
