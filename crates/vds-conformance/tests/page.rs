//! The smallest provider of `docs/writing-a-provider.md` and the example in Python are providers.

use std::path::Path;
use std::time::Duration;

use vds_conformance::{Options, Report, Verdict};
use vds_plugin_host::{MEMORY_BYTES_DEFAULT, Orders};

const PAGE: &str = include_str!("../../../docs/writing-a-provider.md");

/// Judges a program in Python; none where tests go without it.
fn judge(program: &Path, folder: &Path, arguments: &[&str]) -> Option<Report> {
    if std::env::var("VDS_TEST_WITHOUT").is_ok_and(|names| names.split(',').any(|n| n == "python3"))
    {
        println!("not run: without python3");
        return None;
    }
    let usual = "/usr/bin/python3";
    let python = if Path::new(usual).exists() { usual } else { "python3" };
    let words = [python, "-I", "-S", program.to_str().expect("a path of text")];
    let test = std::env::current_exe().expect("a test has a program");
    let built = test.ancestors().nth(2).expect("the program lies in a folder of a folder");
    let options = Options {
        launcher: built.join("examples/conformance_launcher"),
        orders: Orders {
            command: words.iter().chain(arguments).map(|word| (*word).to_owned()).collect(),
            directories: vec![folder.to_owned()],
            readable: Vec::new(),
            network: false,
            memory_bytes: MEMORY_BYTES_DEFAULT,
            is_unconfined: false,
        },
        answer: Duration::from_secs(10),
        operation: Duration::from_secs(20),
        only: Vec::new(),
    };
    let report = vds_conformance::run(&options, |_| {});
    for outcome in &report.outcomes {
        let is_failed = matches!(outcome.verdict, Verdict::Failed { .. });
        assert!(!is_failed, "{}\n{}", outcome.line(), outcome.log.join("\n"));
    }
    Some(report)
}

#[test]
fn the_smallest_provider_of_the_page_passes() {
    let program = PAGE.split("```python\n").nth(1).and_then(|rest| rest.split("```").next());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("smallest.py");
    std::fs::write(&path, program.expect("the page has one")).unwrap();
    let Some(report) = judge(&path, folder.path(), &[]) else { return };
    assert!(report.passed() >= 14, "{}", report.totals());
}

#[test]
fn the_example_in_python_passes_every_check() {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/python/image_provider.py");
    let place = folder.path().to_str().unwrap();
    let Some(report) = judge(&program, folder.path(), &[place, "--size", "64MiB"]) else { return };
    assert_eq!(report.skipped(), 0, "{}", report.totals());
}
