//! Block devices, as loop devices: only where this user may attach them.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use vds_io::{Buffer, Disk, DiskErrorKind, DiskKind, DiskSource, LocalFuture, OpenMode, join_all};
use vds_os::{Magic, Obstacle, Route, create_drive_file, drives};

use crate::fixture::{BLOCK, ROUTES, filled, on_engine_thread, read, refused, source};

/// A loop device over a file of its own, detached when dropped.
struct Loop {
    device: String,
    back_file: PathBuf,
    _directory: tempfile::TempDir,
}

impl Loop {
    /// `None` where loop devices cannot be attached; the test then says so and is not run.
    fn attach(sector_bytes: u32, size_bytes: u64) -> Option<Self> {
        if !rustix::process::geteuid().is_root() || !Path::new("/dev/loop-control").exists() {
            println!("not run: needs root and loop devices");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let back_file = directory.path().join("back");
        create_drive_file(back_file.to_str().unwrap(), size_bytes).unwrap();
        let output = Command::new("losetup")
            .args([
                "--find",
                "--show",
                "--direct-io=on",
                "--sector-size",
                &sector_bytes.to_string(),
            ])
            .arg(&back_file)
            .output()
            .unwrap();
        assert!(output.status.success(), "losetup: {output:?}");
        let device = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        Some(Self { device, back_file, _directory: directory })
    }

    fn detach(&self) {
        let status = Command::new("losetup").arg("--detach").arg(&self.device).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // A test may have detached it already, and the device may be another's by now.
        let back_file = format!("/sys/block/{}/loop/backing_file", &self.device["/dev/".len()..]);
        let ours = fs::read_to_string(back_file)
            .is_ok_and(|path| Path::new(path.trim()) == self.back_file);
        if ours {
            let _ = Command::new("losetup").arg("--detach").arg(&self.device).status();
        }
    }
}

/// Runs `test` on a fresh loop device for each sector size and route.
fn on_each_loop<F: Future<Output = ()>>(test: impl Fn(Rc<Loop>, Route) -> F) {
    for sector_bytes in [512, 4096] {
        for route in ROUTES {
            let Some(device) = Loop::attach(sector_bytes, 64 << 20) else { return };
            on_engine_thread(test(Rc::new(device), route));
        }
    }
}

async fn member(device: &Loop, route: Route) -> Rc<dyn Disk> {
    source(route).open(&device.device, OpenMode::Member).await.unwrap()
}

#[test]
fn needs_root_a_device_is_described_and_carries_data() {
    for sector_bytes in [512, 4096] {
        let Some(device) = Loop::attach(sector_bytes, (64 << 20) + 4096) else { return };
        on_engine_thread(async {
            let disk = source(Route::Best).open(&device.device, OpenMode::Blank).await.unwrap();
            let description = disk.describe();
            assert_eq!(description.kind, DiskKind::BlockDevice);
            assert_eq!(description.sector_bytes, sector_bytes);
            assert_eq!(description.size_bytes, (64 << 20) + 4096);
            disk.write(16384 * BLOCK, filled(1, 7)).await.unwrap();
            disk.flush().await.unwrap();
            disk.check_present().await.unwrap();
        });
        let mut last = [0; 1];
        let back_file = fs::File::open(&device.back_file).unwrap();
        back_file.read_exact_at(&mut last, (64 << 20) + 4095).unwrap();
        assert_eq!(last, [7]);
    }
}

#[test]
fn needs_root_a_device_is_held_alone() {
    on_each_loop(|device, route| async move {
        let disk = member(&device, route).await;
        let again = source(route).open(&device.device, OpenMode::Member).await;
        refused(again, DiskErrorKind::InUse, &["exclusively"]);
        let held = drives(&[]).into_iter().find(|found| found.description.path == device.device);
        assert_eq!(held.unwrap().obstacles, [Obstacle::Held { processes: Vec::new() }]);
        drop(disk);
        member(&device, route).await;
        let free = drives(&[]).into_iter().find(|found| found.description.path == device.device);
        assert!(free.unwrap().is_available());
    });
}

#[test]
fn needs_root_many_requests_and_discards_on_a_device() {
    on_each_loop(|device, route| async move {
        let disk = member(&device, route).await;
        let writes = (0..256u64).map(|index| -> LocalFuture<()> {
            let byte = u8::try_from(index).unwrap();
            let writing = disk.write(index * 16 * BLOCK, filled(16, byte));
            Box::pin(async move { writing.await.unwrap() })
        });
        join_all(writes.collect()).await;
        disk.flush().await.unwrap();
        disk.discard(100 * 16 * BLOCK, 16 * 16 * BLOCK).await.unwrap();
        for index in (0..256u64).filter(|index| !(100..116).contains(index)) {
            let buffer = read(disk.as_ref(), index * 16, 16).await.unwrap();
            assert!(buffer.bytes().iter().all(|&byte| u64::from(byte) == index), "{index}");
        }
    });
}

/// Goal: an error of the drive is an error of that range, with the rest served. Method: the loop device's file is cut
/// short, which makes the device answer EIO behind the cut.
#[test]
fn needs_root_an_unreadable_range_is_told_from_a_drive_that_is_gone() {
    on_each_loop(|device, route| async move {
        let disk = member(&device, route).await;
        disk.write(0, filled(16, 3)).await.unwrap();
        let back_file = fs::File::options().write(true).open(&device.back_file).unwrap();
        back_file.set_len(32 << 20).unwrap();
        let (_, result) = disk.read((48 << 20) + 4096, Buffer::zeroed(2)).await;
        refused(result, DiskErrorKind::Range, &["reading 8192 bytes at 50335744"]);
        assert_eq!(read(disk.as_ref(), 0, 1).await.unwrap().bytes()[0], 3);
        disk.check_present().await.unwrap();
    });
}

#[test]
fn needs_root_a_path_that_leads_to_another_device_is_gone() {
    on_each_loop(|device, route| async move {
        let Some(other) = Loop::attach(512, 64 << 20) else { return };
        let link = device.back_file.with_extension("link");
        let lead_to = |device: &str| {
            let fresh = link.with_extension("fresh");
            std::os::unix::fs::symlink(device, &fresh).unwrap();
            fs::rename(&fresh, &link).unwrap();
        };
        lead_to(&device.device);
        let disk = source(route).open(link.to_str().unwrap(), OpenMode::Member).await.unwrap();
        disk.check_present().await.unwrap();
        lead_to(&other.device);
        refused(disk.check_present().await, DiskErrorKind::Gone, &["something else"]);
        lead_to(&device.device);
        disk.check_present().await.unwrap();
        fs::remove_file(&link).unwrap();
        refused(disk.check_present().await, DiskErrorKind::Gone, &["No such file"]);
    });
}

#[test]
fn needs_root_a_mounted_device_and_a_back_file_are_in_use() {
    let Some(device) = Loop::attach(512, 64 << 20) else { return };
    on_engine_thread(async {
        let source = source(Route::Best);
        let back_file = device.back_file.to_str().unwrap();
        let words = ["back-file of", device.device.as_str()];
        let result = source.open(back_file, OpenMode::Blank).await;
        refused(result, DiskErrorKind::InUse, &words);

        let made = Command::new("mkfs.ext4").args(["-q", "-F", &device.device]).status();
        if !made.is_ok_and(|status| status.success()) {
            println!("not run: needs mkfs.ext4");
            return;
        }
        let result = source.open(&device.device, OpenMode::Blank).await;
        refused(result, DiskErrorKind::Foreign, &["ext4"]);
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().join("a b");
        fs::create_dir(&at).unwrap();
        mount(&device.device, &at, "ext4", MountFlags::empty(), None).unwrap();
        let wipe = OpenMode::Wipe { serial: None };
        let result = source.open(&device.device, wipe).await;
        let found = drives(&[]).into_iter().find(|found| found.description.path == device.device);
        unmount(&at, UnmountFlags::empty()).unwrap();
        refused(result, DiskErrorKind::InUse, &["is mounted at", at.to_str().unwrap()]);
        let found = found.unwrap();
        assert!(!found.is_available());
        assert!(matches!(found.obstacles[0], Obstacle::Mounted { .. }), "{found:?}");
    });
}

#[test]
fn needs_root_candidates_are_the_configured_and_the_free_devices_once() {
    let Some(device) = Loop::attach(4096, 8 << 20) else { return };
    let link = device.back_file.with_extension("link");
    std::os::unix::fs::symlink(&device.device, &link).unwrap();
    let link = link.to_str().unwrap().to_owned();
    on_engine_thread(async {
        let candidates = |configured: Vec<String>, scan_devices| {
            let own: Vec<Magic> = Vec::new();
            let route = Route::Threads;
            let options = vds_os::SourceOptions { configured, scan_devices, own, route };
            vds_os::OsDiskSource::new(options).candidates()
        };
        assert_eq!(candidates(vec!["/b".into(), "/a".into()], false).await, ["/b", "/a"]);
        assert!(candidates(Vec::new(), true).await.contains(&device.device));
        let both = candidates(vec![link.clone()], true).await;
        assert_eq!(both[0], link);
        assert!(!both.contains(&device.device));
    });
}

#[test]
fn needs_root_a_full_file_system_is_not_the_drives_fault() {
    if !rustix::process::geteuid().is_root() {
        println!("not run: needs root");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let options = c"size=1m";
    mount("none", directory.path(), "tmpfs", MountFlags::empty(), options).unwrap();
    let path = directory.path().join("drive");
    fs::File::create(&path).unwrap().set_len(8 << 20).unwrap();
    let path = path.to_str().unwrap().to_owned();
    let warnings = vds_os::file_warnings(std::slice::from_ref(&path));
    for route in ROUTES {
        on_engine_thread(async {
            let disk = source(route).open(&path, OpenMode::Member).await.unwrap();
            disk.write(0, filled(16, 1)).await.unwrap();
            let result = disk.write(16 * BLOCK, filled(1024, 1)).await;
            refused(result, DiskErrorKind::NoSpace, &["writing", "No space"]);
            assert_eq!(read(disk.as_ref(), 3, 1).await.unwrap().bytes()[9], 1);
            disk.check_present().await.unwrap();
        });
    }
    unmount(directory.path(), UnmountFlags::DETACH).unwrap();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}

#[test]
fn needs_root_a_detached_device_is_gone() {
    let Some(device) = Loop::attach(512, 8 << 20) else { return };
    on_engine_thread(async {
        let onlooker = source(Route::Best).open(&device.device, OpenMode::ReadOnly).await.unwrap();
        drop(onlooker);
        device.detach();
        let result = source(Route::Best).open(&device.device, OpenMode::Member).await;
        refused(result, DiskErrorKind::NotFound, &["no medium"]);
    });
}
