//! Checks that the template of the control plane loses nothing in queues and schedules.
//!
//! The template is read as text: a resource is the indented text under its name.

use std::collections::BTreeMap;
use std::path::Path;

/// The resources of the control plane by name, each as text without comments.
fn resources() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/control-plane.yaml");
    let text = std::fs::read_to_string(path).expect("the template");
    let (_, text) = text.split_once("\nResources:\n").expect("resources");
    let (text, _) = text.split_once("\nOutputs:\n").expect("outputs");
    let mut resources = BTreeMap::new();
    let mut name = None;
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let indent = line.len() - line.trim_start().len();
        if let (2, Some(id)) = (indent, line.trim().strip_suffix(':')) {
            name = Some(id.to_owned());
        } else if let Some(name) = &name {
            let resource: &mut String = resources.entry(name.clone()).or_default();
            resource.push_str(line);
            resource.push('\n');
        }
    }
    resources
}

fn of_type(kind: &str) -> Vec<(String, String)> {
    let line = format!("    Type: AWS::{kind}\n");
    let found: Vec<_> = resources().into_iter().filter(|(_, text)| text.starts_with(&line)).collect();
    assert!(!found.is_empty(), "there is no {kind}");
    found
}

/// The value of a property anywhere in a resource, on its own line or in braces.
fn value<'r>(resource: &'r str, property: &str) -> Option<&'r str> {
    let (_, rest) = resource.split_once(&format!("{property}: "))?;
    rest.split(['\n', '}', ',']).next().map(str::trim)
}

fn number(resource: &str, property: &str) -> Option<u32> {
    value(resource, property)?.parse().ok()
}

/// The queues that are not dead-letter queues.
fn work_queues() -> Vec<(String, String)> {
    let mut queues = of_type("SQS::Queue");
    queues.retain(|(name, _)| !name.ends_with("DeadLetters"));
    assert_eq!(queues.len(), 3, "intake, replicate, tick");
    queues
}

#[test]
fn q04_each_queue_gives_poison_to_a_dead_letter_queue_and_an_alarm_tells_of_it() {
    let all = resources();
    for (name, queue) in work_queues() {
        let dead = value(&queue, "deadLetterTargetArn").unwrap_or_default();
        let dead = dead.trim_start_matches("!GetAtt ").trim_end_matches(".Arn");
        assert!(all.contains_key(dead), "{name} has no dead-letter queue");
    }
    let alarms = of_type("CloudWatch::Alarm");
    for (name, _) in of_type("SQS::Queue").iter().filter(|(name, _)| name.ends_with("DeadLetters")) {
        let watched = format!("Value: !GetAtt {name}.QueueName");
        let (_, alarm) = alarms.iter().find(|(_, alarm)| alarm.contains(&watched)).expect(name);
        assert_eq!(value(alarm, "MetricName"), Some("ApproximateNumberOfMessagesVisible"), "{name}");
        assert_eq!(number(alarm, "Threshold"), Some(0), "{name}");
        assert_eq!(value(alarm, "ComparisonOperator"), Some("GreaterThanThreshold"), "{name}");
        assert!(alarm.contains("AlarmActions: !If [HasAlarmTopic, "), "the alarm of {name} has no action");
    }
}

#[test]
fn q05_a_throttled_function_brings_nothing_into_a_dead_letter_queue() {
    let mut sources = of_type("Lambda::EventSourceMapping");
    // The table's stream is not a queue: it has no receive count.
    sources.retain(|(_, source)| !source.contains("EventSourceArn: !GetAtt Table.StreamArn"));
    assert_eq!(sources.len(), work_queues().len());
    for (name, source) in &sources {
        // `!If [LowConcurrency, 2, 10]`: the cap in an account with a low limit, and elsewhere.
        let caps = source
            .split_once("MaximumConcurrency: !If [LowConcurrency, ")
            .and_then(|(_, rest)| rest.split_once(']'));
        let caps: Vec<u32> = caps.map_or("", |(caps, _)| caps).split(", ").flat_map(str::parse).collect();
        assert!(
            matches!(caps[..], [2, most] if (2..=1_000).contains(&most)),
            "{name} has no cap of its own: {caps:?}"
        );
    }
    for (name, queue) in work_queues() {
        let most = number(&queue, "maxReceiveCount");
        assert!(most.is_some_and(|most| most >= 5), "{name} gives up after {most:?} receives");
    }
    // Reserved concurrency would throttle the polls, and throttled messages count as received.
    for (name, function) in of_type("Lambda::Function") {
        let polled =
            sources.iter().any(|(_, source)| source.contains(&format!("FunctionName: !Ref {name}\n")));
        assert!(!(polled && function.contains("ReservedConcurrentExecutions")), "{name}");
    }
}

#[test]
fn q06_each_function_that_a_queue_feeds_answers_for_each_message_alone() {
    for (name, source) in of_type("Lambda::EventSourceMapping") {
        assert_eq!(value(&source, "FunctionResponseTypes"), Some("[ReportBatchItemFailures]"), "{name}");
    }
}

