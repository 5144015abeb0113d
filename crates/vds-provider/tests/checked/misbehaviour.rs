//! Every listed kind of misbehaviour: the exact result, the provider marked, no orphan left, everything else goes on.

use std::time::Duration;

use crate::world::{GIB, World};
use vds_model::{
    DriveId, HResult, LunId, LunType, OperationId, PortalGroupId, PortalGroupProperties,
    PortalGroupTag, PortalId,
};
use vds_operation::{ObjectRef, OperationKind, Output, Owner, State};
use vds_provider::{
    Misbehaviour as M, Pace, PortalGroupView, Request, StartContext, View, ViewMisbehaviour as V,
    inspect_view,
};

const BAD_DATA: HResult = HResult::VDS_E_BAD_PROVIDER_DATA;
const DEATH: HResult = HResult::VDS_E_PROVIDER_FAILURE;
const SILENCE: HResult = HResult::VDS_E_TIMEOUT;

fn check(tricks: &[M], expected: HResult, code: &str, marks: &[&str]) {
    let mut world = World::new();
    world.provider.misbehave(OperationKind::CreateLun, tricks.to_vec());
    assert_eq!(world.verdict(), (expected, code), "{tricks:?}");
    assert_eq!(world.marks(), marks, "{tricks:?}");
    // Death and silence leave something behind only until the next sweep.
    let checked = world.checked.clone();
    let orphans = world.run(checked.sweep()).unwrap();
    assert_eq!(orphans, [], "{tricks:?}");
    assert_eq!(world.provider.luns(), [], "{tricks:?}");
    assert_eq!(world.verdict(), (HResult::S_OK, "result.ok"), "{tricks:?}: the next one");
}

#[test]
fn what_does_not_add_up_is_bad_data() {
    let other = DriveId::from_bytes([0xDD; 16]);
    let size = "provider.bad_size";
    check(&[M::WrongSize(1 << 20)], BAD_DATA, size, &[size]);
    check(&[M::WrongSize(4 * GIB)], BAD_DATA, size, &[size]);
    check(&[M::WrongSize(0)], BAD_DATA, size, &[size, size]);
    check(&[M::TooLittleReserved], BAD_DATA, size, &[size]);
    let drive = "provider.bad_drive";
    check(&[M::OnDrive(other)], BAD_DATA, drive, &[drive, drive]);
    let wrong_type = M::WrongLunType(LunType::Stripe);
    check(&[wrong_type], BAD_DATA, BAD_DATA.code(), &[BAD_DATA.code()]);
    let id = "provider.bad_id";
    check(&[M::CallsItself(OperationId::from_bytes([0xCC; 16]))], BAD_DATA, id, &[id]);
    check(&[M::EndsPending], BAD_DATA, "provider.bad_message", &["provider.bad_message"]);
    check(&[M::MakesNothing], HResult::E_UNEXPECTED, "provider.no_lun", &["provider.no_lun"]);
}

#[test]
fn death_is_a_failure_of_the_provider() {
    let died = "provider.died";
    for trick in [M::DiesAtStart, M::PanicsAtStart, M::DiesInWait, M::PanicsInWait] {
        check(&[trick], DEATH, died, &[died]);
    }
    check(&[M::DiesInStatus, M::SilentWait], DEATH, died, &[died]);
}

#[test]
fn silence_ends_at_its_deadline() {
    let silent = "provider.silent";
    for trick in [M::SilentAtStart, M::SilentWait] {
        check(&[trick], SILENCE, silent, &[silent]);
    }
    check(&[M::SilentStatus, M::SilentWait], SILENCE, silent, &[silent]);
}

