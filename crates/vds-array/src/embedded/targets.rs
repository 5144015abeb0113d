//! Targets and portals: how initiators reach LUNs.

use std::net::SocketAddr;

use vds_format::{LunRecord, PortalRecord, Record, TargetRecord};
use vds_model::{Change, HResult, LunId, PortalId, TargetId};
use vds_operation::{ObjectRef, Output, OutputType};
use vds_provider::Refusal;

use super::array::Array;
use super::change::{lun_change, prepared};
use super::create::{free_lun_number, target_name};
use super::errors::not_found;
use super::portal_groups::{changed_with_portal, departures, derived_group_of};
use super::run::{Effect, Prepared};
use super::shared::{of_portal, of_portal_group, of_subsystem, of_target};

/// Takes a changed target record into use.
pub(super) fn target_change(target: TargetRecord, output_type: OutputType) -> Effect {
    let id = target.id;
    let mut effect = Effect::new(vec![Record::Target(target)], Output::Done(output_type));
    effect.events = vec![of_target(id, Change::Modify)];
    effect.exports = true;
    effect
}

impl Array {
    pub(super) fn prepare_create_target(&self, iqn: &str, name: &str) -> Result<Prepared, Refusal> {
        let iscsi_name = target_name(&self.state(), self.id, iqn, name, "target")?;
        let id = TargetId::from_bytes(self.shared.id_bytes());
        let summary = format!("make target {iscsi_name}");
        let record = TargetRecord {
            number: self.state().array.next_target,
            id,
            friendly_name: name.to_owned(),
            iscsi_name,
            chap: false,
            made_for_lun: false,
            initiators: Vec::new(),
            mutual_user: String::new(),
            mutual_secret: Vec::new(),
            mutual_initiators: Vec::new(),
        };
        let mut effect = Effect::new(vec![Record::Target(record)], Output::CreateTarget(id));
        effect.events = vec![
            of_target(id, Change::Arrive),
            of_portal_group(derived_group_of(id), Change::Arrive),
        ];
        effect.exports = true;
        Ok(prepared(summary, effect))
    }

    pub(super) fn target_record(&self, id: TargetId) -> Result<TargetRecord, Refusal> {
        let state = self.state();
        let found = state.targets.values().find(|target| target.id == id);
        found.cloned().ok_or_else(|| not_found(ObjectRef::Target(id)))
    }

    pub(super) fn prepare_delete_target(&self, id: TargetId) -> Result<Prepared, Refusal> {
        let target = self.target_record(id)?;
        let state = self.state();
        let behind = state.luns.values().filter(|lun| lun.target == target.number);
        let behind: Vec<&str> = behind.map(|lun| lun.name.as_str()).collect();
        if !behind.is_empty() {
            let message =
                format!("LUNs are behind target {}: {}", target.iscsi_name, behind.join(", "));
            return Err(Refusal::new(HResult::VDS_E_ASSOCIATED_LUNS_EXIST, message)
                .with_hint("Delete those LUNs first, or put them behind another target."));
        }
        let records = vec![Record::TargetDeleted(target.number)];
        let mut effect = Effect::new(records, Output::Done(OutputType::DeleteTarget));
        effect.events = departures(&state, &target);
        effect.events.push(of_target(id, Change::Depart));
        effect.exports = true;
        Ok(prepared(format!("delete target {}", target.iscsi_name), effect))
    }

    pub(super) fn prepare_add_portal(
        &self,
        listen: SocketAddr,
        announce: Option<SocketAddr>,
    ) -> Result<Prepared, Refusal> {
        let state = self.state();
        let listen_text = listen.to_string();
        if listen.port() != 0 && state.portals.values().any(|it| it.listen == listen_text) {
            let message = format!("there is a portal at {listen} already");
            return Err(Refusal::new(HResult::VDS_E_OBJECT_EXISTS, message));
        }
        let id = PortalId::from_bytes(self.shared.id_bytes());
        let record = PortalRecord {
            number: state.array.next_portal,
            id,
            listen: listen_text,
            announce: announce.map(|it| it.to_string()).unwrap_or_default(),
        };
        let mut effect = Effect::new(vec![Record::Portal(record)], Output::AddPortal(id));
        effect.events = vec![of_portal(id, Change::Arrive)];
        effect.events.extend(changed_with_portal(&state, None));
        effect.exports = true;
        Ok(prepared(format!("listen on {listen}"), effect))
    }

