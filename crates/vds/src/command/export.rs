//! `vds target`, `vds portal`, `vds portal-group` and `vds session`: how hosts reach LUNs.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::values;

const CHAP_EXAMPLE: &str = "\
Examples:
  vds target set db --chap-user host1 --chap-secret-file /etc/vds/host1.secret
  pwgen 16 1 | vds target set db --chap-user host1 --chap-secret-file -
  vds target set db --chap-user host1 --chap-secret-file h.secret --mutual-user array --mutual-secret-file a.secret

A secret is 12 to 16 bytes; the newline at the file's end is not part of it. - reads standard input.
Secrets are kept on the array's drives, so that they move with it.";

/// Secrets of a target; each from a file, never from the command line.
#[derive(Debug, Args)]
pub(crate) struct ChapArgs {
    /// The name initiators log in with
    #[arg(long, value_name = "USER")]
    pub(crate) chap_user: String,
    /// File with their secret, - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) chap_secret_file: PathBuf,
    /// The name the target proves itself by (mutual CHAP)
    #[arg(long, value_name = "USER", requires = "mutual_secret_file")]
    pub(crate) mutual_user: Option<String>,
    /// File with the target's own secret, - for standard input
    #[arg(long, value_name = "FILE", requires = "mutual_user")]
    pub(crate) mutual_secret_file: Option<PathBuf>,
}

const PORTAL_GROUP_EXAMPLE: &str = "\
Example:
  vds portal-group create db
  vds portal-group add 0197d3c0 10.0.0.5:3260

Without a group that was made for it a target is reached through every portal. From the first one on
hosts reach it only through the portals that are put into its groups, each in one of them.";

const SECRET_EXAMPLE: &str = "\
Examples:
  vds target set-secret db --initiator iqn.2025-01.org.example:host1 --secret-file host1.secret
  vds target set-secret db --initiator iqn.2025-01.org.example:host1 --secret-file array.secret --mutual
  vds target set-secret db --initiator iqn.2025-01.org.example:host1 --clear

An initiator's own secret takes the place of the one for everybody; its CHAP name is then its iSCSI name.
Without --initiator the secret is for everybody who has none of their own, under any CHAP name.";

/// One secret of a target.
#[derive(Debug, Args)]
pub(crate) struct SecretArgs {
    /// The initiator it is for [default: everybody]
    #[arg(long, value_name = "IQN")]
    pub(crate) initiator: Option<String>,
    /// File with the secret, - for standard input
    #[arg(long, value_name = "FILE", required_unless_present = "clear")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Take the secret away
    #[arg(long, conflicts_with = "secret_file")]
    pub(crate) clear: bool,
    /// The secret is the one the target proves itself with (mutual CHAP)
    #[arg(long)]
    pub(crate) mutual: bool,
}

/// Verbs of `vds target`.
#[derive(Debug, Subcommand)]
pub(crate) enum TargetVerb {
    /// List targets
    #[command(after_help = "Example:\n  vds target list")]
    List,
    /// Show one target: its LUNs, its CHAP user, its portals
    #[command(after_help = "Example:\n  vds target show db")]
    Show {
        /// Name, iSCSI name or id
        target: String,
    },
    /// Make a target
    #[command(after_help = "Example:\n  vds target create db --iqn iqn.2025-01.org.example:db")]
    Create {
        /// The new target's name
        name: String,
        /// Its iSCSI name [default: one is made]
        #[arg(long, value_name = "IQN")]
        iqn: Option<String>,
        /// In which array; may be left out where there is only one
        #[arg(long, value_name = "NAME")]
        subsystem: Option<String>,
    },
    /// Delete a target without LUNs
    #[command(after_help = "Example:\n  vds target delete db --yes")]
    Delete {
        /// Name, iSCSI name or id
        target: String,
    },
    /// Ask initiators for a secret (CHAP)
    #[command(after_help = CHAP_EXAMPLE)]
    Set {
        /// Name, iSCSI name or id
        target: String,
        #[command(flatten)]
        chap: ChapArgs,
    },
    /// Set or take away one secret, and leave the others
    #[command(name = "set-secret", after_help = SECRET_EXAMPLE)]
    SetSecret {
        /// Name, iSCSI name or id
        target: String,
        #[command(flatten)]
        secret: SecretArgs,
    },
    /// Give a target another name: what initiators are told as its alias
    #[command(after_help = "Example:\n  vds target rename db cluster")]
    Rename {
        /// Name, iSCSI name or id
        target: String,
        /// The new name
        name: String,
    },
    /// Ask initiators for no secret any more
    #[command(name = "clear-chap", after_help = "Example:\n  vds target clear-chap db --yes")]
    ClearChap {
        /// Name, iSCSI name or id
        target: String,
    },
}

/// Verbs of `vds portal`.
#[derive(Debug, Subcommand)]
pub(crate) enum PortalVerb {
    /// List portals
    #[command(after_help = "Example:\n  vds portal list")]
    List,
    /// Listen on one more address
    #[command(
        after_help = "Examples:\n  vds portal add 10.0.0.5:3260\n  vds portal add 10.0.0.5 --announce 192.0.2.7:3260"
    )]
    Add {
        /// Address and port, the port being 3260 where none is given
        #[arg(value_name = "ADDR:PORT", value_parser = values::address)]
        listen: SocketAddr,
        /// The address to tell initiators, where theirs is another (behind NAT)
        #[arg(long, value_name = "ADDR:PORT", value_parser = values::address)]
        announce: Option<SocketAddr>,
        /// For which array; may be left out where there is only one
        #[arg(long, value_name = "NAME")]
        subsystem: Option<String>,
    },
    /// Listen on an address no more
    #[command(after_help = "Example:\n  vds portal remove 10.0.0.5:3260 --yes")]
    Remove {
        /// Address or id
        portal: String,
    },
}

/// Verbs of `vds portal-group`.
#[derive(Debug, Subcommand)]
pub(crate) enum PortalGroupVerb {
    /// List portal groups
    #[command(after_help = "Example:\n  vds portal-group list")]
    List,
    /// Make a portal group for a target, with no portal in it
    #[command(after_help = PORTAL_GROUP_EXAMPLE)]
    Create {
        /// Name, iSCSI name or id of the target
        target: String,
    },
    /// Delete a portal group without portals
    #[command(after_help = "Example:\n  vds portal-group delete 0197d3c0")]
    Delete {
        /// Id
        group: String,
    },
    /// Put a portal into a portal group
    #[command(after_help = "Example:\n  vds portal-group add 0197d3c0 10.0.0.5:3260")]
    Add {
        /// Id
        group: String,
        /// Address or id of the portal
        portal: String,
    },
    /// Take a portal out of a portal group
    #[command(after_help = "Example:\n  vds portal-group remove 0197d3c0 10.0.0.5:3260 --yes")]
    Remove {
        /// Id
        group: String,
        /// Address or id of the portal
        portal: String,
    },
}

/// Verbs of `vds session`.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionVerb {
    /// List hosts that are logged in
    #[command(after_help = "Example:\n  vds session list")]
    List,
}
