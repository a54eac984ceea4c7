//! Container images of a package: brought to the repository of each region, and run by digest.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use flotilla_cli::commands::pack_folder;
use flotilla_cli::packing::Packing;
use flotilla_contract::config::ConfigFile;
use flotilla_contract::{ProfileConfig, RolloutView, RuleConfig, ServiceConfigDoc, WaveConfig};
use flotilla_domain::Digest;
use flotilla_lab::World;
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::registry::push_image;
use flotilla_lab::samples::fixture;
use flotilla_lab::world::HOME;
use flotilla_sim::zip_of;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::time::Duration;

const REGIONS: [&str; 3] = ["eu-central-1", "us-east-1", "ap-southeast-2"];

fn config() -> ConfigFile {
    let profile = ProfileConfig {
        account: ACCOUNT.into(),
        waves: vec![WaveConfig::Regions(REGIONS.map(str::to_owned).into())],
        capabilities: ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"].map(str::to_owned).into(),
        ..ProfileConfig::default()
    };
    let rule = |git_ref: &str, stage: &str| RuleConfig {
        git_ref: git_ref.into(),
        stage: stage.into(),
        profile: "p".into(),
        ttl_h: None,
        stack_name: None,
        promote_to: None,
    };
    let rules = vec![rule("branch:main", "staging"), rule("tag:v*", "production")];
    ConfigFile {
        profiles: [("p".to_owned(), profile)].into(),
        services: [("images".to_owned(), ServiceConfigDoc { rules, ..ServiceConfigDoc::default() })].into(),
        ..ConfigFile::default()
    }
}

/// The images in the repository of a region, and the number of their tags.
async fn images_in(world: &World, region: &str) -> (BTreeSet<String>, usize) {
    let ecr = aws_sdk_ecr::Client::new(&world.config(region));
    let repository = format!("flotilla-artifacts-{ACCOUNT}-{region}");
    let seen = ecr.describe_images().repository_name(repository).send().await.unwrap();
    let images = seen.image_details();
    let digests = images.iter().filter_map(|image| image.image_digest()).map(str::to_owned).collect();
    (digests, images.iter().map(|image| image.image_tags().len()).sum())
}

/// The images that the functions of a rollout run in a region, by logical id, as Lambda says.
async fn running(world: &World, rollout: &RolloutView, region: &str) -> BTreeMap<String, String> {
    let config = world.config(region);
    let (cfn, lambda) = (aws_sdk_cloudformation::Client::new(&config), aws_sdk_lambda::Client::new(&config));
    let stack = &rollout.deployments[0].stack;
    let resources = cfn.list_stack_resources().stack_name(stack).send().await.unwrap();
    let mut running = BTreeMap::new();
    for resource in resources.stack_resource_summaries() {
        if resource.resource_type() == Some("AWS::Lambda::Function") {
            let name = resource.physical_resource_id().unwrap();
            let seen = lambda.get_function().function_name(name).send().await.unwrap();
            let uri = seen.code().unwrap().resolved_image_uri().unwrap().to_owned();
            running.insert(resource.logical_resource_id().unwrap().to_owned(), uri);
        }
    }
    running
}

