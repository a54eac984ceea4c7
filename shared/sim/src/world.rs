//! A fluent world for scenarios.

use crate::driver::Driver;
use crate::faults::Faults;
use crate::stack_books::Behaviour;
use crate::state::{Object, Shared};
use bytes::Bytes;
use flotilla_contract::{
    AccountConfig, Page, ProfileConfig, RolloutView, RuleConfig, ServiceConfigDoc, StageView, UploadView,
};
use flotilla_domain::{AccountId, Digest, ProfileName, ReleaseId, RolloutId, ServiceName, StageName, Target};
use flotilla_engine::EngineError;
use flotilla_engine::commands::Caller;
use flotilla_engine::ports::{PortError, Work};
use flotilla_engine::status::PageRequest;
use flotilla_engine::sweep::{SweepLimits, SweepReport};
use flotilla_package::write::{SourceFile, write_zip};
use futures::executor::block_on;
use std::io::Cursor;

/// The account of everything.
const ACCOUNT: &str = "111122223333";

/// The world: the service `orders`, its stages `staging` (from `branch:main`) and `pr-N`, and the profile
/// `p`.
pub struct World {
    driver: Driver,
    uploads: u32,
    requests: u32,
}

impl World {
    /// A world with these regions in waves.
    pub fn new(seed: u64, waves: &[&[&str]]) -> Self {
        let world = Self { driver: Driver::new(Shared::new(seed)), uploads: 0, requests: 0 };
        let caller = world.caller("setup");
        let account = AccountId::parse(ACCOUNT).expect("an account");
        let commands = &world.driver.commands;
        let roles = AccountConfig {
            role_arn: format!("arn:aws:iam::{ACCOUNT}:role/flotilla-deployer"),
            external_id: "0123456789abcdef".into(),
            service_role_arn: format!("arn:aws:iam::{ACCOUNT}:role/flotilla-cloudformation"),
        };
        block_on(commands.put_account(&account, &roles, None, &caller)).expect("the account");
        let profile = ProfileConfig {
            account: ACCOUNT.into(),
            regions: Vec::new(),
            waves: waves.iter().map(|wave| wave.iter().map(|r| (*r).to_owned()).collect()).collect(),
            capabilities: Vec::new(),
            parameters: Default::default(),
            tags: Default::default(),
        };
        block_on(commands.put_profile(&ProfileName::parse("p").expect("a name"), &profile, None, &caller))
            .expect("the profile");
        let rule = |git_ref: &str, stage: &str, ttl_h| RuleConfig {
            git_ref: git_ref.into(),
            stage: stage.into(),
            profile: "p".into(),
            ttl_h,
        };
        let service = ServiceConfigDoc {
            rules: vec![rule("branch:main", "staging", None), rule("pr:*", "pr-{ref}", Some(24))],
        };
        block_on(commands.put_service(&orders(), &service, None, &caller)).expect("the service");
        world
    }

    fn caller(&self, request: &str) -> Caller {
        Caller {
            principal: "arn:aws:iam::111122223333:user/ann".into(),
            request_id: format!("{request}-{}", self.requests),
        }
    }

    /// Lets things go wrong from now on.
    pub fn faults(&mut self, faults: Faults) -> &mut Self {
        self.driver.shared.lock().faults = faults;
        self
    }

    /// How operations at a region end from now on.
    pub fn behaves(&mut self, region: &str, behaviour: Behaviour) -> &mut Self {
        self.driver.shared.lock().stacks.behaviours.insert(target(region), behaviour);
        self
    }

    /// Copies to a region are refused from now on.
    pub fn refuses_copies(&mut self, region: &str, error: PortError) -> &mut Self {
        self.driver.shared.lock().replica_refusals.insert(target(region), error);
        self
    }

    /// Somebody gives a function other code behind CloudFormation's back.
    pub fn tamper(&mut self, region: &str, stage: &str) -> &mut Self {
        let key = (target(region), format!("orders-{stage}/App"));
        self.driver.shared.lock().functions.insert(key, Digest::of(b"tampered"));
        self
    }

    /// Uploads a package whose function has this code. Its event is sent like any message.
    pub fn upload(&mut self, git_ref: &str, code: &str) -> String {
        self.upload_bytes(&format!("incoming/orders/{git_ref}/{{n}}.zip"), package(code), true)
    }

