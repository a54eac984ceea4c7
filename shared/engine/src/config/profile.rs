//! Profiles: how rollouts go to one account.

use super::account::boundary;
use super::{invalid, named, no_such};
use flotilla_contract::{
    ParameterConfig, ProfileConfig, ProvenanceConfig, StackConfig, WaveConfig, WaveTable,
};
use flotilla_domain::channel::ChannelArn;
use flotilla_domain::config::preview::PreviewQuotas;
use flotilla_domain::config::profile::{Profile, ProfileWave};
use flotilla_domain::config::service::ServiceConfig;
use flotilla_domain::deployment::{Drift, StackPolicy};
use flotilla_domain::gate::output::OutputRef;
use flotilla_domain::release::provenance::{BUILD_LEVEL_MAX, Provenance, ProvenancePolicy};
use flotilla_domain::replica::Copies;
use flotilla_domain::rollout::OnFailure;
use flotilla_domain::secret::is_secret_value;
use flotilla_domain::{AccountId, Code, ProfileName, Refusal, Region, SignedDuration, StackPart, StageName};
use std::collections::{BTreeMap, BTreeSet};

/// Reads a profile.
///
/// # Errors
/// [`Code::ConfigInvalid`] or [`Code::RegionUnknown`], with the field.
pub fn profile(name: ProfileName, doc: &ProfileConfig) -> Result<Profile, Refusal> {
    let account = AccountId::parse(&doc.account).map_err(|e| named("account", &e))?;
    let all = WaveConfig::Regions(doc.regions.clone());
    let docs = match (doc.regions.is_empty(), doc.waves.is_empty()) {
        (false, true) => std::slice::from_ref(&all),
        (true, false) => &doc.waves[..],
        _ => return Err(invalid("regions", "give either regions or waves", "list the regions")),
    };
    let mut seen = BTreeSet::new();
    let waves = docs.iter().map(|wave_doc| wave(doc, wave_doc, &mut seen));
    let mut waves = waves.collect::<Result<Vec<_>, _>>()?;
    if let Some(first) = waves.first_mut() {
        first.approvals = first.approvals.max(approvals("approvals", doc.approvals)?);
    }
    if seen.len() > Profile::REGIONS_MAX {
        return Err(invalid(
            "regions",
            format!("{} regions", seen.len()),
            "use 40 regions at most; split the profile",
        ));
    }
    check_capabilities(&doc.capabilities)?;
    boundary(doc.role_boundary.as_deref())?;
    if doc.previews == Some(true) && doc.role_boundary.is_some() {
        let what = "previews have a boundary of their own, which a profile cannot replace";
        return Err(invalid("role_boundary", what, "remove it, or remove previews = true"));
    }
    check_parameters(doc)?;
    let traffic = doc.traffic.as_ref().map(super::traffic::traffic).transpose()?;
    super::routes::check_profile(traffic.as_ref(), doc, waves.len())?;
    Ok(Profile {
        name,
        account,
        copies: match doc.copies.as_deref() {
            None | Some("s3") => Copies::S3,
            Some("streamed") => Copies::Streamed,
            Some(other) => return Err(no_such("copies", other, "s3 or streamed")),
        },
        on_failure: match doc.on_failure.as_deref() {
            None | Some("halt") => OnFailure::Halt,
            Some("revert") => OnFailure::Revert,
            Some(other) => return Err(no_such("on_failure", other, "halt or revert")),
        },
        gates: super::gates::gates(doc, &waves)?,
        provenance: doc.provenance.as_ref().map(provenance).transpose()?,
        windows: super::gates::windows(doc)?,
        policy: policy(doc)?,
        required_tags: super::safeguards::required_tags(doc)?,
        capabilities: doc.capabilities.iter().cloned().collect(),
        role_boundary: doc.role_boundary.clone(),
        parameters: texts(doc).map(|(name, text)| (name.clone(), text.clone())).collect(),
        outputs: outputs(doc)?,
        tags: doc.tags.clone(),
        only: only(doc, &seen)?,
        traffic,
        previews: previews(doc)?,
        notify: channels(doc)?,
        waves,
    })
}

