//! Complete runs ("lives") of the world, one per seed: first with faults, then without, when everything must succeed.

mod sets;

use crate::{Behaviour, Faults, World};
use flotilla_contract::{
    AnalysisConfig, FreezeConfig, ProfileConfig, RolloutView, SafeguardsConfig, WaveConfig, WaveTable,
};
use flotilla_domain::gate::FreezeScope;
use flotilla_domain::retention::Pace;
use flotilla_domain::rollout::TrafficOrder;
use flotilla_domain::{Digest, SignedDuration, StageName};
use flotilla_engine::gate::ApprovalRequest;
use flotilla_engine::rollout::{Control, RetryOptions, Rollback};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A life that failed.
#[derive(Debug)]
pub struct Failure {
    /// The promise that was violated, or what did not happen.
    pub why: String,
    /// The trace, one line per event, if it was enabled.
    pub trace: String,
}

/// One in this many lives is that of a set of services.
const SETS_EVERY: u64 = 19;
/// In one of this many lives, rollouts shift traffic; in another one, they deploy blue/green, and in a third they drain regions.
const SHIFTS_EVERY: u64 = 13;

/// The ref of a preview, and its stage.
const PREVIEW: (&str, &str) = ("pr/7", "pr-7");

/// How long an operator waits for the first request to a new version.
const PATIENCE_MS: i64 = 2 * 3_600_000;

const REGIONS: [&str; 3] = ["eu-west-1", "us-east-1", "ap-south-1"];

/// A pace of garbage collection that removes objects during a life. Between `renew_after` and `grace` is more time than
/// a function may run.
const HASTE: Pace = Pace {
    renew_after: SignedDuration::from_secs(60),
    grace: SignedDuration::from_secs(180),
    every: SignedDuration::from_secs(60),
    day: SignedDuration::from_secs(120),
};

/// A profile that differs from seed to seed.
fn profile(seed: u64) -> ProfileConfig {
    let regions = |list: &[&str]| list.iter().map(|region| (*region).to_owned()).collect::<Vec<_>>();
    let table = |list: &[&str], bake: Option<&str>, tolerate: usize| {
        WaveConfig::Wave(WaveTable {
            regions: regions(list),
            max_concurrent: None,
            tolerate_failures: Some(tolerate),
            bake: bake.map(str::to_owned),
            approvals: None,
        })
    };
    let waves = match seed % 4 {
        0 => vec![table(&REGIONS, None, 0)],
        1 => vec![table(&REGIONS[..2], Some("45s"), 0), table(&REGIONS[2..], None, 0)],
        2 => vec![table(&REGIONS[..2], None, 1), table(&REGIONS[2..], Some("30s"), 0)],
        _ => vec![table(&REGIONS[..1], None, 0), table(&REGIONS[1..], None, 0)],
    };
    // The world begins at 08:00 of that day.
    let freeze = FreezeConfig {
        from: "2027-01-15T08:00".into(),
        to: "2027-01-15T08:06".into(),
        because: "the sale".into(),
    };
    // The rules pass: the life only tests that they are evaluated.
    let rules = SafeguardsConfig {
        guard: Some("rule no_users { Resources.*[ Type == 'AWS::IAM::User' ] empty }".into()),
        ..SafeguardsConfig::default()
    };
    ProfileConfig {
        waves,
        safeguards: (seed % 5 == 2).then_some(rules),
        plan_first: (seed % 9 == 4).then_some(true),
        approvals: [None, Some(1), Some(2)][(seed % 6).saturating_sub(3) as usize],
        freezes: if seed % 8 == 5 { vec![freeze] } else { Vec::new() },
        max_concurrent: seed.is_multiple_of(3).then_some(1),
        on_failure: Some(if (seed / 4).is_multiple_of(2) { "halt" } else { "revert" }.into()),
        ..ProfileConfig::default()
    }
}

/// The faults of a seed. Some lives have no stalls, so that leftovers that only stalls explain are reported; in some,
/// transactions conflict all the time.
fn storm(seed: u64) -> Faults {
    let stalled = if seed.is_multiple_of(2) { 0 } else { Faults::STORM.stalled };
    let contended = if seed % 7 == 5 { 150 } else { Faults::STORM.contended };
    Faults { stalled, contended, ..Faults::STORM }
}

