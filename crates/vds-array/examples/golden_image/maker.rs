//! An array on simulated drives that is changed step by step, and the record of what its LUNs hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::ops::RangeInclusive;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use vds_array::Embedded;
use vds_io::{BLOCK_BYTES, LunIo, LunIoError};
use vds_model::{ChapSecret, LunId, OperationId, ProviderId, SubsystemId};
use vds_operation::{IdempotencyKey, Output, Owner};
use vds_provider::{CreateLun, NewDrive, Request, StartContext, Wipe};
use vds_sim::{DriveSpec, Sim, SimDisks, SimOptions};

pub(crate) const MIB: u64 = 1 << 20;
const SEED: u64 = 1;

pub(crate) fn path(drive: u16) -> String {
    format!("drive-{drive}.img")
}

/// A block that says where it belongs and which write it came from: both numbers, over and over.
fn pattern(block: u64, version: u64) -> Vec<u8> {
    let unit = [block.to_le_bytes(), version.to_le_bytes()].concat();
    unit.repeat(BLOCK_BYTES / unit.len())
}

pub(crate) fn secret(bytes: &[u8]) -> ChapSecret {
    ChapSecret::new(bytes).expect("of a permitted length")
}

pub(crate) fn new_drives(drives: RangeInclusive<u16>) -> Vec<NewDrive> {
    drives.map(|it| NewDrive { path: path(it), wipe: Wipe::No }).collect()
}

