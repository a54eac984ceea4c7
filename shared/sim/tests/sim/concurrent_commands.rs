//! Commands among each other: of two at one moment one wins, and none has an effect without its entry in the audit.

use flotilla_contract::{AccessConfig, ProfileConfig, RuleConfig, ServiceConfigDoc};
use flotilla_domain::gate::FreezeScope;
use flotilla_domain::{ProfileName, ReleaseId, RolloutId, ServiceName, StageName};
use flotilla_engine::access::{AuditRequest, Caller, Commands};
use flotilla_engine::plan::{AllowedLosses, PlanOptions};
use flotilla_engine::rollout::{Control, Promotion, RetryOptions, Rollback};
use flotilla_engine::{Current, EngineError};
use flotilla_sim::World;
use futures::executor::block_on;
use futures::join;

fn orders() -> ServiceName {
    ServiceName::parse("orders").unwrap()
}

fn stage(name: &str) -> StageName {
    StageName::parse(name).unwrap()
}

fn rollback() -> Rollback {
    Rollback {
        stage: stage("staging"),
        to: None,
        by_waves: false,
        because: None,
        allow: AllowedLosses::default(),
    }
}

fn promotion(from: &str, to: &str) -> Promotion {
    Promotion {
        from: stage(from),
        to: stage(to),
        release: None,
        because: Some("it is good".into()),
        allow: AllowedLosses::default(),
    }
}

async fn caller(commands: &Commands, user: &str) -> Caller {
    let principal = format!("arn:aws:iam::111122223333:user/{user}");
    commands.caller(principal, format!("request of {user}")).await.unwrap()
}

/// A world in which two releases came to `staging` one after the other, and the second to `eu-staging`.
fn world() -> World {
    let mut world = World::new(1, &[&["eu-west-1"]]);
    for code in ["one", "two"] {
        let version = world.upload("branch/main", code);
        world.end_of(&version);
    }
    let promoted = world.promote(&promotion("staging", "eu-staging")).unwrap();
    world.end_of_rollout(&promoted);
    world
}

