//! The `notify` function: publishes the progress of rollouts to their profile's topics. Wiring only.

mod handler;

use flotilla_aws::Aws;
use flotilla_engine::notice::Notify;
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    flotilla_telemetry::init(None);
    let aws = Aws::from_env().await?;
    let notify = Notify { channels: aws.channels() };
    let (notify, clock) = (&notify, &aws.clock());
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| async move {
        Ok::<_, Error>(handler::handle(notify, clock.now(), event.payload).await)
    }))
    .await
}
