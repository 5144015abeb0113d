//! iSCSI targets.

use vds_api::{ChangeTarget, ChapSide, SetTargetSecret};

use super::answer::{Answer, done, give, hand_out};
use super::asynchronous::Async;
use super::lun::Lun;
use super::portal_group::PortalGroup;
use super::session::{Kind, Named, Place, string};
use super::subsystem::Subsystem;
use super::{labels, secret};
use crate::abi::{
    IEnumVdsObject, IVdsAsync, IVdsIscsiTarget, IVdsIscsiTargetImpl, IVdsSubSystem, S_OK,
    VDS_ASYNCOUT_CREATEPORTALGROUP, VDS_ASYNCOUT_DELETETARGET, VDS_ISCSI_SHARED_SECRET,
    VDS_ISCSI_TARGET_PROP,
};
use crate::com::{BOOL, Class, ComPtr, Face, HRESULT, LPWSTR, Wide, array, text};

/// A target.
pub(super) struct Target(Place);

impl Named for Target {
    const KIND: Kind = Kind::Target;

    fn at(place: Place) -> Self {
        Self(place)
    }
}

impl Class for Target {
    const FACES: &'static [Face] = &[IVdsIscsiTarget::face::<Self>()];
}

impl Target {
    fn view(&self) -> Answer<vds_api::Target> {
        self.0.ask(|client, name| async move { client.target(&name).await })
    }

    fn properties(&self) -> Answer<VDS_ISCSI_TARGET_PROP> {
        let view = self.view()?;
        Ok(VDS_ISCSI_TARGET_PROP {
            id: self.0.id(),
            pwszIscsiName: text(&view.iscsi_name),
            pwszFriendlyName: text(&view.name),
            bChapEnabled: BOOL::from(view.is_chap_enabled),
        })
    }

    fn subsystem(&self) -> Answer<ComPtr<IVdsSubSystem>> {
        let view = self.view()?;
        self.0.session().interface::<Subsystem, _>(&view.subsystem)
    }

    fn portal_groups(&self) -> Answer<ComPtr<IEnumVdsObject>> {
        let view = self.view()?;
        self.0.session().list::<PortalGroup>(view.portal_groups.iter().map(|of| of.id.as_str()))
    }

    fn luns(&self) -> Answer<ComPtr<IEnumVdsObject>> {
        let view = self.view()?;
        self.0.session().list::<Lun>(view.luns.iter().map(|of| of.lun.as_str()))
    }

    fn delete(&self) -> Answer<ComPtr<IVdsAsync>> {
        let name = self.0.name();
        self.view()?;
        Async::start(self.0.session(), VDS_ASYNCOUT_DELETETARGET, |client| async move {
            client.delete_target(&name).await
        })
    }

    fn create_portal_group(&self) -> Answer<ComPtr<IVdsAsync>> {
        let name = self.0.name();
        self.view()?;
        let output = VDS_ASYNCOUT_CREATEPORTALGROUP;
        Async::start(self.0.session(), output, |client| async move {
            client.create_portal_group(&name).await
        })
    }

    fn set_name(&self, name: Wide<'_>) -> Answer<()> {
        let body = ChangeTarget { name: string(name)? };
        self.0.work(|client, name| async move { client.change_target(&name, &body).await })
    }

    /// VDS's words turn with the side: what it calls the target's secret is the one initiators prove themselves with.
    fn set_secret(
        &self,
        side: ChapSide,
        initiator: Option<Wide<'_>>,
        secret: Option<&VDS_ISCSI_SHARED_SECRET>,
    ) -> Answer<()> {
        let secret = secret::bytes(secret)?;
        let body = SetTargetSecret { side, initiator: initiator.map(string).transpose()?, secret };
        self.0.work(|client, name| async move { client.set_target_secret(&name, &body).await })
    }

    /// Names of the initiators that are logged in, each once.
    fn initiators(&self) -> Answer<Vec<String>> {
        let view = self.view()?;
        let sessions = self.0.session().ask(|client| async move { client.sessions().await })?;
        let ours = sessions.into_iter().filter(|of| of.target.as_ref() == Some(&view.iscsi_name));
        let mut names: Vec<String> = ours.map(|session| session.initiator).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }
}

impl IVdsIscsiTargetImpl for Target {
    fn GetProperties(&self, properties: &mut VDS_ISCSI_TARGET_PROP) -> HRESULT {
        give(properties, self.properties())
    }

    fn GetSubSystem(&self, subsystem: &mut Option<ComPtr<IVdsSubSystem>>) -> HRESULT {
        hand_out(subsystem, self.subsystem())
    }

    fn QueryPortalGroups(&self, found: &mut Option<ComPtr<IEnumVdsObject>>) -> HRESULT {
        hand_out(found, self.portal_groups())
    }

    fn QueryAssociatedLuns(&self, found: &mut Option<ComPtr<IEnumVdsObject>>) -> HRESULT {
        hand_out(found, self.luns())
    }

    fn CreatePortalGroup(&self, operation: &mut Option<ComPtr<IVdsAsync>>) -> HRESULT {
        hand_out(operation, self.create_portal_group())
    }

    fn Delete(&self, operation: &mut Option<ComPtr<IVdsAsync>>) -> HRESULT {
        hand_out(operation, self.delete())
    }

    fn SetFriendlyName(&self, name: Wide<'_>) -> HRESULT {
        done(self.set_name(name))
    }

    fn SetSharedSecret(
        &self,
        secret: Option<&VDS_ISCSI_SHARED_SECRET>,
        initiator: Option<Wide<'_>>,
    ) -> HRESULT {
        done(self.set_secret(ChapSide::Initiator, initiator, secret))
    }

    fn RememberInitiatorSharedSecret(
        &self,
        initiator: Wide<'_>,
        secret: Option<&VDS_ISCSI_SHARED_SECRET>,
    ) -> HRESULT {
        done(self.set_secret(ChapSide::Target, Some(initiator), secret))
    }

    fn GetConnectedInitiators(&self, names: &mut *mut LPWSTR, count: &mut i32) -> HRESULT {
        match self.initiators() {
            Ok(found) => {
                let texts: Vec<LPWSTR> = found.iter().map(|name| text(name)).collect();
                (*names, *count) = (array(&texts), labels::long(texts.len()));
                S_OK
            }
            Err(failure) => failure,
        }
    }
}
