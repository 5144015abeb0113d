//! Time, chance and tasks.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::LocalFuture;

/// Nanoseconds since some fixed moment; never falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(pub u64);

impl Monotonic {
    /// Time passed since `earlier`, zero if that is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// The clock.
pub trait Clock {
    /// Monotonic time.
    fn now(&self) -> Monotonic;
    /// Milliseconds since 1970, for people.
    fn unix_ms(&self) -> u64;
    /// Completes when `duration` has passed.
    fn sleep(&self, duration: Duration) -> LocalFuture<()>;
}

/// Chance: from the system, or from a seed.
pub trait Rng {
    /// 64 random bits.
    fn next_u64(&self) -> u64;
    /// 16 random bytes, for a UUID.
    fn uuid_bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next_u64().to_le_bytes());
        bytes[8..].copy_from_slice(&self.next_u64().to_le_bytes());
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        bytes
    }
}

/// Starts tasks on the engine's own thread.
pub trait Spawn {
    /// Runs `task` to its end, beside everything else. Nobody can stop it from outside.
    fn spawn(&self, name: &'static str, task: LocalFuture<()>);
}

/// Everything but drives, in one clonable handle.
#[derive(Clone)]
pub struct World {
    /// Time.
    pub clock: Rc<dyn Clock>,
    /// Chance.
    pub rng: Rc<dyn Rng>,
    /// Tasks.
    pub spawn: Rc<dyn Spawn>,
    /// Which start of which machine this is. Programs with the same one see each other's locks; 16 random bytes where it is not
    /// known, which are nobody else's.
    pub boot: [u8; 16],
}

/// Waits for all futures; their results in order.
pub async fn join_all<T>(futures: Vec<LocalFuture<T>>) -> Vec<T> {
    JoinAll { slots: futures.into_iter().map(Slot::Running).collect() }.await
}

enum Slot<T> {
    Running(LocalFuture<T>),
    Done(T),
    Taken,
}

struct JoinAll<T> {
    slots: Vec<Slot<T>>,
}

// The futures are boxed and results are only moved out, so nothing here is pinned in place.
impl<T> Unpin for JoinAll<T> {}

impl<T> Future for JoinAll<T> {
    type Output = Vec<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Vec<T>> {
        let mut pending = false;
        for slot in &mut self.slots {
            if let Slot::Running(future) = slot {
                match future.as_mut().poll(context) {
                    Poll::Ready(value) => *slot = Slot::Done(value),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            return Poll::Pending;
        }
        let values =
            self.slots.iter_mut().filter_map(|slot| match std::mem::replace(slot, Slot::Taken) {
                Slot::Done(value) => Some(value),
                Slot::Running(_) | Slot::Taken => None,
            });
        Poll::Ready(values.collect())
    }
}
