//! Status, health and transition of the hardware side's objects, and which of them go together.
//!
//! Every object has its own status enumeration, but all share one set of numbers; health and
//! transition are shared as such. The rules of what may stand together are [`check_state`].

use crate::enumeration::open_enum;
use crate::{HResult, ObjectType};

open_enum! {
    /// How an object is (`VDS_HEALTH`). Not a promise that it is available: that is its status.
    Health, "health";
    /// It cannot be told.
    Unknown = 0, "VDS_H_UNKNOWN", "unknown";
    /// All is well.
    Healthy = 1, "VDS_H_HEALTHY", "healthy";
    /// Copies are being synchronised or parity regenerated.
    Rebuilding = 2, "VDS_H_REBUILDING", "rebuilding";
    /// Its configuration is out of date.
    Stale = 3, "VDS_H_STALE", "stale";
    /// It works, with errors it could correct.
    Failing = 4, "VDS_H_FAILING", "failing";
    /// Some plex has errors; all are online.
    FailingRedundancy = 5, "VDS_H_FAILING_REDUNDANCY", "failing_redundancy";
    /// Some plex has failed; at least one works.
    FailedRedundancy = 6, "VDS_H_FAILED_REDUNDANCY", "failed_redundancy";
    /// The last plex that works has errors.
    FailedRedundancyFailing = 7, "VDS_H_FAILED_REDUNDANCY_FAILING", "failed_redundancy_failing";
    /// It has failed, and its status says so too.
    Failed = 8, "VDS_H_FAILED", "failed";
    /// Reserved by VDS; not to be used.
    Replaced = 9, "VDS_H_REPLACED", "replaced";
    /// It works, but expects to fail.
    PendingFailure = 10, "VDS_H_PENDING_FAILURE", "pending_failure";
    /// Part of what it consists of has failed.
    Degraded = 11, "VDS_H_DEGRADED", "degraded";
}

open_enum! {
    /// What is being changed about an object (`VDS_TRANSITION_STATE`).
    TransitionState, "transition";
    /// Reserved.
    Unknown = 0, "VDS_TS_UNKNOWN", "unknown";
    /// Nothing.
    Stable = 1, "VDS_TS_STABLE", "stable";
    /// It grows.
    Extending = 2, "VDS_TS_EXTENDING", "extending";
    /// It shrinks.
    Shrinking = 3, "VDS_TS_SHRINKING", "shrinking";
    /// Its layout is being changed or built.
    Reconfiguring = 4, "VDS_TS_RECONFIGING", "reconfiguring";
    /// Its data is being spread anew.
    Restriping = 5, "VDS_TS_RESTRIPING", "restriping";
}

open_enum! {
    /// How available a subsystem is (`VDS_SUB_SYSTEM_STATUS`).
    SubsystemStatus, "subsystem status";
    /// Reserved.
    Unknown = 0, "VDS_SSS_UNKNOWN", "unknown";
    /// It works.
    Online = 1, "VDS_SSS_ONLINE", "online";
    /// It is starting.
    NotReady = 2, "VDS_SSS_NOT_READY", "not_ready";
    /// It is not connected, or seems not to be.
    Offline = 4, "VDS_SSS_OFFLINE", "offline";
    /// It has failed.
    Failed = 5, "VDS_SSS_FAILED", "failed";
    /// Part of it has failed.
    PartiallyManaged = 9, "VDS_SSS_PARTIALLY_MANAGED", "partially_managed";
}

open_enum! {
    /// How available a controller is (`VDS_CONTROLLER_STATUS`).
    ControllerStatus, "controller status";
    /// It cannot be told.
    Unknown = 0, "VDS_CS_UNKNOWN", "unknown";
    /// It is there and in use.
    Online = 1, "VDS_CS_ONLINE", "online";
    /// It is busy.
    NotReady = 2, "VDS_CS_NOT_READY", "not_ready";
    /// It is there and not in use. Entering this raises `CONTROLLER_REMOVED`.
    Offline = 4, "VDS_CS_OFFLINE", "offline";
    /// It has failed.
    Failed = 5, "VDS_CS_FAILED", "failed";
    /// It was pulled out. Entering this raises `CONTROLLER_DEPART`.
    Removed = 8, "VDS_CS_REMOVED", "removed";
}

