//! Asking a deployed service by HTTPS whether it serves.

use super::PortError;
use async_trait::async_trait;

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpSeen {
    /// Somebody has answered. A redirect is an answer: nobody follows it.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The beginning of the body: its first 300 bytes, in one line.
        excerpt: String,
    },
    /// Nobody has answered within ten seconds, and why: later somebody may.
    Unreachable(String),
}

/// The network, as far as a verification may see it.
#[async_trait]
pub trait Probes: Send + Sync {
    /// Gets a URL once. `Permanent` if it is none that may be asked: it has to begin with `https://`, and
    /// must not lead to the host itself or to its network's metadata.
    async fn get(&self, url: &str) -> Result<HttpSeen, PortError>;
}
