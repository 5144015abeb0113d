//! The committed facts against the catalogue that they were taken from, where that lies beside the repository.

use std::collections::BTreeSet;
use std::path::PathBuf;

const BESIDE: &str = concat!("..", "/shared/vds-reference");
const STRUCTURES: &str = include_str!("../../../vds-idl/facts/structures.tsv");
const METHODS: &str = include_str!("../../../vds-idl/facts/methods.tsv");
const ENUMERATORS: &str = include_str!("../../../vds-idl/facts/enumerators.tsv");
const RESULTS: &str = include_str!("../../../vds-idl/facts/results.tsv");

fn catalogue(name: &str) -> Option<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(BESIDE);
    let text = std::fs::read_to_string(folder.join(name)).ok();
    if text.is_none() {
        println!("not run: the catalogue does not lie beside the repository");
    }
    text
}

/// The rows of a committed table, shortened to some of its columns.
fn committed(table: &str, columns: &[usize]) -> BTreeSet<String> {
    let rows = table.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('\t').collect();
        columns.iter().map(|column| cells[*column]).collect::<Vec<_>>().join(" ")
    })
    .collect()
}

/// Heading of third order and cells of each row below it, with the paragraphs between as rows of one cell.
fn rows(text: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
    let mut heading = "";
    text.lines().filter_map(move |line| {
        if let Some(title) = line.strip_prefix("### ") {
            heading = title.trim();
            return None;
        }
        let cells = line.strip_prefix("| ").map_or(vec![line], |row| {
            row.trim_end_matches('|').split(" | ").map(str::trim).collect()
        });
        Some((heading, cells))
    })
}

#[test]
fn offsets_are_those_of_the_catalogue() {
    let Some(text) = catalogue("types.md") else { return };
    let (_, structures) = text.split_once("\n# Structures").expect("the part on structures");
    let mut found = BTreeSet::new();
    let mut size = String::new();
    for (heading, cells) in rows(structures) {
        if let [line] = cells[..]
            && let Some((bytes, alignment)) = line.split_once(" bytes, aligned to ")
        {
            size = format!("{bytes} {}", alignment.trim());
        } else if cells.len() >= 3 && cells[0].parse::<u64>().is_ok() && heading.contains('_') {
            found.insert(format!("{heading} {size} {} {}", cells[1], cells[0]));
        }
    }
    assert_eq!(found, committed(STRUCTURES, &[0, 1, 2, 3, 4]));
}

#[test]
fn slots_are_those_of_the_catalogue() {
    let Some(text) = catalogue("interfaces.md") else { return };
    let mut found = BTreeSet::new();
    let mut identity = "";
    for (heading, cells) in rows(&text) {
        if let Some((_, rest)) = cells[0].split_once("IID `") {
            identity = rest.split('`').next().unwrap_or_default();
        } else if cells.len() >= 3 && cells[0].parse::<u64>().is_ok() {
            let method = cells[1].split("**").nth(1).unwrap_or_default();
            found.insert(format!("{heading} {identity} {} {method}", cells[0]));
        }
    }
    assert_eq!(found, committed(METHODS, &[0, 1, 2, 3]));
}

#[test]
fn numbers_are_those_of_the_catalogue() {
    let Some(types) = catalogue("types.md") else { return };
    let Some(errors) = catalogue("errors.md") else { return };
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    let (_, part) = types.split_once("\n# Enumerations").expect("the part on enumerations");
    let (part, _) = part.split_once("\n# Structures").expect("the part after it");
    let found: BTreeSet<String> = rows(part)
        .filter(|(_, cells)| cells.len() >= 3)
        .filter_map(|(heading, cells)| {
            Some(format!("{heading} {} {}", cells[0], number(cells[1])?))
        })
        .collect();
    assert_eq!(found, committed(ENUMERATORS, &[0, 1, 2]));
    let (_, part) = errors.split_once("\n## Full list").expect("the list of codes");
    let found: BTreeSet<String> = rows(part)
        .filter(|(_, cells)| cells.len() >= 4 && number(cells[0]).is_some())
        .map(|(_, cells)| format!("{} {}", cells[1], cells[0]))
        .collect();
    assert_eq!(found, committed(RESULTS, &[0, 1]));
}
