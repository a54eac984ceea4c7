//! Placeholders: the parameters that they become, and those that cannot become one.

use super::stage_ids::StageIds;
use flotilla_domain::release::package::{
    GIVEN_PREFIX, PARAMETER_PLACEHOLDER, STAGE_PARAMETER, STAGE_PLACEHOLDER,
};
use flotilla_domain::{Code, Refusal};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Refuses a placeholder where it cannot become a parameter.
pub(super) fn refuse_placeholder(text: &str, path: &str) -> Result<(), Refusal> {
    for placeholder in [STAGE_PLACEHOLDER, PARAMETER_PLACEHOLDER] {
        if text.contains(placeholder) {
            let what =
                format!("{path} contains {placeholder}, and CloudFormation accepts no parameter there");
            let fix = "leave the stage out of this name in your source, or package with the real --stage: the package then fits that stage only";
            return Err(Refusal::new(Code::PlaceholderMisplaced, what, fix).at(path));
        }
    }
    Ok(())
}

/// Refuses the stage's placeholder where it is left after all that can be replaced was replaced: in another spelling, such as in capitals, because a
/// plug-in has changed it, or in a key. Only logical ids, and what names them, may contain it.
pub(super) fn refuse_the_rest(template: &Value, ids: &StageIds) -> Result<(), Refusal> {
    let Value::Object(sections) = template else { return Ok(()) };
    for (section, entries) in sections {
        match (section.as_str(), entries) {
            ("Resources" | "Outputs", Value::Object(entries)) => {
                for (id, entry) in entries {
                    let path = format!("{section}.{id}");
                    if !ids.names(id) {
                        refuse_spelling(id, &path)?;
                    }
                    refuse_left(entry, &path, ids, May::BeNothingElse)?;
                }
            }
            (_, entries) => refuse_left(entries, section, ids, May::BeNothingElse)?,
        }
    }
    Ok(())
}

/// What a text may be, apart from a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum May {
    BeNothingElse,
    /// As in `Ref`.
    NameResource,
    /// As in `Fn::Sub`.
    ReferToResources,
}

fn refuse_left(value: &Value, path: &str, ids: &StageIds, may: May) -> Result<(), Refusal> {
    match value {
        Value::String(text) => match may {
            May::NameResource if ids.names(text) => Ok(()),
            May::ReferToResources => refuse_spelling(&ids.without_references(text), path),
            May::NameResource | May::BeNothingElse => refuse_spelling(text, path),
        },
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| refuse_left(item, &format!("{path}.{index}"), ids, may)),
        Value::Object(object) => object.iter().try_for_each(|(key, value)| {
            let path = format!("{path}.{key}");
            refuse_spelling(key, &path)?;
            let may = match key.as_str() {
                "Ref" | "Fn::GetAtt" | "DependsOn" => May::NameResource,
                "Fn::Sub" => May::ReferToResources,
                _ => May::BeNothingElse,
            };
            refuse_left(value, &path, ids, may)
        }),
        _ => Ok(()),
    }
}

fn refuse_spelling(text: &str, path: &str) -> Result<(), Refusal> {
    let contains = |text: &str| text.to_ascii_lowercase().contains(STAGE_PLACEHOLDER);
    if !contains(text) || !contains(&text.replace(STAGE_PARAMETER, "")) {
        return Ok(());
    }
    let what =
        format!("{path} contains {STAGE_PLACEHOLDER} in a spelling or a place that no parameter can produce");
    let fix = "leave the stage out of this value in your source, or package with the real --stage: the package then fits that stage only";
    Err(Refusal::new(Code::PlaceholderMisplaced, what, fix).at(path))
}

/// Declares parameters; a declaration of the template itself takes precedence.
pub(super) fn declare(sections: &mut Map<String, Value>, names: &BTreeSet<String>) -> Result<(), Refusal> {
    if names.is_empty() {
        return Ok(());
    }
    let declared = sections.entry("Parameters").or_insert_with(|| json!({}));
    let Value::Object(declared) = declared else { return Ok(()) };
    for name in names {
        if name.starts_with(GIVEN_PREFIX) && name != STAGE_PARAMETER {
            let what =
                format!("{PARAMETER_PLACEHOLDER}{name}: names that begin with {GIVEN_PREFIX} are reserved");
            let fix = "give the parameter another name";
            return Err(Refusal::new(Code::TemplateInvalid, what, fix).at(format!("Parameters.{name}")));
        }
        declared.entry(name).or_insert_with(|| json!({"Type": "String"}));
    }
    Ok(())
}
