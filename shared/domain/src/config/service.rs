//! The configuration of a service: ordered rules that map refs to stages.

use super::external_code::ExternalCode;
use super::external_image::ImageRepository;
use super::profile::Profile;
use crate::code::{Code, Refusal};
use crate::git_ref::{GitRef, RefKind};
use crate::names::{AliasName, ProfileName, ServiceName, StackPattern, StageName};
use crate::release::package::Package;
use crate::retention::Retention;
use globset::{GlobBuilder, GlobMatcher};
use std::collections::BTreeSet;

/// No name of a region is shorter.
const SHORTEST_REGION: &str = "us-east-1";

/// A pattern of refs such as `branch:main`, `tag:v*`, `pr:*`: a kind and a glob over the name, in
/// which `*` also matches slashes.
#[derive(Debug, Clone)]
pub struct RefPattern {
    text: String,
    kind: RefKind,
    glob: GlobMatcher,
}

impl PartialEq for RefPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl RefPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`Code::ConfigInvalid`] when the kind is unknown, the glob is malformed or over 200 bytes.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let refuse = |why: &str| {
            Refusal::new(
                Code::ConfigInvalid,
                format!("{text:?} is not a pattern of refs: {why}"),
                "write a pattern such as branch:main, tag:v* or pr:*",
            )
        };
        let (kind, glob) = text.split_once(':').ok_or_else(|| refuse("the kind is missing"))?;
        let kind = RefKind::parse(kind).ok_or_else(|| refuse("the kind is not branch, tag or pr"))?;
        if glob.is_empty() || glob.len() > crate::git_ref::REF_NAME_BYTES_MAX {
            return Err(refuse("the name is empty or too long"));
        }
        let glob = GlobBuilder::new(glob)
            .literal_separator(false)
            .build()
            .map_err(|e| refuse(&e.kind().to_string()))?;
        Ok(Self { text: text.to_owned(), kind, glob: glob.compile_matcher() })
    }

    /// Whether the pattern matches a ref.
    pub fn matches(&self, git_ref: &GitRef) -> bool {
        self.kind == git_ref.kind() && self.glob.is_match(git_ref.name())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether whoever may open a pull request or push a branch chooses which refs match: the refs are pull requests, or more than
    /// one branch.
    pub fn is_open(&self) -> bool {
        self.kind == RefKind::Pr || (self.kind == RefKind::Branch && self.is_glob())
    }

    /// Whether more than one ref can match.
    fn is_glob(&self) -> bool {
        self.text.contains(['*', '?', '[', '{'])
    }
}

/// A stage's name, or a template of one in which `{ref}` is replaced by the ref's slug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageTemplate(String);

impl StageTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// [`Code::ConfigInvalid`] if the result cannot be a stage's name.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let longest_slug = "a".repeat(32);
        match StageName::parse(&text.replace("{ref}", &longest_slug)) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(e) => Err(Refusal::new(
                Code::ConfigInvalid,
                format!("{text:?} is not a stage: {e}"),
                "name a stage such as staging, or a template such as pr-{ref} ({ref} takes up to 32 characters)",
            )),
        }
    }

    /// Whether every ref gets its own stage.
    pub fn is_per_ref(&self) -> bool {
        self.0.contains("{ref}")
    }

    /// The stage for a ref.
    ///
    /// # Errors
    /// [`Code::RefUnmatched`] when the slug makes the stage's name invalid.
    pub fn stage(&self, git_ref: &GitRef) -> Result<StageName, Refusal> {
        StageName::parse(&self.0.replace("{ref}", &git_ref.slug())).map_err(|e| {
            Refusal::new(
                Code::RefUnmatched,
                e.to_string(),
                "begin the stage in the rule with a letter, such as b-{ref}",
            )
        })
    }

    /// The template as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A rule (a route): a ref that matches goes to this stage with this profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The refs that match.
    pub pattern: RefPattern,
    /// The stage.
    pub stage: StageTemplate,
    /// The profile.
    pub profile: ProfileName,
    /// A preview's lifetime in hours, which each upload starts again; `None` for a permanent stage.
    pub ttl_h: Option<u32>,
    /// The pattern of this stage's stack names; `None` for the service's.
    pub stack_name: Option<StackPattern>,
    /// The stage to which a release is promoted when its rollout to this one has succeeded.
    pub promote_to: Option<StageName>,
}

impl Rule {
    /// Whether the rule may use a profile: previews have profiles of their own, and what anybody's pull request or branch can reach is
    /// a preview.
    ///
    /// # Errors
    /// [`Code::ProfileNotForPreviews`].
    pub fn check_profile(&self, profile: &Profile) -> Result<(), Refusal> {
        if self.pattern.is_open() && self.ttl_h.is_none() {
            let what = format!(
                "{} matches what anybody pushes, and the stage {} stays",
                self.pattern.as_str(),
                self.stage.as_str()
            );
            let fix = "give the route a ttl_h and a profile with previews = true, or name one branch";
            return Err(Refusal::new(Code::ProfileNotForPreviews, what, fix));
        }
        profile.check_lifetime(self.ttl_h)
    }
}

/// The configuration of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceConfig {
    /// The service.
    pub service: ServiceName,
    /// Its rules in order: the first match wins.
    pub rules: Vec<Rule>,
    /// The pattern of its stacks' names.
    pub stack_name: StackPattern,
    /// How long its releases are kept.
    pub retention: Retention,
    /// The outputs of its stages that stay which previews of other services may use.
    pub shared_outputs: BTreeSet<String>,
    /// The alias that the functions of its packages get.
    pub alias: Option<AliasName>,
    /// The code that its templates may take from other buckets.
    pub external_code: Vec<ExternalCode>,
    /// The repositories from which container images are taken into its packages.
    pub external_images: Vec<ImageRepository>,
}

