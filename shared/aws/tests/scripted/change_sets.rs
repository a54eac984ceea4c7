//! Change sets: how they are asked for, and what CloudFormation's answers to that mean.

use crate::script::{Call, Reply, Script, answer, place, refusal, settings};
use flotilla_aws::CloudFormationStacks;
use flotilla_domain::deployment::ChangeSetKind;
use flotilla_domain::plan::{ChangeAction, Leaving, Replacement};
use flotilla_domain::{Digest, StackName};
use flotilla_engine::ports::{
    ChangeSetObserved, ChangeSetRequest, ChangeSetStatus, ErrorKind, PortError, RollbackTriggers, Stacks,
};

fn request() -> ChangeSetRequest {
    ChangeSetRequest {
        stack: StackName::parse("orders-staging").unwrap(),
        name: "flotilla-abc-1".into(),
        kind: ChangeSetKind::Update,
        template: Digest::of(b"template"),
        parameters: [("Size".to_owned(), "3".to_owned())].into(),
        tags: [("flotilla:service".to_owned(), "orders".to_owned())].into(),
        capabilities: ["CAPABILITY_IAM".to_owned()].into(),
        express: false,
        revert_drift: false,
        rollback: None,
    }
}

fn created() -> Reply {
    answer("CreateChangeSet", "<Id>arn:cs</Id><StackId>arn:stack</StackId>")
}

async fn create(region: &str, request: &ChangeSetRequest, reply: Reply) -> (Result<(), PortError>, Call) {
    let script = Script::new([reply]);
    let stacks = CloudFormationStacks::new(script.sessions(), &settings());
    let done = stacks.create_change_set(&place(region), request).await;
    (done, script.only_call())
}

async fn refused(code: &str, message: &str) -> PortError {
    create("eu-west-1", &request(), refusal(code, message)).await.0.unwrap_err()
}

#[tokio::test]
async fn c14_a_change_set_has_a_name_and_a_token_of_its_own_and_is_asked_for_twice_without_harm() {
    let (done, call) = create("eu-west-1", &request(), created()).await;
    done.unwrap();
    for name in ["ChangeSetName", "ClientToken"] {
        assert_eq!(call.parameter(name).as_deref(), Some("flotilla-abc-1"));
    }
    for (code, message) in [
        ("AlreadyExistsException", "ChangeSet flotilla-abc-1 already exists"),
        (
            "ValidationError",
            "Invalid idempotency token: mismatch with existing attribute ClientToken with value flotilla-abc-1",
        ),
    ] {
        assert_eq!(create("eu-west-1", &request(), refusal(code, message)).await.0, Ok(()), "{code}");
    }
}

#[tokio::test]
async fn c01_a_new_stacks_change_set_is_of_type_create() {
    let new = ChangeSetRequest { kind: ChangeSetKind::Create, ..request() };
    let (_, call) = create("eu-west-1", &new, created()).await;
    assert_eq!(call.parameter("ChangeSetType").as_deref(), Some("CREATE"));
    let (_, call) = create("eu-west-1", &request(), created()).await;
    assert_eq!(call.parameter("ChangeSetType").as_deref(), Some("UPDATE"));
}

