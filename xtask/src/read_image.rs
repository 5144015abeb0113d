//! The second reader of what lies on drives: prints every field of an image and checks what it says of itself.
//!
//! Written from `docs/on-disk.md` alone and shares no line with the product, so that a page and two programs agree or one
//! of the three is wrong.

mod batch;
mod catalog;
mod checksum;
mod fields;
mod head;
mod image;
mod lun;
mod map;
mod operation;
mod print;
mod record;
mod report;
mod slab;
mod state;
mod superblock;
#[cfg(test)]
mod tests;

use crate::arguments::Arguments;
use anyhow::{Result, bail};
use catalog::{Copy, Printed};
use fields::Id;
use image::Image;
use report::{Form, Report};
use slab::{Drive, Drives};
use state::State;
use std::collections::BTreeMap;
use std::path::PathBuf;

const ACTIVE: u8 = 1;
/// An array of more active drives has its catalog on fewer.
const HOLDERS_ALL: usize = 8;
const HOLDERS: usize = 7;

/// What to read, and how much to tell.
pub(crate) struct Options {
    paths: Vec<PathBuf>,
    form: Form,
    secrets: bool,
}

impl Options {
    /// `DIR|FILE... [--summary] [--secrets]`.
    ///
    /// # Errors
    /// When nothing is named, or an option is unknown.
    pub(crate) fn parse(mut arguments: Arguments) -> Result<Self> {
        let form = if arguments.flag("--summary") { Form::Short } else { Form::Long };
        let secrets = arguments.flag("--secrets");
        let paths: Vec<PathBuf> = arguments.rest()?.into_iter().map(PathBuf::from).collect();
        if paths.is_empty() {
            bail!("a folder of images or the images of an array's drives are wanted");
        }
        Ok(Self { paths, form, secrets })
    }
}

/// Reads the drives and prints what they hold. True if everything fits.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let paths = image::find(&options.paths)?;
    let images = paths.iter().map(|path| Image::open(path)).collect::<Result<Vec<_>>>()?;
    let report = read(images, Report::new(options.form, options.secrets))?.1;
    print!("{}", report.text());
    Ok(report.mismatches() == 0)
}

/// Reads drives. They are given back for the next reading.
fn read(images: Vec<Image>, mut report: Report) -> Result<(Vec<Drive>, Report)> {
    let mut drives = Vec::new();
    for image in images {
        report.head(0, format_args!("{}: {} blocks", image.name, image.blocks));
        if image.blocks < 2 {
            report.mismatch(&image.name, "too small for a drive");
            continue;
        }
        match superblock::read(&image, &mut report)? {
            Some(superblock) => drives.push(Drive { image, superblock }),
            None => report.mismatch(&image.name, "no superblock can be trusted"),
        }
    }
    let mut arrays: BTreeMap<Id, Vec<&Drive>> = BTreeMap::new();
    for drive in &drives {
        arrays.entry(drive.superblock.array).or_default().push(drive);
    }
    for (array, drives) in arrays {
        read_array(array, &drives, &mut report)?;
    }
    let mismatches = report.mismatches();
    report.head(0, format_args!("{} drives, {mismatches} mismatches", drives.len()));
    Ok((drives, report))
}

fn read_array(array: Id, drives: &[&Drive], report: &mut Report) -> Result<()> {
    let mut copies: BTreeMap<Id, Copy> = BTreeMap::new();
    let mut printed = Printed::default();
    for drive in drives {
        let name = &drive.image.name;
        report.line(0, format_args!(""));
        report.line(0, format_args!("the catalog on {name}"));
        let (copy, found) = catalog::read(&drive.image, &drive.superblock, &mut printed, report)?;
        let round = copy.as_ref().map(|copy| copy.round);
        report.head(
            0,
            format_args!(
                "{name}: {} snapshots, {} journal entries, newest round {round:?}",
                found.snapshots, found.entries
            ),
        );
        if let Some(copy) = copy
            && copies.insert(drive.superblock.drive, copy).is_some()
        {
            report.mismatch(name, "its drive id is another drive's as well");
        }
    }
    let Some(truth) = copies.values().max_by_key(|copy| copy.round) else {
        report.mismatch(format_args!("array {array}"), "no copy of the catalog");
        return Ok(());
    };
    report.line(0, format_args!(""));
    report.head(0, format_args!("array {array}: round {}, lineage {}", truth.round, truth.lineage));
    print::all(&truth.state.records(), 1, report);
    report.mismatch_all("catalog", &truth.state.complaints());
    if truth.state.array.as_ref().is_some_and(|array| array.lineage != truth.lineage) {
        report.mismatch("catalog", "the lineage of the array record is another");
    }
    compare(truth, &copies, report);
    let by_number = numbered(&truth.state, drives, report);
    for lun in truth.state.luns.values() {
        lun::read(lun, &truth.state, array, &by_number, report)?;
    }
    Ok(())
}

/// Every member has the same round, and the same state at it.
fn compare(truth: &Copy, copies: &BTreeMap<Id, Copy>, report: &mut Report) {
    let active: Vec<_> =
        truth.state.drives.values().filter(|drive| drive.state == ACTIVE).collect();
    let holders = if active.len() > HOLDERS_ALL { HOLDERS } else { active.len() };
    for drive in &active[..holders] {
        let name = format!("catalog on drive {} ({})", drive.number, drive.name);
        let Some(copy) = copies.get(&drive.id) else {
            report.mismatch(name, "cannot be read");
            continue;
        };
        if (copy.round, copy.lineage) != (truth.round, truth.lineage) {
            let what = format_args!("is at round {}, lineage {}", copy.round, copy.lineage);
            report.mismatch(name, what);
        } else if copy.state != truth.state {
            report.mismatch(name, "differs");
        }
    }
}

/// The drives by the numbers that the catalog gives them, compared with their superblocks.
fn numbered<'a>(state: &State, drives: &[&'a Drive], report: &mut Report) -> Drives<'a> {
    let mut numbered = Drives::new();
    for known in state.drives.values() {
        let name = format!("drive {} ({})", known.number, known.name);
        let found = drives.iter().find(|drive| drive.superblock.drive == known.id);
        let Some(drive) = found else {
            if known.state == ACTIVE {
                report.mismatch(name, "is not among the images");
            }
            continue;
        };
        let superblock = &drive.superblock;
        let mut same = |what: &str, found: u64, wanted: u64| {
            if found != wanted {
                let text = format_args!("{what} is {found}, the catalog says {wanted}");
                report.mismatch(&name, text);
            }
        };
        same("slab_start", superblock.slab_start, known.slab_start);
        same("slab_count", superblock.slab_count.into(), known.slab_count.into());
        same("size", superblock.blocks * image::BLOCK as u64, known.size_bytes);
        if let Some(array) = &state.array {
            same("slab_shift", superblock.slab_shift.into(), array.slab_shift.into());
        }
        numbered.insert(known.number, *drive);
    }
    for drive in drives {
        if !state.drives.values().any(|known| known.id == drive.superblock.drive) {
            report.mismatch(&drive.image.name, "the catalog does not know this drive");
        }
    }
    numbered
}
