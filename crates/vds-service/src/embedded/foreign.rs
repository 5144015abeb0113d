//! What other providers export, beside the arrays of the engine: taken over whole, and never in place of an array's own.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::watch;
use vds_array::{Embedded, Export};
use vds_io::LunIo;
use vds_model::{LunId, PortalId, ProviderId};
use vds_os::{FileLun, LunFile};

use super::directory::Exporter;

/// A LUN of another provider, and where its data is.
#[derive(Clone, Debug)]
pub(crate) struct ServedLun {
    pub(crate) file: Arc<LunFile>,
    pub(crate) size_bytes: u64,
    pub(crate) sector_bytes: u32,
    pub(crate) is_write_back: bool,
}

/// Everything another provider exports.
#[derive(Clone, Debug, Default)]
pub(crate) struct ForeignExports {
    pub(crate) exports: Vec<Export>,
    pub(crate) luns: BTreeMap<LunId, ServedLun>,
}

struct Path {
    of: ServedLun,
    io: Rc<FileLun>,
}

impl Path {
    fn is_of(&self, lun: &ServedLun) -> bool {
        let (a, b) = (&self.of, lun);
        Arc::ptr_eq(&a.file, &b.file)
            && (a.size_bytes, a.sector_bytes, a.is_write_back)
                == (b.size_bytes, b.sector_bytes, b.is_write_back)
    }
}

#[derive(Default)]
struct Provided {
    exports: Vec<Export>,
    paths: BTreeMap<LunId, Path>,
}

/// The exports of the other providers, on the engine's thread.
pub(super) struct Foreign {
    providers: RefCell<BTreeMap<ProviderId, Provided>>,
    version: Cell<u64>,
    changes: watch::Sender<u64>,
}

