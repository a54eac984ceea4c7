//! The tutorials, done by the letter: their files are saved, their commands are run by a shell in the order of the pages, and what
//! the commands print is compared with what the pages show.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the lab measures real time")]

mod tutorial;

use aws_sdk_cloudwatch::types::StateValue;
use flotilla_lab::World;
use tutorial::{Block, Reader, blocks};

const ALARM: &str = "orders-production-errors";

/// What the text of a page asks for, before its block number `at`: the edit of a file, or a change of an alarm that the emulator does
/// not evaluate.
enum Meanwhile {
    Edit { file: &'static str, from: &'static str, to: &'static str },
    Alarm(StateValue),
}

/// Follows one page. `meanwhile`: what happens before the first command of a heading that begins like this.
async fn follow(reader: &mut Reader<'_>, page: &str, mut meanwhile: Vec<(&str, Meanwhile)>) {
    let text = std::fs::read_to_string(format!("../../docs/tutorials/{page}.md")).unwrap();
    for block in blocks(&text) {
        while let Some(at) = meanwhile.iter().position(|(place, _)| block.comes_after(place)) {
            match meanwhile.remove(at).1 {
                Meanwhile::Edit { file, from, to } => {
                    assert!(
                        text.contains(from) && text.contains(to),
                        "{page} asks for no such edit: {from} to {to}"
                    );
                    reader.edit(file, from, to);
                }
                Meanwhile::Alarm(state) => alarms(reader.world, &state).await,
            }
        }
        match block {
            Block::File { path, content, .. } => reader.save(&path, &content),
            Block::Commands { lines, output, .. } => reader.run(&lines, output.as_deref()).await,
        }
    }
    assert!(meanwhile.is_empty(), "{page} has no such place");
}

/// Sets the state of the alarm in both regions.
async fn alarms(world: &World, state: &StateValue) {
    for region in &world.regions {
        let client = aws_sdk_cloudwatch::Client::new(&world.config(region));
        let set = client
            .set_alarm_state()
            .alarm_name(ALARM)
            .state_value(state.clone())
            .state_reason("the tutorial says so");
        set.send().await.expect("a state");
    }
}

#[tokio::test]
async fn a_newcomer_deploys_a_service_promotes_it_reverts_a_bug_and_rolls_back() {
    let args = ["--step-timeout-s", "10", "--ingest-timeout-s", "10"];
    let world = World::start(&["eu-central-1", "us-east-1"], &args, true).await.expect("Flotilla");
    let mut reader = Reader::new(&world);
    let edit = |from, to| Meanwhile::Edit { file: "orders/src/app.py", from, to };
    follow(
        &mut reader,
        "first-service",
        vec![(
            "flotilla push orders --service orders --ref branch:main --no-follow",
            edit("Hello from", "Welcome to"),
        )],
    )
    .await;
    let region = r#"os.environ["AWS_REGION"]"#;
    let bug = r#"os.environ["REGION"]"#;
    let events = vec![
        ("aws cloudwatch describe-alarms", Meanwhile::Alarm(StateValue::Ok)),
        ("## 6.", edit(region, bug)),
        ("## 7.", Meanwhile::Alarm(StateValue::Alarm)),
        ("## 8.", Meanwhile::Alarm(StateValue::Ok)),
        ("## 8.", edit(bug, region)),
        ("## 8.", edit("Welcome to", "Good day from")),
    ];
    follow(&mut reader, "production-with-approvals", events).await;
}
