//! What a LUN held, while it is being deleted.

use std::rc::Rc;

use vds_io::LunIoError;
use vds_model::{LunId, LunType};
use vds_operation::State;
use vds_provider::{CreateLun, Request};
use vds_sim::{CrashMode, Effect, Fault, IoKind};

use super::super::Embedded;
use super::bench::{Bench, MIB, create, drive_ids, path};

const DRIVES: u16 = 3;

/// Of the drive of the LUN that goes.
fn discards(bench: &Bench) -> u64 {
    bench.disks.drive(&path(2)).counters().discards
}

fn write(bench: &Bench, embedded: &Rc<Embedded>, lun: LunId) {
    let io = embedded.lun_io(lun).unwrap();
    bench.sim.run_until(io.write(0, vec![7; 64 << 10].into(), false)).unwrap().unwrap();
    bench.sim.run_until(io.flush()).unwrap().unwrap();
}

/// Goal: the slabs of a LUN go back to the drives when its end is durable and not before: a crash until then brings it back, and
/// the operation may be cancelled then.
/// Method: from one of the first flushes on all hang; with some of them the end is staged and not durable.
#[test]
fn nothing_is_discarded_before_the_end_is_durable() {
    for absorbs in [false, true] {
        let staged = (1..=6).filter(|first| is_kept_until_durable(absorbs, *first)).count();
        assert!(staged > 0, "absorbs: {absorbs}");
    }
}

/// Flushes of all drives but that of the LUN that stays hang from the one after the first `flushes` on. Whether the end was staged by then.
fn is_kept_until_durable(absorbs: bool, flushes: u64) -> bool {
    let what = format!("absorbs: {absorbs}, {flushes} flushes");
    let (bench, embedded, array) = Bench::with_array(95, DRIVES);
    let ids = drive_ids(&embedded.view());
    let on = |drive: usize| {
        let drives = Some(vec![ids[drive]]);
        let request = CreateLun { drives, ..create(array, LunType::Simple, MIB) };
        bench.make_lun(&embedded, request)
    };
    let (lun, other) = (on(0), on(1));
    write(&bench, &embedded, lun);
    write(&bench, &embedded, other);
    bench.pass(120);
    let before = discards(&bench);
    for number in 2..=DRIVES {
        let hang = Fault::every(IoKind::Flush, Effect::Hang).after(flushes);
        bench.disks.drive(&path(number)).fault(hang);
    }
    let request =
        if absorbs { Request::AbsorbLun { lun, other } } else { Request::DeleteLun { lun: other } };
    let operation = bench.begin(&embedded, request).unwrap();
    bench.pass(2);
    let is_staged = embedded.lun_io(other).is_none() && embedded.view().lun(other).is_none();
    let is_durable = discards(&bench) > before;
    let id = operation.id();
    let has_ended = operation.status().state.is_end();
    drop((operation, embedded));
    bench.sim.crash(CrashMode::PowerCut);
    (1..=DRIVES).for_each(|number| bench.disks.drive(&path(number)).heal());
    // What the drives hold now is what the array finds: the LUN whole, or no LUN.
    let embedded = bench.start();
    if !is_durable {
        let io = embedded.lun_io(other);
        match io.map(|io| bench.sim.run_until(io.read(0, 4096)).unwrap()) {
            // The operation goes on at once: it may be gone again, or not be recovered yet.
            None | Some(Err(LunIoError::Gone | LunIoError::BecomingReady)) => {}
            Some(Ok(data)) => assert_eq!(data.to_vec(), [7; 4096], "{what}"),
            Some(Err(error)) => panic!("{what}: {error}"),
        }
    }
    bench.pass(120);
    let operation = embedded.find_operation(id).unwrap();
    assert_eq!(operation.status().state, State::Succeeded, "{what}");
    assert!(embedded.view().lun(other).is_none(), "{what}");
    is_staged && !is_durable && !has_ended
}
