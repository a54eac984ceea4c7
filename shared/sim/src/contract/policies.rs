//! The contract of whoever applies rules.

use bytes::Bytes;
use flotilla_domain::Digest;
use flotilla_domain::release::package::template_key;
use flotilla_domain::rollout::Broken;
use flotilla_engine::ports::{Body, ErrorKind, Judged, PackageStore, Policies, PortError};

const NO_USERS: &str = "\nrule no_users { Resources.*[ Type == 'AWS::IAM::User' ] empty }\n";

/// The contract of whoever applies rules, to templates of the ingest bucket.
///
/// # Panics
/// When Guard says something else.
pub async fn policies(policies: &dyn Policies, packages: &dyn PackageStore) {
    let judge = async |template: &Digest| policies.judge(NO_USERS, template).await;
    let good = kept(packages, r#"{"Resources":{"Orders":{"Type":"AWS::SNS::Topic"}}}"#).await;
    assert_eq!(judge(&good).await, Ok(Judged::Holds));
    let bad =
        kept(packages, r#"{"Resources":{"Ann":{"Type":"AWS::IAM::User"},"T":{"Type":"AWS::SNS::Topic"}}}"#)
            .await;
    let Ok(Judged::Broken { first, count: 1 }) = judge(&bad).await else { panic!("a user is made") };
    let Broken { rule, template, resource, path, message } = &first[0];
    assert_eq!((rule.as_str(), template, resource.as_deref()), ("no_users", &None, Some("Ann")));
    assert_eq!(path, "Resources.Ann");
    assert!(!message.is_empty() && first.len() == 1, "{first:?}");
    let missing = judge(&Digest::of(b"a template that nobody has stored")).await;
    assert!(matches!(missing, Err(PortError { kind: ErrorKind::Missing, .. })), "{missing:?}");

    assert_eq!(policies.try_out(NO_USERS).await, Ok(Judged::Holds));
    let unreadable = policies.try_out("\n\nrule a { Resources ===== 3 }\n").await;
    assert!(matches!(unreadable, Ok(Judged::Invalid { line: Some(3), .. })), "{unreadable:?}");
    let crashed = policies.try_out("let x = %x\nrule a { %x exists }").await;
    assert!(matches!(crashed, Ok(Judged::Crashed { .. })), "a crash is an answer: {crashed:?}");
    assert_eq!(judge(&good).await, Ok(Judged::Holds), "and whoever asks next is answered");
}

/// Keeps a template; answers its digest.
async fn kept(packages: &dyn PackageStore, text: &'static str) -> Digest {
    let digest = Digest::of(text.as_bytes());
    let body = Body::Bytes(Bytes::from_static(text.as_bytes()));
    packages.put(&template_key(&digest), &digest, body).await.expect("it is kept");
    digest
}
