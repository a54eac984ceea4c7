//! Signed uploads: only what the named workflow signed is deployed.

use super::{REGION, config, world};
use flotilla_contract::{Page, ProfileConfig, ProvenanceConfig, ReleaseView};
use flotilla_domain::Digest;
use flotilla_lab::World;
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::samples::package_with_outputs;
use flotilla_lab::world::text;
use flotilla_provenance::testing::{Identity, Signer};
use serde_json::json;
use std::process::Output;

/// Pushes a package with a bundle by the command, as CI does.
async fn push(world: &World, build: &str, zip: &[u8], bundle: Option<&str>) -> Output {
    let folder = world.emulator.folder.path();
    let (package, signature) = (folder.join("package.zip"), folder.join("package.zip.sigstore.json"));
    std::fs::write(&package, zip).unwrap();
    let mut args = vec!["push", package.to_str().unwrap(), "--service", "app", "--ref", "refs/heads/main"];
    args.extend(["--build", build]);
    if let Some(bundle) = bundle {
        std::fs::write(&signature, bundle).unwrap();
        args.extend(["--bundle", signature.to_str().unwrap()]);
    }
    world.run(&args).await.unwrap()
}

#[tokio::test]
async fn only_what_the_named_workflow_signed_is_deployed() {
    let world = world().await;
    let signer = Signer::default();
    let provenance = ProvenanceConfig {
        issuer: "https://token.actions.githubusercontent.com".into(),
        subject: "https://github.com/acme/{service}/.github/workflows/release.yml@{ref}".into(),
        repository: None,
        builder: None,
        level: Some(2),
    };
    let profile = ProfileConfig { provenance: Some(provenance), ..world.profile_in(ACCOUNT, &[REGION]) };
    world.apply(&config(profile)).await.expect("the configuration");
    // A package that ingest does not read in one piece.
    let zip = package_with_outputs(5_000_000, 1, &json!({})).unwrap();
    let digest = Digest::of(&zip);
    let own = Identity::workflow("acme/app", "release.yml", "refs/heads/main");
    let bundle = signer.attest(&own, &digest, &["ann@example.com"]);

    // The built-in roots do not know the signer.
    let untrusted = push(&world, "untrusted", &zip, Some(&bundle)).await;
    assert!(!untrusted.status.success() && text(&untrusted).contains("FL0109"), "{}", text(&untrusted));
    world.upload("trust/sigstore.json", signer.root().into_bytes()).await.expect("a trusted root");

    let other = Identity::workflow("acme/evil", "release.yml", "refs/heads/main");
    let other = signer.attest(&other, &digest, &[]);
    let moved = signer.attest(&own, &Digest::of(b"other bytes"), &[]);
    for (build, bundle, code) in [
        ("unsigned", None, "FL0317"),
        ("other", Some(other.as_str()), "FL0318"),
        ("moved", Some(moved.as_str()), "FL0109"),
    ] {
        let refused = push(&world, build, &zip, bundle).await;
        assert_eq!(refused.status.code(), Some(3), "{build}: {}", text(&refused));
        assert!(text(&refused).contains(code), "{build}: {}", text(&refused));
    }

    let pushed = push(&world, "signed", &zip, Some(&bundle)).await;
    assert!(pushed.status.success(), "{}", text(&pushed));
    let releases: Page<ReleaseView> = world.api().get("/v1/services/app/releases").await.unwrap();
    assert_eq!(releases.items.len(), 1, "{releases:#?}");
    let shown = releases.items[0].provenance.as_ref().expect("a signature");
    assert_eq!((shown.subject.as_str(), shown.level), (own.subject.as_str(), 2));
    let listed = text(&world.run(&["releases", "app"]).await.unwrap());
    assert!(listed.contains(&format!("signed by {}", own.subject)), "{listed}");
    assert!(listed.contains("written by ann@example.com"), "{listed}");
}
