//! How packages come to their targets, and are proven there.

use flotilla_domain::{Code, Digest, ReleaseId, RolloutId, Site, Timestamp};
use flotilla_engine::EngineError;
use flotilla_engine::ports::{ErrorKind, Expect, Item, PortError, Presence, Write};
use flotilla_engine::records::rollout_key;
use flotilla_engine::replica::ReplicateJob;
use flotilla_engine::rollout::RetryOptions;
use flotilla_sim::{Behaviour, World};
use futures::executor::block_on;
use serde_json::Map;

const REGION: &str = "eu-west-1";

fn world() -> World {
    World::new(1, &[&[REGION]])
}

fn job(world: &World, version: &str) -> ReplicateJob {
    let rollout = world.rollout(version).unwrap();
    ReplicateJob {
        release: ReleaseId::parse(&rollout.release.unwrap()).unwrap(),
        rollout: RolloutId::parse(&rollout.id).unwrap(),
        site: Site::parse(&format!("111122223333/{REGION}")).unwrap(),
    }
}

#[test]
fn what_is_proven_is_not_looked_at_again() {
    let mut world = world();
    world.behaves(REGION, Behaviour::Takes(60_000));
    let version = world.upload("branch/main", "one");
    world.until("it executes", |w| w.stack(REGION, "staging") == Some("CREATE_IN_PROGRESS"));
    let job = job(&world, &version);
    let (looks, woken) = (world.calls("s3:HeadObject"), world.calls("sqs:SendMessageBatch"));
    assert!(block_on(world.replicate().run(&[job.clone(), job.clone()])).iter().all(Result::is_ok));
    assert_eq!(world.calls("s3:HeadObject"), looks);
    assert_eq!(world.calls("sqs:SendMessageBatch"), woken + 1, "the rollout is woken, once");
    world.end_of(&version);
}

#[test]
fn a_rollout_is_woken_by_the_last_of_its_copies() {
    let mut world = World::new(2, &[&[REGION, "us-east-1"]]);
    let version = world.upload("branch/main", "one");
    world.until("it replicates", |w| w.rollout(&version).is_some_and(|r| r.status == "replicating"));
    let first = job(&world, &version);
    let last = ReplicateJob { site: Site::parse("111122223333/us-east-1").unwrap(), ..first.clone() };
    let woken = world.calls("sqs:SendMessageBatch");
    assert!(block_on(world.replicate().run(&[first]))[0].is_ok());
    assert_eq!(world.calls("sqs:SendMessageBatch"), woken, "one is missing still");
    assert!(block_on(world.replicate().run(&[last]))[0].is_ok());
    assert_eq!(world.calls("sqs:SendMessageBatch"), woken + 1);
    world.end_of(&version);
}

#[test]
fn for_a_rollout_that_has_ended_nothing_is_copied() {
    let mut world = world();
    world.refuses_copies(REGION, PortError::new(ErrorKind::Denied, "s3:CopyObject", "AccessDenied"));
    let version = world.upload("branch/main", "one");
    assert_eq!(world.end_of(&version).status, "failed");
    let attempts = world.calls("s3:CopyObject");
    assert!(block_on(world.replicate().run(&[job(&world, &version)]))[0].is_ok());
    assert_eq!(world.calls("s3:CopyObject"), attempts);
}

#[test]
fn each_job_has_its_own_answer() {
    let mut world = world();
    let version = world.upload("branch/main", "one");
    world.end_of(&version);
    let good = job(&world, &version);
    let rollout = RolloutId::derive(Timestamp::UNIX_EPOCH, &["x"]);
    let jobs = [good.clone(), ReplicateJob { rollout, ..good.clone() }, good];
    let answers = block_on(world.replicate().run(&jobs));
    assert_eq!(answers.len(), 3);
    assert!(answers[0].is_ok() && matches!(answers[1], Err(EngineError::Defect(_))) && answers[2].is_ok());
}

