//! Each planted bug is caught within the seeds that every run of the tests looks at.

use std::panic::{AssertUnwindSafe, catch_unwind};

use vds_sim::lun_model::Mix;
use vds_sim::{CrashMode, CutPoint, Stopped};

use super::crash::three_lives;
use super::harness::{MIRROR, Machine, SIMPLE};
use super::swarm::Swarm;
use crate::engine::Plant;

/// How many of the first `seeds` end with a violation, or with an assertion of the engine's own.
fn caught(seeds: u64, run: impl Fn(u64) -> Result<(), String>) -> usize {
    let fails = |seed: &u64| !matches!(catch_unwind(AssertUnwindSafe(|| run(*seed))), Ok(Ok(())));
    (0..seeds).filter(fails).count()
}

#[test]
fn a_planted_early_acknowledgement_is_caught() {
    let run = |seed| three_lives(seed, Some(Plant::AcknowledgeEarly));
    assert!(caught(20, run) > 0);
}

#[test]
fn a_planted_early_flush_is_caught() {
    assert!(caught(40, |seed| three_lives(seed, Some(Plant::FlushEarly))) > 0);
}

#[test]
fn a_planted_trust_in_a_stale_mirror_is_caught() {
    let run = |seed| {
        Swarm::new(seed, Some(Plant::TrustStaleMirror)).run();
        Ok(())
    };
    assert!(caught(20, run) > 0);
}

/// A LUN overwritten again and again, with checkpoints, cut somewhere, for one seed.
fn overwritten(seed: u64, plant: Option<Plant>) -> Result<(), String> {
    let layout = if seed.is_multiple_of(2) { SIMPLE } else { MIRROR };
    let machine = Machine::new(seed, layout);
    machine.plant.set(plant);
    let mut made = false;
    for _ in 0..3 {
        let chance = machine.sim.chance();
        let rounds = 2 + chance.below(6);
        let ran = machine.sim.run_until(async {
            let life = if made { machine.open().await } else { machine.create().await };
            made = true;
            let mix = Mix { unmaps: 0, zeros: 0, compares: 0, ..Mix::USUAL };
            let workload = machine.workload(&life, mix);
            let found = workload.verify().await.map_err(|violation| violation.to_string())?;
            if found.unreadable > 0 {
                return Err(format!("{} sectors cannot be read", found.unreadable));
            }
            for _ in 0..rounds {
                workload.run(8, 300).await.map_err(|violation| violation.to_string())?;
                if life.lun.clean_once().await {
                    workload.run(8, 20).await.map_err(|violation| violation.to_string())?;
                }
                life.check();
            }
            // What dies by writes that nobody flushed may have to come back.
            let unflushed = Mix { reads: 0, flushes: 0, fua_one_in: 0, partial_one_in: 0, ..mix };
            let burst = machine.workload(&life, unflushed);
            burst.run(8, 80).await.map_err(|violation| violation.to_string())?;
            // The cut comes while a checkpoint frees what died since the last.
            let cut = machine.disks.issued() + 1 + chance.below(14);
            machine.disks.crash_at(CutPoint::Issued(cut), CrashMode::PowerCut);
            // The cut ends this life, here or in the commands after it.
            let _ = life.lun.checkpoint().await;
            workload.run(8, 300).await.map_err(|violation| violation.to_string())?;
            Ok::<_, String>(())
        });
        match ran {
            Ok(Ok(())) => machine.sim.crash(CrashMode::PowerCut),
            Err(Stopped::Crashed(_)) => {}
            Ok(Err(text)) => return Err(text),
            Err(stopped) => return Err(format!("{stopped:?}")),
        }
        machine.model.borrow_mut().crashed(CrashMode::PowerCut);
        if !made {
            break;
        }
    }
    Ok(())
}

#[test]
fn overwriting_and_cleaning_survive_power_cuts() {
    for seed in vds_sim::seeds(12) {
        overwritten(seed, None).unwrap_or_else(|text| panic!("seed {seed}: {text}"));
    }
}

#[test]
fn a_planted_early_reuse_of_a_slab_is_caught() {
    assert!(caught(12, |seed| overwritten(seed, Some(Plant::ReuseEarly))) > 0);
}

#[test]
fn a_planted_replay_of_moves_is_caught() {
    assert!(caught(12, |seed| overwritten(seed, Some(Plant::ReplayMoves))) > 0);
}
