//! LUNs.

use vds_api::{
    AddPlex, ChangeLun, DeleteLun, ExtendLun, Lun as LunView, MaxExtensionQuery, TargetChoice,
};
use vds_model::LunStatus;

use super::answer::{Answer, done, give, hand_out};
use super::asynchronous::Async;
use super::controller::{self, Controller};
use super::plex::Plex;
use super::port::Port;
use super::session::{Kind, Named, Place, drive_names, string};
use super::subsystem::Subsystem;
use super::target::Target;
use super::{hints, identification, labels};
use crate::abi::{
    E_INVALIDARG, IEnumVdsObject, IVdsAsync, IVdsLun, IVdsLun2, IVdsLun2Impl,
    IVdsLunControllerPorts, IVdsLunControllerPortsImpl, IVdsLunImpl, IVdsLunIscsi,
    IVdsLunIscsiImpl, IVdsLunNaming, IVdsLunNamingImpl, IVdsLunNumber, IVdsLunNumberImpl,
    IVdsSubSystem, VDS_ASYNCOUT_ADDLUNPLEX, VDS_ASYNCOUT_EXTENDLUN, VDS_ASYNCOUT_RECOVERLUN,
    VDS_ASYNCOUT_REMOVELUNPLEX, VDS_E_NOT_SUPPORTED, VDS_E_OBJECT_NOT_FOUND, VDS_HINTS, VDS_HINTS2,
    VDS_LS_UNKNOWN, VDS_LUN_INFORMATION, VDS_LUN_PROP, VDS_LUN_STATUS,
};
use crate::com::{Class, ComPtr, Face, GUID, HRESULT, Wide, text};

/// A LUN.
pub(super) struct Lun(Place);

impl Named for Lun {
    const KIND: Kind = Kind::Lun;

    fn at(place: Place) -> Self {
        Self(place)
    }
}

impl Class for Lun {
    const FACES: &'static [Face] = &[
        IVdsLun::face::<Self>(),
        IVdsLun2::face::<Self>(),
        IVdsLunNaming::face::<Self>(),
        IVdsLunControllerPorts::face::<Self>(),
        IVdsLunIscsi::face::<Self>(),
        IVdsLunNumber::face::<Self>(),
    ];
}

impl Lun {
    fn view(&self) -> Answer<LunView> {
        self.0.ask(|client, name| async move { client.lun(&name).await })
    }

    fn properties(&self) -> Answer<VDS_LUN_PROP> {
        let view = self.view()?;
        Ok(VDS_LUN_PROP {
            id: self.0.id(),
            ullSize: view.size_bytes,
            pwszFriendlyName: text(&view.name),
            pwszIdentification: text(&view.identification),
            pwszUnmaskingList: text(&view.unmasking_list),
            ulFlags: labels::lun_flags(&view.flags),
            r#type: labels::lun_type(&view.lun_type),
            status: labels::lun_status(&view.status),
            health: labels::health(&view.health),
            TransitionState: labels::transition(&view.transition),
            sRebuildPriority: labels::short(view.rebuild_priority),
        })
    }

    fn subsystem(&self) -> Answer<ComPtr<IVdsSubSystem>> {
        let view = self.view()?;
        self.0.session().interface::<Subsystem, _>(&view.subsystem)
    }

    fn controllers(&self) -> Answer<Vec<vds_api::Controller>> {
        controller::of_subsystem(self.0.session(), &self.view()?.subsystem)
    }

    fn enumerate_controllers(&self) -> Answer<ComPtr<IEnumVdsObject>> {
        let all = self.controllers()?;
        self.0.session().list::<Controller>(all.iter().map(|of| of.id.as_str()))
    }

    fn enumerate_ports(&self) -> Answer<ComPtr<IEnumVdsObject>> {
        let controllers = self.controllers()?;
        let ports = self.0.session().ask(|client| async move { client.ports().await })?;
        let is_ours = |port: &&vds_api::Port| controllers.iter().any(|of| of.id == port.controller);
        self.0.session().list::<Port>(ports.iter().filter(is_ours).map(|of| of.id.as_str()))
    }

    fn plexes(&self) -> Answer<ComPtr<IEnumVdsObject>> {
        let view = self.view()?;
        self.0.session().list::<Plex>(view.plexes.iter().map(|plex| plex.id.as_str()))
    }

