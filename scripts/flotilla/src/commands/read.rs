//! `flotilla status`, `releases`, `uploads` and `whoami`.

use super::warnings;
use crate::api::Api;
use crate::args::Global;
use crate::error::{CliError, Exit};
use crate::show;
use flotilla_contract::{
    HealthView, OwnGrantView, Page, ProvenanceView, ReleaseView, ServiceStagesView, ServiceView, UploadView,
    WhoAmIView,
};
use std::collections::BTreeMap;

pub async fn status(global: &Global, service: Option<&str>) -> Result<Exit, CliError> {
    let api = Api::connect(global).await?;
    let Some(service) = service else {
        let services: Vec<ServiceView> = api.list("/v1/services?limit=100", usize::MAX).await?;
        if global.json {
            show::json(&services);
        } else if services.is_empty() {
            println!("no services are configured");
            show::next("flotilla apply CONFIG.toml");
        } else {
            services.iter().for_each(|s| println!("{}", s.service));
        }
        if !global.json {
            let health: HealthView = api.get("/v1/health").await?;
            health.hints.iter().for_each(|hint| println!("{} {hint}", console::style("hint:").bold()));
        }
        return Ok(Exit::Success);
    };
    let view: ServiceStagesView = api.get(&format!("/v1/services/{service}")).await?;
    if global.json {
        show::json(&view);
        return Ok(Exit::Success);
    }
    if view.stages.is_empty() {
        println!("nothing has been deployed");
        show::next(&format!("flotilla push PATH --service {service} --ref branch:main"));
    }
    view.stages.iter().for_each(show::stage);
    Ok(Exit::Success)
}

pub async fn who_am_i(global: &Global) -> Result<Exit, CliError> {
    let view: WhoAmIView = Api::connect(global).await?.get("/v1/whoami").await?;
    if global.json {
        show::json(&view);
        return Ok(Exit::Success);
    }
    println!("{}", view.principal);
    if view.person != view.principal {
        println!("  counts as {}", view.person);
    }
    if view.grants.is_empty() {
        println!("  no access is granted to you; ask an admin for a grant");
    }
    view.grants.iter().for_each(|grant| println!("  {}", of_grant(grant)));
    Ok(Exit::Success)
}

/// `deployer of orders at pr-*`.
fn of_grant(grant: &OwnGrantView) -> String {
    let names =
        |names: &[String], all: &str| if names.is_empty() { all.to_owned() } else { names.join(", ") };
    format!(
        "{} of {} at {}",
        grant.role,
        names(&grant.services, "all services"),
        names(&grant.stages, "all stages")
    )
}

pub async fn releases(global: &Global, service: &str, limit: u16) -> Result<Exit, CliError> {
    let api = Api::connect(global).await?;
    let page: Page<ReleaseView> = api.get(&format!("/v1/services/{service}/releases?limit={limit}")).await?;
    if global.json {
        show::json(&page);
        return Ok(Exit::Success);
    }
    let rows = page.items.iter().map(|r| {
        vec![
            r.id.clone(),
            show::time(&r.uploaded_at),
            r.git_ref.clone(),
            r.build.clone(),
            format!("sha256:{}", show::short(&r.digest)),
            format!("{} B", r.asset_bytes),
            if r.kept { String::new() } else { "no longer kept".into() },
        ]
    });
    show::table(&rows.collect::<Vec<_>>());
    for release in page.items.iter().filter(|r| !r.warnings.is_empty() || r.provenance.is_some()) {
        println!("{}", release.id);
        release.provenance.iter().for_each(|provenance| println!("  {}", signed_by(provenance)));
        release.warnings.iter().for_each(|w| println!("  {} {}: {}", w.code, w.path, w.message));
    }
    Ok(Exit::Success)
}

/// `signed by … (issuer), built from …, SLSA build level 2, commit 4f2a9c1`.
fn signed_by(provenance: &ProvenanceView) -> String {
    let mut text = format!("signed by {} ({})", provenance.subject, provenance.issuer);
    if let Some(repository) = &provenance.repository {
        text += &format!(", built from {repository}");
    }
    if provenance.level > 0 {
        text += &format!(", SLSA build level {}", provenance.level);
    }
    if let Some(commit) = &provenance.commit {
        text += &format!(", commit {}", show::short(commit));
    }
    if !provenance.authors.is_empty() {
        text += &format!(", written by {}", provenance.authors.join(", "));
    }
    text
}

pub async fn uploads(global: &Global, service: Option<&str>, limit: u16) -> Result<Exit, CliError> {
    let api = Api::connect(global).await?;
    let path = service.map_or("/v1/uploads".to_owned(), |service| format!("/v1/services/{service}/uploads"));
    let page: Page<UploadView> = api.get(&format!("{path}?limit={limit}")).await?;
    if global.json {
        show::json(&page);
        return Ok(Exit::Success);
    }
    let warned = match service {
        Some(service) if page.items.iter().any(|upload| upload.release.is_some()) => {
            warnings::of_releases(&api, service, 1).await?
        }
        _ => BTreeMap::new(),
    };
    for upload in &page.items {
        println!("{}  {}  {}", show::time(&upload.uploaded_at), show::status(&upload.status), upload.key);
        if let Some(refusal) = &upload.refusal {
            show::cause("  ", refusal);
        }
        let of_release = upload.release.iter().filter_map(|release| warned.get(release)).flatten();
        of_release.for_each(|w| println!("  {} {}: {}", w.code, w.path, w.message));
    }
    Ok(Exit::Success)
}
