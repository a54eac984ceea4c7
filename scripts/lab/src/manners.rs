//! How AWS answers where the emulator never does: throttling in each service's own words, a role that is not known yet, and copies that
//! say nothing for a while.

use crate::points::Call;
use crate::wire::Request;
use std::time::Duration;

/// What the proxy does with a call.
#[derive(Debug, Clone, Copy)]
pub enum Manner {
    /// Answers in place of the emulator: a status, header fields, and a body.
    Refuse(u16, &'static str, &'static str),
    /// Says nothing for this long, then what the emulator says.
    Silent(Duration),
}

/// A manner for the first calls of an operation.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The operation as a [`Call`] names it; `s3:Copy` is a PUT with a source.
    pub operation: &'static str,
    /// How many calls are treated so.
    pub times: usize,
    /// How they are treated.
    pub manner: Manner,
}

impl Rule {
    pub(crate) fn matches(&self, request: &Request, call: &Call) -> bool {
        let copies = call.operation == "s3:PUT" && request.header("x-amz-copy-source").is_some();
        let operation = if copies { "s3:Copy" } else { &call.operation };
        self.times > 0 && self.operation == operation
    }
}

impl Manner {
    /// The reply in place of the emulator's, if there is one.
    pub(crate) fn reply(self) -> Option<Vec<u8>> {
        let Self::Refuse(status, fields, body) = self else { return None };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} refused\r\n{fields}x-amzn-requestid: 1\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        );
        Some((head + body).into_bytes())
    }
}

const XML: &str = "content-type: text/xml\r\n";
const JSON: &str = "content-type: application/x-amz-json-1.0\r\n";

/// What a busy day on AWS has in store for a rollout. The words are those of the services' API references.
pub fn of_aws() -> Vec<Rule> {
    let refuse = |operation, times, status, fields, body| Rule {
        operation,
        times,
        manner: Manner::Refuse(status, fields, body),
    };
    const DENIED: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::000000000000:role/flotilla-deployer</Message></Error></ErrorResponse>";
    const THROTTLING: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>";
    const SLOW_DOWN: &str =
        "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
    const THROUGHPUT: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"The level of configured provisioned throughput for the table was exceeded"}"#;
    const QUEUE: &str = r#"{"__type":"com.amazonaws.sqs#RequestThrottled","message":"The request was denied due to request throttling."}"#;
    const FUNCTION: &str = r#"{"Reason":"CallerRateLimitExceeded","Type":"User","message":"Rate exceeded"}"#;
    vec![
        // A new role is not known everywhere for some seconds.
        refuse("sts:AssumeRole", 3, 403, XML, DENIED),
        refuse("cloudformation:DescribeStacks", 1, 400, XML, THROTTLING),
        refuse("cloudformation:CreateChangeSet", 1, 400, XML, THROTTLING),
        refuse("cloudformation:ExecuteChangeSet", 1, 400, XML, THROTTLING),
        refuse("dynamodb:TransactWriteItems", 2, 400, JSON, THROUGHPUT),
        refuse("dynamodb:GetItem", 2, 400, JSON, THROUGHPUT),
        refuse(
            "sqs:SendMessageBatch",
            1,
            400,
            "content-type: application/x-amz-json-1.0\r\nx-amzn-query-error: RequestThrottled;Sender\r\n",
            QUEUE,
        ),
        refuse("s3:HEAD", 1, 503, "", ""),
        refuse("s3:Copy", 1, 503, "content-type: application/xml\r\n", SLOW_DOWN),
        refuse(
            "lambda:GET",
            1,
            429,
            "content-type: application/json\r\nx-amzn-errortype: TooManyRequestsException\r\n",
            FUNCTION,
        ),
        // S3 copies a large object without a byte of the reply.
        Rule { operation: "s3:Copy", times: 1, manner: Manner::Silent(Duration::from_secs(12)) },
    ]
}
