//! Whatever crashes when, the LUN is a prefix of its history.

use vds_format::Record;
use vds_sim::lun_model::{Mix, Violation};
use vds_sim::{CrashMode, CutPoint, Stopped, seeds};

use super::harness::{Layout, MIRROR, MIRROR3, Machine, SIMPLE, SPAN, STRIPE};
use crate::engine::Plant;

const LAYOUTS: [Layout; 5] = [SIMPLE, SPAN, STRIPE, MIRROR, MIRROR3];

#[test]
fn without_a_crash_everything_reads_back() {
    for layout in LAYOUTS {
        let machine = Machine::new(1, layout);
        let ran = machine.sim.run_until(async {
            let life = machine.create().await;
            let workload = machine.workload(&life, Mix::USUAL);
            workload.run(8, 300).await.expect("no violation");
            workload.verify().await.expect("all there");
            life.lun.checkpoint().await.expect("healthy");
            life.check();
            workload.verify().await.expect("all there after a checkpoint");
            assert_eq!(workload.tally().failed(), 0, "{layout:?}");
        });
        ran.unwrap_or_else(|stopped| panic!("{layout:?}: {stopped:?}\n{}", machine.sim.trace()));
    }
}

/// Three lives, each cut somewhere, for one seed.
pub(super) fn three_lives(seed: u64, plant: Option<Plant>) -> Result<(), String> {
    let layout = LAYOUTS[usize::try_from(seed % 5).expect("small")];
    let mode = if seed.is_multiple_of(2) { CrashMode::PowerCut } else { CrashMode::Kill };
    let machine = Machine::new(seed, layout);
    machine.plant.set(plant);
    let failed = |what: String| {
        Err(format!("seed {seed} {layout:?} {mode:?}: {what}\n{}", machine.sim.trace()))
    };
    let mut made = false;
    for life in 0..4 {
        let chance = machine.sim.chance();
        let least = if made { 0 } else { 30 };
        let cut = machine.disks.issued() + least + chance.below(120);
        if life < 3 {
            machine.disks.crash_at(CutPoint::Issued(cut), mode);
        }
        let ran = machine.sim.run_until(async {
            let life = if made { machine.open().await } else { machine.create().await };
            made = true;
            let mix = Mix::swarm(&machine.sim.chance());
            let workload = machine.workload(&life, mix);
            workload.verify().await?;
            workload.run(6, 400).await?;
            life.check();
            Ok::<_, Violation>(())
        });
        match ran {
            Ok(Ok(())) => machine.sim.crash(mode),
            Err(Stopped::Crashed(_)) => {}
            Ok(Err(violation)) => return failed(violation.to_string()),
            Err(stopped) => return failed(format!("{stopped:?}")),
        }
        machine.model.borrow_mut().crashed(mode);
        if !made {
            break;
        }
    }
    Ok(())
}

#[test]
fn any_crash_leaves_a_prefix() {
    for seed in seeds(200) {
        if let Err(text) = three_lives(seed, None) {
            panic!("{text}");
        }
    }
}

/// Found by seed 3944 of the long proof: zeros over parts of blocks, called for while the LUN was write-through and submitted when
/// it was write-back, were answered before they were durable.
#[test]
fn what_a_change_promises_is_what_held_when_it_was_called_for() {
    let machine = Machine::new(9, Layout { write_back: false, ..SIMPLE });
    let ran = machine.sim.run_until(async {
        let life = machine.create().await;
        life.io.write(0, vec![7; 8192].into(), false).await.expect("it is there");
        // Both ends of it are merged with what is there, which is read first.
        let zeroed = life.io.unmap(vec![(512, 6144)]);
        let mut record = life.lun.record().expect("it is there");
        record.write_back = true;
        life.engine.catalog.commit(vec![Record::Lun(record)]).await.expect("healthy drives");
        life.lun.refresh();
        assert!(life.io.shape().write_back);
        zeroed.await.expect("it is there");
        let host = life.lun.host.borrow();
        assert_eq!(host.durable, host.acked, "answered, and durable");
    });
    ran.unwrap_or_else(|stopped| panic!("{stopped:?}"));
}
