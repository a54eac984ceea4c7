//! The role with which CodeDeploy shifts the traffic of SAM's functions.
//!
//! For a `DeploymentPreference` without a role SAM's transform makes one, which CloudFormation may not create: it has no permissions
//! boundary, and SAM has no property for one. So Flotilla declares the same role, which then gets the boundary like any other.

use flotilla_domain::release::package::Rewrite;
use serde_json::{Map, Value, json};

const ROLE: &str = "FlotillaCodeDeployRole";
const PREFERENCE: &str = "DeploymentPreference";

/// Gives every deployment preference of a template that has no role one. Answers what was added.
pub fn give_role(template: &mut Value) -> Vec<Rewrite> {
    let mut added = Vec::new();
    let globals = template.pointer_mut("/Globals/Function").and_then(Value::as_object_mut);
    let global_has = globals.is_some_and(|own| {
        give(own, "Globals.Function", &mut added);
        own.get(PREFERENCE).is_some_and(|preference| preference.get("Role").is_some())
    });
    let resources = template.get_mut("Resources").and_then(Value::as_object_mut);
    for (id, resource) in
        resources.into_iter().flatten().filter(|(_, r)| r["Type"] == "AWS::Serverless::Function")
    {
        // A function inherits the role of the template's preference.
        if let Some(own) =
            resource.get_mut("Properties").and_then(Value::as_object_mut).filter(|_| !global_has)
        {
            give(own, &format!("Resources.{id}.Properties"), &mut added);
        }
    }
    if !added.is_empty()
        && let Some(resources) = template.get_mut("Resources").and_then(Value::as_object_mut)
    {
        // AWS SAM's `deployment_preference_collection.py`.
        let policy = "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSCodeDeployRoleForLambda";
        let role = json!({"Type": "AWS::IAM::Role", "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow",
                "Principal": {"Service": ["codedeploy.amazonaws.com"]},
                "Action": ["sts:AssumeRole"],
            }]},
            "ManagedPolicyArns": [{"Fn::Sub": policy}],
        }});
        resources.insert(ROLE.into(), role);
    }
    added
}

fn give(own: &mut Map<String, Value>, path: &str, added: &mut Vec<Rewrite>) {
    let Some(preference) = own.get_mut(PREFERENCE).and_then(Value::as_object_mut) else { return };
    if preference.contains_key("Role") || preference.get("Enabled") == Some(&Value::Bool(false)) {
        return;
    }
    preference.insert("Role".into(), json!({"Fn::GetAtt": [ROLE, "Arn"]}));
    added.push(Rewrite { path: format!("{path}.{PREFERENCE}.Role"), from: "none".into(), to: ROLE.into() });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(properties: Value) -> Value {
        json!({"Type": "AWS::Serverless::Function", "Properties": properties})
    }

    fn given(mut template: Value) -> (Value, Vec<String>) {
        let added = give_role(&mut template).into_iter().map(|rewrite| rewrite.path).collect();
        (template, added)
    }

    #[test]
    fn a_preference_without_a_role_gets_one_that_is_declared() {
        let canary = json!({"DeploymentPreference": {"Type": "Canary10Percent5Minutes"}});
        let off = json!({"DeploymentPreference": {"Type": "AllAtOnce", "Enabled": false}});
        let own = json!({"DeploymentPreference": {"Type": "AllAtOnce", "Role": "arn"}});
        let resources =
            json!({"A": function(canary), "B": function(off), "C": function(own), "D": function(json!({}))});
        let (template, added) = given(json!({ "Resources": resources }));
        assert_eq!(added, ["Resources.A.Properties.DeploymentPreference.Role"]);
        assert_eq!(template["Resources"][ROLE]["Type"], "AWS::IAM::Role");
        let (again, none) = given(template.clone());
        assert_eq!((again, none), (template, Vec::new()));
    }

    #[test]
    fn the_templates_preference_gives_its_role_to_all_functions() {
        let canary = json!({"DeploymentPreference": {"Type": "Canary10Percent5Minutes"}});
        let resources = json!({"A": function(canary.clone()), "B": function(json!({}))});
        let (template, added) =
            given(json!({"Globals": {"Function": canary}, "Resources": resources.clone()}));
        assert_eq!(added, ["Globals.Function.DeploymentPreference.Role"]);
        assert_eq!(template["Resources"]["A"], resources["A"]);
    }

    #[test]
    fn a_template_that_shifts_nothing_stays_as_it_is() {
        let template = json!({"Resources": {"A": function(json!({"AutoPublishAlias": "live"}))}});
        assert_eq!(given(template.clone()), (template, Vec::new()));
    }
}
