//! AWS, played from a script: the SDK's real clients with an HTTP client that answers from a list and notes
//! what it was asked. Signing, retries and the reading of replies are the SDK's own.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use flotilla_aws::{Sessions, Settings};
use flotilla_domain::Site;
use flotilla_domain::deployment::Access;
use flotilla_engine::ports::Place;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// What AWS was asked.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: String,
    pub uri: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Call {
    /// A parameter of a call in the query protocol, or in the address.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let address = self.uri.split_once('?').map_or("", |(_, query)| query);
        let pairs = self.body.split('&').chain(address.split('&')).filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| unescaped(value))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        match bytes[at] {
            b'%' => {
                out.push(u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap());
                at += 3;
            }
            byte => {
                out.push(if byte == b'+' { b' ' } else { byte });
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap()
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// How long nothing comes after the head.
    silence: Duration,
}

/// An answer with this status and body.
pub fn reply(status: u16, body: impl Into<Vec<u8>>) -> Reply {
    Reply { status, headers: Vec::new(), body: body.into(), silence: Duration::ZERO }
}

impl Reply {
    /// The same, with a body that comes late.
    pub fn after(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// CloudFormation's answer to an action.
pub fn answer(action: &str, result: &str) -> Reply {
    reply(
        200,
        format!(
            "<{action}Response xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">\
             <{action}Result>{result}</{action}Result>\
             <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"
        ),
    )
}

/// CloudFormation's refusal, with HTTP status 400 as all of its own ones.
pub fn refusal(code: &str, message: &str) -> Reply {
    reply(
        400,
        format!(
            "<ErrorResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
        ),
    )
}

/// The answers still to be given, and what was asked so far.
#[derive(Debug, Clone, Default)]
pub struct Script {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    calls: Arc<Mutex<Vec<Call>>>,
    /// What STS says instead of giving credentials.
    sts: Arc<Mutex<Option<Reply>>>,
}

impl Script {
    /// Replies in this order. Further calls get a transient error, so that tests notice repeated calls.
    pub fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let script = Self::default();
        script.replies.lock().unwrap().extend(replies);
        script
    }

    pub fn sts_says(self, reply: Reply) -> Self {
        *self.sts.lock().unwrap() = Some(reply);
        self
    }

    /// What was asked, less what STS was.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().iter().filter(|call| !call.uri.contains("//sts.")).cloned().collect()
    }

    /// The only call that was made.
    pub fn only_call(&self) -> Call {
        let calls = self.calls();
        assert_eq!(calls.len(), 1, "{calls:#?}");
        calls[0].clone()
    }

    pub fn sts_calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().iter().filter(|call| call.uri.contains("//sts.")).cloned().collect()
    }

    /// Sessions as a function has them, with its own retries, though quicker.
    pub fn sessions(&self) -> Sessions {
        Sessions::new(self.config())
    }

    pub fn config(&self) -> SdkConfig {
        let connector = SharedHttpConnector::new(self.clone());
        let retries = RetryConfig::standard().with_max_attempts(4);
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "id", "secret", None, None, "script",
            )))
            .retry_config(retries.with_initial_backoff(Duration::from_millis(1)))
            .time_source(RuntimeTime(tokio::time::Instant::now()))
            .sleep_impl(TokioSleep::new())
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build()
    }

    fn next(&self, uri: &str) -> Reply {
        const CREDENTIALS: &str = "<AssumeRoleResponse><AssumeRoleResult>\
            <AssumedRoleUser><AssumedRoleId>r:f</AssumedRoleId><Arn>arn:aws:sts::111122223333:assumed-role/r/f</Arn></AssumedRoleUser>\
            <Credentials><AccessKeyId>a</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
            <SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
            </AssumeRoleResult></AssumeRoleResponse>";
        if uri.contains("//sts.") {
            return self.sts.lock().unwrap().clone().unwrap_or_else(|| reply(200, CREDENTIALS));
        }
        let next = self.replies.lock().unwrap().pop_front();
        next.unwrap_or_else(|| {
            reply(500, "<Error><Code>InternalError</Code><Message>the script is over</Message></Error>")
        })
    }
}

impl HttpConnector for Script {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let headers = request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let call = Call {
            method: request.method().to_owned(),
            uri: request.uri().to_owned(),
            headers: headers.collect(),
            body: String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned(),
        };
        let reply = self.next(&call.uri);
        self.calls.lock().unwrap().push(call);
        let body = match reply.silence {
            Duration::ZERO => SdkBody::from(reply.body),
            silence => late(reply.body, silence),
        };
        let mut response = HttpResponse::new(StatusCode::try_from(reply.status).unwrap(), body);
        for (name, value) in reply.headers {
            response.headers_mut().insert(name, value);
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

/// A body that comes late.
fn late(body: Vec<u8>, silence: Duration) -> SdkBody {
    let chunk = futures::stream::once(async move {
        tokio::time::sleep(silence).await;
        Ok::<_, std::io::Error>(http_body::Frame::data(bytes::Bytes::from(body)))
    });
    SdkBody::from_body_1_x(http_body_util::StreamBody::new(chunk))
}

/// The time of the runtime, which a test may pause.
#[derive(Debug)]
struct RuntimeTime(tokio::time::Instant);

impl TimeSource for RuntimeTime {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.0.elapsed()
    }
}

/// The settings of a control plane in eu-central-1.
pub fn settings() -> Settings {
    Settings::read(|name| {
        let value = match name {
            "FLOTILLA_ACCOUNT" => "111122223333",
            "AWS_REGION" => "eu-central-1",
            "FLOTILLA_INGEST_BUCKET" => "ingest",
            _ => "flotilla",
        };
        Some(value.to_owned())
    })
    .unwrap()
}

/// A target in this region.
pub fn place(region: &str) -> Place {
    Place {
        site: Site::parse(&format!("444455556666/{region}")).unwrap(),
        access: Access {
            role_arn: "arn:aws:iam::444455556666:role/deployer".into(),
            external_id: "outer".into(),
            service_role_arn: "arn:aws:iam::444455556666:role/service".into(),
            role_boundary: None,
        },
    }
}
