//! Numbers in documents that a template contains as objects.
//!
//! Elsewhere a number such as `1.50` stays as it was written, as a text, and CloudFormation converts what a property needs. Nothing converts what
//! is in a document: these fields must be numbers there.

use serde_json::{Number, Value};

/// Where a document is: the type of the resource and its property.
const DOCUMENTS: [(&str, &str); 4] = [
    ("AWS::Serverless::StateMachine", "Definition"),
    ("AWS::StepFunctions::StateMachine", "Definition"),
    ("AWS::Events::Rule", "EventPattern"),
    ("AWS::Serverless::Function", "Events"),
];

/// Fields of the Amazon States Language whose values are numbers (Amazon States Language specification: retries, timeouts, waits, maps).
const FIELDS: [&str; 10] = [
    "BackoffRate",
    "HeartbeatSeconds",
    "IntervalSeconds",
    "MaxAttempts",
    "MaxConcurrency",
    "MaxDelaySeconds",
    "Seconds",
    "TimeoutSeconds",
    "ToleratedFailureCount",
    "ToleratedFailurePercentage",
];

/// Turns the texts of numbers in documents back into numbers.
pub fn restore_numbers(template: &mut Value) {
    let resources = template.get_mut("Resources").and_then(Value::as_object_mut);
    for resource in resources.into_iter().flat_map(|resources| resources.values_mut()) {
        let kind = resource["Type"].as_str().unwrap_or_default();
        let here = DOCUMENTS.into_iter().filter(|(of, _)| *of == kind).map(|(_, property)| property);
        for property in here.collect::<Vec<_>>() {
            if let Some(document) = resource.pointer_mut(&format!("/Properties/{property}")) {
                restore(document, "");
            }
        }
    }
}

fn restore(value: &mut Value, field: &str) {
    // The comparisons of a choice, and of an event pattern: `{"numeric": [">", 1.50]}`.
    let is_number = FIELDS.contains(&field) || field.starts_with("Numeric") || field == "numeric";
    match value {
        Value::String(text) if is_number && !field.ends_with("Path") => {
            if let Some(number) = number(text) {
                *value = Value::Number(number);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| restore(item, field)),
        Value::Object(object) => object.iter_mut().for_each(|(key, value)| restore(value, key)),
        _ => {}
    }
}

/// The number that a text writes, as an integer if it is one.
fn number(text: &str) -> Option<Number> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let number: Number = serde_json::from_str(text).ok()?;
    let value = number.as_f64()?;
    let whole = value.fract() == 0.0 && value.abs() <= EXACT_MAX;
    // Of a whole number, the digits are those of the integer.
    if whole { serde_json::from_str(&format!("{value:.0}")).ok() } else { Number::from_f64(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_must_be_a_number_is_one_again_and_other_texts_stay() {
        let machine = |definition: Value| json!({"Type": "AWS::Serverless::StateMachine", "Properties": {"Definition": definition}});
        let mut template = json!({"Resources": {
            "M": machine(json!({"States": {"A": {"Type": "Pass", "Result": {"version": "1.10"},
                "Retry": [{"BackoffRate": "1.50", "IntervalSeconds": "1E1", "MaxAttempts": 2}],
                "Choices": [{"NumericGreaterThan": "0.10", "NumericEqualsPath": "$.1.0"}]}}})),
            "R": {"Type": "AWS::Events::Rule", "Properties": {"EventPattern": {"detail": {"price": [{"numeric": [">", "1.50"]}], "v": ["1.10"]}}}},
            "T": {"Type": "AWS::SNS::Topic", "Properties": {"MaxAttempts": "1.50"}}}});
        restore_numbers(&mut template);
        let resources = &template["Resources"];
        assert_eq!(
            resources["M"],
            machine(json!({"States": {"A": {"Type": "Pass", "Result": {"version": "1.10"},
            "Retry": [{"BackoffRate": 1.5, "IntervalSeconds": 10, "MaxAttempts": 2}],
            "Choices": [{"NumericGreaterThan": 0.1, "NumericEqualsPath": "$.1.0"}]}}}))
        );
        let pattern = &resources["R"]["Properties"]["EventPattern"]["detail"];
        assert_eq!(*pattern, json!({"price": [{"numeric": [">", 1.5]}], "v": ["1.10"]}));
        assert_eq!(resources["T"]["Properties"]["MaxAttempts"], "1.50");
    }
}
