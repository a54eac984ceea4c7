//! Traffic is shifted to new versions step by step in three regions together, and back at once: by an operator, an alarm or the metrics of
//! the versions.

use super::{app, says};
use aws_sdk_cloudformation::types::Capability;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricDatum, StateValue, Statistic};
use flotilla_aws::SystemClock;
use flotilla_contract::config::{ConfigFile, ServiceConfigDoc};
use flotilla_contract::{AnalysisConfig, ProfileConfig, RolloutView, TrafficConfig, TrafficStepConfig};
use flotilla_engine::ports::Clock;
use flotilla_lab::World;
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::samples::{app_template, package_of, zip};
use flotilla_lab::world::text;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

const REGIONS: [&str; 3] = ["eu-central-1", "us-east-1", "ap-southeast-2"];
const ALARM: &str = "app-production-errors";
/// The functions of the service.
const FUNCTIONS: usize = 10;

/// A service whose functions get an alias, and whose traffic is shifted in two steps: a long one, and one that passes at once.
fn config(world: &World, first_step: &str) -> ConfigFile {
    let step = |percent, lasts: &str| TrafficStepConfig { percent, lasts: lasts.into(), requests: None };
    let profile = ProfileConfig {
        traffic: Some(TrafficConfig {
            steps: vec![step(5, first_step), step(50, "0s")],
            ..TrafficConfig::default()
        }),
        alarms: vec!["{service}-{stage}-errors".into()],
        rollback_triggers: Some(false),
        ..world.profile_in(ACCOUNT, &REGIONS)
    };
    app(ServiceConfigDoc { alias: Some("live".into()), ..ServiceConfigDoc::default() }, profile)
}

/// The same service, whose new versions may fail as often as those before.
fn analysed(world: &World) -> ConfigFile {
    let mut config = config(world, "30m");
    for profile in config.profiles.values_mut() {
        profile.alarms.clear();
        profile.rollback_triggers = None;
        let traffic = profile.traffic.as_mut().unwrap();
        traffic.analysis = Some(AnalysisConfig { errors: Some("1x".into()), ..AnalysisConfig::default() });
    }
    config
}

/// Writes what CloudWatch has of a version of a function in the next whole minute, as Lambda reports invocations by an alias. Unlike AWS,
/// MiniStack takes metrics of AWS's own namespaces from its users.
async fn invoked(
    world: &World,
    region: &str,
    function: &str,
    version: &str,
    (invocations, errors): (f64, f64),
) {
    let client = aws_sdk_cloudwatch::Client::new(&world.config(region));
    let minute = (SystemClock.now().as_second() / 60 + 1) * 60;
    let dimension = |name: &str, value: String| Dimension::builder().name(name).value(value).build();
    let datum = |metric: &str, value: f64| {
        MetricDatum::builder()
            .metric_name(metric)
            .value(value)
            .timestamp(DateTime::from_secs(minute))
            .dimensions(dimension("FunctionName", function.to_owned()))
            .dimensions(dimension("Resource", format!("{function}:live")))
            .dimensions(dimension("ExecutedVersion", version.to_owned()))
            .build()
    };
    let put = client.put_metric_data().namespace("AWS/Lambda");
    let put = put.metric_data(datum("Invocations", invocations)).metric_data(datum("Errors", errors));
    put.send().await.unwrap();
}

/// A package whose functions all answer with this text.
fn package(says: &str) -> Vec<u8> {
    let code = format!("def handler(event, context):\n    return '{says}'\n");
    let mut template = app_template();
    for n in 1..FUNCTIONS {
        template["Resources"][format!("App{n}")] = template["Resources"]["App"].clone();
    }
    template["Outputs"]["Arn"] = json!({"Value": {"Fn::GetAtt": ["App", "Arn"]}});
    package_of(&template, zip(&[("app.py", code.into_bytes())]).unwrap()).unwrap()
}

async fn alarm(world: &World, region: &str, state: StateValue) {
    let client = aws_sdk_cloudwatch::Client::new(&world.config(region));
    let alarm = client.put_metric_alarm().alarm_name(ALARM).metric_name("Errors").namespace("AWS/Lambda");
    let alarm = alarm.statistic(Statistic::Sum).period(60).evaluation_periods(1).threshold(1.0);
    alarm.comparison_operator(ComparisonOperator::GreaterThanThreshold).send().await.unwrap();
    let set = client.set_alarm_state().alarm_name(ALARM).state_value(state).state_reason("the story says so");
    set.send().await.unwrap();
}

