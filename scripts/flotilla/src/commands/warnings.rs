//! Warnings about packages, for whoever asks what became of one.

use crate::api::Api;
use crate::error::CliError;
use crate::show;
use flotilla_contract::{Page, ReleaseView, WarningView};
use std::collections::BTreeMap;

/// The warnings of a service's latest releases, by their ids.
pub async fn of_releases(api: &Api, service: &str) -> Result<BTreeMap<String, Vec<WarningView>>, CliError> {
    let page: Page<ReleaseView> = api.get(&format!("/v1/services/{service}/releases?limit=100")).await?;
    Ok(page.items.into_iter().map(|release| (release.id, release.warnings)).collect())
}

/// Prints the warnings of a release, if it is one of the latest.
pub async fn of_release(api: &Api, service: &str, id: &str) -> Result<(), CliError> {
    let known = of_releases(api, service).await?;
    known.get(id).into_iter().flatten().for_each(|w| show::warning(&w.code, &w.path, &w.message));
    Ok(())
}
