//! Damage in the log of the service: one line when a drive begins to show it, and how much more there was.
//!
//! A drive that fails reads fails thousands of them. Each is kept for the operator; in the log they would hide all else.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use vds_format::DriveNo;
use vds_io::World;

/// A drive that shows no damage for so long has ended its burst; while it goes on there is a line this often.
const PERIOD: Duration = Duration::from_secs(10);

/// Drives in a burst, each with what was found since its last line.
#[derive(Default)]
pub(crate) struct DamageLog {
    bursts: Rc<RefCell<BTreeMap<DriveNo, u64>>>,
}

impl DamageLog {
    /// Counts one more of a drive. Whether it begins a burst, and so has a line of its own.
    pub(crate) fn begins(&self, world: &World, drive: DriveNo) -> bool {
        if let Some(more) = self.bursts.borrow_mut().get_mut(&drive) {
            *more += 1;
            return false;
        }
        self.bursts.borrow_mut().insert(drive, 0);
        let (bursts, clock) = (Rc::downgrade(&self.bursts), Rc::clone(&world.clock));
        let follow = async move {
            loop {
                clock.sleep(PERIOD).await;
                let Some(bursts) = bursts.upgrade() else { return };
                let more = bursts.borrow_mut().get_mut(&drive).map(std::mem::take);
                match more {
                    Some(count) if count > 0 => {
                        tracing::warn!(drive = %drive, count, "more damage found");
                    }
                    _ => {
                        bursts.borrow_mut().remove(&drive);
                        return;
                    }
                }
            }
        };
        world.spawn.spawn("damage log", Box::pin(follow));
        true
    }
}

#[cfg(test)]
mod tests {
    use vds_sim::{Sim, SimOptions};

    use super::*;

    #[test]
    fn a_burst_has_one_line_of_its_own() {
        let sim = Sim::with_options(1, SimOptions::PLAIN);
        let (world, log) = (sim.world(), DamageLog::default());
        let lines = |drive: u16| (0..100).filter(|_| log.begins(&world, DriveNo(drive))).count();
        assert_eq!((lines(1), lines(2)), (1, 1));
        sim.run_for(PERIOD).unwrap();
        assert_eq!(lines(1), 0, "it goes on");
        sim.run_for(PERIOD * 2).unwrap();
        assert_eq!((lines(1), lines(2)), (1, 1), "the next ones");
        drop(log);
        sim.run_for(PERIOD).unwrap();
        assert!(sim.tasks().is_empty());
    }
}
