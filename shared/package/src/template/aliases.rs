//! Lambda aliases, whose traffic Flotilla shifts.
//!
//! An alias in a template names the version that the same update publishes, so the update sends it all traffic at once. Here it
//! names that version only if [`STABLE_VERSIONS_PARAMETER`] does not name another: with the number of the version that runs, the update
//! publishes the new version and leaves the traffic where it is. Without a value, as in a deployment by another tool, the template
//! behaves as before.

mod redirect;

use super::declare;
use crate::json::canonical;
use flotilla_domain::release::package::{
    FunctionAlias, NO_VERSION, Rewrite, STABLE_VERSIONS_PARAMETER, Warning,
};
use flotilla_domain::{AliasName, Code, Digest, Refusal};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const ALIAS: &str = "AWS::Lambda::Alias";
const FUNCTION: &str = "AWS::Lambda::Function";
const VERSION: &str = "AWS::Lambda::Version";
/// The prefix of the conditions that say whether the parameter names a version for an alias. The alias's logical id follows.
const KEEPS: &str = "FlotillaKeeps";

/// The aliases of a template after it was changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Aliases {
    /// Those whose version the parameter can name, in the order of its values.
    pub shifted: Vec<FunctionAlias>,
    /// What was changed.
    pub rewrites: Vec<Rewrite>,
    /// Says which functions have none of them, if others do or should.
    pub warning: Option<Warning>,
}

/// Gives each Lambda function of a finished template an alias of this name, unless it has one, and lets everything that invokes the
/// function by its ARN invoke the alias. Then lets the parameter decide which version each alias names.
///
/// # Errors
/// [`Code::TemplateUnsupported`] for a function of SAM that would need an alias: only SAM's transform knows what invokes it.
pub fn prepare(template: &mut Value, name: Option<&AliasName>) -> Result<Aliases, Refusal> {
    let mut rewrites = Vec::new();
    if let Some(name) = name {
        refuse_sam(template)?;
        let created = create(template, name, &mut rewrites);
        redirect::redirect(template, &created, name, &mut rewrites);
    }
    let shifted = choose_versions(template, &mut rewrites);
    let has_alias = |function: &str| shifted.iter().any(|alias| alias.function == function);
    let warning = match shifted.is_empty() && name.is_none() {
        true => None,
        false => unshifted(template, has_alias),
    };
    Ok(Aliases { shifted, rewrites, warning })
}

/// The warning about the functions of a template whose traffic nothing shifts; `None` if there are none. CodeDeploy shifts that of some, and
/// those of custom resources serve CloudFormation.
pub fn unshifted(template: &Value, has_alias: impl Fn(&str) -> bool) -> Option<Warning> {
    const NAMED_MAX: usize = 10;
    let mut others = of_custom_resources(template);
    let by_codedeploy =
        of_type(template, ALIAS).into_iter().filter(|(_, alias)| alias.get("UpdatePolicy").is_some());
    others.extend(by_codedeploy.filter_map(|(_, alias)| function(alias).map(str::to_owned)));
    let in_globals = template.pointer("/Globals/Function/DeploymentPreference").is_some();
    let is_gradual = |f: &Value| in_globals || f.pointer("/Properties/DeploymentPreference").is_some();
    let of_sam = of_type(template, "AWS::Serverless::Function").into_iter().filter(|(_, f)| !is_gradual(f));
    let all = of_type(template, FUNCTION).into_iter().chain(of_sam).map(|(id, _)| id.as_str());
    let left: Vec<&str> =
        all.filter(|id| !has_alias(id) && !others.iter().any(|other| other == id)).collect();
    let first = left.first()?;
    let named = left.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
    let more = if left.len() > NAMED_MAX { ", …" } else { "" };
    Some(Warning {
        code: Code::FunctionNotShifted,
        path: format!("Resources.{first}"),
        message: format!(
            "functions without an alias whose traffic can be shifted run the new code as soon as their stack is updated: {named}{more}"
        ),
    })
}

/// A transform adds the aliases and what invokes them after Flotilla has read the template.
fn refuse_sam(template: &Value) -> Result<(), Refusal> {
    if template.pointer("/Globals/Function/AutoPublishAlias").is_some() {
        return Ok(());
    }
    let functions = of_type(template, "AWS::Serverless::Function");
    match functions
        .into_iter()
        .find(|(_, resource)| resource.pointer("/Properties/AutoPublishAlias").is_none())
    {
        None => Ok(()),
        Some((id, _)) => {
            let what = format!("{id} is expanded by SAM's transform, so Flotilla cannot give it an alias");
            let fix = "set AutoPublishAlias on the function, and DeploymentPreference to shift its traffic; or remove alias from the service's configuration";
            Err(Refusal::new(Code::TemplateUnsupported, what, fix).at(format!("Resources.{id}")))
        }
    }
}

