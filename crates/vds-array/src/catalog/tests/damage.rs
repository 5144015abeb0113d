//! Bits that flip in the catalog of one drive.

use vds_format::{BLOCK_BYTES, DriveNo, Geometry, Record};
use vds_io::DiskErrorKind;
use vds_sim::{CrashMode, Effect, Fault, IoKind};

use super::bench::{Bench, lun, operation, segment};
use crate::catalog::{DamagedStructure, OpenError};

const BLOCK: u64 = BLOCK_BYTES as u64;

/// An array that was opened once and took a few rounds since: snapshots in both areas, entries behind the newest.
fn used(count: u16) -> Bench {
    let bench = Bench::plain(1, count);
    drop(bench.run(bench.create()));
    bench.sim.crash(CrashMode::PowerCut);
    let Ok(opened) = bench.run(bench.open(&bench.all())) else { panic!("all are there") };
    let model = &bench.model;
    for records in [
        vec![Record::Lun(lun(1, &[1]))],
        vec![Record::Segment(segment(1, 1, 0, &[1]))],
        vec![operation(9, 9000)],
        vec![operation(10, 10)],
    ] {
        assert!(bench.run(model.commit(&opened.catalog, records)).is_ok());
    }
    drop(opened);
    bench.sim.crash(CrashMode::PowerCut);
    bench
}

fn geometry() -> Geometry {
    let bytes = 32 << 20;
    Geometry::of_drive(bytes, Geometry::array_sizes(bytes, bytes)).expect("large enough")
}

/// Blocks of the ring that hold rounds, in order.
fn ring(bench: &Bench) -> Vec<u64> {
    let start = geometry().journal_start();
    let blocks = u64::from(geometry().journal_blocks);
    let used = |block: &u64| bench.disk(1).peek(block * BLOCK, 8) == b"VDSJOURN";
    (start..start + blocks).filter(used).collect()
}

/// Flips one bit and opens: the state is right, the damage is told and gone at the next opening.
fn check_flip(count: u16, offset_bytes: u64, expected: &[DamagedStructure]) {
    let bench = used(count);
    bench.disk(1).corrupt(offset_bytes, 3);
    let opened = bench.run(bench.open(&bench.all()));
    let opened = opened.unwrap_or_else(|error| panic!("byte {offset_bytes}: {error}"));
    bench.model.check(&opened.catalog.state());
    assert_eq!(opened.drives.len(), usize::from(count), "byte {offset_bytes}");
    let found: Vec<DamagedStructure> = opened.damage.iter().map(|it| it.what).collect();
    assert_eq!(found, expected, "byte {offset_bytes}");
    assert!(opened.damage.iter().all(|it| it.number == Some(vds_format::DriveNo(1))));
    drop(opened);
    bench.sim.crash(CrashMode::PowerCut);
    let opened = bench.run(bench.open(&bench.all()));
    let opened = opened.unwrap_or_else(|error| panic!("byte {offset_bytes}: {error}"));
    assert_eq!(opened.damage, [], "byte {offset_bytes} was not repaired");
    bench.model.check(&opened.catalog.state());
}

/// Every 61st byte: each field and the padding are hit.
fn bytes_of(block: u64, len_bytes: u64) -> impl Iterator<Item = u64> {
    (block * BLOCK..block * BLOCK + len_bytes).step_by(61)
}

#[test]
fn a_superblock_slot_may_rot() {
    for block in [0, geometry().second_superblock()] {
        for offset_bytes in bytes_of(block, BLOCK).chain(bytes_of(block, 192).map(|it| it + 7)) {
            check_flip(1, offset_bytes, &[DamagedStructure::Superblock]);
        }
    }
}

#[test]
fn a_snapshot_area_may_rot() {
    for area in [0, 1] {
        let start = geometry().snapshot_start(area);
        for count in [1, 2] {
            for offset_bytes in bytes_of(start, BLOCK + 150) {
                check_flip(count, offset_bytes, &[DamagedStructure::Snapshot]);
            }
        }
    }
}

