//! Names given by people and by AWS. Each is a newtype that only `parse` constructs.
//!
//! Ids that Flotilla generates are in [`crate::ids`].

use std::fmt;

/// A name was refused: the kind of name, the given text and the rule that it violates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a valid {kind}: {rule}")]
pub struct InvalidName {
    /// The kind of name, such as `service name`.
    pub kind: &'static str,
    /// What was given, cut to 64 characters.
    pub given: String,
    /// The rule in words.
    pub rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// Checks the rule and wraps the name.
            ///
            /// # Errors
            /// [`InvalidName`] with the rule that the text violates.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    let given = text.chars().take(64).collect();
                    Err(InvalidName { kind: $kind, given, rule: $rule })
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name!(
    /// A service: what a team deploys as one unit.
    ServiceName,
    "service name",
    "use 1 to 63 lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen",
    |text| is_label(text, 63)
);
name!(
    /// A stage: a named place that a service is deployed to, such as `staging` or `pr-42`.
    StageName,
    "stage name",
    "use 1 to 48 lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen",
    |text| is_label(text, 48)
);
name!(
    /// A profile: how rollouts go to one account.
    ProfileName,
    "profile name",
    "use 1 to 48 lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen",
    |text| is_label(text, 48)
);
name!(
    /// An AWS account id: twelve digits.
    AccountId,
    "account id",
    "an AWS account id has 12 digits",
    |text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
);
name!(
    /// An AWS region code such as `eu-central-1` or `us-gov-west-1`.
    Region,
    "region",
    "a region code looks like eu-central-1",
    is_region
);
name!(
    /// A CloudFormation stack name: letters, digits and hyphens, at most 128 characters
    /// (`CreateStack`'s own rule).
    StackName,
    "stack name",
    "use 1 to 128 letters, digits and hyphens, beginning with a letter",
    |text| {
        (1..=128).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && text.as_bytes()[0].is_ascii_alphabetic()
    }
);

name!(
    /// A Lambda alias, such as `live` (`CreateAlias`'s own rule).
    AliasName,
    "alias name",
    "use 1 to 128 letters, digits, hyphens and underscores, and not only digits",
    |text| {
        (1..=128).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !text.bytes().all(|b| b.is_ascii_digit())
    }
);

name!(
    /// One of several stacks of a package: its name in the packaging tool, such as `Network`.
    StackPart,
    "stack of a package",
    "use 1 to 64 letters, digits and hyphens, beginning with a letter",
    |text| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && text.as_bytes()[0].is_ascii_alphabetic()
    }
);

/// A pattern of stack names, in which `{service}`, `{stage}` and `{stack}` are replaced by names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StackPattern(Option<String>);

impl StackPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`InvalidName`] if the result cannot be a stack's name.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let example = text.replace("{service}", "s").replace("{stage}", "s").replace("{stack}", "s");
        StackName::parse(&example)?;
        Ok(Self(Some(text.to_owned())))
    }

    /// The pattern as written; empty for the default.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// The beginning that the names of a service's stacks share, whatever the stage.
    pub fn beginning(&self, service: &ServiceName) -> String {
        let pattern = self.0.as_deref().unwrap_or("{service}-{stage}");
        let fixed = pattern.split(['{', '}']).scan(false, |inside, text| {
            let part = match (std::mem::replace(inside, !*inside), text) {
                (false, text) => Some(text),
                (true, "service") => Some(service.as_str()),
                (true, _) => None,
            };
            part.map(str::to_owned)
        });
        fixed.collect()
    }

    /// The name of one stack. The default is `<service>-<stage>`, as in the Serverless Framework, so that an existing
    /// stack of that tool is updated; for one of several stacks it is `<service>-<stage>-<part>`.
    ///
    /// # Errors
    /// [`InvalidName`] if the name is too long, or if the pattern does not distinguish the stacks of a package.
    pub fn name(
        &self,
        service: &ServiceName,
        stage: &StageName,
        part: Option<&StackPart>,
    ) -> Result<StackName, InvalidName> {
        let own = match part {
            None => "{service}-{stage}",
            Some(_) => "{service}-{stage}-{stack}",
        };
        let pattern = self.0.as_deref().unwrap_or(own);
        if pattern.contains("{stack}") != part.is_some() {
            return Err(InvalidName {
                kind: "pattern of stack names",
                given: pattern.chars().take(64).collect(),
                rule: "it must contain {stack} for a package with several stacks, and only then",
            });
        }
        let text = pattern.replace("{service}", service.as_str()).replace("{stage}", stage.as_str());
        StackName::parse(&text.replace("{stack}", part.map_or("", StackPart::as_str)))
    }
}

/// The AWS regions of the commercial, GovCloud and China partitions, as listed in AWS's
/// "Regions and Availability Zones" page. A configuration that names another one is refused as a
/// typing error; a new region is added here.
pub const KNOWN_REGIONS: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

