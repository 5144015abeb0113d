//! Mistakes on the command line, and no service to talk to.

use std::process::Stdio;

use crate::program::{command, run};

/// A mistake that is found without the service: exit code 2, its reason on standard error, nothing on standard output.
fn check(arguments: &[&str], reason: &str) {
    let ran = run(arguments).expect_code(2);
    assert!(ran.stderr.starts_with("error[request.invalid_argument]: "), "{}", ran.stderr);
    assert!(ran.stderr.contains(reason), "{} should say: {reason}", ran.stderr);
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
}

#[test]
fn mistakes_are_explained() {
    check(&["lun", "crate"], "tip: some similar subcommands exist: 'rename', 'create'");
    check(&["lun", "create", "a"], "--size <SIZE>");
    check(&["lun", "create", "a", "--size", "20G"], "write GiB (binary) or GB");
    check(&["lun", "create", "a", "--size", "0"], "a size of 0 makes no sense");
    check(&["lun", "create", "a", "--size", "1.5B"], "no whole number of bytes");
    check(&["lun", "create", "a", "--size", "1GiB", "--type", "raid9"], "fault-tolerant");
    check(&["lun", "create", "a", "--size", "1GiB", "--unmask", "a b"], "blank");
    check(&["lun", "create", "a", "--size", "1GiB", "--hint", "fast"], "no hint \"fast\"");
    check(&["lun", "create", "a", "--size", "1GiB", "--sector", "520"], "520");
    check(&["lun", "set", "a"], "required");
    check(&["lun", "set", "a", "--online", "--offline"], "cannot be used with");
    check(&["lun", "list", "--timeout", "soon"], "write 500ms, 30s, 10m, 2h or 1d");
    check(&["portal", "add", "localhost"], "with numbers only");
    check(&["subsystem", "create", "main"], "--drive <PATH>");
    check(&["target", "set", "t", "--chap-user", "u"], "--chap-secret-file");
    check(&["target", "set", "t", "--chap-user", "u", "--chap-secret", "s"], "--chap-secret");
    check(&["operation", "priority", "0b7c", "16"], "0..=15");
    check(&["serve", "--data", "a", "--quickstart", "b"], "cannot be used with");
}

#[test]
fn a_noun_alone_shows_its_verbs() {
    let ran = run(&["lun"]).expect_code(2);
    assert!(ran.stderr.contains("max-size"), "{}", ran.stderr);
}

#[test]
fn nobody_answers() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("vds.sock");
    let ran = crate::program::run_on(&socket, &["lun", "list", "--json"]).expect_code(5);
    assert_eq!(ran.stdout, "");
    let expected =
        format!("error[service.unreachable]: no service answers on {}", socket.display());
    assert!(ran.stderr.starts_with(&expected), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: Start it with `vds serve`"), "{}", ran.stderr);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = command().args(["completion", "bash"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}
