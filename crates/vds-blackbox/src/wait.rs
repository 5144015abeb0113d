//! Waiting for a condition, with a bound.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long anything may take that is not known to be long.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks until the condition gives something, for a minute at most.
///
/// # Errors
/// When it does not come, or the looking fails.
pub fn wait_until<T>(what: &str, condition: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    wait_within(PATIENCE, what, condition)
}

/// Looks until the condition gives something, for so long at most.
///
/// # Errors
/// When it does not come, or the looking fails.
pub fn wait_within<T>(
    patience: Duration,
    what: &str,
    mut condition: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = condition()? {
            return Ok(found);
        }
        if started.elapsed() > patience {
            bail!("{what}: not within {} s", patience.as_secs());
        }
        std::thread::sleep(PAUSE);
    }
}