open_enum! {
    /// How available a controller port is (`VDS_PORT_STATUS`).
    PortStatus, "port status";
    /// It cannot be told.
    Unknown = 0, "VDS_PRS_UNKNOWN", "unknown";
    /// It is there and in use.
    Online = 1, "VDS_PRS_ONLINE", "online";
    /// It is busy.
    NotReady = 2, "VDS_PRS_NOT_READY", "not_ready";
    /// It or its controller is there and not in use. Entering this raises `PORT_REMOVED`.
    Offline = 4, "VDS_PRS_OFFLINE", "offline";
    /// It has failed.
    Failed = 5, "VDS_PRS_FAILED", "failed";
    /// Its controller was pulled out. Entering this raises `PORT_DEPART`.
    Removed = 8, "VDS_PRS_REMOVED", "removed";
}

open_enum! {
    /// How available a drive is (`VDS_DRIVE_STATUS`).
    DriveStatus, "drive status";
    /// It cannot be told.
    Unknown = 0, "VDS_DRS_UNKNOWN", "unknown";
    /// It is there and in use.
    Online = 1, "VDS_DRS_ONLINE", "online";
    /// It is busy.
    NotReady = 2, "VDS_DRS_NOT_READY", "not_ready";
    /// It is there and was taken out of use. Entering this raises `DRIVE_REMOVED`.
    Offline = 4, "VDS_DRS_OFFLINE", "offline";
    /// It has failed, or was taken out of use because it did.
    Failed = 5, "VDS_DRS_FAILED", "failed";
    /// It was pulled out. Entering this raises `DRIVE_DEPART`.
    Removed = 8, "VDS_DRS_REMOVED", "removed";
}

open_enum! {
    /// How available a LUN is (`VDS_LUN_STATUS`).
    LunStatus, "LUN status";
    /// Reserved.
    Unknown = 0, "VDS_LS_UNKNOWN", "unknown";
    /// It can be used.
    Online = 1, "VDS_LS_ONLINE", "online";
    /// It is busy.
    NotReady = 2, "VDS_LS_NOT_READY", "not_ready";
    /// It cannot be used, on request.
    Offline = 4, "VDS_LS_OFFLINE", "offline";
    /// It has failed.
    Failed = 5, "VDS_LS_FAILED", "failed";
}

open_enum! {
    /// How available a plex is (`VDS_LUN_PLEX_STATUS`).
    PlexStatus, "plex status";
    /// Reserved.
    Unknown = 0, "VDS_LPS_UNKNOWN", "unknown";
    /// It can be used.
    Online = 1, "VDS_LPS_ONLINE", "online";
    /// It is busy.
    NotReady = 2, "VDS_LPS_NOT_READY", "not_ready";
    /// It cannot be used, on request.
    Offline = 4, "VDS_LPS_OFFLINE", "offline";
    /// It has failed.
    Failed = 5, "VDS_LPS_FAILED", "failed";
}

open_enum! {
    /// How available a portal is (`VDS_ISCSI_PORTAL_STATUS`).
    PortalStatus, "portal status";
    /// It cannot be told.
    Unknown = 0, "VDS_IPS_UNKNOWN", "unknown";
    /// It can be used.
    Online = 1, "VDS_IPS_ONLINE", "online";
    /// It is busy; only reported, never asked for.
    NotReady = 2, "VDS_IPS_NOT_READY", "not_ready";
    /// It cannot be used, on request.
    Offline = 4, "VDS_IPS_OFFLINE", "offline";
    /// It has failed; only reported, never asked for.
    Failed = 5, "VDS_IPS_FAILED", "failed";
}