/// Whether the metrics of new versions are judged while traffic is shifted.
fn is_analysed(seed: u64) -> bool {
    seed % SHIFTS_EVERY == 8 && (seed / SHIFTS_EVERY).is_multiple_of(2)
}

/// The functions that are invoked before and after traffic is shifted.
const HOOKS: [&str; 2] = ["before", "after"];

/// Whether functions are invoked before and after traffic is shifted.
fn is_hooked(seed: u64) -> bool {
    (seed % SHIFTS_EVERY == 8 && seed / SHIFTS_EVERY % 4 == 1)
        || ((has_slots(seed) || is_drained(seed)) && (seed / SHIFTS_EVERY).is_multiple_of(2))
}

/// Whether the regions of each wave but a single one are drained.
fn is_drained(seed: u64) -> bool {
    seed % SHIFTS_EVERY == 6 && !seed.is_multiple_of(4) && seed % 11 != 3
}

/// Whether the stage has slots. A package of several stacks cannot be deployed to them.
fn has_slots(seed: u64) -> bool {
    seed % SHIFTS_EVERY == 11 && seed % 11 != 3
}

/// Runs one life of the world.
fn live(world: &mut World, seed: u64) {
    let shifts = seed % SHIFTS_EVERY == 8;
    if is_hooked(seed) {
        for region in REGIONS {
            world.replies(region, HOOKS[0], true, "fine").replies(region, HOOKS[1], true, "fine");
        }
    }
    if has_slots(seed) {
        let hooks = if is_hooked(seed) { HOOKS.map(Some) } else { [None, None] };
        world.slots(&profile(seed), &REGIONS, hooks);
    }
    if is_drained(seed) {
        let hooks = if is_hooked(seed) { HOOKS.map(Some) } else { [None, None] };
        world.drains(&profile(seed), &REGIONS, &[(10, 20)], hooks);
    }
    if shifts {
        // Something runs already whose traffic can be kept.
        let steps: &[(u8, u32)] = if seed.is_multiple_of(2) { &[(5, 30), (50, 20)] } else { &[(10, 0)] };
        if is_analysed(seed) {
            let analysis = AnalysisConfig { requests: Some(200), ..AnalysisConfig::default() };
            world.analyses(&profile(seed), steps, analysis).invoked(600);
        } else if is_hooked(seed) {
            world.hooks(&profile(seed), steps, HOOKS);
        } else {
            world.shifts(&profile(seed), steps);
        }
    }
    if shifts || has_slots(seed) || is_drained(seed) {
        let before = world.upload("branch/main", "zero");
        world.until_at_last("a verdict", |w| w.verdict(&before).is_some());
        let id = world.rollout(&before).expect("it was accepted").id;
        end_of(world, &id, &[]);
    }
    if is_analysed(seed) {
        world.version_is(if seed.is_multiple_of(3) { "2" } else { "3" }, 500, 0);
    }
    if is_hooked(seed) && !seed.is_multiple_of(3) {
        world.replies(REGIONS[0], HOOKS[usize::from(seed.is_multiple_of(2))], false, "broken");
    }
    world.faults(storm(seed));
    if seed % 11 == 3 {
        world.layered();
    }
    if seed % 11 == 6 {
        world.with_image();
    }
    if seed % 13 == 4 {
        world.promotes();
    }
    if seed % 5 == 2 {
        world.keeps(1, 1).collects(HASTE);
    }
    let first = world.upload("branch/main", "one");
    let some = u32::try_from(world.random(250)).unwrap_or(0);
    world.steps(some);
    let mut uploads = vec![first.clone()];
    if seed % 3 != 2 {
        uploads.push(world.upload("branch/main", "two"));
    }
    match seed % 7 {
        0 => drop(world.behaves("us-east-1", Behaviour::RollsBack("the resource says no".into()))),
        1 => drop(world.behaves("us-east-1", Behaviour::Sticks("the resource says never".into()))),
        2 => drop(world.behaves("ap-south-1", Behaviour::Refuses("Template error".into()))),
        3 => uploads.push(world.upload(PREVIEW.0, "preview")),
        4 => drop(world.lose_upload(&uploads[uploads.len() - 1])),
        5 => {
            // Two services whose stacks have the same name: only one of them gets it.
            uploads.push(world.upload("branch/eu", "one"));
            let rival = "incoming/orders-eu/branch/main/{n}.zip";
            uploads.push(world.upload_bytes(rival, crate::package("rival"), true));
        }
        _ => {}
    }
    world.steps(150);
    let closed = seed % 7 == 3 && !seed.is_multiple_of(4);
    if closed {
        world.close(PREVIEW.0, seed.is_multiple_of(2));
    }
    operate(world, seed, &first);
    people(world, seed, &uploads);
    world.steps(180);
    people(world, seed / 7, &uploads);
    for region in REGIONS {
        world
            .behaves(region, Behaviour::Works)
            .replies(region, HOOKS[0], true, "fine")
            .replies(region, HOOKS[1], true, "fine");
    }
    world.faults(Faults::NONE);
    resume(world, &first);
    world.unfreeze(&FreezeScope::Everything).expect("everything is unfrozen");
    for version in &uploads {
        world.until_at_last("a result for every upload", |w| w.verdict(version).is_some());
        if world.verdict(version).is_some_and(|verdict| verdict.rollout.is_some()) {
            let id = world.rollout(version).expect("it has one").id;
            end_of(world, &id, &uploads);
        }
    }
    if is_analysed(seed) {
        // What is deployed from here on is good, whatever the number of its version.
        world.version_is("2", 0, 0).version_is("3", 0, 0);
    }
    world.finish_operations().mend_half_deleted();
    let end = match try_again(world, &first, &uploads) {
        Some(retry) if uploads.len() == 1 => Some(retry),
        _ if (seed / 3).is_multiple_of(2) => {
            let last = world.upload("branch/main", "three");
            world.until_at_last("the last upload's rollout", |w| w.rollout(&last).is_some());
            let id = world.rollout(&last).expect("it has just been seen").id;
            Some(end_of(world, &id, &uploads))
        }
        _ => None,
    };
    if let Some(end) = end {
        assert_eq!(end.status, "succeeded", "in calm: {:?}", end.cause);
    }
    // An operator's retry has no upload of its own.
    while let Some(id) = world.open_rollouts().into_iter().next() {
        end_of(world, &id, &uploads);
    }
    if closed {
        world.until_at_last("the preview's end", |w| w.is_gone(PREVIEW.1));
    }
    if seed.is_multiple_of(2) {
        let left = world.leftovers();
        assert_eq!(left, Vec::<String>::new(), "unneeded change sets and stacks remain");
    }
}

