//! The console: signing in by a link, and pages that show what their reader may view.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use flotilla_contract::{AccessConfig, GrantConfig};
use flotilla_fn_api::{Api, Signed, router};
use flotilla_sim::{Behaviour, World};
use futures::executor::block_on;
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use tower::ServiceExt;

static REQUESTS: AtomicU64 = AtomicU64::new(0);

const ANN: &str = "arn:aws:iam::111122223333:user/ann";

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn ask(world: &World, method: &str, path: &str, cookie: &str, signed: Option<&str>) -> Reply {
    let (commands, status) = world.api();
    let request = Request::builder().method(method).uri(path).header(header::COOKIE, cookie);
    let mut request = request.body(Body::empty()).unwrap();
    if let Some(principal) = signed {
        let request_id = format!("request {}", REQUESTS.fetch_add(1, Ordering::Relaxed));
        request.extensions_mut().insert(Signed { principal: principal.into(), request_id });
    }
    let reply = router(Api { commands, status }).oneshot(request).await.unwrap();
    let (status, headers) = (reply.status(), reply.headers().clone());
    let bytes = to_bytes(reply.into_body(), 10_000_000).await.unwrap();
    Reply { status, headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

/// The path of a new link of a principal.
async fn link(world: &World, principal: &str) -> String {
    let made = ask(world, "POST", "/v1/console/links", "", Some(principal)).await;
    assert_eq!(
        (made.status, made.header("cache-control")),
        (StatusCode::CREATED, "no-store"),
        "{}",
        made.text
    );
    let view: Value = serde_json::from_str(&made.text).unwrap();
    view["path"].as_str().unwrap().to_owned()
}

/// The cookie of a new session of a principal.
async fn sign_in(world: &World, principal: &str) -> String {
    let entered = ask(world, "GET", &link(world, principal).await, "", None).await;
    assert_eq!(entered.status, StatusCode::OK, "{}", entered.text);
    assert!(entered.text.contains("content=\"0; url=/console/fleet\""), "{}", entered.text);
    let cookie = entered.header("set-cookie");
    assert!(
        cookie.starts_with("__Host-flotilla=")
            && cookie.ends_with("; Path=/; Max-Age=28800; Secure; HttpOnly; SameSite=Strict"),
        "{cookie}"
    );
    cookie.split(';').next().unwrap().to_owned()
}

async fn see(world: &World, path: &str, cookie: &str) -> Reply {
    ask(world, "GET", path, cookie, None).await
}

fn world() -> World {
    let mut world = World::new(1, &[&["eu-west-1", "us-east-1"]]);
    for git_ref in ["branch/main", "pr/7"] {
        let version = world.upload(git_ref, "one");
        world.end_of(&version);
    }
    world
}

/// The page of the rollout that runs at staging.
fn rollout_page(world: &World) -> String {
    format!("/console/rollouts/{}", world.stage("staging").targets[0].rollout)
}

#[tokio::test]
async fn pages_show_the_fleet_a_service_and_a_rollout_with_its_cause_and_fix() {
    let mut world = world();
    world.behaves("us-east-1", Behaviour::RollsBack("the table is <full>".into()));
    let version = world.upload("branch/main", "two");
    let failed = world.end_of(&version);
    let cookie = sign_in(&world, ANN).await;
    let fleet = see(&world, "/console/fleet", &cookie).await;
    assert_eq!((fleet.status, fleet.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    for part in [
        "<th scope=\"col\">staging</th>",
        "href=\"/console/services/orders\"",
        "us-east-1: rel…",
        "2 releases",
        "#previews",
    ] {
        assert!(fleet.text.contains(part), "{part} in {}", fleet.text);
    }
    let service = see(&world, "/console/services/orders", &cookie).await.text;
    for part in ["pr:7", "branch:main", &format!("/console/rollouts/{}", failed.id), "eu-west-1"] {
        assert!(service.contains(part), "{part} in {service}");
    }
    let rollout = see(&world, &format!("/console/rollouts/{}", failed.id), &cookie).await.text;
    for part in ["the table is &lt;full&gt;", "class=\"fix\"", "Wave 1", "status bad", "Timeline"] {
        assert!(rollout.contains(part), "{part} in {rollout}");
    }
    assert!(!rollout.contains("id=\"update\""), "it has ended");
    for (path, status) in [
        ("/console/services/nobody", StatusCode::NOT_FOUND),
        ("/console/services/No!", StatusCode::BAD_REQUEST),
        ("/console/rollouts/rlo_00000000000000000000000000", StatusCode::NOT_FOUND),
        ("/console/rollouts/x", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(see(&world, path, &cookie).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn a_rollout_in_progress_loads_itself_again() {
    let mut world = world();
    world.behaves("eu-west-1", Behaviour::Takes(600_000));
    let version = world.upload("branch/main", "two");
    world.until("it executes", |world| world.stack("eu-west-1", "staging") == Some("UPDATE_IN_PROGRESS"));
    let cookie = sign_in(&world, ANN).await;
    let path = format!("/console/rollouts/{}", world.rollout(&version).unwrap().id);
    assert!(see(&world, &path, &cookie).await.text.contains("data-seconds=\"5\""));
    assert!(see(&world, "/console/fleet", &cookie).await.text.contains("rolling out"));
}

#[tokio::test]
async fn nobody_sees_a_page_without_a_session() {
    let world = world();
    let session = sign_in(&world, ANN).await;
    let link = link(&world, ANN).await;
    let of_link = format!("__Host-flotilla={}", link.rsplit('=').next().unwrap());
    let token = session.split('=').nth(1).unwrap();
    let unknown = format!("__Host-flotilla={}", "0".repeat(64));
    for cookie in [
        "",
        "__Host-flotilla=",
        &unknown,
        &of_link,
        &format!("flotilla={token}"),
        &session.replace("__Host-flotilla", "__host-flotilla"),
        &format!("__Host-flotilla={}", token.to_uppercase()),
    ] {
        let rollout = rollout_page(&world);
        for path in ["/console/fleet", "/console/services/orders", "/console/services/nobody", &rollout] {
            let refused = see(&world, path, cookie).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{cookie} {path}");
            assert!(
                refused.text.contains("flotilla open") && !refused.text.contains("orders"),
                "{}",
                refused.text
            );
        }
    }
    // A session is no signature: the API does not take it.
    assert_eq!(see(&world, "/v1/services", &session).await.status, StatusCode::FORBIDDEN);
    assert_eq!(ask(&world, "POST", "/v1/console/links", &session, None).await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        ask(&world, "POST", "/console/fleet", &session, None).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn a_link_works_once_and_for_a_minute_and_a_session_until_it_is_left_or_eight_hours_old() {
    let mut world = world();
    let used = link(&world, ANN).await;
    assert_eq!(see(&world, &used, "").await.status, StatusCode::OK);
    let again = see(&world, &used, "").await;
    assert_eq!((again.status, again.header("set-cookie")), (StatusCode::FORBIDDEN, ""));
    let late = link(&world, ANN).await;
    world.wait_ms(60_000);
    assert_eq!(see(&world, &late, "").await.status, StatusCode::FORBIDDEN);
    for wrong in
        ["/console/enter", "/console/enter?link=x", &format!("/console/enter?link={}", "0".repeat(64))]
    {
        assert_eq!(see(&world, wrong, "").await.status, StatusCode::FORBIDDEN);
    }
    let left = sign_in(&world, ANN).await;
    world.wait_ms(1);
    let old = sign_in(&world, ANN).await;
    world.wait_ms(1);
    let leave = see(&world, "/console/leave", &left).await;
    assert!(
        leave.header("set-cookie").contains("Max-Age=0") && leave.text.contains("Signed out"),
        "{}",
        leave.text
    );
    assert_eq!(see(&world, "/console/fleet", &left).await.status, StatusCode::FORBIDDEN);
    assert!(see(&world, "/console/leave", &left).await.text.contains("had ended before"));
    assert_eq!(
        see(&world, "/console/leave", "").await.status,
        StatusCode::FORBIDDEN,
        "there is nothing to leave"
    );
    world.wait_ms(8 * 3_600_000 - 1_001);
    assert_eq!(see(&world, "/console/fleet", &old).await.status, StatusCode::OK);
    world.wait_ms(1_000);
    assert_eq!(see(&world, "/console/fleet", &old).await.status, StatusCode::FORBIDDEN);
    // The token of a link is a session's only after it was exchanged.
    let audit = ask(&world, "GET", "/v1/audit?limit=100", "", Some(ANN)).await.text;
    assert!(
        audit.contains("signed in") && audit.contains("close console") && audit.contains("link made"),
        "{audit}"
    );
    assert!(!audit.contains(used.rsplit('=').next().unwrap()), "no token is kept");
}

#[tokio::test]
async fn signing_in_again_ends_the_session_before_unless_the_link_is_refused() {
    let mut world = world();
    let before = sign_in(&world, ANN).await;
    world.wait_ms(1);
    let fleet = async |cookie: &str| see(&world, "/console/fleet", cookie).await.status;
    let unknown = format!("/console/enter?link={}", "0".repeat(64));
    assert_eq!(see(&world, &unknown, &before).await.status, StatusCode::FORBIDDEN);
    assert_eq!(fleet(&before).await, StatusCode::OK, "whoever sends a bad link signs nobody out");
    let again = see(&world, &link(&world, ANN).await, &before).await;
    let now = again.header("set-cookie").split(';').next().unwrap();
    assert_eq!((fleet(now).await, fleet(&before).await), (StatusCode::OK, StatusCode::FORBIDDEN));
}

#[tokio::test]
async fn a_reader_sees_what_the_grants_allow_at_that_moment() {
    let world = world();
    let bob = "arn:aws:iam::111122223333:user/bob";
    let grant = |principal: &str, role: &str, services: Option<&str>| GrantConfig {
        principal: principal.into(),
        role: role.into(),
        services: services.map(|service| vec![service.to_owned()]),
        stages: None,
    };
    let put = |grants| {
        let commands = world.api().0;
        let ann = block_on(commands.caller(ANN.into(), "grants".into())).unwrap();
        block_on(commands.put_access(&AccessConfig { grants, identity: None }, None, &ann)).unwrap();
    };
    put(vec![grant(ANN, "admin", None), grant(bob, "viewer", Some("orders"))]);
    let cookie = sign_in(&world, bob).await;
    let fleet = see(&world, "/console/fleet", &cookie).await.text;
    assert!(fleet.contains("data-name=\"orders\"") && !fleet.contains("orders-eu"), "{fleet}");
    assert_eq!(see(&world, "/console/services/orders-eu", &cookie).await.status, StatusCode::FORBIDDEN);
    assert_eq!(see(&world, "/console/services/orders", &cookie).await.status, StatusCode::OK);
    assert_eq!(see(&world, &rollout_page(&world), &cookie).await.status, StatusCode::OK);
    put(vec![grant(ANN, "admin", None), grant(bob, "viewer", Some("orders-eu"))]);
    assert_eq!(see(&world, &rollout_page(&world), &cookie).await.status, StatusCode::FORBIDDEN);
    put(vec![grant(ANN, "admin", None)]);
    assert_eq!(see(&world, "/console/services/orders", &cookie).await.status, StatusCode::FORBIDDEN);
    assert!(!see(&world, "/console/fleet", &cookie).await.text.contains("data-name"));
    let refused = ask(&world, "POST", "/v1/console/links", "", Some(bob)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    // Whoever has lost all grants can still sign out.
    assert_eq!(see(&world, "/console/leave", &cookie).await.status, StatusCode::OK);
    put(vec![grant(ANN, "admin", None), grant(bob, "viewer", None)]);
    assert_eq!(see(&world, "/console/services/orders", &cookie).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn every_reply_forbids_what_the_console_does_not_need() {
    let world = world();
    let cookie = sign_in(&world, ANN).await;
    for path in [
        "/console/fleet",
        "/console/nothing",
        "/console/enter?link=x",
        "/console/style.css",
        "/console/app.js",
        "/console/icon.svg",
        "/console/services//x",
    ] {
        let reply = see(&world, path, &cookie).await;
        let policy = reply.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self'"),
            "{path}: {policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        let is_file = path.contains('.');
        let kept = if is_file { "public, max-age=31536000, immutable" } else { "no-store" };
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", kept),
        ] {
            assert_eq!(reply.header(name), value, "{path} {name}");
        }
        // The namespace of SVG is a name, not an address that is loaded.
        let text = reply.text.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        let elsewhere =
            ["http://", "https://", "<style", "onclick", "style=\""].map(|part| text.contains(part));
        assert_eq!(elsewhere, [false; 5], "{path}: {}", reply.text);
        let scripts = reply.text.matches("<script src=\"/console/app.js?v=").count();
        assert_eq!(reply.text.matches("<script").count(), scripts, "{path}");
    }
}
