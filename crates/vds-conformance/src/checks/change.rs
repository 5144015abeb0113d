//! What is changed about LUNs: deleted, extended, unmasked, named.

use std::collections::BTreeSet;

use vds_model::{LunId, UnmaskingList};
use vds_operation::{OperationKind, Output};
use vds_plugin::{EventChange, Lun, Request};
use vds_provider as contract;

use crate::place::{free_bytes, free_on_drives};
use crate::subject::Subject;
use crate::trouble::{Step, ensure, failed};

/// A LUN to be changed.
fn small(subject: &mut Subject<'_>) -> Step<Lun> {
    let place = subject.place()?;
    subject.create(place, place.small_bytes())
}

fn look(subject: &mut Subject<'_>, lun: LunId) -> Step<Lun> {
    let luns = subject.sound_view()?.luns;
    match luns.into_iter().find(|found| found.id == lun) {
        Some(lun) => Ok(lun),
        None => failed(format!("LUN {lun} went away when it was changed")),
    }
}

pub(super) fn delete_gone(subject: &mut Subject<'_>) -> Step {
    subject.declared(OperationKind::DeleteLun)?;
    let lun = small(subject)?;
    subject.delete(lun.id)?;
    let is_there = subject.sound_view()?.luns.iter().any(|found| found.id == lun.id);
    ensure(!is_there, || "it says it deleted the LUN, and still shows it".to_owned())
}

pub(super) fn delete_space(subject: &mut Subject<'_>) -> Step {
    let before = subject.view()?;
    let lun = small(subject)?;
    subject.delete(lun.id)?;
    let (free, on_drives) = (free_bytes(&before), free_on_drives(&before));
    let is_back =
        |view: &vds_plugin::View| free_bytes(view) == free && free_on_drives(view) == on_drives;
    if subject.wait_view(is_back)?.is_some() {
        return Ok(());
    }
    let after = subject.view()?;
    let (found, found_on_drives) = (free_bytes(&after), free_on_drives(&after));
    failed(format!(
        "{free} B were free ({on_drives} B on drives), {found} B ({found_on_drives} B) after a LUN was made and deleted"
    ))
}

pub(super) fn events(subject: &mut Subject<'_>) -> Step {
    let lun = small(subject)?;
    let event = |change: &str| EventChange {
        object: "lun".to_owned(),
        id: lun.id.to_string(),
        change: change.to_owned(),
    };
    ensure(subject.conversation.wait_event(&event("arrive")), || {
        "no event told that the LUN arrived".to_owned()
    })?;
    subject.delete(lun.id)?;
    ensure(subject.conversation.wait_event(&event("depart")), || {
        "no event told that the LUN departed".to_owned()
    })
}

pub(super) fn fresh_ids(subject: &mut Subject<'_>) -> Step {
    let mut ids = BTreeSet::new();
    for _ in 0..3 {
        let lun = small(subject)?;
        let plexes = lun.plexes.iter().map(|plex| plex.id.to_bytes());
        for id in plexes.chain([lun.id.to_bytes()]) {
            ensure(ids.insert(id), || {
                format!("id {} was that of an object that was deleted", LunId::from_bytes(id))
            })?;
        }
        subject.delete(lun.id)?;
    }
    Ok(())
}

pub(super) fn extend(subject: &mut Subject<'_>) -> Step {
    subject.declared(OperationKind::ExtendLun)?;
    let lun = small(subject)?;
    let before = subject.view()?;
    let by_bytes = subject.place()?.small_bytes();
    subject.succeed(&Request::ExtendLun { lun: lun.id, by_bytes, drives: None })?;
    let after = subject.sound_view()?;
    let (old, new) = (subject.contract_view(&before)?, subject.contract_view(&after)?);
    let request = contract::Request::ExtendLun { lun: lun.id, by_bytes, drives: None };
    let output = Output::Done(OperationKind::ExtendLun.output_type());
    contract::inspect_output(&request, output, Some(&old), &new)
        .or_else(|refusal| failed(format!("the LUN does not add up: {}", refusal.message)))?;
    let found = look(subject, lun.id)?;
    ensure(found.size_bytes > lun.size_bytes, || {
        format!("the LUN has {} B as before", found.size_bytes)
    })
}

fn list(text: &str) -> UnmaskingList {
    text.parse().expect("a list that is written as it must be")
}

/// The entries, whatever their order.
fn entries(list: &UnmaskingList) -> BTreeSet<String> {
    list.to_string().split(';').map(str::to_owned).collect()
}

pub(super) fn mask(subject: &mut Subject<'_>) -> Step {
    subject.declared(OperationKind::SetMask)?;
    let lun = small(subject)?.id;
    let (one, two, three) = (
        "iqn.2025-01.org.example:one",
        "iqn.2025-01.org.example:two",
        "iqn.2025-01.org.example:three",
    );
    let set = |text: &str| Request::SetMask { lun, unmasking_list: list(text) };
    let change = Request::ChangeMask { lun, add: list(three), remove: list(one) };
    let steps = [
        (set("*"), "*".to_owned()),
        (set(&format!("{one};{two}")), format!("{one};{two}")),
        (change, format!("{two};{three}")),
        (set(""), String::new()),
    ];
    for (request, expected) in steps {
        subject.succeed(&request)?;
        let found = look(subject, lun)?.unmasking_list;
        ensure(entries(&found) == entries(&list(&expected)), || {
            format!("the unmasking list was to be {expected:?} and is {:?}", found.to_string())
        })?;
    }
    Ok(())
}

pub(super) fn name(subject: &mut Subject<'_>) -> Step {
    subject.declared(OperationKind::SetName)?;
    let lun = small(subject)?.id;
    for name in ["vds-test-2", "Größe \"3\" ✓"] {
        subject.succeed(&Request::SetName { lun, name: name.to_owned() })?;
        let found = look(subject, lun)?.name;
        ensure(found == name, || format!("the LUN was to be named {name:?} and is {found:?}"))?;
    }
    Ok(())
}