/// Reads whose signature a profile requires.
fn provenance(doc: &ProvenanceConfig) -> Result<ProvenancePolicy, Refusal> {
    let texts = [
        ("issuer", Some(&doc.issuer)),
        ("subject", Some(&doc.subject)),
        ("builder", doc.builder.as_ref()),
        ("repository", doc.repository.as_ref()),
    ];
    let bad = |text: &&String| {
        text.is_empty() || text.len() > Provenance::TEXT_BYTES_MAX || text.chars().any(char::is_control)
    };
    if let Some((field, _)) = texts.iter().find(|(_, text)| text.as_ref().is_some_and(bad)) {
        let fix =
            format!("write it as the certificate has it, in {} bytes at most", Provenance::TEXT_BYTES_MAX);
        return Err(invalid(
            format!("provenance.{field}"),
            "the identity is empty, too long, or has control characters",
            &fix,
        ));
    }
    if doc.subject.contains(['*', '?']) {
        let fix = "write the identity as the certificate has it; {service} and {ref} are replaced";
        return Err(invalid("provenance.subject", "identities are compared exactly, not by pattern", fix));
    }
    if doc.level.is_some_and(|level| !(1..=BUILD_LEVEL_MAX).contains(&level)) {
        return Err(invalid("provenance.level", "there is no such SLSA build level", "give 1, 2 or 3"));
    }
    Ok(ProvenancePolicy {
        issuer: doc.issuer.clone(),
        subject: doc.subject.clone(),
        repository: doc.repository.clone(),
        builder: doc.builder.clone(),
        level: doc.level.unwrap_or(0),
    })
}

/// Reads a wave. The profile gives the defaults.
fn wave(
    profile: &ProfileConfig,
    doc: &WaveConfig,
    seen: &mut BTreeSet<String>,
) -> Result<ProfileWave, Refusal> {
    let bare;
    let doc = match doc {
        WaveConfig::Wave(doc) => doc,
        WaveConfig::Regions(regions) => {
            bare = WaveTable {
                regions: regions.clone(),
                max_concurrent: None,
                tolerate_failures: None,
                bake: None,
                approvals: None,
            };
            &bare
        }
    };
    if doc.regions.is_empty() {
        return Err(invalid("waves", "a wave has no region", "remove the wave or give it a region"));
    }
    let regions = doc.regions.iter().map(|text| region(text, seen)).collect::<Result<Vec<_>, _>>()?;
    let max_concurrent = doc.max_concurrent.or(profile.max_concurrent).unwrap_or(regions.len());
    if max_concurrent == 0 {
        return Err(invalid("max_concurrent", "0 regions concurrently", "give at least 1"));
    }
    Ok(ProfileWave {
        approvals: approvals("waves", doc.approvals)?,
        max_concurrent,
        tolerate_failures: doc.tolerate_failures.or(profile.tolerate_failures).unwrap_or(0),
        bake_s: match doc.bake.as_ref().or(profile.bake.as_ref()) {
            None => 0,
            Some(text) => bake_s(text)?,
        },
        regions,
    })
}

/// Reads how many approvals a wave needs.
fn approvals(path: &str, count: Option<usize>) -> Result<usize, Refusal> {
    let count = count.unwrap_or(0);
    if count > Profile::APPROVALS_MAX {
        let fix = format!("require {} at most", Profile::APPROVALS_MAX);
        return Err(invalid(path, format!("{count} approvals"), &fix));
    }
    Ok(count)
}

/// Reads how long a wave bakes: `90s`, `10m`, `1h 30m`.
fn bake_s(text: &str) -> Result<u32, Refusal> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|bake| u32::try_from(bake.as_secs()).ok());
    parsed.filter(|bake_s| *bake_s <= Profile::BAKE_S_MAX).ok_or_else(|| {
        invalid(
            "bake",
            format!("{text:?} is not a duration, or longer than a week"),
            "write it like 10m or 1h 30m",
        )
    })
}

/// Reads the stack policy.
fn policy(doc: &ProfileConfig) -> Result<StackPolicy, Refusal> {
    Ok(StackPolicy {
        recreate_failed: doc.recreate_failed.unwrap_or(true),
        force_delete: doc.force_delete.unwrap_or(true),
        express: doc.express.unwrap_or(false),
        drift: match doc.drift.as_deref() {
            None | Some("ignore") => Drift::Ignore,
            Some("revert") => Drift::Revert,
            Some("refuse") => Drift::Refuse,
            Some(other) => return Err(no_such("drift", other, "ignore, revert or refuse")),
        },
        refuse_warnings: match doc.validation_warnings.as_deref() {
            None | Some("proceed") => false,
            Some("refuse") => true,
            Some(other) => return Err(no_such("validation_warnings", other, "proceed or refuse")),
        },
        skip_resources: BTreeSet::new(),
        safeguards: super::safeguards::safeguards(doc)?,
    })
}