/// The result of routing one ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The stage.
    pub stage: StageName,
    /// The profile.
    pub profile: ProfileName,
    /// A preview's lifetime in hours.
    pub ttl_h: Option<u32>,
    /// The pattern of the stacks' names.
    pub stack_name: StackPattern,
    /// The stage to which a release is promoted when its rollout has succeeded.
    pub promote_to: Option<StageName>,
}

impl ServiceConfig {
    /// Most rules of one service.
    pub const RULES_MAX: usize = 50;
    /// Most objects of other buckets.
    pub const EXTERNAL_CODE_MAX: usize = 50;
    /// Most repositories of container images.
    pub const EXTERNAL_IMAGES_MAX: usize = 20;
    /// Longest lifetime of a preview in hours: 90 days.
    pub const TTL_H_MAX: u32 = 24 * 90;

    /// The stage and profile of a ref.
    ///
    /// # Errors
    /// [`Code::RefUnmatched`] when no rule matches.
    pub fn route(&self, git_ref: &GitRef) -> Result<Route, Refusal> {
        self.route_by(self.rule(git_ref)?, git_ref)
    }

    /// The first rule that names a stage.
    pub fn rule_of(&self, stage: &StageName) -> Option<&Rule> {
        self.rules.iter().find(|rule| !rule.stage.is_per_ref() && rule.stage.as_str() == stage.as_str())
    }

    /// The pattern of the stack names of a stage: that of the rule that names the stage, or the service's.
    pub fn stack_name_at(&self, stage: &StageName) -> &StackPattern {
        let own = self.rule_of(stage).and_then(|rule| rule.stack_name.as_ref());
        own.unwrap_or(&self.stack_name)
    }

    /// The stages that a rule names, without those of a template.
    pub fn fixed_stages(&self) -> BTreeSet<StageName> {
        self.rules.iter().filter_map(|rule| StageName::parse(rule.stage.as_str()).ok()).collect()
    }

    /// Whether the names of a package's resources are short enough at every stage that a rule names: a release that goes to one stage is
    /// promoted to the others.
    ///
    /// # Errors
    /// [`Code::NameTooLong`].
    pub fn check_names(&self, package: &Package) -> Result<(), Refusal> {
        let fits = |stage: &StageName| package.made_for.as_ref().is_none_or(|made_for| made_for == stage);
        for stage in self.fixed_stages().into_iter().filter(fits) {
            let pattern = self.stack_name_at(&stage);
            for stack in &package.stacks {
                // A pattern that does not fit the package is reported for the stage that the package goes to.
                let Ok(name) = pattern.name(&self.service, &stage, stack.part.as_ref()) else {
                    continue;
                };
                stack.long_names.iter().try_for_each(|long| long.check(&stage, SHORTEST_REGION, &name))?;
            }
        }
        Ok(())
    }

    /// The route of a ref whose preview ends with it.
    ///
    /// # Errors
    /// [`Code::RefUnmatched`] when no rule matches; [`Code::StageOutlivesRef`] when the stage is permanent, or shared by several refs.
    pub fn route_of_closed(&self, git_ref: &GitRef) -> Result<Route, Refusal> {
        let rule = self.rule(git_ref)?;
        let route = self.route_by(rule, git_ref)?;
        let leads_there = |other: &&Rule| !other.stage.is_per_ref() && other.stage == rule.stage;
        let is_shared = !rule.stage.is_per_ref()
            && (rule.pattern.is_glob() || self.rules.iter().filter(leads_there).count() > 1);
        if route.ttl_h.is_some() && !is_shared {
            return Ok(route);
        }
        let why = if is_shared { "other refs are deployed to it too" } else { "it is no preview" };
        let what =
            format!("{git_ref} is deployed to the stage {} of {}, and {why}", route.stage, self.service);
        let fix = format!("to remove the stage: flotilla remove {} --stage {}", self.service, route.stage);
        Err(Refusal::new(Code::StageOutlivesRef, what, fix))
    }

    fn route_by(&self, rule: &Rule, git_ref: &GitRef) -> Result<Route, Refusal> {
        let stage = rule.stage.stage(git_ref)?;
        // Several rules may lead to a stage, which has one name.
        let of_stage = if rule.stage.is_per_ref() { rule.stack_name.as_ref() } else { None };
        let stack_name = of_stage.unwrap_or_else(|| self.stack_name_at(&stage)).clone();
        let (profile, promote_to) = (rule.profile.clone(), rule.promote_to.clone());
        Ok(Route { stage, profile, ttl_h: rule.ttl_h, stack_name, promote_to })
    }

    /// The first rule that matches a ref.
    fn rule(&self, git_ref: &GitRef) -> Result<&Rule, Refusal> {
        self.rules.iter().find(|rule| rule.pattern.matches(git_ref)).ok_or_else(|| {
            let patterns: Vec<&str> = self.rules.iter().map(|r| r.pattern.as_str()).collect();
            Refusal::new(
                Code::RefUnmatched,
                format!(
                    "no rule of {} matches {git_ref}; its rules are {}",
                    self.service,
                    patterns.join(", ")
                ),
                "add a rule for this ref to the service's configuration, or upload under a ref that has one",
            )
        })
    }
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
