//! Code that templates take from a bucket of somebody else, such as a vendor's layer.

use crate::digest::Digest;
use crate::names::Region;

/// An object in a bucket that is not Flotilla's, with the digest that its bytes must have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExternalCode {
    /// The bucket as templates name it; `{region}` stands for `AWS::Region`.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The version that is read; `None` for the current one.
    pub version: Option<String>,
    /// The digest of its bytes.
    pub digest: Digest,
}

impl ExternalCode {
    /// What stands for the region in a bucket's name.
    pub const REGION_MARK: &str = "{region}";

    /// The bucket that is read: a vendor has the same bytes in every region.
    pub fn bucket_in(&self, region: &Region) -> String {
        self.bucket.replace(Self::REGION_MARK, region.as_str())
    }

    /// Whether a template that names this bucket, key and version means this object. A template without a version takes what the
    /// configuration names.
    pub fn is_meant(&self, bucket: &str, key: &str, version: Option<&str>) -> bool {
        // A package that was built for one region has its name; once neutral, it has the parameter. The digest is the same.
        neutral(&self.bucket) == neutral(bucket)
            && self.key == key
            && version.is_none_or(|version| self.version.as_deref() == Some(version))
    }
}

/// A bucket's name with the mark in place of a region's name.
fn neutral(bucket: &str) -> String {
    let region = Region::all().find(|region| bucket.contains(region.as_str()));
    region.map_or_else(
        || bucket.to_owned(),
        |region| bucket.replace(region.as_str(), ExternalCode::REGION_MARK),
    )
}

impl std::fmt::Display for ExternalCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_meant_by_its_bucket_its_key_and_its_version() {
        let code = |version: Option<&str>| ExternalCode {
            bucket: "vendor-{region}".into(),
            key: "x.zip".into(),
            version: version.map(str::to_owned),
            digest: Digest::of(b"x"),
        };
        assert!(code(None).is_meant("vendor-{region}", "x.zip", None));
        assert!(code(Some("1")).is_meant("vendor-{region}", "x.zip", None));
        assert!(code(Some("1")).is_meant("vendor-{region}", "x.zip", Some("1")));
        assert!(!code(Some("1")).is_meant("vendor-{region}", "x.zip", Some("2")));
        assert!(!code(None).is_meant("vendor-{region}", "x.zip", Some("2")));
        assert!(
            code(None).is_meant("vendor-eu-west-1", "x.zip", None),
            "of a package that was built for one region"
        );
        assert!(!code(None).is_meant("vendor", "x.zip", None));
        assert!(!code(None).is_meant("vendor-{region}", "y/x.zip", None));
        let of_one = ExternalCode { bucket: "vendor-us-east-1".into(), ..code(None) };
        assert!(of_one.is_meant("vendor-us-east-1", "x.zip", None));
        assert!(of_one.is_meant("vendor-{region}", "x.zip", None));
        assert!(!of_one.is_meant("other-us-east-1", "x.zip", None));
        assert_eq!(code(None).bucket_in(&Region::parse("eu-west-1").unwrap()), "vendor-eu-west-1");
    }
}
