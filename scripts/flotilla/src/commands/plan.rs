//! `flotilla plan`: shows what a rollout changes, or would change.

use super::follow::follow;
use crate::api::Api;
use crate::args::{Global, Plan};
use crate::error::{CliError, Exit};
use crate::{show, show_plan};
use flotilla_contract::{PlanRequest, PlanView, RolloutView};

pub async fn run(global: &Global, args: Plan) -> Result<Exit, CliError> {
    let Plan { what, stage, release, from, verbose } = args;
    let api = Api::connect(global).await?;
    let (id, ended) = match stage {
        None => (what, None),
        Some(stage) => {
            let request = PlanRequest { stage, release, from };
            let asked: RolloutView = api.post(&format!("/v1/services/{what}/plan"), &request).await?;
            let rollout = follow(&api, &asked.id, global.json).await?;
            (rollout.id.clone(), Some(rollout))
        }
    };
    let plan: PlanView = api.get(&format!("/v1/rollouts/{id}/plan")).await?;
    let blocked = plan.targets.iter().any(|target| target.blocked.is_some());
    if global.json {
        show::json(&plan);
    } else {
        show_plan::lines(&plan, verbose).iter().for_each(|line| println!("{line}"));
        for target in plan.targets.iter().filter(|target| target.blocked.is_some()) {
            println!("{} {}", target.account, target.region);
            target.blocked.iter().for_each(|cause| show::cause("  ", cause));
        }
        // A rollout that failed before its plan was ready has a cause instead.
        if let Some(rollout) = ended.as_ref().filter(|rollout| rollout.status == "failed" && !blocked) {
            rollout.cause.iter().for_each(|cause| show::cause("  ", cause));
        }
    }
    let failed = blocked || ended.is_some_and(|rollout| rollout.status != "planned");
    Ok(if failed { Exit::RolloutFailed } else { Exit::Success })
}
