//! Services: the routes from refs to stages, and the retention.

use super::{invalid, named};
use flotilla_contract::{ExternalCodeConfig, RuleConfig, ServiceConfigDoc};
use flotilla_domain::config::external_code::ExternalCode;
use flotilla_domain::config::external_image::ImageRepository;
use flotilla_domain::config::service::{RefPattern, Rule, ServiceConfig, StageTemplate};
use flotilla_domain::retention::Retention;
use flotilla_domain::{AliasName, Digest, ProfileName, Refusal, ServiceName, StackPattern, StageName};
use std::collections::BTreeSet;

/// Reads a service's configuration.
///
/// # Errors
/// [`Code::ConfigInvalid`], with the path of the rule.
pub fn service_config(service: ServiceName, doc: &ServiceConfigDoc) -> Result<ServiceConfig, Refusal> {
    let max = ServiceConfig::RULES_MAX;
    if doc.rules.is_empty() || doc.rules.len() > max {
        return Err(invalid(
            "rules",
            format!("{} rules", doc.rules.len()),
            &format!("give 1 to {max} rules"),
        ));
    }
    let rules = doc.rules.iter().enumerate();
    let rules = rules.map(|(n, doc)| rule(doc).map_err(|refusal| refusal.at(format!("rules.{n}"))));
    let rules = rules.collect::<Result<Vec<Rule>, _>>()?;
    check_stack_names(&rules)?;
    check_promotions(&rules)?;
    Ok(ServiceConfig {
        service,
        rules,
        stack_name: stack_name(doc.stack_name.as_deref())?.unwrap_or_default(),
        retention: retention(doc)?,
        shared_outputs: shared_outputs(doc)?,
        external_code: external_code(&doc.external_code)?,
        external_images: external_images(&doc.external_images)?,
        alias: doc.alias.as_deref().map(AliasName::parse).transpose().map_err(|e| named("alias", &e))?,
    })
}

/// Refuses names of stacks that would be ignored, or shared by previews: a stage has the name of its first rule.
fn check_stack_names(rules: &[Rule]) -> Result<(), Refusal> {
    for (n, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.stack_name.is_some()) {
        let at = format!("rules.{n}.stack_name");
        let first = rules.iter().find(|other| other.stage == rule.stage);
        if first.is_some_and(|first| first.stack_name != rule.stack_name) {
            let what =
                format!("an earlier rule leads to {} and does not name its stacks so", rule.stage.as_str());
            return Err(invalid(at, what, "give the first rule of the stage the stack_name"));
        }
        let is_shared = |pattern: &StackPattern| !pattern.as_str().contains("{stage}");
        if rule.stage.is_per_ref() && rule.stack_name.as_ref().is_some_and(is_shared) {
            return Err(invalid(
                at,
                "every ref would have the same stack",
                "put {stage} into the stack_name",
            ));
        }
    }
    Ok(())
}

/// Refuses promotions of previews, to stages that no rule names or that do not stay, and in a circle.
fn check_promotions(rules: &[Rule]) -> Result<(), Refusal> {
    let stays = |rule: &&Rule| !rule.stage.is_per_ref() && rule.ttl_h.is_none();
    let of_stage = |stage: &StageName| rules.iter().find(|rule| rule.stage.as_str() == stage.as_str());
    for (n, rule) in rules.iter().enumerate() {
        let refuse = |what: String, fix: &str| Err(invalid(format!("rules.{n}.promote_to"), what, fix));
        if rules.iter().any(|other| other.stage == rule.stage && other.promote_to != rule.promote_to) {
            let what = format!("the rules of {} promote to different stages", rule.stage.as_str());
            return refuse(what, "give all rules of a stage the same promote_to");
        }
        let Some(to) = &rule.promote_to else { continue };
        if !stays(&rule) {
            return refuse("previews cannot be promoted".into(), "leave promote_to or ttl_h out of the rule");
        }
        if of_stage(to).filter(stays).is_none() {
            let what = format!("no rule leads to a stage {to} that stays");
            return refuse(
                what,
                "add a rule for the stage, such as { ref = \"tag:v*\", stage = …, profile = … }",
            );
        }
        // A chain that is longer than the rules comes back to where it was.
        let mut next = Some(to);
        for _ in rules {
            next = next.and_then(|stage| of_stage(stage)?.promote_to.as_ref());
        }
        if next.is_some() {
            return refuse(
                format!("promote_to of {} forms a cycle", rule.stage.as_str()),
                "let the last stage have no promote_to",
            );
        }
    }
    Ok(())
}

