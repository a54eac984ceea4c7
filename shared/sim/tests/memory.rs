//! The memory that taking in a package needs does not grow with the package.
//!
//! Everything that is allocated while the engine's real code takes a package in is counted; the package lies in a
//! file, and the bucket keeps nothing. Small packages prove it in seconds; the benchmark `memory` takes the sizes that
//! are promised.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use flotilla_sim::load::{Intake, LoadBucket, Shape};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MB: usize = 1_000_000;
/// What taking in any package may need.
const PEAK_BYTES_MAX: usize = 64 * MB;
/// The largest function that Lambda takes: 250 MB, here in so many files.
const FULL: (usize, usize) = (250 * MB, 17_000);

/// The most that was allocated at a time while a package was taken in.
fn peak(shape: Shape, bytes: usize, files: usize) -> usize {
    let bucket = LoadBucket::in_file(shape, bytes, files).unwrap();
    let intake = Intake::of(&bucket);
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    intake.run();
    MEMORY.peak_usage().saturating_sub(before)
}

#[test]
fn memory_does_not_grow_with_the_package() {
    let files = |bytes: usize| bytes / (FULL.0 / FULL.1);
    // More than is read ahead; what four folders read ahead together only the full size exceeds.
    let (small, large) = (16 * MB, 48 * MB);
    for shape in Shape::ALL.into_iter().filter(|shape| *shape != Shape::FourFolders) {
        let few = peak(shape, small, files(small));
        let many = peak(shape, large, files(large));
        // Each file has its lines in the directories of the upload and of the zip that is made.
        let grown = many.saturating_sub(few);
        assert!(grown < (large - small) / 8, "{shape:?}: {few} bytes, of the larger package {many}");
        assert!(many < PEAK_BYTES_MAX / 2, "{shape:?}: {many} bytes");
    }
}