open_enum! {
    /// How available a storage pool is (`VDS_STORAGE_POOL_STATUS`).
    PoolStatus, "pool status";
    /// It cannot be read or reached.
    Unknown = 0, "VDS_SPS_UNKNOWN", "unknown";
    /// It can be used.
    Online = 1, "VDS_SPS_ONLINE", "online";
    /// It is busy.
    NotReady = 2, "VDS_SPS_NOT_READY", "not_ready";
    /// It cannot be used.
    Offline = 4, "VDS_SPS_OFFLINE", "offline";
}

/// Numbers that all status enumerations share.
mod shared {
    pub(super) const UNKNOWN: u32 = 0;
    pub(super) const ONLINE: u32 = 1;
    pub(super) const NOT_READY: u32 = 2;
    pub(super) const OFFLINE: u32 = 4;
    pub(super) const FAILED: u32 = 5;
    pub(super) const MISSING: u32 = 6;
    pub(super) const REMOVED: u32 = 8;
    pub(super) const PARTIALLY_MANAGED: u32 = 9;
}

/// A status of any object, reduced to VDS's shared number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectStatus {
    /// The kind of object whose status it is.
    pub object: ObjectType,
    /// VDS's number.
    pub number: u32,
}

macro_rules! object_status {
    ($($status:ident => $object:ident),+ $(,)?) => { $(
        impl From<$status> for ObjectStatus {
            fn from(status: $status) -> Self {
                Self { object: ObjectType::$object, number: status.number() }
            }
        }
    )+ };
}
object_status!(
    SubsystemStatus => Subsystem,
    ControllerStatus => Controller,
    PortStatus => Port,
    DriveStatus => Drive,
    LunStatus => Lun,
    PlexStatus => Plex,
    PortalStatus => Portal,
    PoolStatus => StoragePool,
);

impl ObjectStatus {
    /// Whether objects of this kind can report this status.
    pub const fn is_reportable(self) -> bool {
        use shared::{FAILED, NOT_READY, OFFLINE, ONLINE, PARTIALLY_MANAGED, REMOVED, UNKNOWN};
        match self.object {
            ObjectType::Subsystem => matches!(
                self.number,
                UNKNOWN | ONLINE | NOT_READY | OFFLINE | FAILED | PARTIALLY_MANAGED
            ),
            ObjectType::Controller | ObjectType::Port | ObjectType::Drive => {
                matches!(self.number, UNKNOWN | ONLINE | NOT_READY | OFFLINE | FAILED | REMOVED)
            }
            ObjectType::Lun | ObjectType::Plex | ObjectType::Portal => {
                matches!(self.number, UNKNOWN | ONLINE | NOT_READY | OFFLINE | FAILED)
            }
            ObjectType::StoragePool => {
                matches!(self.number, UNKNOWN | ONLINE | NOT_READY | OFFLINE)
            }
            _ => false,
        }
    }

    /// Whether a caller may ask for this status (`SetStatus`).
    ///
    /// # Errors
    /// - [`HResult::E_INVALIDARG`] for UNKNOWN, for a number the object cannot report, and for a
    ///   portal's NOT_READY and FAILED, which are only reported.
    /// - [`HResult::VDS_E_NOT_SUPPORTED`] for plexes and pools, whose status nobody can set.
    pub const fn check_request(self) -> Result<(), HResult> {
        use shared::{OFFLINE, ONLINE, UNKNOWN};
        if matches!(self.object, ObjectType::Plex | ObjectType::StoragePool) {
            return Err(HResult::VDS_E_NOT_SUPPORTED);
        }
        if self.number == UNKNOWN || !self.is_reportable() {
            return Err(HResult::E_INVALIDARG);
        }
        match (self.object, self.number) {
            (ObjectType::Portal, ONLINE | OFFLINE) => Ok(()),
            (ObjectType::Portal, _) => Err(HResult::E_INVALIDARG),
            _ => Ok(()),
        }
    }
}