impl Region {
    /// Whether AWS has announced a region of this code; see [`KNOWN_REGIONS`].
    pub fn is_known(&self) -> bool {
        KNOWN_REGIONS.contains(&self.as_str())
    }

    /// Every region that is known, of all partitions.
    pub fn all() -> impl Iterator<Item = Self> {
        KNOWN_REGIONS.iter().filter_map(|name| Self::parse(name).ok())
    }

    /// The partition of the region: `aws`, `aws-cn` or `aws-us-gov`.
    pub fn partition(&self) -> &'static str {
        match &self.0 {
            name if name.starts_with("cn-") => "aws-cn",
            name if name.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }

    /// The URL of an object in a bucket of the region, as CloudFormation takes it for a template.
    pub fn object_url(&self, bucket: &str, key: &str) -> String {
        let suffix = if self.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        format!("https://s3.{self}.{suffix}/{bucket}/{key}")
    }
}

/// A lower-case DNS label of at most `max` bytes that begins with a letter.
fn is_label(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && text.as_bytes()[0].is_ascii_lowercase()
        && !text.ends_with('-')
}

/// `xx-name-n`, `xx-name-name-n`: at least three parts, the last one digits.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    text.len() <= 32
        && parts.len() >= 3
        && parts[0].len() == 2
        && parts[..parts.len() - 1].iter().all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase()))
        && parts[parts.len() - 1].parse::<u8>().is_ok_and(|n| n > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_called_after_its_service_and_stage_or_as_the_service_says() {
        let (service, stage) = (ServiceName::parse("orders").unwrap(), StageName::parse("staging").unwrap());
        let part = StackPart::parse("Net").unwrap();
        let name = |pattern: &StackPattern, part: Option<&StackPart>| {
            pattern.name(&service, &stage, part).map(|name| name.to_string())
        };
        let own = StackPattern::default();
        assert_eq!(name(&own, None).unwrap(), "orders-staging");
        assert_eq!(name(&own, Some(&part)).unwrap(), "orders-staging-Net");
        let pattern = StackPattern::parse("{stage}-{stack}").unwrap();
        assert_eq!(name(&pattern, Some(&part)).unwrap(), "staging-Net");
        assert!(
            name(&pattern, None).is_err() && name(&StackPattern::parse("x").unwrap(), Some(&part)).is_err()
        );
        for bad in ["", "{other}", "a b", "-{stage}"] {
            assert!(StackPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_service_name_is_a_lower_case_label() {
        for good in ["a", "orders", "orders-2", &"a".repeat(63)] {
            assert!(ServiceName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "2a", "Orders", "a_b", "a/b", "ä", "a b", &"a".repeat(64)] {
            assert!(ServiceName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_account_has_twelve_digits() {
        assert!(AccountId::parse("000000000000").is_ok());
        for bad in ["", "00000000000", "0000000000000", "00000000000a", "１２３４５６７８９０１２"]
        {
            assert!(AccountId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_region_is_recognised_by_its_shape_and_known_by_the_list() {
        for known in KNOWN_REGIONS {
            assert!(Region::parse(known).unwrap().is_known());
        }
        assert!(!Region::parse("eu-centrall-1").unwrap().is_known());
        let long = format!("eu-{}-1", "central".repeat(5));
        for bad in
            ["", "eu", "eu-1", "eu-central", "eu-central-0", "EU-central-1", "euro-central-1", "eu--1", &long]
        {
            assert!(Region::parse(bad).is_err(), "{bad}");
        }
        assert!(Region::parse("eu-central-1/../x").is_err());
        assert_eq!(Region::parse("cn-north-1").unwrap().partition(), "aws-cn");
        assert_eq!(Region::parse("us-gov-west-1").unwrap().partition(), "aws-us-gov");
        assert_eq!(Region::parse("us-east-1").unwrap().partition(), "aws");
        let url = |region: &str| Region::parse(region).unwrap().object_url("b", "k.yaml");
        assert_eq!(url("eu-west-1"), "https://s3.eu-west-1.amazonaws.com/b/k.yaml");
        assert_eq!(url("cn-north-1"), "https://s3.cn-north-1.amazonaws.com.cn/b/k.yaml");
    }

    #[test]
    fn the_names_of_a_services_stacks_begin_with_what_is_fixed() {
        let service = ServiceName::parse("orders").unwrap();
        let beginning = |pattern: &str| StackPattern::parse(pattern).unwrap().beginning(&service);
        assert_eq!(StackPattern::default().beginning(&service), "orders-");
        assert_eq!(beginning("shop-{service}-{stage}-{stack}"), "shop-orders-");
        assert_eq!(beginning("{stage}-{service}"), "");
    }

    #[test]
    fn an_error_says_the_rule_and_never_echoes_more_than_64_characters() {
        let error = ServiceName::parse(&"X".repeat(500)).unwrap_err();
        assert_eq!(error.given.len(), 64);
        assert!(error.to_string().contains("lower-case letters"));
    }
}
