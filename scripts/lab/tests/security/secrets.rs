//! Secrets of templates, searched for in everything that Flotilla stores and shows.

use super::{REGION, config, world};
use flotilla_contract::{CheckConfig, ProfileConfig};
use flotilla_fn_api::ROUTES;
use flotilla_lab::World;
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::samples::{app_template, package_of, zip};
use flotilla_lab::world::{HOME, text};
use serde_json::{Value, json};

/// What nobody may ever see. Each place has its own, so that a failure says where it came from.
fn canary(place: &str) -> String {
    format!("c4nary{place}")
}

/// A package with secrets in every place where a template may have them.
fn package_with_secrets(version: u64) -> Vec<u8> {
    let secret = |place: &str| format!("{}{version}", canary(place));
    let mut template = app_template();
    template["Parameters"] = json!({
        "ApiKey": {"Type": "String", "NoEcho": true, "Default": secret("default")},
        "Given": {"Type": "String", "NoEcho": true},
    });
    template["Resources"]["App"]["Properties"]["Environment"] = json!({"Variables": {
        "API_TOKEN": secret("variable"),
        "DATABASE_URL": format!("postgres://app:{}@db.{REGION}.example/app", secret("login")),
        "HOOK": format!("https://hooks.example/x?token={}", secret("query")),
        "KEY": {"Ref": "ApiKey"},
        "GIVEN": {"Ref": "Given"},
    }});
    template["Outputs"] = json!({
        "AdminPassword": {"Value": secret("output")},
        "Url": {"Value": format!("https://app.invalid/?access_token={}", secret("url"))},
        "FunctionName": {"Value": {"Ref": "App"}},
    });
    let handler = b"def handler(event, context):\n    return {'ok': True}\n".to_vec();
    package_of(&template, zip(&[("app.py", handler)]).unwrap()).unwrap()
}

#[tokio::test]
async fn no_secret_appears_anywhere() {
    let world = world().await;
    let check =
        CheckConfig { output: Some("Url".into()), within: Some("2s".into()), ..CheckConfig::default() };
    let with = |given: &str, checks: Vec<CheckConfig>| ProfileConfig {
        parameters: [("Given".to_owned(), given.into())].into(),
        plan_first: Some(true),
        checks,
        ..world.profile_in(ACCOUNT, &[REGION])
    };
    // A literal value of a secret parameter is refused; a token is refused before it is stored.
    world.apply(&config(with("{{resolve:ssm:/app/given}}", vec![]))).await.expect("the configuration");
    put_parameter(&world, "/app/given", &canary("reference")).await;
    let folder = world.emulator.folder.path().join("secret.toml");
    let token = format!("ghp_{}{}", canary("token"), "a".repeat(30));
    std::fs::write(&folder, toml::to_string(&config(with(&token, vec![]))).unwrap()).unwrap();
    let refused = world.run(&["apply", folder.to_str().unwrap()]).await.unwrap();
    assert!(!refused.status.success() && text(&refused).contains("FL0315"), "{}", text(&refused));
    assert!(!text(&refused).contains("c4nary"), "{}", text(&refused));

    // Two releases, so that the second one's plan has values before and after, and a third one whose verification fails.
    for version in [1, 2] {
        let rollout = world.push("app", "branch/main", package_with_secrets(version)).await.expect("a push");
        assert_eq!(rollout.status, "succeeded", "{rollout:#?}");
    }
    world.apply(&config(with("{{resolve:ssm:/app/given}}", vec![check]))).await.expect("the configuration");
    let failed = world.push("app", "branch/main", package_with_secrets(3)).await.expect("a push");
    assert_eq!(failed.status, "failed", "{failed:#?}");
    assert!(failed.cause.as_ref().unwrap().message.contains("the output Url is secret"), "{failed:#?}");

    let places = [
        ("the table", table(&world).await),
        ("the logs", logs(&world).await),
        ("the API", everything(&world, &failed.id).await),
        ("the command", shown(&world, &failed.id).await),
    ];
    for (place, contents) in places {
        assert!(contents.len() > 1_000, "{place} has only {} bytes", contents.len());
        assert!(contents.contains("app"), "{place} says nothing of the service");
        let found = contents
            .find("c4nary")
            .map(|at| contents[at.saturating_sub(200)..].chars().take(300).collect::<String>());
        assert_eq!(found, None, "a secret is in {place}");
    }
}

async fn put_parameter(world: &World, name: &str, value: &str) {
    let body = json!({"Name": name, "Value": value, "Type": "String"});
    aws_json(world, "ssm", "AmazonSSM.PutParameter", &body).await;
}

/// Calls an operation of a service with the JSON protocol.
async fn aws_json(world: &World, service: &str, target: &str, body: &Value) -> Value {
    let credential = format!(
        "AWS4-HMAC-SHA256 Credential={ACCOUNT}/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    );
    let request = reqwest::Client::new().post(world.emulator.endpoint()).body(body.to_string());
    let request = request.header("content-type", "application/x-amz-json-1.1").header("x-amz-target", target);
    let reply = request.header("authorization", credential).send().await.unwrap();
    let (status, text) = (reply.status(), reply.text().await.unwrap());
    assert!(status.is_success(), "{target}: {status} {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

/// All items of Flotilla's table.
async fn table(world: &World) -> String {
    let client = aws_sdk_dynamodb::Client::new(&world.config(HOME));
    let items =
        client.scan().table_name("flotilla").into_paginator().items().send().collect::<Result<Vec<_>, _>>();
    format!("{:?}", items.await.unwrap())
}

/// All logs of all functions.
async fn logs(world: &World) -> String {
    let groups = aws_json(world, "logs", "Logs_20140328.DescribeLogGroups", &json!({})).await;
    let mut all = world.emulator.log();
    for group in groups["logGroups"].as_array().unwrap() {
        let events = json!({"logGroupName": group["logGroupName"]});
        all.push_str(&aws_json(world, "logs", "Logs_20140328.FilterLogEvents", &events).await.to_string());
    }
    all
}

/// The replies of every route that shows something.
async fn everything(world: &World, rollout: &str) -> String {
    let mut all = String::new();
    for (method, path, _) in ROUTES.iter().filter(|(method, ..)| method == "GET") {
        let path = path.replace("{id}", rollout).replace("{service}", "app").replace("{stage}", "staging");
        let path = path.replace("{profile}", "only");
        let (_, bytes) = world.api().request(method.as_str(), &path, &[], Vec::new()).await.unwrap();
        all.push_str(&String::from_utf8_lossy(&bytes));
    }
    all
}

/// What the command prints of it.
async fn shown(world: &World, rollout: &str) -> String {
    let mut all = String::new();
    for args in [
        &["rollout", rollout][..],
        &["plan", rollout],
        &["status", "app"],
        &["releases", "app"],
        &["uploads", "app"],
        &["audit"],
    ] {
        all.push_str(&text(&world.run(args).await.unwrap()));
    }
    all
}
