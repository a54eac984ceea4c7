//! Previews in two regions: they end with their ref, by hand and after their time, and a permanent stage is removed with care.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use aws_sdk_eventbridge::types::Target;
use aws_sdk_s3::types::NotificationConfiguration;
use flotilla_contract::{NoticeView, Page, PreviewView, StageView, UploadView};
use flotilla_lab::World;
use flotilla_lab::config::for_service;
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::samples::{app_template, package_of, zip};
use flotilla_lab::world::{HOME, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

const REGIONS: [&str; 2] = [HOME, "us-east-1"];

/// A package with a function, and a versioned bucket, which must be emptied before it can be deleted.
fn package(says: &str) -> Vec<u8> {
    let code = format!("def handler(event, context):\n    return '{says}'\n");
    let mut template = app_template();
    template["Resources"]["Data"] = json!({
        "Type": "AWS::S3::Bucket",
        "Properties": {"VersioningConfiguration": {"Status": "Enabled"}},
    });
    package_of(&template, zip(&[("app.py", code.into_bytes())]).unwrap()).unwrap()
}

async fn world() -> World {
    let world = World::start(&REGIONS, &[], true).await.expect("Flotilla");
    let mut config = for_service(ACCOUNT, "app", "live", &world.regions);
    for profile in config.profiles.values_mut() {
        profile.notify = vec![format!("arn:aws:events:{HOME}:{ACCOUNT}:event-bus/default")];
    }
    world.apply(&config).await.expect("a configuration");
    world
}

/// MiniStack does not know the condition key `events:source`, on which the notify role may put events.
async fn allow_what_the_emulator_cannot_check(world: &World) {
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "events:PutEvents", "Resource": "*"}]});
    let iam = aws_sdk_iam::Client::new(&world.config(HOME));
    let role = format!("flotilla-notify-{HOME}");
    let put =
        iam.put_role_policy().role_name(role).policy_name("emulator").policy_document(policy.to_string());
    put.send().await.unwrap();
}

/// A queue that gets the notices from the event bus.
async fn events(world: &World) -> String {
    let config = world.config(HOME);
    let (events, sqs) = (aws_sdk_eventbridge::Client::new(&config), aws_sdk_sqs::Client::new(&config));
    let queue = sqs.create_queue().queue_name("hears-of-previews").send().await.unwrap();
    let queue = queue.queue_url().unwrap().to_owned();
    let rule = events
        .put_rule()
        .name("previews")
        .event_pattern(r#"{"source": ["flotilla"], "detail": {"profile": ["previews"]}}"#);
    rule.send().await.unwrap();
    let target = Target::builder().id("queue").arn(format!("arn:aws:sqs:{HOME}:{ACCOUNT}:hears-of-previews"));
    events.put_targets().rule("previews").targets(target.build().unwrap()).send().await.unwrap();
    queue
}

/// The types of the events of a rollout, once the last is among them, and the notice of the last.
async fn heard(world: &World, queue: &str, rollout: &str, last: &str) -> (BTreeSet<String>, NoticeView) {
    let sqs = aws_sdk_sqs::Client::new(&world.config(HOME));
    let (began, mut types) = (Instant::now(), BTreeSet::new());
    while began.elapsed() < Duration::from_secs(30) {
        let got = sqs.receive_message().queue_url(queue).max_number_of_messages(10).wait_time_seconds(1);
        for message in got.send().await.unwrap().messages() {
            let event: Value = serde_json::from_str(message.body().unwrap()).unwrap();
            let notice: NoticeView = serde_json::from_value(event["detail"].clone()).unwrap();
            let kind = event["detail-type"].as_str().unwrap().to_owned();
            if notice.rollout == rollout {
                types.insert(kind.clone());
            }
            if notice.rollout == rollout && kind == last {
                return (types, notice);
            }
        }
    }
    panic!("{last} of {rollout} was not received: {types:?}")
}

async fn deploy(world: &World, git_ref: &str, says: &str) {
    let done = world.push("app", git_ref, package(says)).await.expect("a push");
    assert_eq!(done.status, "succeeded", "{done:#?}");
}

/// The names of the stacks of the service in each region.
async fn stacks(world: &World) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for region in REGIONS {
        let client = aws_sdk_cloudformation::Client::new(&world.config(region));
        let found = client.describe_stacks().send().await.unwrap();
        let names = found.stacks().iter().filter_map(|stack| stack.stack_name());
        let mut names: Vec<String> =
            names.filter(|name| name.starts_with("app-")).map(str::to_owned).collect();
        names.sort();
        all.push(names);
    }
    all
}

