//! A golden image in a simulated machine.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use bytes::Bytes;
use flate2::read::GzDecoder;
use vds_array::Embedded;
use vds_io::{BLOCK_BYTES, LunIo, LunIoError};
use vds_model::{LunId, ProviderId};
use vds_provider::{LunView, View};
use vds_sim::{DriveSpec, Sim, SimDisks};

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// What the write of that number wrote.
    Write(u64),
    /// Nobody knows.
    Lost,
}

/// A folder of `tests/golden`.
pub(crate) struct Image {
    pub(crate) folder: &'static str,
    /// The numbers of its drives.
    pub(crate) drives: &'static [u16],
}

impl Image {
    fn path(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(self.folder)
    }

    /// What a LUN holds. Other blocks are zeros.
    pub(crate) fn contents(&self, lun: &str) -> BTreeMap<u64, Holds> {
        let text = std::fs::read_to_string(self.path().join("contents.txt")).unwrap();
        let mut held = BTreeMap::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [name, first, blocks, holds] = words[..] else { panic!("{line}") };
            let (first, blocks): (u64, u64) = (first.parse().unwrap(), blocks.parse().unwrap());
            let holds =
                if holds == "lost" { Holds::Lost } else { Holds::Write(holds.parse().unwrap()) };
            if name == lun {
                held.extend((first..first + blocks).map(|block| (block, holds)));
            }
        }
        assert!(!held.is_empty(), "{lun} holds nothing");
        held
    }
}

/// A machine with an image's drives.
pub(crate) struct Machine {
    pub(crate) sim: Sim,
    disks: SimDisks,
    image: &'static Image,
}

impl Machine {
    pub(crate) fn new(seed: u64, image: &'static Image, drives: &[u16]) -> Self {
        let sim = Sim::new(seed);
        let disks = SimDisks::new(&sim);
        for number in drives {
            let name = format!("drive-{number}.img");
            let mut bytes = Vec::new();
            let packed = File::open(image.path().join(format!("{name}.gz"))).unwrap();
            GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
            let spec = DriveSpec::new(&name, bytes.len() as u64);
            let drive = disks.add_spec(if *number == 1 { spec.device("GOLDEN-1") } else { spec });
            for (block, bytes) in (0..).zip(bytes.chunks(BLOCK_BYTES)) {
                if bytes.iter().any(|byte| *byte != 0) {
                    drive.poke(block * BLOCK_BYTES as u64, bytes);
                }
            }
        }
        Self { sim, disks, image }
    }

    pub(crate) fn open(&self) -> Rc<Embedded> {
        let provider = ProviderId::from_bytes([0x90; 16]);
        let embedded = Embedded::new(self.sim.world(), self.disks.source(), provider);
        self.sim.run_until(embedded.discover()).unwrap();
        embedded
    }

    pub(crate) fn read(&self, io: &Rc<dyn LunIo>, block: u64) -> Result<Bytes, LunIoError> {
        let offset_bytes = block * BLOCK_BYTES as u64;
        let read = self.sim.run_until(io.read(offset_bytes, BLOCK_BYTES as u64)).unwrap();
        read.map(|data| data.to_vec().into())
    }

    /// Every block of a LUN holds what the image's record says.
    pub(crate) fn check_contents(&self, embedded: &Embedded, name: &str) {
        self.check_blocks(embedded, lun_id(&embedded.view(), name), name);
    }

    /// The same of a LUN that has another name in the record.
    pub(crate) fn check_blocks(&self, embedded: &Embedded, lun: LunId, name: &str) {
        let io = embedded.lun_io(lun).unwrap();
        let held = self.image.contents(name);
        for block in 0..io.shape().size_bytes / BLOCK_BYTES as u64 {
            let found = self.read(&io, block);
            match held.get(&block) {
                Some(Holds::Write(version)) => {
                    assert_eq!(found, Ok(pattern(block, *version)), "block {block} of {name}");
                }
                Some(Holds::Lost) => {
                    let offset_bytes = block * BLOCK_BYTES as u64;
                    let lost = Err(LunIoError::Medium { offset_bytes });
                    assert_eq!(found, lost, "block {block} of {name}");
                }
                None => assert_eq!(found, Ok(vec![0; BLOCK_BYTES].into()), "{block} of {name}"),
            }
        }
    }

    /// Key, kind and state of what is remembered.
    pub(crate) fn operations(embedded: &Embedded) -> Vec<String> {
        let told = embedded.operations();
        let mut told: Vec<String> = told
            .iter()
            .map(|operation| {
                let record = operation.record();
                let key = record.key.as_ref().map_or("none", |key| key.as_str());
                format!("{key} {} {}", record.kind.code(), record.state.code())
            })
            .collect();
        told.sort();
        told
    }
}

/// Block and write, over and over.
pub(crate) fn pattern(block: u64, version: u64) -> Bytes {
    let unit = [block.to_le_bytes(), version.to_le_bytes()].concat();
    unit.repeat(BLOCK_BYTES / unit.len()).into()
}

pub(crate) fn lun<'a>(view: &'a View, name: &str) -> &'a LunView {
    let named = |lun: &&LunView| lun.properties.friendly_name == name;
    view.luns.iter().find(named).unwrap_or_else(|| panic!("no LUN {name}"))
}

pub(crate) fn lun_id(view: &View, name: &str) -> LunId {
    lun(view, name).properties.id
}
