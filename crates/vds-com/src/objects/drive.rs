//! Drives.

use vds_api::{FailDrive, SetDriveSpare};

use super::answer::{Answer, done, give, hand_out};
use super::labels;
use super::session::{Kind, Named, Place, guid};
use super::subsystem::Subsystem;
use crate::abi::{
    E_INVALIDARG, IVdsDrive, IVdsDrive2, IVdsDrive2Impl, IVdsDriveImpl, IVdsSubSystem, S_OK,
    VDS_DRF_HOTSPARE, VDS_DRIVE_EXTENT, VDS_DRIVE_PROP, VDS_DRIVE_PROP2, VDS_DRIVE_STATUS,
    VDS_DRS_FAILED, VDS_DRS_UNKNOWN, VDS_E_NOT_SUPPORTED, VDS_E_OBJECT_NOT_FOUND,
};
use crate::com::{BOOL, Class, ComPtr, Face, GUID, HRESULT, Plain, array, text};

/// A drive in which nothing turns, where VDS has turns per minute and 0 is unknown.
const SPEED_SOLID: u32 = 1;

/// A drive.
pub(super) struct Drive(Place);

impl Named for Drive {
    const KIND: Kind = Kind::Drive;

    fn at(place: Place) -> Self {
        Self(place)
    }
}

impl Class for Drive {
    const FACES: &'static [Face] = &[IVdsDrive::face::<Self>(), IVdsDrive2::face::<Self>()];
}

impl Drive {
    fn view(&self) -> Answer<vds_api::Drive> {
        self.0.ask(|client, name| async move { client.drive(&name).await })
    }

    fn properties2(&self) -> Answer<VDS_DRIVE_PROP2> {
        let view = self.view()?;
        Ok(VDS_DRIVE_PROP2 {
            id: self.0.id(),
            ullSize: view.size_bytes,
            pwszFriendlyName: text(&view.name),
            pwszIdentification: text(&view.identification),
            ulFlags: labels::drive_flags(&view.flags),
            status: labels::drive_status(&view.status),
            health: labels::health(&view.health),
            sInternalBusNumber: labels::short(view.bus_number),
            sSlotNumber: labels::short(view.slot_number),
            ulEnclosureNumber: view.enclosure_number.unwrap_or(0),
            busType: labels::bus_type(&view.bus_type),
            ulSpindleSpeed: match view.turns_per_minute {
                None => 0,
                Some(0) => SPEED_SOLID,
                Some(turns) => turns,
            },
        })
    }

    fn properties(&self) -> Answer<VDS_DRIVE_PROP> {
        let of = self.properties2()?;
        Ok(VDS_DRIVE_PROP {
            id: of.id,
            ullSize: of.ullSize,
            pwszFriendlyName: of.pwszFriendlyName,
            pwszIdentification: of.pwszIdentification,
            ulFlags: of.ulFlags,
            status: of.status,
            health: of.health,
            sInternalBusNumber: of.sInternalBusNumber,
            sSlotNumber: of.sSlotNumber,
        })
    }

    fn subsystem(&self) -> Answer<ComPtr<IVdsSubSystem>> {
        let subsystem = self.view()?.subsystem.ok_or(VDS_E_OBJECT_NOT_FOUND)?;
        self.0.session().interface::<Subsystem, _>(&subsystem)
    }

    fn extents(&self) -> Answer<Vec<VDS_DRIVE_EXTENT>> {
        let extent = |of: &vds_api::DriveExtent| {
            Ok(VDS_DRIVE_EXTENT {
                id: self.0.id(),
                LunId: of.lun.as_deref().map_or(Ok(GUID::NULL), guid)?,
                ullSize: of.size_bytes,
                bUsed: BOOL::from(of.is_used),
            })
        };
        self.view()?.extents.iter().map(extent).collect()
    }

    /// Only one flag is the caller's to change.
    fn set_spare(&self, flags: u32, is_spare: bool) -> HRESULT {
        if flags == 0 {
            return S_OK;
        }
        if flags != VDS_DRF_HOTSPARE.0 {
            return E_INVALIDARG;
        }
        done(self.0.work(|client, name| async move {
            client.set_drive_spare(&name, &SetDriveSpare { is_spare }).await
        }))
    }
}

/// Hands out extents as an array of the caller's.
pub(super) fn hand_out_extents<T: Plain>(
    found: Answer<Vec<T>>,
    extents: &mut *mut T,
    count: &mut i32,
) -> HRESULT {
    match found {
        Ok(found) => {
            (*extents, *count) = (array(&found), labels::long(found.len()));
            S_OK
        }
        Err(failure) => failure,
    }
}

impl IVdsDriveImpl for Drive {
    fn GetProperties(&self, properties: &mut VDS_DRIVE_PROP) -> HRESULT {
        give(properties, self.properties())
    }

    fn GetSubSystem(&self, subsystem: &mut Option<ComPtr<IVdsSubSystem>>) -> HRESULT {
        hand_out(subsystem, self.subsystem())
    }

    fn QueryExtents(&self, extents: &mut *mut VDS_DRIVE_EXTENT, count: &mut i32) -> HRESULT {
        hand_out_extents(self.extents(), extents, count)
    }

    fn SetFlags(&self, flags: u32) -> HRESULT {
        self.set_spare(flags, true)
    }

    fn ClearFlags(&self, flags: u32) -> HRESULT {
        self.set_spare(flags, false)
    }

    /// A drive can be declared failed, and only that; where a LUN would lose data it is refused.
    fn SetStatus(&self, status: VDS_DRIVE_STATUS) -> HRESULT {
        match status {
            VDS_DRS_UNKNOWN => E_INVALIDARG,
            VDS_DRS_FAILED => done(self.0.work(|client, name| async move {
                client.fail_drive(&name, &FailDrive { confirm: false }).await
            })),
            _ => VDS_E_NOT_SUPPORTED,
        }
    }
}

impl IVdsDrive2Impl for Drive {
    fn GetProperties2(&self, properties: &mut VDS_DRIVE_PROP2) -> HRESULT {
        give(properties, self.properties2())
    }
}
