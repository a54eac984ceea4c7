//! Large packages and the cost of ingesting them, for benchmarks and the memory test.
//!
//! The packages are generated reproducibly and cannot be compressed. Their bucket returns ranges in chunks, as a
//! network does, and discards what is put.

mod bucket;
mod shape;

pub use bucket::{LoadBucket, Traffic, Upload};
pub use shape::{Load, Shape};

use crate::World;
use flotilla_domain::release::Verdict;
use flotilla_engine::ports::{Clock, ObjectRef};
use flotilla_engine::release::{Ingest, UploadFrequency};
use flotilla_package::Limits;
use futures::executor::block_on;
use std::sync::Arc;

/// An ingest that is ready to run.
pub struct Intake {
    ingest: Ingest,
    clock: Arc<dyn Clock>,
}

impl Intake {
    /// Prepares the ingest of the upload of a bucket, in a world that has not seen it.
    pub fn of(bucket: &LoadBucket) -> Self {
        let world = World::new(1, &[&["eu-west-1"]]);
        let ingest = Ingest {
            packages: Arc::new(bucket.clone()),
            limits: Limits::DEFAULT,
            frequency: UploadFrequency::default(),
            ..world.ingest()
        };
        let clock = ingest.clock.clone();
        Self { ingest, clock }
    }

    /// Ingests the upload.
    ///
    /// # Panics
    /// If it is not accepted.
    pub fn run(&self) {
        let key = "incoming/orders/branch/main/1.zip".into();
        let object = ObjectRef { key, version_id: "v1".into() };
        let verdict = block_on(self.ingest.intake(&object, self.clock.now()));
        assert!(matches!(verdict, Ok(Some(Verdict::Accepted { .. }))), "{verdict:?}");
    }
}
