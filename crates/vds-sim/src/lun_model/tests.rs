//! The model lets an honest LUN pass and catches every planted bug.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use vds_io::LunShape;

use super::{
    Found, LUN_SECTOR_BYTES, LunModel, MemoryLun, Mix, Plant, Recovered, SectorRange, Violation,
    Workload, read_stamp, write_stamp,
};
use crate::{CrashMode, Sim};

const SIZE_BYTES: u64 = 256 << 10;

fn shape(write_back: bool) -> LunShape {
    LunShape {
        size_bytes: SIZE_BYTES,
        sector_bytes: 512,
        transfer_bytes_max: 64 << 10,
        write_back,
        read_only: false,
    }
}

/// Three lives of a LUN, each ended by a crash at a random moment.
fn lives(seed: u64, mode: CrashMode, plant: Plant) -> Result<u64, Violation> {
    let sim = Sim::new(seed);
    let chance = sim.chance();
    let model = Rc::new(RefCell::new(LunModel::new(seed, SIZE_BYTES)));
    let mix = if chance.one_in(2) { Mix::USUAL } else { Mix::swarm(&chance) };
    let mut lun = MemoryLun::new(sim.world(), shape(chance.one_in(4)), plant);
    let mut done = 0;
    for _ in 0..3 {
        let workload =
            Workload::new(Rc::new(lun.clone()), Rc::clone(&model), sim.world(), chance.fork(), mix);
        let time = Duration::from_micros(chance.between(10, 5000));
        if let Ok(result) = sim.run_within(time, workload.run(6, 1000)) {
            result?;
        }
        assert_eq!(workload.tally().failed(), 0);
        done += workload.tally().done();
        sim.crash(mode);
        model.borrow_mut().crashed(mode);
        lun = lun.after_crash(mode, sim.world());
        let workload =
            Workload::new(Rc::new(lun.clone()), Rc::clone(&model), sim.world(), chance.fork(), mix);
        sim.run_until(workload.verify()).unwrap()?;
    }
    Ok(done)
}

const MODES: [CrashMode; 2] = [CrashMode::Kill, CrashMode::PowerCut];

#[test]
fn an_honest_lun_passes() {
    let mut done = 0;
    for seed in 0..200 {
        for mode in MODES {
            done += lives(seed, mode, Plant::Nothing)
                .unwrap_or_else(|violation| panic!("seed {seed}, {mode:?}: {violation}"));
        }
    }
    assert!(done > 10_000, "{done} commands are too few to mean anything");
}

#[track_caller]
fn check_caught(plant: Plant, mode: CrashMode) {
    let caught = (0..60).filter(|seed| lives(*seed, mode, plant).is_err()).count();
    assert!(caught >= 6, "{plant:?}, {mode:?}: caught by {caught} of 60 seeds");
}

#[test]
fn every_planted_bug_is_caught() {
    check_caught(Plant::LostAcknowledged, CrashMode::Kill);
    check_caught(Plant::LyingFlush, CrashMode::PowerCut);
    check_caught(Plant::IgnoredFua, CrashMode::PowerCut);
    for mode in MODES {
        for plant in [
            Plant::Reordered,
            Plant::Torn,
            Plant::TornRead,
            Plant::StaleRead,
            Plant::IgnoredCompare,
            Plant::IgnoredUnmap,
        ] {
            check_caught(plant, mode);
        }
    }
}

#[test]
fn a_stamp_says_what_it_is() {
    let mut sector = [0; LUN_SECTOR_BYTES];
    write_stamp(&mut sector, 5, 6, 7);
    assert_eq!(read_stamp(&sector), Found::Stamp { seed: 5, sector: 6, version: 7 });
    sector[400] ^= 1;
    assert_eq!(read_stamp(&sector), Found::Damaged { sector: 6, version: 7 });
    sector[0] ^= 1;
    assert!(matches!(read_stamp(&sector), Found::Garbage(_)));
    write_stamp(&mut sector, 5, 6, 0);
    assert_eq!(read_stamp(&sector), Found::Zeros);
}

/// A model of two sectors and what they hold after a crash.
struct Small {
    model: LunModel,
}

const FIRST: SectorRange = SectorRange { first: 0, count: 1 };
const SECOND: SectorRange = SectorRange { first: 1, count: 1 };
const BOTH: SectorRange = SectorRange { first: 0, count: 2 };

impl Small {
    fn new() -> Self {
        Self { model: LunModel::new(9, 2 * LUN_SECTOR_BYTES as u64) }
    }

    /// Whether the model accepts these versions as what a crash left.
    fn accepts(mut self, mode: CrashMode, found: [u64; 2]) -> Option<Recovered> {
        self.model.crashed(mode);
        let bytes = versions(found);
        let (first, second) = bytes.split_at(LUN_SECTOR_BYTES);
        self.model.check_recovered(|sector| Some(if sector == 0 { first } else { second })).ok()
    }
}

