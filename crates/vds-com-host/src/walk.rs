//! All objects of the provider, walked from its subsystems down, in the form of the protocol.

use std::collections::BTreeMap;

use vds_model::{DriveId, HResult, LunId, PlexId, SubsystemId};
use vds_plugin::View;

use crate::com::{Drive, Fault, Lun, Provider, SubSystem};

/// The objects by id.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) subsystems: BTreeMap<SubsystemId, SubSystem>,
    pub(crate) drives: BTreeMap<DriveId, Drive>,
    pub(crate) luns: BTreeMap<LunId, Lun>,
    /// The LUN of each plex.
    pub(crate) plexes: BTreeMap<PlexId, Lun>,
}

/// Walks. What vanishes meanwhile is left out.
///
/// # Errors
/// A call that the provider did not serve: half a view is none.
pub(crate) fn walk(provider: &Provider) -> Result<(View, Index), Fault> {
    let (mut view, mut index) = (View::default(), Index::default());
    for subsystem in provider.subsystems()? {
        let Some(mut described) = present(subsystem.describe())? else { continue };
        let id = described.id;
        for controller in subsystem.controllers()? {
            let Some(described) = present(controller.describe(id))? else { continue };
            view.ports.extend(controller.ports(&described)?);
            view.controllers.push(described);
        }
        for drive in subsystem.drives()? {
            let Some(shown) = present(drive.describe(id))? else { continue };
            described.raw_bytes += shown.size_bytes;
            let free = shown.extents.iter().filter(|extent| !extent.is_used);
            described.free_bytes += free.map(|extent| extent.size_bytes).sum::<u64>();
            index.drives.insert(shown.id, drive);
            view.drives.push(shown);
        }
        for lun in subsystem.luns()? {
            let Some(described) = present(lun.describe(id))? else { continue };
            for plex in &described.plexes {
                index.plexes.insert(plex.id, lun.clone());
            }
            index.luns.insert(described.id, lun);
            view.luns.push(described);
        }
        index.subsystems.insert(id, subsystem);
        view.subsystems.push(described);
    }
    Ok((view, index))
}

/// None for an object that was deleted since it was listed.
fn present<T>(described: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match described {
        Ok(described) => Ok(Some(described)),
        Err(fault) if fault.result == HResult::VDS_E_OBJECT_DELETED => Ok(None),
        Err(fault) => Err(fault),
    }
}
