//! Output: plain text, in colour only on a terminal, or JSON.

use console::style;
use flotilla_contract::{
    CauseView, DeploymentView, EventView, GatesView, HoldView, InvocationsView, RolloutView, StageView,
    TrafficMeasuredView, TrafficView,
};
use serde::Serialize;

/// Writes a value as JSON.
pub fn json<T: Serialize>(value: &T) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => println!("{text}"),
        Err(error) => eprintln!("error: {error}"),
    }
}

/// Writes a value as one line of JSON.
pub fn json_line<T: Serialize>(value: &T) {
    match serde_json::to_string(value) {
        Ok(text) => println!("{text}"),
        Err(error) => eprintln!("error: {error}"),
    }
}

/// A status in the colour of its meaning.
pub fn status(status: &str) -> console::StyledObject<&str> {
    match status {
        "succeeded" | "removed" | "accepted" | "planned" => style(status).green(),
        "failed" | "rolled_back" | "refused" | "overtaken" => style(status).red(),
        "cancelled" | "superseded" | "skipped" | "reverted" => style(status).yellow(),
        _ => style(status).cyan(),
    }
}

/// The first 12 digits of a digest.
pub fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// A time without its fraction of a second.
pub fn time(at: &str) -> String {
    at.split_once('.').map_or_else(|| at.to_owned(), |(seconds, _)| format!("{seconds}Z"))
}

/// Prints rows in aligned columns.
pub fn table(rows: &[Vec<String>]) {
    let width = |n: usize| {
        rows.iter().filter_map(|row| row.get(n)).map(|cell| console::measure_text_width(cell)).max()
    };
    for row in rows {
        let mut line = String::new();
        for (n, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if n + 1 < row.len() {
                let pad = width(n).unwrap_or(0) - console::measure_text_width(cell) + 2;
                line.push_str(&" ".repeat(pad));
            }
        }
        println!("{}", line.trim_end());
    }
}

/// Prints the command to run next.
pub fn next(command: &str) {
    println!("{} {command}", style("next:").bold());
}

/// Prints a warning of a package to standard error, so that it does not disturb what is read from standard output.
pub fn warning(code: &str, path: &str, message: &str) {
    eprintln!("{} {code} {path}: {message}", style("warning:").yellow().for_stderr());
}

/// Prints a cause with its fix.
pub fn cause(indent: &str, cause: &CauseView) {
    println!("{indent}{} {}", style(&cause.code).red(), cause.message);
    if let Some(path) = &cause.path {
        println!("{indent}at {path}");
    }
    println!("{indent}{} {}", style("fix:").bold(), cause.fix);
}

/// The status of a deployment in one line, without its region.
pub fn deployment_line(deployment: &DeploymentView) -> String {
    let mut line = status(&deployment.status).to_string();
    if deployment.changed == Some(false) && deployment.status == "succeeded" {
        line.push_str(" (no changes)");
    } else if let Some(c) = deployment.changes {
        line.push_str(&format!(" (+{} ~{} !{} -{})", c.add, c.modify, c.replace, c.remove));
    }
    if let Some(back) = &deployment.back {
        line.push_str(&format!(", rollback: {}", status(&back.status)));
    }
    line
}

/// The status of a rollout in one line, with the reasons of blocked gates.
pub fn rollout_line(rollout: &RolloutView) -> String {
    let mut line = status(&rollout.status).to_string();
    if let Some(traffic) = &rollout.traffic {
        line.push_str(&format!(" ({} % of wave {})", traffic.percent, traffic.wave));
    }
    let closed = rollout.gates.iter().flat_map(|gates| &gates.closed);
    let closed: Vec<&str> = closed.map(|closed| closed.why.as_str()).collect();
    if !closed.is_empty() {
        line.push_str(&format!(" (blocked: {}; see flotilla rollout {})", closed.join("; "), rollout.id));
    }
    line
}

/// The share of the new versions, and what comes next.
fn traffic_line(traffic: &TrafficView) -> String {
    let TrafficView { wave, percent, step, steps, until, .. } = traffic;
    let until = until.as_ref().map(|until| format!(", until {}", time(until))).unwrap_or_default();
    format!("{percent} % at the new versions of wave {wave}: step {step} of {steps}{until}")
}

/// What was counted of the new versions and those before.
fn measured_line(measured: &TrafficMeasuredView) -> String {
    let has_slow = measured.new.slow + measured.stable.slow > 0;
    let of = |counts: &InvocationsView| {
        let share = 100.0 * counts.errors as f64 / counts.invocations.max(1) as f64;
        let slow = if has_slow { format!(", {} slow", counts.slow) } else { String::new() };
        format!("{} of {} failed ({share:.2} %){slow}", counts.errors, counts.invocations)
    };
    format!("new {}; before {}", of(&measured.new), of(&measured.stable))
}

