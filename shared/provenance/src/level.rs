//! The SLSA build level that a signer's certificate proves.
//!
//! | signer | level |
//! |---|---|
//! | a workflow on a runner that its provider hosts, which signs with a reusable workflow of another file | 3 |
//! | a workflow on a runner that its provider hosts | 2 |
//! | anything else | 1 |
//!
//! Sources: [SLSA v1.0 levels](https://slsa.dev/spec/v1.0/levels); GitHub's
//! [artifact attestations](https://docs.github.com/en/actions/concepts/security/artifact-attestations), which reach level 2, and
//! level 3 with reusable workflows; GitLab's [SLSA levels](https://docs.gitlab.com/ci/pipeline_security/slsa/).

use flotilla_domain::release::provenance::BuildLevel;
use sigstore_crypto::FulcioCiClaims;

const GITHUB: &str = "https://token.actions.githubusercontent.com";
const GITLAB: &str = "https://gitlab.com";

/// The level of provenance that somebody with these claims signed.
pub fn build_level(issuer: &str, claims: &FulcioCiClaims) -> BuildLevel {
    let runner = claims.runner_environment.as_deref();
    match (issuer, runner) {
        (GITHUB, Some("github-hosted")) => {
            let file = |uri: &Option<String>| {
                uri.as_ref().map(|uri| uri.split('@').next().unwrap_or(uri).to_owned())
            };
            let (signer, build) = (file(&claims.build_signer_uri), file(&claims.build_config_uri));
            let is_isolated = signer.is_some() && build.is_some() && signer != build;
            if is_isolated { 3 } else { 2 }
        }
        (GITLAB, Some("gitlab-hosted")) => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(runner: &str, signer: &str, build: &str) -> FulcioCiClaims {
        let mut claims = FulcioCiClaims::default();
        claims.runner_environment = Some(runner.to_owned());
        claims.build_signer_uri = Some(signer.to_owned());
        claims.build_config_uri = Some(build.to_owned());
        claims
    }

    #[test]
    fn the_level_follows_from_runner_and_signer() {
        let (own, shared) =
            ("https://github.com/a/b/ci.yml@refs/heads/main", "https://github.com/a/shared/sign.yml@v1");
        for (issuer, claims, level) in [
            (GITHUB, claims("github-hosted", own, own), 2),
            (GITHUB, claims("github-hosted", shared, own), 3),
            (GITHUB, claims("github-hosted", "https://github.com/a/b/ci.yml@refs/tags/v1", own), 2),
            (GITHUB, claims("self-hosted", shared, own), 1),
            (GITHUB, FulcioCiClaims::default(), 1),
            (GITLAB, claims("gitlab-hosted", own, own), 2),
            (GITLAB, claims("self-hosted", own, own), 1),
            ("https://accounts.google.com", claims("github-hosted", shared, own), 1),
        ] {
            assert_eq!(build_level(issuer, &claims), level, "{issuer} {claims:?}");
        }
    }
}
