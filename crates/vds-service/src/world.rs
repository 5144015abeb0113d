//! Time and chance for the control plane.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use vds_provider::{BoxFuture, Timer};

/// Milliseconds since 1970. A clock set before that shows as 1970: the time is for people only.
pub(crate) fn unix_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

/// The bytes of a new random id (a UUID of version 4).
///
/// # Panics
/// When the kernel gives no random numbers, which happens only where `getrandom` is forbidden.
pub(crate) fn new_id() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the kernel gives random numbers");
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    bytes
}

/// The time of the machine, on a tokio runtime.
pub(crate) struct TokioTimer;

impl Timer for TokioTimer {
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn unix_ms(&self) -> u64 {
        unix_ms()
    }
}
