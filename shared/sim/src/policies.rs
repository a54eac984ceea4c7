//! Guard: the fake supports one kind of rule, `rule NAME { Resources.*[ Type == 'TYPE' ] empty }`, one per line.

use crate::state::{Shared, State};
use async_trait::async_trait;
use flotilla_domain::Digest;
use flotilla_domain::gate::Violation;
use flotilla_engine::ports::{ErrorKind, Evaluation, Policies, PortError};
use serde_json::Value;

/// The fake.
pub struct SimPolicies(pub Shared);

const OPERATION: &str = "lambda:Invoke (guard)";

#[async_trait]
impl Policies for SimPolicies {
    async fn evaluate(&self, rules: &str, template: &Digest) -> Result<Evaluation, PortError> {
        self.0
            .call(OPERATION, None, |state| {
                let missing = || PortError::new(ErrorKind::Missing, "s3:GetObject", "NoSuchKey");
                let template = state.templates.get(template).cloned().ok_or_else(missing)?;
                let template = serde_json::from_slice(&template).unwrap_or_default();
                Ok(evaluate(state, rules, &template))
            })
            .await
    }

    async fn dry_run_rules(&self, rules: &str) -> Result<Evaluation, PortError> {
        self.0.call(OPERATION, None, |state| Ok(evaluate(state, rules, &Value::Null))).await
    }
}

fn evaluate(state: &mut State, rules: &str, template: &Value) -> Evaluation {
    if rules.contains("let x = %x") || state.guard_crashes > 0 {
        state.guard_crashes = state.guard_crashes.saturating_sub(1);
        return Evaluation::Crashed { why: "Runtime exited with error: signal: aborted".into() };
    }
    let mut first = Vec::new();
    for (line, text) in (1..).zip(rules.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        let Some((rule, kind)) = forbids(text) else {
            return Evaluation::Invalid {
                line: Some(line),
                why: format!("this is not a rule: {}", text.trim()),
            };
        };
        for (id, resource) in template["Resources"].as_object().into_iter().flatten() {
            if resource["Type"].as_str() == Some(kind) {
                first.push(Violation {
                    rule: rule.to_owned(),
                    template: None,
                    resource: Some(id.clone()),
                    path: format!("Resources.{id}"),
                    message: "Resources.*. (filter-clauses) EMPTY".into(),
                });
            }
        }
    }
    match first.len() {
        0 => Evaluation::Passed,
        count => Evaluation::Violated { first, count },
    }
}

/// A rule's name, and the resource type that it forbids.
fn forbids(rule: &str) -> Option<(&str, &str)> {
    let (name, rest) = rule.trim().strip_prefix("rule ")?.split_once(" { Resources.*[ Type == '")?;
    Some((name, rest.strip_suffix("' ] empty }")?))
}
