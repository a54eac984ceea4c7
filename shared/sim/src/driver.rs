//! The scheduler: decides which function continues, which message is delivered, and when the clock advances.

use crate::assets::SimAssetBuckets;
use crate::checker::Checker;
use crate::cloudformation::SimStacks;
use crate::gates::{SimAlarms, SimMetrics, SimProbes};
use crate::images::{SimExternalImages, SimImages};
use crate::lambda::SimFunctions;
use crate::mappings::SimMappings;
use crate::operations::meddle;
use crate::policies::SimPolicies;
use crate::queue::SimQueue;
use crate::records::SimRecords;
use crate::s3::{SimBuckets, SimPackages, SimReplicas};
use crate::settling::settle;
use crate::state::{Fate, Message, Shared, State};
use crate::table::SimTable;
use crate::tasks::Task;
use flotilla_domain::retention::Pace;
use flotilla_domain::{Region, Site, StackName, Timestamp};
use flotilla_engine::EngineError;
use flotilla_engine::access::Commands;
use flotilla_engine::controllers::{Controllers, StepPorts};
use flotilla_engine::ports::{Clock, ObjectRef, Work};
use flotilla_engine::preview::{Sweep, SweepLimits, SweepReport};
use flotilla_engine::release::{Ingest, UploadFrequency};
use flotilla_engine::replica::{Replicate, ReplicateJob};
use flotilla_engine::retention::{CollectorLimits, CollectorReport, GarbageCollector};
use flotilla_engine::status::Status;
use flotilla_engine::step::Meter;
use flotilla_package::Limits;
use futures::executor::block_on;
use std::sync::Arc;
use std::task::Poll;

/// A message that fails, or whose function crashes, is visible again after this time.
const VISIBILITY_MS: i64 = 60_000;
/// A message that fails this many times goes to the dead-letter queue.
const RECEIVES_MAX: u32 = 12;
/// The interval of the schedule.
const SWEEP_EVERY_MS: i64 = 60_000;
/// The timeout of functions.
const TIMEOUT_MS: i64 = 60_000;
/// The maximum number of functions that run concurrently.
const CONCURRENCY: usize = 6;

struct SimClock(Shared);

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.0.lock().now()
    }
}

/// The use cases of the functions.
struct UseCases {
    ingest: Ingest,
    replicate: Replicate,
    controllers: Controllers,
    sweep: Sweep,
    collect: GarbageCollector,
}

impl UseCases {
    fn of(shared: &Shared) -> Self {
        Self {
            ingest: ingest(shared),
            replicate: replicate(shared),
            controllers: Controllers::new(step_ports(shared)),
            sweep: sweep(shared),
            collect: collect(shared),
        }
    }
}

/// Ingest.
pub fn ingest(shared: &Shared) -> Ingest {
    let pace = shared.lock().pace;
    Ingest {
        clock: Arc::new(SimClock(shared.clone())),
        store: Arc::new(SimTable(shared.clone())),
        queue: Arc::new(SimQueue(shared.clone())),
        packages: Arc::new(SimPackages(shared.clone())),
        images: Arc::new(SimExternalImages(shared.clone())),
        limits: Limits::DEFAULT,
        pace,
        frequency: UploadFrequency::default(),
        region: Region::parse("eu-central-1").expect("a region"),
    }
}

/// The sweep.
pub fn sweep(shared: &Shared) -> Sweep {
    Sweep {
        clock: Arc::new(SimClock(shared.clone())),
        store: Arc::new(SimTable(shared.clone())),
        queue: Arc::new(SimQueue(shared.clone())),
        packages: Arc::new(SimPackages(shared.clone())),
    }
}

/// The garbage collector.
pub fn collect(shared: &Shared) -> GarbageCollector {
    let pace = shared.lock().pace;
    GarbageCollector {
        clock: Arc::new(SimClock(shared.clone())),
        store: Arc::new(SimTable(shared.clone())),
        buckets: Arc::new(SimAssetBuckets(shared.clone())),
        images: Arc::new(SimImages(shared.clone())),
        pace,
    }
}

/// The engine's controllers on a world.
pub fn step_ports(shared: &Shared) -> StepPorts {
    StepPorts {
        clock: Arc::new(SimClock(shared.clone())),
        store: Arc::new(SimTable(shared.clone())),
        queue: Arc::new(SimQueue(shared.clone())),
        stacks: Arc::new(SimStacks(shared.clone())),
        functions: Arc::new(SimFunctions(shared.clone())),
        mappings: Arc::new(SimMappings(shared.clone())),
        records: Arc::new(SimRecords(shared.clone())),
        buckets: Arc::new(SimBuckets(shared.clone())),
        alarms: Arc::new(SimAlarms(shared.clone())),
        metrics: Arc::new(SimMetrics(shared.clone())),
        probes: Arc::new(SimProbes(shared.clone())),
        policies: Arc::new(SimPolicies(shared.clone())),
        meter: Arc::new(Meter::default()),
    }
}

