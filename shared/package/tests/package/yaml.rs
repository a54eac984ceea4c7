//! Templates are read as PyYAML reads them, and with it the AWS CLI and SAM.

use flotilla_package::yaml::parse_strict;
use serde::Deserialize;
use serde_json::Value;

/// A fragment, and what PyYAML reads. Written by `scripts/yaml-corpus`.
#[derive(Deserialize)]
struct Fragment {
    yaml: String,
    value: Value,
}

#[test]
fn fragments_are_read_as_pyyaml_reads_them() {
    let corpus = include_str!("yaml_corpus.jsonl");
    assert!(corpus.lines().count() > 400);
    for line in corpus.lines() {
        let Fragment { yaml, value } = serde_json::from_str(line).unwrap();
        let read = parse_strict(yaml.as_bytes()).map_err(|error| error.to_string());
        assert_eq!(read, Ok(value), "{yaml}");
    }
}
