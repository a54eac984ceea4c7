//! The configuration that the demo applies for a package.

use flotilla_contract::config::{ConfigFile, ProfileConfig, RuleConfig, ServiceConfigDoc};

/// The profile `demo` in these regions, and `previews`, the same for previews. `branch:main` of the service is deployed to the stage, and
/// each pull request to its own preview.
pub fn for_service(account: &str, service: &str, stage: &str, regions: &[String]) -> ConfigFile {
    let rule = |git_ref: &str, stage: &str, ttl_h: Option<u32>| RuleConfig {
        git_ref: git_ref.into(),
        stage: stage.into(),
        profile: if ttl_h.is_some() { "previews" } else { "demo" }.into(),
        ttl_h,
        stack_name: None,
        promote_to: None,
    };
    let profile = ProfileConfig {
        account: account.into(),
        regions: regions.to_vec(),
        waves: Vec::new(),
        capabilities: vec!["CAPABILITY_NAMED_IAM".into()],
        parameters: Default::default(),
        tags: Default::default(),
        ..ProfileConfig::default()
    };
    let service_doc = ServiceConfigDoc {
        rules: vec![rule("branch:main", stage, None), rule("pr:*", "pr-{ref}", Some(72))],
        ..ServiceConfigDoc::default()
    };
    let of_previews = ProfileConfig { previews: Some(true), ..profile.clone() };
    ConfigFile {
        profiles: [("demo".to_owned(), profile), ("previews".to_owned(), of_previews)].into(),
        services: [(service.to_owned(), service_doc)].into(),
        ..ConfigFile::default()
    }
}
