//! What is removed from the buckets, and what never is.

use flotilla_contract::ProfileConfig;
use flotilla_domain::retention::Pace;
use flotilla_domain::{ReleaseId, SignedDuration, StageName};
use flotilla_engine::EngineError;
use flotilla_engine::plan::{AllowedLosses, PlanOptions};
use flotilla_engine::retention::CollectorLimits;
use flotilla_engine::rollout::Rollback;
use flotilla_sim::{Behaviour, Faults, World};
use futures::executor::block_on;
use std::future::Future;
use std::task::{Context, Waker};

pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const OTHER: &str = "us-east-1";
pub(crate) const DAY_H: i64 = 24;

/// A world in which only one release is kept for its number, and those of a day for their age.
pub(crate) fn world() -> World {
    let mut world = World::new(1, &[&[REGION, OTHER]]);
    world.keeps(1, 1);
    world
}

/// Brings code to a stage and to its end.
pub(crate) fn bring(world: &mut World, git_ref: &str, code: &str) -> String {
    let version = world.upload(git_ref, code);
    let end = world.end_of(&version);
    assert_eq!(end.status, "succeeded", "{:?}", end.cause);
    end.release.unwrap()
}

/// How often a function's code is stored at home and in the two regions.
pub(crate) fn stored(world: &World, code: &str) -> [usize; 3] {
    [None, Some(REGION), Some(OTHER)].map(|region| world.versions_of(code, region))
}

fn code_of(error: &EngineError) -> String {
    match error {
        EngineError::Refused(refusal) => refusal.code.to_string(),
        other => other.to_string(),
    }
}

fn go_back(to: Option<&str>) -> Rollback {
    Rollback {
        stage: StageName::parse("staging").unwrap(),
        to: to.map(|release| ReleaseId::parse(release).unwrap()),
        by_waves: false,
        because: None,
        allow: AllowedLosses::default(),
    }
}

#[test]
fn what_no_stage_needs_goes_when_it_is_old_and_what_was_stable_stays() {
    let mut world = world();
    let first = bring(&mut world, "branch/main", "one");
    bring(&mut world, "branch/main", "two");
    // Nothing is known to be stable before the one that runs but those that were: a preview's is not.
    bring(&mut world, "pr/7", "preview");
    world.pass(30);
    assert_eq!(world.stack(REGION, "pr-7"), None, "the preview has ended");
    bring(&mut world, "branch/main", "three");
    assert_eq!(world.collect().objects, 0, "all of it is young");
    world.jump(31 * DAY_H);
    let report = world.collect();
    // Code and template, at home and in two regions.
    assert_eq!((report.objects, report.failures.clone()), (6, vec![]), "{report:?}");
    assert!(report.bytes >= 3 * "preview".len() as u64);
    assert_eq!(stored(&world, "preview"), [0; 3]);
    for code in ["one", "two", "three"] {
        assert_eq!(stored(&world, code), [1; 3], "{code}");
    }
    let back = world.roll_back(&go_back(Some(&first))).unwrap();
    assert_eq!(world.end_of_rollout(&back).status, "succeeded");
}

#[test]
fn a_preview_that_lives_keeps_what_it_runs() {
    let mut world = world();
    bring(&mut world, "pr/7", "preview");
    world.jump(20);
    // Each upload counts its life anew, and the table is asked, not the clock.
    bring(&mut world, "pr/7", "preview, again");
    bring(&mut world, "branch/main", "one");
    for _ in 0..3 {
        world.jump(20 * DAY_H);
        world.collect();
        assert_eq!(stored(&world, "preview, again"), [1; 3]);
    }
}

/// A release that is no longer kept, whose objects are all deleted; and the world.
pub(crate) fn gone() -> (World, String) {
    let mut world = world();
    let release = bring(&mut world, "pr/7", "preview");
    world.pass(30);
    bring(&mut world, "branch/main", "one");
    world.jump(31 * DAY_H);
    assert_eq!(world.collect().objects, 6);
    (world, release)
}

