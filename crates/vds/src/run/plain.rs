//! `vds status`, `vds damage`.

use vds_api::Status;

use super::short;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{self, Fields, Table, duration, moment, size};

/// The service at a glance.
pub(super) async fn status(context: &Context) -> Result<(), Failure> {
    let status = context.client.status().await?;
    context.show(&status, print_status)
}

fn print_status(status: &Status) -> Result<(), Failure> {
    let mut fields = Fields::default();
    let up_ms = status.now_unix_ms.saturating_sub(status.started_unix_ms);
    fields.add(
        "service",
        format!("vds {}, process {}, up {}", status.version, status.pid, duration(up_ms)),
    );
    fields.add("data", &*status.data_directory);
    fields.add("health", &*status.health);
    fields.add(
        "objects",
        format!(
            "{}, {}, {}",
            count(status.drives, "drive"),
            count(status.luns, "LUN"),
            count(status.sessions, "session")
        ),
    );
    fields.add("operations", format!("{} running", status.operations_running));
    fields.add_all("notes", &status.notes);
    fields.print()?;
    output::line("")?;
    super::array::subsystem_table(&status.subsystems)
        .print("no array yet: make one with `vds subsystem create`")
}

/// `1 drive`, `2 drives`.
fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// What was found bad.
pub(super) async fn damage(context: &Context) -> Result<(), Failure> {
    let damage = context.client.damage().await?;
    context.show_list(damage, |damage| {
        let mut table = Table::new(&["FOUND", "DRIVE", "AT", "WHAT", "LUN", "OUTCOME", "MESSAGE"]);
        for found in damage {
            table.row([
                moment(found.found_unix_ms),
                found.drive_name.clone(),
                size(found.offset_bytes),
                found.structure.clone(),
                found.lun.as_deref().map(short).unwrap_or_default(),
                found.outcome.clone(),
                found.message.clone(),
            ]);
        }
        table.print("no damage was found")
    })
}
