//! `vds lun`: the verbs that change something, and the questions before it.

use std::future::Future;

use vds_api::{
    AddPlex, Caching, ChangeLun, CreateLun, DeleteLun, ExtendLun, Lun, MaxExtensionQuery,
    MaxSizeQuery, Plan, TargetChoice,
};
use vds_client::{ClientError, Pending};
use vds_model::{Bytes, IscsiName, UnmaskingList};

use super::lun_show::{print_lun, print_luns};
use crate::command::{CachingName, CreateLunArgs, LayoutArgs, LunVerb, SetLunArgs};
use crate::context::Context;
use crate::failure::{Failure, hint, note};
use crate::output::{self, Fields, Table, exact_size, size};

/// A verb of `vds lun`.
pub(super) async fn lun(context: &Context, verb: LunVerb) -> Result<(), Failure> {
    match verb {
        LunVerb::List => {
            let luns = context.client.luns().await?;
            context.show_list(luns, print_luns)
        }
        LunVerb::Show { lun } => {
            let lun = context.client.lun(&lun).await?;
            context.show(&lun, print_lun)
        }
        LunVerb::Create(arguments) => create(context, *arguments).await,
        LunVerb::MaxSize(layout) => max_size(context, *layout).await,
        LunVerb::MaxExtension { lun, drives } => {
            let body = MaxExtensionQuery { drives: named(drives) };
            let max = context.client.max_lun_extension(&lun, &body).await?;
            context.show(&max, |max| output::line(&exact_size(max.size_bytes)))
        }
        LunVerb::Extend { lun, by, drives } => extend(context, &lun, by, drives).await,
        LunVerb::Delete { lun, force } => delete(context, &lun, force).await,
        LunVerb::Mask { lun, list } => {
            let lun = context.client.lun(&lun).await?;
            mask(context, &lun, &list).await
        }
        LunVerb::Unmask { lun, add, remove } => unmask(context, &lun, add, remove).await,
        LunVerb::Rename { lun, name } => {
            let lun = context.client.lun(&lun).await?;
            let done = format!("LUN {} is now called {name}", lun.name);
            let change = ChangeLun { name: Some(name), ..ChangeLun::default() };
            let pending = context.client.change_lun(&lun.id, &change).await?;
            context.finish_with(pending, &done).await
        }
        LunVerb::Recover { lun } => {
            let lun = context.client.lun(&lun).await?;
            let pending = context.client.recover_lun(&lun.id).await?;
            context.finish_with(pending, &format!("LUN {} is fully redundant", lun.name)).await
        }
        LunVerb::AddPlex { lun, drives, absorb } => {
            let lun = context.client.lun(&lun).await?;
            let mut body = AddPlex { drives: named(drives), absorb: None };
            if let Some(other) = absorb {
                let other = context.client.lun(&other).await?;
                context.confirm(&format!("LUN {} ends, and all its data is lost.", other.name))?;
                body.absorb = Some(other.id);
            }
            let pending = context.client.add_plex(&lun.id, &body).await?;
            context.finish_with(pending, &format!("LUN {} has one copy more", lun.name)).await
        }
        LunVerb::RemovePlex { plex } => {
            let plex = context.client.plex(&plex).await?;
            let lun = context.client.lun(&plex.lun).await?;
            context.confirm(&format!("LUN {} will have one copy less.", lun.name))?;
            let pending = context.client.remove_plex(&plex.id).await?;
            context.finish_with(pending, &format!("LUN {} has one copy less", lun.name)).await
        }
        LunVerb::Set { lun, change } => set(context, &lun, change).await,
    }
}

/// Names that were given, or none.
fn named(names: Vec<String>) -> Option<Vec<String>> {
    (!names.is_empty()).then_some(names)
}

fn caching(name: CachingName) -> Caching {
    match name {
        CachingName::WriteBack => Caching::WriteBack,
        CachingName::WriteThrough => Caching::WriteThrough,
    }
}

async fn create(context: &Context, arguments: CreateLunArgs) -> Result<(), Failure> {
    let CreateLunArgs { name, size: wanted, layout, unmask, sector, caching: policy, target, plan } =
        arguments;
    let target = match target {
        None => None,
        Some(name) => Some(target_choice(context, &name).await?),
    };
    let list = unmask.unwrap_or_default();
    let body = CreateLun {
        subsystem: layout.subsystem,
        pool: layout.pool,
        name,
        lun_type: Some(layout.lun_type.lun_type().label().to_owned()),
        size_bytes: wanted.0,
        drives: named(layout.drives),
        unmasking_list: list.to_string(),
        hints: layout.hints,
        copies: layout.copies,
        columns: layout.columns,
        sector_bytes: sector.and_then(|bytes| bytes.parse().ok()),
        caching: policy.map_or(Caching::WriteBack, caching),
        target,
        ..CreateLun::default()
    };
    if plan {
        let plan = context.client.plan_lun(&body).await?;
        return context.show(&plan, |plan| print_plan(plan, wanted.0));
    }
    let start = |confirm_exposed| {
        let body = CreateLun { confirm_exposed, ..body.clone() };
        async move { context.client.create_lun(&body).await }
    };
    let pending = context.start_with_consent(start).await?;
    context
        .finish(pending, async |operation| {
            let id = operation.made("lun").unwrap_or(&body.name);
            let lun = context.client.lun(id).await?;
            tell_created(&lun, wanted.0, &list)
        })
        .await
}

