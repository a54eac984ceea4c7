//! A deterministic simulation of the engine's world.
//!
//! The engine's real code runs in one thread against fakes of the table, the queues, S3, CloudFormation
//! and Lambda, on a virtual clock. Several functions run concurrently: each call yields to whatever else can
//! happen. A seed decides the order of all events and where [`Faults`] occur. After every step, the checker
//! checks the invariants ("promises"); it shares no code with the engine. [`lives`] are complete runs of the world, one
//! per seed: `scripts/simulate` runs many of them.

mod aliases;
mod assets;
mod change_sets;
mod checker;
mod cloudformation;
pub mod contract;
mod dns;
mod domains;
mod driver;
mod faults;
mod gates;
mod images;
mod lambda;
pub mod lives;
pub mod load;
mod mappings;
mod objects;
mod operations;
mod outputs;
mod policies;
mod publishing;
mod queue;
mod records;
mod rng;
mod s3;
mod settling;
mod sim_bench;
mod stack_books;
mod state;
mod table;
mod tasks;
mod world;

pub use faults::Faults;
pub use sim_bench::SimBench;
pub use stack_books::Behaviour;
pub use world::{SHOP, World, image_of, package, with_image, zip_of};
