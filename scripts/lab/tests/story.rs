//! From staging to production and back, as a release engineer works: three accounts, approvals, alarms, a hold and the
//! audit.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the lab measures real time")]

use aws_sdk_cloudwatch::types::{ComparisonOperator, StateValue, Statistic};
use aws_sdk_sqs::types::QueueAttributeName;
use flotilla_contract::config::{ConfigFile, RuleConfig, ServiceConfigDoc, WaveConfig, WaveTable};
use flotilla_contract::{
    CheckConfig, FourEyesConfig, NoticeView, ProfileConfig, RolloutView, SafeguardsConfig, StageView,
};
use flotilla_lab::accounts::{PRODUCTION, STAGING};
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::samples::package_with_outputs;
use flotilla_lab::world::{HOME, text};
use flotilla_lab::{World, report};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const REGIONS: [&str; 2] = ["eu-central-1", "us-east-1"];
const ALARM: &str = "app-production-errors";
const LONG: Duration = Duration::from_secs(120);

/// Staging is verified. Production has two waves that bake, and needs the approval of a second person.
fn config(world: &World, topic: &str) -> ConfigFile {
    let rule = |git_ref: &str, stage: &str| RuleConfig {
        git_ref: git_ref.into(),
        stage: stage.into(),
        profile: stage.into(),
        ttl_h: None,
        stack_name: None,
        promote_to: None,
    };
    let wave = |region: &str| {
        WaveConfig::Wave(WaveTable {
            regions: vec![region.into()],
            max_concurrent: None,
            tolerate_failures: None,
            bake: Some("6s".into()),
            approvals: None,
        })
    };
    let check =
        CheckConfig { output: Some("Url".into()), within: Some("30s".into()), ..CheckConfig::default() };
    let staging = ProfileConfig { checks: vec![check], ..world.profile_in(STAGING, &REGIONS) };
    let production = ProfileConfig {
        regions: Vec::new(),
        waves: REGIONS.map(wave).into(),
        approvals: Some(1),
        four_eyes: Some(FourEyesConfig::Starter(true)),
        alarms: vec!["{service}-{stage}-errors".into()],
        on_failure: Some("revert".into()),
        notify: vec![topic.into()],
        ..world.profile_in(PRODUCTION, &REGIONS)
    };
    let rules = vec![rule("branch:main", "staging"), rule("tag:never", "production")];
    ConfigFile {
        services: [("app".to_owned(), ServiceConfigDoc { rules, ..ServiceConfigDoc::default() })].into(),
        profiles: [("staging".to_owned(), staging), ("production".to_owned(), production)].into(),
        ..ConfigFile::default()
    }
}

/// Sets the state of the alarm of a region.
async fn alarm(world: &World, region: &str, state: StateValue) {
    let client = aws_sdk_cloudwatch::Client::new(&world.config_in(PRODUCTION, region));
    client
        .put_metric_alarm()
        .alarm_name(ALARM)
        .metric_name("Errors")
        .namespace("AWS/Lambda")
        .statistic(Statistic::Sum)
        .period(60)
        .evaluation_periods(1)
        .threshold(1.0)
        .comparison_operator(ComparisonOperator::GreaterThanThreshold)
        .send()
        .await
        .expect("an alarm");
    let set = client.set_alarm_state().alarm_name(ALARM).state_value(state).state_reason("the story says so");
    set.send().await.expect("a state");
}

/// A topic of the control plane's account, and a queue that is subscribed to it.
async fn topic(world: &World) -> (String, String) {
    let (sns, sqs) =
        (aws_sdk_sns::Client::new(&world.config(HOME)), aws_sdk_sqs::Client::new(&world.config(HOME)));
    let topic = sns.create_topic().name("flotilla-releases").send().await.unwrap();
    let topic = topic.topic_arn().unwrap().to_owned();
    let queue = sqs.create_queue().queue_name("hears-of-releases").send().await.unwrap();
    let queue = queue.queue_url().unwrap().to_owned();
    let arn = sqs.get_queue_attributes().queue_url(&queue).attribute_names(QueueAttributeName::QueueArn);
    let arn = arn.send().await.unwrap().attributes().unwrap()[&QueueAttributeName::QueueArn].clone();
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}]});
    let admit = sqs.set_queue_attributes().queue_url(&queue);
    admit.attributes(QueueAttributeName::Policy, policy.to_string()).send().await.unwrap();
    let subscribe = sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(arn);
    subscribe.attributes("RawMessageDelivery", "true").send().await.unwrap();
    (topic, queue)
}

