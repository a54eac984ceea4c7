//! Templates of nested stacks: reads them with their own paths, and passes the outer stack's parameters to them.

use super::Taker;
use super::place::{Place, local_path};
use crate::formats::Stop;
use crate::formats::draft::hand_down;
use crate::formats::path_table::Row;
use crate::template::{asset_tokens, uses_assets_bucket};
use flotilla_domain::release::package::{ROLE_BOUNDARY_PARAMETER, Warning};
use flotilla_domain::{Code, Refusal};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const STACK: &str = "AWS::CloudFormation::Stack";
const STACK_SET: &str = "AWS::CloudFormation::StackSet";

/// A nested template that was read.
pub(crate) struct Nested {
    /// The template, with the parameters that it is given declared.
    template: Value,
    /// Its number in the draft.
    number: usize,
    /// The parameters that were added for placeholders.
    asked: BTreeSet<String>,
}

impl Taker<'_, '_> {
    /// Reads the template of a nesting resource. Returns the parameters that the outer template must declare.
    pub fn nesting(
        &mut self,
        resource: &mut Map<String, Value>,
        row: &Row,
        place: &Place<'_>,
    ) -> Result<BTreeMap<String, Value>, Stop> {
        let none = BTreeMap::new();
        let name = row.property.first().copied().unwrap_or_default();
        let Some(Value::Object(properties)) = resource.get_mut("Properties") else { return Ok(none) };
        let Some(location) = properties.get(name) else { return Ok(none) };
        let here = Place { path: format!("{}.{name}", place.path), ..*place };
        if let Some(warning) = of_repository(location, &here) {
            self.warn(warning);
            return Ok(none);
        }
        let file = self.resolve(local_path(location, &here)?, &here)?;
        self.read_nested(&file)?;
        let Some(nested) = self.nested.get_mut(&file) else { return Ok(none) };
        let mut properties = Value::Object(std::mem::take(properties));
        let declared = if row.kind == STACK_SET {
            give_stack_set(nested, &mut properties, &here)
        } else {
            give(nested, &mut properties, &here)
        }?;
        properties[if row.kind == STACK_SET { name } else { "TemplateURL" }] =
            asset_tokens::url(nested.number);
        if row.kind != STACK && row.kind != STACK_SET {
            into_stack(resource, &mut properties);
        }
        resource.insert("Properties".into(), properties);
        Ok(declared)
    }

    /// Reads a nested template unless it was read before.
    fn read_nested(&mut self, file: &str) -> Result<(), Stop> {
        if self.nested.contains_key(file) {
            return Ok(());
        }
        let at = file.strip_prefix(&self.root).unwrap_or(file).to_owned();
        let (mut template, asked) = self.template(file, &at)?;
        if has_functions(&template) {
            self.warn(Warning {
                code: Code::NestedUnproven,
                path: at,
                message: "the functions of this nested stack get the package's bytes, but unlike those of the outer stack they are not read back after the deployment".into(),
            });
        }
        // It gets the same parameters wherever it is nested.
        hand_down(&mut template, &mut json!({}));
        let number = self.draft.nested(template.clone());
        self.nested.insert(file.to_owned(), Nested { template, number, asked });
        Ok(())
    }
}

/// Sets the parameters that a nested stack's template needs.
fn give(
    nested: &mut Nested,
    properties: &mut Value,
    place: &Place<'_>,
) -> Result<BTreeMap<String, Value>, Refusal> {
    let mut declared = hand_down(&mut nested.template, &mut json!({}));
    let computed = properties.get("Parameters").and_then(Value::as_object);
    let is_computed = computed.is_some_and(|given| given.keys().any(|key| key.starts_with("Fn::")));
    let needs_some = !declared.is_empty() || !nested.asked.is_empty() || uses_assets_bucket(&nested.template);
    if needs_some && (is_computed || properties.get("Parameters").is_some_and(|given| !given.is_object())) {
        return Err(computed_parameters(place));
    }
    hand_down(&mut nested.template, properties);
    for parameter in &nested.asked {
        let given = &mut properties["Parameters"];
        if given.get(parameter).is_none() {
            given[parameter] = json!({"Ref": parameter});
            declared.insert(parameter.clone(), json!({"Type": "String"}));
        }
    }
    Ok(declared)
}

