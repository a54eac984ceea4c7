//! What operators ask for, beyond the stories of promotion and rollback: what is kept of it, and what is refused.

use flotilla_contract::{ProfileConfig, RuleConfig, ServiceConfigDoc};
use flotilla_domain::gate::{FreezeScope, Freezes};
use flotilla_domain::rollout::Rollout;
use flotilla_domain::stage::{Hold, StageHead};
use flotilla_domain::{Digest, ProfileName, ReleaseId, RolloutId, ServiceName, StageName, Timestamp};
use flotilla_engine::EngineError;
use flotilla_engine::access::{Caller, Commands};
use flotilla_engine::ports::{ErrorKind, Key};
use flotilla_engine::records::{Record, Versioned, read, rollout_key, stage_key};
use flotilla_engine::rollout::{Control, Promotion, Rollback};
use flotilla_sim::{Behaviour, World};
use futures::executor::block_on;

const REGION: &str = "eu-west-1";

fn world() -> World {
    World::new(1, &[&[REGION]])
}

fn orders() -> ServiceName {
    ServiceName::parse("orders").unwrap()
}

fn stage(name: &str) -> StageName {
    StageName::parse(name).unwrap()
}

/// Somebody's next request.
fn caller(commands: &Commands, who: &str) -> Caller {
    block_on(commands.caller(who.into(), who.into())).unwrap()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, EngineError>) -> String {
    match answer.unwrap_err() {
        EngineError::Conflict(conflict) => conflict.refusal.code.to_string(),
        EngineError::Refused(refusal) => {
            assert!(!refusal.message.is_empty() && !refusal.fix.is_empty());
            refusal.code.to_string()
        }
        other => panic!("{other}"),
    }
}

/// An item as it is stored.
fn saved<T: Record>(world: &World, key: Key) -> Versioned<T> {
    let found = block_on(world.step_ports().store.get(&[key])).unwrap().remove(0);
    read::<T>(found.unwrap()).unwrap()
}

fn head(world: &World) -> Versioned<StageHead> {
    saved(world, stage_key(&orders(), &stage("staging")))
}

fn rollout(world: &World, id: &str) -> Rollout {
    saved(world, rollout_key(&RolloutId::parse(id).unwrap())).value
}

/// Uploads these one after the other; answers their releases.
fn released<const N: usize>(world: &mut World, codes: [&str; N]) -> [ReleaseId; N] {
    codes.map(|code| {
        let version = world.upload("branch/main", code);
        assert_eq!(world.end_of(&version).status, "succeeded");
        ReleaseId::parse(&world.verdict(&version).unwrap().release.unwrap()).unwrap()
    })
}

fn digest_of(world: &World, release: &ReleaseId) -> Digest {
    let page = flotilla_engine::status::PageRequest { cursor: None, limit: 100 };
    let releases = block_on(world.api().1.releases(&orders(), page)).unwrap().items;
    let found = releases.into_iter().find(|view| view.id == release.to_string()).unwrap();
    Digest::parse_hex(&found.digest).unwrap()
}

fn back(to: Option<ReleaseId>, because: Option<&str>) -> Rollback {
    let (allow, because) = (Default::default(), because.map(str::to_owned));
    Rollback { stage: stage("staging"), to, by_waves: false, because, allow }
}

#[test]
fn configuration_is_counted_kept_and_changed_only_by_who_has_seen_it() {
    let world = world();
    let (commands, status) = world.api();
    let name = ProfileName::parse("p").unwrap();
    let doc = |bake: &str| ProfileConfig {
        account: "111122223333".into(),
        regions: vec![REGION.into()],
        bake: Some(bake.into()),
        ..ProfileConfig::default()
    };
    let put = |bake: &str, expected, who: &str| {
        block_on(commands.put_profile(&name, &doc(bake), expected, &caller(&commands, who)))
    };
    assert_eq!(refused(put("1m", Some(0), "bob")), "FL0409");
    assert_eq!(refused(put("1m", Some(2), "bob")), "FL0409");
    assert_eq!(put("1m", Some(1), "bob").unwrap().config_version, 2);
    let same = put("1m", None, "cleo").unwrap();
    assert_eq!((same.config_version, same.changed_by.as_str()), (2, "bob"), "nothing has changed");
    assert_eq!(put("2m", None, "cleo").unwrap().config_version, 3);
    assert_eq!(block_on(status.profile(&name)).unwrap().config, doc("2m"));
    for (version, bake) in [(2, "1m"), (3, "2m")] {
        let key = Key::new("PRF#p", format!("CFG#{version:010}"));
        let kept = saved::<flotilla_engine::records::ConfigRecord>(&world, key).value;
        assert_eq!((kept.config_version, kept.document["bake"].as_str()), (version, Some(bake)));
    }
}

