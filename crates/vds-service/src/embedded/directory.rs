//! What the iSCSI server asks: targets, secrets, and who may see which LUN, from what the arrays export.

use std::cell::RefCell;
use std::rc::Rc;

use vds_array::{
    Embedded, Export, ExportedChap, ExportedTarget, LUN_PRODUCT, LUN_REVISION, LUN_VENDOR,
};
use vds_io::LunIo;
use vds_model::LunId;
use vds_target::{
    ChapCredential, ChapPolicy, Identity, Lun, PortalGroup, PortalId, Secret, TargetDirectory,
    TargetInfo, UnmaskedLun,
};

/// The tag of the one portal group every target has.
const GROUP_TAG: u16 = 1;

/// Where exports and data paths come from.
pub(super) trait Exporter {
    /// Grows with every change of the exports.
    fn version(&self) -> u64;

    /// What is exported now.
    fn exports(&self) -> Vec<Export>;

    /// The data path of a LUN.
    fn lun_io(&self, id: LunId) -> Option<Rc<dyn LunIo>>;
}

impl Exporter for Embedded {
    fn version(&self) -> u64 {
        self.exports_version()
    }

    fn exports(&self) -> Vec<Export> {
        Self::exports(self)
    }

    fn lun_io(&self, id: LunId) -> Option<Rc<dyn LunIo>> {
        Self::lun_io(self, id)
    }
}

/// The arrays' exports, never older than the question: a mask that was changed holds for the next login.
pub(super) struct Directory {
    exporter: Rc<dyn Exporter>,
    seen: RefCell<(u64, Rc<[Export]>)>,
}

/// The server's name of a portal.
pub(super) fn portal_id(id: vds_model::PortalId) -> PortalId {
    PortalId(u128::from_be_bytes(id.to_bytes()))
}

impl Directory {
    pub(super) fn new(exporter: Rc<dyn Exporter>) -> Self {
        let exports = exporter.exports().into();
        let seen = RefCell::new((exporter.version(), exports));
        Self { exporter, seen }
    }

    /// What is exported now.
    pub(super) fn exports(&self) -> Rc<[Export]> {
        let version = self.exporter.version();
        let mut seen = self.seen.borrow_mut();
        if seen.0 != version {
            *seen = (version, self.exporter.exports().into());
        }
        Rc::clone(&seen.1)
    }

    fn with_target<T>(
        &self,
        name: &str,
        look: impl Fn(&Export, &ExportedTarget) -> T,
    ) -> Option<T> {
        let exports = self.exports();
        exports.iter().find_map(|export| {
            let mut targets = export.targets.iter();
            let target = targets.find(|target| target.iscsi_name.eq_ignore_ascii_case(name))?;
            Some(look(export, target))
        })
    }
}

/// What an initiator must prove; `None` when nothing it could prove would let it in.
fn policy(chap: Option<&ExportedChap>, initiator: &str) -> Option<ChapPolicy> {
    let Some(chap) = chap else { return Some(ChapPolicy::default()) };
    let secret = |secret: &vds_model::ChapSecret| Secret::new(secret.expose());
    let mine = chap.initiators.iter().filter(|login| {
        login.initiator.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(initiator))
    });
    let accepted: Vec<ChapCredential> = mine
        .map(|login| ChapCredential {
            name: Some(login.user.clone()),
            secret: secret(&login.secret),
        })
        .collect();
    // An empty list would mean that nothing has to be proved.
    if accepted.is_empty() {
        return None;
    }
    let own = chap.mutual.as_ref().map(|(name, own)| ChapCredential {
        name: (!name.is_empty()).then(|| name.clone()),
        secret: secret(own),
    });
    Some(ChapPolicy { accepted, own })
}

impl TargetDirectory for Directory {
    fn visible_targets(&self, initiator: &str) -> Vec<String> {
        let exports = self.exports();
        let targets = exports.iter().flat_map(|export| &export.targets);
        let visible = targets.filter(|target| {
            let mut luns = target.luns.iter();
            luns.any(|lun| lun.unmasking_list.admits_initiator(initiator))
        });
        visible.map(|target| target.iscsi_name.to_lowercase()).collect()
    }

    fn target(&self, target: &str) -> Option<TargetInfo> {
        self.with_target(target, |export, target| {
            let portals = export.portals.iter().map(|portal| portal_id(portal.id)).collect();
            TargetInfo {
                alias: target.alias.clone(),
                portal_groups: vec![PortalGroup { tag: GROUP_TAG, portals }],
            }
        })
    }

    fn access(&self, target: &str, initiator: &str) -> Option<ChapPolicy> {
        self.with_target(target, |_, target| policy(target.chap.as_ref(), initiator))?
    }

    fn discovery_access(&self, _initiator: &str) -> ChapPolicy {
        ChapPolicy::default()
    }

    fn luns(&self, target: &str, initiator: &str) -> Vec<UnmaskedLun> {
        let find = |target: &ExportedTarget| {
            let mut luns = Vec::new();
            for lun in &target.luns {
                if !lun.unmasking_list.admits_initiator(initiator) {
                    continue;
                }
                let (Some(number), Some(io)) =
                    (Lun::new(lun.number), self.exporter.lun_io(lun.lun))
                else {
                    continue;
                };
                let uuid = lun.lun.to_bytes();
                let identity = Identity::new(uuid, LUN_VENDOR, LUN_PRODUCT, LUN_REVISION);
                luns.push(UnmaskedLun { number, identity, io });
            }
            luns
        };
        self.with_target(target, |_, target| find(target)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use vds_array::ExportedInitiator;
    use vds_model::ChapSecret;

    use super::*;

    /// How many credentials let an initiator in; `None` for one that is not let in at all.
    fn check(chap: Option<Vec<Option<&str>>>, initiator: &str, expected: Option<usize>) {
        let chap = chap.map(|logins| ExportedChap {
            initiators: logins
                .into_iter()
                .map(|initiator| ExportedInitiator {
                    initiator: initiator.map(str::to_owned),
                    user: "u".to_owned(),
                    secret: ChapSecret::new(*b"swordfish-1234").unwrap(),
                })
                .collect(),
            mutual: None,
        });
        let found = policy(chap.as_ref(), initiator).map(|policy| policy.accepted.len());
        assert_eq!(found, expected, "{chap:?} {initiator}");
    }

    #[test]
    fn a_secret_that_fits_nobody_lets_nobody_in() {
        check(None, "iqn.a", Some(0));
        check(Some(vec![None]), "iqn.a", Some(1));
        check(Some(vec![Some("iqn.A"), Some("iqn.b")]), "iqn.a", Some(1));
        check(Some(vec![Some("iqn.b")]), "iqn.a", None);
        check(Some(vec![]), "iqn.a", None);
    }
}
