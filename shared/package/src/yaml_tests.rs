use super::*;
use proptest::prelude::*;
use serde_json::json;

#[track_caller]
fn reads(yaml: &str, expected: Value) {
    assert_eq!(parse_strict(yaml.as_bytes()).unwrap(), expected, "{yaml}");
}

#[track_caller]
fn refused(yaml: &str, error: &str) {
    assert_eq!(parse_strict(yaml.as_bytes()).expect_err(yaml).to_string(), error);
}

#[test]
fn short_tags_are_the_functions_they_stand_for() {
    reads("!Ref A", json!({"Ref": "A"}));
    reads("!Condition A", json!({"Condition": "A"}));
    reads("!Sub '${A}-b'", json!({"Fn::Sub": "${A}-b"}));
    reads("!Sub ['${A}', {A: !Ref B}]", json!({"Fn::Sub": ["${A}", {"A": {"Ref": "B"}}]}));
    reads("!GetAtt A.Outputs.B", json!({"Fn::GetAtt": ["A", "Outputs.B"]}));
    reads("!GetAtt [A, !Ref B]", json!({"Fn::GetAtt": ["A", {"Ref": "B"}]}));
    reads(
        "!If [C, !Ref A, !Ref AWS::NoValue]",
        json!({"Fn::If": ["C", {"Ref": "A"}, {"Ref": "AWS::NoValue"}]}),
    );
    reads("!Join\n- ''\n- - a\n  - !GetAZs ''\n", json!({"Fn::Join": ["", ["a", {"Fn::GetAZs": ""}]]}));
    reads("!Select [0, !GetAZs ]", json!({"Fn::Select": [0, {"Fn::GetAZs": ""}]}));
    reads("!Transform {Name: M}", json!({"Fn::Transform": {"Name": "M"}}));
    reads("Fn::Base64: !Sub |\n  a\n  b\n", json!({"Fn::Base64": {"Fn::Sub": "a\nb\n"}}));
    reads("!Ref 012", json!({"Ref": "012"}));
    reads("!ImportValue yes", json!({"Fn::ImportValue": "yes"}));
    for function in FUNCTIONS {
        let short = function.strip_prefix("Fn::").unwrap_or(function);
        reads(&format!("!{short} [a, b]"), json!({ function: ["a", "b"] }));
    }
    refused("a:\n  b: !Reff A", "CloudFormation does not know the tag !Reff at line 2 column 6");
    refused(
        "a: !!python/name:os.system x",
        "CloudFormation does not know the tag !!python/name:os.system at line 1 column 4",
    );
    refused("!GetAtt A", "!GetAtt needs Resource.Attribute at line 1 column 1");
}

#[test]
fn scalars_are_what_cloudformations_tools_read() {
    reads("[~, null, Null, '']", json!([null, null, null, ""]));
    reads("a:\nb: ''", json!({"a": null, "b": ""}));
    reads("[yes, Yes, on, TRUE, true]", json!([true, true, true, true, true]));
    reads("[no, Off, FALSE, y, N, tRUE]", json!([false, false, false, "y", "N", "tRUE"]));
    reads("[0, 12, -3, 1.5, 2.0, 18446744073709551615]", json!([0, 12, -3, 1.5, 2.0, u64::MAX]));
    reads(
        "[2010-09-09, 2012-10-17T00:00:00Z, 12:30:00]",
        json!(["2010-09-09", "2012-10-17T00:00:00Z", "12:30:00"]),
    );
    reads(
        "[000123456789, 007, 0x1F, 0o17, 1_000, +1]",
        json!(["000123456789", "007", "0x1F", "0o17", "1_000", "+1"]),
    );
    reads("[5.10, 1., .5, 1e3, .inf, -0, 1.2.3]", json!(["5.10", "1.", ".5", "1e3", ".inf", "-0", "1.2.3"]));
    reads("['1', \"true\", !!str 2, ! 3]", json!(["1", "true", "2", "3"]));
    reads("[!!int 4, !!bool no, !!null '', !!float 1.5]", json!([4, false, null, 1.5]));
    refused("!!int x", "the value is not of type !!int at line 1 column 1");
    reads("|\n  1\n", json!("1\n"));
}

#[test]
fn keys_are_texts_as_they_are_written() {
    reads(
        "{1: a, true: b, 012: c, ~: d, 'e': f}",
        json!({"1": "a", "true": "b", "012": "c", "~": "d", "e": "f"}),
    );
    refused("? [a]\n: b", "a key must be a text at line 1 column 3");
    refused("!Ref a: b", "a key must be a text at line 1 column 1");
}

#[test]
fn p04_duplicate_keys_are_refused_with_their_place() {
    refused(
        "a: 1\nb:\n  c: 1\n  \"c\": 2\n",
        "the key \"c\" of line 3 occurs twice (aws and sam take the last one) at line 4 column 3",
    );
    refused(
        "{1: a, '1': b}",
        "the key \"1\" of line 1 occurs twice (aws and sam take the last one) at line 1 column 8",
    );
    refused(
        "{<<: {}, <<: {}}",
        "the key \"<<\" occurs twice (aws and sam take the last one) at line 1 column 10",
    );
}

