//! Subsystems: arrays.

use serde::de::DeserializeOwned;
use vds_api::{ChangeSubsystem, CreateTarget, SubsystemFilter, path};
use vds_client::Client;

use super::answer::{Answer, done, give, hand_out};
use super::asynchronous::Async;
use super::controller::Controller;
use super::drive::Drive;
use super::lun::Lun;
use super::new_lun::{Home, Wish};
use super::portal::Portal;
use super::provider::Provider;
use super::session::{Kind, Named, Place, string};
use super::target::Target;
use super::{hints, labels};
use crate::abi::{
    E_INVALIDARG, IEnumVdsObject, IVdsAsync, IVdsDrive, IVdsProvider, IVdsSubSystem,
    IVdsSubSystem2, IVdsSubSystem2Impl, IVdsSubSystemImpl, IVdsSubSystemImportTarget,
    IVdsSubSystemImportTargetImpl, IVdsSubSystemInterconnect, IVdsSubSystemInterconnectImpl,
    IVdsSubSystemIscsi, IVdsSubSystemIscsiImpl, IVdsSubSystemNaming, IVdsSubSystemNamingImpl, S_OK,
    VDS_ASYNCOUT_CREATETARGET, VDS_E_NO_IMPORT_TARGET, VDS_E_NOT_SUPPORTED, VDS_E_OBJECT_NOT_FOUND,
    VDS_HINTS, VDS_HINTS2, VDS_ITF_ISCSI, VDS_LUN_TYPE, VDS_SSS_UNKNOWN, VDS_SUB_SYSTEM_PROP,
    VDS_SUB_SYSTEM_PROP2, VDS_SUB_SYSTEM_STATUS,
};
use crate::com::{Class, ComPtr, Face, GUID, HRESULT, LPWSTR, Wide, text};

/// A subsystem.
pub(super) struct Subsystem(Place);

impl Named for Subsystem {
    const KIND: Kind = Kind::Subsystem;

    fn at(place: Place) -> Self {
        Self(place)
    }
}

impl Class for Subsystem {
    const FACES: &'static [Face] = &[
        IVdsSubSystem::face::<Self>(),
        IVdsSubSystem2::face::<Self>(),
        IVdsSubSystemInterconnect::face::<Self>(),
        IVdsSubSystemIscsi::face::<Self>(),
        IVdsSubSystemImportTarget::face::<Self>(),
        IVdsSubSystemNaming::face::<Self>(),
    ];
}

impl Subsystem {
    fn view(&self) -> Answer<vds_api::Subsystem> {
        self.0.ask(|client, name| async move { client.subsystem(&name).await })
    }

    fn properties2(&self) -> Answer<VDS_SUB_SYSTEM_PROP2> {
        let view = self.view()?;
        Ok(VDS_SUB_SYSTEM_PROP2 {
            id: self.0.id(),
            pwszFriendlyName: text(&view.name),
            pwszIdentification: text(&view.identification),
            ulFlags: labels::subsystem_flags(&view.flags),
            ulStripeSizeFlags: labels::stripe_sizes(&view.stripe_sizes_bytes),
            ulSupportedRaidTypeFlags: labels::raid_types(&view.raid_types),
            status: labels::subsystem_status(&view.status),
            health: labels::health(&view.health),
            sNumberOfInternalBuses: labels::short(view.internal_buses),
            sMaxNumberOfSlotsEachBus: labels::short(view.slots_per_bus),
            sMaxNumberOfControllers: labels::short(view.controllers_max),
            sRebuildPriority: labels::short(view.rebuild_priority),
            ulNumberOfEnclosures: view.enclosures.unwrap_or(0),
        })
    }

    fn properties(&self) -> Answer<VDS_SUB_SYSTEM_PROP> {
        let of = self.properties2()?;
        Ok(VDS_SUB_SYSTEM_PROP {
            id: of.id,
            pwszFriendlyName: of.pwszFriendlyName,
            pwszIdentification: of.pwszIdentification,
            ulFlags: of.ulFlags,
            ulStripeSizeFlags: of.ulStripeSizeFlags,
            status: of.status,
            health: of.health,
            sNumberOfInternalBuses: of.sNumberOfInternalBuses,
            sMaxNumberOfSlotsEachBus: of.sMaxNumberOfSlotsEachBus,
            sMaxNumberOfControllers: of.sMaxNumberOfControllers,
            sRebuildPriority: of.sRebuildPriority,
        })
    }

