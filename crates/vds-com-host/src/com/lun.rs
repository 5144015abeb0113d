//! LUNs and plexes.

use vds_com::abi::{
    IVdsLun, IVdsLunNaming, IVdsLunPlex, VDS_HINTS, VDS_LUN_PLEX_PROP, VDS_LUN_PROP, VDS_LUN_STATUS,
};
use vds_com::com::{ComPtr, GUID, IUnknown, Plain as _};
use vds_model::{
    DriveId, HResult, Health, Hints, LunFlags, LunId, LunStatus, LunType, PlexFlags, PlexId,
    PlexStatus, PlexType, SubsystemId, TransitionState, UnmaskingList,
};
use vds_plugin as wire;

use super::drive::extents;
use super::memory::{taken, wide};
use super::subsystem::{Drives, priority};
use super::work::Work;
use super::{Fault, ask, hints, interface, list};

/// What is said of every LUN: where its data is.
const NOT_EXPORTED: &str =
    "managed, not exported: COM has no way to the data, which hosts reach through the array itself";

/// A LUN.
#[derive(Clone, Debug)]
pub(crate) struct Lun(ComPtr<IVdsLun>);

impl Lun {
    pub(super) fn of(object: &ComPtr<IUnknown>) -> Result<Self, Fault> {
        interface(object, "a LUN, asked for IVdsLun,").map(Self)
    }

    pub(super) fn new(lun: ComPtr<IVdsLun>) -> Self {
        Self(lun)
    }

    /// Its id alone.
    pub(crate) fn id(&self) -> Result<LunId, Fault> {
        self.properties().map(|found| LunId::from_bytes(found.properties.id.to_bytes()))
    }

    /// Who may see it.
    pub(crate) fn unmasking_list(&self) -> Result<UnmaskingList, Fault> {
        let (list, note) = self.properties()?.list();
        let wrong = Fault {
            call: "IVdsLun::GetProperties, as to the unmasking list,",
            result: HResult::VDS_E_BAD_PROVIDER_DATA,
        };
        if note.is_some() { Err(wrong) } else { Ok(list) }
    }

    fn properties(&self) -> Result<Found, Fault> {
        let mut found = VDS_LUN_PROP::zeroed();
        ask!(self.0, IVdsLun::GetProperties, &raw mut found)?;
        // SAFETY: the call succeeded: its texts are NULL or ours.
        unsafe {
            Ok(Found {
                name: taken(found.pwszFriendlyName).unwrap_or_default(),
                identification: taken(found.pwszIdentification).unwrap_or_default(),
                list: taken(found.pwszUnmaskingList),
                properties: found,
            })
        }
    }

