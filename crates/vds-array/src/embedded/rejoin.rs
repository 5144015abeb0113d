//! A drive that refused a write of the catalog and was left out of it while its data is used on: it is asked again.
//!
//! What a drive refuses once it often takes the next time, when it has put another sector in the place of the bad one. Until it
//! is a member again its copy of the catalog counts for nothing, so the array could miss one drive less.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use vds_format::{DriveNo, DriveState};
use vds_io::Monotonic;
use vds_model::Change;

use super::array::Array;
use super::discover::in_time;
use super::errors::chain;
use super::shared::of_drive;
use crate::catalog::inspect;

/// How long such a drive is left alone at first; twice as long after each time that it refused again.
const FIRST_PAUSE: Duration = Duration::from_mins(1);
const PAUSE_MAX: Duration = Duration::from_hours(1);

/// When a drive was asked last, or seen to be out, and how long it is left alone from then on.
#[derive(Clone, Copy, Debug)]
struct Chance {
    since: Monotonic,
    pause: Duration,
}

/// The drives that were left out of the catalog since the array was opened, those that are members again included: one that
/// refuses again and again is asked ever less often.
#[derive(Debug, Default)]
pub(super) struct Chances(BTreeMap<DriveNo, Chance>);

impl Chances {
    /// Of the drives that are out, those to be asked now. Their next turn is set.
    fn take_due(&mut self, out: &[DriveNo], now: Monotonic) -> Vec<DriveNo> {
        let mut due = Vec::new();
        for number in out {
            let first = Chance { since: now, pause: FIRST_PAUSE };
            let chance = self.0.entry(*number).or_insert(first);
            if now.since(chance.since) >= chance.pause {
                due.push(*number);
                *chance = Chance { since: now, pause: (chance.pause * 2).min(PAUSE_MAX) };
            }
        }
        due
    }
}

impl Array {
    /// Makes drives members again that were left out of the catalog and now take it. Asks each at its time only.
    pub(super) async fn rejoin_drives(self: &Rc<Self>) {
        let out: Vec<DriveNo> = {
            let state = self.state();
            let leaving = state.drives.values().filter(|it| it.state == DriveState::Leaving);
            leaving.map(|it| it.number).collect()
        };
        let now = self.shared.world.clock.now();
        let due = self.chances.borrow_mut().take_due(&out, now);
        for number in due {
            let _turn = self.membership.take().await;
            if self.closing.get() || self.engine.catalog.frozen().is_some() {
                return;
            }
            self.rejoin(number).await;
        }
    }

    async fn rejoin(self: &Rc<Self>, number: DriveNo) {
        let record = self.state().drives.get(&number).cloned();
        let Some(record) = record.filter(|it| it.state == DriveState::Leaving) else { return };
        let Some(drive) = self.engine.drives.borrow().get(&number).cloned() else { return };
        if drive.lost().is_some() {
            return;
        }
        let refused = match in_time(&*self.shared.world.clock, inspect(drive.disk())).await {
            None => "it does not answer".to_owned(),
            Some(Err(error)) => chain(&error),
            Some(Ok(copy)) => match self.engine.catalog.return_member(drive, &copy).await {
                Ok(_) => {
                    tracing::info!(drive = %number, "the drive takes the catalog again");
                    return self.shared.publish(vec![of_drive(record.id, Change::Modify)]);
                }
                Err(error) => chain(&error),
            },
        };
        tracing::warn!(drive = %number, error = refused, "the drive stays out of the catalog");
    }
}
