//! The HTTP API: each route turns a request into one use case, and its result into a reply.
//!
//! The caller is the principal that API Gateway's AWS_IAM authorizer reports. API Gateway rejects unsigned requests,
//! and so does this function; only the pages of the console are for browsers, which have a session instead. Errors are problem details (RFC 9457) with a stable code and a fix.

mod authority;
mod caller;
mod console;
pub mod document;
mod handler;
mod problem;
mod routes;
mod state;
mod strict;

pub use authority::{Needs, ROUTES};
pub use caller::Signed;
pub use handler::{openapi, router};
pub use state::Api;
