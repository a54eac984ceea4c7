//! The SLSA build level that a signer's certificate proves.
//!
//! | signer | level |
//! |---|---|
//! | a workflow of GitHub on a runner that GitHub hosts, which signs with a reusable workflow of another repository | 3 |
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
            let (signer, source) = (&claims.build_signer_uri, &claims.source_repository_uri);
            // Whoever changes the repository that is built does not change how it is signed.
            let is_isolated = matches!((signer, source), (Some(signer), Some(source)) if !signer.starts_with(&format!("{source}/")));
            if is_isolated { 3 } else { 2 }
        }
        (GITLAB, Some("gitlab-hosted")) => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(runner: &str, signer: &str) -> FulcioCiClaims {
        let mut claims = FulcioCiClaims::default();
        claims.runner_environment = Some(runner.to_owned());
        claims.build_signer_uri = Some(signer.to_owned());
        claims.source_repository_uri = Some("https://github.com/a/b".to_owned());
        claims
    }

    #[test]
    fn the_level_follows_from_runner_and_signer() {
        let own = "https://github.com/a/b/.github/workflows/ci.yml@refs/heads/main";
        let other_file = "https://github.com/a/b/.github/workflows/sign.yml@refs/heads/main";
        let shared = "https://github.com/a/bb/.github/workflows/sign.yml@v1";
        for (issuer, claims, level) in [
            (GITHUB, claims("github-hosted", own), 2),
            (GITHUB, claims("github-hosted", other_file), 2),
            (GITHUB, claims("github-hosted", shared), 3),
            (GITHUB, claims("self-hosted", shared), 1),
            (GITHUB, FulcioCiClaims::default(), 1),
            (GITLAB, claims("gitlab-hosted", own), 2),
            (GITLAB, claims("self-hosted", own), 1),
            ("https://accounts.google.com", claims("github-hosted", shared), 1),
        ] {
            assert_eq!(build_level(issuer, &claims), level, "{issuer} {claims:?}");
        }
    }
}
