//! Strict reading and canonical writing of JSON: duplicate keys are refused, and equal values are written as equal
//! bytes.

use crate::text::{OCCURS_TWICE, is_utf16};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// Parses JSON. `serde_json` bounds the nesting to 128 levels.
///
/// # Errors
/// The error with its line and column. A key that occurs twice in one object is an error, because parsers differ in
/// which of the two values they keep.
pub fn parse_strict(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    if is_utf16(bytes) {
        return Err(serde_json::Error::custom("the text is UTF-16; save it as UTF-8"));
    }
    serde_json::from_slice::<Strict>(&quote_inexact(bytes)).map(|strict| strict.0)
}

/// Quotes each number that would be written otherwise than it was read, such as `1.10` or `1E5`: CloudFormation reads a number as its
/// text, so no digit may change. Lines and columns of later errors shift by the quotes.
fn quote_inexact(bytes: &[u8]) -> Cow<'_, [u8]> {
    let (mut out, mut copied, mut at) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_string(bytes, at),
            b'-' | b'0'..=b'9' => {
                let is_part = |b: &u8| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E');
                let end =
                    bytes[at..].iter().position(|b| !is_part(b)).map_or(bytes.len(), |length| at + length);
                if is_inexact(&bytes[at..end]) {
                    out.extend_from_slice(&bytes[copied..at]);
                    out.push(b'"');
                    out.extend_from_slice(&bytes[at..end]);
                    out.push(b'"');
                    copied = end;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(bytes);
    }
    out.extend_from_slice(&bytes[copied..]);
    Cow::Owned(out)
}

/// The position behind the string that begins here.
fn end_of_string(bytes: &[u8], begin: usize) -> usize {
    let mut at = begin + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

/// Whether a number is valid, but `serde_json` would write it otherwise.
fn is_inexact(number: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(number) else { return false };
    serde_json::from_str::<serde_json::Number>(text).is_ok_and(|number| number.to_string() != text)
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key {key:?}{OCCURS_TWICE}")));
            }
            let Strict(value) = map.next_value()?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

/// Writes JSON without white space and with the keys of every object sorted.
pub fn canonical(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write_canonical(value, &mut out);
    out
}

fn write_canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(object) => {
            let mut keys: Vec<&String> = object.keys().collect();
            keys.sort();
            out.push(b'{');
            for (n, key) in keys.into_iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write_canonical(&Value::from(key.as_str()), out);
                out.push(b':');
                write_canonical(&object[key], out);
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write_canonical(item, out);
            }
            out.push(b']');
        }
        // Scalars have one form in serde_json, and writing one to memory cannot fail.
        scalar => out.extend_from_slice(scalar.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn p04_duplicate_keys_are_refused_at_every_depth() {
        for bad in [r#"{"a":1,"a":2}"#, r#"{"x":[{"a":1,"b":2,"a":1}]}"#, r#"{"a":1,"\u0061":2}"#] {
            assert!(
                parse_strict(bad.as_bytes())
                    .unwrap_err()
                    .to_string()
                    .contains("occurs twice (aws and sam take the last one)"),
                "{bad}"
            );
        }
    }

    #[test]
    fn p04_deep_nesting_is_refused_and_not_a_stack_overflow() {
        assert!(parse_strict("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn what_is_written_does_not_depend_on_the_order_of_what_was_read() {
        let one = parse_strict(br#"{"b":[1,{"d":null,"c":"\u00fc"}],"a":1.5}"#).unwrap();
        let two = parse_strict(br#" { "a" : 1.5, "b" : [1, {"c":"\u00fc", "d":null}] } "#).unwrap();
        assert_eq!(canonical(&one), canonical(&two));
        assert_eq!(String::from_utf8(canonical(&one)).unwrap(), r#"{"a":1.5,"b":[1,{"c":"ü","d":null}]}"#);
    }

    #[test]
    fn no_digit_of_a_number_changes() {
        for text in
            ["18446744073709551616", "1E5", "1.10", "1e5", "-0.0", "0.1", "12345678901234567890123", "3.0"]
        {
            let read = parse_strict(format!(r#"{{"a \" 1.10": [1, {text}], "b": -2}}"#).as_bytes()).unwrap();
            let kept = &read["a \" 1.10"][1];
            assert_eq!(kept.as_str().map_or_else(|| kept.to_string(), str::to_owned), text);
            assert_eq!((&read["a \" 1.10"][0], &read["b"]), (&Value::from(1), &Value::from(-2)));
        }
        for bad in ["1.", "01", "-", "1e", "+1", "--1"] {
            assert!(parse_strict(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_number_with_a_fraction_or_an_exponent_stays_the_number_it_is() {
        for number in
            ["1.8446744770309554e19", "0.1", "5e-324", "1.7976931348623157e308", "123456789.12345679"]
        {
            let once = canonical(&parse_strict(number.as_bytes()).unwrap());
            assert_eq!(once, canonical(&parse_strict(&once).unwrap()), "{number}");
        }
    }

    proptest! {
        #[test]
        fn every_number_reads_back_as_it_was_written(number in proptest::num::f64::NORMAL) {
            let value = Value::from(number);
            prop_assert_eq!(parse_strict(&canonical(&value)).unwrap(), value);
        }

        #[test]
        fn canonical_json_reads_back_as_the_same_value(text in "[\\[\\]{}:,\"0-9a-c \\\\]{0,80}") {
            if let Ok(value) = parse_strict(text.as_bytes()) {
                prop_assert_eq!(parse_strict(&canonical(&value)).unwrap(), value);
            }
        }
    }
}
