//! `scripts/simulate --seeds N [--from S] [--short] [--trace]`: runs many lives of the world.

#![allow(clippy::disallowed_methods, reason = "a command reads its arguments and the time it takes")]

use flotilla_sim::lives::{self, Length};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A life allocates thousands of small items.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: scripts/simulate --seeds N [--from S] [--jobs J] [--short] [--trace] [--first]";
/// The number of failures that are shown in full.
const SHOWN_MAX: usize = 5;

struct Arguments {
    seeds: u64,
    from: u64,
    jobs: usize,
    /// One rollout of three regions in each life.
    length: Length,
    trace: bool,
    /// End with the first failure.
    first: bool,
}

fn arguments() -> Option<Arguments> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut read =
        Arguments { seeds: 1_000, from: 0, jobs: cores, length: Length::Whole, trace: false, first: false };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        match name.as_str() {
            "--seeds" => read.seeds = given.next()?.parse().ok()?,
            "--from" => read.from = given.next()?.parse().ok()?,
            "--jobs" => read.jobs = given.next()?.parse().ok()?,
            "--short" => read.length = Length::Short,
            "--trace" => read.trace = true,
            "--first" => read.first = true,
            _ => return None,
        }
    }
    Some(read)
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    // A violated promise is a panic; it is reported once, below.
    std::panic::set_hook(Box::new(|_| {}));
    let began = Instant::now();
    let next = AtomicU64::new(arguments.from);
    let end = arguments.from.saturating_add(arguments.seeds);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    if let Err(failure) = lives::run(seed, arguments.length, arguments.trace) {
                        if arguments.first {
                            next.store(end, Ordering::Relaxed);
                        }
                        failures.lock().unwrap_or_else(PoisonError::into_inner).push((seed, failure));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    failures.sort_by_key(|(seed, _)| *seed);
    for (seed, failure) in failures.iter().take(SHOWN_MAX) {
        if arguments.trace {
            println!("{}", failure.trace);
        }
        println!("seed {seed}: {}", failure.why);
        let short = if arguments.length == Length::Short { "--short " } else { "" };
        println!("  replay it with: scripts/simulate --seeds 1 --from {seed} {short}--trace");
    }
    if failures.len() > SHOWN_MAX {
        println!("and {} more", failures.len() - SHOWN_MAX);
    }
    let seconds = began.elapsed().as_secs_f64().max(0.001);
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = arguments.seeds as f64 / seconds / arguments.jobs.max(1) as f64;
    println!(
        "{} seeds in {seconds:.1} s: {rate:.0} a second on each of {} cores",
        arguments.seeds, arguments.jobs
    );
    println!("{} passed, {} failed", arguments.seeds - failures.len() as u64, failures.len());
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