impl Foreign {
    pub(super) fn new() -> Self {
        Self {
            providers: RefCell::default(),
            version: Cell::new(0),
            changes: watch::Sender::new(0),
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.version.get()
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Takes over what a provider exports now; LUNs that have not changed keep their data path.
    pub(super) fn set(&self, provider: ProviderId, new: ForeignExports) {
        {
            let mut providers = self.providers.borrow_mut();
            let provided = providers.entry(provider).or_default();
            let mut old = std::mem::take(&mut provided.paths);
            for (id, lun) in new.luns {
                let kept = old.remove(&id).filter(|path| path.is_of(&lun));
                let path = kept.unwrap_or_else(|| {
                    let ServedLun { file, size_bytes, sector_bytes, is_write_back } = lun.clone();
                    let io = FileLun::new(file, size_bytes, sector_bytes, is_write_back);
                    Path { of: lun, io: Rc::new(io) }
                });
                provided.paths.insert(id, path);
            }
            provided.exports = new.exports;
        }
        self.version.set(self.version.get() + 1);
        self.changes.send_replace(self.version.get());
    }

    fn lun_io(&self, id: LunId) -> Option<Rc<dyn LunIo>> {
        let providers = self.providers.borrow();
        // The first that claims it has it: an id is used once.
        let path = providers.values().find_map(|provided| provided.paths.get(&id))?;
        Some(Rc::<FileLun>::clone(&path.io))
    }

    /// The exports, without what somebody before has already: names, ids and portals are not taken away from others, and
    /// nobody exports a LUN that is not his.
    fn beside(&self, own: &[Export], is_own: impl Fn(LunId) -> bool) -> Vec<Export> {
        let own_targets = own.iter().flat_map(|export| &export.targets);
        let mut names: BTreeSet<String> =
            own_targets.map(|target| target.iscsi_name.to_ascii_lowercase()).collect();
        let own_portals = own.iter().flat_map(|export| &export.portals);
        let mut portals: BTreeSet<PortalId> = own_portals.map(|portal| portal.id).collect();
        let mut claimed: BTreeSet<LunId> = BTreeSet::new();
        let mut all = Vec::new();
        for provided in self.providers.borrow().values() {
            let is_his = |lun: &LunId| !is_own(*lun) && !claimed.contains(lun);
            let his: BTreeSet<LunId> = provided.paths.keys().copied().filter(is_his).collect();
            let mut kept = provided.exports.clone();
            for export in &mut kept {
                export.portals.retain(|portal| portals.insert(portal.id));
                export
                    .targets
                    .retain(|target| names.insert(target.iscsi_name.to_ascii_lowercase()));
                for target in &mut export.targets {
                    target.luns.retain(|lun| his.contains(&lun.lun));
                }
            }
            claimed.extend(his);
            all.extend(kept);
        }
        all
    }
}

/// The engine's arrays first, then the others.
pub(super) struct Everything {
    pub(super) embedded: Rc<Embedded>,
    pub(super) foreign: Rc<Foreign>,
}

impl Exporter for Everything {
    fn version(&self) -> u64 {
        self.embedded.exports_version() + self.foreign.version()
    }

    fn exports(&self) -> Vec<Export> {
        let mut exports = self.embedded.exports();
        let is_own = |lun| self.embedded.lun_io(lun).is_some();
        let beside = self.foreign.beside(&exports, is_own);
        exports.extend(beside);
        exports
    }

    fn lun_io(&self, id: LunId) -> Option<Rc<dyn LunIo>> {
        self.embedded.lun_io(id).or_else(|| self.foreign.lun_io(id))
    }
}

#[cfg(test)]
mod tests {
    use vds_array::{ExportedLun, ExportedPortal, ExportedTarget};
    use vds_model::{PortalId, SubsystemId, TargetId, UnmaskingList};

    use super::*;

    fn export(number: u8, name: &str, lun: u8) -> Export {
        let lun = ExportedLun {
            number: 0,
            lun: LunId::from_bytes([lun; 16]),
            name: String::new(),
            unmasking_list: UnmaskingList::Everybody,
        };
        let target = ExportedTarget {
            id: TargetId::from_bytes([number; 16]),
            iscsi_name: name.to_owned(),
            alias: String::new(),
            chap: None,
            portal_groups: Vec::new(),
            luns: vec![lun],
        };
        let portal = ExportedPortal {
            id: PortalId::from_bytes([number; 16]),
            listen: "127.0.0.1:0".parse().unwrap(),
            announce: None,
        };
        Export {
            subsystem: SubsystemId::from_bytes([number; 16]),
            name: String::new(),
            targets: vec![target],
            portals: vec![portal],
        }
    }

    fn lun() -> ServedLun {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let file = LunFile::adopt(&file.into(), 1, true).unwrap();
        ServedLun { file: Arc::new(file), size_bytes: 512, sector_bytes: 512, is_write_back: true }
    }

    fn provided(export: Export, lun_ids: &[u8]) -> ForeignExports {
        let luns = lun_ids.iter().map(|id| (LunId::from_bytes([*id; 16]), lun())).collect();
        ForeignExports { exports: vec![export], luns }
    }

    fn counts(exports: &[Export]) -> Vec<(usize, usize, usize)> {
        let luns = |export: &Export| export.targets.iter().map(|target| target.luns.len()).sum();
        let count = |export: &Export| (export.targets.len(), luns(export), export.portals.len());
        exports.iter().map(count).collect()
    }

    /// What is left, targets, LUNs and portals, of a provider's export beside an array with target `iqn.a`, LUN 1 and
    /// portal 1.
    fn check(theirs: ForeignExports, expected: (usize, usize, usize)) {
        let foreign = Foreign::new();
        foreign.set(ProviderId::from_bytes([9; 16]), theirs);
        let is_own = |lun| lun == LunId::from_bytes([1; 16]);
        assert_eq!(counts(&foreign.beside(&[export(1, "iqn.a", 1)], is_own)), [expected]);
    }

    #[test]
    fn nothing_is_taken_away_from_an_array() {
        check(provided(export(2, "iqn.b", 2), &[2]), (1, 1, 1));
        check(provided(export(2, "IQN.A", 2), &[2]), (0, 0, 1));
        check(provided(export(2, "iqn.b", 1), &[1]), (1, 0, 1));
        check(provided(export(2, "iqn.b", 2), &[]), (1, 0, 1));
        check(provided(export(1, "iqn.b", 2), &[2]), (1, 1, 0));
    }

    #[test]
    fn nor_from_another_provider() {
        let foreign = Foreign::new();
        let first = ProviderId::from_bytes([1; 16]);
        let second = ProviderId::from_bytes([2; 16]);
        foreign.set(second, provided(export(4, "iqn.d", 3), &[3, 4]));
        foreign.set(first, provided(export(3, "iqn.c", 3), &[3]));
        assert_eq!(counts(&foreign.beside(&[], |_| false)), [(1, 1, 1), (1, 0, 1)]);
        let path = foreign.providers.borrow()[&first].paths[&LunId::from_bytes([3; 16])].io.clone();
        let path: Rc<dyn LunIo> = path;
        assert!(Rc::ptr_eq(&foreign.lun_io(LunId::from_bytes([3; 16])).unwrap(), &path));
    }
}
