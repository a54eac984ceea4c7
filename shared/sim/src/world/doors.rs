//! The use cases on a world, for tests of the API's routes and of the functions.

use super::World;
use crate::driver::{Driver, replicate, step_ports, sweep};
use flotilla_engine::access::Commands;
use flotilla_engine::controllers::{Controllers, StepPorts};
use flotilla_engine::ports::Key;
use flotilla_engine::preview::Sweep;
use flotilla_engine::release::Ingest;
use flotilla_engine::replica::Replicate;
use flotilla_engine::status::Status;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

impl World {
    /// The use cases of the API.
    pub fn api(&self) -> (Commands, Status) {
        let driver = Driver::new(self.driver.shared.clone());
        (driver.commands, driver.status)
    }

    /// The keys and versions of all items in the table.
    pub fn items(&self) -> BTreeSet<(Key, u64)> {
        let state = self.driver.shared.lock();
        state.table.values().map(|item| (item.key.clone(), item.version)).collect()
    }

    /// Runs a function that crashes right after its `nth` call. Returns whether it ended before that.
    pub fn crash_after<T>(&mut self, nth: u64, work: impl Future<Output = T>) -> bool {
        let shared = &self.driver.shared;
        let mut state = shared.lock();
        (state.running, state.crash_at) = (Some(0), Some(state.made + nth));
        drop(state);
        let mut work = pin!(work);
        let ended = loop {
            let polled = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            match (polled, shared.lock().fate.take()) {
                (_, Some(_)) => break false,
                (Poll::Ready(_), None) => break true,
                (Poll::Pending, None) => {}
            }
        };
        let mut state = shared.lock();
        (state.running, state.crash_at) = (None, None);
        drop(state);
        ended
    }

    /// The use cases of the deploy function.
    pub fn controllers(&self) -> Controllers {
        Controllers::new(self.step_ports())
    }

    /// The ports of all controllers, for tests that replace one.
    pub fn step_ports(&self) -> StepPorts {
        step_ports(&self.driver.shared)
    }

    /// The use case of the schedule, for tests that replace a port.
    pub fn sweep_case(&self) -> Sweep {
        sweep(&self.driver.shared)
    }

    /// Ingest.
    pub fn ingest(&self) -> Ingest {
        crate::driver::ingest(&self.driver.shared)
    }

    /// The use case of the replicate function.
    pub fn replicate(&self) -> Replicate {
        replicate(&self.driver.shared)
    }
}
