//! The provider itself: how it is loaded, who it is, what it has.

use vds_com::abi::{
    IVdsHwProvider, IVdsProvider, IVdsProviderPrivate, VDS_PROVIDER_PROP, VDS_PT_HARDWARE,
};
use vds_com::com::{ComPtr, IUnknown, Plain as _};
use vds_model::{HResult, ProviderId};
use vds_plugin::Maker;

use super::memory::taken;
use super::{Fault, SubSystem, ask, interface, list};

/// A loaded hardware provider.
#[derive(Clone, Debug)]
pub(crate) struct Provider {
    private: ComPtr<IVdsProviderPrivate>,
    hardware: ComPtr<IVdsHwProvider>,
    maker: Maker,
}

impl Provider {
    /// Loads a provider that was just made: `callback` answers for `IVdsAdviseSink`.
    ///
    /// # Errors
    /// It is no hardware provider, or refuses.
    pub(crate) fn load(
        provider: &ComPtr<IVdsProvider>,
        callback: &ComPtr<IUnknown>,
    ) -> Result<Self, Fault> {
        let private: ComPtr<IVdsProviderPrivate> =
            interface(provider, "the provider, asked for IVdsProviderPrivate,")?;
        let hardware: ComPtr<IVdsHwProvider> =
            interface(provider, "the provider, asked for IVdsHwProvider,")?;
        // Of a provider that refuses, nothing is used; it is released without OnUnload.
        let machine = std::ptr::null_mut();
        ask!(private, IVdsProviderPrivate::OnLoad, machine, callback.as_raw())?;
        let maker = maker(provider)?;
        Ok(Self { private, hardware, maker })
    }

    /// Who it is.
    pub(crate) fn maker(&self) -> &Maker {
        &self.maker
    }

    /// Its subsystems.
    pub(crate) fn subsystems(&self) -> Result<Vec<SubSystem>, Fault> {
        let call = "IVdsHwProvider::QuerySubSystems";
        let found =
            list(call, |place| ask!(self.hardware, IVdsHwProvider::QuerySubSystems, place))?;
        found.iter().map(SubSystem::of).collect()
    }

    /// Has it look for subsystems.
    pub(crate) fn reenumerate(&self) -> Result<HResult, Fault> {
        ask!(self.hardware, IVdsHwProvider::Reenumerate)
    }

    /// Has it read everything again.
    pub(crate) fn refresh(&self) -> Result<HResult, Fault> {
        ask!(self.hardware, IVdsHwProvider::Refresh)
    }

    /// The last call before it is released.
    pub(crate) fn unload(&self) -> Result<HResult, Fault> {
        ask!(self.private, IVdsProviderPrivate::OnUnload, 1)
    }
}

fn maker(provider: &ComPtr<IVdsProvider>) -> Result<Maker, Fault> {
    let call = "IVdsProvider::GetProperties";
    let mut found = VDS_PROVIDER_PROP::zeroed();
    ask!(provider, IVdsProvider::GetProperties, &raw mut found)?;
    // SAFETY: the call succeeded: its texts are NULL or ours.
    let (name, version) = unsafe { (taken(found.pwszName), taken(found.pwszVersion)) };
    let id = ProviderId::from_bytes(found.id.to_bytes());
    if id.is_nil() || found.r#type != VDS_PT_HARDWARE {
        return Err(Fault { call, result: HResult::VDS_E_BAD_PROVIDER_DATA });
    }
    Ok(Maker { id, name: name.unwrap_or_default(), version: version.unwrap_or_default() })
}