    /// Uploads bytes to a key, in which `{n}` is the number of the upload; answers the version.
    pub fn upload_bytes(&mut self, key: &str, bytes: Vec<u8>, with_event: bool) -> String {
        self.uploads += 1;
        let key = key.replace("{n}", &self.uploads.to_string());
        let version_id = format!("v{}", self.uploads);
        let mut state = self.driver.shared.lock();
        // Uploads of one second could not be told apart by time.
        state.now_ms += 1_000;
        let uploaded_at = flotilla_domain::Timestamp::from_second(state.now_ms / 1_000).expect("a time");
        state
            .uploads
            .insert((key.clone(), version_id.clone()), Object { bytes: Bytes::from(bytes), uploaded_at });
        let visible_at_ms = state.now_ms;
        if with_event {
            let work = Work::Intake { key, version_id: version_id.clone() };
            state.messages.push(crate::queue::Message { work, visible_at_ms, receives: 0 });
        }
        version_id
    }

    /// An uploaded object vanishes.
    pub fn lose_upload(&mut self, version: &str) -> &mut Self {
        self.driver.shared.lock().uploads.retain(|(_, v), _| v != version);
        self
    }

    /// Messages that are in a queue now, twenty at most, come twice.
    pub fn duplicate_messages(&mut self) -> &mut Self {
        let mut state = self.driver.shared.lock();
        let twins: Vec<_> = state.messages.iter().take(20).cloned().collect();
        state.messages.extend(twins);
        drop(state);
        self
    }

    /// Every message that is in a queue now is lost.
    pub fn drop_messages(&mut self) -> &mut Self {
        self.driver.shared.lock().messages.clear();
        self
    }

    /// Takes a number of steps.
    pub fn steps(&mut self, count: u32) -> &mut Self {
        for _ in 0..count {
            self.driver.step();
        }
        self
    }

    /// Runs until `done`, or fails when the world has not come there within an hour of its own time.
    #[track_caller]
    pub fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> &mut Self {
        let deadline_ms = self.driver.shared.lock().now_ms + 3_600_000;
        while !done(self) {
            assert!(
                self.driver.shared.lock().now_ms < deadline_ms,
                "{what} did not happen\n{}",
                self.trace()
            );
            self.driver.step();
        }
        self
    }

    /// Lets a time pass, with all that happens in it.
    pub fn pass(&mut self, hours: i64) -> &mut Self {
        let until_ms = self.driver.shared.lock().now_ms + hours * 3_600_000;
        while self.driver.shared.lock().now_ms < until_ms {
            self.driver.step();
        }
        self
    }

    /// Moves the clock without anything happening.
    pub fn jump(&mut self, hours: i64) -> &mut Self {
        self.driver.shared.lock().now_ms += hours * 3_600_000;
        self
    }

    /// A stack-status event arrives from a region.
    pub fn hint(&mut self, region: &str, stage: &str) -> &mut Self {
        let stage = StageName::parse(stage).expect("a stage's name");
        self.driver.hint(&target(region), &flotilla_domain::StackName::of(&orders(), &stage));
        self
    }

    /// Lets the operations that run now come to their end, with nobody looking.
    pub fn finish_operations(&mut self) -> &mut Self {
        let mut state = self.driver.shared.lock();
        if let Some(end_ms) = state.stacks.last_end_ms() {
            state.now_ms = state.now_ms.max(end_ms);
        }
        drop(state);
        self
    }

    /// What became of an upload, if it has been decided.
    pub fn verdict(&self, version: &str) -> Option<UploadView> {
        let page = || PageRequest { cursor: None, limit: 100 };
        let asked = [Some(orders()), ServiceName::parse("nobody").ok(), None];
        let pages = asked
            .iter()
            .map(|service| self.calm(|w| block_on(w.driver.status.uploads(service.as_ref(), page()))));
        pages.flat_map(|page: Page<UploadView>| page.items).find(|upload| upload.version_id == version)
    }

    /// The rollout that an upload started, if there is one.
    pub fn rollout(&self, version: &str) -> Option<RolloutView> {
        let id = self.verdict(version)?.rollout?;
        Some(self.rollout_by_id(&id))
    }

    /// A rollout.
    pub fn rollout_by_id(&self, id: &str) -> RolloutView {
        let id = RolloutId::parse(id).expect("a rollout's id");
        self.calm(|w| block_on(w.driver.status.rollout(&id)))
    }

