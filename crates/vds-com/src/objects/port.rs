//! Ports of a controller.

use super::answer::{self, Answer, give, hand_out};
use super::controller::{self, Controller};
use super::labels;
use super::session::{Kind, Named, Place, Session, guid};
use crate::abi::{
    E_INVALIDARG, IEnumVdsObject, IVdsController, IVdsControllerPort, IVdsControllerPortImpl,
    VDS_E_NOT_SUPPORTED, VDS_E_OBJECT_NOT_FOUND, VDS_PORT_PROP, VDS_PORT_STATUS, VDS_PRS_UNKNOWN,
};
use crate::com::{Class, ComPtr, Face, HRESULT, text};

/// A port.
pub(super) struct Port(Place);

impl Named for Port {
    const KIND: Kind = Kind::Port;

    fn at(place: Place) -> Self {
        Self(place)
    }
}

impl Class for Port {
    const FACES: &'static [Face] = &[IVdsControllerPort::face::<Self>()];
}

/// The port of this id.
pub(super) fn find(session: &Session, id: &str) -> Answer<vds_api::Port> {
    let all = session.ask(|client| async move { client.ports().await })?;
    all.into_iter().find(|port| port.id == id).ok_or(VDS_E_OBJECT_NOT_FOUND)
}

/// What a port says of itself.
pub(super) fn properties(view: &vds_api::Port) -> Answer<VDS_PORT_PROP> {
    Ok(VDS_PORT_PROP {
        id: guid(&view.id)?,
        status: labels::port_status(&view.status),
        pwszFriendlyName: text(&view.name),
        pwszIdentification: text(&view.identification),
    })
}

impl Port {
    fn view(&self) -> Answer<vds_api::Port> {
        find(self.0.session(), &self.0.name()).map_err(answer::of_own)
    }

    fn luns(&self) -> Answer<ComPtr<IEnumVdsObject>> {
        let controller = controller::find(self.0.session(), &self.view()?.controller)?;
        controller::luns(&self.0, &controller.subsystem)
    }

    fn controller(&self) -> Answer<ComPtr<IVdsController>> {
        let view = self.view()?;
        self.0.session().interface::<Controller, _>(&view.controller)
    }
}

impl IVdsControllerPortImpl for Port {
    fn GetProperties(&self, place: &mut VDS_PORT_PROP) -> HRESULT {
        give(place, self.view().and_then(|view| properties(&view)))
    }

    fn GetController(&self, found: &mut Option<ComPtr<IVdsController>>) -> HRESULT {
        hand_out(found, self.controller())
    }

    fn QueryAssociatedLuns(&self, found: &mut Option<ComPtr<IEnumVdsObject>>) -> HRESULT {
        hand_out(found, self.luns())
    }

    fn SetStatus(&self, status: VDS_PORT_STATUS) -> HRESULT {
        if status == VDS_PRS_UNKNOWN { E_INVALIDARG } else { VDS_E_NOT_SUPPORTED }
    }
}
