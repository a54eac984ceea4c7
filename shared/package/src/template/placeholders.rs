//! Placeholders that cannot become parameters.

use super::stage_ids::StageIds;
use flotilla_domain::release::package::{PARAMETER_PLACEHOLDER, STAGE_PARAMETER, STAGE_PLACEHOLDER};
use flotilla_domain::{Code, Refusal};
use serde_json::Value;

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

/// Refuses the stage's placeholder in another spelling, such as in capitals: a plug-in has changed it, and no parameter
/// can produce that spelling. Logical ids with the stage may be named.
pub(super) fn refuse_other_spellings(value: &Value, path: &str, ids: &StageIds) -> Result<(), Refusal> {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::String(text) if ids.names(text) => Ok(()),
        Value::String(text) if text.to_ascii_lowercase().contains(STAGE_PLACEHOLDER) => {
            let left = ids.without_references(text).replace(STAGE_PARAMETER, "").to_ascii_lowercase();
            if !left.contains(STAGE_PLACEHOLDER) {
                return Ok(());
            }
            let what = format!(
                "{path} contains {STAGE_PLACEHOLDER} in another spelling, which no parameter can produce"
            );
            let fix = "leave the stage out of this value in your source, or package with the real --stage: the package then fits that stage only";
            Err(Refusal::new(Code::PlaceholderMisplaced, what, fix).at(path))
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| refuse_other_spellings(item, &below(&index.to_string()), ids)),
        Value::Object(object) => {
            object.iter().try_for_each(|(key, value)| refuse_other_spellings(value, &below(key), ids))
        }
        _ => Ok(()),
    }
}