#[test]
fn a_round_may_rot_where_another_drive_has_it() {
    let ring = ring(&used(2));
    let (last, inner) = ring.split_last().expect("rounds were written");
    // Rounds before the newest snapshot are not needed any more, and nobody looks at them.
    for block in inner {
        for offset_bytes in bytes_of(*block, BLOCK) {
            let bench = used(2);
            let needed = bench.run(bench.open(&[1, 2])).is_ok();
            assert!(needed);
            check_flip(2, offset_bytes, &[DamagedStructure::JournalEntry]);
        }
    }
    for offset_bytes in bytes_of(*last, 200) {
        check_flip(2, offset_bytes, &[DamagedStructure::NewestEntries]);
    }
}

/// Goal: where the only copy of an acknowledged round is gone, the array says so instead of going on without.
#[test]
fn a_round_that_is_lost_is_never_passed_over() {
    let ring = ring(&used(1));
    for block in &ring[..ring.len() - 1] {
        let bench = used(1);
        bench.disk(1).corrupt(block * BLOCK + 100, 0);
        let error = bench.run(bench.open(&[1])).err();
        assert!(matches!(error, Some(OpenError::Corrupt { .. })), "{block}: {error:?}");
    }
}

/// Goal: a drive whose catalog is gone altogether is one of the members all the same when another has it, and gets it back.
#[test]
fn a_catalog_that_is_gone_is_written_anew() {
    let bench = used(3);
    let start = geometry().journal_start();
    let blocks = geometry().slab_start - start;
    let zeros = vec![0; usize::try_from(blocks * BLOCK).expect("small")];
    bench.disk(2).poke(start * BLOCK, &zeros);
    let Ok(opened) = bench.run(bench.open(&[1, 2, 3])) else { panic!("two have it") };
    bench.model.check(&opened.catalog.state());
    assert_eq!((opened.drives.len(), opened.absent.len()), (3, 0));
    drop(opened);
    bench.sim.crash(CrashMode::PowerCut);
    let Ok(opened) = bench.run(bench.open(&[2, 3])) else { panic!("two of three") };
    bench.model.check(&opened.catalog.state());
    drop(opened);
    bench.sim.crash(CrashMode::PowerCut);
    // Where it cannot be known whether it forgot something, it does not count.
    let bench = used(2);
    bench.disk(2).poke(start * BLOCK, &zeros);
    let error = bench.run(bench.open(&[1, 2])).err().map(|error| error.code());
    assert_eq!(error, Some("array.half_present"));
}

#[test]
fn unreadable_blocks_are_as_good_as_damaged_ones() {
    for block in [0, geometry().snapshot_start(0), geometry().snapshot_start(1) + 1] {
        let bench = used(1);
        bench.disk(1).make_unreadable(block * BLOCK..(block + 1) * BLOCK);
        let Ok(opened) = bench.run(bench.open(&[1])) else { panic!("block {block}") };
        bench.model.check(&opened.catalog.state());
        assert_eq!(opened.damage.len(), 1, "block {block}");
    }
}

#[test]
fn drives_without_superblocks_and_newer_ones_are_told_apart() {
    let bench = used(1);
    bench.disk(1).poke(8, &2_u32.to_le_bytes());
    bench.disk(1).poke(geometry().second_superblock() * BLOCK + 8, &2_u32.to_le_bytes());
    let error = bench.run(bench.open(&[1])).err().map(|error| error.code());
    assert_eq!(error, Some("array.format_newer"));
    bench.sim.crash(CrashMode::Kill);
    bench.disk(1).wipe();
    let error = bench.run(bench.open(&[1])).err().map(|error| error.code());
    assert_eq!(error, Some("array.no_drives"));
}

