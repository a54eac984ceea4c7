//! Three services that need each other: a database, an API that uses it, and jobs that use both.

use super::packed::zip_of;
use super::{ACCOUNT, World};
use flotilla_contract::{
    OutputConfig, ParameterConfig, ProfileConfig, RuleConfig, ServiceConfigDoc, SetView, WaveConfig,
};
use flotilla_domain::{ProfileName, ServiceName, SetId, StageName};
use flotilla_engine::EngineError;
use flotilla_engine::set::{SetPromotion, SetRollback};
use futures::executor::block_on;
use serde_json::{Value, json};

/// The services, each before those that need it.
pub const SHOP: [&str; 3] = ["database", "api", "jobs"];

impl World {
    /// Configures the shop: its services are deployed from `branch:main` to staging, and promoted to production.
    pub fn shop(&mut self, regions: &[&str]) -> &mut Self {
        self.shop_with(regions, None)
    }

    /// Like `shop`, with a profile that sets `on_failure`.
    pub fn shop_with(&mut self, regions: &[&str], on_failure: Option<&str>) -> &mut Self {
        let output =
            |of: &str| ParameterConfig::Output(OutputConfig { output: of.into(), stage: None, region: None });
        let profile = ProfileConfig {
            account: ACCOUNT.into(),
            waves: vec![WaveConfig::Regions(regions.iter().map(|region| (*region).to_owned()).collect())],
            parameters: [("Table".into(), output("database.Name")), ("Endpoint".into(), output("api.Url"))]
                .into(),
            on_failure: on_failure.map(str::to_owned),
            ..ProfileConfig::default()
        };
        let rule = |git_ref: &str, stage: &str| RuleConfig {
            git_ref: git_ref.into(),
            stage: stage.into(),
            profile: "shop".into(),
            ttl_h: None,
            stack_name: None,
            promote_to: None,
        };
        let rules = vec![rule("branch:main", "staging"), rule("tag:*", "production")];
        let (commands, caller) = (&self.driver.commands, self.caller("shop"));
        let name = ProfileName::parse("shop").expect("a name");
        block_on(commands.put_profile(&name, &profile, None, &caller)).expect("the profile");
        for service in SHOP {
            let config = ServiceConfigDoc { rules: rules.clone(), ..ServiceConfigDoc::default() };
            let service = ServiceName::parse(service).expect("a name");
            block_on(commands.put_service(&service, &config, None, &caller)).expect("the service");
        }
        self.services.extend(SHOP.map(|name| ServiceName::parse(name).ok()));
        self
    }

    /// Uploads a release of one of the shop's services to staging.
    pub fn upload_of(&mut self, service: &str, code: &str) -> String {
        self.upload_of_ref(service, "branch/main", code)
    }

    /// Uploads a release of one of the shop's services, built from a ref such as `pr/7`.
    pub fn upload_of_ref(&mut self, service: &str, git_ref: &str, code: &str) -> String {
        let needed: &[&str] = match service {
            "database" => &[],
            "api" => &["Table"],
            _ => &["Table", "Endpoint"],
        };
        let parameters: serde_json::Map<String, Value> =
            needed.iter().map(|name| ((*name).to_owned(), json!({"Type": "String"}))).collect();
        let taken: Vec<Value> = needed.iter().map(|name| json!({"Ref": name})).collect();
        let template = json!({
            "Parameters": parameters,
            "Resources": {"App": {"Type": "AWS::Test::Thing", "Properties": {"Code": code, "Takes": taken}}},
            "Outputs": {
                "Name": {"Value": {"Fn::GetAtt": ["App", "Arn"]}},
                "Url": {"Value": {"Fn::Sub": "https://${App}.${AWS::Region}.example/"}},
            },
        });
        let manifest = br#"{"flotilla": 1, "template": "t.json"}"#;
        let package = zip_of(&[("flotilla.json", manifest), ("t.json", template.to_string().as_bytes())]);
        self.upload_bytes(&format!("incoming/{service}/{git_ref}/{{n}}.zip"), package, true)
    }

    /// Uploads a release of each service, and runs until all of them run at staging.
    pub fn stock(&mut self, code: &str) -> &mut Self {
        let uploads = SHOP.map(|service| self.upload_of(service, code));
        for version in uploads {
            self.until_at_last("the end at staging", |world| {
                world.rollout(&version).is_some_and(|rollout| rollout.ended)
            });
        }
        self
    }

    /// Promotes services from staging to production as a set.
    ///
    /// # Errors
    /// Those of the command.
    pub fn promote_set(&mut self, services: &[&str]) -> Result<String, EngineError> {
        self.requests += 1;
        self.driver.shared.lock().now_ms += 1_000;
        let stage = |name: &str| StageName::parse(name).expect("a stage's name");
        let services = services.iter().map(|name| ServiceName::parse(name).expect("a service's name"));
        let (services, because) = (services.collect(), Some("the sale".into()));
        let promotion = SetPromotion { services, from: stage("staging"), to: stage("production"), because };
        block_on(self.driver.commands.promote_set(&promotion, &self.caller("promote set")))
            .map(|set| set.id.to_string())
    }

    /// Rolls the services of a set back.
    ///
    /// # Errors
    /// Those of the command.
    pub fn roll_back_set(&mut self, id: &str, before: bool) -> Result<String, EngineError> {
        self.requests += 1;
        self.driver.shared.lock().now_ms += 1_000;
        let to = SetId::parse(id).expect("a set's id");
        let rollback = SetRollback { to, before, by_waves: false, because: Some("it is red".into()) };
        block_on(self.driver.commands.roll_back_set(&rollback, &self.caller("rollback set")))
            .map(|set| set.id.to_string())
    }

    /// Cancels a set.
    ///
    /// # Errors
    /// Those of the command.
    pub fn cancel_set(&mut self, id: &str) -> Result<(), EngineError> {
        self.requests += 1;
        self.driver.shared.lock().now_ms += 1_000;
        let id = SetId::parse(id).expect("a set's id");
        block_on(self.driver.commands.cancel_set(&id, false, &self.caller("cancel set"))).map(drop)
    }

    /// Redeploys the services that take outputs of one of the shop's services at production.
    ///
    /// # Errors
    /// Those of the command.
    pub fn redeploy_consumers(&mut self, service: &str) -> Result<String, EngineError> {
        self.requests += 1;
        self.driver.shared.lock().now_ms += 1_000;
        let service = ServiceName::parse(service).expect("a service's name");
        let stage = StageName::parse("production").expect("a stage's name");
        let caller = self.caller("redeploy");
        block_on(self.driver.commands.redeploy_consumers(&service, &stage, None, &caller))
            .map(|set| set.id.to_string())
    }

    /// A set.
    pub fn set(&self, id: &str) -> SetView {
        let id = SetId::parse(id).expect("a set's id");
        self.calm(|world| block_on(world.driver.status.set(&id)))
    }

    /// Runs until a set has ended, and returns it.
    #[track_caller]
    pub fn end_of_set(&mut self, id: &str) -> SetView {
        self.until_at_last("the set's end", |world| world.set(id).ended);
        self.set(id)
    }

    /// The stable release of one of the shop's services at a stage.
    pub fn stable(&self, service: &str, stage: &str) -> Option<String> {
        let service = ServiceName::parse(service).expect("a service's name");
        let stages = self.calm(|world| block_on(world.driver.status.stages(&service)));
        stages.stages.into_iter().find(|view| view.stage == stage)?.stable
    }
}
