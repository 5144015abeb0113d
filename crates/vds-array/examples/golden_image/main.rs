//! Makes a golden image: the drives of a small array as the product leaves them, and what its LUNs hold.
//!
//! `cargo run -p vds-array --example golden_image -- DIR` writes `drive-1.img.gz` to `drive-3.img.gz` and `contents.txt`.
//! An image is made once per version of the on-disk format and then stays: `tests/golden/README.md`.
#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "it writes files")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::rc::Rc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use vds_array::Embedded;
use vds_io::{BLOCK_BYTES, LunIo};
use vds_model::{
    ChapSecret, HintMask, Hints, LunId, LunType, OperationId, ProviderId, SubsystemId, TargetId,
    UnmaskingList,
};
use vds_operation::{IdempotencyKey, Output, Owner};
use vds_provider::{
    Caching, Chap, ChapCredential, CreateLun, NewDrive, Request, SectorSize, StartContext,
    TargetChoice, Wipe,
};
use vds_sim::{DriveSpec, Sim, SimDisks, SimOptions};

const MIB: u64 = 1 << 20;
const DRIVE_BYTES: u64 = 48 * MIB;
const DRIVES: u16 = 3;
/// How often the LUN is overwritten in parts: more than its space holds.
const ROUNDS: u64 = 4;
const SEED: u64 = 1;

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("a folder to write to"));
    let mut maker = Maker::new();
    maker.make();
    for drive in 1..=DRIVES {
        let bytes = maker
            .disks
            .drive(&path(drive))
            .peek(0, usize::try_from(DRIVE_BYTES).expect("a small drive"));
        let file = File::create(folder.join(format!("{}.gz", path(drive)))).expect("a new file");
        let mut packed = GzEncoder::new(file, Compression::best());
        packed.write_all(&bytes).expect("the file takes it");
        packed.finish().expect("the file takes it");
    }
    std::fs::write(folder.join("contents.txt"), maker.contents()).expect("the file takes it");
}

fn path(drive: u16) -> String {
    format!("drive-{drive}.img")
}

/// A block that says where it belongs and which write it came from: both numbers, over and over.
fn pattern(block: u64, version: u64) -> Vec<u8> {
    let unit = [block.to_le_bytes(), version.to_le_bytes()].concat();
    unit.repeat(BLOCK_BYTES / unit.len())
}

fn secret(bytes: &[u8]) -> ChapSecret {
    ChapSecret::new(bytes).expect("of a permitted length")
}

struct Maker {
    sim: Sim,
    disks: SimDisks,
    embedded: Rc<Embedded>,
    operations: u8,
    /// Grows with every write.
    version: u64,
    /// LUN and block to the version it holds; others read as zeros.
    held: BTreeMap<(&'static str, u64), u64>,
}

impl Maker {
    fn new() -> Self {
        let sim = Sim::with_options(SEED, SimOptions::PLAIN);
        let disks = SimDisks::new(&sim);
        for drive in 1..=DRIVES {
            let spec = DriveSpec::new(&path(drive), DRIVE_BYTES);
            disks.add_spec(if drive == 1 { spec.device("GOLDEN-1") } else { spec });
        }
        let embedded = start(&sim, &disks);
        Self { sim, disks, embedded, operations: 0, version: 0, held: BTreeMap::new() }
    }

    fn run(&mut self, request: Request) -> Output {
        self.operations += 1;
        let mut id = [0x60; 16];
        id[15] = self.operations;
        let owner = Owner::Client { name: "operator".into(), from: "console".into() };
        let unix_ms = self.sim.world().clock.unix_ms();
        let mut context = StartContext::new(OperationId::from_bytes(id), owner, unix_ms);
        let key = format!("golden-{}", self.operations);
        context.key = Some(IdempotencyKey::new(&key).expect("a short key"));
        let id = context.operation;
        let started = self.sim.run_until(self.embedded.start(context, request)).expect("it ends");
        assert!(!started.result.is_failure(), "{}", started.message);
        let operation = self.embedded.find_operation(id).expect("it was started");
        let waited = self.sim.run_until(operation.wait()).expect("it ends");
        waited.expect("the worker lives").result().expect("it succeeds")
    }