fn region(text: &str, seen: &mut BTreeSet<String>) -> Result<Region, Refusal> {
    let unknown = || {
        Refusal::new(
            Code::RegionUnknown,
            format!("{text:?} is not a region"),
            "use a region code such as eu-central-1",
        )
        .at("regions")
    };
    let region = Region::parse(text).ok().filter(Region::is_known).ok_or_else(unknown)?;
    if !seen.insert(text.to_owned()) {
        return Err(invalid("regions", format!("{text} is listed twice"), "list each region once"));
    }
    Ok(region)
}

/// Reads the regions of the stacks that are deployed in one region only. `regions` are those of the profile.
fn only(doc: &ProfileConfig, regions: &BTreeSet<String>) -> Result<BTreeMap<StackPart, Region>, Refusal> {
    if doc.stacks.len() > Profile::ONLY_MAX {
        let fix = format!("name {} at most", Profile::ONLY_MAX);
        return Err(invalid("stacks", format!("{} stacks", doc.stacks.len()), &fix));
    }
    let read = |(part, StackConfig { only }): (&String, &StackConfig)| {
        let field = format!("stacks.{part}");
        let part = StackPart::parse(part).map_err(|e| named(&field, &e))?;
        let region = Region::parse(only).ok().filter(|_| regions.contains(only));
        let region = region.ok_or_else(|| {
            let what = format!("{only} is not a region of the profile");
            invalid(format!("{field}.only"), what, "name one of its regions")
        })?;
        Ok((part, region))
    };
    doc.stacks.iter().map(read).collect()
}

/// Reads the quotas of previews; `None` if the profile is not for previews.
fn previews(doc: &ProfileConfig) -> Result<Option<PreviewQuotas>, Refusal> {
    let given = doc.preview_quotas.clone();
    if doc.previews != Some(true) {
        return match given {
            None => Ok(None),
            Some(_) => Err(invalid(
                "preview_quotas",
                "the profile is not for previews",
                "add previews = true, or remove the quotas",
            )),
        };
    }
    let (given, usual) = (given.unwrap_or_default(), PreviewQuotas::default());
    let quotas = PreviewQuotas {
        stages_per_service: given.stages_per_service.unwrap_or(usual.stages_per_service),
        stages: given.stages.unwrap_or(usual.stages),
        stacks: given.stacks.unwrap_or(usual.stacks),
        resources: given.resources.unwrap_or(usual.resources),
        hours: given.hours.unwrap_or(usual.hours),
        uploads_per_hour: given.uploads_per_hour.unwrap_or(usual.uploads_per_hour),
    };
    let bounded = [
        ("stages_per_service", quotas.stages_per_service, PreviewQuotas::STAGES_MAX),
        ("stages", quotas.stages, PreviewQuotas::STAGES_MAX),
        ("stacks", quotas.stacks, PreviewQuotas::PARTS_MAX),
        ("resources", quotas.resources, PreviewQuotas::PARTS_MAX),
        ("hours", quotas.hours as usize, ServiceConfig::TTL_H_MAX as usize),
        ("uploads_per_hour", quotas.uploads_per_hour as usize, PreviewQuotas::UPLOADS_MAX as usize),
    ];
    match bounded.iter().find(|(_, value, max)| !(1..=*max).contains(value)) {
        None => Ok(Some(quotas)),
        Some((field, value, max)) => {
            let fix = format!("give 1 to {max}");
            Err(invalid(format!("preview_quotas.{field}"), format!("{value} is out of range"), &fix))
        }
    }
}

