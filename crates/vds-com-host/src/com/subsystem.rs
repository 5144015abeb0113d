//! Subsystems.

use vds_com::abi::{IVdsSubSystem, VDS_LUN_TYPE, VDS_SUB_SYSTEM_PROP};
use vds_com::com::{ComPtr, GUID, IUnknown, Plain as _};
use vds_model::{
    DriveId, HResult, Health, Hints, LunType, RebuildPriority, StripeSizes, SubsystemFlags,
    SubsystemId, SubsystemStatus, UnmaskingList,
};
use vds_plugin as wire;

use super::drive::count;
use super::memory::{taken, wide};
use super::work::Work;
use super::{Controller, Drive, Fault, Lun, ask, hints, interface, list};

/// A subsystem.
#[derive(Clone, Debug)]
pub(crate) struct SubSystem(ComPtr<IVdsSubSystem>);

/// What CreateLun is asked for.
#[derive(Debug)]
pub(crate) struct Creation<'a> {
    pub(crate) lun_type: LunType,
    pub(crate) size_bytes: u64,
    pub(crate) drives: Option<&'a [DriveId]>,
    pub(crate) unmasking_list: &'a UnmaskingList,
    pub(crate) hints: &'a Hints,
}

/// Drives as VDS wants them: NULL where the provider may choose.
pub(super) struct Drives(Vec<GUID>);

impl Drives {
    pub(super) fn of(drives: Option<&[DriveId]>) -> Self {
        let drives = drives.unwrap_or_default();
        Self(drives.iter().map(|id| GUID::from_bytes(id.to_bytes())).collect())
    }

    pub(super) fn pointer(&mut self) -> *mut GUID {
        if self.0.is_empty() { std::ptr::null_mut() } else { self.0.as_mut_ptr() }
    }

    pub(super) fn count(&self) -> i32 {
        i32::try_from(self.0.len()).unwrap_or(i32::MAX)
    }
}

impl SubSystem {
    pub(super) fn of(object: &ComPtr<IUnknown>) -> Result<Self, Fault> {
        interface(object, "a subsystem, asked for IVdsSubSystem,").map(Self)
    }

    /// What the protocol tells of it, but for its capacity, which its drives tell.
    pub(crate) fn describe(&self) -> Result<wire::Subsystem, Fault> {
        let mut found = VDS_SUB_SYSTEM_PROP::zeroed();
        ask!(self.0, IVdsSubSystem::GetProperties, &raw mut found)?;
        // SAFETY: the call succeeded: its texts are NULL or ours.
        let (name, identification) =
            unsafe { (taken(found.pwszFriendlyName), taken(found.pwszIdentification)) };
        Ok(wire::Subsystem {
            id: SubsystemId::from_bytes(found.id.to_bytes()),
            name: name.unwrap_or_default(),
            identification: identification.unwrap_or_default(),
            status: SubsystemStatus::from_number(found.status.0),
            health: Health::from_number(found.health.0),
            flags: SubsystemFlags::from_bits(found.ulFlags),
            raid_types: vds_model::RaidTypeFlags::empty(),
            stripe_sizes_bytes: StripeSizes::from_bits(found.ulStripeSizeFlags),
            rebuild_priority: priority(found.sRebuildPriority),
            internal_buses: count(found.sNumberOfInternalBuses),
            slots_per_bus: count(found.sMaxNumberOfSlotsEachBus),
            controllers_max: count(found.sMaxNumberOfControllers),
            enclosures: None,
            raw_bytes: 0,
            free_bytes: 0,
            notes: Vec::new(),
            made_by: None,
        })
    }

    pub(crate) fn controllers(&self) -> Result<Vec<Controller>, Fault> {
        let call = "IVdsSubSystem::QueryControllers";
        let found = list(call, |place| ask!(self.0, IVdsSubSystem::QueryControllers, place))?;
        found.iter().map(Controller::of).collect()
    }

    pub(crate) fn drives(&self) -> Result<Vec<Drive>, Fault> {
        let call = "IVdsSubSystem::QueryDrives";
        let found = list(call, |place| ask!(self.0, IVdsSubSystem::QueryDrives, place))?;
        found.iter().map(Drive::of).collect()
    }

    pub(crate) fn luns(&self) -> Result<Vec<Lun>, Fault> {
        let call = "IVdsSubSystem::QueryLuns";
        let found = list(call, |place| ask!(self.0, IVdsSubSystem::QueryLuns, place))?;
        found.iter().map(Lun::of).collect()
    }

    /// Begins to make a LUN.
    pub(crate) fn create_lun(&self, creation: &Creation<'_>) -> Result<Work, Fault> {
        let mut drives = Drives::of(creation.drives);
        let mut list = wide(&creation.unmasking_list.to_string());
        let mut wishes = hints::raw(creation.hints);
        let wishes = optional(creation.hints, &mut wishes);
        let (lun_type, size) = (VDS_LUN_TYPE(creation.lun_type.number()), creation.size_bytes);
        Work::start(|place| {
            ask!(
                self.0,
                IVdsSubSystem::CreateLun,
                lun_type,
                size,
                drives.pointer(),
                drives.count(),
                list.as_mut_ptr(),
                wishes,
                place
            )
        })
    }

    /// The size of the largest LUN.
    pub(crate) fn max_size(
        &self,
        lun_type: LunType,
        drives: Option<&[DriveId]>,
        wishes: &Hints,
    ) -> Result<u64, Fault> {
        let mut drives = Drives::of(drives);
        let mut raw = hints::raw(wishes);
        let raw = optional(wishes, &mut raw);
        let mut size = 0;
        ask!(
            self.0,
            IVdsSubSystem::QueryMaxLunCreateSize,
            VDS_LUN_TYPE(lun_type.number()),
            drives.pointer(),
            drives.count(),
            raw,
            &raw mut size
        )?;
        Ok(size)
    }

    /// Has it take stock of its drives.
    pub(crate) fn reenumerate(&self) -> Result<HResult, Fault> {
        ask!(self.0, IVdsSubSystem::Reenumerate)
    }
}

/// NULL where nothing is wished for.
fn optional(hints: &Hints, raw: &mut vds_com::abi::VDS_HINTS) -> *mut vds_com::abi::VDS_HINTS {
    if hints.is_empty() { std::ptr::null_mut() } else { raw }
}

/// A priority; the lowest where it is none.
pub(super) fn priority(number: i16) -> RebuildPriority {
    RebuildPriority::new(number).unwrap_or(RebuildPriority::LOWEST)
}
