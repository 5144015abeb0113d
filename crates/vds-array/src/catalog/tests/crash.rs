//! Crashes at every write and flush.

use vds_format::Record;
use vds_sim::{CrashMode, CutPoint};

use super::bench::{Bench, lun, operation, segment};

/// A few transactions: alone, several at once, large ones.
async fn some_commits(bench: &Bench, catalog: &std::rc::Rc<crate::catalog::Catalog>) {
    let model = &bench.model;
    let _ = model.commit(catalog, vec![Record::Lun(lun(1, &[1]))]).await;
    let first = model.commit(catalog, vec![Record::Segment(segment(1, 1, 0, &[1]))]);
    let second = model.commit(catalog, vec![operation(9, 9000)]);
    let third = model.commit(catalog, vec![Record::Segment(segment(2, 1, 1, &[1]))]);
    let _ = first.await;
    let _ = second.await;
    let _ = third.await;
    let _ = model.commit(catalog, vec![operation(10, 5000)]).await;
    let _ = model.commit(catalog, vec![Record::LunDeleted(vds_format::LunNo(1))]).await;
}

/// Goal: whatever write or flush a crash comes at, all that was acknowledged is there, and the drives agree.
/// Method: one run counts the requests; then one run for each, crashed there, opened twice.
fn check_every_cut(count: u16, mode: CrashMode, issued: bool) {
    let total = {
        let bench = Bench::new(u64::from(count), count);
        let catalog = bench.run(bench.create());
        let before = bench.disks.issued();
        bench.run(some_commits(&bench, &catalog));
        (before, bench.disks.issued())
    };
    for at in total.0 + 1..=total.1 {
        let bench = Bench::new(u64::from(count), count);
        let cut = if issued { CutPoint::Issued(at) } else { CutPoint::Completed(at) };
        let catalog = bench.run(bench.create());
        bench.disks.crash_at(cut, mode);
        let ended = bench.run_or_crash(some_commits(&bench, &catalog));
        drop(catalog);
        if ended.is_some() {
            bench.sim.crash(mode);
        }
        bench.disks.disarm();
        reopen_twice(&bench, mode);
    }
}

/// Opens with all drives, changes something, crashes and opens again.
fn reopen_twice(bench: &Bench, mode: CrashMode) {
    for _ in 0..2 {
        let opened = match bench.run(bench.open(&bench.all())) {
            Ok(opened) => opened,
            Err(error) => panic!("{error}\n{}", bench.sim.trace()),
        };
        bench.model.check(&opened.catalog.state());
        assert_eq!(opened.drives.len(), usize::from(bench.count));
        let commit = bench.model.commit(&opened.catalog, vec![operation(11, 100)]);
        assert!(bench.run(commit).is_ok());
        drop(opened);
        bench.sim.crash(mode);
    }
}

#[test]
fn a_kill_at_every_request_loses_nothing_acknowledged() {
    for count in 1..=6 {
        check_every_cut(count, CrashMode::Kill, true);
        check_every_cut(count, CrashMode::Kill, false);
    }
}

#[test]
fn a_power_cut_at_every_request_loses_nothing_acknowledged() {
    for count in 1..=6 {
        check_every_cut(count, CrashMode::PowerCut, true);
        check_every_cut(count, CrashMode::PowerCut, false);
    }
}

/// Goal: a crash at any request of an opening, with one drive missing, changes nothing that was acknowledged.
#[test]
fn a_crash_at_every_request_of_an_opening_changes_nothing() {
    for count in 1..=4_u16 {
        let prepare = || {
            let bench = Bench::new(50 + u64::from(count), count);
            let catalog = bench.run(bench.create());
            bench.run(some_commits(&bench, &catalog));
            drop(catalog);
            bench.sim.crash(CrashMode::PowerCut);
            bench
        };
        // With three and more one may be missing; it is back for the second opening.
        let there: Vec<u16> = if count > 2 { (2..=count).collect() } else { (1..=count).collect() };
        let bench = prepare();
        let before = bench.disks.issued();
        drop(bench.run(bench.open(&there)).map_err(|error| panic!("{error}")));
        let total = bench.disks.issued() - before;
        for at in 1..=total {
            let bench = prepare();
            bench.disks.crash_at(CutPoint::Issued(bench.disks.issued() + at), CrashMode::PowerCut);
            let opened = bench.run_or_crash(bench.open(&there));
            drop(opened);
            if bench.sim.crashes() == 1 {
                bench.sim.crash(CrashMode::Kill);
            }
            bench.disks.disarm();
            reopen_twice(&bench, CrashMode::PowerCut);
        }
    }
}

/// Goal: rounds that go round the ring many times, with snapshots, survive a crash at any time.
#[test]
fn many_rounds_of_the_ring_survive_a_crash_at_any_time() {
    for seed in 0..24 {
        let bench = Bench::new(1000 + seed, 2);
        let catalog = bench.run(bench.create());
        let chance = bench.sim.chance();
        // A ring of 256 blocks; each transaction takes one to twenty.
        let rounds = async {
            for number in 0..120_u8 {
                let bytes = chance.index(80_000);
                let _ =
                    bench.model.commit(&catalog, vec![operation(100 + number % 7, bytes)]).await;
            }
        };
        let at = bench.disks.issued() + chance.below(700);
        bench.disks.crash_at(CutPoint::Completed(at), CrashMode::PowerCut);
        let ended = bench.run_or_crash(rounds);
        drop(catalog);
        if ended.is_some() {
            bench.sim.crash(CrashMode::PowerCut);
        }
        bench.disks.disarm();
        reopen_twice(&bench, CrashMode::PowerCut);
    }
}

/// Goal: the checks above would see a catalog that acknowledges before its flushes. This one is made to.
#[test]
#[should_panic(expected = "transactions were acknowledged")]
fn planted_bug_an_early_acknowledgement_is_seen() {
    for seed in 0..32 {
        let bench = Bench::new(seed, 3);
        let catalog = bench.run(bench.create());
        catalog.acknowledge_early.set(true);
        let at = bench.disks.issued() + 1 + seed;
        bench.disks.crash_at(CutPoint::Issued(at), CrashMode::PowerCut);
        let ended = bench.run_or_crash(some_commits(&bench, &catalog));
        drop(catalog);
        if ended.is_some() {
            bench.sim.crash(CrashMode::PowerCut);
        }
        bench.disks.disarm();
        reopen_twice(&bench, CrashMode::PowerCut);
    }
}
