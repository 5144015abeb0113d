//! What the iSCSI server asks: targets, secrets, and who may see which LUN, from what the arrays export.

use std::cell::RefCell;
use std::rc::Rc;

use vds_array::{Export, ExportedChap, ExportedTarget, LUN_PRODUCT, LUN_REVISION, LUN_VENDOR};
use vds_io::LunIo;
use vds_model::LunId;
use vds_target::{
    ChapCredential, ChapPolicy, Identity, Lun, PortalGroup, PortalId, Secret, TargetDirectory,
    TargetInfo, UnmaskedLun,
};

/// Where exports and data paths come from.
pub(super) trait Exporter {
    /// Grows with every change of the exports.
    fn version(&self) -> u64;

    /// What is exported now.
    fn exports(&self) -> Vec<Export>;

    /// The data path of a LUN.
    fn lun_io(&self, id: LunId) -> Option<Rc<dyn LunIo>>;
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

    fn with_target<T>(&self, name: &str, look: impl Fn(&ExportedTarget) -> T) -> Option<T> {
        let exports = self.exports();
        exports.iter().find_map(|export| {
            let mut targets = export.targets.iter();
            let target = targets.find(|target| target.iscsi_name.eq_ignore_ascii_case(name))?;
            Some(look(target))
        })
    }
}

/// What an initiator must prove; `None` when nothing it could prove would let it in.
fn policy(chap: Option<&ExportedChap>, initiator: &str) -> Option<ChapPolicy> {
    let Some(chap) = chap else { return Some(ChapPolicy::default()) };
    let secret = |secret: &vds_model::ChapSecret| Secret::new(secret.expose());
    let of = |whose: Option<&str>| -> Vec<ChapCredential> {
        let is_whose = |name: Option<&String>| match (name, whose) {
            (None, None) => true,
            (Some(name), Some(whose)) => name.eq_ignore_ascii_case(whose),
            _ => false,
        };
        let logins = chap.initiators.iter().filter(|login| is_whose(login.initiator.as_ref()));
        logins
            .map(|login| ChapCredential {
                name: (!login.user.is_empty()).then(|| login.user.clone()),
                secret: secret(&login.secret),
            })
            .collect()
    };
    // A secret of its own takes the place of the one for everybody.
    let own = of(Some(initiator));
    let accepted = if own.is_empty() { of(None) } else { own };
    // An empty list would mean that nothing has to be proved.
    if accepted.is_empty() {
        return None;
    }
    let mut towards = chap.mutual_initiators.iter();
    let towards = towards.find(|(name, _)| name.eq_ignore_ascii_case(initiator));
    let own = match (towards, &chap.mutual) {
        (Some((_, own)), _) => Some(ChapCredential { name: None, secret: secret(own) }),
        (None, Some((name, own))) => Some(ChapCredential {
            name: (!name.is_empty()).then(|| name.clone()),
            secret: secret(own),
        }),
        (None, None) => None,
    };
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
        self.with_target(target, |target| {
            let groups = target.portal_groups.iter().map(|group| PortalGroup {
                tag: group.tag,
                portals: group.portals.iter().copied().map(portal_id).collect(),
            });
            TargetInfo { alias: target.alias.clone(), portal_groups: groups.collect() }
        })
    }

    fn access(&self, target: &str, initiator: &str) -> Option<ChapPolicy> {
        self.with_target(target, |target| policy(target.chap.as_ref(), initiator))?
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
        self.with_target(target, |target| find(target)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use vds_array::ExportedInitiator;
    use vds_model::ChapSecret;

    use super::*;

    fn key(text: &str) -> ChapSecret {
        ChapSecret::new(text.as_bytes()).unwrap()
    }

    /// Which secrets let an initiator in; `None` for one that is not let in at all.
    fn check(chap: Option<&[(Option<&str>, &str)]>, initiator: &str, expected: Option<&[&str]>) {
        let chap = chap.map(|logins| ExportedChap {
            initiators: logins
                .iter()
                .map(|(initiator, secret)| ExportedInitiator {
                    initiator: initiator.map(str::to_owned),
                    user: String::new(),
                    secret: key(secret),
                })
                .collect(),
            mutual: None,
            mutual_initiators: Vec::new(),
        });
        let found = policy(chap.as_ref(), initiator);
        let expected = expected.map(|secrets| {
            let credential = |secret: &&str| ChapCredential {
                name: None,
                secret: Secret::new(secret.as_bytes()),
            };
            secrets.iter().map(credential).collect()
        });
        assert_eq!(found.map(|policy| policy.accepted), expected, "{initiator}");
    }

    const ONE: &str = "swordfish-one";
    const TWO: &str = "swordfish-two";

    #[test]
    fn a_secret_that_fits_nobody_lets_nobody_in() {
        check(None, "iqn.a", Some(&[]));
        check(Some(&[(None, ONE)]), "iqn.a", Some(&[ONE]));
        check(Some(&[(Some("iqn.A"), ONE), (Some("iqn.b"), TWO)]), "iqn.a", Some(&[ONE]));
        check(Some(&[(Some("iqn.b"), TWO)]), "iqn.a", None);
        check(Some(&[]), "iqn.a", None);
    }

    #[test]
    fn a_secret_of_its_own_takes_the_place_of_everybodys() {
        let both: &[(Option<&str>, &str)] = &[(None, ONE), (Some("iqn.b"), TWO)];
        check(Some(both), "iqn.b", Some(&[TWO]));
        check(Some(both), "iqn.a", Some(&[ONE]));
    }

    #[test]
    fn a_target_proves_itself_with_the_secret_for_that_initiator() {
        let login = ExportedInitiator { initiator: None, user: "u".into(), secret: key(ONE) };
        let mut chap = ExportedChap {
            initiators: vec![login],
            mutual: Some(("array".into(), key(TWO))),
            mutual_initiators: vec![("iqn.B".into(), key("swordfish-3rd"))],
        };
        let own = |chap: &ExportedChap, initiator| policy(Some(chap), initiator).unwrap().own;
        let named =
            ChapCredential { name: Some("array".into()), secret: Secret::new(TWO.as_bytes()) };
        let special = ChapCredential { name: None, secret: Secret::new(b"swordfish-3rd") };
        assert_eq!(own(&chap, "iqn.a"), Some(named));
        assert_eq!(own(&chap, "iqn.b"), Some(special.clone()));
        chap.mutual = None;
        assert_eq!(own(&chap, "iqn.a"), None);
        assert_eq!(own(&chap, "iqn.b"), Some(special));
    }
}
