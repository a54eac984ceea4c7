//! What callers and uploads may try, against the real binaries: each route with each role over HTTP, ambiguous requests, and secrets that must not
//! appear anywhere.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use flotilla_cli::api::Api;
use flotilla_contract::config::{ConfigFile, RuleConfig, ServiceConfigDoc};
use flotilla_contract::{CheckConfig, ProfileConfig};
use flotilla_domain::access::Role;
use flotilla_fn_api::ROUTES;
use flotilla_lab::World;
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::samples::{app_template, package_of, package_with_outputs, zip};
use flotilla_lab::world::{HOME, sdk_config, text};
use serde_json::{Value, json};

const REGION: &str = "eu-central-1";
const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

async fn world() -> World {
    let args = ["--step-timeout-s", "10", "--ingest-timeout-s", "10"];
    World::start(&[REGION], &args, true).await.expect("Flotilla")
}

fn config(profile: ProfileConfig) -> ConfigFile {
    let rule = |git_ref: &str, stage: &str| RuleConfig {
        git_ref: git_ref.into(),
        stage: stage.into(),
        profile: "only".into(),
        ttl_h: None,
    };
    let rules = vec![rule("branch:main", "staging"), rule("tag:v*", "production")];
    ConfigFile {
        services: [("app".to_owned(), ServiceConfigDoc { rules, ..ServiceConfigDoc::default() })].into(),
        profiles: [("only".to_owned(), profile)].into(),
        ..ConfigFile::default()
    }
}

/// A user; with `may_call`, IAM lets it call the API. Answers the API with its credentials.
async fn user(world: &World, name: &str, may_call: bool) -> Api {
    let iam = aws_sdk_iam::Client::new(&world.config("us-east-1"));
    iam.create_user().user_name(name).send().await.unwrap();
    if may_call {
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}]});
        let put =
            iam.put_user_policy().user_name(name).policy_name("api").policy_document(policy.to_string());
        put.send().await.unwrap();
    }
    let key = iam.create_access_key().user_name(name).send().await.unwrap();
    let key = key.access_key().unwrap();
    let config = sdk_config(&world.emulator.endpoint(), HOME, key.access_key_id(), key.secret_access_key());
    Api::at(&base(world), config).expect("an API")
}

/// The URL of the API.
fn base(world: &World) -> String {
    let port = world.emulator.endpoint().rsplit(':').next().unwrap_or_default().to_owned();
    format!("http://{}.execute-api.localhost:{port}", world.api_id)
}

/// The status, and the code of the problem if there is one.
async fn ask(api: &Api, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let (status, bytes) = api.request(method, path, headers, body.into()).await.expect("a reply");
    let reply: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    (status, reply["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn each_route_answers_each_role_as_the_table_says() {
    let world = world().await;
    world.apply(&config(world.profile_in(ACCOUNT, &[REGION]))).await.expect("the configuration");
    let rollout = world
        .push("app", "branch/main", package_with_outputs(100, 1, &json!({})).unwrap())
        .await
        .expect("a push");
    assert_eq!(rollout.status, "succeeded", "{rollout:#?}");
    let arn = |name: &str| format!("arn:aws:iam::{ACCOUNT}:user/{name}");
    let mut grants: Vec<Value> =
        Role::ALL.iter().map(|role| json!({"principal": arn(role.name()), "role": role.name()})).collect();
    grants.push(
        json!({"principal": arn("tester"), "role": "deployer", "stages": ["staging"], "services": ["app"]}),
    );
    grants.push(json!({"principal": format!("arn:aws:iam::{ACCOUNT}:root"), "role": "admin"}));
    world.api().put("/v1/access", &json!({"grants": grants})).await.expect("the grants");

    let mut asked = 0;
    for name in ["nobody", "viewer", "deployer", "approver", "admin", "tester"] {
        let api = user(&world, name, true).await;
        for (method, path, needs) in ROUTES {
            for stage in ["staging", "production"] {
                if stage == "production" && !path.contains("{stage}") {
                    continue;
                }
                let is_set = path.starts_with("/v1/sets/");
                let id = if is_set { "set_01M7XTZV48A89K02Q5A1SXQG45" } else { &rollout.id };
                let place = path.replace("{id}", id).replace("{service}", "app").replace("{stage}", stage);
                let place = place.replace("{profile}", "only").replace("{account}", ACCOUNT);
                // Without a body nothing is changed but what needs none, and the only rollout has ended.
                let (status, code) = ask(&api, method.as_str(), &place, &[], "").await;
                let role = needs.role();
                let allowed = match (name, role) {
                    (_, None) | ("admin", _) => true,
                    ("nobody", _) => false,
                    (_, Some(Role::Viewer)) => name != "tester" || !only_for_all(path),
                    ("tester", Some(Role::Deployer)) => tester_may(path, stage),
                    (_, Some(role)) => name == role.name(),
                };
                let refused = (status, code.as_str()) == (403, "FL0410");
                assert_eq!(refused, !allowed, "{name}: {method} {place} answers {status} {code}");
                asked += 1;
            }
        }
    }
    assert!(asked > 6 * ROUTES.len());

    // IAM itself refuses a user that may not call the API, and whoever does not sign.
    let stranger = user(&world, "stranger", false).await;
    assert_eq!(ask(&stranger, "GET", "/v1/services", &[], "").await, (403, String::new()));
    let unsigned =
        reqwest::Client::builder().resolve(&host(&world), ([127, 0, 0, 1], 0).into()).build().unwrap();
    let reply = unsigned.get(format!("{}/v1/services", base(&world))).send().await.unwrap();
    assert_eq!(reply.status().as_u16(), 403);

    hostile(world.api()).await;
}

fn host(world: &World) -> String {
    format!("{}.execute-api.localhost", world.api_id)
}

/// Whether a view needs a grant for every service or stage.
fn only_for_all(path: &str) -> bool {
    matches!(path, "/v1/audit" | "/v1/sets" | "/v1/previews")
}

/// Whether the deployer of app at staging gets past the table: what the path does not say is checked by the command.
fn tester_may(path: &str, stage: &str) -> bool {
    !path.contains("{stage}") || stage == "staging"
}

/// Requests that could be read in two ways. An encoded path is decoded by the gateway, here and in the authorisation alike.
async fn hostile(api: &Api) {
    let promote = "/v1/services/app/promote";
    let valid = r#"{"from": "staging", "to": "production"}"#;
    let large = format!("{{\"from\": \"{}\"}}", "a".repeat(300_000));
    let deep = "[".repeat(50_000);
    let override_method = [JSON[0], ("x-http-method-override", "DELETE")];
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for (method, path, headers, body) in [
        ("GET", "/v1//services", &[][..], ""),
        ("GET", "/v1/services/", &[], ""),
        ("GET", "/v1/services", &JSON, "{}"),
        ("POST", promote, &override_method, valid),
        ("POST", promote, &form, valid),
        ("POST", promote, &JSON, r#"{"from": "staging", "to": "staging", "to": "production"}"#),
        ("POST", promote, &JSON, &deep),
        ("POST", promote, &JSON, &large),
    ] {
        let (status, code) = ask(api, method, path, headers, body).await;
        assert_eq!(
            (status, code.as_str()),
            (400, "FL0401"),
            "{method} {path} {headers:?} {}",
            body.get(..60).unwrap_or(body)
        );
    }
    for path in ["/V1/services", "/v1/Services"] {
        assert_eq!(ask(api, "GET", path, &[], "").await.0, 404, "{path}");
    }
}

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
