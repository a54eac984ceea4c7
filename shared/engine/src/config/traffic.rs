//! The traffic of a profile.

use super::invalid;
use flotilla_contract::{TrafficConfig, TrafficStepConfig};
use flotilla_domain::rollout::{TrafficPolicy, TrafficStep};
use flotilla_domain::{Refusal, SignedDuration};

/// Reads how a profile shifts traffic.
pub fn traffic(doc: &TrafficConfig) -> Result<TrafficPolicy, Refusal> {
    if let Some(other) = doc.router.as_deref().filter(|router| *router != "lambda-alias") {
        return Err(invalid("traffic.router", format!("there is no router {other:?}"), "write lambda-alias"));
    }
    if doc.steps.is_empty() || doc.steps.len() > TrafficPolicy::STEPS_MAX {
        let fix = format!("give 1 to {} steps", TrafficPolicy::STEPS_MAX);
        return Err(invalid("traffic.steps", format!("{} steps", doc.steps.len()), &fix));
    }
    let steps = doc.steps.iter().enumerate().map(|(n, doc)| step(&format!("traffic.steps.{n}"), doc));
    let steps = steps.collect::<Result<Vec<TrafficStep>, _>>()?;
    if let Some(pair) = steps.windows(2).find(|pair| pair[0].percent >= pair[1].percent) {
        let what = format!("{} % comes after {} %", pair[1].percent, pair[0].percent);
        return Err(invalid("traffic.steps", what, "let each step have a larger share than the one before"));
    }
    Ok(TrafficPolicy { steps })
}

fn step(path: &str, doc: &TrafficStepConfig) -> Result<TrafficStep, Refusal> {
    if !(1..=99).contains(&doc.percent) {
        let fix = "give 1 to 99 percent; after the last step the new versions get everything";
        return Err(invalid(path, format!("{} percent", doc.percent), fix));
    }
    let lasts =
        doc.lasts.parse::<SignedDuration>().ok().and_then(|lasts| u32::try_from(lasts.as_secs()).ok());
    let for_s = lasts.filter(|for_s| *for_s <= TrafficPolicy::STEP_S_MAX).ok_or_else(|| {
        let what = format!("{:?} is not a duration of up to a day", doc.lasts);
        invalid(path, what, "write it like 5m or 1h")
    })?;
    Ok(TrafficStep { percent: doc.percent, for_s })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(router: Option<&str>, steps: &[(u8, &str)]) -> Result<Vec<(u8, u32)>, String> {
        let steps = steps
            .iter()
            .map(|(percent, lasts)| TrafficStepConfig { percent: *percent, lasts: (*lasts).into() });
        let doc = TrafficConfig { router: router.map(Into::into), steps: steps.collect() };
        let steps = traffic(&doc).map_err(|refusal| refusal.path.unwrap_or_default())?.steps;
        Ok(steps.into_iter().map(|step| (step.percent, step.for_s)).collect())
    }

    #[test]
    fn the_steps_grow_and_are_bounded() {
        assert_eq!(read(None, &[(5, "5m"), (50, "0s")]), Ok(vec![(5, 300), (50, 0)]));
        assert_eq!(read(Some("lambda-alias"), &[(99, "24h")]), Ok(vec![(99, 86_400)]));
        let refused = |router, steps: &[(u8, &str)]| read(router, steps).unwrap_err();
        assert_eq!(refused(Some("route53"), &[(5, "5m")]), "traffic.router");
        assert_eq!(refused(None, &[]), "traffic.steps");
        assert_eq!(refused(None, &[(5, "5m"); 21]), "traffic.steps");
        assert_eq!(refused(None, &[(5, "5m"), (5, "5m")]), "traffic.steps");
        for bad in [(0, "5m"), (100, "5m"), (5, "soon"), (5, "-1m"), (5, "25h")] {
            assert_eq!(refused(None, &[bad]), "traffic.steps.0", "{bad:?}");
        }
    }
}