/// Creates the aliases that are missing, with a version for each function that has none. Returns the logical ids of the new aliases
/// by function.
fn create(template: &mut Value, name: &AliasName, rewrites: &mut Vec<Rewrite>) -> BTreeMap<String, String> {
    let function_of = |(id, resource): (&String, &Value)| Some((function(resource)?.to_owned(), id.clone()));
    let aliased: BTreeMap<String, String> =
        of_type(template, ALIAS).into_iter().filter_map(function_of).collect();
    let versions: BTreeMap<String, String> =
        of_type(template, VERSION).into_iter().filter_map(function_of).collect();
    // They serve CloudFormation while it updates the stack, not the service.
    let serving: Vec<String> = of_custom_resources(template);
    let functions: Vec<(String, Value)> = of_type(template, FUNCTION)
        .into_iter()
        .filter(|(id, _)| !aliased.contains_key(*id) && !serving.contains(id))
        .map(|(id, resource)| (id.clone(), resource.clone()))
        .collect();
    let Some(resources) = template.get_mut("Resources").and_then(Value::as_object_mut) else {
        return BTreeMap::new();
    };
    let mut created = BTreeMap::new();
    for (id, function) in functions {
        let version = versions.get(&id).cloned().unwrap_or_else(|| {
            // Another logical id makes CloudFormation publish another version.
            let content = published(&function["Properties"]);
            let version = format!("{id}Version{}", &Digest::of(&canonical(&content)).to_string()[..12]);
            // Traffic can only return to a version that exists. One whose creation was rolled back must go: Lambda publishes the same
            // code only once.
            let retained = json!({
                "Type": VERSION,
                "DeletionPolicy": "RetainExceptOnCreate",
                "UpdateReplacePolicy": "Retain",
                "Properties": {"FunctionName": {"Ref": id}},
            });
            resources.insert(version.clone(), like(&function, retained));
            rewrites.push(added(&version, VERSION));
            version
        });
        let alias = format!("{id}Alias{}", letters(name));
        let declared = json!({
            "Type": ALIAS,
            "Properties": {
                "FunctionName": {"Ref": id},
                "FunctionVersion": {"Fn::GetAtt": [version, "Version"]},
                "Name": name.as_str(),
            },
        });
        resources.insert(alias.clone(), like(&function, declared));
        rewrites.push(added(&alias, ALIAS));
        created.insert(id, alias);
    }
    created
}

/// The properties that a version keeps. Lambda publishes no version if only others have changed, and CloudFormation then fails (the list is
/// that of AWS CDK, `function-hash.ts`).
fn published(properties: &Value) -> Value {
    const NOT_KEPT: [&str; 5] = [
        "Tags",
        "ReservedConcurrentExecutions",
        "CodeSigningConfigArn",
        "RecursiveLoop",
        "RuntimeManagementConfig",
    ];
    let mut kept = properties.clone();
    if let Some(kept) = kept.as_object_mut() {
        kept.retain(|name, _| !NOT_KEPT.contains(&name.as_str()));
    }
    kept
}

/// The functions behind custom resources.
fn of_custom_resources(template: &Value) -> Vec<String> {
    let resources = template.get("Resources").and_then(Value::as_object);
    let tokens = resources.into_iter().flatten().filter_map(|(_, r)| r.pointer("/Properties/ServiceToken"));
    tokens.filter_map(arn_of).map(str::to_owned).collect()
}

/// A resource that exists when the function does.
fn like(function: &Value, mut resource: Value) -> Value {
    if let (Some(condition), Some(resource)) = (function.get("Condition"), resource.as_object_mut()) {
        resource.insert("Condition".into(), condition.clone());
    }
    resource
}

fn added(id: &str, kind: &str) -> Rewrite {
    Rewrite { path: format!("Resources.{id}"), from: "none".into(), to: kind.into() }
}

/// The alias's name as part of a logical id.
fn letters(name: &AliasName) -> String {
    let mut letters: String = name.as_str().chars().filter(char::is_ascii_alphanumeric).collect();
    if let Some(first) = letters.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    letters
}