/// Goal: work that answers for its status and never moves ends too, and what it makes later is removed by a sweep.
#[test]
fn stuck_work_is_given_up_and_swept_later() {
    let mut world = World::new();
    world.provider.misbehave(OperationKind::CreateLun, [M::StuckWork]);
    assert_eq!(world.verdict(), (SILENCE, "provider.silent"));
    assert!(world.now_ms() >= 120_000, "short work is given two minutes");

    // Silent now, done later: nothing is there at the end, and something afterwards.
    let mut world = World::stepwise();
    world.provider.misbehave(OperationKind::CreateLun, [M::SilentAtStart]);
    let mut context = world.context();
    let create = Request::CreateLun(world.create());
    let checked = world.checked.clone();
    let started = world.run(checked.start(context.clone(), create.clone())).unwrap();
    world.tasks.push(started.supervise);
    assert!(world.run(started.operation.into_future()).is_err());
    // The provider did hear of it, and works on under that id.
    context.owner = Owner::Service { cause: "late".into() };
    let provider = world.provider.clone();
    drop(vds_provider::Provider::start(&provider, context, create));
    while provider.is_working() {
        provider.advance();
    }
    assert_eq!(provider.luns().len(), 1, "it came late");
    provider.set_pace(Pace::AtOnce);
    assert_eq!(world.run(checked.sweep()), Ok(Vec::new()));
    assert_eq!(provider.luns(), []);
}

#[test]
fn an_operation_id_or_an_object_used_twice_is_noticed_and_the_first_owner_keeps_it() {
    let mut world = World::new();
    let create = Request::CreateLun(world.create());
    let Ok(Output::CreateLun(first)) = world.result(create.clone()) else {
        panic!("an honest one")
    };
    let used = OperationId::from_bytes([1; 16]);
    world.provider.misbehave(OperationKind::CreateLun, [M::CallsItself(used)]);
    assert_eq!(world.verdict(), (BAD_DATA, "provider.reused_operation"));
    world.provider.misbehave(OperationKind::CreateLun, [M::OtherObject(ObjectRef::Lun(first))]);
    assert_eq!(world.verdict(), (BAD_DATA, "provider.bad_id"));
    assert_eq!(world.provider.luns(), [first], "only what the failed ones made is removed");
    // The service does not start one id twice either.
    let context = StartContext::new(used, Owner::Service { cause: "again".into() }, 0);
    let checked = world.checked.clone();
    let refused = world.run(checked.start(context, create)).err().map(|refusal| refusal.result);
    assert_eq!(refused, Some(HResult::VDS_E_OBJECT_EXISTS));
}

#[test]
fn a_lun_on_a_drive_that_was_not_listed_is_refused() {
    let mut world = World::new();
    let drives = world.provider.drives();
    world.provider.misbehave(OperationKind::CreateLun, [M::OnDrive(drives[3])]);
    let mut create = world.create();
    create.drives = Some(vec![drives[0], drives[1]]);
    let error = world.result(Request::CreateLun(create)).unwrap_err();
    assert_eq!((error.hresult(), error.code()), (BAD_DATA, "provider.bad_drive"));
    assert_eq!(world.provider.luns(), []);
}

#[test]
fn bad_progress_is_clamped_and_recorded_once_and_is_not_fatal() {
    let mut world = World::stepwise();
    let percents = vec![10, 300, 40, 20, 0xFFFF_FFFF, 60, 300];
    world.provider.misbehave(OperationKind::CreateLun, [M::Percents(percents)]);
    let create = Request::CreateLun(world.create());
    let operation = world.begin(create).unwrap();
    let mut seen = vec![operation.status().progress.percent];
    while !operation.is_ended() {
        let version = operation.status().version;
        let status = world.run(operation.changed(version));
        seen.push(status.progress.percent);
    }
    assert!(seen.is_sorted(), "{seen:?}");
    assert_eq!(seen.last(), Some(&Some(100)));
    assert_eq!(world.marks(), ["provider.bad_progress"; 2], "above once, fallen once");
    assert_eq!(operation.status().state, State::Succeeded);

    // Unknown is legal, and stays unknown.
    let mut world = World::stepwise();
    world.provider.misbehave(OperationKind::CreateLun, [M::Percents(vec![0xFFFF_FFFF])]);
    assert_eq!(world.verdict().0, HResult::S_OK);
    assert_eq!(world.marks(), [""; 0]);
}

#[test]
fn the_first_end_stands() {
    let mut world = World::new();
    world.provider.misbehave(OperationKind::CreateLun, [M::EndsTwice(HResult::E_FAIL)]);
    assert_eq!(world.verdict(), (HResult::S_OK, "result.ok"));
    assert_eq!(world.marks(), ["provider.duplicate_end"]);
}

