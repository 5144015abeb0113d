//! Plug-ins as clients see them.

use std::time::Duration;

use vds_api::{Plugin, PluginOperation};
use vds_plugin_host::{PluginProvider, PluginStatus, RunState};
use vds_provider::Provider;

use super::Plugins;

/// A word of the protocol, as it is written there.
fn word<T: serde::Serialize>(value: T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

impl Plugins {
    /// Every plug-in, each as a provider of which nothing but its process is known.
    pub(crate) fn shown(&self) -> Vec<vds_api::Provider> {
        let plugins: Vec<(PluginProvider, Duration)> =
            self.plugins().values().map(|kept| (kept.plugin.clone(), kept.stall)).collect();
        plugins.iter().map(|(plugin, stall)| provider(plugin, *stall)).collect()
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn provider(plugin: &PluginProvider, stall: Duration) -> vds_api::Provider {
    let status = plugin.status();
    let version = status.handshake.as_ref().map(|said| said.provider.version.clone());
    vds_api::Provider {
        id: plugin.id().to_string(),
        name: plugin.name().to_owned(),
        version: version.unwrap_or_default(),
        version_id: vds_model::ProviderId::nil().to_string(),
        stripe_sizes_bytes: Vec::new(),
        rebuild_priority: 0,
        provider_type: vds_model::ProviderType::Hardware.label().to_owned(),
        flags: Vec::new(),
        is_trusted: true,
        breach: None,
        subsystems: 0,
        plugin: Some(shown(plugin, stall, &status)),
    }
}

fn shown(plugin: &PluginProvider, stall: Duration, status: &PluginStatus) -> Plugin {
    let spec = plugin.spec();
    let texts = |paths: &[std::path::PathBuf]| {
        paths.iter().map(|path| path.to_string_lossy().into_owned()).collect()
    };
    let mut shown = Plugin {
        state: String::new(),
        reason: None,
        next_start_unix_ms: None,
        pid: None,
        since_unix_ms: None,
        starts: status.starts,
        product: String::new(),
        command: spec.command.clone(),
        directories: texts(&spec.directories),
        readable: texts(&spec.readable),
        network: spec.network,
        memory_bytes: spec.memory_bytes,
        deadline_ms: milliseconds(spec.answer),
        stall_ms: milliseconds(stall),
        confinement: status.confinement.clone(),
        lun_types: Vec::new(),
        operations: Vec::new(),
        log: status.log.clone(),
    };
    let state = match &status.state {
        RunState::Starting => "starting",
        RunState::Running { pid, since_unix_ms } => {
            shown.pid = Some(*pid);
            shown.since_unix_ms = Some(*since_unix_ms);
            "running"
        }
        RunState::Waiting { reason, until_unix_ms, .. } => {
            shown.reason = Some(reason.clone());
            shown.next_start_unix_ms = Some(*until_unix_ms);
            "waiting"
        }
        RunState::Failed { result, reason } => {
            shown.reason = Some(format!("{}: {reason}", result.code()));
            "failed"
        }
        RunState::Stopped => "stopped",
    };
    state.clone_into(&mut shown.state);
    if let Some(said) = &status.handshake {
        shown.product.clone_from(&said.provider.name);
        shown.lun_types = said.lun_types.iter().map(|of| of.label().to_owned()).collect();
        let operations = said.operations.iter().map(|declared| PluginOperation {
            kind: declared.kind.clone(),
            cancel: word(declared.cancel),
            pause: declared.pause,
            on_failure: word(declared.on_failure),
            on_cancel: word(declared.on_cancel),
            after_crash: word(declared.after_crash),
        });
        shown.operations = operations.collect();
    }
    shown
}
