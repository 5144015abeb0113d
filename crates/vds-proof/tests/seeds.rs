//! A share of the seeds with every change; `cargo xtask sim` runs thousands and counts what was hit.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use vds_proof::{Coverage, run_seed};

/// Steps of a seed, at least.
const STEPS: u64 = 500;
/// Seeds of the share.
const SHARE: u64 = 160;

#[test]
fn no_seed_of_the_share_breaks_a_promise() {
    let seeds = vds_sim::seeds(SHARE);
    let (next, end) = (AtomicU64::new(seeds.start), seeds.end);
    let coverage = Mutex::new(Coverage::default());
    let violations = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let outcome = run_seed(seed, STEPS);
                    if outcome.violation.is_none() {
                        assert!(outcome.coverage.steps() >= STEPS, "seed {seed} ended early");
                    }
                    coverage.lock().unwrap().merge(outcome.coverage);
                    if let Some(violation) = outcome.violation {
                        violations.lock().unwrap().push(format!("SIM_SEED={seed}: {violation}"));
                    }
                }
            });
        }
    });
    let coverage = coverage.into_inner().unwrap();
    println!("{}", coverage.tables());
    let violations = violations.into_inner().unwrap();
    assert!(violations.is_empty(), "cargo xtask sim with\n{}", violations.join("\n"));
}
