//! What an array offers over iSCSI: targets, portals, and who may see which LUN.

use std::net::SocketAddr;

use vds_format::{ChapInitiator, TargetRecord};
use vds_model::{ChapSecret, LunId, PortalId, SubsystemId, TargetId, UnmaskingList};

use super::array::Array;
use super::portal_groups::groups_of;
use crate::catalog::CatalogState;

/// T10 vendor identification of every LUN.
pub const LUN_VENDOR: &str = "VDS";
/// Product identification of every LUN.
pub const LUN_PRODUCT: &str = "LUN";
/// Product revision of every LUN.
pub const LUN_REVISION: &str = "1";

/// What one array offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The array.
    pub subsystem: SubsystemId,
    /// Its name.
    pub name: String,
    /// Its targets.
    pub targets: Vec<ExportedTarget>,
    /// Its portals; each target is reached through those in its groups.
    pub portals: Vec<ExportedPortal>,
}

/// A target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedTarget {
    /// Its id.
    pub id: TargetId,
    /// The name that initiators log in to.
    pub iscsi_name: String,
    /// A name for people.
    pub alias: String,
    /// What initiators must know to log in; `None` lets them in without.
    pub chap: Option<ExportedChap>,
    /// Through which portals it is reached.
    pub portal_groups: Vec<ExportedPortalGroup>,
    /// Its LUNs by number.
    pub luns: Vec<ExportedLun>,
}

/// Portals through which a target is reached, under one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedPortalGroup {
    /// The tag that initiators are told, never 0.
    pub tag: u16,
    /// The portals.
    pub portals: Vec<PortalId>,
}

/// The secrets of a target. Their `Debug` shows none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedChap {
    /// Who may log in with what.
    pub initiators: Vec<ExportedInitiator>,
    /// Name and secret with which the target proves itself in turn.
    pub mutual: Option<(String, ChapSecret)>,
    /// Initiators to which it proves itself with another secret instead, under its own name.
    pub mutual_initiators: Vec<(String, ChapSecret)>,
}

/// A CHAP login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedInitiator {
    /// The initiator's iSCSI name; `None` for any.
    pub initiator: Option<String>,
    /// Its CHAP name, empty for any.
    pub user: String,
    /// Its secret.
    pub secret: ChapSecret,
}

/// A LUN behind a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedLun {
    /// The number that initiators address it by.
    pub number: u16,
    /// The LUN.
    pub lun: LunId,
    /// Its name.
    pub name: String,
    /// Who may see it.
    pub unmasking_list: UnmaskingList,
}

/// A portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportedPortal {
    /// Its id.
    pub id: PortalId,
    /// Where to listen; port 0 asks for any free one.
    pub listen: SocketAddr,
    /// What initiators are told, if it is another address.
    pub announce: Option<SocketAddr>,
}

impl Array {
    /// What this array offers now.
    pub(super) fn export(&self) -> Export {
        let state = self.state();
        let mut targets: Vec<ExportedTarget> =
            state.targets.values().map(|target| exported(&state, target)).collect();
        let numbers: Vec<u32> = state.targets.keys().copied().collect();
        for lun in state.luns.values().filter(|lun| lun.target != 0) {
            let Ok(index) = numbers.binary_search(&lun.target) else { continue };
            targets[index].luns.push(ExportedLun {
                number: lun.target_lun,
                lun: lun.id,
                name: lun.name.clone(),
                unmasking_list: mask(&lun.mask),
            });
        }
        for target in &mut targets {
            target.luns.sort_by_key(|lun| lun.number);
        }
        let portals = state.portals.values().filter_map(|portal| {
            Some(ExportedPortal {
                id: portal.id,
                listen: portal.listen.parse().ok()?,
                announce: portal.announce.parse().ok(),
            })
        });
        let portals = portals.collect();
        Export { subsystem: self.id, name: state.array.name.clone(), targets, portals }
    }
}

/// A list from the catalog. What cannot be read lets nobody see the LUN.
pub(super) fn mask(text: &str) -> UnmaskingList {
    UnmaskingList::parse(text).unwrap_or(UnmaskingList::Nobody)
}

fn exported(state: &CatalogState, target: &TargetRecord) -> ExportedTarget {
    let groups = groups_of(state, target)
        .into_iter()
        .map(|group| ExportedPortalGroup { tag: group.properties.tag.0, portals: group.portals });
    ExportedTarget {
        id: target.id,
        iscsi_name: target.iscsi_name.clone(),
        alias: target.friendly_name.clone(),
        chap: target.chap.then(|| chap(target)),
        portal_groups: groups.collect(),
        luns: Vec::new(),
    }
}

fn chap(target: &TargetRecord) -> ExportedChap {
    // A secret that is none lets nobody in by it.
    let login = |entry: &ChapInitiator| {
        let initiator = (!entry.initiator.is_empty()).then(|| entry.initiator.clone());
        let secret = ChapSecret::new(entry.secret.clone()).ok()?;
        Some(ExportedInitiator { initiator, user: entry.user.clone(), secret })
    };
    let mutual = ChapSecret::new(target.mutual_secret.clone()).ok();
    let mutual = mutual.map(|secret| (target.mutual_user.clone(), secret));
    let mutual_initiators = target.mutual_initiators.iter().filter_map(|entry| {
        Some((entry.initiator.clone(), ChapSecret::new(entry.secret.clone()).ok()?))
    });
    ExportedChap {
        initiators: target.initiators.iter().filter_map(login).collect(),
        mutual,
        mutual_initiators: mutual_initiators.collect(),
    }
}
