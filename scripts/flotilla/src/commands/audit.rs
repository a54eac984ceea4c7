//! `flotilla audit`: lists the commands of operators.

use crate::api::{Api, encoded};
use crate::args::{Audit, Global};
use crate::error::{CliError, Exit};
use crate::show;
use flotilla_contract::{AuditEntry, Page};
use jiff::{Span, SpanRelativeTo, Timestamp};
use std::time::SystemTime;

pub async fn run(global: &Global, args: &Audit) -> Result<Exit, CliError> {
    #[allow(clippy::disallowed_methods, reason = "a span is counted back from now")]
    let now = Timestamp::try_from(SystemTime::now())
        .map_err(|e| CliError::failed("the system time is invalid", e))?;
    let from = since(&args.since, now)?;
    let api = Api::connect(global).await?;
    let mut query = format!("limit=100&from={}", encoded(&from.to_string()));
    for (name, value) in [("service", &args.service), ("stage", &args.stage), ("principal", &args.by)] {
        if let Some(value) = value {
            query.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    let (mut cursor, mut shown) = (String::new(), false);
    loop {
        let page: Page<AuditEntry> = api.get(&format!("/v1/audit?{query}{cursor}")).await?;
        for entry in &page.items {
            shown = true;
            if global.json { show::json_line(entry) } else { println!("{}", line(entry)) }
        }
        match page.next {
            Some(next) => cursor = format!("&cursor={}", encoded(&next)),
            None => break,
        }
    }
    if !shown && !global.json {
        println!("there are no entries since {}", show::time(&from.to_string()));
    }
    Ok(Exit::Success)
}

/// Parses `--since`: a time, or a span before now.
fn since(text: &str, now: Timestamp) -> Result<Timestamp, CliError> {
    let span = || {
        let span: Span = text.parse().ok()?;
        now.checked_sub(span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?).ok()
    };
    let past = text.parse().ok().or_else(span).filter(|at| *at <= now);
    past.ok_or_else(|| {
        CliError::usage(
            format!("{text:?} is not a time in the past"),
            "use a value such as 12h, 7d or 2026-11-21T00:00:00Z",
        )
    })
}

fn line(entry: &AuditEntry) -> String {
    let place = match (&entry.service, &entry.stage) {
        (Some(service), Some(stage)) => format!("  {service}/{stage}"),
        (Some(service), None) => format!("  {service}"),
        _ => String::new(),
    };
    let more = [&entry.rollout, &entry.release, &entry.detail].into_iter().flatten();
    let more: String = more.map(|text| format!("  {text}")).collect();
    let refused =
        if entry.outcome == "refused" { format!("  {}", show::status("refused")) } else { String::new() };
    format!("{}  {}{refused}  by {}{place}{more}", show::time(&entry.at), entry.act, entry.principal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_back_is_a_span_or_a_time_that_has_passed() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let read = |text: &str| since(text, now).map(|at| at.to_string()).ok();
        assert_eq!(read("7d").as_deref(), Some("2026-11-14T10:00:00Z"));
        assert_eq!(read("12h").as_deref(), Some("2026-11-20T22:00:00Z"));
        assert_eq!(read("2026-01-01T00:00:00Z").as_deref(), Some("2026-01-01T00:00:00Z"));
        for wrong in ["", "yesterday", "-1d", "2027-01-01T00:00:00Z"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
