//! Valid and invalid profiles.

use super::*;
use flotilla_contract::{FourEyesConfig, OutputConfig};
use flotilla_domain::gate::FourEyes;
use flotilla_domain::names::KNOWN_REGIONS;

fn doc() -> ProfileConfig {
    ProfileConfig {
        account: "111122223333".into(),
        regions: vec!["eu-central-1".into()],
        ..ProfileConfig::default()
    }
}

fn read(doc: &ProfileConfig) -> Result<Profile, Refusal> {
    profile(ProfileName::parse("p").unwrap(), doc)
}

fn code(doc: ProfileConfig) -> Code {
    profile(ProfileName::parse("p").unwrap(), &doc).expect_err("a refusal").code
}

#[test]
fn a_profile_names_known_regions_once() {
    assert!(profile(ProfileName::parse("p").unwrap(), &doc()).is_ok());
    assert_eq!(code(ProfileConfig { regions: vec!["eu-centrall-1".into()], ..doc() }), Code::RegionUnknown);
    assert_eq!(
        code(ProfileConfig { regions: vec!["eu-west-1".into(), "eu-west-1".into()], ..doc() }),
        Code::ConfigInvalid
    );
    assert_eq!(code(ProfileConfig { regions: vec![], ..doc() }), Code::ConfigInvalid);
    assert_eq!(
        code(ProfileConfig { waves: vec![WaveConfig::Regions(vec!["eu-west-1".into()])], ..doc() }),
        Code::ConfigInvalid
    );
    assert_eq!(code(ProfileConfig { account: "1".into(), ..doc() }), Code::ConfigInvalid);
    assert_eq!(code(ProfileConfig { capabilities: vec!["ALL".into()], ..doc() }), Code::ConfigInvalid);
    assert_eq!(
        code(ProfileConfig {
            parameters: [("P".into(), ParameterConfig::Text("x".repeat(5_000)))].into(),
            ..doc()
        }),
        Code::ConfigInvalid
    );
    assert_eq!(
        code(ProfileConfig { tags: [("aws:x".into(), "y".into())].into(), ..doc() }),
        Code::ConfigInvalid
    );
}

#[test]
fn copies_are_s3s_own_unless_the_profile_has_them_streamed() {
    let copies = |copies: Option<&str>| {
        let doc = ProfileConfig { copies: copies.map(str::to_owned), ..doc() };
        profile(ProfileName::parse("p").unwrap(), &doc).unwrap().copies
    };
    assert_eq!([copies(None), copies(Some("s3"))], [Copies::S3; 2]);
    assert_eq!(copies(Some("streamed")), Copies::Streamed);
}

#[test]
fn a_wave_says_what_it_wants_and_the_profile_says_the_rest() {
    let bare = WaveConfig::Regions(vec!["eu-west-1".into(), "eu-west-2".into()]);
    let table = WaveConfig::Wave(WaveTable {
        regions: vec!["us-east-1".into()],
        max_concurrent: Some(3),
        tolerate_failures: Some(1),
        bake: Some("1h 30m".into()),
        approvals: None,
    });
    let doc = ProfileConfig {
        regions: Vec::new(),
        waves: vec![bare.clone(), table],
        bake: Some("90s".into()),
        on_failure: Some("revert".into()),
        ..doc()
    };
    let read = |doc: &ProfileConfig| profile(ProfileName::parse("p").unwrap(), doc);
    let read_well = read(&doc).unwrap();
    let of = |n: usize| {
        let wave: &ProfileWave = &read_well.waves[n];
        (wave.max_concurrent, wave.tolerate_failures, wave.bake_s)
    };
    assert_eq!((of(0), of(1)), ((2, 0, 90), (3, 1, 5_400)));
    assert_eq!(read_well.on_failure, OnFailure::Revert);
    let one_at_a_time = ProfileConfig { max_concurrent: Some(1), ..doc.clone() };
    assert_eq!(read(&one_at_a_time).unwrap().waves[0].max_concurrent, 1);
    for wrong in [
        ProfileConfig { max_concurrent: Some(0), ..doc.clone() },
        ProfileConfig { bake: Some("soon".into()), ..doc.clone() },
        ProfileConfig { bake: Some("9d".into()), ..doc.clone() },
        ProfileConfig { bake: Some("-1m".into()), ..doc.clone() },
        ProfileConfig { on_failure: Some("panic".into()), ..doc.clone() },
        ProfileConfig { copies: Some("by hand".into()), ..doc.clone() },
        ProfileConfig { drift: Some("some".into()), ..doc.clone() },
        ProfileConfig { validation_warnings: Some("maybe".into()), ..doc.clone() },
        ProfileConfig { waves: vec![WaveConfig::Regions(Vec::new())], ..doc.clone() },
    ] {
        assert_eq!(read(&wrong).expect_err("a refusal").code, Code::ConfigInvalid);
    }
}

#[test]
fn c30_force_and_haste_are_for_previews_only() {
    let doc = ProfileConfig { express: Some(true), drift: Some("refuse".into()), ..doc() };
    let profile = profile(ProfileName::parse("p").unwrap(), &doc).unwrap();
    let (preview, stays) = (profile.policy(true), profile.policy(false));
    assert_eq!((preview.express, preview.force_delete), (true, true));
    assert_eq!((stays.express, stays.force_delete), (false, false));
    assert_eq!((stays.drift, stays.recreate_failed, stays.refuse_warnings), (Drift::Refuse, true, false));
}

