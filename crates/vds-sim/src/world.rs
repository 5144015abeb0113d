//! The machine's clock and spawner, as handed to an engine.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use vds_io::{Clock, LocalFuture, Monotonic, Spawn, World};

use crate::event::{Event, EventKey};
use crate::executor::Core;

/// Milliseconds since 1970 when a simulation begins: 2025-01-01.
pub(crate) const UNIX_MS_START: u64 = 1_735_689_600_000;

/// What an engine that starts now is given.
pub(crate) fn world(core: &Rc<Core>) -> World {
    let handle = Rc::new(Handle { core: Rc::clone(core), era: core.era() });
    let rng = Rc::new(core.chance().fork());
    World { clock: Rc::<Handle>::clone(&handle), rng, spawn: handle, boot: core.boot() }
}

/// An engine's door to the machine, good for one life.
struct Handle {
    core: Rc<Core>,
    era: u64,
}

impl Clock for Handle {
    fn now(&self) -> Monotonic {
        Monotonic(self.core.now_ns())
    }

    fn unix_ms(&self) -> u64 {
        UNIX_MS_START + self.core.now_ns() / 1_000_000
    }

    fn sleep(&self, duration: Duration) -> LocalFuture<()> {
        let until_ns = self.core.after(duration);
        Box::pin(Sleep { core: Rc::clone(&self.core), until_ns, key: None })
    }
}

impl Spawn for Handle {
    fn spawn(&self, name: &'static str, task: LocalFuture<()>) {
        if self.core.is_alive(self.era) {
            self.core.spawn(name, task);
        }
    }
}

struct Sleep {
    core: Rc<Core>,
    until_ns: u64,
    key: Option<EventKey>,
}

impl Sleep {
    fn forget(&mut self) {
        if let Some(key) = self.key.take() {
            self.core.forget_event(key);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.forget();
        if self.core.now_ns() >= self.until_ns {
            return Poll::Ready(());
        }
        let event = Event::Wake(context.waker().clone());
        let key = self.core.add_event(self.until_ns, event);
        self.key = Some(key);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.forget();
    }
}
