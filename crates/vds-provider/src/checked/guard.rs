//! Asking a provider without being taken along when it dies or falls silent.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use vds_model::HResult;

use crate::{Answer, Died, Timer};

/// No answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The provider died over the question.
    Died(Died),
    /// The time is up.
    Silent(Duration),
}

impl NoAnswer {
    pub(crate) fn result(&self) -> HResult {
        match self {
            Self::Died(_) => HResult::VDSX_E_PROVIDER_DIED,
            Self::Silent(_) => HResult::VDSX_E_PROVIDER_SILENT,
        }
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Self::Died(died) => died.to_string(),
            Self::Silent(after) => {
                format!("the provider did not answer within {} s", after.as_secs_f32())
            }
        }
    }
}

/// An answer on its way, whose panics are the provider's death and not ours.
pub(crate) struct Guarded<T> {
    answer: Option<Answer<T>>,
    died: Option<Died>,
}

impl<T> Guarded<T> {
    /// Puts the question; a panic in that counts too.
    pub(crate) fn ask(question: impl FnOnce() -> Answer<T>) -> Self {
        match catch_unwind(AssertUnwindSafe(question)) {
            Ok(answer) => Self { answer: Some(answer), died: None },
            Err(panic) => Self { answer: None, died: Some(words_of(panic.as_ref())) },
        }
    }
}

// The answer is boxed, so nothing here is pinned in place.
impl<T> Unpin for Guarded<T> {}

impl<T> Future for Guarded<T> {
    type Output = Result<T, Died>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(died) = &self.died {
            return Poll::Ready(Err(died.clone()));
        }
        let Some(answer) = self.answer.as_mut() else {
            return Poll::Pending;
        };
        match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))) {
            Ok(polled) => polled,
            Err(panic) => {
                let died = words_of(panic.as_ref());
                // What panicked is not asked again.
                self.answer = None;
                self.died = Some(died.clone());
                Poll::Ready(Err(died))
            }
        }
    }
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> Died {
    let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
    let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
    Died { how: words.unwrap_or_else(|| "it panicked".to_owned()) }
}

/// Puts a question and waits for the answer, for so long.
pub(crate) async fn ask<T>(
    timer: &dyn Timer,
    deadline: Duration,
    question: impl FnOnce() -> Answer<T>,
) -> Result<T, NoAnswer> {
    let mut answer = Guarded::ask(question);
    let mut sleep = timer.sleep(deadline);
    poll_fn(|context| {
        if let Poll::Ready(answer) = Pin::new(&mut answer).poll(context) {
            return Poll::Ready(answer.map_err(NoAnswer::Died));
        }
        sleep.as_mut().poll(context).map(|()| Err(NoAnswer::Silent(deadline)))
    })
    .await
}
