//! The traffic of a profile.

use super::invalid;
use super::routes::{mapping, named, record};
use flotilla_contract::traffic::AnalysisConfig;
use flotilla_contract::{TrafficConfig, TrafficStepConfig};
use flotilla_domain::analysis::{AnalysisPolicy, Latency, Limit};
use flotilla_domain::rollout::{TrafficHooks, TrafficPolicy, TrafficStep};
use flotilla_domain::{Refusal, SignedDuration};

/// Reads how a profile shifts traffic.
pub fn traffic(doc: &TrafficConfig) -> Result<TrafficPolicy, Refusal> {
    let router = doc.router.as_deref().unwrap_or("lambda-alias");
    check_keys(doc, router)?;
    let (mapping, record) = match router {
        "lambda-alias" if doc.steps.is_empty() => return Err(no_steps(0)),
        "lambda-alias" => (None, None),
        "api-mapping" => (Some(mapping(doc)?), None),
        "route53" => (None, Some(record(doc)?)),
        other => {
            let what = format!("there is no router {other:?}");
            return Err(invalid("traffic.router", what, "write lambda-alias, api-mapping or route53"));
        }
    };
    if doc.steps.len() > TrafficPolicy::STEPS_MAX {
        return Err(no_steps(doc.steps.len()));
    }
    let needed = doc.analysis.as_ref().and_then(|analysis| analysis.requests).unwrap_or(0);
    let steps = doc.steps.iter().enumerate().map(|(n, doc)| step(&format!("traffic.steps.{n}"), doc, needed));
    let steps = steps.collect::<Result<Vec<TrafficStep>, _>>()?;
    if let Some(pair) = steps.windows(2).find(|pair| pair[0].percent >= pair[1].percent) {
        let what = format!("{} % comes after {} %", pair[1].percent, pair[0].percent);
        return Err(invalid("traffic.steps", what, "let each step have a larger share than the one before"));
    }
    let hook = |field: &str, name: &Option<String>| {
        let name = name
            .clone()
            .map(|name| if is_function(&name) { Ok(name) } else { Err(no_function(field, &name)) });
        name.transpose()
    };
    let hooks = TrafficHooks {
        before: hook("traffic.before", &doc.before)?,
        after: hook("traffic.after", &doc.after)?,
    };
    Ok(TrafficPolicy {
        mapping,
        record,
        steps,
        analysis: doc.analysis.as_ref().map(analysis).transpose()?,
        hooks,
    })
}

fn no_steps(count: usize) -> Refusal {
    let fix = format!("give 1 to {} steps", TrafficPolicy::STEPS_MAX);
    invalid("traffic.steps", format!("{count} steps"), &fix)
}

/// Whether each key that is given is one of the router.
fn check_keys(doc: &TrafficConfig, router: &str) -> Result<(), Refusal> {
    let weight = doc.weight.map(|weight| weight.to_string());
    let keys = [
        ("domain", &doc.domain, "api-mapping"),
        ("path", &doc.path, "api-mapping"),
        ("api", &doc.api, "api-mapping"),
        ("api_stage", &doc.api_stage, "api-mapping"),
        ("hosted_zone", &doc.hosted_zone, "route53"),
        ("record", &doc.record, "route53"),
        ("type", &doc.record_type, "route53"),
        ("set_identifier", &doc.set_identifier, "route53"),
        ("weight", &weight, "route53"),
    ];
    match keys.into_iter().find(|(_, value, of)| value.is_some() && *of != router) {
        Some((key, _, of)) => {
            let fix = format!("remove it, or write router = \"{of}\"");
            Err(invalid(format!("traffic.{key}"), format!("{router} has no such key"), &fix))
        }
        None => Ok(()),
    }
}

