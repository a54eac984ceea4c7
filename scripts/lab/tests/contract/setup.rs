//! Creates the resources of a run on the emulator: table, queues, buckets and roles.

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::types::{ComparisonOperator, StateValue, Statistic};
use aws_sdk_dynamodb::types as ddb;
use aws_sdk_s3::types as s3;
use flotilla_aws::Settings;
use flotilla_domain::AlarmState;
use flotilla_domain::config::account::artifact_bucket;
use flotilla_domain::deployment::Access;
use flotilla_engine::ports::Place;
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::world::HOME;
use flotilla_sim::contract::Quirk;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpListener;

/// The differences between MiniStack and AWS, also listed in docs/emulator.md.
pub const MINISTACK: [Quirk; 12] = [
    Quirk::CopiesStayUnproven,
    Quirk::PartsHaveNoDigest,
    Quirk::ImagesNeedNoBlobs,
    Quirk::BlobsAreNeverThere,
    Quirk::ImagesGoWithAnyTag,
    Quirk::BucketOwnersAreNotChecked,
    Quirk::PlansDoNotFail,
    Quirk::PropertyValuesAreNotTold,
    Quirk::ReviewedStackIsReplaced,
    Quirk::CreateOverLivingStackIsTaken,
    Quirk::RolledBackStackIsUpdated,
    Quirk::RunningStackIsUpdated,
];

/// Creates the table as `infra/control-plane.yaml` does.
async fn table(home: &SdkConfig, name: &str) {
    let attribute = |name: &str, kind| {
        ddb::AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
    };
    let key = |name: &str, kind| {
        ddb::KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
    };
    let (hash, range) = (ddb::KeyType::Hash, ddb::KeyType::Range);
    let (text, number) = (ddb::ScalarAttributeType::S, ddb::ScalarAttributeType::N);
    let due = ddb::GlobalSecondaryIndex::builder()
        .index_name("due")
        .key_schema(key("due_shard", hash.clone()))
        .key_schema(key("due_at", range.clone()))
        .projection(ddb::Projection::builder().projection_type(ddb::ProjectionType::KeysOnly).build());
    let client = aws_sdk_dynamodb::Client::new(home);
    let create = client.create_table().table_name(name).billing_mode(ddb::BillingMode::PayPerRequest);
    let create = create.key_schema(key("pk", hash)).key_schema(key("sk", range));
    let create = create.global_secondary_indexes(due.build().unwrap());
    let create = create
        .attribute_definitions(attribute("pk", text.clone()))
        .attribute_definitions(attribute("sk", text.clone()))
        .attribute_definitions(attribute("due_shard", text.clone()))
        .attribute_definitions(attribute("due_at", number));
    create.send().await.expect("a table");
    loop {
        let seen = client.describe_table().table_name(name).send().await.expect("the table");
        if seen.table().unwrap().table_status() == Some(&ddb::TableStatus::Active) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// Creates a queue; answers its URL.
async fn queue(home: &SdkConfig, name: String) -> String {
    let made = aws_sdk_sqs::Client::new(home).create_queue().queue_name(name).send().await;
    made.expect("a queue").queue_url().unwrap().to_owned()
}

/// Creates a versioned bucket in the region of the configuration.
pub async fn bucket(config: &SdkConfig, name: &str) {
    let region = config.region().unwrap().as_ref();
    let client = aws_sdk_s3::Client::new(config);
    let here = s3::BucketLocationConstraint::from(region);
    let here = s3::CreateBucketConfiguration::builder().location_constraint(here).build();
    client.create_bucket().bucket(name).create_bucket_configuration(here).send().await.expect("a bucket");
    let versions = s3::VersioningConfiguration::builder().status(s3::BucketVersioningStatus::Enabled).build();
    let versioned = client.put_bucket_versioning().bucket(name).versioning_configuration(versions);
    versioned.send().await.expect("versions");
}

/// Creates a role with a trust policy and permissions; answers its ARN.
async fn role(home: &SdkConfig, name: String, trust: serde_json::Value, may: serde_json::Value) -> String {
    let iam = aws_sdk_iam::Client::new(home);
    let trust = json!({"Version": "2012-10-17", "Statement": [trust]}).to_string();
    let made = iam.create_role().role_name(&name).assume_role_policy_document(trust).send().await;
    let may = json!({"Version": "2012-10-17", "Statement": may}).to_string();
    let policy = iam.put_role_policy().role_name(name).policy_name("may").policy_document(may);
    policy.send().await.expect("a policy");
    made.expect("a role").role().unwrap().arn().to_owned()
}

/// Creates the guard function of one run from the binaries of scripts/build; `false` if there are none.
pub async fn guard(home: &SdkConfig, name: &str, role: &str) -> bool {
    let Some(binaries) = std::env::var_os("FLOTILLA_BINARIES") else { return false };
    let zip =
        flotilla_cli::commands::zip_binary(&std::path::Path::new(&binaries).join("guard")).expect("a zip");
    let lambda = aws_sdk_lambda::Client::new(home);
    let code =
        aws_sdk_lambda::types::FunctionCode::builder().zip_file(aws_sdk_lambda::primitives::Blob::new(zip));
    let create =
        lambda.create_function().function_name(name).runtime(aws_sdk_lambda::types::Runtime::Providedal2023);
    let create = create.handler("bootstrap").timeout(20).memory_size(2_048).role(role).code(code.build());
    create.send().await.expect("a function");
    loop {
        let seen =
            lambda.get_function_configuration().function_name(name).send().await.expect("the function");
        if seen.state() != Some(&aws_sdk_lambda::types::State::Pending) {
            return true;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// Creates an alarm in this state. Its metric has no data, so the state does not change.
pub async fn alarm(target: &SdkConfig, name: &str, composite: bool, state: AlarmState) {
    let client = aws_sdk_cloudwatch::Client::new(target);
    let known = client.describe_alarms().alarm_names(name).send().await.expect("an answer");
    if composite {
        let put = client.put_composite_alarm().alarm_name(name).alarm_rule("FALSE");
        put.send().await.expect("a composite alarm");
    } else if known.metric_alarms().is_empty() {
        let put = client.put_metric_alarm().alarm_name(name).metric_name("Nothing").namespace("Nobody");
        let put = put.statistic(Statistic::Sum).period(86_400).evaluation_periods(1);
        let put = put.threshold(1.0).comparison_operator(ComparisonOperator::GreaterThanThreshold);
        put.send().await.expect("an alarm");
    }
    let value = match state {
        AlarmState::Ok => StateValue::Ok,
        AlarmState::Alarm => StateValue::Alarm,
        AlarmState::InsufficientData => StateValue::InsufficientData,
    };
    let set = client.set_alarm_state().alarm_name(name).state_value(value).state_reason("the contract");
    set.send().await.expect("a state");
}

/// Serves the same reply to every request on this host, until the process ends; answers the URL.
pub fn serve(status: u16, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let reply = format!(
        "HTTP/1.1 {status} Status\r\nlocation: https://nobody.invalid/\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            // The client may close the connection early.
            let _ = stream.read(&mut [0; 4_096]).and_then(|_| stream.write_all(reply.as_bytes()));
        }
    });
    url
}

/// Creates the role of the functions and of CloudFormation.
pub async fn service_role(home: &SdkConfig, name: String) -> String {
    let services = json!(["lambda.amazonaws.com", "cloudformation.amazonaws.com"]);
    let trust = json!({"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"});
    role(home, name, trust, everything()).await
}

fn everything() -> serde_json::Value {
    json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}])
}

