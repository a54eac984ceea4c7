//! The head of a stage.

use super::running::SUCCEEDED;
use super::*;

fn id(second: i64) -> RolloutId {
    RolloutId::derive(Timestamp::from_second(second).unwrap(), &["r"])
}

fn head() -> StageHead {
    StageHead::new(
        ServiceName::parse("s").unwrap(),
        StageName::parse("t").unwrap(),
        ProfileName::parse("p").unwrap(),
    )
}

#[test]
fn one_acts_one_waits_and_a_newer_one_takes_the_waiting_ones_place() {
    let mut head = head();
    assert_eq!(head.admit(id(1)), Admission::Active);
    assert_eq!(head.admit(id(2)), Admission::Queued);
    assert_eq!(head.admit(id(3)), Admission::Queued);
    assert_eq!(head.place(id(1)), Place::ActiveWithSuccessor(id(3)));
    assert_eq!(head.place(id(2)), Place::Replaced(Some(id(3))));
    assert_eq!(head.place(id(3)), Place::Queued);
    assert_eq!(head.leave(id(1)), Some(id(3)));
    assert_eq!(head.place(id(3)), Place::Active);
    assert_eq!(head.leave(id(3)), None);
    assert_eq!(head.active, None);
}

#[test]
fn s02_an_older_upload_that_comes_late_is_out_of_date() {
    let mut head = head();
    head.admit(id(2));
    assert_eq!(head.admit(id(1)), Admission::OutOfDate { by: id(2) });
    head.leave(id(2));
    assert_eq!(head.admit(id(1)), Admission::OutOfDate { by: id(2) });
}

#[test]
fn of_one_second_the_later_arrival_is_the_newer() {
    let at = |ms| RolloutId::derive(Timestamp::from_millisecond(ms).unwrap(), &["r"]);
    let mut head = head();
    head.admit(at(5_900));
    assert_eq!(head.admit(at(5_000)), Admission::Queued);
    assert_eq!(head.place(at(5_000)), Place::Queued);
    assert_eq!(head.admit(at(4_999)), Admission::OutOfDate { by: at(5_000) });
}

#[test]
fn promise_6_the_same_rollout_again_changes_nothing() {
    let mut head = head();
    head.admit(id(1));
    let alone = head.clone();
    assert_eq!((head.admit(id(1)), &head), (Admission::Active, &alone));
    head.admit(id(2));
    let before = head.clone();
    assert_eq!(head.admit(id(2)), Admission::Queued);
    assert_eq!(head.admit(id(1)), Admission::OutOfDate { by: id(2) });
    assert_eq!(head, before);
}

#[test]
fn leaving_twice_does_not_put_out_the_next_one() {
    let mut head = head();
    head.admit(id(1));
    head.admit(id(2));
    head.leave(id(1));
    assert_eq!(head.leave(id(1)), None);
    assert_eq!(head.active, Some(id(2)));
}

#[test]
fn what_was_stable_before_is_remembered_once_and_in_order() {
    let release = |n: &str| ReleaseId::derive(Timestamp::UNIX_EPOCH, &[n]);
    let mut head = head();
    for n in ["a", "b", "b", "c", "a"] {
        head.settle(release(n));
    }
    assert_eq!((head.stable, head.past.clone()), (Some(release("a")), vec![release("c"), release("b")]));
    for n in 0..30 {
        head.settle(release(&n.to_string()));
    }
    assert_eq!(head.past.len(), StageHead::PAST_MAX);
}

#[test]
fn a_stage_needs_what_runs_may_run_was_stable_and_is_rolled_out() {
    let release = |n: &str| ReleaseId::derive(Timestamp::UNIX_EPOCH, &[n]);
    let target = |region: &str| Target::parse(&format!("000000000000/{region}")).unwrap();
    let running = |runs: &str, rollout, status: &str| Running {
        proven: Some((release(runs), Digest::of(b"p"))),
        rollout: id(rollout),
        status: status.into(),
        at: Timestamp::UNIX_EPOCH,
        has_traffic: false,
    };
    let mut head = head();
    for stable in ["a", "b", "c"] {
        head.settle(release(stable));
    }
    head.targets.insert(target("eu-west-1"), running("b", 1, "succeeded"));
    head.targets.insert(target("eu-west-2"), running("old", 2, "failed"));
    (head.active, head.queued) = (Some(id(3)), Some(id(4)));
    head.unsettle(release("maybe"));
    let needed: BTreeSet<ReleaseId> = head.needed().collect();
    assert_eq!(needed, ["a", "b", "c", "old", "maybe"].map(release).into());
    assert_eq!(head.unended(), [2, 3, 4].map(id).into());
    head.settle_targets();
    assert_eq!(head.unsettled, [release("maybe")], "it is not known what one target runs");
    head.targets.insert(target("eu-west-2"), running("c", 5, "succeeded"));
    head.settle_targets();
    assert_eq!(head.unsettled, []);
    for n in 0..30 {
        head.unsettle(release(&n.to_string()));
        head.unsettle(release(&n.to_string()));
    }
    assert_eq!((head.unsettled.len(), head.unsettled[0]), (StageHead::UNSETTLED_MAX, release("29")));
}