#[test]
fn what_is_gone_is_refused_and_can_be_uploaded_again() {
    let (mut world, release) = gone();
    let kept: Vec<bool> = world.releases().iter().map(|release| release.kept).collect();
    assert_eq!(kept, [true, false], "the newest first");
    let (commands, _) = world.api();
    let started = world.start(&release, "staging");
    assert_eq!(code_of(&started.unwrap_err()), "FL0535");
    assert_eq!(code_of(&world.roll_back(&go_back(Some(&release))).unwrap_err()), "FL0535");
    let caller =
        block_on(commands.caller("arn:aws:iam::111122223333:user/ann".into(), "plan".into())).unwrap();
    let wanted = PlanOptions {
        stage: StageName::parse("staging").unwrap(),
        release: Some(ReleaseId::parse(&release).unwrap()),
        from: None,
    };
    let service = flotilla_domain::ServiceName::parse("orders").unwrap();
    assert_eq!(code_of(&block_on(commands.plan(&service, &wanted, &caller)).unwrap_err()), "FL0535");
    // More is to be kept from now on: what is gone does not come back by it.
    world.keeps(20, 365);
    world.jump(DAY_H);
    world.collect();
    assert_eq!(code_of(&world.start(&release, "staging").unwrap_err()), "FL0535");
    bring(&mut world, "branch/main", "preview");
    assert_eq!(stored(&world, "preview"), [1; 3]);
}

#[test]
fn the_newest_are_kept_for_their_number_and_the_young_for_their_age() {
    let mut world = World::new(1, &[&[REGION]]);
    world.keeps(2, 40);
    for n in 1..=3 {
        bring(&mut world, &format!("pr/{n}"), &format!("code {n}"));
    }
    world.pass(30);
    world.jump(35 * DAY_H);
    assert_eq!(world.collect().objects, 0, "all are young");
    world.jump(10 * DAY_H);
    world.collect();
    let left = [1, 2, 3].map(|n| world.versions_of(&format!("code {n}"), None));
    assert_eq!(left, [0, 1, 1], "two are kept, however old");
}

#[test]
fn what_a_new_upload_relies_on_is_stored_anew_and_stays() {
    let mut world = world();
    bring(&mut world, "pr/7", "shared");
    world.pass(30);
    bring(&mut world, "branch/main", "one");
    world.jump(31 * DAY_H);
    // What is needed is looked up, and before anything is removed the upload comes whose code is there already.
    let (_, looked) = (0, world.calls("s3:ListObjectVersions"));
    let mut world = at_first_page(world);
    assert_eq!(world.calls("s3:DeleteObjects"), 0, "after {looked} lists");
    assert_eq!(stored(&world, "shared"), [1; 3]);
    bring(&mut world, "branch/main", "shared");
    assert_eq!(stored(&world, "shared"), [2; 3], "each was too old to be relied on");
    world.jump(1);
    world.collect();
    assert_eq!(stored(&world, "shared"), [1; 3], "the old ones are gone");
    assert_eq!(world.collect().objects, 0);
    let again = world.upload("branch/main", "shared");
    world.end_of(&again);
    assert_eq!(stored(&world, "shared"), [1; 3], "what is young is not stored again");
}

/// A world in which a run has just written down what is kept, and crashed.
fn at_first_page(mut world: World) -> World {
    let mut nth = 1;
    while world.calls("s3:ListObjectVersions") == 0 || nth == 1 {
        let run = world.collector();
        world.crash_after(nth, async move { run.run(CollectorLimits::default()).await });
        nth += 1;
        assert!(nth < 100, "it never comes to a list");
    }
    world
}

#[test]
fn a_rollout_of_what_was_just_let_go_is_refused_and_one_let_in_before_is_kept() {
    // Every moment at which the rollout can come while what is kept is looked up and written down.
    let mut ends = [0, 0];
    for nth in 1..=12 {
        let mut world = world();
        let old = bring(&mut world, "pr/7", "old");
        world.pass(30);
        bring(&mut world, "branch/main", "one");
        world.jump(31 * DAY_H);
        let run = world.collector();
        let mut run = Box::pin(async move {
            run.run(CollectorLimits { pages_max: 1_000, ..CollectorLimits::default() }).await
        });
        // The run goes on call by call; then the operator's command comes, and then the rest of it.
        for _ in 0..nth {
            let polled = run.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending(), "it has ended before call {nth}");
        }
        let started = world.start(&old, "staging");
        let report = block_on(run);
        world.steps(1);
        match started {
            Ok(id) => {
                ends[0] += 1;
                assert_eq!(report.unwrap().objects, 0, "after call {nth}");
                assert_eq!(world.end_of_rollout(&id).status, "succeeded", "after call {nth}");
            }
            Err(error) => {
                ends[1] += 1;
                assert_eq!(code_of(&error), "FL0535");
                assert_eq!(stored(&world, "old"), [0; 3]);
            }
        }
    }
    assert!(ends.iter().all(|count| *count > 1), "{ends:?}");
}

