//! From a request to what it would do: the one place that names every kind of request an array takes.

use vds_provider::{Plan, Refusal, Request};

use super::array::Array;
use super::run::{Prepared, Work};

impl Array {
    /// What a request would do now, and how. Changes nothing.
    ///
    /// # Errors
    /// [`Refusal`]: why it cannot be carried out.
    pub(super) fn prepare(&self, request: &Request) -> Result<Prepared, Refusal> {
        match request {
            Request::CreateLun(create) => self.prepare_create_lun(create),
            Request::DeleteLun { lun } => self.prepare_delete_lun(*lun),
            Request::ExtendLun { lun, by_bytes, drives } => {
                self.prepare_extend_lun(*lun, *by_bytes, drives.as_deref())
            }
            Request::AddPlex { lun, drives } => self.prepare_add_plex(*lun, drives.as_deref()),
            Request::AbsorbLun { lun, other } => self.prepare_absorb(*lun, *other),
            Request::RemovePlex { plex } => self.prepare_remove_plex(*plex),
            Request::RecoverLun { lun } => self.prepare_recover(*lun),
            Request::SetLunMask { lun, unmasking_list } => self.prepare_mask(*lun, unmasking_list),
            Request::ChangeLunMask { lun, add, remove } => {
                self.prepare_mask_change(*lun, add, remove)
            }
            Request::SetLunName { lun, name } => self.prepare_name(*lun, name),
            Request::SetLunStatus { lun, status } => self.prepare_status(*lun, *status),
            Request::SetLunCaching { lun, caching } => self.prepare_caching(*lun, *caching),
            Request::ApplyLunHints { lun, hints } => self.prepare_hints(*lun, hints),
            Request::CreateTarget { iqn, name, .. } => self.prepare_create_target(iqn, name),
            Request::DeleteTarget { target } => self.prepare_delete_target(*target),
            Request::SetTargetChap { target, chap } => self.prepare_chap(*target, chap.as_ref()),
            Request::SetTargetSecret { target, change } => self.prepare_secret(*target, change),
            Request::SetTargetName { target, name } => self.prepare_target_name(*target, name),
            Request::SetSubsystemName { name, .. } => self.prepare_array_name(name),
            Request::SetLunTarget { lun, target } => self.prepare_lun_target(*lun, *target),
            Request::AddPortal { listen, announce, .. } => {
                self.prepare_add_portal(*listen, *announce)
            }
            Request::RemovePortal { portal } => self.prepare_remove_portal(*portal),
            Request::CreatePortalGroup { target } => self.prepare_create_portal_group(*target),
            Request::DeletePortalGroup { group } => self.prepare_delete_portal_group(*group),
            Request::AddToPortalGroup { group, portal } => {
                self.prepare_add_to_portal_group(*group, *portal)
            }
            Request::RemoveFromPortalGroup { group, portal } => {
                self.prepare_remove_from_portal_group(*group, *portal)
            }
            Request::AddDrive { drive, .. } => self.prepare_add_drive(drive),
            Request::FailDrive { drive } => self.prepare_fail_drive(*drive),
            Request::SetDriveSpare { drive, is_spare } => self.prepare_spare(*drive, *is_spare),
            Request::RemoveDrive { drive } => self.prepare_remove_drive(*drive),
            Request::ScrubSubsystem { .. } => self.prepare_scrub(),
            Request::CreateSubsystem { .. }
            | Request::OpenSubsystem { .. }
            | Request::Refresh
            | Request::Reenumerate => unreachable!("these are the provider's own"),
            other => {
                let message = format!("{} is not offered", other.kind());
                Err(Refusal::new(vds_model::HResult::VDS_E_NOT_SUPPORTED, message))
            }
        }
    }
}

/// A request of several steps that takes no space.
pub(super) fn steps(summary: String, lun: Option<vds_format::LunNo>) -> Prepared {
    Prepared { plan: Plan { summary, ..Plan::default() }, work: Work::Steps(lun) }
}
