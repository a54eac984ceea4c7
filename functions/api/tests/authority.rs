//! Tests which role each route requires, and what the audit records.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use flotilla_domain::access::Role;
use flotilla_fn_api::{Api, Needs, ROUTES, Signed, openapi, router};
use flotilla_sim::World;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tower::ServiceExt;

fn arn(user: &str) -> String {
    format!("arn:aws:iam::111122223333:user/{user}")
}

async fn ask(world: &World, user: &str, route: &str, body: Option<Value>) -> (StatusCode, Value) {
    let (method, path) = route.split_once(' ').unwrap();
    let (commands, status) = world.api();
    let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let mut request = request.body(body).unwrap();
    request.extensions_mut().insert(Signed { principal: arn(user), request_id: format!("{user} {route}") });
    let reply = router(Api { commands, status }).oneshot(request).await.unwrap();
    let status = reply.status();
    let bytes = to_bytes(reply.into_body(), 10_000_000).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

fn grant(user: &str, role: &str) -> Value {
    json!({"principal": arn(user), "role": role})
}

/// A world with a rollout, in which each role is granted to a user of the same name, with further grants.
async fn granted(more: &[Value]) -> (World, String) {
    let mut world = World::new(1, &[&["eu-west-1"]]);
    let version = world.upload("branch/main", "one");
    let rollout = world.end_of(&version).id;
    let mut grants: Vec<Value> = Role::ALL.iter().map(|role| grant(role.name(), role.name())).collect();
    grants.extend_from_slice(more);
    let (status, reply) = ask(&world, "admin", "PUT /v1/access", Some(json!({"grants": grants}))).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    (world, rollout)
}

/// The newest entries of the audit: principal, act and outcome.
async fn audit(world: &World, query: &str) -> Vec<String> {
    let (status, page) = ask(world, "admin", &format!("GET /v1/audit?limit=100{query}"), None).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let line = |entry: &Value| {
        let who = text(&entry["principal"]).rsplit('/').next().unwrap_or_default().to_owned();
        format!("{who} {}: {}", text(&entry["act"]), text(&entry["outcome"]))
    };
    page["items"].as_array().unwrap().iter().map(line).collect()
}

#[test]
fn every_route_has_a_line_in_the_table_and_every_line_a_route() {
    let document = openapi();
    let mut known = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            known.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let lines: BTreeSet<String> = ROUTES.iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    assert_eq!(lines, known);
    assert_eq!(lines.len(), ROUTES.len(), "a route has two entries");
}

#[tokio::test]
async fn each_route_is_for_whoever_has_its_role_and_nobody_else() {
    let (world, rollout) = granted(&[]).await;
    for (method, path, needs) in ROUTES {
        let path = path
            .replace("{id}", &rollout)
            .replace("{service}", "orders")
            .replace("{stage}", "staging")
            .replace("{profile}", "p")
            .replace("{account}", "111122223333");
        let route = format!("{method} {path}");
        for user in ["nobody", "viewer", "deployer", "approver", "admin"] {
            let allowed = needs.role().is_none_or(|role| {
                user == role.name() || user == "admin" || (role == Role::Viewer && user != "nobody")
            });
            let before = world.items();
            let (status, reply) = ask(&world, user, &route, None).await;
            let refused = (status, reply["code"].as_str()) == (StatusCode::FORBIDDEN, Some("FL0410"));
            assert_eq!(refused, !allowed, "{user} {route}: {status} {reply}");
            if refused {
                let changed: Vec<_> =
                    world.items().into_iter().filter(|item| !before.contains(item)).collect();
                let entries = changed.iter().all(|(key, _)| key.pk.starts_with("AUD#"));
                assert!(entries, "{user} {route} changed {changed:?}");
                assert_eq!(
                    changed.len(),
                    usize::from(matches!(needs, Needs::Do(_))),
                    "{user} {route}: a refused command is recorded in the audit"
                );
                assert_eq!(reply["fix"], format!("ask an admin for a grant ({})", arn("admin")));
            }
        }
    }
}

#[tokio::test]
async fn everybody_learns_who_they_are_and_what_they_may_do() {
    let mut dave = grant("dave", "deployer");
    dave["stages"] = json!(["pr-*"]);
    let (world, _) = granted(&[dave]).await;
    let (status, view) = ask(&world, "dave", "GET /v1/whoami", None).await;
    assert_eq!(status, StatusCode::OK);
    let grants = json!([{"role": "deployer", "stages": ["pr-*"]}]);
    assert_eq!(view, json!({"principal": arn("dave"), "person": arn("dave"), "grants": grants}));
    assert_eq!(ask(&world, "nobody", "GET /v1/whoami", None).await.1["grants"], json!([]));
    let open = World::new(1, &[&["eu-west-1"]]);
    assert_eq!(ask(&open, "nobody", "GET /v1/whoami", None).await.1["grants"], json!([{"role": "admin"}]));
}

/// The table of routes in docs/security.md, as the code has it.
#[test]
fn the_table_of_routes_is_in_the_documentation() {
    let line = |(method, path, needs): &(axum::http::Method, &str, flotilla_fn_api::Needs)| {
        format!("| `{method} {path}` | {} |", needs.role().map_or("a signature", Role::name))
    };
    let table: Vec<String> = ROUTES.iter().map(line).collect();
    let page = include_str!("../../../docs/security.md");
    let documented: Vec<&str> =
        page.lines().filter(|line| line.starts_with("| `") && line.contains(" /")).collect();
    assert_eq!(documented, table, "docs/security.md should have:\n{}", table.join("\n"));
}

#[tokio::test]
async fn a_route_without_a_line_or_a_body_is_not_a_way_around() {
    let (world, _) = granted(&[]).await;
    assert_eq!(ask(&world, "nobody", "HEAD /v1/services", None).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask(&world, "viewer", "HEAD /v1/services", None).await.0, StatusCode::OK);
    assert_eq!(ask(&world, "admin", "DELETE /v1/services", None).await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(ask(&world, "nobody", "GET /v1/services/", None).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_stage_that_only_the_body_or_the_rollout_names_is_looked_at_too() {
    let mut dave = grant("dave", "deployer");
    dave["stages"] = json!(["eu-*"]);
    let (world, rollout) = granted(&[dave]).await;
    let promote = |to: &str| json!({"from": "staging", "to": to});
    let route = "POST /v1/services/orders/promote";
    assert_eq!(ask(&world, "dave", route, Some(promote("eu-staging"))).await.0, StatusCode::ACCEPTED);
    let (status, problem) = ask(&world, "dave", route, Some(promote("production"))).await;
    assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("FL0410")));
    assert_eq!(
        problem["detail"],
        format!("{} does not have the role deployer for orders at production", arn("dave"))
    );
    for command in ["cancel", "pause", "resume", "retry"] {
        let (status, _) = ask(&world, "dave", &format!("POST /v1/rollouts/{rollout}/{command}"), None).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{command}: the rollout is one of staging");
    }
    let entries = audit(&world, "&principal=user/dave").await;
    assert_eq!(entries.iter().filter(|line| line.ends_with("refused")).count(), 5, "{entries:?}");
    assert!(entries.contains(&"dave promote: accepted".to_owned()), "{entries:?}");
}

#[tokio::test]
async fn reading_goes_by_service() {
    let mut eve = grant("eve", "viewer");
    eve["services"] = json!(["orders-eu"]);
    let (world, rollout) = granted(&[eve]).await;
    for hidden in [
        "/v1/services/orders".to_owned(),
        "/v1/services/orders/stages/staging".to_owned(),
        format!("/v1/rollouts/{rollout}"),
        format!("/v1/rollouts/{rollout}/events"),
        "/v1/audit".to_owned(),
        "/v1/audit?service=orders".to_owned(),
    ] {
        assert_eq!(
            ask(&world, "eve", &format!("GET {hidden}"), None).await.0,
            StatusCode::FORBIDDEN,
            "{hidden}"
        );
    }
    for shown in ["/v1/services/orders-eu", "/v1/services", "/v1/audit?service=orders-eu", "/v1/profiles/p"] {
        assert_eq!(ask(&world, "eve", &format!("GET {shown}"), None).await.0, StatusCode::OK, "{shown}");
    }
}

#[tokio::test]
async fn nobody_locks_themselves_out_and_an_open_door_is_told() {
    let world = World::new(2, &[&["eu-west-1"]]);
    let (_, health) = ask(&world, "ann", "GET /v1/health", None).await;
    assert!(health["hints"][0].as_str().unwrap().contains("[[access]]"), "{health}");
    assert_eq!(ask(&world, "ann", "GET /v1/access", None).await.0, StatusCode::NOT_FOUND);
    let put =
        async |grants: Value| ask(&world, "ann", "PUT /v1/access", Some(json!({"grants": grants}))).await;
    let mut narrow = grant("ann", "admin");
    narrow["stages"] = json!(["staging"]);
    for grants in
        [json!([]), json!([grant("ann", "deployer")]), json!([grant("bob", "admin")]), json!([narrow])]
    {
        let (status, problem) = put(grants).await;
        assert_eq!((status.as_u16(), problem["code"].as_str()), (422, Some("FL0411")), "{problem}");
    }
    let (status, problem) = put(json!([{"principal": "*", "role": "admin"}])).await;
    assert_eq!((status.as_u16(), problem["path"].as_str()), (400, Some("access.0")));
    let (status, reply) = put(json!([grant("ann", "admin")])).await;
    assert_eq!((status.as_u16(), reply["version"].as_u64()), (200, Some(1)));
    assert_eq!(
        ask(&world, "ann", "GET /v1/access", None).await.1["config"]["grants"][0],
        grant("ann", "admin")
    );
    assert_eq!(ask(&world, "ann", "GET /v1/health", None).await.1.get("hints"), None);
    assert_eq!(ask(&world, "bob", "GET /v1/health", None).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_audit_says_who_did_what_newest_first_page_by_page() {
    let (mut world, rollout) = granted(&[]).await;
    for command in ["pause", "cancel"] {
        ask(&world, "deployer", &format!("POST /v1/rollouts/{rollout}/{command}"), None).await;
    }
    let promote = json!({"from": "staging", "to": "eu-staging", "because": "it is good"});
    world.jump(1);
    ask(&world, "deployer", "POST /v1/services/orders/promote", Some(promote)).await;
    world.jump(30);
    ask(&world, "viewer", "POST /v1/services/orders/rollback", Some(json!({"stage": "staging"}))).await;
    let entries = audit(&world, "").await;
    assert_eq!(
        entries[..3],
        ["viewer rollback: refused", "deployer promote: accepted", "admin put access: accepted"],
        "commands that changed nothing are not recorded: the rollout had ended"
    );
    assert_eq!(audit(&world, "&stage=eu-staging&service=orders").await, ["deployer promote: accepted"]);
    assert_eq!(audit(&world, "&to=2001-01-01T00:00:00Z").await, [] as [&str; 0]);
    let (_, page) = ask(&world, "admin", "GET /v1/audit?limit=1&principal=deployer", None).await;
    let entry = &page["items"][0];
    assert_eq!((&entry["detail"], &entry["stage"]), (&json!("it is good"), &json!("eu-staging")));
    assert!(entry["rollout"].is_string() && entry["release"].is_string() && entry["request_id"].is_string());

    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let (_, page) = ask(&world, "admin", &format!("GET /v1/audit?limit=1{cursor}"), None).await;
        paged.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged.len(), entries.len());
    for wrong in ["cursor=x", "from=yesterday", "limit=0", "user=ann"] {
        let (status, _) = ask(&world, "admin", &format!("GET /v1/audit?{wrong}"), None).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}
