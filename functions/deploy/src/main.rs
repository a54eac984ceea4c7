//! The `deploy` function: runs the steps of rollouts, deployments and sets. Wiring only.

mod handler;

use flotilla_aws::Aws;
use flotilla_engine::controllers::{Controllers, StepPorts};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    flotilla_telemetry::init(None);
    let aws = Aws::from_env().await?;
    let controllers = &Controllers::new(StepPorts {
        clock: aws.clock(),
        store: aws.store(),
        queue: aws.queue(),
        stacks: aws.stacks(),
        functions: aws.functions(),
        mappings: aws.mappings(),
        records: aws.records(),
        buckets: aws.buckets(),
        alarms: aws.alarms(),
        metrics: aws.metrics(),
        probes: aws.probes(),
        policies: aws.policies(),
        meter: Arc::default(),
    });
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| async move {
        Ok::<_, Error>(handler::handle(controllers, event.payload).await)
    }))
    .await
}