#[test]
fn what_is_no_yaml_is_named_as_such() {
    // PyYAML needs no space before a comment there.
    for text in ["a: \"x\"#c\nb: 'ü'#c\n", "a: \"x\" #c\nb: 'ü' #c\n"] {
        assert_eq!(parse_strict(text.as_bytes()).unwrap(), json!({"a": "x", "b": "ü"}));
    }
    assert_eq!(parse_strict(b"a: {b: [1]#c\n}#c\nd: [e]#c").unwrap(), json!({"a": {"b": [1]}, "d": ["e"]}));
    refused(
        "a: x\n\tb: 1",
        "a tab, which YAML does not allow for indentation: use spaces at line 2 column 1",
    );
    refused("a:\n\tb: 1", "a tab, which YAML does not allow for indentation: use spaces at line 2 column 2");
    let utf16: Vec<u8> = [0xff, 0xfe, b'a', 0].into();
    assert_eq!(
        parse_strict(&utf16).unwrap_err().to_string(),
        "the text is UTF-16; save it as UTF-8 at line 1 column 1"
    );
}

#[test]
fn anchors_and_merge_keys_are_expanded() {
    reads("a: &x {b: 1}\nc: *x\nd: [*x]\n", json!({"a": {"b": 1}, "c": {"b": 1}, "d": [{"b": 1}]}));
    reads("a: &x !Ref B\nc: *x", json!({"a": {"Ref": "B"}, "c": {"Ref": "B"}}));
    reads("&k a: 1\nb: *k", json!({"a": 1, "b": "a"}));
    reads(
        "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {c: 3, <<: [*x, *y]}",
        json!({"x": {"a": 1, "b": 1}, "y": {"b": 2, "c": 2}, "z": {"a": 1, "b": 1, "c": 3}}),
    );
    reads("'<<': a", json!({"<<": "a"}));
    refused("<<: a", "<< takes a mapping, or a list of mappings at line 1 column 5");
    refused("a: &a [*a]", "the anchor of the alias contains the alias at line 1 column 8");
    refused("a: *b", "while parsing node, found unknown anchor at line 1 column 4");
}

#[test]
fn p04_aliases_do_not_multiply_without_bounds() {
    let mut yaml = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..30 {
        let parts = vec![format!("*a{}", n - 1); 10].join(", ");
        yaml += &format!("a{n}: &a{n} [{parts}]\n");
    }
    let error = parse_strict(yaml.as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with("anchors and aliases make the document too large at line 6"), "{error}");
    let mut chain = String::from("a0: &a0 [x]\n");
    for n in 1..200 {
        chain += &format!("a{n}: &a{n} [*a{}]\n", n - 1);
    }
    let error = parse_strict(chain.as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with("values are nested more than 127 deep at line 127"), "{error}");
}

#[test]
fn p04_deep_nesting_is_refused_and_not_a_stack_overflow() {
    let deep = |open: &str, n: usize| parse_strict(open.repeat(n).as_bytes());
    for open in ["[", "{a: ", "- ", "!Sub [", "? ", "[{a: ", "&a ["] {
        assert!(deep(open, 100_000).is_err(), "{open}");
    }
    let lists = |n: usize| parse_strict(format!("{}{}", "[".repeat(n), "]".repeat(n)).as_bytes());
    assert!(lists(127).is_ok());
    assert_eq!(
        lists(128).unwrap_err().to_string(),
        "values are nested more than 127 deep at line 1 column 128"
    );
    let read = lists(127).unwrap();
    assert!(crate::json::parse_strict(&crate::json::canonical(&read)).is_ok(), "it reads back");
    let tags = format!("{}!GetAtt a.b{}", "!Sub [".repeat(63), "]".repeat(63));
    assert!(parse_strict(tags.as_bytes()).unwrap_err().to_string().starts_with("values are nested"));
}

#[test]
fn what_is_no_single_document_is_refused() {
    refused("", "there is no document at line 1 column 1");
    refused("# only this\n", "there is no document at line 1 column 1");
    refused("--- a\n--- b\n", "a second document begins at line 2 column 1");
    reads("\u{feff}---\na: b\n...\n", json!({"a": "b"}));
    assert_eq!(
        parse_strict(b"a: b\nc: \xff").unwrap_err().to_string(),
        "the text is not UTF-8 at line 2 column 4"
    );
    assert!(parse_strict(b"a: 'b").is_err());
    assert!(parse_strict(b"a: b\n\tc: d").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn p04_no_text_makes_it_panic(text in "([\\[\\]{}:,\"'0-9a-c \\\\\n\t&*!?|>~#%@`-]|<<|---|\\.\\.\\.|!Ref |!GetAtt |: |- |\n  |&a |\\*a |é|\u{feff}|\r){0,40}") {
        if let Ok(value) = parse_strict(text.as_bytes()) {
            prop_assert_eq!(crate::json::parse_strict(&crate::json::canonical(&value)).unwrap(), value);
        }
    }

    #[test]
    fn p04_no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_strict(&bytes);
    }

    #[test]
    fn json_is_yaml(text in "[a-c \u{e9}\\\\\"]{0,8}", number in any::<i64>()) {
        let value = json!({"a": [text.clone(), number, null, true], "b": {"c": text}});
        prop_assert_eq!(parse_strict(value.to_string().as_bytes()).unwrap(), value);
    }
}
