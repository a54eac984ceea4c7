//! Whether a package fits the stage and the profile that it goes to.

use crate::rollout::destination::Destination;
use flotilla_domain::config::profile::Profile;
use flotilla_domain::config::service::Route;
use flotilla_domain::names::InvalidName;
use flotilla_domain::release::package::{
    GlobalName, Package, PackagedStack, STAGE_PARAMETER, STAGE_PLACEHOLDER, stack_parameter,
};
use flotilla_domain::rollout::TrafficPolicy;
use flotilla_domain::{Code, Refusal, Slot, StackName, StackPart, StageName};
use std::collections::BTreeMap;

/// CloudFormation's limit of tags on a stack.
const STACK_TAGS_MAX: usize = 50;

/// A package whose names contain a stage fits that stage only.
pub(super) fn check_stage(package: &Package, route: &Route) -> Result<(), Refusal> {
    let is_written = |stack: &PackagedStack| {
        stack.stage_templates.is_empty() || stack.stage_templates.contains_key(&route.stage)
    };
    if !package.stacks.iter().all(is_written) {
        let what = format!(
            "logical ids contain the stage, and no route named the stage {} when the package was uploaded",
            route.stage
        );
        let fix = "upload the package again: its templates are written for every stage that a route names";
        return Err(Refusal::new(Code::StageMismatch, what, fix));
    }
    let Some(made_for) = package.made_for.as_ref().filter(|made_for| **made_for != route.stage) else {
        return Ok(());
    };
    let what = format!(
        "the package was built for the stage {made_for} and its names contain it; the route leads to {}",
        route.stage
    );
    let fix = format!(
        "package with --stage {STAGE_PLACEHOLDER}, which fits every stage, or with --stage {}",
        route.stage
    );
    Err(Refusal::new(Code::StageMismatch, what, fix))
}

/// Whether the package of a preview is within the profile's quotas, and the names of its resources have the account's mark.
pub(super) fn check_preview(
    package: &Package,
    stage: &StageName,
    stacks: &BTreeMap<Option<StackPart>, StackName>,
    Destination { profile, account }: &Destination,
) -> Result<(), Refusal> {
    let (Some(quotas), Some(roles)) = (&profile.previews, &account.previews) else { return Ok(()) };
    quotas.check_package(package)?;
    let mark = &roles.mark;
    let unmarked = stacks.values().find(|name| !stage.as_str().starts_with(mark) || !roles.marks(name));
    let Some(unmarked) = unmarked else { return Ok(()) };
    let what = format!(
        "names that CloudFormation derives from {unmarked} would not contain {mark}, which the account requires of previews"
    );
    let fix = format!(
        "begin the stage in the route with {mark}, as in {mark}{{ref}}; if the service's name is long, set its stack_name to \"{{stage}}-{{service}}\""
    );
    Err(Refusal::new(Code::PreviewUnmarked, what, fix))
}

/// Whether a package can be deployed as the profile leads traffic: one stack decides about that of a region.
pub(super) fn check_router(
    package: &Package,
    stage: &StageName,
    stacks: &BTreeMap<Option<StackPart>, StackName>,
    profile: &Profile,
) -> Result<(), Refusal> {
    let Some(traffic) = profile.traffic.as_ref().filter(|t| t.has_slots() || t.record.is_some()) else {
        return Ok(());
    };
    let refuse = |what: String, fix: &str| Err(Refusal::new(Code::RouterUnfit, what, fix));
    if package.stacks.len() > 1 {
        let count = package.stacks.len();
        let what = match traffic.has_slots() {
            true => format!("the package has {count} stacks, and a domain points at the API of one"),
            false => format!("the package has {count} stacks, and a region has one record"),
        };
        return refuse(what, "split the package, or use a profile with another router");
    }
    if !traffic.has_slots() {
        return Ok(());
    }
    if package.made_for.is_some() {
        let what = format!(
            "the names of the package contain {stage}, so that a second stack could not create its resources"
        );
        return refuse(what, &format!("package with --stage {STAGE_PLACEHOLDER}"));
    }
    stacks.values().try_for_each(|name| longest(stage, name).map(drop))
}

/// The stage and the stack's name of the slot with the longest name.
fn longest(stage: &StageName, name: &StackName) -> Result<(StageName, StackName), Refusal> {
    let refuse = |error: InvalidName| {
        let fix = "shorten the stage's name, or the service's stack_name";
        Refusal::new(Code::RouterUnfit, error.to_string(), fix)
    };
    let stage = StageName::parse(&format!("{stage}-{}", Slot::Green)).map_err(refuse)?;
    Ok((stage, Slot::Green.stack(name).map_err(refuse)?))
}

/// Whether a stack can be deployed with the profile at the stage: capabilities, tags, names and parameters.
pub(super) fn check_stack(
    stack: &PackagedStack,
    stacks: &BTreeMap<Option<StackPart>, StackName>,
    stage: &StageName,
    profile: &Profile,
) -> Result<(), Refusal> {
    if let Some(missing) = stack.capabilities.iter().find(|needed| !grants(profile, needed)) {
        return Err(Refusal::new(
            Code::CapabilityMissing,
            format!("the template needs {missing}, which the profile {} does not grant", profile.name),
            format!("add \"{missing}\" to the profile's capabilities"),
        ));
    }
    check_tags(stack, profile)?;
    check_names(stack, stacks, stage, profile)?;
    check_parameters(stack, stacks, profile)
}