#[test]
fn a_profile_is_bounded() {
    let read = |doc: &ProfileConfig| profile(ProfileName::parse("p").unwrap(), doc).map_err(|e| e.code);
    let output = |n: usize| {
        let output = OutputConfig { output: "orders.Name".into(), stage: None, region: None };
        (format!("P{n}"), ParameterConfig::Output(output))
    };
    let taking = |count| ProfileConfig { parameters: (0..count).map(output).collect(), ..doc() };
    assert_eq!(read(&taking(OUTPUTS_MAX)).unwrap().outputs.len(), OUTPUTS_MAX);
    assert_eq!(read(&taking(OUTPUTS_MAX + 1)), Err(Code::ConfigInvalid));
    let approved_by = |count| ProfileConfig { approvals: Some(count), ..doc() };
    assert_eq!(
        read(&approved_by(Profile::APPROVALS_MAX)).unwrap().waves[0].approvals,
        Profile::APPROVALS_MAX
    );
    assert_eq!(read(&approved_by(Profile::APPROVALS_MAX + 1)), Err(Code::ConfigInvalid));
    let everywhere = KNOWN_REGIONS.iter().map(|name| (*name).to_owned()).collect();
    let everywhere = read(&ProfileConfig { regions: everywhere, ..doc() }).unwrap();
    assert_eq!(everywhere.regions().count(), KNOWN_REGIONS.len());
}

#[test]
fn an_output_is_taken_from_the_stage_and_region_that_are_named() {
    let taken = |stage: Option<&str>, region: Option<&str>| {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let output =
            OutputConfig { output: "orders.Name".into(), stage: owned(stage), region: owned(region) };
        let parameters = [("P".to_owned(), ParameterConfig::Output(output))].into();
        let of = profile(ProfileName::parse("p").unwrap(), &ProfileConfig { parameters, ..doc() })?;
        let of = of.outputs["P"].clone();
        Ok::<_, Refusal>((of.stage.map(|name| name.to_string()), of.region.map(|name| name.to_string())))
    };
    assert_eq!(taken(None, None), Ok((None, None)));
    let named = (Some("shared".to_owned()), Some("us-east-1".to_owned()));
    assert_eq!(taken(Some("shared"), Some("us-east-1")), Ok(named));
    assert!(taken(Some("Shared"), None).is_err() && taken(None, Some("mars-north-1")).is_err());
}

#[test]
fn whose_signature_is_required_is_named_exactly() {
    let with = |change: fn(&mut ProvenanceConfig)| {
        let mut provenance = ProvenanceConfig {
            issuer: "https://gitlab.com".into(),
            subject: "https://gitlab.com/acme/{service}//.gitlab-ci.yml@{ref}".into(),
            repository: None,
            builder: None,
            level: None,
        };
        change(&mut provenance);
        ProfileConfig { provenance: Some(provenance), ..doc() }
    };
    let place = |doc: &ProfileConfig| read(doc).err().and_then(|refusal| refusal.path);
    let good = read(&with(|_| {})).unwrap().provenance.unwrap();
    assert_eq!(good.level, 0);
    assert_eq!(read(&with(|p| p.level = Some(3))).unwrap().provenance.unwrap().level, 3);
    for (field, bad) in [
        ("issuer", with(|p| p.issuer.clear())),
        ("subject", with(|p| p.subject = "https://github.com/acme/*".into())),
        ("subject", with(|p| p.subject = "x".repeat(1_025))),
        ("builder", with(|p| p.builder = Some("a\nb".into()))),
        ("level", with(|p| p.level = Some(4))),
        ("level", with(|p| p.level = Some(0))),
    ] {
        assert_eq!(place(&bad), Some(format!("provenance.{field}")), "{:?}", bad.provenance);
    }
}

#[test]
fn four_eyes_exclude_whom_they_name() {
    let with = |four_eyes: FourEyesConfig, approvals| ProfileConfig {
        four_eyes: Some(four_eyes),
        approvals: Some(approvals),
        provenance: Some(ProvenanceConfig {
            issuer: "https://gitlab.com".into(),
            subject: "ann@example.com".into(),
            repository: None,
            builder: None,
            level: None,
        }),
        ..doc()
    };
    let whom = |whom: &[&str]| FourEyesConfig::Whom(whom.iter().map(|who| (*who).to_owned()).collect());
    for (four_eyes, starter, author) in [
        (FourEyesConfig::Starter(true), true, false),
        (FourEyesConfig::Starter(false), false, false),
        (whom(&[]), false, false),
        (whom(&["starter"]), true, false),
        (whom(&["author"]), false, true),
        (whom(&["author", "starter"]), true, true),
    ] {
        assert_eq!(read(&with(four_eyes, 1)).unwrap().gates.four_eyes, FourEyes { starter, author });
    }
    let place = |doc: &ProfileConfig| read(doc).err().and_then(|refusal| refusal.path);
    for bad in [
        with(whom(&["uploader"]), 1),
        with(whom(&["author"]), 0),
        ProfileConfig { provenance: None, ..with(whom(&["author"]), 1) },
    ] {
        assert_eq!(place(&bad).as_deref(), Some("four_eyes"), "{:?}", bad.four_eyes);
    }
}
