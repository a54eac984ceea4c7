//! Creates or updates the stacks of Flotilla itself and waits for them. A stack that an earlier run left in another state than a
//! settled one is repaired first.

use super::create::create;
use super::names;
use super::own_stack::OwnStack;
use super::polling::{POLLS_MAX, pause, unsettled};
use crate::error::CliError;
use crate::{error_text, home};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{Capability, Parameter, Stack, Tag, TemplateStage};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What happened to a stack. Its text appears in the progress output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brought {
    /// It was created.
    Created,
    /// It was updated.
    Updated,
    /// There was nothing to update.
    Unchanged,
}

impl std::fmt::Display for Brought {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        })
    }
}

/// What a stack needs next, by its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// To be created.
    Create,
    /// To be updated: it is settled.
    Update,
    /// To be deleted: CloudFormation cannot update it.
    Delete,
    /// To have its rollback continued: CloudFormation cannot update it before.
    ContinueRollback,
    /// Time: an operation is in progress.
    Time,
}

/// What a stack with this status needs; without one, there is no such stack.
fn need(status: Option<&str>) -> Need {
    match status {
        None | Some("DELETE_COMPLETE") => Need::Create,
        Some(
            "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" | "DELETE_FAILED"
            | "REVIEW_IN_PROGRESS",
        ) => Need::Delete,
        Some("UPDATE_ROLLBACK_FAILED") => Need::ContinueRollback,
        Some(running) if running.ends_with("_IN_PROGRESS") => Need::Time,
        Some(_) => Need::Update,
    }
}

/// Creates or updates a stack and waits for it.
pub async fn bring(config: &SdkConfig, stack: &OwnStack<'_>) -> Result<Brought, CliError> {
    let client = Client::new(config);
    let name = stack.name.as_str();
    let failed = |e: String| CliError::failed(format!("cannot deploy stack {name}"), e);
    let existing = repaired(&client, name).await?;
    let tag = Tag::builder().key("flotilla").value("control-plane").build();
    let parameters = parameters(stack, existing.as_ref());
    let brought = match existing {
        Some(_) => {
            let request = client.update_stack().stack_name(name).tags(tag);
            let request =
                request.set_template_body(stack.body()).set_template_url(stack.template_url.clone());
            let request = request.use_previous_template(stack.template.is_none());
            let request =
                request.set_parameters(Some(parameters)).capabilities(Capability::CapabilityNamedIam);
            match request.send().await {
                Ok(_) => Brought::Updated,
                // It is settled already, perhaps in UPDATE_ROLLBACK_COMPLETE.
                Err(error)
                    if error.message().is_some_and(|m| m.contains("No updates are to be performed")) =>
                {
                    return Ok(Brought::Unchanged);
                }
                Err(error) => return Err(failed(error_text(&error))),
            }
        }
        None => {
            create(&client, stack, parameters, tag).await?;
            Brought::Created
        }
    };
    wait(&client, name).await?;
    Ok(brought)
}

/// The parameters of the call. CloudFormation gives a parameter that an update omits the template's default, so every parameter that
/// the stack has and the template still declares is sent: with its new value, or to keep the previous one.
fn parameters(stack: &OwnStack<'_>, existing: Option<&Stack>) -> Vec<Parameter> {
    let set = |(name, value): &(String, String)| {
        Parameter::builder().parameter_key(name).parameter_value(value).build()
    };
    let declared: Option<BTreeSet<&str>> = stack.template.map(|template| declared(template).collect());
    let known = existing.map_or(&[][..], Stack::parameters).iter().filter_map(Parameter::parameter_key);
    let kept = known
        .filter(|name| declared.as_ref().is_none_or(|declared| declared.contains(name)))
        .filter(|name| stack.parameters.iter().all(|(given, _)| given != name))
        .map(|name| Parameter::builder().parameter_key(name).use_previous_value(true).build());
    stack.parameters.iter().map(set).chain(kept).collect()
}

/// The names of the parameters of one of the templates in `infra/`.
fn declared(template: &str) -> impl Iterator<Item = &str> {
    let section = template.lines().skip_while(|line| *line != "Parameters:").skip(1);
    let section = section.take_while(|line| line.is_empty() || line.starts_with([' ', '#']));
    section
        .filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':').filter(|name| !name.starts_with(' ')))
}