    /// What the protocol tells of it.
    pub(crate) fn describe(&self, subsystem: SubsystemId) -> Result<wire::Lun, Fault> {
        let found = self.properties()?;
        let (unmasking_list, note) = found.list();
        let mut notes = vec![NOT_EXPORTED.to_owned()];
        notes.extend(note);
        let plexes: Vec<wire::Plex> =
            self.plexes()?.iter().map(Plex::describe).collect::<Result<_, _>>()?;
        let reserved = |plex: &wire::Plex| plex.extents.iter().map(|e| e.size_bytes).sum::<u64>();
        let is_told = plexes.iter().all(|plex| reserved(plex) >= found.properties.ullSize);
        if !is_told {
            notes.push("the provider does not tell all that the LUN reserves".to_owned());
        }
        let properties = found.properties;
        Ok(wire::Lun {
            id: LunId::from_bytes(properties.id.to_bytes()),
            subsystem,
            name: found.name,
            identification: found.identification,
            lun_type: LunType::from_number(properties.r#type.0),
            size_bytes: properties.ullSize,
            unmasking_list,
            flags: LunFlags::from_bits(properties.ulFlags),
            status: LunStatus::from_number(properties.status.0),
            health: Health::from_number(properties.health.0),
            transition: TransitionState::from_number(properties.TransitionState.0),
            rebuild_priority: priority(properties.sRebuildPriority),
            reserved_bytes: plexes.iter().map(reserved).sum(),
            plexes,
            hints: self.hints(),
            provisioning: if is_told {
                wire::Provisioning::Thick
            } else {
                wire::Provisioning::Thin
            },
            sector_bytes: 512,
            caching: wire::Caching::WriteBack,
            used_bytes: None,
            data_version: 0,
            notes,
            made_by: None,
        })
    }

    /// Its plexes.
    pub(crate) fn plexes(&self) -> Result<Vec<Plex>, Fault> {
        let call = "IVdsLun::QueryPlexes";
        let found = list(call, |place| ask!(self.0, IVdsLun::QueryPlexes, place))?;
        found.iter().map(Plex::of).collect()
    }

    /// The hints in force; none where the provider does not tell.
    fn hints(&self) -> Hints {
        let mut found = VDS_HINTS::zeroed();
        let told = ask!(self.0, IVdsLun::QueryHints, &raw mut found).ok();
        told.and_then(|_| hints::read(&found)).unwrap_or_default()
    }

    pub(crate) fn extend(&self, bytes: u64, drives: Option<&[DriveId]>) -> Result<Work, Fault> {
        let mut drives = Drives::of(drives);
        Work::start(|place| {
            ask!(self.0, IVdsLun::Extend, bytes, drives.pointer(), drives.count(), place)
        })
    }

    pub(crate) fn remove_plex(&self, plex: PlexId) -> Result<Work, Fault> {
        let plex = GUID::from_bytes(plex.to_bytes());
        Work::start(|place| ask!(self.0, IVdsLun::RemovePlex, plex, place))
    }

    pub(crate) fn recover(&self) -> Result<Work, Fault> {
        Work::start(|place| ask!(self.0, IVdsLun::Recover, place))
    }

    pub(crate) fn delete(&self) -> Result<HResult, Fault> {
        ask!(self.0, IVdsLun::Delete)
    }

    pub(crate) fn set_mask(&self, unmasking_list: &UnmaskingList) -> Result<HResult, Fault> {
        let mut list = wide(&unmasking_list.to_string());
        ask!(self.0, IVdsLun::SetMask, list.as_mut_ptr())
    }

    pub(crate) fn set_name(&self, name: &str) -> Result<HResult, Fault> {
        let naming: ComPtr<IVdsLunNaming> =
            interface(&self.0, "the LUN, asked for IVdsLunNaming,")?;
        let mut name = wide(name);
        ask!(naming, IVdsLunNaming::SetFriendlyName, name.as_mut_ptr())
    }

    pub(crate) fn set_status(&self, status: LunStatus) -> Result<HResult, Fault> {
        ask!(self.0, IVdsLun::SetStatus, VDS_LUN_STATUS(status.number()))
    }

    pub(crate) fn apply_hints(&self, wishes: &Hints) -> Result<HResult, Fault> {
        let mut wishes = hints::raw(wishes);
        ask!(self.0, IVdsLun::ApplyHints, &raw mut wishes)
    }
}

/// What GetProperties told.
struct Found {
    name: String,
    identification: String,
    list: Option<String>,
    properties: VDS_LUN_PROP,
}

impl Found {
    /// Who may see it. A list that is none admits nobody, and is noted.
    fn list(&self) -> (UnmaskingList, Option<String>) {
        // A LUN that is not masked at all has no list.
        let Some(text) = &self.list else { return (UnmaskingList::Everybody, None) };
        match UnmaskingList::parse(text) {
            Ok(list) => (list, None),
            Err(error) => {
                (UnmaskingList::Nobody, Some(format!("its unmasking list cannot be read: {error}")))
            }
        }
    }
}

/// A plex.
#[derive(Clone, Debug)]
pub(crate) struct Plex(ComPtr<IVdsLunPlex>);

impl Plex {
    fn of(object: &ComPtr<IUnknown>) -> Result<Self, Fault> {
        interface(object, "a plex, asked for IVdsLunPlex,").map(Self)
    }

    /// What the protocol tells of it.
    pub(crate) fn describe(&self) -> Result<wire::Plex, Fault> {
        let mut found = VDS_LUN_PLEX_PROP::zeroed();
        ask!(self.0, IVdsLunPlex::GetProperties, &raw mut found)?;
        let extents = extents("IVdsLunPlex::QueryExtents", |array, count| {
            ask!(self.0, IVdsLunPlex::QueryExtents, array, count)
        })?;
        let extents = extents.iter().map(|extent| wire::PlexExtent {
            drive: DriveId::from_bytes(extent.id.to_bytes()),
            size_bytes: extent.ullSize,
        });
        Ok(wire::Plex {
            id: PlexId::from_bytes(found.id.to_bytes()),
            plex_type: PlexType::from_number(found.r#type.0),
            size_bytes: found.ullSize,
            status: PlexStatus::from_number(found.status.0),
            health: Health::from_number(found.health.0),
            transition: TransitionState::from_number(found.TransitionState.0),
            flags: PlexFlags::from_bits(found.ulFlags),
            stripe_bytes: found.ulStripeSize,
            rebuild_priority: priority(found.sRebuildPriority),
            extents: extents.collect(),
        })
    }
}