/// An existing target by name, or a new one by its iSCSI name.
async fn target_choice(context: &Context, name: &str) -> Result<TargetChoice, Failure> {
    let targets = context.client.targets().await?;
    let found = targets
        .iter()
        .find(|target| target.iscsi_name == name || target.name == name || target.id == name);
    match found {
        Some(target) => Ok(TargetChoice::Existing(target.id.clone())),
        None if IscsiName::parse(name).is_ok() => Ok(TargetChoice::Named(name.to_owned())),
        None => Err(Failure::NotFound {
            message: format!("there is no target {name}, and it is no iSCSI name for a new one"),
        }),
    }
}

fn tell_created(lun: &Lun, wanted_bytes: u64, list: &UnmaskingList) -> Result<(), Failure> {
    output::line(&format!(
        "LUN {} made: {}, {}",
        lun.name,
        lun.lun_type,
        exact_size(lun.size_bytes)
    ))?;
    for url in lun.addresses.iter().flat_map(|address| &address.urls) {
        output::line(url)?;
    }
    tell_rounding(wanted_bytes, lun.size_bytes);
    if *list == UnmaskingList::Nobody {
        hint(&format!(
            "Nobody sees it yet: let a host in with `vds lun unmask {} INITIATOR`.",
            lun.name
        ));
    } else if lun.addresses.iter().all(|address| address.urls.is_empty()) {
        hint("No portal listens yet: add one with `vds portal add ADDR:PORT`.");
    }
    Ok(())
}

fn tell_rounding(wanted_bytes: u64, bytes: u64) {
    if bytes != wanted_bytes {
        note(&format!("asked for {wanted_bytes} bytes, rounded to {bytes} bytes"));
    }
}

fn print_plan(plan: &Plan, wanted_bytes: u64) -> Result<(), Failure> {
    let mut fields = Fields::default();
    fields.add("plan", &*plan.summary);
    if let Some(layout) = &plan.layout {
        fields.add("type", format!("{} ({})", layout.lun_type, layout.reason));
        fields.add("columns", layout.columns.to_string());
        fields.add("copies", layout.copies.to_string());
    }
    fields.add("size", exact_size(plan.usable_bytes));
    fields.add("takes", exact_size(plan.raw_bytes));
    fields.add_all("risks", &plan.risks);
    fields.print()?;
    output::line("")?;
    let mut table = Table::new(&["DRIVE", "TAKES"]);
    for drive in &plan.drives {
        table.row([drive.drive_name.clone(), size(drive.reserved_bytes)]);
    }
    table.print("no space is taken")?;
    tell_rounding(wanted_bytes, plan.usable_bytes);
    note("nothing was changed");
    Ok(())
}

async fn max_size(context: &Context, layout: LayoutArgs) -> Result<(), Failure> {
    let query = MaxSizeQuery {
        subsystem: layout.subsystem,
        pool: layout.pool,
        lun_type: Some(layout.lun_type.lun_type().label().to_owned()),
        drives: named(layout.drives),
        hints: layout.hints,
        copies: layout.copies,
        columns: layout.columns,
    };
    let max = context.client.max_lun_size(&query).await?;
    context.show(&max, |max| output::line(&exact_size(max.size_bytes)))
}

async fn extend(
    context: &Context,
    name: &str,
    by: Bytes,
    drives: Vec<String>,
) -> Result<(), Failure> {
    let before = context.client.lun(name).await?;
    let body = ExtendLun { by_bytes: by.0, drives: named(drives) };
    let pending = context.client.extend_lun(&before.id, &body).await?;
    context
        .finish(pending, async |_| {
            let lun = context.client.lun(&before.id).await?;
            output::line(&format!("LUN {} is now {}", lun.name, exact_size(lun.size_bytes)))?;
            tell_rounding(before.size_bytes.saturating_add(by.0), lun.size_bytes);
            hint("Hosts see the new size after a rescan.");
            Ok(())
        })
        .await
}

