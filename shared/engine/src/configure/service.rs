//! Services: rules from ref to stage.

use super::{invalid, named};
use flotilla_contract::{RuleConfig, ServiceConfigDoc};
use flotilla_domain::rules::{RefPattern, Rule, ServiceConfig, StageTemplate};
use flotilla_domain::{ProfileName, Refusal, ServiceName, StackPattern};

/// Reads a service's rules.
///
/// # Errors
/// [`Code::ConfigInvalid`] with the rule's place.
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
    let stack_name = doc.stack_name.as_deref().map(StackPattern::parse).transpose();
    Ok(ServiceConfig {
        service,
        rules: rules.collect::<Result<_, _>>()?,
        stack_name: stack_name.map_err(|e| named("stack_name", &e))?.unwrap_or_default(),
    })
}

fn rule(doc: &RuleConfig) -> Result<Rule, Refusal> {
    let stage = StageTemplate::parse(&doc.stage)?;
    let ttl_ok = doc.ttl_h.is_none_or(|ttl_h| (1..=ServiceConfig::TTL_H_MAX).contains(&ttl_h));
    if !ttl_ok {
        return Err(invalid("ttl_h", "ttl_h is out of range", "give 1 to 2160 hours"));
    }
    if stage.is_per_ref() && doc.ttl_h.is_none() {
        let what = format!("{} makes a stage for every ref and none of them would ever end", doc.stage);
        return Err(invalid("ttl_h", what, "give the rule a ttl_h, such as 72"));
    }
    Ok(Rule {
        pattern: RefPattern::parse(&doc.git_ref)?,
        stage,
        profile: ProfileName::parse(&doc.profile).map_err(|e| named("profile", &e))?,
        ttl_h: doc.ttl_h,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_for_every_ref_must_end() {
        let rule = |stage: &str, ttl_h| ServiceConfigDoc {
            rules: vec![RuleConfig {
                git_ref: "pr:*".into(),
                stage: stage.into(),
                profile: "p".into(),
                ttl_h,
            }],
            stack_name: None,
        };
        let check = |doc| service_config(ServiceName::parse("s").unwrap(), &doc);
        assert!(check(rule("pr-{ref}", Some(72))).is_ok());
        assert_eq!(check(rule("pr-{ref}", None)).unwrap_err().path.as_deref(), Some("rules.0"));
        assert!(check(rule("pr-{ref}", Some(0))).is_err());
        assert!(check(ServiceConfigDoc { rules: vec![], stack_name: None }).is_err());
    }
}
