//! `vds pool`: the capacity that LUNs come from.

use clap::Subcommand;

/// Verbs of `vds pool`.
#[derive(Debug, Subcommand)]
pub(crate) enum PoolVerb {
    /// List the storage pools of all arrays
    #[command(after_help = "Example:\n  vds pool list")]
    List,
    /// Show one storage pool, its drives and LUNs
    #[command(after_help = "Example:\n  vds pool show main\n\n\
        The pool of an array that has no other is called as the array is.")]
    Show {
        /// Name or id
        pool: String,
    },
}
