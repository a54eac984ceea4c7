//! The causes that a deployment finds itself, each with its fix.

use super::event::StackOwner;
use super::{ApiMapping, CodeMismatch, Deployment, DeploymentSpec, MappedApis, WeightedRecord};
use crate::cause::Cause;
use crate::code::{Code, storable};
use crate::names::StackName;
use crate::plan::Breach;

pub(super) fn always_stale(attempts: u32) -> Cause {
    Cause::new(
        Code::ChangeSetRefused,
        format!("{attempts} change sets were created and each became obsolete before it could be executed"),
        "another process keeps changing this stack; stop it, then retry the rollout",
    )
}

pub(super) fn deadline(deployment: &Deployment) -> Cause {
    let DeploymentSpec { stack, .. } = &deployment.spec;
    Cause::new(
        Code::DeadlinePassed,
        format!("the deployment was {} since {}", deployment.state.name(), deployment.entered_at),
        format!("check stack {stack} in {}, then retry the rollout", deployment.id.target.site.region),
    )
}

pub(super) fn traffic_aborted(record: Option<&WeightedRecord>) -> Cause {
    let what = match record {
        Some(record) => format!("the region gets no traffic: {record} has the weight 0"),
        None => "all traffic is back at the versions that ran before".to_owned(),
    };
    Cause::new(
        Code::TrafficAborted,
        what,
        "see why the rollout failed or was cancelled; fix it and upload again, or retry the rollout",
    )
}

/// The old versions could not get all traffic back.
pub(super) fn traffic_left(cause: &Cause, before: &Cause, deployment: &Deployment) -> Cause {
    let fix = match (&deployment.spec.mapping, &deployment.mapped) {
        (Some(mapping), Some(MappedApis { stable: Some(stable), .. })) => {
            format!(
                "let the API mapping {mapping} point at the API {stable} (aws apigatewayv2 update-api-mapping)"
            )
        }
        (Some(mapping), _) => {
            format!("delete the API mapping {mapping} (aws apigatewayv2 delete-api-mapping)")
        }
        _ if deployment.spec.record.is_some() => match &deployment.spec.record {
            Some(record) => {
                format!("give the record {record} the weight 0 (aws route53 change-resource-record-sets)")
            }
            None => String::new(),
        },
        _ => {
            let left = deployment.shared().map(|alias| format!("{} (version {})", alias.arn, alias.stable));
            let left: Vec<String> = left.collect();
            format!("give these versions all traffic (aws lambda update-alias): {}", left.join(", "))
        }
    };
    Cause::new(
        Code::TrafficNotRestored,
        storable(format!("{}; before: {}", cause.message, before.message)),
        storable(fix),
    )
}

/// The region could not get its traffic back.
pub(super) fn weight_left(cause: &Cause, before: Option<&Cause>, record: &WeightedRecord) -> Cause {
    let before = before.map_or("it was cancelled", |before| before.message.as_str());
    Cause::new(
        Code::TrafficNotRestored,
        storable(format!("{}; before: {before}", cause.message)),
        storable(format!(
            "give the record {record} the weight {} (aws route53 change-resource-record-sets)",
            record.weight
        )),
    )
}

/// The API mapping points at the stack that was to be updated while it gets no traffic.
pub(super) fn slot_is_live(mapping: &ApiMapping, stack: &StackName) -> Cause {
    Cause::new(
        Code::MappingChanged,
        storable(format!(
            "the API mapping {mapping} points at {stack}, which was to be updated without traffic"
        )),
        "the mapping was changed outside of Flotilla, which has recorded the slot that is live now: retry the rollout, which updates the other one",
    )
}

fn stuck(status: &str, how: &str) -> Cause {
    Cause::new(Code::StackStuck, format!("the stack is {status}"), format!("{how}, then retry the rollout"))
}

pub(super) fn never_stable(status: &str) -> Cause {
    stuck(status, "its first creation failed and the profile does not let Flotilla recreate it: delete it")
}

pub(super) fn half_deleted(status: &str) -> Cause {
    stuck(
        status,
        "finish its deletion (aws cloudformation delete-stack, retaining the resources that cannot be deleted)",
    )
}

pub(super) fn import_failed(status: &str) -> Cause {
    stuck(status, "finish or roll back the import")
}

pub(super) fn too_many_operations(operations: u32) -> Cause {
    Cause::new(
        Code::StackStuck,
        format!("{operations} operations on the stack did not bring it to a stable state"),
        "read the stack's events, fix the stack by hand, then retry the rollout",
    )
}

