//! `flotilla where`: the stages and regions in which a release or commit runs.

use crate::api::Api;
use crate::args::Global;
use crate::error::{CliError, Exit};
use crate::show;
use flotilla_contract::{ReleaseView, RunningView, ServiceStagesView};
use serde::Serialize;

/// The shortest beginning of a commit or digest, as git shows commits.
const PREFIX_MIN: usize = 7;

/// A target that runs the release.
#[derive(Serialize)]
struct Place<'a> {
    stage: &'a str,
    #[serde(flatten)]
    target: &'a RunningView,
}

pub async fn run(global: &Global, service: &str, what: &str) -> Result<Exit, CliError> {
    let api = Api::connect(global).await?;
    let mut releases = api.releases(service, Api::RELEASES_PAGES_MAX).await?;
    releases.retain(|release| is_meant(release, what));
    if releases.is_empty() {
        return Err(CliError::usage(
            format!("{service} has no release, build, commit or digest {what}"),
            format!("list what it has: flotilla releases {service}"),
        ));
    }
    let view: ServiceStagesView = api.get(&format!("/v1/services/{service}")).await?;
    let runs = |target: &RunningView| {
        target.release.as_ref().is_some_and(|running| releases.iter().any(|release| release.id == *running))
    };
    let of_stages =
        view.stages.iter().flat_map(|stage| stage.targets.iter().map(move |target| (stage, target)));
    let places: Vec<Place<'_>> = of_stages
        .filter(|(_, target)| runs(target))
        .map(|(stage, target)| Place { stage: &stage.stage, target })
        .collect();
    if global.json {
        show::json(&places);
        return Ok(Exit::Success);
    }
    if places.is_empty() {
        println!("it runs nowhere");
    }
    let row = |place: &Place<'_>| {
        let Place { stage, target } = place;
        let part = target.stack_name().unwrap_or_default();
        let release = target.release.clone().unwrap_or_default();
        let (account, region) = (target.account.clone(), target.region.clone());
        vec![(*stage).to_owned(), account, region, part, release, format!("since {}", show::time(&target.at))]
    };
    show::table(&places.iter().map(row).collect::<Vec<_>>());
    Ok(Exit::Success)
}

fn is_meant(release: &ReleaseView, what: &str) -> bool {
    let what = what.strip_prefix("sha256:").unwrap_or(what);
    let begins = |text: &str| what.len() >= PREFIX_MIN && text.starts_with(what);
    let commit = release.provenance.as_ref().and_then(|provenance| provenance.commit.as_deref());
    release.id == what || release.build == what || begins(&release.digest) || commit.is_some_and(begins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_release_is_meant_by_its_id_its_build_and_the_beginning_of_its_commit_or_digest() {
        let release: ReleaseView = serde_json::from_value(json!({
            "id": "rel_1", "service": "orders", "ref": "branch:main", "build": "4f2a", "digest": "9f86d081884c7d65",
            "format": "native", "uploaded_at": "2026-11-21T00:00:00Z", "asset_bytes": 1,
            "provenance": {"issuer": "i", "subject": "s", "commit": "4f2a9c1d5e", "level": 0, "signed": "x", "signed_at": "2026-11-21T00:00:00Z"},
        }))
        .expect("a release");
        for what in ["rel_1", "4f2a", "4f2a9c1", "4f2a9c1d5e", "9f86d08", "sha256:9f86d08"] {
            assert!(is_meant(&release, what), "{what}");
        }
        for what in ["rel_", "4f2a9", "9f86d0", "f2a9c1d", ""] {
            assert!(!is_meant(&release, what), "{what}");
        }
    }
}
