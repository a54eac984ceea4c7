//! HTTPS requests of verifications to deployed services.

use super::PortError;
use async_trait::async_trait;

/// The result of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpObserved {
    /// The service responded. A redirect counts as a response and is not followed.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The first 300 bytes of the body, in one line.
        excerpt: String,
    },
    /// No response within ten seconds, and why. A later request may succeed.
    Unreachable(String),
}

/// The network that verifications may reach.
#[async_trait]
pub trait Probes: Send + Sync {
    /// Sends one GET. `Permanent` if the URL is not allowed: it must begin with `https://`, and must not lead
    /// to the host itself or to its network's metadata.
    async fn get(&self, url: &str) -> Result<HttpObserved, PortError>;
}
