//! Arrays as older versions left them can still be opened: whatever their drives hold is found again.
//!
//! `tests/golden/README.md` says how the images are made and why they stay as they are.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "it reads files")]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its stage has nothing to say")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use flate2::read::GzDecoder;
use vds_array::Embedded;
use vds_io::{BLOCK_BYTES, LunIo};
use vds_model::{LunId, LunStatus, ProviderId};
use vds_provider::{Caching, LunView, SectorSize, View};
use vds_sim::{DriveSpec, Sim, SimDisks};

const DRIVES: [&str; 3] = ["drive-1.img", "drive-2.img", "drive-3.img"];
const LUNS: [&str; 3] = ["mirror", "simple", "stripe"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/v1")
}

/// A machine with the image's drives.
struct Machine {
    sim: Sim,
    disks: SimDisks,
}

impl Machine {
    fn new(seed: u64, drives: &[&str]) -> Self {
        let sim = Sim::new(seed);
        let disks = SimDisks::new(&sim);
        for name in drives {
            let mut bytes = Vec::new();
            let packed = File::open(folder().join(format!("{name}.gz"))).unwrap();
            GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
            let spec = DriveSpec::new(name, bytes.len() as u64);
            let is_first = *name == DRIVES[0];
            let drive = disks.add_spec(if is_first { spec.device("GOLDEN-1") } else { spec });
            for (block, bytes) in (0..).zip(bytes.chunks(BLOCK_BYTES)) {
                if bytes.iter().any(|byte| *byte != 0) {
                    drive.poke(block * BLOCK_BYTES as u64, bytes);
                }
            }
        }
        Self { sim, disks }
    }

    fn open(&self) -> Rc<Embedded> {
        let provider = ProviderId::from_bytes([0x90; 16]);
        let embedded = Embedded::new(self.sim.world(), self.disks.source(), provider);
        self.sim.run_until(embedded.discover()).unwrap();
        embedded
    }

    fn read(&self, io: &Rc<dyn LunIo>, block: u64) -> Vec<u8> {
        let offset_bytes = block * BLOCK_BYTES as u64;
        let read = io.read(offset_bytes, BLOCK_BYTES as u64);
        self.sim.run_until(read).unwrap().unwrap().to_vec()
    }
}

/// What a LUN holds: block to the number of the write it came from. Other blocks are zeros.
fn contents(lun: &str) -> BTreeMap<u64, u64> {
    let text = std::fs::read_to_string(folder().join("contents.txt")).unwrap();
    let mut held = BTreeMap::new();
    for line in text.lines() {
        let (name, numbers) = line.split_once(' ').unwrap();
        let numbers: Vec<u64> = numbers.split(' ').map(|it| it.parse().unwrap()).collect();
        let [first, blocks, version] = numbers[..] else { panic!("{line}") };
        if name == lun {
            held.extend((first..first + blocks).map(|block| (block, version)));
        }
    }
    assert!(!held.is_empty(), "{lun} holds nothing");
    held
}

/// Block and write, over and over.
fn pattern(block: u64, version: u64) -> Vec<u8> {
    let unit = [block.to_le_bytes(), version.to_le_bytes()].concat();
    unit.repeat(BLOCK_BYTES / unit.len())
}

fn lun<'a>(view: &'a View, name: &str) -> &'a LunView {
    let named = |lun: &&LunView| lun.properties.friendly_name == name;
    view.luns.iter().find(named).unwrap_or_else(|| panic!("no LUN {name}"))
}

fn lun_id(view: &View, name: &str) -> LunId {
    lun(view, name).properties.id
}

fn check_contents(machine: &Machine, embedded: &Embedded, name: &str) {
    let view = embedded.view();
    let io = embedded.lun_io(lun_id(&view, name)).unwrap();
    let held = contents(name);
    let blocks = io.shape().size_bytes / BLOCK_BYTES as u64;
    for block in 0..blocks {
        let expected = match held.get(&block) {
            Some(version) => pattern(block, *version),
            None => vec![0; BLOCK_BYTES],
        };
        assert!(machine.read(&io, block) == expected, "block {block} of {name}");
    }
}

#[test]
fn data_of_version_1_is_read_and_written_on() {
    let machine = Machine::new(1, &DRIVES);
    let embedded = machine.open();
    for name in LUNS {
        check_contents(&machine, &embedded, name);
    }
    assert_eq!(embedded.damage(), []);
    let mirror = lun_id(&embedded.view(), "mirror");
    let io = embedded.lun_io(mirror).unwrap();
    let data = Bytes::from(pattern(700, 7));
    machine.sim.run_until(io.write(700 * BLOCK_BYTES as u64, data.clone(), true)).unwrap().unwrap();
    drop(io);
    machine.sim.run_until(embedded.shutdown()).unwrap();
    let embedded = machine.open();
    let io = embedded.lun_io(mirror).unwrap();
    assert_eq!(machine.read(&io, 700), data);
    check_contents(&machine, &embedded, "stripe");
}

