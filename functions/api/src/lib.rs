//! The HTTP API: each route turns a request into one use case and its result into a reply.
//!
//! Who asks is what API Gateway's AWS_IAM authorizer says; a request without it never gets here on AWS and
//! is refused here too. Errors are problem details (RFC 9457) with a stable code and a fix.

mod authority;
mod caller;
mod handler;
mod problem;
mod routes;
mod state;

pub use authority::{Needs, ROUTES};
pub use caller::Signed;
pub use handler::{openapi, router};
pub use state::Api;
