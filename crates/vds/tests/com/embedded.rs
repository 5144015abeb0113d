//! The service in the program's own process, without a daemon.

use std::path::Path;
use std::process::{Command, Stdio};

use vds_blackbox::{Daemon, Ran, drive_file, run_limited};

use crate::build::{Workshop, program, sample};
use crate::scene::{PROGRAM_MAX, folder};
use crate::talk::Talk;

fn run(command: &mut Command) -> Ran {
    run_limited(command.stdin(Stdio::null()), PROGRAM_MAX).unwrap()
}

/// Goal: a program makes, grows, masks and deletes LUNs with nobody but itself, leaves nothing alive, and a later process and
/// a daemon find the array.
#[test]
fn a_program_serves_its_array_itself() {
    let Some(workshop) = Workshop::open() else { return };
    let folder = folder();
    let directory = folder.path().join("state");
    let program = workshop.cpp(&program("embedded.cpp"), &[]);
    let command = |part: &str| {
        let mut command = workshop.embedded_command(&program);
        command.env("VDS_EMBEDDED", &directory).env_remove("VDS_SOCKET").arg(part);
        command
    };

    let talk = Talk::begin(&mut command("make"), "serving");
    let socket = directory.join("vds.sock");
    let vds = |words: &[&str]| {
        let mut vds = Command::new(env!("CARGO_BIN_EXE_vds"));
        vds.arg("--socket").arg(&socket).args(words);
        run(&mut vds).expect_code(0).unwrap()
    };
    let drives = ["1", "2"].map(|name| drive_file(folder.path(), name, 1 << 30).unwrap());
    vds(&["subsystem", "create", "main", "--drive", &drives[0], "--drive", &drives[1]]);
    let second = run(&mut command("refused")).expect_code(0).unwrap();
    assert!(second.stdout.contains("LoadService 8"), "one service per directory: {second:?}");
    let told = talk.finish();
    assert!(told.contains("ok no object is left"), "{told}");
    assert!(!socket.exists(), "it ended in good order");

    let found = run(&mut command("find")).expect_code(0).unwrap();
    assert!(found.stdout.contains("ok no object is left"), "{found:?}");

    // The sample knows nothing of where the service is.
    let create = workshop.cpp(&sample("create_lun.cpp"), &[]);
    let mut sampled = workshop.embedded_command(&create);
    let made = run(sampled.env("VDS_EMBEDDED", &directory).arg("16")).expect_code(0).unwrap();
    assert!(made.stdout.contains(": 16777216 bytes"), "{made:?}");

    let daemon = Daemon::start(Path::new(env!("CARGO_BIN_EXE_vds")), &directory).unwrap();
    let shown = daemon.json(&["subsystem", "show", "main"]).unwrap();
    assert_eq!(shown["status"], "online", "{shown:#}");
    let refused = run(&mut command("refused")).expect_code(0).unwrap();
    assert!(refused.stdout.contains("LoadService 8"), "a daemon is there: {refused:?}");
    daemon.stop().unwrap();
}

/// Goal: the library without the service says so, and does not go to a daemon that was not meant.
#[test]
fn the_library_without_the_service_refuses_to_embed() {
    let Some(workshop) = Workshop::open() else { return };
    let folder = folder();
    let program = workshop.cpp(&program("embedded.cpp"), &[]);
    let mut command = workshop.command(&program);
    let ran = run(command.env("VDS_EMBEDDED", folder.path()).arg("refused"));
    let ran = ran.expect_code(0).unwrap();
    // VDS_E_NOT_SUPPORTED.
    assert!(ran.stdout.contains("LoadService 80042400"), "{ran:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was begun");
}