    fn targets(&self) -> Answer<ComPtr<IEnumVdsObject>> {
        let view = self.view()?;
        self.0.session().list::<Target>(view.addresses.iter().map(|of| of.target.as_str()))
    }

    fn extend(&self, by_bytes: u64, drives: Option<&[GUID]>) -> Answer<ComPtr<IVdsAsync>> {
        let name = self.0.name();
        self.view()?;
        let body = ExtendLun { by_bytes, drives: drive_names(drives) };
        Async::start(self.0.session(), VDS_ASYNCOUT_EXTENDLUN, |client| async move {
            client.extend_lun(&name, &body).await
        })
    }

    fn max_extension(&self, drives: Option<&[GUID]>) -> Answer<u64> {
        let name = self.0.name();
        self.view()?;
        let body = MaxExtensionQuery { drives: drive_names(drives) };
        let asked = self.0.session();
        let size =
            asked.ask(|client| async move { client.max_lun_extension(&name, &body).await })?;
        Ok(size.size_bytes)
    }

    /// The other LUN ends as the copy begins, in one step of the array: where a copy cannot begin, it stays.
    fn add_plex(&self, other: GUID) -> Answer<ComPtr<IVdsAsync>> {
        self.view()?;
        let (name, absorb) = (self.0.name(), Some(other.to_string()));
        let body = AddPlex { drives: None, absorb };
        Async::start(self.0.session(), VDS_ASYNCOUT_ADDLUNPLEX, |client| async move {
            client.add_plex(&name, &body).await
        })
    }

    fn remove_plex(&self, plex: GUID) -> Answer<ComPtr<IVdsAsync>> {
        let plex = plex.to_string();
        if self.view()?.plexes.iter().all(|of| of.id != plex) {
            return Err(VDS_E_OBJECT_NOT_FOUND);
        }
        Async::start(self.0.session(), VDS_ASYNCOUT_REMOVELUNPLEX, |client| async move {
            client.remove_plex(&plex).await
        })
    }

    fn recover(&self) -> Answer<ComPtr<IVdsAsync>> {
        let name = self.0.name();
        self.view()?;
        Async::start(self.0.session(), VDS_ASYNCOUT_RECOVERLUN, |client| async move {
            client.recover_lun(&name).await
        })
    }

    fn change(&self, change: ChangeLun) -> Answer<()> {
        self.0.work(|client, name| async move { client.change_lun(&name, &change).await })
    }

    fn set_mask(&self, list: Wide<'_>) -> Answer<()> {
        self.change(ChangeLun { unmasking_list: Some(string(list)?), ..ChangeLun::default() })
    }

    fn set_name(&self, name: Wide<'_>) -> Answer<()> {
        self.change(ChangeLun { name: Some(string(name)?), ..ChangeLun::default() })
    }

    /// An array numbers its LUNs or does not.
    fn number(&self) -> Answer<u32> {
        self.view()?.number.ok_or(VDS_E_NOT_SUPPORTED)
    }

    /// A LUN is behind one target at most.
    fn associate(&self, targets: Option<&[GUID]>) -> Answer<()> {
        let name = self.0.name();
        self.view()?;
        let target = match targets.unwrap_or_default() {
            [] => TargetChoice::None,
            [one, more @ ..] if more.iter().all(|other| other == one) => {
                TargetChoice::Existing(one.to_string())
            }
            _ => return Err(VDS_E_NOT_SUPPORTED),
        };
        let change = ChangeLun { target: Some(target), ..ChangeLun::default() };
        self.0.session().work(|client| async move { client.change_lun(&name, &change).await })
    }

    fn set_hints(&self, texts: Answer<Vec<String>>) -> Answer<()> {
        self.change(ChangeLun { hints: Some(texts?), ..ChangeLun::default() })
    }

    fn set_status(&self, status: VDS_LUN_STATUS) -> Answer<()> {
        let status = match LunStatus::from_number(status.0) {
            LunStatus::Online | LunStatus::Offline => LunStatus::from_number(status.0).label(),
            LunStatus::Unknown | LunStatus::Unrecognized(_) => return Err(E_INVALIDARG),
            _ => return Err(VDS_E_NOT_SUPPORTED),
        };
        self.change(ChangeLun { status: Some(status.to_owned()), ..ChangeLun::default() })
    }
}