#[test]
fn a_rule_names_a_profile_that_is_there() {
    let commands = world().api().0;
    let rule = |profile: &str| RuleConfig {
        git_ref: "branch:main".into(),
        stage: "staging".into(),
        profile: profile.into(),
        ttl_h: None,
        stack_name: None,
        promote_to: None,
    };
    let doc = ServiceConfigDoc { rules: vec![rule("p"), rule("nobody")], ..ServiceConfigDoc::default() };
    match block_on(commands.put_service(&orders(), &doc, None, &caller(&commands, "bob"))).unwrap_err() {
        EngineError::Refused(refusal) => {
            assert_eq!(
                (refusal.code.to_string().as_str(), refusal.path.as_deref()),
                ("FL0303", Some("rules.1.profile"))
            );
        }
        other => panic!("{other}"),
    }
}

#[test]
fn what_was_asked_of_a_rollout_stands_in_its_timeline_once() {
    let mut world = world();
    world.behaves(REGION, Behaviour::Takes(60_000));
    let version = world.upload("branch/main", "one");
    world.until("it rolls", |w| w.rollout(&version).is_some_and(|r| r.status == "rolling"));
    let id = world.rollout(&version).unwrap().id;
    let stop = Control::Cancel { stop_running: true };
    for control in
        [Control::Pause, Control::Pause, Control::Resume, Control::Cancel { stop_running: false }, stop, stop]
    {
        world.control(&id, control).unwrap();
        world.steps(1);
    }
    let told = world.timeline(&id);
    let asked: Vec<&str> =
        told.iter().map(String::as_str).filter(|what| !what.contains("eu-west-1")).collect();
    let expected = [
        "queued",
        "replicating",
        "rolling",
        "paused",
        "resumed",
        "cancel requested",
        "cancel and stop requested",
    ];
    assert_eq!(asked, expected);
}

#[test]
fn who_wants_running_updates_stopped_gets_that_whoever_calls_off_as_well() {
    for (first, second) in [(false, true), (true, false)] {
        let mut world = world();
        released(&mut world, ["one"]);
        world.behaves(REGION, Behaviour::Takes(600_000));
        let version = world.upload("branch/main", "two");
        world.until("it executes", |w| w.stack(REGION, "staging") == Some("UPDATE_IN_PROGRESS"));
        let id = world.rollout(&version).unwrap().id;
        for stop_running in [first, second] {
            world.control(&id, Control::Cancel { stop_running }).unwrap();
        }
        assert!(rollout(&world, &id).cancelled.unwrap().stop_running);
        assert_eq!(world.end_of_rollout(&id).status, "cancelled");
        assert_eq!(world.stack(REGION, "staging"), Some("UPDATE_ROLLBACK_COMPLETE"));
        assert_eq!(refused(world.cancel(&id)), "FL0409");
    }
}

#[test]
fn a_hold_keeps_one_package_until_it_is_lifted() {
    let mut world = world();
    let [one, two, three] = released(&mut world, ["one", "two", "three"]);
    let commands = world.api().0;
    let hold = |release: &ReleaseId, because: &str, who: &str| {
        block_on(commands.hold(&orders(), &stage("staging"), release, because, &caller(&commands, who)))
    };
    let lift = |release: Option<&ReleaseId>| {
        block_on(commands.release_hold(&orders(), &stage("staging"), release, &caller(&commands, "bob")))
    };
    hold(&one, " it leaks ", "ann").unwrap();
    hold(&one, "again", "bob").unwrap();
    hold(&two, "", "bob").unwrap();
    let held = head(&world).value.holds;
    let first = &held[&digest_of(&world, &one)];
    assert_eq!((held.len(), first.by.as_str(), first.because.as_str()), (2, "ann", "it leaks"));
    assert_eq!(refused(world.start(&one.to_string(), "staging")), "FL0530");
    lift(Some(&one)).unwrap();
    let left: Vec<Digest> = head(&world).value.holds.into_keys().collect();
    assert_eq!(left, [digest_of(&world, &two)]);
    let version = head(&world).version;
    lift(Some(&one)).unwrap();
    lift(Some(&three)).unwrap();
    assert_eq!(head(&world).version, version, "nothing has changed, nothing is written");
    lift(None).unwrap();
    assert!(head(&world).value.holds.is_empty());
    let nobody = ReleaseId::derive(Timestamp::UNIX_EPOCH, &["x"]);
    assert_eq!(refused(hold(&nobody, "x", "ann")), "FL0404");
    let elsewhere =
        block_on(commands.hold(&orders(), &stage("nowhere"), &one, "x", &caller(&commands, "ann")));
    assert_eq!(refused(elsewhere), "FL0404");
}

