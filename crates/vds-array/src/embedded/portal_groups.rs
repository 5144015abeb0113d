//! The portal groups of targets: through which portals a target is reached. A target for which none was made has one by
//! itself, the derived group: every portal of the array, under tag 1. It is in no record.

use vds_format::{PortalGroupRecord, PortalRecord, Record, TargetRecord};
use vds_model::{
    Change, HResult, Notification, PortalGroupId, PortalGroupProperties, PortalGroupTag, PortalId,
    TargetId, derived_id,
};
use vds_operation::{ObjectRef, Output, OutputType};
use vds_provider::{PortalGroupView, Refusal};

use super::array::Array;
use super::change::prepared;
use super::errors::not_found;
use super::run::{Effect, Prepared};
use super::shared::of_portal_group;
use crate::catalog::{CatalogState, DERIVED_TAG};

/// The group that a target has as long as none was made for it.
pub(super) fn derived_group_of(target: TargetId) -> PortalGroupId {
    PortalGroupId::from_bytes(derived_id(target.to_bytes(), "portal group"))
}

/// A target's groups as they show.
pub(super) fn groups_of(state: &CatalogState, target: &TargetRecord) -> Vec<PortalGroupView> {
    let made = state.portal_groups_of(target.number);
    if made.is_empty() {
        let properties = PortalGroupProperties {
            id: derived_group_of(target.id),
            tag: PortalGroupTag(DERIVED_TAG),
        };
        let portals = state.portals.values().map(|portal| portal.id).collect();
        return vec![PortalGroupView { properties, portals }];
    }
    let shown = made.into_iter().map(|group| {
        let portals = group.portals.iter().filter_map(|number| state.portals.get(number));
        PortalGroupView {
            properties: PortalGroupProperties { id: group.id, tag: PortalGroupTag(group.tag) },
            portals: portals.map(|portal| portal.id).collect(),
        }
    });
    shown.collect()
}

/// What is told when a target's groups go with it.
pub(super) fn departures(state: &CatalogState, target: &TargetRecord) -> Vec<Notification> {
    let groups = groups_of(state, target).into_iter();
    groups.map(|group| of_portal_group(group.properties.id, Change::Depart)).collect()
}

/// What is told of groups when a portal comes or goes: derived ones have every portal, others those put into them.
pub(super) fn changed_with_portal(
    state: &CatalogState,
    portal: Option<&PortalRecord>,
) -> Vec<Notification> {
    let mut changed = Vec::new();
    for target in state.targets.values() {
        let made = state.portal_groups_of(target.number);
        if made.is_empty() {
            changed.push(derived_group_of(target.id));
        }
        let has_it = |group: &&&PortalGroupRecord| {
            portal.is_some_and(|portal| group.portals.contains(&portal.number))
        };
        changed.extend(made.iter().filter(has_it).map(|group| group.id));
    }
    changed.into_iter().map(|group| of_portal_group(group, Change::Modify)).collect()
}

/// Whether a group is there, made or derived.
pub(super) fn has_group(state: &CatalogState, id: PortalGroupId) -> bool {
    state.portal_groups.contains_key(&id) || derived(state, id).is_some()
}

/// The target whose derived group this is.
fn derived(state: &CatalogState, id: PortalGroupId) -> Option<&TargetRecord> {
    let target = state.targets.values().find(|target| derived_group_of(target.id) == id)?;
    state.portal_groups_of(target.number).is_empty().then_some(target)
}

/// A group that is asked to change: what was made for its target, or the derived one.
enum Group {
    Made(PortalGroupRecord, TargetRecord),
    Derived(TargetRecord),
}

/// The derived group stays as it is.
fn is_derived(target: &TargetRecord) -> Refusal {
    let message = format!(
        "this group of target {} has every portal of the array, as long as no other group is made",
        target.iscsi_name
    );
    let hint = "Make a portal group for the target: it takes the place of this one.";
    Refusal::new(HResult::VDS_E_NOT_SUPPORTED, message).with_hint(hint)
}

fn effect_on(records: Vec<Record>, output: Output, events: Vec<Notification>) -> Effect {
    let mut effect = Effect::new(records, output);
    effect.events = events;
    effect.exports = true;
    effect
}

impl Array {
    pub(super) fn prepare_create_portal_group(
        &self,
        target: TargetId,
    ) -> Result<Prepared, Refusal> {
        let target = self.target_record(target)?;
        let state = self.state();
        let tag = state.next_tag(target.number);
        let Some(next_tag) = tag.checked_add(1) else {
            let message = format!("target {} had as many groups as it can", target.iscsi_name);
            return Err(Refusal::new(HResult::VDSX_E_TOO_LARGE, message)
                .with_hint("Tags are given anew once all its groups are deleted."));
        };
        let id = PortalGroupId::from_bytes(self.shared.id_bytes());
        let is_first = state.portal_groups_of(target.number).is_empty();
        let record =
            PortalGroupRecord { id, target: target.number, tag, next_tag, portals: Vec::new() };
        let departs = of_portal_group(derived_group_of(target.id), Change::Depart);
        let mut events: Vec<Notification> = is_first.then_some(departs).into_iter().collect();
        events.push(of_portal_group(id, Change::Arrive));
        let records = vec![Record::PortalGroup(record)];
        let effect = effect_on(records, Output::CreatePortalGroup(id), events);
        let name = &target.iscsi_name;
        let mut prepared = prepared(format!("make portal group {tag} of target {name}"), effect);
        if is_first {
            let risk = format!("initiators reach {name} only through portals put into its groups");
            prepared.plan.risks.push(risk);
        }
        Ok(prepared)
    }

