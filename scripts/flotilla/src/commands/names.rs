//! The names of the buckets, the repository and the table in the templates of Flotilla.
//!
//! CloudFormation makes a bucket, repository or table that exists already part of a new stack only if the template has its name as a literal. The
//! command therefore writes them out; otherwise the templates are those of `infra/`.

use flotilla_domain::{AccountId, Region};

/// The properties with such names.
const NAMES: [&str; 3] = ["BucketName: ", "RepositoryName: ", "TableName: "];

/// The template with literal names.
pub fn literal(template: &str, prefix: &str, account: &AccountId, region: &Region) -> String {
    let line = |line: &str| {
        if !is_name(line) {
            return line.to_owned();
        }
        let named = line.replace("!Ref Prefix", prefix).replace("!Sub ", "").replace("${Prefix}", prefix);
        named.replace("${AWS::AccountId}", account.as_str()).replace("${AWS::Region}", region.as_str())
    };
    template.lines().map(|text| line(text) + "\n").collect()
}

/// Whether two templates are the same but for these names.
pub fn same(one: &str, other: &str) -> bool {
    let rest = |template: &str| -> Vec<String> {
        template.trim().lines().filter(|line| !is_name(line)).map(str::to_owned).collect()
    };
    rest(one) == rest(other)
}

fn is_name(line: &str) -> bool {
    NAMES.iter().any(|name| line.trim_start().starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_what_may_be_kept_are_literal() {
        let account = AccountId::parse("111122223333").unwrap();
        let region = Region::parse("eu-west-1").unwrap();
        let of = |template: &str| literal(template, "ships", &account, &region);
        let regional = include_str!("../../../../infra/regional.yaml");
        let control_plane = include_str!("../../../../infra/control-plane.yaml");
        assert!(
            of(regional).contains("\n      RepositoryName: \"ships-artifacts-111122223333-eu-west-1\"\n")
        );
        assert!(of(regional).contains("\n      BucketName: \"ships-artifacts-111122223333-eu-west-1\"\n"));
        assert!(of(control_plane).contains("\n      BucketName: \"ships-ingest-111122223333-eu-west-1\"\n"));
        assert!(of(control_plane).contains("\n      TableName: ships\n"));
        for template in [regional, control_plane] {
            // Every kept resource has a name: CloudFormation imports no other.
            let kept = template.matches("DeletionPolicy: RetainExceptOnCreate").count();
            assert_eq!(template.lines().filter(|line| is_name(line)).count(), kept);
            assert!(same(template, &of(template)) && !same(template, &of(template).replace("Prefix", "P")));
        }
    }
}