/// Refuses a service whose stacks would have names like Flotilla's own parts: the boundary of `infra/account.yaml` denies
/// CloudFormation all resources whose name begins with the installation's prefix.
pub(crate) fn outside_of(prefix: &str, config: &ServiceConfig) -> Result<(), Refusal> {
    let own = |code: &&ExternalCode| code.bucket.starts_with(&format!("{prefix}-"));
    if let Some(code) = config.external_code.iter().find(own) {
        let what = format!("{} is a bucket of Flotilla itself", code.bucket);
        return Err(invalid("external_code", what, "name a bucket of the code's owner"));
    }
    let own = |repository: &&ImageRepository| repository.name.starts_with(&format!("{prefix}-"));
    if let Some(repository) = config.external_images.iter().find(own) {
        let what = format!("{} is a repository of Flotilla itself", repository.name);
        return Err(invalid("external_images", what, "name the repository that the image was pushed to"));
    }
    let of_rules = config.rules.iter().filter_map(|rule| rule.stack_name.as_ref());
    let mut patterns = of_rules.chain([&config.stack_name]);
    if !patterns.any(|pattern| pattern.beginning(&config.service).starts_with(&format!("{prefix}-"))) {
        return Ok(());
    }
    let what = format!(
        "the stacks of {} would have names that begin with {prefix}-, as Flotilla's own parts do",
        config.service
    );
    let fix = "give the service another name, or set stack_name to a pattern with another beginning, such as \"app-{service}-{stage}\"";
    Err(invalid("stack_name", what, fix))
}

/// Reads the code of other buckets.
fn external_code(docs: &[ExternalCodeConfig]) -> Result<Vec<ExternalCode>, Refusal> {
    const KEY_BYTES_MAX: usize = 1_024;
    let max = ServiceConfig::EXTERNAL_CODE_MAX;
    if docs.len() > max {
        let what = format!("{} objects", docs.len());
        return Err(invalid("external_code", what, &format!("name {max} at most")));
    }
    let read = |(n, doc): (usize, &ExternalCodeConfig)| {
        let at = |field: &str| format!("external_code.{n}.{field}");
        // The characters and the length of a bucket's name ("General purpose buckets naming rules", Amazon S3 User Guide).
        let bare = doc.bucket.replace(ExternalCode::REGION_MARK, "us-east-1");
        let is_bucket = (3..=63).contains(&bare.len())
            && bare.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b));
        if !is_bucket {
            let fix = "name the bucket as the template does, with {region} for AWS::Region";
            return Err(invalid(at("bucket"), format!("{:?} is not a bucket", doc.bucket), fix));
        }
        if doc.key.is_empty() || doc.key.len() > KEY_BYTES_MAX {
            let what = format!("the key has {} bytes", doc.key.len());
            return Err(invalid(at("key"), what, "name the object's key, without s3:// and the bucket"));
        }
        if doc.version.as_ref().is_some_and(|version| version.is_empty() || version.len() > KEY_BYTES_MAX) {
            return Err(invalid(
                at("version"),
                "the version is empty or too long",
                "leave it out, or name a version",
            ));
        }
        let digest = Digest::parse_hex(&doc.sha256).map_err(|_| {
            let what = format!("{:?} is not a SHA-256", doc.sha256);
            invalid(at("sha256"), what, "give 64 hexadecimal digits: sha256sum prints them")
        })?;
        let (bucket, key, version) = (doc.bucket.clone(), doc.key.clone(), doc.version.clone());
        Ok(ExternalCode { bucket, key, version, digest })
    };
    docs.iter().enumerate().map(read).collect()
}