#[test]
fn fifty_packages_are_held_at_most() {
    let mut world = world();
    let [one, two] = released(&mut world, ["one", "two"]);
    let commands = world.api().0;
    let fill = |world: &World, count: usize| {
        let before = head(world);
        let mut full = before.value.clone();
        let hold = || Hold { by: "ann".into(), because: String::new(), at: Timestamp::UNIX_EPOCH };
        full.holds = (0..count).map(|n| (Digest::of(&n.to_le_bytes()), hold())).collect();
        block_on(world.step_ports().store.write(vec![before.write(&full, None)])).unwrap();
    };
    let hold = || block_on(commands.hold(&orders(), &stage("staging"), &one, "x", &caller(&commands, "ann")));
    fill(&world, StageHead::HOLDS_MAX - 1);
    hold().unwrap();
    assert_eq!(head(&world).value.holds.len(), StageHead::HOLDS_MAX);
    hold().unwrap();
    fill(&world, StageHead::HOLDS_MAX);
    assert_eq!(refused(hold()), "FL0409");
    // A rollback is not kept from its way: it holds what it can.
    world.roll_back(&back(Some(one), None)).unwrap();
    assert!(!head(&world).value.holds.contains_key(&digest_of(&world, &two)));
    assert_eq!(head(&world).value.holds.len(), StageHead::HOLDS_MAX);
}

#[test]
fn a_hundred_lines_are_stopped_at_most_and_each_is_shown() {
    let world = world();
    let (commands, status) = world.api();
    let profile = |n: usize| FreezeScope::Profile(ProfileName::parse(&format!("p{n}")).unwrap());
    let stop = |line: &FreezeScope| block_on(commands.freeze(line, "smoke", &caller(&commands, "ann")));
    for n in 0..Freezes::MAX - 1 {
        stop(&profile(n)).unwrap();
    }
    stop(&FreezeScope::Everything).unwrap();
    stop(&profile(0)).unwrap();
    assert_eq!(refused(stop(&profile(Freezes::MAX))), "FL0409");
    let lines = block_on(status.lines()).unwrap();
    assert_eq!(lines.len(), Freezes::MAX);
    let everything = lines.iter().find(|line| line.profile.is_none()).unwrap();
    assert_eq!((everything.by.as_str(), everything.because.as_str()), ("ann", "smoke"));
}

#[test]
fn a_rollback_waits_for_no_approval() {
    let profile =
        ProfileConfig { regions: vec![REGION.into()], approvals: Some(1), ..ProfileConfig::default() };
    let mut world = World::with(6, profile);
    for code in ["one", "two"] {
        let version = world.upload("branch/main", code);
        let waits = |w: &World| w.rollout(&version).is_some_and(|r| r.status == "gated");
        world.until("it waits", waits);
        let id = world.rollout(&version).unwrap().id;
        world.approve(&id, "bob", &Default::default()).unwrap();
        assert_eq!(world.end_of(&version).status, "succeeded");
    }
    let id = world.roll_back(&back(None, None)).unwrap();
    let gates = rollout(&world, &id).gates;
    assert_eq!((gates.expedite, gates.plan_first), (true, false));
}

#[test]
fn a_rollback_holds_what_runs_but_not_what_it_brings() {
    let mut world = World::new(2, &[&[REGION], &["us-east-1"]]);
    let [one] = released(&mut world, ["one"]);
    world.behaves("us-east-1", Behaviour::Refuses("Template error".into()));
    let version = world.upload("branch/main", "two");
    assert_eq!(world.end_of(&version).status, "failed");
    world.behaves("us-east-1", Behaviour::Works);
    let id = world.roll_back(&back(Some(one), None)).unwrap();
    let two = world.verdict(&version).unwrap().release.unwrap();
    let held: Vec<Digest> = head(&world).value.holds.into_keys().collect();
    assert_eq!(held, [digest_of(&world, &ReleaseId::parse(&two).unwrap())]);
    assert_eq!(world.end_of_rollout(&id).because.as_deref(), Some("rolled back"));
}

