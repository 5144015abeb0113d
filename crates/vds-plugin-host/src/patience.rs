//! Deadlines that do not count a standstill of the whole machine.

use std::time::Duration;

/// A deadline is waited for in so many parts. When this process stands still, the clock goes on and nobody can answer: of
/// such a time one part at most is counted.
const PARTS: u32 = 30;

/// Completes when so much time has passed.
pub(crate) async fn patience(duration: Duration) {
    for _ in 0..PARTS {
        tokio::time::sleep(duration / PARTS).await;
    }
}