/// Lets the parameter name the version of each alias that names a version of the same template. An alias with weights of its own,
/// with provisioned concurrency, or that CodeDeploy shifts stays as it is.
fn choose_versions(template: &mut Value, rewrites: &mut Vec<Rewrite>) -> Vec<FunctionAlias> {
    let versions: Vec<String> = of_type(template, VERSION).into_iter().map(|(id, _)| id.clone()).collect();
    let shifted = |(id, resource): (&String, &Value)| {
        let own = resource.get("Properties")?.as_object()?;
        let is_left =
            ["RoutingConfig", "ProvisionedConcurrencyConfig"].iter().any(|name| own.contains_key(*name))
                || resource.get("UpdatePolicy").is_some();
        let version = version(unchosen(own.get("FunctionVersion")?))?;
        let is_known = !is_left && versions.iter().any(|known| known == version);
        is_known.then_some(())?;
        Some(FunctionAlias {
            function: function(resource)?.to_owned(),
            alias: id.clone(),
            version: version.to_owned(),
        })
    };
    let mut shifted: Vec<FunctionAlias> = of_type(template, ALIAS).into_iter().filter_map(shifted).collect();
    shifted.sort();
    if shifted.is_empty() {
        return shifted;
    }
    for (at, alias) in shifted.iter().enumerate() {
        let named = json!({"Fn::Select": [at.to_string(), {"Ref": STABLE_VERSIONS_PARAMETER}]});
        let condition = format!("{KEEPS}{}", alias.alias);
        let path = format!("/Resources/{}/Properties/FunctionVersion", alias.alias);
        if let Some(version) = template.pointer_mut(&path) {
            let published = unchosen(version).clone();
            *version = json!({"Fn::If": [condition, named, published]});
        }
        let keeps = json!({"Fn::Not": [{"Fn::Equals": [named, NO_VERSION]}]});
        let conditions = template.as_object_mut().map(|t| t.entry("Conditions").or_insert_with(|| json!({})));
        if let Some(Value::Object(conditions)) = conditions {
            conditions.insert(condition, keeps);
        }
        rewrites.push(Rewrite {
            path: format!("Resources.{}.Properties.FunctionVersion", alias.alias),
            from: alias.version.clone(),
            to: STABLE_VERSIONS_PARAMETER.into(),
        });
    }
    let none = vec![NO_VERSION; shifted.len()].join(",");
    let description =
        "The versions that keep the traffic while a new one is tried, one for each alias; given by Flotilla.";
    let declaration = json!({"Type": "CommaDelimitedList", "Default": none, "Description": description});
    declare(template, STABLE_VERSIONS_PARAMETER, declaration);
    shifted
}

/// The resources of a type.
fn of_type<'t>(template: &'t Value, kind: &str) -> Vec<(&'t String, &'t Value)> {
    let resources = template.get("Resources").and_then(Value::as_object);
    resources.into_iter().flatten().filter(|(_, resource)| resource["Type"] == kind).collect()
}

/// The function that a version or an alias belongs to, by its logical id.
fn function(resource: &Value) -> Option<&str> {
    let name = resource.pointer("/Properties/FunctionName")?;
    name.get("Ref").and_then(Value::as_str).or_else(|| arn_of(name))
}

/// The resource of a version whose number this value is.
fn version(value: &Value) -> Option<&str> {
    attribute(value).filter(|(_, attribute)| *attribute == "Version").map(|(id, _)| id)
}

/// The version that an alias names without the parameter. A package that Flotilla has packed has the condition already.
fn unchosen(value: &Value) -> &Value {
    match value.get("Fn::If").and_then(Value::as_array).map(Vec::as_slice) {
        Some([Value::String(condition), _, published]) if condition.starts_with(KEEPS) => published,
        _ => value,
    }
}

/// The resource whose ARN this value is.
fn arn_of(value: &Value) -> Option<&str> {
    attribute(value).filter(|(_, attribute)| *attribute == "Arn").map(|(id, _)| id)
}

/// The resource and the attribute of an `Fn::GetAtt`.
fn attribute(value: &Value) -> Option<(&str, &str)> {
    let object: &Map<String, Value> = value.as_object().filter(|object| object.len() == 1)?;
    match object.get("Fn::GetAtt")? {
        Value::String(text) => text.split_once('.'),
        Value::Array(parts) => match parts.as_slice() {
            [id, attribute] => Some((id.as_str()?, attribute.as_str()?)),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
#[path = "aliases_tests.rs"]
mod tests;
