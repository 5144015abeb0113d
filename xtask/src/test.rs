//! Every test that fits twenty minutes on two cores, counted by level.
//!
//! Cargo builds the executables and this runs them one after the other: so a level that ran nothing, a harness that
//! died in the middle and a test that only said `not run: …` are told from success.

mod clients;
mod executable;
mod level;
mod libtest;
mod needs;
mod totals;

use crate::arguments::Arguments;
use crate::iscsi_suite;
use crate::tree::Tree;
use anyhow::Result;
use executable::{Executable, Ran};
use level::{Level, Properties};
use libtest::Verdict;
use needs::Machine;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use totals::Totals;

/// How long the console stays silent before the next test that ends is told.
const WORTH_A_LINE: Duration = Duration::from_secs(3);

/// What to run.
pub(crate) struct Options {
    levels: Vec<Level>,
    without: Vec<String>,
    is_whole: bool,
}

impl Options {
    /// `--level L` (more than once for more than one), `--without CLIENT` and `--whole`.
    ///
    /// # Errors
    /// When an argument is not understood.
    pub(crate) fn parse(mut arguments: Arguments) -> Result<Self> {
        let mut levels = arguments.values("--level")?;
        let without = arguments.values("--without")?;
        let is_whole = arguments.flag("--whole");
        arguments.end()?;
        if levels.is_empty() {
            levels = Level::ALL.to_vec();
        }
        Ok(Self { levels, without, is_whole })
    }

    /// As with `--whole`: a test that says it needs what this machine has is a failure.
    pub(crate) fn whole(self) -> Self {
        Self { is_whole: true, ..self }
    }

    fn wants(&self, level: Level) -> bool {
        self.levels.contains(&level)
    }
}

/// Runs the tests and prints the totals, whose last line is `N passed, N failed`. True if none failed.
///
/// # Errors
/// When no test could be started: a client is missing, or git or cargo.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    if options.wants(Level::BlackBox) {
        clients::ensure(root, &options.without)?;
    }
    // Which machine it is does not matter where tests may leave out what they like.
    let machine =
        if options.is_whole { Machine::look(&std::env::temp_dir()) } else { Machine::default() };
    let mut totals = Totals::new(&options.levels, &options.without, machine);
    let built = executable::build(root);
    // Building is not testing: the twenty minutes begin here.
    let started = Instant::now();
    match built {
        Ok(executables) => run_all(root, options, &executables, &mut totals)?,
        Err(error) => totals.unbuilt(&format!("{error:#}")),
    }
    Ok(totals.print(started.elapsed()))
}

fn run_all(
    root: &Path,
    options: &Options,
    executables: &[Executable],
    totals: &mut Totals,
) -> Result<()> {
    let properties = Properties::of(&Tree::load(root)?);
    let environment = [(clients::WITHOUT, options.without.join(","))];
    let long = |executable: &Executable| {
        properties.level(&executable.package, executable.target, "").is_long()
    };
    // Quick ones first: a mistake there is told within seconds.
    for executable in executables.iter().filter(|e| !long(e)) {
        run_one(executable, options, &properties, &environment, totals)?;
    }
    if options.wants(Level::Doc) {
        run_doctests(root, totals)?;
    }
    for executable in executables.iter().filter(|e| long(e)) {
        run_one(executable, options, &properties, &environment, totals)?;
    }
    if options.wants(Level::BlackBox) {
        run_iscsi_suite(root, options, totals);
    }
    Ok(())
}

/// The conformance suite counts as one test: the verdicts of its own are in the baseline.
fn run_iscsi_suite(root: &Path, options: &Options, totals: &mut Totals) {
    const NAME: &str = "iscsi-test-cu against tests/iscsi-baseline.tsv";
    println!("{NAME}");
    if options.without.iter().any(|client| client == "iscsi-test-cu") {
        totals.not_run(Level::BlackBox, NAME, "without iscsi-test-cu");
        return;
    }
    match iscsi_suite::run(root, &iscsi_suite::Options::usual()) {
        Ok(true) => totals.passed(Level::BlackBox),
        Ok(false) => totals.failed(Level::BlackBox, NAME, "told above"),
        Err(error) => totals.failed(Level::BlackBox, NAME, &format!("{error:#}")),
    }
}

fn run_one(
    executable: &Executable,
    options: &Options,
    properties: &Properties,
    environment: &[(&str, String)],
    totals: &mut Totals,
) -> Result<()> {
    let level_of = |test: &str| properties.level(&executable.package, executable.target, test);
    let all = executable.tests()?;
    let wanted: Vec<String> =
        all.iter().filter(|test| options.wants(level_of(test))).cloned().collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let only = if wanted.len() == all.len() { &[][..] } else { &wanted };
    let name = format!("{} {}", executable.package, executable.target_name);
    let started = Instant::now();
    let mut told = started;
    let ran = executable.run(only, environment, |test, verdict| {
        // Only what was waited for is worth a line of its own.
        if told.elapsed() >= WORTH_A_LINE {
            let word = if verdict == Verdict::Passed { "ok" } else { "FAILED" };
            println!("    {name} {test} ... {word} (at {:.0} s)", started.elapsed().as_secs_f64());
            told = Instant::now();
        }
    })?;
    report(&name, started, &ran, totals, level_of);
    let silent = wanted.iter().filter(|test| !ran.output.verdicts.contains_key(*test));
    for test in silent {
        totals.broken(&format!("{name} {test}"), "it never ended");
    }
    Ok(())
}

fn run_doctests(root: &Path, totals: &mut Totals) -> Result<()> {
    let started = Instant::now();
    let mut command = Command::new("cargo");
    command
        .args(["test", "--quiet", "--workspace", "--doc", "--no-fail-fast", "--", "--show-output"])
        .args(["--format", "pretty"])
        .current_dir(root);
    let ran = executable::run_harness(&mut command, |_, _| {})?;
    report("documentation", started, &ran, totals, |_| Level::Doc);
    Ok(())
}

fn report(
    name: &str,
    started: Instant,
    ran: &Ran,
    totals: &mut Totals,
    level_of: impl Fn(&str) -> Level,
) {
    let mut passed = 0_usize;
    for (test, &verdict) in &ran.output.verdicts {
        let full_name = format!("{name} {test}");
        let level = level_of(test);
        match (verdict, ran.output.not_run(test)) {
            (Verdict::Passed, Some(reason)) => totals.not_run(level, &full_name, reason),
            (Verdict::Passed, None) => {
                passed += 1;
                totals.passed(level);
            }
            (Verdict::Failed, _) => {
                let printed = ran.output.printed.get(test).map_or("", String::as_str);
                totals.failed(level, &full_name, printed);
            }
            (Verdict::Ignored, _) => {
                totals.failed(level, &full_name, "ignored: let it run, or remove it");
            }
        }
    }
    if let Some(complaint) = &ran.broken {
        totals.broken(name, complaint);
    }
    let seconds = started.elapsed().as_secs_f64();
    let others = ran.output.verdicts.len() - passed;
    let note = if others > 0 { format!(", {others} not") } else { String::new() };
    println!("{name}: {passed} passed{note} ({seconds:.1} s)");
}
