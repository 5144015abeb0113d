//! The operations of one plug-in: the newest status of each, by whoever follows it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;
use vds_model::{HResult, OperationId};
use vds_operation::State;
use vds_plugin::{ReadError, Status};
use vds_provider::{Died, RawOutput, RawStatus, RawWait};

use crate::link::broken;

/// What is known of one operation.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// Nothing yet.
    Nothing,
    /// Its newest status.
    Status(Box<Status>),
    /// After its process was started again the plug-in does not know it.
    Forgotten,
    /// It cannot be followed any more.
    Lost(Died),
}

/// One operation that somebody follows.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) id: OperationId,
    known: watch::Sender<Known>,
}

fn unreadable(error: &ReadError) -> Died {
    broken(format!("a status that cannot be: {error}"))
}

impl Slot {
    fn new(id: OperationId) -> Self {
        Self { id, known: watch::Sender::new(Known::Nothing) }
    }

    /// Takes a status over. An end that is told again differently is kept too: the checks look for it.
    pub(crate) fn tell(&self, status: Status) {
        self.known.send_modify(|known| {
            let is_over = matches!(known, Known::Lost(_) | Known::Forgotten);
            let is_ended = matches!(known, Known::Status(old) if old.is_ended());
            if !is_over && (!is_ended || status.is_ended()) {
                *known = Known::Status(Box::new(status));
            }
        });
    }

    pub(crate) fn lose(&self, known: Known) {
        self.known.send_if_modified(|now| {
            let is_open = match now {
                Known::Nothing => true,
                Known::Status(status) => !status.is_ended(),
                Known::Forgotten | Known::Lost(_) => false,
            };
            if is_open {
                *now = known;
            }
            is_open
        });
    }

    pub(crate) fn is_open(&self) -> bool {
        match &*self.known.borrow() {
            Known::Nothing => true,
            Known::Status(status) => !status.is_ended(),
            Known::Forgotten | Known::Lost(_) => false,
        }
    }

    /// What `Wait` brings: once there is an end, the newest one.
    pub(crate) async fn wait(&self) -> Result<RawWait, Died> {
        let mut known = self.known.subscribe();
        loop {
            match &*known.borrow_and_update() {
                Known::Nothing => {}
                Known::Status(status) => match status.raw_wait() {
                    Ok(Some(waited)) => return Ok(waited),
                    Ok(None) => {}
                    Err(error) => return Err(unreadable(&error)),
                },
                Known::Forgotten => return Ok(forgotten()),
                Known::Lost(died) => return Err(died.clone()),
            }
            if known.changed().await.is_err() {
                return Err(Died::new("nobody follows the operation any more"));
            }
        }
    }

    /// What `QueryStatus` tells: the newest status. Whether the plug-in still lives is for the heartbeat to find out.
    pub(crate) fn status(&self) -> Result<RawStatus, Died> {
        match &*self.known.borrow() {
            Known::Nothing => {
                let status = Status::new(self.id, State::Queued);
                status.raw_status().map_err(|error| unreadable(&error))
            }
            Known::Status(status) => status.raw_status().map_err(|error| unreadable(&error)),
            Known::Forgotten => {
                let mut status = Status::new(self.id, State::Failed);
                status.result = HResult::VDSX_E_UNKNOWN_TO_PROVIDER;
                status.raw_status().map_err(|error| unreadable(&error))
            }
            Known::Lost(died) => Err(died.clone()),
        }
    }
}

fn forgotten() -> RawWait {
    RawWait {
        wait: HResult::S_OK,
        operation: Some(HResult::VDSX_E_UNKNOWN_TO_PROVIDER),
        message: "the provider died; started again, it does not know the operation".to_owned(),
        hint: None,
        output: RawOutput::default(),
    }
}

/// The operations that somebody follows.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    slots: Mutex<BTreeMap<OperationId, Weak<Slot>>>,
}

impl Slots {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<OperationId, Weak<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot of this operation, made if nobody follows it yet.
    pub(crate) fn of(&self, id: OperationId) -> Arc<Slot> {
        let mut slots = self.lock();
        if let Some(slot) = slots.get(&id).and_then(Weak::upgrade) {
            return slot;
        }
        slots.retain(|_, slot| slot.strong_count() > 0);
        let slot = Arc::new(Slot::new(id));
        slots.insert(id, Arc::downgrade(&slot));
        slot
    }

    /// The slot of this operation, if somebody follows it.
    pub(crate) fn find(&self, id: OperationId) -> Option<Arc<Slot>> {
        self.lock().get(&id).and_then(Weak::upgrade)
    }

    /// Those that have not ended.
    pub(crate) fn open(&self) -> Vec<Arc<Slot>> {
        let slots: Vec<Arc<Slot>> = self.lock().values().filter_map(Weak::upgrade).collect();
        slots.into_iter().filter(|slot| slot.is_open()).collect()
    }
}
