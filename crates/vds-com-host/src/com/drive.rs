//! Drives, controllers and their ports.

use vds_com::abi::{
    IVdsController, IVdsControllerControllerPort, IVdsControllerPort, IVdsDrive, IVdsDrive2,
    VDS_CONTROLLER_PROP, VDS_DRF_HOTSPARE, VDS_DRIVE_EXTENT, VDS_DRIVE_PROP, VDS_DRIVE_PROP2,
    VDS_PORT_PROP,
};
use vds_com::com::{ComPtr, GUID, IUnknown, Plain as _};
use vds_model::{
    BusType, ControllerId, ControllerStatus, DriveFlags, DriveId, DriveStatus, HResult, Health,
    LunId, PortId, PortStatus, SubsystemId,
};
use vds_plugin as wire;

use super::memory::{taken, taken_array};
use super::{Fault, ask, interface, list};

/// A short number that counts; 0 for a negative one.
pub(super) fn count(number: i16) -> u16 {
    u16::try_from(number).unwrap_or(0)
}

/// A drive.
#[derive(Clone, Debug)]
pub(crate) struct Drive(ComPtr<IVdsDrive>);

impl Drive {
    pub(super) fn of(object: &ComPtr<IUnknown>) -> Result<Self, Fault> {
        interface(object, "a drive, asked for IVdsDrive,").map(Self)
    }

    /// What the protocol tells of it.
    pub(crate) fn describe(&self, subsystem: SubsystemId) -> Result<wire::Drive, Fault> {
        let mut found = VDS_DRIVE_PROP::zeroed();
        ask!(self.0, IVdsDrive::GetProperties, &raw mut found)?;
        // SAFETY: the call succeeded: its texts are NULL or ours.
        let (name, identification) =
            unsafe { (taken(found.pwszFriendlyName), taken(found.pwszIdentification)) };
        let more = self.more();
        Ok(wire::Drive {
            id: DriveId::from_bytes(found.id.to_bytes()),
            subsystem: Some(subsystem),
            name: name.unwrap_or_default(),
            identification: identification.unwrap_or_default(),
            path: String::new(),
            size_bytes: found.ullSize,
            status: DriveStatus::from_number(found.status.0),
            health: Health::from_number(found.health.0),
            flags: DriveFlags::from_bits(found.ulFlags),
            bus_type: more.map_or(BusType::Unknown, |more| BusType::from_number(more.busType.0)),
            bus_number: count(found.sInternalBusNumber),
            slot_number: count(found.sSlotNumber),
            enclosure_number: more.map(|more| more.ulEnclosureNumber),
            turns_per_minute: more.map(|more| more.ulSpindleSpeed).filter(|speed| *speed > 0),
            extents: self.extents()?,
            notes: Vec::new(),
            made_by: None,
        })
    }

    /// What only providers of VDS 3.0 tell; its texts are the same as before.
    fn more(&self) -> Option<VDS_DRIVE_PROP2> {
        let drive = self.0.query::<IVdsDrive2>().ok()?;
        let mut found = VDS_DRIVE_PROP2::zeroed();
        ask!(drive, IVdsDrive2::GetProperties2, &raw mut found).ok()?;
        // SAFETY: the call succeeded: its texts are NULL or ours.
        unsafe {
            taken(found.pwszFriendlyName);
            taken(found.pwszIdentification);
        }
        Some(found)
    }

    fn extents(&self) -> Result<Vec<wire::DriveExtent>, Fault> {
        let found = extents("IVdsDrive::QueryExtents", |array, count| {
            ask!(self.0, IVdsDrive::QueryExtents, array, count)
        })?;
        Ok(found
            .iter()
            .map(|extent| wire::DriveExtent {
                lun: (extent.LunId != GUID::NULL)
                    .then(|| LunId::from_bytes(extent.LunId.to_bytes())),
                size_bytes: extent.ullSize,
                is_used: extent.bUsed != 0,
            })
            .collect())
    }

