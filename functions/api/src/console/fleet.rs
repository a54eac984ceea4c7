//! The fleet: services by stages.

use super::page::{page as framed, rollout_link, short_id, time, tone};
use flotilla_contract::{RunningView, ServiceStagesView, StageView};
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};

/// Services on a page: each costs a query.
pub const SERVICES_MAX: usize = 50;

/// The page.
pub fn page(principal: &str, services: &[ServiceStagesView], next: Option<&str>) -> Markup {
    let columns = columns(services);
    let content = html! {
        h1 { "Fleet" }
        @if services.is_empty() {
            p { "Nothing to show: no service is configured, or you may view none of those on this page." }
        } @else {
            p #filter hidden { label { "Filter " input type="search" placeholder="service" autocomplete="off"; } }
            div.scroll tabindex="0" role="region" aria-label="Services by stages" {
                table.matrix {
                    thead { tr {
                        th scope="col" { "Service" }
                        @for stage in &columns { th scope="col" { (stage) } }
                        th scope="col" { "Previews" }
                    } }
                    tbody {
                        @for service in services {
                            tr data-name=(service.service) {
                                th scope="row" { a href=(format!("/console/services/{}", service.service)) { (service.service) } }
                                @for stage in &columns { td { @if let Some(stage) = stage_of(service, stage) { (cell(stage)) } } }
                                td { (previews(service)) }
                            }
                        }
                    }
                }
            }
        }
        @if let Some(next) = next { p { a href=(format!("/console/fleet?after={next}")) { "More services" } } }
    };
    framed(principal, "Fleet", None, &content)
}

/// The permanent stages: those of most services first.
fn columns(services: &[ServiceStagesView]) -> Vec<String> {
    let mut counts = BTreeMap::<&str, usize>::new();
    for stage in services.iter().flat_map(|service| &service.stages).filter(|stage| is_permanent(stage)) {
        *counts.entry(&stage.stage).or_default() += 1;
    }
    let mut columns: Vec<_> = counts.into_iter().collect();
    columns.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    columns.into_iter().map(|(name, _)| name.to_owned()).collect()
}

/// Whether a stage is a preview, or was one and is being removed.
pub fn is_preview(stage: &StageView) -> bool {
    stage.expires_at.is_some() || stage.git_ref.is_some()
}

/// Whether something is deployed to a stage, or on its way.
pub fn is_used(stage: &StageView) -> bool {
    !stage.targets.is_empty() || stage.active.is_some()
}

fn is_permanent(stage: &StageView) -> bool {
    !is_preview(stage) && is_used(stage)
}

fn stage_of<'s>(service: &'s ServiceStagesView, name: &str) -> Option<&'s StageView> {
    service.stages.iter().find(|stage| stage.stage == name && is_permanent(stage))
}

/// What runs at a stage: the releases, and a segment for each target.
fn cell(stage: &StageView) -> Markup {
    let targets = || stage.targets.iter().filter(|target| target.live != Some(false));
    let releases: BTreeSet<&str> = targets().filter_map(|t| t.release.as_deref()).collect();
    let last = targets().map(|t| t.at.as_str()).max();
    html! {
        @match releases.iter().collect::<Vec<_>>()[..] {
            [] => { span.quiet { "nothing" } }
            [one] => { code title=(one) { (short_id(one)) } }
            ref several => { strong.mixed { (several.len()) " releases" } }
        }
        @if !stage.holds.is_empty() { " " span.status.busy { "hold" } }
        (segments(&stage.targets))
        @if let Some(active) = &stage.active { p { "rolling out " (rollout_link(active)) } }
        @else if let Some(last) = last { p.quiet { (time(last)) } }
    }
}

/// A segment for each target that gets traffic. Targets of one release have one pattern, whatever their number.
pub fn segments(targets: &[RunningView]) -> Markup {
    let targets: Vec<&RunningView> = targets.iter().filter(|target| target.live != Some(false)).collect();
    let releases: BTreeSet<&str> = targets.iter().filter_map(|t| t.release.as_deref()).collect();
    let nth = |target: &RunningView| {
        let release = target.release.as_deref().unwrap_or_default();
        releases.iter().position(|known| *known == release).unwrap_or_default() % 4
    };
    html! {
        ul.segments aria-label="Regions" {
            @for target in &targets {
                @let text = format!("{}: {}, {}", target.region, target.release.as_deref().map_or("nothing".into(), short_id), target.status);
                li class=(format!("{} r{}", tone(&target.status), nth(target))) title=(text) { span.hidden { (text) } }
            }
        }
    }
}

fn previews(service: &ServiceStagesView) -> Markup {
    let count = service.stages.iter().filter(|stage| is_preview(stage) && is_used(stage)).count();
    html! { @if count > 0 { a href=(format!("/console/services/{}#previews", service.service)) { (count) } } }
}
