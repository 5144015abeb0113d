//! What measures does not complain when nobody reads what it prints.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::{Command, Output};

/// Runs a program whose standard output nobody reads from the start.
fn unread(program: &str, arguments: &[&str]) -> Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(program);
    command.args(arguments).stdout(writer);
    command.stderr(std::process::Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
}

#[test]
fn bench_ends_quietly_when_nobody_reads() {
    let output = unread(env!("CARGO_BIN_EXE_bench"), &["modelled", "--only", "create"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {told}", output.status);
    assert_eq!(told, "");
}

/// What was to be checked was not: that is told, in a line.
#[test]
fn a_check_that_nobody_reads_fails() {
    let output = unread(env!("CARGO_BIN_EXE_bench"), &["modelled", "--only", "create", "--check"]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(told, "error: nobody reads the output any more\n");
}
