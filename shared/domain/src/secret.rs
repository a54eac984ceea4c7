//! What may be secret: values that are never stored or shown, and parts of texts that are hidden.
//!
//! AWS and deployed functions write the texts, so a secret is recognised by the name beside it or by its form.

use regex_lite::{Captures, Regex};
use std::sync::LazyLock;

/// A value may be secret if a part of its path contains one of these words; in lower case, without `_` and `-`.
/// CloudFormation itself masks parameters that are `NoEcho`.
const WORDS: [&str; 10] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "authorization",
];

/// What stands in the place of a secret.
pub const HIDDEN: &str = "[hidden]";

/// Whether the name of a property, variable or output says that its value is secret. `path` may have several parts, separated by `.` or
/// `/`.
pub fn is_secret_name(path: &str) -> bool {
    let plain = |c: &char| !matches!(c, '_' | '-' | ' ');
    path.split(['.', '/']).any(|part| {
        let part: String = part.chars().filter(plain).flat_map(char::to_lowercase).collect();
        WORDS.iter().any(|word| part.contains(word))
    })
}

/// Whether a value has the form of a secret: a private key, a token of a known provider, or a URL with a password or token.
pub fn is_secret_value(value: &str) -> bool {
    // A dynamic reference names a secret and is none.
    let mut plain = value.to_owned();
    while let Some((begin, length)) =
        plain.find("{{resolve:").and_then(|at| Some((at, plain[at..].find("}}")?)))
    {
        plain.replace_range(begin..begin + length + 2, "");
    }
    hide(&plain) != plain
}

/// Whether a stack's output is secret: by its form, or by its name unless the name says that the value only refers to something, as
/// `DatabaseSecretArn` does.
pub fn is_secret_output(name: &str, value: &str) -> bool {
    const REFERENCES: [&str; 7] = ["arn", "id", "name", "url", "uri", "endpoint", "version"];
    let refers =
        || REFERENCES.iter().any(|end| name.to_lowercase().ends_with(end)) || value.starts_with("arn:");
    is_secret_value(value) || (is_secret_name(name) && !refers())
}

/// A form of secrets: a text without one of the marks contains none of them; the first and last group of a match are kept.
struct Form {
    marks: &'static [&'static str],
    pattern: LazyLock<Option<Regex>>,
}

macro_rules! form {
    ($marks:expr, $pattern:literal) => {
        // A pattern that is wrong would match nothing; a test has a secret of each form.
        Form { marks: $marks, pattern: LazyLock::new(|| Regex::new($pattern).ok()) }
    };
}

