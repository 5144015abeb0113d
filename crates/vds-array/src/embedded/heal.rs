//! Bringing mirrors back to full redundancy without being asked, where that takes no decision: the drives that are their
//! home are there again, or a hot spare stands in.

use std::collections::BTreeSet;
use std::rc::Rc;

use vds_format::{LunNo, LunRecord};
use vds_model::{LunId, OperationId};
use vds_operation::Owner;
use vds_provider::{Request, StartContext};

use super::array::Array;
use crate::lun::Readiness;

impl Array {
    /// Looks for mirrors that can be made whole, and recovers them one after the other, as operations of the service with
    /// `cause` as their reason.
    pub(super) fn heal_later(self: &Rc<Self>, cause: String) {
        if self.closing.get() {
            return;
        }
        if self.healing.replace(true) {
            *self.heal_again.borrow_mut() = Some(cause);
            return;
        }
        let array = Rc::clone(self);
        let task = async move {
            let mut cause = Some(cause);
            while let Some(why) = cause {
                array.heal(&why).await;
                cause = array.heal_again.borrow_mut().take();
            }
            array.healing.set(false);
        };
        self.shared.world.spawn.spawn("heal", Box::pin(task));
    }

    async fn heal(self: &Rc<Self>, cause: &str) {
        let mut tried = BTreeSet::new();
        while let Some((number, lun)) = self.next_to_heal(&tried) {
            tried.insert(number);
            let id = OperationId::from_bytes(self.shared.id_bytes());
            let owner = Owner::Service { cause: cause.to_owned() };
            let context = StartContext::new(id, owner, self.shared.unix_ms());
            self.begin(context, Request::RecoverLun { lun }).await;
            let operation = self.operations.borrow().by_id(id).cloned();
            if let Some(operation) = operation
                && let Err(error) = operation.wait().await
            {
                tracing::debug!(op = %id, %error, "recovery broke off");
                return;
            }
        }
    }

    fn next_to_heal(&self, tried: &BTreeSet<LunNo>) -> Option<(LunNo, LunId)> {
        if self.closing.get() || self.engine.catalog.frozen().is_some() {
            return None;
        }
        let survey = self.survey();
        let state = self.state();
        let mut mirrors = state.luns.values().filter(|lun| lun.plexes.len() > 1);
        let found = mirrors.find(|lun| {
            let Some(entry) = self.entry(lun.number) else { return false };
            if tried.contains(&lun.number) || entry.lun.readiness() != Readiness::Ready {
                return false;
            }
            let condition = self.condition(&survey, lun, Some(&entry));
            condition.can_be_recovered() && self.takes_no_decision(lun)
        });
        found.map(|lun| (lun.number, lun.id))
    }

    /// Whether all homes are there, or hot spares can stand in for those that are not.
    fn takes_no_decision(&self, lun: &LunRecord) -> bool {
        let state = self.state();
        let is_spare = |drive| state.drives.get(drive).is_some_and(|record| record.hot_spare);
        let homes = |lun: &LunRecord| -> BTreeSet<vds_format::DriveNo> {
            lun.plexes.iter().flat_map(|plex| plex.drives.iter().copied()).collect()
        };
        match self.relocated(lun) {
            Ok(None) => true,
            Ok(Some(moved)) => homes(&moved).difference(&homes(lun)).all(is_spare),
            Err(_) => false,
        }
    }
}
