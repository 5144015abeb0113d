//! Whatever crashes when, the LUN is a prefix of its history.

use vds_sim::lun_model::Mix;
use vds_sim::{CrashMode, CutPoint, Stopped, seeds};

use super::harness::{Layout, MIRROR, MIRROR3, Machine, SIMPLE, SPAN, STRIPE};

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
fn three_lives(seed: u64) {
    let layout = LAYOUTS[usize::try_from(seed % 5).expect("small")];
    let mode = if seed % 2 == 0 { CrashMode::PowerCut } else { CrashMode::Kill };
    let machine = Machine::new(seed, layout);
    let mut first = true;
    for _ in 0..3 {
        let cut =
            machine.disks.issued() + if first { 30 } else { 0 } + machine.sim.chance().below(120);
        machine.disks.crash_at(CutPoint::Issued(cut), mode);
        let ran = machine.sim.run_until(async {
            let life = if first { machine.create().await } else { machine.open().await };
            first = false;
            let mix = Mix::swarm(&machine.sim.chance());
            let workload = machine.workload(&life, mix);
            workload.verify().await?;
            workload.run(6, 400).await?;
            life.check();
            Ok::<_, vds_sim::lun_model::Violation>(())
        });
        match ran {
            Ok(Ok(())) | Err(Stopped::Crashed(_)) => {}
            Ok(Err(violation)) => {
                panic!("seed {seed} {layout:?} {mode:?}: {violation}\n{}", machine.sim.trace())
            }
            Err(stopped) => {
                panic!("seed {seed} {layout:?} {mode:?}: {stopped:?}\n{}", machine.sim.trace())
            }
        }
        if matches!(ran, Ok(Ok(()))) {
            machine.sim.crash(mode);
        }
        machine.model.borrow_mut().crashed(mode);
        if first {
            // Not even the array was made.
            return;
        }
    }
    let ran = machine.sim.run_until(async {
        let life = machine.open().await;
        machine.workload(&life, Mix::USUAL).verify().await.map(|_| life.check())
    });
    match ran {
        Ok(Ok(())) => {}
        Ok(Err(violation)) => {
            panic!("seed {seed} at the end: {violation}\n{}", machine.sim.trace())
        }
        Err(stopped) => panic!("seed {seed} at the end: {stopped:?}\n{}", machine.sim.trace()),
    }
}

#[test]
fn any_crash_leaves_a_prefix() {
    for seed in seeds(200) {
        three_lives(seed);
    }
}
