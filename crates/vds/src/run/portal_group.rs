//! `vds portal-group`.

use vds_api::{Portal, PortalGroup, Target};

use super::export::{found_portal, label};
use super::{joined, short};
use crate::command::PortalGroupVerb;
use crate::context::Context;
use crate::failure::{Failure, hint};
use crate::output::{self, Table};

/// Fewest characters of an id that name a group.
const ID_PREFIX_MIN: usize = 4;
/// The tag of the group that a target has by itself.
const DERIVED_TAG: u16 = 1;

/// A verb of `vds portal-group`.
pub(super) async fn portal_group(context: &Context, verb: PortalGroupVerb) -> Result<(), Failure> {
    match verb {
        PortalGroupVerb::List => list(context).await,
        PortalGroupVerb::Create { target } => create(context, &target).await,
        PortalGroupVerb::Delete { group } => {
            let (target, group) = found(context, &group).await?;
            if target.portal_groups.len() == 1 && group.tag != DERIVED_TAG {
                let name = &target.iscsi_name;
                context.confirm(&format!("Hosts will reach {name} through every portal."))?;
            }
            let pending = context.client.delete_portal_group(&group.id).await?;
            let done =
                format!("portal group {} of target {} is deleted", group.tag, label(&target));
            context.finish_with(pending, &done).await
        }
        PortalGroupVerb::Add { group, portal } => {
            let (target, group) = found(context, &group).await?;
            let portal = found_portal(context, &portal).await?;
            let pending = context.client.add_to_portal_group(&group.id, &portal.id).await?;
            let done = format!("hosts reach target {} through {}", label(&target), portal.listen);
            context.finish_with(pending, &done).await
        }
        PortalGroupVerb::Remove { group, portal } => {
            let (target, group) = found(context, &group).await?;
            let portal = found_portal(context, &portal).await?;
            let (name, listen) = (&target.iscsi_name, &portal.listen);
            context
                .confirm(&format!("Hosts logged in to {name} through {listen} will be cut off."))?;
            let pending = context.client.remove_from_portal_group(&group.id, &portal.id).await?;
            let done = format!("hosts reach target {} through {listen} no more", label(&target));
            context.finish_with(pending, &done).await
        }
    }
}

async fn create(context: &Context, name: &str) -> Result<(), Failure> {
    let target = context.client.target(name).await?;
    let is_first = target.portal_groups.iter().all(|group| group.tag == DERIVED_TAG);
    if is_first && !target.luns.is_empty() {
        let name = &target.iscsi_name;
        context.confirm(&format!(
            "Hosts will reach {name} only through portals that are put into its groups."
        ))?;
    }
    let pending = context.client.create_portal_group(&target.id).await?;
    context
        .finish(pending, async |operation| {
            let id = operation.made("portal-group").unwrap_or("?");
            output::line(&format!("portal group {id} of target {} made", label(&target)))?;
            hint(&format!("It has no portal yet: vds portal-group add {} ADDR:PORT", short(id)));
            Ok(())
        })
        .await
}

async fn list(context: &Context) -> Result<(), Failure> {
    let targets = context.client.targets().await?;
    let portals = context.client.portals().await?;
    let groups = targets.iter().flat_map(|target| target.portal_groups.clone()).collect();
    context.show_list(groups, |groups| print(groups, &targets, &portals))
}

fn print(groups: &[PortalGroup], targets: &[Target], portals: &[Portal]) -> Result<(), Failure> {
    let address = |id: &String| {
        let known = portals.iter().find(|portal| portal.id == *id);
        known.map_or_else(|| short(id), |portal| portal.listen.clone())
    };
    let mut table = Table::new(&["ID", "TARGET", "TAG", "PORTALS"]);
    for group in groups {
        let target = targets.iter().find(|target| target.id == group.target);
        let target = target.map_or_else(|| short(&group.target), |it| label(it).to_owned());
        let portals: Vec<String> = group.portals.iter().map(address).collect();
        table.row([short(&group.id), target, group.tag.to_string(), joined(&portals)]);
    }
    table.print("no targets, and so no portal groups")
}

/// A portal group by its id or a unique beginning of it, with its target.
async fn found(context: &Context, name: &str) -> Result<(Target, PortalGroup), Failure> {
    let wanted = name.to_ascii_lowercase();
    let mut matching = Vec::new();
    for target in context.client.targets().await? {
        for group in &target.portal_groups {
            if group.id == wanted {
                return Ok((target.clone(), group.clone()));
            }
            if wanted.len() >= ID_PREFIX_MIN && group.id.starts_with(&wanted) {
                matching.push((target.clone(), group.clone()));
            }
        }
    }
    match (matching.pop(), matching.len()) {
        (Some(only), 0) => Ok(only),
        (None, _) => {
            Err(Failure::NotFound { message: format!("there is no portal group {name:?}") })
        }
        (Some(_), more) => {
            let message = format!("portal group {name:?} could be {} groups", more + 1);
            Err(Failure::Usage { message })
        }
    }
}
