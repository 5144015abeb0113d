//! `vds provider test`: the checks of `vds-conformance`, told as they end. No service is asked.

use std::path::{Path, PathBuf};

use serde::Serialize;
use vds_conformance::{Options, Outcome, Report, Verdict, checks};
use vds_plugin_host::{MEMORY_BYTES_DEFAULT, Orders};

use super::executable;
use crate::command::JudgeArgs;
use crate::failure::Failure;
use crate::output;

/// The very program that runs, which is the launcher, too.
const LAUNCHER: &str = "/proc/self/exe";

/// A check as JSON.
#[derive(Serialize)]
struct OutcomeJson<'a> {
    name: &'a str,
    promise: &'a str,
    verdict: &'a str,
    reason: Option<&'a str>,
    took_ms: u128,
    log: &'a [String],
}

impl<'a> From<&'a Outcome> for OutcomeJson<'a> {
    fn from(outcome: &'a Outcome) -> Self {
        let (verdict, reason) = match &outcome.verdict {
            Verdict::Passed { note } => ("passed", note.as_deref()),
            Verdict::Failed { reason } => ("failed", Some(reason.as_str())),
            Verdict::Skipped { reason } => ("skipped", Some(reason.as_str())),
        };
        Self {
            name: outcome.name,
            promise: outcome.promise,
            verdict,
            reason,
            took_ms: outcome.took.as_millis(),
            log: &outcome.log,
        }
    }
}

/// Judges a provider.
///
/// # Errors
/// A check failed, or it could not be begun.
pub(crate) fn judge(arguments: &JudgeArgs, is_json: bool) -> Result<(), Failure> {
    if arguments.list {
        return checks()
            .try_for_each(|(name, promise)| output::line(&format!("{name:<24} {promise}")));
    }
    let options = options(arguments)?;
    // A reader that goes away does not end the checks: what they made is to be deleted.
    let mut told = Ok(());
    let report = vds_conformance::run(&options, |outcome| {
        if told.is_ok() && !is_json {
            told = tell(outcome);
        }
    });
    if let Some(path) = &arguments.junit {
        std::fs::write(path, report.junit())
            .map_err(|source| Failure::Input { path: path.clone(), source })?;
    }
    told?;
    if is_json {
        output::json(&report.outcomes.iter().map(OutcomeJson::from).collect::<Vec<_>>())?;
    } else {
        output::line(&report.totals())?;
    }
    verdict(&report)
}

fn tell(outcome: &Outcome) -> Result<(), Failure> {
    output::line(&output::shown(&outcome.line()))?;
    if matches!(outcome.verdict, Verdict::Failed { .. }) {
        for line in &outcome.log {
            output::line(&format!("     | {}", output::shown(line)))?;
        }
    }
    Ok(())
}

fn verdict(report: &Report) -> Result<(), Failure> {
    let (failed, all) = (report.failed().len(), report.outcomes.len());
    if failed == 0 { Ok(()) } else { Err(Failure::Judged { failed, all }) }
}

fn options(arguments: &JudgeArgs) -> Result<Options, Failure> {
    let unknown =
        arguments.only.iter().find(|name| !checks().any(|(known, _)| known == name.as_str()));
    if let Some(name) = unknown {
        let message = format!("there is no check {name:?}: vds provider test --list");
        return Err(Failure::NotFound { message });
    }
    let command = executable::whole(arguments.command.clone())?;
    let program = command.first().map_or("", String::as_str);
    if !Path::new(program).is_file() {
        return Err(Failure::NotFound { message: format!("there is no program {program}") });
    }
    Ok(Options {
        launcher: PathBuf::from(LAUNCHER),
        orders: Orders {
            command,
            directories: places(&arguments.grants.directories)?,
            readable: places(&arguments.grants.readable)?,
            network: arguments.grants.network,
            memory_bytes: arguments.grants.memory.map_or(MEMORY_BYTES_DEFAULT, |memory| memory.0),
            is_unconfined: arguments.unconfined,
        },
        answer: arguments.answer_time,
        operation: arguments.operation_time,
        only: arguments.only.clone(),
    })
}

/// Granted places, which have to be there.
fn places(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let found = paths.iter().map(|path| {
        std::fs::canonicalize(path).map_err(|source| Failure::Input { path: path.clone(), source })
    });
    found.collect()
}
