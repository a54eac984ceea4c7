//! The format of messages in the queues.

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse};
use flotilla_domain::{
    DeploymentId, Direction, ReleaseId, RolloutId, SetId, Site, StackName, Target, Timestamp,
};
use flotilla_engine::ports::{ObjectRef, Subject, Work};
use serde::{Deserialize, Serialize};

/// A message of Flotilla's own.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Message {
    Tick {
        rollout: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<String>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        back: bool,
    },
    /// A tick of a set of services.
    Set {
        set: String,
    },
    Replicate {
        release: String,
        rollout: String,
        target: String,
    },
    Intake {
        key: String,
        version_id: String,
        uploaded_at: String,
    },
}

/// A message that cannot be read. It is left to the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable(pub String);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot read the message: {}", self.0)
    }
}

impl std::error::Error for Unreadable {}

fn unreadable(error: impl std::fmt::Display) -> Unreadable {
    Unreadable(error.to_string())
}

/// Writes a message.
pub fn encode(work: &Work) -> String {
    let message = match work {
        Work::Tick(Subject::Rollout(id)) => {
            Message::Tick { rollout: id.to_string(), target: None, back: false }
        }
        Work::Tick(Subject::Deployment(id)) => Message::Tick {
            rollout: id.rollout.to_string(),
            target: Some(id.target.to_string()),
            back: id.direction == Direction::Rollback,
        },
        Work::Tick(Subject::Set(id)) => Message::Set { set: id.to_string() },
        Work::Replicate { release, rollout, site } => Message::Replicate {
            release: release.to_string(),
            rollout: rollout.to_string(),
            target: site.to_string(),
        },
        Work::Intake { key, version_id, uploaded_at } => Message::Intake {
            key: key.clone(),
            version_id: version_id.clone(),
            uploaded_at: uploaded_at.to_string(),
        },
    };
    serde_json::to_string(&message).unwrap_or_default()
}

/// Reads a message of Flotilla's own.
///
/// # Errors
/// [`Unreadable`], with what is wrong.
pub fn decode(body: &str) -> Result<Work, Unreadable> {
    let rollout = |text: &str| RolloutId::parse(text).map_err(unreadable);
    let target = |text: &str| Target::parse(text).map_err(unreadable);
    Ok(match serde_json::from_str(body).map_err(unreadable)? {
        Message::Tick { rollout: id, target: None, .. } => Work::Tick(Subject::Rollout(rollout(&id)?)),
        Message::Tick { rollout: id, target: Some(to), back } => {
            let direction = if back { Direction::Rollback } else { Direction::Forward };
            Work::Tick(Subject::Deployment(DeploymentId {
                rollout: rollout(&id)?,
                target: target(&to)?,
                direction,
            }))
        }
        Message::Set { set } => Work::Tick(Subject::Set(SetId::parse(&set).map_err(unreadable)?)),
        Message::Replicate { release, rollout: id, target: to } => Work::Replicate {
            release: ReleaseId::parse(&release).map_err(unreadable)?,
            rollout: rollout(&id)?,
            site: Site::parse(&to).map_err(unreadable)?,
        },
        Message::Intake { key, version_id, uploaded_at } => {
            Work::Intake { key, version_id, uploaded_at: uploaded_at.parse().map_err(unreadable)? }
        }
    })
}

/// A message of the tick queue: a tick, or CloudFormation's hint that a stack's status changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TickMessage {
    /// A tick.
    Tick(Subject),
    /// A stack's status changed.
    StackChanged(Site, StackName),
}

#[derive(Deserialize)]
struct StackEvent {
    account: String,
    region: String,
    detail: StackEventDetail,
}

#[derive(Deserialize)]
struct StackEventDetail {
    #[serde(rename = "stack-id")]
    stack_id: String,
}

/// Reads a message of the tick queue. Source of the event's shape: "CloudFormation Stack Status Change" in the
/// CloudFormation user guide.
///
/// # Errors
/// [`Unreadable`], with what is wrong.
pub fn decode_tick(body: &str) -> Result<TickMessage, Unreadable> {
    if let Ok(event) = serde_json::from_str::<StackEvent>(body) {
        let site = Site::parse(&format!("{}/{}", event.account, event.region)).map_err(unreadable)?;
        // arn:aws:cloudformation:<region>:<account>:stack/<name>/<id>
        let name = event.detail.stack_id.split('/').nth(1).unwrap_or_default();
        return Ok(TickMessage::StackChanged(site, StackName::parse(name).map_err(unreadable)?));
    }
    match decode(body)? {
        Work::Tick(subject) => Ok(TickMessage::Tick(subject)),
        other => Err(Unreadable(format!("{other:?} is not a tick"))),
    }
}

/// An upload that a message of the intake queue names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeObject {
    /// The object.
    pub object: ObjectRef,
    /// When the event happened according to S3, to the second.
    pub happened_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct S3Event {
    #[serde(rename = "Records", default)]
    records: Vec<S3Record>,
    #[serde(rename = "Event")]
    event: Option<String>,
}

#[derive(Deserialize)]
struct S3Record {
    #[serde(rename = "eventTime", default)]
    event_time: Option<String>,
    s3: S3Entity,
}

#[derive(Deserialize)]
struct S3Entity {
    object: S3Object,
}

#[derive(Deserialize)]
struct S3Object {
    key: String,
    #[serde(rename = "versionId", default)]
    version_id: Option<String>,
}

