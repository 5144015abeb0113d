//! The kernel's text files, as trees made by hand.

use super::*;

/// A SATA disk with two partitions (the second held by LVM), an empty card reader and a loop device without file.
fn machine() -> (tempfile::TempDir, Kernel) {
    let root = tempfile::tempdir().unwrap();
    let put = |path: &str, content: &[u8]| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    put("sys/block/sda/dev", b"8:0\n");
    put("sys/block/sda/size", b"2048000\n");
    put("sys/block/sda/diskseq", b"9\n");
    put("sys/block/sda/queue/logical_block_size", b"4096\n");
    put("sys/block/sda/device/vendor", b"ATA     \n");
    put("sys/block/sda/device/model", b"Fast SSD 1\n");
    put("sys/block/sda/device/vpd_pg80", b"\0\x80\0\x08  S3R1AL");
    for (part, dev, size) in [("sda1", "8:1\n", "2048\n"), ("sda10", "8:10\n", "8\n")] {
        put(&format!("sys/block/sda/{part}/dev"), dev.as_bytes());
        put(&format!("sys/block/sda/{part}/size"), size.as_bytes());
        put(&format!("sys/block/sda/{part}/partition"), b"1\n");
    }
    put("sys/block/sda/sda10/holders/dm-0/x", b"");
    put("sys/block/sdb/dev", b"8:16\n");
    put("sys/block/sdb/size", b"0\n");
    put("sys/block/sda/queue/rotational", b"0\n");
    put("sys/block/sdb/queue/rotational", b"1\n");
    put("sys/block/sdb/device/model", b"Reader\n");
    put("sys/block/loop0/dev", b"7:0\n");
    put("sys/block/loop0/size", b"0\n");
    put("proc/self/mountinfo", b"30 1 8:1 / /srv/my\\040data rw - ext4 /dev/sda1 rw\n");
    put("proc/swaps", b"Filename Type Size Used Priority\n");
    put("proc/locks", b"1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF\n");
    let by_number = root.path().join("sys/dev/block");
    fs::create_dir_all(&by_number).unwrap();
    for (number, to) in [("8:0", "sda"), ("8:1", "sda/sda1"), ("8:16", "sdb"), ("7:0", "loop0")] {
        let target = root.path().join("sys/block").join(to);
        std::os::unix::fs::symlink(target, by_number.join(number)).unwrap();
    }
    let kernel = Kernel::under(root.path());
    (root, kernel)
}

#[test]
fn a_disk_is_described_and_a_partition_by_its_disk() {
    let (_root, kernel) = machine();
    let expected = DeviceFacts {
        sector_bytes: 4096,
        serial: "S3R1AL".into(),
        model: "ATA Fast SSD 1".into(),
        read_only: false,
        rotates: false,
    };
    assert_eq!(kernel.device_facts(makedev(8, 0)), expected);
    assert_eq!(kernel.device_facts(makedev(8, 1)), expected);
    assert_eq!(kernel.device_size(makedev(8, 0)), Some(2_048_000 * 512));
    assert_eq!(kernel.device_size(makedev(8, 1)), Some(1 << 20));
    assert_eq!(kernel.device_sequence(makedev(8, 1)), 9);
    assert_eq!(kernel.device_size(makedev(8, 99)), None);
}

#[test]
fn what_turns_is_what_the_kernel_says_turns() {
    let (_root, kernel) = machine();
    assert!(!kernel.device_facts(makedev(8, 0)).rotates);
    assert!(kernel.device_facts(makedev(8, 16)).rotates);
    assert!(!kernel.device_facts(makedev(7, 0)).rotates, "not known");
}

#[test]
fn udev_tells_the_serial_that_sysfs_does_not() {
    let (root, kernel) = machine();
    let data = root.path().join("run/udev/data");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("b8:16"), "E:ID_MODEL=x\nE:ID_SERIAL_SHORT=U7\n").unwrap();
    assert_eq!(kernel.device_facts(makedev(8, 16)).serial, "U7");
}

#[test]
fn a_disk_is_used_through_its_partitions() {
    let (_root, kernel) = machine();
    let mounted = Obstacle::Mounted { device: "sda1".into(), at: "/srv/my data".into() };
    let held = Obstacle::Holder { device: "sda10".into(), holder: "dm-0".into() };
    assert_eq!(kernel.device_users(makedev(8, 0)), vec![mounted.clone(), held]);
    assert_eq!(kernel.device_users(makedev(8, 1)), vec![mounted]);
    assert_eq!(kernel.lock_holders(makedev(8, 1), 131), vec![4711]);
    assert_eq!(kernel.lock_holders(makedev(8, 1), 132), Vec::<u32>::new());
}

#[test]
fn the_list_of_devices_leaves_out_what_is_nothing() {
    let (root, kernel) = machine();
    let listed: Vec<(String, u64)> = kernel
        .devices()
        .into_iter()
        .map(|device| {
            let name = device.path.strip_prefix(&root.path().join("dev").display().to_string());
            (name.unwrap().to_owned(), device.size_bytes)
        })
        .collect();
    let expected = [("/sda", 2_048_000 * 512), ("/sda1", 1 << 20), ("/sda10", 4096), ("/sdb", 0)];
    assert_eq!(listed, expected.map(|(name, size)| (name.to_owned(), size)));
    assert_eq!(kernel.devices()[0].partitions, ["sda1", "sda10"]);
    assert_eq!(kernel.devices()[1].partition_of.as_deref(), Some("sda"));
}

#[test]
fn blanks_in_paths_are_unescaped() {
    fn check(escaped: &str, expected: &str) {
        assert_eq!(unescape(escaped), expected);
    }
    check("/a\\040b", "/a b");
    check("/plain", "/plain");
    check("/end\\", "/end\\");
    check("/\\999", "/\\999");
}