/// The replication of packages.
pub fn replicate(shared: &Shared) -> Replicate {
    let pace = shared.lock().pace;
    Replicate {
        clock: Arc::new(SimClock(shared.clone())),
        store: Arc::new(SimTable(shared.clone())),
        queue: Arc::new(SimQueue(shared.clone())),
        replicas: Arc::new(SimReplicas(shared.clone())),
        images: Arc::new(SimImages(shared.clone())),
        pace,
    }
}

/// The functions, and the scheduler that calls them.
pub struct Driver {
    pub shared: Shared,
    cases: Arc<UseCases>,
    pub commands: Commands,
    pub status: Status,
    checker: Checker,
    tasks: Vec<Task>,
    begun: u64,
    next_sweep_ms: i64,
}

impl Driver {
    pub fn new(shared: Shared) -> Self {
        let clock = || Arc::new(SimClock(shared.clone()));
        let store = || Arc::new(SimTable(shared.clone()));
        let queue = || Arc::new(SimQueue(shared.clone()));
        let next_sweep_ms = shared.lock().now_ms + SWEEP_EVERY_MS;
        Self {
            cases: Arc::new(UseCases::of(&shared)),
            commands: Commands::new(
                "flotilla".into(),
                clock(),
                store(),
                queue(),
                Arc::new(SimPolicies(shared.clone())),
            ),
            status: Status { clock: clock(), store: store() },
            checker: Checker::default(),
            tasks: Vec::new(),
            begun: 0,
            next_sweep_ms,
            shared,
        }
    }

    /// Makes one step: continues a function, begins one, or advances the clock to the next event.
    pub fn step(&mut self) {
        let (now_ms, pick) = {
            let mut state = self.shared.lock();
            (state.now_ms, state.rng.next())
        };
        if now_ms >= self.next_sweep_ms {
            self.next_sweep_ms = now_ms + SWEEP_EVERY_MS;
            let cases = Arc::clone(&self.cases);
            self.begin(None, "sweep", async move { cases.sweep.run(SweepLimits::default()).await.map(drop) });
            let collects = self.shared.lock().collects;
            if collects {
                let cases = Arc::clone(&self.cases);
                let limits = CollectorLimits::default();
                self.begin(None, "collect", async move { cases.collect.run(limits).await.map(drop) });
            }
            return;
        }
        let ready: Vec<usize> =
            (0..self.tasks.len()).filter(|at| self.tasks[*at].stalled_until_ms <= now_ms).collect();
        let room = self.tasks.len() < CONCURRENCY;
        let choice = usize::try_from(pick % (ready.len() as u64 + u64::from(room)).max(1)).unwrap_or(0);
        if let Some(at) = ready.get(choice) {
            self.go_on(*at);
        } else if let Some(message) = self.next_message(room) {
            let cases = Arc::clone(&self.cases);
            let work = message.work.clone();
            self.begin(Some(message), "deliver", async move { cases.handle(&work).await });
        } else if let Some(at) = ready.first() {
            self.go_on(*at);
        } else {
            self.pass_time();
        }
    }

    fn next_message(&self, room: bool) -> Option<Message> {
        if room { take_visible(&mut self.shared.lock()) } else { None }
    }

    /// Advances the clock to the next event, when nothing can happen now.
    fn pass_time(&mut self) {
        let now_ms = self.shared.lock().now_ms;
        let stalls = self.tasks.iter().map(|task| task.stalled_until_ms.min(task.began_at_ms + TIMEOUT_MS));
        let stalls = stalls.min();
        let ended = {
            let mut state = self.shared.lock();
            let message = state.messages.iter().map(|m| m.visible_at_ms).min();
            let next = [message, state.stacks.next_end_ms(), stalls].into_iter().flatten().min();
            state.now_ms = next.unwrap_or(i64::MAX).min(self.next_sweep_ms).max(now_ms + 1);
            settle(&mut state);
            disturb(&mut state);
            std::mem::take(&mut state.stacks.ended)
        };
        let now_ms = self.shared.lock().now_ms;
        for at in (0..self.tasks.len()).rev() {
            if self.tasks[at].began_at_ms + TIMEOUT_MS <= now_ms {
                let task = self.tasks.swap_remove(at);
                self.shared.lock().note(|| format!("function {} timed out", task.id));
                self.again(task);
            }
        }
        for (target, stack) in ended {
            let hints = {
                let mut state = self.shared.lock();
                let chance = state.faults.hints;
                state.rng.chance(chance)
            };
            if let (true, Ok(stack)) = (hints, StackName::parse(&stack)) {
                self.hint(&target, &stack);
            }
        }
    }

    /// Runs the sweep and returns its report, for tests.
    pub fn sweep_now(&mut self, limits: SweepLimits) -> SweepReport {
        block_on(self.cases.sweep.run(limits)).expect("no faults")
    }

