//! How much memory taking in the largest package that Lambda takes needs, in each of its shapes. Ends with an error when
//! one needs more than is promised.

use flotilla_sim::load::{Intake, LoadBucket, Shape};
use peak_alloc::PeakAlloc;
use std::process::ExitCode;
use std::time::Instant;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MB: usize = 1_000_000;
/// What taking in any package may need.
const PEAK_BYTES_MAX: usize = 64 * MB;
/// The largest function that Lambda takes, here in so many files.
const FULL: (usize, usize) = (250 * MB, 17_000);

#[allow(clippy::disallowed_methods, reason = "how long it really takes is what is asked")]
fn main() -> ExitCode {
    let mut over = Vec::new();
    for shape in Shape::ALL {
        let bucket = LoadBucket::in_file(shape, FULL.0, FULL.1).expect("a package");
        let intake = Intake::of(&bucket);
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let began = Instant::now();
        intake.run();
        let (took, peak) = (began.elapsed(), MEMORY.peak_usage().saturating_sub(before));
        let traffic = bucket.traffic();
        println!(
            "{shape:?}: {} MB in {} files: peak {:.1} MB, {:.1} s, {} range reads of {} MB, {} MB put",
            FULL.0 / MB,
            FULL.1,
            peak as f64 / MB as f64,
            took.as_secs_f64(),
            traffic.reads,
            traffic.read_bytes / MB as u64,
            traffic.put_bytes / MB as u64,
        );
        if peak >= PEAK_BYTES_MAX {
            over.push(shape);
        }
    }
    if over.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("{over:?} took {} MB or more", PEAK_BYTES_MAX / MB);
    ExitCode::FAILURE
}