/// Reads the topics and event buses for notices.
fn channels(doc: &ProfileConfig) -> Result<BTreeSet<ChannelArn>, Refusal> {
    if doc.notify.len() > Profile::CHANNELS_MAX {
        let fix = format!(
            "name {} at most: a topic can have many subscriptions, a bus many rules",
            Profile::CHANNELS_MAX
        );
        return Err(invalid("notify", format!("{} topics and event buses", doc.notify.len()), &fix));
    }
    let channel = |text: &String| {
        let channel = ChannelArn::parse(text).map_err(|e| named("notify", &e))?;
        if channel.region().is_known() {
            return Ok(channel);
        }
        Err(invalid(
            "notify",
            format!("{} is not a region", channel.region()),
            "give the ARN as AWS shows it",
        ))
    };
    doc.notify.iter().map(channel).collect()
}

fn check_capabilities(capabilities: &[String]) -> Result<(), Refusal> {
    match capabilities.iter().find(|c| !Profile::CAPABILITIES.contains(&c.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            let fix = format!("use {}", Profile::CAPABILITIES.join(", "));
            Err(invalid("capabilities", format!("{unknown:?} is not a capability"), &fix))
        }
    }
}

/// The parameters with literal values.
fn texts(doc: &ProfileConfig) -> impl Iterator<Item = (&String, &String)> {
    doc.parameters.iter().filter_map(|(name, value)| match value {
        ParameterConfig::Text(text) => Some((name, text)),
        ParameterConfig::Output(_) => None,
    })
}

/// Most parameters whose values are outputs of other services.
const OUTPUTS_MAX: usize = 20;

/// Reads the parameters whose values are outputs of other services.
fn outputs(doc: &ProfileConfig) -> Result<BTreeMap<String, OutputRef>, Refusal> {
    let mut outputs = BTreeMap::new();
    for (name, value) in &doc.parameters {
        let ParameterConfig::Output(output) = value else { continue };
        let path = format!("parameters.{name}");
        let of = OutputRef {
            stage: output.stage.as_deref().map(StageName::parse).transpose().map_err(|e| named(&path, &e))?,
            region: output.region.as_deref().map(|text| region(text, &mut BTreeSet::new())).transpose()?,
            ..OutputRef::parse(&output.output).map_err(|refusal| refusal.at(&path))?
        };
        outputs.insert(name.clone(), of);
    }
    if outputs.len() > OUTPUTS_MAX {
        let fix = format!("use {OUTPUTS_MAX} at most");
        return Err(invalid("parameters", format!("{} outputs of other services", outputs.len()), &fix));
    }
    Ok(outputs)
}

/// Refuses values that have the form of a secret, when a profile is put: they would be stored and shown.
///
/// # Errors
/// [`Code::SecretInPlain`].
pub(crate) fn check_secrets(doc: &ProfileConfig) -> Result<(), Refusal> {
    if let Some((name, _)) = texts(doc).find(|(_, value)| is_secret_value(value)) {
        let what = format!("the value of {name} has the form of a secret");
        let fix = "keep it in Secrets Manager, and refer to it: {{resolve:secretsmanager:NAME}}";
        return Err(Refusal::new(Code::SecretInPlain, what, fix).at(format!("parameters.{name}")));
    }
    Ok(())
}

fn check_parameters(doc: &ProfileConfig) -> Result<(), Refusal> {
    let too_long = texts(doc).find(|(_, value)| value.len() > Profile::PARAMETER_BYTES_MAX);
    if let Some((name, _)) = too_long {
        return Err(invalid(
            format!("parameters.{name}"),
            "the value is over 4096 bytes",
            "keep it in SSM Parameter Store and refer to it",
        ));
    }
    let total: usize = texts(doc).map(|(name, value)| name.len() + value.len()).sum();
    if doc.parameters.len() > Profile::PARAMETERS_MAX || total > Profile::PARAMETERS_BYTES_MAX {
        return Err(invalid(
            "parameters",
            "too many or too large",
            "keep large values in SSM Parameter Store and refer to them",
        ));
    }
    let bad_tag = doc.tags.iter().find(|(key, value)| {
        key.is_empty()
            || key.len() > 128
            || value.len() > 256
            || key.starts_with("aws:")
            || key.starts_with("flotilla:")
    });
    match bad_tag {
        Some((key, _)) => Err(invalid(
            format!("tags.{key}"),
            "this tag is not allowed",
            "use 1 to 128 characters, 256 for the value, not beginning with aws: or flotilla:",
        )),
        None if doc.tags.len() > Profile::TAGS_MAX => Err(invalid("tags", "too many tags", "use 44 at most")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
