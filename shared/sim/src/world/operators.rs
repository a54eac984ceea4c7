//! What operators ask for, and stack-status events.

use super::{ACCOUNT, World, orders, target};
use flotilla_contract::{ProfileConfig, RolloutView};
use flotilla_domain::{ProfileName, ReleaseId, RolloutId, StageName};
use flotilla_engine::EngineError;
use flotilla_engine::access::Caller;
use flotilla_engine::plan::Allowed;
use flotilla_engine::rollout::{Control, OperatorsWord, Promotion, Rollback};
use futures::executor::block_on;

impl World {
    /// Ann, who gives most commands.
    pub(super) fn caller(&self, request: &str) -> Caller {
        self.caller_named("ann", request)
    }

    /// A user, with a request.
    pub(super) fn caller_named(&self, user: &str, request: &str) -> Caller {
        let principal = format!("arn:aws:iam::111122223333:user/{user}");
        let request_id = format!("{request}-{}", self.requests);
        block_on(self.driver.commands.caller(principal, request_id)).expect("the table answers")
    }

    /// Starts a rollout of a release.
    ///
    /// # Errors
    /// As the command has them.
    pub fn start(&mut self, release: &str, stage: &str) -> Result<String, EngineError> {
        self.requests += 1;
        self.driver.shared.lock().now_ms += 1_000;
        let release = ReleaseId::parse(release).expect("a release's id");
        let stage = StageName::parse(stage).expect("a stage's name");
        let (allow, caller) = (Allowed::default(), self.caller("start"));
        let started = block_on(self.driver.commands.start(&orders(), &release, &stage, &allow, &caller))?;
        Ok(started.id.to_string())
    }

    /// Puts the profile `p`; its account is set.
    ///
    /// # Errors
    /// As the command has them.
    pub fn put_profile(&mut self, profile: ProfileConfig) -> Result<(), EngineError> {
        self.requests += 1;
        let (name, caller) = (ProfileName::parse("p").expect("a name"), self.caller("profile"));
        let profile = ProfileConfig { account: ACCOUNT.into(), ..profile };
        block_on(self.driver.commands.put_profile(&name, &profile, None, &caller)).map(drop)
    }

    /// Promotes a release.
    ///
    /// # Errors
    /// As the command has them.
    pub fn promote(&mut self, promotion: &Promotion) -> Result<String, EngineError> {
        self.requests += 1;
        self.driver.shared.lock().now_ms += 1_000;
        let caller = self.caller("promote");
        block_on(self.driver.commands.promote(&orders(), promotion, &caller)).map(|r| r.id.to_string())
    }

    /// Rolls a stage back.
    ///
    /// # Errors
    /// As the command has them.
    pub fn roll_back(&mut self, rollback: &Rollback) -> Result<String, EngineError> {
        self.requests += 1;
        self.driver.shared.lock().now_ms += 1_000;
        let caller = self.caller("rollback");
        block_on(self.driver.commands.roll_back(&orders(), rollback, &caller)).map(|r| r.id.to_string())
    }

    /// Holds a release's package at a stage.
    ///
    /// # Errors
    /// As the command has them.
    pub fn hold(&mut self, release: &str, stage: &str) -> Result<(), EngineError> {
        self.requests += 1;
        let release = ReleaseId::parse(release).expect("a release's id");
        let stage = StageName::parse(stage).expect("a stage's name");
        let commands = &self.driver.commands;
        block_on(commands.hold(&orders(), &stage, &release, "it is bad", &self.caller("hold")))
    }

    /// Lifts every hold of a stage.
    ///
    /// # Errors
    /// As the command has them.
    pub fn lift_holds(&mut self, stage: &str) -> Result<(), EngineError> {
        let stage = StageName::parse(stage).expect("a stage's name");
        block_on(self.driver.commands.lift_hold(&orders(), &stage, None, &self.caller("unhold")))
    }

    /// Asks something of a rollout under way.
    ///
    /// # Errors
    /// As the command has them.
    pub fn control(&mut self, id: &str, control: Control) -> Result<(), EngineError> {
        self.requests += 1;
        let id = RolloutId::parse(id).expect("a rollout's id");
        block_on(self.driver.commands.control(&id, control, &self.caller("control"))).map(drop)
    }

    /// Calls a rollout off; what runs is finished.
    ///
    /// # Errors
    /// As the command has them.
    pub fn cancel(&mut self, id: &str) -> Result<(), EngineError> {
        self.control(id, Control::Cancel { stop_running: false })
    }

    /// Does again what a rollout left undone.
    ///
    /// # Errors
    /// As the command has them.
    pub fn retry(&mut self, id: &str, word: &OperatorsWord) -> Result<String, EngineError> {
        self.requests += 1;
        self.driver.shared.lock().now_ms += 1_000;
        let id = RolloutId::parse(id).expect("a rollout's id");
        let retried = block_on(self.driver.commands.retry(&id, word, &self.caller("retry")))?;
        Ok(retried.id.to_string())
    }

    /// Runs until a rollout has ended; answers it.
    #[track_caller]
    pub fn end_of_rollout(&mut self, id: &str) -> RolloutView {
        self.until("the rollout's end", |world| world.rollout_by_id(id).ended);
        self.rollout_by_id(id)
    }

    /// A stack-status event arrives from a region.
    pub fn hint(&mut self, region: &str, stage: &str) -> &mut Self {
        let stack =
            flotilla_domain::StackName::parse(&format!("{}-{stage}", orders())).expect("a stack's name");
        self.driver.hint(&target(region), &stack);
        self.driver.finish_tasks();
        self
    }
}