impl Health {
    /// Whether objects of this kind can have this health. Ports, targets, portals and portal
    /// groups have none at all. `Replaced`, which VDS reserves, counts as legal where VDS lists it.
    pub const fn is_of(self, object: ObjectType) -> bool {
        use ObjectType::{Controller, Drive, Lun, Plex, StoragePool, Subsystem};
        match self {
            Self::Unknown | Self::Healthy => {
                matches!(object, Subsystem | Controller | Drive | Lun | Plex | StoragePool)
            }
            Self::Rebuilding
            | Self::Failing
            | Self::FailingRedundancy
            | Self::FailedRedundancy
            | Self::FailedRedundancyFailing => matches!(object, Lun | Plex),
            Self::Failed => matches!(object, Subsystem | Controller | Drive | Lun | Plex),
            Self::Replaced => matches!(object, Controller | Drive),
            Self::PendingFailure => matches!(object, Drive),
            Self::Degraded => matches!(object, Subsystem | Controller | StoragePool),
            Self::Stale | Self::Unrecognized(_) => false,
        }
    }
}

impl TransitionState {
    /// Whether objects of this kind can be in this transition: LUNs and plexes in all of them, the
    /// rest of the hardware side in none.
    pub const fn is_of(self, object: ObjectType) -> bool {
        self.is_recognized() && matches!(object, ObjectType::Lun | ObjectType::Plex)
    }
}

/// A status, health and transition that VDS does not let stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Objects of this kind do not have this status.
    #[error("a {object} cannot have status {number}")]
    Status {
        /// The kind of object.
        object: ObjectType,
        /// The status found.
        number: u32,
    },
    /// Objects of this kind do not have this health.
    #[error("a {object} cannot have health {health}")]
    Health {
        /// The kind of object.
        object: ObjectType,
        /// The health found.
        health: Health,
    },
    /// Objects of this kind do not have this transition.
    #[error("a {object} cannot be {transition}")]
    Transition {
        /// The kind of object.
        object: ObjectType,
        /// The transition found.
        transition: TransitionState,
    },
    /// This health and this status exclude each other.
    #[error("a {object} with health {health} cannot have status {number}")]
    Excluded {
        /// The kind of object.
        object: ObjectType,
        /// The health found.
        health: Health,
        /// The status found.
        number: u32,
    },
}

impl StateError {
    /// The result a service gives when a provider reports such a state.
    pub const fn result(self) -> HResult {
        HResult::VDS_E_BAD_PROVIDER_DATA
    }
}

/// Checks that status, health and transition of an object may stand together.
///
/// The rules, as VDS documents them: HEALTHY excludes FAILED, UNKNOWN and MISSING; STALE, FAILING
/// and PENDING_FAILURE exclude FAILED and UNKNOWN; DEGRADED excludes UNKNOWN; health FAILED needs
/// status FAILED, except on a controller or drive that is OFFLINE, which may have any health; a
/// controller or drive of status FAILED has health FAILED or FAILING. Objects without health or
/// transition pass `None`.
///
/// # Errors
/// The first rule that is broken, the object's own values before their combination.
pub fn check_state(
    status: impl Into<ObjectStatus>,
    health: Option<Health>,
    transition: Option<TransitionState>,
) -> Result<(), StateError> {
    let status = status.into();
    let ObjectStatus { object, number } = status;
    if !status.is_reportable() {
        return Err(StateError::Status { object, number });
    }
    if let Some(transition) = transition
        && !transition.is_of(object)
    {
        return Err(StateError::Transition { object, transition });
    }
    let Some(health) = health else { return Ok(()) };
    if !health.is_of(object) {
        return Err(StateError::Health { object, health });
    }
    if may_combine(object, number, health) {
        Ok(())
    } else {
        Err(StateError::Excluded { object, health, number })
    }
}

