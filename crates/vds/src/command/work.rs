//! `vds operation`.

use clap::Subcommand;

/// Verbs of `vds operation`.
#[derive(Debug, Subcommand)]
pub(crate) enum OperationVerb {
    /// List operations, the newest last
    #[command(
        after_help = "Examples:\n  vds operation list\n  vds operation list --running\n  vds operation list --watch"
    )]
    List {
        /// Show them live until Ctrl-C
        #[arg(long)]
        watch: bool,
        /// Only those that have not ended
        #[arg(long)]
        running: bool,
    },
    /// Show one operation
    #[command(after_help = "Example:\n  vds operation show 0b7c")]
    Show {
        /// Its id, or the beginning of it
        operation: String,
    },
    /// Wait for an operation's end; exit with its outcome
    #[command(after_help = "Example:\n  vds operation wait 0b7c --timeout 10m")]
    Wait {
        /// Its id, or the beginning of it
        operation: String,
    },
    /// Cancel an operation; it may be too late
    #[command(after_help = "Example:\n  vds operation cancel 0b7c")]
    Cancel {
        /// Its id, or the beginning of it
        operation: String,
    },
    /// Hold background work
    #[command(after_help = "Example:\n  vds operation pause 0b7c")]
    Pause {
        /// Its id, or the beginning of it
        operation: String,
    },
    /// Let held work go on
    #[command(after_help = "Example:\n  vds operation resume 0b7c")]
    Resume {
        /// Its id, or the beginning of it
        operation: String,
    },
    /// Say how urgent background work is
    #[command(after_help = "Example:\n  vds operation priority 0b7c 12")]
    Priority {
        /// Its id, or the beginning of it
        operation: String,
        /// 0 (lowest) to 15
        #[arg(value_parser = clap::value_parser!(u8).range(0..=15))]
        priority: u8,
    },
}