/// Puts two versions of an object into the bucket of a stack in every region.
async fn fill_bucket(world: &World, stack: &str) {
    for region in REGIONS {
        let client = aws_sdk_cloudformation::Client::new(&world.config(region));
        let found =
            client.describe_stack_resource().stack_name(stack).logical_resource_id("Data").send().await;
        let found =
            found.unwrap().stack_resource_detail().unwrap().physical_resource_id().unwrap().to_owned();
        let s3 = aws_sdk_s3::Client::new(&world.config(region));
        for _ in 0..2 {
            s3.put_object().bucket(&found).key("order").body(b"1".to_vec().into()).send().await.unwrap();
        }
    }
}

async fn previews(world: &World) -> Vec<(String, String)> {
    let page: Page<PreviewView> = world.api().get("/v1/previews?service=app").await.unwrap();
    page.items.into_iter().map(|preview| (preview.stage.stage, preview.status)).collect()
}

/// Puts the close marker of a ref; answers its version.
async fn close(world: &World, git_ref: &str) -> String {
    world.upload(&format!("incoming/app/{git_ref}/closed"), Vec::new()).await.unwrap()
}

/// Waits until ingest has decided a marker, and its removal has ended.
async fn removed(world: &World, version: &str) -> UploadView {
    let marker = world.verdict(Some("app"), version, Duration::from_secs(30)).await.unwrap();
    assert_eq!(marker.status, "closed", "{marker:#?}");
    let removal = marker.rollout.as_deref().expect("there is a preview");
    let done = world.end_of(removal, Duration::from_secs(60)).await.unwrap();
    assert_eq!(done.status, "succeeded", "{done:#?}");
    marker
}

#[tokio::test]
async fn a_preview_ends_with_its_ref_in_every_region_and_opens_again_with_the_next_upload() {
    let world = world().await;
    allow_what_the_emulator_cannot_check(&world).await;
    let queue = events(&world).await;
    deploy(&world, "pr/7", "one").await;
    deploy(&world, "pr/8", "one").await;
    fill_bucket(&world, "app-pr-7").await;
    let both =
        |status: &str| vec![("pr-7".to_owned(), status.to_owned()), ("pr-8".to_owned(), status.to_owned())];
    assert_eq!(previews(&world).await, both("running"));

    let begun = Instant::now();
    let marker = removed(&world, &close(&world, "pr/7").await).await;
    let removal = marker.rollout.clone().unwrap();
    let (types, notice) = heard(&world, &queue, &removal, "Rollout Succeeded").await;
    assert!(types.contains("Rollout Begun") && types.len() == 2, "{types:?}");
    assert!((notice.stage.as_str(), notice.removes, notice.version) == ("pr-7", true, 1), "{notice:?}");
    println!("closed and gone in {} regions after {:?}", REGIONS.len(), begun.elapsed());
    assert_eq!(stacks(&world).await, [["app-pr-8"], ["app-pr-8"]]);
    assert_eq!(previews(&world).await, [("pr-8".to_owned(), "running".to_owned())]);

    // A later upload opens the preview anew: one in the same second as the marker counts as earlier.
    tokio::time::sleep(Duration::from_secs(1)).await;
    deploy(&world, "pr/7", "two").await;
    assert_eq!(previews(&world).await, both("running"));
    let again: UploadView =
        world.verdict(Some("app"), &marker.version_id, Duration::from_secs(5)).await.unwrap();
    assert_eq!(again, marker);

    // A marker whose event is lost is found by the next sweep.
    let s3 = aws_sdk_s3::Client::new(&world.config(HOME));
    let silence = s3.put_bucket_notification_configuration().bucket(world.ingest_bucket());
    silence.notification_configuration(NotificationConfiguration::builder().build()).send().await.unwrap();
    let lost = close(&world, "pr/8").await;
    let report = world.sweep(json!({})).await.unwrap();
    assert_eq!(report["uploads"], json!(["incoming/app/pr/8/closed"]), "{report}");
    removed(&world, &lost).await;
    assert_eq!(stacks(&world).await, [["app-pr-7"], ["app-pr-7"]]);
}

