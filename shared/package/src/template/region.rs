//! Literals of the region that a package was made in become `AWS::Region`.

use flotilla_domain::Region;
use flotilla_domain::package::Warning;
use serde_json::{Value, json};

/// Rewrites every literal of `region` in the properties of resources and the values of outputs, and
/// answers a note for each. What is not rewritten: names of properties, inline code, and a region that is
/// part of a longer word, such as the availability zone `us-east-1a`; those get a note of their own.
pub fn neutralise_region(template: &mut Value, region: &Region) -> Vec<Warning> {
    let mut rewrite = Rewrite { region: region.as_str(), notes: Vec::new() };
    for (section, part) in [("Resources", "Properties"), ("Outputs", "Value")] {
        let entries = template.get_mut(section).and_then(Value::as_object_mut);
        for (id, entry) in entries.into_iter().flat_map(|entries| entries.iter_mut()) {
            if let Some(value) = entry.get_mut(part) {
                rewrite.value(value, &format!("{section}.{id}.{part}"));
            }
        }
    }
    rewrite.notes
}

struct Rewrite<'a> {
    region: &'a str,
    notes: Vec<Warning>,
}

impl Rewrite<'_> {
    fn value(&mut self, value: &mut Value, path: &str) {
        match value {
            Value::String(text) => {
                if let Some(rewritten) = self.literal(text, path) {
                    *value = rewritten;
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.value(item, &format!("{path}.{index}"));
                }
            }
            Value::Object(object) => {
                for (key, value) in object.iter_mut() {
                    let path = format!("{path}.{key}");
                    match (key.as_str(), value) {
                        // These name things of the template, never regions.
                        ("Ref" | "Fn::GetAtt" | "Condition", _) => {}
                        ("ZipFile", Value::String(code)) if code.contains(self.region) => {
                            self.note(&path, "inline code names the region it was packaged for, and will do so in every region");
                        }
                        ("Fn::Sub", Value::String(text)) => self.sub(text, &path),
                        ("Fn::Sub", Value::Array(parts)) => {
                            let mut parts = parts.iter_mut();
                            if let Some(Value::String(text)) = parts.next() {
                                self.sub(text, &path);
                            }
                            parts.for_each(|part| self.value(part, &path));
                        }
                        (_, value) => self.value(value, &path),
                    }
                }
            }
            _ => {}
        }
    }

    /// What a literal becomes: a reference if it is the region, a substitution if it contains it.
    fn literal(&mut self, text: &str, path: &str) -> Option<Value> {
        if text == self.region {
            self.note(path, "the region became AWS::Region");
            return Some(json!({"Ref": "AWS::Region"}));
        }
        let escaped = text.replace("${", "${!");
        let replaced = self.replace(&escaped, path)?;
        Some(json!({"Fn::Sub": replaced}))
    }

    fn sub(&mut self, text: &mut String, path: &str) {
        if let Some(replaced) = self.replace(text, path) {
            *text = replaced;
        }
    }

    /// Replaces the region where it stands as a word; `None` if it stands nowhere so.
    fn replace(&mut self, text: &str, path: &str) -> Option<String> {
        let mut out = String::new();
        let (mut copied, mut found) = (0, false);
        for (at, _) in text.match_indices(self.region) {
            let end = at + self.region.len();
            let in_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            let before = text[..at].chars().next_back().is_some_and(in_word);
            let after = text[end..].chars().next().is_some_and(in_word);
            if before || after {
                self.note(
                    path,
                    "a longer word contains the region it was packaged for, and will do so in every region",
                );
                continue;
            }
            out.push_str(&text[copied..at]);
            out.push_str("${AWS::Region}");
            (copied, found) = (end, true);
        }
        out.push_str(&text[copied..]);
        if found {
            self.note(path, "the region became AWS::Region");
        }
        found.then_some(out)
    }

    fn note(&mut self, path: &str, message: &str) {
        self.notes.push(Warning { path: path.to_owned(), message: message.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: Value, after: Value) {
        let mut template = json!({"Resources": {"R": {"Type": "T", "Properties": before}}});
        neutralise_region(&mut template, &Region::parse("us-east-1").unwrap());
        assert_eq!(template["Resources"]["R"]["Properties"], after);
    }

    #[test]
    fn literals_become_references_and_substitutions() {
        check(json!({"R": "us-east-1"}), json!({"R": {"Ref": "AWS::Region"}}));
        check(
            json!({"A": "arn:aws:sns:us-east-1:1:t"}),
            json!({"A": {"Fn::Sub": "arn:aws:sns:${AWS::Region}:1:t"}}),
        );
        check(
            json!({"A": {"Fn::Sub": "x.us-east-1.${Y}"}}),
            json!({"A": {"Fn::Sub": "x.${AWS::Region}.${Y}"}}),
        );
        check(
            json!({"A": {"Fn::Sub": ["us-east-1 ${Y}", {"Y": "us-east-1"}]}}),
            json!({"A": {"Fn::Sub": ["${AWS::Region} ${Y}", {"Y": {"Ref": "AWS::Region"}}]}}),
        );
        check(
            json!({"A": {"Fn::Join": [".", ["a", "us-east-1"]]}}),
            json!({"A": {"Fn::Join": [".", ["a", {"Ref": "AWS::Region"}]]}}),
        );
    }

    #[test]
    fn a_dollar_brace_in_a_literal_stays_a_literal() {
        check(json!({"A": "${x} us-east-1"}), json!({"A": {"Fn::Sub": "${!x} ${AWS::Region}"}}));
    }

    #[test]
    fn what_is_no_region_stays() {
        for same in [
            json!({"A": "us-east-10"}),
            json!({"A": "xus-east-1"}),
            json!({"A": "us-east-1a"}),
            json!({"A": {"Ref": "us-east-1"}}),
            json!({"Code": {"ZipFile": "r='us-east-1'"}}),
        ] {
            check(same.clone(), same);
        }
    }

    #[test]
    fn every_rewrite_and_every_doubt_is_noted_with_its_path() {
        let mut template = json!({"Outputs": {"O": {"Value": "us-east-1"}}, "Resources": {"R": {"Properties": {"AZ": "us-east-1a"}}}});
        let notes = neutralise_region(&mut template, &Region::parse("us-east-1").unwrap());
        let notes: Vec<_> = notes.iter().map(|n| n.path.as_str()).collect();
        assert_eq!(notes, ["Resources.R.Properties.AZ", "Outputs.O.Value"]);
    }
}