#[test]
fn what_a_failure_leaves_is_removed_and_what_cannot_be_is_listed_with_its_command() {
    let no_space = HResult::VDS_E_NOT_ENOUGH_SPACE;
    let leaves = [M::FailWork(no_space), M::LeavesObjectOnFailure];
    let mut world = World::new();
    world.provider.misbehave(OperationKind::CreateLun, leaves.clone());
    assert_eq!(world.verdict(), (no_space, "lun.no_space"));
    assert_eq!((world.provider.luns().len(), world.checked.orphans().len()), (0, 0));
    let kinds: Vec<_> = world.provider.starts().iter().map(|(_, request)| request.kind()).collect();
    let (create, delete) = (OperationKind::CreateLun, OperationKind::DeleteLun);
    assert_eq!(kinds, [create, delete, OperationKind::DeleteTarget]);

    // The provider will not remove it: listed, with the command that does, until it is gone.
    let mut world = World::new();
    world.provider.misbehave(OperationKind::CreateLun, leaves);
    let in_use = HResult::VDSX_E_LUN_IN_USE;
    world.provider.misbehave(OperationKind::DeleteLun, [M::RefusesStart(in_use)]);
    let create = Request::CreateLun(world.create());
    let error = world.result(create).unwrap_err();
    let left = world.provider.luns()[0];
    let orphans = world.checked.orphans();
    assert!(orphans.iter().any(|orphan| orphan.object == ObjectRef::Lun(left)), "{orphans:?}");
    let command = format!("vds lun delete {left} --yes");
    assert!(error.hint().contains(&command), "{}", error.hint());
    assert!(world.marks().contains(&"provider.orphan_left"));
    world.result(Request::DeleteLun { lun: left }).unwrap();
    let checked = world.checked.clone();
    world.run(checked.view()).unwrap();
    let orphans = checked.orphans();
    assert!(!orphans.iter().any(|orphan| orphan.object == ObjectRef::Lun(left)), "{orphans:?}");
}

/// Goal: what is not known to be ours is never removed, however it looks.
#[test]
fn an_object_without_its_makers_name_is_listed_and_not_removed() {
    let mut world = World::new();
    world.provider.misbehave(OperationKind::CreateLun, [M::HidesMaker, M::NoObject]);
    assert_eq!(world.verdict(), (HResult::E_UNEXPECTED, "provider.no_lun"));
    let luns = world.provider.luns();
    assert_eq!(luns.len(), 1);
    let orphans = world.checked.orphans();
    assert!(orphans.iter().any(|orphan| orphan.object == ObjectRef::Lun(luns[0])), "{orphans:?}");
    let starts = world.provider.starts();
    assert!(starts.iter().all(|(_, request)| matches!(request, Request::CreateLun(_))));
}

#[test]
fn output_with_a_failure_is_recorded() {
    let mut world = World::new();
    let failed = HResult::VDS_E_OBJECT_STATUS_FAILED;
    world.provider.misbehave(OperationKind::CreateLun, [M::FailWork(failed), M::OutputOnFailure]);
    assert_eq!(world.verdict().0, failed);
    assert_eq!(world.marks(), ["provider.output_on_failure"]);
}

fn check_view(how: V, expected: HResult, code: &str) {
    let mut world = World::new();
    assert_eq!(world.verdict().0, HResult::S_OK);
    world.provider.misbehave_view(how);
    let checked = world.checked.clone();
    let refusal = world.run(checked.view()).unwrap_err();
    assert_eq!((refusal.hresult(), refusal.code()), (expected, code), "{how:?}");
    assert_eq!(world.marks(), [code], "{how:?}");
    let view = checked.last_good_view().unwrap();
    assert_eq!(view.luns.len(), 1, "the last good view is still there");
    assert!(world.run(checked.view()).is_ok(), "{how:?}: the next one");
}

#[test]
fn a_view_that_does_not_add_up_is_not_shown() {
    check_view(V::DuplicateId, BAD_DATA, "provider.bad_id");
    check_view(V::NullId, BAD_DATA, "provider.bad_id");
    check_view(V::ExtentsBeyondDrive, BAD_DATA, "provider.bad_size");
    let no_id = HResult::VDS_E_SUBSYSTEM_ID_IS_NULL;
    check_view(V::NoIdentification, no_id, no_id.code());
    check_view(V::Dies, DEATH, "provider.died");
    check_view(V::Silent, SILENCE, "provider.silent");
}

