//! What leads traffic to a region or a slot: API mappings and weighted records.

use super::invalid;
use flotilla_contract::{ProfileConfig, TrafficConfig};
use flotilla_domain::Refusal;
use flotilla_domain::deployment::{ApiMapping, WeightedRecord};
use flotilla_domain::rollout::TrafficPolicy;

/// Whether a profile can lead traffic as it says.
pub(super) fn check_profile(
    traffic: Option<&TrafficPolicy>,
    doc: &ProfileConfig,
    waves: usize,
) -> Result<(), Refusal> {
    let Some(traffic) = traffic else { return Ok(()) };
    let is_drained = traffic.record.is_some();
    if doc.previews == Some(true) && (traffic.has_slots() || is_drained) {
        let fix = "write another router, or remove previews = true";
        return Err(invalid("traffic.router", "a preview has no domain of its own", fix));
    }
    if waves < 2 && is_drained {
        let what = "all regions are in one wave, so none is left for the traffic while they are updated";
        return Err(invalid("waves", what, "put the regions into two waves or more"));
    }
    Ok(())
}

/// Reads the weighted record by which a region is drained.
pub(super) fn record(doc: &TrafficConfig) -> Result<WeightedRecord, Refusal> {
    let refuse = |key: &str, what: String, fix: &str| Err(invalid(format!("traffic.{key}"), what, fix));
    if doc.analysis.is_some() || doc.steps.iter().any(|step| step.requests.is_some()) {
        let fix = "remove analysis and requests; checks, hooks and alarms decide instead";
        return refuse("analysis", "a region has one version of each function".into(), fix);
    }
    let zone = doc.hosted_zone.clone().unwrap_or_default();
    let is_zone =
        (1..=32).contains(&zone.len()) && zone.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if !is_zone {
        let fix = "write the id of the hosted zone, such as Z0123456789ABCDEFGHIJ";
        return refuse("hosted_zone", format!("{zone:?} is not the id of a hosted zone"), fix);
    }
    let name = doc.record.clone().unwrap_or_default();
    if !is_domain(&named(&name)) {
        let fix = "write the name of the records, such as {service}.example.com";
        return refuse("record", format!("{name:?} is not the name of a record"), fix);
    }
    let record_type = doc.record_type.clone().unwrap_or_else(|| "A".to_owned());
    if !["A", "AAAA", "CNAME"].contains(&record_type.as_str()) {
        return refuse("type", format!("{record_type:?} is no type of records"), "write A, AAAA or CNAME");
    }
    let set_identifier = doc.set_identifier.clone().unwrap_or_else(|| "{region}".to_owned());
    if !(1..=128).contains(&set_identifier.len()) || set_identifier.chars().any(char::is_control) {
        return refuse("set_identifier", "it has no characters, or more than 128".into(), "write {region}");
    }
    let bare = ["{region}", "{account}", "{service}", "{stage}"]
        .iter()
        .fold(set_identifier.clone(), |text, name| text.replace(name, ""));
    if !set_identifier.contains("{region}") || bare.contains(['{', '}']) {
        let fix = "write {region}, also with {account}, {service} or {stage}";
        return refuse("set_identifier", format!("{set_identifier:?} does not tell the regions apart"), fix);
    }
    let weight = doc.weight.unwrap_or(100);
    if weight == 0 {
        return refuse("weight", "a region would never get traffic".into(), "write 1 to 255");
    }
    Ok(WeightedRecord { zone, name, record_type, set_identifier, weight })
}

/// Reads the API mapping that is switched from slot to slot.
pub(super) fn mapping(doc: &TrafficConfig) -> Result<ApiMapping, Refusal> {
    let refuse = |key: &str, what: String, fix: &str| Err(invalid(format!("traffic.{key}"), what, fix));
    if !doc.steps.is_empty() {
        return refuse("steps", "an API mapping has no percentages".into(), "remove the steps");
    }
    if doc.analysis.is_some() {
        let fix = "remove analysis; checks, hooks and alarms decide instead";
        return refuse("analysis", "a slot gets all of the traffic at once".into(), fix);
    }
    let domain = doc.domain.clone().unwrap_or_default();
    if !is_domain(&named(&domain)) {
        let fix = "write a custom domain of API Gateway, such as {service}.example.com";
        return refuse("domain", format!("{domain:?} is not a domain"), fix);
    }
    let path = doc.path.clone().unwrap_or_default();
    if !is_path(&named(&path)) {
        let fix = "write it without a slash at its ends, such as orders or v1/orders: letters, digits, and $-_.+!*'()/";
        return refuse("path", format!("{path:?} is not the path of an API mapping"), fix);
    }
    for (key, name) in [("api", &doc.api), ("api_stage", &doc.api_stage)] {
        if name.as_ref().is_some_and(|name| !(1..=255).contains(&name.len())) {
            return refuse(key, "it has no name, or too long a one".into(), "write 1 to 255 characters");
        }
    }
    Ok(ApiMapping { domain, path, api: doc.api.clone(), api_stage: doc.api_stage.clone() })
}

