//! Commands of operators, and stack-status events.

use super::{ACCOUNT, World, orders, target};
use flotilla_contract::{AccessConfig, GrantConfig, IdentityConfig, ProfileConfig, RolloutView};
use flotilla_domain::{ProfileName, ReleaseId, RolloutId, StageName};
use flotilla_engine::EngineError;
use flotilla_engine::access::Caller;
use flotilla_engine::plan::AllowedLosses;
use flotilla_engine::rollout::{Control, Promotion, RetryOptions, Rollback};
use flotilla_engine::stage::{Extension, StageRemoval};
use futures::executor::block_on;

impl World {
    /// Ann, who gives most commands.
    pub(super) fn caller(&self, request: &str) -> Caller {
        self.caller_named("ann", request)
    }

    /// A user with the id of a request.
    pub(super) fn caller_named(&self, user: &str, request: &str) -> Caller {
        // An ARN stands for itself, another name for a user.
        let principal = match user.starts_with("arn:") {
            true => user.to_owned(),
            false => format!("arn:aws:iam::111122223333:user/{user}"),
        };
        let request_id = format!("{request}-{}", self.requests);
        block_on(self.driver.commands.caller(principal, request_id)).expect("the table answers")
    }

    /// Says that the trust policy of a role pins the names of its sessions. Everybody is an admin.
    pub fn pins(&mut self, role: &str) -> &mut Self {
        let admin = |principal: &str| GrantConfig {
            principal: format!("arn:aws:iam::111122223333:{principal}"),
            role: "admin".into(),
            stages: None,
            services: None,
        };
        let access = AccessConfig {
            grants: vec![admin("user/*"), admin("role/*")],
            identity: Some(IdentityConfig {
                pinned_session_names: vec![role.to_owned()],
                ..IdentityConfig::default()
            }),
        };
        let caller = self.caller_named("ann", "access");
        block_on(self.driver.commands.put_access(&access, None, &caller)).expect("the access");
        self
    }

    /// Starts a rollout of a release.
    ///
    /// # Errors
    /// Those of the command.
    pub fn start(&mut self, release: &str, stage: &str) -> Result<String, EngineError> {
        self.requests += 1;
        self.driver.shared.lock().now_ms += 1_000;
        let release = ReleaseId::parse(release).expect("a release's id");
        let stage = StageName::parse(stage).expect("a stage's name");
        let (allow, caller) = (AllowedLosses::default(), self.caller("start"));
        let started = block_on(self.driver.commands.start(&orders(), &release, &stage, &allow, &caller))?;
        Ok(started.id.to_string())
    }

    /// Puts the profile `p`, whose account is set.
    ///
    /// # Errors
    /// Those of the command.
    pub fn put_profile(&mut self, profile: ProfileConfig) -> Result<(), EngineError> {
        self.requests += 1;
        let (name, caller) = (ProfileName::parse("p").expect("a name"), self.caller("profile"));
        let profile = ProfileConfig { account: ACCOUNT.into(), ..profile };
        block_on(self.driver.commands.put_profile(&name, &profile, None, &caller)).map(drop)
    }

    /// Promotes a release.
    ///
    /// # Errors
    /// Those of the command.
    pub fn promote(&mut self, promotion: &Promotion) -> Result<String, EngineError> {
        self.requests += 1;
        self.driver.shared.lock().now_ms += 1_000;
        let caller = self.caller("promote");
        block_on(self.driver.commands.promote(&orders(), promotion, &caller)).map(|r| r.id.to_string())
    }

    /// Rolls a stage back.
    ///
    /// # Errors
    /// Those of the command.
    pub fn roll_back(&mut self, rollback: &Rollback) -> Result<String, EngineError> {
        self.requests += 1;
        self.driver.shared.lock().now_ms += 1_000;
        let caller = self.caller("rollback");
        block_on(self.driver.commands.roll_back(&orders(), rollback, &caller)).map(|r| r.id.to_string())
    }

    /// Holds a release's package at a stage.
    ///
    /// # Errors
    /// Those of the command.
    pub fn hold(&mut self, release: &str, stage: &str) -> Result<(), EngineError> {
        self.requests += 1;
        let release = ReleaseId::parse(release).expect("a release's id");
        let stage = StageName::parse(stage).expect("a stage's name");
        let commands = &self.driver.commands;
        block_on(commands.hold(&orders(), &stage, &release, "it is bad", &self.caller("hold")))
    }

    /// Releases every hold of a stage.
    ///
    /// # Errors
    /// Those of the command.
    pub fn lift_holds(&mut self, stage: &str) -> Result<(), EngineError> {
        let stage = StageName::parse(stage).expect("a stage's name");
        block_on(self.driver.commands.release_hold(&orders(), &stage, None, &self.caller("unhold")))
    }

    /// Controls a rollout.
    ///
    /// # Errors
    /// Those of the command.
    pub fn control(&mut self, id: &str, control: Control) -> Result<(), EngineError> {
        self.requests += 1;
        let id = RolloutId::parse(id).expect("a rollout's id");
        block_on(self.driver.commands.control(&id, control, &self.caller("control"))).map(drop)
    }

    /// Cancels a rollout; running updates finish.
    ///
    /// # Errors
    /// Those of the command.
    pub fn cancel(&mut self, id: &str) -> Result<(), EngineError> {
        self.control(id, Control::Cancel { stop_running: false })
    }

    /// Retries a rollout.
    ///
    /// # Errors
    /// Those of the command.
    pub fn retry(&mut self, id: &str, word: &RetryOptions) -> Result<String, EngineError> {
        self.requests += 1;
        self.driver.shared.lock().now_ms += 1_000;
        let id = RolloutId::parse(id).expect("a rollout's id");
        let retried = block_on(self.driver.commands.retry(&id, word, &self.caller("retry")))?;
        Ok(retried.id.to_string())
    }

    /// Removes a stage.
    ///
    /// # Errors
    /// Those of the command.
    pub fn remove_stage(&mut self, removal: &StageRemoval) -> Result<String, EngineError> {
        self.requests += 1;
        self.driver.shared.lock().now_ms += 1_000;
        let caller = self.caller("remove stage");
        block_on(self.driver.commands.remove_stage(&orders(), removal, &caller)).map(|r| r.id.to_string())
    }

    /// Lets a preview end later.
    ///
    /// # Errors
    /// Those of the command.
    pub fn extend(&mut self, stage: &str, extension: Extension) -> Result<(), EngineError> {
        self.requests += 1;
        let stage = StageName::parse(stage).expect("a stage's name");
        let caller = self.caller("extend");
        block_on(self.driver.commands.extend_preview(&orders(), &stage, extension, &caller)).map(drop)
    }

    /// Runs until a rollout has ended, and returns it.
    #[track_caller]
    pub fn end_of_rollout(&mut self, id: &str) -> RolloutView {
        self.until("the rollout's end", |world| world.rollout_by_id(id).ended);
        self.rollout_by_id(id)
    }

    /// Delivers a stack-status event from a region.
    pub fn hint(&mut self, region: &str, stage: &str) -> &mut Self {
        let stack =
            flotilla_domain::StackName::parse(&format!("{}-{stage}", orders())).expect("a stack's name");
        self.driver.hint(&target(region), &stack);
        self.driver.finish_tasks();
        self
    }
}
