//! The policy gate: evaluates a profile's rules on the templates of a release.

use crate::config::document;
use crate::ports::{Evaluation, Item, PortError};
use crate::records::{ConfigRecord, profile_key, read, release_key};
use crate::rollout::{RolloutController, RolloutStep};
use crate::{EngineError, config};
use flotilla_contract::ProfileConfig;
use flotilla_domain::gate::{PolicyResult, Violation};
use flotilla_domain::release::Release;
use flotilla_domain::release::package::AssetKind;
use flotilla_domain::rollout::RolloutEvent;
use flotilla_domain::{Digest, SignedDuration, StageName};
use futures::future::join_all;
use std::collections::BTreeMap;

/// Templates evaluated concurrently: nearly always all of them, because results of an unfinished step are not saved.
const AT_ONCE: usize = 64;
/// No further templates are started after this many seconds: a step has little time, and each may take 22.
const BEGIN_S_MAX: i64 = 5;
/// Most violations that are kept.
const FIRST_MAX: usize = 20;

impl RolloutController {
    /// Evaluates the profile's rules, as they are now, on every template of the release: those of its stacks, and
    /// those nested in them.
    pub(crate) async fn policy_result(&self, step: &mut RolloutStep) -> Result<RolloutEvent, EngineError> {
        let rollout = &step.now;
        let unknown =
            |why: String, may_pass| Ok(RolloutEvent::PolicyChecked(PolicyResult::Unknown { why, may_pass }));
        let Some(release) = rollout.release() else {
            return Err(EngineError::Defect(format!("{} has no release for a policy check", rollout.id)));
        };
        let keys = [profile_key(&rollout.profile), release_key(&rollout.service, &release)];
        let mut found = self.store.get(&keys).await?.into_iter();
        let (profile, release) = (found.next().flatten(), found.next().flatten());
        let (Some(profile), Some(release)) = (profile, release) else {
            return unknown("its profile or its release no longer exists".into(), false);
        };
        let Some(rules) = rules_of(profile)? else {
            return Ok(RolloutEvent::PolicyChecked(PolicyResult::Passed));
        };
        let templates = templates(&read::<Release>(release)?.value, &step.now.stage);
        let policy_result = self.apply(&rules, &templates).await;
        if policy_result == PolicyResult::Passed {
            let print = Digest::of(rules.as_bytes()).to_string();
            let detail = format!("{} templates satisfy the rules {}", templates.len(), &print[..12]);
            step.record(step.now.id, None, self.clock.now(), "vetted", Some(detail));
        }
        Ok(RolloutEvent::PolicyChecked(policy_result))
    }

    /// Evaluates the rules on all templates in batches, until one batch has no result.
    async fn apply(&self, rules: &str, templates: &BTreeMap<Digest, Option<String>>) -> PolicyResult {
        let last = self.clock.now().saturating_add(SignedDuration::from_secs(BEGIN_S_MAX));
        let all: Vec<(&Digest, &Option<String>)> = templates.iter().collect();
        let (mut first, mut count, mut unknown) = (Vec::new(), 0, None);
        for (n, some) in all.chunks(AT_ONCE).enumerate() {
            if last.as_ref().is_ok_and(|last| *last < self.clock.now()) {
                let why = format!("{} of {} templates took too long", n * AT_ONCE, all.len());
                unknown = Some(PolicyResult::Unknown { why, may_pass: true });
            }
            if unknown.is_some() {
                break;
            }
            let judged =
                join_all(some.iter().map(|(template, _)| self.policies.evaluate(rules, template))).await;
            for ((_, name), judged) in some.iter().zip(judged) {
                match ruled(name.as_deref(), judged) {
                    PolicyResult::Passed => {}
                    PolicyResult::Violated { first: more, count: broken } => {
                        count += broken;
                        first.extend(more);
                    }
                    other => unknown = unknown.or(Some(other)),
                }
            }
        }
        first.truncate(FIRST_MAX);
        match (count, unknown) {
            (0, None) => PolicyResult::Passed,
            (0, Some(unknown)) => unknown,
            // A violation decides, whatever the templates without a result would add.
            (count, _) => PolicyResult::Violated { first, count },
        }
    }
}

/// The policy result of one template, from its evaluation.
fn ruled(template: Option<&str>, judged: Result<Evaluation, PortError>) -> PolicyResult {
    let about = |why: String| template.map_or_else(|| why.clone(), |template| format!("{template}: {why}"));
    match judged {
        Ok(Evaluation::Passed) => PolicyResult::Passed,
        Ok(Evaluation::Violated { first, count }) => {
            let named = |broken| Violation { template: template.map(str::to_owned), ..broken };
            PolicyResult::Violated { first: first.into_iter().map(named).collect(), count }
        }
        Ok(Evaluation::Invalid { line, why }) => {
            let line = line.map_or_else(String::new, |line| format!("line {line}, "));
            PolicyResult::Unknown { why: format!("{line}{why}"), may_pass: false }
        }
        Ok(Evaluation::Unfit { why }) => PolicyResult::Unknown { why: about(why), may_pass: false },
        Ok(Evaluation::Crashed { why }) => PolicyResult::Unknown { why: about(why), may_pass: true },
        Err(error) => PolicyResult::Unknown { why: about(error.to_string()), may_pass: error.may_pass() },
    }
}

/// The rules of a profile, if it has some.
fn rules_of(profile: Item) -> Result<Option<String>, EngineError> {
    let doc = document::<ProfileConfig>(read::<ConfigRecord>(profile)?.value)?;
    Ok(config::rules(&doc)?.map(str::to_owned))
}

/// The templates of a release at a stage; each has a name where there are several.
fn templates(release: &Release, stage: &StageName) -> BTreeMap<Digest, Option<String>> {
    let nested = release.package.assets.keys().filter(|asset| asset.kind == AssetKind::Template);
    let nested = nested
        .map(|asset| (asset.digest, Some(format!("nested template {}", &asset.digest.to_string()[..12]))));
    let stacks = release.to_ref(stage).stacks.into_iter();
    let stacks = stacks.map(|stack| (stack.template, stack.part.map(|part| format!("stack {part}"))));
    nested.chain(stacks).collect()
}
