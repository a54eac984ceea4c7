//! End-to-end tests of the real functions, on an emulator that checks signatures and permissions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the lab measures real time and reads its environment")]

use flotilla_contract::{ServiceStagesView, StageView, UploadView};
use flotilla_lab::emulator::{ACCOUNT, kill};
use flotilla_lab::samples::{ballast_package, fixture, zip};
use flotilla_lab::world::text;
use flotilla_lab::{World, config, report};
use std::time::{Duration, Instant};

const REGIONS: [&str; 3] = ["eu-central-1", "us-east-1", "ap-southeast-2"];

async fn world(service: &str, stage: &str) -> World {
    let world = World::start(&REGIONS, &["--step-timeout-s", "10", "--ingest-timeout-s", "10"], true)
        .await
        .expect("Flotilla");
    let regions: Vec<String> = REGIONS.iter().map(|r| (*r).to_owned()).collect();
    world.apply(&config::for_service(ACCOUNT, service, stage, &regions)).await.expect("the configuration");
    world
}

fn sample(name: &str) -> Vec<u8> {
    let out = flotilla_cli::commands::pack_folder(&fixture(name), std::io::Cursor::new(Vec::new()));
    out.expect("the sample").into_inner()
}

#[tokio::test]
async fn a_serverless_package_reaches_three_regions_with_equal_bytes_and_answers_there() {
    let world = world("hello", "staging").await;
    let done = report::push(&world, "hello", sample("hello/package-staging")).await.expect("a push");
    assert_eq!(done.status, "succeeded", "{done:#?}");
    let digest =
        flotilla_domain::Digest::of(&std::fs::read(fixture("hello/package-staging/hello.zip")).unwrap())
            .to_string();
    for target in &done.targets {
        assert_eq!(target.code_sha256.values().collect::<Vec<_>>(), [&digest], "{target:#?}");
        let answer = report::invoke_first(&world, &target.region, &target.stack).await.expect("an answer");
        assert!(answer.contains(&format!("\\\"code_region\\\": \\\"{}\\\"", target.region)), "{answer}");
    }
    // A fixed number of calls for the upload and its rollout, and a number per target.
    let (calls, targets) = (&done.calls, done.targets.len() as u64);
    assert!(calls["cloudformation"] <= 8 * targets && calls["dynamodb"] <= 34 + 12 * targets, "{calls:?}");

    // A preview, packaged for its stage.
    let preview = world.push("hello", "pr/42", sample("hello/package-pr-42")).await.expect("a push");
    assert_eq!((preview.status.as_str(), preview.stage.as_str()), ("succeeded", "pr-42"), "{preview:#?}");

    // A failed update is rolled back in all regions, with its cause. The recorded digest is still the one that runs.
    let broken = report::push(&world, "hello", sample("broken/package-staging")).await.expect("a push");
    assert_eq!(broken.status, "failed");
    for target in &broken.targets {
        assert_eq!(target.status, "rolled_back", "{target:#?}");
        assert_eq!(target.cause.as_ref().unwrap().path.as_deref(), Some("NeverReady"), "{target:#?}");
        assert_eq!(target.code_sha256.values().collect::<Vec<_>>(), [&digest]);
    }
    let service: ServiceStagesView = world.api().get("/v1/services/hello").await.expect("the service");
    let stage = service.stages.iter().find(|s| s.stage == "staging").expect("the stage");
    assert!(stage.targets.iter().all(|t| t.status == "rolled_back" && t.digest == done.digest), "{stage:#?}");
}

