//! Formats a plan as text.

use console::style;
use flotilla_contract::{PlanView, PlannedChangeView, PropertyView, TargetPlanView};

/// Most properties named after a resource when their values are not shown.
const NAMED_MAX: usize = 4;

/// The lines of a plan; `verbose` adds the values of each property.
pub fn lines(plan: &PlanView, verbose: bool) -> Vec<String> {
    let (rollout, service, stage) = (style(&plan.rollout).bold(), &plan.service, &plan.stage);
    let mut lines = vec![format!("plan  {rollout}  {service} to {stage}  {}", plan.status)];
    lines.extend(columns(&plan.targets.iter().map(target).collect::<Vec<_>>()));
    let heads: Vec<Vec<String>> = plan.changes.iter().map(|change| head(change, verbose)).collect();
    for (change, head) in plan.changes.iter().zip(columns(&heads)) {
        lines.push(painted(change, &head));
        if verbose {
            lines.extend(change.properties.iter().map(property));
            lines.extend(
                (change.omitted > 0).then(|| format!("      and {} more properties", change.omitted)),
            );
        }
        lines.extend(fate(change).map(|fate| format!("    {fate}")));
        lines.extend((!change.everywhere).then(|| format!("    only at {}", change.targets.join(", "))));
    }
    lines.extend((plan.omitted > 0).then(|| format!("and {} more changes", plan.omitted)));
    if plan.changes.is_empty() && plan.targets.iter().any(|target| target.digest.is_some()) {
        lines.push("no changes".into());
    }
    lines
}

fn target(target: &TargetPlanView) -> Vec<String> {
    let changes = match (target.changes, target.complete) {
        (None, _) => "no plan".into(),
        (Some(c), complete) => {
            let more = if complete { "" } else { ", incomplete" };
            format!("(+{} ~{} !{} -{}){more}", c.add, c.modify, c.replace, c.remove)
        }
    };
    let place = [format!("  wave {}", target.wave), target.account.clone(), target.region.clone()];
    place.into_iter().chain([target.stack.clone(), changes]).collect()
}

/// The mark of a change.
fn mark(change: &PlannedChangeView) -> &'static str {
    match (change.action.as_str(), change.replacement.as_str()) {
        ("add" | "import", _) => "+",
        ("remove", _) => "-",
        ("modify", "never") => "~",
        ("modify", "always") => "±",
        _ => "?",
    }
}

fn head(change: &PlannedChangeView, verbose: bool) -> Vec<String> {
    let part = change.part.as_ref().map(|part| format!("{part}/")).unwrap_or_default();
    let mut head =
        vec![format!("{} {part}{}", mark(change), change.logical_id), change.resource_type.clone()];
    if !verbose && change.action != "add" {
        let mut names: Vec<&str> = change.properties.iter().map(|property| property.path.as_str()).collect();
        let more = names.len().saturating_sub(NAMED_MAX) + change.omitted;
        names.truncate(NAMED_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        head.push(format!("{}{more}", names.join(", ")));
    }
    head
}

fn property(property: &PropertyView) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".into());
    let values = match (property.hidden, &property.before, &property.after) {
        (true, ..) => "(hidden, may be secret)".into(),
        (false, None, None) => "(changes)".into(),
        (false, before, after) => format!("{} → {}", value(before), value(after)),
    };
    let replaces = match property.recreation.as_str() {
        "never" => "",
        "always" => "  (replaces)",
        _ => "  (may replace)",
    };
    format!("      {}: {values}{replaces}", property.path)
}

/// What happens to a resource, if its mark does not say it all.
fn fate(change: &PlannedChangeView) -> Option<String> {
    let fate = match (change.action.as_str(), change.replacement.as_str()) {
        ("remove", _) => "",
        ("modify", "always") => "it is replaced",
        ("modify", "conditional") | ("dynamic", _) => "it may be replaced",
        _ => return None,
    };
    let leaving = match change.leaving.as_deref() {
        Some("retained") => "the old resource is retained outside of the stack",
        Some("snapshotted") => "a snapshot of the old resource is kept",
        _ => "",
    };
    let said: Vec<&str> = [fate, leaving].into_iter().filter(|text| !text.is_empty()).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

fn painted(change: &PlannedChangeView, line: &str) -> String {
    let line = style(line);
    match mark(change) {
        "+" => line.green(),
        "-" | "±" | "?" => line.red(),
        _ => line.yellow(),
    }
    .to_string()
}

/// Joins rows in aligned columns.
fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let width = |n: usize| rows.iter().filter_map(|row| row.get(n)).map(|cell| cell.chars().count()).max();
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(n, cell)| format!("{cell:<0$}", width(n).unwrap_or(0)));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan() -> PlanView {
        let change = |id: &str, action: &str, replacement: &str, leaving: Option<&str>, everywhere: bool| {
            json!({
                "logical_id": id, "resource_type": "AWS::X::Thing", "action": action, "replacement": replacement,
                "leaving": leaving, "omitted": 0, "everywhere": everywhere, "targets": ["111122223333/eu-west-1"],
                "properties": [
                    {"path": "Name", "before": "one", "after": "two", "recreation": replacement},
                    {"path": "Password", "hidden": true, "recreation": "never"},
                ],
            })
        };
        let target = |region: &str, planned: bool| {
            let changes = planned.then(|| json!({"add": 1, "modify": 1, "replace": 1, "remove": 1}));
            let digest = planned.then_some("abc");
            json!({"account": "111122223333", "region": region, "wave": 1, "stack": "orders-production",
                   "digest": digest, "changes": changes, "complete": planned})
        };
        let plan = json!({
            "rollout": "rlo_1", "service": "orders", "stage": "production", "status": "gated", "ended": false,
            "targets": [target("eu-west-1", true), target("ap-southeast-2", false)],
            "changes": [
                change("New", "add", "never", None, true),
                change("Changed", "modify", "never", None, true),
                change("Table", "modify", "always", Some("retained"), true),
                change("Old", "remove", "never", Some("deleted"), false),
            ],
            "omitted": 0,
        });
        serde_json::from_value(plan).expect("a plan")
    }

    #[test]
    fn a_plan_names_what_changes_and_where_targets_differ() {
        insta::assert_snapshot!(lines(&plan(), false).join("\n"), @r"
        plan  rlo_1  orders to production  gated
          wave 1  111122223333  eu-west-1       orders-production  (+1 ~1 !1 -1)
          wave 1  111122223333  ap-southeast-2  orders-production  no plan
        + New      AWS::X::Thing
        ~ Changed  AWS::X::Thing  Name, Password
        ± Table    AWS::X::Thing  Name, Password
            it is replaced; the old resource is retained outside of the stack
        - Old      AWS::X::Thing  Name, Password
            only at 111122223333/eu-west-1
        ");
    }

    #[test]
    fn properties_are_shown_when_asked_for_and_secrets_never() {
        let plan = PlanView { changes: plan().changes.into_iter().skip(2).take(1).collect(), ..plan() };
        insta::assert_snapshot!(lines(&plan, true)[3..].join("\n"), @r"
        ± Table  AWS::X::Thing
              Name: one → two  (replaces)
              Password: (hidden, may be secret)
            it is replaced; the old resource is retained outside of the stack
        ");
    }

    #[test]
    fn a_plan_that_changes_nothing_says_so() {
        let plan = PlanView { changes: Vec::new(), ..plan() };
        assert_eq!(lines(&plan, false).last().map(String::as_str), Some("no changes"));
    }
}
