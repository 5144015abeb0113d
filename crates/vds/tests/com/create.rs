//! A LUN is made by a program, and used.

use std::path::Path;

use vds_blackbox::{Daemon, Initiator, SANITIZERS};

use crate::build::{Workshop, program, root, sample};
use crate::plugged::is_without_python;
use crate::scene::{array, folder, run};

/// Where the documented wrapper around `CreateLun` lies, byte for byte as it was published, beside the repository.
const BESIDE: &str = concat!("..", "/shared/samples/synchronous_create_lun.cpp");
/// What it is known by.
const PUBLISHED: &str = "e1114a4476d1ffe703987c5cf5ee99706ddd752c3bc58ed37aa4d1856a222f56";

const BLOCK_BYTES: u32 = 4096;
const SECTOR_BYTES: u32 = 512;

/// Writes to a LUN as this initiator, and reads it back.
fn write_and_read(daemon: &Daemon, lun: &str, initiator: &str) {
    let mut initiator = Initiator::open(&daemon.url(lun).unwrap(), initiator).unwrap();
    let block: Vec<u8> = (0..=250).cycle().take(BLOCK_BYTES as usize).collect();
    let written = initiator.write(0, &block, SECTOR_BYTES).unwrap();
    assert!(written.is_good(), "{written:?}");
    let read = initiator.read(0, BLOCK_BYTES / SECTOR_BYTES, SECTOR_BYTES).unwrap();
    assert!(read.is_good() && read.data == block, "what was read is not what was written");
}

/// Goal: the documented wrapper, unchanged, makes a LUN of a running service, and nothing of it is left; what an initiator
/// writes to the LUN is there when it reads. The compiler's own checks find nothing in it either.
#[test]
fn the_documented_wrapper_makes_a_lun() {
    let path = root().join(BESIDE);
    let Ok(text) = std::fs::read(&path) else {
        println!("not run: the documented sample does not lie beside the repository");
        return;
    };
    assert_eq!(sha256(&text), PUBLISHED, "not the published text");
    let Some(workshop) = Workshop::open() else { return };
    let folder = folder();
    let daemon = array(folder.path(), 2);
    let file = format!("-DCREATE=\"{}\"", path.canonicalize().unwrap().display());
    for checks in [&[][..], SANITIZERS] {
        let program = workshop.cpp(&program("documented.cpp"), &[&[&*file], checks].concat());
        let ran = run(&daemon, &mut workshop.command(&program));
        assert_eq!(ran.stdout.matches("ok ").count(), 7, "{}", ran.stdout);
        assert_eq!(ran.stderr, "");
        let lun = ran.stdout.lines().find_map(|line| line.strip_prefix("made "));
        write_and_read(&daemon, lun.unwrap(), "iqn.2025-01.org.example:documented");
    }
    daemon.stop().unwrap();
}

fn sha256(text: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut sum = String::new();
    for byte in <sha2::Sha256 as sha2::Digest>::digest(text) {
        write!(sum, "{byte:02x}").unwrap();
    }
    sum
}

/// Goal: our own sample makes a LUN, in C++ with the shared and with the static library, and in C; what an initiator writes is
/// there when it reads.
#[test]
fn a_lun_made_by_the_sample_is_written_and_read() {
    let Some(workshop) = Workshop::open() else { return };
    let folder = folder();
    let daemon = array(folder.path(), 2);
    let name = "iqn.2025-01.org.example:host";
    let makes = |program: &Path| {
        let ran = run(&daemon, workshop.command(program).args(["32", name]));
        let (lun, rest) = ran.stdout.split_once(": ").unwrap();
        assert!(rest.starts_with("33554432 bytes"), "{}", ran.stdout);
        write_and_read(&daemon, lun, name);
        let refused = workshop.command(program).env("VDS_SOCKET", "/nowhere").arg("16").output();
        let refused = refused.unwrap();
        assert!(!refused.status.success());
        assert_eq!(String::from_utf8_lossy(&refused.stderr).trim(), "error 0x800706BA");
    };
    makes(&workshop.cpp(&sample("create_lun.cpp"), &[]));
    makes(&workshop.cpp_static(&sample("create_lun.cpp")));
    makes(&workshop.c(&sample("create_lun.c")));
    daemon.stop().unwrap();
}

/// Goal: a provider that makes no targets is asked for none, so the sample makes its LUN there, too: by the example in Python.
#[test]
fn the_sample_makes_a_lun_of_the_example_in_python() {
    let Some(workshop) = Workshop::open() else { return };
    if is_without_python() {
        return;
    }
    let folder = folder();
    let images = folder.path().join("images");
    std::fs::create_dir(&images).unwrap();
    let images = images.to_str().unwrap();
    let daemon = Daemon::start(Path::new(env!("CARGO_BIN_EXE_vds")), folder.path()).unwrap();
    let sdk = root().join("sdk/python").canonicalize().unwrap();
    let example = sdk.join("image_provider.py");
    let grants = ["provider", "add", "images", "--grant-dir", images, "--read-dir"];
    let command = ["/usr/bin/python3", "-I", "-S", example.to_str().unwrap(), images];
    let words = [&grants[..], &[sdk.to_str().unwrap(), "--"], &command, &["--size", "64MiB"]];
    daemon.verb(&words.concat()).unwrap();
    let programs =
        [workshop.cpp(&sample("create_lun.cpp"), &[]), workshop.c(&sample("create_lun.c"))];
    for (made, program) in programs.iter().enumerate() {
        let ran = run(&daemon, workshop.command(program).arg("16"));
        assert!(ran.stdout.contains(": 16777216 bytes"), "{}", ran.stdout);
        let listed = daemon.json(&["lun", "list"]).unwrap();
        let luns = listed["items"].as_array().unwrap();
        assert_eq!(luns.len(), made + 1, "{listed:#}");
        assert!(luns.iter().all(|lun| lun["addresses"] == serde_json::json!([])), "{listed:#}");
    }
    // What was chosen is not changed behind the caller's back.
    let named = ["lun", "create", "b", "--size", "16MiB", "--target", "iqn.2025-01.org.example:t"];
    let ran = daemon.try_verb(&named).unwrap();
    assert!(ran.stderr.contains("error[request.not_supported]"), "{ran:?}");
    daemon.stop().unwrap();
}

/// Goal: the samples in C and in C++ walk everything there is, and tell the same.
#[test]
fn the_samples_tell_the_whole_hierarchy() {
    let Some(workshop) = Workshop::open() else { return };
    let folder = folder();
    let daemon = array(folder.path(), 3);
    daemon.verb(&["lun", "create", "db1", "--type", "mirror", "--size", "64MiB"]).unwrap();
    let in_c = workshop.c(&sample("hierarchy.c"));
    let ran = run(&daemon, &mut workshop.command(&in_c));
    for (expected, times) in [
        ("provider ", 1),
        ("  pool main of ", 1),
        ("  subsystem main, status 1", 1),
        ("    controller c0 with 1 ports", 1),
        ("    drive d", 3),
        ("    LUN db1 of 67108864 bytes, type 13, status 1, health 1, for \"\"", 1),
        ("      plex of 67108864 bytes on 1 extents, health 1", 2),
    ] {
        assert_eq!(ran.stdout.matches(expected).count(), times, "{expected:?} in\n{}", ran.stdout);
    }
    let in_cpp = workshop.cpp(&sample("hierarchy.cpp"), &[]);
    assert_eq!(run(&daemon, &mut workshop.command(&in_cpp)).stdout, ran.stdout);
    daemon.stop().unwrap();
}
