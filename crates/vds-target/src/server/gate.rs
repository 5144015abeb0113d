//! What a login asks, answered from the directory and the table of sessions.

use std::rc::Rc;

use vds_iscsi::chap::ChapPolicy;
use vds_iscsi::login::{LoginPolicy, LoginStatus, SessionKey, TargetAccess};

use super::{Message, Peer, Shared};

/// The gate of one connection.
pub(crate) struct Gate {
    pub(crate) shared: Rc<Shared>,
    pub(crate) peer: Rc<Peer>,
}

impl LoginPolicy for Gate {
    fn target(&self, target: &str, initiator: &str) -> Result<TargetAccess, LoginStatus> {
        if self.shared.is_shutting_down() {
            return Err(LoginStatus::ServiceUnavailable);
        }
        let directory = &self.shared.directory;
        let info = directory.target(target).ok_or(LoginStatus::NotFound)?;
        let group =
            info.portal_groups.iter().find(|group| group.portals.contains(&self.peer.portal));
        let group = group.ok_or(LoginStatus::NotFound)?;
        let chap = directory.access(target, initiator).ok_or(LoginStatus::AuthorizationFailure)?;
        Ok(TargetAccess { portal_group_tag: group.tag, chap, alias: info.alias })
    }

    fn discovery(&self, initiator: &str) -> Result<ChapPolicy, LoginStatus> {
        if self.shared.is_shutting_down() {
            return Err(LoginStatus::ServiceUnavailable);
        }
        Ok(self.shared.directory.discovery_access(initiator))
    }

    fn admit(&mut self, key: &SessionKey, tsih: u16, cid: u16) -> Result<u16, LoginStatus> {
        let registry = &self.shared.registry;
        let sessions_max = self.shared.limits.sessions_max;
        let admission = registry.table.borrow_mut().admit(key, tsih, cid, sessions_max)?;
        self.peer.set_tsih(admission.tsih);
        if let Some(displaced) = admission.displaced {
            registry.tell(|peer| peer.tsih() == Some(displaced), || Message::Close);
        }
        Ok(admission.tsih)
    }
}