#[tokio::test]
async fn images_are_brought_to_every_region_and_run_by_digest() {
    let repositories = format!("arn:aws:ecr:{HOME}:{ACCOUNT}:repository/*");
    let install = ["--step-timeout-s", "20", "--external-images", &repositories];
    let world = World::start(&REGIONS, &install, true).await.unwrap();
    world.apply(&config()).await.unwrap();
    let folder = fixture("images");
    let mut packing = Packing::open(&folder, None).unwrap();
    let package = packing.finish().unwrap().package.clone();
    let images: BTreeSet<String> = package.images().map(|image| format!("sha256:{image}")).collect();
    assert_eq!(images.len(), 2);
    let zip = packing.write(Cursor::new(Vec::new())).unwrap().into_inner();
    for (git_ref, stage) in [("branch/main", "staging"), ("tag/v1", "production")] {
        let rollout = world.push("images", git_ref, zip.clone()).await.unwrap();
        assert_eq!((rollout.status.as_str(), rollout.stage.as_str()), ("succeeded", stage), "{rollout:#?}");
        assert_eq!(rollout.digest, Some(package.digest.to_string()));
        for deployment in &rollout.deployments {
            let read_back: BTreeSet<String> =
                deployment.code_sha256.values().map(|digest| format!("sha256:{digest}")).collect();
            assert_eq!(read_back, images, "{}", deployment.region);
        }
        for region in REGIONS {
            // The second rollout needs what the first one has brought, and adds no tag.
            assert_eq!(images_in(&world, region).await, (images.clone(), 2), "{region}");
            let running = running(&world, &rollout, region).await;
            assert_eq!(running.keys().collect::<Vec<_>>(), ["Hello", "Jobs"]);
            for uri in running.values() {
                let (repository, image) = uri.split_once('@').unwrap();
                let expected =
                    format!("{ACCOUNT}.dkr.ecr.{region}.amazonaws.com/flotilla-artifacts-{ACCOUNT}-{region}");
                assert_eq!(repository, expected);
                assert!(images.contains(image), "{uri}");
            }
        }
    }

    // An archive is refused where nothing can take it apart.
    let raw = pack_folder(&folder, Cursor::new(Vec::new())).unwrap().into_inner();
    let key = format!("incoming/images/branch/main/{}.zip", &Digest::of(&raw).to_string()[..12]);
    let version = world.upload(&key, raw).await.unwrap();
    let verdict = world.verdict(Some("images"), &version, Duration::from_secs(60)).await.unwrap();
    let refusal = verdict.refusal.unwrap();
    assert_eq!((refusal.code.as_str(), refusal.path.as_deref()), ("FL0234", Some("images.tar")));

    pushed_image_is_taken_from_its_repository(&world, images).await;
}

/// Deploys a package that names an image which CI has pushed to a repository of its own. `before` are the images that are in each region.
async fn pushed_image_is_taken_from_its_repository(world: &World, before: BTreeSet<String>) {
    let (config, layer) = (Bytes::from_static(b"{}"), Bytes::from_static(b"a layer"));
    let described = |kind: &str, bytes: &Bytes| json!({"mediaType": kind, "digest": format!("sha256:{}", Digest::of(bytes)), "size": bytes.len()});
    let manifest = json!({
        "schemaVersion": 2,
        "config": described("application/vnd.oci.image.config.v1+json", &config),
        "layers": [described("application/vnd.oci.image.layer.v1.tar+gzip", &layer)],
    });
    let manifest = Bytes::from(manifest.to_string());
    let image = format!("sha256:{}", Digest::of(&manifest));
    let repository =
        push_image(&world.config(HOME), "team/pushed", &[manifest, config, layer]).await.unwrap();

    let role = json!({"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}}});
    let function = json!({"Type": "AWS::Lambda::Function", "Properties": {"PackageType": "Image",
        "Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Code": {"ImageUri": format!("{repository}@{image}")}}});
    let template = json!({"Resources": {"Role": role, "Pushed": function}}).to_string();
    let zip = zip_of(&[("template.json", template.as_bytes())]);
    let mut config = self::config();
    let service = ServiceConfigDoc {
        external_images: vec![repository.to_string()],
        ..config.services["images"].clone()
    };
    config.services.insert("pushed".into(), service);
    world.apply(&config).await.unwrap();
    let rollout = world.push("pushed", "branch/main", zip).await.unwrap();
    assert_eq!(rollout.status, "succeeded", "{rollout:#?}");
    let all: BTreeSet<String> = before.into_iter().chain([image.clone()]).collect();
    for region in REGIONS {
        assert_eq!(images_in(world, region).await.0, all, "{region}");
        let running = running(world, &rollout, region).await;
        assert!(running["Pushed"].contains("flotilla-artifacts-") && running["Pushed"].ends_with(&image));
    }
}
