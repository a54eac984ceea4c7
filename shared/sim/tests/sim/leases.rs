//! One stack, one owner: what a step does when somebody else was faster, or holds the stack.
//!
//! Each test stops the world at a moment and takes the next tick by hand.

use crate::meddled::{First, Meddled};
use flotilla_domain::{
    Code, DeploymentId, Direction, RolloutId, SignedDuration, Site, StackName, Target, Timestamp,
};
use flotilla_engine::EngineError;
use flotilla_engine::controllers::{Controllers, StepPorts};
use flotilla_engine::ports::{Clock, Expect, Item, Key, Subject, Write};
use flotilla_engine::records::{deployment_key, lease_holder, lease_key};
use flotilla_sim::{Behaviour, World};
use futures::executor::block_on;
use std::sync::{Arc, Mutex};

const REGION: &str = "eu-west-1";
const OTHER: &str = "rlo_00000000000000000000000000/111122223333/eu-west-1";

/// A clock that advances by this many seconds whenever it is read.
struct Slow(Mutex<Timestamp>, i64);

impl Clock for Slow {
    fn now(&self) -> Timestamp {
        let mut now = self.0.lock().unwrap();
        *now += SignedDuration::from_secs(self.1);
        *now
    }
}

/// A world that stands still with one deployment in this state.
struct Still {
    world: World,
    id: DeploymentId,
    version: String,
}

fn at(state: &str) -> Still {
    let mut world = World::new(1, &[&[REGION]]);
    world.behaves(REGION, Behaviour::Takes(30_000));
    let version = world.upload("branch/main", "one");
    let is = |w: &World| w.rollout(&version).is_some_and(|r| r.deployments[0].status == state);
    world.until(state, is).drop_messages();
    let rollout = RolloutId::parse(&world.rollout(&version).unwrap().id).unwrap();
    let target = Target::parse(&format!("111122223333/{REGION}")).unwrap();
    Still { id: DeploymentId { rollout, target, direction: Direction::Forward }, world, version }
}

impl Still {
    fn item(&self, key: Key) -> Option<Item> {
        block_on(self.world.step_ports().store.get(&[key])).unwrap().remove(0)
    }

    fn lease(&self) -> Key {
        let site = Site::parse(&format!("111122223333/{REGION}")).unwrap();
        lease_key(&site, &StackName::parse("orders-staging").unwrap())
    }

    /// The write with which another deployment takes the lease from its holder.
    fn theft(&self) -> Write {
        let free = || Item {
            key: self.lease(),
            version: 0,
            due_at: None,
            expires_at: None,
            body: serde_json::Map::new(),
        };
        let mut item = self.item(self.lease()).unwrap_or_else(free);
        item.version += 1;
        item.body.insert("holder".into(), OTHER.into());
        Write::put(item, Expect::Anything)
    }

    fn is_stolen(&self) -> bool {
        block_on(self.world.step_ports().store.write(vec![self.theft()])).is_ok()
    }

    fn meddled(&self, first: First) -> Controllers {
        let ports = self.world.step_ports();
        let table = Meddled::new(ports.store.clone(), first);
        Controllers::new(StepPorts { store: Arc::new(table), ..ports })
    }

    fn tick(&self, controllers: &Controllers) -> Result<(), EngineError> {
        block_on(controllers.tick(&Subject::Deployment(self.id.clone())))
    }

    /// The deployment's state, and the code of its cause.
    fn state(&self) -> (String, String) {
        let deployment = self.world.rollout(&self.version).unwrap().deployments.remove(0);
        (deployment.status, deployment.cause.map(|cause| cause.code).unwrap_or_default())
    }

    fn calls<const N: usize>(&self, operations: [&str; N]) -> [u64; N] {
        operations.map(|operation| self.world.calls(operation))
    }
}

