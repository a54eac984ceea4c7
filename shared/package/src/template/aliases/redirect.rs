//! Lets what invokes a function by its ARN invoke the function's new alias.

use super::{ALIAS, Rewrite, VERSION, arn_of, letters};
use crate::template::rest_deployment::rename;
use flotilla_domain::AliasName;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What one template's references are changed by.
struct Redirect<'a> {
    /// The new aliases by the functions that they belong to.
    aliases: &'a BTreeMap<String, String>,
    rewrites: &'a mut Vec<Rewrite>,
}

/// Changes the references to functions into references to their aliases:
///
/// - the ARN, wherever it is: integrations, subscriptions, rules, outputs, environment variables, definitions of state machines;
/// - the name or the ARN in event source mappings, which take either;
/// - permissions stay, and the alias gets the same ones: what names the function in another way still invokes it; what waits for one also waits
///   for the other;
/// - the qualifier of function URLs and of the settings of asynchronous invocations;
/// - in policies the ARN stays and the alias's is added.
///
/// A name elsewhere stays, because it may mean the function: a log group, the dimension of a metric. So does the token of a custom
/// resource, which CloudFormation invokes while it updates the stack.
pub(super) fn redirect(
    template: &mut Value,
    aliases: &BTreeMap<String, String>,
    name: &AliasName,
    rewrites: &mut Vec<Rewrite>,
) {
    if aliases.is_empty() {
        return;
    }
    let mut change = Redirect { aliases, rewrites };
    // With the logical IDs of the permission and of its copy.
    let mut permissions: Vec<(String, String, Value)> = Vec::new();
    let resources = template.get_mut("Resources").and_then(Value::as_object_mut);
    for (id, resource) in resources.into_iter().flatten() {
        let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let path = format!("Resources.{id}.Properties");
        let Some(resource) = resource.as_object_mut() else { continue };
        match kind.as_str() {
            VERSION | ALIAS => {}
            "AWS::Lambda::Permission" => {
                if let Some(of_alias) = change.permission(resource) {
                    permissions.push((id.clone(), format!("{id}{}", letters(name)), of_alias));
                }
            }
            "AWS::Lambda::EventSourceMapping" => {
                if let Some(own) = properties(resource) {
                    change.name(own, &path);
                    change.value_of(own, &path);
                }
            }
            "AWS::Lambda::Url" => change.qualify(resource, "TargetFunctionArn", name, &path),
            "AWS::Lambda::EventInvokeConfig" => change.qualify(resource, "FunctionName", name, &path),
            _ => {
                if let Some(own) = properties(resource) {
                    change.value_of(own, &path);
                }
            }
        }
    }
    let resources = template.get_mut("Resources").and_then(Value::as_object_mut);
    if let Some(resources) = resources {
        // What waits for a permission may need that of the alias: S3 refuses a notification that it may not deliver.
        for resource in resources.values_mut().filter_map(Value::as_object_mut) {
            let waits_for = |id: &str| resource.get("DependsOn").is_some_and(|waits| names(waits, id));
            let copies: Vec<_> = permissions.iter().filter(|(id, ..)| waits_for(id)).collect();
            copies.into_iter().for_each(|(_, copy, _)| wait_for(resource, copy));
        }
        for (_, copy, permission) in permissions {
            change.said(&format!("Resources.{copy}"), "none", "AWS::Lambda::Permission");
            resources.insert(copy, permission);
        }
    }
    let outputs = template.get_mut("Outputs").and_then(Value::as_object_mut).into_iter().flatten();
    // A stack that imports the output could not be told of another value.
    let outputs = outputs.filter(|(_, output)| output.get("Export").is_none());
    for (id, output) in outputs {
        if let Some(value) = output.get_mut("Value") {
            change.value(value, &format!("Outputs.{id}.Value"));
        }
    }
    redeploy(template, name, rewrites);
}

/// Renames the deployments of REST APIs: a stage serves what its deployment has seen, and CloudFormation makes another one only under
/// another logical id.
fn redeploy(template: &mut Value, name: &AliasName, rewrites: &mut Vec<Rewrite>) {
    let resources = template.get("Resources").and_then(Value::as_object);
    let deployments =
        resources.into_iter().flatten().filter(|(_, r)| r["Type"] == "AWS::ApiGateway::Deployment");
    for id in deployments.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
        let new = format!("{id}{}", letters(name));
        rename(template, &id, &new);
        rewrites.push(Rewrite { path: format!("Resources.{new}"), from: id, to: new });
    }
}

fn properties(resource: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    resource.get_mut("Properties").and_then(Value::as_object_mut)
}

/// Whether a `DependsOn` names this resource.
fn names(waits: &Value, id: &str) -> bool {
    waits == id || waits.as_array().is_some_and(|all| all.iter().any(|one| one == id))
}

/// Adds a resource to the `DependsOn` of another.
fn wait_for(resource: &mut Map<String, Value>, id: &str) {
    let waits = resource.entry("DependsOn").or_insert_with(|| json!([]));
    if let Value::String(one) = waits {
        *waits = json!([one]);
    }
    if let Value::Array(all) = waits {
        all.push(json!(id));
    }
}

