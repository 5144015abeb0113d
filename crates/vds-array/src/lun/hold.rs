//! Holding a LUN still while its layout changes, and letting go of a drive.

use std::rc::Rc;

use vds_format::DriveNo;

use super::{Lun, Readiness, Segment};
use crate::signal::TurnGuard;

/// Nothing is appended while this lives: writes wait in the queue. Whatever is opened afterwards follows the LUN's record as
/// it is then.
pub(crate) struct Hold {
    lun: Rc<Lun>,
    _turns: [TurnGuard; 3],
}

impl Lun {
    /// Waits until nothing is being appended and closes what was.
    pub(crate) async fn hold(self: &Rc<Self>) -> Hold {
        self.pause().await;
        // In the order in which the cleaner takes them.
        let clean = self.clean_turn.take().await;
        let checkpoint = self.checkpoint_turn.take().await;
        let moves_turn = Rc::clone(self.moves.borrow().turn());
        let moves = moves_turn.take().await;
        let hold = Hold { lun: Rc::clone(self), _turns: [clean, checkpoint, moves] };
        let unwritten = {
            let mut host = self.host.borrow_mut();
            Self::finish_segment(&mut host);
            std::mem::take(&mut host.spares)
        };
        self.moves.borrow_mut().finish();
        self.map_log.borrow_mut().give_up();
        if !unwritten.is_empty() {
            let records = unwritten.iter().map(|segment| self.drop_unwritten(segment)).collect();
            // A frozen array refuses whatever the hold was taken for, too.
            let _ = self.engine.catalog.commit(records).await;
        }
        hold
    }

    /// Stops issuing and waits until nothing is in flight.
    pub(super) async fn pause(self: &Rc<Self>) {
        self.host.borrow_mut().paused += 1;
        self.changed
            .until(|| {
                let host = self.host.borrow();
                let still = host.in_flight.is_empty() && !host.broken && !host.opening;
                (still || self.readiness() == Readiness::Gone).then_some(())
            })
            .await;
    }

    /// Undoes one [`Lun::pause`].
    pub(super) fn resume(self: &Rc<Self>) {
        self.host.borrow_mut().paused -= 1;
        self.pump();
        self.changed.notify();
    }

    /// A drive was expelled: what is being appended to on it is sealed and goes on elsewhere.
    pub(crate) fn leave_drive(self: &Rc<Self>, drive: DriveNo) {
        let on_it = |segment: &Rc<Segment>| segment.uses(drive);
        let idle = {
            let mut host = self.host.borrow_mut();
            let used = host.current.iter().any(|cursor| on_it(&cursor.segment))
                || host.spares.iter().any(on_it)
                || host.full.iter().any(|full| on_it(&full.segment));
            host.broken |= used;
            used && host.has_settled()
        };
        let mut moves = self.moves.borrow_mut();
        if moves.open_segment().iter().any(on_it) {
            moves.finish();
        }
        drop(moves);
        self.map_log.borrow_mut().leave(drive);
        if idle && self.readiness() == Readiness::Ready {
            self.spawn_switch();
        }
        self.changed.notify();
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.lun.resume();
    }
}