fn status(stack: &Stack) -> &str {
    stack.stack_status().map_or("", |status| status.as_str())
}

/// What there is to know of a stack of Flotilla itself.
#[derive(Debug, Clone)]
pub struct StackState {
    /// CloudFormation's status.
    pub status: String,
    /// Whether it can be used and updated as it is.
    pub settled: bool,
    /// Whether its template is that of this version.
    pub current: bool,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
}

/// Reads a stack, and compares its template; `None` if it does not exist.
pub async fn state(config: &SdkConfig, name: &str, template: &str) -> Result<Option<StackState>, CliError> {
    let client = Client::new(config);
    let Some(stack) = home::stack(&client, name).await? else { return Ok(None) };
    let body = client.get_template().stack_name(name).template_stage(TemplateStage::Original).send().await;
    let body = body
        .map_err(|e| CliError::failed(format!("cannot read the template of stack {name}"), error_text(&e)))?;
    Ok(Some(StackState {
        status: status(&stack).to_owned(),
        settled: need(Some(status(&stack))) == Need::Update,
        current: body.template_body().is_some_and(|body| names::same(body, template)),
        parameters: home::parameters_of(&stack),
        outputs: home::outputs_of(&stack),
    }))
}

/// Whether a stack exists and can be used and updated as it is.
pub async fn is_settled(config: &SdkConfig, name: &str) -> Result<bool, CliError> {
    let found = home::stack(&Client::new(config), name).await?;
    Ok(need(found.as_ref().map(status)) == Need::Update)
}

/// Whether a stack exists, in whatever state.
pub async fn is_there(config: &SdkConfig, name: &str) -> Result<bool, CliError> {
    let found = home::stack(&Client::new(config), name).await?;
    Ok(need(found.as_ref().map(status)) != Need::Create)
}

/// Deletes a stack and waits until it is gone.
pub async fn delete(config: &SdkConfig, name: &str) -> Result<(), CliError> {
    let client = Client::new(config);
    let sent = client.delete_stack().stack_name(name).send().await;
    sent.map_err(|e| CliError::failed(format!("cannot delete stack {name}"), error_text(&e)))?;
    for poll in 0..POLLS_MAX {
        match home::stack(&client, name).await?.as_ref().map_or("DELETE_COMPLETE", status) {
            "DELETE_COMPLETE" => return Ok(()),
            "DELETE_FAILED" => return Err(why(&client, name, "DELETE_FAILED").await),
            _ => pause(poll).await,
        }
    }
    Err(unsettled(name))
}

