//! `vds subsystem` and `vds drive`.

use std::path::Path;

use vds_api::{
    AddDrive, AvailableDrive, ChangeSubsystem, CreateSubsystem, Drive, FailDrive, NewDrive,
    OpenSubsystem, SetDriveSpare, Subsystem,
};

use super::joined;
use crate::command::{DriveVerb, NewDriveArgs, SubsystemVerb};
use crate::context::Context;
use crate::failure::{Failure, hint};
use crate::output::{self, Fields, Table, exact_size, size};

/// A verb of `vds subsystem`.
pub(super) async fn subsystem(context: &Context, verb: SubsystemVerb) -> Result<(), Failure> {
    match verb {
        SubsystemVerb::List => {
            let subsystems = context.client.subsystems().await?;
            context.show_list(subsystems, |subsystems| {
                subsystem_table(subsystems)
                    .print("no array yet: make one with `vds subsystem create`")
            })
        }
        SubsystemVerb::Show { subsystem } => {
            let subsystem = context.subsystem(subsystem.as_deref()).await?;
            context.show(&subsystem, print_subsystem)
        }
        SubsystemVerb::Create { name, drives, wipe } => {
            create_subsystem(context, name, &drives, wipe).await
        }
        SubsystemVerb::Scrub { subsystem } => scrub(context, subsystem.as_deref()).await,
        SubsystemVerb::Rename { subsystem, name } => {
            let found = context.client.subsystem(&subsystem).await?;
            let done = format!("array {} is now called {name}", found.name);
            let body = ChangeSubsystem { name };
            let pending = context.client.change_subsystem(&found.id, &body).await?;
            context.finish_with(pending, &done).await
        }
        SubsystemVerb::Open { subsystem, without } => {
            let found = context.client.subsystem(&subsystem).await?;
            let what = format!(
                "Array {} will be opened without {}, which is expelled: what only it holds is lost.",
                found.name,
                without.join(", ")
            );
            context.confirm(&what)?;
            let body = OpenSubsystem { without };
            let pending = context.client.open_subsystem(&found.id, &body).await?;
            context.finish_with(pending, &format!("array {} is open", found.name)).await
        }
    }
}

async fn create_subsystem(
    context: &Context,
    name: String,
    paths: &[std::path::PathBuf],
    wipe: bool,
) -> Result<(), Failure> {
    let mut drives = Vec::new();
    for path in paths {
        drives.push(NewDrive { path: absolute(path)?, wipe, serial: None });
    }
    if wipe {
        let paths: Vec<&str> = drives.iter().map(|drive| drive.path.as_str()).collect();
        context.confirm(&format!("Everything on {} will be destroyed.", paths.join(", ")))?;
    }
    let body = CreateSubsystem { name, drives, provider: None };
    let pending = context.client.create_subsystem(&body).await?;
    context
        .finish(pending, async |operation| {
            let id = operation.made("subsystem").unwrap_or(&body.name);
            let made = context.client.subsystem(id).await?;
            output::line(&format!(
                "array {} made on {} drives: {} free of {}",
                made.name,
                made.drives,
                size(made.free_bytes),
                size(made.raw_bytes)
            ))?;
            hint("Make a LUN with `vds lun create`, let hosts in with `vds portal add`.");
            Ok(())
        })
        .await
}

async fn scrub(context: &Context, name: Option<&str>) -> Result<(), Failure> {
    let found = context.subsystem(name).await?;
    let pending = context.client.scrub_subsystem(&found.id).await?;
    context
        .finish(pending, async |operation| {
            let Some(report) = operation.output.and_then(|output| output.report) else {
                return output::line(&format!("array {} is scrubbed", found.name));
            };
            output::line(&format!(
                "array {} is scrubbed: {} blocks verified, {} repaired, {} lost",
                found.name, report.checked_blocks, report.repaired_blocks, report.lost_blocks
            ))?;
            if report.repaired_blocks + report.lost_blocks > 0 {
                hint("`vds damage` tells what was found, and where.");
            }
            Ok(())
        })
        .await
}

/// A path as the daemon, which runs elsewhere, can use it.
pub(super) fn absolute(path: &Path) -> Result<String, Failure> {
    let failed = |source| Failure::Input { path: path.to_owned(), source };
    let absolute = std::path::absolute(path).map_err(failed)?;
    absolute.into_os_string().into_string().map_err(|path| Failure::Usage {
        message: format!("{} is no text in UTF-8", path.display()),
    })
}

/// All arrays, for people.
pub(super) fn subsystem_table(subsystems: &[Subsystem]) -> Table {
    let mut table =
        Table::new(&["NAME", "STATUS", "HEALTH", "DRIVES", "LUNS", "SIZE", "FREE", "NOTES"]);
    for subsystem in subsystems {
        table.row([
            subsystem.name.clone(),
            subsystem.status.clone(),
            subsystem.health.clone(),
            subsystem.drives.to_string(),
            subsystem.luns.to_string(),
            size(subsystem.raw_bytes),
            size(subsystem.free_bytes),
            joined(&subsystem.notes),
        ]);
    }
    table
}