/// A text with service and stage filled in, as short as they can be.
pub(super) fn named(text: &str) -> String {
    text.replace("{service}", "s").replace("{stage}", "s")
}

/// Whether a text is a host name. API Gateway takes lower-case ones.
fn is_domain(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.contains('.') && name.split('.').all(is_label)
}

/// Whether a text is an API mapping key of several parts at most ("Working with API mappings": up to 300 characters).
fn is_path(path: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"$-_.+!*'()".contains(&b))
    };
    path.is_empty() || (path.len() <= 300 && path.split('/').all(is_part))
}

#[cfg(test)]
mod tests {
    use super::super::traffic::traffic;
    use flotilla_contract::traffic::AnalysisConfig;
    use flotilla_contract::{TrafficConfig, TrafficStepConfig};

    #[test]
    fn a_mapping_has_a_domain_and_no_percentages() {
        let step = TrafficStepConfig { percent: 5, lasts: "1m".into(), requests: None };
        let mapped = |domain: &str, path: Option<&str>| TrafficConfig {
            router: Some("api-mapping".into()),
            domain: Some(domain.into()),
            path: path.map(Into::into),
            ..TrafficConfig::default()
        };
        let read = |doc: &TrafficConfig| traffic(doc).map_err(|refusal| refusal.path.unwrap_or_default());
        let policy = read(&mapped("{service}.example.com", Some("{stage}/v1"))).unwrap();
        assert!(policy.has_slots() && policy.steps.is_empty());
        let mapping = policy.mapping.unwrap();
        assert_eq!((mapping.domain.as_str(), mapping.path.as_str()), ("{service}.example.com", "{stage}/v1"));
        assert!(read(&mapped("api.example.com", None)).is_ok());
        let long = format!("{}.com", "x".repeat(64));
        for bad in [
            "",
            "localhost",
            "API.example.com",
            "a..com",
            "-a.com",
            "a-.com",
            "*.example.com",
            "a.com/x",
            &long,
        ] {
            assert_eq!(read(&mapped(bad, None)), Err("traffic.domain".into()), "{bad:?}");
        }
        let long = "x".repeat(301);
        for bad in ["/orders", "orders/", "a//b", "a b", "{region}", &long] {
            assert_eq!(read(&mapped("api.example.com", Some(bad))), Err("traffic.path".into()), "{bad:?}");
        }
        let stepped = TrafficConfig { steps: vec![step.clone()], ..mapped("api.example.com", None) };
        assert_eq!(read(&stepped), Err("traffic.steps".into()));
        let judged =
            TrafficConfig { analysis: Some(AnalysisConfig::default()), ..mapped("api.example.com", None) };
        assert_eq!(read(&judged), Err("traffic.analysis".into()));
        let unnamed = TrafficConfig { api: Some(String::new()), ..mapped("api.example.com", None) };
        assert_eq!(read(&unnamed), Err("traffic.api".into()));
        // What only a mapping has is refused beside aliases.
        let aliases = TrafficConfig { router: None, steps: vec![step], ..mapped("api.example.com", None) };
        assert_eq!(read(&aliases), Err("traffic.domain".into()));
    }

    #[test]
    fn a_record_is_that_of_a_zone_and_has_a_weight() {
        let valid = || TrafficConfig {
            router: Some("route53".into()),
            hosted_zone: Some("Z0123456789ABCDEFGHIJ".into()),
            record: Some("{service}.example.com".into()),
            ..TrafficConfig::default()
        };
        let read = |doc: &TrafficConfig| traffic(doc).map_err(|refusal| refusal.path.unwrap_or_default());
        let record = read(&valid()).unwrap().record.unwrap();
        assert_eq!((record.record_type.as_str(), record.set_identifier.as_str()), ("A", "{region}"));
        assert_eq!(record.weight, 100);
        let text = |text: &str| Some(text.to_owned());
        for (path, doc) in [
            ("hosted_zone", TrafficConfig { hosted_zone: text("/hostedzone/Z1"), ..valid() }),
            ("hosted_zone", TrafficConfig { hosted_zone: None, ..valid() }),
            ("record", TrafficConfig { record: text("example"), ..valid() }),
            ("type", TrafficConfig { record_type: text("TXT"), ..valid() }),
            ("set_identifier", TrafficConfig { set_identifier: text(&"x".repeat(129)), ..valid() }),
            ("set_identifier", TrafficConfig { set_identifier: text("eu-central-1"), ..valid() }),
            ("set_identifier", TrafficConfig { set_identifier: text("{region}-{zone}"), ..valid() }),
            ("weight", TrafficConfig { weight: Some(0), ..valid() }),
            ("analysis", TrafficConfig { analysis: Some(AnalysisConfig::default()), ..valid() }),
            ("domain", TrafficConfig { domain: text("a.example.com"), ..valid() }),
            ("hosted_zone", TrafficConfig { router: text("api-mapping"), ..valid() }),
        ] {
            assert_eq!(read(&doc), Err(format!("traffic.{path}")), "{doc:?}");
        }
    }
}
