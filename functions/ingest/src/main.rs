//! The `ingest` function: turns uploads into releases and rollouts. Wiring only.

mod handler;

use flotilla_aws::Aws;
use flotilla_domain::retention::Pace;
use flotilla_engine::release::{Ingest, UploadFrequency};
use flotilla_package::Limits;
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    flotilla_telemetry::init(None);
    let aws = Aws::from_env().await?;
    let ingest = Ingest {
        clock: aws.clock(),
        store: aws.store(),
        queue: aws.queue(),
        packages: aws.packages(),
        images: aws.external_images(),
        limits: Limits::DEFAULT,
        pace: Pace::DEFAULT,
        frequency: UploadFrequency::default(),
        region: aws.region(),
    };
    let ingest = &ingest;
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| async move {
        Ok::<_, Error>(handler::handle(ingest, event.payload).await)
    }))
    .await
}
