//! Copies that are lost, rebuilt, added and taken away, while the LUN is written.

use std::cell::RefCell;
use std::rc::Rc;

use vds_io::LunIo;
use vds_model::{Change, DriveId, HResult, Health, LunId, LunStatus, LunType, SubsystemId};
use vds_operation::{Operation, Output, OutputType, State};
use vds_provider::{CreateLun, LunView, MaxSizeQuery, Request};
use vds_sim::lun_model::{LunModel, Mix, Workload};

use super::super::Embedded;
use super::bench::{Bench, MIB, Outcome, check, create, drive_ids, new_drive};

const SIZE: u64 = 4 * MIB;

/// A mirror with data on it, and a workload that knows the data.
struct Mirror {
    bench: Bench,
    embedded: Rc<Embedded>,
    array: SubsystemId,
    lun: LunId,
    ids: Vec<DriveId>,
    model: Rc<RefCell<LunModel>>,
}

impl Mirror {
    /// On the first drives of `drives`.
    fn new(seed: u64, drives: u16, lun_type: LunType, members: usize) -> Self {
        let (bench, embedded, array) = Bench::with_array(seed, drives);
        let ids = drive_ids(&embedded.view());
        let on = Some(ids[..members].to_vec());
        let request = CreateLun { drives: on, ..create(array, lun_type, SIZE) };
        let lun = bench.make_lun(&embedded, request);
        let model = Rc::new(RefCell::new(LunModel::new(seed, SIZE)));
        let mirror = Self { bench, embedded, array, lun, ids, model };
        mirror.work(200);
        mirror
    }

    fn io(&self) -> Rc<dyn LunIo> {
        self.embedded.lun_io(self.lun).unwrap()
    }

    fn workload(&self) -> Workload {
        let (world, chance) = (self.bench.sim.world(), self.bench.sim.chance());
        Workload::new(self.io(), Rc::clone(&self.model), world, chance, Mix::USUAL)
    }

    fn work(&self, commands: u64) {
        let workload = self.workload();
        self.bench.sim.run_until(workload.run(4, commands)).unwrap().unwrap();
        assert_eq!(workload.tally().failed(), 0, "{:?}", workload.tally());
    }

    fn verify(&self) {
        let workload = self.workload();
        self.bench.sim.run_until(workload.verify()).unwrap().unwrap();
    }

    /// Writes on while an operation runs, until it ends.
    fn work_until(&self, operation: &Operation) -> vds_operation::End {
        let workload = self.workload();
        let writer = workload.clone();
        let watched = operation.clone();
        let both = async {
            while !watched.is_ended() {
                writer.run(3, 9).await.unwrap();
            }
            watched.wait().await.unwrap()
        };
        let end = self.bench.sim.run_until(both).unwrap();
        assert_eq!(workload.tally().failed(), 0, "{:?}", workload.tally());
        check(&self.embedded);
        end
    }

    fn run(&self, request: Request) -> Outcome {
        self.bench.run(&self.embedded, request)
    }

    fn begin(&self, request: Request) -> Operation {
        self.bench.begin(&self.embedded, request).unwrap()
    }

    fn shown(&self) -> LunView {
        self.embedded.view().lun(self.lun).unwrap().clone()
    }

    fn health(&self) -> Health {
        self.shown().properties.health
    }

    /// Drives of each plex, by their places.
    fn places(&self) -> Vec<Vec<usize>> {
        let place = |drive| self.ids.iter().position(|id| *id == drive).map_or(0, |it| it + 1);
        let plexes = self.shown().plexes;
        plexes.iter().map(|plex| plex.extents.iter().map(|it| place(it.drive)).collect()).collect()
    }

    /// Loses a drive and lets that be noticed.
    fn lose(&self, drive: u16) {
        self.bench.disks.drive(&super::bench::path(drive)).vanish();
        self.bench.pass(3);
    }

    fn restart(&mut self) {
        self.bench.sim.run_until(self.embedded.shutdown()).unwrap();
        self.embedded = self.bench.start();
    }
}

