//! Data in and out, by every way the protocol has.

use super::initiator::{Initiator, Plan, rw10};
use super::world::{HOST, World};

fn pattern(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|at| ((at * 7 + at / 256 + seed) % 251) as u8).collect()
}

/// Writes and reads back under these keys; how many ready-to-transfers the large write took.
fn check(keys: &[(&'static str, &'static str)], expected_requests: usize) {
    let world = World::new();
    let mut host = Initiator::logged_in(world.address, &Plan::of(HOST).keys(keys));
    host.ready(0);
    let mut requests = 0;
    for (blocks, lba) in [(1, 0), (8, 3), (600, 1000), (2048, 4000)] {
        let data = pattern(blocks * 512, blocks);
        let written = host.write(0, lba, &data);
        assert_eq!((written.status, written.residual), (0, 0), "{keys:?} {blocks}");
        requests = written.requests;
        let blocks = u16::try_from(blocks).unwrap();
        let read = host.read(0, lba, blocks);
        assert_eq!((read.status, read.residual), (0, 0));
        assert!(read.data == data, "{keys:?} {blocks} blocks differ");
    }
    assert_eq!(requests, expected_requests, "{keys:?}");
}

#[test]
fn by_every_way() {
    let small = [
        ("MaxRecvDataSegmentLength", "4096"),
        ("MaxBurstLength", "65536"),
        ("FirstBurstLength", "16384"),
    ];
    let with = |more: &[(&'static str, &'static str)]| [&small[..], more].concat();
    // Nothing offered: immediate data up to 64 KiB, the rest of 1 MiB in bursts of 256 KiB.
    check(&[], 4);
    check(&with(&[("InitialR2T", "Yes"), ("ImmediateData", "No")]), 16);
    check(&with(&[("InitialR2T", "No"), ("ImmediateData", "No")]), 16);
    check(&with(&[("InitialR2T", "No"), ("ImmediateData", "Yes"), ("MaxOutstandingR2T", "8")]), 16);
    check(&with(&[("HeaderDigest", "CRC32C"), ("DataDigest", "CRC32C")]), 16);
    check(&[("HeaderDigest", "CRC32C"), ("DataDigest", "CRC32C"), ("InitialR2T", "No")], 4);
    check(&[("DataDigest", "CRC32C"), ("MaxRecvDataSegmentLength", "1000")], 4);
}

#[test]
fn a_wrong_digest_ends_the_connection() {
    let world = World::new();
    let keys = [("HeaderDigest", "CRC32C"), ("DataDigest", "CRC32C")];
    for at in [20, 50, 60, 565] {
        let mut host = Initiator::logged_in(world.address, &Plan::of(HOST).keys(&keys));
        host.ready(0);
        // The digests were made by the sender; one byte changes on the way.
        let mut recorder = Recorder::new(&rw10(0x2a, 0, 1), &pattern(512, 1), host.cmd_sn);
        recorder.bytes[at] ^= 1;
        host.raw(&recorder.bytes);
        host.expect_closed();
    }
    let untouched = world.run(|_, directory| directory.luns[0].data.borrow()[..512] == [0; 512]);
    assert!(untouched);
}

/// A write command with immediate data and both digests, as bytes.
struct Recorder {
    bytes: Vec<u8>,
}

impl Recorder {
    fn new(cdb: &[u8], data: &[u8], cmd_sn: u32) -> Self {
        use vds_iscsi::pdu::{Digest, FINAL, ScsiCommand};
        let mut command = ScsiCommand {
            flags: FINAL | ScsiCommand::WRITE,
            task_tag: 77,
            expected_bytes: data.len() as u32,
            cmd_sn,
            ..ScsiCommand::default()
        };
        command.cdb[..cdb.len()].copy_from_slice(cdb);
        let mut bhs = command.encode();
        bhs.set_data_len(data.len());
        let mut bytes = bhs.0.to_vec();
        bytes.extend_from_slice(&Digest::of(&bhs.0));
        bytes.extend_from_slice(data);
        bytes.extend_from_slice(&Digest::of(data));
        Self { bytes }
    }
}

#[test]
fn many_commands_at_once() {
    let world = World::new();
    let mut host = Initiator::logged_in(world.address, &Plan::of(HOST));
    host.ready(0);
    let tags: Vec<u32> = (0..100)
        .map(|at| host.begin(0, &rw10(0x2a, at, 1), 0, &pattern(512, at as usize)))
        .collect();
    for tag in tags {
        assert_eq!(host.end(tag, &[]).status, 0);
    }
    for at in 0..100 {
        assert_eq!(host.read(0, at, 1).data, pattern(512, at as usize));
    }
}

#[test]
fn what_the_lun_says_reaches_the_initiator() {
    let world = World::new();
    let mut host = Initiator::logged_in(world.address, &Plan::of(HOST));
    // The first command of a new nexus is told of power on.
    let first = host.scsi(0, &[0; 6], 0, &[]);
    assert_eq!((first.status, first.sense_code()), (2, (6, 0x29, 0)));
    host.ready(0);
    // COMPARE AND WRITE of other data: miscompare.
    let mut cdb = [0; 16];
    (cdb[0], cdb[13]) = (0x89, 1);
    let differs = host.scsi(0, &cdb, 0, &[1; 1024]);
    assert_eq!((differs.status, differs.sense_code().0), (2, 0x0e));
    // Beyond the end.
    let beyond = host.read(0, 1 << 20, 1);
    assert_eq!((beyond.status, beyond.sense_code()), (2, (5, 0x21, 0)));
    // The LUN grows: told once, then it is as large as it is.
    world.run(|_, directory| {
        let mut shape = directory.luns[0].shape.get();
        shape.size_bytes *= 2;
        directory.luns[0].shape.set(shape);
    });
    let grown = host.scsi(0, &[0; 6], 0, &[]);
    assert_eq!((grown.status, grown.sense_code()), (2, (6, 0x2a, 9)));
    let capacity = host.scsi(0, &[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0], 8, &[]);
    assert_eq!(capacity.data, [0, 0, 0x3f, 0xff, 0, 0, 2, 0]);
}
