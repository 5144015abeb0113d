//! `vds target`, `vds portal`, `vds session`.

use vds_api::{
    AddPortal, ChangeTarget, Chap, ChapCredential, ChapSide, CreateTarget, Portal, Session,
    SetTargetChap, SetTargetSecret, Target,
};

use super::{joined, short};
use crate::command::{ChapArgs, PortalVerb, SecretArgs, SessionVerb, TargetVerb};
use crate::context::Context;
use crate::failure::{Failure, hint};
use crate::output::{self, Fields, NONE, Table, moment};
use crate::secret;

/// A verb of `vds target`.
pub(super) async fn target(context: &Context, verb: TargetVerb) -> Result<(), Failure> {
    match verb {
        TargetVerb::List => {
            let targets = context.client.targets().await?;
            context.show_list(targets, print_targets)
        }
        TargetVerb::Show { target } => {
            let target = context.client.target(&target).await?;
            context.show(&target, print_target)
        }
        TargetVerb::Create { name, iqn, subsystem } => {
            let body = CreateTarget { subsystem, iscsi_name: iqn.unwrap_or_default(), name };
            let pending = context.client.create_target(&body).await?;
            context
                .finish(pending, async |operation| {
                    let id = operation.made("target").unwrap_or(&body.name);
                    let made = context.client.target(id).await?;
                    output::line(&format!("target {} made: {}", made.name, made.iscsi_name))
                })
                .await
        }
        TargetVerb::Delete { target } => {
            let target = context.client.target(&target).await?;
            context.confirm(&format!("Target {} will be gone.", target.iscsi_name))?;
            let pending = context.client.delete_target(&target.id).await?;
            context.finish_with(pending, &format!("target {} is deleted", label(&target))).await
        }
        TargetVerb::Set { target, chap } => set_chap(context, &target, chap).await,
        TargetVerb::SetSecret { target, secret } => set_secret(context, &target, secret).await,
        TargetVerb::Rename { target, name } => {
            let target = context.client.target(&target).await?;
            let done = format!("target {} is now called {name}", label(&target));
            let pending = context.client.change_target(&target.id, &ChangeTarget { name }).await?;
            context.finish_with(pending, &done).await
        }
        TargetVerb::ClearChap { target } => {
            let target = context.client.target(&target).await?;
            context.confirm(&format!(
                "Whoever is on the unmasking list will reach {} without a secret.",
                target.iscsi_name
            ))?;
            let body = SetTargetChap { chap: None };
            let pending = context.client.set_target_chap(&target.id, &body).await?;
            let done = format!("target {} asks for no secret", label(&target));
            context.finish_with(pending, &done).await
        }
    }
}

/// The name people gave it, or else its iSCSI name.
pub(super) fn label(target: &Target) -> &str {
    if target.name.is_empty() { &target.iscsi_name } else { &target.name }
}

async fn set_chap(context: &Context, name: &str, arguments: ChapArgs) -> Result<(), Failure> {
    let ChapArgs { chap_user, chap_secret_file, mutual_user, mutual_secret_file } = arguments;
    let initiator = ChapCredential { user: chap_user, secret: secret::read(&chap_secret_file)? };
    let mutual = match (mutual_user, mutual_secret_file) {
        (Some(user), Some(file)) => Some(ChapCredential { user, secret: secret::read(&file)? }),
        _ => None,
    };
    let is_mutual = mutual.is_some();
    let target = context.client.target(name).await?;
    let body = SetTargetChap { chap: Some(Chap { initiator, target: mutual }) };
    let pending = context.client.set_target_chap(&target.id, &body).await?;
    context
        .finish(pending, async |_| {
            let both = if is_mutual { " and proves itself" } else { "" };
            output::line(&format!("target {} asks for a secret{both}", label(&target)))?;
            hint("The secret is kept on the array's drives, so that it moves with them.");
            Ok(())
        })
        .await
}

async fn set_secret(context: &Context, name: &str, secret: SecretArgs) -> Result<(), Failure> {
    let SecretArgs { initiator, secret_file, clear: _, mutual } = secret;
    let secret = secret_file.map(|file| secret::read(&file)).transpose()?;
    let target = context.client.target(name).await?;
    let side = if mutual { ChapSide::Target } else { ChapSide::Initiator };
    let whom = initiator.as_deref().unwrap_or("everybody else");
    let label = label(&target);
    if secret.is_none() {
        context.confirm(&without_secret(&target, initiator.as_deref(), mutual))?;
    }
    let done = match (&secret, mutual) {
        (Some(_), false) => format!("target {label} asks {whom} for that secret"),
        (Some(_), true) if !target.is_chap_enabled => {
            format!("target {label} keeps that secret, to be used once it asks for one itself")
        }
        (Some(_), true) => format!("target {label} proves itself to {whom} with that secret"),
        (None, false) => format!("target {label} has no secret for {whom} any more"),
        (None, true) => format!("target {label} has no secret of its own for {whom} any more"),
    };
    let secret = secret.map(String::into_bytes);
    let body = SetTargetSecret { side, initiator: initiator.clone(), secret };
    let pending = context.client.set_target_secret(&target.id, &body).await?;
    context.finish_with(pending, &done).await
}

/// What it means that this secret is taken away.
fn without_secret(target: &Target, initiator: Option<&str>, mutual: bool) -> String {
    let label = label(target);
    let whom = initiator.unwrap_or("everybody else");
    if mutual {
        return format!(
            "Target {label} will not prove itself to {whom} with that secret any more."
        );
    }
    let is_own = |name: &&String| initiator.is_some_and(|own| own.eq_ignore_ascii_case(name));
    let own = target.chap_initiators.iter().filter(|name| !is_own(name)).count();
    let common = target.has_common_secret && initiator.is_some();
    match (own, common) {
        (0, false) => {
            format!(
                "Whoever is on the unmasking list will reach {} without a secret.",
                target.iscsi_name
            )
        }
        (_, true) => format!("{whom} will log in to {label} with the secret for everybody."),
        (_, false) => format!("{whom} will not be let in to {label} any more."),
    }
}

