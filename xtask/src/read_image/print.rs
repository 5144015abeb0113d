//! Records as text, one line each, but lists of things that have fields of their own.

use super::fields::Hex;
use super::record::{Array, Checkpoint, Drive, Lun, Portal, PortalGroup, Record, Segment, Target};
use super::report::Report;

/// The word for a number, or the number.
pub(super) fn word(number: u8, words: &[&str]) -> String {
    let word = usize::from(number).checked_sub(1).and_then(|at| words.get(at));
    word.map_or_else(|| format!("unknown {number}"), |word| format!("{word} ({number})"))
}

fn flags(flags: u8, words: &[&str]) -> String {
    let set = words.iter().enumerate().filter(|(bit, _)| flags >> bit & 1 == 1);
    let names: Vec<&str> = set.map(|(_, word)| *word).collect();
    if names.is_empty() { flags.to_string() } else { format!("{flags} ({})", names.join(", ")) }
}

/// Prints records, one after the other.
pub(super) fn all(records: &[Record], depth: usize, report: &mut Report) {
    for it in records {
        record(it, depth, report);
    }
}

/// Prints one.
pub(super) fn record(record: &Record, depth: usize, report: &mut Report) {
    match record {
        Record::Array(it) => array(it, depth, report),
        Record::Drive(it) => drive(it, depth, report),
        Record::DriveDeleted(number) => {
            report.line(depth, format_args!("3 drive deleted: number {number}"));
        }
        Record::Lun(it) => lun(it, depth, report),
        Record::LunDeleted(number) => {
            report.line(depth, format_args!("5 LUN deleted: number {number}"));
        }
        Record::Checkpoint(it) => checkpoint(it, depth, report),
        Record::Segment(it) => segment(it, depth, report),
        Record::LiveCounts(counts) => {
            report.line(depth, format_args!("8 live counts: {}", counts.len()));
            for (segment, live) in counts {
                report.line(depth + 1, format_args!("segment {segment}, live {live}"));
            }
        }
        Record::SegmentsDeleted(numbers) => {
            report.line(depth, format_args!("9 segments deleted: {numbers:?}"));
        }
        Record::Target(it) => target(it, depth, report),
        Record::TargetDeleted(number) => {
            report.line(depth, format_args!("11 target deleted: number {number}"));
        }
        Record::Portal(it) => portal(it, depth, report),
        Record::PortalDeleted(number) => {
            report.line(depth, format_args!("13 portal deleted: number {number}"));
        }
        Record::Operation(id, operation) => {
            report.line(depth, format_args!("14 operation: {id}"));
            for line in &operation.lines {
                report.line(depth + 1, format_args!("{line}"));
            }
        }
        Record::OperationDeleted(id) => {
            report.line(depth, format_args!("15 operation deleted: {id}"));
        }
        Record::PortalGroup(it) => portal_group(it, depth, report),
        Record::PortalGroupDeleted(id) => {
            report.line(depth, format_args!("17 portal group deleted: {id}"));
        }
    }
}

fn array(array: &Array, depth: usize, report: &mut Report) {
    let Array { lineage, name, created_ms, slab_shift, next_segment, .. } = array;
    let Array { next_lun, next_drive, next_target, next_portal, .. } = array;
    report.line(
        depth,
        format_args!(
            "1 array: lineage {lineage}, name {name:?}, created {created_ms} ms, slab_shift {slab_shift}, next segment \
             {next_segment}, next LUN {next_lun}, next drive {next_drive}, next target {next_target}, next portal \
             {next_portal}"
        ),
    );
}

fn drive(drive: &Drive, depth: usize, report: &mut Report) {
    let Drive { number, id, name, path, serial, size_bytes, slab_start, .. } = drive;
    let Drive { slab_count, reason, retired, .. } = drive;
    let state = word(drive.state, &["active", "failed", "absent", "leaving"]);
    let flags = flags(drive.flags, &["hot spare"]);
    report.line(
        depth,
        format_args!(
            "2 drive: number {number}, {id}, name {name:?}, last path {path:?}, serial {serial:?}, size {size_bytes} B, \
             slab_start {slab_start}, slab_count {slab_count}, state {state}, flags {flags}, reason {reason:?}, retired \
             slabs {retired:?}"
        ),
    );
}

fn lun(lun: &Lun, depth: usize, report: &mut Report) {
    let Lun { number, id, name, vds_type, asked_type, size_bytes, sector_bytes, .. } = lun;
    let Lun { data_columns, mask, hints, target, number_on_target, created_ms, .. } = lun;
    let flags = flags(lun.flags, &["write-back", "offline", "read-only"]);
    report.line(
        depth,
        format_args!(
            "4 LUN: number {number}, {id}, name {name:?}, VDS type {vds_type}, asked type {asked_type}, size {size_bytes} B, \
             sector {sector_bytes} B, data columns {data_columns}, flags {flags}, mask {mask:?}, hints [{hints}], target \
             {target}, LUN number on it {number_on_target}, created {created_ms} ms"
        ),
    );
    for plex in &lun.plexes {
        let state = word(plex.state, &["whole", "being built"]);
        let (id, copy, drives) = (plex.id, plex.copy, &plex.drives);
        report.line(
            depth + 1,
            format_args!("plex {id}, copy {copy}, state {state}, drives {drives:?}"),
        );
    }
    for (drive, slabs) in &lun.reservations {
        report.line(depth + 1, format_args!("reservation: drive {drive}, slabs {slabs}"));
    }
}

