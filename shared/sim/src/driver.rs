//! The scheduler: which message is delivered next, when the clock moves, when the sweep runs.

use crate::checker::Checker;
use crate::cloudformation::SimStacks;
use crate::lambda::SimFunctions;
use crate::queue::{Message, SimQueue};
use crate::s3::{SimBuckets, SimPackages, SimReplicas};
use crate::stack_books::settle;
use crate::state::{Shared, State};
use crate::table::SimTable;
use flotilla_domain::{StackName, Target, Timestamp};
use flotilla_engine::EngineError;
use flotilla_engine::commands::Commands;
use flotilla_engine::drive::Drive;
use flotilla_engine::ingest::Ingest;
use flotilla_engine::ports::{Clock, ObjectRef, Work};
use flotilla_engine::replicate::{Replicate, ReplicateJob};
use flotilla_engine::status::Status;
use flotilla_engine::sweep::{Sweep, SweepLimits};
use flotilla_package::Limits;
use futures::executor::block_on;
use std::sync::Arc;

/// A message that fails is seen again after this.
const VISIBILITY_MS: i64 = 60_000;
/// A message that fails this often goes to the dead-letter queue.
const RECEIVES_MAX: u32 = 12;
/// The schedule.
const SWEEP_EVERY_MS: i64 = 60_000;

struct SimClock(Shared);

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.0.lock().now()
    }
}

/// The functions, and the clockwork that calls them.
pub struct Driver {
    pub shared: Shared,
    pub ingest: Ingest,
    replicate: Replicate,
    drive: Drive,
    sweep: Sweep,
    pub commands: Commands,
    pub status: Status,
    checker: Checker,
    next_sweep_ms: i64,
}

impl Driver {
    pub fn new(shared: Shared) -> Self {
        let clock = || Arc::new(SimClock(shared.clone()));
        let store = || Arc::new(SimTable(shared.clone()));
        let queue = || Arc::new(SimQueue(shared.clone()));
        let packages = || Arc::new(SimPackages(shared.clone()));
        let next_sweep_ms = shared.lock().now_ms + SWEEP_EVERY_MS;
        Self {
            ingest: Ingest {
                clock: clock(),
                store: store(),
                queue: queue(),
                packages: packages(),
                limits: Limits::DEFAULT,
            },
            replicate: Replicate {
                clock: clock(),
                store: store(),
                queue: queue(),
                replicas: Arc::new(SimReplicas(shared.clone())),
            },
            drive: Drive {
                clock: clock(),
                store: store(),
                queue: queue(),
                stacks: Arc::new(SimStacks(shared.clone())),
                functions: Arc::new(SimFunctions(shared.clone())),
                buckets: Arc::new(SimBuckets(shared.clone())),
            },
            sweep: Sweep { clock: clock(), store: store(), queue: queue(), packages: packages() },
            commands: Commands { clock: clock(), store: store(), queue: queue() },
            status: Status { store: store() },
            checker: Checker::default(),
            next_sweep_ms,
            shared,
        }
    }

    /// Takes one step: runs the sweep, delivers a message, or moves the clock to the next thing. Answers
    /// false when nothing is left to happen but the sweep.
    pub fn step(&mut self) -> bool {
        let (now_ms, sweep_is_due) = {
            let state = self.shared.lock();
            (state.now_ms, state.now_ms >= self.next_sweep_ms)
        };
        if sweep_is_due {
            self.next_sweep_ms = now_ms + SWEEP_EVERY_MS;
            self.run_sweep(SweepLimits::default());
            return true;
        }
        let message = take_visible(&mut self.shared.lock());
        if let Some(message) = message {
            self.deliver(message);
            return true;
        }
        let mut state = self.shared.lock();
        let next_message = state.messages.iter().map(|m| m.visible_at_ms).min();
        let next = [next_message, state.stacks.next_end_ms()].into_iter().flatten().min();
        state.now_ms = next.unwrap_or(i64::MAX).min(self.next_sweep_ms).max(now_ms + 1);
        settle(&mut state);
        next.is_some()
    }

    fn run_sweep(&mut self, limits: SweepLimits) {
        self.begin("sweep".into());
        let result = block_on(self.sweep.run(limits));
        self.end(result.map(drop));
    }

    /// Runs the sweep and answers its report, for tests.
    pub fn sweep_now(&mut self, limits: SweepLimits) -> flotilla_engine::sweep::SweepReport {
        block_on(self.sweep.run(limits)).expect("no faults")
    }

    /// A stack-status event arrives.
    pub fn hint(&mut self, target: &Target, stack: &StackName) {
        self.begin(format!("stack {target}/{stack} changed"));
        let result = block_on(self.drive.hint(target, stack));
        self.end(result);
    }

    fn deliver(&mut self, message: Message) {
        self.begin(format!("deliver {:?}", message.work));
        let result = block_on(self.handle(&message.work));
        let failed = self.end(result);
        if failed {
            let mut state = self.shared.lock();
            if message.receives + 1 < RECEIVES_MAX {
                let visible_at_ms = state.now_ms + VISIBILITY_MS;
                state.messages.push(Message { visible_at_ms, receives: message.receives + 1, ..message });
            } else {
                state.note(format!("dead letter: {:?}", message.work));
            }
        }
    }

    async fn handle(&self, work: &Work) -> Result<(), EngineError> {
        match work {
            Work::Tick(subject) => self.drive.tick(subject).await,
            Work::Replicate { release, rollout, target } => {
                let job = ReplicateJob { release: *release, rollout: *rollout, target: target.clone() };
                self.replicate.run(&[job]).await.pop().unwrap_or(Ok(()))
            }
            Work::Intake { key, version_id } => {
                let object = ObjectRef { key: key.clone(), version_id: version_id.clone() };
                let now = self.shared.lock().now();
                self.ingest.intake(&object, now).await.map(drop)
            }
        }
    }

    fn begin(&self, what: String) {
        let mut state = self.shared.lock();
        state.crashed = false;
        // Every step takes a little time.
        state.now_ms += 1;
        state.note(what);
    }

    /// Ends a step and checks the promises. Answers whether it failed.
    fn end(&mut self, result: Result<(), EngineError>) -> bool {
        let mut state = self.shared.lock();
        let crashed = std::mem::take(&mut state.crashed);
        if let Err(error) = &result {
            assert!(!matches!(error, EngineError::Defect(_) | EngineError::Record(_)), "{error}");
            state.note(format!("failed: {error}"));
        }
        self.checker.check(&state.table, &state.stacks);
        result.is_err() || crashed
    }
}

/// Takes one of the messages that can be seen, any one.
fn take_visible(state: &mut State) -> Option<Message> {
    let now = state.now_ms;
    let visible: Vec<usize> =
        state.messages.iter().enumerate().filter(|(_, m)| m.visible_at_ms <= now).map(|(n, _)| n).collect();
    let pick = usize::try_from(state.rng.below(visible.len() as u64)).unwrap_or(0);
    visible.get(pick).map(|index| state.messages.swap_remove(*index))
}
