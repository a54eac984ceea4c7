//! Real rules against small templates.

use super::*;

const RULES: &str = r#"
# Every bucket is encrypted and has our name.
let buckets = Resources.*[ Type == 'AWS::S3::Bucket' ]

rule buckets when %buckets !empty {
  %buckets.Properties.BucketEncryption exists <<Every bucket is encrypted>>
  %buckets.Properties.BucketName == /^acme-/
}

rule no_users {
  Resources.*[ Type == 'AWS::IAM::User' ] empty
}
"#;

fn ask(rules: &str, template: Value) -> GuardReply {
    handle(&GuardRequest { rules: rules.into(), template: template.to_string() })
}

fn bucket(properties: Value) -> Value {
    json!({"Resources": {"Orders": {"Type": "AWS::S3::Bucket", "Properties": properties}}})
}

fn broken(reply: GuardReply) -> (Vec<BrokenRule>, usize) {
    let GuardReply::Broken { first, count } = reply else { panic!("{reply:?}") };
    (first, count)
}

#[test]
fn rules_hold_where_all_is_as_they_say_and_where_they_are_about_nothing() {
    let good = bucket(json!({"BucketEncryption": {}, "BucketName": "acme-orders"}));
    assert_eq!(ask(RULES, good), GuardReply::Holds);
    assert_eq!(ask(RULES, json!({"Resources": {"T": {"Type": "AWS::SNS::Topic"}}})), GuardReply::Holds);
    assert_eq!(ask(RULES, json!({"Resources": {}})), GuardReply::Holds);
}

#[test]
fn a_rule_that_cannot_be_evaluated_is_told_without_the_values_of_the_template() {
    let rules = "let n = parse_int(Resources.*.Properties.Limit)\nrule small when %n > 5 { %n < 100 }";
    let said = ask(rules, bucket(json!({"Limit": "s3cret-value"})));
    let text = format!("{said:?}");
    assert!(!text.contains("s3cret"), "{text}");
    assert!(matches!(said, GuardReply::Broken { .. } | GuardReply::Unfit { .. }), "{text}");
}

#[test]
fn a_broken_rule_is_told_with_its_resource_and_its_own_words() {
    let (first, count) = broken(ask(RULES, bucket(json!({"BucketName": "acme-orders"}))));
    let expected = BrokenRule {
        rule: "buckets".into(),
        resource: Some("Orders".into()),
        path: "Resources.Orders.Properties".into(),
        message: "Every bucket is encrypted".into(),
    };
    assert_eq!((first, count), (vec![expected], 1));
}

#[test]
fn a_rule_without_words_is_told_by_its_clause_and_never_with_the_templates_values() {
    let reply = ask(RULES, bucket(json!({"BucketEncryption": {}, "BucketName": "hunter2"})));
    assert!(!format!("{reply:?}").contains("hunter2"), "{reply:?}");
    let (first, _) = broken(reply);
    assert_eq!(first[0].path, "Resources.Orders.Properties.BucketName");
    assert_eq!(first[0].message, r#"%buckets[*].Properties.BucketName EQUALS "/^acme-/""#);
}

#[test]
fn clauses_outside_of_rules_alternatives_and_rules_of_rules_are_seen() {
    let rules = "
        AWS::S3::Bucket Properties.BucketEncryption exists or AWS::S3::Bucket Properties.Kms exists
        rule named { Resources.*.Properties.BucketName exists }
        rule both {
            named
        }";
    let (first, count) = broken(ask(rules, bucket(json!({}))));
    let names: Vec<&str> = first.iter().map(|broken| broken.rule.as_str()).collect();
    assert_eq!(names[0], "default");
    assert!(names.contains(&"named") && names.contains(&"both"), "{names:?}");
    assert_eq!(count, first.len());
    assert!(first[0].resource.as_deref() == Some("Orders"), "{first:?}");
}

#[test]
fn of_many_broken_rules_the_first_are_told_and_all_are_counted() {
    let user = |n: usize| (format!("User{n}"), json!({"Type": "AWS::IAM::User"}));
    let many: serde_json::Map<String, Value> = (0..450).map(user).collect();
    let (first, count) = broken(ask(RULES, json!({"Resources": many})));
    assert_eq!((first.len(), count), (TOLD_MAX, 450));
}

#[test]
fn what_cannot_be_read_is_told_with_its_line() {
    let reply = ask("rule a {\n  Resources exists\n}\nrule b {\n  Resources.* ===== 3\n}\n", json!({}));
    let GuardReply::Invalid { line: Some(5), why } = &reply else { panic!("{reply:?}") };
    assert!(why.starts_with("column 17: expecting") && why.ends_with("found: === 3"), "{why}");
    let unclosed = ask("rule a {\n  Resources.*.Type == /(unclosed/\n}\n", json!({}));
    assert!(matches!(unclosed, GuardReply::Invalid { line: Some(2), .. }), "{unclosed:?}");
    for nothing in ["", " \n", "# only a comment\n"] {
        assert!(matches!(ask(nothing, json!({})), GuardReply::Invalid { .. }), "{nothing:?} holds");
    }
}

#[test]
fn what_cannot_be_applied_never_holds() {
    let unknown = ask("rule a { %nobody exists }", bucket(json!({})));
    assert!(matches!(unknown, GuardReply::Unfit { .. }), "{unknown:?}");
    let request = GuardRequest { rules: RULES.into(), template: "{".into() };
    assert!(matches!(handle(&request), GuardReply::Unfit { .. }), "{:?}", handle(&request));
}

#[test]
fn expressions_texts_and_sizes_are_bounded() {
    let counted = ask("rule a { Resources.*.Type == /((a{1000}){1000}){1000}/ }", json!({}));
    assert!(matches!(counted, GuardReply::Invalid { .. }), "{counted:?}");
    let long = "# long\n".repeat(10_000);
    assert!(matches!(ask(&long, json!({})), GuardReply::Invalid { .. }));
    let large = GuardRequest { rules: RULES.into(), template: " ".repeat(1_000_001) };
    assert!(matches!(handle(&large), GuardReply::Unfit { .. }));
    let GuardReply::Invalid { why, .. } = ask(&"é".repeat(5_000), json!({})) else {
        panic!("the text is not a rule")
    };
    assert!(why.len() <= TEXT_BYTES_MAX + '…'.len_utf8());
}
