//! Evaluates rules against a template. The reply lists the violations. It is bounded and contains no values of the
//! template.

use cfn_guard::commands::Executable;
use cfn_guard::commands::validate::{OutputFormatType, ShowSummaryType, parse_rules};
use cfn_guard::utils::reader::{ReadBuffer, Reader};
use cfn_guard::utils::writer::{WriteBuffer, Writer};
use cfn_guard::{CommandBuilder, ValidateBuilder};
use flotilla_contract::{BrokenRule, GuardReply, GuardRequest};
use serde_json::{Value, json};
use std::io::Cursor;

/// The maximum number of violations in a reply. The rest are only counted.
const TOLD_MAX: usize = 20;
/// The maximum length of each text of a violation, in bytes.
const TEXT_BYTES_MAX: usize = 300;

/// Evaluates rules against a template.
pub fn handle(request: &GuardRequest) -> GuardReply {
    let GuardRequest { rules, template } = request;
    if rules.len() > GuardRequest::RULES_BYTES_MAX {
        return GuardReply::Invalid { line: None, why: format!("the rules have {} bytes", rules.len()) };
    }
    if template.len() > GuardRequest::TEMPLATE_BYTES_MAX {
        return GuardReply::Unfit { why: format!("the template has {} bytes", template.len()) };
    }
    // The evaluation skips rules that it cannot parse, so they are parsed first.
    match parse_rules(rules, "") {
        Err(error) => return invalid(&error.to_string()),
        Ok(None) => return GuardReply::Invalid { line: None, why: "they contain no rule".into() },
        Ok(Some(_)) => {}
    }
    let reply = match evaluate(rules, template) {
        Ok(reports) => said(&reports),
        Err(why) => GuardReply::Unfit { why: cut(&why) },
    };
    tracing::info!(
        rules = rules.len(),
        template = template.len(),
        reply = name(&reply),
        "evaluated the rules"
    );
    reply
}

/// Returns Guard's structured JSON report.
fn evaluate(rules: &str, template: &str) -> Result<Vec<Value>, String> {
    let text = |error: cfn_guard::Error| error.to_string();
    let validate = ValidateBuilder::default().payload(true).structured(true);
    let validate = validate.output_format(OutputFormatType::JSON).show_summary(vec![ShowSummaryType::None]);
    let validate = validate.try_build().map_err(text)?;
    let payload = json!({"rules": [rules], "data": [template]}).to_string();
    let mut reader = Reader::new(ReadBuffer::Cursor(Cursor::new(payload.into_bytes())));
    let (out, err) = (WriteBuffer::Vec(Vec::new()), WriteBuffer::Vec(Vec::new()));
    let mut writer = Writer::new_with_err(out, err).map_err(text)?;
    validate.execute(&mut writer, &mut reader).map_err(text)?;
    let reports = writer.into_string().map_err(text)?;
    serde_json::from_str(&reports).map_err(|e| format!("the report cannot be read: {e}"))
}

fn said(reports: &[Value]) -> GuardReply {
    let passes = |report: &&Value| matches!(report["status"].as_str(), Some("PASS" | "SKIP"));
    if !reports.is_empty() && reports.iter().all(|report| passes(&report)) {
        return GuardReply::Holds;
    }
    let mut broken = Broken::default();
    for rule in reports.iter().filter_map(|report| report["not_compliant"].as_array()).flatten() {
        let before = broken.count;
        broken.look_into(rule, "");
        if broken.count == before {
            broken.tell(rule["Rule"]["name"].as_str().unwrap_or_default(), rule);
        }
    }
    match broken.count {
        0 => GuardReply::Unfit { why: "Guard reports a failure without a reason".into() },
        count => GuardReply::Broken { first: broken.first, count },
    }
}

#[derive(Default)]
struct Broken {
    first: Vec<BrokenRule>,
    count: usize,
}

impl Broken {
    /// Collects the clauses that failed. A rule may consist of other rules, blocks and alternatives.
    fn look_into(&mut self, check: &Value, rule: &str) {
        if let Some(inner) = check.get("Rule") {
            let rule = if rule.is_empty() { inner["name"].as_str().unwrap_or_default() } else { rule };
            self.look_into_all(&inner["checks"], rule);
        } else if let Some(either) = check.get("Disjunctions") {
            self.look_into_all(&either["checks"], rule);
        } else {
            self.tell(rule, check);
        }
    }

    fn look_into_all(&mut self, checks: &Value, rule: &str) {
        for check in checks.as_array().into_iter().flatten() {
            self.look_into(check, rule);
        }
    }

    fn tell(&mut self, rule: &str, check: &Value) {
        self.count += 1;
        if self.first.len() == TOLD_MAX {
            return;
        }
        let report = check.as_object().and_then(|kinds| kinds.values().next()).unwrap_or(check);
        let report = report.get("Unary").or_else(|| report.get("Binary")).unwrap_or(report);
        // For a rule that could not be evaluated, Guard's own message may quote values of the template.
        let is_rule = report.get("checks").is_some();
        let own = report["messages"]["custom_message"].as_str().map(str::trim).filter(|own| !own.is_empty());
        let message = match own.or_else(|| report["context"].as_str()) {
            _ if is_rule => "it could not be evaluated against this template",
            message => message.unwrap_or_default(),
        };
        let path = place(report).unwrap_or_default();
        let resource = path.strip_prefix("/Resources/").and_then(|rest| rest.split('/').next());
        self.first.push(BrokenRule {
            // Guard names clauses outside of rules after the file, which has no name here.
            rule: cut(rule.rsplit('/').next().unwrap_or_default()),
            resource: resource.map(cut),
            path: cut(&path.trim_matches('/').replace('/', ".")),
            message: cut(&message.split_whitespace().collect::<Vec<_>>().join(" ")),
        });
    }
}

/// The place in the template where a clause failed: the first path that its check names.
fn place(report: &Value) -> Option<&str> {
    match report {
        Value::Object(fields) => {
            let own = fields.get("path").and_then(Value::as_str).filter(|path| !path.is_empty());
            let first = [
                "check",
                "unresolved",
                "value",
                "traversed_to",
                "from",
                "Resolved",
                "UnResolved",
                "InResolved",
            ];
            own.or_else(|| first.iter().find_map(|name| place(fields.get(*name)?)))
        }
        _ => None,
    }
}

/// The reply for unparsable rules, from Guard's `… at line 5 at column 17, when handling …, fragment …`.
fn invalid(error: &str) -> GuardReply {
    let number = |name: &str| -> Option<u32> {
        let rest = error.split_once(name)?.1;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    let (line, column) = (number(" at line "), number(" at column "));
    let place = error.split_once("when handling ").and_then(|(_, rest)| rest.split_once(", fragment"));
    let why = match place {
        Some((wanted, found)) => {
            let found = found.trim().lines().next().unwrap_or_default().trim_end_matches('`');
            let wanted = if wanted.is_empty() { "a syntax error" } else { wanted };
            format!("column {}: {wanted}; found: {found}", column.unwrap_or(1))
        }
        None => error.to_owned(),
    };
    GuardReply::Invalid { line, why: cut(&why) }
}

fn name(reply: &GuardReply) -> &'static str {
    match reply {
        GuardReply::Holds => "holds",
        GuardReply::Broken { .. } => "broken",
        GuardReply::Invalid { .. } => "invalid",
        GuardReply::Unfit { .. } => "unfit",
    }
}

fn cut(text: &str) -> String {
    let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    if end == text.len() { text.to_owned() } else { format!("{}…", &text[..end]) }
}

#[cfg(test)]
mod tests;
