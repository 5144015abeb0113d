//! Crashes and drive faults together, on mirrors: one copy may do anything, and the LUN keeps every promise.

use vds_format::DriveNo;
use vds_io::DiskErrorKind;
use vds_sim::lun_model::{Mix, Violation};
use vds_sim::{CrashMode, CutPoint, Effect, Fault, IoKind, Stopped, seeds};

use super::harness::{Layout, Life, MIRROR, MIRROR3, Machine};
use crate::engine::Plant;

/// The drive that may fail in this part of the run, and what became of it.
struct Victim {
    number: u16,
    gone: bool,
    rotten: bool,
}

pub(super) struct Swarm {
    machine: Machine,
    victim: std::cell::RefCell<Victim>,
    /// Spare drives not yet used.
    spares: std::cell::RefCell<Vec<u16>>,
    seed: u64,
}

impl Swarm {
    pub(super) fn new(seed: u64, plant: Option<Plant>) -> Self {
        let layout: Layout = if seed.is_multiple_of(3) { MIRROR3 } else { MIRROR };
        let machine = Machine::with_extra(seed, layout, 3);
        machine.plant.set(plant);
        let first = u16::from(layout.copies);
        let number = 1 + u16::try_from(machine.sim.chance().below(first.into())).expect("few");
        Self {
            machine,
            victim: Victim { number, gone: false, rotten: false }.into(),
            spares: vec![first + 1, first + 2, first + 3].into(),
            seed,
        }
    }

    async fn life(&self, life: &Life) -> Result<(), Violation> {
        let workload = self.machine.workload(life, Mix::swarm(&self.machine.sim.chance()));
        workload.verify().await?;
        for _ in 0..6 {
            workload.run(5, 40).await?;
            self.event(life).await;
            life.check();
        }
        workload.verify().await?;
        assert_eq!(workload.tally().failed(), 0, "seed {}: one copy is always whole", self.seed);
        Ok(())
    }

    async fn event(&self, life: &Life) {
        let chance = self.machine.sim.chance();
        let number = self.victim.borrow().number;
        let drive = self.machine.disks.drive(&format!("d{number}"));
        let gone = self.victim.borrow().gone;
        match chance.below(9) {
            0 if !gone => {
                drive.vanish();
                self.victim.borrow_mut().gone = true;
            }
            1 if !gone => {
                drive.rot(usize::try_from(1 + chance.below(20)).expect("few"));
                self.victim.borrow_mut().rotten = true;
            }
            2 if !gone => drive.fault(Fault::nth(
                IoKind::Write,
                1 + chance.below(9),
                Effect::Error(DiskErrorKind::Range),
            )),
            3 if !gone => {
                drive.fault(Fault::nth(IoKind::Flush, 1, Effect::Error(DiskErrorKind::Range)));
                self.victim.borrow_mut().gone = true;
            }
            4 if !gone => {
                drive.fault(Fault::nth(IoKind::Write, 1 + chance.below(9), Effect::Ignored));
                self.victim.borrow_mut().rotten = true;
            }
            5 => {
                // A failed checkpoint leaves the log as it is: nothing to look at here.
                let _ = life.lun.checkpoint().await;
            }
            6 | 7 => self.replace(life, number).await,
            _ => {}
        }
    }

    /// Replaces the victim by a spare, if it is expelled; the next victim is another drive of the LUN.
    async fn replace(&self, life: &Life, number: u16) {
        let lost = life.engine.live_drive(DriveNo(number)).is_none();
        let spare = self.spares.borrow().first().copied();
        let (true, Some(spare)) = (lost, spare) else { return };
        if life.recover_onto(DriveNo(number), DriveNo(spare)).await.is_err() {
            return;
        }
        let missing = life.lun.missing_text();
        assert_eq!(missing, "", "seed {}: whole again, {number} replaced by {spare}", self.seed);
        self.spares.borrow_mut().remove(0);
        *self.victim.borrow_mut() = Victim { number: spare, gone: false, rotten: false };
    }

    pub(super) fn run(&self) {
        let machine = &self.machine;
        let mut made = false;
        for life in 0..4 {
            let mode =
                if machine.sim.chance().one_in(2) { CrashMode::PowerCut } else { CrashMode::Kill };
            let cut = machine.disks.issued() + 60 + machine.sim.chance().below(500);
            if life < 3 {
                machine.disks.crash_at(CutPoint::Issued(cut), mode);
            }
            let ran = machine.sim.run_until(async {
                let life = if made { machine.open().await } else { machine.create().await };
                made = true;
                self.life(&life).await
            });
            match ran {
                Ok(Ok(())) => machine.sim.crash(mode),
                Err(Stopped::Crashed(_)) => {}
                Ok(Err(violation)) => {
                    panic!("seed {}: {violation}\n{}", self.seed, machine.sim.trace())
                }
                Err(stopped) => panic!("seed {}: {stopped:?}\n{}", self.seed, machine.sim.trace()),
            }
            machine.model.borrow_mut().crashed(mode);
            if !made {
                return;
            }
        }
    }
}

#[test]
fn one_copy_may_do_anything() {
    for seed in seeds(60) {
        Swarm::new(seed, None).run();
    }
}
