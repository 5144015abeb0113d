//! The portal groups of targets. A target without one is reached through every portal.

use vds_format::{PortalGroupRecord, Record};
use vds_model::PortalGroupId;

use super::{CatalogState, Pending, StateError, size};

/// The tag of the group that a target has as long as none was made for it.
pub(crate) const DERIVED_TAG: u16 = 1;
/// The tag of the first group that is made for a target.
const FIRST_TAG: u16 = 2;

impl CatalogState {
    /// The groups that were made for a target, by tag.
    pub(crate) fn portal_groups_of(&self, target: u32) -> Vec<&PortalGroupRecord> {
        let groups = self.portal_groups.values().filter(|group| group.target == target);
        let mut groups: Vec<_> = groups.collect();
        groups.sort_by_key(|group| group.tag);
        groups
    }

    /// The tag that the target's next group gets.
    pub(crate) fn next_tag(&self, target: u32) -> u16 {
        let groups = self.portal_groups.values().filter(|group| group.target == target);
        groups.map(|group| group.next_tag).max().unwrap_or(FIRST_TAG)
    }

    pub(super) fn put_portal_group(&mut self, group: &PortalGroupRecord) {
        self.encoded_bytes += size::portal_group(group);
        if let Some(old) = self.portal_groups.insert(group.id, group.clone()) {
            self.encoded_bytes -= size::portal_group(&old);
        }
    }

    pub(super) fn delete_portal_group(&mut self, id: PortalGroupId) {
        if let Some(old) = self.portal_groups.remove(&id) {
            self.encoded_bytes -= size::portal_group(&old);
        }
    }

    /// A target that is gone has no groups.
    pub(super) fn delete_portal_groups_of(&mut self, target: u32) {
        self.encoded_bytes -= self.portal_groups_bytes(target);
        self.portal_groups.retain(|_, group| group.target != target);
    }

    /// A portal that is gone is in no group.
    pub(super) fn take_portal_out(&mut self, portal: u32) {
        self.encoded_bytes -= self.portal_places_bytes(portal);
        for group in self.portal_groups.values_mut() {
            group.portals.retain(|number| *number != portal);
        }
    }

    /// Bytes that the groups of a target take.
    pub(super) fn portal_groups_bytes(&self, target: u32) -> u64 {
        let groups = self.portal_groups.values().filter(|group| group.target == target);
        groups.map(size::portal_group).sum()
    }

    /// Bytes that a portal's places in groups take.
    pub(super) fn portal_places_bytes(&self, portal: u32) -> u64 {
        let places = self.portal_groups.values().flat_map(|group| &group.portals);
        size::PORTAL_PLACE * places.filter(|number| **number == portal).count() as u64
    }
}

impl Pending<'_> {
    pub(super) fn check_portal_group(&self, group: &PortalGroupRecord) -> Result<(), StateError> {
        let PortalGroupRecord { id, target, tag, next_tag, ref portals } = *group;
        if tag < FIRST_TAG || next_tag <= tag {
            return Err(StateError::PortalGroupTag { target, tag });
        }
        let earlier = &self.records[..self.upto];
        let known = self.state.targets.contains_key(&target);
        if !known
            && !earlier.iter().any(|it| matches!(it, Record::Target(it) if it.number == target))
        {
            return Err(StateError::NoTarget(target));
        }
        let siblings = self.state.portal_groups.values();
        let siblings = siblings.filter(|other| other.target == target && other.id != id);
        let mut taken = Vec::new();
        for sibling in siblings {
            if sibling.tag == tag {
                return Err(StateError::PortalGroupTag { target, tag });
            }
            taken.extend(&sibling.portals);
        }
        for portal in portals {
            if !self.state.portals.contains_key(portal) {
                return Err(StateError::NoPortal(*portal));
            }
            if taken.contains(&portal) {
                return Err(StateError::PortalGroupedTwice { target, portal: *portal });
            }
            taken.push(portal);
        }
        Ok(())
    }
}