fn checkpoint(checkpoint: &Checkpoint, depth: usize, report: &mut Report) {
    let Checkpoint { lun, epoch, sequence, replay_segment, replay_row, .. } = checkpoint;
    let Checkpoint { levels, root, root_checksum, mapped_blocks, .. } = checkpoint;
    report.line(
        depth,
        format_args!(
            "6 checkpoint: LUN {lun}, epoch {epoch}, sequence {sequence}, replay segment {replay_segment}, replay row \
             {replay_row}, map levels {levels}, root place {root:#x}, root checksum {root_checksum:08x}, mapped blocks \
             {mapped_blocks}"
        ),
    );
}

fn segment(segment: &Segment, depth: usize, report: &mut Report) {
    let Segment { number, lun, data_columns, epoch, first_sequence, last_sequence, .. } = segment;
    let Segment { rows, live, .. } = segment;
    let stream = word(segment.stream, &["host", "moves", "map"]);
    let state = word(segment.state, &["open", "sealed"]);
    let flags = flags(segment.flags, &["headers doubled"]);
    report.line(
        depth,
        format_args!(
            "7 segment: number {number}, LUN {lun}, stream {stream}, state {state}, data columns {data_columns}, flags \
             {flags}, epoch {epoch}, first sequence {first_sequence}, last sequence {last_sequence}, rows {rows}, live \
             {live}"
        ),
    );
    for column in &segment.columns {
        let (copy, data_column) = (column.copy, column.data);
        let (drive, slab) = (column.drive, column.slab);
        let state = word(column.state, &["current", "missing"]);
        report.line(
            depth + 1,
            format_args!(
                "copy {copy}, data column {data_column}: drive {drive}, slab {slab}, state {state}"
            ),
        );
    }
}

fn secret(secret: &[u8], report: &Report) -> String {
    if report.secrets { Hex(secret).to_string() } else { format!("({} bytes)", secret.len()) }
}

fn target(target: &Target, depth: usize, report: &mut Report) {
    let Target { number, id, iscsi_name, friendly_name, mutual_user, .. } = target;
    let flags =
        flags(target.flags, &["CHAP asked for", "made for one LUN", "secrets for initiators"]);
    let mutual_secret = secret(&target.mutual_secret, report);
    report.line(
        depth,
        format_args!(
            "10 target: number {number}, {id}, iSCSI name {iscsi_name:?}, friendly name {friendly_name:?}, flags {flags}, \
             mutual user {mutual_user:?}, mutual secret {mutual_secret}"
        ),
    );
    for initiator in &target.initiators {
        let (name, user) = (&initiator.name, &initiator.user);
        let secret = secret(&initiator.secret, report);
        report.line(depth + 1, format_args!("initiator {name:?}, user {user:?}, secret {secret}"));
    }
    for (name, bytes) in &target.mutual_initiators {
        let secret = secret(bytes, report);
        report.line(depth + 1, format_args!("towards initiator {name:?}: secret {secret}"));
    }
}

fn portal(portal: &Portal, depth: usize, report: &mut Report) {
    let Portal { number, id, listen, announced } = portal;
    report.line(
        depth,
        format_args!(
            "12 portal: number {number}, {id}, listen {listen:?}, announced {announced:?}"
        ),
    );
}

fn portal_group(group: &PortalGroup, depth: usize, report: &mut Report) {
    let PortalGroup { id, target, tag, next_tag, portals } = group;
    report.line(
        depth,
        format_args!(
            "16 portal group: {id}, target {target}, tag {tag}, next tag {next_tag}, portals {portals:?}"
        ),
    );
}

/// The most checksums of a line.
const RUN_MAX: usize = 16;

/// Numbered things that have a place and a checksum each. Neighbours that lie side by side share a line.
pub(super) struct Runs {
    what: &'static str,
    first: u64,
    place: u64,
    checksums: Vec<u32>,
}

impl Runs {
    /// None yet. `what` stands before the first number of a line.
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, first: 0, place: 0, checksums: Vec::new() }
    }

    /// The next one.
    pub(super) fn add(&mut self, number: u64, place: u64, checksum: u32, report: &mut Report) {
        let count = self.checksums.len() as u64;
        let continues = (number, place) == (self.first + count, self.place + count);
        if !continues || self.checksums.len() == RUN_MAX {
            self.end(report);
        }
        if self.checksums.is_empty() {
            (self.first, self.place) = (number, place);
        }
        self.checksums.push(checksum);
    }

    /// Prints what is left.
    pub(super) fn end(&mut self, report: &mut Report) {
        let checksums = std::mem::take(&mut self.checksums);
        if checksums.is_empty() {
            return;
        }
        let Self { what, first, place, .. } = self;
        let words: Vec<String> = checksums.iter().map(|it| format!("{it:08x}")).collect();
        let (count, words) = (checksums.len(), words.join(" "));
        report
            .line(4, format_args!("{what} {first} + {count}: place {place:#x}, checksums {words}"));
    }
}
