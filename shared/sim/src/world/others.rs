//! The behaviour of AWS and of other actors: how operations end, errors, and changes outside of Flotilla.

use super::packed::{image_of, image_parts};
use super::{World, target};
use crate::stack_books::{Behaviour, ChangeSet, ChangeSetState};
use flotilla_domain::config::external_image::{ExternalImage, ImageRepository};
use flotilla_domain::{AlarmState, Digest};
use flotilla_engine::ports::{ErrorKind, HttpObserved, Invoked, PortError, Presence};
use serde_json::Value;

impl World {
    /// Puts a stack into a status, as another actor might.
    pub fn stack_becomes(&mut self, region: &str, stage: &str, status: &'static str) -> &mut Self {
        let key = (target(region), format!("orders-{stage}"));
        if let Some(stack) = self.driver.shared.lock().stacks.live.get_mut(&key) {
            (stack.status, stack.was) = (status, (status, 0));
        }
        self
    }

    /// Finishes, as an operator would, the failed deletions that other actors have begun.
    pub fn mend_half_deleted(&mut self) -> &mut Self {
        let mut state = self.driver.shared.lock();
        let stacks = state.stacks.live.iter().filter(|(_, stack)| stack.status == "DELETE_FAILED");
        for key in stacks.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            state.stacks.live.remove(&key);
            crate::publishing::delete(&mut state, &key);
        }
        drop(state);
        self
    }

    /// Deletes a stack and creates another one with its name, as another actor.
    pub fn stack_is_replaced(&mut self, region: &str, stage: &str) -> &mut Self {
        let key = (target(region), format!("orders-{stage}"));
        if let Some(stack) = self.driver.shared.lock().stacks.live.get_mut(&key) {
            stack.id.push_str("-another");
            stack.operation = None;
            stack.status = "CREATE_COMPLETE";
        }
        self
    }

    /// Creates another actor's stack, with the tags of this service and stage.
    pub fn stack_of_others(&mut self, region: &str, stage: &str, owner: (&str, &str)) -> &mut Self {
        let key = (target(region), format!("orders-{stage}"));
        if let Some(stack) = self.driver.shared.lock().stacks.live.get_mut(&key) {
            stack.owner = Some((owner.0.to_owned(), owner.1.to_owned()));
        }
        self
    }

    /// Sets how operations in a region end from now on.
    pub fn behaves(&mut self, region: &str, behaviour: Behaviour) -> &mut Self {
        self.driver.shared.lock().stacks.behaviours.insert(target(region), behaviour);
        self
    }

    /// Stores an object in a bucket of somebody else.
    pub fn external(&mut self, bucket: &str, key: &str, version: Option<&str>, bytes: &[u8]) -> &mut Self {
        let place = (bucket.to_owned(), key.to_owned(), version.map(str::to_owned));
        self.driver.shared.lock().external.insert(place, bytes.to_vec().into());
        self
    }

    /// Pushes the image with this code to a repository of somebody else, and returns its URI.
    pub fn push_image(&mut self, repository: &str, code: &str) -> String {
        let of = ImageRepository::parse(repository).expect("a repository");
        let image = image_of(code);
        for part in image_parts(code) {
            self.driver.shared.lock().pulled.insert((of.clone(), Digest::of(&part)), part.into());
        }
        ExternalImage { repository: of, digest: image }.to_string()
    }

    /// Deletes all images in repositories of others.
    pub fn delete_pushed_images(&mut self) -> &mut Self {
        self.driver.shared.lock().pulled.clear();
        self
    }

    /// Makes calls of an operation fail from now on.
    pub fn refuses(&mut self, operation: &'static str, kind: ErrorKind, text: &str) -> &mut Self {
        self.fails(operation, PortError::new(kind, operation, text))
    }

    /// Makes calls of an operation fail with this error from now on, which may be another operation's: a role that cannot be
    /// assumed fails all calls that need it.
    pub fn fails(&mut self, operation: &'static str, error: PortError) -> &mut Self {
        self.driver.shared.lock().refusals.insert(operation, error);
        self
    }

    /// Makes calls of an operation succeed again.
    pub fn allows(&mut self, operation: &str) -> &mut Self {
        self.driver.shared.lock().refusals.remove(operation);
        self
    }

    /// Makes S3 refuse copies to a region from now on.
    pub fn refuses_copies(&mut self, region: &str, error: PortError) -> &mut Self {
        self.driver.shared.lock().replica_refusals.insert(target(region), error);
        self
    }

    /// Sets the state of an alarm.
    pub fn alarm(&mut self, region: &str, name: &str, state: AlarmState) -> &mut Self {
        self.driver.shared.lock().alarms.insert((target(region), name.to_owned()), state);
        self
    }

    /// Sets the reply or the failure of an invoked function.
    pub fn replies(&mut self, region: &str, function: &str, ok: bool, text: &str) -> &mut Self {
        let reply = Invoked { ok, reply: text.to_owned() };
        self.driver.shared.lock().replies.insert((target(region), function.to_owned()), reply);
        self
    }

    /// Makes Guard crash this many times before it replies.
    pub fn guard_crashes(&mut self, times: u32) -> &mut Self {
        self.driver.shared.lock().guard_crashes = times;
        self
    }

    /// Sets the status that a URL returns.
    pub fn answers(&mut self, url: &str, status: u16) -> &mut Self {
        let answer = HttpObserved::Answered { status, excerpt: format!("status {status}") };
        self.driver.shared.lock().answers.insert(url.to_owned(), answer);
        self
    }

    /// Only stacks whose names end with this have the buckets.
    pub fn buckets_in(&mut self, stacks: &str) -> &mut Self {
        self.driver.shared.lock().buckets_in = stacks.to_owned();
        self
    }

    /// Adds this bucket to every stack; its objects are deleted in this many parts.
    pub fn stacks_have_bucket(&mut self, name: &str, parts: u32) -> &mut Self {
        self.driver.shared.lock().buckets.insert(name.to_owned(), parts);
        self
    }

    /// Deletes or hides the change sets of a stack.
    pub fn plans_vanish(&mut self, region: &str, stage: &str) -> &mut Self {
        let key = (target(region), format!("orders-{stage}"));
        if let Some(stack) = self.driver.shared.lock().stacks.live.get_mut(&key) {
            stack.change_sets.clear();
        }
        self
    }

    /// Creates another actor's change set of a stack.
    pub fn plan_of_others(&mut self, region: &str, stage: &str) -> &mut Self {
        let key = (target(region), format!("orders-{stage}"));
        if let Some(stack) = self.driver.shared.lock().stacks.live.get_mut(&key) {
            stack.change_sets.push(ChangeSet {
                name: "others".into(),
                id: "arn:changeSet/others/1".into(),
                template: Digest::of(b"others"),
                stable: String::new(),
                state: ChangeSetState::Ready,
                made_at_ms: 0,
                token: String::new(),
                rollback: Default::default(),
            });
        }
        self
    }

    /// Sets what S3 reports about copies in a region from now on.
    pub fn copies_seem(&mut self, region: &str, presence: Presence) -> &mut Self {
        self.driver.shared.lock().replica_proofs.insert(target(region), presence);
        self
    }

    /// From now on, S3 reports no full SHA-256 of the copies that it makes in the ingest bucket.
    pub fn home_copies_seem_unproven(&mut self) -> &mut Self {
        self.driver.shared.lock().home_copies_unproven = true;
        self
    }

    /// Sets whether Lambda is still applying updates.
    pub fn functions_lag(&mut self, lag: bool) -> &mut Self {
        self.driver.shared.lock().functions_pending = lag;
        self
    }

    /// Changes a function's code outside of CloudFormation.
    pub fn tamper(&mut self, region: &str, stage: &str) -> &mut Self {
        let key = (target(region), format!("orders-{stage}/App"));
        self.driver.shared.lock().functions.insert(key, Digest::of(b"tampered"));
        self
    }

    /// Deletes every function outside of CloudFormation.
    pub fn functions_vanish(&mut self) -> &mut Self {
        self.driver.shared.lock().functions.clear();
        self
    }

    /// Deletes a stack as another actor.
    pub fn stack_is_deleted(&mut self, region: &str, stage: &str) -> &mut Self {
        let key = (target(region), format!("orders-{stage}"));
        let mut state = self.driver.shared.lock();
        if let Some(stack) = state.stacks.live.remove(&key) {
            state.stacks.gone.insert(stack.id, stack.events);
        }
        drop(state);
        self
    }

    /// Updates a stack directly as another actor: its change sets become obsolete.
    pub fn plans_become_obsolete(&mut self, region: &str, stage: &str) -> &mut Self {
        let key = (target(region), format!("orders-{stage}"));
        if let Some(stack) = self.driver.shared.lock().stacks.live.get_mut(&key) {
            stack.change_sets.iter_mut().for_each(|set| set.state = ChangeSetState::Obsolete);
        }
        self
    }

    /// Makes the function that makes the `nth` call from now crash right after it.
    pub fn crash_after_call(&mut self, nth: u64) -> &mut Self {
        let mut state = self.driver.shared.lock();
        state.crash_at = Some(state.made + nth);
        drop(state);
        self
    }

    /// The number of calls that functions have made.
    pub fn calls_made(&self) -> u64 {
        self.driver.shared.lock().made
    }

    /// The maximum number of executions of any change set.
    pub fn executions_max(&self) -> u32 {
        self.driver.shared.lock().stacks.executions.values().copied().max().unwrap_or(0)
    }

    /// The number of change sets requested in EXPRESS mode.
    pub fn express_plans(&self) -> u64 {
        self.driver.shared.lock().stacks.express
    }

    /// The notes of the deployments that removed stacks, in the order of their keys.
    pub fn notes_of_removals(&self) -> Vec<String> {
        self.removals().iter().flat_map(|removal| texts(&removal["notes"])).collect()
    }

    /// The codes and messages of the causes of failed removals.
    pub fn causes_of_removals(&self) -> Vec<(String, String)> {
        let text = |cause: &Value, field: &str| cause[field].as_str().unwrap_or_default().to_owned();
        let removals = self.removals();
        let causes =
            removals.iter().map(|removal| &removal["state"]["cause"]).filter(|cause| cause.is_object());
        causes.map(|cause| (text(cause, "code"), text(cause, "message"))).collect()
    }

    /// The stored deployments that removed stacks.
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
