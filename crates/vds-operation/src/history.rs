//! Operations by id and by idempotency key: those that run, and those that ended, bounded by count and age.

use std::collections::{BTreeMap, BTreeSet};

use vds_model::OperationId;

use crate::{Fingerprint, IdempotencyKey, Operation};

/// How much of the past is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Most ended operations.
    pub ended_max: usize,
    /// Greatest age since the end, in milliseconds.
    pub age_ms_max: u64,
}

impl Default for HistoryLimits {
    /// 10,000 operations, 30 days.
    fn default() -> Self {
        Self { ended_max: 10_000, age_ms_max: 30 * 24 * 3600 * 1000 }
    }
}

/// What to do with a start that carries a key.
#[derive(Clone, Debug)]
pub enum Admission {
    /// Nobody used the key before (or there is no key): begin.
    New,
    /// The same key with the same arguments: this operation is the answer.
    Same(Operation),
    /// The same key with other arguments: refuse with `VDSX_E_KEY_CONFLICT`. This one holds the key.
    Conflict(Operation),
}

/// The operations of one service or array, running and ended.
#[derive(Debug, Default)]
pub struct History {
    operations: BTreeMap<OperationId, Operation>,
    keys: BTreeMap<IdempotencyKey, OperationId>,
    /// Those that had not ended when they were last looked at.
    unended: BTreeSet<OperationId>,
    /// The others, by when they ended in Unix milliseconds: what is forgotten first stands first.
    ended: BTreeSet<(u64, OperationId)>,
    limits: HistoryLimits,
}

impl History {
    /// An empty one.
    pub fn new(limits: HistoryLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Whether a start with this key is new. To be asked under the same lock as the [`History::insert`] that follows.
    pub fn admit(&self, key: Option<&IdempotencyKey>, fingerprint: Fingerprint) -> Admission {
        let Some(operation) = key.and_then(|key| self.by_key(key)) else {
            return Admission::New;
        };
        if operation.record().fingerprint == fingerprint {
            Admission::Same(operation.clone())
        } else {
            Admission::Conflict(operation.clone())
        }
    }

    /// Takes an operation in, running or ended. `false`, and nothing changed, if its id or its key is taken.
    #[must_use]
    pub fn insert(&mut self, operation: Operation) -> bool {
        let record = operation.record();
        let key_taken = record.key.as_ref().is_some_and(|key| self.keys.contains_key(key));
        if key_taken || self.operations.contains_key(&record.id) {
            return false;
        }
        if let Some(key) = record.key {
            self.keys.insert(key, record.id);
        }
        self.unended.insert(record.id);
        self.operations.insert(record.id, operation);
        true
    }

    /// The operation with this id.
    pub fn by_id(&self, id: OperationId) -> Option<&Operation> {
        self.operations.get(&id)
    }

    /// The operation that was started with this key.
    pub fn by_key(&self, key: &IdempotencyKey) -> Option<&Operation> {
        self.operations.get(self.keys.get(key)?)
    }

    /// All of them, ordered by id.
    pub fn iter(&self) -> impl Iterator<Item = &Operation> {
        self.operations.values()
    }

    /// How many there are, running ones included.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Forgets what ended too long ago, then the oldest above the count. Running ones always stay. Returns the
    /// forgotten ids, for the store to forget them too. Costs a look at each that runs, not at the whole past.
    pub fn expire(&mut self, now_unix_ms: u64) -> Vec<OperationId> {
        for (ended_unix_ms, id) in self.newly_ended() {
            self.unended.remove(&id);
            self.ended.insert((ended_unix_ms, id));
        }
        let oldest_kept_ms = now_unix_ms.saturating_sub(self.limits.age_ms_max);
        let mut forgotten = Vec::new();
        while let Some((ended_unix_ms, id)) = self.ended.first().copied() {
            if self.ended.len() <= self.limits.ended_max && ended_unix_ms >= oldest_kept_ms {
                break;
            }
            self.ended.pop_first();
            if let Some(key) = self.operations.remove(&id).and_then(|gone| gone.record().key) {
                self.keys.remove(&key);
            }
            forgotten.push(id);
        }
        forgotten
    }

    fn newly_ended(&self) -> Vec<(u64, OperationId)> {
        let ended = self.unended.iter().filter_map(|id| {
            let operation = self.operations.get(id).filter(|operation| operation.is_ended())?;
            Some((operation.record().ended_unix_ms?, *id))
        });
        ended.collect()
    }
}

#[cfg(test)]
mod tests;
