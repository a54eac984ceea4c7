//! A deterministic world for the engine.
//!
//! The engine's real code runs in one thread against fakes of the table, the queues, S3, CloudFormation
//! and Lambda, on a virtual clock. A seed decides the order of everything and where faults strike: lost
//! replies, crashes before and after any call, duplicated, delayed and dropped messages. After every step
//! [`checker`] looks at the promises; it shares no code with the engine.

pub mod checker;
mod cloudformation;
pub mod contract;
mod driver;
mod faults;
mod lambda;
mod queue;
mod rng;
mod s3;
mod stack_books;
mod state;
mod table;
mod world;

pub use faults::Faults;
pub use stack_books::Behaviour;
pub use world::{World, package};