    fn set_name(&self, name: Wide<'_>) -> Answer<()> {
        let body = ChangeSubsystem { name: string(name)? };
        self.0.work(|client, name| async move { client.change_subsystem(&name, &body).await })
    }

    /// What belongs to it, of one of the service's lists.
    fn all<T: DeserializeOwned + Send + 'static>(&self, list: &'static str) -> Answer<Vec<T>> {
        self.0.ask(|client, name| async move {
            let filter = SubsystemFilter { subsystem: Some(name), ..SubsystemFilter::default() };
            client.list(list, &filter).await
        })
    }

    fn list<T: Named>(
        &self,
        ids: impl IntoIterator<Item = String>,
    ) -> Answer<ComPtr<IEnumVdsObject>> {
        let ids: Vec<String> = ids.into_iter().collect();
        self.0.session().list::<T>(ids.iter().map(String::as_str))
    }

    fn drive_at(&self, bus: i16, slot: i16, enclosure: Option<u32>) -> Answer<ComPtr<IVdsDrive>> {
        let drives: Vec<vds_api::Drive> = self.all(path::DRIVES)?;
        let is_it = |drive: &&vds_api::Drive| {
            u16::try_from(bus) == Ok(drive.bus_number)
                && u16::try_from(slot) == Ok(drive.slot_number)
                && enclosure.is_none_or(|wanted| drive.enclosure_number.unwrap_or(0) == wanted)
        };
        let found = drives.iter().find(is_it).ok_or(VDS_E_OBJECT_NOT_FOUND)?;
        self.0.session().interface::<Drive, _>(&found.id)
    }

    fn create_lun(
        &self,
        wish: Answer<Wish>,
        size_bytes: u64,
        unmasking_list: Wide<'_>,
    ) -> Answer<ComPtr<IVdsAsync>> {
        let wish = wish?;
        self.view()?;
        wish.create(self.0.session(), self.home(), size_bytes, unmasking_list)
    }

    fn max_size(&self, wish: Answer<Wish>) -> Answer<u64> {
        let wish = wish?;
        self.view()?;
        wish.max_size(self.0.session(), self.home())
    }

    fn home(&self) -> Home {
        Home::Subsystem(self.0.name())
    }

    fn create_target(
        &self,
        iscsi_name: Option<Wide<'_>>,
        name: Wide<'_>,
    ) -> Answer<ComPtr<IVdsAsync>> {
        let body = CreateTarget {
            subsystem: Some(self.0.name()),
            iscsi_name: iscsi_name.map(string).transpose()?.unwrap_or_default(),
            name: string(name)?,
        };
        self.view()?;
        Async::start(self.0.session(), VDS_ASYNCOUT_CREATETARGET, |client| async move {
            client.create_target(&body).await
        })
    }

    fn provider(&self) -> Answer<ComPtr<IVdsProvider>> {
        let view = self.view()?;
        self.0.session().interface::<Provider, _>(&view.provider)
    }
}

impl IVdsSubSystemImpl for Subsystem {
    fn GetProperties(&self, properties: &mut VDS_SUB_SYSTEM_PROP) -> HRESULT {
        give(properties, self.properties())
    }

    fn GetProvider(&self, provider: &mut Option<ComPtr<IVdsProvider>>) -> HRESULT {
        hand_out(provider, self.provider())
    }

    fn QueryControllers(&self, found: &mut Option<ComPtr<IEnumVdsObject>>) -> HRESULT {
        let all = self.all::<vds_api::Controller>(path::CONTROLLERS);
        hand_out(
            found,
            all.and_then(|all| self.list::<Controller>(all.into_iter().map(|of| of.id))),
        )
    }

    fn QueryLuns(&self, found: &mut Option<ComPtr<IEnumVdsObject>>) -> HRESULT {
        let all = self.all::<vds_api::Lun>(path::LUNS);
        hand_out(found, all.and_then(|all| self.list::<Lun>(all.into_iter().map(|of| of.id))))
    }

    fn QueryDrives(&self, found: &mut Option<ComPtr<IEnumVdsObject>>) -> HRESULT {
        let all = self.all::<vds_api::Drive>(path::DRIVES);
        hand_out(found, all.and_then(|all| self.list::<Drive>(all.into_iter().map(|of| of.id))))
    }

    fn GetDrive(&self, bus: i16, slot: i16, drive: &mut Option<ComPtr<IVdsDrive>>) -> HRESULT {
        hand_out(drive, self.drive_at(bus, slot, None))
    }

