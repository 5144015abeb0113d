//! An operation that was started: a future, and more than a future.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;
use vds_api::{CancelAnswer, Operation, WAIT_MS_MAX, WaitQuery, path};

use crate::{Client, ClientError};

/// How long waiting goes on while the service is away; it may be restarting.
pub(crate) const AWAY_MAX: Duration = Duration::from_secs(5);
/// How often it is looked for meanwhile.
pub(crate) const AWAY_PAUSE: Duration = Duration::from_millis(250);
/// How much longer than the wait asked for an answer may take before the service counts as hanging.
pub(crate) const ANSWER_SLACK: Duration = Duration::from_secs(15);

/// How a wait with a time-out went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waited {
    /// The operation ended, one way or another.
    Ended(Box<Operation>),
    /// Time ran out; the operation goes on.
    TimedOut(Box<Operation>),
}

/// An operation that was started. Dropping it leaves the work alone.
///
/// `pending.await` waits for the end and gives the operation as it ended: succeeded, failed or cancelled.
#[derive(Debug, Clone)]
pub struct Pending {
    client: Client,
    latest: Operation,
}

impl Pending {
    /// An operation that is known already.
    pub fn new(client: Client, latest: Operation) -> Self {
        Self { client, latest }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.latest.id
    }

    /// As it was when last heard of.
    pub fn latest(&self) -> &Operation {
        &self.latest
    }

    /// Waits until something about it changes, it ends, or the time is over; then as it is now.
    ///
    /// # Errors
    /// Any [`ClientError`]; the work goes on.
    pub async fn changed(&mut self, within: Duration) -> Result<&Operation, ClientError> {
        if !self.latest.is_ended() {
            let seen = Some(self.latest.version);
            self.latest = self.look(within, seen).await?;
        }
        Ok(&self.latest)
    }

    /// Waits for the end, however long that takes.
    ///
    /// # Errors
    /// Any [`ClientError`]; the work goes on.
    pub async fn wait(&mut self) -> Result<Operation, ClientError> {
        while !self.latest.is_ended() {
            self.latest = self.look(Duration::from_millis(WAIT_MS_MAX), None).await?;
        }
        Ok(self.latest.clone())
    }

    /// Waits for the end, at most so long. The work does not notice when time runs out.
    ///
    /// # Errors
    /// Any [`ClientError`]; the work goes on.
    pub async fn wait_timeout(&mut self, timeout: Duration) -> Result<Waited, ClientError> {
        let deadline = Instant::now() + timeout;
        loop {
            if self.latest.is_ended() {
                return Ok(Waited::Ended(Box::new(self.latest.clone())));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Waited::TimedOut(Box::new(self.latest.clone())));
            }
            self.latest = self.look(left, None).await?;
        }
    }

    /// Asks for a cancel; always answered.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn cancel(&mut self) -> Result<CancelAnswer, ClientError> {
        let answer: CancelAnswer = self.client.act(&path::operation_cancel(self.id())).await?;
        self.latest = answer.operation.clone();
        Ok(answer)
    }

    /// One look that waits; asks again while the service is away, for a while.
    async fn look(&self, within: Duration, seen: Option<u64>) -> Result<Operation, ClientError> {
        let wait_ms = u64::try_from(within.as_millis()).unwrap_or(WAIT_MS_MAX).min(WAIT_MS_MAX);
        let query = WaitQuery { wait_ms: Some(wait_ms), seen_version: seen };
        let path = path::operation(self.id());
        let answer_within = Duration::from_millis(wait_ms) + ANSWER_SLACK;
        let mut away_since: Option<Instant> = None;
        loop {
            match self.client.get_within(&path, &query, answer_within).await {
                Err(error) if error.is_away() => {
                    if away_since.get_or_insert_with(Instant::now).elapsed() > AWAY_MAX {
                        return Err(error);
                    }
                }
                other => return other,
            }
            tokio::time::sleep(AWAY_PAUSE).await;
        }
    }
}

impl IntoFuture for Pending {
    type Output = Result<Operation, ClientError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move { self.wait().await })
    }
}