#[test]
fn whoever_has_lost_its_stack_ends_and_touches_neither_stack_nor_lease() {
    for state in ["inspecting", "planning", "executing"] {
        let still = at(state);
        assert!(still.is_stolen());
        let (lease, woken) = (still.item(still.lease()), still.world.calls("sqs:SendMessageBatch"));
        still.tick(&still.world.controllers()).unwrap();
        assert_eq!(still.state(), ("failed".into(), Code::LeaseLost.to_string()), "{state}");
        assert_eq!(still.item(still.lease()), lease, "it is another's");
        assert_eq!(still.world.calls("sqs:SendMessageBatch"), woken + 1, "the rollout is woken");
    }
    let still = at("inspecting");
    assert!(still.is_stolen());
    still.tick(&still.world.controllers()).unwrap();
    assert_eq!(still.world.calls("cloudformation:CreateChangeSet"), 0);
}

#[test]
fn a_lease_that_is_only_busy_is_not_lost() {
    for state in ["inspecting", "executing"] {
        let still = at(state);
        let answer = still.tick(&still.meddled(First::Busy(8)));
        assert!(matches!(answer, Err(EngineError::Contended)), "{answer:?}");
        assert_eq!(still.state(), (state.to_owned(), String::new()));
        still.tick(&still.meddled(First::Busy(1))).unwrap();
        assert_ne!(still.state().0, "failed");
        still.tick(&still.world.controllers()).unwrap();
        assert_ne!(still.state().0, "failed");
    }
}

#[test]
fn a_tick_that_another_one_has_overtaken_ends_quietly() {
    for state in ["waiting", "inspecting", "executing"] {
        let still = at(state);
        let mut item = still.item(deployment_key(&still.id)).unwrap();
        item.version += 1;
        let controllers = still.meddled(First::Write(Box::new(Write::put(item.clone(), Expect::Anything))));
        let before = still.world.calls("sqs:SendMessageBatch");
        still.tick(&controllers).unwrap();
        assert_eq!(still.item(deployment_key(&still.id)), Some(item), "{state}");
        assert_eq!(still.world.calls("sqs:SendMessageBatch"), before, "the other one goes on");
    }
}

#[test]
fn a_stack_that_somebody_took_a_moment_before_is_waited_for() {
    let still = at("waiting");
    let before = still.world.calls("sqs:SendMessageBatch");
    still.tick(&still.meddled(First::Write(Box::new(still.theft())))).unwrap();
    assert_eq!(still.state().0, "waiting");
    assert_eq!(still.world.calls("sqs:SendMessageBatch"), before + 1);
    let holder = still.item(still.lease()).as_ref().and_then(lease_holder);
    assert_eq!(holder, DeploymentId::parse(OTHER));
    assert!(!still.world.timeline(&still.id.rollout.to_string()).contains(&format!("{REGION} inspecting")));
}

#[test]
fn a_step_that_was_held_up_proves_that_it_owns_the_stack_before_it_acts() {
    const EXECUTE: &str = "cloudformation:ExecuteChangeSet";
    const WRITE: &str = "dynamodb:TransactWriteItems";
    let slow = |still: &Still, seconds| {
        let now = Timestamp::from_millisecond(still.world.now_ms()).unwrap();
        let clock = Arc::new(Slow(Mutex::new(now), seconds));
        Controllers::new(StepPorts { clock, ..still.world.step_ports() })
    };
    let writes = |seconds| {
        let still = at("executing");
        let before = still.calls([EXECUTE, WRITE]);
        assert_eq!(before[0], 0, "it was saved and not begun");
        still.tick(&slow(&still, seconds)).unwrap();
        let after = still.calls([EXECUTE, WRITE]);
        assert_eq!(after[0], 1);
        after[1] - before[1]
    };
    assert_eq!((writes(0), writes(1), writes(11)), (1, 1, 2), "what was read a moment ago is true still");
    let still = at("executing");
    assert!(still.is_stolen());
    still.tick(&slow(&still, 11)).unwrap();
    assert_eq!(still.calls([EXECUTE]), [0]);
    assert_eq!(still.state().1, Code::LeaseLost.to_string());
}
