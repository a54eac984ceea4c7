//! References between the stacks of an app: CDK writes the other stack's name, which differs between stages.

use super::super::{Draft, Stop};
use crate::template::{MadeFor, declare};
use flotilla_domain::release::package::{Rewrite, stack_parameter};
use flotilla_domain::{Code, Refusal, StackPart};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The stack whose template is read, and the stacks that it may refer to.
pub struct References<'a> {
    /// The stack's own part.
    pub own: &'a StackPart,
    /// The parts by the names that CDK would give their stacks.
    pub names: &'a BTreeMap<String, StackPart>,
    /// The environment that the stacks were made for.
    pub made_for: &'a MadeFor,
    /// The prefix of every path.
    pub at: &'a str,
    /// The stacks that are referred to.
    pub used: BTreeSet<StackPart>,
}

impl References<'_> {
    /// Replaces the names of stacks in a template by parameters, and declares these.
    ///
    /// If a stack keeps the name that CDK gave it, its exports keep their names too.
    pub fn take(&mut self, draft: &mut Draft, template: &mut Value) -> Result<(), Stop> {
        let mut used = BTreeSet::new();
        for section in ["Resources", "Outputs"] {
            for (id, entry) in template.get_mut(section).and_then(Value::as_object_mut).into_iter().flatten()
            {
                let path = format!("{section}.{id}");
                if section == "Resources" {
                    refuse_other_regions(entry, &format!("{}: {path}", self.at))?;
                }
                self.exported(draft, entry, &path);
                self.value(draft, entry, &path, &mut used)?;
            }
        }
        for part in &used {
            let description = format!("The name of this stage's stack {part}; given by Flotilla.");
            declare(template, &stack_parameter(part), json!({"Type": "String", "Description": description}));
        }
        self.used.extend(used);
        Ok(())
    }

    /// Splits a text that begins with a stack's name: the part, the name, and the rest.
    fn split<'t>(&self, text: &'t str) -> Option<(&StackPart, &'t str, &'t str)> {
        let (name, rest) = text.split_once(':')?;
        Some((self.names.get(name)?, name, rest))
    }

    fn note(&self, draft: &mut Draft, path: &str, from: &str, to: String) {
        let path = format!("{}: {path}", self.at);
        draft.rewrites.push(Rewrite { path, from: from.to_owned(), to });
    }

    /// An output's export.
    fn exported(&self, draft: &mut Draft, output: &mut Value, path: &str) {
        let Some(name) = output.get_mut("Export").and_then(|export| export.get_mut("Name")) else { return };
        let Some((part, stack, rest)) = name.as_str().and_then(|text| self.split(text)) else { return };
        if part == self.own {
            self.note(draft, &format!("{path}.Export.Name"), stack, "AWS::StackName".into());
            *name = json!({"Fn::Sub": format!("${{AWS::StackName}}:{}", rest.replace("${", "${!"))});
        }
    }

    fn value(
        &self,
        draft: &mut Draft,
        value: &mut Value,
        path: &str,
        used: &mut BTreeSet<StackPart>,
    ) -> Result<(), Refusal> {
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.value(draft, item, &format!("{path}.{index}"), used)?;
                }
            }
            Value::Object(object) => {
                for (key, value) in object.iter_mut() {
                    let path = format!("{path}.{key}");
                    match key.as_str() {
                        "Fn::ImportValue" => self.imported(draft, value, &path, used),
                        "Fn::GetStackOutput" => self.output(draft, value, &path, used)?,
                        _ => {}
                    }
                    self.value(draft, value, &path, used)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// `Fn::ImportValue` of another stack's export: a strong reference.
    fn imported(&self, draft: &mut Draft, value: &mut Value, path: &str, used: &mut BTreeSet<StackPart>) {
        let Some((part, stack, rest)) = value.as_str().and_then(|text| self.split(text)) else { return };
        let parameter = self.parameter(part, used);
        self.note(draft, path, stack, parameter.clone());
        *value = json!({"Fn::Sub": format!("${{{parameter}}}:{}", rest.replace("${", "${!"))});
    }

    /// `Fn::GetStackOutput` of another stack: a weak reference.
    fn output(
        &self,
        draft: &mut Draft,
        value: &mut Value,
        path: &str,
        used: &mut BTreeSet<StackPart>,
    ) -> Result<(), Refusal> {
        let elsewhere = |what: &str| Err(other_region(what).at(format!("{}: {path}", self.at)));
        let Value::Object(said) = value else { return Ok(()) };
        if said.get("RoleArn").is_some_and(|role| !role.is_null()) {
            return elsewhere("the stack refers to a stack of another account");
        }
        let own = self.made_for.region.as_ref().map(|region| region.as_str());
        if said.get("Region").and_then(Value::as_str).is_some_and(|region| Some(region) != own) {
            return elsewhere("the stack refers to a stack of another region");
        }
        let Some(Value::String(name)) = said.get("StackName") else { return Ok(()) };
        let Some(part) = self.names.get(name) else { return Ok(()) };
        let parameter = self.parameter(part, used);
        self.note(draft, &format!("{path}.StackName"), name, parameter.clone());
        said.insert("StackName".into(), json!({"Ref": parameter}));
        Ok(())
    }

    /// The parameter that holds the name of a part's stack. Records that it is used.
    fn parameter(&self, part: &StackPart, used: &mut BTreeSet<StackPart>) -> String {
        if part == self.own {
            return "AWS::StackName".into();
        }
        used.insert(part.clone());
        stack_parameter(part)
    }
}

/// Refuses the custom resources with which CDK passes values between regions.
fn refuse_other_regions(resource: &Value, path: &str) -> Result<(), Refusal> {
    match resource["Type"].as_str() {
        Some("Custom::CrossRegionExportWriter" | "Custom::CrossRegionExportReader") => {
            Err(other_region("the stack passes values to or from another region").at(path))
        }
        _ => Ok(()),
    }
}

fn other_region(what: &str) -> Refusal {
    let fix = "make each region independent (crossRegionReferences: false), or set the value as a parameter in the profile";
    Refusal::new(Code::TemplateUnsupported, what, fix)
}
