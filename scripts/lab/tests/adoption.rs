//! What exists already: a stack that the Serverless Framework has deployed is adopted, and a bucket is in the way.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the lab measures real time")]

use aws_sdk_cloudformation::types::{Capability, EvaluationType, Replacement};
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::samples::{fixture, zip};
use flotilla_lab::{World, config};
use std::time::{Duration, Instant};

/// The region that the package was built for.
const REGION: &str = "us-east-1";
const BUCKET: &str = "ServerlessDeploymentBucket";

/// Deploys the package as the framework does: a stack with a bucket, the zip in the bucket, then a stack update.
async fn deploy_by_the_framework(world: &World) -> String {
    let (cfn, s3) = (
        aws_sdk_cloudformation::Client::new(&world.config(REGION)),
        aws_sdk_s3::Client::new(&world.config(REGION)),
    );
    let read = |name: &str| std::fs::read_to_string(fixture("hello/package-staging").join(name)).unwrap();
    let first = read("cloudformation-template-create-stack.json");
    let second = read("cloudformation-template-update-stack.json");
    cfn.create_stack().stack_name("hello-staging").template_body(first).send().await.unwrap();
    settled(&cfn).await;
    let resources = cfn.list_stack_resources().stack_name("hello-staging").send().await.unwrap();
    let bucket =
        resources.stack_resource_summaries().iter().find(|r| r.logical_resource_id() == Some(BUCKET));
    let bucket = bucket.unwrap().physical_resource_id().unwrap().to_owned();
    let template: serde_json::Value = serde_json::from_str(&second).unwrap();
    let key = template["Resources"]["GreetLambdaFunction"]["Properties"]["Code"]["S3Key"].as_str().unwrap();
    let zip = std::fs::read(fixture("hello/package-staging/hello.zip")).unwrap();
    s3.put_object().bucket(&bucket).key(key).body(zip.into()).send().await.unwrap();
    cfn.update_stack()
        .stack_name("hello-staging")
        .template_body(second)
        .capabilities(Capability::CapabilityNamedIam)
        .send()
        .await
        .unwrap();
    settled(&cfn).await;
    bucket
}

async fn settled(cfn: &aws_sdk_cloudformation::Client) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let seen = cfn.describe_stacks().stack_name("hello-staging").send().await.unwrap();
        let status = seen.stacks()[0].stack_status().unwrap().as_str().to_owned();
        if status.ends_with("_COMPLETE") {
            return;
        }
        assert!(Instant::now() < deadline && !status.contains("FAILED"), "{status}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_stack_that_serverless_deployed_keeps_its_bucket_and_changes_only_its_code() {
    let world =
        World::start(&[REGION], &["--step-timeout-s", "10", "--ingest-timeout-s", "10"], true).await.unwrap();
    world.apply(&config::for_service(ACCOUNT, "hello", "staging", &[REGION.into()])).await.unwrap();
    let bucket = deploy_by_the_framework(&world).await;
    let package = flotilla_cli::commands::pack_folder(
        &fixture("hello/package-staging"),
        std::io::Cursor::new(Vec::new()),
    );
    let package = package.unwrap().into_inner();
    let taken_over = world.push("hello", "branch/main", package.clone()).await.unwrap();
    assert_eq!(taken_over.status, "succeeded", "{taken_over:#?}");
    let changes = taken_over.deployments[0].changes.unwrap();
    assert_eq!((changes.add, changes.remove), (0, 0), "{changes:?}");
    let cfn = aws_sdk_cloudformation::Client::new(&world.config(REGION));
    let plan = format!("flotilla-{}-1", taken_over.id).replace('_', "-");
    let plan =
        cfn.describe_change_set().stack_name("hello-staging").change_set_name(plan).send().await.unwrap();
    for change in plan.changes().iter().filter_map(|change| change.resource_change()) {
        let id = change.logical_resource_id().unwrap();
        assert_ne!(change.replacement(), Some(&Replacement::True), "{id}");
        // Static changes, that is without those that depend on other changes: only the code, the stack's tags, and the boundary that
        // the roles get.
        let known =
            change.details().iter().filter(|detail| detail.evaluation() == Some(&EvaluationType::Static));
        let properties = known.filter_map(|detail| detail.target()?.name());
        let expected = ["Code", "PermissionsBoundary"];
        assert!(
            properties.clone().all(|name| expected.contains(&name)),
            "{id}: {:?}",
            properties.collect::<Vec<_>>()
        );
    }

    let resources = cfn.list_stack_resources().stack_name("hello-staging").send().await.unwrap();
    let kept = resources.stack_resource_summaries().iter().any(|r| {
        r.logical_resource_id() == Some(BUCKET) && r.physical_resource_id() == Some(bucket.as_str())
    });
    assert!(kept, "the bucket must stay in the stack");
    let s3 = aws_sdk_s3::Client::new(&world.config(REGION));
    let left = s3.list_objects_v2().bucket(&bucket).send().await.unwrap();
    assert_eq!(left.contents().len(), 1, "the contents of the bucket must stay");

    // The same bytes in another zip: no changes, and the bucket stays.
    let mut renamed = package;
    let comment = b"again";
    let end = renamed.len() - 2;
    renamed[end..].copy_from_slice(&u16::try_from(comment.len()).unwrap().to_le_bytes());
    renamed.extend_from_slice(comment);
    let again = world.push("hello", "branch/main", renamed).await.unwrap();
    assert_eq!(
        (again.status.as_str(), again.deployments[0].changed),
        ("succeeded", Some(false)),
        "{again:#?}"
    );
}

#[tokio::test]
async fn a_bucket_that_exists_is_reported_as_cloudformations_validation_reports_it() {
    let world = World::start(&[REGION], &[], true).await.expect("Flotilla");
    let s3 = aws_sdk_s3::Client::new(&world.config(REGION));
    s3.create_bucket().bucket("acme-orders-data").send().await.unwrap();
    let template = serde_json::json!({
        "Resources": {"Data": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "acme-orders-data"}}}
    });
    let package = zip(&[("template.json", template.to_string().into_bytes())]).unwrap();
    world.apply(&config::for_service(ACCOUNT, "orders", "staging", &world.regions)).await.unwrap();
    let failed = world.push("orders", "branch/main", package).await.unwrap();
    let cause = failed.deployments[0].cause.as_ref().expect("a cause");
    assert_eq!(cause.code, "FL0527", "{cause:#?}");
    assert!(
        cause.message.contains("Data") && cause.message.contains("NAME_CONFLICT_VALIDATION"),
        "{cause:#?}"
    );
}
