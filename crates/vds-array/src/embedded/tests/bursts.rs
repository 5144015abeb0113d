//! Drives that refuse, and several that go at once.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use vds_format::BLOCK_BYTES;
use vds_io::DiskErrorKind;
use vds_model::{DriveId, DriveStatus, Health, LunId, LunStatus, LunType, SubsystemStatus};
use vds_provider::{CreateLun, Request};
use vds_sim::lun_model::{LunModel, Mix, Workload};
use vds_sim::{CrashMode, CutPoint, Effect, Fault, IoKind, Stopped};

use super::super::Embedded;
use super::bench::{Bench, MIB, check, create, drive_ids, path};

const SIZE: u64 = 2 * MIB;
/// The ring of a drive of 64 MiB.
const RING_BYTES: std::ops::Range<u64> = 16 * BLOCK_BYTES as u64..(16 + 256) * BLOCK_BYTES as u64;

/// Runs commands against a LUN and judges every answer.
struct Host {
    lun: LunId,
    model: Rc<RefCell<LunModel>>,
}

impl Host {
    fn new(lun: LunId) -> Self {
        Self { lun, model: Rc::new(RefCell::new(LunModel::new(1, SIZE))) }
    }

    fn workload(&self, bench: &Bench, embedded: &Embedded) -> Workload {
        let (world, chance) = (bench.sim.world(), bench.sim.chance());
        let io = embedded.lun_io(self.lun).unwrap();
        Workload::new(io, Rc::clone(&self.model), world, chance, Mix::USUAL)
    }
}

/// Goal: a drive that refuses writes of the catalog serves the LUN that only it holds; what it is shown as says so.
#[test]
fn an_error_of_the_catalog_leaves_the_only_copy_in_use() {
    for seed in 90..93 {
        let (bench, embedded, array) = Bench::with_array(seed, 3);
        let ids = drive_ids(&embedded.view());
        let on = Some(vec![ids[0]]);
        let lun = bench
            .make_lun(&embedded, CreateLun { drives: on, ..create(array, LunType::Simple, SIZE) });
        let host = Host::new(lun);
        let workload = host.workload(&bench, &embedded);
        bench.sim.run_until(workload.run(4, 100)).unwrap().unwrap();
        let refusal = Fault::every(IoKind::Write, Effect::Error(DiskErrorKind::Range));
        bench.disks.drive(&path(1)).fault(refusal.within(RING_BYTES));
        bench.run(&embedded, Request::SetLunName { lun, name: "new".into() });
        bench.sim.run_until(workload.run(4, 400)).unwrap().unwrap();
        bench.sim.run_until(workload.verify()).unwrap().unwrap();
        assert_eq!(workload.tally().failed(), 0, "seed {seed}");
        check(&embedded);
        let view = embedded.view();
        assert_eq!(view.lun(lun).unwrap().properties.status, LunStatus::Online);
        let drive = view.drives.iter().find(|drive| drive.properties.id == ids[0]).unwrap();
        let shown = (drive.properties.status, drive.properties.health);
        assert_eq!(shown, (DriveStatus::Online, Health::PendingFailure), "{:?}", drive.notes);
        assert_eq!(view.subsystems[0].properties.health, Health::Degraded);
        drop(workload);
        bench.sim.run_until(embedded.shutdown()).unwrap();
        drop(embedded);
        bench.disks.drive(&path(1)).heal();
        let embedded = bench.start();
        let view = embedded.view();
        assert_eq!(view.subsystems[0].properties.health, Health::Healthy, "seed {seed}");
        let workload = host.workload(&bench, &embedded);
        bench.sim.run_until(workload.verify()).unwrap().unwrap();
        check(&embedded);
    }
}

/// An array with a LUN on the first drive alone, which refuses what is written to `range`, and was left out of the catalog.
fn left_out(seed: u64, range: std::ops::Range<u64>) -> (Bench, Rc<Embedded>, Host, DriveId) {
    let (bench, embedded, array) = Bench::with_array(seed, 3);
    let first = drive_ids(&embedded.view())[0];
    let request = CreateLun { drives: Some(vec![first]), ..create(array, LunType::Simple, SIZE) };
    let host = Host::new(bench.make_lun(&embedded, request));
    bench.sim.run_until(host.workload(&bench, &embedded).run(4, 100)).unwrap().unwrap();
    let refusal = Fault::every(IoKind::Write, Effect::Error(DiskErrorKind::Range));
    bench.disks.drive(&path(1)).fault(refusal.within(range));
    bench.run(&embedded, Request::SetLunName { lun: host.lun, name: "new".into() });
    assert_eq!(health(&embedded, first), Health::PendingFailure);
    (bench, embedded, host, first)
}

fn health(embedded: &Embedded, drive: DriveId) -> Health {
    embedded.view().drive(drive).unwrap().properties.health
}