fn print_targets(targets: &[Target]) -> Result<(), Failure> {
    let mut table = Table::new(&["NAME", "ISCSI NAME", "CHAP", "LUNS"]);
    for target in targets {
        let luns: Vec<String> = target
            .luns
            .iter()
            .map(|entry| format!("{}: {}", entry.number, entry.lun_name))
            .collect();
        table.row([target.name.clone(), target.iscsi_name.clone(), chap(target), joined(&luns)]);
    }
    table.print("no targets: `vds lun create` makes one for each LUN")
}

fn chap(target: &Target) -> String {
    match (target.is_chap_enabled, target.is_chap_mutual) {
        (false, _) => "none".to_owned(),
        (true, is_mutual) => {
            let user = match (target.has_common_secret, target.chap_user.as_str()) {
                (false, _) => "own secrets only".to_owned(),
                (true, "") => "any user".to_owned(),
                (true, user) => format!("user {user}"),
            };
            if is_mutual { format!("{user}, mutual") } else { user }
        }
    }
}

fn print_target(target: &Target) -> Result<(), Failure> {
    let mut fields = Fields::default();
    fields.add("name", &*target.name);
    fields.add("id", &*target.id);
    fields.add("iSCSI name", &*target.iscsi_name);
    fields.add("CHAP", chap(target));
    fields.add_all("own secrets of", target.chap_initiators.iter().cloned());
    fields.add_all("proves itself to", target.mutual_initiators.iter().cloned());
    fields.add_all(
        "LUNs",
        target.luns.iter().map(|entry| format!("{}: {}", entry.number, entry.lun_name)),
    );
    fields.add_all(
        "portal groups",
        target.portal_groups.iter().map(|group| {
            let portals: Vec<String> = group.portals.iter().map(|id| short(id)).collect();
            let id = short(&group.id);
            format!("{}: portals {} (group {id})", group.tag, joined(&portals))
        }),
    );
    fields.print()
}

/// A verb of `vds portal`.
pub(super) async fn portal(context: &Context, verb: PortalVerb) -> Result<(), Failure> {
    match verb {
        PortalVerb::List => {
            let portals = context.client.portals().await?;
            context.show_list(portals, print_portals)
        }
        PortalVerb::Add { listen, announce, subsystem } => {
            let body = AddPortal {
                subsystem,
                listen: listen.to_string(),
                announce: announce.map(|address| address.to_string()),
                confirm_exposed: false,
            };
            let start = |confirm_exposed| {
                let body = AddPortal { confirm_exposed, ..body.clone() };
                async move { context.client.add_portal(&body).await }
            };
            let pending = context.start_with_consent(start).await?;
            context
                .finish(pending, async |operation| {
                    let id = operation.made("portal").unwrap_or(&body.listen);
                    let made = context.client.portal(id).await?;
                    output::line(&format!("the array listens on {}", made.listen))?;
                    if let Some(reason) = &made.reason {
                        hint(&format!("It is {}: {reason}", made.status));
                    }
                    Ok(())
                })
                .await
        }
        PortalVerb::Remove { portal } => {
            let portal = found_portal(context, &portal).await?;
            let what = format!("Hosts logged in through {} will be cut off.", portal.listen);
            context.confirm(&what)?;
            let pending = context.client.remove_portal(&portal.id).await?;
            let done = format!("the array listens on {} no more", portal.listen);
            context.finish_with(pending, &done).await
        }
    }
}

/// A portal by address or id.
pub(super) async fn found_portal(context: &Context, name: &str) -> Result<Portal, Failure> {
    let portals = context.client.portals().await?;
    match portals.into_iter().find(|portal| portal.listen == name) {
        Some(portal) => Ok(portal),
        None => Ok(context.client.portal(name).await?),
    }
}

fn print_portals(portals: &[Portal]) -> Result<(), Failure> {
    let mut table = Table::new(&["ID", "LISTENS ON", "TELLS", "STATUS", "REACHED FROM", "NOTES"]);
    for portal in portals {
        table.row([
            short(&portal.id),
            portal.listen.clone(),
            portal.announce.clone().unwrap_or_else(|| portal.listen.clone()),
            portal.status.clone(),
            if portal.is_loopback { "this machine" } else { "the network" }.to_owned(),
            portal.reason.clone().unwrap_or_default(),
        ]);
    }
    table.print("no portals: hosts reach nothing; add one with `vds portal add ADDR:PORT`")
}

/// A verb of `vds session`.
pub(super) async fn session(context: &Context, verb: SessionVerb) -> Result<(), Failure> {
    let SessionVerb::List = verb;
    let sessions = context.client.sessions().await?;
    context.show_list(sessions, print_sessions)
}

fn print_sessions(sessions: &[Session]) -> Result<(), Failure> {
    let mut table = Table::new(&["ID", "INITIATOR", "TARGET", "FROM", "SINCE"]);
    for session in sessions {
        table.row([
            session.id.clone(),
            session.initiator.clone(),
            session.target.clone().unwrap_or_else(|| "discovery".to_owned()),
            session.peer.clone(),
            session.since_unix_ms.map_or_else(|| NONE.to_owned(), moment),
        ]);
    }
    table.print("no host is logged in")
}
