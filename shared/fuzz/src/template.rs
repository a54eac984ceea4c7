//! A template in JSON or YAML: read, made neutral, asked for its needs.

use crate::check;
use flotilla_domain::{AccountId, Digest, Region};
use flotilla_package::json::{canonical, parse_strict};
use flotilla_package::template::{self, MadeFor};
use flotilla_package::{Limits, yaml};
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads the input as a template.
pub fn run(data: &[u8]) {
    // What no template may look like is still to be read without harm.
    let _ =
        (parse_strict(data).map_err(|e| e.to_string()), yaml::parse_strict(data).map_err(|e| e.to_string()));
    let mut template = match template::read(data, "template", &Limits::DEFAULT) {
        Ok(template) => template,
        Err(refusal) => return check(&refusal),
    };
    reads_back(&template);
    let keeps = template.pointer("/Metadata/Flotilla").is_some();
    let made_for =
        MadeFor { region: Region::parse("us-east-1").ok(), account: AccountId::parse("111122223333").ok() };
    let found = match template::neutralise(&mut template, &made_for) {
        Ok(found) => found,
        Err(refusal) => return check(&refusal),
    };
    // What was left with a warning may stand alone afterwards: `us-east-1flotillastage`.
    if !keeps && found.warnings.is_empty() {
        let once = canonical(&template);
        template::neutralise(&mut template, &made_for).expect("what is neutral stays allowed");
        assert_eq!(text(&canonical(&template)), text(&once), "what is neutral is not made so again");
    }
    let nested = BTreeMap::from([(Digest::of(b"nested"), ["CAPABILITY_IAM".to_owned()].into())]);
    let needs = template::needs(&template, &nested);
    let declared = template.get("Parameters").and_then(Value::as_object).map_or(0, serde_json::Map::len);
    assert_eq!(needs.parameters.len(), declared);
}

fn reads_back(template: &Value) {
    let written = canonical(template);
    let read = parse_strict(&written).expect("what was read can be written and read");
    assert_eq!(text(&canonical(&read)), text(&written));
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
