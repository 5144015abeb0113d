//! Whether the service is ready, and waiting for it.

use std::time::Duration;

use tokio::time::Instant;
use vds_api::{Readiness, ReadyQuery, ReadyState, WAIT_MS_MAX, path};

use crate::pending::{ANSWER_SLACK, AWAY_MAX, AWAY_PAUSE};
use crate::{Client, ClientError};

impl Client {
    /// How far the service has come with its start; waits so long at most for the end of it.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn ready(&self, within: Duration) -> Result<Readiness, ClientError> {
        let wait_ms = u64::try_from(within.as_millis()).unwrap_or(WAIT_MS_MAX).min(WAIT_MS_MAX);
        let query = ReadyQuery { wait_ms: (wait_ms > 0).then_some(wait_ms) };
        let answer_within = Duration::from_millis(wait_ms) + ANSWER_SLACK;
        self.get_within(path::READY, &query, answer_within).await
    }

    /// Waits for the end of the start, however long that takes; over a restart, too. It is ready then or has failed: also
    /// one that went away before it was ready and has not come back for a while.
    ///
    /// # Errors
    /// Any [`ClientError`]: nobody was there to wait for.
    pub async fn wait_ready(&self) -> Result<Readiness, ClientError> {
        let mut away_since: Option<Instant> = None;
        let mut was_starting = false;
        loop {
            // The first look waits for nothing: what goes away after it was there.
            let within = if was_starting { WAIT_MS_MAX } else { 0 };
            let told = self.ready(Duration::from_millis(within)).await;
            let is_away = match &told {
                Ok(Readiness { state: ReadyState::Starting, .. }) => {
                    (was_starting, away_since) = (true, None);
                    continue;
                }
                Ok(readiness) => readiness.state == ReadyState::Stopping,
                Err(error) => error.is_away(),
            };
            if !is_away {
                return told;
            }
            if away_since.get_or_insert_with(Instant::now).elapsed() > AWAY_MAX {
                let message = Some("it ended before it was ready".to_owned());
                let state = ReadyState::Failed;
                let failed = Readiness { state, waits_for: Vec::new(), message };
                return if was_starting { Ok(failed) } else { told };
            }
            tokio::time::sleep(AWAY_PAUSE).await;
        }
    }
}
