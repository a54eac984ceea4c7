//! Warnings about packages, for whoever asks what became of one.

use crate::api::Api;
use crate::error::CliError;
use crate::show;
use flotilla_contract::WarningView;
use std::collections::BTreeMap;

/// The warnings of a service's latest releases, by their ids: so many pages of 100.
pub async fn of_releases(
    api: &Api,
    service: &str,
    pages: usize,
) -> Result<BTreeMap<String, Vec<WarningView>>, CliError> {
    let releases = api.releases(service, pages).await?;
    Ok(releases.into_iter().map(|release| (release.id, release.warnings)).collect())
}

/// Prints the warnings of a release, which nearly always is one of the latest.
pub async fn of_release(api: &Api, service: &str, id: &str) -> Result<(), CliError> {
    for pages in [1, Api::RELEASES_PAGES_MAX] {
        if let Some(warnings) = of_releases(api, service, pages).await?.get(id) {
            warnings.iter().for_each(|w| show::warning(&w.code, &w.path, &w.message));
            break;
        }
    }
    Ok(())
}
