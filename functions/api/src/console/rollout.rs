//! One rollout: its cause, gates, targets by wave, and timeline, the newest entry first.

use super::page::{cause, page as framed, rollout_link, short_id, status, time};
use flotilla_contract::{ChangesView, DeploymentView, EventView, GatesView, RolloutView};
use maud::{Markup, html};
use std::collections::BTreeSet;

/// Most pages of the timeline, of 100 entries each.
pub const EVENT_PAGES_MAX: usize = 10;

/// How often the page of a rollout in progress is updated; of one that waits for a gate, and so for a person or a time, less often.
fn update_s(rollout: &RolloutView) -> Option<u32> {
    let interval_s = if rollout.status == "gated" { 30 } else { 5 };
    (!rollout.ended).then_some(interval_s)
}

/// The page.
pub fn page(principal: &str, rollout: &RolloutView, events: &[EventView], more: bool) -> Markup {
    let waves: BTreeSet<u32> = rollout.deployments.iter().map(|deployment| deployment.wave).collect();
    let title = if rollout.kind == "remove" { "Removal" } else { "Rollout" };
    let content = html! {
        h1 { (title) " of " a href=(format!("/console/services/{}", rollout.service)) { (rollout.service) } " to " (rollout.stage) " " (status(&rollout.status)) }
        @if let Some(found) = &rollout.cause { (cause(found)) }
        @if let Some(gates) = &rollout.gates { (of_gates(gates)) }
        @if let Some(traffic) = &rollout.traffic {
            p { strong { "Traffic: " } (traffic.percent) " % to the new versions, wave " (traffic.wave) }
            progress max="100" value=(traffic.percent) aria-label="Share of the new versions in percent" {}
            @if let Some(measured) = &traffic.measured {
                p { "New versions: " (measured.new.errors) " of " (measured.new.invocations) " invocations failed; versions before: "
                    (measured.stable.errors) " of " (measured.stable.invocations) "." }
            }
        }
        (facts(rollout))
        @for wave in waves {
            h2 { "Wave " (wave) }
            div.scroll tabindex="0" role="region" aria-label=(format!("Targets of wave {wave}")) { table {
                thead { tr { th scope="col" { "Region" } th scope="col" { "Account" } th scope="col" { "Stack" } th scope="col" { "Status" } th scope="col" { "Changes" } th scope="col" { "Since" } } }
                tbody { @for deployment in rollout.deployments.iter().filter(|d| d.wave == wave) { (row(deployment)) } }
            } }
        }
        h2 { "Timeline" }
        @if more { p.quiet { "Later entries are not shown: flotilla rollout " (rollout.id) } }
        ul.timeline { @for event in events { li {
            (time(&event.at)) " " strong { (event.what) }
            @if let Some(target) = &event.target { " " code { (target) } }
            @if let Some(detail) = &event.detail { " " span { (detail) } }
            @if event.actor != "flotilla" { " " span.quiet { "by " (event.actor) } }
        } } }
    };
    framed(principal, &format!("{} {}", rollout.service, rollout.status), update_s(rollout), &content)
}

fn facts(rollout: &RolloutView) -> Markup {
    let optional = [
        ("Reason", rollout.because.as_deref()),
        ("Ref", rollout.git_ref.as_deref()),
        ("Build", rollout.build.as_deref()),
        ("SHA-256", rollout.digest.as_deref()),
        ("Cancelled by", rollout.cancelled_by.as_deref()),
        ("Paused by", rollout.paused_by.as_deref()),
        ("Set", rollout.set.as_deref()),
        ("Promotes to", rollout.promotes_to.as_deref()),
    ];
    let others = [("Retry of", &rollout.retry_of), ("Superseded by", &rollout.superseded_by)];
    html! {
        dl {
            dt { "ID" } dd { code { (rollout.id) } }
            @if let Some(release) = &rollout.release { dt { "Release" } dd { code title=(release) { (short_id(release)) } } }
            @for (name, value) in optional { @if let Some(value) = value { dt { (name) } dd { (value) } } }
            @for (name, id) in others { @if let Some(id) = id { dt { (name) } dd { (rollout_link(id)) } } }
            dt { "Requested by" } dd { (rollout.requested_by) }
            dt { "Accepted" } dd { (time(&rollout.created_at)) }
            dt { "In this state since" } dd { (time(&rollout.entered_at)) }
        }
    }
}

fn of_gates(gates: &GatesView) -> Markup {
    html! {
        @if !gates.closed.is_empty() {
            section.gates aria-label="Gates" {
                p { strong { "Waiting" } @if let Some(wave) = gates.wave { " before wave " (wave) } ":" }
                ul { @for closed in &gates.closed { li {
                    (closed.why) @if let Some(until) = &closed.until { ", until " (time(until)) }
                } } }
            }
        }
        @for approval in &gates.approvals { p { "Wave " (approval.wave) " approved by " (approval.by) " " (time(&approval.at)) } }
        @if let Some(word) = &gates.broken_open { p { span.status.bad { "break-glass" } " all gates opened by " (word) } }
    }
}

fn row(deployment: &DeploymentView) -> Markup {
    let notes = deployment.notes.iter().chain(deployment.back.iter().flat_map(|back| &back.notes));
    html! {
        tr {
            th scope="row" { (deployment.region) }
            td { (deployment.account) }
            td { (deployment.stack) }
            td {
                (status(&deployment.status))
                @if let Some(back) = &deployment.back { " rollback " (status(&back.status)) }
                @if let Some(found) = &deployment.cause { p { strong { (found.code) } " " (found.message) } p.fix { (found.fix) } }
                @for note in notes { p.quiet { (note) } }
            }
            td { @if let Some(changes) = &deployment.changes { (of_changes(changes)) } }
            td { @if let Some(at) = &deployment.entered_at { (time(at)) } }
        }
    }
}

fn of_changes(changes: &ChangesView) -> Markup {
    let counts = [
        ("added", changes.add),
        ("changed", changes.modify),
        ("replaced", changes.replace),
        ("removed", changes.remove),
    ];
    let words: Vec<String> =
        counts.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{n} {word}")).collect();
    html! { (if words.is_empty() { "none".to_owned() } else { words.join(", ") }) }
}
