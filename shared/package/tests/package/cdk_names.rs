//! Names of stacks in CDK apps.

use crate::support::assembly::{artifact, changed};
use serde_json::json;

#[test]
fn a_long_name_of_a_stack_is_shortened_and_stays_unique() {
    let name = |last: &str| format!("Platform/{}{last}", "Networking".repeat(8));
    let parts = |last: &str| {
        let finished = changed(|files| artifact(files, "Data")["displayName"] = json!(name(last))).unwrap();
        finished.package.stacks[0].part.clone().unwrap()
    };
    let (one, other) = (parts("One"), parts("Two"));
    assert_eq!(one.as_str().len(), 64);
    assert!(one.as_str().starts_with("Platform-Networking") && one != other && one == parts("One"));
    // An id may have characters that names of stacks do not.
    let part = |id: &str| {
        let finished = changed(|files| artifact(files, "Data")["displayName"] = json!(id)).unwrap();
        finished.package.stacks[0].part.clone().unwrap().to_string()
    };
    assert!(part("My_Stack").starts_with("My-Stack-") && part("My_Stack") != part("My.Stack"));
    assert_eq!(part("My/Stack"), "My-Stack");
}
