//! `kill -9`, at rest and in the middle of things.

use serde::Serialize;
use vds_model::OperationId;
use vds_operation::{OperationKind, State};
use vds_plugin::{AfterCrash, Request, View, method};

use super::data;
use crate::place::{free_bytes, wire};
use crate::subject::{Subject, fresh_id, succeeded};
use crate::trouble::{Step, ensure, failed, skipped};

/// A view without what may differ after a restart: its generation, and the order of what has none.
fn settled(mut view: View) -> View {
    view.generation = 0;
    view.drives.iter_mut().for_each(|drive| in_one_order(&mut drive.extents));
    view.pools.iter_mut().for_each(|pool| in_one_order(&mut pool.extents));
    in_one_order(&mut view.subsystems);
    in_one_order(&mut view.controllers);
    in_one_order(&mut view.ports);
    in_one_order(&mut view.drives);
    in_one_order(&mut view.luns);
    in_one_order(&mut view.targets);
    in_one_order(&mut view.portals);
    in_one_order(&mut view.pools);
    view
}

fn in_one_order<T: Serialize>(list: &mut [T]) {
    list.sort_by_cached_key(|it| serde_json::to_string(it).expect("it came as JSON"));
}

pub(super) fn keeps_objects(subject: &mut Subject<'_>) -> Step {
    let place = subject.place()?;
    subject.create(place, place.small_bytes())?;
    let before = settled(subject.sound_view()?);
    subject.kill();
    subject.restart()?;
    let after = settled(subject.sound_view()?);
    ensure(after.luns == before.luns, || {
        let (found, old) = (after.luns.len(), before.luns.len());
        format!("LUNs differ after kill -9 ({old} before, {found} after)")
    })?;
    ensure(after == before, || "objects other than LUNs differ after kill -9".to_owned())
}

pub(super) fn keeps_data(subject: &mut Subject<'_>) -> Step {
    let place = subject.place()?;
    let lun = subject.create(place, place.small_bytes())?;
    let file = data::opened(subject, lun.id, lun.size_bytes)?;
    data::write(&file, lun.id, lun.size_bytes)?;
    subject.kill();
    data::verify(&file, lun.id, lun.size_bytes, "while the provider is dead")?;
    subject.restart()?;
    data::verify(&file, lun.id, lun.size_bytes, "through the old descriptor after kill -9")?;
    let again = data::opened(subject, lun.id, lun.size_bytes)?;
    data::verify(&again, lun.id, lun.size_bytes, "opened again after kill -9")?;
    data::close(subject, lun.id)
}

pub(super) fn remembers(subject: &mut Subject<'_>) -> Step {
    if subject.after_crash_of(OperationKind::CreateLun)? == AfterCrash::Forgotten {
        return skipped("operations are declared to be forgotten after a crash");
    }
    let place = subject.place()?;
    let request = wire(place.create(place.small_bytes()));
    let (operation, end) = subject.succeed(&request)?;
    subject.kill();
    subject.restart()?;
    match subject.find(operation)? {
        None => return failed("an operation that had ended is not known any more after kill -9"),
        Some(found) => ensure(found == end, || {
            let (old, new) = (&end.state, &found.state);
            format!("an operation that had ended {old} is told differently after kill -9: {new}")
        })?,
    }
    // And it is not done again.
    subject.start(operation, &request)?;
    let luns = subject.sound_view()?.luns;
    let made = luns.iter().filter(|lun| lun.made_by == Some(operation)).count();
    ensure(made == 1, || format!("one operation has made {made} LUNs over a kill -9"))
}

/// When the process is killed.
#[derive(Clone, Copy)]
enum Moment {
    /// The `start` is on its way.
    Unanswered,
    /// It was answered.
    Answered,
    /// It was told to be running.
    Running,
}

pub(super) fn in_mid_call(subject: &mut Subject<'_>) -> Step {
    let place = subject.place()?;
    for moment in [Moment::Unanswered, Moment::Answered, Moment::Running] {
        let before = free_bytes(&subject.view()?);
        let operation = fresh_id();
        let request = wire(place.create(place.large_bytes()));
        let params = subject.start_params(operation, &request);
        let asked = subject.conversation.ask(method::START, &params)?;
        if !matches!(moment, Moment::Unanswered) {
            subject.answer(asked)?;
        }
        if matches!(moment, Moment::Running) {
            let answer = subject.options.answer;
            subject.conversation.wait_status(operation, answer, |status| {
                matches!(status.state(), Ok(State::Running)) || status.is_ended()
            });
        }
        subject.kill();
        subject.restart()?;
        let was_answered = !matches!(moment, Moment::Unanswered);
        look_after(subject, operation, &request, was_answered, before)?;
    }
    Ok(())
}

/// Whatever came of it is whole, and it can be asked for again.
fn look_after(
    subject: &mut Subject<'_>,
    operation: OperationId,
    request: &Request,
    was_answered: bool,
    before: u64,
) -> Step {
    let declared = subject.after_crash_of(OperationKind::CreateLun)?;
    let is_known = subject.find(operation)?.is_some();
    let is_done = if is_known {
        let end = subject.end(operation)?;
        let is_done = end.state() == Ok(State::Succeeded);
        ensure(is_done || declared != AfterCrash::Resumes, || {
            let (state, message) = (&end.state, &end.message);
            format!("it is declared to resume after kill -9, and ended {state}: {message}")
        })?;
        is_done
    } else {
        let may_forget = !was_answered || declared == AfterCrash::Forgotten;
        ensure(may_forget, || {
            "an operation whose `start` was answered is not known any more after kill -9".to_owned()
        })?;
        false
    };
    let luns = subject.sound_view()?.luns;
    let made: Vec<_> = luns.iter().filter(|lun| lun.made_by == Some(operation)).collect();
    let (count, expected) = (made.len(), usize::from(is_done));
    // What was forgotten may have been finished: the service takes it away.
    let is_whole = count == expected || (!is_known && count <= 1);
    ensure(is_whole, || {
        let end = if is_done { "succeeded" } else { "did not succeed" };
        format!("an operation that {end} over a kill -9 has left {count} LUNs")
    })?;
    for lun in made.iter().map(|lun| lun.id).collect::<Vec<_>>() {
        subject.delete(lun)?;
    }
    let is_back = subject.wait_view(|view| free_bytes(view) == before)?.is_some();
    ensure(is_back, || "an operation interrupted by kill -9 has kept its space".to_owned())?;
    if is_known {
        return Ok(());
    }
    // It never arrived, or is forgotten: the service may send it again.
    subject.start(operation, request)?;
    succeeded(&subject.end(operation)?)?;
    let luns = subject.view()?.luns;
    let lun = luns.iter().find(|lun| lun.made_by == Some(operation)).map(|lun| lun.id);
    match lun {
        Some(lun) => subject.delete(lun),
        None => failed("a `start` that was sent again has made no LUN"),
    }
}
