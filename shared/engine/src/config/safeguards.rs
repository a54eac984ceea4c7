//! The safeguards of a profile.

use super::{invalid, no_such};
use flotilla_contract::{ProfileConfig, SafeguardsConfig};
use flotilla_domain::Refusal;
use flotilla_domain::config::profile::Profile;
use flotilla_domain::plan::Safeguards;
use std::collections::BTreeSet;

/// Reads the safeguards.
pub fn safeguards(doc: &ProfileConfig) -> Result<Safeguards, Refusal> {
    let SafeguardsConfig { stateful, allow_types, forbidden_types, max_deletions, .. } =
        doc.safeguards.clone().unwrap_or_default();
    Ok(Safeguards {
        block_stateful: match stateful.as_deref() {
            None | Some("block") => true,
            Some("allow") => false,
            Some(other) => return Err(no_such("safeguards.stateful", other, "block or allow")),
        },
        allow_types: patterns("safeguards.allow_types", allow_types)?,
        forbidden_types: patterns("safeguards.forbidden_types", forbidden_types)?,
        max_deletions,
        approved: BTreeSet::new(),
    })
}

fn patterns(path: &str, patterns: BTreeSet<String>) -> Result<BTreeSet<String>, Refusal> {
    if patterns.len() > Safeguards::PATTERNS_MAX {
        let fix = format!("give {} at most", Safeguards::PATTERNS_MAX);
        return Err(invalid(path, format!("{} types", patterns.len()), &fix));
    }
    match patterns.iter().find(|pattern| !Safeguards::is_pattern(pattern)) {
        None => Ok(patterns),
        Some(wrong) => {
            let fix = "use a type such as AWS::EC2::Instance, or a prefix: AWS::EC2::*";
            Err(invalid(path, format!("{wrong:?} is not a resource type"), fix))
        }
    }
}

/// Reads the required tags of stacks.
pub fn required_tags(doc: &ProfileConfig) -> Result<BTreeSet<String>, Refusal> {
    let tags = doc.safeguards.clone().unwrap_or_default().required_tags;
    let wrong = tags.iter().any(|tag| tag.is_empty() || tag.len() > 128);
    if wrong || tags.len() > Profile::TAGS_MAX {
        let fix = format!("give {} names at most, of 1 to 128 characters", Profile::TAGS_MAX);
        return Err(invalid(
            "safeguards.required_tags",
            "too many names, or one that is not the name of a tag",
            &fix,
        ));
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flotilla_domain::Code;

    fn read(safeguards: SafeguardsConfig) -> Result<Safeguards, Code> {
        let doc = ProfileConfig { safeguards: Some(safeguards), ..ProfileConfig::default() };
        required_tags(&doc).and_then(|_| super::safeguards(&doc)).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_profile_that_says_nothing_keeps_what_holds_data() {
        let read = super::safeguards(&ProfileConfig::default()).unwrap();
        assert_eq!(read, Safeguards { block_stateful: true, ..Safeguards::default() });
    }

    #[test]
    fn what_is_written_is_read_and_nonsense_refused() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let whole = SafeguardsConfig {
            stateful: Some("allow".into()),
            allow_types: names(&["AWS::Logs::*"]),
            required_tags: names(&["team"]),
            forbidden_types: names(&["AWS::IAM::User"]),
            max_deletions: Some(5),
            guard: None,
        };
        let safeguards = read(whole.clone()).unwrap();
        assert_eq!((safeguards.block_stateful, safeguards.max_deletions), (false, Some(5)));
        assert_eq!(safeguards.allow_types, whole.allow_types);
        assert_eq!(safeguards.forbidden_types, whole.forbidden_types);
        let many: Vec<String> = (0..101).map(|n| format!("AWS::X::T{n}")).collect();
        let tags = |count: usize| (0..count).map(|n| format!("tag{n}")).collect::<BTreeSet<_>>();
        for fine in [
            SafeguardsConfig {
                forbidden_types: many[..Safeguards::PATTERNS_MAX].iter().cloned().collect(),
                ..whole.clone()
            },
            SafeguardsConfig { required_tags: tags(Profile::TAGS_MAX), ..whole.clone() },
            SafeguardsConfig { required_tags: names(&[&"t".repeat(128)]), ..whole.clone() },
        ] {
            assert!(read(fine).is_ok());
        }
        for wrong in [
            SafeguardsConfig { stateful: Some("perhaps".into()), ..whole.clone() },
            SafeguardsConfig { allow_types: names(&["AWS:: Logs"]), ..whole.clone() },
            SafeguardsConfig { forbidden_types: names(&[""]), ..whole.clone() },
            SafeguardsConfig { forbidden_types: many.into_iter().collect(), ..whole.clone() },
            SafeguardsConfig { required_tags: names(&[""]), ..whole.clone() },
            SafeguardsConfig { required_tags: names(&[&"t".repeat(129)]), ..whole.clone() },
            SafeguardsConfig { required_tags: tags(Profile::TAGS_MAX + 1), ..whole.clone() },
        ] {
            assert_eq!(read(wrong.clone()), Err(Code::ConfigInvalid), "{wrong:?}");
        }
    }
}
