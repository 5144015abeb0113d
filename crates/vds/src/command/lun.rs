//! `vds lun` and `vds plex`.

use clap::{Args, Subcommand, ValueEnum};
use vds_model::{Bytes, LunType, UnmaskingList};

use super::values;

const CREATE_EXAMPLE: &str = "\
Examples:
  vds lun create db1 --type mirror --size 20GiB --unmask iqn.2025-01.org.example:db
  vds lun create scratch --type stripe --columns 4 --size 1TB --plan
  vds lun create vm7 --size 40GiB --hint mostly-reads --hint stripe=1MiB --no-wait

Sizes are exact: 20GB is 20000000000 bytes, 20GiB is 21474836480.
Without --unmask nobody sees the LUN. --plan shows drives, space and risks and changes nothing.
simple, span and stripe lose what lay on a lost drive.";

const UNMASK_EXAMPLE: &str = "\
Examples:
  vds lun unmask db1 iqn.2025-01.org.example:c
  vds lun unmask db1 --remove iqn.2025-01.org.example:a";

const MASK_EXAMPLE: &str = "\
Examples:
  vds lun mask db1 'iqn.2025-01.org.example:a;iqn.2025-01.org.example:b'
  vds lun mask db1 ''                              nobody
  vds lun mask db1 '*'                             everybody who reaches a portal";

/// Types that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TypeName {
    /// The array decides, helped by hints
    Default,
    /// Anything that survives the loss of a drive
    FaultTolerant,
    /// Anything without redundancy
    NonFaultTolerant,
    /// On one drive
    Simple,
    /// On several drives, one after the other
    Span,
    /// Striped over several drives
    Stripe,
    /// Copies on several drives
    Mirror,
}

impl TypeName {
    /// VDS's type.
    pub(crate) fn lun_type(self) -> LunType {
        match self {
            Self::Default => LunType::Default,
            Self::FaultTolerant => LunType::FaultTolerant,
            Self::NonFaultTolerant => LunType::NonFaultTolerant,
            Self::Simple => LunType::Simple,
            Self::Span => LunType::Span,
            Self::Stripe => LunType::Stripe,
            Self::Mirror => LunType::Mirror,
        }
    }
}

/// When writes are acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CachingName {
    /// Before they are durable; a flush makes them so
    WriteBack,
    /// Once they are durable
    WriteThrough,
}

/// What decides how a LUN lies on the drives.
#[derive(Debug, Args)]
pub(crate) struct LayoutArgs {
    /// What it is to be
    #[arg(long = "type", value_name = "TYPE", default_value = "default")]
    pub(crate) lun_type: TypeName,
    /// A drive to use, by name or id, in this order; repeat for more
    #[arg(long = "drive", value_name = "DRIVE")]
    pub(crate) drives: Vec<String>,
    /// Copies of a mirror, 2 to 4
    #[arg(long, value_name = "N")]
    pub(crate) copies: Option<u16>,
    /// Data columns of a stripe
    #[arg(long, value_name = "N")]
    pub(crate) columns: Option<u16>,
    /// A wish, such as mostly-reads or stripe=1MiB; repeat for more
    #[arg(long = "hint", value_name = "K[=V]", value_parser = values::hint)]
    pub(crate) hints: Vec<String>,
    /// In which array; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    pub(crate) subsystem: Option<String>,
    /// In which storage pool, which tells the array too
    #[arg(long, value_name = "NAME")]
    pub(crate) pool: Option<String>,
}

/// Arguments of `vds lun create`.
#[derive(Debug, Args)]
pub(crate) struct CreateLunArgs {
    /// The new LUN's name
    pub(crate) name: String,
    /// Its size, such as 20GiB
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub(crate) size: Bytes,
    #[command(flatten)]
    pub(crate) layout: LayoutArgs,
    /// Who sees it: initiator names joined by semicolons, or * for everybody [default: nobody]
    #[arg(long, value_name = "LIST", value_parser = values::unmasking)]
    pub(crate) unmask: Option<UnmaskingList>,
    /// Bytes of a sector, as hosts see it
    #[arg(long, value_name = "512|4096", value_parser = ["512", "4096"])]
    pub(crate) sector: Option<String>,
    /// When writes are acknowledged
    #[arg(long, value_name = "POLICY")]
    pub(crate) caching: Option<CachingName>,
    /// The iSCSI name it is reached by: an existing target's or a new one [default: a new one, or none where the
    /// provider makes no targets]
    #[arg(long, value_name = "IQN")]
    pub(crate) target: Option<String>,
    /// Show what would be done; change nothing
    #[arg(long)]
    pub(crate) plan: bool,
}

/// Arguments of `vds lun set`.
#[derive(Debug, Args)]
#[group(id = "what", required = true, multiple = true)]
pub(crate) struct SetLunArgs {
    /// When writes are acknowledged
    #[arg(long, value_name = "POLICY", group = "what")]
    pub(crate) caching: Option<CachingName>,
    /// A wish that replaces the ones so far; repeat for more
    #[arg(long = "hint", value_name = "K[=V]", value_parser = values::hint, group = "what")]
    pub(crate) hints: Vec<String>,
    /// Serve it to hosts
    #[arg(long, group = "what", conflicts_with = "offline")]
    pub(crate) online: bool,
    /// Serve it no more, keeping everything
    #[arg(long, group = "what")]
    pub(crate) offline: bool,
    /// Reach it through this target from now on, by name, iSCSI name or id
    #[arg(long, value_name = "TARGET", group = "what", conflicts_with = "no_target")]
    pub(crate) target: Option<String>,
    /// Reach it through no target from now on
    #[arg(long, group = "what")]
    pub(crate) no_target: bool,
}

