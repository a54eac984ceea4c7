//! Values of properties that are never stored, because they may be secret.

use super::PropertyChange;

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

/// Drops the values of a property that may be secret. The plan still shows that it changes.
pub(super) fn hide(property: &mut PropertyChange) {
    let values = [&property.before, &property.after];
    if is_secret_path(&property.path) || values.into_iter().flatten().any(|value| is_secret_value(value)) {
        property.hidden = true;
    }
    if property.hidden {
        (property.before, property.after) = (None, None);
    }
}

fn is_secret_path(path: &str) -> bool {
    let plain = |c: &char| !matches!(c, '_' | '-' | ' ');
    path.split(['.', '/']).any(|part| {
        let part: String = part.chars().filter(plain).flat_map(char::to_lowercase).collect();
        WORDS.iter().any(|word| part.contains(word))
    })
}

/// A private key, or a URL that contains a password: `postgres://user:password@host`.
fn is_secret_value(value: &str) -> bool {
    let login = |rest: &str| {
        let host = rest.split(['/', ' ', '"']).next().unwrap_or_default();
        host.rsplit_once('@').is_some_and(|(login, _)| login.contains(':'))
    };
    value.contains("PRIVATE KEY-----") || value.split("://").skip(1).any(login)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_look_secret_are_dropped_and_others_kept() {
        for path in [
            "MasterUserPassword",
            "Environment.Variables.STRIPE_API_KEY",
            "Environment.Variables.GITHUB-TOKEN",
            "ClientSecret",
            "Tags.db_credentials",
            "SecretString.inner.value",
        ] {
            assert!(is_secret_path(path), "{path}");
        }
        for path in
            ["KeySchema.0.AttributeName", "Environment.Variables.LEVEL", "KmsMasterKeyId", "Code.S3Key"]
        {
            assert!(!is_secret_path(path), "{path}");
        }
        for value in ["postgres://user:hunter2@db/orders", "x -----BEGIN RSA PRIVATE KEY----- y"] {
            assert!(is_secret_value(value), "{value}");
        }
        for value in ["https://example.com/a:b@c", "postgres://db/orders", "arn:aws:s3:::bucket"] {
            assert!(!is_secret_value(value), "{value}");
        }
    }
}
