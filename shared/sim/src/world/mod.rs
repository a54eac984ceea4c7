//! The world, as tests use it.

mod assets;
mod doors;
mod gates;
mod operators;
mod others;
mod packed;
mod shop;
mod traffic;
mod views;

use packed::Packages;
pub use packed::{image_of, package, with_image, zip_of};
pub use shop::SHOP;

use crate::driver::{Driver, collect};
use crate::faults::Faults;
use crate::state::{Object, Shared};
use bytes::Bytes;
use flotilla_contract::{
    AccountConfig, PreviewRolesConfig, ProfileConfig, RuleConfig, ServiceConfigDoc, WaveConfig,
};
use flotilla_domain::{AccountId, ProfileName, ServiceName, Site, Timestamp};
use flotilla_engine::EngineError;
use flotilla_engine::ports::Work;
use flotilla_engine::preview::{SweepLimits, SweepReport};
use flotilla_engine::records::{CollectionCursor, Versioned};
use futures::executor::block_on;

/// The only account of the world.
const ACCOUNT: &str = "111122223333";

/// The world: the service `orders`, its stages `staging` (from `branch:main`) and `pr-N`, and the profile
/// `p`.
pub struct World {
    driver: Driver,
    uploads: u32,
    requests: u32,
    packages: Packages,
    /// The service that is uploaded.
    services: Vec<Option<ServiceName>>,
}

/// A route to a stage; with a lifetime, of previews.
fn rule(git_ref: &str, stage: &str, ttl_h: Option<u32>) -> RuleConfig {
    RuleConfig {
        git_ref: git_ref.into(),
        stage: stage.into(),
        profile: if ttl_h.is_some() { "previews" } else { "p" }.into(),
        ttl_h,
        stack_name: None,
        promote_to: None,
    }
}

/// The configuration of the service `orders`.
fn service() -> ServiceConfigDoc {
    ServiceConfigDoc {
        rules: vec![
            rule("branch:main", "staging", None),
            rule("branch:eu", "eu-staging", None),
            rule("pr:*", "pr-{ref}", Some(24)),
        ],
        ..ServiceConfigDoc::default()
    }
}

impl World {
    /// Creates a world with these regions in waves.
    pub fn new(seed: u64, waves: &[&[&str]]) -> Self {
        let profile = ProfileConfig {
            waves: waves
                .iter()
                .map(|wave| WaveConfig::Regions(wave.iter().map(|r| (*r).to_owned()).collect()))
                .collect(),
            ..ProfileConfig::default()
        };
        Self::with(seed, profile)
    }

    /// Creates a world with this profile, whose account is set.
    pub fn with(seed: u64, profile: ProfileConfig) -> Self {
        let named = |name| ServiceName::parse(name).ok();
        let services = vec![Some(orders()), named("orders-eu"), named("nobody"), None];
        let driver = Driver::new(Shared::new(seed));
        let world = Self { driver, uploads: 0, requests: 0, packages: Packages::One, services };
        let caller = world.caller("setup");
        let account = AccountId::parse(ACCOUNT).expect("an account");
        let commands = &world.driver.commands;
        let roles = AccountConfig {
            role_arn: format!("arn:aws:iam::{ACCOUNT}:role/flotilla-deployer"),
            external_id: "0123456789abcdef".into(),
            service_role_arn: format!("arn:aws:iam::{ACCOUNT}:role/flotilla-cloudformation"),
            role_boundary: Some(format!("arn:aws:iam::{ACCOUNT}:policy/flotilla-workload")),
            previews: Some(PreviewRolesConfig {
                service_role_arn: format!("arn:aws:iam::{ACCOUNT}:role/flotilla-cloudformation-previews"),
                role_boundary: format!("arn:aws:iam::{ACCOUNT}:policy/flotilla-preview-workload"),
                mark: "pr-".into(),
            }),
        };
        block_on(commands.put_account(&account, &roles, None, &caller)).expect("the account");
        let profile = ProfileConfig { account: ACCOUNT.into(), ..profile };
        let of_previews = ProfileConfig { previews: Some(true), ..profile.clone() };
        for (name, profile) in [("p", &profile), ("previews", &of_previews)] {
            let name = ProfileName::parse(name).expect("a name");
            block_on(commands.put_profile(&name, profile, None, &caller)).expect("the profile");
        }
        block_on(commands.put_service(&orders(), &service(), None, &caller)).expect("the service");
        // Its stack at staging has the name of the other one's at eu-staging.
        let rival = ServiceConfigDoc {
            rules: vec![rule("branch:main", "staging", None)],
            ..ServiceConfigDoc::default()
        };
        let name = ServiceName::parse("orders-eu").expect("a name");
        block_on(commands.put_service(&name, &rival, None, &caller)).expect("the service");
        world.installed_long_ago();
        world
    }

