//! Serves the API on the simulated world at 127.0.0.1, for tools that test or generate from the OpenAPI document: every request with an
//! `authorization` header counts as signed by an admin. `cargo run -p flotilla-fn-api --example serve`; prints the address.

#![allow(clippy::unwrap_used, reason = "a tool fails by panicking")]

use axum::extract::Request;
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn};
use flotilla_fn_api::{Api, Signed, router};
use flotilla_sim::{Behaviour, World};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::TcpListener;

static REQUESTS: AtomicU64 = AtomicU64::new(0);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut world = World::new(1, &[&["eu-west-1"], &["us-east-1"]]);
    for git_ref in ["branch/main", "branch/eu", "pr/7"] {
        let version = world.upload(git_ref, "one");
        world.end_of(&version);
    }
    world.behaves(
        "us-east-1",
        Behaviour::RollsBack("Resource handler returned message: the table is full".into()),
    );
    let version = world.upload("branch/main", "two");
    world.end_of(&version);
    let (commands, status) = world.api();
    let sign = async |mut request: Request, next: Next| {
        let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
        let principal = "arn:aws:iam::111122223333:user/ann".into();
        if request.headers().contains_key(AUTHORIZATION) {
            request.extensions_mut().insert(Signed { principal, request_id: format!("request {number}") });
        }
        next.run(request).await
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    axum::serve(listener, router(Api { commands, status }).layer(from_fn(sign))).await.unwrap();
}
