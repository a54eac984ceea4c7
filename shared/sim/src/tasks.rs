//! Concurrent functions, polled one at a time.

use crate::state::Message;
use flotilla_engine::EngineError;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A function's run.
pub struct Task {
    pub id: u64,
    /// The message that it handles; none for the sweep and stack-status events.
    pub message: Option<Message>,
    pub began_at_ms: i64,
    /// It stalls until this time.
    pub stalled_until_ms: i64,
    future: Pin<Box<dyn Future<Output = Result<(), EngineError>>>>,
}

impl Task {
    pub fn new(
        id: u64,
        message: Option<Message>,
        now_ms: i64,
        future: impl Future<Output = Result<(), EngineError>> + 'static,
    ) -> Self {
        Self { id, message, began_at_ms: now_ms, stalled_until_ms: 0, future: Box::pin(future) }
    }

    /// Runs it to its next call.
    pub fn poll(&mut self) -> Poll<Result<(), EngineError>> {
        self.future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }
}
