//! Properties of targets, portal groups and portals.

use super::{PropertyError, check_id};
use crate::{
    IscsiName, PortalAddress, PortalGroupId, PortalId, PortalStatus, TargetId, check_state,
};

/// An iSCSI target (`VDS_ISCSI_TARGET_PROP`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetProperties {
    /// Its id.
    pub id: TargetId,
    /// Its iSCSI name.
    pub iscsi_name: IscsiName,
    /// A name for people: the iSCSI alias.
    pub friendly_name: String,
    /// Whether initiators need a secret to log in.
    pub is_chap_enabled: bool,
}

/// The number of a portal group within its target, chosen by the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortalGroupTag(pub u16);

/// A portal group (`VDS_ISCSI_PORTALGROUP_PROP`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalGroupProperties {
    /// Its id.
    pub id: PortalGroupId,
    /// Its number.
    pub tag: PortalGroupTag,
}

/// A portal (`VDS_ISCSI_PORTAL_PROP`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalProperties {
    /// Its id.
    pub id: PortalId,
    /// Where initiators find it.
    pub address: PortalAddress,
    /// How available it is.
    pub status: PortalStatus,
}

impl TargetProperties {
    /// Checks what can be checked without knowing anything else.
    ///
    /// # Errors
    /// A null id.
    pub fn check(&self) -> Result<(), PropertyError> {
        check_id(self.id.is_nil())
    }
}

impl PortalGroupProperties {
    /// Checks what can be checked without knowing anything else.
    ///
    /// # Errors
    /// A null id.
    pub fn check(&self) -> Result<(), PropertyError> {
        check_id(self.id.is_nil())
    }
}

impl PortalProperties {
    /// Checks what can be checked without knowing anything else.
    ///
    /// # Errors
    /// The first thing that does not add up.
    pub fn check(&self) -> Result<(), PropertyError> {
        check_id(self.id.is_nil())?;
        Ok(check_state(self.status, None, None)?)
    }
}
