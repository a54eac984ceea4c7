//! Tests the API on the simulated world: every route, its errors, and the OpenAPI document.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use flotilla_fn_api::{Api, Signed, openapi, router};
use flotilla_sim::{SHOP, World};
use serde_json::{Value, json};
use tower::ServiceExt;

/// A world in which one package is deployed to two regions, and the rollout that its upload started.
fn world() -> (World, flotilla_contract::RolloutView) {
    let mut world = World::new(1, &[&["eu-west-1"], &["us-east-1"]]);
    let version = world.upload("branch/main", "one");
    let rollout = world.end_of(&version);
    (world, rollout)
}

async fn ask(
    world: &World,
    method: &str,
    path: &str,
    body: Option<Value>,
    signed: bool,
) -> (StatusCode, Value) {
    let (commands, status) = world.api();
    let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let mut request = request.body(body).unwrap();
    if signed {
        let principal = "arn:aws:iam::111122223333:user/ann".into();
        request.extensions_mut().insert(Signed { principal, request_id: format!("{method} {path}") });
    }
    let reply = router(Api { commands, status }).oneshot(request).await.unwrap();
    let status = reply.status();
    let bytes = to_bytes(reply.into_body(), 10_000_000).await.unwrap();
    (status, if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() })
}

async fn get(world: &World, path: &str) -> (StatusCode, Value) {
    ask(world, "GET", path, None, true).await
}

#[tokio::test]
async fn every_route_refuses_whoever_is_not_known() {
    let (world, _) = world();
    let document = openapi();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            routes.push(format!("{} {path}", method.to_uppercase()));
        }
    }
    // The order of the document's keys follows the features that other crates ask of serde_json.
    routes.sort_by_key(|route| {
        route.split_once(' ').map(|(method, path)| (path.to_owned(), method.to_owned()))
    });
    insta::assert_json_snapshot!(routes, @r#"
    [
      "GET /openapi.json",
      "GET /v1/access",
      "PUT /v1/access",
      "PUT /v1/accounts/{account}",
      "GET /v1/audit",
      "POST /v1/console/links",
      "GET /v1/health",
      "GET /v1/lines",
      "POST /v1/lines/lift",
      "POST /v1/lines/stop",
      "GET /v1/previews",
      "GET /v1/profiles/{profile}",
      "PUT /v1/profiles/{profile}",
      "POST /v1/rollouts",
      "GET /v1/rollouts/{id}",
      "POST /v1/rollouts/{id}/approve",
      "POST /v1/rollouts/{id}/break-glass",
      "POST /v1/rollouts/{id}/cancel",
      "GET /v1/rollouts/{id}/events",
      "POST /v1/rollouts/{id}/pause",
      "GET /v1/rollouts/{id}/plan",
      "POST /v1/rollouts/{id}/resume",
      "POST /v1/rollouts/{id}/retry",
      "POST /v1/rollouts/{id}/traffic",
      "GET /v1/services",
      "GET /v1/services/{service}",
      "GET /v1/services/{service}/config",
      "PUT /v1/services/{service}/config",
      "POST /v1/services/{service}/plan",
      "POST /v1/services/{service}/promote",
      "GET /v1/services/{service}/releases",
      "POST /v1/services/{service}/rollback",
      "GET /v1/services/{service}/stages/{stage}",
      "GET /v1/services/{service}/stages/{stage}/consumers",
      "POST /v1/services/{service}/stages/{stage}/consumers/redeploy",
      "POST /v1/services/{service}/stages/{stage}/extend",
      "POST /v1/services/{service}/stages/{stage}/hold",
      "POST /v1/services/{service}/stages/{stage}/remove",
      "POST /v1/services/{service}/stages/{stage}/unhold",
      "GET /v1/services/{service}/uploads",
      "GET /v1/sets",
      "POST /v1/sets/promote",
      "GET /v1/sets/{id}",
      "POST /v1/sets/{id}/cancel",
      "POST /v1/sets/{id}/rollback",
      "GET /v1/uploads",
      "GET /v1/whoami"
    ]
    "#);
    for route in routes {
        let (method, path) = route.split_once(' ').unwrap();
        let (status, problem) = ask(&world, method, path, Some(json!({})), false).await;
        assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("FL0403")), "{route}");
    }
}