/// Verbs of `vds lun`.
#[derive(Debug, Subcommand)]
pub(crate) enum LunVerb {
    /// List LUNs
    #[command(after_help = "Example:\n  vds lun list")]
    List,
    /// Show one LUN: layout, masks, plexes, how hosts reach it
    #[command(after_help = "Example:\n  vds lun show db1")]
    Show {
        /// Name or id
        lun: String,
    },
    /// Make a LUN
    #[command(after_help = CREATE_EXAMPLE)]
    Create(Box<CreateLunArgs>),
    /// Tell how large a LUN could be made
    #[command(
        name = "max-size",
        after_help = "Example:\n  vds lun max-size --type mirror --copies 3"
    )]
    MaxSize(Box<LayoutArgs>),
    /// Tell by how much a LUN could be extended
    #[command(
        name = "max-extension",
        after_help = "Example:\n  vds lun max-extension db1 --drive d3"
    )]
    MaxExtension {
        /// Name or id
        lun: String,
        /// A drive to extend on; repeat for more
        #[arg(long = "drive", value_name = "DRIVE")]
        drives: Vec<String>,
    },
    /// Make a LUN larger at its end; its data stays where it is
    #[command(after_help = "Example:\n  vds lun extend db1 --by 10GiB --no-wait")]
    Extend {
        /// Name or id
        lun: String,
        /// By how much, such as 10GiB
        #[arg(long, value_name = "SIZE", value_parser = values::size)]
        by: Bytes,
        /// A drive to use first, by name or id; repeat for more
        #[arg(long = "drive", value_name = "DRIVE")]
        drives: Vec<String>,
    },
    /// Delete a LUN and its data
    #[command(after_help = "Example:\n  vds lun delete scratch --yes")]
    Delete {
        /// Name or id
        lun: String,
        /// Even while hosts use it
        #[arg(long)]
        force: bool,
    },
    /// Say who sees a LUN, replacing the list so far
    #[command(after_help = MASK_EXAMPLE)]
    Mask {
        /// Name or id
        lun: String,
        /// Initiator names joined by semicolons; * for everybody; empty for nobody
        #[arg(value_parser = values::unmasking)]
        list: UnmaskingList,
    },
    /// Let more initiators see a LUN, or fewer, keeping the rest of the list
    #[command(after_help = UNMASK_EXAMPLE)]
    Unmask {
        /// Name or id
        lun: String,
        /// Initiator names joined by semicolons, or * for everybody
        #[arg(value_parser = values::unmasking, required_unless_present = "remove")]
        add: Option<UnmaskingList>,
        /// Initiators that are to see it no longer
        #[arg(long, value_name = "LIST", value_parser = values::unmasking)]
        remove: Option<UnmaskingList>,
    },
    /// Give a LUN another name
    #[command(after_help = "Example:\n  vds lun rename db1 db-old")]
    Rename {
        /// Name or id
        lun: String,
        /// The new name
        name: String,
    },
    /// Bring a LUN back to full redundancy
    #[command(after_help = "Example:\n  vds lun recover db1 --timeout 1h")]
    Recover {
        /// Name or id
        lun: String,
    },
    /// Add one more copy to a LUN
    #[command(
        name = "add-plex",
        after_help = "Examples:\n  vds lun add-plex db1\n  vds lun add-plex db1 --drive d5\n  vds lun add-plex db1 --absorb db2 --yes"
    )]
    AddPlex {
        /// Name or id
        lun: String,
        /// A drive to put it on, by name or id; repeat for more
        #[arg(long = "drive", value_name = "DRIVE")]
        drives: Vec<String>,
        /// A LUN to put it in the place of, by name or id; that LUN ends, with all its data
        #[arg(long, value_name = "LUN", conflicts_with = "drives")]
        absorb: Option<String>,
    },
    /// Take one copy from a LUN
    #[command(
        name = "remove-plex",
        after_help = "Example:\n  vds lun show db1\n  vds lun remove-plex 6f1c2a7e-5a31-4b0e-9d6c-0d8a3c8f9b10 --yes"
    )]
    RemovePlex {
        /// The plex's id, or the beginning of it
        plex: String,
    },
    /// Change caching, hints, its target or whether it is served
    #[command(
        after_help = "Examples:\n  vds lun set db1 --caching write-through\n  vds lun set db1 --offline\n  \
                      vds lun set db1 --target cluster"
    )]
    Set {
        /// Name or id
        lun: String,
        #[command(flatten)]
        change: SetLunArgs,
    },
}

/// Verbs of `vds plex`.
#[derive(Debug, Subcommand)]
pub(crate) enum PlexVerb {
    /// List the plexes of all LUNs, or of one
    #[command(after_help = "Example:\n  vds plex list --lun db1")]
    List {
        /// Only of this LUN, by name or id
        #[arg(long, value_name = "LUN")]
        lun: Option<String>,
    },
    /// Show one plex and the drives it lies on
    #[command(after_help = "Example:\n  vds plex show 6f1c2a7e")]
    Show {
        /// The plex's id, or the beginning of it
        plex: String,
    },
}
