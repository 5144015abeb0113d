//! Asking a provider without being taken along when it dies or falls silent.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
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
            Self::Died(died) => died.result,
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
    Died::new(words.unwrap_or_else(|| "it panicked".to_owned()))
}

/// A deadline is waited for in so many parts. When the whole process stands still, the clock goes on and nobody can answer:
/// of such a time one part at most is counted.
const PARTS: u32 = 60;

/// Puts a question and waits for the answer, for so long.
pub(crate) async fn ask<T>(
    timer: &dyn Timer,
    deadline: Duration,
    question: impl FnOnce() -> Answer<T>,
) -> Result<T, NoAnswer> {
    let mut answer = Guarded::ask(question);
    let mut patience = pin!(async {
        for _ in 0..PARTS {
            timer.sleep(deadline / PARTS).await;
        }
    });
    poll_fn(|context| {
        if let Poll::Ready(answer) = Pin::new(&mut answer).poll(context) {
            return Poll::Ready(answer.map_err(NoAnswer::Died));
        }
        patience.as_mut().poll(context).map(|()| Err(NoAnswer::Silent(deadline)))
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::task::Waker;

    use super::*;
    use crate::BoxFuture;

    const DEADLINE: Duration = Duration::from_secs(30);

    /// Stands until the test moves it.
    #[derive(Clone, Default)]
    struct Hand(Arc<Mutex<Duration>>);

    impl Hand {
        fn goes_on(&self, by: Duration) {
            *self.0.lock().unwrap() += by;
        }
    }

    impl Timer for Hand {
        fn sleep(&self, duration: Duration) -> BoxFuture<()> {
            let hand = self.clone();
            let until = *self.0.lock().unwrap() + duration;
            Box::pin(poll_fn(move |_| {
                let is_over = *hand.0.lock().unwrap() >= until;
                if is_over { Poll::Ready(()) } else { Poll::Pending }
            }))
        }

        fn unix_ms(&self) -> u64 {
            0
        }
    }

    #[test]
    fn a_standstill_is_not_the_providers_silence() {
        let hand = Hand::default();
        let (sender, receiver) = letterbox();
        let mut asked = pin!(ask(&hand, DEADLINE, || receiver));
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(asked.as_mut().poll(&mut context), Poll::Pending);
        hand.goes_on(DEADLINE * 100);
        assert_eq!(asked.as_mut().poll(&mut context), Poll::Pending, "it could not answer either");
        *sender.lock().unwrap() = Some(7);
        assert_eq!(asked.as_mut().poll(&mut context), Poll::Ready(Ok(7)));
    }

    #[test]
    fn silence_lasts_as_long_as_the_deadline() {
        let hand = Hand::default();
        let (_sender, receiver) = letterbox();
        let mut asked = pin!(ask::<u8>(&hand, DEADLINE, || receiver));
        let mut context = Context::from_waker(Waker::noop());
        let step = Duration::from_millis(100);
        let mut passed = Duration::ZERO;
        while asked.as_mut().poll(&mut context).is_pending() {
            hand.goes_on(step);
            passed += step;
        }
        assert_eq!(passed, DEADLINE);
    }

    type Letterbox = Arc<Mutex<Option<u8>>>;

    /// An answer, and where to put it.
    fn letterbox() -> (Letterbox, Answer<u8>) {
        let sender = Letterbox::default();
        let opened = Arc::clone(&sender);
        let answer = poll_fn(move |_| match opened.lock().unwrap().take() {
            Some(value) => Poll::Ready(Ok(value)),
            None => Poll::Pending,
        });
        (sender, Box::pin(answer))
    }
}
