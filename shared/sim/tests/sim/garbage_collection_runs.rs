//! One run of the collection after the other: what each may do, and where the next one goes on.

use crate::garbage_collection::{DAY_H, REGION, bring, gone, stored, world};
use flotilla_domain::set::{Member, ServiceSet, SetKind, SetState};
use flotilla_domain::{ReleaseId, ServiceName, SetId, StageName, Timestamp};
use flotilla_engine::ports::ErrorKind;
use flotilla_engine::records::Versioned;
use flotilla_engine::retention::{CollectorLimits, CollectorReport};
use flotilla_sim::World;
use futures::executor::block_on;
use std::future::Future;
use std::task::{Context, Poll, Waker};

#[test]
fn a_new_installation_removes_nothing_for_a_month_nor_does_one_that_knows_no_release() {
    let mut world = world();
    bring(&mut world, "pr/1", "one");
    world.newly_installed();
    let mut first = None;
    for day in 0..70 {
        world.jump(DAY_H);
        let report = world.collect();
        assert_eq!(report.failures, Vec::<String>::new());
        if report.pages > 0 {
            first = Some(day);
            break;
        }
    }
    assert_eq!(first, Some(31));
    let mut empty = World::new(1, &[&[REGION]]);
    empty.jump(DAY_H * 40);
    assert_eq!(empty.collect(), CollectorReport::default(), "its table may be lost");
}

/// A world after a round, in which the six objects of `another` are old now and needed by nobody.
fn one_to_go() -> World {
    let (mut world, _) = gone();
    bring(&mut world, "pr/8", "another");
    world.pass(30);
    bring(&mut world, "branch/main", "two");
    world.jump(31 * DAY_H);
    world
}

#[test]
fn a_run_looks_at_as_many_pages_as_it_may_and_the_next_one_goes_on() {
    let mut world = one_to_go();
    let limits = CollectorLimits { pages_max: 1, ..CollectorLimits::default() };
    let runs: Vec<CollectorReport> = (0..40).map(|_| world.collect_within(limits)).collect();
    assert!(runs.iter().all(|run| run.pages <= 1));
    assert_eq!(runs.iter().map(|run| run.objects).sum::<u64>(), 6);
    let pages: usize = runs.iter().map(|run| run.pages).sum();
    assert!((6..40).contains(&pages), "three buckets of two folders: {pages}");
    assert_eq!(stored(&world, "another"), [0; 3]);
    let calls = world.calls("dynamodb:Query");
    assert_eq!(world.collect(), CollectorReport::default(), "a round a day");
    assert_eq!(world.calls("dynamodb:Query"), calls, "and nothing is looked up for none");
    world.jump(DAY_H);
    assert!(world.collect().pages >= 6);
}

#[test]
fn two_runs_at_once_do_no_harm() {
    let mut world = one_to_go();
    let (one, other) = (world.collector(), world.collector());
    let limits = CollectorLimits { pages_max: 1_000, ..CollectorLimits::default() };
    let both = async { futures::join!(one.run(limits), other.run(limits)) };
    let (one, other) = block_on(both);
    let removed = one.unwrap().objects + other.unwrap().objects;
    world.steps(1);
    assert!(removed >= 6, "{removed}");
    assert_eq!((stored(&world, "another"), stored(&world, "two")), ([0; 3], [1; 3]));
}

#[test]
fn a_dry_run_says_what_would_go_and_changes_nothing() {
    let mut world = world();
    bring(&mut world, "pr/7", "preview");
    world.pass(30);
    bring(&mut world, "branch/main", "one");
    world.jump(31 * DAY_H);
    let (items, limits) = (world.items(), CollectorLimits { dry_run: true, ..CollectorLimits::default() });
    assert_eq!(world.collect_within(limits).objects, 6);
    assert_eq!(world.items(), items);
    assert_eq!(stored(&world, "preview"), [1; 3]);
    assert_eq!(world.collect().objects, 6);
    let after = world.collect_within(limits);
    assert_eq!((after.objects, after.failures), (0, Vec::new()));
    assert!(after.pages >= 6, "it looks although today's round is over");
}

#[test]
fn a_run_without_time_does_one_page_and_the_next_one_goes_on() {
    let mut world = one_to_go();
    let limits = CollectorLimits { time_max_s: 0, ..CollectorLimits::default() };
    let runs: Vec<CollectorReport> = (0..40).map(|_| world.collect_within(limits)).collect();
    assert!(runs.iter().all(|run| run.pages <= 1), "{runs:?}");
    assert_eq!(runs.iter().map(|run| run.objects).sum::<u64>(), 6);
}