#[tokio::test]
async fn the_document_is_what_clients_were_promised() {
    insta::with_settings!({sort_maps => true}, {
        insta::assert_json_snapshot!("openapi", openapi());
    });
}

#[tokio::test]
async fn a_rollout_is_shown_with_its_deployments_and_timeline() {
    let (world, rollout) = world();
    let (status, shown) = get(&world, &format!("/v1/rollouts/{}", rollout.id)).await;
    assert_eq!(status, StatusCode::OK);
    // The order of JSON objects depends on which crates are built together.
    insta::with_settings!({sort_maps => true}, {
        insta::assert_json_snapshot!("rollout", shown, {".**.code_sha256" => "[code]", ".**.entered_at" => "[time]", ".**.created_at" => "[time]"});
    });
    let (_, first) = get(&world, &format!("/v1/rollouts/{}/events?limit=3", rollout.id)).await;
    assert_eq!(first["items"].as_array().unwrap().len(), 3);
    let next = first["next"].as_str().unwrap().replace('#', "%23").replace('/', "%2F");
    let (_, rest) = get(&world, &format!("/v1/rollouts/{}/events?cursor={next}", rollout.id)).await;
    assert_eq!(rest["items"].as_array().unwrap().last().unwrap()["what"], "succeeded");
    assert!(rest.get("next").is_none());
}

#[tokio::test]
async fn services_stages_releases_and_uploads_are_shown() {
    let (world, rollout) = world();
    assert_eq!(
        get(&world, "/v1/services").await.1,
        json!({"items": [{"service": "orders", "config_version": 1}, {"service": "orders-eu", "config_version": 1}]})
    );
    let (_, service) = get(&world, "/v1/services/orders").await;
    assert_eq!(service["stages"][0]["targets"].as_array().unwrap().len(), 2);
    assert_eq!(get(&world, "/v1/services/orders/stages/staging").await.1, service["stages"][0]);
    let (_, releases) = get(&world, "/v1/services/orders/releases").await;
    assert_eq!(releases["items"][0]["id"].as_str(), rollout.release.as_deref());
    let (_, uploads) = get(&world, "/v1/services/orders/uploads").await;
    assert_eq!(uploads["items"][0]["status"], "accepted");
    assert_eq!(get(&world, "/v1/uploads").await.1, json!({"items": []}));
    assert_eq!(get(&world, "/v1/health").await.1["status"], "ok");
}

#[tokio::test]
async fn a_body_is_needed_where_the_document_says_so() {
    let (world, rollout) = world();
    let (mut needed, mut optional) = (0, 0);
    for (path, methods) in openapi()["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let Some(required) = operation["requestBody"]["required"].as_bool() else { continue };
            let path = path
                .replace("{id}", &rollout.id)
                .replace("{service}", "orders")
                .replace("{stage}", "staging");
            let path = path.replace("{profile}", "p").replace("{account}", "111122223333");
            let (status, problem) = ask(&world, &method.to_uppercase(), &path, None, true).await;
            let is_missed = problem["detail"] == "the body is not a JSON object";
            assert_eq!(
                (status == StatusCode::BAD_REQUEST && is_missed),
                required,
                "{method} {path}: {problem}"
            );
            *if required { &mut needed } else { &mut optional } += 1;
        }
    }
    assert!(needed > 10 && optional >= 3, "{needed} {optional}");
}

