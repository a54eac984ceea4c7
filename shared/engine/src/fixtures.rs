//! Rollouts and deployments for tests.

use crate::rollout::compose::blank_for_tests;
use flotilla_domain::deployment::{Deployment, State};
use flotilla_domain::release::{ReleaseRef, StackRef};
use flotilla_domain::rollout::{Rollout, RolloutKind, Wave};
use flotilla_domain::{Digest, Direction, ReleaseId, RolloutId, StackName, Target, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// A time, in seconds since 1970.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A target in a region.
pub fn target(region: &str) -> Target {
    Target::parse(&format!("111122223333/{region}")).unwrap()
}

/// A release and its package.
pub fn release(name: &str) -> (ReleaseId, Digest) {
    (ReleaseId::derive(Timestamp::UNIX_EPOCH, &[name]), Digest::of(name.as_bytes()))
}

/// A rollout of a release to two regions, created at this second.
pub fn rollout(name: &str, second: i64) -> Rollout {
    let (release, package) = release(name);
    let stack = StackRef {
        part: None,
        template: Digest::of(b"t"),
        functions: Vec::new(),
        aliases: Vec::new(),
        parameters: BTreeSet::new(),
        tags: BTreeMap::new(),
    };
    Rollout {
        id: RolloutId::derive(at(second), &[name]),
        kind: RolloutKind::Deploy(ReleaseRef {
            release,
            package,
            source: None,
            stacks: vec![stack],
            authors: BTreeSet::new(),
        }),
        waves: vec![Wave::of(vec![target("eu-west-1"), target("us-east-1")])],
        stacks: [(None, StackName::parse("orders-production").unwrap())].into(),
        ..blank_for_tests()
    }
}

/// A rollout's deployment in a region, in this state.
pub fn deployment(rollout: &Rollout, region: &str, state: State) -> Deployment {
    let (target, direction) = (target(region), Direction::Forward);
    let spec = rollout.deployment_spec(&target, direction).unwrap();
    let open = Deployment::open(rollout.deployment_id(&target, direction), spec, at(0));
    Deployment { state, entered_at: at(100), ..open }
}