fn versions(found: [u64; 2]) -> Vec<u8> {
    let mut bytes = vec![0; 2 * LUN_SECTOR_BYTES];
    for (sector, value) in [(0, found[0]), (1, found[1])] {
        write_stamp(bytes.chunks_mut(512).nth(sector).unwrap(), 9, sector as u64, value);
    }
    bytes
}

#[test]
fn recovery_is_judged_by_one_cut() {
    // 1: both, flushed; 2: first, acknowledged; 3: second, under way; 4: both, under way.
    let history = || {
        let mut small = Small::new();
        let (one, _) = small.model.begin_write(BOTH);
        small.model.acknowledge(one, false).unwrap();
        let flush = small.model.begin_flush();
        small.model.flushed(flush);
        let (two, _) = small.model.begin_write(FIRST);
        small.model.begin_write(SECOND);
        small.model.begin_write(BOTH);
        small.model.acknowledge(two, false).unwrap();
        small
    };
    let kill = |found| history().accepts(CrashMode::Kill, found).map(|r| (r.first, r.last));
    let cut = |found| history().accepts(CrashMode::PowerCut, found).map(|r| (r.first, r.last));
    assert_eq!((kill([1, 1]), cut([1, 1])), (None, Some((1, 1))));
    assert_eq!((kill([2, 1]), cut([2, 1])), (Some((2, 2)), Some((2, 2))));
    assert_eq!((kill([2, 3]), cut([2, 3])), (Some((3, 3)), Some((3, 3))));
    assert_eq!((kill([4, 4]), cut([4, 4])), (Some((4, 4)), Some((4, 4))));
    assert_eq!((kill([1, 3]), cut([1, 3])), (None, None), "3 without 2 is no prefix");
    assert_eq!((kill([4, 3]), cut([4, 3])), (None, None), "4 is torn");
    assert_eq!((kill([0, 0]), cut([0, 0])), (None, None), "1 was flushed");
    assert_eq!((kill([2, 9]), cut([2, 9])), (None, None), "9 was never written");
}

#[test]
fn a_read_shows_one_cut_and_is_not_taken_back() {
    let mut model = Small::new().model;
    let (one, _) = model.begin_write(BOTH);
    let early = model.begin_read(BOTH);
    let torn = model.begin_read(BOTH);
    model.acknowledge(one, false).unwrap();
    model.check_read(early, &versions([0, 0])).unwrap();
    model.check_read(torn, &versions([0, 1])).unwrap_err();
    let late = model.begin_read(BOTH);
    model.check_read(late, &versions([0, 0])).unwrap_err();

    model.begin_write(FIRST);
    let before = model.begin_read(FIRST);
    let seen = model.begin_read(FIRST);
    model.check_read(seen, &versions([2, 0])[..512]).unwrap();
    model.check_read(before, &versions([1, 0])[..512]).unwrap();
    let after = model.begin_read(FIRST);
    model.check_read(after, &versions([1, 0])[..512]).unwrap_err();
    assert_eq!(Small { model }.accepts(CrashMode::Kill, [1, 1]), None, "it was read");
}

#[test]
fn a_failed_command_may_have_happened_or_not() {
    let history = |refused: bool| {
        let mut small = Small::new();
        let (one, _) = small.model.begin_write(BOTH);
        if refused {
            small.model.refuse(one);
        } else {
            small.model.doubt(one);
        }
        let (two, _) = small.model.begin_write(SECOND);
        small.model.acknowledge(two, false).unwrap();
        small
    };
    let accepts = |refused, found| history(refused).accepts(CrashMode::Kill, found).is_some();
    assert!(accepts(false, [0, 2]) && accepts(false, [1, 2]));
    assert!(accepts(true, [0, 2]) && !accepts(true, [1, 2]));
    assert!(!accepts(false, [0, 1]), "2 was acknowledged");
}

#[test]
fn an_unreadable_sector_is_counted_and_stays_in_doubt() {
    let mut model = Small::new().model;
    let (one, _) = model.begin_write(BOTH);
    model.acknowledge(one, true).unwrap();
    model.crashed(CrashMode::PowerCut);
    let bytes = versions([1, 1]);
    let recovered = model.check_recovered(|sector| (sector == 0).then_some(&bytes[..512])).unwrap();
    assert_eq!((recovered.unreadable, recovered.lost), (1, 0));
    let read = model.begin_read(BOTH);
    model.check_read(read, &bytes).unwrap();
}

#[test]
fn a_report_names_what_was_found_and_what_was_expected() {
    let mut model = Small::new().model;
    let (one, _) = model.begin_write(BOTH);
    model.acknowledge(one, false).unwrap();
    let read = model.begin_read(BOTH);
    let text = model.check_read(read, &versions([1, 0])).unwrap_err().to_string();
    for part in ["sector 1: found zeros", "after command 1: data", "write SectorRange"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}
