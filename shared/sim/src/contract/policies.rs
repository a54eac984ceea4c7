//! The contract of the policies port.

use bytes::Bytes;
use flotilla_domain::Digest;
use flotilla_domain::gate::Violation;
use flotilla_domain::release::package::template_key;
use flotilla_engine::ports::{Body, ErrorKind, Evaluation, PackageStore, Policies, PortError};

const NO_USERS: &str = "\nrule no_users { Resources.*[ Type == 'AWS::IAM::User' ] empty }\n";

/// The contract of the policies port, which evaluates rules against templates of the ingest bucket.
///
/// # Panics
/// If Guard violates it.
pub async fn policies(policies: &dyn Policies, packages: &dyn PackageStore) {
    let evaluate = async |template: &Digest| policies.evaluate(NO_USERS, template).await;
    let good = kept(packages, r#"{"Resources":{"Orders":{"Type":"AWS::SNS::Topic"}}}"#).await;
    assert_eq!(evaluate(&good).await, Ok(Evaluation::Passed));
    let bad =
        kept(packages, r#"{"Resources":{"Ann":{"Type":"AWS::IAM::User"},"T":{"Type":"AWS::SNS::Topic"}}}"#)
            .await;
    let Ok(Evaluation::Violated { first, count: 1 }) = evaluate(&bad).await else { panic!("a user is made") };
    let Violation { rule, template, resource, path, message } = &first[0];
    assert_eq!((rule.as_str(), template, resource.as_deref()), ("no_users", &None, Some("Ann")));
    assert_eq!(path, "Resources.Ann");
    assert!(!message.is_empty() && first.len() == 1, "{first:?}");
    let missing = evaluate(&Digest::of(b"a template that nobody has stored")).await;
    assert!(matches!(missing, Err(PortError { kind: ErrorKind::Missing, .. })), "{missing:?}");

    assert_eq!(policies.dry_run_rules(NO_USERS).await, Ok(Evaluation::Passed));
    let unreadable = policies.dry_run_rules("\n\nrule a { Resources ===== 3 }\n").await;
    assert!(matches!(unreadable, Ok(Evaluation::Invalid { line: Some(3), .. })), "{unreadable:?}");
    let crashed = policies.dry_run_rules("let x = %x\nrule a { %x exists }").await;
    assert!(matches!(crashed, Ok(Evaluation::Crashed { .. })), "a crash is a result: {crashed:?}");
    assert_eq!(evaluate(&good).await, Ok(Evaluation::Passed), "and the next request gets a reply");
}

/// Stores a template and returns its digest.
async fn kept(packages: &dyn PackageStore, text: &'static str) -> Digest {
    let digest = Digest::of(text.as_bytes());
    let body = Body::Bytes(Bytes::from_static(text.as_bytes()));
    packages.put(&template_key(&digest), &digest, body).await.expect("it is kept");
    digest
}