/// Goal: a bit that flips in any block that the catalog of an open array needs is found by a scrub, with its place, and is
/// gone afterwards; with a single drive too, since the truth is in memory still.
#[test]
fn a_scrub_of_an_open_array_finds_and_mends_every_flip() {
    for count in [1, 2] {
        let bench = used(count);
        let Ok(opened) = bench.run(bench.open(&bench.all())) else { panic!("all are there") };
        let catalog = opened.catalog;
        let live = bench.run(catalog.live_blocks_on(DriveNo(1)));
        assert!(live.values().any(|it| it.1 == DamagedStructure::JournalEntry), "{live:?}");
        for (block, (bytes, what)) in live {
            for offset_bytes in (block * BLOCK..block * BLOCK + bytes).step_by(409) {
                // A round that lies in the ring: the repair of the one before put it into a snapshot.
                let records = vec![operation(11, 100)];
                assert!(bench.run(bench.model.commit(&catalog, records)).is_ok());
                let now = bench.run(catalog.live_blocks_on(DriveNo(1)));
                if now.get(&block).is_none_or(|(bytes, _)| offset_bytes - block * BLOCK >= *bytes) {
                    continue;
                }
                bench.disk(1).corrupt(offset_bytes, 5);
                let scrub = bench.run(catalog.scrub()).expect("not frozen");
                let found: Vec<_> = scrub.found.iter().map(|it| (it.drive, it.what)).collect();
                assert_eq!(found, [(DriveNo(1), what)], "byte {offset_bytes} of {count}");
                assert!(scrub.found[0].repaired);
                assert!(scrub.found[0].block <= block, "{:?}, flipped in {block}", scrub.found);
                let again = bench.run(catalog.scrub()).expect("not frozen");
                assert_eq!(again.found, [], "byte {offset_bytes} of {count}");
                assert!(again.checked_blocks >= u64::from(count) * 6, "{again:?}");
            }
        }
        drop(catalog);
        bench.sim.crash(CrashMode::PowerCut);
        let Ok(opened) = bench.run(bench.open(&bench.all())) else { panic!("nothing is lost") };
        assert_eq!(opened.damage, []);
        bench.model.check(&opened.catalog.state());
    }
}

/// Goal: both superblocks of a drive at once: an open array writes them anew.
#[test]
fn a_scrub_writes_both_superblocks_anew() {
    let bench = used(2);
    let Ok(opened) = bench.run(bench.open(&bench.all())) else { panic!("all are there") };
    for block in [0, geometry().second_superblock()] {
        bench.disk(2).corrupt(block * BLOCK + 70, 1);
    }
    let scrub = bench.run(opened.catalog.scrub()).expect("not frozen");
    assert_eq!(scrub.found.len(), 2, "{scrub:?}");
    drop(opened);
    bench.sim.crash(CrashMode::PowerCut);
    let Ok(opened) = bench.run(bench.open(&bench.all())) else { panic!("both are there") };
    assert_eq!((opened.drives.len(), opened.damage.len()), (2, 0));
    bench.model.check(&opened.catalog.state());
}

/// Goal: a catalog that cannot be read any more while the array is opened is told as that, and not as another version's.
#[test]
fn a_copy_that_is_lost_after_it_was_found_is_told_as_damage() {
    let mut told = 0;
    for reads in 0..24 {
        let bench = used(2);
        for number in bench.all() {
            let fails = Effect::Error(DiskErrorKind::Range);
            bench.disk(number).fault(Fault::every(IoKind::Read, fails).after(reads));
        }
        let Err(error) = bench.run(bench.open(&bench.all())) else { continue };
        assert!(!matches!(error, OpenError::Record(_)), "after {reads} reads: {error:?}");
        if let OpenError::Unreadable(cause) = &error {
            assert_eq!(error.code(), "array.catalog_corrupt");
            assert!(cause.to_string().starts_with("checksum"), "{cause}");
            told += 1;
        }
    }
    assert!(told > 0, "some read is the second of a snapshot");
}
