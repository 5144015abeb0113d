//! Portal groups of a target.

use super::answer::{self, Answer, give, hand_out};
use super::asynchronous::Async;
use super::portal::Portal;
use super::session::{Kind, Named, Place, Session};
use super::target::Target;
use crate::abi::{
    IEnumVdsObject, IVdsAsync, IVdsIscsiPortalGroup, IVdsIscsiPortalGroupImpl, IVdsIscsiTarget,
    VDS_ASYNCOUT_ADDPORTAL, VDS_ASYNCOUT_DELETEPORTALGROUP, VDS_ASYNCOUT_REMOVEPORTAL,
    VDS_E_OBJECT_NOT_FOUND, VDS_ISCSI_PORTALGROUP_PROP,
};
use crate::com::{Class, ComPtr, Face, GUID, HRESULT};

/// A portal group.
pub(super) struct PortalGroup(Place);

impl Named for PortalGroup {
    const KIND: Kind = Kind::PortalGroup;

    fn at(place: Place) -> Self {
        Self(place)
    }
}

impl Class for PortalGroup {
    const FACES: &'static [Face] = &[IVdsIscsiPortalGroup::face::<Self>()];
}

/// The group of this id, and its target's id.
pub(super) fn find(session: &Session, id: &str) -> Answer<(vds_api::PortalGroup, String)> {
    let targets = session.ask(|client| async move { client.targets().await })?;
    let mut groups = targets.into_iter().flat_map(|target| {
        let of = target.id;
        target.portal_groups.into_iter().map(move |group| (group, of.clone()))
    });
    groups.find(|(group, _)| group.id == id).ok_or(VDS_E_OBJECT_NOT_FOUND)
}

impl PortalGroup {
    fn view(&self) -> Answer<(vds_api::PortalGroup, String)> {
        find(self.0.session(), &self.0.name()).map_err(answer::of_own)
    }

    fn properties(&self) -> Answer<VDS_ISCSI_PORTALGROUP_PROP> {
        Ok(VDS_ISCSI_PORTALGROUP_PROP { id: self.0.id(), tag: self.view()?.0.tag })
    }

    fn target(&self) -> Answer<ComPtr<IVdsIscsiTarget>> {
        let (_, target) = self.view()?;
        self.0.session().interface::<Target, _>(&target)
    }

    fn portals(&self) -> Answer<ComPtr<IEnumVdsObject>> {
        let (group, _) = self.view()?;
        self.0.session().list::<Portal>(group.portals.iter().map(String::as_str))
    }

    fn add(&self, portal: GUID) -> Answer<ComPtr<IVdsAsync>> {
        self.view()?;
        let (name, portal) = (self.0.name(), portal.to_string());
        Async::start(self.0.session(), VDS_ASYNCOUT_ADDPORTAL, |client| async move {
            client.add_to_portal_group(&name, &portal).await
        })
    }

    fn remove(&self, portal: GUID) -> Answer<ComPtr<IVdsAsync>> {
        self.view()?;
        let (name, portal) = (self.0.name(), portal.to_string());
        Async::start(self.0.session(), VDS_ASYNCOUT_REMOVEPORTAL, |client| async move {
            client.remove_from_portal_group(&name, &portal).await
        })
    }

    fn delete(&self) -> Answer<ComPtr<IVdsAsync>> {
        self.view()?;
        let name = self.0.name();
        Async::start(self.0.session(), VDS_ASYNCOUT_DELETEPORTALGROUP, |client| async move {
            client.delete_portal_group(&name).await
        })
    }
}

impl IVdsIscsiPortalGroupImpl for PortalGroup {
    fn GetProperties(&self, properties: &mut VDS_ISCSI_PORTALGROUP_PROP) -> HRESULT {
        give(properties, self.properties())
    }

    fn GetTarget(&self, target: &mut Option<ComPtr<IVdsIscsiTarget>>) -> HRESULT {
        hand_out(target, self.target())
    }

    fn QueryAssociatedPortals(&self, found: &mut Option<ComPtr<IEnumVdsObject>>) -> HRESULT {
        hand_out(found, self.portals())
    }

    fn AddPortal(&self, portal: GUID, operation: &mut Option<ComPtr<IVdsAsync>>) -> HRESULT {
        hand_out(operation, self.add(portal))
    }

    fn RemovePortal(&self, portal: GUID, operation: &mut Option<ComPtr<IVdsAsync>>) -> HRESULT {
        hand_out(operation, self.remove(portal))
    }

    fn Delete(&self, operation: &mut Option<ComPtr<IVdsAsync>>) -> HRESULT {
        hand_out(operation, self.delete())
    }
}