/// Goal: power that goes while a drive is made a member again leaves it one or not, and the array opens with all that it had.
#[test]
fn power_may_go_while_a_drive_becomes_a_member_again() {
    let (mut cut, mut uncut) = (0, 0);
    for requests in 0..36 {
        let (bench, embedded, host, first) = left_out(95, RING_BYTES);
        bench.disks.drive(&path(1)).heal();
        bench.pass(58);
        // From here on it is asked within some requests.
        let at = bench.disks.issued() + requests;
        bench.disks.crash_at(CutPoint::Issued(at), CrashMode::PowerCut);
        match bench.sim.run_for(Duration::from_secs(14)) {
            Err(Stopped::Crashed(_)) => cut += 1,
            Ok(()) => {
                assert_eq!(health(&embedded, first), Health::Healthy);
                uncut += 1;
                bench.sim.crash(CrashMode::PowerCut);
            }
            Err(stopped) => panic!("{requests}: {stopped}"),
        }
        drop(embedded);
        bench.disks.disarm();
        host.model.borrow_mut().crashed(CrashMode::PowerCut);
        let embedded = bench.start();
        bench.pass(10);
        check(&embedded);
        assert_eq!(health(&embedded, first), Health::Healthy, "{requests}");
        assert_eq!(embedded.view().lun(host.lun).unwrap().properties.friendly_name, "new");
        let verified = bench.sim.run_until(host.workload(&bench, &embedded).verify()).unwrap();
        verified.unwrap_or_else(|violation| panic!("{requests}: {violation}"));
    }
    assert!(cut > 10 && uncut > 0, "{cut} cut, {uncut} not: the cuts go over all of it");
}

/// Goal: a drive that was left out of the catalog is a member again when it takes it, and is asked ever less often until then;
/// from then on its copy counts.
#[test]
fn a_drive_left_out_of_the_catalog_is_asked_again() {
    let catalog = 0..(16 + 256 + 1024) * BLOCK_BYTES as u64;
    let (bench, embedded, host, first) = left_out(94, catalog);
    let lun = host.lun;
    let drive = bench.disks.drive(&path(1));
    let hits = drive.fault_hits();
    bench.pass(4 * 3600);
    assert_eq!(health(&embedded, first), Health::PendingFailure);
    let tries = drive.fault_hits() - hits;
    assert!((4..=20).contains(&tries), "{tries} tries in four hours");
    drive.heal();
    bench.pass(3700);
    assert_eq!(health(&embedded, first), Health::Healthy);
    check(&embedded);
    bench.run(&embedded, Request::SetLunName { lun, name: "newer".into() });
    bench.sim.run_until(embedded.shutdown()).unwrap();
    drop(embedded);
    // Without one of the others, what it says is half of the truth, and the last name is there.
    bench.disks.drive(&path(2)).vanish();
    let embedded = bench.start();
    bench.pass(70);
    assert_eq!(embedded.view().lun(lun).unwrap().properties.friendly_name, "newer");
    bench.sim.run_until(host.workload(&bench, &embedded).verify()).unwrap().unwrap();
}

/// Goal: whatever part of the drives goes within a second, and comes back some seconds later, nothing that was acknowledged is
/// lost, and all that is needed is to open the array again where it froze.
#[test]
fn drives_that_go_together_and_come_back_lose_nothing() {
    let (mut frozen, mut went_on) = (0, 0);
    for seed in 100..116 {
        let (bench, embedded, array) = Bench::with_array(seed, 4);
        let hosts: Vec<Host> = [LunType::Mirror, LunType::Mirror, LunType::Simple]
            .map(|kind| Host::new(bench.make_lun(&embedded, create(array, kind, SIZE))))
            .into();
        let workloads: Vec<Workload> =
            hosts.iter().map(|host| host.workload(&bench, &embedded)).collect();
        for workload in &workloads {
            let workload = workload.clone();
            bench.sim.spawn("host", async move { workload.run(2, 500).await.unwrap() });
        }
        bench.pass(1);
        let chance = bench.sim.chance();
        let count = usize::try_from(chance.between(2, 4)).unwrap();
        let mut gone: Vec<u16> = Vec::new();
        while gone.len() < count {
            let drive = *chance.pick(&[1, 2, 3, 4]);
            if gone.contains(&drive) {
                continue;
            }
            gone.push(drive);
            bench.disks.drive(&path(drive)).vanish();
            bench.sim.run_for(Duration::from_millis(chance.between(0, 300))).unwrap();
        }
        bench.pass(chance.between(1, 8));
        for drive in &gone {
            bench.disks.drive(&path(*drive)).come_back();
        }
        bench.pass(60);
        let is_frozen = embedded.view().subsystems[0].properties.status == SubsystemStatus::Failed;
        frozen += usize::from(is_frozen);
        went_on += usize::from(!is_frozen);
        drop(workloads);
        let embedded = if is_frozen {
            bench.sim.run_until(embedded.shutdown()).unwrap();
            drop(embedded);
            let again = bench.start();
            bench.pass(70);
            again
        } else {
            embedded
        };
        check(&embedded);
        let view = embedded.view();
        let what = format!("seed {seed}, {gone:?} went, frozen {is_frozen}");
        assert_eq!(view.subsystems[0].properties.status, SubsystemStatus::Online, "{what}");
        for host in &hosts {
            let status = view.lun(host.lun).unwrap().properties.status;
            assert_eq!(status, LunStatus::Online, "{what}");
            let workload = host.workload(&bench, &embedded);
            let verified = bench.sim.run_until(workload.verify()).unwrap();
            verified.unwrap_or_else(|violation| panic!("{what}: {violation:?}"));
        }
    }
    assert!(frozen > 1 && went_on > 1, "both happen: {frozen} froze, {went_on} went on");
}
