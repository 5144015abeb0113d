//! What the service shows beside the objects of providers: portals as they listen, sessions, damage.

use vds_api::{Damage, Session};
use vds_provider::BoxFuture;

use crate::convert::PortalFacts;

/// What stands at the edges of the machine: sockets that listen, initiators that are logged in, drives that rot.
pub(crate) trait Edges: Send + Sync {
    /// Where portals listen, or why they do not.
    fn portal_facts(&self) -> PortalFacts;

    /// Initiators that are logged in.
    fn sessions(&self) -> BoxFuture<Vec<Session>>;

    /// Damage found on drives, newest last.
    fn damage(&self) -> BoxFuture<Vec<Damage>>;

    /// The version of the format that is written on drives; 0 where none is.
    fn on_disk_version(&self) -> u32;
}

/// A service without an embedded array.
pub(crate) struct NoEdges;

impl Edges for NoEdges {
    fn portal_facts(&self) -> PortalFacts {
        PortalFacts::default()
    }

    fn sessions(&self) -> BoxFuture<Vec<Session>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    fn damage(&self) -> BoxFuture<Vec<Damage>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    fn on_disk_version(&self) -> u32 {
        0
    }
}
