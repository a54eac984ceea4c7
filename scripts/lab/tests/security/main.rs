//! What callers, uploads and deployed functions may try, against the real binaries.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the lab reads its environment and the time")]

mod escapes;
mod floods;
mod routes;
mod secrets;
mod signatures;

use flotilla_cli::api::Api;
use flotilla_contract::ProfileConfig;
use flotilla_contract::config::{ConfigFile, RuleConfig, ServiceConfigDoc};
use flotilla_lab::World;
use flotilla_lab::world::{HOME, sdk_config};
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
        stack_name: None,
        promote_to: None,
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
