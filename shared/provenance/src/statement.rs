//! The in-toto statement that was signed: digests, and what is said of them.
//!
//! Sources: [Statement v1](https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md) and
//! [SLSA provenance v1](https://slsa.dev/spec/v1.0/provenance).

use flotilla_domain::Digest;
use flotilla_domain::release::provenance::Provenance;
use serde::Deserialize;
use std::collections::BTreeSet;

const SLSA_PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// What a statement says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The SHA-256 digests that it is about.
    pub subjects: BTreeSet<Digest>,
    /// Its SLSA provenance, if it is one.
    pub slsa: Option<Slsa>,
}

/// What SLSA provenance says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slsa {
    /// The builder's id.
    pub builder: Option<String>,
    /// What was built from, by URI, with its `author` annotations.
    pub sources: Vec<(String, BTreeSet<String>)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatementDoc {
    subject: Vec<Subject>,
    predicate_type: String,
    #[serde(default)]
    predicate: serde_json::Value,
}

#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    digest: Digests,
}

#[derive(Deserialize, Default)]
struct Digests {
    sha256: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SlsaDoc {
    build_definition: BuildDefinition,
    run_details: RunDetails,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition {
    #[serde(default)]
    resolved_dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    #[serde(default)]
    uri: String,
    #[serde(default)]
    annotations: Annotations,
}

#[derive(Deserialize, Default)]
struct Annotations {
    #[serde(default)]
    author: serde_json::Value,
}

#[derive(Deserialize)]
struct RunDetails {
    builder: Builder,
}

#[derive(Deserialize)]
struct Builder {
    id: Option<String>,
}

impl Statement {
    /// Reads a statement.
    pub fn parse(payload: &[u8]) -> Result<Self, String> {
        let statement: StatementDoc = serde_json::from_slice(payload)
            .map_err(|e| format!("what was signed is not an in-toto statement: {e}"))?;
        let digests = statement.subject.iter().filter_map(|subject| subject.digest.sha256.as_ref());
        let subjects: BTreeSet<_> = digests.filter_map(|digest| Digest::parse_hex(digest).ok()).collect();
        if subjects.is_empty() {
            return Err("the in-toto statement names no SHA-256 digest".into());
        }
        let slsa = (statement.predicate_type == SLSA_PROVENANCE)
            .then(|| Slsa::read(statement.predicate))
            .transpose()?;
        Ok(Self { subjects, slsa })
    }
}

impl Slsa {
    fn read(predicate: serde_json::Value) -> Result<Self, String> {
        let doc: SlsaDoc = serde_json::from_value(predicate)
            .map_err(|e| format!("the SLSA provenance cannot be read: {e}"))?;
        let dependencies = doc.build_definition.resolved_dependencies.into_iter();
        let sources = dependencies.map(|source| (source.uri, authors(&source.annotations.author)));
        Ok(Self { builder: doc.run_details.builder.id, sources: sources.collect() })
    }

    /// The authors of a repository. Without one, as when a person signs, those of everything that was built from.
    pub fn authors(&self, repository: Option<&str>) -> BTreeSet<String> {
        let is_source = |uri: &str| {
            let uri = uri.strip_prefix("git+").unwrap_or(uri);
            repository
                .is_none_or(|repository| uri == repository || uri.starts_with(&format!("{repository}@")))
        };
        let of_source = self.sources.iter().filter(|(uri, _)| is_source(uri));
        of_source.flat_map(|(_, authors)| authors).take(Provenance::AUTHORS_MAX).cloned().collect()
    }
}

/// The names in an annotation: a text, or a list of them. None if it is something else, or if one is too long: then the authors are not known.
fn authors(annotation: &serde_json::Value) -> BTreeSet<String> {
    let named: Vec<&serde_json::Value> = match annotation {
        serde_json::Value::Array(named) => named.iter().collect(),
        one => vec![one],
    };
    let good = |author: &&str| {
        !author.is_empty()
            && author.len() <= Provenance::AUTHOR_BYTES_MAX
            && !author.chars().any(char::is_control)
    };
    let found: Option<BTreeSet<String>> =
        named.into_iter().map(|author| author.as_str().filter(good).map(str::to_owned)).collect();
    found.filter(|found| found.len() <= Provenance::AUTHORS_MAX).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn statement(predicate: serde_json::Value) -> Result<Statement, String> {
        let subject = json!([{"name": "a.zip", "digest": {"sha256": Digest::of(b"a").to_string(), "sha1": "00"}}, {"digest": {"sha1": "11"}}]);
        let doc = json!({"_type": "https://in-toto.io/Statement/v1", "subject": subject, "predicateType": SLSA_PROVENANCE, "predicate": predicate});
        Statement::parse(doc.to_string().as_bytes())
    }

    fn provenance(author: serde_json::Value) -> serde_json::Value {
        let source = json!({"uri": "git+https://github.com/acme/orders@refs/heads/main", "annotations": {"author": author}});
        json!({"buildDefinition": {"resolvedDependencies": [source, {"uri": "x"}]}, "runDetails": {"builder": {"id": "b"}}})
    }

    #[test]
    fn builder_and_authors_are_read() {
        let one = statement(provenance(json!("ann@example.com"))).unwrap();
        assert_eq!(one.subjects, BTreeSet::from([Digest::of(b"a")]));
        let slsa = one.slsa.unwrap();
        assert_eq!(slsa.builder.as_deref(), Some("b"));
        let repository = Some("https://github.com/acme/orders");
        assert_eq!(slsa.authors(repository), BTreeSet::from(["ann@example.com".to_owned()]));
        let two = statement(provenance(json!(["ann@example.com", "bob@example.com"]))).unwrap().slsa.unwrap();
        assert_eq!(two.authors(repository).len(), 2);
        assert_eq!(two.authors(None).len(), 2);
        // Those of a dependency are not those of the source.
        assert!(two.authors(Some("https://github.com/acme/order")).is_empty());
    }

    #[test]
    fn authors_that_cannot_be_read_are_not_known() {
        let many: Vec<String> = (0..=Provenance::AUTHORS_MAX).map(|n| n.to_string()).collect();
        let mixed = json!(["ann@example.com", 7]);
        for bad in [json!(""), json!("a\nb"), json!("x".repeat(255)), json!(7), json!({}), json!(many), mixed]
        {
            let slsa = statement(provenance(bad.clone())).unwrap().slsa.unwrap();
            assert!(slsa.authors(None).is_empty(), "{bad}");
        }
    }

    #[test]
    fn a_statement_without_digests_or_form_is_refused() {
        for bad in [
            "",
            "[]",
            r#"{"subject": [], "predicateType": "x"}"#,
            r#"{"subject": [{"digest": {"sha512": "00"}}], "predicateType": "x"}"#,
            r#"{"subject": [{"digest": {"sha256": "00"}}], "predicateType": "x"}"#,
        ] {
            assert!(Statement::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(statement(json!({})).is_err());
    }
}
