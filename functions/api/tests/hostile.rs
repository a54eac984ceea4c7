//! Requests that are not what they seem are refused before anything is read from the table.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use flotilla_fn_api::{Api, Signed, router};
use flotilla_sim::World;
use serde_json::Value;
use tower::ServiceExt;

struct Hostile {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
}

const JSON: (&str, &str) = ("content-type", "application/json");
const PROMOTE: &str = "/v1/services/orders/promote";

fn get(path: &str) -> Hostile {
    Hostile { method: "GET", path: path.into(), headers: Vec::new(), body: Vec::new() }
}

fn post(body: impl Into<Vec<u8>>) -> Hostile {
    Hostile { method: "POST", path: PROMOTE.into(), headers: vec![JSON], body: body.into() }
}

/// Status, code and detail of the reply, and the calls that it cost.
async fn ask(world: &World, hostile: &Hostile) -> (StatusCode, String, String, u64) {
    let before = world.all_calls();
    let (commands, status) = world.api();
    let mut request = Request::builder().method(hostile.method).uri(&hostile.path);
    for (name, value) in &hostile.headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::from(hostile.body.clone())).unwrap();
    let principal = "arn:aws:iam::111122223333:user/ann".into();
    request.extensions_mut().insert(Signed { principal, request_id: "r".into() });
    let reply = router(Api { commands, status }).oneshot(request).await.unwrap();
    let status = reply.status();
    let problem: Value =
        serde_json::from_slice(&to_bytes(reply.into_body(), 1_000_000).await.unwrap()).unwrap();
    let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    (status, text("code"), text("detail"), world.all_calls() - before)
}

#[tokio::test]
async fn a_body_is_an_object_and_no_list_of_its_fields() {
    let world = World::new(1, &[&["eu-west-1"]]);
    for body in ["[]", r#"["staging", "production"]"#, " []", "null", "1", "\"a\""] {
        let (status, code, detail, _) = ask(&world, &post(body)).await;
        assert_eq!((status, code.as_str()), (StatusCode::BAD_REQUEST, "FL0401"), "{body}");
        assert_eq!(detail, "the body is not a JSON object", "{body}");
    }
}

#[tokio::test]
async fn ambiguous_requests_are_refused_before_anything_is_read() {
    let world = World::new(1, &[&["eu-west-1"]]);
    let valid = r#"{"from": "staging", "to": "production"}"#;
    let with = |name, value| Hostile { headers: vec![JSON, (name, value)], ..post(valid) };
    let typed = |value| Hostile { headers: vec![("content-type", value)], ..post(valid) };
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let cases = [
        ("an encoded letter", get("/v1/services/%6frders"), "plain form"),
        ("an encoded slash", get("/v1/services/orders%2Fconfig"), "plain form"),
        ("an encoded dot", get("/v1/services/%2e%2e/access"), "plain form"),
        ("a null byte", get("/v1/services/orders%00"), "plain form"),
        ("a trailing slash", get("/v1/services/"), "plain form"),
        ("doubled slashes", get("/v1//services"), "plain form"),
        ("a parent folder", get("/v1/services/../access"), "plain form"),
        ("a semicolon", get("/v1/services/orders;a=b"), "plain form"),
        ("an overridden method", with("x-http-method-override", "DELETE"), "x-http-method-override"),
        ("an overridden path", with("x-original-url", "/v1/access"), "x-original-url"),
        (
            "a body on GET",
            Hostile { headers: vec![JSON], body: b"{}".to_vec(), ..get("/v1/services") },
            "has a body",
        ),
        ("a form", typed("application/x-www-form-urlencoded"), "content type"),
        ("text", typed("text/plain"), "content type"),
        ("no content type", Hostile { headers: Vec::new(), ..post(valid) }, "content type"),
        ("a key twice", post(r#"{"from": "staging", "to": "staging", "to": "production"}"#), "occurs twice"),
        ("a key twice, far inside", post(r#"{"a": [{"b": 1, "\u0062": 2}]}"#), "occurs twice"),
        ("deep JSON", post(deep), "recursion limit"),
        ("no JSON", post("from=staging"), "expected"),
        ("bytes that are no text", post([b'"', 0xff, b'"']), "unicode"),
        ("something behind the JSON", post(format!("{valid} {valid}")), "trailing characters"),
        ("256 KiB and one byte", post(" ".repeat(256 * 1024 + 1)), "256 KiB"),
    ];
    for (what, hostile, says) in &cases {
        let (status, code, detail, calls) = ask(&world, hostile).await;
        assert_eq!(
            (status, code.as_str(), calls),
            (StatusCode::BAD_REQUEST, "FL0401", 0),
            "{what}: {detail}"
        );
        assert!(detail.contains(says), "{what}: {detail}");
    }
    // No route: the names of routes have one spelling.
    for path in ["/V1/services", "/v1/Services", "/v1/services/orders/nothing", "/v1"] {
        let (status, code, _, calls) = ask(&world, &get(path)).await;
        assert_eq!((status, code.as_str(), calls), (StatusCode::NOT_FOUND, "FL0404", 0), "{path}");
    }
    // The same request in its plain form is understood.
    let (status, code, detail, calls) = ask(&world, &post(valid)).await;
    assert_eq!((status, code.as_str()), (StatusCode::NOT_FOUND, "FL0404"), "{detail}");
    assert!(calls > 0);
}

#[tokio::test]
async fn a_cursor_never_leaves_its_list() {
    let mut world = World::new(1, &[&["eu-west-1"]]);
    let version = world.upload("branch/main", "one");
    world.end_of(&version);
    let own: Vec<String> = items(&world, "/v1/services/orders-eu/releases").await;
    assert!(own.is_empty(), "{own:?}");
    let foreign = ["REL%23", "SVC%23orders", "UPL%23", "REL%23zzzz", "CONFIG", "a", "%7B%7D", "%F0%9F%92%A3"];
    for list in ["releases", "uploads"] {
        for cursor in foreign {
            let found = items(&world, &format!("/v1/services/orders-eu/{list}?cursor={cursor}")).await;
            assert!(found.is_empty(), "{list} {cursor}: {found:?}");
        }
    }
    // The lists of a service show releases as releases only.
    for cursor in foreign {
        let found = items(&world, &format!("/v1/services/orders/releases?cursor={cursor}")).await;
        assert!(found.iter().all(|id| id.starts_with("rel_")), "{cursor}: {found:?}");
    }
}

/// The ids of a list's items; none if the list refuses the request.
async fn items(world: &World, path: &str) -> Vec<String> {
    let (commands, status) = world.api();
    let mut request = Request::builder().uri(path).body(Body::empty()).unwrap();
    let principal = "arn:aws:iam::111122223333:user/ann".into();
    request.extensions_mut().insert(Signed { principal, request_id: "r".into() });
    let reply = router(Api { commands, status }).oneshot(request).await.unwrap();
    assert!(
        reply.status() == StatusCode::OK || reply.status() == StatusCode::BAD_REQUEST,
        "{path}: {}",
        reply.status()
    );
    let page: Value = serde_json::from_slice(&to_bytes(reply.into_body(), 1_000_000).await.unwrap()).unwrap();
    let items = page["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item["id"].as_str().unwrap_or("?").to_owned()).collect()
}
