//! Arrays that are made, opened, wait for drives; drives that join and leave.

use std::rc::Rc;

use vds_io::DiskErrorKind;
use vds_model::{DriveId, HResult, Health, LunType, SubsystemId, SubsystemStatus};
use vds_operation::{Output, OutputType};
use vds_provider::{NewDrive, Request, Wipe};
use vds_sim::{DriveSpec, Effect, Fault, IoKind};

use super::super::Embedded;
use super::bench::{Bench, MIB, Outcome, check, create, drive_ids, make_request, new_drive, path};

fn add(array: SubsystemId, drive: u16) -> Request {
    Request::AddDrive { subsystem: array, drive: new_drive(drive) }
}

fn status(embedded: &Embedded, array: SubsystemId) -> (SubsystemStatus, Health) {
    let view = embedded.view();
    let subsystem = view.subsystem(array).expect("it is shown");
    (subsystem.properties.status, subsystem.properties.health)
}

#[test]
fn drives_join_and_leave() {
    let bench = Bench::new(41, 4, 64 * MIB);
    let embedded = bench.start();
    let array = bench.make_array(&embedded, 2);
    let Outcome::Done(Output::AddDrive(third)) = bench.run(&embedded, add(array, 3)) else {
        panic!("not added");
    };
    let twice = bench.run(&embedded, add(array, 3));
    assert_eq!(twice, Outcome::Refused(HResult::VDSX_E_DRIVE_ALREADY_MEMBER));
    let ids = drive_ids(&embedded.view());
    assert_eq!(ids[2], third);
    let mut span = create(array, LunType::Span, MIB);
    span.drives = Some(vec![third]);
    let lun = bench.make_lun(&embedded, span);
    let full = bench.run(&embedded, Request::RemoveDrive { drive: third });
    assert_eq!(full, Outcome::Refused(HResult::VDSX_E_DRIVE_NOT_EMPTY));
    let spare = bench.run(&embedded, Request::SetDriveSpare { drive: third, is_spare: true });
    assert_eq!(spare, Outcome::Refused(HResult::VDSX_E_DRIVE_NOT_EMPTY));
    bench.run(&embedded, Request::DeleteLun { lun });
    for drive in [third, ids[0]] {
        let removed = bench.run(&embedded, Request::RemoveDrive { drive });
        assert_eq!(removed, Outcome::Done(Output::Done(OutputType::RemoveDrive)));
    }
    let last = bench.run(&embedded, Request::RemoveDrive { drive: ids[1] });
    assert_eq!(last, Outcome::Refused(HResult::VDSX_E_NO_QUORUM));
    let last = bench.run(&embedded, Request::FailDrive { drive: ids[1] });
    assert_eq!(last, Outcome::Refused(HResult::VDSX_E_NO_QUORUM));
    // Both are nobody's: their superblocks are gone and they can join again, as new ones.
    assert_eq!(bench.disks.drive(&path(3)).peek(0, 4096), vec![0; 4096]);
    let wiped = NewDrive { path: path(3), wipe: Wipe::Yes { serial: None } };
    let again = Request::AddDrive { subsystem: array, drive: wiped };
    let Outcome::Done(Output::AddDrive(new)) = bench.run(&embedded, again) else {
        panic!("not added");
    };
    assert_ne!(new, third);
    bench.sim.run_until(embedded.shutdown()).unwrap();
    let embedded = bench.start();
    assert_eq!(drive_ids(&embedded.view()), [ids[1], new]);
    check(&embedded);
}

#[test]
fn drives_that_cannot_join_stay_as_they_are() {
    let bench = Bench::new(42, 3, 64 * MIB);
    bench.disks.add("small", 8 * MIB);
    bench.disks.add("full", 64 * MIB).poke(0, b"a file system");
    bench.disks.add_spec(DriveSpec::new("disk", 64 * MIB).device("S1"));
    let held = bench.disks.add("held", 64 * MIB);
    held.set_held_by_others(true);
    let embedded = bench.start();
    let array = bench.make_array(&embedded, 2);
    let named = |path: &str, wipe| Request::AddDrive {
        subsystem: array,
        drive: NewDrive { path: path.into(), wipe },
    };
    let serial = |serial: &str| Wipe::Yes { serial: Some(serial.into()) };
    for (path, wipe, result) in [
        ("small", Wipe::No, HResult::VDSX_E_DRIVE_TOO_SMALL),
        ("full", Wipe::No, HResult::VDSX_E_FOREIGN_DATA),
        ("disk", serial("S2"), HResult::VDSX_E_FOREIGN_DATA),
        ("held", Wipe::No, HResult::VDSX_E_DRIVE_IN_USE),
        ("nowhere", Wipe::No, HResult::VDSX_E_DRIVE_OPEN),
    ] {
        let before = embedded.view().drives.len();
        assert_eq!(bench.run(&embedded, named(path, wipe)), Outcome::Failed(result), "{path}");
        assert_eq!(embedded.view().drives.len(), before);
    }
    assert_eq!(&bench.disks.drive("full").peek(0, 13), b"a file system");
    let wiped = bench.run(&embedded, named("full", Wipe::Yes { serial: None }));
    assert!(matches!(wiped, Outcome::Done(Output::AddDrive(_))), "{wiped:?}");
    let wiped = bench.run(&embedded, named("disk", serial("S1")));
    assert!(matches!(wiped, Outcome::Done(Output::AddDrive(_))), "{wiped:?}");
}

