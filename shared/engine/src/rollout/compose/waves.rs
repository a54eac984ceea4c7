//! The waves of a rollout.

use flotilla_domain::config::profile::{Profile, ProfileWave};
use flotilla_domain::release::package::{PackagedStack, levels};
use flotilla_domain::rollout::Wave;
use flotilla_domain::{Code, Refusal, Site, Target, TargetAccount};

/// The profile's waves, each repeated for every level of the package's stacks. Only the last level of a wave
/// bakes. Failures are tolerated only in the last level, because in a region where a stack failed the next level
/// lacks what it needs. A stack of one region has its target in that region's wave.
///
/// # Errors
/// [`Code::ConfigInvalid`] if a stack would be deployed before one that it needs.
pub(super) fn planned_waves(
    stacks: &[PackagedStack],
    profile: &Profile,
    account: &TargetAccount,
) -> Result<Vec<Wave>, Refusal> {
    check_order(stacks, profile)?;
    let levels = levels(stacks);
    let last = levels.iter().copied().max().unwrap_or(0);
    let targets = |wave: &ProfileWave, level: usize| -> Vec<Target> {
        let sites = wave
            .regions
            .iter()
            .map(|region| Site { account: account.account.clone(), region: region.clone() });
        let parts = || stacks.iter().zip(&levels).filter(|(_, l)| **l == level).map(|(stack, _)| &stack.part);
        let here = |site: Site| {
            let parts = parts().filter(|part| profile.deploys(part.as_ref(), &site.region)).cloned();
            parts.map(|part| Target { part, ..site.clone().into() }).collect::<Vec<_>>()
        };
        sites.flat_map(here).collect()
    };
    let mut waves = Vec::new();
    for wave in &profile.waves {
        let planned = (0..=last).map(|level| (level, targets(wave, level)));
        let mut planned: Vec<Wave> = planned
            .filter(|(_, targets)| !targets.is_empty())
            .map(|(level, targets)| Wave {
                // As many regions as the profile says, with all their stacks.
                max_concurrent: wave
                    .max_concurrent
                    .saturating_mul(levels.iter().filter(|l| **l == level).count()),
                tolerate_failures: if last == 0 { wave.tolerate_failures } else { 0 },
                bake_s: 0,
                level,
                approvals: 0,
                targets,
            })
            .collect();
        if let Some(first) = planned.first_mut() {
            first.approvals = wave.approvals;
        }
        if let Some(last) = planned.last_mut() {
            last.bake_s = wave.bake_s;
        }
        waves.append(&mut planned);
    }
    Ok(waves)
}

/// Refuses a stack that needs one of a single region whose wave comes later.
fn check_order(stacks: &[PackagedStack], profile: &Profile) -> Result<(), Refusal> {
    let wave_of = |deployed: &dyn Fn(&flotilla_domain::Region) -> bool| {
        profile.waves.iter().position(|wave| wave.regions.iter().any(deployed))
    };
    for stack in stacks {
        let first = wave_of(&|region| profile.deploys(stack.part.as_ref(), region));
        for (needed, only) in profile.only.iter().filter(|(needed, _)| stack.after.contains(*needed)) {
            if wave_of(&|region| region == only) > first {
                let part = stack.part.as_ref().map_or("", |part| part.as_str());
                let what = format!(
                    "the stack {part} needs {needed}, which is deployed in {only} only, in a later wave"
                );
                let fix = format!("put {only} into the first wave of the profile {}", profile.name);
                return Err(Refusal::new(Code::ConfigInvalid, what, fix).at("waves"));
            }
        }
    }
    Ok(())
}