    fn create(&mut self, create: CreateLun) -> LunId {
        match self.run(Request::CreateLun(create)) {
            Output::CreateLun(id) => id,
            other => panic!("no LUN: {other:?}"),
        }
    }

    fn io(&self, lun: LunId) -> Rc<dyn LunIo> {
        self.embedded.lun_io(lun).expect("the array is open")
    }

    /// Writes blocks in one command.
    fn write(&mut self, name: &'static str, lun: LunId, first: u64, blocks: u64) {
        self.version += 1;
        let mut data = Vec::new();
        for block in first..first + blocks {
            data.extend(pattern(block, self.version));
            self.held.insert((name, block), self.version);
        }
        let written = self.io(lun).write(first * BLOCK_BYTES as u64, Bytes::from(data), false);
        self.sim.run_until(written).expect("it ends").expect("it is written");
    }

    fn unmap(&mut self, name: &'static str, lun: LunId, first: u64, blocks: u64) {
        self.held.retain(|(of, block), _| *of != name || !(first..first + blocks).contains(block));
        let block = BLOCK_BYTES as u64;
        let unmapped = self.io(lun).unmap(vec![(first * block, blocks * block)]);
        self.sim.run_until(unmapped).expect("it ends").expect("it is unmapped");
    }

    fn flush(&self, lun: LunId) {
        self.sim.run_until(self.io(lun).flush()).expect("it ends").expect("it is flushed");
    }

    fn make(&mut self) {
        let drives = (1..=DRIVES).map(|it| NewDrive { path: path(it), wipe: Wipe::No }).collect();
        let made = self.run(Request::CreateSubsystem { name: "golden".into(), drives });
        let Output::MakeArray(array) = made else { panic!("no array: {made:?}") };
        let (simple, stripe, mirror) = self.make_luns(array);
        self.export(array, simple, mirror);
        self.change(array, simple, stripe, mirror);
        self.overwrite(simple);
        self.sim.run_until(self.embedded.shutdown()).expect("it ends");
        self.embedded = start(&self.sim, &self.disks);
        // A log behind each checkpoint: flushed, and no more.
        self.write("simple", simple, 40, 3);
        self.flush(simple);
        self.write("stripe", stripe, 7, 30);
        self.unmap("stripe", stripe, 20, 5);
        self.write("stripe", stripe, 22, 1);
        self.write("mirror", mirror, 0, 9);
        self.unmap("mirror", mirror, 300, 400);
        self.write("mirror", mirror, 5, 2);
        self.flush(mirror);
    }

    fn make_luns(&mut self, array: SubsystemId) -> (LunId, LunId, LunId) {
        let list = "iqn.1993-08.org.debian:01:golden;2000000000000001";
        let simple = self.create(CreateLun {
            name: "simple".into(),
            unmasking_list: UnmaskingList::parse(list).expect("a list"),
            target: TargetChoice::Named("iqn.2026-11.example.golden:array".into()),
            ..CreateLun::new(array, LunType::Simple, MIB)
        });
        let target = self.embedded.exports()[0].targets[0].id;
        let mut hints = Hints::none().with_opinion(HintMask::SEQUENTIAL_READS, true);
        hints.optimal_read_bytes = 65536;
        let stripe = self.create(CreateLun {
            name: "stripe".into(),
            columns: Some(3),
            hints: Some(hints),
            sector_size: SectorSize::Bytes4096,
            caching: Caching::WriteThrough,
            target: TargetChoice::Existing(target),
            ..CreateLun::new(array, LunType::Stripe, 6 * MIB)
        });
        let mirror = self.create(CreateLun {
            name: "mirrored".into(),
            copies: Some(2),
            unmasking_list: UnmaskingList::Everybody,
            ..CreateLun::new(array, LunType::Mirror, 3 * MIB)
        });
        (simple, stripe, mirror)
    }