    pub(super) fn prepare_delete_portal_group(
        &self,
        id: PortalGroupId,
    ) -> Result<Prepared, Refusal> {
        let (group, target) = match self.group(id)? {
            Group::Made(group, target) => (group, target),
            Group::Derived(target) => return Err(is_derived(&target)),
        };
        let summary = format!("delete portal group {} of target {}", group.tag, target.iscsi_name);
        if !group.portals.is_empty() {
            let message = format!("{} portals are in the group", group.portals.len());
            return Err(Refusal::new(HResult::VDS_E_ASSOCIATED_PORTALS_EXIST, message)
                .with_hint("Take them out of the group first."));
        }
        let state = self.state();
        let mut others = state.portal_groups_of(target.number);
        others.retain(|other| other.id != id);
        let mut records = vec![Record::PortalGroupDeleted(id)];
        let mut events = vec![of_portal_group(id, Change::Depart)];
        match others.first() {
            None => events.push(of_portal_group(derived_group_of(target.id), Change::Arrive)),
            // Its tag is not given again as long as the target has others.
            Some(other) if others.iter().all(|it| it.next_tag < group.next_tag) => {
                let next_tag = group.next_tag;
                records.push(Record::PortalGroup(PortalGroupRecord {
                    next_tag,
                    ..PortalGroupRecord::clone(other)
                }));
            }
            Some(_) => {}
        }
        let is_last = others.is_empty();
        let output = Output::Done(OutputType::DeletePortalGroup);
        let mut prepared = prepared(summary, effect_on(records, output, events));
        if is_last {
            let name = &target.iscsi_name;
            let risk = format!("initiators reach {name} through every portal of the array");
            prepared.plan.risks.push(risk);
        }
        Ok(prepared)
    }

    pub(super) fn prepare_add_to_portal_group(
        &self,
        id: PortalGroupId,
        portal: PortalId,
    ) -> Result<Prepared, Refusal> {
        let group = self.group(id)?;
        let portal = self.portal_record(portal)?;
        let output = Output::Done(OutputType::AddToPortalGroup);
        let (mut group, target) = match group {
            Group::Made(group, target) => (group, target),
            Group::Derived(target) => {
                let summary = format!("reach {} through {}", target.iscsi_name, portal.listen);
                return Ok(prepared(summary, Effect::new(Vec::new(), output)));
            }
        };
        let summary = format!(
            "reach target {} through {} in its group {}",
            target.iscsi_name, portal.listen, group.tag
        );
        if group.portals.contains(&portal.number) {
            return Ok(prepared(summary, Effect::new(Vec::new(), output)));
        }
        let state = self.state();
        let siblings = state.portal_groups_of(target.number);
        if let Some(other) = siblings.iter().find(|it| it.portals.contains(&portal.number)) {
            let (listen, tag, name) = (&portal.listen, other.tag, &target.iscsi_name);
            let message = format!("portal {listen} is in group {tag} of target {name} already");
            return Err(Refusal::new(HResult::VDS_E_OBJECT_EXISTS, message).with_hint(
                "A portal is in one group of a target: take it out of that one first.",
            ));
        }
        drop(state);
        group.portals.push(portal.number);
        let events = vec![of_portal_group(id, Change::Modify)];
        let effect = effect_on(vec![Record::PortalGroup(group)], output, events);
        Ok(prepared(summary, effect))
    }

    pub(super) fn prepare_remove_from_portal_group(
        &self,
        id: PortalGroupId,
        portal: PortalId,
    ) -> Result<Prepared, Refusal> {
        let group = self.group(id)?;
        let portal = self.portal_record(portal)?;
        let (mut group, target) = match group {
            Group::Made(group, target) => (group, target),
            Group::Derived(target) => return Err(is_derived(&target)),
        };
        if !group.portals.contains(&portal.number) {
            let message = format!("portal {} is not in the group", portal.listen);
            return Err(Refusal::new(HResult::VDS_E_OBJECT_NOT_FOUND, message));
        }
        group.portals.retain(|number| *number != portal.number);
        let name = &target.iscsi_name;
        let summary = format!("reach target {name} through {} no longer", portal.listen);
        let output = Output::Done(OutputType::RemoveFromPortalGroup);
        let events = vec![of_portal_group(id, Change::Modify)];
        let effect = effect_on(vec![Record::PortalGroup(group)], output, events);
        let mut prepared = prepared(summary, effect);
        let risk = format!("initiators logged in to {name} through {} are cut off", portal.listen);
        prepared.plan.risks.push(risk);
        Ok(prepared)
    }

    fn group(&self, id: PortalGroupId) -> Result<Group, Refusal> {
        let state = self.state();
        if let Some(group) = state.portal_groups.get(&id)
            && let Some(target) = state.targets.get(&group.target)
        {
            return Ok(Group::Made(group.clone(), target.clone()));
        }
        let target = derived(&state, id).cloned();
        target.map(Group::Derived).ok_or_else(|| not_found(ObjectRef::PortalGroup(id)))
    }

    fn portal_record(&self, id: PortalId) -> Result<PortalRecord, Refusal> {
        let state = self.state();
        let found = state.portals.values().find(|portal| portal.id == id);
        found.cloned().ok_or_else(|| not_found(ObjectRef::Portal(id)))
    }
}