    /// Runs until an upload's rollout has ended; answers it.
    #[track_caller]
    pub fn end_of(&mut self, version: &str) -> RolloutView {
        self.until("the rollout's end", |world| world.rollout(version).is_some_and(|rollout| rollout.ended));
        self.rollout(version).expect("it has just been seen")
    }

    /// A stage.
    pub fn stage(&self, stage: &str) -> StageView {
        let stage = StageName::parse(stage).expect("a stage's name");
        self.calm(|w| block_on(w.driver.status.stage(&orders(), &stage)))
    }

    /// A rollout's timeline: what happened, in order, with its target's region.
    pub fn timeline(&self, id: &str) -> Vec<String> {
        let id = RolloutId::parse(id).expect("a rollout's id");
        let page =
            self.calm(|w| block_on(w.driver.status.events(&id, PageRequest { cursor: None, limit: 100 })));
        let line = |event: flotilla_contract::EventView| match event.target {
            Some(target) => format!("{} {}", target.split('/').nth(1).unwrap_or_default(), event.what),
            None => event.what,
        };
        page.items.into_iter().map(line).collect()
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
        let started =
            block_on(self.driver.commands.start(&orders(), &release, &stage, &self.caller("start")))?;
        Ok(started.id.to_string())
    }

    /// Calls a rollout off.
    ///
    /// # Errors
    /// As the command has them.
    pub fn cancel(&mut self, id: &str) -> Result<(), EngineError> {
        self.requests += 1;
        let id = RolloutId::parse(id).expect("a rollout's id");
        block_on(self.driver.commands.cancel(&id, &self.caller("cancel"))).map(drop)
    }

    /// Runs the sweep once more, now.
    pub fn sweep(&mut self, limits: SweepLimits) -> SweepReport {
        self.driver.sweep_now(limits)
    }

    /// The status of a stack, by region and stage.
    pub fn stack(&self, region: &str, stage: &str) -> Option<&'static str> {
        self.driver.shared.lock().stacks.status(&target(region), &format!("orders-{stage}"))
    }

    /// The use cases that the API needs, on this world.
    pub fn api(&self) -> (flotilla_engine::commands::Commands, flotilla_engine::status::Status) {
        let driver = Driver::new(self.driver.shared.clone());
        (driver.commands, driver.status)
    }

    /// The fake table, for the contract.
    pub fn table(&self) -> impl flotilla_engine::ports::StateStore + use<> {
        crate::table::SimTable(self.driver.shared.clone())
    }

    /// Copies that S3 has made.
    pub fn copies(&self) -> u64 {
        self.driver.shared.lock().copies
    }

    /// What has happened, one line each.
    pub fn trace(&self) -> String {
        self.driver.shared.lock().trace.join("\n")
    }

    /// Asks something without faults in between.
    fn calm<T>(&self, ask: impl FnOnce(&Self) -> Result<T, EngineError>) -> T {
        let before = std::mem::replace(&mut self.driver.shared.lock().faults, Faults::NONE);
        let answer = ask(self);
        self.driver.shared.lock().faults = before;
        answer.expect("a view")
    }
}

fn orders() -> ServiceName {
    ServiceName::parse("orders").expect("a service's name")
}

fn target(region: &str) -> Target {
    Target::parse(&format!("{ACCOUNT}/{region}")).expect("a target")
}

/// A native package with one function of this code.
pub fn package(code: &str) -> Vec<u8> {
    let template = serde_json::json!({
        "Resources": {"App": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "app.zip"}}},
    });
    let files = [
        ("flotilla.json", r#"{"flotilla": 1, "template": "template.json"}"#.to_owned()),
        ("template.json", template.to_string()),
        ("app.zip", code.to_owned()),
    ];
    let open = |name: &str| {
        let content =
            files.iter().find(|(file, _)| *file == name).map(|(_, content)| content.clone().into_bytes());
        let content = Box::new(Cursor::new(content.unwrap_or_default()));
        Ok(SourceFile { name: name.to_owned(), executable: false, content })
    };
    let zip = write_zip(Cursor::new(Vec::new()), files.iter().map(|(name, _)| (*name).to_owned()), open);
    zip.expect("writing to memory").into_inner()
}
