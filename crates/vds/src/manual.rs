//! Shell completion and manual pages, both made from the command tree.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::command::CommandLine;
use crate::failure::Failure;
use crate::output;

/// Prints a shell's completion script.
///
/// # Errors
/// Of the output.
pub(crate) fn completion(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "vds", &mut script);
    output::raw(&String::from_utf8_lossy(&script))
}

/// Writes one page for each command, `vds-lun-create.1` and so on, into a directory that exists.
///
/// # Errors
/// [`Failure::Input`] when a page cannot be written; those before it are.
pub(crate) fn pages(directory: &Path) -> Result<(), Failure> {
    clap_mangen::generate_to(CommandLine::command(), directory)
        .map_err(|source| Failure::Input { path: directory.to_owned(), source })
}