static FORMS: [Form; 7] = [
    form!(
        &["PRIVATE KEY-----"],
        r"()-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|$)()"
    ),
    // A login in a URL.
    form!(&["://"], r#"(://[^/\s:@"]*:)[^/\s"]+(@)"#),
    // A field of a query.
    form!(
        &["="],
        r#"([?&][^=&\s"]*(?i:password|passwd|secret|token|api_?key|signature|credential)=)[^&\s"']+()"#
    ),
    // A variable.
    form!(
        &["="],
        r#"(\b\w*(?i:password|passwd|passphrase|secret|token|api_?key|access_?key|private_?key|credential)=["']?)[^\s"',;&]+()"#
    ),
    // A field of JSON.
    form!(
        &["\""],
        r#"("[^"]*(?i:password|passwd|passphrase|secret|token|api_?key|access_?key|private_?key|credential|authorization)[^"]*"\s*:\s*")(?:[^"\\]|\\.)+(")"#
    ),
    // A JSON Web Token.
    form!(&["eyJ"], r"()\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*()"),
    // Tokens of GitHub, GitLab, Slack, Stripe, npm and AWS.
    form!(
        &["gh", "glpat-", "xox", "sk_", "npm_", "AKIA", "ASIA"],
        r"()\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{20,}|xox[abpors]-[A-Za-z0-9-]{10,}|sk_(?:live|test)_[A-Za-z0-9]{16,}|npm_[A-Za-z0-9]{30,}|(?:AKIA|ASIA)[A-Z0-9]{16})\b()"
    ),
];

/// A text in which everything that has the form of a secret is hidden.
pub fn hide(text: &str) -> String {
    let mut text = text.to_owned();
    for form in &FORMS {
        let Some(pattern) =
            form.marks.iter().any(|mark| text.contains(mark)).then(|| form.pattern.as_ref()).flatten()
        else {
            continue;
        };
        let kept = |found: &Captures<'_>| {
            let group = |n| found.get(n).map_or("", |part| part.as_str());
            format!("{}{HIDDEN}{}", group(1), group(2))
        };
        text = pattern.replace_all(&text, kept).into_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_say_secret_are_recognised() {
        for path in [
            "MasterUserPassword",
            "Environment.Variables.STRIPE_API_KEY",
            "Environment.Variables.GITHUB-TOKEN",
            "ClientSecret",
            "Tags.db_credentials",
            "SecretString.inner.value",
        ] {
            assert!(is_secret_name(path), "{path}");
        }
        for path in
            ["KeySchema.0.AttributeName", "Environment.Variables.LEVEL", "KmsMasterKeyId", "Code.S3Key"]
        {
            assert!(!is_secret_name(path), "{path}");
        }
    }

    #[test]
    fn each_form_of_a_secret_is_hidden_and_the_text_around_it_kept() {
        let canary = "c4nary";
        let jwt = format!("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.{canary}");
        let long = |prefix: &str| format!("{prefix}{canary}{}", "a".repeat(36));
        for (text, hidden) in [
            (
                format!("x -----BEGIN RSA PRIVATE KEY-----\n{canary}\n-----END RSA PRIVATE KEY----- y"),
                "x [hidden] y",
            ),
            (format!("-----BEGIN PRIVATE KEY-----{canary}"), "[hidden]"),
            (format!("postgres://user:{canary}@db/orders"), "postgres://user:[hidden]@db/orders"),
            (
                format!("GET https://a.example/x?id=1&access_token={canary}&b=2 says 500"),
                "GET https://a.example/x?id=1&access_token=[hidden]&b=2 says 500",
            ),
            (format!("DB_PASSWORD={canary}, LEVEL=debug"), "DB_PASSWORD=[hidden], LEVEL=debug"),
            (format!(r#"{{"apiKey": "{canary}", "id": "7"}}"#), r#"{"apiKey": "[hidden]", "id": "7"}"#),
            (format!("Bearer {jwt} was refused"), "Bearer [hidden] was refused"),
            (format!("token {} expired", long("ghp_")), "token [hidden] expired"),
            (format!("{} expired", long("xoxb-")), "[hidden] expired"),
            (format!("{} expired", long("sk_live_")), "[hidden] expired"),
            (format!("https://u:p@{canary}@h/x"), "https://u:[hidden]@h/x"),
            (format!(r#"{{"password": "a\"{canary}"}}"#), r#"{"password": "[hidden]"}"#),
            ("AKIAABCDEFGHIJKLMNOP is unknown".to_owned(), "[hidden] is unknown"),
        ] {
            assert_eq!(hide(&text), hidden);
            assert!(is_secret_value(&text), "{text}");
        }
        for text in [
            "https://example.com/a:b@c",
            "postgres://db/orders",
            "arn:aws:s3:::bucket",
            "max_tokens=4096",
            "https://a.example/x?signature_version=v4",
            "Secrets Manager can't find the specified secret: orders/db",
            "The security token included in the request is invalid",
            "{{resolve:secretsmanager:orders/db:SecretString:password}}",
            "User: arn:aws:sts::111122223333:assumed-role/x is not authorized to perform: secretsmanager:GetSecretValue",
        ] {
            assert_eq!(hide(text), text);
        }
    }

    #[test]
    fn a_reference_to_a_secret_is_none() {
        for value in [
            "postgres://app:{{resolve:secretsmanager:ordersdb:SecretString:password}}@db/orders",
            "DB_PASSWORD={{resolve:secretsmanager:db}}",
            "{{resolve:ssm:/a}}",
        ] {
            assert!(!is_secret_value(value), "{value}");
        }
        assert!(is_secret_value("{{resolve:ssm:/a}} postgres://app:x@db"));
    }

    #[test]
    fn an_output_that_refers_to_a_secret_is_none() {
        for (name, value) in [("DbPassword", "x"), ("ApiToken", "x"), ("Url", "https://a.example/?token=x")] {
            assert!(is_secret_output(name, value), "{name}");
        }
        for (name, value) in [
            ("DbSecretArn", "x"),
            ("ApiKeyId", "x"),
            ("TokenTableName", "x"),
            ("Secret", "arn:aws:x"),
            ("Url", "https://a"),
        ] {
            assert!(!is_secret_output(name, value), "{name}");
        }
    }
}
