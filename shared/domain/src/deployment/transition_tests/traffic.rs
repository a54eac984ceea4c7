//! Traffic: the way of a deployment through the shares of its aliases.

use super::*;
use crate::deployment::{AliasVersions, RestoredVersion, TrafficAnswer};
use crate::release::package::FunctionAlias;
use std::collections::BTreeMap;

#[track_caller]
fn go(deployment: Deployment, events: impl IntoIterator<Item = Event>) -> Deployment {
    way(deployment, events).1
}

fn alias(revision: &str) -> AliasVersions {
    AliasVersions {
        alias: "Live".into(),
        arn: "arn:live".into(),
        stable: "7".into(),
        new: None,
        revision: revision.into(),
    }
}

/// A deployment of a rollout that shifts traffic, with one alias that exists and one that does not yet.
fn shifted() -> Deployment {
    let mut deployment = deploy();
    deployment.spec.shifts = true;
    if let DeploymentKind::Deploy(release) = &mut deployment.spec.kind {
        let of = |alias: &str| FunctionAlias {
            alias: alias.into(),
            function: "F".into(),
            version: format!("{alias}V"),
        };
        release.aliases = vec![of("Live"), of("Later")];
    }
    deployment
}

fn proven(version: &str) -> Event {
    let versions = [("LiveV", version), ("LaterV", "1")];
    Event::CodeProven { versions: versions.map(|(id, n)| (id.to_owned(), n.to_owned())).into(), api: None }
}

fn revision(text: &str) -> BTreeMap<String, String> {
    [("Live".to_owned(), text.to_owned())].into()
}

/// The way to the update that publishes the new versions.
fn published() -> Deployment {
    let reads = go(shifted(), [taken(), seen("UPDATE_COMPLETE")]);
    assert_eq!(reads.observation(), Some(Observation::Aliases));
    let planning = go(reads, [Event::AliasesObserved(vec![alias("r0")])]);
    let given = planning.stable_versions();
    assert_eq!(given, Some(("FlotillaStableVersions".to_owned(), "7,-".to_owned())));
    go(planning, [Event::Acted, ready(), Event::Allowed, Event::Acted, op("UPDATE_COMPLETE"), proven("8")])
}

fn asked(percent: u8) -> Event {
    Event::TrafficAnswered(TrafficAnswer::Shift(percent))
}

fn complete() -> Event {
    Event::TrafficAnswered(TrafficAnswer::Complete)
}

#[test]
fn the_aliases_follow_the_shares_and_a_second_update_ends_it() {
    let published = published();
    assert_eq!((&published.state, published.due()), (&State::Shifting { percent: 0 }, None));
    let five = go(published, [Event::TrafficAnswered(TrafficAnswer::Wait), asked(5)]);
    assert_eq!(five.due(), Some(Command::ShiftTraffic(5)));
    // Somebody else has set the alias meanwhile: it is set again, with the revision that it has now.
    let again = go(five, [Event::AliasesMoved(revision("r1"))]);
    assert_eq!((again.due(), again.aliases[0].revision.as_str()), (Some(Command::ShiftTraffic(5)), "r1"));
    let done = go(again, [Event::TrafficShifted(revision("r2")), asked(5)]);
    assert_eq!((done.due(), done.aliases[0].revision.as_str()), (None, "r2"));
    let all = go(done.clone(), [asked(100), Event::TrafficShifted(revision("r3")), asked(100)]);
    assert_eq!((&all.state, all.completes), (&State::Shifting { percent: 100 }, false));
    let all = go(all, [complete()]);
    assert_eq!((&all.state, all.completes), (&State::Inspecting, true));
    let at_once = go(done, [complete(), Event::TrafficShifted(revision("r3")), complete()]);
    assert_eq!((at_once.state, at_once.aliases), (all.state.clone(), all.aliases.clone()));
    let second = go(all, [seen("UPDATE_COMPLETE")]);
    assert_eq!(second.state, State::Planning(ChangeSetKind::Update));
    assert_eq!(second.stable_versions().map(|(_, value)| value), Some("-,-".to_owned()));
    let end =
        go(second, [Event::Acted, ready(), Event::Allowed, Event::Acted, op("UPDATE_COMPLETE"), proven("8")]);
    assert_eq!(end.state, State::Succeeded { changed: true });
}

#[test]
fn what_did_not_change_has_nothing_to_shift() {
    let same = go(
        shifted(),
        [
            taken(),
            seen("UPDATE_COMPLETE"),
            Event::AliasesObserved(vec![alias("r")]),
            Event::Acted,
            ready(),
            Event::Allowed,
            Event::Acted,
            op("UPDATE_COMPLETE"),
            proven("7"),
        ],
    );
    assert_eq!(same.state, State::Succeeded { changed: true });
    let created = go(shifted(), [taken(), gone()]);
    assert_eq!(created.state, State::Planning(ChangeSetKind::Create), "nothing could keep the traffic");
    assert_eq!(created.stable_versions().map(|(_, value)| value), Some("-,-".to_owned()));
}

