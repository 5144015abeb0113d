//! Which target a LUN is behind, and what must be known to log in to one.

use std::rc::Rc;

use vds_model::{ChapSecret, HResult, IscsiName, LunType, SubsystemId, TargetId};
use vds_operation::Output;
use vds_provider::{
    Chap, ChapCredential, ChapSecretChange, ChapSide, CreateLun, Request, TargetChoice,
};

use super::super::Embedded;
use super::super::exports::{ExportedChap, ExportedTarget};
use super::bench::{Bench, MIB, Outcome, check, create};

const HOST: &str = "iqn.2025-01.org.example:host";

fn done(outcome: &Outcome) {
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
}

fn make_target(bench: &Bench, embedded: &Rc<Embedded>, array: SubsystemId) -> TargetId {
    let request = Request::CreateTarget { subsystem: array, iqn: String::new(), name: "t".into() };
    match bench.run(embedded, request) {
        Outcome::Done(Output::CreateTarget(target)) => target,
        other => panic!("no target: {other:?}"),
    }
}

fn exported(embedded: &Embedded, id: TargetId) -> ExportedTarget {
    let mut targets = embedded.exports().remove(0).targets.into_iter();
    targets.find(|target| target.id == id).expect("the target")
}

fn change(side: ChapSide, initiator: Option<&str>, secret: Option<&str>) -> ChapSecretChange {
    ChapSecretChange {
        side,
        initiator: initiator.map(|name| IscsiName::parse(name).unwrap()),
        secret: secret.map(|text| ChapSecret::new(text.as_bytes()).unwrap()),
    }
}

/// Initiator, CHAP name, secret.
type Login<'a> = (&'a str, &'a str, &'a [u8]);
/// Initiator, secret.
type Own<'a> = (&'a str, &'a [u8]);

/// The secrets that initiators have, then the target's own.
fn shown(chap: &ExportedChap) -> (Vec<Login<'_>>, Vec<Own<'_>>) {
    let logins = chap
        .initiators
        .iter()
        .map(|it| (it.initiator.as_deref().unwrap_or(""), it.user.as_str(), it.secret.expose()));
    let mutual = chap.mutual.iter().map(|(_, secret)| ("", secret.expose()));
    let towards =
        chap.mutual_initiators.iter().map(|(name, secret)| (name.as_str(), secret.expose()));
    (logins.collect(), mutual.chain(towards).collect())
}

#[test]
fn a_lun_goes_behind_another_target_and_its_own_stays() {
    let (bench, mut embedded, array) = Bench::with_array(31, 2);
    let lun = bench.make_lun(&embedded, create(array, LunType::Simple, MIB));
    let own = embedded.view().targets[0].properties.id;
    let other = make_target(&bench, &embedded, array);
    let behind =
        CreateLun { target: TargetChoice::Existing(other), ..create(array, LunType::Simple, MIB) };
    let first = bench.make_lun(&embedded, behind);
    let version = embedded.exports_version();
    done(&bench.run(&embedded, Request::SetLunTarget { lun, target: Some(other) }));
    assert!(embedded.exports_version() > version);
    let numbers = |embedded: &Embedded, id| -> Vec<_> {
        exported(embedded, id).luns.iter().map(|it| (it.number, it.lun)).collect()
    };
    assert_eq!(numbers(&embedded, other), [(0, first), (1, lun)]);
    assert_eq!(numbers(&embedded, own), []);
    // It keeps its number where it is already.
    done(&bench.run(&embedded, Request::DeleteLun { lun: first }));
    done(&bench.run(&embedded, Request::SetLunTarget { lun, target: Some(other) }));
    drop(embedded);
    embedded = bench.start();
    check(&embedded);
    assert_eq!(numbers(&embedded, other), [(1, lun)]);
    // A number that was given out is not given to another one at once.
    let behind =
        CreateLun { target: TargetChoice::Existing(other), ..create(array, LunType::Simple, MIB) };
    let second = bench.make_lun(&embedded, behind);
    assert_eq!(numbers(&embedded, other), [(1, lun), (2, second)]);
    done(&bench.run(&embedded, Request::DeleteLun { lun: second }));

    done(&bench.run(&embedded, Request::SetLunTarget { lun, target: None }));
    assert_eq!(numbers(&embedded, other), []);
    let nowhere = Some(TargetId::from_bytes([9; 16]));
    let refused = bench.run(&embedded, Request::SetLunTarget { lun, target: nowhere });
    assert_eq!(refused, Outcome::Refused(HResult::VDS_E_OBJECT_NOT_FOUND));
    // The target that was made for it no longer goes with it.
    done(&bench.run(&embedded, Request::SetLunTarget { lun, target: Some(own) }));
    done(&bench.run(&embedded, Request::DeleteLun { lun }));
    assert!(embedded.view().target(own).is_some());
    done(&bench.run(&embedded, Request::DeleteTarget { target: own }));
}

