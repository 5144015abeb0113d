//! Enumerations: what there was when they were made, in its order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::answer::{self, Answer};
use crate::abi::{IEnumVdsObject, IEnumVdsObjectImpl, S_FALSE, S_OK};
use crate::com::{Class, ComPtr, Face, HRESULT, IUnknown, object};

/// A snapshot with a cursor of its own.
pub(crate) struct Enumeration {
    objects: Arc<[ComPtr<IUnknown>]>,
    next: Mutex<usize>,
}

impl Enumeration {
    /// An enumeration of these objects, before the first.
    pub(crate) fn of(objects: Vec<ComPtr<IUnknown>>) -> Answer<ComPtr<IEnumVdsObject>> {
        Self::from(objects.into(), 0)
    }

    fn from(objects: Arc<[ComPtr<IUnknown>]>, next: usize) -> Answer<ComPtr<IEnumVdsObject>> {
        object(Self { objects, next: Mutex::new(next) }).query()
    }

    fn next(&self) -> MutexGuard<'_, usize> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves on by as many as there still are, at most `count`: from where, and how many.
    fn advance(&self, count: usize) -> (usize, usize) {
        let mut next = self.next();
        let from = *next;
        let taken = count.min(self.objects.len() - from);
        *next = from + taken;
        (from, taken)
    }
}

impl Class for Enumeration {
    const FACES: &'static [Face] = &[IEnumVdsObject::face::<Self>()];
}

impl IEnumVdsObjectImpl for Enumeration {
    fn Next(&self, places: &mut [Option<ComPtr<IUnknown>>], fetched: &mut u32) -> HRESULT {
        let (from, taken) = self.advance(places.len());
        for (place, found) in places.iter_mut().zip(&self.objects[from..from + taken]) {
            *place = Some(found.clone());
        }
        // Not more than `celt`, which is as wide.
        *fetched = u32::try_from(taken).unwrap_or(u32::MAX);
        if taken == places.len() { S_OK } else { S_FALSE }
    }

    fn Skip(&self, count: u32) -> HRESULT {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if self.advance(count).1 == count { S_OK } else { S_FALSE }
    }

    fn Reset(&self) -> HRESULT {
        *self.next() = 0;
        S_OK
    }

    fn Clone(&self, copy: &mut Option<ComPtr<IEnumVdsObject>>) -> HRESULT {
        let next = *self.next();
        answer::hand_out(copy, Self::from(Arc::clone(&self.objects), next))
    }
}
