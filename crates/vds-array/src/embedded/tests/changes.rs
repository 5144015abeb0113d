//! Requests of one transaction, the keys of operations, and what is kept of those that ended.

use std::net::SocketAddr;

use vds_model::{
    ChapSecret, HResult, HintMask, Hints, LunStatus, LunType, TargetId, UnmaskingList,
};
use vds_operation::{IdempotencyKey, ObjectRef, Output, State};
use vds_provider::{Caching, Chap, ChapCredential, CreateLun, Request, TargetChoice};

use super::super::array::ENDED_MAX;
use super::bench::{Bench, MIB, Outcome, check, create, drive_ids};

fn done(outcome: &Outcome) {
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn a_lun_is_changed_and_stays_so() {
    let (bench, embedded, array) = Bench::with_array(11, 2);
    let lun = bench.make_lun(&embedded, create(array, LunType::Mirror, MIB));
    let list = UnmaskingList::parse("iqn.2025-01.org.example:a").unwrap();
    let hints = Hints::none().with_opinion(HintMask::MOSTLY_READS, true);
    let version = embedded.exports_version();
    for request in [
        Request::SetLunMask { lun, unmasking_list: list.clone() },
        Request::SetLunName { lun, name: "db".into() },
        Request::SetLunCaching { lun, caching: Caching::WriteThrough },
        Request::ApplyLunHints { lun, hints },
        Request::ExtendLun { lun, by_bytes: 5000, drives: None },
        Request::SetLunStatus { lun, status: LunStatus::Offline },
    ] {
        done(&bench.run(&embedded, request));
    }
    assert!(embedded.exports_version() > version);
    let io = embedded.lun_io(lun).unwrap();
    assert!(bench.sim.run_until(io.read(0, 512)).unwrap().is_err(), "it is offline");
    drop(io);
    bench.sim.run_until(embedded.shutdown()).unwrap();
    let embedded = bench.start();
    let view = embedded.view();
    let shown = view.lun(lun).unwrap();
    assert_eq!(shown.properties.unmasking_list, list);
    assert_eq!(shown.properties.friendly_name, "db");
    assert_eq!(shown.properties.status, LunStatus::Offline);
    assert_eq!(shown.caching, Caching::WriteThrough);
    assert_eq!(shown.hints, hints);
    assert_eq!(shown.properties.size.0, MIB + 8192, "rounded up");
    done(&bench.run(&embedded, Request::SetLunStatus { lun, status: LunStatus::Online }));
    let io = embedded.lun_io(lun).unwrap();
    let end = MIB + 8192 - 4096;
    bench.sim.run_until(io.write(end, vec![1; 4096].into(), false)).unwrap().unwrap();
    let exports = embedded.exports();
    assert_eq!(exports[0].targets[0].luns[0].unmasking_list, list);
    assert_eq!(exports[0].targets[0].luns[0].lun, lun);
}

#[test]
fn growing_beyond_the_space_changes_nothing() {
    let (bench, embedded, array) = Bench::with_array(12, 3);
    let ids = drive_ids(&embedded.view());
    for (lun_type, drives, by_bytes, fits) in [
        (LunType::Simple, vec![0], 10 * MIB, true),
        (LunType::Simple, vec![0], 40 * MIB, false),
        (LunType::Span, vec![0], 60 * MIB, true),
        (LunType::Stripe, vec![0, 1], 40 * MIB, true),
        (LunType::Stripe, vec![0, 1], 90 * MIB, false),
        (LunType::Mirror, vec![0, 1], 35 * MIB, true),
        (LunType::Mirror, vec![0, 1], 60 * MIB, false),
        (LunType::Mirror, vec![0, 1], u64::MAX, false),
    ] {
        let drives = drives.into_iter().map(|index: usize| ids[index]).collect();
        let request = CreateLun { drives: Some(drives), ..create(array, lun_type, MIB) };
        let lun = bench.make_lun(&embedded, request);
        let before = embedded.view().lun(lun).unwrap().clone();
        let outcome = bench.run(&embedded, Request::ExtendLun { lun, by_bytes, drives: None });
        let after = embedded.view().lun(lun).unwrap().clone();
        if fits {
            done(&outcome);
            assert_eq!(after.properties.size.0, MIB + by_bytes);
        } else {
            assert_eq!(outcome, Outcome::Refused(HResult::VDS_E_NOT_ENOUGH_SPACE));
            assert_eq!(before, after);
        }
        bench.run(&embedded, Request::DeleteLun { lun });
    }
}

#[test]
fn listed_drives_are_grown_on_first() {
    let (bench, embedded, array) = Bench::with_array(13, 4);
    let ids = drive_ids(&embedded.view());
    let request = CreateLun { drives: Some(vec![ids[0]]), ..create(array, LunType::Span, MIB) };
    let lun = bench.make_lun(&embedded, request);
    let drives = Some(vec![ids[2]]);
    done(&bench.run(&embedded, Request::ExtendLun { lun, by_bytes: 60 * MIB, drives }));
    let view = embedded.view();
    let extents = &view.lun(lun).unwrap().plexes[0].extents;
    let used: Vec<_> = extents.iter().map(|extent| extent.drive).collect();
    assert_eq!(used, [ids[0], ids[2]]);
    assert!(extents[1].size > extents[0].size, "the listed drive first: {extents:?}");
}

#[test]
fn targets_portals_and_secrets() {
    let (bench, embedded, array) = Bench::with_array(14, 2);
    let name =
        |iqn: &str| Request::CreateTarget { subsystem: array, iqn: iqn.into(), name: "t".into() };
    let Outcome::Done(Output::CreateTarget(target)) =
        bench.run(&embedded, name("iqn.2025-01.org.example:T"))
    else {
        panic!("no target");
    };
    let again = bench.run(&embedded, name("iqn.2025-01.org.example:t"));
    assert_eq!(again, Outcome::Refused(HResult::VDS_E_NAME_NOT_UNIQUE));
    let secret = |byte: u8| ChapSecret::new(vec![byte; 12]).unwrap();
    let chap = Chap {
        initiator: ChapCredential { user: "u".into(), secret: secret(b'a') },
        target: Some(ChapCredential { user: "m".into(), secret: secret(b'b') }),
    };
    done(&bench.run(&embedded, Request::SetTargetChap { target, chap: Some(chap) }));
    for listen in ["127.0.0.1:3260", "127.0.0.1:0", "127.0.0.1:0"] {
        let announce = Some(address("192.0.2.7:3260"));
        let listen = address(listen);
        done(&bench.run(&embedded, Request::AddPortal { subsystem: array, listen, announce }));
    }
    let listen = address("127.0.0.1:3260");
    let twice =
        bench.run(&embedded, Request::AddPortal { subsystem: array, listen, announce: None });
    assert_eq!(twice, Outcome::Refused(HResult::VDS_E_OBJECT_EXISTS));
    let existing = TargetChoice::Existing(target);
    let one = CreateLun { target: existing.clone(), ..create(array, LunType::Simple, MIB) };
    let lun = bench.make_lun(&embedded, one.clone());
    let other = bench.make_lun(&embedded, one);
    let export = embedded.exports().remove(0);
    assert_eq!(export.portals.len(), 3);
    let numbers: Vec<_> = export.targets[0].luns.iter().map(|it| (it.number, it.lun)).collect();
    assert_eq!(numbers, [(0, lun), (1, other)]);
    let chap = export.targets[0].chap.clone().unwrap();
    assert_eq!(chap.initiators[0].secret.expose(), &[b'a'; 12]);
    assert_eq!(chap.mutual.as_ref().unwrap().1.expose(), &[b'b'; 12]);
    assert!(!format!("{chap:?}").contains("aaaa"), "{chap:?}");
    let full = bench.run(&embedded, Request::DeleteTarget { target });
    assert_eq!(full, Outcome::Refused(HResult::VDS_E_ASSOCIATED_LUNS_EXIST));
    for lun in [lun, other] {
        done(&bench.run(&embedded, Request::DeleteLun { lun }));
    }
    assert_eq!(embedded.view().targets.len(), 1, "it was not made for a LUN");
    done(&bench.run(&embedded, Request::DeleteTarget { target }));
    for portal in embedded.view().portals.clone() {
        done(&bench.run(&embedded, Request::RemovePortal { portal: portal.properties.id }));
    }
    assert!(embedded.exports()[0].targets.is_empty());
    assert!(embedded.exports()[0].portals.is_empty());
    let target = TargetId::from_bytes([1; 16]);
    let gone = bench.run(&embedded, Request::DeleteTarget { target });
    assert_eq!(gone, Outcome::Refused(HResult::VDS_E_OBJECT_NOT_FOUND));
}

#[test]
fn the_secret_is_not_kept_with_the_ended_operation() {
    let (bench, embedded, array) = Bench::with_array(15, 1);
    bench.make_lun(&embedded, create(array, LunType::Simple, MIB));
    let target = embedded.view().targets[0].properties.id;
    let secret = ChapSecret::new(*b"a-very-secret").unwrap();
    let initiator = ChapCredential { user: "u".into(), secret };
    let chap = Some(Chap { initiator, target: None });
    let operation = bench.begin(&embedded, Request::SetTargetChap { target, chap }).unwrap();
    bench.sim.run_until(operation.wait()).unwrap().unwrap();
    let arrays = embedded.arrays.borrow();
    let state = arrays[&array].state();
    let stored = &state.operations[&operation.id()];
    assert!(!stored.windows(6).any(|window| window == b"secret"));
}

#[test]
fn names_of_targets_made_for_luns() {
    let (bench, embedded, array) = Bench::with_array(16, 2);
    let named = |name: &str| CreateLun { name: name.into(), ..create(array, LunType::Simple, MIB) };
    for name in ["db 1", "db-1", ""] {
        bench.make_lun(&embedded, named(name));
    }
    let view = embedded.view();
    let short = &array.to_string()[..8];
    let names: Vec<_> =
        view.targets.iter().map(|it| it.properties.iscsi_name.as_str().to_owned()).collect();
    let expected = ["db-1", "db-1-2", "lun3"].map(|it| format!("iqn.2025-01.io.vds:{short}.{it}"));
    assert_eq!(names, expected);
}

#[test]
fn a_key_gives_the_same_operation_before_and_after_a_restart() {
    let (bench, mut embedded, array) = Bench::with_array(17, 2);
    let request = |size_bytes| Request::CreateLun(create(array, LunType::Simple, size_bytes));
    let start = |embedded: &std::rc::Rc<super::super::Embedded>, size_bytes| {
        let mut context = bench.context();
        context.key = IdempotencyKey::new("k");
        let start = embedded.start(context, request(size_bytes));
        let started = bench.sim.run_until(start).unwrap();
        started.operation.map(|operation| operation.id()).ok_or(started.result)
    };
    let first = start(&embedded, MIB).unwrap();
    assert_eq!(start(&embedded, MIB), Ok(first));
    assert_eq!(start(&embedded, 2 * MIB), Err(HResult::VDSX_E_KEY_CONFLICT));
    let operation = embedded.find_operation(first).unwrap();
    bench.sim.run_until(operation.wait()).unwrap().unwrap();
    bench.sim.run_until(embedded.shutdown()).unwrap();
    embedded = bench.start();
    assert_eq!(start(&embedded, MIB), Ok(first));
    assert_eq!(embedded.view().luns.len(), 1);
    let lun = embedded.view().luns[0].properties.id;
    assert_eq!(embedded.view().made_by.get(&ObjectRef::Lun(lun)), Some(&first));
    check(&embedded);
}

#[test]
fn ended_operations_are_kept_up_to_a_number() {
    let (bench, embedded, array) = Bench::with_array(18, 1);
    let lun = bench.make_lun(&embedded, create(array, LunType::Simple, MIB));
    for count in 0..ENDED_MAX + 40 {
        let name = format!("n{count}");
        let context = bench.context();
        let start = embedded.start(context.clone(), Request::SetLunName { lun, name });
        bench.sim.run_until(start).unwrap();
        let operation = embedded.find_operation(context.operation).unwrap();
        bench.sim.run_until(operation.wait()).unwrap().unwrap();
    }
    check(&embedded);
    let kept = embedded.arrays.borrow()[&array].state().operations.len();
    assert!((ENDED_MAX..=ENDED_MAX + 1).contains(&kept), "{kept}");
    let ended = |operation: &vds_operation::Operation| operation.status().state == State::Succeeded;
    assert!(embedded.operations().iter().all(ended));
}

#[test]
fn a_cancel_before_the_commit_changes_nothing() {
    let (bench, embedded, array) = Bench::with_array(19, 2);
    let request = Request::CreateLun(create(array, LunType::Simple, MIB));
    let operation = bench.begin(&embedded, request).unwrap();
    let answer = bench.sim.run_until(operation.cancel()).unwrap().unwrap();
    let end = bench.sim.run_until(operation.wait()).unwrap().unwrap();
    check(&embedded);
    let luns = embedded.view().luns.len();
    match end.state() {
        State::Cancelled => assert_eq!((luns, answer.hresult()), (0, HResult::S_OK)),
        _ => assert_eq!((luns, answer.hresult()), (1, HResult::VDS_E_CANCEL_TOO_LATE)),
    }
}

/// Goal: a name names one LUN; one that the array makes avoids those that are taken.
#[test]
fn two_luns_of_an_array_never_have_one_name() {
    let (bench, embedded, array) = Bench::with_array(18, 2);
    let named = |name: &str| CreateLun { name: name.into(), ..create(array, LunType::Simple, MIB) };
    let first = bench.make_lun(&embedded, named("db"));
    let exists = Outcome::Refused(HResult::VDS_E_OBJECT_EXISTS);
    assert_eq!(bench.run(&embedded, Request::CreateLun(named("db"))), exists);
    let second = bench.make_lun(&embedded, named("lun3"));
    let made = bench.make_lun(&embedded, named(""));
    let view = embedded.view();
    assert_eq!(view.lun(made).unwrap().properties.friendly_name, "lun3-2");
    let rename = |lun, name: &str| Request::SetLunName { lun, name: name.into() };
    assert_eq!(bench.run(&embedded, rename(second, "db")), exists);
    done(&bench.run(&embedded, rename(first, "db")));
    done(&bench.run(&embedded, rename(first, "other")));
    done(&bench.run(&embedded, rename(second, "db")));
}

/// Goal: that its hosts never flush is said of a write-back LUN after an hour of writes without one, not before, and no
/// longer once they do.
#[test]
fn a_host_that_never_flushes_is_told_after_an_hour() {
    let (bench, embedded, array) = Bench::with_array(19, 2);
    let lun = bench.make_lun(&embedded, create(array, LunType::Mirror, MIB));
    let io = embedded.lun_io(lun).unwrap();
    let write = |count: u64| {
        for block in 0..count {
            let data = vec![1; 4096].into();
            bench.sim.run_until(io.write(block % 256 * 4096, data, false)).unwrap().unwrap();
        }
        bench.pass(2);
    };
    let is_told = || {
        let view = embedded.view();
        view.lun(lun).unwrap().notes.iter().any(|note| note.contains("without a flush"))
    };
    write(2000);
    assert!(!is_told(), "after seconds");
    bench.pass(3500);
    write(1);
    assert!(!is_told(), "within the hour");
    bench.pass(200);
    assert!(!is_told(), "who does not write needs no flush");
    write(1);
    assert!(is_told());
    bench.sim.run_until(io.flush()).unwrap().unwrap();
    bench.pass(2);
    assert!(!is_told());
    write(1);
    bench.pass(7200);
    assert!(!is_told());
    drop(io);
}

/// Goal: two changes of one list at the same time both count, whichever comes first.
#[test]
fn changes_of_an_unmasking_list_add_up() {
    let (bench, embedded, array) = Bench::with_array(20, 2);
    let lun = bench.make_lun(&embedded, create(array, LunType::Simple, MIB));
    let list = |text: &str| UnmaskingList::parse(text).unwrap();
    let name = |host: &str| list(&format!("iqn.2025-01.org.example:{host}"));
    let shown = || embedded.view().lun(lun).unwrap().properties.unmasking_list.clone();
    let change = |add, remove| Request::ChangeLunMask { lun, add, remove };
    let nobody = || UnmaskingList::Nobody;
    let but_some = bench.run(&embedded, change(nobody(), name("a")));
    assert_eq!(but_some, Outcome::Refused(HResult::VDSX_E_BAD_MASK), "it is open to everybody");
    done(&bench.run(&embedded, Request::SetLunMask { lun, unmasking_list: name("a") }));
    let starts = ["b", "c"].map(|host| {
        let context = bench.context();
        let (id, request) = (context.operation, change(name(host), nobody()));
        let embedded = std::rc::Rc::clone(&embedded);
        let start = async move { embedded.start(context, request).await };
        (id, Box::pin(start) as vds_io::LocalFuture<vds_provider::RawStart>)
    });
    let ids = [starts[0].0, starts[1].0];
    let starts = starts.into_iter().map(|(_, start)| start).collect();
    bench.sim.run_until(vds_io::join_all(starts)).unwrap();
    for id in ids {
        let operation = embedded.find_operation(id).unwrap();
        bench.sim.run_until(operation.wait()).unwrap().unwrap();
    }
    assert_eq!(shown().entries().len(), 3, "{}", shown());
    done(&bench.run(&embedded, change(name("d"), name("a"))));
    let found = shown();
    assert!(found.admits_initiator("iqn.2025-01.org.example:d"), "{found}");
    assert!(!found.admits_initiator("iqn.2025-01.org.example:a"), "{found}");
    done(&bench.run(&embedded, change(nobody(), list("*"))));
    assert_eq!(shown(), nobody());
}
