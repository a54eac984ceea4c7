//! The `replicate` function: copies packages to the regions' artifact buckets and proves them. Wiring only.

mod handler;

use flotilla_aws::Aws;
use flotilla_domain::retention::Pace;
use flotilla_engine::replica::Replicate;
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    flotilla_telemetry::init(None);
    let aws = Aws::from_env().await?;
    let replicate = Replicate {
        clock: aws.clock(),
        store: aws.store(),
        queue: aws.queue(),
        replicas: aws.replicas(),
        images: aws.images(),
        pace: Pace::DEFAULT,
    };
    let replicate = &replicate;
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| async move {
        Ok::<_, Error>(handler::handle(replicate, event.payload).await)
    }))
    .await
}