fn print_subsystem(subsystem: &Subsystem) -> Result<(), Failure> {
    let mut fields = Fields::default();
    fields.add("name", &*subsystem.name);
    fields.add("id", &*subsystem.id);
    fields.add("status", &*subsystem.status);
    fields.add("health", &*subsystem.health);
    fields.add("size", exact_size(subsystem.raw_bytes));
    fields.add("free", exact_size(subsystem.free_bytes));
    fields.add("drives", subsystem.drives.to_string());
    fields.add("LUNs", subsystem.luns.to_string());
    fields.add("LUN types", joined(&subsystem.lun_types));
    fields.add("identification", &*subsystem.identification);
    fields.add_all("notes", &subsystem.notes);
    fields.print()
}

/// A verb of `vds drive`.
pub(super) async fn drive(context: &Context, verb: DriveVerb) -> Result<(), Failure> {
    match verb {
        DriveVerb::List { available: true } => {
            let drives = context.client.available_drives().await?;
            context.show_list(drives, print_available)
        }
        DriveVerb::List { available: false } => {
            let drives = context.client.drives().await?;
            context.show_list(drives, print_drives)
        }
        DriveVerb::Show { drive } => {
            let drive = context.client.drive(&drive).await?;
            context.show(&drive, print_drive)
        }
        DriveVerb::Add(arguments) => add_drive(context, arguments).await,
        DriveVerb::Fail { drive } => {
            let drive = context.client.drive(&drive).await?;
            context.confirm(&format!(
                "Drive {} ({}) will be used no more; LUNs without redundancy lose what lies on it.",
                drive.name, drive.path
            ))?;
            let body = FailDrive { confirm: true };
            let pending = context.client.fail_drive(&drive.id, &body).await?;
            context.finish_with(pending, &format!("drive {} is failed", drive.name)).await
        }
        DriveVerb::Spare { drive, off } => {
            let drive = context.client.drive(&drive).await?;
            let body = SetDriveSpare { is_spare: !off };
            let pending = context.client.set_drive_spare(&drive.id, &body).await?;
            let what = if off { "is used for data" } else { "is a hot spare" };
            context.finish_with(pending, &format!("drive {} {what}", drive.name)).await
        }
        DriveVerb::Remove { drive } => {
            let drive = context.client.drive(&drive).await?;
            let what = format!("Drive {} ({}) will leave its array.", drive.name, drive.path);
            context.confirm(&what)?;
            let pending = context.client.remove_drive(&drive.id).await?;
            context.finish_with(pending, &format!("drive {} is released", drive.name)).await
        }
    }
}

async fn add_drive(context: &Context, arguments: NewDriveArgs) -> Result<(), Failure> {
    let NewDriveArgs { path, wipe, serial, subsystem } = arguments;
    let path = absolute(&path)?;
    if wipe {
        context.confirm(&format!("Everything on {path} will be destroyed."))?;
    }
    let drive = NewDrive { path: path.clone(), wipe, serial };
    let pending = context.client.add_drive(&AddDrive { subsystem, drive }).await?;
    context
        .finish(pending, async |operation| {
            let Some(id) = operation.made("drive") else {
                return output::line(&format!("drive {path} added"));
            };
            let drive = context.client.drive(id).await?;
            output::line(&format!(
                "drive {path} added as {}: {} free",
                drive.name,
                size(drive.free_bytes)
            ))
        })
        .await
}

fn print_drives(drives: &[Drive]) -> Result<(), Failure> {
    let mut table =
        Table::new(&["NAME", "STATUS", "HEALTH", "SIZE", "FREE", "SPARE", "PATH", "NOTES"]);
    for drive in drives {
        table.row([
            drive.name.clone(),
            drive.status.clone(),
            drive.health.clone(),
            size(drive.size_bytes),
            size(drive.free_bytes),
            if drive.is_spare { "yes" } else { "no" }.to_owned(),
            drive.path.clone(),
            joined(&drive.notes),
        ]);
    }
    table.print("no drives: make an array with `vds subsystem create`")
}

fn print_available(drives: &[AvailableDrive]) -> Result<(), Failure> {
    let mut table = Table::new(&["PATH", "SIZE", "MODEL", "SERIAL", "AVAILABLE"]);
    for drive in drives {
        let available = if drive.is_available {
            "yes".to_owned()
        } else {
            format!("no: {}", drive.obstacles.join("; "))
        };
        table.row([
            drive.path.clone(),
            size(drive.size_bytes),
            drive.model.clone(),
            drive.serial.clone(),
            available,
        ]);
    }
    table.print("no block devices on this machine; plain files will do")
}

fn print_drive(drive: &Drive) -> Result<(), Failure> {
    let mut fields = Fields::default();
    fields.add("name", &*drive.name);
    fields.add("id", &*drive.id);
    fields.add("path", &*drive.path);
    fields.add("status", &*drive.status);
    fields.add("health", &*drive.health);
    fields.add("size", exact_size(drive.size_bytes));
    fields.add("free", exact_size(drive.free_bytes));
    fields.add("spare", if drive.is_spare { "yes" } else { "no" });
    fields.add("identification", &*drive.identification);
    fields.add_all(
        "space",
        drive.extents.iter().map(|extent| {
            let user = match &extent.lun {
                Some(lun) => format!("LUN {lun}"),
                None if extent.is_used => "the array itself".to_owned(),
                None => "free".to_owned(),
            };
            format!("{}: {user}", size(extent.size_bytes))
        }),
    );
    fields.add_all("notes", &drive.notes);
    fields.print()
}