/// The aliases of the functions in a region: the version, and others with their weights.
async fn aliases(world: &World, region: &str) -> BTreeMap<String, (String, Vec<(String, u32)>)> {
    let lambda = aws_sdk_lambda::Client::new(&world.config(region));
    let mut found = BTreeMap::new();
    for function in lambda.list_functions().send().await.unwrap().functions() {
        let name = function.function_name().unwrap();
        if !name.starts_with("app-production-App") {
            continue;
        }
        let alias = lambda.get_alias().function_name(name).name("live").send().await.unwrap();
        let routing = alias.routing_config().and_then(|r| r.additional_version_weights()).cloned();
        let weights = routing.unwrap_or_default().into_iter();
        let weights = weights.map(|(version, weight)| (version, (weight * 100.0).round() as u32)).collect();
        found.insert(name.to_owned(), (alias.function_version().unwrap().to_owned(), weights));
    }
    found
}

/// Whether every alias in every region names this version, and another one with this share.
async fn all(world: &World, version: &str, other: Option<(&str, u32)>) -> bool {
    let other: Vec<(String, u32)> = other.into_iter().map(|(v, percent)| (v.to_owned(), percent)).collect();
    for region in REGIONS {
        let seen = aliases(world, region).await;
        assert_eq!(seen.len(), FUNCTIONS);
        if !seen.values().all(|alias| *alias == (version.to_owned(), other.clone())) {
            return false;
        }
    }
    true
}

/// What the service answers through the ARN of its output, which is that of the alias.
async fn answer(world: &World, region: &str) -> String {
    let stacks = aws_sdk_cloudformation::Client::new(&world.config(region));
    let seen = stacks.describe_stacks().stack_name("app-production").send().await.unwrap();
    let arn = seen.stacks()[0].outputs().iter().find(|o| o.output_key() == Some("Arn")).unwrap();
    let arn = arn.output_value().unwrap().to_owned();
    assert!(arn.ends_with(":live"), "{arn}");
    let reply = aws_sdk_lambda::Client::new(&world.config(region)).invoke().function_name(arn).send().await;
    String::from_utf8(reply.unwrap().payload().unwrap().as_ref().to_vec()).unwrap()
}

