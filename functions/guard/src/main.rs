//! The `guard` function: evaluates a profile's rules against a template. Wiring only.
//!
//! It is a separate function because the library can crash its process: a rule that refers to itself overflows the
//! stack. Here, only one invocation fails.

mod handler;

use flotilla_contract::GuardRequest;
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    flotilla_telemetry::init(None);
    lambda_runtime::run(service_fn(|event: LambdaEvent<GuardRequest>| async move {
        Ok::<_, Error>(handler::handle(&event.payload))
    }))
    .await
}