#[test]
fn a_crash_after_any_call_loses_nothing_and_the_next_runs_come_to_the_end() {
    for nth in 1..60 {
        let mut world = world();
        bring(&mut world, "pr/7", "preview");
        world.pass(30);
        bring(&mut world, "branch/main", "one");
        world.jump(31 * DAY_H);
        let run = world.collector();
        let ended = world.crash_after(nth, async move { run.run(CollectorLimits::default()).await });
        world.steps(1);
        world.collect();
        assert_eq!((stored(&world, "preview"), stored(&world, "one")), ([0; 3], [1; 3]), "after call {nth}");
        let back = bring(&mut world, "branch/main", "one");
        assert!(back.starts_with("rel_"));
        if ended {
            return;
        }
    }
    panic!("it has no end");
}

#[test]
fn what_was_copied_for_a_rollout_that_never_began_goes_too() {
    let profile = ProfileConfig {
        regions: vec![REGION.into(), OTHER.into()],
        approvals: Some(1),
        ..ProfileConfig::default()
    };
    let mut world = World::with(2, profile);
    world.keeps(1, 1);
    for code in ["one", "two"] {
        let version = world.upload("branch/main", code);
        world.until("it waits", |w| w.rollout(&version).is_some_and(|r| r.status == "gated"));
        let id = world.rollout(&version).unwrap().id;
        world.cancel(&id).unwrap();
        assert_eq!(world.end_of(&version).status, "cancelled");
    }
    world.jump(31 * DAY_H);
    world.collect();
    assert_eq!((stored(&world, "one"), stored(&world, "two")), ([0; 3], [1; 3]), "the newest is kept");
}

#[test]
fn a_stack_whose_end_nobody_could_tell_keeps_what_it_may_run() {
    let mut world = world();
    bring(&mut world, "branch/main", "one");
    world.behaves(REGION, Behaviour::Sticks("the resource says never".into()));
    let version = world.upload("branch/main", "stuck");
    assert_eq!(world.end_of_within_hours(&version, 100).status, "failed");
    world.behaves(REGION, Behaviour::Works);
    let other = world.upload("branch/eu", "elsewhere");
    world.end_of_within_hours(&other, 100);
    world.jump(31 * DAY_H);
    world.collect();
    assert_eq!(world.versions_of("stuck", Some(REGION)), 1);
    assert_eq!(world.versions_of("one", Some(REGION)), 1);
}

#[test]
fn what_people_have_deleted_comes_back_with_the_next_rollout_and_leaves_nothing_behind() {
    let mut world = world();
    bring(&mut world, "branch/main", "one");
    world.hide("one", REGION);
    world.jump(31 * DAY_H);
    world.collect();
    assert_eq!(world.versions_of("one", Some(REGION)), 2, "what is needed stays behind the mark");
    // The same code for another stage: not yet proven for that release.
    bring(&mut world, "branch/eu", "one");
    assert_eq!(world.versions_of("one", Some(REGION)), 3);
    world.jump(31 * DAY_H);
    world.collect();
    assert_eq!(stored(&world, "one"), [1; 3]);
}

#[test]
fn in_a_storm_nothing_that_is_needed_is_removed() {
    let minute = SignedDuration::from_mins(1);
    let pace = Pace { renew_after: minute, grace: minute * 3, every: minute, day: minute };
    for seed in 0..20 {
        let mut world = World::new(seed, &[&[REGION, OTHER]]);
        world.keeps(1, 1).collects(pace).faults(Faults::STORM);
        let mut versions = Vec::new();
        for n in 0..6 {
            let git_ref = if n % 3 == 2 { format!("pr/{n}") } else { "branch/main".to_owned() };
            versions.push(world.upload(&git_ref, ["a", "b", "c", "a", "b", "c"][n]));
            world.steps(400);
        }
        world.faults(Faults::NONE);
        world.until("all end", |w| w.open_rollouts().is_empty());
        let last = world.upload("branch/main", "a");
        let end = world.end_of_within_hours(&last, 100);
        // Stacks may be what the storm has left of them; but what is deployed is there.
        let lacks =
            end.cause.filter(|cause| ["FL0308", "FL0510", "FL0513", "FL0519"].contains(&cause.code.as_str()));
        assert_eq!(lacks, None, "seed {seed}");
        assert!(world.calls("s3:DeleteObjects") > 0 || seed % 2 == 1, "seed {seed} removes nothing");
    }
}
