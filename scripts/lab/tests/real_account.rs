//! The check of a real account (scripts/aws-check), on an emulator: what it does is known to work, but for AWS itself.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use flotilla_lab::emulator::{ACCOUNT, Emulator, program};
use flotilla_lab::world::{HOME, text};
use std::process::Command;

#[tokio::test]
async fn the_check_of_an_account_passes_and_leaves_nothing() {
    let emulator = Emulator::start(&program().unwrap(), None).await.expect("an emulator");
    let mut check = Command::new("../aws-check");
    check.args(["--yes", "--regions", "eu-central-1,us-east-1"]);
    check.env("AWS_ENDPOINT_URL", emulator.endpoint()).env("AWS_REGION", HOME);
    check.env("AWS_ACCESS_KEY_ID", ACCOUNT).env("AWS_SECRET_ACCESS_KEY", "test");
    let done = check.output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    assert!(text(&done).contains(" passed, 0 failed"), "{}", text(&done));
}