#[tokio::test]
async fn w02_what_is_not_understood_is_answered_with_a_reason_and_a_fix() {
    let (world, rollout) = world();
    let put = |path: &'static str, body: Value| ask(&world, "PUT", path, Some(body), true);
    let service = |profile: &str| json!({"rules": [{"ref": "branch:x", "stage": "x", "profile": profile}]});
    let cases = [
        (get(&world, "/v1/nothing").await, 404, "FL0404"),
        (get(&world, "/v1/services/Nobody!").await, 400, "FL0401"),
        (get(&world, "/v1/services/nobody").await, 404, "FL0404"),
        (get(&world, "/v1/services?limit=0").await, 400, "FL0401"),
        (get(&world, "/v1/services?limit=x").await, 400, "FL0401"),
        (get(&world, "/v1/services?page=1").await, 400, "FL0401"),
        (get(&world, "/v1/rollouts/rlo_x").await, 400, "FL0401"),
        (ask(&world, "DELETE", "/v1/services", None, true).await, 405, "FL0405"),
        (ask(&world, "POST", "/v1/rollouts", Some(json!({"service": 1})), true).await, 400, "FL0401"),
        (ask(&world, "POST", "/v1/rollouts", None, true).await, 400, "FL0401"),
        (put("/v1/services/orders/config", json!({"rules": []})).await, 400, "FL0301"),
        (put("/v1/services/orders/config", service("nobody")).await, 422, "FL0303"),
        (put("/v1/services/orders/config?if_version=9", service("p")).await, 409, "FL0409"),
        (
            put("/v1/profiles/p", json!({"account": "111122223333", "regions": ["eu-nowhere-1"]})).await,
            400,
            "FL0302",
        ),
        (
            put("/v1/profiles/p", json!({"account": "111122223333", "regions": ["x".repeat(300_000)]})).await,
            400,
            "FL0401",
        ),
        (
            ask(&world, "POST", &format!("/v1/rollouts/{}/cancel", rollout.id), None, true).await,
            409,
            "FL0409",
        ),
    ];
    for (n, ((status, problem), expected, code)) in cases.into_iter().enumerate() {
        assert_eq!(
            (status.as_u16(), problem["code"].as_str()),
            (expected, Some(code)),
            "case {n}: {problem}"
        );
        assert!(
            !problem["fix"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty(),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn a_configuration_is_versioned_and_the_same_again_changes_nothing() {
    let (world, _) = world();
    let doc = json!({"rules": [{"ref": "branch:release", "stage": "staging", "profile": "p"}]});
    for _ in 0..2 {
        let (status, reply) =
            ask(&world, "PUT", "/v1/services/orders/config?if_version=1", Some(doc.clone()), true).await;
        match status {
            StatusCode::OK => {
                assert_eq!((reply["version"].as_u64(), &reply["config"]), (Some(2), &doc));
                assert_eq!(reply["changed_by"], "arn:aws:iam::111122223333:user/ann");
            }
            // The second request finds version 2.
            other => assert_eq!(other, StatusCode::CONFLICT),
        }
    }
    let (status, reply) = ask(&world, "PUT", "/v1/services/orders/config", Some(doc), true).await;
    assert_eq!((status, reply["version"].as_u64()), (StatusCode::OK, Some(2)));
}

#[tokio::test]
async fn a_release_is_rolled_out_again_on_request() {
    let (world, rollout) = world();
    let request = json!({"service": "orders", "release": rollout.release, "stage": "staging"});
    let (status, started) = ask(&world, "POST", "/v1/rollouts", Some(request), true).await;
    assert_eq!((status, started["status"].as_str()), (StatusCode::ACCEPTED, Some("queued")));
    assert_eq!(started["requested_by"], "arn:aws:iam::111122223333:user/ann");
    let unknown =
        json!({"service": "orders", "release": "rel_01M7XTZV48A89K02Q5A1SXQG45", "stage": "staging"});
    assert_eq!(ask(&world, "POST", "/v1/rollouts", Some(unknown), true).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_release_is_promoted_rolled_back_and_held() {
    let mut world = World::new(4, &[&["eu-west-1"]]);
    for code in ["one", "two"] {
        let version = world.upload("branch/main", code);
        world.end_of(&version);
    }
    let post = async |path: &str, body: Value| ask(&world, "POST", path, Some(body), true).await;
    let (status, promoted) =
        post("/v1/services/orders/promote", json!({"from":"staging","to":"eu-staging"})).await;
    assert_eq!((status.as_u16(), promoted["because"].as_str()), (202, Some("promoted from staging")));
    let (status, back) = post("/v1/services/orders/rollback", json!({"stage":"staging"})).await;
    assert_eq!((status.as_u16(), back["stage"].as_str()), (202, Some("staging")), "{back}");
    let (_, stage) = get(&world, "/v1/services/orders/stages/staging").await;
    assert_eq!(stage["holds"][0]["because"], "rolled back");
    let (status, lifted) = post("/v1/services/orders/stages/staging/unhold", json!({})).await;
    assert_eq!((status.as_u16(), lifted.get("holds")), (200, None));
    let hold = json!({"release": promoted["release"], "because": "it is slow"});
    let (status, held) = post("/v1/services/orders/stages/eu-staging/hold", hold).await;
    assert_eq!((status.as_u16(), held["holds"][0]["because"].as_str()), (200, Some("it is slow")), "{held}");
    let (status, refused) =
        post("/v1/services/orders/promote", json!({"from":"nowhere","to":"eu-staging"})).await;
    assert_eq!((status.as_u16(), refused["code"].as_str()), (404, Some("FL0404")));
}

#[tokio::test]
async fn a_rollouts_plan_is_one_diff_for_all_its_targets() {
    let (world, rollout) = world();
    let (status, plan) = get(&world, &format!("/v1/rollouts/{}/plan", rollout.id)).await;
    assert_eq!(status, StatusCode::OK);
    let change = &plan["changes"][0];
    assert_eq!((&change["action"], &change["logical_id"]), (&json!("add"), &json!("App")));
    assert_eq!((&change["everywhere"], plan["targets"].as_array().unwrap().len()), (&json!(true), 2));
    assert_eq!(plan["targets"][1]["changes"]["add"], json!(1));
    let (status, _) = get(&world, "/v1/rollouts/rlo_01ARZ3NDEKTSV4RRFFQ69G5FAV/plan").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn several_services_go_as_one_unit_and_it_is_said_who_takes_whose_outputs() {
    let mut world = World::new(6, &[&["eu-west-1"]]);
    world.shop(&["eu-west-1"]).stock("one");
    let request = json!({"services": SHOP, "from": "staging", "to": "production", "because": "the sale"});
    let (status, set) = ask(&world, "POST", "/v1/sets/promote", Some(request), true).await;
    assert_eq!((status.as_u16(), set["status"].as_str()), (202, Some("rolling")), "{set}");
    let id = set["id"].as_str().unwrap();
    let back = format!("/v1/sets/{id}/rollback");
    let (status, early) = ask(&world, "POST", &back, None, true).await;
    assert_eq!((status.as_u16(), &early["current"]["set"]), (409, &set["id"]), "{early}");
    let off = format!("/v1/sets/{id}/cancel");
    world.end_of_set(id);
    let (status, late) = ask(&world, "POST", &off, None, true).await;
    assert_eq!((status.as_u16(), &late["current"]["status"]), (409, &json!("succeeded")), "{late}");
    let (_, ended) = get(&world, &format!("/v1/sets/{id}")).await;
    assert_eq!((&ended["status"], &ended["members"][2]["service"]), (&json!("succeeded"), &json!("jobs")));
    let (_, listed) = get(&world, "/v1/sets?limit=1").await;
    assert_eq!((listed["items"].as_array().unwrap().len(), &listed["items"][0]["id"]), (1, &set["id"]));
    let again = json!({"services": ["jobs"], "from": "staging", "to": "production"});
    let (_, other) = ask(&world, "POST", "/v1/sets/promote", Some(again), true).await;
    let off = format!("/v1/sets/{}/cancel", other["id"].as_str().unwrap());
    let (status, cancelled) = ask(&world, "POST", &off, None, true).await;
    assert_eq!((status.as_u16(), &cancelled["cancelled_by"]), (200, &other["requested_by"]), "{cancelled}");
    world.end_of_set(other["id"].as_str().unwrap());
    let consumers = "/v1/services/database/stages/production/consumers";
    let (_, taken) = get(&world, consumers).await;
    let by = |at: usize| (taken["consumers"][at]["service"].as_str(), &taken["consumers"][at]["outputs"]);
    assert_eq!(
        [by(0), by(1)],
        [(Some("api"), &json!(["database.Name"])), (Some("jobs"), &json!(["database.Name"]))]
    );
    let (status, again) = ask(&world, "POST", &format!("{consumers}/redeploy"), None, true).await;
    assert_eq!((status.as_u16(), again["members"].as_array().unwrap().len()), (202, 2), "{again}");
    let nothing = json!({"services": [], "from": "staging", "to": "production"});
    let (status, refused) = ask(&world, "POST", "/v1/sets/promote", Some(nothing), true).await;
    assert_eq!((status.as_u16(), refused["code"].as_str()), (400, Some("FL0401")), "{refused}");
}