/// Goal: a drive that fails at any write while it joins leaves the array as it was, and no superblock on itself.
#[test]
fn a_drive_that_fails_while_it_joins() {
    for skip in 0.. {
        let bench = Bench::new(43, 3, 64 * MIB);
        let embedded = bench.start();
        let array = bench.make_array(&embedded, 2);
        let drive = bench.disks.drive(&path(3));
        let error = Effect::Error(DiskErrorKind::Range);
        drive.fault(Fault::nth(IoKind::Write, skip, error));
        let outcome = bench.run(&embedded, add(array, 3));
        if drive.fault_hits() == 0 {
            assert!(skip > 3, "the fault never came");
            assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
            return;
        }
        bench.pass(5);
        check(&embedded);
        if let Outcome::Failed(result) = outcome {
            assert_eq!(result, HResult::VDSX_E_DRIVE_FAILED, "write {skip}");
            assert_eq!(embedded.view().subsystems[0].properties.health, Health::Healthy);
            assert_eq!(drive.peek(0, 4096), vec![0; 4096], "write {skip}");
        }
        drive.heal();
        let again = add(array, 3);
        if drive_ids(&embedded.view()).len() == 2 {
            assert!(matches!(bench.run(&embedded, again), Outcome::Done(_)), "write {skip}");
        }
    }
}

/// Goal: an array is made whole or not at all, whichever write fails.
#[test]
fn a_drive_that_fails_while_an_array_is_made() {
    let step = 7;
    for skip in (0..).step_by(step) {
        let bench = Bench::new(44, 2, 64 * MIB);
        let embedded = bench.start();
        let drive = bench.disks.drive(&path(2));
        drive.fault(Fault::nth(IoKind::Write, skip, Effect::Error(DiskErrorKind::Range)));
        let outcome = bench.run(&embedded, make_request(2));
        if drive.fault_hits() == 0 {
            assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
            return;
        }
        assert_eq!(outcome, Outcome::Failed(HResult::VDSX_E_DRIVE_FAILED), "write {skip}");
        assert!(embedded.view().subsystems.is_empty());
        drive.heal();
        bench.sim.run_until(embedded.discover()).unwrap();
        assert!(embedded.view().subsystems.is_empty(), "write {skip}");
        assert!(matches!(bench.run(&embedded, make_request(2)), Outcome::Done(_)));
    }
}

fn restart_without(bench: &Bench, embedded: &Rc<Embedded>, gone: &[u16]) -> Rc<Embedded> {
    bench.sim.run_until(embedded.shutdown()).unwrap();
    for drive in gone {
        bench.disks.drive(&path(*drive)).vanish();
    }
    bench.start()
}

#[test]
fn an_array_waits_for_its_drives_and_opens_without_a_few() {
    let (bench, embedded, array) = Bench::with_array(45, 3);
    let ids = drive_ids(&embedded.view());
    let embedded = restart_without(&bench, &embedded, &[2]);
    assert_eq!(status(&embedded, array).0, SubsystemStatus::NotReady);
    let view = embedded.view();
    let notes = &view.subsystem(array).unwrap().notes;
    assert!(notes.iter().any(|note| note.contains("d2")), "{notes:?}");
    let early = bench.run(&embedded, Request::CreateLun(create(array, LunType::Simple, MIB)));
    assert_eq!(early, Outcome::Refused(HResult::VDSX_E_ARRAY_OPENING));
    bench.pass(61);
    assert_eq!(status(&embedded, array), (SubsystemStatus::Online, Health::Degraded));
    bench.make_lun(&embedded, create(array, LunType::Simple, MIB));
    bench.disks.drive(&path(2)).come_back();
    bench.run(&embedded, Request::Refresh);
    assert_eq!(status(&embedded, array), (SubsystemStatus::Online, Health::Healthy));
    assert_eq!(drive_ids(&embedded.view()), ids);
}

#[test]
fn drives_that_come_in_time_are_waited_for() {
    let (bench, embedded, array) = Bench::with_array(46, 3);
    let embedded = restart_without(&bench, &embedded, &[1]);
    bench.pass(20);
    bench.disks.drive(&path(1)).come_back();
    bench.run(&embedded, Request::Reenumerate);
    assert_eq!(status(&embedded, array), (SubsystemStatus::Online, Health::Healthy));
}

