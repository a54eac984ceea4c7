//! Sets of services: `flotilla promote` of several services, `flotilla set` and `flotilla consumers`.

use super::follow::{Followed, follow_path};
use crate::api::Api;
use crate::args::{Consumers, Global, Promote, SetCommand, SetRollback};
use crate::error::{CliError, Exit};
use crate::{show, show_sets};
use flotilla_contract::{
    CancelRollout, ConsumersView, Page, PromoteSet, RedeployConsumers, RollBackSet, SetView,
};
use serde::Serialize;

impl Followed for SetView {
    fn ended(&self) -> bool {
        self.ended
    }

    fn lines(&self) -> Vec<(String, String, bool)> {
        let members = self.members.iter().map(|member| {
            let name = format!("{}/{}", member.service, member.stage);
            let under_way = [&member.forward, &member.back].into_iter().flatten().any(|member_rollout| {
                !matches!(
                    member_rollout.status.as_str(),
                    "succeeded" | "reverted" | "failed" | "overtaken" | "refused"
                )
            });
            (name, show_sets::member_line(member), member.forward.is_some() && !under_way)
        });
        let head = (self.kind.clone(), show::status(&self.status).to_string(), self.ended);
        std::iter::once(head).chain(members).collect()
    }
}

pub async fn run(global: &Global, command: SetCommand) -> Result<Exit, CliError> {
    match command {
        SetCommand::List { limit } => list(global, limit).await,
        SetCommand::Show { set } => {
            let api = Api::connect(global).await?;
            let set: SetView = api.get(&format!("/v1/sets/{set}")).await?;
            print(global, &set);
            Ok(Exit::Success)
        }
        SetCommand::Watch { set } => {
            let api = Api::connect(global).await?;
            let set: SetView = follow_path(&api, &format!("/v1/sets/{set}"), global.json).await?;
            print(global, &set);
            Ok(if set.status == "succeeded" { Exit::Success } else { Exit::RolloutFailed })
        }
        SetCommand::Rollback(SetRollback { set, before, by_waves, because, no_follow }) => {
            let request = RollBackSet { before, by_waves, because };
            start(global, &format!("/v1/sets/{set}/rollback"), &request, no_follow).await
        }
        SetCommand::Cancel { set, stop_running, no_follow } => {
            // A cancelled set that ends `reverted` has done what was asked.
            let path = format!("/v1/sets/{set}/cancel");
            bring(global, &path, &CancelRollout { stop_running }, no_follow, "reverted").await
        }
    }
}

/// Promotes several services as one set.
pub async fn promote(global: &Global, args: Promote) -> Result<Exit, CliError> {
    let Promote { services, from, to, release, because, allow, no_follow } = args;
    if release.is_some() || !allow.is_empty() {
        return Err(CliError::usage(
            "--release and --allow cannot be used with several services",
            "promote that service on its own first, then the others",
        ));
    }
    start(global, "/v1/sets/promote", &PromoteSet { services, from, to, because }, no_follow).await
}

/// Shows the consumers of a stage, or redeploys them.
pub async fn consumers(global: &Global, args: Consumers) -> Result<Exit, CliError> {
    let Consumers { service, stage, redeploy, because, no_follow } = args;
    let path = format!("/v1/services/{service}/stages/{stage}/consumers");
    if redeploy {
        return start(global, &format!("{path}/redeploy"), &RedeployConsumers { because }, no_follow).await;
    }
    let api = Api::connect(global).await?;
    let view: ConsumersView = api.get(&path).await?;
    if global.json {
        show::json(&view);
    } else {
        show_sets::consumers(&view);
    }
    Ok(Exit::Success)
}

async fn list(global: &Global, limit: u16) -> Result<Exit, CliError> {
    let api = Api::connect(global).await?;
    let page: Page<SetView> = api.get(&format!("/v1/sets?limit={limit}")).await?;
    if global.json {
        show::json(&page);
    } else {
        show_sets::list(&page.items);
    }
    Ok(Exit::Success)
}

/// Sends a request for a set and follows the set to its end, which should be `wanted`.
async fn bring<B: Serialize>(
    global: &Global,
    path: &str,
    request: &B,
    no_follow: bool,
    wanted: &str,
) -> Result<Exit, CliError> {
    let api = Api::connect(global).await?;
    let mut set: SetView = api.post(path, request).await?;
    if !no_follow {
        set = follow_path(&api, &format!("/v1/sets/{}", set.id), global.json).await?;
    }
    print(global, &set);
    Ok(if no_follow || set.status == wanted { Exit::Success } else { Exit::RolloutFailed })
}

/// Starts a set and follows it to its end.
async fn start<B: Serialize>(
    global: &Global,
    path: &str,
    request: &B,
    no_follow: bool,
) -> Result<Exit, CliError> {
    bring(global, path, request, no_follow, "succeeded").await
}

fn print(global: &Global, set: &SetView) {
    if global.json {
        show::json(set);
    } else {
        show_sets::set(set);
    }
}
