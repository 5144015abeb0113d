//! The conformance suite of libiscsi against one target, each test in a process of its own, compared with the committed
//! verdicts.
//!
//! A process each, because the suite stops at a test that hangs, counts a skipped test as passed, and a test that breaks
//! off leaves its reservation behind. It overwrites the LUN. Without an address it starts a daemon of its own, which has
//! to outlive the suite.

mod array;
mod baseline;
mod verdict;

use crate::arguments::Arguments;
use crate::process;
use anyhow::{Context, Result, bail};
use array::Array;
use baseline::Baseline;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use verdict::{Run, Verdict};

/// Where the verdicts are kept, from the root.
pub(crate) const BASELINE: &str = "tests/iscsi-baseline.tsv";
const LOG: &str = "target/iscsi-suite.log";
const LIMIT_SECONDS: u64 = 60;

/// What to run against what.
pub(crate) struct Options {
    /// The LUN; a second address of it turns the multipath tests on. None: a LUN on a daemon of our own.
    pub(crate) urls: Vec<String>,
    /// Suites, or tests as `Suite.Test`; none means all.
    pub(crate) only: Vec<String>,
    /// For one test.
    pub(crate) limit: Duration,
    /// A shell command that starts the target anew after an error or a hang; the test is then tried once more.
    pub(crate) restart: Option<String>,
    /// Whether to write what was seen as the new baseline.
    pub(crate) renew: bool,
    /// The baseline, from the root.
    pub(crate) baseline: PathBuf,
}

impl Options {
    /// `[--url URL [--url URL2]] [--only SUITE[.TEST]] [--limit SECONDS] [--restart COMMAND] [--baseline FILE] [--renew]`.
    ///
    /// # Errors
    /// When an argument is not understood.
    pub(crate) fn parse(mut arguments: Arguments) -> Result<Self> {
        let options = Self {
            urls: arguments.values("--url")?,
            only: arguments.values("--only")?,
            limit: Duration::from_secs(arguments.value("--limit")?.unwrap_or(LIMIT_SECONDS)),
            restart: arguments.value("--restart")?,
            renew: arguments.flag("--renew"),
            baseline: arguments.value("--baseline")?.unwrap_or_else(|| BASELINE.into()),
        };
        arguments.end()?;
        Ok(options)
    }

    /// All tests, on a daemon of our own, compared with the committed baseline.
    pub(crate) fn usual() -> Self {
        Self {
            urls: Vec::new(),
            only: Vec::new(),
            limit: Duration::from_secs(LIMIT_SECONDS),
            restart: None,
            renew: false,
            baseline: BASELINE.into(),
        }
    }

    fn wants(&self, name: &str) -> bool {
        let suite = name.split('.').next().unwrap_or(name);
        self.only.is_empty() || self.only.iter().any(|only| only == name || only == suite)
    }
}

/// Runs the suite, tells the totals and every difference. True if there is none.
///
/// # Errors
/// When the suite is not installed, the baseline cannot be read or written, nothing was to run, or our own daemon died.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    if !options.urls.is_empty() {
        return run_against(root, options, &options.urls);
    }
    let array = Array::start(root)?;
    let urls = [array.make_lun()?];
    let is_same = run_against(root, options, &urls)?;
    array.stop()?;
    Ok(is_same)
}

fn run_against(root: &Path, options: &Options, urls: &[String]) -> Result<bool> {
    let all = list(root)?;
    let tests: Vec<String> = all.iter().filter(|name| options.wants(name)).cloned().collect();
    if tests.is_empty() {
        bail!("no test of the suite has that name; `iscsi-test-cu -l` lists them");
    }
    let path = root.join(&options.baseline);
    let mut baseline = read_baseline(&path)?;
    let log_path = root.join(LOG);
    std::fs::create_dir_all(root.join("target")).context("making the target folder")?;
    let mut log = File::create(&log_path).with_context(|| format!("writing {LOG}"))?;

    let started = Instant::now();
    let mut seen = BTreeMap::new();
    for name in &tests {
        let run = run_with_retry(root, name, options, urls)?;
        let verdict = run.verdict();
        writeln!(log, "##### {name} {verdict}\n{}", run.text).context("writing the log")?;
        if !matches!(verdict, Verdict::Passed | Verdict::Skipped) {
            println!("    {name}: {verdict}: {}", run.reason());
        }
        seen.insert(name.clone(), verdict);
    }
    tell_totals(&seen, started.elapsed());
    println!("everything they printed: {LOG}");

    let broken = seen.values().any(|verdict| verdict.is_broken());
    if options.renew && !broken {
        baseline.renew(&seen);
        baseline.keep_only(&all);
        std::fs::write(&path, baseline.text())
            .with_context(|| format!("writing {}", path.display()))?;
        println!("{} is new", options.baseline.display());
        return Ok(true);
    }
    let differences = baseline.differences(&seen, options.only.is_empty());
    for line in &differences {
        println!("differs: {line}");
    }
    if differences.iter().any(|line| line.ends_with("renew")) {
        println!("to renew: cargo xtask iscsi-suite --renew");
    }
    Ok(differences.is_empty() && !broken)
}

