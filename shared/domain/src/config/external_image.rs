//! Repositories of container images that belong to somebody else than Flotilla, such as the one that CI pushes to.

use crate::digest::Digest;
use crate::names::{AccountId, InvalidName, Region};
use std::fmt;

/// A repository in a private registry of Amazon ECR.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageRepository {
    /// The account of the registry.
    pub account: AccountId,
    /// The region of the registry.
    pub region: Region,
    /// The repository's name, such as `team/orders`.
    pub name: String,
}

impl ImageRepository {
    /// The characters of a repository's name that may stand between others (Amazon ECR API Reference, `CreateRepository`).
    const SEPARATORS: &str = "._-/";

    /// Parses a URI without tag and digest: `111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/orders`.
    ///
    /// # Errors
    /// If it is not the URI of a repository in a private registry of Amazon ECR.
    pub fn parse(uri: &str) -> Result<Self, InvalidName> {
        let parts = || {
            let (registry, name) = uri.split_once('/')?;
            let (account, rest) = registry.split_once(".dkr.ecr.")?;
            let (region, suffix) = rest.split_once('.')?;
            let repository = Self {
                account: AccountId::parse(account).ok()?,
                region: Region::parse(region).ok()?,
                name: name.to_owned(),
            };
            (suffix == repository.dns_suffix() && Self::is_name(name)).then_some(repository)
        };
        parts().ok_or_else(|| InvalidName {
            kind: "repository of Amazon ECR",
            given: uri.chars().take(64).collect(),
            rule: "an account, .dkr.ecr., a region, .amazonaws.com and a slash before the name, without tag or digest",
        })
    }

    /// Whether a text is a repository's name: 2 to 256 lower-case letters and digits, with separators between them.
    fn is_name(name: &str) -> bool {
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        (2..=256).contains(&name.len())
            && name.bytes().all(|b| is_plain(b) || Self::SEPARATORS.as_bytes().contains(&b))
            && name.split('/').all(|part| {
                part.bytes().next().is_some_and(is_plain) && part.bytes().last().is_some_and(is_plain)
            })
    }

    fn dns_suffix(&self) -> &'static str {
        if self.region.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" }
    }
}

impl fmt::Display for ImageRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.dkr.ecr.{}.{}/{}", self.account, self.region, self.dns_suffix(), self.name)
    }
}

/// An image in a repository of somebody else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExternalImage {
    /// The repository.
    pub repository: ImageRepository,
    /// The digest of the image's manifest.
    pub digest: Digest,
}

impl fmt::Display for ExternalImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@sha256:{}", self.repository, self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_named_by_its_uri() {
        for uri in [
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com/orders",
            "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/team/orders_api.v2",
        ] {
            assert_eq!(ImageRepository::parse(uri).unwrap().to_string(), uri);
        }
        for uri in [
            "orders",
            "public.ecr.aws/lambda/python",
            "1111.dkr.ecr.eu-west-1.amazonaws.com/orders",
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com",
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com/",
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com/x",
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com/orders:1",
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com/orders@sha256:00",
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com/orders/",
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com/orders/-x",
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com/Orders",
            "111122223333.dkr.ecr.eu-west-1.example.com/orders",
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com.cn/orders",
        ] {
            assert!(ImageRepository::parse(uri).is_err(), "{uri}");
        }
    }
}
