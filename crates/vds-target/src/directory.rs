//! What a target server is told from outside: targets, portal groups, masks, secrets.

use std::rc::Rc;

use vds_io::LunIo;
use vds_iscsi::chap::ChapPolicy;
use vds_scsi::{Identity, Lun};

/// A portal, named by its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortalId(pub u128);

/// Portals through which a target is reached together, under one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalGroup {
    /// The group's tag, never zero.
    pub tag: u16,
    /// Its portals. One that is not open is not announced.
    pub portals: Vec<PortalId>,
}

/// A target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetInfo {
    /// A name for people; may be empty.
    pub alias: String,
    /// The ways to it. Without a portal in a group nobody can log in.
    pub portal_groups: Vec<PortalGroup>,
}

/// A LUN as one initiator sees it.
#[derive(Clone)]
pub struct UnmaskedLun {
    /// Its number at this target for this initiator.
    pub number: Lun,
    /// Who it is, the same through every target.
    pub identity: Identity,
    /// Its data path.
    pub io: Rc<dyn LunIo>,
}

/// Where the server asks who there is and who may. Names are normalized (lower case). Answers are immediate; when they
/// change, the owner calls [`Server::refresh`](crate::Server::refresh).
pub trait TargetDirectory {
    /// The targets discovery shows to `initiator`, by name.
    fn visible_targets(&self, initiator: &str) -> Vec<String>;

    /// The target of this name, `None` if there is none.
    fn target(&self, target: &str) -> Option<TargetInfo>;

    /// What `initiator` must prove to log in to `target`; `None` if it may not at all. Sessions that were let in for
    /// something else end with the next refresh.
    fn access(&self, target: &str, initiator: &str) -> Option<ChapPolicy>;

    /// What `initiator` must prove for a discovery session.
    fn discovery_access(&self, initiator: &str) -> ChapPolicy;

    /// The LUNs unmasked to `initiator` at `target`. No number comes twice.
    fn luns(&self, target: &str, initiator: &str) -> Vec<UnmaskedLun>;
}
