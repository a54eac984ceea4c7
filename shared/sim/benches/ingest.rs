//! How long ingest takes for a package of 40 MB that is at hand: what is measured is the engine's own work.

#![allow(clippy::unwrap_used, reason = "a benchmark ends where something is not as it should be")]
#![allow(missing_docs, reason = "criterion makes functions of its own")]

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use flotilla_sim::load::{Intake, Load, LoadBucket, Shape, Upload};
use std::io::Cursor;

const FILES: usize = 4_000;
const FILE_BYTES: usize = 10_000;

fn bucket(shape: Shape) -> LoadBucket {
    let load = Load { shape, files: FILES, file_bytes: FILE_BYTES };
    let bytes = load.write(Cursor::new(Vec::new())).unwrap().into_inner();
    LoadBucket::new(Upload::Memory(Bytes::from(bytes))).unwrap()
}

fn ingest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ingest 40 MB");
    group.sample_size(10);
    let shapes = [
        ("one stored zip", Shape::StoredAsset),
        ("one deflated zip", Shape::DeflatedAsset),
        ("a folder of 4000 files", Shape::Folder),
        ("a folder of 4000 files in no order", Shape::ShuffledFolder),
    ];
    for (name, shape) in shapes {
        let bucket = bucket(shape);
        let new = || {
            bucket.forget();
            Intake::of(&bucket)
        };
        group.bench_function(name, |bench| {
            bench.iter_batched(new, |intake| intake.run(), BatchSize::PerIteration);
        });
        if matches!(shape, Shape::DeflatedAsset | Shape::Folder) {
            group.bench_function(format!("{name}, known already"), |bench| {
                Intake::of(&bucket).run();
                bench.iter_batched(|| Intake::of(&bucket), |intake| intake.run(), BatchSize::PerIteration);
            });
        }
    }
    group.finish();
}

criterion_group!(benches, ingest);
criterion_main!(benches);
