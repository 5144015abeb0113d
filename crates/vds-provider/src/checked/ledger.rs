//! What is remembered of a provider: what it did wrong, what it left behind, which ids it has used.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use vds_model::{HResult, OperationId};
use vds_operation::ObjectRef;

use super::verify::{Fault, Hidden};
use crate::{Request, View};

/// Most marks kept; the oldest go first.
pub const MARKS_MAX: usize = 1000;
/// Most operation ids remembered against reuse.
const USED_IDS_MAX: usize = 10_000;
/// Outputs remembered before those that are gone are forgotten.
const GIVEN_MIN: usize = 1000;
/// Most operations watched for what they may still leave behind.
const WATCHED_MAX: usize = 1000;

/// One thing a provider did wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When, milliseconds since 1970.
    pub unix_ms: u64,
    /// In which operation, if in one.
    pub operation: Option<OperationId>,
    /// What, as a result with its code.
    pub result: HResult,
    /// What, in words.
    pub message: String,
}

/// An object an operation left behind that could not be removed, or must not be without asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// The object.
    pub object: ObjectRef,
    /// The operation under which it appeared.
    pub operation: OperationId,
    /// Why it is still there.
    pub reason: String,
    /// The command that removes it.
    pub command: String,
}

/// An operation that may still leave something behind: its provider died or fell silent over it.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) request: Request,
    pub(crate) before: Option<Arc<View>>,
}

/// A view that was checked.
#[derive(Clone)]
pub(crate) struct Looked {
    /// As the provider gave it.
    pub(crate) raw: Arc<View>,
    /// Without what does not add up.
    pub(crate) good: Arc<View>,
    /// What does not add up.
    pub(crate) hidden: Arc<Hidden>,
}

#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) marks: VecDeque<Mark>,
    pub(crate) orphans: BTreeMap<ObjectRef, Orphan>,
    pub(crate) watched: BTreeMap<OperationId, Watched>,
    /// Objects that are the output of an operation.
    pub(crate) given: BTreeMap<ObjectRef, OperationId>,
    /// Operations that make objects and have not ended.
    pub(crate) making: BTreeSet<OperationId>,
    pub(crate) looked: Option<Looked>,
    /// How many removals were tried, so that each has an id of its own.
    pub(crate) removals: u64,
    used: BTreeSet<OperationId>,
    used_in_order: VecDeque<OperationId>,
}

impl Ledger {
    pub(crate) fn mark(&mut self, mark: Mark) {
        self.marks.push_back(mark);
        if self.marks.len() > MARKS_MAX {
            self.marks.pop_front();
        }
    }

    /// Takes an id into use; `false` if it was used before.
    pub(crate) fn use_id(&mut self, id: OperationId) -> bool {
        if !self.used.insert(id) {
            return false;
        }
        self.used_in_order.push_back(id);
        if self.used_in_order.len() > USED_IDS_MAX
            && let Some(oldest) = self.used_in_order.pop_front()
        {
            self.used.remove(&oldest);
        }
        true
    }

    pub(crate) fn is_used(&self, id: OperationId) -> bool {
        self.used.contains(&id)
    }

    pub(crate) fn watch(&mut self, id: OperationId, watched: Watched) {
        self.watched.insert(id, watched);
        if self.watched.len() > WATCHED_MAX {
            self.watched.pop_first();
        }
    }

    /// The faults of what was not hidden before: each is recorded once.
    pub(crate) fn newly_hidden(&self, hidden: &Hidden) -> Vec<Fault> {
        let known = self.looked.as_ref().map(|looked| &looked.hidden);
        let is_new = |object: &ObjectRef| known.is_none_or(|known| !known.contains_key(object));
        hidden.iter().filter(|(object, _)| is_new(object)).map(|(_, fault)| fault.clone()).collect()
    }

    /// Takes over a view that was found good, and forgets what it shows to be gone.
    pub(crate) fn saw(&mut self, looked: &Looked) {
        self.orphans.retain(|object, _| looked.raw.contains(*object));
        // Ids are not used again, so those of objects that are gone are only in the way once they are many.
        if self.given.len() > GIVEN_MIN + 2 * (looked.raw.luns.len() + looked.raw.targets.len()) {
            let objects: BTreeSet<ObjectRef> = looked.raw.objects().collect();
            self.given.retain(|object, _| objects.contains(object));
        }
        self.looked = Some(looked.clone());
    }
}