#[tokio::test]
async fn every_bad_upload_is_a_recorded_refusal_and_holds_nobody_up() {
    let world = world("hello", "staging").await;
    let good = sample("hello/package-staging");
    let native = |template: &str| {
        zip(&[
            ("flotilla.json", br#"{"flotilla":1,"template":"t.json"}"#.to_vec()),
            ("t.json", template.into()),
        ])
        .unwrap()
    };
    let hello = "incoming/hello/branch/main";
    let cases: Vec<(Option<&str>, String, Vec<u8>, &str)> = vec![
        (None, "incoming/wrong.zip".into(), good.clone(), "FL0101"),
        (Some("hello"), "incoming/hello/branch/a b+c%2F/ü".into(), good.clone(), "FL0101"),
        (Some("nobody"), "incoming/nobody/branch/main/1.zip".into(), good.clone(), "FL0102"),
        (Some("hello"), "incoming/hello/tag/v1/1.zip".into(), good.clone(), "FL0103"),
        (Some("hello"), format!("{hello}/not-a-zip.zip"), b"hello".to_vec(), "FL0201"),
        (Some("hello"), format!("{hello}/empty.zip"), Vec::new(), "FL0201"),
        (Some("hello"), format!("{hello}/cut.zip"), good[..good.len() / 2].to_vec(), "FL0202"),
        (
            Some("hello"),
            format!("{hello}/traversal.zip"),
            zip(&[("../evil", b"x".to_vec())]).unwrap(),
            "FL0203",
        ),
        (Some("hello"), format!("{hello}/unknown.zip"), zip(&[("readme", b"x".to_vec())]).unwrap(), "FL0221"),
        (Some("hello"), format!("{hello}/template.zip"), native("{"), "FL0223"),
        (
            Some("hello"),
            format!("{hello}/big.zip"),
            native(&format!("{{\"Resources\":\"{}\"}}", "x".repeat(1_000_001))),
            "FL0207",
        ),
        (
            Some("hello"),
            format!("{hello}/asset.zip"),
            native(r#"{"Resources":{"F":{"Type":"AWS::Lambda::Function","Properties":{"Code":"no.zip"}}}}"#),
            "FL0224",
        ),
        (Some("hello"), "incoming/hello/pr/7/stage.zip".into(), good.clone(), "FL0226"),
    ];
    let mut uploaded = Vec::new();
    for (service, key, bytes, code) in &cases {
        let version = world.upload(key, bytes.clone()).await.expect("S3 accepts every upload");
        uploaded.push((*service, version, *code));
    }
    let rollout = world.push("hello", "branch/main", good).await.expect("the valid upload is deployed");
    assert_eq!(rollout.status, "succeeded");
    for (service, version, code) in uploaded {
        let upload: UploadView =
            world.verdict(service, &version, Duration::from_secs(20)).await.expect("a decision of ingest");
        let refusal =
            upload.refusal.unwrap_or_else(|| panic!("{} should have been refused by {code}", upload.key));
        assert_eq!(refusal.code, code, "{}: {}", upload.key, refusal.message);
        assert!(!refusal.fix.is_empty());
    }
}

#[tokio::test]
async fn q04_poison_in_a_queue_does_not_hold_up_its_neighbours() {
    let world = world("hello", "staging").await;
    let sqs = aws_sdk_sqs::Client::new(&world.config("eu-central-1"));
    for queue in ["flotilla-intake", "flotilla-tick", "flotilla-replicate"] {
        let url = sqs.get_queue_url().queue_name(queue).send().await.unwrap().queue_url().unwrap().to_owned();
        for body in ["", "{", "null", r#"{"tick":{"rollout":"rlo_x"}}"#].iter().filter(|b| !b.is_empty()) {
            sqs.send_message().queue_url(&url).message_body(*body).send().await.unwrap();
        }
    }
    let rollout = world.push("hello", "branch/main", sample("hello/package-staging")).await.expect("a push");
    assert_eq!(rollout.status, "succeeded");
}

#[tokio::test]
async fn promise_5_functions_killed_at_random_lose_nothing() {
    let world = world("app", "staging").await;
    world.push("app", "branch/main", ballast_package(1_000_000, 1).unwrap()).await.expect("the first push");
    let version = world
        .upload("incoming/app/branch/main/2.zip", ballast_package(3_000_000, 2).unwrap())
        .await
        .expect("an upload");
    // A process is killed every few milliseconds while the push is in progress.
    let began = Instant::now();
    let mut killed = 0;
    while began.elapsed() < Duration::from_secs(4) {
        let processes = world.emulator.function_processes();
        let pick = usize::try_from(began.elapsed().as_micros()).unwrap_or(0) % processes.len().max(1);
        if let Some(id) = processes.get(pick) {
            kill(*id);
            killed += 1;
        }
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    // Idle functions are not started again, so there is not always a process to kill.
    assert!(killed >= 3, "only {killed} processes were killed");
    // The test runs the sweep itself, because the schedule is a minute.
    let mut upload = None;
    let deadline = Instant::now() + Duration::from_secs(170);
    while Instant::now() < deadline {
        let _ = world.sweep(serde_json::json!({})).await;
        upload = world.verdict(Some("app"), &version, Duration::from_secs(5)).await.ok();
        let Some(rollout) = upload.as_ref().and_then(|u| u.rollout.clone()) else { continue };
        if let Ok(end) = world.end_of(&rollout, Duration::from_secs(5)).await {
            assert_eq!(end.status, "succeeded", "{end:#?}");
            let mut seen = Vec::new();
            for region in REGIONS {
                seen.extend(
                    report::read_back(&world, ACCOUNT, region, "app-staging").await.unwrap().into_values(),
                );
            }
            assert!(seen.len() == 3 && seen.iter().all(|code| *code == seen[0]), "{seen:?}");
            return;
        }
    }
    panic!("not done after {killed} kills: {upload:#?}\n{}", world.emulator.log());
}

#[tokio::test]
async fn a_preview_is_removed_with_what_its_own_bucket_holds() {
    let world = world("shop", "staging").await;
    let template = r#"{"Resources": {"Files": {"Type": "AWS::S3::Bucket", "Properties": {"VersioningConfiguration": {"Status": "Enabled"}}}}}"#;
    let package = zip(&[
        ("flotilla.json", br#"{"flotilla":1,"template":"t.json"}"#.to_vec()),
        ("t.json", template.into()),
    ])
    .unwrap();
    let rollout = world.push("shop", "pr/42", package).await.expect("a push");
    assert_eq!((rollout.status.as_str(), rollout.stage.as_str()), ("succeeded", "pr-42"), "{rollout:#?}");
    let config = world.config("us-east-1");
    let cfn = aws_sdk_cloudformation::Client::new(&config);
    let resources = cfn.list_stack_resources().stack_name("shop-pr-42").send().await.unwrap();
    let bucket = resources.stack_resource_summaries()[0].physical_resource_id().unwrap().to_owned();
    let s3 = aws_sdk_s3::Client::new(&config);
    for _ in 0..2 {
        s3.put_object().bucket(&bucket).key("a").body(b"x".to_vec().into()).send().await.unwrap();
    }
    s3.delete_object().bucket(&bucket).key("a").send().await.unwrap();

    expire(&world, "shop", "pr-42").await;
    let dry = world.sweep(serde_json::json!({"dry_run": true})).await.unwrap();
    assert_eq!(dry["removals"], serde_json::json!(["shop/pr-42"]));
    assert!(cfn.describe_stacks().stack_name("shop-pr-42").send().await.is_ok(), "a dry run removes nothing");
    let swept = world.sweep(serde_json::json!({})).await.unwrap();
    assert_eq!(swept["removals"], serde_json::json!(["shop/pr-42"]), "{swept}");
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let stage: StageView = world.api().get("/v1/services/shop/stages/pr-42").await.unwrap();
        if stage.active.is_none() && stage.targets.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "{stage:#?}\n{}", world.emulator.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(s3.list_object_versions().bucket(&bucket).send().await.is_err(), "the bucket must be deleted");
    for region in REGIONS {
        let cfn = aws_sdk_cloudformation::Client::new(&world.config(region));
        assert!(cfn.describe_stacks().stack_name("shop-pr-42").send().await.is_err(), "{region}");
    }
}

/// Makes a preview expire. The API cannot do that.
async fn expire(world: &World, service: &str, stage: &str) {
    use aws_sdk_dynamodb::types::AttributeValue as V;
    let table = aws_sdk_dynamodb::Client::new(&world.config("eu-central-1"));
    let update = table.update_item().table_name("flotilla");
    let update = update.key("pk", V::S(format!("STG#{service}"))).key("sk", V::S(stage.into()));
    let past = "2020-01-01T00:00:00Z";
    update
        .update_expression("SET preview_ends_at = :at, due_at = :due")
        .expression_attribute_values(":at", V::S(past.into()))
        .expression_attribute_values(":due", V::N("1".into()))
        .send()
        .await
        .expect("an update");
}

#[tokio::test]
async fn ci_needs_no_right_but_to_upload_under_its_own_prefix() {
    let world = world("hello", "staging").await;
    let iam = aws_sdk_iam::Client::new(&world.config("us-east-1"));
    iam.create_user().user_name("ci").send().await.unwrap();
    let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "s3:PutObject",
        "Resource": format!("arn:aws:s3:::{}/incoming/hello/branch/main/*", world.ingest_bucket()),
    }]});
    iam.put_user_policy()
        .user_name("ci")
        .policy_name("ci")
        .policy_document(policy.to_string())
        .send()
        .await
        .unwrap();
    let key = iam.create_access_key().user_name("ci").send().await.unwrap();
    let key = key.access_key().unwrap();
    let config = flotilla_lab::world::sdk_config(
        &world.emulator.endpoint(),
        "eu-central-1",
        key.access_key_id(),
        key.secret_access_key(),
    );
    let s3 = aws_sdk_s3::Client::new(&config);
    let put = |key: &str| {
        s3.put_object()
            .bucket(world.ingest_bucket())
            .key(key)
            .body(sample("hello/package-staging").into())
            .send()
    };
    let version = put("incoming/hello/branch/main/1.zip")
        .await
        .expect("its own prefix")
        .version_id()
        .unwrap()
        .to_owned();
    for forbidden in ["incoming/hello/tag/v1/1.zip", "incoming/other/branch/main/1.zip", "assets/x.zip"] {
        assert!(put(forbidden).await.is_err(), "{forbidden}");
    }
    assert!(
        s3.get_object()
            .bucket(world.ingest_bucket())
            .key("incoming/hello/branch/main/1.zip")
            .send()
            .await
            .is_err()
    );
    let upload = world.verdict(Some("hello"), &version, Duration::from_secs(20)).await.unwrap();
    assert_eq!(
        world.end_of(&upload.rollout.unwrap(), Duration::from_secs(60)).await.unwrap().status,
        "succeeded"
    );

    // The API refuses a caller without permission.
    let api = flotilla_cli::api::Api::at(
        &format!("{}/_aws/execute-api/x/$default", world.emulator.endpoint()),
        config,
    )
    .unwrap();
    assert!(api.get::<serde_json::Value>("/v1/services").await.is_err());
}

