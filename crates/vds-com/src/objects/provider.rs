//! Providers of hardware.

use super::answer::{Answer, done, give, hand_out};
use super::new_lun::{Home, Wish};
use super::pool::Pool;
use super::pool_attributes::Template;
use super::session::{Kind, Named, Place, guid};
use super::subsystem::Subsystem;
use super::{hints, labels};
use crate::abi::{
    E_INVALIDARG, IEnumVdsObject, IVdsAsync, IVdsHwProvider, IVdsHwProviderImpl,
    IVdsHwProviderStoragePools, IVdsHwProviderStoragePoolsImpl, IVdsHwProviderType,
    IVdsHwProviderType2, IVdsHwProviderType2Impl, IVdsHwProviderTypeImpl, IVdsProvider,
    IVdsProviderImpl, IVdsProviderSupport, IVdsProviderSupportImpl, S_OK, VDS_E_OBJECT_NOT_FOUND,
    VDS_HINTS2, VDS_HWPROVIDER_TYPE, VDS_HWT_ISCSI, VDS_LUN_TYPE, VDS_POOL_ATTRIBUTES,
    VDS_PROVIDER_PROP, VDS_SPT_CONCRETE, VDS_SPT_PRIMORDIAL, VDS_VSF_1_0, VDS_VSF_1_1, VDS_VSF_3_0,
};
use crate::com::{Class, ComPtr, Face, GUID, HRESULT, Wide, text};

/// A provider.
pub(super) struct Provider(Place);

impl Named for Provider {
    const KIND: Kind = Kind::Provider;

    fn at(place: Place) -> Self {
        Self(place)
    }
}

impl Class for Provider {
    const FACES: &'static [Face] = &[
        IVdsProvider::face::<Self>(),
        IVdsProviderSupport::face::<Self>(),
        IVdsHwProvider::face::<Self>(),
        IVdsHwProviderType::face::<Self>(),
        IVdsHwProviderType2::face::<Self>(),
        IVdsHwProviderStoragePools::face::<Self>(),
    ];
}

impl Provider {
    fn view(&self) -> Answer<vds_api::Provider> {
        self.0.ask(|client, name| async move { client.provider(&name).await })
    }

    fn properties(&self) -> Answer<VDS_PROVIDER_PROP> {
        let view = self.view()?;
        Ok(VDS_PROVIDER_PROP {
            id: self.0.id(),
            guidVersionId: guid(&view.version_id)?,
            r#type: labels::provider_type(&view.provider_type),
            ulFlags: labels::provider_flags(&view.flags),
            ulStripeSizeFlags: labels::stripe_sizes(&view.stripe_sizes_bytes),
            sRebuildPriority: labels::short(view.rebuild_priority),
            pwszName: text(&view.name),
            pwszVersion: text(&view.version),
        })
    }

    fn subsystems(&self) -> Answer<ComPtr<IEnumVdsObject>> {
        self.view()?;
        let all = self.0.session().ask(|client| async move { client.subsystems().await })?;
        let name = self.0.name();
        let ours = all.iter().filter(|subsystem| subsystem.provider == name);
        self.0.session().list::<Subsystem>(ours.map(|subsystem| subsystem.id.as_str()))
    }

    /// Pools of these types, any for 0, with at least so much free, as a template asks.
    fn pools(
        &self,
        types: u32,
        free_bytes: u64,
        template: Option<&VDS_POOL_ATTRIBUTES>,
    ) -> Answer<ComPtr<IEnumVdsObject>> {
        if types & !(VDS_SPT_PRIMORDIAL.0 | VDS_SPT_CONCRETE.0) != 0 {
            return Err(E_INVALIDARG);
        }
        let template = template.map(Template::new).transpose()?;
        self.view()?;
        let all = self.0.session().ask(|client| async move { client.pools().await })?;
        let name = self.0.name();
        let is_wanted = |pool: &&vds_api::Pool| {
            let pool_type = labels::pool_type(&pool.pool_type).0;
            pool.provider == name
                && (types == 0 || types & pool_type != 0)
                && pool.free_bytes >= free_bytes
                && template.as_ref().is_none_or(|template| template.fits(&pool.attributes))
        };
        let wanted = all.iter().filter(is_wanted);
        self.0.session().list::<Pool>(wanted.map(|pool| pool.id.as_str()))
    }