/// Does the same for a stack set. Its instances are in other regions and accounts, which cannot use this region's
/// artifact bucket.
fn give_stack_set(
    nested: &mut Nested,
    properties: &mut Value,
    place: &Place<'_>,
) -> Result<BTreeMap<String, Value>, Refusal> {
    if uses_assets_bucket(&nested.template) {
        let what = "the stack set's template names files of the package, which its instances cannot reach";
        let fix = "deploy these resources as their own service, with the regions and accounts in the profile";
        return Err(Refusal::new(Code::TemplateUnsupported, what, fix).at(place.shown()));
    }
    let mut declared = hand_down(&mut nested.template, &mut json!({}));
    // Its instances are in accounts that have no such policy, or another one.
    declared.remove(ROLE_BOUNDARY_PARAMETER);
    declared.extend(nested.asked.iter().map(|name| (name.clone(), json!({"Type": "String"}))));
    if declared.is_empty() {
        return Ok(declared);
    }
    let own = properties.as_object_mut().map(|own| own.entry("Parameters").or_insert_with(|| json!([])));
    let Some(Value::Array(given)) = own else { return Err(computed_parameters(place)) };
    for name in declared.keys() {
        if !given.iter().any(|one| one["ParameterKey"] == name.as_str()) {
            given.push(json!({"ParameterKey": name, "ParameterValue": {"Ref": name}}));
        }
    }
    Ok(declared)
}

fn computed_parameters(place: &Place<'_>) -> Refusal {
    let what = "the nested stack's Parameters are computed, so Flotilla cannot add its own";
    let fix = "list the parameters explicitly, each with its value";
    Refusal::new(Code::TemplateUnsupported, what, fix).at(place.shown())
}

/// The warning about an application of the Serverless Application Repository: a published version never changes, but
/// its content is not in the package.
fn of_repository(location: &Value, place: &Place<'_>) -> Option<Warning> {
    let object = location.as_object()?;
    let pinned = object.get("SemanticVersion").is_some_and(Value::is_string);
    (pinned && object.contains_key("ApplicationId")).then(|| Warning {
        code: Code::NestedUnproven,
        path: place.shown(),
        message: "the application comes from the Serverless Application Repository and not from the package: its bytes are not proven".into(),
    })
}

/// Converts a SAM application to the nested stack that SAM would create. SAM itself accepts only a literal location,
/// which would be the same bucket in every region (`SamApplication.to_cloudformation` of samtranslator).
fn into_stack(resource: &mut Map<String, Value>, properties: &mut Value) {
    resource.insert("Type".into(), STACK.into());
    let Some(properties) = properties.as_object_mut() else { return };
    properties.remove("Location");
    let own: BTreeMap<String, Value> = match properties.remove("Tags") {
        Some(Value::Object(tags)) => tags.into_iter().collect(),
        _ => BTreeMap::new(),
    };
    let tag = |key: &str, value: Value| json!({"Key": key, "Value": value});
    let tags = std::iter::once(tag("lambda:createdBy", "SAM".into()))
        .chain(own.into_iter().map(|(key, value)| tag(&key, value)));
    properties.insert("Tags".into(), tags.collect());
}

fn has_functions(template: &Value) -> bool {
    let resources = template.get("Resources").and_then(Value::as_object);
    let kinds = ["AWS::Lambda::Function", "AWS::Serverless::Function"];
    resources.into_iter().flatten().any(|(_, resource)| {
        resource.get("Type").and_then(Value::as_str).is_some_and(|kind| kinds.contains(&kind))
    })
}