/// The stack, once it can be updated; `None` once it can be created. Each repair is tried once.
async fn repaired(client: &Client, name: &str) -> Result<Option<Stack>, CliError> {
    let mut tried = BTreeSet::new();
    for poll in 0..POLLS_MAX {
        let found = home::stack(client, name).await?;
        let status = found.as_ref().map(status);
        let need = need(status);
        match need {
            Need::Create => return Ok(None),
            Need::Update => return Ok(found),
            Need::Time => {}
            _ if !tried.insert(need) => return Err(why(client, name, status.unwrap_or_default()).await),
            Need::Delete => {
                let sent = client.delete_stack().stack_name(name).send().await;
                sent.map_err(|e| {
                    CliError::failed(format!("cannot delete the failed stack {name}"), error_text(&e))
                })?;
            }
            Need::ContinueRollback => {
                let sent = client.continue_update_rollback().stack_name(name).send().await;
                sent.map_err(|e| {
                    CliError::failed(format!("cannot continue the rollback of stack {name}"), error_text(&e))
                })?;
            }
        }
        if need != Need::Time {
            // The status says so a moment later.
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        pause(poll).await;
    }
    Err(unsettled(name))
}

async fn wait(client: &Client, name: &str) -> Result<(), CliError> {
    for poll in 0..POLLS_MAX {
        let found = home::stack(client, name).await?;
        match found.as_ref().map_or("DELETE_COMPLETE", status) {
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" => return Ok(()),
            running if running.ends_with("_IN_PROGRESS") => {}
            ended => return Err(why(client, name, ended).await),
        }
        pause(poll).await;
    }
    Err(unsettled(name))
}

/// Names of buckets are global. A bucket of this account's own is imported, so this one is another account's.
fn bucket_taken(stack: &str, bucket: &str) -> CliError {
    CliError::usage(
        format!("stack {stack} cannot be created: another account has a bucket {bucket}"),
        "install with another prefix (--prefix): it is part of the names of all buckets",
    )
}

/// An error with the first failure in the newest page of events.
async fn why(client: &Client, name: &str, status: &str) -> CliError {
    let events = client.describe_stack_events().stack_name(name).send().await;
    let events = events.map(|page| page.stack_events().to_vec()).unwrap_or_default();
    let failed = events.iter().rev().find(|e| {
        let reason = e.resource_status_reason().unwrap_or_default();
        e.resource_status().is_some_and(|s| s.as_str().ends_with("_FAILED")) && !reason.contains("cancelled")
    });
    if let Some(event) = failed
        && event.resource_type() == Some("AWS::S3::Bucket")
        && event.resource_status_reason().is_some_and(|reason| reason.contains("already exists"))
    {
        return bucket_taken(name, event.physical_resource_id().unwrap_or("of the template"));
    }
    let why = failed.map_or_else(
        || "CloudFormation gave no reason".to_owned(),
        |event| {
            format!(
                "{}: {}",
                event.logical_resource_id().unwrap_or_default(),
                event.resource_status_reason().unwrap_or_default()
            )
        },
    );
    CliError::failed(format!("stack {name} is {status}"), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_of_a_stack_says_what_it_needs() {
        for (status, expected) in [
            (None, Need::Create),
            (Some("DELETE_COMPLETE"), Need::Create),
            (Some("REVIEW_IN_PROGRESS"), Need::Delete),
            (Some("ROLLBACK_COMPLETE"), Need::Delete),
            (Some("CREATE_FAILED"), Need::Delete),
            (Some("DELETE_FAILED"), Need::Delete),
            (Some("UPDATE_ROLLBACK_FAILED"), Need::ContinueRollback),
            (Some("UPDATE_IN_PROGRESS"), Need::Time),
            (Some("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"), Need::Time),
            (Some("UPDATE_ROLLBACK_COMPLETE"), Need::Update),
            (Some("CREATE_COMPLETE"), Need::Update),
            (Some("IMPORT_COMPLETE"), Need::Update),
        ] {
            assert_eq!(need(status), expected, "{status:?}");
        }
    }

    /// The parameters of an update of a stack that has `Prefix`, `Topic` and `Old`.
    fn updated(template: Option<&str>) -> Vec<(String, Option<String>)> {
        let known = ["Prefix", "Topic", "Old"].map(|name| Parameter::builder().parameter_key(name).build());
        let existing = Stack::builder().set_parameters(Some(known.to_vec())).build();
        let given = vec![("Prefix".to_owned(), "f".to_owned())];
        let stack = OwnStack { name: "s".into(), template, template_url: None, parameters: given };
        let pair = |p: &Parameter| {
            assert_ne!(p.parameter_value().is_some(), p.use_previous_value() == Some(true));
            (p.parameter_key().unwrap().to_owned(), p.parameter_value().map(str::to_owned))
        };
        parameters(&stack, Some(&existing)).iter().map(pair).collect()
    }

    #[test]
    fn an_update_keeps_each_parameter_that_it_is_not_given() {
        let template = "Parameters:\n  Prefix:\n    Type: String\n\n  # A topic.\n  Topic:\n    Type: String\n  New:\n\nResources:\n  Old:\n";
        let (prefix, kept) =
            (("Prefix".to_owned(), Some("f".to_owned())), |name: &str| (name.to_owned(), None));
        assert_eq!(updated(Some(template)), [prefix.clone(), kept("Topic")]);
        assert_eq!(updated(None), [prefix, kept("Topic"), kept("Old")]);
    }

    #[test]
    fn the_parameters_of_the_templates_are_found() {
        let found: Vec<&str> = declared(include_str!("../../../../infra/regional.yaml")).collect();
        assert_eq!(found, ["Prefix", "KmsKeyArn", "EventBusArn", "RequireTls"]);
        let account: Vec<&str> = declared(include_str!("../../../../infra/account.yaml")).collect();
        assert!(
            account.contains(&"PreviewMark") && account.last() == Some(&"PreviewPolicyArns"),
            "{account:?}"
        );
    }
}
