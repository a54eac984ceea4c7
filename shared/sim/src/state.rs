//! The state of the whole world as plain values behind one lock, and the function that every call passes through.

use crate::aliases::Aliases;
use crate::dns::Dns;
use crate::domains::Domains;
use crate::faults::Faults;
use crate::objects::{Objects, Repository};
use crate::rng::Rng;
use crate::stack_books::Stacks;
use bytes::Bytes;
use flotilla_domain::config::external_image::ImageRepository;
use flotilla_domain::retention::Pace;
use flotilla_domain::{AlarmState, Digest, Site, Timestamp};
use flotilla_engine::ports::{ErrorKind, HttpObserved, Invoked, Item, Key, PortError, Presence, Work};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub work: Work,
    pub visible_at_ms: i64,
    pub receives: u32,
}

/// An uploaded object.
#[derive(Debug, Clone)]
pub struct Object {
    pub bytes: Bytes,
    pub uploaded_at: Timestamp,
    /// Whether it was uploaded in parts: `uploaded_at` is when the upload began.
    pub is_multipart: bool,
}

/// The faults of the function that runs now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It has crashed: none of its further calls has an effect.
    Crashed,
    /// It stalls until this time.
    Stalled(i64),
}

/// A service that is down for a while: the table, or everything in a region.
pub type Outage = (Option<Site>, i64);

pub struct State {
    pub now_ms: i64,
    pub rng: Rng,
    pub faults: Faults,
    /// The function that runs now, if any: only calls of functions meet faults.
    pub running: Option<u64>,
    pub fate: Option<Fate>,
    pub outages: Vec<Outage>,
    /// Operations that always fail.
    pub refusals: BTreeMap<&'static str, PortError>,
    /// The trace, one line per event, if it is enabled.
    pub trace: Option<Vec<String>>,
    /// The number of calls that functions have made, and the call after which a function crashes.
    pub made: u64,
    pub crash_at: Option<u64>,
    /// The number of calls of each operation.
    pub calls: BTreeMap<&'static str, u64>,
    pub table: BTreeMap<Key, Item>,
    /// Keys of items with a due time.
    pub due: BTreeSet<Key>,
    /// Keys written since the last check.
    pub touched: Vec<Key>,
    pub messages: Vec<Message>,
    pub dead_letters: u64,
    pub uploads: BTreeMap<(String, String), Object>,
    /// The current objects of the ingest bucket; all versions are in `objects`.
    pub home: BTreeMap<String, Digest>,
    pub templates: BTreeMap<Digest, Bytes>,
    /// Objects in buckets of others, by bucket, key and version.
    pub external: BTreeMap<(String, String, Option<String>), Bytes>,
    /// The parts of the images in repositories of others.
    pub pulled: BTreeMap<(ImageRepository, Digest), Bytes>,
    /// The manifests of container images that were ever stored in the ingest bucket.
    pub manifests: BTreeMap<Digest, Bytes>,
    pub repositories: BTreeMap<Site, Repository>,
    /// The current objects of the artifact buckets.
    pub replicas: BTreeMap<(Site, String), Digest>,
    pub objects: Objects,
    pub pace: Pace,
    /// Whether scheduled runs include garbage collection.
    pub collects: bool,
    pub replica_refusals: BTreeMap<Site, PortError>,
    /// What S3 reports about copies in an account-region, if not the truth.
    pub replica_proofs: BTreeMap<Site, Presence>,
    /// Whether S3 reports no full SHA-256 of the copies that it makes in the ingest bucket.
    pub home_copies_unproven: bool,
    /// The buckets of every stack, and in how many parts each is emptied.
    pub buckets: BTreeMap<String, u32>,
    /// What the names of the stacks that have the buckets end with.
    pub buckets_in: String,
    pub copies: u64,
    pub stacks: Stacks,
    pub aliases: Aliases,
    pub domains: Domains,
    pub dns: Dns,
    /// The parameters of each stack's last change set.
    pub parameters: BTreeMap<(Site, String), BTreeMap<String, String>>,
    pub functions: BTreeMap<(Site, String), Digest>,
    pub alarms: BTreeMap<(Site, String), AlarmState>,
    pub load: Load,
    /// The responses of URLs.
    pub answers: BTreeMap<String, HttpObserved>,
    /// The replies of invoked functions.
    pub replies: BTreeMap<(Site, String), Invoked>,
    /// How many more times Guard crashes before it replies.
    pub guard_crashes: u32,
    /// Whether Lambda is still applying the last update.
    pub functions_pending: bool,
    /// All code that each function ever ran, for the checker.
    pub ran: BTreeSet<(Site, String, Digest)>,
}

/// How often each alias is invoked, and how often that fails, by the version's number.
#[derive(Default)]
pub struct Load {
    pub a_minute: u64,
    /// Errors in a thousand invocations.
    pub errors: BTreeMap<String, u64>,
    /// Invocations in a thousand that are slow.
    pub slow: BTreeMap<String, u64>,
}

/// A handle that all fakes share.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<State>>);

