//! The example keeps everything the protocol promises.

use std::path::PathBuf;
use std::time::Duration;

use vds_conformance::{Options, Verdict};
use vds_plugin_host::{MEMORY_BYTES_DEFAULT, Orders};

/// Cargo builds the examples of a package with its tests, beside them.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a program");
    let built = test.ancestors().nth(2).expect("the program lies in a folder of a folder");
    built.join("examples").join(name)
}

#[test]
fn the_example_passes_every_check() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let program = example("image_provider");
    let command = [program.to_str().unwrap(), place, "--size", "64MiB"].map(str::to_owned);
    let options = Options {
        launcher: example("sdk_launcher"),
        orders: Orders {
            command: command.to_vec(),
            directories: vec![folder.path().to_owned()],
            readable: Vec::new(),
            network: false,
            memory_bytes: MEMORY_BYTES_DEFAULT,
            is_unconfined: false,
        },
        answer: Duration::from_secs(10),
        operation: Duration::from_secs(30),
        only: Vec::new(),
    };
    let report = vds_conformance::run(&options, |_| {});
    for outcome in &report.outcomes {
        let is_passed = matches!(outcome.verdict, Verdict::Passed { .. });
        assert!(is_passed, "{}\n{}", outcome.line(), outcome.log.join("\n"));
    }
}
