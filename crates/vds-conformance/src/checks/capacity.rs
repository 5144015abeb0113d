//! Space: what is promised is there, and nothing is promised twice.

use vds_operation::State;
use vds_plugin::method;

use super::many;
use crate::place::{free_bytes, wire};
use crate::subject::{Subject, fresh_id, is_full};
use crate::trouble::{Step, ensure};

/// One sector.
const BLOCK_BYTES: u64 = 512;

pub(super) fn max(subject: &mut Subject<'_>) -> Step {
    subject.has(method::MAX_LUN_CREATE_SIZE)?;
    let place = subject.place()?;
    let said = place.most_bytes;
    let claim = format!("it says that a LUN of {said} B can be made");
    let lun = subject.create(place, said).map_err(|trouble| trouble.when(&claim))?;
    ensure(lun.size_bytes >= said, || {
        format!("it says that a LUN of {said} B can be made, and made one of {} B", lun.size_bytes)
    })?;
    let free = free_bytes(&subject.sound_view()?);
    let left = subject.max_size(place)?;
    // On another drive one as large may still be made; nowhere more than is free.
    ensure(left < said || left <= free, || {
        format!(
            "with a LUN of {said} B made, one of {left} B can still be made, of {free} B that are free"
        )
    })?;
    subject.delete(lun.id)?;
    let again = subject.max_size(place)?;
    ensure(again == said, || {
        format!("a LUN of {said} B could be made; after one was made and deleted, one of {again} B")
    })
}

pub(super) fn beyond(subject: &mut Subject<'_>) -> Step {
    subject.has(method::MAX_LUN_CREATE_SIZE)?;
    let place = subject.place()?;
    let before = free_bytes(&subject.view()?);
    let most = place.most_bytes;
    for size_bytes in [most.saturating_add(BLOCK_BYTES), most.saturating_mul(2), u64::MAX] {
        let operation = fresh_id();
        let answered = subject.start(operation, &wire(place.create(size_bytes)))?;
        let result = match answered.outcome {
            Err(error) => error.result(),
            Ok(_) => subject.end(operation)?.result,
        };
        ensure(result.is_failure(), || {
            format!("a LUN of {size_bytes} B was made, and {most} B were said to be the most")
        })?;
        ensure(is_full(result), || {
            format!("a LUN of {size_bytes} B was refused with {result}, not VDS_E_NOT_ENOUGH_SPACE")
        })?;
    }
    let after = free_bytes(&subject.sound_view()?);
    ensure(after == before, || format!("{before} B were free, {after} B after LUNs were refused"))
}

pub(super) fn together(subject: &mut Subject<'_>) -> Step {
    let place = subject.place()?;
    let bytes = place.most_bytes / 3;
    let before = free_bytes(&subject.view()?);
    let mut made = 0;
    for operation in many::begin(subject, 6, bytes)? {
        let status = subject.end(operation)?;
        if status.state() == Ok(State::Succeeded) {
            made += 1;
        } else {
            let result = status.result;
            ensure(is_full(result), || {
                format!("of several LUNs for which there is no room, one failed with {result}")
            })?;
        }
    }
    subject.sound_view()?;
    ensure(made >= 1, || "of several LUNs at once none was made".to_owned())?;
    let after = free_bytes(&subject.view()?);
    ensure(before.saturating_sub(after) >= made * bytes, || {
        format!("{made} LUNs of {bytes} B have taken {} B", before.saturating_sub(after))
    })
}