fn read_baseline(path: &Path) -> Result<Baseline> {
    match std::fs::read_to_string(path) {
        Ok(text) => Baseline::parse(&text).with_context(|| format!("in {}", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Baseline::default()),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

/// Every test as `Suite.Test`. The list holds each several times, by family; `ALL` has them once.
fn list(root: &Path) -> Result<Vec<String>> {
    let text = process::output(root, "iscsi-test-cu", &["-l"])?;
    let tests = text.lines().filter_map(|line| line.trim().strip_prefix("ALL."));
    Ok(tests.filter(|name| name.contains('.')).map(str::to_owned).collect())
}

fn run_with_retry(root: &Path, name: &str, options: &Options, urls: &[String]) -> Result<Run> {
    let run = run_once(name, options, urls)?;
    let Some(restart) = options.restart.as_ref().filter(|_| run.verdict().is_broken()) else {
        return Ok(run);
    };
    println!("    {name}: {}; starting the target anew", run.verdict());
    let start = || process::run(Command::new("sh").args(["-c", restart]).current_dir(root));
    start()?;
    let again = run_once(name, options, urls)?;
    if again.verdict().is_broken() {
        start()?;
    }
    Ok(again)
}

fn run_once(name: &str, options: &Options, urls: &[String]) -> Result<Run> {
    let mut command = Command::new("iscsi-test-cu");
    command.args(["--dataloss", "--allow-sanitize", "-v", "-t", &format!("ALL.{name}")]);
    command.args(urls);
    run_limited(&mut command, options.limit)
}

/// Runs a command with both its streams in one, for so long at most.
fn run_limited(command: &mut Command, limit: Duration) -> Result<Run> {
    let name = command.get_program().to_string_lossy().into_owned();
    let (mut reader, writer) = io::pipe().context("making a pipe")?;
    let errors = writer.try_clone().context("making a pipe")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(errors)
        .spawn()
        .with_context(|| format!("starting {name}"))?;
    // The command keeps the pipe's writing ends; with them open here, reading would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (sender, whole) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = reader.read_to_end(&mut bytes).map(|_| bytes);
        // Nobody listens any more only when the caller has failed already.
        let _ = sender.send(read);
    });
    let (read, late) = if let Ok(read) = whole.recv_timeout(limit) {
        (read, false)
    } else {
        child.kill().with_context(|| format!("killing {name}"))?;
        (whole.recv().context("reading its output")?, true)
    };
    let status = child.wait().with_context(|| format!("waiting for {name}"))?;
    let bytes = read.with_context(|| format!("reading {name}"))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Run { text, late, exited: status.code().is_some() })
}

fn tell_totals(seen: &BTreeMap<String, Verdict>, elapsed: Duration) {
    let counts = Verdict::ALL.map(|verdict| {
        let count = seen.values().filter(|seen| **seen == verdict).count();
        format!("{count} {verdict}")
    });
    println!("{} tests in {} s: {}", seen.len(), elapsed.as_secs(), counts.join(", "));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(script: &str, limit: Duration) -> Run {
        run_limited(Command::new("sh").args(["-c", script]), limit).unwrap()
    }

    #[test]
    fn a_process_that_hangs_is_killed() {
        let run = limited("echo begun; exec sleep 1000", Duration::from_millis(300));
        assert_eq!(run.verdict(), Verdict::Hang);
        assert_eq!(run.text, "begun\n");
        let run = limited("echo a; echo b >&2; kill -SEGV $$", Duration::from_mins(1));
        assert_eq!(run.verdict(), Verdict::Error);
        assert_eq!(run.text, "a\nb\n");
    }

    #[test]
    fn a_part_can_be_asked_for() {
        let given = ["--url", "u", "--only", "Read6", "--only=Unmap.VPD"].map(str::to_owned);
        let options = Options::parse(Arguments::new(&given)).unwrap();
        assert!(options.wants("Read6.Simple"));
        assert!(options.wants("Unmap.VPD"));
        assert!(!options.wants("Unmap.Simple"));
        assert!(Options::parse(Arguments::new(&["--x".to_owned()])).is_err());
    }
}
