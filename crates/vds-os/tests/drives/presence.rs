//! A drive that is not what it was any more.

use std::fs;

use vds_io::{Buffer, DiskErrorKind};

use crate::fixture::{BLOCK, filled, on_each_route, refused};

#[test]
fn a_present_drive_is_present_and_stays_so_through_a_rename_back() {
    on_each_route(64, |scene| async move {
        let disk = scene.member().await;
        disk.check_present().await.unwrap();
        let aside = scene.path.with_extension("aside");
        fs::rename(&scene.path, &aside).unwrap();
        refused(disk.check_present().await, DiskErrorKind::Gone, &["No such file"]);
        fs::write(&scene.path, vec![0; 64 * 4096]).unwrap();
        refused(disk.check_present().await, DiskErrorKind::Gone, &["something else"]);
        fs::rename(&aside, &scene.path).unwrap();
        disk.check_present().await.unwrap();
    });
}

#[test]
fn a_removed_file_is_gone() {
    on_each_route(64, |scene| async move {
        let disk = scene.member().await;
        fs::remove_file(&scene.path).unwrap();
        refused(disk.check_present().await, DiskErrorKind::Gone, &[scene.name()]);
    });
}

#[test]
fn a_truncated_file_is_gone_for_good() {
    on_each_route(64, |scene| async move {
        let disk = scene.member().await;
        disk.write(0, filled(64, 1)).await.unwrap();
        let file = fs::File::options().write(true).open(&scene.path).unwrap();
        file.set_len(10 * BLOCK).unwrap();
        let (_, result) = disk.read(9 * BLOCK, Buffer::zeroed(4)).await;
        let told =
            result.as_ref().unwrap_err().message.matches(scene.path.to_str().unwrap()).count();
        assert_eq!(told, 1, "{result:?}");
        refused(result, DiskErrorKind::Gone, &["from 262144 to 40960"]);
        // Long again, but not what it was.
        file.set_len(64 * BLOCK).unwrap();
        refused(disk.check_present().await, DiskErrorKind::Gone, &[]);
        refused(disk.write(0, filled(1, 2)).await, DiskErrorKind::Gone, &[]);
        refused(disk.flush().await, DiskErrorKind::Gone, &[]);
    });
}

#[test]
fn a_write_does_not_bring_a_truncated_file_back() {
    on_each_route(64, |scene| async move {
        let disk = scene.member().await;
        disk.write(0, filled(1, 1)).await.unwrap();
        let file = fs::File::options().write(true).open(&scene.path).unwrap();
        file.set_len(0).unwrap();
        refused(disk.write(63 * BLOCK, filled(1, 2)).await, DiskErrorKind::Gone, &["truncated"]);
        assert_eq!(fs::metadata(&scene.path).unwrap().len(), 0);
        refused(disk.check_present().await, DiskErrorKind::Gone, &[]);
    });
}