#[test]
fn half_of_the_drives_open_only_when_told() {
    let (bench, embedded, array) = Bench::with_array(47, 2);
    let ids = drive_ids(&embedded.view());
    let embedded = restart_without(&bench, &embedded, &[1]);
    bench.pass(61);
    assert_eq!(status(&embedded, array), (SubsystemStatus::Failed, Health::Failed));
    let closed = bench.run(&embedded, Request::CreateLun(create(array, LunType::Simple, MIB)));
    assert_eq!(closed, Outcome::Refused(HResult::VDSX_E_HALF_PRESENT));
    let open = |without: &[DriveId]| Request::OpenSubsystem {
        subsystem: array,
        without: without.to_vec(),
    };
    let unnamed = bench.run(&embedded, open(&[]));
    assert_eq!(unnamed, Outcome::Failed(HResult::VDSX_E_HALF_PRESENT));
    let opened = bench.run(&embedded, open(&ids[..1]));
    assert_eq!(opened, Outcome::Done(Output::OpenArray(array)));
    assert_eq!(status(&embedded, array), (SubsystemStatus::Online, Health::Degraded));
    bench.make_lun(&embedded, create(array, LunType::Simple, MIB));
    let unknown = SubsystemId::from_bytes([5; 16]);
    let request = Request::OpenSubsystem { subsystem: unknown, without: Vec::new() };
    assert_eq!(bench.run(&embedded, request), Outcome::Refused(HResult::VDS_E_OBJECT_NOT_FOUND));
}

#[test]
fn too_many_lost_drives_freeze_the_array() {
    for seed in 48..64 {
        check_frozen(seed);
    }
}

fn check_frozen(seed: u64) {
    let (bench, embedded, array) = Bench::with_array(seed, 4);
    let lun = bench.make_lun(&embedded, create(array, LunType::Mirror, MIB));
    for drive in [1, 2, 3] {
        bench.disks.drive(&path(drive)).vanish();
    }
    bench.pass(3);
    assert_eq!(status(&embedded, array), (SubsystemStatus::Failed, Health::Failed));
    let refused = bench.run(&embedded, Request::DeleteLun { lun });
    assert_eq!(refused, Outcome::Refused(HResult::VDSX_E_ARRAY_FROZEN));
    bench.sim.run_until(embedded.shutdown()).unwrap();
    for drive in [1, 2, 3] {
        bench.disks.drive(&path(drive)).come_back();
    }
    let embedded = bench.start();
    let (now, health) = status(&embedded, array);
    assert_eq!(now, SubsystemStatus::Online);
    // Whether the first loss was written to the drive that was left, before the others were noticed, is chance.
    assert!(matches!(health, Health::Healthy | Health::Degraded), "{health:?}");
    assert!(matches!(bench.run(&embedded, Request::DeleteLun { lun }), Outcome::Done(_)));
}

#[test]
fn two_arrays_side_by_side() {
    let bench = Bench::new(49, 4, 64 * MIB);
    let embedded = bench.start();
    let one = bench.make_array(&embedded, 2);
    let drives = vec![new_drive(3), new_drive(4)];
    let request = Request::CreateSubsystem { name: "other".into(), drives };
    let Outcome::Done(Output::MakeArray(other)) = bench.run(&embedded, request) else {
        panic!("not made");
    };
    let taken = bench.run(&embedded, make_request(2));
    assert_eq!(taken, Outcome::Refused(HResult::VDSX_E_DRIVE_ALREADY_MEMBER));
    let lun = bench.make_lun(&embedded, create(other, LunType::Mirror, MIB));
    let iqn = embedded.view().targets[0].properties.iscsi_name.as_str().to_owned();
    let same = Request::CreateTarget { subsystem: one, iqn, name: String::new() };
    assert_eq!(bench.run(&embedded, same), Outcome::Refused(HResult::VDS_E_NAME_NOT_UNIQUE));
    bench.sim.run_until(embedded.shutdown()).unwrap();
    let late = bench.begin(&embedded, Request::DeleteLun { lun });
    assert_eq!(late.unwrap_err(), HResult::VDSX_E_SERVICE_STOPPING);
    let embedded = bench.start();
    let view = embedded.view();
    assert_eq!(view.subsystems.len(), 2);
    assert_eq!(view.lun(lun).unwrap().subsystem, other);
    assert!(view.subsystem(one).is_some());
    check(&embedded);
    // The making of an array is remembered on the array.
    let made = view.made_by.values().count();
    assert_eq!(made, 3, "two arrays and a LUN: {:?}", view.made_by);
}