    fn Reenumerate(&self) -> HRESULT {
        done(self.view().and_then(|view| {
            let start = |client: Client| async move { client.reenumerate(&view.provider).await };
            self.0.session().work(start)
        }))
    }

    fn CreateLun(
        &self,
        lun_type: VDS_LUN_TYPE,
        bytes: u64,
        drives: Option<&[GUID]>,
        unmasking_list: Wide<'_>,
        hints: Option<&VDS_HINTS>,
        operation: &mut Option<ComPtr<IVdsAsync>>,
    ) -> HRESULT {
        let wish = Wish::new(lun_type, drives, hints.map(hints::texts));
        hand_out(operation, self.create_lun(wish, bytes, unmasking_list))
    }

    fn SetStatus(&self, status: VDS_SUB_SYSTEM_STATUS) -> HRESULT {
        if status == VDS_SSS_UNKNOWN { E_INVALIDARG } else { VDS_E_NOT_SUPPORTED }
    }

    fn QueryMaxLunCreateSize(
        &self,
        lun_type: VDS_LUN_TYPE,
        drives: Option<&[GUID]>,
        hints: Option<&VDS_HINTS>,
        bytes: &mut u64,
    ) -> HRESULT {
        give(bytes, self.max_size(Wish::new(lun_type, drives, hints.map(hints::texts))))
    }
}

impl IVdsSubSystem2Impl for Subsystem {
    fn GetProperties2(&self, properties: &mut VDS_SUB_SYSTEM_PROP2) -> HRESULT {
        give(properties, self.properties2())
    }

    fn GetDrive2(
        &self,
        bus: i16,
        slot: i16,
        enclosure: u32,
        drive: &mut Option<ComPtr<IVdsDrive>>,
    ) -> HRESULT {
        hand_out(drive, self.drive_at(bus, slot, Some(enclosure)))
    }

    fn CreateLun2(
        &self,
        lun_type: VDS_LUN_TYPE,
        bytes: u64,
        drives: Option<&[GUID]>,
        unmasking_list: Wide<'_>,
        hints: Option<&VDS_HINTS2>,
        operation: &mut Option<ComPtr<IVdsAsync>>,
    ) -> HRESULT {
        let wish = Wish::new(lun_type, drives, hints.map(hints::texts2));
        hand_out(operation, self.create_lun(wish, bytes, unmasking_list))
    }

    fn QueryMaxLunCreateSize2(
        &self,
        lun_type: VDS_LUN_TYPE,
        drives: Option<&[GUID]>,
        hints: Option<&VDS_HINTS2>,
        bytes: &mut u64,
    ) -> HRESULT {
        give(bytes, self.max_size(Wish::new(lun_type, drives, hints.map(hints::texts2))))
    }
}

impl IVdsSubSystemInterconnectImpl for Subsystem {
    fn GetSupportedInterconnects(&self, interconnects: &mut u32) -> HRESULT {
        *interconnects = VDS_ITF_ISCSI.0;
        S_OK
    }
}

impl IVdsSubSystemIscsiImpl for Subsystem {
    fn QueryTargets(&self, found: &mut Option<ComPtr<IEnumVdsObject>>) -> HRESULT {
        let all = self.all::<vds_api::Target>(path::TARGETS);
        hand_out(found, all.and_then(|all| self.list::<Target>(all.into_iter().map(|of| of.id))))
    }

    fn QueryPortals(&self, found: &mut Option<ComPtr<IEnumVdsObject>>) -> HRESULT {
        let all = self.all::<vds_api::Portal>(path::PORTALS);
        hand_out(found, all.and_then(|all| self.list::<Portal>(all.into_iter().map(|of| of.id))))
    }

    fn CreateTarget(
        &self,
        iscsi_name: Option<Wide<'_>>,
        name: Wide<'_>,
        operation: &mut Option<ComPtr<IVdsAsync>>,
    ) -> HRESULT {
        hand_out(operation, self.create_target(iscsi_name, name))
    }
}

// Shadow copies are not imported here: no target is ever set aside for that.
impl IVdsSubSystemImportTargetImpl for Subsystem {
    fn GetImportTarget(&self, _name: &mut LPWSTR) -> HRESULT {
        done(self.view().and(Err(VDS_E_NO_IMPORT_TARGET)))
    }
}

impl IVdsSubSystemNamingImpl for Subsystem {
    fn SetFriendlyName(&self, name: Wide<'_>) -> HRESULT {
        done(self.set_name(name))
    }
}