#[test]
fn a_mirror_loses_a_drive_and_is_recovered_on_another() {
    let mut mirror = Mirror::new(21, 4, LunType::Mirror, 2);
    assert_eq!(mirror.health(), Health::Healthy);
    mirror.lose(1);
    assert_eq!(mirror.health(), Health::FailedRedundancy);
    assert_eq!(mirror.shown().properties.status, LunStatus::Online);
    mirror.work(100);
    let seen = mirror.embedded.events().last();
    let operation = mirror.begin(Request::RecoverLun { lun: mirror.lun });
    let end = mirror.work_until(&operation);
    assert_eq!(end.result(), Ok(Output::Done(OutputType::RecoverLun)));
    assert_eq!(mirror.health(), Health::Healthy);
    assert!(
        [[[3], [2]], [[4], [2]]]
            .map(|it| it.map(Vec::from))
            .contains(&<[Vec<usize>; 2]>::try_from(mirror.places()).unwrap())
    );
    assert!(mirror.embedded.events().last() > seen);
    mirror.verify();
    assert!(operation.status().progress.done_bytes > Some(0));
    let gone = mirror.run(Request::RemoveDrive { drive: mirror.ids[0] });
    assert_eq!(gone, Outcome::Done(Output::Done(OutputType::RemoveDrive)));
    // The other old drive is not needed any more.
    mirror.lose(2);
    mirror.work(50);
    mirror.verify();
    mirror.restart();
    mirror.verify();
    assert_eq!(mirror.health(), Health::FailedRedundancy);
}

#[test]
fn a_hot_spare_stands_in_first() {
    let mirror = Mirror::new(22, 4, LunType::Mirror, 2);
    let spare = Request::SetDriveSpare { drive: mirror.ids[3], is_spare: true };
    assert!(matches!(mirror.run(spare), Outcome::Done(_)));
    mirror.lose(2);
    mirror.bench.pass(5);
    assert_eq!(mirror.places(), [[1], [4]]);
    assert_eq!(mirror.health(), Health::Healthy, "nobody had to ask");
    let view = mirror.embedded.view();
    let flags = view.drive(mirror.ids[3]).unwrap().properties.flags;
    assert!(flags.contains(vds_model::DriveFlags::HOTSPARE_IN_USE));
    mirror.verify();
}

#[test]
fn what_has_one_copy_or_no_room_cannot_be_recovered() {
    let mirror = Mirror::new(23, 3, LunType::Mirror, 3);
    mirror.lose(3);
    let none = mirror.run(Request::RecoverLun { lun: mirror.lun });
    assert_eq!(none, Outcome::Refused(HResult::VDSX_E_NO_REPLACEMENT));
    assert_eq!(mirror.health(), Health::FailedRedundancy);
    let single = create(mirror.array, LunType::Simple, MIB);
    let lun = mirror.bench.make_lun(&mirror.embedded, single);
    let one = mirror.run(Request::RecoverLun { lun });
    assert_eq!(one, Outcome::Refused(HResult::VDSX_E_NOT_REDUNDANT));
    assert_eq!(HResult::VDSX_E_NOT_REDUNDANT.as_vds(), HResult::VDS_E_INVALID_OPERATION);
}

#[test]
fn a_copy_is_added_and_taken_away() {
    let mut mirror = Mirror::new(24, 4, LunType::Simple, 1);
    let operation = mirror.begin(Request::AddPlex { lun: mirror.lun, drives: None });
    let end = mirror.work_until(&operation);
    assert_eq!(end.result(), Ok(Output::Done(OutputType::AddLunPlex)));
    assert_eq!(mirror.shown().properties.lun_type, LunType::Mirror);
    assert_eq!(mirror.health(), Health::Healthy);
    assert_eq!(mirror.places(), [[1], [2]]);
    mirror.verify();
    let third = Request::AddPlex { lun: mirror.lun, drives: Some(vec![mirror.ids[3]]) };
    assert!(matches!(mirror.run(third), Outcome::Done(_)));
    let taken = Request::AddPlex { lun: mirror.lun, drives: Some(vec![mirror.ids[0]]) };
    assert_eq!(mirror.run(taken), Outcome::Refused(HResult::VDSX_E_BAD_DRIVE_LIST));
    mirror.work(50);
    for copies in [2, 1] {
        let plex = mirror.shown().plexes[0].properties.id;
        let operation = mirror.begin(Request::RemovePlex { plex });
        let end = mirror.work_until(&operation);
        assert_eq!(end.result(), Ok(Output::Done(OutputType::RemoveLunPlex)));
        assert_eq!(mirror.shown().plexes.len(), copies);
        mirror.verify();
    }
    assert_eq!(mirror.shown().properties.lun_type, LunType::Simple);
    assert_eq!(mirror.places(), [[4]]);
    let plex = mirror.shown().plexes[0].properties.id;
    let last = mirror.run(Request::RemovePlex { plex });
    assert_eq!(last, Outcome::Refused(HResult::VDSX_E_LAST_PLEX));
    // Nothing is left on the others.
    mirror.bench.pass(90);
    for id in &mirror.ids[..3] {
        let view = mirror.embedded.view();
        let drive = view.drive(*id).unwrap();
        assert!(drive.extents.iter().all(|extent| !extent.is_used), "{drive:?}");
    }
    mirror.work(100);
    mirror.restart();
    mirror.verify();
}

