//! The loader: the way to the service.

use super::answer::{self, Answer};
use super::service::Service;
use super::session::{Session, shown};
use crate::abi::{E_INVALIDARG, IVdsService, IVdsServiceLoader, IVdsServiceLoaderImpl};
use crate::com::{Class, ComPtr, Face, GUID, HRESULT, Wide};

/// `CLSID_VdsLoader`.
pub(crate) struct Loader;

impl Class for Loader {
    const FACES: &'static [Face] = &[IVdsServiceLoader::face::<Self>()];
}

impl IVdsServiceLoaderImpl for Loader {
    fn LoadService(
        &self,
        machine: Option<Wide<'_>>,
        service: &mut Option<ComPtr<IVdsService>>,
    ) -> HRESULT {
        answer::hand_out(service, load(machine))
    }
}

fn load(machine: Option<Wide<'_>>) -> Answer<ComPtr<IVdsService>> {
    check_machine(machine)?;
    let session = Session::local()?;
    check_service(&session)?;
    shown(&session.object::<Service>(GUID::NULL))
}

/// Only this machine is served; its name is left out.
pub(super) fn check_machine(machine: Option<Wide<'_>>) -> Answer<()> {
    match machine {
        Some(name) if !name.is_empty() => Err(E_INVALIDARG),
        _ => Ok(()),
    }
}

/// Whether somebody answers; he may still be starting.
pub(super) fn check_service(session: &Session) -> Answer<()> {
    session.ask(|client| async move { client.status().await }).map(drop)
}
