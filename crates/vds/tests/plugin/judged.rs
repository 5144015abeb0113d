//! `vds provider test` and `vds provider add` start a provider in the same way: confined, and in another folder.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use vds_blackbox::{Daemon, Ran, run_limited};

use crate::scene::{is_without_python, program};

const PAGE: &str = include_str!("../../../../docs/writing-a-provider.md");
const LIMIT: Duration = Duration::from_mins(2);
/// The interpreter that a confined provider can use.
const PYTHON: [&str; 3] = ["/usr/bin/python3", "-I", "-S"];

/// The smallest provider of the page, with these lines before it.
fn script(folder: &Path, lines: &str) {
    let smallest = PAGE.split("```python\n").nth(1).and_then(|rest| rest.split("```").next());
    let text = format!("{lines}\n{}", smallest.expect("the page has one"));
    std::fs::write(folder.join("provider.py"), text).unwrap();
}

/// A verb, typed in this folder.
fn typed(folder: &Path, words: &[&str]) -> Ran {
    let mut command = Command::new(program());
    command.current_dir(folder).env("VDS_SOCKET", folder.join("vds.sock")).args(words);
    run_limited(&mut command, LIMIT).unwrap()
}

fn judged(folder: &Path, more: &[&str]) -> Ran {
    let before = ["provider", "test", "--only", "ping"];
    typed(folder, &[&before[..], more, &["--"], &PYTHON, &["provider.py"]].concat())
}

#[test]
fn a_provider_is_judged_as_confined_as_it_will_run() {
    if is_without_python() {
        return;
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let secret = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let secret = secret.path().to_str().unwrap();
    script(folder.path(), "");
    let ran = judged(folder.path(), &[]).expect_code(0).unwrap();
    let first = ran.stdout.lines().next().unwrap();
    assert!(first.starts_with("PASS confinement") && first.contains("landlock"), "{first}");
    assert!(ran.stderr.contains("hint: provider.py is a file here"), "{}", ran.stderr);

    script(folder.path(), &format!("import os\nos.listdir({secret:?})"));
    let ran = judged(folder.path(), &[]).expect_code(1).unwrap();
    let told = "FAIL confinement              it exited with code 1 instead of answering";
    assert!(ran.stdout.contains(told) && ran.stdout.contains("--read-dir"), "{}", ran.stdout);
    assert!(ran.stdout.contains("     | PermissionError"), "{}", ran.stdout);
    assert!(ran.stdout.contains("SKIP ping"), "{}", ran.stdout);
    judged(folder.path(), &["--read-dir", secret]).expect_code(0).unwrap();
    let ran = judged(folder.path(), &["--unconfined"]).expect_code(0).unwrap();
    assert!(ran.stdout.contains("(unconfined, as the operator said)"), "{}", ran.stdout);
    assert!(ran.stdout.contains("PASS ping"), "{}", ran.stdout);
}

/// Goal: what passes here runs there, by the words it was judged with.
#[test]
fn a_script_is_found_from_the_folder_it_was_typed_in() {
    if is_without_python() {
        return;
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    script(folder.path(), "");
    let daemon = Daemon::start(program(), folder.path()).unwrap();
    let before = ["provider", "add", "smallest", "--"];
    let ran = typed(folder.path(), &[&before[..], &PYTHON, &["provider.py"]].concat());
    ran.expect_code(0).unwrap();
    let shown = daemon.json(&["provider", "show", "smallest"]).unwrap();
    let place = folder.path().join("provider.py");
    let word = &shown["plugin"]["command"][3];
    assert_eq!(word.as_str(), place.to_str(), "{shown:#}");
    let missing = ["provider", "add", "another", "--", PYTHON[0], "nowhere.py"];
    let ran = typed(folder.path(), &missing).expect_code(1).unwrap();
    assert!(ran.stderr.contains("nowhere.py"), "{}", ran.stderr);
    daemon.stop().unwrap();
}

/// Goal: the example in Python passes every check, judged by the program itself, and the report that machines read says so.
#[test]
fn the_example_in_python_passes_by_the_program() {
    if is_without_python() {
        return;
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let kept = folder.path().join("images");
    std::fs::create_dir(&kept).unwrap();
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/python");
    let (sdk, kept) = (sdk.canonicalize().unwrap(), kept.to_str().unwrap());
    let example = sdk.join("image_provider.py");
    let before = ["provider", "test", "--junit", "report.xml", "--grant-dir", kept, "--read-dir"];
    let before = [&before[..], &[sdk.to_str().unwrap(), "--"], &PYTHON].concat();
    let command = [example.to_str().unwrap(), kept, "--size", "64MiB"];
    let ran = typed(folder.path(), &[&before[..], &command].concat()).expect_code(0).unwrap();
    let passed = ran.stdout.lines().filter(|line| line.starts_with("PASS ")).count();
    let others = ["FAIL ", "SKIP "];
    let is_other = |line: &str| others.iter().any(|start| line.starts_with(start));
    assert!(!ran.stdout.lines().any(is_other), "{}", ran.stdout);
    assert!(passed > 40, "{}", ran.stdout);
    let report = std::fs::read_to_string(folder.path().join("report.xml")).unwrap();
    assert_eq!(report.matches("<testcase ").count(), passed, "{report}");
    assert!(!report.contains("<failure") && !report.contains("<skipped"), "{report}");
}