/// Reads the repositories of container images.
fn external_images(uris: &[String]) -> Result<Vec<ImageRepository>, Refusal> {
    let max = ServiceConfig::EXTERNAL_IMAGES_MAX;
    if uris.len() > max {
        let what = format!("{} repositories", uris.len());
        return Err(invalid("external_images", what, &format!("name {max} at most")));
    }
    let read = |(n, uri): (usize, &String)| {
        ImageRepository::parse(uri).map_err(|error| named(&format!("external_images.{n}"), &error))
    };
    let repositories: Vec<ImageRepository> = uris.iter().enumerate().map(read).collect::<Result<_, _>>()?;
    let names: BTreeSet<&str> = repositories.iter().map(|repository| repository.name.as_str()).collect();
    if names.len() < repositories.len() {
        let what = "two repositories have the same name";
        return Err(invalid("external_images", what, "name the one that has the images of all packages"));
    }
    Ok(repositories)
}

/// Most outputs of a service that are shared: CloudFormation's quota of outputs in a template.
const SHARED_OUTPUTS_MAX: usize = 200;

/// Reads the names of the outputs that previews of other services may use.
fn shared_outputs(doc: &ServiceConfigDoc) -> Result<BTreeSet<String>, Refusal> {
    let is_name =
        |name: &String| (1..=255).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric());
    if let Some(bad) = doc.shared_outputs.iter().find(|name| !is_name(name)) {
        return Err(invalid(
            "shared_outputs",
            format!("{bad:?} is not an output"),
            "name an output of the template, in letters and digits",
        ));
    }
    if doc.shared_outputs.len() > SHARED_OUTPUTS_MAX {
        let fix = format!("share {SHARED_OUTPUTS_MAX} at most");
        return Err(invalid("shared_outputs", format!("{} outputs", doc.shared_outputs.len()), &fix));
    }
    Ok(doc.shared_outputs.iter().cloned().collect())
}

/// Reads the retention. Releases that stages need are kept regardless of it.
fn retention(doc: &ServiceConfigDoc) -> Result<Retention, Refusal> {
    let Retention { releases, days } = Retention::default();
    let kept =
        Retention { releases: doc.keep_releases.unwrap_or(releases), days: doc.keep_days.unwrap_or(days) };
    let (releases_max, days_max) = (Retention::RELEASES_MAX, Retention::DAYS_MAX);
    if !(1..=releases_max).contains(&kept.releases) {
        let fix = format!("give 1 to {releases_max} releases");
        return Err(invalid("keep_releases", format!("{} releases", kept.releases), &fix));
    }
    if !(1..=days_max).contains(&kept.days) {
        return Err(invalid(
            "keep_days",
            format!("{} days", kept.days),
            &format!("give 1 to {days_max} days"),
        ));
    }
    Ok(kept)
}

fn rule(doc: &RuleConfig) -> Result<Rule, Refusal> {
    let stage = StageTemplate::parse(&doc.stage)?;
    let ttl_ok = doc.ttl_h.is_none_or(|ttl_h| (1..=ServiceConfig::TTL_H_MAX).contains(&ttl_h));
    if !ttl_ok {
        return Err(invalid("ttl_h", "ttl_h is out of range", "give 1 to 2160 hours"));
    }
    if stage.is_per_ref() && doc.ttl_h.is_none() {
        let what =
            format!("{} creates a stage for every ref, and without ttl_h none of them expires", doc.stage);
        return Err(invalid("ttl_h", what, "give the rule a ttl_h, such as 72"));
    }
    Ok(Rule {
        pattern: RefPattern::parse(&doc.git_ref)?,
        stage,
        profile: ProfileName::parse(&doc.profile).map_err(|e| named("profile", &e))?,
        ttl_h: doc.ttl_h,
        stack_name: stack_name(doc.stack_name.as_deref())?,
        promote_to: doc
            .promote_to
            .as_deref()
            .map(StageName::parse)
            .transpose()
            .map_err(|e| named("promote_to", &e))?,
    })
}

