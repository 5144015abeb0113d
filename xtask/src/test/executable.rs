//! The test executables: built by cargo, run by us, so that every count and every name is known.

use super::level::Target;
use super::libtest::{Line, Output, Verdict};
use crate::process;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// Longer than all tests together may take.
const RUN_LIMIT: Duration = Duration::from_mins(25);

/// How often a silent harness is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long its output may stay open after it has ended.
const LEFT_OPEN_MAX: Duration = Duration::from_secs(2);

/// One test executable.
#[derive(Debug)]
pub(super) struct Executable {
    /// Its package.
    pub(super) package: String,
    /// The target's name: the crate's, or the file's in `tests/`.
    pub(super) target_name: String,
    /// Where its tests stand.
    pub(super) target: Target,
    folder: PathBuf,
    path: PathBuf,
}

/// What came of running something that speaks the harness's language.
pub(super) struct Ran {
    /// What it printed, read.
    pub(super) output: Output,
    /// What no test has to answer for: it died, or ran out of time.
    pub(super) broken: Option<String>,
}

/// Builds every test of the workspace; the compiler's messages go to the console.
///
/// # Errors
/// When it does not build.
pub(super) fn build(root: &Path) -> Result<Vec<Executable>> {
    let output = Command::new("cargo")
        .args(["test", "--workspace", "--no-run", "--message-format=json-render-diagnostics"])
        .current_dir(root)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo")?;
    if !output.status.success() {
        bail!("the tests do not build");
    }
    let text = String::from_utf8(output.stdout).context("cargo printed no UTF-8")?;
    let mut executables: Vec<Executable> = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| from_message(&message))
        .collect();
    executables.sort_by(|a, b| (&a.package, &a.target_name).cmp(&(&b.package, &b.target_name)));
    Ok(executables)
}

fn from_message(message: &Value) -> Option<Executable> {
    let is_test = message["reason"] == "compiler-artifact" && message["profile"]["test"] == true;
    let path = message["executable"].as_str().filter(|_| is_test)?;
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?;
    let kinds = message["target"]["kind"].as_array()?;
    let target =
        if kinds.iter().any(|kind| kind == "test") { Target::Outside } else { Target::Inside };
    // `path+file:///…/crates/vds-io#0.1.0`, or `…/folder#name@0.1.0` where folder and name differ.
    let id = message["package_id"].as_str()?;
    let (url, fragment) = id.split_once('#')?;
    let package = match fragment.split_once('@') {
        Some((name, _)) => name,
        None => url.rsplit('/').next()?,
    };
    Some(Executable {
        package: package.to_owned(),
        target_name: message["target"]["name"].as_str()?.to_owned(),
        target,
        folder: folder.to_owned(),
        path: path.into(),
    })
}

impl Executable {
    /// The names of its tests.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn tests(&self) -> Result<Vec<String>> {
        let path = self.path.to_string_lossy();
        let text = process::output(&self.folder, &path, &["--list", "--format", "terse"])?;
        Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
    }

    /// Runs these of its tests, all of them if `only` is empty, and calls `ended` as each ends.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn run(
        &self,
        only: &[String],
        environment: &[(&str, String)],
        ended: impl FnMut(&str, Verdict),
    ) -> Result<Ran> {
        let mut command = Command::new(&self.path);
        command
            .arg("--show-output")
            .current_dir(&self.folder)
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .env("CARGO_PKG_NAME", &self.package)
            .envs(environment.iter().map(|(name, value)| (name, value)));
        if !only.is_empty() {
            command.arg("--exact").args(only);
        }
        run_harness(&mut command, ended)
    }
}

