//! The `api` function: the HTTP API behind API Gateway. Wiring only.

use flotilla_aws::Aws;
use flotilla_engine::access::Commands;
use flotilla_engine::status::Status;
use flotilla_fn_api::{Api, router};
use lambda_http::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    flotilla_telemetry::init(None);
    let aws = Aws::from_env().await?;
    let api = Api {
        commands: Commands::new(aws.prefix(), aws.clock(), aws.store(), aws.queue(), aws.policies())
            .administered_by(aws.administrators())?,
        status: Status { clock: aws.clock(), store: aws.store() },
    };
    lambda_http::run(router(api)).await
}
