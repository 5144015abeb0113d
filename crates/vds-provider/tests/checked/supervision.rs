//! The service's operation follows the provider's: progress, cancel, pause, durable records, restart.

use crate::world::{GIB, World};
use vds_model::{HResult, LunType};
use vds_operation::{
    CancelAnswer, Operation, OperationKind, OperationRecord, Output, Priority, State,
};
use vds_provider::{Misbehaviour as M, Pace, Request};

fn mirror(world: &mut World) -> vds_model::LunId {
    let mut create = world.create();
    create.lun_type = LunType::Mirror;
    match world.result(Request::CreateLun(create)) {
        Ok(Output::CreateLun(lun)) => lun,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_intent_is_durable_before_the_provider_hears_of_it_and_the_end_before_anybody_else() {
    let mut world = World::stepwise();
    let create = Request::CreateLun(world.create());
    let operation = world.begin(create.clone()).unwrap();
    {
        let stored = world.store.stored.lock().unwrap();
        assert_eq!(stored.len(), 1);
        assert_eq!(stored[0].state, State::Queued);
        let request = Request::decode(stored[0].kind, &stored[0].arguments).unwrap();
        assert_eq!(request, create);
    }
    // The store refuses the end three times: nobody sees an end until it takes it.
    *world.store.failures.lock().unwrap() = 3;
    let waits = |status: &vds_operation::OperationStatus| status.waits_for.is_some();
    let mut status = operation.status();
    while !waits(&status) {
        status = world.run(operation.changed(status.version));
        assert!(!status.state.is_end());
    }
    assert_eq!(status.waits_for.as_deref(), Some("its record to be stored: the disk is full"));
    assert!(matches!(world.run(operation.clone().into_future()), Ok(Output::CreateLun(_))));
    let last = world.store.stored.lock().unwrap().pop().unwrap();
    assert_eq!((last.state, last.progress.percent), (State::Succeeded, Some(100)));
    assert_eq!(operation.record(), last);
}

fn cancel(world: &mut World, operation: &Operation) -> CancelAnswer {
    world.run(operation.cancel()).unwrap()
}

#[test]
fn a_cancel_reaches_the_provider_and_its_answer_comes_back() {
    let mut world = World::stepwise();
    let create = Request::CreateLun(world.create());
    let operation = world.begin(create.clone()).unwrap();
    assert_eq!(cancel(&mut world, &operation), CancelAnswer::Cancelled);
    assert_eq!(operation.query_status().hresult, HResult::VDS_E_OPERATION_CANCELED);
    assert_eq!(cancel(&mut world, &operation), CancelAnswer::AlreadyCancelled);
    assert_eq!(world.provider.luns(), []);

    let answers = [
        (HResult::VDS_E_CANCEL_TOO_LATE, CancelAnswer::TooLate),
        (HResult::VDS_E_NOT_SUPPORTED, CancelAnswer::NotSupported),
    ];
    for (told, expected) in answers {
        world.provider.misbehave(OperationKind::CreateLun, [M::AnswersCancel(told)]);
        let operation = world.begin(create.clone()).unwrap();
        assert_eq!(cancel(&mut world, &operation), expected);
        assert!(world.run(operation.into_future()).is_ok(), "the work goes on");
    }

    world.provider.set_pace(Pace::AtOnce);
    let operation = world.begin(create.clone()).unwrap();
    assert!(world.run(operation.clone().into_future()).is_ok());
    assert_eq!(cancel(&mut world, &operation), CancelAnswer::TooLate);

    // A provider that says it will and does not is given up, and what it made is removed.
    world.provider.misbehave(OperationKind::CreateLun, [M::StuckWork]);
    let operation = world.begin(create.clone()).unwrap();
    assert_eq!(cancel(&mut world, &operation), CancelAnswer::TooLate);
    assert_eq!(operation.query_status().hresult, HResult::VDS_E_TIMEOUT);

    // Cancelled, and something is left all the same: removed.
    world.provider.set_pace(Pace::Stepwise);
    let before = world.provider.luns();
    world.provider.misbehave(OperationKind::CreateLun, [M::LeavesObjectOnCancel]);
    let operation = world.begin(create).unwrap();
    assert_eq!(cancel(&mut world, &operation), CancelAnswer::Cancelled);
    assert_eq!(world.provider.luns(), before);
}

#[test]
fn long_work_is_paused_resumed_and_given_a_priority() {
    let mut world = World::new();
    let lun = mirror(&mut world);
    world.provider.set_pace(Pace::Stepwise);
    let operation = world.begin(Request::RecoverLun { lun }).unwrap();
    let mut status = operation.status();
    while status.progress.percent.is_none_or(|percent| percent == 0) {
        status = world.run(operation.changed(status.version));
    }
    operation.pause().unwrap();
    operation.set_priority(Priority::new(15).unwrap()).unwrap();
    // Much longer than any deadline: held work is not silent work.
    world.wait_virtually(std::time::Duration::from_hours(1));
    assert_eq!(operation.status().state, State::Paused);
    let percent = operation.status().progress.percent;
    assert!(percent < Some(100));
    operation.resume_work().unwrap();
    assert!(world.run(operation.clone().into_future()).is_ok());
    assert!(operation.status().progress.done_bytes > Some(0));
    assert_eq!(world.marks(), [""; 0]);
}

/// After a restart only the store's records are left; the provider went on meanwhile.
fn restart(world: &mut World, record: OperationRecord) -> Operation {
    world.tasks.clear();
    let around = vds_provider::Surroundings {
        timer: std::sync::Arc::new(world.timer.clone()),
        store: std::sync::Arc::new(world.store.clone()),
        deadlines: vds_provider::Deadlines::default(),
        provider_resumes: false,
    };
    let provider = std::sync::Arc::new(world.provider.clone());
    world.checked = vds_provider::Checked::new(provider, around);
    let checked = world.checked.clone();
    let started = world.run(checked.resume(record));
    world.tasks.push(started.supervise);
    started.operation
}

#[test]
fn after_a_restart_an_operation_is_found_again_or_ends_with_the_reason() {
    let mut world = World::stepwise();
    let create = Request::CreateLun(world.create());
    let operation = world.begin(create.clone()).unwrap();
    let record = world.store.stored.lock().unwrap()[0].clone();
    let again = restart(&mut world, record.clone());
    assert_eq!(again.id(), operation.id());
    assert!(matches!(world.run(again.clone().into_future()), Ok(Output::CreateLun(_))));
    assert_eq!(world.provider.luns().len(), 1);
    assert_eq!(again.record().key, operation.record().key);

    // Unknown to the provider: it never heard of it, or forgot.
    let mut unknown = record;
    unknown.id = vds_model::OperationId::from_bytes([0xAB; 16]);
    let again = restart(&mut world, unknown);
    let error = world.run(again.into_future()).unwrap_err();
    assert_eq!(error.code(), "provider.unknown_operation");
    assert_eq!(world.provider.luns().len(), 1);
}

#[test]
fn a_provider_that_resumes_its_own_work_breaks_off_the_waits_and_ends_nothing() {
    let mut world = World::stepwise();
    let around = vds_provider::Surroundings {
        timer: std::sync::Arc::new(world.timer.clone()),
        store: std::sync::Arc::new(vds_provider::KeptByProvider),
        deadlines: vds_provider::Deadlines::default(),
        provider_resumes: true,
    };
    world.checked = vds_provider::Checked::new(std::sync::Arc::new(world.provider.clone()), around);
    let stops = M::FailsWaitWithoutResult(HResult::VDSX_E_WAIT_FAILED);
    world.provider.misbehave(OperationKind::CreateLun, [stops]);
    let create = Request::CreateLun(world.create());
    let operation = world.begin(create).unwrap();
    let ended = world.run(operation.wait());
    assert_eq!(ended, Err(vds_operation::WaitError::WorkerGone));
    assert!(!operation.is_ended());
}

#[test]
fn honest_work_of_every_kind_leaves_no_mark() {
    let mut world = World::new();
    let lun = mirror(&mut world);
    let subsystem = world.provider.subsystem();
    let target = Request::CreateTarget { subsystem, iqn: String::new(), name: "t".into() };
    let Ok(Output::CreateTarget(target)) = world.result(target) else { panic!("a target") };
    let listen = "127.0.0.1:3260".parse().unwrap();
    let portal = Request::AddPortal { subsystem, listen, announce: None };
    let Ok(Output::AddPortal(portal)) = world.result(portal) else { panic!("a portal") };
    let extend = Request::ExtendLun { lun, by_bytes: GIB + 1, drives: None };
    let requests = [
        extend,
        Request::SetLunName { lun, name: "db1".into() },
        Request::SetLunMask { lun, unmasking_list: vds_model::UnmaskingList::Everybody },
        Request::SetTargetChap { target, chap: None },
        Request::RecoverLun { lun },
        Request::Refresh,
        Request::RemovePortal { portal },
        Request::DeleteTarget { target },
        Request::DeleteLun { lun },
    ];
    for request in requests {
        let kind = request.kind();
        let output = world.result(request).unwrap();
        assert_eq!(output.output_type(), kind.output_type());
    }
    assert_eq!(world.marks(), [""; 0]);
    assert_eq!(world.checked.orphans(), []);
    let checked = world.checked.clone();
    let batch = world.run(checked.next_events(0)).unwrap();
    assert_eq!((batch.number, batch.is_gap), (1, false));
}
