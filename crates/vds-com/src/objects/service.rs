//! The service itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vds_api::{Provider as ProviderView, Readiness, ReadyState};
use vds_client::{Client, ClientError, Pending};
use vds_model::{HResult, ObjectType, ProviderType, QueryProviders};

use super::answer::{self, Answer, done, give, hand_out};
use super::asynchronous::wait_limit;
use super::controller::{self, Controller};
use super::drive::Drive;
use super::loader::{check_machine, check_service};
use super::lun::Lun;
use super::plex::Plex;
use super::pool::Pool;
use super::port::{self, Port};
use super::portal::Portal;
use super::portal_group::{self, PortalGroup};
use super::provider::Provider;
use super::session::{Kind, Named, Place, Session};
use super::sinks::Sinks;
use super::subsystem::Subsystem;
use super::target::Target;
use crate::abi::{
    E_INVALIDARG, IEnumVdsObject, IVdsAdviseSink, IVdsService, IVdsServiceImpl,
    IVdsServiceInitialization, IVdsServiceInitializationImpl, IVdsServiceSAN, IVdsServiceSANImpl,
    IVdsServiceUninstallDisk, IVdsServiceUninstallDiskImpl, S_FALSE, S_OK,
    VDS_E_INITIALIZED_FAILED, VDS_E_NOT_SUPPORTED, VDS_E_OBJECT_NOT_FOUND, VDS_E_TIMEOUT,
    VDS_OBJECT_TYPE, VDS_SERVICE_PROP,
};
use crate::com::{Class, ComPtr, Face, GUID, HRESULT, IUnknown, Wide, text};

/// The service, one for each session.
pub(crate) struct Service {
    place: Place,
    sinks: Sinks,
    /// Whether it was starting when it was last asked, or had failed to.
    was_starting: AtomicBool,
}

impl Named for Service {
    const KIND: Kind = Kind::Service;

    fn at(place: Place) -> Self {
        Self { place, sinks: Sinks::default(), was_starting: AtomicBool::new(false) }
    }
}

impl Class for Service {
    const FACES: &'static [Face] = &[
        IVdsService::face::<Self>(),
        IVdsServiceInitialization::face::<Self>(),
        IVdsServiceUninstallDisk::face::<Self>(),
        IVdsServiceSAN::face::<Self>(),
    ];
}

// Disks of the host are the operating system's here: the methods answer that they are not supported.
impl IVdsServiceUninstallDiskImpl for Service {}
impl IVdsServiceSANImpl for Service {}

impl IVdsServiceInitializationImpl for Service {
    fn Initialize(&self, machine: Option<Wide<'_>>) -> HRESULT {
        done(check_machine(machine).and_then(|()| check_service(self.session())))
    }
}

impl Service {
    fn session(&self) -> &Session {
        self.place.session()
    }

    fn is_ready(&self) -> Answer<bool> {
        self.told(self.session().ask(|client| async move { client.ready(Duration::ZERO).await }))
    }

    fn wait_ready(&self) -> Answer<()> {
        let limit = wait_limit();
        let told = self.session().ask(|client| async move {
            let ready = client.wait_ready();
            match limit {
                None => ready.await.map(Some),
                Some(limit) => tokio::time::timeout(limit, ready).await.ok().transpose(),
            }
        });
        match told.transpose() {
            Some(told) => self.told(told).map(drop),
            None => Err(VDS_E_TIMEOUT),
        }
    }

    /// Whether it is ready; an error when it will not be. A service that was starting and is not there any more has failed
    /// to start.
    fn told(&self, told: Answer<Readiness>) -> Answer<bool> {
        let unreachable = answer::hresult(HResult::VDSX_E_SERVICE_UNREACHABLE);
        let was_starting = self.was_starting.load(Ordering::Relaxed);
        match told {
            Ok(told) => {
                if told.state != ReadyState::Stopping {
                    let was_starting = told.state != ReadyState::Ready;
                    self.was_starting.store(was_starting, Ordering::Relaxed);
                }
                is_ready(told.state)
            }
            Err(failure) if failure == unreachable && was_starting => Err(VDS_E_INITIALIZED_FAILED),
            Err(failure) => Err(failure),
        }
    }

    fn properties(&self) -> Answer<VDS_SERVICE_PROP> {
        let status = self.session().ask(|client| async move { client.status().await })?;
        // Flags tell of file systems and volumes, which are not the service's business.
        Ok(VDS_SERVICE_PROP { pwszVersion: text(&status.version), ulFlags: 0 })
    }

    fn providers(&self, masks: u32) -> Answer<ComPtr<IEnumVdsObject>> {
        let masks = QueryProviders::from_bits(masks);
        if masks.is_empty() || !masks.unrecognized().is_empty() {
            return Err(E_INVALIDARG);
        }
        let providers = self.session().ask(|client| async move { client.providers().await })?;
        let wanted = providers.iter().filter(|provider| masks.contains(bit_of(provider)));
        self.place.session().list::<Provider>(wanted.map(|provider| provider.id.as_str()))
    }

