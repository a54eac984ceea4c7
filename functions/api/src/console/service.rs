//! One service: its stages, previews, releases and uploads.

use super::fleet::{is_preview, is_used, segments};
use super::page::{cause, page as framed, rollout_link, short_id, status, time};
use flotilla_contract::{ReleaseView, ServiceStagesView, StageView, UploadView};
use maud::{Markup, html};

/// The page.
pub fn page(
    principal: &str,
    service: &ServiceStagesView,
    releases: &[ReleaseView],
    uploads: &[UploadView],
) -> Markup {
    let (previews, stages): (Vec<_>, Vec<_>) = service.stages.iter().partition(|stage| is_preview(stage));
    let previews: Vec<_> = previews.iter().filter(|stage| is_used(stage)).collect();
    let content = html! {
        h1 { (service.service) }
        h2 { "Stages" }
        @if stages.is_empty() { p.quiet { "There are none." } }
        @for stage in stages { (of_stage(stage)) }
        h2 #previews { "Previews" }
        @if previews.is_empty() { p.quiet { "There are none." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Previews" { table {
                thead { tr { th scope="col" { "Stage" } th scope="col" { "Ref" } th scope="col" { "Ends" } th scope="col" { "Regions" } th scope="col" { "Rollout" } } }
                tbody { @for stage in previews { tr {
                    th scope="row" { (stage.stage) }
                    td { (stage.git_ref.as_deref().unwrap_or("-")) }
                    td { @match &stage.expires_at { Some(at) => { (time(at)) } None => { "being removed" } } }
                    td { (segments(&stage.targets)) }
                    td { @if let Some(active) = &stage.active { (rollout_link(active)) } }
                } } }
            } }
        }
        h2 { "Releases" }
        (of_releases(releases))
        h2 { "Refused uploads" }
        @let refused: Vec<_> = uploads.iter().filter_map(|upload| Some((upload, upload.refusal.as_ref()?))).collect();
        @if refused.is_empty() { p.quiet { "None among the latest uploads." } }
        @for (upload, refusal) in refused { article { h3 { code { (upload.key) } " " (time(&upload.uploaded_at)) } (cause(refusal)) } }
    };
    framed(principal, &service.service, None, &content)
}

fn of_stage(stage: &StageView) -> Markup {
    html! {
        article {
            h3 { (stage.stage) " " span.quiet { "profile " (stage.profile) } }
            @if let Some(active) = &stage.active { p { "Active rollout " (rollout_link(active)) } }
            @if let Some(queued) = &stage.queued { p { "Queued rollout " (rollout_link(queued)) } }
            @for hold in &stage.holds { p { span.status.busy { "hold" } " sha256:" (hold.digest.get(..12).unwrap_or_default()) " by " (hold.by) ": " (hold.because) } }
            div.scroll tabindex="0" role="region" aria-label=(format!("Targets of {}", stage.stage)) { table {
                thead { tr { th scope="col" { "Region" } th scope="col" { "Account" } th scope="col" { "Stack" } th scope="col" { "Release" } th scope="col" { "Last rollout" } th scope="col" { "When" } } }
                tbody { @for target in &stage.targets { tr {
                    th scope="row" { (target.region) }
                    td { (target.account) }
                    td { (target.stack_name().unwrap_or_else(|| "-".into())) }
                    td { @match &target.release { Some(release) => { code title=(release) { (short_id(release)) } } None => { "-" } } }
                    td { (rollout_link(&target.rollout)) " " (status(&target.status)) }
                    td { (time(&target.at)) }
                } } }
            } }
        }
    }
}

fn of_releases(releases: &[ReleaseView]) -> Markup {
    html! {
        @if releases.is_empty() { p.quiet { "There are none." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Releases" { table {
                thead { tr { th scope="col" { "Release" } th scope="col" { "Ref" } th scope="col" { "Build" } th scope="col" { "SHA-256" } th scope="col" { "Uploaded" } th scope="col" { "Signature" } } }
                tbody { @for release in releases { tr {
                    th scope="row" { code title=(release.id) { (short_id(&release.id)) } }
                    td { (release.git_ref) }
                    td { (release.build) }
                    td { code title=(release.digest) { (release.digest.get(..12).unwrap_or_default()) } }
                    td { (time(&release.uploaded_at)) @if !release.kept { " " span.quiet { "no longer kept" } } }
                    td { @match &release.provenance { Some(found) => { span title=(found.subject) { "signed" @if found.level > 0 { ", SLSA level " (found.level) } } } None => { span.quiet { "unsigned" } } } }
                } } }
            } }
        }
    }
}