#[test]
fn a_closed_ref_declines_what_was_uploaded_before_and_opens_again_with_a_later_upload() {
    let at = |ms| Timestamp::from_millisecond(ms).unwrap();
    let git_ref = GitRef::parse("pr:7").unwrap();
    let mut head = head();
    head.uploaded(&git_ref, at(20_000));
    head.uploaded(&git_ref, at(10_000));
    assert_eq!(head.uploaded, Some((git_ref.clone(), at(20_000))), "the newest counts");
    assert!(head.check_open(at(1)).is_ok(), "it was never closed");
    assert!(!head.clone().close(at(19_999)), "it was uploaded again in a later second");
    assert!(head.close(at(20_500)) && head.close(at(20_000)));
    assert_eq!(head.closed_at, Some(at(20_500)), "the last end counts");
    for (uploaded_ms, open) in [(19_000, false), (20_999, false), (21_000, true)] {
        let code = head.check_open(at(uploaded_ms)).err().map(|refusal| refusal.code);
        assert_eq!(code, (!open).then_some(Code::RefClosed), "{uploaded_ms}");
    }
    head.uploaded(&git_ref, at(21_000));
    assert!(!head.close(at(20_999)), "a marker that is processed late");
}

#[test]
fn q12_a_preview_expires_by_the_clock_and_only_if_something_is_left() {
    let at = |s| Timestamp::from_second(s).unwrap();
    let mut head = head();
    head.renew(at(0), Some(1));
    assert!(!head.is_expired(at(9_999)), "nothing was ever deployed");
    let running =
        Running { proven: None, rollout: id(1), status: "succeeded".into(), at: at(0), has_traffic: false };
    head.targets.insert(Target::parse("000000000000/eu-west-1").unwrap(), running);
    assert!(!head.is_expired(at(3_599)));
    assert!(head.is_expired(at(3_600)));
    head.renew(at(3_600), None);
    assert!(!head.is_expired(at(999_999_999)));
}

#[test]
fn it_is_known_what_has_run_and_whether_something_else_than_the_stable_release_is_anywhere() {
    let release = |n: &str| ReleaseId::derive(Timestamp::UNIX_EPOCH, &[n]);
    let target = |region: &str| Target::parse(&format!("000000000000/{region}")).unwrap();
    let running = |runs: &str, status: &str| Running {
        proven: Some((release(runs), Digest::of(b"p"))),
        rollout: id(1),
        status: status.into(),
        at: Timestamp::UNIX_EPOCH,
        has_traffic: false,
    };
    let mut head = head();
    head.targets.insert(target("eu-west-1"), running("b", SUCCEEDED));
    assert!(!head.is_astray(), "nothing was ever stable");
    head.settle(release("a"));
    head.settle(release("b"));
    assert!(!head.is_astray());
    head.targets.insert(target("us-east-1"), running("c", SUCCEEDED));
    assert!(head.is_astray(), "one runs another release");
    for (name, has_run) in [("a", true), ("b", true), ("c", true), ("d", false)] {
        assert_eq!(head.has_run(&release(name)), has_run, "{name}");
    }
    head.targets.insert(target("us-east-1"), running("b", "failed"));
    assert!(head.is_astray(), "it is not known what one target runs");
    assert_eq!(head.served(), None);
    head.targets.insert(target("us-east-1"), Running { has_traffic: true, ..running("b", "failed") });
    assert_eq!((head.is_astray(), head.served()), (true, Some(release("b"))));
    head.targets.insert(target("us-east-1"), Running { proven: None, ..running("b", SUCCEEDED) });
    assert!(head.is_astray());
}