    /// Makes it a hot spare, or no longer one.
    pub(crate) fn set_spare(&self, is_spare: bool) -> Result<HResult, Fault> {
        if is_spare {
            ask!(self.0, IVdsDrive::SetFlags, VDS_DRF_HOTSPARE.0)
        } else {
            ask!(self.0, IVdsDrive::ClearFlags, VDS_DRF_HOTSPARE.0)
        }
    }
}

/// The extents of a drive or a plex; none where the provider does not tell.
pub(super) fn extents(
    call: &'static str,
    fill: impl FnOnce(*mut *mut VDS_DRIVE_EXTENT, *mut i32) -> Result<HResult, Fault>,
) -> Result<Vec<VDS_DRIVE_EXTENT>, Fault> {
    let (mut array, mut count) = (std::ptr::null_mut(), 0);
    match fill(&raw mut array, &raw mut count) {
        Ok(_) if count < 0 || (count > 0 && array.is_null()) => Err(Fault::empty(call)),
        // SAFETY: the call succeeded: the array is NULL or ours, and holds so many.
        Ok(_) => Ok(unsafe { taken_array(array, count) }),
        Err(fault) if fault.is_not_offered() => Ok(Vec::new()),
        Err(fault) => Err(fault),
    }
}

/// A controller.
#[derive(Clone, Debug)]
pub(crate) struct Controller(ComPtr<IVdsController>);

impl Controller {
    pub(super) fn of(object: &ComPtr<IUnknown>) -> Result<Self, Fault> {
        interface(object, "a controller, asked for IVdsController,").map(Self)
    }

    /// What the protocol tells of it.
    pub(crate) fn describe(&self, subsystem: SubsystemId) -> Result<wire::Controller, Fault> {
        let mut found = VDS_CONTROLLER_PROP::zeroed();
        ask!(self.0, IVdsController::GetProperties, &raw mut found)?;
        // SAFETY: the call succeeded: its texts are NULL or ours.
        let (name, identification) =
            unsafe { (taken(found.pwszFriendlyName), taken(found.pwszIdentification)) };
        Ok(wire::Controller {
            id: ControllerId::from_bytes(found.id.to_bytes()),
            subsystem,
            name: name.unwrap_or_default(),
            identification: identification.unwrap_or_default(),
            status: ControllerStatus::from_number(found.status.0),
            health: Health::from_number(found.health.0),
            ports: count(found.sNumberOfPorts),
        })
    }

    /// Its ports: as objects where the provider has them, by number otherwise.
    pub(crate) fn ports(&self, controller: &wire::Controller) -> Result<Vec<wire::Port>, Fault> {
        let Ok(with_ports) = self.0.query::<IVdsControllerControllerPort>() else {
            return (0..i16::try_from(controller.ports).unwrap_or(i16::MAX))
                .map(|number| {
                    port(controller.id, |place| {
                        ask!(self.0, IVdsController::GetPortProperties, number, place)
                    })
                })
                .collect();
        };
        let call = "IVdsControllerControllerPort::QueryControllerPorts";
        let found = list(call, |place| {
            ask!(with_ports, IVdsControllerControllerPort::QueryControllerPorts, place)
        })?;
        found
            .iter()
            .map(|object| {
                let object: ComPtr<IVdsControllerPort> =
                    interface(object, "a port, asked for IVdsControllerPort,")?;
                port(controller.id, |place| ask!(object, IVdsControllerPort::GetProperties, place))
            })
            .collect()
    }
}

fn port(
    controller: ControllerId,
    fill: impl FnOnce(*mut VDS_PORT_PROP) -> Result<HResult, Fault>,
) -> Result<wire::Port, Fault> {
    let mut found = VDS_PORT_PROP::zeroed();
    fill(&raw mut found)?;
    // SAFETY: the call succeeded: its texts are NULL or ours.
    let (name, identification) =
        unsafe { (taken(found.pwszFriendlyName), taken(found.pwszIdentification)) };
    Ok(wire::Port {
        id: PortId::from_bytes(found.id.to_bytes()),
        controller,
        name: name.unwrap_or_default(),
        identification: identification.unwrap_or_default(),
        status: PortStatus::from_number(found.status.0),
    })
}