#[test]
fn what_the_stream_could_not_tell_within_an_hour_is_kept_and_an_alarm_tells_of_it() {
    let source = &resources()["NotifySource"];
    assert_eq!(number(source, "MaximumRecordAgeInSeconds"), Some(3_600));
    assert!(source.contains("OnFailure: {Destination: !GetAtt NotifyDeadLetters.Arn}"));
}

#[test]
fn q07_functions_that_feed_themselves_are_not_stopped_by_lambdas_loop_detection() {
    let all = resources();
    // A tick leads to ticks and copies, a copy to a tick.
    for name in ["DeployFunction", "ReplicateFunction"] {
        assert_eq!(value(&all[name], "RecursiveLoop"), Some("Allow"), "{name}");
    }
    // A function that a queue invokes and that may send to this queue invokes itself.
    for (name, source) in of_type("Lambda::EventSourceMapping") {
        let function =
            value(&source, "FunctionName").unwrap_or_default().trim_start_matches("!Ref ").to_owned();
        let queue = value(&source, "EventSourceArn").unwrap_or_default().to_owned();
        let role = &all[&function.replace("Function", "Role")];
        let sends = role
            .split("sqs:SendMessage,")
            .skip(1)
            .any(|rest| rest.lines().nth(1).is_some_and(|resources| resources.contains(&queue)));
        assert!(!sends || value(&all[&function], "RecursiveLoop") == Some("Allow"), "{name}");
    }
}

#[test]
fn q09_what_is_started_without_a_queue_is_tried_again_and_then_kept() {
    for (name, schedule) in of_type("Scheduler::Schedule") {
        assert!(number(&schedule, "MaximumRetryAttempts").is_some_and(|n| n >= 1), "{name} is tried once");
        let kept = value(&schedule, "DeadLetterConfig: {Arn").unwrap_or_default();
        assert!(kept.starts_with("!GetAtt ") && kept.ends_with("DeadLetters.Arn"), "{name}: {kept}");
    }
    // Every other event goes to a queue and never straight to a function, where it could be dropped.
    for (name, rule) in of_type("Events::Rule") {
        assert!(rule.contains("Arn: !GetAtt TickQueue.Arn") && !rule.contains("Function"), "{name}");
    }
    let bucket = &resources()["IngestBucket"];
    assert!(bucket.contains("QueueConfigurations") && !bucket.contains("LambdaConfigurations"));
}

#[test]
fn whoever_applies_rules_may_do_nothing_but_write_its_log_and_is_asked_by_two_functions() {
    let all = resources();
    let (_, policy) = all["GuardRole"].split_once("PolicyName: guard\n").expect("its policy");
    assert_eq!(policy.matches("Action:").count(), 1, "{policy}");
    assert_eq!(value(policy, "Action"), Some("[logs:CreateLogStream"), "{policy}");
    assert!(
        number(&all["GuardFunction"], "Timeout").is_some_and(|seconds| seconds < 22),
        "the adapter waits for 22"
    );
    for (name, role) in of_type("IAM::Role") {
        let asks = role.contains("Resource: !GetAtt GuardFunction.Arn");
        assert_eq!(asks, matches!(name.as_str(), "DeployRole" | "ApiRole"), "{name}");
    }
}

#[test]
fn other_accounts_read_packages_by_their_registered_roles_and_never_uploads() {
    let all = resources();
    let policy = &all["IngestBucketPolicy"];
    let (_, copies) = policy.split_once("Sid: Copies\n").expect("a statement for copies");
    let (copies, _) = copies.split_once("AWS::NoValue").expect("its end");
    assert!(copies.contains("Principal: {AWS: !Ref TargetAccounts}"), "{copies}");
    assert!(copies.contains("ArnEquals: {aws:PrincipalArn: !Ref DeployerRoleArns}"), "{copies}");
    assert_eq!(value(copies, "Action"), Some("s3:GetObject"));
    assert_eq!(copies.matches("IngestBucket.Arn").count(), 2, "{copies}");
    assert!(copies.contains("/assets/*") && copies.contains("/templates/*"), "{copies}");
    let bus = &all["StackEventsBus"];
    assert!(
        bus.contains("Principal: {AWS: !Ref TargetAccounts}") && bus.contains("events:PutEvents"),
        "{bus}"
    );
}

#[test]
fn the_role_of_ci_trusts_one_audience_and_one_exact_subject() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/ci.yaml");
    let template = std::fs::read_to_string(path).expect("the template");
    let trust =
        template.split("AssumeRolePolicyDocument:").nth(1).and_then(|rest| rest.split("Policies:").next());
    let trust = trust.expect("the role's trust policy");
    let condition = trust.split("StringEquals:").nth(1).expect("a condition that compares whole strings");
    for key in [
        "token.actions.githubusercontent.com:aud: sts.amazonaws.com",
        "token.actions.githubusercontent.com:sub: !Ref Subject",
    ] {
        assert!(condition.contains(key), "{key}");
    }
    assert!(!trust.contains("Like"), "a pattern could match another repository");
}
