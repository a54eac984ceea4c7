//! The meaning of plain scalars.

use serde_json::{Number, Value};

/// The value of a scalar without quotes and without a tag.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        // YAML 1.1, <https://yaml.org/type/bool.html>, without the single letters, which PyYAML leaves out too.
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Value::Bool(false),
        text => number(text).map_or_else(|| Value::from(text), Value::Number),
    }
}

/// A number, if it is written exactly as JSON writes it. Otherwise the scalar stays text, so that no digit is lost.
fn number(text: &str) -> Option<Number> {
    let first = text.strip_prefix('-').unwrap_or(text).bytes().next()?;
    // No number in JSON's form is longer; this avoids parsing long texts.
    if !first.is_ascii_digit() || text.len() > 40 {
        return None;
    }
    let number: Number = serde_json::from_str(text).ok()?;
    (number.to_string() == text).then_some(number)
}