#[track_caller]
fn check_pool(how: V, code: &str) {
    let mut world = World::new();
    assert_eq!(world.verdict().0, HResult::S_OK);
    world.provider.misbehave_view(how);
    let checked = world.checked.clone();
    let view = world.run(checked.view()).unwrap();
    assert_eq!((view.pools.len(), view.luns.len()), (0, 1), "{how:?}");
    assert_eq!(view.all_pools().len(), 1, "{how:?}: the one that follows from the array");
    assert_eq!(world.marks(), [code], "{how:?}");
}

#[test]
fn a_pool_that_does_not_add_up_is_hidden() {
    check_pool(V::PoolOverdrawn, "provider.bad_size");
    check_pool(V::PoolBeyondDrive, "provider.bad_size");
    check_pool(V::PoolOnNoDrive, "provider.bad_drive");
    check_pool(V::PoolOfNoSubsystem, "provider.bad_id");
}

#[test]
fn a_delete_that_deletes_nothing_fails() {
    let mut world = World::new();
    let create = Request::CreateLun(world.create());
    let Ok(Output::CreateLun(lun)) = world.result(create) else { panic!("an honest one") };
    world.provider.misbehave(OperationKind::DeleteLun, [M::FailsWait(SILENCE)]);
    let error = world.result(Request::DeleteLun { lun }).unwrap_err();
    assert_eq!(error.hresult(), SILENCE);
    let gone = Request::DeleteLun { lun: LunId::from_bytes([3; 16]) };
    let refusal = world.begin(gone).unwrap_err();
    assert_eq!(refusal.result, HResult::VDS_E_OBJECT_NOT_FOUND);
    assert_eq!(world.store.forgotten.lock().unwrap().len(), 1, "a refusal leaves no intent");
}

#[test]
fn deadlines_are_as_long_as_they_are_told() {
    let mut world = World::new();
    world.provider.misbehave(OperationKind::CreateLun, [M::SilentAtStart]);
    let create = Request::CreateLun(world.create());
    world.result(create).unwrap_err();
    let passed = Duration::from_millis(world.now_ms());
    assert_eq!(passed.as_secs(), 60, "the start is given a minute");
}

#[test]
fn groups_of_a_target_that_share_are_found() {
    let mut world = World::new();
    let subsystem = world.provider.subsystem();
    let target = Request::CreateTarget { subsystem, iqn: String::new(), name: "t".into() };
    world.result(target).unwrap();
    let listen = "127.0.0.1:3260".parse().unwrap();
    let portal = Request::AddPortal { subsystem, listen, announce: None };
    let Ok(Output::AddPortal(portal)) = world.result(portal) else { panic!("a portal") };
    let checked = world.checked.clone();
    let honest = world.run(checked.view()).unwrap();
    let verdict = |groups: &[(u8, u16, &[PortalId])]| {
        let mut view = View::clone(&honest);
        let shown = groups.iter().map(|(id, tag, portals)| PortalGroupView {
            properties: PortalGroupProperties {
                id: PortalGroupId::from_bytes([*id; 16]),
                tag: PortalGroupTag(*tag),
            },
            portals: portals.to_vec(),
        });
        view.targets[0].portal_groups = shown.collect();
        inspect_view(&view).map_err(|refusal| refusal.result)
    };
    let bad_id = Err(HResult::VDSX_E_BAD_ID);
    assert_eq!(verdict(&[(7, 1, &[portal]), (8, 2, &[])]), Ok(()));
    assert_eq!(verdict(&[(7, 1, &[portal]), (8, 1, &[])]), Err(BAD_DATA));
    assert_eq!(verdict(&[(7, 1, &[portal]), (8, 2, &[portal])]), Err(BAD_DATA));
    assert_eq!(verdict(&[(7, 1, &[PortalId::from_bytes([9; 16])])]), bad_id);
    assert_eq!(verdict(&[(0, 1, &[portal])]), bad_id);
}
