//! Running other programs.

use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a program and returns what it printed.
///
/// # Errors
/// When it cannot be started, fails (its complaint is part of the error), or prints no UTF-8.
pub(crate) fn output(folder: &Path, program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {program}"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {}: {}\n{}", arguments.join(" "), output.status, complaint.trim_end());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{program} printed no UTF-8"))
}

/// Runs a command with its output on the console.
///
/// # Errors
/// When it cannot be started or fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("starting {name}"))?;
    if !status.success() {
        bail!("{name}: {status}");
    }
    Ok(())
}

/// Kills a process and everything it started that still is its offspring.
///
/// # Errors
/// When the process table cannot be read.
pub(crate) fn kill_tree(pid: u32) -> Result<()> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").context("reading the process table")? {
        let name = entry.context("reading the process table")?.file_name();
        let Some(child) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process may end while we read: then there is nothing to kill.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{child}/stat")) else { continue };
        parents.extend(parent(&stat).map(|parent| (child, parent)));
    }
    let mut doomed = vec![pid];
    let mut next = 0;
    while next < doomed.len() {
        let parent = doomed[next];
        doomed.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(child, _)| *child));
        next += 1;
    }
    let pids = doomed.iter().map(ToString::to_string);
    // One that ended by itself meanwhile makes `kill` complain, which is fine.
    let _ = Command::new("kill").arg("-KILL").args(pids).stderr(Stdio::null()).status();
    Ok(())
}

/// The parent in a line of `/proc/PID/stat`; the program's name in it may hold spaces and brackets.
fn parent(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Read};

    #[test]
    fn a_whole_family_is_killed() {
        assert_eq!(parent("7 (a) b) S 5 7 7 0"), Some(5));
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 1000 & echo started; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(shell.stdout.take().unwrap());
        output.read_line(&mut String::new()).unwrap();
        kill_tree(shell.id()).unwrap();
        // The pipe ends when the last of them is gone.
        assert_eq!(output.read_to_end(&mut Vec::new()).unwrap(), 0);
        assert!(!shell.wait().unwrap().success());
    }
}
