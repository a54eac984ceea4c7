//! `flotilla approve`, `break-glass`, `freeze`, `unfreeze` and `freezes`.

use super::rollouts::finish;
use crate::api::Api;
use crate::args::{Freeze, Global, Line, Unfreeze};
use crate::error::{CliError, Exit};
use crate::show;
use console::style;
use flotilla_contract::{Approve, Because, LiftLine, LineView, RolloutView, StopLine};

/// Approves the package and the plan that the rollout has now. The API refuses if they change in between.
pub async fn approve(global: &Global, id: &str, because: Option<String>) -> Result<Exit, CliError> {
    let api = Api::connect(global).await?;
    let seen: RolloutView = api.get(&format!("/v1/rollouts/{id}")).await?;
    let request = Approve { package: seen.digest, plan: seen.plan, because };
    let rollout: RolloutView = api.post(&format!("/v1/rollouts/{id}/approve"), &request).await?;
    finish(global, &rollout).map(|_| Exit::Success)
}

pub async fn break_glass(global: &Global, id: &str, because: String) -> Result<Exit, CliError> {
    let api = Api::connect(global).await?;
    let path = format!("/v1/rollouts/{id}/break-glass");
    let rollout: RolloutView = api.post(&path, &Because { because }).await?;
    finish(global, &rollout).map(|_| Exit::Success)
}

pub async fn line(global: &Global, line: Line) -> Result<Exit, CliError> {
    let api = Api::connect(global).await?;
    let stopped: Vec<LineView> = match line {
        Line::Show => api.get("/v1/lines").await?,
        Line::Stop(Freeze { profile, because }) => {
            api.post("/v1/lines/stop", &StopLine { profile, because }).await?
        }
        Line::Lift(Unfreeze { profile }) => api.post("/v1/lines/lift", &LiftLine { profile }).await?,
    };
    if global.json {
        show::json(&stopped);
        return Ok(Exit::Success);
    }
    if stopped.is_empty() {
        println!("there are no freezes");
    }
    let row = |line: &LineView| {
        let what = line.profile.as_ref().map_or("all profiles".to_owned(), |name| format!("profile {name}"));
        let by = format!("by {}", line.by);
        vec![style("frozen").red().to_string(), what, line.because.clone(), by, show::time(&line.at)]
    };
    show::table(&stopped.iter().map(row).collect::<Vec<_>>());
    Ok(Exit::Success)
}
