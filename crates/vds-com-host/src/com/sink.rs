//! What the provider calls us through: the callback object of OnLoad.

use std::fmt;

use vds_com::abi::{
    IVdsAdviseSink, IVdsAdviseSinkImpl, S_OK, VDS_NOTIFICATION, VDS_NTT_CONTROLLER, VDS_NTT_DRIVE,
    VDS_NTT_LUN, VDS_NTT_PORT, VDS_NTT_PORTAL, VDS_NTT_PORTAL_GROUP, VDS_NTT_SUB_SYSTEM,
    VDS_NTT_TARGET,
};
use vds_com::com::{Class, ComPtr, Face, GUID, HRESULT, IUnknown, object};
use vds_model::{Notification, NotificationTarget};

type Tell = Box<dyn Fn(Vec<Notification>) + Send + Sync>;

/// Answers for `IVdsAdviseSink` and passes on what it is told.
pub(crate) struct Listener {
    tell: Tell,
}

impl Listener {
    /// The object, for OnLoad. Called with what was told together.
    pub(crate) fn object(
        tell: impl Fn(Vec<Notification>) + Send + Sync + 'static,
    ) -> ComPtr<IUnknown> {
        object(Self { tell: Box::new(tell) })
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

impl Class for Listener {
    const FACES: &'static [Face] = &[IVdsAdviseSink::face::<Self>()];
}

impl IVdsAdviseSinkImpl for Listener {
    fn OnNotify(&self, notifications: &[VDS_NOTIFICATION]) -> HRESULT {
        let read: Vec<Notification> = notifications.iter().filter_map(read).collect();
        if !read.is_empty() {
            (self.tell)(read);
        }
        S_OK
    }
}

/// One event in VDS's terms; none for what is not of the hardware side or has no number.
fn read(notification: &VDS_NOTIFICATION) -> Option<Notification> {
    let of = |number: u32, id: GUID| {
        let target = NotificationTarget::from_number(notification.objectType.0);
        Notification::from_number(target, number, id.to_bytes()).ok()
    };
    let events = &notification.u;
    // SAFETY: the type says which arm is there. All of them are numbers, so that a wrong type is a wrong event at worst.
    unsafe {
        match notification.objectType {
            VDS_NTT_SUB_SYSTEM => of(events.SubSystem.ulEvent, events.SubSystem.subSystemId),
            VDS_NTT_CONTROLLER => of(events.Controller.ulEvent, events.Controller.controllerId),
            VDS_NTT_DRIVE => of(events.Drive.ulEvent, events.Drive.driveId),
            VDS_NTT_LUN => of(events.Lun.ulEvent, events.Lun.LunId),
            VDS_NTT_PORT => of(events.Port.ulEvent, events.Port.portId),
            VDS_NTT_PORTAL => of(events.Portal.ulEvent, events.Portal.portalId),
            VDS_NTT_TARGET => of(events.Target.ulEvent, events.Target.targetId),
            VDS_NTT_PORTAL_GROUP => {
                of(events.PortalGroup.ulEvent, events.PortalGroup.portalGroupId)
            }
            _ => None,
        }
    }
}