/// Whether a health and a status, each legal for the object, may stand together.
fn may_combine(object: ObjectType, status: u32, health: Health) -> bool {
    use shared::{FAILED, MISSING, OFFLINE, UNKNOWN};
    let is_pluggable = matches!(object, ObjectType::Controller | ObjectType::Drive);
    if is_pluggable && status == OFFLINE {
        return true;
    }
    if is_pluggable && status == FAILED && !matches!(health, Health::Failed | Health::Failing) {
        return false;
    }
    match health {
        Health::Healthy => !matches!(status, FAILED | UNKNOWN | MISSING),
        Health::Stale | Health::Failing | Health::PendingFailure => {
            !matches!(status, FAILED | UNKNOWN)
        }
        Health::Failed => status == FAILED,
        Health::Degraded => status != UNKNOWN,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: impl Into<ObjectStatus>, health: Health, is_legal: bool) {
        let status = status.into();
        assert_eq!(
            check_state(status, Some(health), None).is_ok(),
            is_legal,
            "{status:?} {health}"
        );
    }

    #[test]
    fn health_and_status_exclude_each_other_as_documented() {
        check(LunStatus::Online, Health::Healthy, true);
        check(LunStatus::Offline, Health::Healthy, true);
        check(LunStatus::Failed, Health::Healthy, false);
        check(LunStatus::Unknown, Health::Healthy, false);
        check(LunStatus::Failed, Health::Failed, true);
        check(LunStatus::Online, Health::Failed, false);
        check(LunStatus::Unknown, Health::Failing, false);
        check(LunStatus::Online, Health::FailedRedundancy, true);
        check(LunStatus::Online, Health::Degraded, false);
        check(LunStatus::Online, Health::PendingFailure, false);
        check(DriveStatus::Online, Health::PendingFailure, true);
        check(DriveStatus::Failed, Health::PendingFailure, false);
        check(DriveStatus::Failed, Health::Unknown, false);
        check(DriveStatus::Offline, Health::Failed, true);
        check(DriveStatus::Removed, Health::Failed, false);
        check(SubsystemStatus::PartiallyManaged, Health::Degraded, true);
        check(SubsystemStatus::Unknown, Health::Degraded, false);
        check(PoolStatus::Online, Health::Failed, false);
        check(PortStatus::Online, Health::Healthy, false);
    }

    #[test]
    fn unknown_numbers_are_not_legal_states() {
        let status = LunStatus::from_number(7);
        let error = check_state(status, None, None).expect_err("LUNs have no status 7");
        assert_eq!(error.to_string(), "a lun cannot have status 7");
        assert_eq!(error.result(), HResult::VDS_E_BAD_PROVIDER_DATA);
        assert!(check_state(DriveStatus::Online, None, Some(TransitionState::Stable)).is_err());
        assert!(check_state(LunStatus::Online, None, Some(TransitionState::Extending)).is_ok());
    }

    #[test]
    fn requests_name_a_status_that_can_be_set() {
        let request = |status: ObjectStatus| status.check_request();
        assert_eq!(request(LunStatus::Offline.into()), Ok(()));
        assert_eq!(request(LunStatus::Unknown.into()), Err(HResult::E_INVALIDARG));
        assert_eq!(request(DriveStatus::from_number(9).into()), Err(HResult::E_INVALIDARG));
        assert_eq!(request(PortalStatus::Online.into()), Ok(()));
        assert_eq!(request(PortalStatus::NotReady.into()), Err(HResult::E_INVALIDARG));
        assert_eq!(request(PlexStatus::Online.into()), Err(HResult::VDS_E_NOT_SUPPORTED));
    }

    #[test]
    fn every_enumeration_keeps_every_number() {
        for number in 0..64 {
            assert_eq!(Health::from_number(number).number(), number);
            assert_eq!(DriveStatus::from_number(number).number(), number);
            assert_eq!(SubsystemStatus::from_number(number).number(), number);
        }
        assert_eq!(Health::from_number(12).to_string(), "unknown (12)");
    }
}
