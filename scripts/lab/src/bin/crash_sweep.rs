//! The command of the crash sweep: selects points, runs them on several emulators and prints a line per run.

#![allow(clippy::disallowed_methods, reason = "the lab measures real time")]

use clap::Parser;
use flotilla_lab::LabError;
use flotilla_lab::crash_sweep::{CrashLab, Run};
use flotilla_lab::points::{Call, Calls, Kind, Point, all_points, sample_points};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Inject a fault into each AWS call of a rollout in turn, and check that nothing is lost.
#[derive(Debug, Parser)]
#[command(name = "scripts/crash-sweep", after_help = "Example:\n  scripts/crash-sweep --all --jobs 3")]
struct Args {
    /// Run every fault at every call.
    #[arg(long, conflicts_with = "sample")]
    all: bool,
    /// Run this many points, spread evenly.
    #[arg(long, default_value_t = 12)]
    sample: usize,
    /// Run every fault, only at calls whose name contains this text, such as `deploy cloudformation:Execute`.
    #[arg(long, conflicts_with_all = ["all", "sample"])]
    only: Option<String>,
    /// Number of emulators that run concurrently.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

/// The points left to run, and the results.
struct Board {
    points: Mutex<std::vec::IntoIter<Point>>,
    done: Mutex<Vec<(Point, Result<Run, String>)>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match sweep(&Args::parse()).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Answers the number of failed runs.
async fn sweep(args: &Args) -> Result<usize, LabError> {
    let began = Instant::now();
    let mut lab = CrashLab::start().await?;
    let mut calls = Calls::new();
    for kind in Kind::ALL {
        let made = lab.calls(kind).await?;
        println!("{kind}: {} calls", made.len());
        print_numbers(&made);
        calls.insert(kind, made);
    }
    let points = match &args.only {
        Some(name) => {
            let mut points = all_points(&calls);
            points.retain(|point| point.spoil.call.to_string().contains(name));
            points
        }
        None if args.all => all_points(&calls),
        None => sample_points(&calls, args.sample),
    };
    println!("{} runs", points.len());
    let board = Board { points: Mutex::new(points.into_iter()), done: Mutex::default() };
    let mut first = Some(lab);
    let jobs = (0..args.jobs.max(1)).map(|_| work(&board, first.take()));
    for ended in futures::future::join_all(jobs).await {
        ended?;
    }
    let done = board.done.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (point, result) in &done {
        if let Err(error) = result {
            println!("FAILED {point}: {error}");
        }
    }
    let failed = done.iter().filter(|(_, result)| result.is_err()).count();
    let missed = done.iter().filter(|(_, result)| result.as_ref().is_ok_and(|run| !run.reached)).count();
    println!("{missed} runs did not reach their call; took {} s", began.elapsed().as_secs());
    println!("{} passed, {failed} failed", done.len() - failed);
    Ok(failed)
}

/// Runs one point after the other. After a failure it starts a new emulator, because the old one may be stuck.
async fn work(board: &Board, mut lab: Option<CrashLab>) -> Result<(), LabError> {
    loop {
        let next = board.points.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some(point) = next else { return Ok(()) };
        let mut ready = match lab.take() {
            Some(lab) => lab,
            None => CrashLab::start().await?,
        };
        let result = ready.run_point(&point).await.map_err(|error| error.to_string());
        match &result {
            Ok(run) => {
                let unreached = if run.reached { "" } else { ", not reached" };
                let (took_s, calls) = (run.took.as_secs_f64(), run.calls.len());
                println!("ok     {point} ({took_s:.1} s, {calls} calls{unreached})");
                lab = Some(ready);
            }
            Err(error) => println!("FAILED {point}: {}", error.lines().next().unwrap_or_default()),
        }
        board.done.lock().unwrap_or_else(PoisonError::into_inner).push((point, result));
    }
}

fn print_numbers(calls: &[Call]) {
    let mut numbers = BTreeMap::new();
    for call in calls {
        *numbers.entry((&call.function, &call.operation)).or_insert(0) += 1;
    }
    for ((function, operation), number) in numbers {
        println!("  {number:3} {function} {operation}");
    }
}