impl Redirect<'_> {
    fn said(&mut self, path: &str, function: &str, alias: &str) {
        let (path, from, to) = (path.to_owned(), function.to_owned(), alias.to_owned());
        self.rewrites.push(Rewrite { path, from, to });
    }

    /// The alias of the function that a value names.
    fn alias(&self, value: &Value) -> Option<(String, String)> {
        let name = value.as_object().filter(|object| object.len() == 1).and_then(|object| object.get("Ref"));
        let function = name.and_then(Value::as_str).or_else(|| arn_of(value))?;
        Some((function.to_owned(), self.aliases.get(function)?.clone()))
    }

    /// Changes `FunctionName`, which may be a name or an ARN.
    fn name(&mut self, own: &mut Map<String, Value>, path: &str) {
        let Some(value) = own.get_mut("FunctionName") else { return };
        let Some((function, alias)) = self.alias(value) else { return };
        *value = json!({ "Ref": alias });
        self.said(&format!("{path}.FunctionName"), &function, &alias);
    }

    /// The permission of the alias that corresponds to one of the function.
    fn permission(&self, resource: &Map<String, Value>) -> Option<Value> {
        let (_, alias) = self.alias(resource.get("Properties")?.get("FunctionName")?)?;
        let mut of_alias = resource.clone();
        of_alias
            .get_mut("Properties")?
            .as_object_mut()?
            .insert("FunctionName".into(), json!({ "Ref": alias }));
        Some(Value::Object(of_alias))
    }

    /// Sets the qualifier of a resource that names function and qualifier apart, and lets it wait for the alias.
    fn qualify(&mut self, resource: &mut Map<String, Value>, property: &str, name: &AliasName, path: &str) {
        let named = properties(resource).and_then(|own| {
            let (function, alias) = self.alias(own.get(property)?)?;
            let latest = own.get("Qualifier").is_none_or(|qualifier| qualifier == "$LATEST");
            latest.then(|| own.insert("Qualifier".into(), json!(name.as_str())))?;
            Some((function, alias))
        });
        let Some((function, alias)) = named else { return };
        wait_for(resource, &alias);
        self.said(&format!("{path}.Qualifier"), &function, &alias);
    }

    fn value_of(&mut self, object: &mut Map<String, Value>, path: &str) {
        let is_statement = object.contains_key("Effect");
        // CloudFormation invokes it while it updates the stack, when the alias may still name the version before.
        for (key, value) in object.iter_mut().filter(|(key, _)| *key != "ServiceToken") {
            let path = format!("{path}.{key}");
            let policy = is_statement && matches!(key.as_str(), "Resource" | "NotResource");
            if policy { self.policy(value, &path) } else { self.value(value, &path) }
        }
    }

    fn value(&mut self, value: &mut Value, path: &str) {
        if let Some(function) = arn_of(value).map(str::to_owned) {
            if let Some(alias) = self.aliases.get(&function).cloned() {
                *value = json!({ "Ref": alias });
                self.said(path, &function, &alias);
            }
            return;
        }
        match value {
            Value::Array(items) => {
                for (at, item) in items.iter_mut().enumerate() {
                    self.value(item, &format!("{path}.{at}"));
                }
            }
            Value::Object(object) => {
                if let Some(text) = object.get_mut("Fn::Sub") {
                    self.substituted(text, path);
                }
                self.value_of(object, path);
            }
            _ => {}
        }
    }

    /// The resources of a policy: who may invoke the function may invoke its alias too.
    fn policy(&mut self, value: &mut Value, path: &str) {
        let listed = match *value {
            Value::Array(ref mut items) => std::mem::take(items),
            ref mut one => vec![one.take()],
        };
        let mut all = Vec::with_capacity(listed.len());
        for item in listed {
            let substituted = item.get("Fn::Sub").and_then(Value::as_str);
            let substituted = substituted.and_then(|text| text.strip_prefix("${")?.strip_suffix(".Arn}"));
            let alias = arn_of(&item)
                .or(substituted)
                .and_then(|function| Some((function.to_owned(), self.aliases.get(function)?.clone())));
            all.push(item);
            if let Some((function, alias)) = alias {
                all.push(json!({ "Ref": alias }));
                self.said(path, &function, &alias);
            }
        }
        *value = if all.len() == 1 { all.remove(0) } else { Value::Array(all) };
    }

    /// The ARN within a text: `${Function.Arn}`.
    fn substituted(&mut self, sub: &mut Value, path: &str) {
        let text = match sub {
            Value::Array(parts) => parts.first_mut(),
            other => Some(other),
        };
        let Some(Value::String(text)) = text else { return };
        for (function, alias) in self.aliases.clone() {
            let (from, to) = (format!("${{{function}.Arn}}"), format!("${{{alias}}}"));
            if text.contains(&from) {
                *text = text.replace(&from, &to);
                self.said(path, &function, &alias);
            }
        }
    }
}
