//! One drive's copy of the catalog: snapshot areas and journal ring.

use super::checksum;
use super::fields::{Fields, Id, is_zero, u32_at};
use super::head::{Expected, HEAD, Head};
use super::image::{BLOCK, Image};
use super::print;
use super::record::{self, Record};
use super::report::Report;
use super::state::State;
use super::superblock::Superblock;
use anyhow::Result;
use std::collections::BTreeMap;

const ENTRY_MAGIC: [u8; 8] = *b"VDSJOURN";
const SNAPSHOT_MAGIC: [u8; 8] = *b"VDSSNAPS";
const ENTRY_PAYLOAD: usize = 96;
const SNAPSHOT_END: usize = 92;
const AREAS: u32 = 2;

/// A valid snapshot.
struct Snapshot {
    round: u64,
    entry_checksum: u32,
    lineage: Id,
    records: Vec<Record>,
}

/// A valid journal entry.
struct Entry {
    round: u64,
    previous: u32,
    checksum: u32,
    lineage: Id,
    records: Vec<Record>,
}

/// What a drive's copy comes to.
pub(super) struct Copy {
    pub(super) round: u64,
    pub(super) lineage: Id,
    pub(super) state: State,
}

/// How much was found, for the short form.
#[derive(Default)]
pub(super) struct Found {
    pub(super) snapshots: usize,
    pub(super) entries: usize,
}

/// What was printed already: records, by round, and where they stood.
#[derive(Default)]
pub(super) struct Printed(BTreeMap<u64, Vec<(String, Vec<Record>)>>);

impl Printed {
    /// Prints records, or where the same ones were printed.
    fn print(&mut self, place: &str, round: u64, records: &[Record], report: &mut Report) {
        let of_round = self.0.entry(round).or_default();
        if let Some((place, _)) = of_round.iter().find(|(_, printed)| printed == records) {
            report.line(2, format_args!("the records of {place}"));
            return;
        }
        print::all(records, 2, report);
        of_round.push((place.to_owned(), records.to_vec()));
    }
}

/// Reads both areas and the ring, and follows the journal from the newest snapshot.
pub(super) fn read(
    image: &Image,
    superblock: &Superblock,
    printed: &mut Printed,
    report: &mut Report,
) -> Result<(Option<Copy>, Found)> {
    let mut snapshots = Vec::new();
    for area in 0..AREAS {
        snapshots.extend(read_snapshot(image, superblock, area, printed, report)?);
    }
    let entries = read_ring(image, superblock, printed, report)?;
    let found = Found { snapshots: snapshots.len(), entries: entries.len() };
    let Some(snapshot) = snapshots.into_iter().max_by_key(|snapshot| snapshot.round) else {
        report.mismatch(&image.name, "no valid snapshot");
        return Ok((None, found));
    };
    Ok((Some(follow(&image.name, &snapshot, &entries, report)), found))
}

fn follow(name: &str, snapshot: &Snapshot, entries: &[Entry], report: &mut Report) -> Copy {
    let mut copy =
        Copy { round: snapshot.round, lineage: snapshot.lineage, state: State::default() };
    snapshot.records.iter().for_each(|record| copy.state.apply(record));
    let mut checksum = snapshot.entry_checksum;
    while let Some(entry) = entries.iter().find(|entry| {
        let continues = entry.lineage == copy.lineage && entry.previous == checksum;
        let begins = entry.lineage != copy.lineage && entry.previous == 0;
        entry.round == copy.round + 1 && (continues || begins)
    }) {
        entry.records.iter().for_each(|record| copy.state.apply(record));
        (copy.round, copy.lineage, checksum) = (entry.round, entry.lineage, entry.checksum);
    }
    let beyond =
        entries.iter().filter(|entry| entry.lineage == copy.lineage && entry.round > copy.round);
    for entry in beyond {
        let what = format!("round {} does not continue round {}", entry.round, copy.round);
        report.mismatch(name, what);
    }
    copy
}

