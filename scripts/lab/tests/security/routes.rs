//! Each route with each role, and requests that could be read in two ways.

use super::{JSON, REGION, ask, base, config, user, world};
use flotilla_cli::api::Api;
use flotilla_domain::access::Role;
use flotilla_fn_api::ROUTES;
use flotilla_lab::World;
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::samples::package_with_outputs;
use serde_json::{Value, json};

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
