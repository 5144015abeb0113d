//! What the packaging installs is enough for a program.

use std::path::Path;
use std::process::{Command, Stdio};

use vds_blackbox::{Ran, run_limited};

use crate::build::{artefacts, root, sample};
use crate::scene::{PROGRAM_MAX, array, folder, is_without, run};

fn install(from: &Path, to: &Path, parts: &[&str]) -> Ran {
    let mut command = Command::new(root().join("packaging/install.sh"));
    command.arg("--from").arg(from).arg("--destdir").arg(to).args(parts).stdin(Stdio::null());
    run_limited(&mut command, PROGRAM_MAX).unwrap()
}

/// Goal: with the installed headers and libraries alone, as pkg-config names them, the sample is built and runs.
#[test]
fn the_installed_library_is_enough_for_a_program() {
    if is_without(&["g++"]) {
        return;
    }
    let folder = folder();
    let to = folder.path().join("root");
    install(&artefacts(), &to, &["libvds", "embedded"]).expect_code(0).unwrap();
    let words = std::fs::read_to_string(to.join("usr/lib/pkgconfig/libvds.pc")).unwrap();
    assert!(words.starts_with("prefix=/usr\n") && !words.contains('@'), "{words}");
    let version = concat!("\nVersion: ", env!("CARGO_PKG_VERSION"), "\n");
    assert!(words.contains(version), "{words}");

    let program = folder.path().join("program");
    let built = run_limited(
        Command::new("g++")
            .args(["-std=c++11", "-Wall", "-Wextra", "-Werror", "-I"])
            .arg(to.join("usr/include/vds"))
            .arg(sample("create_lun.cpp"))
            .arg("-L")
            .arg(to.join("usr/lib"))
            .args(["-lvds", "-o"])
            .arg(&program),
        PROGRAM_MAX,
    );
    built.unwrap().expect_code(0).unwrap();
    let daemon = array(folder.path(), 2);
    for library in ["usr/lib", "usr/lib/vds/embedded"] {
        let mut command = Command::new(&program);
        let made = run(&daemon, command.env("LD_LIBRARY_PATH", to.join(library)).arg("16"));
        assert!(made.stdout.contains(": 16777216 bytes"), "{library}: {}", made.stdout);
    }
    daemon.stop().unwrap();
}

/// Goal: what has not been built is named with the command that builds it, and nothing is installed by halves.
#[test]
fn what_has_not_been_built_is_named() {
    let folder = folder();
    let (from, to) = (folder.path().join("from"), folder.path().join("root"));
    std::fs::create_dir(&from).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_vds"), from.join("vds")).unwrap();
    let half = install(&from, &to, &["vds"]);
    assert!(half.stderr.contains("cargo build --release -p vds-com-host"), "{half:?}");
    assert!(!half.is_ok() && !to.exists(), "{half:?}");
    let none = install(&from, &to, &["something"]);
    assert!(none.code == 2 && none.stderr.contains("something is no part"), "{none:?}");
}
