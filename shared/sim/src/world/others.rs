//! What others do to the world: stacks that behave, refusals, meddling.

use super::{World, target};
use crate::stack_books::{Behaviour, ChangeSet, ChangeSetState};
use flotilla_domain::{AlarmState, Digest};
use flotilla_engine::ports::{ErrorKind, HttpSeen, Invoked, PortError, Presence};
use serde_json::Value;

impl World {
    /// Puts a stack into a status, as if somebody had done so by hand.
    pub fn stack_becomes(&mut self, region: &str, stage: &str, status: &'static str) -> &mut Self {
        let key = (target(region), format!("orders-{stage}"));
        if let Some(stack) = self.driver.shared.lock().stacks.live.get_mut(&key) {
            (stack.status, stack.was) = (status, (status, 0));
        }
        self
    }

    /// Operators finish the deletions that others have begun and that failed.
    pub fn mend_half_deleted(&mut self) -> &mut Self {
        self.driver.shared.lock().stacks.live.retain(|_, stack| stack.status != "DELETE_FAILED");
        self
    }

    /// Somebody deletes a stack and makes another one of its name.
    pub fn stack_is_replaced(&mut self, region: &str, stage: &str) -> &mut Self {
        let key = (target(region), format!("orders-{stage}"));
        if let Some(stack) = self.driver.shared.lock().stacks.live.get_mut(&key) {
            stack.id.push_str("-another");
            stack.operation = None;
            stack.status = "CREATE_COMPLETE";
        }
        self
    }

    /// Somebody else's stack is there, of this service and stage by its tags.
    pub fn stack_of_others(&mut self, region: &str, stage: &str, owner: (&str, &str)) -> &mut Self {
        let key = (target(region), format!("orders-{stage}"));
        if let Some(stack) = self.driver.shared.lock().stacks.live.get_mut(&key) {
            stack.owner = Some((owner.0.to_owned(), owner.1.to_owned()));
        }
        self
    }

    /// How operations at a region end from now on.
    pub fn behaves(&mut self, region: &str, behaviour: Behaviour) -> &mut Self {
        self.driver.shared.lock().stacks.behaviours.insert(target(region), behaviour);
        self
    }

    /// Calls of an operation fail from now on.
    pub fn refuses(&mut self, operation: &'static str, kind: ErrorKind, text: &str) -> &mut Self {
        let refusal = PortError::new(kind, operation, text);
        self.driver.shared.lock().refusals.insert(operation, refusal);
        self
    }

    /// Calls of an operation no longer fail.
    pub fn allows(&mut self, operation: &str) -> &mut Self {
        self.driver.shared.lock().refusals.remove(operation);
        self
    }

    /// Copies to a region are refused from now on.
    pub fn refuses_copies(&mut self, region: &str, error: PortError) -> &mut Self {
        self.driver.shared.lock().replica_refusals.insert(target(region), error);
        self
    }

    /// An alarm has this state from now on.
    pub fn alarm(&mut self, region: &str, name: &str, state: AlarmState) -> &mut Self {
        self.driver.shared.lock().alarms.insert((target(region), name.to_owned()), state);
        self
    }

    /// A function answers so from now on when it is invoked, by itself or by its failure.
    pub fn replies(&mut self, region: &str, function: &str, ok: bool, text: &str) -> &mut Self {
        let reply = Invoked { ok, reply: text.to_owned() };
        self.driver.shared.lock().replies.insert((target(region), function.to_owned()), reply);
        self
    }

    /// Guard crashes so many times from now on, then it answers.
    pub fn guard_crashes(&mut self, times: u32) -> &mut Self {
        self.driver.shared.lock().guard_crashes = times;
        self
    }

    /// A URL answers with this status from now on.
    pub fn answers(&mut self, url: &str, status: u16) -> &mut Self {
        let answer = HttpSeen::Answered { status, excerpt: format!("status {status}") };
        self.driver.shared.lock().answers.insert(url.to_owned(), answer);
        self
    }

    /// Every stack has such a bucket, whose objects are deleted in so many parts.
    pub fn stacks_have_bucket(&mut self, name: &str, parts: u32) -> &mut Self {
        self.driver.shared.lock().buckets.insert(name.to_owned(), parts);
        self
    }

    /// The change sets of a stack are gone, or not to be seen.
    pub fn plans_vanish(&mut self, region: &str, stage: &str) -> &mut Self {
        let key = (target(region), format!("orders-{stage}"));
        if let Some(stack) = self.driver.shared.lock().stacks.live.get_mut(&key) {
            stack.change_sets.clear();
        }
        self
    }

