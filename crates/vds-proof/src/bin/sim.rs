//! `sim`: many seeds, what was violated, and what was hit how often. `cargo xtask sim` starts it.
#![forbid(unsafe_code)]

use std::ops::Range;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use vds_proof::{Coverage, HITS_MIN, Outcome, run_seed, silence_panics};

const HELP: &str = "\
sim [--seeds N|A..B] [--steps N] [--jobs N] [--check]

  --seeds   how many seeds, or which (default 100); SIM_SEED=n runs that one and prints its trace,
            and with SIM_LOG=warn what the array logs meanwhile
  --steps   commands, operations and events of a seed at least (default 500)
  --jobs    seeds at a time (default: one for each processor)
  --check   fails when something that can occur was hit less than 20 times
";
/// Violations told in full.
const TOLD_MAX: usize = 20;

struct Options {
    seeds: Range<u64>,
    steps: u64,
    jobs: usize,
    check: bool,
}

#[derive(Default)]
struct Found {
    coverage: Coverage,
    seeds: u64,
    /// Seeds without a violation that made fewer steps than were asked for.
    short: u64,
    violations: Vec<Outcome>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options = match parse(&arguments) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(complaint) => {
            eprintln!("error: {complaint}\n{HELP}");
            return ExitCode::from(2);
        }
    };
    if let Ok(seed) = std::env::var("SIM_SEED") {
        return if let Ok(seed) = seed.trim().parse() {
            replay(seed, options.steps)
        } else {
            eprintln!("error: SIM_SEED holds no number");
            ExitCode::from(2)
        };
    }
    silence_panics();
    let found = run(&options);
    report(&options, found)
}

fn parse(arguments: &[String]) -> Result<Option<Options>, String> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut options = Options { seeds: 0..100, steps: 500, jobs, check: false };
    let mut left = arguments.iter();
    while let Some(argument) = left.next() {
        let mut value = || left.next().ok_or_else(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--help" | "-h" => return Ok(None),
            "--check" => options.check = true,
            "--seeds" => options.seeds = range(value()?)?,
            "--steps" => options.steps = number(value()?)?,
            "--jobs" => {
                options.jobs = usize::try_from(number(value()?)?.max(1)).unwrap_or(1);
            }
            other => return Err(format!("`{other}` is not understood")),
        }
    }
    Ok(Some(options))
}

fn number(text: &str) -> Result<u64, String> {
    text.replace('_', "").parse().map_err(|_| format!("`{text}` is no number"))
}

fn range(text: &str) -> Result<Range<u64>, String> {
    match text.split_once("..") {
        Some((from, until)) => Ok(number(from)?..number(until)?),
        None => Ok(0..number(text)?),
    }
}

fn replay(seed: u64, steps: u64) -> ExitCode {
    // What the array logs, among the requests: `SIM_LOG=debug` and the like.
    let filter = tracing_subscriber::EnvFilter::from_env("SIM_LOG");
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let outcome = run_seed(seed, steps);
    println!("{}", outcome.trace);
    println!("{}", outcome.coverage.tables());
    match outcome.violation {
        None => {
            println!("seed {seed}: no violation");
            ExitCode::SUCCESS
        }
        Some(violation) => {
            println!("seed {seed}: VIOLATION: {violation}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Found {
    let next = AtomicU64::new(options.seeds.start);
    let found = Mutex::new(Found::default());
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= options.seeds.end {
                        return;
                    }
                    book(&found, run_seed(seed, options.steps), options.steps, started);
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn book(found: &Mutex<Found>, outcome: Outcome, steps: u64, started: Instant) {
    let mut found = found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    found.seeds += 1;
    found.short += u64::from(outcome.violation.is_none() && outcome.coverage.steps() < steps);
    found.coverage.merge(outcome.coverage.clone());
    if let Some(violation) = &outcome.violation {
        let short: String = violation.lines().take(3).collect::<Vec<_>>().join(" / ");
        println!("seed {}: VIOLATION: {short}", outcome.seed);
        found.violations.push(Outcome { trace: String::new(), ..outcome });
    }
    if found.seeds.is_multiple_of(500) {
        let seconds = started.elapsed().as_secs();
        println!("{} seeds, {} violations, {seconds} s", found.seeds, found.violations.len());
    }
}

fn report(options: &Options, mut found: Found) -> ExitCode {
    println!("{}", found.coverage.tables());
    let thin = found.coverage.thin();
    if !thin.is_empty() {
        println!("Hit less than {HITS_MIN} times:");
        thin.iter().for_each(|cell| println!("  {cell}"));
    }
    found.violations.sort_by_key(|outcome| outcome.seed);
    let Found { seeds, short, .. } = found;
    println!("\n{seeds} seeds, {} violations, {short} with too few steps", found.violations.len());
    for outcome in found.violations.iter().take(TOLD_MAX) {
        let violation = outcome.violation.as_deref().unwrap_or_default();
        println!("  SIM_SEED={} cargo xtask sim: {violation}", outcome.seed);
    }
    if !found.violations.is_empty() || short > 0 || (options.check && !thin.is_empty()) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
