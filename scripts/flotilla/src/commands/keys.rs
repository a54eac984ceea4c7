//! The KMS key that an operator brings for the buckets, the table, the queues and the logs.

use super::lists::with;
use crate::error::CliError;
use flotilla_domain::Region;

/// A key by its ARN, which is another one in each region; empty to use keys of AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Reads the ARN of a key for these regions.
    ///
    /// # Errors
    /// It is no key's ARN, or there are several regions and it is not a multi-Region key.
    pub fn parse<'a>(arn: &str, regions: impl IntoIterator<Item = &'a Region>) -> Result<Self, CliError> {
        if arn.is_empty() {
            return Ok(Self(String::new()));
        }
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", _, "kms", own, _, key] = parts[..] else {
            return Err(not_a_key(arn));
        };
        let Some(id) = key.strip_prefix("key/") else { return Err(not_a_key(arn)) };
        let elsewhere = regions.into_iter().find(|region| region.as_str() != own);
        match elsewhere {
            Some(region) if !id.starts_with("mrk-") => Err(CliError::usage(
                format!("{arn} is a key of {own} and cannot be used in {region}"),
                "create a multi-Region key with a replica in each region, and give the ARN of one of them",
            )),
            _ => Ok(Self(arn.to_owned())),
        }
    }

    /// The key's ARN in a region.
    pub fn in_region(&self, region: &Region) -> String {
        let mut parts: Vec<&str> = self.0.split(':').collect();
        if let Some(part) = parts.get_mut(3) {
            *part = region.as_str();
        }
        parts.join(":")
    }

    /// The key's ARNs in these regions, added to a comma-separated list; an empty list if keys of AWS are used.
    pub fn added_to<'a>(
        &self,
        list: Option<&String>,
        regions: impl IntoIterator<Item = &'a Region>,
    ) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let add = |list: Option<String>, region| Some(with(list.as_ref(), &self.in_region(region)));
        regions.into_iter().fold(list.cloned(), add).unwrap_or_default()
    }
}

fn not_a_key(arn: &str) -> CliError {
    CliError::usage(
        format!("{arn:?} is not the ARN of a KMS key"),
        "give an ARN such as arn:aws:kms:eu-central-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/";

    fn regions(names: &[&str]) -> Vec<Region> {
        names.iter().map(|name| Region::parse(name).unwrap()).collect()
    }

    #[test]
    fn a_multi_region_key_has_an_arn_in_each_region() {
        let both = regions(&["eu-central-1", "us-east-1"]);
        let key = Key::parse(&format!("{KEY}mrk-1"), &both).unwrap();
        assert_eq!(key.in_region(&both[1]), "arn:aws:kms:us-east-1:111122223333:key/mrk-1");
        let list = key.added_to(Some(&format!("{KEY}mrk-1")), &both);
        assert_eq!(list, format!("{KEY}mrk-1,arn:aws:kms:us-east-1:111122223333:key/mrk-1"));
        assert_eq!(Key::parse("", &both).unwrap().added_to(Some(&list), &both), "");
    }

    #[test]
    fn a_key_of_one_region_is_for_that_region_only() {
        assert!(Key::parse(&format!("{KEY}1234"), &regions(&["eu-central-1"])).is_ok());
        let error = Key::parse(&format!("{KEY}1234"), &regions(&["eu-central-1", "us-east-1"])).unwrap_err();
        assert!(error.to_string().contains("us-east-1"), "{error}");
        for bad in ["alias/flotilla", "arn:aws:kms:eu-central-1:111122223333:alias/flotilla"] {
            assert!(Key::parse(bad, &[]).is_err(), "{bad}");
        }
    }
}