    /// From now on, scheduled runs include garbage collection at this pace.
    pub fn collects(&mut self, pace: Pace) {
        let mut state = self.shared.lock();
        (state.pace, state.collects) = (pace, true);
        drop(state);
        self.cases = Arc::new(UseCases::of(&self.shared));
    }

    /// Runs garbage collection and returns its report, for tests.
    pub fn collect_now(&mut self, limits: CollectorLimits) -> CollectorReport {
        let report = block_on(self.cases.collect.run(limits)).expect("no faults");
        self.checker.check(&mut self.shared.lock());
        report
    }

    /// Delivers a stack-status event.
    pub fn hint(&mut self, target: &Site, stack: &StackName) {
        let cases = Arc::clone(&self.cases);
        let (target, stack) = (target.clone(), stack.clone());
        self.begin(None, "a stack changed", async move { cases.controllers.hint(&target, &stack).await });
    }

    /// Runs until all running functions have ended.
    pub fn finish_tasks(&mut self) {
        while !self.tasks.is_empty() {
            self.go_on(0);
        }
    }

    fn begin(
        &mut self,
        message: Option<Message>,
        what: &str,
        future: impl Future<Output = Result<(), EngineError>> + 'static,
    ) {
        self.begun += 1;
        let mut state = self.shared.lock();
        let work = message.as_ref().map(|message| &message.work);
        state.running = Some(self.begun);
        state.note(|| format!("{what} {work:?}"));
        state.running = None;
        self.tasks.push(Task::new(self.begun, message, state.now_ms, future));
    }

    /// Runs a function to its next call, and checks the promises.
    fn go_on(&mut self, at: usize) {
        {
            let mut state = self.shared.lock();
            // Every step takes a little time.
            state.now_ms += 1;
            state.running = Some(self.tasks[at].id);
        }
        let polled = self.tasks[at].poll();
        let mut state = self.shared.lock();
        let fate = state.fate.take();
        if let Poll::Ready(Err(error)) = &polled {
            assert!(!matches!(error, EngineError::Defect(_) | EngineError::Record(_)), "{error}");
            state.note(|| format!("failed: {error}"));
        }
        state.running = None;
        self.checker.check(&mut state);
        drop(state);
        match (polled, fate) {
            (_, Some(Fate::Crashed)) | (Poll::Ready(Err(_)), _) => {
                let task = self.tasks.swap_remove(at);
                self.again(task);
            }
            (Poll::Ready(Ok(())), _) => drop(self.tasks.swap_remove(at)),
            (Poll::Pending, Some(Fate::Stalled(until_ms))) => self.tasks[at].stalled_until_ms = until_ms,
            (Poll::Pending, None) => {}
        }
    }

    /// Makes a message visible again whose function failed.
    fn again(&mut self, task: Task) {
        let Some(message) = task.message else { return };
        let mut state = self.shared.lock();
        if message.receives + 1 < RECEIVES_MAX {
            let visible_at_ms = state.now_ms + VISIBILITY_MS;
            state.messages.push(Message { visible_at_ms, receives: message.receives + 1, ..message });
        } else {
            state.dead_letters += 1;
            state.note(|| format!("dead letter: {:?}", message.work));
        }
    }
}

impl UseCases {
    async fn handle(&self, work: &Work) -> Result<(), EngineError> {
        match work {
            Work::Tick(subject) => self.controllers.tick(subject).await,
            Work::Replicate { release, rollout, site } => {
                let job = ReplicateJob { release: *release, rollout: *rollout, site: site.clone() };
                self.replicate.run(&[job]).await.pop().unwrap_or(Ok(()))
            }
            Work::Intake { key, version_id, uploaded_at } => {
                let object = ObjectRef { key: key.clone(), version_id: version_id.clone() };
                self.ingest.intake(&object, *uploaded_at).await.map(drop)
            }
        }
    }
}

/// Injects the faults that occur as time passes.
fn disturb(state: &mut State) {
    let faults = state.faults;
    if state.rng.chance(faults.foreign) {
        meddle(state);
    }
    if state.rng.chance(faults.outage) {
        let regions: Vec<Site> = state.stacks.live.keys().map(|(target, _)| target.clone()).collect();
        let pick = usize::try_from(state.rng.below(regions.len() as u64 + 1)).unwrap_or(0);
        let until_ms = state.now_ms + 1_000 + i64::try_from(state.rng.below(60_000)).unwrap_or(0);
        let which = regions.get(pick).cloned();
        state.note(|| format!("an outage of {which:?}"));
        state.outages.push((which, until_ms));
    }
}

/// Takes any one of the visible messages.
fn take_visible(state: &mut State) -> Option<Message> {
    let now = state.now_ms;
    let visible: Vec<usize> =
        state.messages.iter().enumerate().filter(|(_, m)| m.visible_at_ms <= now).map(|(n, _)| n).collect();
    let pick = usize::try_from(state.rng.below(visible.len() as u64)).unwrap_or(0);
    visible.get(pick).map(|index| state.messages.swap_remove(*index))
}