/// Runs a short life of the world: one rollout of three regions, with faults and then to its end.
fn live_shortly(world: &mut World, seed: u64) {
    world.faults(storm(seed));
    let version = world.upload("branch/main", "one");
    world.steps(150);
    world.faults(Faults::NONE);
    world.until_at_last("a verdict", |w| w.verdict(&version).is_some());
    let id = world.rollout(&version).expect("it was accepted").id;
    end_of(world, &id, &[]);
}

/// The operators' commands during the life.
fn operate(world: &mut World, seed: u64, version: &str) {
    let Some(rollout) = world.rollout(version) else { return };
    // Each may be too late and refused.
    let asked = match seed % 5 {
        0 => world.control(&rollout.id, Control::Cancel { stop_running: false }),
        1 => world.control(&rollout.id, Control::Cancel { stop_running: true }),
        2 => world.control(&rollout.id, Control::Pause),
        3 => world.retry(&rollout.id, &RetryOptions::default()).map(drop),
        _ => Ok(()),
    };
    drop(asked);
    if seed % 9 == 4 {
        let stage = StageName::parse("staging").expect("a name");
        drop(world.roll_back(&Rollback { by_waves: seed.is_multiple_of(2), ..Rollback::of(stage) }));
    }
    // So may these, and most rollouts shift no traffic.
    let order = [TrafficOrder::Set(30), TrafficOrder::Promote, TrafficOrder::Abort][(seed / 13 % 3) as usize];
    if (seed % SHIFTS_EVERY == 8 && !is_analysed(seed)) || has_slots(seed) || is_drained(seed) {
        drop(world.traffic(&rollout.id, order));
    }
}