async fn delete(context: &Context, name: &str, force: bool) -> Result<(), Failure> {
    let lun = context.client.lun(name).await?;
    context.confirm(&format!(
        "LUN {} ({}) and its data will be gone.",
        lun.name,
        size(lun.size_bytes)
    ))?;
    let pending = context.client.delete_lun(&lun.id, DeleteLun { force }).await?;
    context.finish_with(pending, &format!("LUN {} is deleted", lun.name)).await
}

/// Changes who sees a LUN; opening it to everybody beyond this machine is asked about.
fn start_mask<'a>(
    context: &'a Context,
    lun: &'a Lun,
    change: ChangeLun,
) -> impl Fn(bool) -> std::pin::Pin<Box<dyn Future<Output = Result<Pending, ClientError>> + 'a>> {
    move |confirm_exposed| {
        let change = ChangeLun { confirm_exposed, ..change.clone() };
        Box::pin(async move { context.client.change_lun(&lun.id, &change).await })
    }
}

async fn mask(context: &Context, lun: &Lun, list: &UnmaskingList) -> Result<(), Failure> {
    let change = ChangeLun { unmasking_list: Some(list.to_string()), ..ChangeLun::default() };
    let pending = context.start_with_consent(start_mask(context, lun, change)).await?;
    context.finish_with(pending, &seen_by(&lun.name, list)).await
}

fn seen_by(name: &str, list: &UnmaskingList) -> String {
    match list {
        UnmaskingList::Everybody => format!("LUN {name} is seen by everybody"),
        UnmaskingList::Nobody => format!("LUN {name} is seen by nobody"),
        UnmaskingList::Entries(_) => format!("LUN {name} is seen by {list}"),
    }
}

/// The service does the sum: whoever changes the list at the same time is not undone.
async fn unmask(
    context: &Context,
    name: &str,
    add: Option<UnmaskingList>,
    remove: Option<UnmaskingList>,
) -> Result<(), Failure> {
    let lun = context.client.lun(name).await?;
    let text = |list: Option<UnmaskingList>| list.map(|list| list.to_string());
    let (unmask_add, unmask_remove) = (text(add), text(remove));
    let change = ChangeLun { unmask_add, unmask_remove, ..ChangeLun::default() };
    let pending = context.start_with_consent(start_mask(context, &lun, change)).await?;
    context
        .finish(pending, async |_| {
            let now = context.client.lun(&lun.id).await?;
            let list = UnmaskingList::parse(&now.unmasking_list).unwrap_or_default();
            output::line(&seen_by(&now.name, &list))
        })
        .await
}

async fn set(context: &Context, name: &str, change: SetLunArgs) -> Result<(), Failure> {
    let lun = context.client.lun(name).await?;
    let mut changes = Vec::new();
    if let Some(name) = change.caching {
        let caching = Some(caching(name));
        changes.push(ChangeLun { caching, ..ChangeLun::default() });
    }
    if !change.hints.is_empty() {
        let hints = Some(change.hints);
        changes.push(ChangeLun { hints, ..ChangeLun::default() });
    }
    if change.online || change.offline {
        let status = Some(if change.online { "online" } else { "offline" }.to_owned());
        changes.push(ChangeLun { status, ..ChangeLun::default() });
    }
    if change.no_target || change.target.is_some() {
        let what = format!("Hosts that use LUN {} lose it where it is now.", lun.name);
        context.confirm(&what)?;
        let target = Some(change.target.map_or(TargetChoice::None, TargetChoice::Existing));
        changes.push(ChangeLun { target, ..ChangeLun::default() });
    }
    if changes.len() > 1 && (context.global.no_wait || context.global.json) {
        let message = "one change at a time with --no-wait or --json: each is an operation";
        return Err(Failure::Usage { message: message.to_owned() });
    }
    for change in changes {
        let pending = context.client.change_lun(&lun.id, &change).await?;
        context.finish_with(pending, &format!("LUN {}: {}", lun.name, told(&change))).await?;
    }
    Ok(())
}

fn told(change: &ChangeLun) -> String {
    if let Some(caching) = change.caching {
        return match caching {
            Caching::WriteBack => "writes are acknowledged before they are durable",
            Caching::WriteThrough => "writes are acknowledged once they are durable",
        }
        .to_owned();
    }
    match &change.target {
        Some(TargetChoice::Existing(target)) => return format!("is reached through {target}"),
        Some(_) => return "is reached through no target".to_owned(),
        None => {}
    }
    match (&change.hints, &change.status) {
        (Some(hints), _) => format!("hints are now {}", hints.join(", ")),
        (None, Some(status)) => format!("is {status}"),
        (None, None) => "unchanged".to_owned(),
    }
}
