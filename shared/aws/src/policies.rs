//! Policy checks, through the control plane's guard function.

use crate::Settings;
use crate::classify::classify;
use crate::excerpt::excerpt;
use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_lambda::primitives::Blob;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use flotilla_contract::{GuardReply, GuardRequest};
use flotilla_domain::Digest;
use flotilla_domain::gate::Violation;
use flotilla_domain::release::package::template_key;
use flotilla_engine::ports::{ErrorKind, Evaluation, Policies, PortError};
use serde_json::Value;
use std::time::Duration;

const INVOKE: &str = "lambda:Invoke";
const GET: &str = "s3:GetObject";
/// The timeout of a policy check: a little longer than the function's own, and less than a step may take.
const JUDGEMENT: Duration = Duration::from_secs(22);
/// The timeout of a trial: less than a request to the API may take. An empty template needs no longer.
const TRIAL: Duration = Duration::from_secs(12);
/// Bytes of a crash's description that are kept.
const CRASH_BYTES_MAX: usize = 500;
/// The empty template for trials.
const NOTHING: &str = r#"{"Resources":{}}"#;

/// The guard function, and the ingest bucket with the templates.
#[derive(Debug, Clone)]
pub struct GuardPolicies {
    lambda: aws_sdk_lambda::Client,
    s3: aws_sdk_s3::Client,
    function: String,
    bucket: String,
    owner: String,
}

impl GuardPolicies {
    /// The function and the bucket of the settings.
    pub fn new(config: &SdkConfig, settings: &Settings) -> Self {
        // No SDK retries: the engine repeats the step.
        let once = aws_sdk_lambda::config::Builder::from(config).retry_config(RetryConfig::disabled());
        Self {
            lambda: aws_sdk_lambda::Client::from_conf(once.build()),
            s3: aws_sdk_s3::Client::new(config),
            function: settings.guard_function.clone(),
            bucket: settings.ingest_bucket.clone(),
            owner: settings.account.to_string(),
        }
    }

    async fn template(&self, digest: &Digest) -> Result<String, PortError> {
        let request = self.s3.get_object().bucket(&self.bucket).key(template_key(digest));
        let got = request.expected_bucket_owner(&self.owner).send().await.map_err(|e| classify(GET, e))?;
        let bytes = got.content_length().and_then(|bytes| usize::try_from(bytes).ok());
        if bytes.is_none_or(|bytes| bytes > GuardRequest::TEMPLATE_BYTES_MAX) {
            let what = format!("the template {digest} exceeds the size limit of templates");
            return Err(PortError::new(ErrorKind::Permanent, GET, what));
        }
        let unread = |e: &dyn std::fmt::Display| PortError::new(ErrorKind::Transient, GET, e.to_string());
        let bytes = got.body.collect().await.map_err(|e| unread(&e))?.into_bytes();
        String::from_utf8(bytes.into()).map_err(|e| PortError::new(ErrorKind::Permanent, GET, e.to_string()))
    }

    async fn ask(&self, rules: &str, template: String, within: Duration) -> Result<Evaluation, PortError> {
        let permanent = |e: serde_json::Error| PortError::new(ErrorKind::Permanent, INVOKE, e.to_string());
        let request = GuardRequest { rules: rules.to_owned(), template };
        let payload = Blob::new(serde_json::to_vec(&request).map_err(permanent)?);
        let timeouts =
            TimeoutConfig::builder().connect_timeout(Duration::from_secs(3)).operation_timeout(within);
        // There is one attempt, so the timeout of the operation applies to it.
        let timeouts = timeouts.disable_operation_attempt_timeout();
        let call = self.lambda.invoke().function_name(&self.function).payload(payload).customize();
        let call =
            call.config_override(aws_sdk_lambda::config::Builder::new().timeout_config(timeouts.build()));
        let sent = call.send().await;
        let said = sent.map_err(|e| classify(INVOKE, e))?;
        let payload = said.payload().map_or(&[][..], |payload| payload.as_ref());
        if said.function_error().is_some() {
            return Ok(Evaluation::Crashed { why: crash(payload) });
        }
        Ok(judged(serde_json::from_slice(payload).map_err(permanent)?))
    }
}

#[async_trait]
impl Policies for GuardPolicies {
    async fn evaluate(&self, rules: &str, template: &Digest) -> Result<Evaluation, PortError> {
        let template = self.template(template).await?;
        self.ask(rules, template, JUDGEMENT).await
    }

    async fn dry_run_rules(&self, rules: &str) -> Result<Evaluation, PortError> {
        self.ask(rules, NOTHING.to_owned(), TRIAL).await
    }
}

fn judged(reply: GuardReply) -> Evaluation {
    match reply {
        GuardReply::Holds => Evaluation::Passed,
        GuardReply::Invalid { line, why } => Evaluation::Invalid { line, why },
        GuardReply::Unfit { why } => Evaluation::Unfit { why },
        GuardReply::Broken { first, count } => {
            let broken = |rule: flotilla_contract::BrokenRule| Violation {
                rule: rule.rule,
                template: None,
                resource: rule.resource,
                path: rule.path,
                message: rule.message,
            };
            Evaluation::Violated { first: first.into_iter().map(broken).collect(), count }
        }
    }
}

/// Lambda's description of a crash, without the parts that differ each time: the request id and the time.
fn crash(payload: &[u8]) -> String {
    let error: Value = serde_json::from_slice(payload).unwrap_or_default();
    let message = error["errorMessage"].as_str().map(str::as_bytes).unwrap_or(payload);
    let message = excerpt(message, CRASH_BYTES_MAX);
    let same = ["Runtime exited", "Task timed out"].iter().find_map(|text| message.find(text));
    message[same.unwrap_or(0)..].to_owned()
}
