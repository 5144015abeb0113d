//! The golden image read by the second reader, whole and with single bytes changed.

use super::fields::{u32_at, u64_at};
use super::image::BLOCK;
use super::report::{Form, Report};
use super::slab::Drive;
use super::{Image, image, read};
use crate::tree;
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// The images, and how many drives they have.
const IMAGES: [(&str, usize); 2] = [("v1", 3), ("v1-later", 5)];

fn folder(name: &str) -> PathBuf {
    tree::workspace_root().unwrap().join("tests/golden").join(name)
}

fn drives_of(name: &str) -> Vec<Image> {
    let paths = image::find(&[folder(name)]).unwrap();
    paths.iter().map(|path| Image::open(path).unwrap()).collect()
}

fn golden() -> Vec<Image> {
    drives_of("v1")
}

#[test]
fn every_field_of_the_golden_images_is_printed() {
    for (name, drives) in IMAGES {
        let images = drives_of(name);
        assert_eq!(images.len(), drives);
        let (_, report) = read(images, Report::new(Form::Long, true)).unwrap();
        let mut expected = String::new();
        let packed = File::open(folder(name).join("read-image.txt.gz")).unwrap();
        GzDecoder::new(packed).read_to_string(&mut expected).unwrap();
        for (number, (found, expected)) in report.text().lines().zip(expected.lines()).enumerate() {
            assert_eq!(found, expected, "{name} line {}", number + 1);
        }
        assert_eq!(report.text().len(), expected.len());
        assert_eq!(report.mismatches(), 0);
    }
}

/// Goal: the images leave out nothing that the format has.
#[test]
fn every_kind_of_record_and_state_is_in_an_image() {
    let mut all = String::new();
    for (name, _) in IMAGES {
        let (_, report) = read(drives_of(name), Report::new(Form::Long, true)).unwrap();
        all.push_str(report.text());
    }
    let begins = |text: &str| all.lines().any(|line| line.trim_start().starts_with(text));
    for record in [
        "1 array:",
        "2 drive:",
        "3 drive deleted:",
        "4 LUN:",
        "5 LUN deleted:",
        "6 checkpoint:",
        "7 segment:",
        "8 live counts:",
        "9 segments deleted:",
        "10 target:",
        "11 target deleted:",
        "12 portal:",
        "13 portal deleted:",
        "14 operation:",
        "15 operation deleted",
        "16 portal group:",
        "17 portal group deleted:",
    ] {
        assert!(begins(record), "no record {record}");
    }
    for word in [
        "state active (1)",
        "state failed (2)",
        "state leaving (4)",
        "(hot spare)",
        "offline",
        "secrets for initiators",
        "towards initiator",
        "stream host (1)",
        "stream moves (2)",
        "stream map (3)",
        "headers doubled",
        "copy 127",
        ": lost",
        "state absent (3)",
    ] {
        assert!(all.contains(word), "no {word}");
    }
}

#[test]
fn secrets_are_shown_only_when_asked_for() {
    for (name, _) in IMAGES {
        let (_, report) = read(drives_of(name), Report::new(Form::Long, false)).unwrap();
        assert!(report.text().contains("secret (15 bytes)"), "{name}");
        assert!(!report.text().contains(&super::fields::Hex(b"golden secret").to_string()));
    }
}

/// A block that belongs to something in use.
struct Structure {
    drive: usize,
    block: u64,
    what: &'static str,
    generation: u64,
}

const MAGICS: [&str; 6] = ["VDSSUPER", "VDSJOURN", "VDSSNAPS", "VDSLABEL", "VDSBATCH", "VDSMAPPG"];

/// Everything in use, found by magic. Of slabs, what belongs to a segment that the report names; of the journal, what no
/// snapshot holds yet; and the last block of each batch of one data column, which is data, a doubled header or zeros.
fn structures(drives: &[Drive], text: &str) -> Vec<Structure> {
    let mut found = Vec::new();
    for (drive, bytes_of) in drives.iter().enumerate() {
        // The label passed last: its block and segment.
        let mut label = (0, u64::MAX);
        for block in 0..bytes_of.image.blocks {
            let bytes = bytes_of.image.read(block, 1).unwrap();
            let Some(what) = MAGICS.into_iter().find(|magic| bytes.starts_with(magic.as_bytes()))
            else {
                continue;
            };
            let generation = u64_at(&bytes, 40);
            if what == "VDSLABEL" {
                label = (block, generation);
            }
            let (_, segment) = label;
            let in_slab = matches!(what, "VDSLABEL" | "VDSBATCH" | "VDSMAPPG");
            let is_own = what == "VDSLABEL" || u64_at(&bytes, 32) >> 24 == segment;
            let start = format!("  7 segment: number {segment},");
            if in_slab && !(is_own && text.lines().any(|line| line.starts_with(&start))) {
                continue;
            }
            let (row, rows) = (u64::from(u32_at(&bytes, 76)), u64::from(u32_at(&bytes, 80)));
            if what == "VDSBATCH" && bytes[87] == 1 && row == block - label.0 - 1 {
                found.push(Structure { drive, block: block + rows - 1, what: "data", generation });
            }
            found.push(Structure { drive, block, what, generation });
        }
    }
    let snapshots = found.iter().filter(|it| it.what == "VDSSNAPS").map(|it| it.generation);
    let newest = snapshots.max().unwrap();
    found.retain(|it| it.what != "VDSJOURN" || it.generation > newest);
    found
}

/// Goal: no byte of a structure can change without being told.
/// Method: in each structure of a sample, single bytes at positions that wander over the block.
#[test]
fn one_flipped_byte_in_any_structure_is_told() {
    let (mut drives, report) = read(golden(), Report::new(Form::Long, true)).unwrap();
    let all = structures(&drives, report.text());
    let mut by_kind = BTreeMap::<&str, usize>::new();
    let mut flips = 0_usize;
    for structure in &all {
        let seen = by_kind.entry(structure.what).or_default();
        *seen += 1;
        let kind_count = all.iter().filter(|other| other.what == structure.what).count();
        // About forty of each kind, spread over all of them.
        if !seen.is_multiple_of(kind_count.div_ceil(40)) {
            continue;
        }
        flips += 1;
        // The head's fields one after the other, then all over the block.
        let at = if flips.is_multiple_of(2) { flips / 2 % 48 } else { flips * 677 % BLOCK };
        let byte = usize::try_from(structure.block).unwrap() * BLOCK + at;
        let bits = 1 << (flips % 8);
        drives[structure.drive].image.flip(byte, bits);
        let images = drives.into_iter().map(|drive| drive.image).collect();
        let (read_drives, report) = read(images, Report::new(Form::Mismatches, true)).unwrap();
        let Structure { drive, block, what, .. } = structure;
        assert!(report.mismatches() > 0, "drive {drive} block {block} {what} byte {at}");
        drives = read_drives;
        // One slot is enough for a drive to be one.
        assert_eq!(drives.len(), 3, "drive {drive} block {block} {what} byte {at}");
        drives[*drive].image.flip(byte, bits);
    }
    assert_eq!(by_kind.len(), MAGICS.len() + 1, "{by_kind:?}");
    assert!(flips > 100, "{flips} flips");
    let images = drives.into_iter().map(|drive| drive.image).collect();
    let (_, report) = read(images, Report::new(Form::Mismatches, true)).unwrap();
    assert_eq!(report.text(), "");
}
