//! Creating a LUN: the status, the end, the LUN, and what is told on the way.

use vds_operation::{OperationKind, Output, State};
use vds_plugin::{ViewParams, Viewed, method};
use vds_provider as contract;

use crate::place::{free_bytes, free_on_drives, made_lun, wire};
use crate::subject::{SILENCE, Subject, succeeded};
use crate::trouble::{Step, ensure, failed};

pub(super) fn status(subject: &mut Subject<'_>) -> Step {
    let place = subject.place()?;
    subject.begin(&wire(place.create(place.small_bytes()))).map(drop)
}

pub(super) fn end(subject: &mut Subject<'_>) -> Step {
    let place = subject.place()?;
    let before = subject.view()?;
    let (_, status) = subject.succeed(&wire(place.create(place.small_bytes())))?;
    let id = made_lun(&status)?;
    ensure(!before.luns.iter().any(|lun| lun.id == id), || {
        format!("it says it made LUN {id}, which was there before")
    })?;
    let view = subject.view()?;
    ensure(view.luns.iter().any(|lun| lun.id == id), || {
        format!("it says it made LUN {id}, and shows none")
    })
}

pub(super) fn view_changed(subject: &mut Subject<'_>) -> Step {
    let place = subject.place()?;
    let before = subject.view()?.generation;
    let (_, status) = subject.succeed(&wire(place.create(place.small_bytes())))?;
    let id = made_lun(&status)?;
    let params = ViewParams { generation: Some(before) };
    match subject.ask_and_read(method::VIEW, &params)? {
        Viewed::View(view) => ensure(view.luns.iter().any(|lun| lun.id == id), || {
            format!("it says it made LUN {id}, and shows none")
        }),
        Viewed::Unchanged { .. } => failed("it made a LUN, and says that its view has not changed"),
    }
}

pub(super) fn lun(subject: &mut Subject<'_>) -> Step {
    let place = subject.place()?;
    let size_bytes = place.small_bytes();
    let before = subject.view()?;
    let mut create = place.create(size_bytes);
    create.unmasking_list = "iqn.2025-01.org.example:host2".parse().expect("a list");
    let (operation, status) = subject.succeed(&wire(create.clone()))?;
    let id = made_lun(&status)?;
    let after = subject.sound_view()?;
    let Some(lun) = after.luns.iter().find(|lun| lun.id == id) else {
        return failed(format!("LUN {id} went away"));
    };
    let (old, new) = (subject.contract_view(&before)?, subject.contract_view(&after)?);
    let request = contract::Request::CreateLun(create.clone());
    contract::inspect_output(&request, Output::CreateLun(id), Some(&old), &new)
        .or_else(|refusal| failed(format!("the LUN does not add up: {}", refusal.message)))?;
    ensure(lun.made_by == Some(operation), || {
        format!("LUN {id} does not carry the id of its operation in `made_by`")
    })?;
    ensure(lun.name == create.name, || {
        format!("the LUN was to be named {:?} and is named {:?}", create.name, lun.name)
    })?;
    ensure(lun.unmasking_list == create.unmasking_list, || {
        let found = &lun.unmasking_list;
        format!("the LUN was to be unmasked to {} and is to {found}", create.unmasking_list)
    })?;
    let taken = free_bytes(&before).saturating_sub(free_bytes(&after));
    ensure(taken >= size_bytes, || {
        format!("a LUN of {size_bytes} B has taken {taken} B of the free space")
    })?;
    let taken = free_on_drives(&before).saturating_sub(free_on_drives(&after));
    let is_told = free_on_drives(&before) > 0;
    ensure(!is_told || taken >= size_bytes, || {
        format!("a LUN of {size_bytes} B has taken {taken} B of the drives' free space")
    })
}

pub(super) fn progress(subject: &mut Subject<'_>) -> Step {
    let place = subject.place()?;
    let (operation, _) = subject.succeed(&wire(place.create(place.large_bytes())))?;
    let mut last = 0;
    for told in subject.conversation.told(operation) {
        let Some(percent) = told.status.percent else { continue };
        ensure(percent <= 100, || format!("it told {percent} percent"))?;
        ensure(told.status.is_ended() || percent < 100, || {
            "it told 100 percent before the end".to_owned()
        })?;
        ensure(percent >= last, || format!("percent fell from {last} to {percent}"))?;
        last = percent;
    }
    Ok(())
}

pub(super) fn ends_once(subject: &mut Subject<'_>) -> Step {
    let place = subject.place()?;
    let (operation, end) = subject.succeed(&wire(place.create(place.small_bytes())))?;
    // Another end would come now, or while the provider does something else.
    subject.conversation.wait_other_end(operation, SILENCE);
    let found = subject.find(operation)?;
    ensure(found.is_some_and(|found| found == end), || {
        "`operation.find` after the end tells something else".to_owned()
    })?;
    subject.delete(made_lun(&end)?)?;
    ensure(!subject.conversation.wait_other_end(operation, SILENCE), || {
        "it told another status after the end".to_owned()
    })?;
    let is_told = subject.conversation.told(operation);
    ensure(is_told.iter().any(|told| told.status.is_ended() && told.is_news), || {
        "the end was not told by `operation.changed`".to_owned()
    })
    .or_else(|trouble| match is_told.first() {
        // The answer to `start` may be the end already.
        Some(first) if first.status.state() == Ok(State::Succeeded) => Ok(()),
        _ => Err(trouble),
    })?;
    succeeded(&end)?;
    ensure(subject.declared(OperationKind::CreateLun).is_ok(), || "not declared".to_owned())
}