#[test]
fn without_a_name_a_rollback_passes_over_what_is_held() {
    let mut world = world();
    let [one, two, _] = released(&mut world, ["one", "two", "three"]);
    let commands = world.api().0;
    block_on(commands.hold(&orders(), &stage("staging"), &two, "it leaks", &caller(&commands, "ann")))
        .unwrap();
    let id = world.roll_back(&back(None, None)).unwrap();
    assert_eq!(world.end_of_rollout(&id).release, Some(one.to_string()));
}

#[test]
fn a_rollback_of_several_stacks_keeps_their_levels() {
    let mut world = world();
    world.layered();
    let [one, _] = released(&mut world, ["one", "two"]);
    let id = world.roll_back(&back(Some(one), None)).unwrap();
    let levels: Vec<usize> = rollout(&world, &id).waves.iter().map(|wave| wave.level).collect();
    assert_eq!(levels, [0, 1]);
    assert_eq!(world.end_of_rollout(&id).status, "succeeded");
}

#[test]
fn a_reason_is_one_short_line() {
    let mut world = world();
    let [one] = released(&mut world, ["one"]);
    let mut promote = |because: &str| {
        let promotion = Promotion {
            from: stage("staging"),
            to: stage("eu-staging"),
            release: Some(one),
            because: Some(because.into()),
            allow: Default::default(),
        };
        world.promote(&promotion).map(|id| world.rollout_by_id(&id).because.unwrap())
    };
    let longest = "x".repeat(500);
    assert_eq!(promote(&longest).unwrap(), longest);
    assert_eq!(promote("  the bank waits ").unwrap(), "the bank waits");
    assert_eq!(promote("  ").unwrap(), "promoted from staging");
    for wrong in ["x".repeat(501).as_str(), "two\nlines"] {
        assert_eq!(refused(promote(wrong)), "FL0401");
    }
}

#[test]
fn only_a_release_goes_where_a_rule_or_its_stage_leads() {
    let mut world = world();
    let [one] = released(&mut world, ["one"]);
    let version = world.upload("pr/7", "preview");
    assert_eq!(world.end_of(&version).status, "succeeded");
    let preview = world.verdict(&version).unwrap().release.unwrap();
    let again = world.start(&preview, "pr-7").unwrap();
    assert_eq!(world.end_of_rollout(&again).status, "succeeded", "by the rule of its ref");
    assert!(world.stage("pr-7").expires_at.is_some(), "it is a preview still");
    assert_eq!(refused(world.start(&one.to_string(), "pr-7")), "FL0404", "a preview is of its own ref");
    assert_eq!(refused(world.start(&one.to_string(), "nowhere")), "FL0404");
    let to_staging = world.start(&preview, "staging").unwrap();
    assert_eq!(world.end_of_rollout(&to_staging).status, "succeeded", "by the stage's own rule");
    // The rule goes, the stage stays.
    let rules = vec![RuleConfig {
        git_ref: "tag:*".into(),
        stage: "production".into(),
        profile: "p".into(),
        ttl_h: None,
        stack_name: None,
        promote_to: None,
    }];
    let doc = ServiceConfigDoc { rules, ..ServiceConfigDoc::default() };
    let commands = world.api().0;
    block_on(commands.put_service(&orders(), &doc, None, &caller(&commands, "bob"))).unwrap();
    let by_stage = world.start(&one.to_string(), "staging").unwrap();
    assert_eq!(world.end_of_rollout(&by_stage).status, "succeeded");
    assert_eq!(refused(world.start(&one.to_string(), "pr-7")), "FL0404");
}

#[test]
fn a_wish_that_could_not_be_saved_can_be_given_again() {
    let mut world = world();
    let version = world.upload("branch/main", "one");
    world.until("it is admitted", |w| w.rollout(&version).is_some());
    let id = world.rollout(&version).unwrap().id;
    world.refuses("dynamodb:TransactWriteItems", ErrorKind::Transient, "503");
    assert!(matches!(world.cancel(&id), Err(EngineError::Port(_))));
    world.allows("dynamodb:TransactWriteItems");
    world.cancel(&id).unwrap();
    assert_eq!(world.end_of_rollout(&id).status, "cancelled");
}