#[test]
fn s11_a_copy_whose_bytes_s3_does_not_prove_is_never_deployed() {
    for presence in [Presence::Proven(Digest::of(b"others")), Presence::Absent] {
        let mut world = world();
        world.copies_seem(REGION, presence);
        let version = world.upload("branch/main", "one");
        let end = world.end_of(&version);
        let cause = end.cause.unwrap();
        assert_eq!(cause.code, Code::ReplicaUnproven.to_string(), "{presence:?}");
        assert_eq!(world.stack(REGION, "staging"), None);
    }
}

#[test]
fn a_copy_of_which_s3_has_no_full_checksum_is_streamed_and_so_proven() {
    let mut world = world();
    world.copies_seem(REGION, Presence::Unproven);
    let version = world.upload("branch/main", "one");
    assert_eq!(world.end_of(&version).status, "succeeded");
    assert!(world.calls("s3:CopyObject") > 0, "S3 copies first");
}

#[test]
fn what_was_refused_once_is_tried_again_by_the_next_rollout() {
    let mut world = world();
    world.refuses("s3:CopyObject", ErrorKind::Denied, "AccessDenied: kms:GenerateDataKey");
    let version = world.upload("branch/main", "one");
    let failed = world.end_of(&version);
    assert_eq!(failed.status, "failed");
    world.allows("s3:CopyObject");
    let retry = world.retry(&failed.id, &RetryOptions::default()).unwrap();
    assert_eq!(world.end_of_rollout(&retry).status, "succeeded", "the earlier failure is not believed");
}

#[test]
fn what_may_pass_is_copied_a_little_later() {
    let mut world = world();
    world.refuses("s3:CopyObject", ErrorKind::Transient, "503 Slow Down");
    let version = world.upload("branch/main", "one");
    world.until("three attempts", |w| w.calls("s3:CopyObject") >= 3);
    assert_eq!(world.rollout(&version).unwrap().status, "replicating");
    world.allows("s3:CopyObject");
    assert_eq!(world.end_of(&version).status, "succeeded");
}

#[test]
fn a_rollout_that_cannot_be_read_keeps_no_other_from_its_copies() {
    let mut world = world();
    world.behaves(REGION, Behaviour::Takes(60_000));
    let version = world.upload("branch/main", "one");
    world.until("it executes", |w| w.stack(REGION, "staging") == Some("CREATE_IN_PROGRESS"));
    let good = job(&world, &version);
    let rollout = RolloutId::derive(Timestamp::UNIX_EPOCH, &["garbage"]);
    let garbage =
        Item { key: rollout_key(&rollout), version: 1, due_at: None, expires_at: None, body: Map::new() };
    block_on(world.step_ports().store.write(vec![Write::put(garbage, Expect::Anything)])).unwrap();
    let bad = ReplicateJob { rollout, ..good.clone() };
    let answers = block_on(world.replicate().run(&[good.clone(), bad.clone(), good]));
    assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(block_on(world.replicate().run(&[bad])).len(), 1);
}

#[test]
fn a_rollout_is_told_at_once_of_a_copy_that_failed() {
    let mut world = World::new(3, &[&[REGION, "us-east-1"]]);
    world.refuses_copies(REGION, PortError::new(ErrorKind::Denied, "s3:CopyObject", "AccessDenied"));
    let version = world.upload("branch/main", "one");
    let began_ms = world.now_ms();
    assert_eq!(world.end_of(&version).status, "failed");
    assert!(world.now_ms() - began_ms < 20_000, "{} ms", world.now_ms() - began_ms);
}

#[test]
fn a_plan_asks_anew_whether_what_was_copied_before_it_is_there() {
    let mut world = world();
    let version = world.upload("branch/main", "one");
    world.end_of(&version);
    let planned = |world: &mut World| {
        let before = world.calls("s3:HeadObject");
        let id = world.plan("staging").unwrap();
        assert_eq!(world.end_of_rollout(&id).status, "planned");
        world.calls("s3:HeadObject") - before
    };
    assert!(planned(&mut world) > 0, "no stage's rollout has proven it since the plan was asked for");
}