/// The permissions of the collector role, as in `infra/account.yaml`.
fn collecting(space: &str) -> serde_json::Value {
    let buckets = format!("arn:aws:s3:::{space}-artifacts-{ACCOUNT}-*");
    let inside = [format!("{buckets}/assets/*"), format!("{buckets}/templates/*")];
    let repositories = format!("arn:aws:ecr:*:{ACCOUNT}:repository/{space}-artifacts-*");
    json!([
        {"Effect": "Allow", "Action": ["ecr:DescribeImages", "ecr:BatchDeleteImage"], "Resource": repositories},
        {"Effect": "Allow", "Action": "s3:ListBucketVersions", "Resource": buckets},
        {"Effect": "Allow", "Action": ["s3:DeleteObjectVersion", "s3:DeleteObject"], "Resource": inside},
    ])
}

/// Creates the roles that Flotilla assumes; their trust policies require the external ID.
pub async fn access(home: &SdkConfig, space: &str, service_role_arn: String) -> Access {
    let external_id = "0123456789abcdef".to_owned();
    let trust = json!({
        "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")},
        "Action": "sts:AssumeRole", "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
    });
    role(home, format!("{space}-collector"), trust.clone(), collecting(space)).await;
    let role_arn = role(home, format!("{space}-deployer"), trust, everything()).await;
    Access { role_arn, external_id, service_role_arn, role_boundary: None }
}

/// Creates table, queues and buckets of one run; answers the settings with their names.
pub async fn settings(home: &SdkConfig, target: &SdkConfig, space: &str, place: &Place) -> Settings {
    table(home, space).await;
    let ingest = format!("{space}-ingest");
    bucket(home, &ingest).await;
    let artifacts = artifact_bucket(space, &place.site.account, &place.site.region);
    bucket(target, &artifacts).await;
    let repository = aws_sdk_ecr::Client::new(target).create_repository().repository_name(artifacts);
    repository.send().await.expect("a repository");
    let mut values = vec![
        ("FLOTILLA_ACCOUNT", ACCOUNT.to_owned()),
        ("AWS_REGION", HOME.to_owned()),
        ("FLOTILLA_PREFIX", space.to_owned()),
        ("FLOTILLA_TABLE", space.to_owned()),
        ("FLOTILLA_INGEST_BUCKET", ingest),
        ("FLOTILLA_GUARD_FUNCTION", format!("{space}-guard")),
    ];
    for (name, which) in [
        ("FLOTILLA_INTAKE_QUEUE_URL", "intake"),
        ("FLOTILLA_REPLICATE_QUEUE_URL", "replicate"),
        ("FLOTILLA_TICK_QUEUE_URL", "tick"),
    ] {
        values.push((name, queue(home, format!("{space}-{which}")).await));
    }
    let get = |name: &str| values.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone());
    Settings::read(get).unwrap()
}
