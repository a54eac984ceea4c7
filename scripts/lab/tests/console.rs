//! The console, as a browser reaches it through API Gateway: by a link of the command line, with a session, and not otherwise.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use flotilla_lab::World;
use flotilla_lab::config::for_service;
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::samples::ballast_package;
use flotilla_lab::world::{HOME, text};
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const REGIONS: [&str; 2] = [HOME, "us-east-1"];

/// A browser without a jar of cookies that follows nothing.
fn browser(url: &reqwest::Url) -> Client {
    let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), url.port_or_known_default().unwrap());
    let client = Client::builder().redirect(Policy::none()).resolve(url.host_str().unwrap(), address);
    client.build().unwrap()
}

/// The reply to a request with exactly this path, which HTTP clients would put into its plain form.
async fn raw(url: &reqwest::Url, path: &str, cookie: &str) -> String {
    let (host, port) = (url.host_str().unwrap(), url.port_or_known_default().unwrap());
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\ncookie: {cookie}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.unwrap();
    String::from_utf8_lossy(&reply).into_owned()
}

#[tokio::test]
async fn a_link_signs_a_browser_in_once_and_its_session_reads_pages_only() {
    let world = World::start(&REGIONS, &[], true).await.expect("Flotilla");
    world.apply(&for_service(ACCOUNT, "orders", "live", &world.regions)).await.expect("a configuration");
    let done = world.push("orders", "branch/main", ballast_package(1_000, 1).unwrap()).await.expect("a push");
    assert_eq!(done.status, "succeeded", "{done:#?}");

    let opened = world.run(&["open", "--print"]).await.unwrap();
    assert_eq!(opened.status.code(), Some(0), "{}", text(&opened));
    let link = String::from_utf8(opened.stdout).unwrap();
    let link = reqwest::Url::parse(link.trim()).unwrap();
    let client = browser(&link);
    let at = |path: &str| link.join(path).unwrap();
    let get = async |path: &str, cookie: &str| -> Response {
        client.get(at(path)).header(COOKIE, cookie).send().await.unwrap()
    };
    assert_eq!(get("/console/fleet", "").await.status(), StatusCode::FORBIDDEN);
    let entered = client.get(link.clone()).send().await.unwrap();
    assert_eq!(entered.status(), StatusCode::OK);
    let cookie = entered.headers()[SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    assert_eq!(
        client.get(link.clone()).send().await.unwrap().status(),
        StatusCode::FORBIDDEN,
        "a second time"
    );

    let fleet = get("/console/fleet", &cookie).await;
    assert_eq!(fleet.headers()["x-content-type-options"], "nosniff");
    assert!(fleet.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    let fleet = fleet.text().await.unwrap();
    assert!(fleet.contains("orders") && fleet.contains("us-east-1") && fleet.contains("live"), "{fleet}");
    let page = get(&format!("/console/rollouts/{}", done.id), &cookie).await.text().await.unwrap();
    assert!(page.contains("succeeded") && page.contains("Timeline"), "{page}");
    for file in ["/console/style.css", "/console/app.js"] {
        assert_eq!(get(file, "").await.status(), StatusCode::OK, "{file}");
    }

    // A session is no signature, and an unsigned request reaches no other route.
    for path in ["/v1/services", "/openapi.json"] {
        let status = get(path, &cookie).await.status();
        assert!(status.is_client_error(), "{path}: {status}");
    }
    for path in [
        "/console/../v1/services",
        "/console/%2e%2e/v1/services",
        "/console//v1/services",
        "/console/..%2fv1/services",
    ] {
        let reply = raw(&link, path, &cookie).await;
        assert!(reply.starts_with("HTTP/1.1 4") && !reply.contains("config_version"), "{path}: {reply}");
    }
    let posted = client.post(at("/console/fleet")).header(COOKIE, &cookie).send().await.unwrap();
    assert!(posted.status().is_client_error(), "{}", posted.status());
    assert!(get("/console/leave", &cookie).await.status().is_success());
    assert_eq!(get("/console/fleet", &cookie).await.status(), StatusCode::FORBIDDEN);
}
