//! A life of an array, from the loader to the last release; under the checkers of memory, too.

use std::process::Command;

use vds_blackbox::{SANITIZERS, valgrind};

use crate::build::{Workshop, program, sample};
use crate::scene::{array, folder, run};

/// Goal: everything that is served does what VDS documents, events tell of it, and nothing is left.
#[test]
fn a_program_leads_an_array_through_its_life() {
    let Some(workshop) = Workshop::open() else { return };
    let folder = folder();
    let daemon = array(folder.path(), 4);
    let program = workshop.cpp(&program("whole.cpp"), &[]);
    let ran = run(&daemon, &mut workshop.command(&program));
    assert!(ran.stdout.contains("ok no object is left"), "{}", ran.stdout);
    daemon.stop().unwrap();
}

/// Goal: no byte is lost or read that is not there, on the way of the samples.
#[test]
fn valgrind_finds_nothing() {
    let Some([valgrind, words @ ..]) = valgrind() else { return };
    let Some(workshop) = Workshop::open() else { return };
    let folder = folder();
    let daemon = array(folder.path(), 2);
    let in_cpp = workshop.cpp(&sample("create_lun.cpp"), &[]);
    let in_c = workshop.c(&sample("create_lun.c"));
    let (walk_cpp, walk_c) =
        (workshop.cpp(&sample("hierarchy.cpp"), &[]), workshop.c(&sample("hierarchy.c")));
    for program in [in_cpp, in_c, walk_cpp, walk_c] {
        let mut command = Command::new(valgrind);
        command.args(words).arg(&program).arg("16");
        workshop.in_reach(&mut command);
        run(&daemon, &mut command);
    }
    daemon.stop().unwrap();
}

/// Goal: the same with the compiler's own checks built in.
#[test]
fn the_sanitizers_find_nothing() {
    let Some(workshop) = Workshop::open() else { return };
    let folder = folder();
    let daemon = array(folder.path(), 4);
    let program = workshop.cpp(&program("whole.cpp"), SANITIZERS);
    let ran = run(&daemon, &mut workshop.command(&program));
    assert_eq!(ran.stderr, "");
    daemon.stop().unwrap();
}
