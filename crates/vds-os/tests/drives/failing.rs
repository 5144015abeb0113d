//! A drive that starts to fail, served through FUSE where this user may mount.

use std::fs;
use std::path::Path;

use vds_io::{Buffer, DiskErrorKind, DiskSource, OpenMode};
use vds_os::{Route, create_drive_file};

use crate::fixture::{BLOCK, filled, on_engine_thread, read, refused, source};
use crate::server::FailingDrive;

#[test]
fn needs_root_a_drive_that_starts_to_fail_names_the_range_and_may_recover() {
    if !rustix::process::geteuid().is_root() || !Path::new("/dev/fuse").exists() {
        println!("not run: needs root and /dev/fuse");
        return;
    }
    // Not on the spot: a drive that hangs would rightly hang its thread, and no file in memory is served by anybody.
    for route in [Route::Ring, Route::Threads, Route::Best] {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        create_drive_file(at("backing").to_str().unwrap(), 16 << 20).unwrap();
        fs::create_dir(at("mount")).unwrap();
        let failing = FailingDrive::mount(&at("backing"), &at("fault"), &at("mount")).unwrap();
        on_engine_thread(async {
            let path = failing.drive().display().to_string();
            let disk = source(route).open(&path, OpenMode::Blank).await.unwrap();
            disk.write(BLOCK, filled(300, 8)).await.unwrap();
            disk.flush().await.unwrap();
            assert_eq!(read(disk.as_ref(), 300, 1).await.unwrap().bytes()[0], 8);

            fs::write(at("fault"), "read").unwrap();
            let (_, result) = disk.read(2 * BLOCK, Buffer::zeroed(2)).await;
            refused(result, DiskErrorKind::Range, &["reading 8192 bytes at 8192", "os error 5"]);
            disk.write(BLOCK, filled(1, 9)).await.unwrap();
            fs::write(at("fault"), "write flush").unwrap();
            refused(disk.write(0, filled(1, 1)).await, DiskErrorKind::Range, &["writing"]);
            refused(disk.flush().await, DiskErrorKind::Range, &["flushing"]);

            // A drive that hangs holds up nobody, and what was asked is done once it answers again.
            fs::write(at("fault"), "hang").unwrap();
            let hanging = disk.read(BLOCK, Buffer::zeroed(1));
            let yielded = tokio::time::timeout(std::time::Duration::from_millis(30), hanging).await;
            assert!(yielded.is_err());
            fs::remove_file(at("fault")).unwrap();
            assert_eq!(read(disk.as_ref(), 1, 1).await.unwrap().bytes()[0], 9);
            disk.check_present().await.unwrap();
        });
    }
}
