//! Packages of several stacks.

use super::*;
use crate::deployment::DeploymentKind;

fn part(region: &str, part: &str) -> Target {
    Target::parse(&format!("000000000000/{region}:{part}")).unwrap()
}

fn several(name: &str, parts: &[&str]) -> ReleaseRef {
    ReleaseRef { stacks: parts.iter().map(|part| stack(Some(part))).collect(), ..release(name) }
}

/// `Net` first, then `Api` and `Web`, in one region.
fn layered() -> Rollout {
    let kind = RolloutKind::Deploy(several("new", &["Net", "Api", "Web"]));
    let upper = vec![part("eu-west-1", "Api"), part("eu-west-1", "Web")];
    let name = |part: &str| {
        let name = StackName::parse(&format!("orders-staging-{part}")).unwrap();
        (Some(StackPart::parse(part).unwrap()), name)
    };
    Rollout {
        waves: vec![Wave::of(vec![part("eu-west-1", "Net")]), Wave { level: 1, ..Wave::of(upper) }],
        stacks: ["Net", "Api", "Web"].map(name).into(),
        on_failure: OnFailure::Revert,
        state: RolloutState::Rolling { wave: 1, from: 2, opened: 2 },
        acted: true,
        ..rollout(kind)
    }
}

fn seen_of(direction: Direction, states: &[(&str, State)]) -> Vec<TargetOutcome> {
    let outcome = |(name, state): &(&str, State)| TargetOutcome {
        target: part("eu-west-1", name),
        direction,
        state: state.clone(),
        acted: false,
        touched: true,
        plan: None,
    };
    states.iter().map(outcome).collect()
}

#[test]
fn a_package_is_copied_once_for_all_stacks_of_a_site() {
    assert_eq!(layered().sites(), [site("eu-west-1")].into());
}

#[test]
fn each_stack_gets_its_template_its_name_and_the_names_of_the_others() {
    let spec = layered().deployment_spec(&part("eu-west-1", "Api"), Direction::Forward).unwrap();
    assert_eq!(spec.stack.as_str(), "orders-staging-Api");
    assert_eq!(spec.parameters["FlotillaStage"], "staging");
    assert_eq!(spec.parameters["FlotillaStackNameOfNet"], "orders-staging-Net");
    assert_eq!(spec.parameters.get("Other"), None, "the template does not declare it");
    assert_eq!(spec.tags["STAGE"], "staging");
    assert!(matches!(spec.kind, DeploymentKind::Deploy(_)));
    assert_eq!(layered().deployment_spec(&part("eu-west-1", "Gone"), Direction::Forward), None);
}

#[test]
fn a_template_with_roles_is_given_the_boundary_of_the_account_whatever_the_profile_says() {
    let mut rollout = layered();
    let arn = "arn:aws:iam::111122223333:policy/flotilla-workload";
    rollout.access.role_boundary = Some(arn.to_owned());
    rollout
        .parameters
        .insert("FlotillaRoleBoundary".into(), "arn:aws:iam::aws:policy/AdministratorAccess".into());
    let given = |rollout: &Rollout| {
        let spec = rollout.deployment_spec(&part("eu-west-1", "Api"), Direction::Forward).unwrap();
        spec.parameters.get("FlotillaRoleBoundary").cloned()
    };
    assert_eq!(given(&rollout), None, "its template has no roles");
    let RolloutKind::Deploy(release) = &mut rollout.kind else { panic!("a deployment") };
    for stack in &mut release.stacks {
        stack.parameters.insert("FlotillaRoleBoundary".into());
    }
    assert_eq!(given(&rollout).as_deref(), Some(arn));
}

#[test]
fn those_that_need_the_others_go_back_first() {
    let forward = seen_of(Direction::Forward, &[("Net", ok()), ("Api", ok()), ("Web", bad())]);
    let finding = go(layered(), [E::DeploymentsObserved(forward.clone())]);
    assert_eq!(finding.state.name(), "reverting");
    let copied = E::ReplicasObserved { proven: [site("eu-west-1")].into(), failed: BTreeMap::new() };
    let rolling = go(finding, [E::StableObserved(Some(several("old", &["Net", "Api"]))), E::Acted, copied]);
    let open = |name: &str| Some(RolloutCommand::Open(Direction::Rollback, vec![part("eu-west-1", name)]));
    assert_eq!(rolling.due(), open("Api"));
    let upper = [forward.clone(), seen_of(Direction::Rollback, &[("Api", ok())])].concat();
    let lower = go(rolling, [E::Acted, E::DeploymentsObserved(upper)]);
    assert_eq!(lower.due(), open("Net"), "the levels are deployed in order");
    let all = [forward, seen_of(Direction::Rollback, &[("Api", ok()), ("Net", ok())])].concat();
    assert_eq!(go(lower, [E::Acted, E::DeploymentsObserved(all)]).state.name(), "reverted");
}

#[test]
fn a_stack_that_the_stable_release_does_not_know_stays_and_the_end_says_so() {
    let forward = seen_of(Direction::Forward, &[("Net", ok()), ("Api", ok()), ("Web", broken())]);
    let copied = E::ReplicasObserved { proven: [site("eu-west-1")].into(), failed: BTreeMap::new() };
    let stable = E::StableObserved(Some(several("old", &["Net", "Api"])));
    let upper = [forward.clone(), seen_of(Direction::Rollback, &[("Api", ok())])].concat();
    let all = [forward.clone(), seen_of(Direction::Rollback, &[("Api", ok()), ("Net", ok())])].concat();
    let events =
        [E::DeploymentsObserved(forward), stable, E::Acted, copied, E::Acted, E::DeploymentsObserved(upper)];
    let lower = go(layered(), events);
    let end = go(lower, [E::Acted, E::DeploymentsObserved(all)]);
    assert_eq!(end.state.name(), "failed");
    let message = &end.state.cause().unwrap().message;
    assert!(message.contains("eu-west-1:Web was left as it is"), "{message}");
}

#[test]
fn one_that_cannot_go_back_keeps_those_below_it() {
    let forward = seen_of(Direction::Forward, &[("Net", ok()), ("Api", ok()), ("Web", broken())]);
    let copied = E::ReplicasObserved { proven: [site("eu-west-1")].into(), failed: BTreeMap::new() };
    let stable = E::StableObserved(Some(several("old", &["Net", "Api"])));
    let rolling =
        go(layered(), [E::DeploymentsObserved(forward.clone()), stable, E::Acted, copied, E::Acted]);
    let stuck = [forward, seen_of(Direction::Rollback, &[("Api", broken())])].concat();
    assert_eq!(go(rolling, [E::DeploymentsObserved(stuck)]).state.name(), "failed");
}
