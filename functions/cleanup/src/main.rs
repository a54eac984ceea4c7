//! The `cleanup` function: the scheduled sweep and garbage collection. Wiring only.

mod handler;

use flotilla_aws::Aws;
use flotilla_domain::retention::Pace;
use flotilla_engine::preview::Sweep;
use flotilla_engine::retention::GarbageCollector;
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    flotilla_telemetry::init(None);
    let aws = Aws::from_env().await?;
    let sweep =
        Sweep { clock: aws.clock(), store: aws.store(), queue: aws.queue(), packages: aws.packages() };
    let collect = GarbageCollector {
        clock: aws.clock(),
        store: aws.store(),
        buckets: aws.asset_buckets(),
        images: aws.stored_images(),
        pace: Pace::DEFAULT,
    };
    let (sweep, collect) = (&sweep, &collect);
    lambda_runtime::run(service_fn(|event: LambdaEvent<serde_json::Value>| async move {
        Ok::<_, Error>(handler::handle(sweep, collect, &event.payload).await?)
    }))
    .await
}
