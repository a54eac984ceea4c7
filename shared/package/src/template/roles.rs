//! The permissions boundary of the roles that a template makes.
//!
//! Whoever can create roles and pass them is an administrator, unless the roles are bounded (AWS, "Permissions boundaries for IAM
//! entities: delegating responsibility to others"). The boundary is a parameter that Flotilla gives, so one package fits every account;
//! without a value, as in a deployment by another tool, the roles have none.

use super::declare;
use flotilla_domain::release::package::{ROLE_BOUNDARY_PARAMETER, Rewrite};
use serde_json::{Map, Value, json};

const PROPERTY: &str = "PermissionsBoundary";
/// The condition that says whether the parameter has a value.
const IS_GIVEN: &str = "FlotillaRoleBoundaryIsGiven";

/// Gives every role of a template the boundary, unless it has one of its own: that stays, and IAM decides whether the account allows it.
/// A resource of SAM that makes a role gets the property of SAM that bounds it. Answers what was added.
pub fn bound(template: &mut Value) -> Vec<Rewrite> {
    let globals = |kind: &str| template.pointer(&format!("/Globals/{kind}/{PROPERTY}")).is_some();
    let (functions_have, machines_have) = (globals("Function"), globals("StateMachine"));
    let mut added = Vec::new();
    let resources = template.get_mut("Resources").and_then(Value::as_object_mut);
    for (id, resource) in resources.into_iter().flatten() {
        let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(resource) = resource.as_object_mut() else { continue };
        let path = format!("Resources.{id}.Properties");
        match kind.as_str() {
            "AWS::IAM::Role" => add(properties(resource), &path, &mut added),
            "AWS::Serverless::Function" => {
                let own = properties(resource);
                if !own.contains_key("Role") && !functions_have {
                    add(own, &path, &mut added);
                }
                for (event, schedule) in schedules(own) {
                    add(schedule, &format!("{path}.Events.{event}.Properties"), &mut added);
                }
            }
            "AWS::Serverless::StateMachine" => {
                let own = properties(resource);
                // Also with a role of its own: SAM makes roles for its events.
                if !machines_have {
                    add(own, &path, &mut added);
                }
                for (event, schedule) in schedules(own) {
                    add(schedule, &format!("{path}.Events.{event}.Properties"), &mut added);
                }
            }
            _ => {}
        }
    }
    if !added.is_empty() {
        let description = "The permissions boundary of the roles; given by Flotilla.";
        let declaration = json!({"Type": "String", "Default": "", "Description": description});
        declare(template, ROLE_BOUNDARY_PARAMETER, declaration);
        let conditions = template.as_object_mut().map(|t| t.entry("Conditions").or_insert_with(|| json!({})));
        if let Some(Value::Object(conditions)) = conditions {
            let has_value = json!({"Fn::Not": [{"Fn::Equals": [{"Ref": ROLE_BOUNDARY_PARAMETER}, ""]}]});
            conditions.insert(IS_GIVEN.into(), has_value);
        }
    }
    added
}

/// A resource's properties. A role without any is invalid, but that is for CloudFormation to say.
fn properties(resource: &mut Map<String, Value>) -> &mut Map<String, Value> {
    let properties = resource.entry("Properties").or_insert_with(|| json!({}));
    if !properties.is_object() {
        *properties = json!({});
    }
    properties.as_object_mut().expect("an object")
}

/// The schedules of a function or state machine of SAM for which SAM makes roles.
fn schedules(own: &mut Map<String, Value>) -> impl Iterator<Item = (&String, &mut Map<String, Value>)> {
    let events = own.get_mut("Events").and_then(Value::as_object_mut);
    events.into_iter().flatten().filter_map(|(name, event)| {
        let makes_role = event["Type"] == "ScheduleV2";
        let own = event.get_mut("Properties").and_then(Value::as_object_mut)?;
        (makes_role && !own.contains_key("RoleArn")).then_some((name, own))
    })
}

fn add(properties: &mut Map<String, Value>, path: &str, added: &mut Vec<Rewrite>) {
    if properties.contains_key(PROPERTY) {
        return;
    }
    let value = json!({"Fn::If": [IS_GIVEN, {"Ref": ROLE_BOUNDARY_PARAMETER}, {"Ref": "AWS::NoValue"}]});
    properties.insert(PROPERTY.into(), value);
    added.push(Rewrite {
        path: format!("{path}.{PROPERTY}"),
        from: "none".into(),
        to: ROLE_BOUNDARY_PARAMETER.into(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounded(resources: Value) -> (Value, Vec<String>) {
        let mut template = json!({ "Resources": resources });
        let added = bound(&mut template).into_iter().map(|rewrite| rewrite.path).collect();
        (template, added)
    }

    #[test]
    fn every_role_gets_the_boundary_once_and_one_of_its_own_stays() {
        let own = json!({"Type": "AWS::IAM::Role", "Properties": {"PermissionsBoundary": "arn:aws:iam::1:policy/own"}});
        let role = json!({"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}}});
        let (mut template, added) = bounded(json!({"Own": own, "Role": role}));
        assert_eq!(added, ["Resources.Role.Properties.PermissionsBoundary"]);
        assert_eq!(template["Resources"]["Own"], own);
        assert_eq!(template["Parameters"][ROLE_BOUNDARY_PARAMETER]["Default"], "");
        assert_eq!(template["Conditions"][IS_GIVEN]["Fn::Not"][0]["Fn::Equals"][1], "");
        let once = template.clone();
        assert_eq!((bound(&mut template), template), (Vec::new(), once));
    }

    #[test]
    fn what_sam_makes_roles_for_is_bounded_too() {
        let function =
            |properties: Value| json!({"Type": "AWS::Serverless::Function", "Properties": properties});
        let nightly =
            json!({"Nightly": {"Type": "ScheduleV2", "Properties": {"ScheduleExpression": "rate(1 day)"}}});
        let (_, added) = bounded(json!({
            "Made": function(json!({"Events": nightly})),
            "Given": function(json!({"Role": "arn:aws:iam::1:role/r"})),
            "Machine": {"Type": "AWS::Serverless::StateMachine", "Properties": {}},
        }));
        let mut expected =
            ["Made.Properties", "Made.Properties.Events.Nightly.Properties", "Machine.Properties"]
                .map(|path| format!("Resources.{path}.PermissionsBoundary"));
        expected.sort();
        let mut added = added;
        added.sort();
        assert_eq!(added, expected);
        let mut template = json!({
            "Globals": {"Function": {"PermissionsBoundary": "arn:aws:iam::1:policy/own"}},
            "Resources": {"Made": function(json!({}))},
        });
        assert_eq!(bound(&mut template), []);
    }

    #[test]
    fn a_template_without_roles_stays_as_it_is() {
        let resources = json!({"Queue": {"Type": "AWS::SQS::Queue"}});
        assert_eq!(bounded(resources.clone()), (json!({ "Resources": resources }), Vec::new()));
    }
}
