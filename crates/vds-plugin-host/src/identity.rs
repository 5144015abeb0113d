//! The handshake: what the plug-in says of itself, looked at.

use std::time::Duration;

use vds_model::{
    HResult, ProviderFlags, ProviderProperties, ProviderType, RebuildPriority, StripeSizes,
};
use vds_plugin::{
    FRAME_BYTES_MAX, Initialize, Initialized, Limits, NOTIFICATION_BYTES_MAX, ServiceInfo, VERSION,
    Versions, method,
};
use vds_provider::Died;

use crate::link::{Link, NEWS_PER_SECOND, REQUESTS_MAX, broken};
use crate::state::PluginSpec;

/// A handshake that came to nothing.
pub(crate) struct Rejected {
    pub(crate) died: Died,
    /// Starting it again would come to the same.
    pub(crate) is_final: bool,
}

fn rejected(result: HResult, reason: impl Into<String>) -> Rejected {
    Rejected { died: Died::because(result, reason), is_final: true }
}

/// Asks who it is.
pub(crate) async fn handshake(link: &Link, spec: &PluginSpec) -> Result<Initialized, Rejected> {
    let again = |died| Rejected { died, is_final: false };
    let answered = link.call(method::INITIALIZE, &initialize(spec)).await.map_err(again)?;
    let raw = match answered.outcome {
        Ok(raw) => raw,
        Err(error) => {
            let refusal = error.refusal();
            let reason = format!("it refuses the handshake: {}", refusal.message);
            return Err(again(Died::because(HResult::VDSX_E_PROVIDER_START, reason)));
        }
    };
    let said: Initialized = serde_json::from_str(raw.get())
        .map_err(|error| again(broken(format!("its answer to the handshake: {error}"))))?;
    if said.protocol != VERSION {
        let reason =
            format!("it speaks version {} of the protocol, this service {VERSION}", said.protocol);
        return Err(rejected(HResult::VDSX_E_VERSION_MISMATCH, reason));
    }
    if said.provider.id.is_nil() {
        return Err(rejected(HResult::VDSX_E_BAD_ID, "its id is null"));
    }
    if let Some(known) = spec.known_id.filter(|known| *known != said.provider.id) {
        let reason = format!("it calls itself {} and was {known} before", said.provider.id);
        return Err(rejected(HResult::VDSX_E_BAD_ID, reason));
    }
    Ok(said)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn initialize(spec: &PluginSpec) -> Initialize {
    let directories = spec.directories.iter().map(|path| path.to_string_lossy().into_owned());
    Initialize {
        protocol: Versions { min: VERSION, max: VERSION },
        service: ServiceInfo {
            name: "vds".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        name: spec.name.clone(),
        provider: spec.known_id,
        directories: directories.collect(),
        network: spec.network || spec.is_unconfined,
        limits: Limits {
            answer_ms: milliseconds(spec.answer),
            message_bytes_max: FRAME_BYTES_MAX as u64,
            notification_bytes_max: NOTIFICATION_BYTES_MAX as u64,
            notifications_per_second: NEWS_PER_SECOND,
            requests_max: REQUESTS_MAX,
            memory_bytes: spec.memory_bytes,
        },
    }
}

/// The provider as VDS describes one.
pub(crate) fn properties(spec: &PluginSpec, said: &Initialized) -> ProviderProperties {
    ProviderProperties {
        id: said.provider.id,
        name: spec.name.clone(),
        version_id: [0; 16],
        version: said.provider.version.chars().take(64).collect(),
        provider_type: ProviderType::Hardware,
        flags: ProviderFlags::empty(),
        stripe_sizes: StripeSizes::empty(),
        rebuild_priority: RebuildPriority::LOWEST,
    }
}
