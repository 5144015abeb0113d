//! `vds provider`.

use std::path::PathBuf;
use std::time::Duration;

use vds_api::{AddProvider, Plugin, Provider};

use super::array::absolute;
use super::{executable, joined, short};
use crate::command::{AddProviderArgs, ProviderVerb};
use crate::context::Context;
use crate::failure::{Failure, hint};
use crate::output::{self, Fields, Table, exact_size, moment};

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A verb of `vds provider`.
pub(super) async fn provider(context: &Context, verb: ProviderVerb) -> Result<(), Failure> {
    match verb {
        ProviderVerb::List => {
            let providers = context.client.providers().await?;
            context.show_list(providers, |providers| table(providers).print("no providers"))
        }
        ProviderVerb::Show { provider } => {
            let provider = context.client.provider(&provider).await?;
            context.show(&provider, print)
        }
        ProviderVerb::Add(arguments) => add(context, arguments).await,
        ProviderVerb::Remove { provider } => {
            let found = context.client.provider(&provider).await?;
            let what = format!(
                "Provider {} will be let go: hosts lose its LUNs, what it keeps stays as it is.",
                found.name
            );
            context.confirm(&what)?;
            let removed = context.client.remove_provider(&found.id).await?;
            context.show(&removed, |provider| {
                output::line(&format!("provider {} is let go", provider.name))
            })
        }
        ProviderVerb::Test(_) => unreachable!("main does this without a service"),
        ProviderVerb::Restart { provider } => {
            let restarted = context.client.restart_provider(&provider).await?;
            context.show(&restarted, |provider| {
                output::line(&format!("provider {} is started again", provider.name))
            })
        }
    }
}

async fn add(context: &Context, arguments: AddProviderArgs) -> Result<(), Failure> {
    if arguments.unconfined {
        let what = format!(
            "Provider {} will run unconfined, with all rights of the daemon.",
            arguments.name
        );
        context.confirm(&what)?;
    }
    let paths = |paths: &[PathBuf]| -> Result<Vec<String>, Failure> {
        paths.iter().map(|path| absolute(path)).collect()
    };
    let body = AddProvider {
        name: arguments.name,
        directories: paths(&arguments.grants.directories)?,
        readable: paths(&arguments.grants.readable)?,
        network: arguments.grants.network,
        memory_bytes: arguments.grants.memory.map(|memory| memory.0),
        deadline_ms: arguments.deadline.map(milliseconds),
        stall_ms: arguments.stall.map(milliseconds),
        unconfined: arguments.unconfined,
        command: executable::whole(arguments.command)?,
    };
    let added = context.client.add_provider(&body).await?;
    context.show(&added, |provider| {
        let product = provider.plugin.as_ref().map_or("", |plugin| &plugin.product);
        output::line(&format!(
            "provider {} runs: {product} {}, {} arrays",
            provider.name, provider.version, provider.subsystems
        ))?;
        hint("Its arrays and LUNs are in every list; `vds provider show` tells how it is.");
        Ok(())
    })
}

fn state(provider: &Provider) -> String {
    provider.plugin.as_ref().map_or_else(|| "built in".to_owned(), |plugin| plugin.state.clone())
}

fn table(providers: &[Provider]) -> Table {
    let mut table = Table::new(&["ID", "NAME", "VERSION", "TYPE", "STATE", "ARRAYS", "TRUSTED"]);
    for provider in providers {
        let trusted = match &provider.breach {
            _ if provider.is_trusted => "yes".to_owned(),
            Some(breach) => format!("no: {breach}"),
            None => "no".to_owned(),
        };
        table.row([
            short(&provider.id),
            provider.name.clone(),
            provider.version.clone(),
            provider.provider_type.clone(),
            state(provider),
            provider.subsystems.to_string(),
            trusted,
        ]);
    }
    table
}

fn print(provider: &Provider) -> Result<(), Failure> {
    let mut fields = Fields::default();
    fields.add("name", &provider.name);
    fields.add("id", &provider.id);
    fields.add("version", &provider.version);
    fields.add("type", &provider.provider_type);
    fields.add("state", state(provider));
    fields.add("arrays", provider.subsystems.to_string());
    fields.add("trusted", if provider.is_trusted { "yes" } else { "no" });
    if let Some(breach) = &provider.breach {
        fields.add("breach", breach);
    }
    if let Some(plugin) = &provider.plugin {
        add_plugin(&mut fields, plugin);
    }
    output::raw(&fields.text())
}

fn add_plugin(fields: &mut Fields, plugin: &Plugin) {
    if let Some(reason) = &plugin.reason {
        fields.add("reason", reason);
    }
    if let Some(at) = plugin.next_start_unix_ms {
        fields.add("next start", moment(at));
    }
    if let (Some(pid), Some(since)) = (plugin.pid, plugin.since_unix_ms) {
        fields.add("process", format!("{pid} since {}", moment(since)));
    }
    fields.add("starts", plugin.starts.to_string());
    fields.add("product", &plugin.product);
    fields.add("command", plugin.command.join(" "));
    fields.add_all("granted", &plugin.directories);
    fields.add_all("readable", &plugin.readable);
    fields.add("network", if plugin.network { "yes" } else { "no" });
    let memory = match plugin.memory_bytes {
        0 => "unlimited".to_owned(),
        bytes => exact_size(bytes),
    };
    fields.add("memory", memory);
    fields.add("deadline", format!("{} s", plugin.deadline_ms / 1000));
    fields.add("stall", format!("{} s", plugin.stall_ms / 1000));
    fields.add("confinement", &plugin.confinement);
    fields.add("LUN types", joined(&plugin.lun_types));
    let operations = plugin.operations.iter().map(|declared| {
        format!(
            "{}: cancel {}, after a failure {}, after a crash {}",
            declared.kind, declared.cancel, declared.on_failure, declared.after_crash
        )
    });
    fields.add_all("operations", operations);
    fields.add_all("log", &plugin.log);
}