#[test]
fn a_copy_that_holds_what_no_other_has_is_not_taken_away() {
    let mirror = Mirror::new(25, 3, LunType::Mirror, 2);
    mirror.lose(1);
    mirror.work(50);
    let plex = mirror.shown().plexes[1].properties.id;
    let only = mirror.run(Request::RemovePlex { plex });
    assert_eq!(only, Outcome::Refused(HResult::VDS_E_PLEX_LAST_ACTIVE));
    let lost = mirror.shown().plexes[0].properties.id;
    assert!(matches!(mirror.run(Request::RemovePlex { plex: lost }), Outcome::Done(_)));
    mirror.verify();
    assert_eq!(mirror.health(), Health::Healthy);
}

#[test]
fn adding_a_copy_can_be_cancelled_and_paused() {
    let mirror = Mirror::new(26, 3, LunType::Simple, 1);
    let before = mirror.shown();
    let operation = mirror.begin(Request::AddPlex { lun: mirror.lun, drives: None });
    operation.pause().unwrap();
    mirror.bench.pass(5);
    assert!(!operation.is_ended());
    let busy = mirror.run(Request::RecoverLun { lun: mirror.lun });
    assert!(matches!(busy, Outcome::Refused(_)), "{busy:?}");
    operation.request_cancel();
    let end = mirror.work_until(&operation);
    assert_eq!(end.state(), State::Cancelled);
    let after = mirror.shown();
    assert_eq!(before.plexes, after.plexes);
    assert_eq!(before.properties, after.properties);
    mirror.verify();
    let again = mirror.run(Request::AddPlex { lun: mirror.lun, drives: None });
    assert_eq!(again, Outcome::Done(Output::Done(OutputType::AddLunPlex)));
    mirror.verify();
}

/// A LUN on this drive of the array.
fn other(mirror: &Mirror, size_bytes: u64, lun_type: LunType, drives: &[usize]) -> LunId {
    let on = Some(drives.iter().map(|drive| mirror.ids[*drive]).collect());
    let request = CreateLun { drives: on, ..create(mirror.array, lun_type, size_bytes) };
    mirror.bench.make_lun(&mirror.embedded, request)
}

#[test]
fn a_copy_takes_the_place_of_another_lun() {
    let mut mirror = Mirror::new(41, 2, LunType::Simple, 1);
    let full = MaxSizeQuery {
        drives: Some(vec![mirror.ids[1]]),
        ..MaxSizeQuery::new(mirror.array, LunType::Simple)
    };
    let asked = mirror.embedded.query_max_lun_create_size(full);
    let size_bytes = mirror.bench.sim.run_until(asked).unwrap().unwrap();
    let gone = other(&mirror, size_bytes, LunType::Simple, &[1]);
    let no_room = mirror.run(Request::AddPlex { lun: mirror.lun, drives: None });
    assert_eq!(no_room, Outcome::Refused(HResult::VDS_E_NOT_ENOUGH_SPACE));
    let operation = mirror.begin(Request::AbsorbLun { lun: mirror.lun, other: gone });
    let end = mirror.work_until(&operation);
    assert_eq!(end.result(), Ok(Output::Done(OutputType::AddLunPlex)));
    assert_eq!(mirror.places(), [[1], [2]]);
    assert_eq!(mirror.health(), Health::Healthy);
    let view = mirror.embedded.view();
    assert_eq!((view.luns.len(), view.targets.len()), (1, 1), "the other LUN and its target");
    mirror.verify();
    mirror.restart();
    mirror.verify();
    mirror.lose(1);
    mirror.verify();
}

