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
    /// The `author` annotations of the sources that were built.
    pub authors: BTreeSet<String>,
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
    annotations: Annotations,
}

#[derive(Deserialize, Default)]
struct Annotations {
    author: Option<OneOrMore>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
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
        let named =
            doc.build_definition.resolved_dependencies.into_iter().filter_map(|d| d.annotations.author);
        let authors: BTreeSet<String> = named
            .flat_map(|authors| match authors {
                OneOrMore::One(author) => vec![author],
                OneOrMore::More(authors) => authors,
            })
            .collect();
        let bad = |author: &String| {
            author.is_empty()
                || author.len() > Provenance::AUTHOR_BYTES_MAX
                || author.chars().any(char::is_control)
        };
        if authors.len() > Provenance::AUTHORS_MAX || authors.iter().any(bad) {
            return Err(format!(
                "the SLSA provenance names more than {} authors, or one of over {} bytes",
                Provenance::AUTHORS_MAX,
                Provenance::AUTHOR_BYTES_MAX
            ));
        }
        Ok(Self { builder: doc.run_details.builder.id, authors })
    }
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
        let source = json!({"uri": "git+https://github.com/acme/orders", "annotations": {"author": author}});
        json!({"buildDefinition": {"resolvedDependencies": [source, {"uri": "x"}]}, "runDetails": {"builder": {"id": "b"}}})
    }

    #[test]
    fn builder_and_authors_are_read() {
        let one = statement(provenance(json!("ann@example.com"))).unwrap();
        assert_eq!(one.subjects, BTreeSet::from([Digest::of(b"a")]));
        let slsa = one.slsa.unwrap();
        assert_eq!(slsa.builder.as_deref(), Some("b"));
        assert_eq!(slsa.authors, BTreeSet::from(["ann@example.com".to_owned()]));
        let two = statement(provenance(json!(["ann@example.com", "bob@example.com"]))).unwrap();
        assert_eq!(two.slsa.unwrap().authors.len(), 2);
    }

    #[test]
    fn authors_are_bounded() {
        for bad in [json!(""), json!("a\nb"), json!("x".repeat(255)), json!(7)] {
            assert!(statement(provenance(bad.clone())).is_err(), "{bad}");
        }
        let many: Vec<String> = (0..=Provenance::AUTHORS_MAX).map(|n| n.to_string()).collect();
        assert!(statement(provenance(json!(many))).is_err());
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
