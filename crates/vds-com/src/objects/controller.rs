//! Controllers of a subsystem.

use super::answer::{self, Answer, give, hand_out};
use super::labels;
use super::lun::Lun;
use super::port::{self, Port};
use super::session::{Kind, Named, Place, Session};
use super::subsystem::Subsystem;
use crate::abi::{
    E_INVALIDARG, IEnumVdsObject, IVdsController, IVdsControllerControllerPort,
    IVdsControllerControllerPortImpl, IVdsControllerImpl, IVdsSubSystem, VDS_CONTROLLER_PROP,
    VDS_CONTROLLER_STATUS, VDS_CS_UNKNOWN, VDS_E_NOT_SUPPORTED, VDS_E_OBJECT_NOT_FOUND,
    VDS_PORT_PROP,
};
use crate::com::{Class, ComPtr, Face, HRESULT, text};

/// A controller.
pub(super) struct Controller(Place);

impl Named for Controller {
    const KIND: Kind = Kind::Controller;

    fn at(place: Place) -> Self {
        Self(place)
    }
}

impl Class for Controller {
    const FACES: &'static [Face] =
        &[IVdsController::face::<Self>(), IVdsControllerControllerPort::face::<Self>()];
}

/// The controller of this id.
pub(super) fn find(session: &Session, id: &str) -> Answer<vds_api::Controller> {
    let all = session.ask(|client| async move { client.controllers().await })?;
    all.into_iter().find(|controller| controller.id == id).ok_or(VDS_E_OBJECT_NOT_FOUND)
}

/// The controllers of a subsystem.
pub(super) fn of_subsystem(session: &Session, subsystem: &str) -> Answer<Vec<vds_api::Controller>> {
    let mut all = session.ask(|client| async move { client.controllers().await })?;
    all.retain(|controller| controller.subsystem == subsystem);
    Ok(all)
}

/// The LUNs of a subsystem: each of its controllers and ports leads to all of them.
pub(super) fn luns(place: &Place, subsystem: &str) -> Answer<ComPtr<IEnumVdsObject>> {
    let all = place.session().ask(|client| async move { client.luns().await })?;
    let ours = all.iter().filter(|lun| lun.subsystem == subsystem);
    place.session().list::<Lun>(ours.map(|lun| lun.id.as_str()))
}

impl Controller {
    fn view(&self) -> Answer<vds_api::Controller> {
        find(self.0.session(), &self.0.name()).map_err(answer::of_own)
    }

    fn properties(&self) -> Answer<VDS_CONTROLLER_PROP> {
        let view = self.view()?;
        Ok(VDS_CONTROLLER_PROP {
            id: self.0.id(),
            pwszFriendlyName: text(&view.name),
            pwszIdentification: text(&view.identification),
            status: labels::controller_status(&view.status),
            health: labels::health(&view.health),
            sNumberOfPorts: labels::short(view.ports),
        })
    }

    fn ports(&self) -> Answer<Vec<vds_api::Port>> {
        self.view()?;
        let name = self.0.name();
        let mut ports = self.0.session().ask(|client| async move { client.ports().await })?;
        ports.retain(|port| port.controller == name);
        Ok(ports)
    }

    fn port_properties(&self, number: i16) -> Answer<VDS_PORT_PROP> {
        let ports = self.ports()?;
        let number = usize::try_from(number).map_err(|_| E_INVALIDARG)?;
        port::properties(ports.get(number).ok_or(E_INVALIDARG)?)
    }

    fn subsystem(&self) -> Answer<ComPtr<IVdsSubSystem>> {
        let view = self.view()?;
        self.0.session().interface::<Subsystem, _>(&view.subsystem)
    }

    fn enumerate_ports(&self) -> Answer<ComPtr<IEnumVdsObject>> {
        let ports = self.ports()?;
        self.0.session().list::<Port>(ports.iter().map(|port| port.id.as_str()))
    }
}

impl IVdsControllerImpl for Controller {
    fn GetProperties(&self, properties: &mut VDS_CONTROLLER_PROP) -> HRESULT {
        give(properties, self.properties())
    }

    fn GetSubSystem(&self, subsystem: &mut Option<ComPtr<IVdsSubSystem>>) -> HRESULT {
        hand_out(subsystem, self.subsystem())
    }

    fn GetPortProperties(&self, number: i16, properties: &mut VDS_PORT_PROP) -> HRESULT {
        give(properties, self.port_properties(number))
    }

    fn QueryAssociatedLuns(&self, found: &mut Option<ComPtr<IEnumVdsObject>>) -> HRESULT {
        hand_out(found, self.view().and_then(|view| luns(&self.0, &view.subsystem)))
    }

    fn SetStatus(&self, status: VDS_CONTROLLER_STATUS) -> HRESULT {
        if status == VDS_CS_UNKNOWN { E_INVALIDARG } else { VDS_E_NOT_SUPPORTED }
    }
}

impl IVdsControllerControllerPortImpl for Controller {
    fn QueryControllerPorts(&self, found: &mut Option<ComPtr<IEnumVdsObject>>) -> HRESULT {
        hand_out(found, self.enumerate_ports())
    }
}