    fn object(&self, id: GUID, object_type: VDS_OBJECT_TYPE) -> Answer<ComPtr<IUnknown>> {
        let session = self.place.session();
        let name = id.to_string();
        match ObjectType::from_number(object_type.0) {
            ObjectType::Subsystem => {
                session.ask(|client| async move { client.subsystem(&name).await })?;
                Ok(session.object::<Subsystem>(id))
            }
            ObjectType::StoragePool => {
                session.ask(|client| async move { client.pool(&name).await })?;
                Ok(session.object::<Pool>(id))
            }
            ObjectType::Controller => {
                controller::find(session, &name)?;
                Ok(session.object::<Controller>(id))
            }
            ObjectType::Port => {
                port::find(session, &name)?;
                Ok(session.object::<Port>(id))
            }
            ObjectType::Drive => {
                session.ask(|client| async move { client.drive(&name).await })?;
                Ok(session.object::<Drive>(id))
            }
            ObjectType::Lun => {
                session.ask(|client| async move { client.lun(&name).await })?;
                Ok(session.object::<Lun>(id))
            }
            ObjectType::Plex => {
                session.ask(|client| async move { client.plex(&name).await })?;
                Ok(session.object::<Plex>(id))
            }
            ObjectType::Target => {
                session.ask(|client| async move { client.target(&name).await })?;
                Ok(session.object::<Target>(id))
            }
            ObjectType::PortalGroup => {
                portal_group::find(session, &name)?;
                Ok(session.object::<PortalGroup>(id))
            }
            ObjectType::Portal => {
                session.ask(|client| async move { client.portal(&name).await })?;
                Ok(session.object::<Portal>(id))
            }
            // What VDS refuses: an id is no way to these.
            ObjectType::Unknown
            | ObjectType::Provider
            | ObjectType::Async
            | ObjectType::Enumeration
            | ObjectType::OpenVirtualDisk
            | ObjectType::Unrecognized(_) => Err(E_INVALIDARG),
            // Kinds of which the service has none.
            _ => Err(VDS_E_OBJECT_NOT_FOUND),
        }
    }
}

fn is_ready(state: ReadyState) -> Answer<bool> {
    match state {
        ReadyState::Ready => Ok(true),
        ReadyState::Starting => Ok(false),
        ReadyState::Failed => Err(VDS_E_INITIALIZED_FAILED),
        ReadyState::Stopping => Err(answer::hresult(HResult::VDSX_E_SERVICE_STOPPING)),
    }
}

/// Work of every provider.
struct OnAll {
    begun: Vec<Pending>,
    /// The first refusal. A provider that has no such work does not count.
    refused: Option<HRESULT>,
}

async fn on_all<F>(
    client: Client,
    start: impl Fn(Client, String) -> F,
) -> Result<OnAll, ClientError>
where
    F: Future<Output = Result<Pending, ClientError>>,
{
    let mut all = OnAll { begun: Vec::new(), refused: None };
    for provider in client.providers().await? {
        match start(client.clone(), provider.id).await {
            Ok(pending) => all.begun.push(pending),
            Err(error @ ClientError::Refused { .. }) => {
                let failure = answer::failure(&error);
                if failure != VDS_E_NOT_SUPPORTED {
                    all.refused.get_or_insert(failure);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

fn bit_of(provider: &ProviderView) -> QueryProviders {
    match provider.provider_type.parse() {
        Ok(ProviderType::Software) => QueryProviders::SOFTWARE_PROVIDERS,
        Ok(ProviderType::VirtualDisk) => QueryProviders::VIRTUALDISK_PROVIDERS,
        _ => QueryProviders::HARDWARE_PROVIDERS,
    }
}

impl IVdsServiceImpl for Service {
    fn IsServiceReady(&self) -> HRESULT {
        match self.is_ready() {
            Ok(is_ready) => {
                if is_ready {
                    S_OK
                } else {
                    S_FALSE
                }
            }
            Err(failure) => failure,
        }
    }

    fn WaitForServiceReady(&self) -> HRESULT {
        done(self.wait_ready())
    }

    fn GetProperties(&self, properties: &mut VDS_SERVICE_PROP) -> HRESULT {
        give(properties, self.properties())
    }

    fn QueryProviders(&self, masks: u32, found: &mut Option<ComPtr<IEnumVdsObject>>) -> HRESULT {
        hand_out(found, self.providers(masks))
    }

    fn GetObject(
        &self,
        id: GUID,
        object_type: VDS_OBJECT_TYPE,
        found: &mut Option<ComPtr<IUnknown>>,
    ) -> HRESULT {
        hand_out(found, self.object(id, object_type))
    }

    /// Answered as soon as it began.
    fn Reenumerate(&self) -> HRESULT {
        let asked = self.session().ask(|client| {
            on_all(client, |client, id| async move { client.reenumerate(&id).await })
        });
        match asked {
            Ok(all) if all.begun.is_empty() => all.refused.unwrap_or(S_OK),
            other => done(other.map(drop)),
        }
    }

    fn Refresh(&self) -> HRESULT {
        let asked = self
            .session()
            .ask(|client| on_all(client, |client, id| async move { client.refresh(&id).await }));
        let all = match asked {
            Ok(all) => all,
            Err(failure) => return failure,
        };
        let mut has_failed = all.refused.is_some();
        for pending in all.begun {
            match self.session().wait(pending) {
                Ok(ended) => has_failed |= answer::outcome(&ended).is_failure(),
                Err(failure) => return failure,
            }
        }
        if has_failed { S_FALSE } else { S_OK }
    }

    fn Advise(&self, sink: &IVdsAdviseSink, cookie: &mut u32) -> HRESULT {
        give(cookie, self.sinks.add(self.session(), sink))
    }

    fn Unadvise(&self, cookie: u32) -> HRESULT {
        done(self.sinks.remove(cookie))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::VDS_E_PROVIDER_EXITING;

    #[test]
    fn a_start_that_failed_has_its_documented_result() {
        assert_eq!(is_ready(ReadyState::Ready), Ok(true));
        assert_eq!(is_ready(ReadyState::Starting), Ok(false));
        assert_eq!(is_ready(ReadyState::Failed), Err(VDS_E_INITIALIZED_FAILED));
        assert_eq!(is_ready(ReadyState::Stopping), Err(VDS_E_PROVIDER_EXITING));
    }
}