#[test]
fn an_abort_a_refusal_and_a_deadline_give_everything_back_before_it_fails() {
    let five = || go(published(), [asked(5), Event::TrafficShifted(revision("r2"))]);
    let refused = || Event::Refused(Cause::new(Code::AccessDenied, "no", "fix"));
    let cases = [
        (Event::TrafficAnswered(TrafficAnswer::Abort), Code::TrafficAborted),
        (refused(), Code::AccessDenied),
        (Event::DeadlinePassed, Code::DeadlinePassed),
    ];
    for (event, code) in cases {
        let back = go(five(), [event]);
        assert_eq!(back.due(), Some(Command::ShiftTraffic(0)), "{code:?}");
        let end = go(back.clone(), [Event::TrafficShifted(revision("r4"))]);
        assert_eq!(end.state.cause().map(|cause| cause.code), Some(code));
        // Lambda does not let it go back, or does not answer: the cause names the alias and its version.
        for stuck in [refused(), Event::DeadlinePassed] {
            let stuck = go(back.clone(), [stuck]);
            let cause = stuck.state.cause().expect("it failed");
            assert_eq!(cause.code, Code::TrafficNotRestored);
            assert!(cause.fix.contains("arn:live (version 7)"), "{}", cause.fix);
        }
    }
}

#[test]
fn a_second_update_that_fails_leaves_the_old_versions() {
    let all = go(
        published(),
        [complete(), Event::TrafficShifted(revision("r3")), complete(), seen("UPDATE_COMPLETE")],
    );
    let cause = Cause::new(Code::ChangeSetRefused, "no", "fix");
    let discarding = go(all.clone(), [Event::PlanRefused(cause)]);
    let back = go(discarding, [Event::Acted]);
    assert_eq!(back.due(), Some(Command::ShiftTraffic(0)));
    assert!(matches!(go(back, [Event::TrafficShifted(revision("r"))]).state, State::Failed(_)));
    let lost = go(all, [Event::LeaseLost]);
    assert!(matches!(lost.state, State::Failed(_)), "the stack is another's");
}

#[test]
fn a_rollback_restores_the_versions_before_and_then_publishes_the_release_again() {
    let mut rollback = shifted();
    rollback.spec.shifts = false;
    let known = RestoredVersion { from: "7".into(), to: "6".into() };
    rollback.spec.restores = [("Live".to_owned(), known)].into();
    let reads = go(rollback, [taken(), seen("UPDATE_COMPLETE")]);
    assert_eq!(reads.observation(), Some(Observation::Aliases));
    let restoring = go(reads.clone(), [Event::AliasesObserved(vec![alias("r0")])]);
    assert_eq!(
        (&restoring.state, restoring.due()),
        (&State::RestoringTraffic, Some(Command::ShiftTraffic(0)))
    );
    let versions = |d: &Deployment| d.shared().map(|a| (a.stable.clone(), a.new.clone())).collect::<Vec<_>>();
    assert_eq!(versions(&restoring), [("6".to_owned(), Some("7".to_owned()))]);
    let moved = go(restoring.clone(), [Event::AliasesMoved(revision("r1"))]);
    assert_eq!((&moved.state, moved.aliases[0].revision.as_str()), (&State::RestoringTraffic, "r1"));
    let planning = go(moved, [Event::TrafficShifted(revision("r2"))]);
    assert_eq!(planning.state, State::Planning(ChangeSetKind::Update));
    // The update publishes: no alias keeps its version.
    assert_eq!(planning.stable_versions(), Some(("FlotillaStableVersions".to_owned(), "-,-".to_owned())));
    let rest = [Event::Acted, ready(), Event::Allowed, Event::Acted, op("UPDATE_COMPLETE"), proven("8")];
    assert_eq!(go(planning, rest).state, State::Succeeded { changed: true });

    let refused = go(restoring, [Event::Refused(Cause::new(Code::AccessDenied, "no", "fix"))]);
    assert_eq!(refused.state, State::Planning(ChangeSetKind::Update));
    assert_eq!(refused.notes, ["the traffic is moved by the update: no"]);
    let unread = go(reads.clone(), [Event::Refused(Cause::new(Code::AccessDenied, "no", "fix"))]);
    assert_eq!(unread.state, State::Planning(ChangeSetKind::Update));
    // What names another version than the one that is rolled back is left as it is.
    for named in ["6", "9"] {
        let there = AliasVersions { stable: named.into(), ..alias("r0") };
        let left = go(reads.clone(), [Event::AliasesObserved(vec![there])]);
        assert_eq!((&left.state, left.restores()), (&State::Planning(ChangeSetKind::Update), false));
    }
}
