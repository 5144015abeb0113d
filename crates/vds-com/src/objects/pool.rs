//! Storage pools.

use super::answer::{Answer, give, hand_out};
use super::drive::hand_out_extents;
use super::enumeration::Enumeration;
use super::lun::Lun;
use super::provider::Provider;
use super::session::{Kind, Named, Place, guid};
use super::{labels, pool_attributes};
use crate::abi::{
    IEnumVdsObject, IVdsProvider, IVdsStoragePool, IVdsStoragePoolImpl, VDS_E_NOT_SUPPORTED,
    VDS_POOL_ATTRIBUTES, VDS_STORAGE_POOL_DRIVE_EXTENT, VDS_STORAGE_POOL_PROP,
};
use crate::com::{BOOL, Class, ComPtr, Face, HRESULT, text};

/// A pool.
pub(super) struct Pool(Place);

impl Named for Pool {
    const KIND: Kind = Kind::Pool;

    fn at(place: Place) -> Self {
        Self(place)
    }
}

impl Class for Pool {
    const FACES: &'static [Face] = &[IVdsStoragePool::face::<Self>()];
}

impl Pool {
    fn view(&self) -> Answer<vds_api::Pool> {
        self.0.ask(|client, name| async move { client.pool(&name).await })
    }

    fn provider(&self) -> Answer<ComPtr<IVdsProvider>> {
        let view = self.view()?;
        self.0.session().interface::<Provider, _>(&view.provider)
    }

    fn properties(&self) -> Answer<VDS_STORAGE_POOL_PROP> {
        let view = self.view()?;
        Ok(VDS_STORAGE_POOL_PROP {
            id: self.0.id(),
            status: labels::pool_status(&view.status),
            health: labels::health(&view.health),
            r#type: labels::pool_type(&view.pool_type),
            pwszName: text(&view.name),
            pwszDescription: text(&view.description),
            ullTotalConsumedSpace: view.consumed_bytes,
            ullTotalManagedSpace: view.managed_bytes,
            ullRemainingFreeSpace: view.free_bytes,
        })
    }

    fn attributes(&self) -> Answer<VDS_POOL_ATTRIBUTES> {
        Ok(pool_attributes::structure(&self.view()?.attributes))
    }

    fn extents(&self) -> Answer<Vec<VDS_STORAGE_POOL_DRIVE_EXTENT>> {
        let extent = |of: &vds_api::PoolDrive| {
            Ok(VDS_STORAGE_POOL_DRIVE_EXTENT {
                id: guid(&of.drive)?,
                ullSize: of.size_bytes,
                bUsed: BOOL::from(of.is_used),
            })
        };
        self.view()?.drives.iter().map(extent).collect()
    }

    /// The LUNs of it; not supported where the service does not know what comes of which pool.
    fn luns(&self) -> Answer<Vec<String>> {
        self.view()?.luns.ok_or(VDS_E_NOT_SUPPORTED)
    }

    fn enumerate_luns(&self) -> Answer<ComPtr<IEnumVdsObject>> {
        let luns = self.luns()?;
        self.0.session().list::<Lun>(luns.iter().map(String::as_str))
    }

    /// Of a pool that is the only one of its array no other is made.
    fn pools(&self) -> Answer<ComPtr<IEnumVdsObject>> {
        self.luns()?;
        Enumeration::of(Vec::new())
    }
}

impl IVdsStoragePoolImpl for Pool {
    fn GetProvider(&self, provider: &mut Option<ComPtr<IVdsProvider>>) -> HRESULT {
        hand_out(provider, self.provider())
    }

    fn GetProperties(&self, properties: &mut VDS_STORAGE_POOL_PROP) -> HRESULT {
        give(properties, self.properties())
    }

    fn GetAttributes(&self, attributes: &mut VDS_POOL_ATTRIBUTES) -> HRESULT {
        give(attributes, self.attributes())
    }

    fn QueryDriveExtents(
        &self,
        extents: &mut *mut VDS_STORAGE_POOL_DRIVE_EXTENT,
        count: &mut i32,
    ) -> HRESULT {
        hand_out_extents(self.extents(), extents, count)
    }

    fn QueryAllocatedLuns(&self, found: &mut Option<ComPtr<IEnumVdsObject>>) -> HRESULT {
        hand_out(found, self.enumerate_luns())
    }

    fn QueryAllocatedStoragePools(&self, found: &mut Option<ComPtr<IEnumVdsObject>>) -> HRESULT {
        hand_out(found, self.pools())
    }
}
