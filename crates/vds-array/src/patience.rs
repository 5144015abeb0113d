//! How long a drive is waited for, counted in periods in which we ran ourselves.
//!
//! When the whole process stands still (stopped, its virtual machine paused, its laptop suspended), the clock goes on and
//! no answer can be taken. That time says nothing about a drive: whatever a standstill lasts, it counts as one period at most.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use vds_io::Clock;

/// The unit of patience: one sleep, and a look.
pub(crate) const PERIOD: Duration = Duration::from_secs(1);

/// What `look` brings; `None` if it is not done within so many periods.
pub(crate) async fn in_time<T>(
    clock: &dyn Clock,
    periods: u32,
    look: impl Future<Output = T>,
) -> Option<T> {
    let patience = pin!(async {
        for _ in 0..periods {
            clock.sleep(PERIOD).await;
        }
    });
    match select(pin!(look), patience).await {
        Either::Left((found, _)) => Some(found),
        Either::Right(_) => None,
    }
}
