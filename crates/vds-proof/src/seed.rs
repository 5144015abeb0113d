//! One seed from its first life to its last.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use vds_sim::{CrashMode, Stopped};

use crate::coverage::Coverage;
use crate::life::{Ending, Life};
use crate::proof::{Proof, fault_of};

/// Lives of a seed at most, whatever its steps.
const LIVES_MAX: u64 = 200;
/// Virtual time of a life.
const LIFE_TIME_MAX: Duration = Duration::from_hours(4);

thread_local! {
    /// Where the last panic of this thread was.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps panics from being printed: a seed that panics is a violation that is told with all others.
pub fn silence_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        PLACE.with_borrow_mut(|it| *it = place);
    }));
}

/// What came of a seed.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The promise that was broken, if one was.
    pub violation: Option<String>,
    /// What happened, in words.
    pub trace: String,
    /// What was hit.
    pub coverage: Coverage,
}

/// Runs a seed until it has made `steps` steps and everything was looked at, or a promise is broken.
pub fn run_seed(seed: u64, steps: u64) -> Outcome {
    let proof = Proof::new(seed, steps);
    let ran = catch_unwind(AssertUnwindSafe(|| run_lives(&proof)));
    if let Err(panic) = ran {
        let place = PLACE.with_borrow(Clone::clone);
        proof.violate(format!("panic: {} at {place}", words_of(&*panic)));
        let (violation, trace) = (proof.violation(), proof.trace());
        let coverage = proof.coverage.borrow().clone();
        // What a panic left half-done is not to be touched again, not even by destructors.
        std::mem::forget(proof);
        return Outcome { seed, violation, trace, coverage };
    }
    let (violation, trace) = (proof.violation(), proof.trace());
    let coverage = proof.coverage.take();
    Outcome { seed, violation, trace, coverage }
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned())).unwrap_or_default()
}

fn run_lives(proof: &Rc<Proof>) {
    for life in 0..LIVES_MAX {
        if proof.is_over() {
            return;
        }
        if proof.steps() >= proof.steps_wanted {
            break;
        }
        let events = proof.chance.between(10, 60);
        let ending = match proof.chance.below(4) {
            0 => Ending::Shutdown,
            _ => Ending::Crash(proof.draw_mode()),
        };
        live(proof, events, ending, life);
    }
    if !proof.is_over() {
        proof.calm();
        live(proof, 0, Ending::Shutdown, LIVES_MAX);
    }
}

/// One life. Whatever ends it, the machine is down afterwards.
fn live(proof: &Rc<Proof>, events: u64, ending: Ending, number: u64) {
    let is_last = number == LIVES_MAX;
    let ran =
        proof.sim.run_within(LIFE_TIME_MAX, Life::run(Rc::clone(proof), events, ending, is_last));
    proof.tap.disarm();
    let mode = match (ran, ending) {
        (Ok(()), Ending::Crash(mode)) => {
            proof.fault_hit(fault_of(mode));
            proof.sim.crash(mode);
            mode
        }
        (Ok(()), Ending::Shutdown) => {
            // Whoever stops cleanly loses nothing, not even if power fails right after.
            proof.sim.crash(CrashMode::Kill);
            CrashMode::Kill
        }
        (Err(Stopped::Crashed(mode)), _) => mode,
        (Err(stopped), _) => {
            proof.violate(format!("the machine stands: {stopped}"));
            proof.sim.crash(CrashMode::Kill);
            return;
        }
    };
    if mode == CrashMode::PowerCut && proof.chance.one_in(2) {
        // Whoever opens next has to wait: it cannot know that nobody else has the drives.
        proof.say("the machine starts anew");
        proof.sim.reboot();
    }
    proof.ledger.borrow_mut().crashed(mode);
}
