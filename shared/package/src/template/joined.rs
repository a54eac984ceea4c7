//! The whole of a text whose parts CloudFormation joins, as far as a template tells it.

use serde_json::Value;
use std::collections::BTreeMap;

/// What the pseudo parameters stand for in a text that is only compared with known forms.
const PSEUDO: [(&str, &str); 3] =
    [("AWS::Partition", "aws"), ("AWS::AccountId", OWN_ACCOUNT), ("AWS::URLSuffix", "amazonaws.com")];
/// What stands for the account of the stack: one that AWS uses in its documentation.
pub(super) const OWN_ACCOUNT: &str = "111122223333";
/// What stands for a value that is known only during the deployment, or is longer than what names anything.
const UNKNOWN: &str = "x";
/// The longest text, in bytes, that is put together: no ARN or address is longer, and nested substitutions would multiply.
const BYTES_MAX: usize = 64 * 1024;

/// The text of a string, a reference, `Fn::Sub` or `Fn::Join`.
pub(super) fn whole_text(value: &Value) -> String {
    let Value::Object(function) = value else {
        return value.as_str().map_or_else(|| UNKNOWN.to_owned(), ToOwned::to_owned);
    };
    match function.iter().next() {
        Some((name, Value::String(parameter))) if name == "Ref" => pseudo(parameter).to_owned(),
        Some((name, Value::String(text))) if name == "Fn::Sub" => resolved(text),
        Some((name, Value::Array(parts))) if name == "Fn::Sub" => {
            let given = parts.get(1).unwrap_or(&Value::Null);
            parts
                .first()
                .and_then(Value::as_str)
                .map_or_else(|| UNKNOWN.to_owned(), |text| substituted(text, given))
        }
        Some((name, Value::Array(parts))) if name == "Fn::Join" => {
            let delimiter = parts.first().and_then(Value::as_str).unwrap_or_default();
            let parts = parts.get(1).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            bounded(parts.iter().map(whole_text).collect::<Vec<_>>().join(delimiter))
        }
        _ => UNKNOWN.to_owned(),
    }
}

/// A substitution's text with what its references stand for.
pub(super) fn resolved(text: &str) -> String {
    substituted(text, &Value::Null)
}

/// The same, where `given` has the values of names that are the text's own.
fn substituted(text: &str, given: &Value) -> String {
    let mut pieces = text.split("${");
    let mut whole = pieces.next().unwrap_or_default().to_owned();
    // Each name once, however often it occurs.
    let mut known = BTreeMap::new();
    for piece in pieces {
        match piece.split_once('}') {
            Some((name, rest)) => {
                let value = || given.get(name).map_or_else(|| pseudo(name).to_owned(), whole_text);
                whole += known.entry(name).or_insert_with(value);
                whole += rest;
            }
            None => whole.extend(["${", piece]),
        }
        if whole.len() > BYTES_MAX {
            return UNKNOWN.to_owned();
        }
    }
    whole
}

fn bounded(text: String) -> String {
    if text.len() > BYTES_MAX { UNKNOWN.to_owned() } else { text }
}

fn pseudo(parameter: &str) -> &str {
    PSEUDO.iter().find(|(name, _)| *name == parameter).map_or(UNKNOWN, |(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_joined_is_read_as_one_text() {
        let id = "certificate/12345678-1234-1234-1234-123456789012";
        let expected = format!("arn:aws:acm:us-east-1:111122223333:{id}");
        for value in [
            json!({"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, format!(":acm:us-east-1:111122223333:{id}")]]}),
            json!({"Fn::Sub": format!("arn:${{AWS::Partition}}:acm:us-east-1:${{AWS::AccountId}}:{id}")}),
            json!({"Fn::Join": [":", ["arn", {"Ref": "AWS::Partition"}, "acm:us-east-1", {"Fn::Sub": "${AWS::AccountId}"}, id]]}),
            json!({"Fn::Sub": ["arn:aws:acm:us-east-1:${AWS::AccountId}:${Id}", {"Id": id}]}),
        ] {
            assert_eq!(whole_text(&value), expected, "{value}");
        }
        assert_eq!(whole_text(&json!({"Fn::Join": ["-", ["a", {"Fn::GetAtt": ["B", "C"]}, 1]]})), "a-x-x");
        assert_eq!(resolved("a${B}c${unclosed"), "axc${unclosed");
        // A few bytes may mean very many.
        let nested =
            (0..40).fold(json!("data"), |inner, _| json!({"Fn::Sub": ["${a}${a}${a}${a}", {"a": inner}]}));
        assert!(whole_text(&nested).len() <= BYTES_MAX);
        assert_eq!(whole_text(&json!({"Fn::Join": ["", ["a".repeat(BYTES_MAX), "b"]]})), UNKNOWN);
    }
}
