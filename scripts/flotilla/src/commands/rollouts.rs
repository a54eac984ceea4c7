//! `flotilla rollout`, `watch`, `start`, `cancel`, `pause`, `resume` and `retry`.

use super::follow::{exit_of, follow};
use super::warnings;
use crate::api::Api;
use crate::args::{Global, Retry, Traffic};
use crate::error::{CliError, Exit};
use crate::show;
use flotilla_contract::{CancelRollout, EventView, RetryRollout, RolloutView, ShiftTraffic, StartRollout};
use serde::Serialize;

pub async fn watch(global: &Global, id: &str) -> Result<Exit, CliError> {
    let api = Api::connect(global).await?;
    let rollout = follow(&api, id, global.json).await?;
    finish(global, &rollout)
}

/// Prints a rollout; answers the exit code for its status.
pub fn finish(global: &Global, rollout: &RolloutView) -> Result<Exit, CliError> {
    if global.json {
        show::json(rollout);
    } else {
        show::rollout(rollout);
    }
    Ok(exit_of(rollout))
}

pub async fn show(global: &Global, id: &str) -> Result<Exit, CliError> {
    let api = Api::connect(global).await?;
    let rollout: RolloutView = api.get(&format!("/v1/rollouts/{id}")).await?;
    /// Most pages of the timeline to show. The API gives the rest.
    const PAGES_MAX: usize = 20;
    let events: Vec<EventView> = api.list(&format!("/v1/rollouts/{id}/events?limit=100"), PAGES_MAX).await?;
    if global.json {
        show::json(&serde_json::json!({"rollout": rollout, "events": events}));
    } else {
        show::rollout(&rollout);
        println!();
        show::events(&events);
        if let Some(release) = &rollout.release {
            warnings::of_release(&api, &rollout.service, release).await?;
        }
    }
    Ok(Exit::Success)
}

/// Starts a rollout and follows it to its end.
pub async fn begin<B: Serialize>(
    global: &Global,
    path: &str,
    request: &B,
    no_follow: bool,
) -> Result<Exit, CliError> {
    let api = Api::connect(global).await?;
    let begun: RolloutView = api.post(path, request).await?;
    if no_follow {
        return finish(global, &begun).map(|_| Exit::Success);
    }
    let rollout = follow(&api, &begun.id, global.json).await?;
    finish(global, &rollout)
}

pub async fn start(global: &Global, request: &StartRollout, no_follow: bool) -> Result<Exit, CliError> {
    begin(global, "/v1/rollouts", request, no_follow).await
}

pub async fn cancel(global: &Global, id: &str, stop_running: bool) -> Result<Exit, CliError> {
    let api = Api::connect(global).await?;
    let rollout: RolloutView =
        api.post(&format!("/v1/rollouts/{id}/cancel"), &CancelRollout { stop_running }).await?;
    finish(global, &rollout).map(|_| Exit::Success)
}

pub async fn traffic(global: &Global, order: &Traffic) -> Result<Exit, CliError> {
    let (id, percent) = match order {
        Traffic::Set { rollout, percent } => (rollout, *percent),
        Traffic::Promote { rollout } => (rollout, 100),
        Traffic::Abort { rollout } => (rollout, 0),
    };
    let api = Api::connect(global).await?;
    let rollout: RolloutView =
        api.post(&format!("/v1/rollouts/{id}/traffic"), &ShiftTraffic { percent }).await?;
    finish(global, &rollout).map(|_| Exit::Success)
}

/// Sends a command without options: `pause` or `resume`.
pub async fn ask(global: &Global, id: &str, what: &str) -> Result<Exit, CliError> {
    let api = Api::connect(global).await?;
    let rollout: RolloutView = api.post(&format!("/v1/rollouts/{id}/{what}"), &serde_json::json!({})).await?;
    finish(global, &rollout).map(|_| Exit::Success)
}

pub async fn retry(global: &Global, retry: Retry) -> Result<Exit, CliError> {
    let Retry { rollout, skip, accept_drift, force, allow, no_follow } = retry;
    let (skip, allow) = (skip.into_iter().collect(), allow.into_iter().collect());
    let word = RetryRollout { skip, accept_drift, force, allow };
    begin(global, &format!("/v1/rollouts/{rollout}/retry"), &word, no_follow).await
}