/// Reads a message of the intake queue: an S3 notification, or a message of the sweep. Keys of a notification
/// are URL-encoded and decoded only here. S3's test event names no object.
///
/// # Errors
/// [`Unreadable`], with what is wrong.
pub fn decode_intake(body: &str) -> Result<Vec<IntakeObject>, Unreadable> {
    if let Ok(Work::Intake { key, version_id, uploaded_at }) = decode(body) {
        let object = ObjectRef { key, version_id };
        return Ok(vec![IntakeObject { object, happened_at: Some(uploaded_at) }]);
    }
    let event: S3Event = serde_json::from_str(body).map_err(unreadable)?;
    if event.records.is_empty() && event.event.as_deref() != Some("s3:TestEvent") {
        return Err(Unreadable("it names no object".into()));
    }
    let objects = event.records.into_iter().map(|record| {
        let happened_at = record.event_time.and_then(|at| at.parse::<Timestamp>().ok());
        let happened_at = happened_at.and_then(|at| Timestamp::from_second(at.as_second()).ok());
        let object = record.s3.object;
        let version_id =
            object.version_id.ok_or_else(|| Unreadable("the ingest bucket has no versioning".into()))?;
        Ok(IntakeObject { object: ObjectRef { key: decode_key(&object.key)?, version_id }, happened_at })
    });
    objects.collect()
}

/// Decodes a key as S3 encodes it in notifications: `application/x-www-form-urlencoded`.
fn decode_key(encoded: &str) -> Result<String, Unreadable> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let hex =
                    [rest.next(), rest.next()].map(|digit| digit.and_then(|d| char::from(d).to_digit(16)));
                let [Some(high), Some(low)] = hex else {
                    return Err(Unreadable("a key is not URL-encoded".into()));
                };
                bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| Unreadable("a key is not UTF-8".into()))
}

/// The response of a function that reads from a queue: these messages failed and are delivered again, all
/// others are done.
pub fn batch_reply(failed: Vec<String>) -> SqsBatchResponse {
    let failures = failed.into_iter().map(|id| {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = id;
        failure
    });
    let mut reply = SqsBatchResponse::default();
    reply.batch_item_failures = failures.collect();
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout() -> RolloutId {
        RolloutId::derive(Timestamp::UNIX_EPOCH, &["r"])
    }

    fn site() -> Site {
        Site::parse("111122223333/eu-west-1").unwrap()
    }

    #[test]
    fn every_message_reads_back() {
        let deployment =
            DeploymentId { rollout: rollout(), target: site().into(), direction: Direction::Forward };
        let back = DeploymentId { direction: Direction::Rollback, ..deployment.clone() };
        for work in [
            Work::Tick(Subject::Deployment(back)),
            Work::Tick(Subject::Rollout(rollout())),
            Work::Tick(Subject::Deployment(deployment)),
            Work::Tick(Subject::Set(SetId::derive(Timestamp::UNIX_EPOCH, &["s"]))),
            Work::Replicate {
                release: ReleaseId::derive(Timestamp::UNIX_EPOCH, &["x"]),
                rollout: rollout(),
                site: site(),
            },
            Work::Intake {
                key: "incoming/a b".into(),
                version_id: "v".into(),
                uploaded_at: Timestamp::UNIX_EPOCH,
            },
        ] {
            assert_eq!(decode(&encode(&work)).unwrap(), work);
        }
    }

    #[test]
    fn s04_keys_are_decoded_exactly_once() {
        let body = r#"{"Records":[{"eventTime":"2027-01-15T08:00:00.123Z",
            "s3":{"object":{"key":"incoming/a+b%2B%C3%BC%2525.zip","versionId":"v1"}}}]}"#;
        let object = ObjectRef { key: "incoming/a b+ü%25.zip".into(), version_id: "v1".into() };
        let happened_at = Some("2027-01-15T08:00:00Z".parse().unwrap());
        assert_eq!(decode_intake(body).unwrap(), [IntakeObject { object, happened_at }]);
    }

    #[test]
    fn q04_poison_is_an_error_and_never_a_panic() {
        for body in [
            "",
            "{",
            "null",
            "[]",
            "{}",
            r#"{"tick":{}}"#,
            r#"{"Records":[]}"#,
            r#"{"Records":[{"s3":{"object":{"key":"%"}}}]}"#,
            r#"{"Records":[{"s3":{"object":{"key":"%FF","versionId":"v"}}}]}"#,
            r#"{"tick":{"rollout":"rlo_x"}}"#,
        ] {
            assert!(decode_tick(body).is_err(), "{body}");
            assert!(decode_intake(body).is_err(), "{body}");
        }
        assert_eq!(decode_intake(r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#).unwrap(), []);
    }

    #[test]
    fn q06_a_partial_batch_reply_is_what_lambda_reads() {
        // "Reporting batch item failures" of the Lambda developer guide.
        let reply = serde_json::to_value(batch_reply(vec!["a".into()])).unwrap();
        assert_eq!(reply, serde_json::json!({"batchItemFailures": [{"itemIdentifier": "a"}]}));
        let reply = serde_json::to_value(batch_reply(Vec::new())).unwrap();
        assert_eq!(reply, serde_json::json!({"batchItemFailures": []}));
    }

    #[test]
    fn a_stack_status_event_names_target_and_stack() {
        let body = r#"{"source":"aws.cloudformation","account":"111122223333","region":"eu-west-1","detail-type":"CloudFormation Stack Status Change",
            "detail":{"stack-id":"arn:aws:cloudformation:eu-west-1:111122223333:stack/orders-staging/1-2","status-details":{"status":"UPDATE_COMPLETE"}}}"#;
        assert_eq!(
            decode_tick(body).unwrap(),
            TickMessage::StackChanged(site(), StackName::parse("orders-staging").unwrap())
        );
    }
}
