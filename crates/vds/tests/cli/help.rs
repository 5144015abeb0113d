//! `--help` of every command, completion and manual pages.

use std::fmt::Write as _;

use crate::golden;
use crate::program::run;

/// The commands a help page lists.
fn commands_of(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| line.starts_with("  "));
    let names = listed.filter(|line| !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn walk(path: &[String], pages: &mut Vec<(String, String)>) {
    let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
    arguments.push("-h");
    let help = run(&arguments).expect_code(0).stdout;
    let commands = commands_of(&help);
    pages.push((path.join(" "), help));
    for command in commands {
        let mut path = path.to_vec();
        path.push(command);
        walk(&path, pages);
    }
}

#[test]
fn help_is_as_it_was() {
    let mut pages = Vec::new();
    walk(&[], &mut pages);
    let global = pages[0].1.split("Global options:").nth(1).unwrap();
    let global = format!("Global options:{}", global.split("\n\n").next().unwrap());
    let mut text = String::new();
    for (path, help) in &pages {
        // The global options are on every page; once is enough to read.
        let help = help.replace(&global, "Global options: …");
        writeln!(text, "──── vds {path}\n{help}").unwrap();
    }
    golden::check("help.txt", &text);
    let without: Vec<&str> = pages
        .iter()
        .filter(|(_, help)| !help.contains("Example") && !help.contains("Commands:"))
        .map(|(path, _)| path.as_str())
        .collect();
    assert_eq!(without, ["completion"; 0], "help without an example");
}

#[test]
fn version_names_the_on_disk_version() {
    assert!(run(&["--version"]).expect_code(0).stdout.ends_with("(on-disk version 1)\n"));
}

#[test]
fn completion_and_manual_are_made() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completion", shell]).expect_code(0).stdout;
        assert!(script.contains("max-size"), "{shell}");
    }
    let directory = tempfile::tempdir().unwrap();
    run(&["man", directory.path().to_str().unwrap()]).expect_code(0);
    let page = std::fs::read_to_string(directory.path().join("vds-lun-create.1")).unwrap();
    assert!(page.contains(".TH"), "{page}");
    run(&["man", "/does/not/exist"]).expect_code(3);
}