#[tokio::test]
async fn c25_a_template_goes_by_the_address_of_the_targets_own_bucket_and_never_as_a_body() {
    for (region, host) in [
        ("eu-west-1", "s3.eu-west-1.amazonaws.com"),
        ("us-east-1", "s3.us-east-1.amazonaws.com"),
        ("us-gov-west-1", "s3.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "s3.cn-north-1.amazonaws.com.cn"),
    ] {
        let (_, call) = create(region, &request(), created()).await;
        let digest = Digest::of(b"template");
        let bucket = format!("flotilla-artifacts-444455556666-{region}");
        let url = format!(
            "https://{host}/{bucket}/templates/{}.json",
            digest.to_string().trim_start_matches("sha256:")
        );
        assert_eq!(call.parameter("TemplateURL"), Some(url));
        assert_eq!(call.parameter("TemplateBody"), None);
        assert!(call.uri.contains(&format!("cloudformation.{region}.")), "{}", call.uri);
        assert_eq!(
            call.parameter("Parameters.member.1.ParameterKey").as_deref(),
            Some("FlotillaAssetsBucket")
        );
        assert_eq!(call.parameter("Parameters.member.1.ParameterValue"), Some(bucket));
    }
}

#[tokio::test]
async fn c30_express_is_sent_only_when_it_is_asked_for() {
    let (_, call) = create("eu-west-1", &request(), created()).await;
    assert_eq!(call.parameter("DeploymentConfig.Mode"), None);
    let hasty = ChangeSetRequest { express: true, ..request() };
    let (_, call) = create("eu-west-1", &hasty, created()).await;
    assert_eq!(call.parameter("DeploymentConfig.Mode").as_deref(), Some("EXPRESS"));
}

#[tokio::test]
async fn c33_drift_is_reverted_only_when_it_is_asked_for() {
    let (_, call) = create("eu-west-1", &request(), created()).await;
    assert_eq!(call.parameter("DeploymentMode"), None);
    let reverting = ChangeSetRequest { revert_drift: true, ..request() };
    let (_, call) = create("eu-west-1", &reverting, created()).await;
    assert_eq!(call.parameter("DeploymentMode").as_deref(), Some("REVERT_DRIFT"));
}

#[tokio::test]
async fn a_stack_is_watched_by_the_alarms_of_the_request_and_by_none_that_it_had_before() {
    const TRIGGERS: &str = "RollbackConfiguration.RollbackTriggers";
    let (_, call) = create("eu-west-1", &request(), created()).await;
    assert_eq!(call.parameter(TRIGGERS).as_deref(), Some(""), "an empty list is not nothing");
    assert_eq!(call.parameter("RollbackConfiguration.MonitoringTimeInMinutes").as_deref(), Some("0"));
    let triggers = RollbackTriggers {
        alarm_arns: vec!["arn:aws:cloudwatch:eu-west-1:444455556666:alarm:errors".into()],
        composite_alarm_arns: vec!["arn:aws:cloudwatch:eu-west-1:444455556666:alarm:all".into()],
        monitoring_min: 5,
    };
    let watched = ChangeSetRequest { rollback: Some(triggers.clone()), ..request() };
    let (_, call) = create("eu-west-1", &watched, created()).await;
    let trigger = |n: u32, field: &str| call.parameter(&format!("{TRIGGERS}.member.{n}.{field}"));
    assert_eq!(trigger(1, "Arn").as_ref(), triggers.alarm_arns.first());
    assert_eq!(trigger(1, "Type").as_deref(), Some("AWS::CloudWatch::Alarm"));
    assert_eq!(trigger(2, "Arn").as_ref(), triggers.composite_alarm_arns.first());
    assert_eq!(trigger(2, "Type").as_deref(), Some("AWS::CloudWatch::CompositeAlarm"));
    assert_eq!(call.parameter("RollbackConfiguration.MonitoringTimeInMinutes").as_deref(), Some("5"));
}

#[tokio::test]
async fn c24_capabilities_are_those_of_the_request_and_a_missing_one_fails_for_good() {
    let (_, call) = create("eu-west-1", &request(), created()).await;
    assert_eq!(call.parameter("Capabilities.member.1").as_deref(), Some("CAPABILITY_IAM"));
    assert_eq!(call.parameter("Capabilities.member.2"), None);
    let error =
        refused("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]").await;
    assert_eq!(error.kind, ErrorKind::Permanent);
    assert!(error.message.ends_with("Requires capabilities : [CAPABILITY_NAMED_IAM]"), "{error}");
}

#[tokio::test]
async fn c21_c22_throttling_may_pass_and_a_quota_does_not_and_neither_is_asked_again_by_the_sdk() {
    // `create` checks that the call was made once.
    assert_eq!(refused("Throttling", "Rate exceeded").await.kind, ErrorKind::Throttled);
    assert_eq!(
        refused("ValidationError", "Rate exceeded for CreateChangeSet").await.kind,
        ErrorKind::Throttled
    );
    let error = refused("LimitExceededException", "ChangeSet limit exceeded").await;
    assert_eq!((error.kind, error.may_pass()), (ErrorKind::Quota, false));
}

#[tokio::test]
async fn c11_a_stack_that_another_works_on_is_asked_again_later() {
    let text = "Stack:arn is in UPDATE_IN_PROGRESS state and can not be updated.";
    assert_eq!(refused("ValidationError", text).await.kind, ErrorKind::Transient);
}

fn change_set(status: &str, execution: &str, reason: &str) -> Reply {
    answer(
        "DescribeChangeSet",
        &format!(
            "<ChangeSetId>arn:cs</ChangeSetId><StackId>arn:stack</StackId><Status>{status}</Status>\
             <ExecutionStatus>{execution}</ExecutionStatus><StatusReason>{reason}</StatusReason>"
        ),
    )
}

async fn seen(replies: Vec<Reply>) -> Option<ChangeSetObserved> {
    let (script, pages) = (Script::new(replies.clone()), replies.len());
    let stacks = CloudFormationStacks::new(script.sessions(), &settings());
    let stack = StackName::parse("orders-staging").unwrap();
    let seen = stacks.describe_change_set(&place("eu-west-1"), &stack, "flotilla-abc-1").await.unwrap();
    assert_eq!(script.calls().len(), pages);
    seen
}

async fn failed(reason: &str) -> ChangeSetStatus {
    seen(vec![change_set("FAILED", "UNAVAILABLE", reason)]).await.unwrap().status
}

#[tokio::test]
async fn c15_c16_two_texts_say_that_nothing_would_change() {
    for text in [
        "The submitted information didn't contain changes. Submit different information to create a change set.",
        "No updates are to be performed.",
    ] {
        assert_eq!(failed(text).await, ChangeSetStatus::Empty, "{text}");
    }
}

#[tokio::test]
async fn c17_any_other_reason_is_kept_word_for_word() {
    let text = "Template error: instance of Fn::GetAtt references undefined resource &quot;Queue&quot;";
    let kept = "Template error: instance of Fn::GetAtt references undefined resource \"Queue\"";
    assert_eq!(failed(text).await, ChangeSetStatus::Failed(kept.into()));
}

#[tokio::test]
async fn c20_a_change_set_that_is_obsolete_or_gone_is_seen_as_that() {
    let obsolete = seen(vec![change_set("CREATE_COMPLETE", "OBSOLETE", "")]).await.unwrap();
    assert_eq!(obsolete.status, ChangeSetStatus::Obsolete);
    assert_eq!(seen(vec![refusal("ChangeSetNotFound", "ChangeSet [x] does not exist")]).await, None);
    assert_eq!(seen(vec![refusal("ValidationError", "Stack [orders-staging] does not exist")]).await, None);
}

fn change(action: &str, id: &str, more: &str) -> String {
    format!(
        "<member><Type>Resource</Type><ResourceChange><Action>{action}</Action>\
         <LogicalResourceId>{id}</LogicalResourceId>{more}</ResourceChange></member>"
    )
}

#[tokio::test]
async fn c33_what_would_be_changed_back_is_read_from_details_with_drift_on_all_pages() {
    let detail = |name: &str, drift: &str| {
        format!(
            "<member><Target><Attribute>Properties</Attribute><Name>{name}</Name>{drift}</Target></member>"
        )
    };
    let drift = "<Drift><PreviousValue>3</PreviousValue><ActualValue>60</ActualValue></Drift>";
    let details = format!("<Details>{}{}</Details>", detail("Timeout", drift), detail("MemorySize", ""));
    let first = change("Modify", "Function", &details)
        + &change("Add", "Topic", "")
        + &change("Remove", "Old", "")
        + &change("Modify", "Table", "<Replacement>True</Replacement>");
    let page = |next: &str, changes: &str| {
        let statuses = "<Status>CREATE_COMPLETE</Status><ExecutionStatus>AVAILABLE</ExecutionStatus>";
        answer("DescribeChangeSet", &format!("{statuses}<Changes>{changes}</Changes>{next}"))
    };
    let deleted = "<ResourceDriftStatus>DELETED</ResourceDriftStatus>";
    let pages = vec![page("<NextToken>2</NextToken>", &first), page("", &change("Add", "Queue", deleted))];
    let seen = seen(pages).await.unwrap();
    assert_eq!(seen.reverted, ["Function.Timeout", "Queue (it was deleted)"]);
    let told: Vec<&str> = seen.changes.iter().map(|change| change.logical_id.as_str()).collect();
    assert_eq!(told, ["Function", "Topic", "Old", "Table", "Queue"]);
    assert_eq!((seen.complete, seen.status), (true, ChangeSetStatus::Ready));
}

fn ready_page(changes: &str, next: &str) -> Reply {
    let statuses = "<Status>CREATE_COMPLETE</Status><ExecutionStatus>AVAILABLE</ExecutionStatus>";
    answer("DescribeChangeSet", &format!("{statuses}<Changes>{changes}</Changes>{next}"))
}

#[tokio::test]
async fn what_changes_is_told_with_values_before_and_after() {
    let target = |path: &str, recreation: &str, values: &str| {
        format!(
            "<member><Target><Attribute>Properties</Attribute><Path>{path}</Path>\
             <RequiresRecreation>{recreation}</RequiresRecreation>{values}</Target></member>"
        )
    };
    let timeout =
        target("/Properties/Timeout", "Never", "<BeforeValue>3</BeforeValue><AfterValue>6</AfterValue>");
    let variables = target(
        "/Properties/Environment",
        "Conditionally",
        "<BeforeValue>{\"Variables\":{\"LEVEL\":\"info\",\"A\":\"1\"}}</BeforeValue>\
         <AfterValue>{\"Variables\":{\"LEVEL\":\"debug\",\"A\":\"1\"}}</AfterValue>",
    );
    let function = format!(
        "<PhysicalResourceId>orders-function</PhysicalResourceId><ResourceType>AWS::Lambda::Function</ResourceType>\
         <Replacement>False</Replacement><Details>{timeout}{variables}</Details>"
    );
    let table = "<ResourceType>AWS::DynamoDB::Table</ResourceType><Replacement>True</Replacement>\
                 <PolicyAction>ReplaceAndDelete</PolicyAction>";
    let bucket = "<ResourceType>AWS::S3::Bucket</ResourceType><PolicyAction>Retain</PolicyAction>";
    let topic = "<ResourceType>AWS::SNS::Topic</ResourceType>\
                 <AfterContext>{\"Properties\":{\"TopicName\":\"orders\"}}</AfterContext>";
    let changes = change("Modify", "Function", &function)
        + &change("Modify", "Table", table)
        + &change("Remove", "Bucket", bucket)
        + &change("Add", "Topic", topic)
        + &change("SomethingNew", "Other", "");
    let script = Script::new([ready_page(&changes, "")]);
    let stacks = CloudFormationStacks::new(script.sessions(), &settings());
    let stack = StackName::parse("orders-staging").unwrap();
    let seen = stacks.describe_change_set(&place("eu-west-1"), &stack, "x").await.unwrap().unwrap();
    assert_eq!(script.calls()[0].parameter("IncludePropertyValues").as_deref(), Some("true"));
    let told = seen.changes.iter().map(|c| (c.action, c.replacement, c.leaving)).collect::<Vec<_>>();
    assert_eq!(
        told,
        [
            (ChangeAction::Modify, Replacement::Never, None),
            (ChangeAction::Modify, Replacement::Always, Some(Leaving::Deleted)),
            (ChangeAction::Remove, Replacement::Never, Some(Leaving::Retained)),
            (ChangeAction::Add, Replacement::Never, None),
            (ChangeAction::Dynamic, Replacement::Never, None),
        ]
    );
    assert_eq!(seen.changes[0].physical_id.as_deref(), Some("orders-function"));
    let properties = seen.changes.iter().flat_map(|c| &c.properties);
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
    let properties: Vec<_> = properties
        .map(|p| format!("{}: {} > {} {:?}", p.path, value(&p.before), value(&p.after), p.recreation))
        .collect();
    assert_eq!(
        properties,
        [
            "Timeout: 3 > 6 Never",
            "Environment.Variables.LEVEL: info > debug Conditional",
            "TopicName: - > orders Never",
        ]
    );
}

#[tokio::test]
async fn a_change_set_without_end_is_not_read_for_ever_and_says_so() {
    let pages = vec![ready_page(&change("Add", "Topic", ""), "<NextToken>more</NextToken>"); 10];
    let seen = seen(pages).await.unwrap();
    assert_eq!((seen.changes.len(), seen.complete), (10, false));
}

#[tokio::test]
async fn how_a_change_set_stands_is_one_call_however_much_it_changes() {
    let script = Script::new([ready_page(&change("Add", "Topic", ""), "<NextToken>more</NextToken>")]);
    let stacks = CloudFormationStacks::new(script.sessions(), &settings());
    let stack = StackName::parse("orders-staging").unwrap();
    let status = stacks.change_set_status(&place("eu-west-1"), &stack, "x").await.unwrap();
    assert_eq!((status, script.calls().len()), (Some(ChangeSetStatus::Ready), 1));
}
