//! Guard: of its language the fake knows one kind of rule, `rule NAME { Resources.*[ Type == 'TYPE' ] empty }`, a line
//! each.

use crate::state::{Shared, State};
use async_trait::async_trait;
use flotilla_domain::Digest;
use flotilla_domain::rollout::Broken;
use flotilla_engine::ports::{ErrorKind, Judged, Policies, PortError};
use serde_json::Value;

/// The fake.
pub struct SimPolicies(pub Shared);

const OPERATION: &str = "lambda:Invoke (guard)";

#[async_trait]
impl Policies for SimPolicies {
    async fn judge(&self, rules: &str, template: &Digest) -> Result<Judged, PortError> {
        self.0
            .call(OPERATION, None, |state| {
                let missing = || PortError::new(ErrorKind::Missing, "s3:GetObject", "NoSuchKey");
                let template = state.templates.get(template).cloned().ok_or_else(missing)?;
                let template = serde_json::from_slice(&template).unwrap_or_default();
                Ok(judge(state, rules, &template))
            })
            .await
    }

    async fn try_out(&self, rules: &str) -> Result<Judged, PortError> {
        self.0.call(OPERATION, None, |state| Ok(judge(state, rules, &Value::Null))).await
    }
}

fn judge(state: &mut State, rules: &str, template: &Value) -> Judged {
    if rules.contains("let x = %x") || state.guard_crashes > 0 {
        state.guard_crashes = state.guard_crashes.saturating_sub(1);
        return Judged::Crashed { why: "Runtime exited with error: signal: aborted".into() };
    }
    let mut first = Vec::new();
    for (line, text) in (1..).zip(rules.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        let Some((rule, kind)) = forbids(text) else {
            return Judged::Invalid { line: Some(line), why: format!("this is no rule: {}", text.trim()) };
        };
        for (id, resource) in template["Resources"].as_object().into_iter().flatten() {
            if resource["Type"].as_str() == Some(kind) {
                first.push(Broken {
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
        0 => Judged::Holds,
        count => Judged::Broken { first, count },
    }
}

/// A rule's name, and the type of which it lets nothing be made.
fn forbids(rule: &str) -> Option<(&str, &str)> {
    let (name, rest) = rule.trim().strip_prefix("rule ")?.split_once(" { Resources.*[ Type == '")?;
    Some((name, rest.strip_suffix("' ] empty }")?))
}
