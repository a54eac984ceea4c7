//! What a rollout takes from release, route and profile, and what is refused.

mod fits;
mod waves;

use super::*;
use crate::config;
use flotilla_contract::{PreviewQuotasConfig, ProfileConfig};
use flotilla_domain::config::account::PreviewRoles;
use flotilla_domain::deployment::Drift;
use flotilla_domain::release::ObjectVersion;
use flotilla_domain::release::package::{GlobalName, PackageFormat, PackagedStack, STAGE_PARAMETER, levels};
use flotilla_domain::replica::Copies;
use flotilla_domain::stage::{KnownStack, Running};
use flotilla_domain::{AccountId, Digest, GitRef, ReleaseId, StackPattern, TargetAccount};

fn stack(part: Option<&str>, after: &[&str]) -> PackagedStack {
    PackagedStack {
        part: part.map(|part| StackPart::parse(part).unwrap()),
        after: after.iter().map(|part| StackPart::parse(part).unwrap()).collect(),
        template: Digest::of(b"t"),
        stage_templates: BTreeMap::new(),
        functions: Vec::new(),
        aliases: Vec::new(),
        capabilities: BTreeSet::new(),
        parameters: BTreeMap::new(),
        secret_parameters: BTreeSet::new(),
        global_names: Vec::new(),
        long_names: Vec::new(),
        resources: 3,
        tags: BTreeMap::new(),
    }
}

/// A name that exists once for all regions, with the parameters that are parts of it.
fn same_name(path: &str, parameters: &[&str]) -> GlobalName {
    GlobalName { path: path.into(), parameters: parameters.iter().map(ToString::to_string).collect() }
}

fn release(stacks: Vec<PackagedStack>) -> Release {
    let object = ObjectVersion {
        key: "incoming/orders/branch/main/1.zip".into(),
        version_id: "v".into(),
        uploaded_at: Timestamp::UNIX_EPOCH,
    };
    let package = Package {
        digest: Digest::of(b"p"),
        format: PackageFormat::Native,
        stacks,
        assets: BTreeMap::new(),
        made_for: None,
        rewrites: Vec::new(),
        warnings: Vec::new(),
    };
    Release {
        id: object.release_id(),
        service: ServiceName::parse("orders").unwrap(),
        git_ref: GitRef::parse("branch:main").unwrap(),
        build: "1".into(),
        object,
        package,
        provenance: None,
    }
}

fn route() -> Route {
    Route {
        stage: StageName::parse("staging").unwrap(),
        profile: ProfileName::parse("standard").unwrap(),
        ttl_h: None,
        stack_name: StackPattern::default(),
        promote_to: None,
    }
}

fn destination(doc: ProfileConfig) -> Destination {
    let id = AccountId::parse("111122223333").unwrap();
    let account = TargetAccount {
        role_boundary: None,
        account: id,
        role_arn: "role".into(),
        external_id: "external".into(),
        service_role_arn: "service".into(),
        previews: Some(PreviewRoles {
            service_role_arn: "service of previews".into(),
            role_boundary: "boundary of previews".into(),
            mark: "pr-".into(),
        }),
    };
    let doc = ProfileConfig { account: "111122223333".into(), ..doc };
    let name = ProfileName::parse("standard").unwrap();
    Destination { profile: config::profile(name, &doc).unwrap(), account }
}

fn in_one_region() -> ProfileConfig {
    ProfileConfig { regions: vec!["eu-west-1".into()], ..ProfileConfig::default() }
}

fn in_regions(regions: &[&str]) -> Destination {
    let regions = regions.iter().map(|region| (*region).to_owned()).collect();
    destination(ProfileConfig { regions, ..ProfileConfig::default() })
}

fn plan(release: &Release, route: &Route, destination: &Destination) -> Result<Rollout, Refusal> {
    let id = RolloutId::derive(Timestamp::UNIX_EPOCH, &["r"]);
    compose_rollout(id, release, route, destination, "ann", Timestamp::UNIX_EPOCH)
}