#[test]
fn w04_of_a_promotion_and_a_rollback_at_one_moment_one_wins_and_the_other_is_told_what_there_is() {
    for rollback_first in [false, true] {
        let mut world = world();
        let (commands, _) = world.api();
        let (orders, promotion, rollback) = (orders(), promotion("eu-staging", "staging"), rollback());
        let (ann, bob) = block_on(async { (caller(&commands, "ann").await, caller(&commands, "bob").await) });
        let promote = commands.promote(&orders, &promotion, &ann);
        let back = commands.roll_back(&orders, &rollback, &bob);
        let (promoted, back) = match rollback_first {
            false => block_on(async { join!(promote, back) }),
            true => block_on(async {
                let (back, promoted) = join!(back, promote);
                (promoted, back)
            }),
        };
        let (won, lost) = match (promoted, back) {
            (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
            both => panic!("one wins: {both:?}"),
        };
        let EngineError::Conflict(conflict) = lost else { panic!("{lost}") };
        assert_eq!(conflict.refusal.code.to_string(), "FL0409");
        let now = Current::Stage { newest: Some(won.id), active: Some(won.id), queued: None };
        assert_eq!(conflict.current, now);
        assert_eq!(world.end_of_rollout(&won.id.to_string()).status, "succeeded");
    }
}

#[test]
fn one_command_after_the_other_is_no_conflict_the_newer_one_counts() {
    let mut world = world();
    let promoted = world.promote(&promotion("eu-staging", "staging")).unwrap();
    let back = world.roll_back(&rollback()).unwrap();
    assert_eq!(world.end_of_rollout(&back).status, "succeeded");
    assert!(world.rollout_by_id(&promoted).ended);
}

#[test]
fn of_two_changes_of_one_document_at_one_moment_one_wins() {
    let world = world();
    let (commands, _) = world.api();
    let name = ProfileName::parse("p").unwrap();
    let doc = |region: &str| ProfileConfig {
        account: "111122223333".into(),
        regions: vec![region.into()],
        ..ProfileConfig::default()
    };
    let (ann, bob) = block_on(async { (caller(&commands, "ann").await, caller(&commands, "bob").await) });
    let (one, two) = (doc("eu-west-1"), doc("eu-west-2"));
    let both = block_on(async {
        join!(commands.put_profile(&name, &one, None, &ann), commands.put_profile(&name, &two, None, &bob))
    });
    let (Ok(won), Err(EngineError::Conflict(lost))) = both else { panic!("one wins: {both:?}") };
    let changed_by = Some("arn:aws:iam::111122223333:user/ann".to_owned());
    assert_eq!(lost.current, Current::Config { version: won.config_version, changed_by });
}

#[test]
fn an_audit_of_months_comes_in_pages_that_read_a_month_each() {
    let mut world = World::new(1, &[&["eu-west-1"]]);
    world.jump(100 * 24);
    world.freeze(&FreezeScope::Everything).unwrap();
    let (_, status) = world.api();
    let mut request = AuditRequest {
        from: Some(
            flotilla_domain::Timestamp::UNIX_EPOCH
                + flotilla_domain::SignedDuration::from_hours(1_790_000_000 / 3_600),
        ),
        to: None,
        service: None,
        stage: None,
        principal: None,
        cursor: None,
        limit: 100,
    };
    let mut pages = Vec::new();
    loop {
        let before = world.calls("dynamodb:Query");
        let page = block_on(status.audit(&request)).unwrap();
        assert!(world.calls("dynamodb:Query") - before <= 31);
        pages.push(page.items.len());
        request.cursor = page.next;
        if request.cursor.is_none() {
            break;
        }
    }
    // The line; nothing; nothing; what set up the world, a hundred days before; nothing up to the beginning.
    assert_eq!(pages[..4], [1, 0, 0, 5]);
    assert_eq!(pages.iter().sum::<usize>(), 6);
}

/// One of each command that changes something, told apart by its number.
async fn give(
    nth: usize,
    commands: &Commands,
    rollout: &RolloutId,
    release: &ReleaseId,
) -> Result<(), EngineError> {
    let ann = caller(commands, "ann").await;
    let (orders, staging) = (orders(), stage("staging"));
    match nth {
        0 => commands.start(&orders, release, &staging, &AllowedLosses::default(), &ann).await.map(drop),
        1 => commands.promote(&orders, &promotion("eu-staging", "staging"), &ann).await.map(drop),
        2 => commands.roll_back(&orders, &rollback(), &ann).await.map(drop),
        3 => commands.hold(&orders, &staging, release, "it is slow", &ann).await,
        4 => commands.release_hold(&orders, &staging, None, &ann).await,
        5 => commands.control(rollout, Control::Pause, &ann).await.map(drop),
        6 => commands.control(rollout, Control::Resume, &ann).await.map(drop),
        7 => commands.control(rollout, Control::Cancel { stop_running: false }, &ann).await.map(drop),
        8 => commands.break_glass(rollout, "it burns", &ann).await.map(drop),
        9 => commands.freeze(&FreezeScope::Everything, "it burns", &ann).await,
        10 => commands.unfreeze(&FreezeScope::Everything, &ann).await,
        11 => {
            let rule = |git_ref: &str| RuleConfig {
                git_ref: git_ref.into(),
                stage: "staging".into(),
                profile: "p".into(),
                ttl_h: None,
                stack_name: None,
                promote_to: None,
            };
            let doc = ServiceConfigDoc { rules: vec![rule("branch:x")], ..ServiceConfigDoc::default() };
            commands.put_service(&orders, &doc, None, &ann).await.map(drop)
        }
        12 => {
            let wanted = PlanOptions { stage: staging, release: Some(*release), from: None };
            commands.plan(&orders, &wanted, &ann).await.map(drop)
        }
        13 => {
            let principal = "arn:aws:iam::111122223333:user/ann".to_owned();
            let grant = flotilla_contract::GrantConfig {
                principal,
                role: "admin".into(),
                stages: None,
                services: None,
            };
            commands
                .put_access(&AccessConfig { grants: vec![grant], identity: None }, None, &ann)
                .await
                .map(drop)
        }
        _ => commands.retry(rollout, &RetryOptions::default(), &ann).await.map(drop),
    }
}

#[test]
fn promise_11_a_command_that_crashes_after_any_call_has_no_effect_without_its_entry() {
    let mut world = world();
    let release = ReleaseId::parse(&world.stage("staging").past[0]).unwrap();
    for which in 0..15 {
        // The rollout that is paused, resumed, cancelled and, in the end, retried.
        let open = if which == 14 {
            let id = world.stage("staging").targets[0].rollout.clone();
            let started = world.start(&release.to_string(), "staging").unwrap_or(id);
            world.cancel(&started).unwrap();
            world.end_of_rollout(&started);
            started
        } else {
            world
                .stage("staging")
                .active
                .unwrap_or_else(|| world.start(&release.to_string(), "staging").unwrap())
        };
        let open = RolloutId::parse(&open).unwrap();
        let (commands, _) = world.api();
        let mut effects = 0;
        for nth in 1..20 {
            world.jump(1);
            let before = world.items();
            let ended = world.crash_after(nth, give(which, &commands, &open, &release));
            let changed: Vec<_> = world.items().difference(&before).cloned().collect();
            let (entries, others): (Vec<_>, Vec<_>) =
                changed.into_iter().partition(|(key, _)| key.pk.starts_with("AUD#"));
            assert_eq!(entries.is_empty(), others.is_empty(), "command {which} after call {nth}: {others:?}");
            effects += others.len();
            if ended {
                break;
            }
            assert!(nth < 19, "command {which} does not end");
        }
        assert!(effects > 0, "command {which} changed nothing");
    }
}