fn grants(profile: &Profile, needed: &str) -> bool {
    // CAPABILITY_NAMED_IAM includes CAPABILITY_IAM (CreateChangeSet, Capabilities).
    profile.capabilities.contains(needed)
        || (needed == "CAPABILITY_IAM" && profile.capabilities.contains("CAPABILITY_NAMED_IAM"))
}

/// Whether the stack has the tags that the profile requires, and not too many.
fn check_tags(stack: &PackagedStack, profile: &Profile) -> Result<(), Refusal> {
    let lacks = |tag: &&String| !stack.tags.contains_key(*tag) && !profile.tags.contains_key(*tag);
    if let Some(tag) = profile.required_tags.iter().find(lacks) {
        let what = format!("the stack has no tag {tag}, which the profile {} requires", profile.name);
        let fix = format!("give {tag} a value in the profile's tags, or in the package");
        return Err(Refusal::new(Code::TagMissing, what, fix));
    }
    let tags =
        stack.tags.keys().filter(|key| !profile.tags.contains_key(*key)).count() + profile.tags.len() + 2;
    if tags > STACK_TAGS_MAX {
        let what = format!(
            "the stack has {tags} tags: those of the package, those of the profile, and two of Flotilla"
        );
        let fix = format!("remove some: CloudFormation allows {STACK_TAGS_MAX} tags on a stack");
        return Err(Refusal::new(Code::LimitExceeded, what, fix));
    }
    Ok(())
}

/// Whether no name exists in two regions or is too long in one of them.
fn check_names(
    stack: &PackagedStack,
    stacks: &BTreeMap<Option<StackPart>, StackName>,
    stage: &StageName,
    profile: &Profile,
) -> Result<(), Refusal> {
    let deployed = || profile.regions().filter(|region| profile.deploys(stack.part.as_ref(), region));
    let regions = deployed().count();
    // A parameter of the profile has one value for all regions, unless it is an output or CloudFormation reads it there.
    let is_one = |name: &String| {
        let varies = |value: &String| value.contains("{{resolve:");
        !profile.outputs.contains_key(name) && !profile.parameters.get(name).is_some_and(varies)
    };
    let mut same = stack.global_names.iter().filter(|name| name.parameters.iter().all(is_one));
    if let Some(GlobalName { path, .. }) = same.next().filter(|_| regions > 1) {
        let what = format!(
            "this is one for all regions, and the profile {} has {regions}: the second region could not create it",
            profile.name
        );
        let fix = "put ${AWS::Region} into the name, give the resource a condition on the region, leave the name out, or limit its stack to one region in the profile";
        return Err(Refusal::new(Code::NameExistsOnce, what, fix).at(path));
    }
    let Some(name) = stacks.get(&stack.part) else { return Ok(()) };
    let has_slots = profile.traffic.as_ref().is_some_and(TrafficPolicy::has_slots);
    let (stage, name) = &if has_slots { longest(stage, name)? } else { (stage.clone(), name.clone()) };
    let mut long = stack.long_names.iter().flat_map(|long| deployed().map(move |region| (long, region)));
    long.try_for_each(|(long, region)| long.check(stage, region.as_str(), name))
}

/// Whether each parameter gets a value, and a secret one no literal.
fn check_parameters(
    stack: &PackagedStack,
    stacks: &BTreeMap<Option<StackPart>, StackName>,
    profile: &Profile,
) -> Result<(), Refusal> {
    let is_literal =
        |name: &&String| profile.parameters.get(*name).is_some_and(|value| !value.contains("{{resolve:"));
    if let Some(name) = stack.secret_parameters.iter().find(is_literal) {
        let what = format!(
            "the parameter {name} is secret (NoEcho), and the profile {} gives it a literal value",
            profile.name
        );
        let fix = format!(
            "keep the value in Secrets Manager, and give {name} a reference: {{{{resolve:secretsmanager:NAME}}}}"
        );
        return Err(Refusal::new(Code::SecretInPlain, what, fix));
    }
    let given = |name: &String| {
        let of_stack =
            |part: &Option<StackPart>| part.as_ref().is_some_and(|part| *name == stack_parameter(part));
        name == STAGE_PARAMETER || stacks.keys().any(of_stack)
    };
    let without = |(name, has_default): &(&String, &bool)| {
        let named = profile.parameters.contains_key(*name) || profile.outputs.contains_key(*name);
        !**has_default && !named && !given(name)
    };
    match stack.parameters.iter().find(without) {
        None => Ok(()),
        Some((name, _)) => Err(Refusal::new(
            Code::ParameterMissing,
            format!("the parameter {name} has no default and the profile {} gives it no value", profile.name),
            format!("add {name} to the profile's parameters"),
        )),
    }
}