impl IVdsLunImpl for Lun {
    fn GetProperties(&self, properties: &mut VDS_LUN_PROP) -> HRESULT {
        give(properties, self.properties())
    }

    fn GetSubSystem(&self, subsystem: &mut Option<ComPtr<IVdsSubSystem>>) -> HRESULT {
        hand_out(subsystem, self.subsystem())
    }

    fn GetIdentificationData(&self, information: &mut VDS_LUN_INFORMATION) -> HRESULT {
        give(information, self.view().and_then(|view| identification::of(&view)))
    }

    fn QueryActiveControllers(&self, found: &mut Option<ComPtr<IEnumVdsObject>>) -> HRESULT {
        hand_out(found, self.enumerate_controllers())
    }

    fn Extend(
        &self,
        bytes: u64,
        drives: Option<&[GUID]>,
        operation: &mut Option<ComPtr<IVdsAsync>>,
    ) -> HRESULT {
        hand_out(operation, self.extend(bytes, drives))
    }

    fn QueryMaxLunExtendSize(&self, drives: Option<&[GUID]>, bytes: &mut u64) -> HRESULT {
        give(bytes, self.max_extension(drives))
    }

    fn QueryPlexes(&self, found: &mut Option<ComPtr<IEnumVdsObject>>) -> HRESULT {
        hand_out(found, self.plexes())
    }

    fn AddPlex(&self, lun: GUID, operation: &mut Option<ComPtr<IVdsAsync>>) -> HRESULT {
        hand_out(operation, self.add_plex(lun))
    }

    fn RemovePlex(&self, plex: GUID, operation: &mut Option<ComPtr<IVdsAsync>>) -> HRESULT {
        hand_out(operation, self.remove_plex(plex))
    }

    fn Recover(&self, operation: &mut Option<ComPtr<IVdsAsync>>) -> HRESULT {
        hand_out(operation, self.recover())
    }

    fn SetMask(&self, list: Wide<'_>) -> HRESULT {
        done(self.set_mask(list))
    }

    fn Delete(&self) -> HRESULT {
        done(self.0.work(|client, name| async move {
            client.delete_lun(&name, DeleteLun { force: false }).await
        }))
    }

    fn QueryHints(&self, place: &mut VDS_HINTS) -> HRESULT {
        give(place, self.view().and_then(|view| hints::hints(&view.hints)))
    }

    fn ApplyHints(&self, wish: &VDS_HINTS) -> HRESULT {
        done(self.set_hints(hints::texts(wish)))
    }

    fn SetStatus(&self, status: VDS_LUN_STATUS) -> HRESULT {
        if status == VDS_LS_UNKNOWN {
            return E_INVALIDARG;
        }
        done(self.set_status(status))
    }
}

impl IVdsLun2Impl for Lun {
    fn QueryHints2(&self, place: &mut VDS_HINTS2) -> HRESULT {
        give(place, self.view().and_then(|view| hints::hints2(&view.hints)))
    }

    fn ApplyHints2(&self, wish: &VDS_HINTS2) -> HRESULT {
        done(self.set_hints(hints::texts2(wish)))
    }
}

impl IVdsLunNamingImpl for Lun {
    fn SetFriendlyName(&self, name: Wide<'_>) -> HRESULT {
        done(self.set_name(name))
    }
}

impl IVdsLunControllerPortsImpl for Lun {
    fn QueryActiveControllerPorts(&self, found: &mut Option<ComPtr<IEnumVdsObject>>) -> HRESULT {
        hand_out(found, self.enumerate_ports())
    }
}

impl IVdsLunNumberImpl for Lun {
    fn GetLunNumber(&self, number: &mut u32) -> HRESULT {
        give(number, self.number())
    }
}

impl IVdsLunIscsiImpl for Lun {
    fn AssociateTargets(&self, targets: Option<&[GUID]>) -> HRESULT {
        done(self.associate(targets))
    }

    fn QueryAssociatedTargets(&self, found: &mut Option<ComPtr<IEnumVdsObject>>) -> HRESULT {
        hand_out(found, self.targets())
    }
}