pub(crate) struct Maker {
    pub(crate) sim: Sim,
    pub(crate) disks: SimDisks,
    pub(crate) embedded: Rc<Embedded>,
    /// The drives that the image is to have.
    drives: BTreeSet<u16>,
    drive_bytes: u64,
    operations: u16,
    /// Grows with every write.
    version: u64,
    /// LUN and block to the version it holds; others read as zeros.
    held: BTreeMap<(&'static str, u64), u64>,
    /// Blocks of which nobody knows what they held.
    lost: BTreeSet<(&'static str, u64)>,
}

impl Maker {
    pub(crate) fn new(drives: u16, drive_bytes: u64) -> Self {
        let sim = Sim::with_options(SEED, SimOptions::PLAIN);
        let disks = SimDisks::new(&sim);
        for drive in 1..=drives {
            let spec = DriveSpec::new(&path(drive), drive_bytes);
            disks.add_spec(if drive == 1 { spec.device("GOLDEN-1") } else { spec });
        }
        let embedded = start(&sim, &disks);
        Self {
            sim,
            disks,
            embedded,
            drives: (1..=drives).collect(),
            drive_bytes,
            operations: 0,
            version: 0,
            held: BTreeMap::new(),
            lost: BTreeSet::new(),
        }
    }

    /// The service stops and starts.
    pub(crate) fn restart(&mut self) {
        self.sim.run_until(self.embedded.shutdown()).expect("it ends");
        self.embedded = start(&self.sim, &self.disks);
    }

    /// Until what the array does by itself is done.
    pub(crate) fn settle(&self) {
        self.sim.run_for(Duration::from_mins(1)).expect("no crash");
    }

    pub(crate) fn run(&mut self, request: Request) -> Output {
        self.operations += 1;
        let mut id = [0x60; 16];
        id[14..].copy_from_slice(&self.operations.to_be_bytes());
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

    /// The array `golden`.
    pub(crate) fn create_subsystem(&mut self, drives: RangeInclusive<u16>) -> SubsystemId {
        let request =
            Request::CreateSubsystem { name: "golden".into(), drives: new_drives(drives) };
        match self.run(request) {
            Output::MakeArray(array) => array,
            other => panic!("no array: {other:?}"),
        }
    }

    pub(crate) fn create(&mut self, create: CreateLun) -> LunId {
        match self.run(Request::CreateLun(create)) {
            Output::CreateLun(id) => id,
            other => panic!("no LUN: {other:?}"),
        }
    }

    fn io(&self, lun: LunId) -> Rc<dyn LunIo> {
        self.embedded.lun_io(lun).expect("the array is open")
    }

    /// Writes blocks in one command.
    pub(crate) fn write(&mut self, name: &'static str, lun: LunId, first: u64, blocks: u64) {
        self.version += 1;
        let mut data = Vec::new();
        for block in first..first + blocks {
            data.extend(pattern(block, self.version));
            self.held.insert((name, block), self.version);
            self.lost.remove(&(name, block));
        }
        let written = self.io(lun).write(first * BLOCK_BYTES as u64, Bytes::from(data), false);
        self.sim.run_until(written).expect("it ends").expect("it is written");
    }

    pub(crate) fn unmap(&mut self, name: &'static str, lun: LunId, first: u64, blocks: u64) {
        self.held.retain(|(of, block), _| *of != name || !(first..first + blocks).contains(block));
        let block = BLOCK_BYTES as u64;
        let unmapped = self.io(lun).unmap(vec![(first * block, blocks * block)]);
        self.sim.run_until(unmapped).expect("it ends").expect("it is unmapped");
    }

    pub(crate) fn flush(&self, lun: LunId) {
        self.sim.run_until(self.io(lun).flush()).expect("it ends").expect("it is flushed");
    }

    /// What a LUN that is gone held.
    pub(crate) fn forget(&mut self, gone: &str) {
        self.held.retain(|(name, _), _| *name != gone);
    }

    pub(crate) fn lost_of(&self, name: &str) -> Vec<u64> {
        self.lost.iter().filter(|(of, _)| *of == name).map(|(_, block)| *block).collect()
    }

    /// Reads a LUN, and notes which blocks are lost. The others have to hold what was written.
    pub(crate) fn note_lost(&mut self, name: &'static str, lun: LunId) -> usize {
        let io = self.io(lun);
        let block_bytes = BLOCK_BYTES as u64;
        for block in 0..io.shape().size_bytes / block_bytes {
            let read = self.sim.run_until(io.read(block * block_bytes, block_bytes));
            match read.expect("it ends") {
                Ok(data) => {
                    let expected = match self.held.get(&(name, block)) {
                        Some(version) => pattern(block, *version),
                        None => vec![0; BLOCK_BYTES],
                    };
                    assert!(data.to_vec() == expected, "block {block} of {name}");
                }
                Err(LunIoError::Medium { .. }) => {
                    self.held.remove(&(name, block));
                    self.lost.insert((name, block));
                }
                Err(error) => panic!("block {block} of {name}: {error}"),
            }
        }
        self.lost_of(name).len()
    }

    /// The image is to be without this drive.
    pub(crate) fn leave_out(&mut self, drive: u16) {
        self.drives.remove(&drive);
    }

    /// Writes the folder.
    pub(crate) fn save(&self, folder: &Path) {
        for drive in &self.drives {
            let bytes = usize::try_from(self.drive_bytes).expect("a small drive");
            let bytes = self.disks.drive(&path(*drive)).peek(0, bytes);
            let file = File::create(folder.join(format!("{}.gz", path(*drive))));
            let mut packed = GzEncoder::new(file.expect("a new file"), Compression::best());
            packed.write_all(&bytes).expect("the file takes it");
            packed.finish().expect("the file takes it");
        }
        std::fs::write(folder.join("contents.txt"), self.contents()).expect("the file takes it");
    }

    /// Runs of blocks of one version: LUN, first block, blocks, version or `lost`.
    fn contents(&self) -> String {
        let mut blocks: BTreeMap<(&str, u64), String> =
            self.held.iter().map(|(at, version)| (*at, version.to_string())).collect();
        blocks.extend(self.lost.iter().map(|at| (*at, "lost".to_owned())));
        let mut runs: Vec<(&str, u64, u64, String)> = Vec::new();
        for ((name, block), holds) in blocks {
            match runs.last_mut() {
                Some((of, first, blocks, same))
                    if *of == name && *first + *blocks == block && *same == holds =>
                {
                    *blocks += 1;
                }
                _ => runs.push((name, block, 1, holds)),
            }
        }
        let mut text = String::new();
        for (name, first, blocks, holds) in runs {
            writeln!(text, "{name} {first} {blocks} {holds}").expect("a String takes it");
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
