//! A service over a provider in memory.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use vds_model::ProviderId;
use vds_provider::{Deadlines, SimulatedProvider};
use vds_service::{Config, Loaded, Service};

use crate::client::Client;

pub(crate) const GIB: u64 = 1 << 30;

pub(crate) struct Fixture {
    pub(crate) directory: TempDir,
    pub(crate) provider: SimulatedProvider,
    pub(crate) service: Service,
    pub(crate) client: Client,
}

pub(crate) fn config(directory: &Path, provider: &SimulatedProvider) -> Config {
    let mut config = Config::new(directory);
    config.socket = Some(directory.join("vds.sock"));
    config.embedded = false;
    config.providers = vec![Loaded { provider: Arc::new(provider.clone()), resumes: false }];
    config.deadlines = Deadlines { poll: Duration::from_millis(2), ..Deadlines::default() };
    config
}

pub(crate) async fn start_on(directory: TempDir, provider: SimulatedProvider) -> Fixture {
    let service = Service::start(config(directory.path(), &provider)).await.unwrap();
    let client = Client::new(service.socket().unwrap());
    Fixture { directory, provider, service, client }
}

pub(crate) async fn start() -> Fixture {
    let provider =
        SimulatedProvider::new(ProviderId::from_bytes([7; 16]), &[100 * GIB, 100 * GIB, 50 * GIB]);
    start_on(tempfile::tempdir().unwrap(), provider).await
}