/// Yields to whatever else can happen.
pub struct Yield(pub bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Shared {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            // An arbitrary Thursday in 2027.
            now_ms: 1_800_000_000_000,
            rng: Rng::new(seed),
            faults: Faults::NONE,
            running: None,
            fate: None,
            outages: Vec::new(),
            refusals: BTreeMap::new(),
            trace: None,
            made: 0,
            crash_at: None,
            calls: BTreeMap::new(),
            table: BTreeMap::new(),
            due: BTreeSet::new(),
            touched: Vec::new(),
            messages: Vec::new(),
            dead_letters: 0,
            uploads: BTreeMap::new(),
            home: BTreeMap::new(),
            templates: BTreeMap::new(),
            external: BTreeMap::new(),
            pulled: BTreeMap::new(),
            manifests: BTreeMap::new(),
            repositories: BTreeMap::new(),
            replicas: BTreeMap::new(),
            objects: Objects::default(),
            pace: Pace::DEFAULT,
            collects: false,
            replica_refusals: BTreeMap::new(),
            replica_proofs: BTreeMap::new(),
            home_copies_unproven: false,
            buckets: BTreeMap::new(),
            buckets_in: String::new(),
            copies: 0,
            stacks: Stacks::default(),
            aliases: Aliases::default(),
            domains: Domains::default(),
            dns: Dns::default(),
            parameters: BTreeMap::new(),
            functions: BTreeMap::new(),
            alarms: BTreeMap::new(),
            load: Load::default(),
            answers: BTreeMap::new(),
            replies: BTreeMap::new(),
            guard_crashes: 0,
            functions_pending: false,
            ran: BTreeSet::new(),
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a call. Other functions may run first, and a fault may prevent its effect or lose its reply.
    pub async fn call<T, E: From<PortError>>(
        &self,
        operation: &'static str,
        region: Option<&Site>,
        effect: impl FnOnce(&mut State) -> Result<T, E>,
    ) -> Result<T, E> {
        Yield(false).await;
        let stalls = self.lock().stalls(operation);
        if stalls {
            Yield(false).await;
        }
        match self.attempt(operation, region, effect) {
            Some(result) => result,
            // The function has crashed: its calls have no effect.
            None => std::future::pending().await,
        }
    }

    fn attempt<T, E: From<PortError>>(
        &self,
        operation: &'static str,
        region: Option<&Site>,
        effect: impl FnOnce(&mut State) -> Result<T, E>,
    ) -> Option<Result<T, E>> {
        let mut state = self.lock();
        *state.calls.entry(operation).or_default() += 1;
        let faults = if state.running.is_some() { state.faults } else { Faults::NONE };
        let fails = |kind, text: &str| Some(Err(PortError::new(kind, operation, text).into()));
        if state.rng.chance(faults.crash_before) {
            state.crash("before", operation);
            return None;
        }
        if state.running.is_some() && state.is_down(operation, region) {
            state.note(|| format!("{operation} fails: an outage"));
            return fails(ErrorKind::Transient, "503 Service Unavailable");
        }
        if state.rng.chance(faults.call_fails) {
            state.note(|| format!("{operation} fails"));
            return fails(ErrorKind::Transient, "503 Service Unavailable");
        }
        if state.rng.chance(faults.throttled) {
            state.note(|| format!("{operation} is throttled"));
            return fails(ErrorKind::Throttled, "Throttling: Rate exceeded");
        }
        if let Some(refusal) = state.refusals.get(operation).cloned() {
            state.note(|| format!("{operation} is refused"));
            return Some(Err(refusal.into()));
        }
        let result = effect(&mut state);
        state.made += u64::from(state.running.is_some());
        let struck = state.running.is_some() && state.crash_at == Some(state.made);
        if struck || state.rng.chance(faults.crash_after) {
            state.crash("after", operation);
            return None;
        }
        if state.rng.chance(faults.reply_lost) {
            state.note(|| format!("the reply to {operation} is lost"));
            return fails(ErrorKind::Transient, "connection reset");
        }
        if state.running.is_some() {
            let outcome = if result.is_ok() { "" } else { ": refused" };
            state.note(|| format!("{operation}{outcome}"));
        }
        Some(result)
    }
}

impl State {
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now_ms).unwrap_or(Timestamp::MAX)
    }

    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if self.trace.is_some() {
            let line = format!("{} {:>3} {}", self.now(), self.running.unwrap_or(0), line());
            self.trace.get_or_insert_default().push(line);
        }
    }

    fn crash(&mut self, when: &str, operation: &str) {
        self.note(|| format!("the function crashes {when} {operation}"));
        self.fate = Some(Fate::Crashed);
    }

    /// Whether the function stalls before a call.
    fn stalls(&mut self, operation: &str) -> bool {
        let stalls = self.running.is_some() && {
            let chance = self.faults.stalled;
            self.rng.chance(chance)
        };
        if stalls {
            // A call to API Gateway ends within five seconds.
            let most_ms = if operation.starts_with("apigateway:") { 4_500 } else { 55_000 };
            let until_ms = self.now_ms + 500 + i64::try_from(self.rng.below(most_ms)).unwrap_or(0);
            self.note(|| format!("the function stalls before {operation}"));
            self.fate = Some(Fate::Stalled(until_ms));
        }
        stalls
    }

    fn is_down(&mut self, operation: &str, region: Option<&Site>) -> bool {
        let now_ms = self.now_ms;
        self.outages.retain(|(_, until_ms)| *until_ms > now_ms);
        self.outages.iter().any(|(which, _)| match which {
            None => operation.starts_with("dynamodb:"),
            Some(target) => region == Some(target),
        })
    }
}