fn read_snapshot(
    image: &Image,
    superblock: &Superblock,
    area: u32,
    printed: &mut Printed,
    report: &mut Report,
) -> Result<Option<Snapshot>> {
    let block = superblock.snapshot_block(area);
    let header = image.read(block, 1)?;
    if is_zero(&header) {
        report.line(1, format_args!("snapshot area {area} at block {block}: empty"));
        return Ok(None);
    }
    let head = Head::of(&header);
    report.line(1, format_args!("snapshot area {area} at block {block}: {head}"));
    let mut fields = Fields::from(&header, HEAD);
    let round = fields.u64()?;
    let entry_checksum = fields.u32()?;
    let count = fields.u32()?;
    let payload_bytes = fields.u64()?;
    let lineage = fields.id()?;
    let payload_checksum = fields.u32()?;
    report.line(
        2,
        format_args!(
            "round {round}, checksum of its entry {entry_checksum:08x}, records {count}, payload {payload_bytes} B, lineage \
             {lineage}, payload checksum {payload_checksum:08x}"
        ),
    );
    let place = format!("{} block {block}, snapshot", image.name);
    let expected =
        Expected { magic: SNAPSHOT_MAGIC, array: Some(superblock.array), address: block };
    let mut complaints = head.complaints(&header, expected);
    if head.generation != round {
        complaints.push(format!("round {round} is not the generation"));
    }
    if !is_zero(&header[SNAPSHOT_END..]) {
        complaints.push("the padding of the header is not zero".to_owned());
    }
    let room = u64::from(superblock.snapshot_blocks).saturating_sub(1) * BLOCK as u64;
    if payload_bytes > room {
        complaints.push(format!("a payload of {payload_bytes} B does not fit"));
    }
    if !complaints.is_empty() {
        report.mismatch_all(place, &complaints);
        return Ok(None);
    }
    let mut payload = image.read(block + 1, payload_bytes.div_ceil(BLOCK as u64))?;
    payload.truncate(usize::try_from(payload_bytes)?);
    let computed = checksum::of(&[&payload]);
    if computed != payload_checksum {
        report.mismatch(place, format_args!("payload checksum computed {computed:08x}"));
        return Ok(None);
    }
    let records = match record::parse_all(&payload, count) {
        Ok(records) => records,
        Err(error) => {
            report.mismatch(place, format_args!("{error:#}"));
            return Ok(None);
        }
    };
    printed.print(&place, round, &records, report);
    Ok(Some(Snapshot { round, entry_checksum, lineage, records }))
}

fn read_ring(
    image: &Image,
    superblock: &Superblock,
    printed: &mut Printed,
    report: &mut Report,
) -> Result<Vec<Entry>> {
    let first = superblock.journal_first;
    let ring = image.read(first, superblock.journal_blocks.into())?;
    let mut entries = Vec::new();
    let mut leftover = 0_usize;
    let mut at = 0;
    while at < ring.len() {
        let bytes = &ring[at..];
        let block = first + (at / BLOCK) as u64;
        if !bytes.starts_with(&ENTRY_MAGIC) {
            leftover += usize::from(!is_zero(&bytes[..BLOCK]));
            at += BLOCK;
            continue;
        }
        at += match read_entry(&image.name, superblock, block, bytes, printed, report)? {
            Some((entry, blocks)) => {
                entries.push(entry);
                blocks * BLOCK
            }
            None => BLOCK,
        };
    }
    if leftover > 0 {
        report.line(
            1,
            format_args!("journal: {leftover} blocks of entries that were partly written over"),
        );
    }
    Ok(entries)
}

fn read_entry(
    name: &str,
    superblock: &Superblock,
    block: u64,
    bytes: &[u8],
    printed: &mut Printed,
    report: &mut Report,
) -> Result<Option<(Entry, usize)>> {
    let head = Head::of(bytes);
    report.line(1, format_args!("journal entry at block {block}: {head}"));
    let mut fields = Fields::from(bytes, HEAD);
    let round = fields.u64()?;
    let previous = fields.u32()?;
    let payload_bytes = fields.u32()?;
    let blocks = fields.u32()?;
    let count = fields.u32()?;
    let lineage = fields.id()?;
    report.line(
        2,
        format_args!(
            "round {round}, checksum of the entry before {previous:08x}, payload {payload_bytes} B, blocks {blocks}, records \
             {count}, lineage {lineage}"
        ),
    );
    let place = format!("{name} block {block}, journal entry");
    let length = usize::try_from(blocks)? * BLOCK;
    if !(1..=superblock.journal_blocks / 4).contains(&blocks) || length > bytes.len() {
        report.mismatch(place, format_args!("an entry of {blocks} blocks does not fit"));
        return Ok(None);
    }
    let bytes = &bytes[..length];
    let expected = Expected { magic: ENTRY_MAGIC, array: Some(superblock.array), address: block };
    let mut complaints = head.complaints(bytes, expected);
    if head.generation != round {
        complaints.push(format!("round {round} is not the generation"));
    }
    if !is_zero(fields.take(8)?) {
        complaints.push("bytes 88..96 are not zero".to_owned());
    }
    let payload = &bytes[ENTRY_PAYLOAD..];
    let Some((payload, padding)) = payload.split_at_checked(payload_bytes.try_into()?) else {
        complaints.push(format!("a payload of {payload_bytes} B does not fit"));
        report.mismatch_all(place, &complaints);
        return Ok(None);
    };
    if !is_zero(padding) || padding.len() >= BLOCK {
        complaints
            .push("what lies behind the payload is not zero up to the block's end".to_owned());
    }
    let records = record::parse_all(payload, count).unwrap_or_else(|error| {
        complaints.push(format!("{error:#}"));
        Vec::new()
    });
    printed.print(&place, round, &records, report);
    if !complaints.is_empty() {
        report.mismatch_all(place, &complaints);
        return Ok(None);
    }
    let checksum = u32_at(bytes, 12);
    Ok(Some((Entry { round, previous, checksum, lineage, records }, blocks.try_into()?)))
}