#[test]
fn a_bucket_that_refuses_is_told_of_and_one_that_does_not_answer_gets_its_turn_later() {
    let mut world = world();
    bring(&mut world, "branch/main", "one");
    world.refuses("s3:ListObjectVersions", ErrorKind::Denied, "AccessDenied: not authorized");
    let report = world.collect();
    assert_eq!(report.failures.len(), 3, "each of the three: {report:?}");
    assert!(report.failures[1].contains(REGION), "{report:?}");
    assert!(report.failures[1].contains("run flotilla install"), "{report:?}");
    world.jump(DAY_H);
    world.refuses("s3:ListObjectVersions", ErrorKind::Missing, "NoSuchBucket: it does not exist");
    assert_eq!(
        world.collect(),
        CollectorReport::default(),
        "regions that nobody has prepared are passed over"
    );
    world.jump(DAY_H);
    world.refuses("s3:ListObjectVersions", ErrorKind::Permanent, "IllegalLocationConstraint: no");
    assert!(world.collect().failures.iter().all(|failure| !failure.contains("install")));
    world.allows("s3:ListObjectVersions");
    world.jump(DAY_H);
    world.refuses("s3:ListObjectVersions", ErrorKind::Transient, "503 Slow Down");
    for _ in 0..5 {
        assert_eq!(world.collect(), CollectorReport::default());
    }
    let report = world.collect();
    assert_eq!(report.failures.len(), 1, "skipped for this round: {report:?}");
    world.allows("s3:ListObjectVersions");
    assert!(world.collect().pages >= 4, "the other two");
}

/// A set of one service that was to go from one release to another.
fn set(release: &str, before: &str) -> ServiceSet {
    let release_id = |id: &str| ReleaseId::parse(id).unwrap();
    let (now, stage) = (Timestamp::UNIX_EPOCH, |name: &str| StageName::parse(name).unwrap());
    ServiceSet {
        id: SetId::derive(now, &["set"]),
        kind: SetKind::Promotion { from: stage("staging") },
        members: vec![Member {
            service: ServiceName::parse("orders").unwrap(),
            stage: stage("production"),
            level: 0,
            release: release_id(release),
            before: Some(release_id(before)),
            newest: None,
            forward: None,
            back: None,
        }],
        state: SetState::Rolling { level: 0 },
        acted: false,
        cancelled: None,
        requested_by: "ann".into(),
        because: "the sale".into(),
        created_at: now,
        entered_at: now,
    }
}

#[test]
fn what_a_set_under_way_may_bring_or_go_back_to_is_kept() {
    for (under_way, kept) in [(true, 1), (false, 0)] {
        let mut world = world();
        let old = bring(&mut world, "pr/7", "old");
        let older = bring(&mut world, "pr/8", "older");
        world.pass(30);
        bring(&mut world, "branch/main", "one");
        if under_way {
            let set = set(&old, &older);
            let set = Versioned::new(set.clone()).write(&set, Timestamp::from_second(4_000_000_000).ok());
            block_on(world.step_ports().store.write(vec![set])).unwrap();
        }
        world.jump(31 * DAY_H);
        let report = world.collect();
        assert_eq!(report.failures, Vec::<String>::new());
        assert_eq!((stored(&world, "old"), stored(&world, "older")), ([kept; 3], [kept; 3]));
        assert_eq!(stored(&world, "one"), [1; 3]);
    }
}

#[test]
fn what_is_kept_is_not_guessed_when_there_is_no_time_to_look_it_up() {
    let mut world = one_to_go();
    let run = world.collector();
    let mut run = Box::pin(async move { run.run(CollectorLimits::default()).await });
    // Its time is over while it reads what there is.
    for nth in 0.. {
        match run.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending if nth == 1 => drop(world.wait_ms(3_600_000)),
            Poll::Pending => {}
            Poll::Ready(report) => {
                let report = report.unwrap();
                assert_eq!((report.pages, report.failures.len()), (0, 1), "{report:?}");
                assert!(report.failures[0].contains("could not be read in time"), "{report:?}");
                break;
            }
        }
    }
    assert_eq!(stored(&world, "another"), [1; 3]);
    world.jump(DAY_H);
    assert_eq!(world.collect().objects, 6, "the next round has time");
}