/// The notices received so far, unordered, once all of `wanted` are among them.
async fn heard(world: &World, queue: &str, wanted: &BTreeSet<(String, &str)>) -> BTreeSet<(String, String)> {
    let sqs = aws_sdk_sqs::Client::new(&world.config(HOME));
    let (began, mut heard) = (Instant::now(), BTreeSet::new());
    while !wanted.iter().all(|(id, kind)| heard.contains(&(id.clone(), (*kind).to_owned()))) {
        assert!(began.elapsed() < LONG, "not all of {wanted:?} were received: {heard:?}");
        let got = sqs.receive_message().queue_url(queue).max_number_of_messages(10).wait_time_seconds(1);
        for message in got.send().await.unwrap().messages() {
            let said: NoticeView = serde_json::from_str(message.body().unwrap()).unwrap();
            heard.insert((said.rollout, said.kind));
            let done =
                sqs.delete_message().queue_url(queue).receipt_handle(message.receipt_handle().unwrap());
            done.send().await.unwrap();
        }
    }
    heard
}

/// Creates a user who may call the whole API; answers the access key.
async fn person(world: &World, name: &str) -> (String, String) {
    let iam = aws_sdk_iam::Client::new(&world.config("us-east-1"));
    iam.create_user().user_name(name).send().await.unwrap();
    let policy = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["execute-api:Invoke",
        "cloudformation:DescribeStacks"], "Resource": "*"}]}"#;
    let put = iam.put_user_policy().user_name(name).policy_name("api").policy_document(policy);
    put.send().await.unwrap();
    let key = iam.create_access_key().user_name(name).send().await.unwrap();
    let key = key.access_key().unwrap();
    (key.access_key_id().to_owned(), key.secret_access_key().to_owned())
}

/// Runs `flotilla` as a user; answers its JSON output.
async fn says(world: &World, keys: &(String, String), args: &[&str]) -> serde_json::Value {
    let mut command = world.command(args).unwrap();
    command.arg("--json").env("AWS_ACCESS_KEY_ID", &keys.0).env("AWS_SECRET_ACCESS_KEY", &keys.1);
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{args:?}: {}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{args:?}: {e}: {}", text(&output)))
}

async fn view(world: &World, id: &str) -> RolloutView {
    world.api().get(&format!("/v1/rollouts/{id}")).await.expect("the rollout")
}