pub(super) fn lease_lost(stack: &StackName) -> Cause {
    Cause::new(
        Code::LeaseLost,
        format!("the lease of stack {stack} passed to another deployment"),
        "find the rollout that holds the stack (flotilla status), then retry the rollout",
    )
}

pub(super) fn foreign(owner: &StackOwner) -> Cause {
    Cause::new(
        Code::StackForeign,
        format!("the stack of this name belongs to service {} and stage {}", owner.service, owner.stage),
        "rename the service or the stage: <service>-<stage> must be unique",
    )
}

pub(super) fn replaced() -> Cause {
    Cause::new(
        Code::StackReplaced,
        "the stack was deleted, or deleted and recreated, while it was being deployed",
        "find out who deleted it (CloudTrail: DeleteStack), then retry the rollout",
    )
}

pub(super) fn stopped(by: &str) -> Cause {
    Cause::new(
        Code::Stopped,
        format!("the update was stopped by {by}; CloudFormation restored what was there"),
        "nothing to fix; retry the rollout or upload again when you want the update",
    )
}

pub(super) fn warned(warnings: &[String]) -> Cause {
    Cause::new(
        Code::ValidationWarned,
        format!("CloudFormation's validation warns: {}", warnings.join("; ")),
        "change what CloudFormation warns of and upload again, or let the profile proceed (validation_warnings = \"proceed\")",
    )
}

pub(super) fn drifted(properties: &[String]) -> Cause {
    let cause = Cause::new(
        Code::DriftFound,
        format!(
            "the change set would revert properties that were changed outside of CloudFormation: {}",
            properties.join(", ")
        ),
        "add the change to the template, or retry the rollout with --accept-drift",
    );
    match properties.first().and_then(|property| property.split('.').next()) {
        Some(resource) => cause.of(resource),
        None => cause,
    }
}

/// The failure of a recovery, with the failure that it should recover from.
pub(super) fn began_with(cause: Cause, before: &Cause) -> Cause {
    Cause {
        message: storable(format!("{}; the first failure was: {}", cause.message, before.message)),
        ..cause
    }
}

pub(super) fn code_differs(functions: &[CodeMismatch]) -> Cause {
    let list: Vec<String> = functions
        .iter()
        .map(|f| {
            let found = f.found.map_or_else(|| "nothing readable".to_owned(), |digest| digest.to_string());
            format!("{} runs {found} instead of {}", f.function, f.expected)
        })
        .collect();
    let cause = Cause::new(
        Code::CodeDiffers,
        list.join("; "),
        "the function was changed outside of CloudFormation: restore the package's code (aws lambda update-function-code), or upload a changed package",
    );
    match functions.first() {
        Some(first) => cause.of(first.function.clone()),
        None => cause,
    }
}

/// The change set was recreated after its plan was approved, and the new plan differs.
pub(super) fn not_approved() -> Cause {
    Cause::new(
        Code::PlanChanged,
        "the stack has changed since its plan was approved, and the new plan differs",
        "retry the rollout, read the new plan (flotilla plan), then approve it",
    )
}

/// The cause if safeguards refuse a plan. Approval is by name, so that nobody approves a loss they have not read.
pub(super) fn breached(breaches: &[Breach], removes: bool) -> Option<Cause> {
    let first = breaches.first()?;
    let messages: Vec<&str> = breaches.iter().map(|breach| breach.message.as_str()).collect();
    let mut names: Vec<&str> = breaches.iter().flat_map(|b| &b.names).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let allow: Vec<String> = names.iter().map(|name| format!("--allow {name}")).collect();
    let mut fixes = Vec::new();
    if removes {
        fixes.push(format!(
            "move its data, or take it out of the stack; if the data is not needed, approve the loss by name when you remove the stage: {}",
            allow.join(" ")
        ));
    } else if !names.is_empty() {
        fixes.push(format!(
            "keep the resource in the template, or retain it outside of the stack (DeletionPolicy and UpdateReplacePolicy: Retain); \
             if its data is not needed, approve the loss by name when you start or retry: {}",
            allow.join(" ")
        ));
    }
    if breaches.iter().any(|breach| breach.code == Code::TypeForbidden) {
        fixes.push(
            "remove the resource from the template, or its type from the profile's forbidden_types".into(),
        );
    }
    if breaches.iter().any(|breach| breach.code == Code::PlanUnchecked) {
        fixes.push("split the change into several smaller uploads".into());
    }
    let cause = Cause::new(first.code, messages.join("; "), fixes.join("; "));
    Some(match first.names.first() {
        Some(name) => cause.of(name.clone()),
        None => cause,
    })
}