#[test]
fn a_lun_whose_place_cannot_be_taken_is_left_alone() {
    let mirror = Mirror::new(42, 4, LunType::Simple, 1);
    let check = |other: LunId, expected: HResult| {
        let absorb = Request::AbsorbLun { lun: mirror.lun, other };
        assert_eq!(mirror.run(absorb), Outcome::Refused(expected));
        let lun = mirror.embedded.view().lun(other).unwrap().properties.status;
        assert_eq!(lun, LunStatus::Online);
    };
    check(other(&mirror, MIB, LunType::Simple, &[1]), HResult::VDSX_E_PLEX_TOO_SMALL);
    check(other(&mirror, SIZE, LunType::Simple, &[0]), HResult::VDS_E_INVALID_OPERATION);
    check(other(&mirror, SIZE, LunType::Mirror, &[1, 2]), HResult::VDS_E_NOT_SUPPORTED);
    check(mirror.lun, HResult::E_INVALIDARG);
    let lost = other(&mirror, SIZE, LunType::Simple, &[3]);
    mirror.lose(4);
    let absorb = Request::AbsorbLun { lun: mirror.lun, other: lost };
    assert_eq!(mirror.run(absorb), Outcome::Refused(HResult::VDSX_E_DRIVE_VANISHED));
    assert!(mirror.embedded.view().lun(lost).is_some());
    let nothing = Request::AbsorbLun { lun: mirror.lun, other: LunId::from_bytes([7; 16]) };
    assert_eq!(mirror.run(nothing), Outcome::Refused(HResult::VDS_E_OBJECT_NOT_FOUND));
    mirror.verify();
}

#[test]
fn a_drive_that_fails_under_the_copy_is_replaced() {
    for seed in 30..36 {
        let mirror = Mirror::new(seed, 4, LunType::Simple, 1);
        let drives = Some(vec![mirror.ids[1]]);
        let operation = mirror.begin(Request::AddPlex { lun: mirror.lun, drives });
        let wait = vds_sim::Chance::new(seed).below(3000);
        mirror.bench.sim.run_for(std::time::Duration::from_micros(wait * 10)).unwrap();
        mirror.bench.disks.drive("d2").vanish();
        let end = mirror.work_until(&operation);
        assert_eq!(end.state(), State::Succeeded, "seed {seed}: {end:?}");
        mirror.bench.pass(3);
        let healed = mirror.run(Request::RecoverLun { lun: mirror.lun });
        assert!(matches!(healed, Outcome::Done(_)), "{healed:?}");
        assert_eq!(mirror.health(), Health::Healthy, "seed {seed}");
        mirror.verify();
    }
}

#[test]
fn a_paused_operation_lets_the_array_close_and_goes_on_later() {
    let mut mirror = Mirror::new(37, 3, LunType::Simple, 1);
    let operation = mirror.begin(Request::AddPlex { lun: mirror.lun, drives: None });
    operation.pause().unwrap();
    mirror.bench.pass(1);
    mirror.restart();
    let again = mirror.embedded.find_operation(operation.id()).unwrap();
    let end = mirror.work_until(&again);
    assert_eq!(end.result(), Ok(Output::Done(OutputType::AddLunPlex)));
    mirror.verify();
}

#[test]
fn a_lun_deleted_under_its_recovery() {
    let mirror = Mirror::new(27, 4, LunType::Mirror, 2);
    mirror.lose(1);
    let operation = mirror.begin(Request::RecoverLun { lun: mirror.lun });
    assert!(matches!(mirror.run(Request::DeleteLun { lun: mirror.lun }), Outcome::Done(_)));
    let end = mirror.bench.sim.run_until(operation.wait()).unwrap().unwrap();
    assert!(operation.is_ended(), "{end:?}");
    check(&mirror.embedded);
    mirror.bench.pass(90);
    let free = mirror.embedded.view();
    assert!(free.drives.iter().all(|drive| drive.extents.iter().all(|it| !it.is_used)));
}

