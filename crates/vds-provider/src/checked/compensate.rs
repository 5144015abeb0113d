//! Looking again after a failure, and removing what appeared under the failed operation's id.

use std::collections::BTreeSet;
use std::sync::Arc;

use vds_model::{HResult, OperationId};
use vds_operation::{ObjectRef, Owner, Payload};

use super::Shared;
use super::guard::ask;
use super::ledger::Orphan;
use super::verify::Fault;
use crate::{Request, StartContext, View};

/// What appeared, and by what right it is counted to the operation.
struct Leftover {
    object: ObjectRef,
    /// The provider names the operation as its maker; without that it is not removed, only listed.
    is_attributed: bool,
}

/// Whether an output with this payload could be this object.
fn is_made(payload: Payload, object: ObjectRef) -> bool {
    match payload {
        Payload::Lun => matches!(object, ObjectRef::Lun(_) | ObjectRef::Target(_)),
        Payload::Target => matches!(object, ObjectRef::Target(_)),
        Payload::PortalGroup => matches!(object, ObjectRef::PortalGroup(_)),
        Payload::Subsystem => matches!(object, ObjectRef::Subsystem(_)),
        Payload::Drive => matches!(object, ObjectRef::Drive(_)),
        Payload::Portal => matches!(object, ObjectRef::Portal(_)),
        Payload::None | Payload::Report => false,
    }
}

fn leftovers(
    shared: &Shared,
    id: OperationId,
    request: &Request,
    before: Option<&View>,
    now: &View,
) -> Vec<Leftover> {
    let payload = request.kind().output_type().payload();
    let ledger = shared.ledger();
    // With other work under way that makes objects, one without a maker's name may be its.
    let is_alone = ledger.making.iter().all(|other| *other == id);
    let old: BTreeSet<ObjectRef> = before.into_iter().flat_map(View::objects).collect();
    let is_new = |object: &ObjectRef| {
        is_made(payload, *object) && !old.contains(object) && !ledger.given.contains_key(object)
    };
    now.objects()
        .filter(is_new)
        .filter_map(|object| {
            let maker = now.made_by.get(&object);
            let is_attributed = maker == Some(&id);
            let is_suspect = maker.is_none() && before.is_some() && is_alone;
            (is_attributed || is_suspect).then_some(Leftover { object, is_attributed })
        })
        .collect()
}

/// The request that removes an object, where one does so without touching anything else.
fn removal(object: ObjectRef) -> Option<Request> {
    match object {
        ObjectRef::Lun(lun) => Some(Request::DeleteLun { lun }),
        ObjectRef::Target(target) => Some(Request::DeleteTarget { target }),
        ObjectRef::Portal(portal) => Some(Request::RemovePortal { portal }),
        ObjectRef::PortalGroup(group) => Some(Request::DeletePortalGroup { group }),
        _ => None,
    }
}

fn removal_command(object: ObjectRef) -> String {
    let verb = match object {
        ObjectRef::Drive(_) | ObjectRef::Portal(_) => "remove",
        _ => "delete",
    };
    format!("vds {} {verb} {} --yes", object.noun(), object.id_text())
}

/// An id for the operation that removes something: made from the failed one's, for this layer has no randomness.
fn derived_id(id: OperationId, object: ObjectRef, attempt: u64) -> OperationId {
    let mut seed = id.to_bytes().to_vec();
    seed.extend_from_slice(&object.id_bytes());
    seed.extend_from_slice(&attempt.to_le_bytes());
    let kind = vds_operation::OperationKind::DeleteLun;
    let mut bytes = vds_operation::Fingerprint::new(kind, &seed).to_bytes();
    // Version 8, "made by a rule of the maker's own" (RFC 9562 §5.8).
    bytes[6] = (bytes[6] & 0x0F) | 0x80;
    bytes[8] = (bytes[8] & 0x3F) | 0x80;
    OperationId::from_bytes(bytes)
}

/// Has the provider remove an object, and looks whether it did.
async fn remove(shared: &Shared, id: OperationId, object: ObjectRef) -> Result<(), String> {
    let Some(request) = removal(object) else {
        return Err("it is not removed without asking".to_owned());
    };
    let attempt = {
        let mut ledger = shared.ledger();
        ledger.removals += 1;
        ledger.removals
    };
    let owner = Owner::Service { cause: format!("operation {id} failed and left {object}") };
    let unix_ms = shared.around.timer.unix_ms();
    let context = StartContext {
        parent: Some(id),
        ..StartContext::new(derived_id(id, object, attempt), owner, unix_ms)
    };
    let deadlines = shared.around.deadlines;
    let timer = &*shared.around.timer;
    let started = ask(timer, deadlines.start, || shared.provider.start(context, request)).await;
    let raw = started.map_err(|no_answer| no_answer.message())?;
    if raw.result.is_failure() {
        return Err(format!("the provider refused to remove it: {}", raw.result));
    }
    if let Some(operation) = raw.operation {
        let waited = ask(timer, deadlines.silence, || operation.wait()).await;
        waited.map_err(|no_answer| no_answer.message())?;
    }
    match shared.look_raw(Some(id)).await {
        Ok(view) if view.contains(object) => Err("it is still there after its removal".to_owned()),
        Ok(_) => Ok(()),
        Err(fault) => Err(fault.message),
    }
}

/// Looks what is there under the operation's id, removes what may be removed, and lists the rest as orphans.
///
/// # Errors
/// The provider cannot be asked: nothing is known, and nothing was removed.
pub(crate) async fn remove_leftovers(
    shared: &Arc<Shared>,
    id: OperationId,
    request: &Request,
    before: Option<&View>,
) -> Result<Vec<Orphan>, Fault> {
    let now = shared.look_raw(Some(id)).await?;
    let mut is_changed = false;
    let mut left = Vec::new();
    for leftover in leftovers(shared, id, request, before, &now) {
        let object = leftover.object;
        if is_changed && !shared.look_raw(Some(id)).await?.contains(object) {
            // A target that was made with its LUN went with it.
            continue;
        }
        let reason = if leftover.is_attributed {
            match remove(shared, id, object).await {
                Ok(()) => {
                    is_changed = true;
                    continue;
                }
                Err(reason) => reason,
            }
        } else {
            "the provider does not say which operation made it".to_owned()
        };
        let orphan = Orphan { object, operation: id, reason, command: removal_command(object) };
        let message = format!("{object} is left: {}", orphan.reason);
        shared.mark(Some(id), HResult::VDSX_E_ORPHAN_LEFT, &message);
        shared.ledger().orphans.insert(object, orphan.clone());
        left.push(orphan);
    }
    Ok(left)
}
