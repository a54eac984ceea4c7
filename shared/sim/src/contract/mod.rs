//! Contract tests: what every implementation of a port must do.
//!
//! The same tests run against the fakes here and against the adapters on a running emulator, so that the fakes cannot
//! deviate from what a real client sees. Each port has a file with one function that takes the port. A [`Bench`] does
//! what is outside of the port: CI uploads, a consumer of a queue, an artifact in a bucket. AWS is the reference: if an
//! implementation is known to differ, its bench declares a [`Quirk`], and the suite checks that it still differs. The
//! tests do not know which implementation they run on.

mod alarms;
mod api_mappings;
mod asset_buckets;
mod bench;
mod buckets;
mod change_sets;
mod clock;
mod functions;
mod images;
mod package_store;
mod policies;
mod probes;
mod quirks;
mod records;
mod replica_store;
mod scene;
mod stacks;
mod state_store;
mod work_queue;

pub use alarms::alarms;
pub use api_mappings::api_mappings;
pub use asset_buckets::asset_buckets;
pub use bench::{Bench, Fate};
pub use buckets::buckets;
pub use change_sets::change_sets;
pub use clock::clock;
pub use functions::functions;
pub use images::{external_images, images};
pub use package_store::package_store;
pub use policies::policies;
pub use probes::probes;
pub use quirks::{Quirk, Quirks};
pub use records::records;
pub use replica_store::replica_store;
pub use stacks::stacks;
pub use state_store::state_store;
pub use work_queue::work_queue;
