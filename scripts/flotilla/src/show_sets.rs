//! Formats sets of services as text.

use crate::show;
use console::style;
use flotilla_contract::{ConsumersView, SetLegView, SetMemberView, SetView};

/// The status of a member in one line, without its name.
pub fn member_line(member: &SetMemberView) -> String {
    let Some(forward) = &member.forward else { return style("waiting").dim().to_string() };
    let mut line = show::status(&forward.status).to_string();
    if let Some(back) = &member.back {
        line.push_str(&format!(", rollback: {}", show::status(&back.status)));
    }
    line
}

/// Prints a set with its members.
pub fn set(set: &SetView) {
    let whence = match set.kind.as_str() {
        "promotion" => format!("from {}", set.of),
        "rollback" => format!("to {}", set.of),
        _ => format!("of the consumers of {}", set.of),
    };
    println!("set      {}  {} {whence}", style(&set.id).bold(), set.kind);
    println!("status   {}  since {}", show::status(&set.status), show::time(&set.entered_at));
    println!("by       {}", set.requested_by);
    println!("because  {}", set.because);
    if let Some(by) = &set.cancelled_by {
        println!("cancelled by {by}");
    }
    let row = |member: &SetMemberView| {
        let member_rollout = member.back.as_ref().or(member.forward.as_ref());
        vec![
            format!("  {}", member.order),
            format!("{}/{}", member.service, member.stage),
            member.release.clone(),
            member_line(member),
            member_rollout.map(|member_rollout| member_rollout.rollout.clone()).unwrap_or_default(),
        ]
    };
    show::table(&set.members.iter().map(row).collect::<Vec<_>>());
    for member in &set.members {
        let causes = [&member.forward, &member.back].into_iter().flatten();
        for SetLegView { cause, rollout, .. } in
            causes.filter(|member_rollout| member_rollout.cause.is_some())
        {
            println!("{}  {rollout}", style(format!("{}/{}", member.service, member.stage)).bold());
            if let Some(found) = cause {
                show::cause("  ", found);
            }
        }
    }
    let explained = set
        .members
        .iter()
        .any(|member| member.forward.iter().any(|member_rollout| member_rollout.cause.is_some()));
    if let Some(found) = set.cause.as_ref().filter(|_| !explained) {
        show::cause("  ", found);
    }
    if set.ended && set.status == "succeeded" && set.kind == "promotion" {
        println!("to undo: flotilla set rollback {} --before", set.id);
    }
}

/// Prints sets, one per line.
pub fn list(sets: &[SetView]) {
    let row = |set: &SetView| {
        let services: Vec<&str> = set.members.iter().map(|member| member.service.as_str()).collect();
        vec![
            set.id.clone(),
            set.kind.clone(),
            show::status(&set.status).to_string(),
            show::time(&set.created_at),
            services.join(", "),
        ]
    };
    if sets.is_empty() {
        println!("there are no sets");
        show::next("flotilla promote SERVICE SERVICE --from STAGE --to STAGE");
    }
    show::table(&sets.iter().map(row).collect::<Vec<_>>());
}

/// Prints the consumers of a stage with the outputs that they use.
pub fn consumers(view: &ConsumersView) {
    if view.consumers.is_empty() {
        println!("no service has used outputs of {}/{}", view.service, view.stage);
        return;
    }
    let row = |consumer: &flotilla_contract::ConsumerView| {
        vec![format!("{}/{}", consumer.service, consumer.stage), consumer.outputs.join(", ")]
    };
    show::table(&view.consumers.iter().map(row).collect::<Vec<_>>());
    println!("to redeploy them: flotilla consumers {} --stage {} --redeploy", view.service, view.stage);
}