/// Runs until the first step of a rollout's traffic is reached everywhere.
async fn first_step(world: &World, package: Vec<u8>, build: &str) -> RolloutView {
    let version = world.upload(&format!("incoming/app/branch/main/{build}.zip"), package).await.unwrap();
    let upload = world.verdict(Some("app"), &version, Duration::from_secs(30)).await.unwrap();
    let id = upload.rollout.unwrap_or_else(|| panic!("{:?}", upload.refusal));
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let rollout: RolloutView = world.api().get(&format!("/v1/rollouts/{id}")).await.unwrap();
        assert!(!rollout.ended, "{rollout:#?}");
        if rollout.traffic.as_ref().is_some_and(|traffic| traffic.until.is_some()) {
            return rollout;
        }
        assert!(Instant::now() < deadline, "{rollout:#?}\n{}", world.emulator.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Wakes a rollout whose alarm was raised, so that the story does not wait until its alarms are read again. If they were
/// read in the meantime, nothing is being shifted any more.
async fn wake(world: &World, rollout: &str) {
    let output = world.run(&["traffic", "set", rollout, "10"]).await.unwrap();
    let said = text(&output);
    let ended = said.contains("FL0409") && said.contains("no traffic is being shifted");
    assert!(output.status.success() || ended, "{said}");
}

#[tokio::test]
async fn a_canary_over_three_regions_succeeds_and_one_rolls_back_by_an_alarm() {
    let world = World::start(&REGIONS, &["--step-timeout-s", "20"], true).await.unwrap();
    world.allow("lambda:ListAliases").await.unwrap();
    for region in REGIONS {
        alarm(&world, region, StateValue::Ok).await;
    }
    world.apply(&config(&world, "30m")).await.unwrap();
    let first = world.push("app", "branch/main", package("one")).await.unwrap();
    assert_eq!(first.status, "succeeded", "{first:#?}");
    assert!(all(&world, "1", None).await, "nothing ran before that could keep the traffic");

    // Both versions answer, until an operator promotes the new one.
    let canary = first_step(&world, package("two"), "two").await;
    assert!(all(&world, "1", Some(("2", 5))).await, "{:?}", aliases(&world, REGIONS[0]).await);
    says(&world, &["rollout", &canary.id]).await;
    says(&world, &["traffic", "set", &canary.id, "50"]).await;
    until(&world, "1", Some(("2", 50))).await;
    says(&world, &["traffic", "promote", &canary.id]).await;
    let end = world.end_of(&canary.id, Duration::from_secs(60)).await.unwrap();
    assert_eq!(end.status, "succeeded", "{end:#?}");
    assert!(all(&world, "2", None).await);
    for region in REGIONS {
        assert_eq!(answer(&world, region).await, "\"two\"");
    }

    // An alarm in one region shifts all traffic back in all of them.
    let bad = first_step(&world, package("three"), "three").await;
    alarm(&world, REGIONS[1], StateValue::Alarm).await;
    let since = Instant::now();
    wake(&world, &bad.id).await;
    until(&world, "2", None).await;
    println!(
        "all traffic of {FUNCTIONS} functions in {} regions was back after {:?}",
        REGIONS.len(),
        since.elapsed()
    );
    let end = world.end_of(&bad.id, Duration::from_secs(60)).await.unwrap();
    assert_eq!((end.status.as_str(), end.cause.as_ref().unwrap().code.as_str()), ("failed", "FL0550"));
    alarm(&world, REGIONS[1], StateValue::Ok).await;

    // What was aborted leaves the stable release, and another one can be shifted to.
    let again = first_step(&world, package("four"), "four").await;
    says(&world, &["traffic", "abort", &again.id]).await;
    let end = world.end_of(&again.id, Duration::from_secs(60)).await.unwrap();
    assert_eq!((end.status.as_str(), end.cause.as_ref().unwrap().code.as_str()), ("failed", "FL0553"));
    assert!(all(&world, "2", None).await);
    world.apply(&config(&world, "1s")).await.unwrap();
    let five = world.push("app", "branch/main", package("five")).await.unwrap();
    assert_eq!(five.status, "succeeded", "{five:#?}");
    for region in REGIONS {
        assert_eq!(answer(&world, region).await, "\"five\"");
    }

    // A rollback moves the traffic before it updates the stacks, which say so in the end.
    let said = says(&world, &["rollback", "app", "--stage", "production", "--no-follow", "--json"]).await;
    let id = serde_json::from_str::<RolloutView>(&said).unwrap().id;
    let end = world.end_of(&id, Duration::from_secs(90)).await.unwrap();
    assert_eq!(end.status, "succeeded", "{end:#?}");
    let said = says(&world, &["rollout", &id]).await;
    assert_eq!(said.matches("restoring").count(), REGIONS.len(), "{said}");
    assert!(!said.contains("the traffic is moved by the update"), "{said}");
    for region in REGIONS {
        assert_eq!(answer(&world, region).await, "\"two\"");
    }
}

#[tokio::test]
async fn a_version_that_fails_more_often_in_one_region_gets_no_more_traffic_in_any() {
    let world = World::start(&REGIONS, &["--step-timeout-s", "20"], true).await.unwrap();
    world.allow("lambda:ListAliases").await.unwrap();
    world.apply(&analysed(&world)).await.unwrap();
    let first = world.push("app", "branch/main", package("one")).await.unwrap();
    assert_eq!(first.status, "succeeded", "{first:#?}");
    let bad = first_step(&world, package("two"), "two").await;
    let functions = aliases(&world, REGIONS[0]).await;
    let worse = functions.keys().next().unwrap();
    for region in REGIONS {
        for function in aliases(&world, region).await.keys() {
            let is_worse = region == REGIONS[0] && function == worse;
            invoked(&world, region, function, "1", (1_900.0, 19.0)).await;
            invoked(&world, region, function, "2", (100.0, if is_worse { 60.0 } else { 1.0 })).await;
        }
    }
    // Metrics are read once a minute, and of whole minutes.
    let end = world.end_of(&bad.id, Duration::from_secs(240)).await.unwrap();
    let cause = end.cause.as_ref().unwrap();
    assert_eq!((end.status.as_str(), cause.code.as_str()), ("failed", "FL0555"), "{end:#?}");
    println!("{}", cause.message);
    assert!(
        cause.message.contains(worse.as_str()) && cause.message.contains(REGIONS[0]),
        "{}",
        cause.message
    );
    assert!(all(&world, "1", None).await);
}

/// The functions that verify a region. They fail unless each alias has a version that is new.
async fn verifiers(world: &World, region: &str) {
    let stacks = aws_sdk_cloudformation::Client::new(&world.config(region));
    let mut template = app_template();
    let function = template["Resources"].as_object_mut().unwrap().remove("App").unwrap();
    for hook in ["before", "after"] {
        let resource = &mut template["Resources"][hook];
        *resource = function.clone();
        resource["Properties"]["FunctionName"] = json!(format!("app-production-{hook}-verify"));
        resource["Properties"]["Code"] =
            json!({"ZipFile": "def handler(event, context):\n    return 'not yet'\n"});
        resource["Properties"]["Handler"] = json!("index.handler");
    }
    let create = stacks.create_stack().stack_name("verifiers").template_body(template.to_string());
    create.capabilities(Capability::CapabilityIam).send().await.unwrap();
    for hook in ["before", "after"] {
        teach(world, region, hook, "event['service'] == 'app' or None").await;
    }
}

/// Changes what a function that verifies does with its event.
async fn teach(world: &World, region: &str, hook: &str, reply: &str) {
    let code = format!(
        "def handler(event, context):\n    assert all(a['new'] not in (None, a['stable']) for a in event['aliases']), event\n    return {reply}\n"
    );
    let zip = zip(&[("index.py", code.into_bytes())]).unwrap();
    let lambda = aws_sdk_lambda::Client::new(&world.config(region));
    let update = lambda.update_function_code().function_name(format!("app-production-{hook}-verify"));
    update.zip_file(zip.into()).send().await.unwrap();
}

#[tokio::test]
async fn a_function_of_each_region_decides_before_the_traffic_and_after_it() {
    let world = World::start(&REGIONS, &["--step-timeout-s", "20"], true).await.unwrap();
    world.allow("lambda:ListAliases").await.unwrap();
    for region in REGIONS {
        verifiers(&world, region).await;
    }
    let mut config = config(&world, "0s");
    let profile = config.profiles.get_mut("production").unwrap();
    profile.alarms.clear();
    profile.rollback_triggers = None;
    let traffic = profile.traffic.as_mut().unwrap();
    traffic.before = Some("{service}-{stage}-before-verify".into());
    traffic.after = Some("{service}-{stage}-after-verify".into());
    world.apply(&config).await.unwrap();
    for (build, version) in [("one", "1"), ("two", "2")] {
        let end = world.push("app", "branch/main", package(build)).await.unwrap();
        assert_eq!(end.status, "succeeded", "{end:#?}");
        assert!(all(&world, version, None).await);
    }

    // The new versions have all the traffic when one region's function finds out: it goes back in all of them.
    teach(&world, REGIONS[2], "after", "orders_are_lost").await;
    let version = world.upload("incoming/app/branch/main/three.zip", package("three")).await.unwrap();
    let upload = world.verdict(Some("app"), &version, Duration::from_secs(30)).await.unwrap();
    until(&world, "3", None).await;
    let end = world.end_of(&upload.rollout.unwrap(), Duration::from_secs(180)).await.unwrap();
    let cause = end.cause.as_ref().unwrap();
    assert_eq!((end.status.as_str(), cause.code.as_str()), ("failed", "FL0551"), "{end:#?}");
    assert!(
        cause.message.contains("app-production-after-verify") && cause.message.contains("orders_are_lost"),
        "{cause:?}"
    );
    assert!(all(&world, "2", None).await);
}

/// Waits until every alias names these versions.
async fn until(world: &World, version: &str, other: Option<(&str, u32)>) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !all(world, version, other).await {
        assert!(Instant::now() < deadline, "{:?}", aliases(world, REGIONS[0]).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