/// Runs a command that speaks the harness's language.
///
/// # Errors
/// When it cannot be started.
pub(super) fn run_harness(
    command: &mut Command,
    mut ended: impl FnMut(&str, Verdict),
) -> Result<Ran> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {name}"))?;
    let (sender, lines) = mpsc::channel();
    let stdout = child.stdout.take().expect("piped above");
    let stderr = child.stderr.take().expect("piped above");
    let errors_sender = sender.clone();
    std::thread::spawn(move || forward(stdout, &sender, false));
    std::thread::spawn(move || forward(stderr, &errors_sender, true));

    let mut output = Output::default();
    let mut errors = Vec::new();
    let started = Instant::now();
    let mut ended_at = None;
    let unfinished = loop {
        match lines.recv_timeout(LOOK) {
            Ok((true, line)) => errors.push(line),
            Ok((false, line)) => match output.line(&line) {
                Line::Ended(name, verdict) => ended(name, verdict),
                Line::Slow => println!("    {line}"),
                Line::Other => {}
            },
            Err(RecvTimeoutError::Disconnected) => break None,
            Err(RecvTimeoutError::Timeout) if ended_at.is_none() => {
                let status = child.try_wait().with_context(|| format!("waiting for {name}"))?;
                ended_at = status.map(|_| Instant::now());
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if ended_at.is_some_and(|at| at.elapsed() > LEFT_OPEN_MAX) {
            break Some("a process that it started outlived it".to_owned());
        }
        if started.elapsed() > RUN_LIMIT {
            process::kill_tree(child.id())?;
            break Some(format!("not finished after {} s, killed", RUN_LIMIT.as_secs()));
        }
    };
    let status = child.wait().with_context(|| format!("waiting for {name}"))?;
    let broken = unfinished.or_else(|| complaint(&output, status)).map(|what| {
        let last = errors.len().saturating_sub(30);
        format!("{what}\n{}", errors[last..].join("\n"))
    });
    Ok(Ran { output, broken })
}

fn complaint(output: &Output, status: ExitStatus) -> Option<String> {
    let all_passed = output.verdicts.values().all(|&verdict| verdict != Verdict::Failed);
    if !output.finished {
        Some(format!("ended before its result line, {status}"))
    } else if output.counted != output.verdicts.len() {
        Some(format!("counted {} tests, {} of them seen", output.counted, output.verdicts.len()))
    } else if all_passed && !status.success() {
        Some(format!("every test passed, yet {status}"))
    } else {
        None
    }
}

fn forward(stream: impl Read, lines: &Sender<(bool, String)>, is_error: bool) {
    let mut stream = BufReader::new(stream);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        // An unreadable stream ends like one that was closed: the harness is judged by its result line.
        if !matches!(stream.read_until(b'\n', &mut bytes), Ok(1..)) {
            return;
        }
        let line = String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned();
        if lines.send((is_error, line)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(script: &str) -> Ran {
        run_harness(Command::new("sh").args(["-c", script]), |_, _| {}).unwrap()
    }

    #[test]
    fn a_harness_that_breaks_off_is_no_success() {
        let result = "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured";
        assert!(ran(&format!("echo 'test a ... ok'; echo '{result}'")).broken.is_none());
        let died = ran("echo 'test a ... ok'; echo oh >&2; kill -9 $$").broken.unwrap();
        assert!(died.contains("before its result line"), "{died}");
        assert!(died.contains("oh"), "{died}");
        let lost = ran(&format!("echo '{result}'")).broken.unwrap();
        assert!(lost.contains("counted 1 tests, 0 of them seen"), "{lost}");
        let exit = ran(&format!("echo 'test a ... ok'; echo '{result}'; exit 3")).broken.unwrap();
        assert!(exit.contains("every test passed, yet"), "{exit}");
        let left =
            ran(&format!("echo 'test a ... ok'; echo '{result}'; sleep 6 &")).broken.unwrap();
        assert!(left.contains("outlived it"), "{left}");
    }

    #[test]
    fn cargo_s_message_is_read() {
        let message = serde_json::json!({
            "reason": "compiler-artifact", "executable": "/t/deps/a-1", "manifest_path": "/r/crates/a/Cargo.toml",
            "package_id": "path+file:///r/crates/a#0.1.0", "profile": {"test": true},
            "target": {"kind": ["test"], "name": "serve"},
        });
        let executable = from_message(&message).unwrap();
        assert_eq!((executable.package.as_str(), executable.target), ("a", Target::Outside));
        assert_eq!(executable.folder, Path::new("/r/crates/a"));
    }
}