#[tokio::test]
async fn the_command_does_what_it_says() {
    let world = world("hello", "staging").await;
    let package = fixture("hello/package-staging");
    let package = package.to_str().unwrap();
    let push = world.run(&["push", package, "--service", "hello", "--ref", "branch:main"]).await.unwrap();
    assert_eq!(push.status.code(), Some(0), "{}", text(&push));
    assert!(!text(&push).contains('\u{1b}'), "no colour where there is no terminal");
    let status = world.run(&["status", "hello"]).await.unwrap();
    assert!(
        text(&status).contains("eu-central-1") && text(&status).contains("succeeded"),
        "{}",
        text(&status)
    );
    let again = world
        .run(&["push", package, "--service", "hello", "--ref", "branch:main", "--build", "again", "--json"])
        .await
        .unwrap();
    let again: flotilla_contract::RolloutView =
        serde_json::from_slice(&again.stdout).expect("JSON and nothing else");
    assert!(again.deployments.iter().all(|d| d.changed == Some(false)), "{again:#?}");

    let shown = world.run(&["rollout", &again.id]).await.unwrap();
    assert!(text(&shown).contains("replicating"), "{}", text(&shown));
    let watched = world.run(&["watch", &again.id]).await.unwrap();
    assert_eq!(watched.status.code(), Some(0));
    let cancelled = world.run(&["cancel", &again.id]).await.unwrap();
    assert_eq!(cancelled.status.code(), Some(2));
    assert!(text(&cancelled).contains("FL0409") && text(&cancelled).contains("fix:"), "{}", text(&cancelled));
    let refused = world.run(&["push", package, "--service", "hello", "--ref", "pr:1"]).await.unwrap();
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
    assert!(text(&refused).contains("--stage pr-1"), "{}", text(&refused));
    let releases = world.run(&["releases", "hello", "--json"]).await.unwrap();
    let releases: flotilla_contract::Page<flotilla_contract::ReleaseView> =
        serde_json::from_slice(&releases.stdout).unwrap();
    assert_eq!(releases.items.len(), 2);
    // Both releases have the same digest: only the newer one runs.
    let [newer, older] = [&releases.items[0], &releases.items[1]];
    for (what, regions) in [(&newer.id[..], 3), (&older.digest[..12], 3), (&older.id[..], 0)] {
        let shown = world.run(&["where", "hello", what, "--json"]).await.unwrap();
        let places: Vec<serde_json::Value> = serde_json::from_slice(&shown.stdout).unwrap();
        let runs = |p: &serde_json::Value| p["stage"] == "staging" && p["release"] == newer.id.as_str();
        assert!(places.len() == regions && places.iter().all(runs), "{what}: {places:?}");
    }
    let nowhere = world.run(&["where", "hello", "never-built"]).await.unwrap();
    assert_eq!(nowhere.status.code(), Some(2), "{}", text(&nowhere));
    let started = world.run(&["start", "hello", &releases.items[1].id, "--stage", "staging"]).await.unwrap();
    assert_eq!(started.status.code(), Some(0), "{}", text(&started));
    let broken = fixture("broken/package-staging");
    let failed = world
        .run(&["push", broken.to_str().unwrap(), "--service", "hello", "--ref", "branch:main"])
        .await
        .unwrap();
    assert_eq!(failed.status.code(), Some(4), "{}", text(&failed));
    assert!(text(&failed).contains("NeverReady"), "{}", text(&failed));
    let nothing = world.run(&["rollout", "rlo_x"]).await.unwrap();
    assert_eq!(nothing.status.code(), Some(2));
    // A second install changes nothing, and a push still succeeds.
    let install = world
        .run(&[
            "install",
            "--regions",
            &REGIONS.join(","),
            "--allow-plain-http",
            "--binaries",
            &std::env::var("FLOTILLA_BINARIES").unwrap(),
        ])
        .await
        .unwrap();
    assert_eq!(install.status.code(), Some(0), "{}", text(&install));
    let parameters =
        flotilla_cli::home::parameters(&world.config(flotilla_lab::world::HOME), "flotilla-control-plane")
            .await
            .unwrap();
    for (name, kept) in [("StepTimeoutS", "10"), ("ReserveConcurrency", "true"), ("LowConcurrency", "false")]
    {
        assert_eq!(parameters.get(name).map(String::as_str), Some(kept), "{name}");
    }
    let doctor = world.run(&["doctor"]).await.unwrap();
    assert_eq!(doctor.status.code(), Some(0), "{}", text(&doctor));
    for line in [
        "control plane",
        "region eu-central-1",
        "API",
        "fix: topic of the alarms: run flotilla install --regions",
    ] {
        assert!(text(&doctor).contains(line), "{line}\n{}", text(&doctor));
    }
    let nothing = world.run(&["doctor", "--prefix", "other"]).await.unwrap();
    assert_eq!(nothing.status.code(), Some(1), "{}", text(&nothing));
    let after = world
        .run(&["push", package, "--service", "hello", "--ref", "branch:main", "--build", "after"])
        .await
        .unwrap();
    assert_eq!(after.status.code(), Some(0), "{}", text(&after));
}