    /// One of its pools, for a LUN.
    fn home(&self, pool: GUID) -> Answer<Home> {
        if pool == GUID::NULL {
            return Err(E_INVALIDARG);
        }
        self.view()?;
        let name = pool.to_string();
        let pool = self.0.session().ask(|client| async move { client.pool(&name).await })?;
        if pool.provider != self.0.name() {
            return Err(VDS_E_OBJECT_NOT_FOUND);
        }
        Ok(Home::Pool(pool.id))
    }
}

impl IVdsProviderImpl for Provider {
    fn GetProperties(&self, properties: &mut VDS_PROVIDER_PROP) -> HRESULT {
        give(properties, self.properties())
    }
}

impl IVdsProviderSupportImpl for Provider {
    fn GetVersionSupport(&self, versions: &mut u32) -> HRESULT {
        *versions = VDS_VSF_1_0.0 | VDS_VSF_1_1.0 | VDS_VSF_3_0.0;
        S_OK
    }
}

impl IVdsHwProviderImpl for Provider {
    fn QuerySubSystems(&self, found: &mut Option<ComPtr<IEnumVdsObject>>) -> HRESULT {
        hand_out(found, self.subsystems())
    }

    fn Reenumerate(&self) -> HRESULT {
        done(self.0.work(|client, name| async move { client.reenumerate(&name).await }))
    }

    fn Refresh(&self) -> HRESULT {
        done(self.0.work(|client, name| async move { client.refresh(&name).await }))
    }
}

// Whatever provider a LUN is of, hosts reach it through the service's own iSCSI target.
impl IVdsHwProviderTypeImpl for Provider {
    fn GetProviderType(&self, provider_type: &mut VDS_HWPROVIDER_TYPE) -> HRESULT {
        *provider_type = VDS_HWT_ISCSI;
        S_OK
    }
}

impl IVdsHwProviderType2Impl for Provider {
    fn GetProviderType2(&self, provider_type: &mut VDS_HWPROVIDER_TYPE) -> HRESULT {
        *provider_type = VDS_HWT_ISCSI;
        S_OK
    }
}

impl IVdsHwProviderStoragePoolsImpl for Provider {
    fn QueryStoragePools(
        &self,
        types: u32,
        free_bytes: u64,
        template: Option<&VDS_POOL_ATTRIBUTES>,
        found: &mut Option<ComPtr<IEnumVdsObject>>,
    ) -> HRESULT {
        hand_out(found, self.pools(types, free_bytes, template))
    }

    fn CreateLunInStoragePool(
        &self,
        lun_type: VDS_LUN_TYPE,
        bytes: u64,
        pool: GUID,
        unmasking_list: Wide<'_>,
        hints: Option<&VDS_HINTS2>,
        operation: &mut Option<ComPtr<IVdsAsync>>,
    ) -> HRESULT {
        let wish = Wish::new(lun_type, None, hints.map(hints::texts2));
        let started = wish.and_then(|wish| {
            wish.create(self.0.session(), self.home(pool)?, bytes, unmasking_list)
        });
        hand_out(operation, started)
    }

    fn QueryMaxLunCreateSizeInStoragePool(
        &self,
        lun_type: VDS_LUN_TYPE,
        pool: GUID,
        hints: Option<&VDS_HINTS2>,
        bytes: &mut u64,
    ) -> HRESULT {
        let wish = Wish::new(lun_type, None, hints.map(hints::texts2));
        let size = wish.and_then(|wish| wish.max_size(self.0.session(), self.home(pool)?));
        give(bytes, size)
    }
}