/// Whether a text can be the name of a function, once service and stage are filled in. Lambda takes 64 characters ("CreateFunction").
fn is_function(name: &str) -> bool {
    let bare = named(name);
    (1..=64).contains(&bare.len()) && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

fn no_function(field: &str, name: &str) -> Refusal {
    let fix = "write the name of a function, such as {service}-{stage}-before-verify: letters, digits, hyphens and underscores";
    invalid(field, format!("{name:?} is not the name of a function"), fix)
}

/// Reads the limits of the new versions.
fn analysis(doc: &AnalysisConfig) -> Result<AnalysisPolicy, Refusal> {
    let errors = match doc.errors.as_deref() {
        // Without any limit: not worse than before.
        None if doc.latency_p99.is_none() => Some(Limit::Times(1_000)),
        None => None,
        Some(text) => Some(limit(text).ok_or_else(|| {
            let fix = "write a share above 0 and below 100 percent, such as 2%, or 1 to 100 times the errors of the version before, such as 1.5x";
            invalid("traffic.analysis.errors", format!("{text:?} is not a limit"), fix)
        })?),
    };
    let latency_p99 = doc.latency_p99.as_deref().map(|text| {
        latency(text).ok_or_else(|| {
            let fix = "write a time of 1 millisecond to 15 minutes, such as 800ms or 2s, or 1 to 100 times that of the version before, such as 1.5x";
            invalid("traffic.analysis.latency_p99", format!("{text:?} is not a limit"), fix)
        })
    });
    Ok(AnalysisPolicy { errors, latency_p99: latency_p99.transpose()? })
}

fn latency(text: &str) -> Option<Latency> {
    match text.strip_suffix('x') {
        Some(factor) => times(factor).map(Latency::Times),
        None => milliseconds(text).map(Latency::Ms),
    }
}

/// A factor of 1 to 100, in thousandths.
fn times(text: &str) -> Option<u32> {
    decimal(text, 3).filter(|thousandths| (1_000..=100_000).contains(thousandths))
}

fn limit(text: &str) -> Option<Limit> {
    if let Some(percent) = text.strip_suffix('%') {
        let millionths = decimal(percent, 4)?;
        return (1..1_000_000).contains(&millionths).then_some(Limit::Share(millionths));
    }
    times(text.strip_suffix('x')?).map(Limit::Times)
}

fn milliseconds(text: &str) -> Option<u32> {
    const MS_MAX: u32 = 15 * 60 * 1_000;
    let ms = match text.strip_suffix("ms") {
        Some(ms) => decimal(ms, 0)?,
        None => decimal(text.strip_suffix('s')?, 3)?,
    };
    (1..=MS_MAX).contains(&ms).then_some(ms)
}

/// A decimal number, with so many digits after the point, as a whole number of its last digit: `1.5` with three is 1500.
fn decimal(text: &str, digits: usize) -> Option<u32> {
    let (whole, after) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let is_short = after.len() <= digits && (after.is_empty() != text.contains('.'));
    if whole.is_empty() || !is_number(whole) || !is_number(after) || !is_short {
        return None;
    }
    format!("{whole}{after:0<digits$}").parse().ok()
}

fn step(path: &str, doc: &TrafficStepConfig, needed: u32) -> Result<TrafficStep, Refusal> {
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
    Ok(TrafficStep { percent: doc.percent, for_s, requests: doc.requests.unwrap_or(needed) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doc(steps: Vec<TrafficStepConfig>) -> TrafficConfig {
        TrafficConfig { steps, ..TrafficConfig::default() }
    }

    #[test]
    fn a_hook_is_the_name_of_a_function() {
        let step = TrafficStepConfig { percent: 5, lasts: "1m".into(), requests: None };
        let read = |before: Option<&str>, after: Option<&str>| {
            let doc = doc(vec![step.clone()]);
            let doc = TrafficConfig { before: before.map(Into::into), after: after.map(Into::into), ..doc };
            traffic(&doc).map(|policy| policy.hooks).map_err(|refusal| refusal.path.unwrap_or_default())
        };
        let hooks = read(Some("{service}-{stage}-before"), Some("smoke_test")).unwrap();
        assert_eq!(hooks.before.as_deref(), Some("{service}-{stage}-before"));
        assert_eq!(hooks.after.as_deref(), Some("smoke_test"));
        for bad in [
            "",
            "a b",
            "arn:aws:lambda:eu-west-1:111122223333:function:f",
            "{region}-verify",
            &"x".repeat(65),
        ] {
            assert_eq!(read(Some(bad), None), Err("traffic.before".into()), "{bad:?}");
            assert_eq!(read(None, Some(bad)), Err("traffic.after".into()), "{bad:?}");
        }
    }

    fn read(router: Option<&str>, steps: &[(u8, &str)]) -> Result<Vec<(u8, u32)>, String> {
        let steps = steps.iter().map(|(percent, lasts)| TrafficStepConfig {
            percent: *percent,
            lasts: (*lasts).into(),
            requests: None,
        });
        let doc = TrafficConfig { router: router.map(Into::into), ..doc(steps.collect()) };
        let steps = traffic(&doc).map_err(|refusal| refusal.path.unwrap_or_default())?.steps;
        Ok(steps.into_iter().map(|step| (step.percent, step.for_s)).collect())
    }

    #[test]
    fn the_steps_grow_and_are_bounded() {
        assert_eq!(read(None, &[(5, "5m"), (50, "0s")]), Ok(vec![(5, 300), (50, 0)]));
        assert_eq!(read(Some("lambda-alias"), &[(99, "24h")]), Ok(vec![(99, 86_400)]));
        let refused = |router, steps: &[(u8, &str)]| read(router, steps).unwrap_err();
        assert_eq!(refused(Some("dns"), &[(5, "5m")]), "traffic.router");
        assert_eq!(refused(None, &[]), "traffic.steps");
        assert_eq!(refused(None, &[(5, "5m"); 21]), "traffic.steps");
        assert_eq!(refused(None, &[(5, "5m"), (5, "5m")]), "traffic.steps");
        for bad in [(0, "5m"), (100, "5m"), (5, "soon"), (5, "-1m"), (5, "25h")] {
            assert_eq!(refused(None, &[bad]), "traffic.steps.0", "{bad:?}");
        }
    }

    fn analysed(errors: Option<&str>, latency_p99: Option<&str>) -> Result<AnalysisPolicy, String> {
        let doc = AnalysisConfig {
            errors: errors.map(Into::into),
            latency_p99: latency_p99.map(Into::into),
            requests: None,
        };
        analysis(&doc).map_err(|refusal| refusal.path.unwrap_or_default())
    }

    #[test]
    fn limits_are_shares_factors_and_times() {
        let errors = |text| analysed(Some(text), None).map(|analysis| analysis.errors);
        assert_eq!(errors("2%"), Ok(Some(Limit::Share(20_000))));
        assert_eq!(errors("0.25%"), Ok(Some(Limit::Share(2_500))));
        assert_eq!(errors("1.5x"), Ok(Some(Limit::Times(1_500))));
        assert_eq!(
            analysed(None, None),
            Ok(AnalysisPolicy { errors: Some(Limit::Times(1_000)), latency_p99: None })
        );
        for (text, latency) in [
            ("800ms", Latency::Ms(800)),
            ("2s", Latency::Ms(2_000)),
            ("1.5s", Latency::Ms(1_500)),
            ("1.5x", Latency::Times(1_500)),
        ] {
            let expected = AnalysisPolicy { errors: None, latency_p99: Some(latency) };
            assert_eq!(analysed(None, Some(text)), Ok(expected));
        }
        for bad in ["", "2", "0%", "100%", "%", "-1%", "1e2%", "0.5x", "x", "1000x", "1.x", ".5%", "0.00001%"]
        {
            assert_eq!(errors(bad), Err("traffic.analysis.errors".into()), "{bad:?}");
        }
        for bad in ["", "0ms", "1.5ms", "16m", "901s", "fast", "0.5x", "101x"] {
            assert_eq!(analysed(None, Some(bad)), Err("traffic.analysis.latency_p99".into()), "{bad:?}");
        }
    }

    #[test]
    fn a_step_needs_its_own_requests_or_those_of_the_analysis() {
        let step = |requests| TrafficStepConfig { percent: 5, lasts: "1m".into(), requests };
        let mut last = step(Some(7));
        last.percent = 50;
        let analysis = Some(AnalysisConfig { requests: Some(200), ..AnalysisConfig::default() });
        let doc = TrafficConfig { analysis, ..doc(vec![step(None), last]) };
        let needed: Vec<u32> = traffic(&doc).unwrap().steps.iter().map(|step| step.requests).collect();
        assert_eq!(needed, [200, 7]);
    }
}