    /// Records a first round of garbage collection, which a new installation would not have for a while.
    fn installed_long_ago(&self) {
        let round = CollectionCursor::over(Timestamp::UNIX_EPOCH);
        let write = Versioned::new(round.clone()).write(&round, None);
        block_on(collect(&self.driver.shared).store.write(vec![write])).expect("an empty world");
    }

    /// Removes the record of rounds, as in a new installation.
    pub fn newly_installed(&mut self) -> &mut Self {
        self.driver.shared.lock().table.remove(&CollectionCursor::cursor_key());
        self
    }

    /// Injects faults from now on.
    pub fn faults(&mut self, faults: Faults) -> &mut Self {
        self.driver.shared.lock().faults = faults;
        self
    }

    /// Uploads a package whose function has this code. Its event is sent like any message.
    pub fn upload(&mut self, git_ref: &str, code: &str) -> String {
        let package = self.packages.of(code);
        self.upload_bytes(&format!("incoming/orders/{git_ref}/{{n}}.zip"), package, true)
    }

    /// Uploads the marker that closes a ref. Returns its version.
    pub fn close(&mut self, git_ref: &str, with_event: bool) -> String {
        self.upload_bytes(&format!("incoming/orders/{git_ref}/closed"), Vec::new(), with_event)
    }

    /// Uploads a package for each of this many pull requests at once.
    pub fn upload_previews(&mut self, count: u32, code: &str) -> Vec<String> {
        let before_ms = self.now_ms();
        let numbers = 1..=count;
        let versions = numbers.map(|number| {
            let version = self.upload(&format!("pr/{number}"), code);
            self.driver.shared.lock().now_ms = before_ms + 1_000;
            version
        });
        versions.collect()
    }

    /// Uploads bytes to a key, in which `{n}` is replaced by the number of the upload. Returns the version.
    pub fn upload_bytes(&mut self, key: &str, bytes: Vec<u8>, with_event: bool) -> String {
        self.uploads += 1;
        let key = key.replace("{n}", &self.uploads.to_string());
        let version_id = format!("v{}", self.uploads);
        let mut state = self.driver.shared.lock();
        // Uploads in the same second could not be distinguished by time.
        state.now_ms += 1_000;
        let uploaded_at = flotilla_domain::Timestamp::from_second(state.now_ms / 1_000).expect("a time");
        state.uploads.insert(
            (key.clone(), version_id.clone()),
            Object { bytes: Bytes::from(bytes), uploaded_at, is_multipart: false },
        );
        let visible_at_ms = state.now_ms;
        if with_event {
            let work = Work::Intake { key, version_id: version_id.clone(), uploaded_at };
            state.messages.push(crate::state::Message { work, visible_at_ms, receives: 0 });
        }
        version_id
    }

    /// The upload was made in parts and began this long before it was complete.
    pub fn uploaded_in_parts(&mut self, version: &str, began_before_s: i64) -> &mut Self {
        let mut state = self.driver.shared.lock();
        let object = state.uploads.iter_mut().find(|((_, v), _)| v == version).expect("an upload").1;
        object.uploaded_at -= flotilla_domain::SignedDuration::from_secs(began_before_s);
        object.is_multipart = true;
        drop(state);
        self
    }

    /// Removes an uploaded object.
    pub fn lose_upload(&mut self, version: &str) -> &mut Self {
        self.driver.shared.lock().uploads.retain(|(_, v), _| v != version);
        self
    }

    /// Duplicates the messages that are in a queue now, twenty at most.
    pub fn duplicate_messages(&mut self) -> &mut Self {
        let mut state = self.driver.shared.lock();
        let twins: Vec<_> = state.messages.iter().take(20).cloned().collect();
        state.messages.extend(twins);
        drop(state);
        self
    }

    /// Drops every message that is in a queue now.
    pub fn drop_messages(&mut self) -> &mut Self {
        self.driver.shared.lock().messages.clear();
        self
    }

    /// Delivers the event of an upload, again or late.
    pub fn event_of(&mut self, key: &str, version_id: &str) -> &mut Self {
        let mut state = self.driver.shared.lock();
        let object = state.uploads.get(&(key.to_owned(), version_id.to_owned())).expect("it was uploaded");
        let uploaded_at = object.uploaded_at;
        let work = Work::Intake { key: key.to_owned(), version_id: version_id.to_owned(), uploaded_at };
        let visible_at_ms = state.now_ms;
        state.messages.push(crate::state::Message { work, visible_at_ms, receives: 0 });
        drop(state);
        self
    }

    /// Makes a number of steps.
    pub fn steps(&mut self, count: u32) -> &mut Self {
        for _ in 0..count {
            self.driver.step();
        }
        self
    }

    /// Runs until `done`. Panics after an hour of the world's time.
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