    fn export(&mut self, array: SubsystemId, simple: LunId, mirror: LunId) {
        let exported = &self.embedded.exports()[0];
        let sees =
            |target: &&vds_array::ExportedTarget| target.luns.iter().any(|lun| lun.lun == simple);
        let target: TargetId = exported.targets.iter().find(sees).expect("its target").id;
        let initiator =
            ChapCredential { user: "initiator".into(), secret: secret(b"golden secret 1") };
        let back = ChapCredential { user: "array".into(), secret: secret(b"golden secret 2") };
        let chap = Some(Chap { initiator, target: Some(back) });
        self.run(Request::SetTargetChap { target, chap });
        let listen = "192.0.2.1:3260".parse().expect("an address");
        let announce = Some("198.51.100.7:13260".parse().expect("an address"));
        self.run(Request::AddPortal { subsystem: array, listen, announce });
        let request = Request::CreateTarget {
            subsystem: array,
            iqn: "iqn.2026-11.example.golden:spare".into(),
            name: "spare".into(),
        };
        let Output::CreateTarget(target) = self.run(request) else { panic!("no target") };
        self.run(Request::DeleteTarget { target });
        self.run(Request::SetLunName { lun: mirror, name: "mirror".into() });
    }

    /// Long work and deletions, with data in the way.
    fn change(&mut self, array: SubsystemId, simple: LunId, stripe: LunId, mirror: LunId) {
        let doomed = self.create(CreateLun {
            name: "doomed".into(),
            ..CreateLun::new(array, LunType::Simple, MIB)
        });
        self.write("doomed", doomed, 3, 4);
        self.flush(doomed);
        self.run(Request::DeleteLun { lun: doomed });
        self.held.retain(|(name, _), _| *name != "doomed");
        for first in (0..1536).step_by(100) {
            self.write("stripe", stripe, first, 20);
        }
        self.write("mirror", mirror, 250, 40);
        self.write("mirror", mirror, 600, 56);
        self.flush(mirror);
        self.run(Request::AddPlex { lun: mirror, drives: None });
        self.write("mirror", mirror, 100, 10);
        let view = self.embedded.view();
        let plexes = &view.lun(mirror).expect("it exists").plexes;
        let plex = plexes.last().expect("it has plexes").properties.id;
        self.run(Request::RemovePlex { plex });
        self.run(Request::ExtendLun { lun: simple, by_bytes: MIB / 4, drives: None });
    }

    /// Until the cleaner has to move what is still live.
    fn overwrite(&mut self, simple: LunId) {
        for first in (0..320).step_by(40) {
            self.write("simple", simple, first, 40);
        }
        for round in 0..ROUNDS {
            for first in (round % 4..314).step_by(12) {
                self.write("simple", simple, first, 6);
            }
        }
        self.unmap("simple", simple, 200, 33);
        self.flush(simple);
    }

    /// Runs of blocks of one version: LUN, first block, blocks, version.
    fn contents(&self) -> String {
        let mut runs: Vec<(&str, u64, u64, u64)> = Vec::new();
        for ((name, block), version) in &self.held {
            match runs.last_mut() {
                Some((of, first, blocks, same))
                    if of == name && *first + *blocks == *block && same == version =>
                {
                    *blocks += 1;
                }
                _ => runs.push((name, *block, 1, *version)),
            }
        }
        let mut text = String::new();
        for (name, first, blocks, version) in runs {
            writeln!(text, "{name} {first} {blocks} {version}").expect("a String takes it");
        }
        text
    }
}

fn start(sim: &Sim, disks: &SimDisks) -> Rc<Embedded> {
    let provider = ProviderId::from_bytes([0x90; 16]);
    let embedded = Embedded::new(sim.world(), disks.source(), provider);
    sim.run_until(embedded.discover()).expect("it ends");
    embedded
}
