//! Roles, scopes and four eyes.

use super::*;
use crate::gate::FourEyes;

fn grant(principal: &str, role: Role, services: &[&str], stages: &[&str]) -> Grant {
    let patterns = |list: &[&str]| {
        NamePatterns::parse(&list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap()
    };
    Grant {
        principal: PrincipalPattern::parse(&arn(principal)).unwrap(),
        role,
        services: patterns(services),
        stages: patterns(stages),
    }
}

fn arn(user: &str) -> String {
    format!("arn:aws:iam::111122223333:user/{user}")
}

fn authority() -> Authority {
    Authority::Granted(vec![
        grant("root", Role::Admin, &[], &[]),
        grant("stager", Role::Admin, &[], &["staging"]),
        grant("dave", Role::Deployer, &["orders"], &["staging", "pr-*"]),
        grant("abby", Role::Approver, &[], &["production"]),
        grant("vera", Role::Viewer, &["orders", "b*"], &["*"]),
    ])
}

/// Whether a user has a role for `service/stage`; `*` means all, `-` means any.
fn may(user: &str, role: Role, service: &str, stage: &str) -> bool {
    let named = (ServiceName::parse(service).ok(), StageName::parse(stage).ok());
    let scope = Scope {
        service: match (&named.0, service) {
            (Some(name), _) => Of::One(name),
            (None, "*") => Of::All,
            _ => Of::Any,
        },
        stage: match (&named.1, stage) {
            (Some(name), _) => Of::One(name),
            (None, "*") => Of::All,
            _ => Of::Any,
        },
    };
    authority().allows(&arn(user), role, scope).is_ok()
}

#[test]
fn a_role_holds_for_its_services_and_stages_only() {
    assert!(may("dave", Role::Deployer, "orders", "staging"));
    assert!(may("dave", Role::Deployer, "orders", "pr-7"));
    for (service, stage) in
        [("orders", "production"), ("orders", "xpr-7"), ("billing", "staging"), ("orders", "*")]
    {
        assert!(!may("dave", Role::Deployer, service, stage), "{service}/{stage}");
    }
    assert!(may("dave", Role::Deployer, "orders", "-"), "at some stage");
    assert!(!may("dave", Role::Deployer, "*", "-"));
    assert!(may("abby", Role::Approver, "anything", "production"));
    assert!(!may("nobody", Role::Viewer, "-", "-"));
}

#[test]
fn who_deploys_may_not_approve_and_who_approves_may_not_deploy() {
    for (user, own) in
        [("dave", Role::Deployer), ("abby", Role::Approver), ("vera", Role::Viewer), ("root", Role::Admin)]
    {
        for role in Role::ALL {
            let expected = role == own || own == Role::Admin || role == Role::Viewer;
            assert_eq!(may(user, role, "-", "-"), expected, "{user} as {}", role.name());
        }
    }
}

#[test]
fn what_concerns_everything_needs_a_grant_without_limits() {
    assert!(may("root", Role::Admin, "*", "*"));
    assert!(may("root", Role::Admin, "orders", "*"));
    assert!(!may("stager", Role::Admin, "*", "*"));
    assert!(!may("stager", Role::Admin, "orders", "*"), "a service's rules name any stage");
    assert!(may("vera", Role::Viewer, "billing", "*"), "one star among patterns is all of them");
}

#[test]
fn a_refusal_names_who_is_what_and_who_can_grant_it() {
    let orders = ServiceName::parse("orders").unwrap();
    let production = StageName::parse("production").unwrap();
    let refusal =
        authority().allows(&arn("dave"), Role::Deployer, Scope::stage(&orders, &production)).unwrap_err();
    assert_eq!(refusal.code, Code::Forbidden);
    assert_eq!(
        refusal.message,
        "arn:aws:iam::111122223333:user/dave does not have the role deployer for orders at production"
    );
    assert_eq!(refusal.fix, "ask an admin for a grant (arn:aws:iam::111122223333:user/root)");
    let one = Of::One(&orders);
    for (service, stage, place) in [
        (one, Of::All, "deployer for orders at every stage"),
        (one, Of::Any, "deployer for orders"),
        (Of::All, Of::All, "deployer for all services and stages"),
        (Of::Any, Of::Any, "deployer"),
    ] {
        let refused = authority().allows(&arn("abby"), Role::Deployer, Scope { service, stage }).unwrap_err();
        assert_eq!(refused.message, format!("{} does not have the role {place}", arn("abby")));
    }
}

#[test]
fn without_a_document_everybody_may_do_everything() {
    for role in Role::ALL {
        assert!(Authority::Open.allows("whoever", role, Scope::EVERYTHING).is_ok());
    }
}

#[test]
fn whoever_puts_a_document_stays_an_admin_of_everything() {
    assert!(authority().keeps_admin(&arn("root")).is_ok());
    for author in ["stager", "dave", "nobody"] {
        assert_eq!(authority().keeps_admin(&arn(author)).unwrap_err().code, Code::AdminMissing, "{author}");
    }
    assert!(Authority::Granted(Vec::new()).keeps_admin(&arn("root")).is_err());
}

#[test]
fn patterns_of_names_are_bounded_and_plain() {
    let parse = |text: &str| NamePatterns::parse(&[text.to_owned()]);
    for good in ["production", "pr-*", "*", "s?aging"] {
        assert!(parse(good).is_ok(), "{good}");
    }
    for bad in ["", "Production", "a/b", "{a,b}", "[a-z]", "a b", &"a".repeat(64)] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    assert!(NamePatterns::parse(&vec!["a".to_owned(); 20]).is_ok());
    assert!(NamePatterns::parse(&vec!["a".to_owned(); 21]).is_err());
}

#[test]
fn four_eyes_are_two_persons() {
    let user = |name: &str| format!("user of IAM Identity Center: {name}");
    let author = |name: &str, is_listed| Author { name: name.into(), person: user(name), is_listed };
    let refused = |approver: &str, is_one, authors: &[Author], starter: bool, author: bool| {
        let rule = FourEyes { starter, author };
        let refusal = may_approve(Approver { person: approver, is_one }, &user("ann"), authors, rule).err();
        refusal.inspect(|refusal| assert_eq!(refusal.code, Code::OwnApproval)).is_some()
    };
    let authors = [author("eve", false)];
    assert!(refused(&user("ann"), true, &authors, true, false));
    assert!(!refused(&user("eve"), true, &authors, true, false));
    assert!(refused(&user("eve"), true, &authors, false, true));
    assert!(!refused(&user("ann"), true, &authors, false, true));
    assert!(!refused(&user("bob"), true, &authors, true, true));
    assert!(!refused(&user("ann"), true, &authors, false, false));
    // Whether eve is this user of IAM, or has assumed this role, is not known.
    let (iam, role) = ("arn:aws:iam::111122223333:user/bob", "arn:aws:iam::111122223333:role/ops");
    assert!(refused(iam, true, &authors, false, true));
    assert!(!refused(iam, true, &[author("eve", true)], false, true));
    assert!(refused(role, false, &[author("eve", true)], false, true));
    assert!(!refused(role, false, &authors, true, false));
}

#[test]
fn what_somebody_did_has_a_name_in_the_audit_log() {
    assert_eq!((Act::PutAccess.name(), Act::LiftHold.name()), ("put access", "unhold"));
}
