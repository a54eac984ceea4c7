//! The property changes of a resource, leaf by leaf. CloudFormation reports values as text, and structured
//! values as JSON in a text.

use flotilla_domain::plan::{PropertyChange, Replacement};
use serde_json::Value;
use std::collections::BTreeMap;

/// The leaves that differ between two values of a property, or the property itself if both values are unknown
/// or equal.
pub fn property_changes(
    path: &str,
    before: Option<&str>,
    after: Option<&str>,
    recreation: Replacement,
) -> Vec<PropertyChange> {
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    before.into_iter().for_each(|text| text_leaves(path.to_owned(), text, &mut old));
    after.into_iter().for_each(|text| text_leaves(path.to_owned(), text, &mut new));
    let mut paths: Vec<String> = old.keys().chain(new.keys()).cloned().collect();
    paths.sort();
    paths.dedup();
    let mut changes: Vec<PropertyChange> = paths
        .into_iter()
        .map(|path| {
            let (before, after) = (old.remove(&path), new.remove(&path));
            let hidden = [&before, &after].into_iter().flatten().any(Option::is_none);
            PropertyChange { before: before.flatten(), after: after.flatten(), hidden, path, recreation }
        })
        .filter(|change| change.hidden || change.before != change.after)
        .collect();
    if changes.is_empty() {
        changes.push(PropertyChange {
            path: path.to_owned(),
            before: None,
            after: None,
            hidden: false,
            recreation,
        });
    }
    changes
}

/// A path as CloudFormation writes it (`/Properties/Tags`), with dots and without its first part.
pub fn dotted(path: &str) -> String {
    let path = path.strip_prefix("/Properties/").unwrap_or(path.trim_start_matches('/'));
    path.replace('/', ".").replace("~1", "/").replace("~0", "~")
}

/// The leaves of a text. Truncated JSON is one hidden leaf, because its contents are unknown and may be secret.
fn text_leaves(path: String, text: &str, leaves: &mut BTreeMap<String, Option<String>>) {
    // `{{resolve:…}}` is a reference, and CloudFormation's `{{changeSet:…}}` stands for a value that is not
    // known yet.
    let structured = text.starts_with(['{', '[']) && !text.starts_with("{{");
    match serde_json::from_str::<Value>(text) {
        Ok(value) if structured => value_leaves(path, &value, leaves),
        Err(_) if structured => drop(leaves.insert(path, None)),
        _ => drop(leaves.insert(path, Some(text.to_owned()))),
    }
}

fn value_leaves(path: String, value: &Value, leaves: &mut BTreeMap<String, Option<String>>) {
    let under = |part: &str| if path.is_empty() { part.to_owned() } else { format!("{path}.{part}") };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(name, field)| value_leaves(under(name), field, leaves));
        }
        Value::Array(items) if !items.is_empty() => {
            for (n, item) in items.iter().enumerate() {
                // Tags and variables are matched by name. Their order does not matter.
                match named(item) {
                    Some((name, value)) => value_leaves(under(name), value, leaves),
                    None => value_leaves(under(&n.to_string()), item, leaves),
                }
            }
        }
        Value::String(text) => text_leaves(path, text, leaves),
        scalar => drop(leaves.insert(path, Some(scalar.to_string()))),
    }
}

/// An item of a list of names and values: `{"Key": …, "Value": …}`, `{"Name": …, "Value": …}`.
fn named(item: &Value) -> Option<(&str, &Value)> {
    let fields = item.as_object().filter(|fields| fields.len() == 2)?;
    let name = fields.get("Key").or(fields.get("Name"))?.as_str()?;
    Some((name, fields.get("Value")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differences(path: &str, before: Option<&str>, after: Option<&str>) -> Vec<String> {
        let value = |value: Option<String>| value.unwrap_or_else(|| "-".into());
        let changes = property_changes(path, before, after, Replacement::Never).into_iter();
        changes
            .map(|c| match c.hidden {
                true => format!("{} is hidden", c.path),
                false => format!("{}: {} > {}", c.path, value(c.before), value(c.after)),
            })
            .collect()
    }

    #[test]
    fn plain_values_are_told_as_they_are() {
        assert_eq!(differences("Timeout", Some("3"), Some("6")), ["Timeout: 3 > 6"]);
        assert_eq!(differences("Timeout", None, Some("6")), ["Timeout: - > 6"]);
        assert_eq!(differences("Role", None, None), ["Role: - > -"]);
        assert_eq!(differences("Role", Some("a"), Some("a")), ["Role: - > -"]);
        let reference = "{{resolve:ssm:/orders/level}}";
        assert_eq!(differences("Level", None, Some(reference)), [format!("Level: - > {reference}")]);
    }

    #[test]
    fn of_values_with_parts_only_those_that_differ_are_told() {
        let before = r#"{"Variables": {"LEVEL": "info", "REGION": "x", "LIST": [1, {"a": null}]}}"#;
        let after =
            r#"{"Variables": {"LEVEL": "debug", "REGION": "x", "LIST": [2, {"a": null}], "NEW": true}}"#;
        assert_eq!(
            differences("Environment", Some(before), Some(after)),
            [
                "Environment.Variables.LEVEL: info > debug",
                "Environment.Variables.LIST.0: 1 > 2",
                "Environment.Variables.NEW: - > true",
            ]
        );
    }

    #[test]
    fn tags_are_told_by_their_names_in_any_order() {
        let before = r#"[{"Key": "team", "Value": "a"}, {"Key": "cost", "Value": "1"}]"#;
        let after = r#"[{"Value": "1", "Key": "cost"}, {"Key": "team", "Value": "b"}]"#;
        assert_eq!(differences("Tags", Some(before), Some(after)), ["Tags.team: a > b"]);
    }

    #[test]
    fn json_in_a_text_is_read_and_what_was_cut_off_is_hidden() {
        let inner = r#"{"SecretString": "{\"password\": \"x\"}"}"#;
        assert_eq!(differences("", None, Some(inner)), ["SecretString.password: - > x"]);
        assert_eq!(differences("Variables", None, Some(r#"{"DB_PASSWORD": "hunt"#)), ["Variables is hidden"]);
    }

    #[test]
    fn a_path_is_written_with_dots() {
        assert_eq!(dotted("/Properties/Environment/Variables/A~1B"), "Environment.Variables.A/B");
        assert_eq!(dotted("/DeletionPolicy"), "DeletionPolicy");
        assert_eq!(dotted("Timeout"), "Timeout");
    }
}
