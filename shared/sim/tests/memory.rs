//! The memory that taking in a package needs does not grow with the package.
//!
//! Everything that is allocated while the engine's real code takes a package in is counted; the package lies in a
//! file, and the bucket keeps nothing. Small packages prove it in seconds; `scripts/bench --memory` takes the sizes
//! that are promised.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use flotilla_sim::load::{Intake, Load, LoadBucket, Shape, Traffic, Upload};
use peak_alloc::PeakAlloc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;
/// One package at a time: the memory is everybody's.
static ALONE: Mutex<()> = Mutex::new(());

const MB: usize = 1_000_000;
/// What taking in any package may need.
const PEAK_BYTES_MAX: usize = 64 * MB;
/// The largest function that Lambda takes: 250 MB, here in so many files.
const FULL: (usize, usize) = (250 * MB, 17_000);

/// Everything that is taken in piece by piece.
const SHAPES: [Shape; 6] = [
    Shape::StoredAsset,
    Shape::DeflatedAsset,
    Shape::Folder,
    Shape::ShuffledFolder,
    Shape::FourFolders,
    Shape::FourOfZeros,
];

/// What taking in a package cost.
struct Cost {
    /// The most that was allocated at a time.
    peak: usize,
    took: Duration,
    traffic: Traffic,
}

fn cost(shape: Shape, bytes: usize, files: usize) -> Cost {
    let file = Load { shape, files, file_bytes: bytes / files }.write(tempfile::tempfile().unwrap()).unwrap();
    let bucket = LoadBucket::new(Upload::File(file)).unwrap();
    let intake = Intake::of(&bucket);
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let began = now();
    intake.run();
    let took = began.elapsed();
    Cost { peak: MEMORY.peak_usage().saturating_sub(before), took, traffic: bucket.traffic() }
}

#[test]
fn memory_does_not_grow_with_the_package() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let files = |bytes: usize| bytes / (FULL.0 / FULL.1);
    // More than is read ahead; what four folders read ahead together only the full size exceeds.
    let (small, large) = (16 * MB, 48 * MB);
    for shape in SHAPES.into_iter().filter(|shape| *shape != Shape::FourFolders) {
        let few = cost(shape, small, files(small)).peak;
        let many = cost(shape, large, files(large)).peak;
        // Each file has its lines in the directories of the upload and of the zip that is made.
        let grown = many.saturating_sub(few);
        assert!(grown < (large - small) / 8, "{shape:?}: {few} bytes, of the larger package {many}");
        assert!(many < PEAK_BYTES_MAX / 2, "{shape:?}: {many} bytes");
    }
}

#[test]
#[ignore = "takes a minute: scripts/bench --memory"]
fn the_largest_package_is_taken_in_within_64_mb() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut over = Vec::new();
    for shape in SHAPES {
        let Cost { peak, took, traffic } = cost(shape, FULL.0, FULL.1);
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
    assert!(over.is_empty(), "{over:?} took more than {} MB", PEAK_BYTES_MAX / MB);
}

#[allow(clippy::disallowed_methods, reason = "how long it really takes is what is asked")]
fn now() -> Instant {
    Instant::now()
}