/// Two of three drives are enough to open, and one copy is enough to read.
#[test]
fn a_mirror_of_version_1_is_read_without_any_one_drive() {
    for absent in 0..DRIVES.len() {
        let mut there = DRIVES.to_vec();
        there.remove(absent);
        let machine = Machine::new(2, &there);
        let embedded = machine.open();
        machine.sim.run_for(Duration::from_mins(2)).unwrap();
        machine.sim.run_until(embedded.discover()).unwrap();
        check_contents(&machine, &embedded, "mirror");
    }
}

#[test]
fn objects_of_version_1_are_found() {
    let machine = Machine::new(3, &DRIVES);
    let embedded = machine.open();
    // Logs are recovered behind the opening.
    machine.sim.run_for(Duration::from_secs(5)).unwrap();
    let view = embedded.view();
    assert_eq!(view.subsystems.len(), 1);
    assert_eq!(view.subsystems[0].properties.friendly_name, "golden");
    assert_eq!(view.drives.len(), 3);
    assert_eq!(view.luns.len(), 3);
    let told: Vec<String> = LUNS
        .iter()
        .map(|name| {
            let lun = lun(&view, name);
            let properties = &lun.properties;
            assert_eq!(properties.status, LunStatus::Online);
            let plexes = lun.plexes.len();
            format!("{} {} B, {plexes} plexes", properties.lun_type, properties.size.0)
        })
        .collect();
    let expected =
        ["mirror 3145728 B, 2 plexes", "simple 1310720 B, 1 plexes", "stripe 6291456 B, 1 plexes"];
    assert_eq!(told, expected);
    let stripe = lun(&view, "stripe");
    assert_eq!(stripe.sector_size, SectorSize::Bytes4096);
    assert_eq!(stripe.caching, Caching::WriteThrough);
    assert_eq!(stripe.hints.optimal_read_bytes, 65536);
    let [export] = &embedded.exports()[..] else { panic!("one array") };
    let [portal] = export.portals[..] else { panic!("one portal") };
    assert_eq!(portal.listen.to_string(), "192.0.2.1:3260");
    assert_eq!(portal.announce.unwrap().to_string(), "198.51.100.7:13260");
    let [target, other] = &export.targets[..] else { panic!("two targets") };
    assert_eq!(target.iscsi_name, "iqn.2026-11.example.golden:array");
    let chap = target.chap.as_ref().unwrap();
    let [login] = &chap.initiators[..] else { panic!("one login") };
    assert_eq!(
        (login.user.as_str(), login.secret.expose()),
        ("initiator", &b"golden secret 1"[..])
    );
    let (user, secret) = chap.mutual.as_ref().unwrap();
    assert_eq!((user.as_str(), secret.expose()), ("array", &b"golden secret 2"[..]));
    let luns: Vec<String> = target
        .luns
        .iter()
        .chain(&other.luns)
        .map(|lun| format!("{} {} {}", lun.number, lun.name, lun.unmasking_list))
        .collect();
    let list = "iqn.1993-08.org.debian:01:golden;2000000000000001";
    assert_eq!(luns, [format!("0 simple {list}"), "1 stripe ".to_owned(), "0 mirror *".to_owned()]);
}

#[test]
fn operations_of_version_1_are_remembered() {
    let machine = Machine::new(4, &DRIVES);
    let embedded = machine.open();
    let mut told: Vec<String> = embedded
        .operations()
        .iter()
        .map(|operation| {
            let record = operation.record();
            let key = record.key.as_ref().map_or("none", |key| key.as_str());
            format!("{key} {} {}", record.kind.code(), record.state.code())
        })
        .collect();
    told.sort();
    let expected = [
        "golden-1 make_array succeeded",
        "golden-10 create_lun succeeded",
        "golden-11 delete_lun succeeded",
        "golden-12 add_plex succeeded",
        "golden-13 remove_plex succeeded",
        "golden-14 extend_lun succeeded",
        "golden-2 create_lun succeeded",
        "golden-3 create_lun succeeded",
        "golden-4 create_lun succeeded",
        "golden-5 set_target_chap succeeded",
        "golden-6 add_portal succeeded",
        "golden-7 create_target succeeded",
        "golden-8 delete_target succeeded",
        "golden-9 set_name succeeded",
    ];
    assert_eq!(told, expected);
}