/// The operators' commands about gates: some are wrong, too early or too late.
fn people(world: &mut World, seed: u64, uploads: &[String]) {
    let said = |result: Result<(), flotilla_engine::EngineError>| drop(result);
    match seed % 13 {
        2 => said(world.freeze(&FreezeScope::Everything)),
        5 => said(world.unfreeze(&FreezeScope::Everything)),
        _ => {}
    }
    if seed % 17 == 6 {
        drop(world.plan("staging"));
    }
    let ids: Vec<String> = uploads.iter().filter_map(|version| Some(world.rollout(version)?.id)).collect();
    for (n, id) in (0..).zip(&ids) {
        match (seed + n) % 5 {
            0 => said(world.approve(id, "bob", &ApprovalRequest::default())),
            1 => {
                let seen = world.rollout_by_id(id).plan;
                let plan = seen.and_then(|plan| Digest::parse_hex(&plan).ok());
                said(world.approve(id, "eve", &ApprovalRequest { plan, ..ApprovalRequest::default() }));
            }
            2 => {
                let plan = Some(Digest::of(b"another"));
                let refused =
                    world.approve(id, "eve", &ApprovalRequest { plan, ..ApprovalRequest::default() });
                assert!(refused.is_err(), "an approval of another plan was accepted");
            }
            3 if seed % 19 == 3 => said(world.break_glass(id, "the site is down")),
            _ => {}
        }
    }
}

/// Runs until a rollout has ended, approves it whenever it waits for approval, and returns it.
fn end_of(world: &mut World, id: &str, uploads: &[String]) -> RolloutView {
    let began_ms = world.now_ms();
    while !world.rollout_by_id(id).ended {
        // It may need no approval, or not yet, or it waits for another rollout that holds its stack and waits itself.
        let others = uploads.iter().filter_map(|version| Some(world.rollout(version)?.id));
        let waiting: Vec<String> = others.chain([id.to_owned()]).collect();
        for waiting in &waiting {
            for by in ["bob", "eve"] {
                drop(world.approve(waiting, by, &ApprovalRequest::default()));
            }
        }
        let before_ms = world.now_ms();
        // The new version gets no request, because another actor has deleted the alias: the step would wait for days.
        let measured = world.rollout_by_id(id).traffic.and_then(|traffic| traffic.measured);
        if measured.is_some_and(|measured| measured.new.invocations == 0)
            && before_ms - began_ms > PATIENCE_MS
        {
            drop(world.traffic(id, TrafficOrder::Abort));
        }
        world.until_at_last("the rollout's end, or the next approval", |w| {
            w.rollout_by_id(id).ended || w.now_ms() > before_ms + 120_000
        });
        assert!(
            world.now_ms() < 1_800_000_000_000 + 24 * 3_600_000,
            "{id} does not end: {}",
            world.open_items()
        );
    }
    world.rollout_by_id(id)
}

/// Without faults, retries a failed rollout. Returns how the retry ended, if one was possible.
fn try_again(world: &mut World, version: &str, uploads: &[String]) -> Option<RolloutView> {
    let failed = world.rollout(version)?;
    let retry = world.retry(&failed.id, &RetryOptions::default()).ok()?;
    Some(end_of(world, &retry, uploads))
}

fn resume(world: &mut World, version: &str) {
    if let Some(rollout) = world.rollout(version).filter(|rollout| rollout.paused_by.is_some()) {
        world.control(&rollout.id, Control::Resume).expect("it is paused");
    }
}

/// The length of a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Length {
    /// One to four rollouts, operators, other actors, previews; some lives are those of a set.
    #[default]
    Whole,
    /// One rollout of three regions.
    Short,
}

/// Runs the life of one seed; `traced` records what happens.
///
/// # Errors
/// The promise that was violated.
pub fn run(seed: u64, length: Length, traced: bool) -> Result<(), Failure> {
    let mut world = World::with(seed, profile(seed));
    if traced {
        world.traced();
    }
    let lived = catch_unwind(AssertUnwindSafe(|| match length {
        Length::Whole if seed % SETS_EVERY == 12 => sets::live(&mut world, seed),
        Length::Whole => live(&mut world, seed),
        Length::Short => live_shortly(&mut world, seed),
    }));
    lived.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let why = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Failure { why: why.unwrap_or_else(|| "it panicked".into()), trace: world.trace() }
    })
}