#[test]
fn one_secret_changes_and_the_others_stay() {
    let (bench, mut embedded, array) = Bench::with_array(32, 2);
    let target = make_target(&bench, &embedded, array);
    let set = |embedded: &Rc<Embedded>, side, initiator, secret| {
        let change = change(side, initiator, secret);
        bench.run(embedded, Request::SetTargetSecret { target, change })
    };
    let credential = |user: &str, secret: &str| ChapCredential {
        user: user.into(),
        secret: ChapSecret::new(secret.as_bytes()).unwrap(),
    };
    let chap = Chap {
        initiator: credential("u", "for everybody"),
        target: Some(credential("m", "from the array")),
    };
    done(&bench.run(&embedded, Request::SetTargetChap { target, chap: Some(chap) }));
    done(&set(&embedded, ChapSide::Initiator, Some(HOST), Some("for the host")));
    done(&set(&embedded, ChapSide::Target, Some(HOST), Some("to that host")));
    drop(embedded);
    embedded = bench.start();
    check(&embedded);
    let chap = exported(&embedded, target).chap.unwrap();
    let everybody: Login<'_> = ("", "u", b"for everybody");
    let host: Login<'_> = (HOST, HOST, b"for the host");
    let both: [Own<'_>; 2] = [("", b"from the array"), (HOST, b"to that host")];
    assert_eq!(shown(&chap), (vec![everybody, host], both.to_vec()));
    assert!(!format!("{chap:?}").contains("everybody"), "{chap:?}");

    let view = embedded.view();
    let found = view.target(target).unwrap();
    assert!(found.properties.is_chap_enabled && found.is_chap_mutual);
    assert_eq!(found.chap_user, "u");
    assert_eq!(found.chap_initiators, [IscsiName::parse(HOST).unwrap()]);
    assert_eq!(found.mutual_initiators, [IscsiName::parse(HOST).unwrap()]);
    assert!(found.has_common_secret);

    // One secret for both directions of a login, either way round.
    for (side, initiator, secret) in [
        (ChapSide::Target, Some(HOST), "for the host"),
        (ChapSide::Initiator, Some(HOST), "to that host"),
        (ChapSide::Initiator, Some(HOST), "from the array"),
        (ChapSide::Target, None, "for everybody"),
        (ChapSide::Target, Some(HOST), "for everybody"),
    ] {
        let refused = set(&embedded, side, initiator, Some(secret));
        assert_eq!(refused, Outcome::Refused(HResult::VDSX_E_SAME_SECRET), "{side:?} {secret}");
    }

    // The name that goes with a secret stays; where there was none, any name goes with everybody's.
    done(&set(&embedded, ChapSide::Initiator, None, Some("for the rest")));
    let chap = exported(&embedded, target).chap.unwrap();
    let rest: Login<'_> = ("", "u", b"for the rest");
    assert_eq!(shown(&chap).0, [host, rest]);
    done(&set(&embedded, ChapSide::Target, None, Some("from the store")));
    let chap = exported(&embedded, target).chap.unwrap();
    assert_eq!(chap.mutual.unwrap().0, "m");
    done(&set(&embedded, ChapSide::Initiator, None, None));
    done(&set(&embedded, ChapSide::Initiator, None, Some("for the rest")));
    let chap = exported(&embedded, target).chap.unwrap();
    let anybody: Login<'_> = ("", "", b"for the rest");
    assert_eq!(shown(&chap).0, [host, anybody]);
    assert!(embedded.view().target(target).unwrap().has_common_secret);
}

/// The last secret that an initiator could know takes the question with it, and the plan says so.
#[test]
fn without_a_secret_nobody_is_asked_for_one() {
    let (bench, embedded, array) = Bench::with_array(35, 2);
    let target = make_target(&bench, &embedded, array);
    let set = |side, initiator, secret| {
        let change = change(side, initiator, secret);
        done(&bench.run(&embedded, Request::SetTargetSecret { target, change }));
    };
    let opens = "whoever is on an unmasking list gets in without a secret".to_owned();
    let risks = |initiator| {
        let change = change(ChapSide::Initiator, initiator, None);
        let request = Request::SetTargetSecret { target, change };
        bench.sim.run_until(embedded.plan(&request)).unwrap().unwrap().risks
    };
    set(ChapSide::Initiator, None, Some("for everybody"));
    set(ChapSide::Initiator, Some(HOST), Some("for the host"));
    set(ChapSide::Target, Some(HOST), Some("to that host"));
    assert!(!risks(None).contains(&opens));
    set(ChapSide::Initiator, None, None);
    assert!(exported(&embedded, target).chap.is_some());
    assert!(risks(Some(HOST)).contains(&opens));
    set(ChapSide::Initiator, Some(HOST), None);
    assert_eq!(exported(&embedded, target).chap, None);
    set(ChapSide::Initiator, Some(HOST), None);
    set(ChapSide::Initiator, Some(HOST), Some("for the host"));
    let chap = exported(&embedded, target).chap.unwrap();
    let host: Login<'_> = (HOST, HOST, b"for the host");
    let own: Own<'_> = (HOST, b"to that host");
    assert_eq!(shown(&chap), (vec![host], vec![own]), "its own secrets were kept");
    assert!(!embedded.view().target(target).unwrap().has_common_secret);

    // All at once takes the place of all there were.
    done(&bench.run(&embedded, Request::SetTargetChap { target, chap: None }));
    assert_eq!(exported(&embedded, target).chap, None);
    set(ChapSide::Initiator, Some(HOST), Some("for the host"));
    let chap = exported(&embedded, target).chap.unwrap();
    assert_eq!(shown(&chap), (vec![host], vec![]));
}

#[test]
fn a_target_keeps_secrets_of_so_many_initiators() {
    let (bench, embedded, array) = Bench::with_array(33, 2);
    let target = make_target(&bench, &embedded, array);
    let set = |side, number: usize, secret| {
        // As long as an iSCSI name can be.
        let host = format!("{HOST}{number:0>width$}", width = 223 - HOST.len());
        let change = change(side, Some(&host), secret);
        bench.run(&embedded, Request::SetTargetSecret { target, change })
    };
    for (side, secret) in
        [(ChapSide::Initiator, "twelve bytes"), (ChapSide::Target, "thirteen byte")]
    {
        for number in 0..256 {
            done(&set(side, number, Some(secret)));
        }
        let refused = set(side, 256, Some(secret));
        assert_eq!(refused, Outcome::Refused(HResult::VDSX_E_TOO_LARGE));
        done(&set(side, 255, Some(secret)));
        done(&set(side, 0, None));
        done(&set(side, 256, Some(secret)));
    }
    check(&embedded);
}

#[test]
fn targets_and_arrays_are_renamed() {
    let (bench, mut embedded, array) = Bench::with_array(34, 2);
    let target = make_target(&bench, &embedded, array);
    let iscsi_name = exported(&embedded, target).iscsi_name;
    done(&bench.run(&embedded, Request::SetTargetName { target, name: "cluster".into() }));
    let name = |name: &str| Request::SetSubsystemName { subsystem: array, name: name.into() };
    done(&bench.run(&embedded, name("archive")));
    assert_eq!(bench.run(&embedded, name("")), Outcome::Refused(HResult::VDSX_E_BAD_NAME));
    bench.make_lun(&embedded, create(array, LunType::Simple, MIB));
    drop(embedded);
    embedded = bench.start();
    let found = exported(&embedded, target);
    assert_eq!((found.alias.as_str(), found.iscsi_name), ("cluster", iscsi_name));
    assert_eq!(embedded.view().subsystem(array).unwrap().properties.friendly_name, "archive");
    assert_eq!(embedded.exports()[0].name, "archive");
}