/// Prints a rollout with its deployments.
pub fn rollout(rollout: &RolloutView) {
    println!(
        "rollout  {}  {} of {} to {}",
        style(&rollout.id).bold(),
        rollout.kind,
        rollout.service,
        rollout.stage
    );
    println!("status   {}  since {}", status(&rollout.status), time(&rollout.entered_at));
    if let (Some(release), Some(digest)) = (&rollout.release, &rollout.digest) {
        println!("release  {release}  sha256:{}", short(digest));
    }
    if let (Some(git_ref), Some(build)) = (&rollout.git_ref, &rollout.build) {
        println!("source   {git_ref}  build {build}");
    }
    println!("by       {}", rollout.requested_by);
    if let Some(because) = &rollout.because {
        println!("because  {because}");
    }
    if let Some(by) = &rollout.cancelled_by {
        println!("cancelled by {by}");
    }
    if let Some(by) = &rollout.paused_by {
        println!("paused by {by}");
        next(&format!("flotilla resume {}", rollout.id));
    }
    if let Some(traffic) = &rollout.traffic {
        println!("traffic  {}", traffic_line(traffic));
        if let Some(measured) = &traffic.measured {
            println!("measured {}", measured_line(measured));
        }
        next(&format!("flotilla traffic promote {0}  or  flotilla traffic abort {0}", rollout.id));
    }
    if let Some(gates) = &rollout.gates {
        show_gates(rollout, gates);
    }
    if let Some(by) = &rollout.superseded_by {
        println!("superseded by {by}");
    }
    if let Some(set) = &rollout.set {
        println!("part of set {set}");
    }
    if let Some(stage) = &rollout.promotes_to {
        println!("promotes to {stage} when it has succeeded");
    }
    if let Some(failed) = &rollout.retry_of {
        println!("retry of {failed}");
    }
    if let Some(stable) = &rollout.reverts_to {
        println!("reverts to {stable}");
    }
    let rows: Vec<Vec<String>> = rollout
        .deployments
        .iter()
        .map(|d| {
            vec![
                format!("  wave {}", d.wave),
                d.account.clone(),
                d.region.clone(),
                d.stack.clone(),
                deployment_line(d),
            ]
        })
        .collect();
    table(&rows);
    let turns = rollout.deployments.iter().flat_map(|d| std::iter::once(d).chain(d.back.as_deref()));
    for deployment in turns.filter(|d| d.cause.is_some() || !d.notes.is_empty()) {
        println!("{}", style(format!("{} {}", deployment.account, deployment.region)).bold());
        if let Some(found) = &deployment.cause {
            cause("  ", found);
        }
        for note in &deployment.notes {
            println!("  note: {note}");
        }
    }
    if let Some(found) =
        rollout.cause.as_ref().filter(|_| rollout.deployments.iter().all(|d| d.cause.is_none()))
    {
        cause("  ", found);
    }
    let failed = matches!(rollout.status.as_str(), "failed" | "reverted" | "cancelled");
    if failed && rollout.ended {
        next(&format!("flotilla retry {}", rollout.id));
    }
}

/// Prints the blocked gates of the next wave, its approvals and a break-glass.
fn show_gates(rollout: &RolloutView, gates: &GatesView) {
    for closed in &gates.closed {
        let until = closed.until.as_deref().map(|at| format!(", until {}", time(at))).unwrap_or_default();
        // The API calls a freeze `line`.
        let gate = if closed.gate == "line" { "freeze" } else { &closed.gate };
        println!("{} {gate}: {}{until}", style("blocked by").yellow(), closed.why);
    }
    for approval in &gates.approvals {
        let because = approval.because.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
        println!("approved wave {} by {} at {}{because}", approval.wave, approval.by, time(&approval.at));
    }
    if let Some(word) = &gates.broken_open {
        println!("{} all gates opened by {word}", style("break-glass:").red());
    }
    if gates.closed.iter().any(|closed| closed.gate == "approval") {
        next(&format!("flotilla plan {id}, then flotilla approve {id}", id = rollout.id));
    }
}

/// Prints a stage with what runs at each target.
pub fn stage(stage: &StageView) {
    let ends =
        stage.expires_at.as_ref().map(|at| format!("  preview until {}", time(at))).unwrap_or_default();
    let git_ref = stage.git_ref.as_ref().map(|git_ref| format!("  of {git_ref}")).unwrap_or_default();
    println!("{}  profile {}{git_ref}{ends}", style(&stage.stage).bold(), stage.profile);
    if let Some(active) = &stage.active {
        println!("  active rollout {active}");
    }
    if let Some(queued) = &stage.queued {
        println!("  queued rollout {queued}");
    }
    let have_names = stage.targets.iter().any(|target| target.stack_name().is_some());
    let rows = stage.targets.iter().map(|t| {
        let digest = t.digest.as_deref().map_or("-".to_owned(), |digest| format!("sha256:{}", short(digest)));
        // The release is what runs; the last rollout may have failed without changing it.
        let last = status(&t.status).to_string();
        let last = if t.status == "succeeded" { last } else { format!("last rollout {last}") };
        let release = t.release.clone().unwrap_or_else(|| "-".into());
        let mut row = vec![format!("  {}", t.account), t.region.clone()];
        row.extend(have_names.then(|| t.stack_name().unwrap_or_default()));
        row.extend([release, digest, last, time(&t.at)]);
        row
    });
    table(&rows.collect::<Vec<_>>());
}

/// Prints the holds of a stage.
pub fn holds(holds: &[HoldView]) {
    let row = |hold: &HoldView| {
        let package = format!("  held sha256:{}", short(&hold.digest));
        vec![package, hold.because.clone(), format!("by {}", hold.by), time(&hold.at)]
    };
    table(&holds.iter().map(row).collect::<Vec<_>>());
}

/// Prints a timeline.
pub fn events(events: &[EventView]) {
    let row = |event: &EventView| {
        let target = event.target.clone().unwrap_or_else(|| "rollout".into());
        vec![
            time(&event.at),
            target,
            event.what.clone(),
            event.detail.clone().unwrap_or_default(),
            event.actor.clone(),
        ]
    };
    table(&events.iter().map(row).collect::<Vec<_>>());
}
