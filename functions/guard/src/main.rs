//! The `guard` function: what a profile's rules say of a template. Wiring only.
//!
//! It is a function of its own because the library may bring its process down: a rule that refers to itself
//! overflows the stack. Here that is an invocation that failed, and nothing else.

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
