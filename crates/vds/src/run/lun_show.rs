//! LUNs and plexes, for people; and `vds plex`.

use vds_api::{Caching, Lun, Plex, Provisioning};

use super::{joined, short};
use crate::command::PlexVerb;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Fields, Table, exact_size, size};

/// All LUNs.
pub(super) fn print_luns(luns: &[Lun]) -> Result<(), Failure> {
    let mut table =
        Table::new(&["NAME", "TYPE", "SIZE", "STATUS", "HEALTH", "SEEN BY", "DRIVES", "NOTES"]);
    for lun in luns {
        table.row([
            lun.name.clone(),
            lun.lun_type.clone(),
            size(lun.size_bytes),
            lun.status.clone(),
            lun.health.clone(),
            seen_by(&lun.unmasking_list),
            drives(&lun.plexes),
            joined(&lun.notes),
        ]);
    }
    table.print("no LUNs yet: make one with `vds lun create`")
}

fn seen_by(list: &str) -> String {
    match list {
        "" => "nobody".to_owned(),
        "*" => "everybody".to_owned(),
        names => names.replace(';', " "),
    }
}

/// The drives of all plexes, each once, in the order of use.
fn drives(plexes: &[Plex]) -> String {
    let mut names: Vec<String> = Vec::new();
    for extent in plexes.iter().flat_map(|plex| &plex.extents) {
        let name = drive_name(&extent.drive_name, &extent.drive);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    joined(&names)
}

fn drive_name(name: &str, id: &str) -> String {
    if name.is_empty() { format!("lost drive {}", short(id)) } else { name.to_owned() }
}

/// One LUN.
pub(super) fn print_lun(lun: &Lun) -> Result<(), Failure> {
    let mut fields = Fields::default();
    fields.add("name", &*lun.name);
    fields.add("id", &*lun.id);
    fields.add("type", &*lun.lun_type);
    fields.add("size", exact_size(lun.size_bytes));
    fields.add("reserves", exact_size(lun.reserved_bytes));
    if let Some(used_bytes) = lun.used_bytes {
        fields.add("holds", exact_size(used_bytes));
    }
    fields.add("status", &*lun.status);
    fields.add("health", &*lun.health);
    if lun.transition != "stable" {
        fields.add("changing", &*lun.transition);
    }
    fields.add("seen by", seen_by(&lun.unmasking_list));
    fields.add(
        "caching",
        match lun.caching {
            Caching::WriteBack => "write-back",
            Caching::WriteThrough => "write-through",
        },
    );
    fields.add(
        "space",
        match lun.provisioning {
            Provisioning::Thick => "set aside when it was made",
            Provisioning::Thin => "taken as it is written",
        },
    );
    fields.add("sectors", format!("{} bytes", lun.sector_bytes));
    fields.add("hints", joined(&lun.hints));
    fields.add("serial number", &*lun.serial_number);
    for address in &lun.addresses {
        fields.add("target", format!("{}, number {}", address.iscsi_name, address.number));
        fields.add_all("reached by", &address.urls);
    }
    fields.add_all("plexes", lun.plexes.iter().map(plex_line));
    fields.add_all("notes", &lun.notes);
    fields.print()
}

fn plex_line(plex: &Plex) -> String {
    let extents: Vec<String> = plex
        .extents
        .iter()
        .map(|extent| {
            format!("{} {}", drive_name(&extent.drive_name, &extent.drive), size(extent.size_bytes))
        })
        .collect();
    format!(
        "{} {} {}, {}: {}",
        short(&plex.id),
        plex.plex_type,
        plex.status,
        plex.health,
        joined(&extents)
    )
}

/// A verb of `vds plex`.
pub(super) async fn plex(context: &Context, verb: PlexVerb) -> Result<(), Failure> {
    match verb {
        PlexVerb::List { lun } => {
            let luns = match lun {
                Some(name) => vec![context.client.lun(&name).await?],
                None => context.client.luns().await?,
            };
            let plexes: Vec<(String, Plex)> = luns
                .into_iter()
                .flat_map(|lun| {
                    let name = lun.name;
                    lun.plexes.into_iter().map(move |plex| (name.clone(), plex))
                })
                .collect();
            if context.global.json {
                let plexes = plexes.into_iter().map(|(_, plex)| plex).collect();
                return context.show_list(plexes, |_: &[Plex]| Ok(()));
            }
            let mut table =
                Table::new(&["ID", "LUN", "TYPE", "SIZE", "STATUS", "HEALTH", "DRIVES"]);
            for (lun, plex) in &plexes {
                table.row([
                    short(&plex.id),
                    lun.clone(),
                    plex.plex_type.clone(),
                    size(plex.size_bytes),
                    plex.status.clone(),
                    plex.health.clone(),
                    drives(std::slice::from_ref(plex)),
                ]);
            }
            table.print("no plexes: there are no LUNs yet")
        }
        PlexVerb::Show { plex } => {
            let plex = context.client.plex(&plex).await?;
            context.show(&plex, print_plex)
        }
    }
}

fn print_plex(plex: &Plex) -> Result<(), Failure> {
    let mut fields = Fields::default();
    fields.add("id", &*plex.id);
    fields.add("LUN", &*plex.lun);
    fields.add("type", &*plex.plex_type);
    fields.add("size", exact_size(plex.size_bytes));
    fields.add("status", &*plex.status);
    fields.add("health", &*plex.health);
    fields.add("changing", &*plex.transition);
    if plex.stripe_bytes != 0 {
        fields.add("interleave", size(u64::from(plex.stripe_bytes)));
    }
    fields.add_all(
        "drives",
        plex.extents.iter().map(|extent| {
            let name = drive_name(&extent.drive_name, &extent.drive);
            format!("{name}: {}", exact_size(extent.size_bytes))
        }),
    );
    fields.print()
}
