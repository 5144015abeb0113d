//! The program `vds`: the daemon, and everything else a client of its socket.
//!
//! ```text
//!  vds serve ── daemon ──► vds-service          vds NOUN VERB ── context ──► vds-client ──► the socket
//!                 └─ quickstart                                └─ wait, progress, prompt, output
//! ```
//!
//! # Invariants
//! - Results go to standard output, everything else to standard error; a closed pipe is not an error.
//! - The exit code says how it went: 0 done, 1 failed, 2 usage, 3 not found, 4 conflict or busy, 5 service unreachable,
//!   6 wait ended before the operation, 7 operation cancelled, 8 not permitted.
//! - Nothing is destroyed or opened to everybody without a yes. No secret is taken from, or shown on, a command line.
//!
//! # What is not here
//! No decision about arrays: what may be done is the service's to say.
#![forbid(unsafe_code)]

mod command;
mod context;
mod daemon;
mod failure;
mod manual;
mod output;
mod progress;
mod prompt;
mod quickstart;
mod run;
mod secret;
mod wait;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use command::{CommandLine, Noun, ProviderVerb, ServeArgs};
use context::Context;
use failure::{Failure, complain};

fn main() -> ExitCode {
    if let Some(code) = launcher() {
        return code;
    }
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(error) => return answer_of_parser(&error),
    };
    match act(command_line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell();
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Help and version are results; everything else is a mistake.
fn answer_of_parser(error: &clap::Error) -> ExitCode {
    let text = error.render();
    let text = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A pipe closed by a pager is no error here either.
            return match output::raw(&text.to_string()) {
                Ok(()) | Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
                Err(failure) => ExitCode::from(failure.exit_code()),
            };
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => text.to_string(),
        _ => usage(&text.to_string()),
    };
    complain(&text);
    ExitCode::from(2)
}

/// The parser's words in our form: what happened, then what to do.
fn usage(text: &str) -> String {
    let code = vds_model::HResult::E_INVALIDARG.code();
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let text = text.replace("For more information, try '--help'.", "hint: See --help.");
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    format!("error[{code}]: {}\n", lines.join("\n"))
}

/// The launcher of plug-ins is looked for before anything else: it is what it is started for, word by word.
fn launcher() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(vds_plugin_host::LAUNCHER_VERB) {
        return None;
    }
    let code = vds_plugin_host::run_launcher(arguments);
    Some(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

fn act(command_line: CommandLine) -> Result<(), Failure> {
    let CommandLine { global, noun } = command_line;
    let quickstart =
        || ServeArgs { quickstart: Some(command::QUICKSTART_DATA.into()), ..ServeArgs::default() };
    match noun.unwrap_or_else(|| Noun::Serve(quickstart())) {
        Noun::Completion { shell } => manual::completion(shell),
        Noun::Man { directory } => manual::pages(&directory),
        Noun::ProviderLauncher { .. } => unreachable!("main looks for it first"),
        Noun::Serve(arguments) => daemon::serve(&global, &arguments),
        Noun::Provider(ProviderVerb::Test(arguments)) => run::judge(&arguments, global.json),
        noun => {
            let failed = |source| Failure::Input { path: "runtime".into(), source };
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().build().map_err(failed)?;
            let done = runtime.block_on(run::client(&Context::new(global), noun));
            // A question nobody answered may still be open; it does not keep the program.
            runtime.shutdown_background();
            done
        }
    }
}