#[tokio::test]
async fn previews_and_permanent_stages_are_listed_extended_and_removed_from_the_command_line() {
    let world = world().await;
    for git_ref in ["pr/7", "branch/main"] {
        deploy(&world, git_ref, "one").await;
    }
    let stage = |name: &str| format!("/v1/services/app/stages/{name}");
    let before: StageView = world.api().get(&stage("pr-7")).await.unwrap();
    let extended = world.run(&["preview", "extend", "app", "pr-7", "--hours", "100"]).await.unwrap();
    assert_eq!(extended.status.code(), Some(0), "{}", text(&extended));
    let after: StageView = world.api().get(&stage("pr-7")).await.unwrap();
    assert!(after.expires_at > before.expires_at, "{after:?}");
    let listed = text(&world.run(&["preview", "list", "app"]).await.unwrap());
    for shown in ["pr-7", "pr:7", "running", "until 20", "us-east-1"] {
        assert!(listed.contains(shown), "{shown} in {listed}");
    }
    assert!(!listed.contains("live"), "{listed}");

    // With the right to upload only: CI names the bucket.
    let bucket = world.ingest_bucket();
    let closed =
        world.run(&["preview", "close", "app", "refs/pull/7/merge", "--bucket", &bucket]).await.unwrap();
    assert!(text(&closed).contains("/incoming/app/pr/7/closed"), "{}", text(&closed));
    let closed = world.run(&["preview", "close", "app", "branch:main"]).await.unwrap();
    assert_eq!(
        (closed.status.code(), text(&closed).contains("FL0108")),
        (Some(3), true),
        "{}",
        text(&closed)
    );

    let unconfirmed = world.run(&["remove", "app", "--stage", "live"]).await.unwrap();
    assert_eq!(unconfirmed.status.code(), Some(2), "{}", text(&unconfirmed));
    let guarded = world.run(&["remove", "app", "--stage", "live", "--yes"]).await.unwrap();
    let said = text(&guarded);
    assert_eq!((guarded.status.code(), said.contains("FL0541")), (Some(4), true), "{said}");
    assert!(said.contains("--allow Data"), "{said}");
    let live = || async { stacks(&world).await.concat().iter().filter(|name| *name == "app-live").count() };
    assert_eq!(live().await, 2);
    let removed = world.run(&["remove", "app", "--stage", "live", "--yes", "--allow", "Data"]).await.unwrap();
    assert_eq!(removed.status.code(), Some(0), "{}", text(&removed));
    assert_eq!(live().await, 0);

    // The preview has gone meanwhile.
    let gone = world.run(&["preview", "remove", "app", "pr-7"]).await.unwrap();
    assert_eq!(gone.status.code(), Some(2), "{}", text(&gone));
    assert_eq!(stacks(&world).await.concat(), [""; 0]);
    let listed = world.run(&["preview", "list"]).await.unwrap();
    assert_eq!(text(&listed).trim(), "there are no previews");
}