/// Waits until a rollout meets a condition.
async fn until(world: &World, id: &str, what: &str, is: impl Fn(&RolloutView) -> bool) -> RolloutView {
    let began = Instant::now();
    loop {
        let rollout = view(world, id).await;
        if is(&rollout) {
            return rollout;
        }
        assert!(!rollout.ended && began.elapsed() < LONG, "{what} did not happen: {rollout:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Promotes from staging to production, and approves the rollout once it has a plan.
async fn promote(world: &World, by: &(String, String), approver: &(String, String)) -> String {
    let args = ["promote", "app", "--from", "staging", "--to", "production", "--no-follow"];
    let id = says(world, by, &args).await["id"].as_str().unwrap().to_owned();
    let waiting = until(world, &id, "the gate", |r| r.status == "gated").await;
    assert!(waiting.plan.is_some() && waiting.deployments.iter().all(|d| d.status == "planned"));
    let own = ["approve", &id];
    let mut command = world.command(&own).unwrap();
    command.env("AWS_ACCESS_KEY_ID", &by.0).env("AWS_SECRET_ACCESS_KEY", &by.1);
    let refused = command.output().await.unwrap();
    assert!(!refused.status.success(), "the user who started it approved it: {}", text(&refused));
    says(world, approver, &["approve", &id, "--reason", "plan reviewed"]).await;
    id
}

/// Applies policy rules for staging from a separate file; answers the output of `flotilla apply`.
async fn apply_rules(world: &World, config: &ConfigFile, rules: &str) -> std::process::Output {
    let folder = world.emulator.folder.path();
    let mut config = config.clone();
    let staging = config.profiles.get_mut("staging").unwrap();
    staging.safeguards = Some(SafeguardsConfig { guard: Some("staging.guard".into()), ..Default::default() });
    std::fs::write(folder.join("staging.guard"), rules).unwrap();
    std::fs::write(folder.join("rules.toml"), toml::to_string(&config).unwrap()).unwrap();
    world.run(&["apply", folder.join("rules.toml").to_str().unwrap()]).await.unwrap()
}

/// A release that violates the rules is deployed nowhere. Rules that are invalid, or crash Guard, are refused.
async fn rules_are_kept(world: &World, config: &ConfigFile, outputs: &serde_json::Value) {
    for (wrong, told) in [
        ("rule a {\n  Resources ===== 3\n}\n", "line 2"),
        ("let x = %x\nrule a { %x exists }\n", "does not finish"),
    ] {
        let refused = apply_rules(world, config, wrong).await;
        assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
        assert!(text(&refused).contains("FL0309") && text(&refused).contains(told), "{}", text(&refused));
    }
    let no =
        |kind: &str| format!("rule none_of_it {{ Resources.*[ Type == '{kind}' ] empty <<not here>> }}\n");
    let applied = apply_rules(world, config, &no("AWS::Lambda::Function")).await;
    assert!(applied.status.success(), "{}", text(&applied));
    let package = |version| package_with_outputs(1_000, version, outputs).unwrap();
    let broken = world.push("app", "branch/main", package(4)).await.expect("a push");
    let cause = broken.cause.expect("a cause");
    assert_eq!((broken.status.as_str(), cause.code.as_str()), ("failed", "FL0546"), "{}", cause.message);
    assert!(cause.message.ends_with("none_of_it, Resources.App: not here"), "{}", cause.message);
    assert_eq!(cause.path.as_deref(), Some("App"));
    assert!(broken.deployments.iter().all(|d| d.status == "skipped"), "a deployment has begun");
    let applied = apply_rules(world, config, &no("AWS::IAM::User")).await;
    assert!(applied.status.success(), "{}", text(&applied));
    let good = world.push("app", "branch/main", package(5)).await.expect("a push");
    assert_eq!(good.status, "succeeded", "{good:#?}");
}

/// The digests that run at production, in the order of the regions.
async fn runs(world: &World) -> Vec<Option<String>> {
    let stage: StageView = world.api().get("/v1/services/app/stages/production").await.expect("the stage");
    stage.targets.into_iter().map(|target| target.digest).collect()
}

#[tokio::test]
async fn a_release_goes_from_staging_to_production_and_back_and_the_audit_knows_who_did_what() {
    let mut args = vec!["--step-timeout-s", "10", "--ingest-timeout-s", "10"];
    // Ann and the others are users.
    let everybody = format!("arn:aws:iam::{ACCOUNT}:root,arn:aws:iam::{ACCOUNT}:user/*");
    args.extend(["--administrators", everybody.as_str()]);
    let world = World::start(&["eu-central-1"], &args, true).await.expect("Flotilla");
    for account in [STAGING, PRODUCTION] {
        world.add_account(account, &REGIONS).await.expect("an account");
    }
    let (releases, hears) = topic(&world).await;
    world.apply(&config(&world, &releases)).await.expect("the configuration");
    for region in REGIONS {
        alarm(&world, region, StateValue::Ok).await;
    }
    let (ann, bob) = (person(&world, "ann").await, person(&world, "bob").await);
    let url = format!("{}/_ministack/health", world.emulator.endpoint());
    let push = async |version: u64| {
        let package = package_with_outputs(1_000, version, &json!({"Url": {"Value": url}})).unwrap();
        let done = world.push("app", "branch/main", package).await.expect("a push");
        assert_eq!(done.status, "succeeded", "{done:#?}");
        done.digest.unwrap()
    };

    // Staging, verified with outputs of its stacks.
    let one = push(1).await;
    // Production, in two waves that bake.
    let first = promote(&world, &ann, &bob).await;
    let mut told = vec![(first.clone(), "begun"), (first.clone(), "waits"), (first.clone(), "succeeded")];
    let first = world.end_of(&first, LONG).await.expect("its end");
    assert_eq!((first.status.as_str(), first.digest.as_ref()), ("succeeded", Some(&one)), "{first:#?}");
    let targets = report::targets(&world, &first).await.unwrap();
    assert!(
        targets
            .iter()
            .all(|target| target.account == PRODUCTION && target.code_sha256 == targets[0].code_sha256)
    );

    // An alarm in the second wave reverts all targets.
    let two = push(2).await;
    let bad = promote(&world, &ann, &bob).await;
    until(&world, &bad, "the second wave", |r| {
        r.status == "baking" && r.deployments[1].status == "succeeded"
    })
    .await;
    alarm(&world, REGIONS[1], StateValue::Alarm).await;
    told.extend([(bad.clone(), "reverting"), (bad.clone(), "reverted")]);
    let bad = world.end_of(&bad, LONG).await.expect("its end");
    assert_eq!((bad.status.as_str(), bad.digest.as_ref()), ("reverted", Some(&two)), "{bad:#?}");
    assert_eq!(bad.cause.unwrap().code, "FL0550");
    assert_eq!(runs(&world).await, [Some(one.clone()), Some(one.clone())]);

    // A held package cannot be promoted again.
    let held = ["hold", "app", &bad.release.unwrap(), "--stage", "production", "--because", "it fails"];
    says(&world, &ann, &held).await;
    let again = ["promote", "app", "--from", "staging", "--to", "production", "--no-follow"];
    let refused = world.run(&again).await.unwrap();
    assert!(!refused.status.success() && text(&refused).contains("FL0530"), "{}", text(&refused));

    // The fixed release is promoted in the same way.
    alarm(&world, REGIONS[1], StateValue::Ok).await;
    let three = push(3).await;
    let mended = promote(&world, &ann, &bob).await;
    assert_eq!(world.end_of(&mended, LONG).await.expect("its end").status, "succeeded");
    assert_eq!(runs(&world).await, [Some(three.clone()), Some(three)]);

    // A rollback to the previous release, in all regions at once and without an approval.
    let asked = Instant::now();
    let back = ["rollback", "app", "--stage", "production", "--because", "too slow", "--no-follow"];
    let back = says(&world, &bob, &back).await["id"].as_str().unwrap().to_owned();
    until(&world, &back, "both executions", |r| {
        r.deployments.iter().all(|d| d.changed.is_some() || d.status == "executing")
    })
    .await;
    println!("from the rollback to both executions: {} ms", asked.elapsed().as_millis());
    assert_eq!(world.end_of(&back, LONG).await.expect("its end").status, "succeeded");
    assert_eq!(runs(&world).await, [Some(one.clone()), Some(one)]);

    // The subscribers were notified.
    told.push((back, "succeeded"));
    let said = heard(&world, &hears, &told.into_iter().collect()).await;
    assert!(said.iter().all(|(_, kind)| kind != "failed"), "{said:?}");
    rules_are_kept(&world, &config(&world, &releases), &json!({"Url": {"Value": url}})).await;

    // The audit.
    let audit = world.command(&["audit", "--service", "app", "--json"]).unwrap().output().await.unwrap();
    assert!(audit.status.success(), "{}", text(&audit));
    let entries: Vec<serde_json::Value> = String::from_utf8(audit.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let did = |who: &str, what: &str| {
        let is = |entry: &&serde_json::Value| {
            let text = entry.to_string();
            text.contains(&format!("user/{who}")) && text.contains(what)
        };
        entries.iter().filter(is).count()
    };
    for (who, what, times) in
        [("ann", "promote", 3), ("bob", "approve", 3), ("ann", "hold", 1), ("bob", "rollback", 1)]
    {
        assert!(did(who, what) >= times, "{who} {what}: {entries:#?}");
    }
}