    /// Somebody else has a change set of a stack.
    pub fn plan_of_others(&mut self, region: &str, stage: &str) -> &mut Self {
        let key = (target(region), format!("orders-{stage}"));
        if let Some(stack) = self.driver.shared.lock().stacks.live.get_mut(&key) {
            stack.change_sets.push(ChangeSet {
                name: "others".into(),
                id: "arn:changeSet/others/1".into(),
                template: Digest::of(b"others"),
                state: ChangeSetState::Ready,
                made_at_ms: 0,
                token: String::new(),
                rollback: Default::default(),
            });
        }
        self
    }

    /// S3 says this of the copies it makes at a region from now on.
    pub fn copies_seem(&mut self, region: &str, presence: Presence) -> &mut Self {
        self.driver.shared.lock().replica_proofs.insert(target(region), presence);
        self
    }

    /// Lambda takes its time with what CloudFormation tells it, or no longer does.
    pub fn functions_lag(&mut self, lag: bool) -> &mut Self {
        self.driver.shared.lock().functions_pending = lag;
        self
    }

    /// Somebody gives a function other code behind CloudFormation's back.
    pub fn tamper(&mut self, region: &str, stage: &str) -> &mut Self {
        let key = (target(region), format!("orders-{stage}/App"));
        self.driver.shared.lock().functions.insert(key, Digest::of(b"tampered"));
        self
    }

    /// Somebody deletes every function behind CloudFormation's back.
    pub fn functions_vanish(&mut self) -> &mut Self {
        self.driver.shared.lock().functions.clear();
        self
    }

    /// Somebody deletes a stack.
    pub fn stack_is_deleted(&mut self, region: &str, stage: &str) -> &mut Self {
        let key = (target(region), format!("orders-{stage}"));
        let mut state = self.driver.shared.lock();
        if let Some(stack) = state.stacks.live.remove(&key) {
            state.stacks.gone.insert(stack.id, stack.events);
        }
        drop(state);
        self
    }

    /// Somebody updates a stack directly: its change sets can no longer be executed.
    pub fn plans_become_obsolete(&mut self, region: &str, stage: &str) -> &mut Self {
        let key = (target(region), format!("orders-{stage}"));
        if let Some(stack) = self.driver.shared.lock().stacks.live.get_mut(&key) {
            stack.change_sets.iter_mut().for_each(|set| set.state = ChangeSetState::Obsolete);
        }
        self
    }

    /// The function that makes the `nth` call from now crashes right after it.
    pub fn crash_after_call(&mut self, nth: u64) -> &mut Self {
        let mut state = self.driver.shared.lock();
        state.crash_at = Some(state.made + nth);
        drop(state);
        self
    }

    /// How many calls functions have made.
    pub fn calls_made(&self) -> u64 {
        self.driver.shared.lock().made
    }

    /// How often a change set was executed, at most.
    pub fn executions_max(&self) -> u32 {
        self.driver.shared.lock().stacks.executions.values().copied().max().unwrap_or(0)
    }

    /// How many change sets were asked for in EXPRESS mode.
    pub fn express_plans(&self) -> u64 {
        self.driver.shared.lock().stacks.express
    }

    /// What the deployments that removed stacks have noted, in the order of their keys.
    pub fn notes_of_removals(&self) -> Vec<String> {
        self.removals().iter().flat_map(|removal| texts(&removal["notes"])).collect()
    }

    /// Codes and messages of the causes for which removals failed.
    pub fn causes_of_removals(&self) -> Vec<(String, String)> {
        let text = |cause: &Value, field: &str| cause[field].as_str().unwrap_or_default().to_owned();
        let removals = self.removals();
        let causes =
            removals.iter().map(|removal| &removal["state"]["cause"]).filter(|cause| cause.is_object());
        causes.map(|cause| (text(cause, "code"), text(cause, "message"))).collect()
    }

    /// The deployments that removed stacks, as they are stored.
    fn removals(&self) -> Vec<Value> {
        let state = self.driver.shared.lock();
        let deployments = state.table.iter().filter(|(key, _)| key.sk.starts_with("DEP#"));
        let bodies = deployments.map(|(_, item)| Value::Object(item.body.clone()));
        bodies.filter(|body| body["deploy"].is_null()).collect()
    }
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().cloned().unwrap_or_default();
    list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}
