//! `vds provider test`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::provider::GrantArgs;
use super::values;

const EXAMPLE: &str = "\
Examples:
  vds provider test --grant-dir /srv/lab -- /usr/bin/python3 -I -S image_provider.py /srv/lab
  vds provider test --junit report.xml --grant-dir /srv/lab -- ./my-provider /srv/lab
  vds provider test --list

The program is started as the daemon would start it, by the same launcher and as confined: with what
is granted here, and nothing else. Without --unconfined nothing of it runs in any other way.
It makes, changes and deletes LUNs of its own, kills the program again and again, and fills the
arrays to the brim: give it arrays that nobody else uses. LUNs that are there already are left alone.
The exit code is 0 if no check failed.";

/// Arguments of `vds provider test`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct JudgeArgs {
    /// Write the report as JUnit XML, too
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) grants: GrantArgs,
    /// Run it without confinement, with all rights of yours
    #[arg(long)]
    pub(crate) unconfined: bool,
    /// How long an answer may take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = values::duration)]
    pub(crate) answer_time: Duration,
    /// How long an operation may take
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = values::duration)]
    pub(crate) operation_time: Duration,
    /// Only this check and what it builds upon; more than once for more than one
    #[arg(long, value_name = "CHECK")]
    pub(crate) only: Vec<String>,
    /// List the checks and do nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// The program and its arguments
    #[arg(last = true, required_unless_present = "list", value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}
