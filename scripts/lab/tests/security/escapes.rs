//! What a stack and its functions may try, as real calls under the emulator's IAM.
//!
//! The emulator does not evaluate permissions boundaries, so each boundary is the only policy of a user here: that is what a role with every
//! permission can do within it. `scripts/lab/aws/escapes.py` evaluates more attempts as IAM does.

use super::{REGION, config, world};
use flotilla_lab::World;
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::samples::package_with_outputs;
use flotilla_lab::world::HOME;
use serde_json::{Value, json};
use std::path::Path;
use tokio::process::Command;

/// An attempt: its name, the arguments of the AWS CLI, and whether stacks may do it although functions may not.
type Attempt = (&'static str, String, bool);

/// What neither a stack nor its functions may do. `{zip}` and `{out}` are files, `{endpoint}` is the emulator.
fn attempts(upload: &str) -> Vec<Attempt> {
    let ingest = format!("flotilla-ingest-{ACCOUNT}-{HOME}");
    let artifacts = format!("flotilla-artifacts-{ACCOUNT}-{REGION}");
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let foreign = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"444455556666"}},"Action":"s3:*","Resource":"arn:aws:s3:::{ingest}/*"}}]}}"#
    );
    let none = "{}";
    let expire = r#"{"Rules":[{"ID":"x","Status":"Enabled","Prefix":"","Expiration":{"Days":1}}]}"#;
    [
        ("a role without a boundary", format!("iam create-role --role-name evil --assume-role-policy-document {trust}"), false),
        ("a user", "iam create-user --user-name evil".into(), false),
        ("the removal of a boundary", "iam delete-role-permissions-boundary --role-name flotilla-cloudformation".into(), false),
        ("the trust of the deployer", format!("iam update-assume-role-policy --role-name flotilla-deployer --policy-document {trust}"), false),
        ("the code of Flotilla's function", "lambda update-function-code --function-name flotilla-deploy --zip-file fileb://{zip}".into(), false),
        ("the policy of the ingest bucket", format!("s3api put-bucket-policy --bucket {ingest} --policy {foreign}"), false),
        ("the notifications of the ingest bucket", format!("s3api put-bucket-notification-configuration --bucket {ingest} --notification-configuration {none}"), false),
        ("an upload of somebody else", format!("s3api get-object --bucket {ingest} --key {upload} {{out}}"), false),
        ("an upload for somebody else", format!("s3api put-object --bucket {ingest} --key {upload} --body {{zip}}"), false),
        ("the trusted root of signatures", format!("s3api put-object --bucket {ingest} --key trust/sigstore.json --body {{zip}}"), false),
        ("the lifecycle of the artifact bucket", format!("s3api put-bucket-lifecycle-configuration --bucket {artifacts} --lifecycle-configuration {expire} --region {REGION}"), false),
        ("a package", format!("s3api put-object --bucket {artifacts} --key assets/evil.zip --body {{zip}} --region {REGION}"), false),
        ("Flotilla's table", format!("dynamodb put-item --table-name flotilla --item {}", r#"{"pk":{"S":"evil"},"sk":{"S":"evil"}}"#), false),
        ("a rule on Flotilla's bus", format!("events put-rule --name evil --event-bus-name flotilla --event-pattern {}", r#"{"source":["aws.cloudformation"]}"#), false),
        ("Flotilla's queue", format!("sqs send-message --endpoint-url {{endpoint}} --queue-url {{endpoint}}/{ACCOUNT}/flotilla-tick --message-body evil"), false),
        ("Flotilla's stack", "cloudformation delete-stack --stack-name flotilla-account".into(), false),
        ("a function of Flotilla", "lambda invoke --function-name flotilla-cleanup {out}".into(), true),
        ("a service-linked role", "iam create-service-linked-role --aws-service-name ecs.amazonaws.com".into(), true),
        ("the deployer, with a guessed external ID", format!("sts assume-role --role-arn arn:aws:iam::{ACCOUNT}:role/flotilla-deployer --role-session-name evil --external-id guess"), false),
    ]
    .into()
}

/// A user whose only policy is this document. Answers its key.
async fn user(world: &World, name: &str, policy: &str) -> (String, String) {
    let iam = aws_sdk_iam::Client::new(&world.config("us-east-1"));
    iam.create_user().user_name(name).send().await.unwrap();
    iam.put_user_policy().user_name(name).policy_name("only").policy_document(policy).send().await.unwrap();
    let key = iam.create_access_key().user_name(name).send().await.unwrap();
    let key = key.access_key().unwrap();
    (key.access_key_id().to_owned(), key.secret_access_key().to_owned())
}

/// The document of a managed policy.
async fn document(world: &World, arn: &str) -> String {
    let iam = aws_sdk_iam::Client::new(&world.config("us-east-1"));
    let version = iam.get_policy().policy_arn(arn).send().await.unwrap();
    let version = version.policy().and_then(|policy| policy.default_version_id()).unwrap().to_owned();
    let found = iam.get_policy_version().policy_arn(arn).version_id(version).send().await.unwrap();
    let text = found.policy_version().and_then(|version| version.document()).unwrap().to_owned();
    percent_encoding::percent_decode_str(&text).decode_utf8().unwrap().into_owned()
}

/// Runs the AWS CLI. Answers its error output; `None` if it succeeded.
async fn aws(world: &World, key: &(String, String), args: &str, folder: &Path) -> Option<String> {
    let tools = std::env::var("FLOTILLA_AWS_CLI").expect("FLOTILLA_AWS_CLI, which scripts/tools sets");
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let args = args.replace("{zip}", &file("evil.zip")).replace("{out}", &file("out"));
    let args = args.replace("{endpoint}", &world.emulator.endpoint());
    let mut command = Command::new(format!("{tools}/aws"));
    command.args(args.split(' ')).current_dir(folder).env("HOME", folder).env("AWS_PAGER", "");
    command.env("AWS_ENDPOINT_URL", world.emulator.endpoint());
    command.env("AWS_DEFAULT_REGION", HOME);
    command.env("AWS_ACCESS_KEY_ID", &key.0).env("AWS_SECRET_ACCESS_KEY", &key.1);
    let output = command.output().await.unwrap();
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

fn is_denied(error: &str) -> bool {
    ["AccessDenied", "AuthorizationError", "not authorized"].iter().any(|text| error.contains(text))
}

#[tokio::test]
async fn no_stack_and_no_function_of_one_reaches_flotilla_or_rights_of_its_own() {
    let world = world().await;
    world.apply(&config(world.profile_in(ACCOUNT, &[REGION]))).await.expect("the configuration");
    let zip = package_with_outputs(100, 1, &json!({})).unwrap();
    let rollout = world.push("app", "branch/main", zip.clone()).await.expect("a push");
    assert_eq!(rollout.status, "succeeded", "{rollout:#?}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("evil.zip"), &zip).unwrap();

    let stacks = aws_sdk_cloudformation::Client::new(&world.config(HOME));
    let bound =
        stacks.describe_stack_resource().stack_name("flotilla-account").logical_resource_id("Boundary");
    let bound = bound.send().await.unwrap();
    let bound = bound.stack_resource_detail().and_then(|found| found.physical_resource_id()).unwrap();
    let of_stacks = document(&world, bound).await;
    let workload = format!("arn:aws:iam::{ACCOUNT}:policy/flotilla-workload");
    let of_functions = document(&world, &workload).await;
    let everything =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let stack = user(&world, "stack", &of_stacks).await;
    let function = user(&world, "function", &of_functions).await;
    let administrator = user(&world, "unbounded", &everything.to_string()).await;

    let uploads: Value = world.api().get("/v1/services/app/uploads").await.unwrap();
    let upload = uploads["items"][0]["key"].as_str().unwrap().to_owned();
    let attempts = attempts(&upload);
    let mut reached = Vec::new();
    for (name, args, allowed_to_stacks) in &attempts {
        let (by_stack, by_function) = tokio::join!(
            aws(&world, &stack, args, folder.path()),
            aws(&world, &function, args, folder.path())
        );
        for (who, error) in [("a stack", by_stack), ("a function", by_function)] {
            if who == "a stack" && *allowed_to_stacks {
                continue;
            }
            if !error.as_deref().is_some_and(is_denied) {
                reached.push(format!("{who}: {name}: {error:?}"));
            }
        }
    }
    assert!(reached.is_empty(), "{reached:#?}");
    // What ordinary work needs is allowed.
    assert_eq!(aws(&world, &function, "s3api list-buckets", folder.path()).await, None);
    // Without a boundary, the same calls are not denied: the attempts are real.
    for (name, args, _) in attempts.iter().filter(|(name, ..)| !name.contains("external ID")) {
        let error = aws(&world, &administrator, args, folder.path()).await;
        assert!(!error.as_deref().is_some_and(is_denied), "{name}: {error:?}");
    }
}