    pub(super) fn prepare_remove_portal(&self, id: PortalId) -> Result<Prepared, Refusal> {
        let state = self.state();
        let portal = state.portals.values().find(|portal| portal.id == id);
        let portal = portal.ok_or_else(|| not_found(ObjectRef::Portal(id)))?;
        let records = vec![Record::PortalDeleted(portal.number)];
        let mut effect = Effect::new(records, Output::Done(OutputType::RemovePortal));
        effect.events = vec![of_portal(id, Change::Depart)];
        effect.events.extend(changed_with_portal(&state, Some(portal)));
        effect.exports = true;
        Ok(prepared(format!("listen on {} no longer", portal.listen), effect))
    }

    /// Two targets may have one alias: initiators tell them apart by their iSCSI names.
    pub(super) fn prepare_target_name(
        &self,
        id: TargetId,
        name: &str,
    ) -> Result<Prepared, Refusal> {
        let target = self.target_record(id)?;
        let summary = format!("rename target {} to {name:?}", target.iscsi_name);
        let target = TargetRecord { friendly_name: name.to_owned(), ..target };
        Ok(prepared(summary, target_change(target, OutputType::SetName)))
    }

    /// Renames the array itself.
    pub(super) fn prepare_array_name(&self, name: &str) -> Result<Prepared, Refusal> {
        if name.is_empty() {
            return Err(Refusal::new(HResult::VDSX_E_BAD_NAME, "the name is empty"));
        }
        let mut array = self.state().array.clone();
        let summary = format!("rename subsystem {} to {name}", array.name);
        name.clone_into(&mut array.name);
        let output = Output::Done(OutputType::SetName);
        let mut effect = Effect::new(vec![Record::Array(array)], output);
        effect.events = vec![of_subsystem(self.id, Change::Modify)];
        effect.exports = true;
        Ok(prepared(summary, effect))
    }

    /// Puts a LUN behind another target. A target that was made for it stays, from then on as any other.
    pub(super) fn prepare_lun_target(
        &self,
        id: LunId,
        target: Option<TargetId>,
    ) -> Result<Prepared, Refusal> {
        let lun = self.lun_record(id)?;
        let to = target.map(|target| self.target_record(target)).transpose()?;
        let number = to.as_ref().map_or(0, |target| target.number);
        let summary = match &to {
            Some(target) => format!("put LUN {} behind target {}", lun.name, target.iscsi_name),
            None => format!("put LUN {} behind no target", lun.name),
        };
        if number == lun.target {
            return Ok(prepared(summary, lun_change(lun, OutputType::SetLunTarget)));
        }
        let state = self.state();
        let target_lun = if number == 0 { 0 } else { free_lun_number(&state, number)? };
        let from = state.targets.get(&lun.target).cloned();
        drop(state);
        let moved = LunRecord { target: number, target_lun, ..lun };
        let mut effect = lun_change(moved, OutputType::SetLunTarget);
        let both = from.iter().chain(&to).map(|target| of_target(target.id, Change::Modify));
        effect.events.extend(both);
        if let Some(left) = from.filter(|target| target.made_for_lun) {
            effect.records.push(Record::Target(TargetRecord { made_for_lun: false, ..left }));
        }
        effect.exports = true;
        let mut prepared = prepared(summary, effect);
        prepared.plan.risks.push("initiators that use the LUN lose it".to_owned());
        Ok(prepared)
    }
}