#[track_caller]
fn refused(release: &Release, destination: &Destination) -> Code {
    plan(release, &route(), destination).expect_err("a refusal").code
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A route to a preview, and a profile of previews with these quotas.
fn preview(quotas: Option<PreviewQuotasConfig>) -> (Route, Destination) {
    let route = Route { stage: StageName::parse("pr-7").unwrap(), ttl_h: Some(24), ..route() };
    let doc = ProfileConfig { previews: Some(true), preview_quotas: quotas, ..in_one_region() };
    (route, destination(doc))
}

#[test]
fn a_plan_has_what_the_profile_gives_with_the_stages_name_in_it() {
    let destination = destination(ProfileConfig {
        on_failure: Some("revert".into()),
        drift: Some("refuse".into()),
        express: Some(true),
        copies: Some("streamed".into()),
        notify: vec!["arn:aws:sns:eu-west-1:111122223333:deploys".into()],
        parameters: [("Table".to_owned(), "orders-{stage}".into())].into(),
        tags: texts(&[("team", "checkout")]),
        capabilities: vec!["CAPABILITY_IAM".into()],
        ..in_one_region()
    });
    let release = release(vec![stack(None, &[])]);
    let rollout = plan(&release, &route(), &destination).unwrap();
    assert_eq!(rollout.kind, RolloutKind::Deploy(release.to_ref(&route().stage)));
    assert_eq!((rollout.state.clone(), rollout.on_failure), (RolloutState::Queued, OnFailure::Revert));
    assert_eq!(rollout.stacks[&None].as_str(), "orders-staging");
    assert_eq!(rollout.parameters, texts(&[("Table", "orders-staging")]));
    let tags = [("team", "checkout"), ("flotilla:service", "orders"), ("flotilla:stage", "staging")];
    assert_eq!(rollout.tags, texts(&tags));
    assert_eq!(rollout.capabilities, destination.profile.capabilities);
    assert_eq!((rollout.copies, rollout.notify.len()), (Copies::Streamed, 1));
    assert_eq!((rollout.requested_by.as_str(), rollout.access.role_arn.as_str()), ("ann", "role"));
    assert_eq!(
        (rollout.policy.drift, rollout.policy.express),
        (Drift::Refuse, false),
        "express mode is for previews"
    );
    let (to_preview, mut of_previews) = preview(None);
    of_previews.profile.policy.express = true;
    assert!(plan(&release, &to_preview, &of_previews).unwrap().policy.express);
}

#[test]
fn a_stack_whose_name_would_be_too_long_is_refused_with_the_field() {
    let route = Route {
        stack_name: StackPattern::parse(&format!("{}-{{stage}}", "x".repeat(126))).unwrap(),
        ..route()
    };
    let refusal = plan(&release(vec![stack(None, &[])]), &route, &destination(in_one_region())).unwrap_err();
    assert_eq!((refusal.code, refusal.path.as_deref()), (Code::ConfigInvalid, Some("stack_name")));
}

#[test]
fn a_named_capability_includes_the_plain_one_and_nothing_else() {
    let fits = |needed: &str, granted: &[&str]| {
        let release =
            release(vec![PackagedStack { capabilities: [needed.to_owned()].into(), ..stack(None, &[]) }]);
        let capabilities = granted.iter().map(|name| (*name).to_owned()).collect();
        let destination = destination(ProfileConfig { capabilities, ..in_one_region() });
        plan(&release, &route(), &destination).map_err(|refusal| refusal.code).map(drop)
    };
    let missing = Err(Code::CapabilityMissing);
    assert_eq!(fits("CAPABILITY_IAM", &[]), missing);
    assert_eq!(fits("CAPABILITY_IAM", &["CAPABILITY_IAM"]), Ok(()));
    assert_eq!(fits("CAPABILITY_IAM", &["CAPABILITY_NAMED_IAM"]), Ok(()));
    assert_eq!(fits("CAPABILITY_NAMED_IAM", &["CAPABILITY_IAM"]), missing);
    assert_eq!(fits("CAPABILITY_AUTO_EXPAND", &["CAPABILITY_NAMED_IAM"]), missing);
}

#[test]
fn a_stack_has_fifty_tags_with_those_of_the_profile_and_our_own_two() {
    let tags = |kind: &str, count: usize| -> BTreeMap<String, String> {
        (0..count).map(|n| (format!("{kind}{n}"), "v".to_owned())).collect()
    };
    let destination = destination(ProfileConfig { tags: tags("p", 30), ..in_one_region() });
    let tagged = |tags| release(vec![PackagedStack { tags, ..stack(None, &[]) }]);
    assert!(plan(&tagged(tags("s", 18)), &route(), &destination).is_ok());
    assert_eq!(refused(&tagged(tags("s", 19)), &destination), Code::LimitExceeded);
    let shared = [tags("s", 18), tags("p", 10)].into_iter().flatten().collect();
    assert!(plan(&tagged(shared), &route(), &destination).is_ok(), "a tag of both is one");
}

#[test]
fn a_parameter_needs_a_default_or_a_value_unless_it_is_given() {
    let declares = |name: &str, has_default: bool| {
        let parameters = [(name.to_owned(), has_default)].into();
        release(vec![PackagedStack { parameters, ..stack(Some("Api"), &[]) }, stack(Some("Net"), &[])])
    };
    let destination = destination(ProfileConfig {
        parameters: [("Given".to_owned(), "x".into())].into(),
        ..in_one_region()
    });
    for (name, has_default) in
        [("Other", true), ("Given", false), (STAGE_PARAMETER, false), ("FlotillaStackNameOfNet", false)]
    {
        assert!(plan(&declares(name, has_default), &route(), &destination).is_ok(), "{name}");
    }
    for name in ["Other", "FlotillaStackNameOfQueue"] {
        assert_eq!(refused(&declares(name, false), &destination), Code::ParameterMissing, "{name}");
    }
}

/// Regions and parts of a wave's targets, and the wave's numbers.
fn shape(wave: &Wave) -> (Vec<String>, [usize; 3], u32) {
    let targets = wave.targets.iter().map(|target| target.to_string().replace("111122223333/", ""));
    (targets.collect(), [wave.max_concurrent, wave.tolerate_failures, wave.level], wave.bake_s)
}

#[test]
fn q11_a_rollout_has_four_hundred_targets_at_most() {
    let regions = flotilla_domain::names::KNOWN_REGIONS[..25].iter().map(|region| (*region).to_owned());
    let destination = destination(ProfileConfig { regions: regions.collect(), ..ProfileConfig::default() });
    let of = |count: usize| release((0..count).map(|n| stack(Some(&format!("S{n}")), &[])).collect());
    assert_eq!(plan(&of(16), &route(), &destination).unwrap().targets().count(), Rollout::TARGETS_MAX);
    assert_eq!(refused(&of(17), &destination), Code::LimitExceeded);
}

#[test]
fn a_removal_takes_every_stack_of_the_stage_from_the_top() {
    let destination =
        destination(ProfileConfig { express: Some(true), previews: Some(true), ..in_one_region() });
    let Destination { profile, .. } = &destination;
    let mut head = StageHead::new(
        ServiceName::parse("orders").unwrap(),
        StageName::parse("pr-7").unwrap(),
        profile.name.clone(),
    );
    for (name, level) in [("Net", 0), ("Db", 0), ("Api", 1)] {
        let part = Some(StackPart::parse(name).unwrap());
        let stack = KnownStack { name: StackName::parse(&format!("orders-pr-7-{name}")).unwrap(), level };
        head.stacks.insert(part, stack);
        let running = Running {
            proven: Some((ReleaseId::derive(Timestamp::UNIX_EPOCH, &["x"]), Digest::of(b"p"))),
            rollout: RolloutId::derive(Timestamp::UNIX_EPOCH, &["x"]),
            status: "succeeded".into(),
            at: Timestamp::UNIX_EPOCH,
            has_traffic: false,
        };
        head.targets.insert(Target::parse(&format!("111122223333/eu-west-1:{name}")).unwrap(), running);
    }
    let id = RolloutId::derive(Timestamp::UNIX_EPOCH, &["end"]);
    let removal = compose_removal(id, &head, &destination, "ann", Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!((removal.kind.clone(), removal.requested_by.as_str()), (RolloutKind::Remove, "ann"));
    let waves: Vec<_> = removal.waves.iter().map(shape).collect();
    let lower = ["eu-west-1:Db", "eu-west-1:Net"].map(str::to_owned).to_vec();
    assert_eq!(waves, [(vec!["eu-west-1:Api".to_owned()], [1, 0, 1], 0), (lower, [2, 0, 0], 0)]);
    assert_eq!(removal.stacks[&Some(StackPart::parse("Api").unwrap())].as_str(), "orders-pr-7-Api");
    assert!(removal.policy.express, "a removal is of a preview");
}

#[test]
fn a_preview_is_deployed_with_the_roles_of_previews() {
    let (route, destination) = preview(None);
    let release = release(vec![stack(None, &[])]);
    let access = plan(&release, &route, &destination).unwrap().access;
    assert_eq!(access.service_role_arn, "service of previews");
    assert_eq!(access.role_boundary.as_deref(), Some("boundary of previews"));
    let removal = StageHead::new(release.service.clone(), route.stage.clone(), route.profile.clone());
    let id = RolloutId::derive(Timestamp::UNIX_EPOCH, &["end"]);
    let removal = compose_removal(id, &removal, &destination, "ann", Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(removal.access.service_role_arn, "service of previews");
    let boundary = Some("arn:aws:iam::111122223333:policy/wide".into());
    let wider = ProfileConfig {
        account: "111122223333".into(),
        previews: Some(true),
        role_boundary: boundary,
        ..in_one_region()
    };
    let refused = config::profile(ProfileName::parse("previews").unwrap(), &wider).unwrap_err();
    assert_eq!(refused.path.as_deref(), Some("role_boundary"));
    let unprepared = TargetAccount { previews: None, ..destination.account.clone() };
    let unprepared = Destination { account: unprepared, ..destination };
    assert_eq!(plan(&release, &route, &unprepared).unwrap_err().code, Code::PreviewsNotPrepared);
}

#[test]
fn previews_and_stages_that_stay_need_different_profiles() {
    let (to_preview, of_previews) = preview(None);
    let release = release(vec![stack(None, &[])]);
    let refused =
        |route: &Route, destination: &Destination| plan(&release, route, destination).unwrap_err().code;
    assert_eq!(refused(&to_preview, &destination(in_one_region())), Code::ProfileNotForPreviews);
    assert_eq!(refused(&route(), &of_previews), Code::ProfileNotForPreviews);
}

#[test]
fn a_preview_is_marked_and_within_its_quotas() {
    let (to_preview, destination) = preview(None);
    let release = release(vec![stack(Some("A"), &[]), stack(Some("B"), &[])]);
    plan(&release, &to_preview, &destination).unwrap();
    let unmarked = Route { stage: StageName::parse("test-7").unwrap(), ..to_preview.clone() };
    assert_eq!(plan(&release, &unmarked, &destination).unwrap_err().code, Code::PreviewUnmarked);
    let quotas = |stacks, resources| {
        let quotas =
            PreviewQuotasConfig { stacks: Some(stacks), resources: Some(resources), ..Default::default() };
        plan(&release, &to_preview, &preview(Some(quotas)).1)
    };
    quotas(2, 6).unwrap();
    for (refused, field) in [(quotas(1, 6), "stacks"), (quotas(2, 5), "resources")] {
        let refused = refused.unwrap_err();
        assert_eq!((refused.code, refused.path.as_deref()), (Code::PreviewQuotaReached, Some(field)));
    }
    let (to_preview, destination) =
        preview(Some(PreviewQuotasConfig { hours: Some(8), ..Default::default() }));
    assert_eq!(destination.preview(&to_preview).map(|preview| preview.ttl_h), Some(8));
}
