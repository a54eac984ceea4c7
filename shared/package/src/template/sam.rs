//! What SAM's transform adds to a template.

use super::loops;
use serde_json::Value;

/// How many resources CloudFormation gets at least from a template: its own, and those that SAM makes of them (AWS SAM Developer Guide,
/// "Generated AWS CloudFormation resources").
pub fn resources_made(template: &Value) -> usize {
    let resources = template.get("Resources").and_then(Value::as_object);
    let globals = template.pointer("/Globals/Function").unwrap_or(&Value::Null);
    let added = |resource: &Value| match resource["Type"].as_str() {
        Some("AWS::Serverless::Function") => of_function(&resource["Properties"], globals),
        // Deployment and stage, beside the API itself.
        Some("AWS::Serverless::Api") => 2,
        Some("AWS::Serverless::HttpApi" | "AWS::Serverless::StateMachine") => 1,
        _ => 0,
    };
    let entries = loops::resources(resources).into_iter();
    entries.map(|entry| entry.count.saturating_mul(1 + added(entry.resource))).fold(0, usize::saturating_add)
}

/// What SAM makes of a function beside it.
fn of_function(properties: &Value, globals: &Value) -> usize {
    let has =
        |name: &str| properties.get(name).or_else(|| globals.get(name)).is_some_and(|value| !value.is_null());
    let events = properties.get("Events").and_then(Value::as_object).into_iter().flatten();
    let of_event = |event: &Value| match event["Type"].as_str() {
        // A rule, schedule or subscription, and a permission or a role.
        Some(
            "Schedule" | "ScheduleV2" | "CloudWatchEvent" | "EventBridgeRule" | "SNS" | "IoTRule"
            | "CloudWatchLogs",
        ) => 2,
        // A permission, or an event source.
        Some(
            "Api" | "HttpApi" | "S3" | "SQS" | "Kinesis" | "DynamoDB" | "MSK" | "MQ" | "SelfManagedKafka"
            | "DocumentDB",
        ) => 1,
        _ => 0,
    };
    usize::from(!has("Role"))
        + 2 * usize::from(has("AutoPublishAlias"))
        + usize::from(has("FunctionUrlConfig"))
        + events.map(|(_, event)| of_event(event)).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn roles_versions_aliases_and_events_are_counted() {
        let made = |globals: Value, properties: Value| {
            resources_made(&json!({"Globals": {"Function": globals}, "Resources": {
                "F": {"Type": "AWS::Serverless::Function", "Properties": properties},
                "T": {"Type": "AWS::SNS::Topic"}}}))
        };
        assert_eq!(made(json!({}), json!({})), 3);
        assert_eq!(made(json!({}), json!({"Role": "r"})), 2);
        assert_eq!(made(json!({"AutoPublishAlias": "live"}), json!({"Role": "r"})), 4);
        let events = json!({"A": {"Type": "Api"}, "B": {"Type": "Schedule"}, "C": {"Type": "SomethingNew"}});
        assert_eq!(made(json!({}), json!({"Role": "r", "FunctionUrlConfig": {}, "Events": events})), 6);
        assert_eq!(resources_made(&json!({})), 0);
        let topics = json!(["N", ["a", "b", "c"], {"T${N}": {"Type": "AWS::SNS::Topic"},
            "Fn::ForEach::Inner": ["M", ["a", "b"], {"T${N}${M}": {"Type": "AWS::SNS::Topic"}}]}]);
        assert_eq!(resources_made(&json!({"Resources": {"Fn::ForEach::Topics": topics}})), 9);
    }
}