#[test]
fn a_drive_that_was_away_comes_back() {
    let mirror = Mirror::new(28, 3, LunType::Mirror, 2);
    let mut mirror = mirror;
    mirror.bench.sim.run_until(mirror.embedded.shutdown()).unwrap();
    mirror.bench.disks.drive("d1").vanish();
    mirror.embedded = mirror.bench.start();
    assert!(mirror.embedded.lun_io(mirror.lun).is_none(), "it waits for the drive");
    mirror.bench.pass(62);
    mirror.work(100);
    assert_eq!(mirror.health(), Health::FailedRedundancy);
    mirror.bench.disks.drive("d1").come_back();
    let seen = mirror.embedded.events().last();
    assert!(matches!(mirror.run(Request::Reenumerate), Outcome::Done(_)));
    let log = mirror.embedded.events();
    let batch = mirror.bench.sim.run_until(log.next(seen)).unwrap();
    assert!(batch.notifications.iter().any(|it| it.change() == Change::Modify));
    // What was written meanwhile was on one drive only; the array copies it by itself.
    mirror.bench.pass(5);
    assert_eq!(mirror.health(), Health::Healthy);
    let by_itself = |operation: &Operation| {
        matches!(operation.status().owner, vds_operation::Owner::Service { .. })
    };
    assert_eq!(mirror.embedded.operations().iter().filter(|it| by_itself(it)).count(), 1);
    assert_eq!(mirror.places(), [[1], [2]]);
    mirror.lose(2);
    mirror.verify();
}

#[test]
fn a_failed_drive_is_added_again() {
    let mirror = Mirror::new(29, 3, LunType::Mirror, 2);
    let failed = mirror.run(Request::FailDrive { drive: mirror.ids[0] });
    assert_eq!(failed, Outcome::Done(Output::Done(OutputType::FailDrive)));
    mirror.work(50);
    assert_eq!(mirror.health(), Health::FailedRedundancy);
    let again = Request::FailDrive { drive: mirror.ids[0] };
    assert_eq!(mirror.run(again), Outcome::Refused(HResult::VDS_E_INVALID_STATE));
    let add = Request::AddDrive { subsystem: mirror.array, drive: new_drive(1) };
    assert_eq!(mirror.run(add), Outcome::Done(Output::AddDrive(mirror.ids[0])));
    mirror.bench.pass(5);
    assert_eq!(mirror.health(), Health::Healthy);
    mirror.verify();
}

/// How a drive is shown.
fn drive_status(mirror: &Mirror, drive: usize) -> vds_model::DriveStatus {
    let view = mirror.embedded.view();
    view.drives.iter().find(|it| it.properties.id == mirror.ids[drive]).unwrap().properties.status
}

/// Goal: a drive that vanishes is removed, not failed, and comes back by itself, under its path or another, with what was
/// written meanwhile copied; a drive with another identity in its place does not.
#[test]
fn a_drive_that_vanished_comes_back_by_itself() {
    use vds_model::DriveStatus;
    let mirror = Mirror::new(30, 3, LunType::Mirror, 2);
    let drive = mirror.bench.disks.drive("d1");
    drive.vanish();
    mirror.bench.pass(3);
    mirror.work(100);
    assert_eq!(mirror.health(), Health::FailedRedundancy);
    assert_eq!(drive_status(&mirror, 0), DriveStatus::Removed);
    mirror.bench.pass(60);
    assert_eq!(drive_status(&mirror, 0), DriveStatus::Removed, "it is still away");
    // Something else lies there now.
    let ours = drive.peek(0, 4096);
    let end = drive.size_bytes() - 4096;
    let last = drive.peek(end, 4096);
    drive.poke(0, &[0; 4096]);
    drive.poke(end, &[0; 4096]);
    drive.come_back();
    mirror.bench.pass(30);
    assert_eq!(drive_status(&mirror, 0), DriveStatus::Removed, "that is another drive");
    drive.poke(0, &ours);
    drive.poke(end, &last);
    mirror.bench.pass(20);
    assert_eq!(drive_status(&mirror, 0), DriveStatus::Online);
    assert_eq!(mirror.health(), Health::Healthy);
    mirror.lose(2);
    mirror.verify();
}

/// Goal: a drive that is there and does not answer has failed: it stays out until somebody says otherwise.
#[test]
fn a_silent_drive_stays_out() {
    let mirror = Mirror::new(31, 3, LunType::Mirror, 2);
    let drive = mirror.bench.disks.drive("d1");
    drive.fault(vds_sim::Fault::all(vds_sim::Effect::Hang));
    mirror.work(20);
    assert_eq!(mirror.health(), Health::FailedRedundancy);
    assert_eq!(drive_status(&mirror, 0), vds_model::DriveStatus::Failed);
    drive.heal();
    drive.release();
    mirror.bench.pass(60);
    assert_eq!(drive_status(&mirror, 0), vds_model::DriveStatus::Failed);
}
