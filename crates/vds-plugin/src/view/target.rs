//! Targets and portals.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use vds_model::{
    IscsiName, LunId, OperationId, PortalGroupId, PortalId, PortalStatus, SubsystemId, TargetId,
};

use crate::text::{self, usual};

/// A LUN behind a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetLun {
    /// The LUN.
    #[serde(with = "text::plain")]
    pub lun: LunId,
    /// The number initiators address it by.
    #[serde(default)]
    pub number: u16,
}

/// Portals through which a target is reached together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortalGroup {
    /// Its id.
    #[serde(with = "text::plain")]
    pub id: PortalGroupId,
    /// Its number within the target.
    #[serde(default)]
    pub tag: u16,
    /// Its portals.
    #[serde(default, with = "text::plain_list")]
    pub portals: Vec<PortalId>,
}

/// An iSCSI target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its id.
    #[serde(with = "text::plain")]
    pub id: TargetId,
    /// Whose it is.
    #[serde(with = "text::plain")]
    pub subsystem: SubsystemId,
    /// Its iSCSI name.
    #[serde(with = "text::plain")]
    pub iscsi_name: IscsiName,
    /// A name for people.
    #[serde(default)]
    pub name: String,
    /// Whether initiators need a secret.
    #[serde(default)]
    pub is_chap_enabled: bool,
    /// The name they log in with.
    #[serde(default)]
    pub chap_user: String,
    /// Whether the target proves itself too.
    #[serde(default)]
    pub is_chap_mutual: bool,
    /// Its portal groups.
    #[serde(default)]
    pub portal_groups: Vec<PortalGroup>,
    /// Its LUNs by number.
    #[serde(default)]
    pub luns: Vec<TargetLun>,
    /// The operation that made it.
    #[serde(default, with = "text::plain_option")]
    pub made_by: Option<OperationId>,
}

/// A portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Portal {
    /// Its id.
    #[serde(with = "text::plain")]
    pub id: PortalId,
    /// Whose it is.
    #[serde(with = "text::plain")]
    pub subsystem: SubsystemId,
    /// Where the service is to listen.
    #[serde(with = "text::plain")]
    pub listen: SocketAddr,
    /// What initiators are told, if it is another address.
    #[serde(default, with = "text::plain_option")]
    pub announce: Option<SocketAddr>,
    /// How available it is.
    #[serde(default = "usual", with = "text::word")]
    pub status: PortalStatus,
    /// The operation that added it.
    #[serde(default, with = "text::plain_option")]
    pub made_by: Option<OperationId>,
}
