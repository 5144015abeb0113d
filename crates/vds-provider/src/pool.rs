//! Storage pools of a view: those its provider shows, and the one that every other array has.
//!
//! ```text
//!   pools shown of a subsystem?  yes: these, as they are
//!                                no:  the primordial one, which follows from its drives: their raw capacity
//! ```

use vds_model::{
    Bytes, DriveFlags, DriveStatus, Health, LunId, PoolAttributes, PoolDriveExtent, PoolId,
    PoolProperties, PoolStatus, PoolType, SubsystemStatus,
};

use crate::view::sum;
use crate::{DriveView, PoolView, SubsystemView, View};

impl View {
    /// The pools of all subsystems.
    pub fn all_pools(&self) -> Vec<PoolView> {
        self.subsystems.iter().flat_map(|subsystem| self.pools_of(subsystem)).collect()
    }

    /// The pools of a subsystem, at least one.
    pub fn pools_of(&self, subsystem: &SubsystemView) -> Vec<PoolView> {
        let id = subsystem.properties.id;
        let shown = self.pools.iter().filter(|pool| pool.subsystem == id);
        let shown: Vec<PoolView> = shown.cloned().collect();
        if shown.is_empty() { vec![self.primordial_pool(subsystem)] } else { shown }
    }

    /// The LUNs whose space is a pool's. `None` where its provider shows several pools of the subsystem: a view does not
    /// tell which LUN is in which.
    pub fn luns_of_pool(&self, pool: &PoolView) -> Option<Vec<LunId>> {
        let beside = self.pools.iter().filter(|other| other.subsystem == pool.subsystem);
        if beside.count() > 1 {
            return None;
        }
        let luns = self.luns.iter().filter(|lun| lun.subsystem == pool.subsystem);
        Some(luns.map(|lun| lun.properties.id).collect())
    }

    /// All drives of a subsystem as one pool. Nothing is redundant in it: what it manages is what drives can give, and a
    /// mirror takes its size of that once for each copy.
    fn primordial_pool(&self, subsystem: &SubsystemView) -> PoolView {
        let properties = &subsystem.properties;
        let drives = || self.drives.iter().filter(|of| of.subsystem == Some(properties.id));
        let backing = || drives().filter(|drive| is_backing(drive));
        let extents = backing().flat_map(|drive| &drive.extents);
        let handed_out =
            sum(extents.filter(|extent| extent.lun.is_some()).map(|extent| extent.size));
        let status = match properties.status {
            SubsystemStatus::Online | SubsystemStatus::PartiallyManaged => PoolStatus::Online,
            SubsystemStatus::NotReady => PoolStatus::NotReady,
            SubsystemStatus::Offline | SubsystemStatus::Failed => PoolStatus::Offline,
            SubsystemStatus::Unknown | SubsystemStatus::Unrecognized(_) => PoolStatus::Unknown,
        };
        let health = match (properties.health, status) {
            (_, PoolStatus::Unknown) => Health::Unknown,
            (Health::Healthy, _) => Health::Healthy,
            // A pool has no health of its own for what has failed altogether.
            (Health::Degraded | Health::Failed, _) => Health::Degraded,
            _ => Health::Unknown,
        };
        PoolView {
            subsystem: properties.id,
            properties: PoolProperties {
                id: PoolId::primordial_of(properties.id),
                status,
                health,
                pool_type: PoolType::Primordial,
                name: properties.friendly_name.clone(),
                description: format!("all drives of {}", properties.friendly_name),
                consumed: Bytes(sum(backing().map(|drive| drive.properties.size))),
                managed: Bytes(subsystem.free_bytes.saturating_add(handed_out)),
                free: Bytes(subsystem.free_bytes),
            },
            attributes: PoolAttributes::default(),
            extents: drives()
                .map(|drive| PoolDriveExtent {
                    drive: drive.properties.id,
                    size: drive.properties.size,
                    is_used: is_backing(drive),
                })
                .collect(),
        }
    }
}

/// Whether a drive gives its space to the pool: it is there, and does not stand by for another one.
fn is_backing(drive: &DriveView) -> bool {
    let is_spare = drive.properties.flags.contains(DriveFlags::HOTSPARE);
    let has_luns = || drive.extents.iter().any(|extent| extent.lun.is_some());
    drive.properties.status == DriveStatus::Online && (!is_spare || has_luns())
}