fn stack_name(pattern: Option<&str>) -> Result<Option<StackPattern>, Refusal> {
    pattern.map(StackPattern::parse).transpose().map_err(|e| named("stack_name", &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotions_lead_from_stage_to_stage_and_come_to_an_end() {
        let rule = |git_ref: &str, stage: &str, promote_to: Option<&str>| RuleConfig {
            git_ref: git_ref.into(),
            stage: stage.into(),
            profile: "p".into(),
            ttl_h: stage.starts_with("pr-").then_some(24),
            stack_name: None,
            promote_to: promote_to.map(str::to_owned),
        };
        let check = |rules: Vec<RuleConfig>| {
            let doc = ServiceConfigDoc { rules, ..ServiceConfigDoc::default() };
            let config = service_config(ServiceName::parse("s").unwrap(), &doc);
            config.map(drop).map_err(|refusal| refusal.path.unwrap_or_default())
        };
        let at = |n: usize| Err(format!("rules.{n}.promote_to"));
        let (staging, live) = (|to| rule("branch:main", "staging", to), |to| rule("tag:v*", "live", to));
        assert_eq!(
            check(vec![rule("branch:next", "test", Some("staging")), staging(Some("live")), live(None)]),
            Ok(())
        );
        assert_eq!(check(vec![staging(Some("live"))]), at(0), "no rule leads there");
        assert_eq!(check(vec![staging(Some("staging"))]), at(0));
        assert_eq!(check(vec![staging(Some("live")), live(Some("staging"))]), at(0));
        let hidden = rule("branch:dev", "staging", Some("staging"));
        assert_eq!(check(vec![staging(None), hidden]), at(0), "its first rule promotes nowhere");
        assert_eq!(check(vec![staging(None), rule("pr:*", "pr-{ref}", Some("staging"))]), at(1));
        assert_eq!(check(vec![staging(Some("pr-1")), rule("pr:1", "pr-1", None)]), at(0), "it does not stay");
        assert_eq!(check(vec![staging(Some("Live"))]), Err("rules.0".into()), "it is no name");
    }

    #[test]
    fn a_stage_for_every_ref_must_end() {
        let rule = |stage: &str, ttl_h| ServiceConfigDoc {
            rules: vec![RuleConfig {
                git_ref: "pr:*".into(),
                stage: stage.into(),
                profile: "p".into(),
                ttl_h,
                stack_name: None,
                promote_to: None,
            }],
            ..ServiceConfigDoc::default()
        };
        let check = |doc| service_config(ServiceName::parse("s").unwrap(), &doc);
        assert!(check(rule("pr-{ref}", Some(72))).is_ok());
        assert_eq!(check(rule("pr-{ref}", None)).unwrap_err().path.as_deref(), Some("rules.0"));
        assert!(check(rule("pr-{ref}", Some(0))).is_err());
        assert!(check(ServiceConfigDoc::default()).is_err());
    }

    #[test]
    fn how_long_releases_are_kept_has_bounds() {
        let rules = vec![RuleConfig {
            git_ref: "branch:main".into(),
            stage: "s".into(),
            profile: "p".into(),
            ttl_h: None,
            stack_name: None,
            promote_to: None,
        }];
        let kept = |keep_releases, keep_days| {
            let doc =
                ServiceConfigDoc { rules: rules.clone(), keep_releases, keep_days, ..Default::default() };
            service_config(ServiceName::parse("s").unwrap(), &doc).map(|config| config.retention)
        };
        assert_eq!(kept(None, None), Ok(Retention { releases: 20, days: 30 }));
        assert_eq!(kept(Some(1), Some(365)), Ok(Retention { releases: 1, days: 365 }));
        let path = |releases, days| kept(releases, days).unwrap_err().path.unwrap();
        assert_eq!([path(Some(0), None), path(Some(1_001), None)], ["keep_releases"; 2]);
        assert_eq!([path(None, Some(0)), path(None, Some(366))], ["keep_days"; 2]);
    }
}
