//! Who may open what: the exclusive hold, other people's data, wiping, looking.

use std::fs;
use std::os::unix::fs::FileExt;
use std::process::Command;

use vds_io::{DiskErrorKind, DiskKind, DiskSource, OpenMode};
use vds_os::{FileWarning, Route, create_drive_file, file_warnings};

use crate::fixture::{BLOCK, filled, on_each_route, on_engine_thread, read, refused, source};

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    on_each_route(64, |scene| async move {
        let disk = scene.member().await;
        let me = std::process::id().to_string();
        let words = ["in use", scene.name()];
        refused(scene.open(OpenMode::Member).await, DiskErrorKind::InUse, &words);
        refused(scene.open(OpenMode::Blank).await, DiskErrorKind::InUse, &[&me]);
        let wipe = OpenMode::Wipe { serial: None };
        refused(scene.open(wipe).await, DiskErrorKind::InUse, &words);
        drop(disk);
        scene.open(OpenMode::Blank).await.unwrap();
    });
}

#[test]
fn looking_holds_nothing_and_changes_nothing() {
    on_each_route(64, |scene| async move {
        let disk = scene.member().await;
        disk.write(0, filled(1, 3)).await.unwrap();
        let onlooker = scene.open(OpenMode::ReadOnly).await.unwrap();
        assert_eq!(read(onlooker.as_ref(), 0, 1).await.unwrap().bytes()[0], 3);
        let write = onlooker.write(0, filled(1, 4)).await;
        refused(write, DiskErrorKind::Permission, &["look only"]);
        refused(onlooker.discard(0, BLOCK).await, DiskErrorKind::Permission, &[]);
        disk.write(0, filled(1, 5)).await.unwrap();
    });
}

#[test]
fn what_is_no_drive_is_told_apart() {
    on_engine_thread(async {
        let source = source(Route::Best);
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        fs::write(at("small"), [0; 100]).unwrap();
        for (path, words) in [
            (at("missing"), "No such file"),
            (directory.path().display().to_string(), "neither a block device"),
            (at("small"), "100 bytes"),
            ("/dev/null".to_owned(), "neither a block device"),
        ] {
            let result = source.open(&path, OpenMode::Member).await;
            refused(result, DiskErrorKind::NotFound, &[words, &path]);
        }
        fs::write(at("odd"), vec![0; 9000]).unwrap();
        let description = source.open(&at("odd"), OpenMode::Member).await.unwrap().describe();
        assert_eq!(description.size_bytes, 8192);
        assert_eq!((description.kind, description.serial.as_str()), (DiskKind::File, ""));
    });
}

/// Writes `marks` into a fresh drive of 64 MiB and expects a blank open to name `what`, and the others to succeed.
fn check_foreign(marks: &[(u64, &[u8])], what: &str) {
    on_each_route(16384, |scene| async move {
        let file = fs::File::options().write(true).open(&scene.path).unwrap();
        for (at, bytes) in marks {
            file.write_all_at(bytes, *at).unwrap();
        }
        drop(file);
        let before = fs::read(&scene.path).unwrap();
        let words = [what, "wiped", scene.name()];
        refused(scene.open(OpenMode::Blank).await, DiskErrorKind::Foreign, &words);
        scene.open(OpenMode::Wipe { serial: None }).await.unwrap();
        let other = OpenMode::Wipe { serial: Some("X".into()) };
        refused(scene.open(other).await, DiskErrorKind::Foreign, &["no serial", "X"]);
        scene.open(OpenMode::Member).await.unwrap();
        assert!(before == fs::read(&scene.path).unwrap(), "opening wrote to the drive");
    });
}

#[test]
fn other_peoples_data_is_refused_in_whatever_form() {
    check_foreign(&[(0, b"OUR-MARK")], "our member");
    check_foreign(&[((64 << 20) - 512, b"EFI PART")], "GPT");
    check_foreign(&[(0x1_0040, b"_BHRfS_M")], "btrfs");
    check_foreign(&[((64 << 20) - 65536, &0xa92b_4efc_u32.to_le_bytes())], "md");
    check_foreign(&[(700_000, b"a letter home")], "unknown kind");
}

/// Goal: what the system's own tools make is recognised, as what it is.
#[test]
fn what_mkfs_makes_is_recognised() {
    fn check(program: &str, arguments: &[&str], what: &str) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image").display().to_string();
        create_drive_file(&path, 400 << 20).unwrap();
        // Where Debian keeps root's programs.
        let places = "/usr/sbin:/sbin:".to_owned() + &std::env::var("PATH").unwrap();
        let mut command = Command::new(program);
        match command.env("PATH", places).args(arguments).arg(&path).output() {
            Ok(output) => assert!(output.status.success(), "{program}: {output:?}"),
            Err(error) => {
                println!("not run: {program}: {error}");
                return;
            }
        }
        on_engine_thread(async {
            let result = source(Route::Best).open(&path, OpenMode::Blank).await;
            refused(result, DiskErrorKind::Foreign, &[&format!("carries {what}")]);
        });
    }
    check("mkfs.ext4", &["-q", "-F"], "ext4");
    check("mkfs.ext3", &["-q", "-F"], "ext3");
    check("mkfs.ext2", &["-q", "-F"], "ext2");
    check("mkswap", &[], "swap space");
    check("mkfs.xfs", &["-q", "-f"], "xfs");
    check("mkfs.btrfs", &["-q", "-f"], "btrfs");
    check("mkfs.vfat", &[], "FAT");
    check("mkfs.f2fs", &["-q", "-f"], "f2fs");
    check("mkfs.ntfs", &["-q", "-F", "-Q"], "NTFS");
}

#[test]
fn a_drive_file_is_made_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("drive").display().to_string();
    refused(create_drive_file(&path, 5000), DiskErrorKind::OutOfRange, &["whole blocks"]);
    refused(create_drive_file(&path, 1 << 60), DiskErrorKind::NoSpace, &["no room"]);
    assert!(!fs::exists(&path).unwrap());
    create_drive_file(&path, 8 * BLOCK).unwrap();
    fs::write(&path, b"mine").unwrap();
    refused(create_drive_file(&path, 8 * BLOCK), DiskErrorKind::Foreign, &["exists already"]);
    assert_eq!(fs::read(&path).unwrap(), b"mine");
}

#[test]
fn files_that_promise_too_much_are_warned_about() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    create_drive_file(&at("solid"), 64 * BLOCK).unwrap();
    fs::File::create(at("hollow")).unwrap().set_len(1 << 20).unwrap();
    assert_eq!(file_warnings(&[at("solid"), at("hollow"), at("missing")]), []);
    fs::File::create(at("huge")).unwrap().set_len(1 << 43).unwrap();
    let warnings = file_warnings(&[at("solid"), at("hollow"), at("huge")]);
    let [FileWarning::Overcommitted { paths, missing_bytes, free_bytes }] = warnings.as_slice()
    else {
        panic!("{warnings:?}")
    };
    assert_eq!(*paths, [at("hollow"), at("huge")]);
    assert_eq!(*missing_bytes, (1 << 43) + (1 << 20));
    assert!(free_bytes < missing_bytes);
    assert!(warnings[0].to_string().contains("writes will fail"));
}