    /// Like `until`, but checks `done` less often: for lives, in which the check would take most of the time.
    #[track_caller]
    pub fn until_at_last(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> &mut Self {
        const STEPS_BETWEEN: u32 = 80;
        let deadline_ms = self.driver.shared.lock().now_ms + 3 * 3_600_000;
        while !done(self) {
            assert!(
                self.driver.shared.lock().now_ms < deadline_ms,
                "{what} did not happen: {}",
                self.open_items()
            );
            self.steps(STEPS_BETWEEN);
        }
        self
    }

    /// The rollouts that have not ended.
    pub fn open_rollouts(&self) -> Vec<String> {
        let state = self.driver.shared.lock();
        let open = state.due.iter().filter(|key| key.sk == "META");
        open.filter_map(|key| Some(key.pk.strip_prefix("RLO#")?.to_owned())).collect()
    }

    /// The stored rollouts and deployments that have not ended.
    pub(crate) fn open_items(&self) -> String {
        let state = self.driver.shared.lock();
        let open = state.table.values().filter(|item| item.due_at.is_some());
        let bodies = open.map(|item| serde_json::Value::Object(item.body.clone()).to_string());
        bodies.collect::<Vec<_>>().join("\n")
    }

    /// Runs for a time.
    pub fn pass(&mut self, hours: i64) -> &mut Self {
        let until_ms = self.driver.shared.lock().now_ms + hours * 3_600_000;
        while self.driver.shared.lock().now_ms < until_ms {
            self.driver.step();
        }
        self
    }

    /// Advances the clock by seconds without running anything.
    pub fn jump(&mut self, hours: i64) -> &mut Self {
        self.wait_ms(hours * 3_600_000)
    }

    /// Advances the clock by milliseconds without running anything.
    pub fn wait_ms(&mut self, time_ms: i64) -> &mut Self {
        self.driver.shared.lock().now_ms += time_ms;
        self
    }

    /// Completes the operations that run now, without running any function.
    pub fn finish_operations(&mut self) -> &mut Self {
        let mut state = self.driver.shared.lock();
        if let Some(end_ms) = state.stacks.last_end_ms() {
            state.now_ms = state.now_ms.max(end_ms);
            crate::settling::settle(&mut state);
        }
        drop(state);
        self
    }

    /// Sets how many calls per second CloudFormation accepts in each account-region from now on.
    pub fn rate_limit(&mut self, per_s: u32) -> &mut Self {
        self.driver.shared.lock().stacks.rate_limit_per_s = Some(per_s);
        self
    }

    /// The number of calls to CloudFormation, and of those that were throttled.
    pub fn throttling(&self) -> (u64, u64) {
        let state = self.driver.shared.lock();
        (state.stacks.asked, state.stacks.throttled)
    }

    /// The number of calls of an operation.
    pub fn calls(&self, operation: &str) -> u64 {
        self.driver.shared.lock().calls.get(operation).copied().unwrap_or(0)
    }

    /// The number of calls of all operations.
    pub fn all_calls(&self) -> u64 {
        self.driver.shared.lock().calls.values().sum()
    }

    /// The world's time, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.driver.shared.lock().now_ms
    }

    /// Flotilla's change sets that could still be executed, and stacks in review.
    pub fn leftovers(&self) -> Vec<String> {
        self.driver.shared.lock().stacks.leftovers()
    }

    /// The messages in the dead-letter queues.
    pub fn dead_letters(&self) -> u64 {
        self.driver.shared.lock().dead_letters
    }

    /// Enables the trace.
    pub fn traced(&mut self) -> &mut Self {
        self.driver.shared.lock().trace = Some(Vec::new());
        self
    }

    /// A random number below `bound`, derived from the seed.
    pub fn random(&mut self, bound: u64) -> u64 {
        self.driver.shared.lock().rng.below(bound)
    }

    /// Runs the sweep now.
    pub fn sweep(&mut self, limits: SweepLimits) -> SweepReport {
        self.driver.sweep_now(limits)
    }

    /// The status of a stack, by region and stage.
    pub fn stack(&self, region: &str, stage: &str) -> Option<&'static str> {
        self.driver.shared.lock().stacks.status(&target(region), &format!("orders-{stage}"))
    }

    /// The number of copies that S3 has made.
    pub fn copies(&self) -> u64 {
        self.driver.shared.lock().copies
    }

    /// The trace, one line per event.
    pub fn trace(&self) -> String {
        self.driver.shared.lock().trace.as_ref().map(|trace| trace.join("\n")).unwrap_or_default()
    }

    /// Runs a command; operators meet no faults.
    fn calm<T>(&self, ask: impl FnOnce(&Self) -> Result<T, EngineError>) -> T {
        ask(self).expect("a view")
    }
}

fn orders() -> ServiceName {
    ServiceName::parse("orders").expect("a service's name")
}

fn target(region: &str) -> Site {
    Site::parse(&format!("{ACCOUNT}/{region}")).expect("a target")
}
