//! Topics and event buses: what they are sent, where, and what refusals mean. What a topic's stream record looks like.

use crate::script::{Script, answer, refusal, reply};
use flotilla_aws::AwsChannels;
use flotilla_aws::stream::read_saved;
use flotilla_domain::channel::ChannelArn;
use flotilla_engine::ports::{Channels, ErrorKind, PortError, Said};
use serde_json::{Value, json};

const TOPIC: &str = "arn:aws:sns:ap-south-1:444455556666:flotilla-releases";
const BUS: &str = "arn:aws:events:ap-south-1:444455556666:event-bus/flotilla-releases";

async fn publish(script: &Script, channel: &str) -> Result<(), PortError> {
    let channel = ChannelArn::parse(channel).unwrap();
    let said = Said {
        subject: "orders/production has failed".into(),
        text: "it burns".into(),
        detail_type: "Rollout Failed".into(),
        document: json!({"kind": "failed"}),
        attributes: [("kind", "failed".to_owned())].into(),
    };
    AwsChannels::new(script.config()).publish(&channel, &said).await
}

#[tokio::test]
async fn a_topic_is_told_in_its_own_region_people_by_text_and_programs_by_a_document() {
    let script = Script::new([answer("Publish", "<MessageId>1</MessageId>")]);
    publish(&script, TOPIC).await.unwrap();
    let call = script.only_call();
    assert!(call.uri.contains("sns.ap-south-1."), "{}", call.uri);
    let parameter = |name: &str| call.parameter(name).unwrap_or_default();
    assert_eq!(parameter("Subject"), "orders/production has failed");
    assert_eq!(parameter("MessageStructure"), "json");
    let message: Value = serde_json::from_str(&parameter("Message")).unwrap();
    assert_eq!(
        (&message["email"], &message["default"]),
        (&json!("it burns"), &json!(r#"{"kind":"failed"}"#))
    );
    let attribute = ["Name", "Value.DataType", "Value.StringValue"];
    let attribute = attribute.map(|part| parameter(&format!("MessageAttributes.entry.1.{part}")));
    assert_eq!(attribute, ["kind", "String", "failed"]);
}

#[tokio::test]
async fn a_topic_that_is_gone_or_not_ours_will_never_be_told() {
    for (code, kind) in [
        ("NotFound", ErrorKind::Missing),
        ("AuthorizationError", ErrorKind::Denied),
        ("InvalidParameter", ErrorKind::Permanent),
        ("KMSAccessDenied", ErrorKind::Denied),
    ] {
        let script = Script::new([refusal(code, "no")]);
        let error = publish(&script, TOPIC).await.unwrap_err();
        assert_eq!((error.kind, error.may_pass()), (kind, false), "{code}");
    }
}

#[tokio::test]
async fn an_event_bus_gets_the_document_as_the_detail_of_an_event_in_its_own_region() {
    let script = Script::new([reply(200, r#"{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}"#)]);
    publish(&script, BUS).await.unwrap();
    let call = script.only_call();
    assert!(call.uri.contains("events.ap-south-1."), "{}", call.uri);
    let sent: Value = serde_json::from_str(&call.body).unwrap();
    let entry = json!({
        "EventBusName": BUS, "Source": "flotilla", "DetailType": "Rollout Failed", "Detail": r#"{"kind":"failed"}"#,
    });
    assert_eq!(sent, json!({"Entries": [entry]}));
}

#[tokio::test]
async fn an_event_that_was_not_taken_is_an_error_although_eventbridge_answers_200() {
    for (code, kind, may_pass) in [
        ("InternalFailure", ErrorKind::Transient, true),
        ("ThrottlingException", ErrorKind::Throttled, true),
        ("NotAuthorizedForDetailTypeException", ErrorKind::Permanent, false),
        ("InvalidArgument", ErrorKind::Permanent, false),
        ("AccessDeniedException", ErrorKind::Denied, false),
    ] {
        let entry = json!({"ErrorCode": code, "ErrorMessage": "no"});
        let script =
            Script::new([reply(200, json!({"FailedEntryCount": 1, "Entries": [entry]}).to_string())]);
        let error = publish(&script, BUS).await.unwrap_err();
        assert_eq!((error.kind, error.may_pass()), (kind, may_pass), "{code}");
    }
}

#[test]
fn a_record_of_the_stream_is_an_item_as_it_was_and_as_it_is() {
    let image = |state: &str, lock: &str| {
        json!({"pk": {"S": "RLO#rlo_1"}, "sk": {"S": "META"}, "lock": {"N": lock}, "state": {"S": state},
            "due_at": {"N": "1800000000000"}, "due_shard": {"S": "3"}})
    };
    let record = |old: Value, new: Value| {
        let record = json!({"SequenceNumber": "1", "SizeBytes": 1, "StreamViewType": "NEW_AND_OLD_IMAGES",
            "Keys": {}, "OldImage": old, "NewImage": new, "ApproximateCreationDateTime": 1_800_000_000});
        serde_json::from_value(record).unwrap()
    };
    let saved = read_saved(record(image("queued", "1"), image("rolling", "2"))).unwrap().unwrap();
    let state = |item: &flotilla_engine::ports::Item| (item.version, item.body["state"].clone());
    assert_eq!(state(&saved.now), (2, json!("rolling")));
    assert_eq!(saved.before.as_ref().map(state), Some((1, json!("queued"))));
    assert!(saved.now.body.get("due_shard").is_none(), "the table's own are none of the item's");
    assert!(read_saved(record(json!({}), image("queued", "1"))).unwrap().unwrap().before.is_none());
    assert_eq!(
        read_saved(record(image("queued", "1"), json!({}))).unwrap(),
        None,
        "the table has forgotten it"
    );
    assert!(read_saved(record(json!({}), json!({"pk": {"S": "x"}}))).is_err());
}
