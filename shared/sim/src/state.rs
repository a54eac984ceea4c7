//! The whole world as plain values behind one lock, and the gate every call passes.

use crate::faults::Faults;
use crate::queue::Message;
use crate::rng::Rng;
use crate::stack_books::Stacks;
use bytes::Bytes;
use flotilla_domain::{Digest, Target, Timestamp};
use flotilla_engine::ports::{ErrorKind, Item, Key, PortError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An uploaded object.
#[derive(Debug, Clone)]
pub struct Object {
    pub bytes: Bytes,
    pub uploaded_at: Timestamp,
}

pub struct State {
    pub now_ms: i64,
    pub rng: Rng,
    pub faults: Faults,
    /// The function that runs now has crashed: none of its calls reaches the world any more.
    pub crashed: bool,
    pub trace: Vec<String>,
    pub table: BTreeMap<Key, Item>,
    pub messages: Vec<Message>,
    pub uploads: BTreeMap<(String, String), Object>,
    pub home: BTreeMap<String, Digest>,
    pub templates: BTreeMap<Digest, Bytes>,
    pub replicas: BTreeMap<(Target, String), Digest>,
    pub replica_refusals: BTreeMap<Target, PortError>,
    pub copies: u64,
    pub stacks: Stacks,
    pub functions: BTreeMap<(Target, String), Digest>,
}

/// A handle that all fakes share.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<State>>);

impl Shared {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            // A Thursday in 2027; nothing depends on which.
            now_ms: 1_800_000_000_000,
            rng: Rng::new(seed),
            faults: Faults::NONE,
            crashed: false,
            trace: Vec::new(),
            table: BTreeMap::new(),
            messages: Vec::new(),
            uploads: BTreeMap::new(),
            home: BTreeMap::new(),
            templates: BTreeMap::new(),
            replicas: BTreeMap::new(),
            replica_refusals: BTreeMap::new(),
            copies: 0,
            stacks: Stacks::default(),
            functions: BTreeMap::new(),
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a call: faults may keep it from having its effect, or keep its reply from coming back.
    pub fn call<T, E: From<PortError>>(
        &self,
        operation: &'static str,
        effect: impl FnOnce(&mut State) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut state = self.lock();
        let faults = state.faults;
        if !state.crashed && state.rng.chance(faults.crash_before) {
            state.note(format!("crash before {operation}"));
            state.crashed = true;
        }
        if state.crashed {
            return Err(PortError::new(ErrorKind::Transient, operation, "the function has crashed").into());
        }
        if state.rng.chance(faults.call_fails) {
            state.note(format!("{operation} fails"));
            return Err(PortError::new(ErrorKind::Transient, operation, "503 Service Unavailable").into());
        }
        let result = effect(&mut state);
        if state.rng.chance(faults.crash_after) {
            state.note(format!("crash after {operation}"));
            state.crashed = true;
            return Err(PortError::new(ErrorKind::Transient, operation, "the function has crashed").into());
        }
        if state.rng.chance(faults.reply_lost) {
            state.note(format!("the reply to {operation} is lost"));
            return Err(PortError::new(ErrorKind::Transient, operation, "connection reset").into());
        }
        result
    }
}

impl State {
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now_ms).unwrap_or(Timestamp::MAX)
    }

    pub fn note(&mut self, line: String) {
        let at = self.now();
        self.trace.push(format!("{at} {line}"));
    }
}
