//! Creates or updates the stacks of Flotilla itself and waits for them.

use crate::error::CliError;
use crate::error_text;
use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{Capability, Parameter, StackStatus, Tag};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::time::Duration;

/// A stack to create or update.
pub struct OwnStack<'a> {
    /// Its name.
    pub name: String,
    /// Its template; `None` keeps the current one.
    pub template: Option<&'a str>,
    /// Its parameters; `None` keeps the current value.
    pub parameters: Vec<(String, Option<String>)>,
}

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

/// Creates or updates a stack and waits for it.
pub async fn bring(config: &SdkConfig, stack: &OwnStack<'_>) -> Result<Brought, CliError> {
    let client = Client::new(config);
    let failed = |e: String| CliError::failed(format!("cannot deploy stack {}", stack.name), e);
    let parameters: Vec<Parameter> =
        stack.parameters.iter().map(|(name, value)| parameter(name, value.as_deref())).collect();
    let tag = Tag::builder().key("flotilla").value("control-plane").build();
    clear_failed(&client, &stack.name).await?;
    let exists = exists(&client, &stack.name).await?;
    let brought = if exists {
        let request = client.update_stack().stack_name(&stack.name).tags(tag);
        let request = request.set_template_body(stack.template.map(str::to_owned));
        let request = request.use_previous_template(stack.template.is_none());
        let sent = request
            .set_parameters(Some(parameters))
            .capabilities(Capability::CapabilityNamedIam)
            .send()
            .await;
        match sent {
            Ok(_) => Brought::Updated,
            Err(error) if error.message().is_some_and(|m| m.contains("No updates are to be performed")) => {
                Brought::Unchanged
            }
            Err(error) => return Err(failed(error_text(&error))),
        }
    } else {
        let request = client.create_stack().stack_name(&stack.name).tags(tag);
        let request = request.set_template_body(stack.template.map(str::to_owned));
        let sent = request
            .set_parameters(Some(parameters))
            .capabilities(Capability::CapabilityNamedIam)
            .send()
            .await;
        sent.map_err(|error| failed(error_text(&error)))?;
        Brought::Created
    };
    wait(&client, &stack.name).await?;
    Ok(brought)
}

fn parameter(name: &str, value: Option<&str>) -> Parameter {
    let parameter = Parameter::builder().parameter_key(name);
    match value {
        Some(value) => parameter.parameter_value(value).build(),
        None => parameter.use_previous_value(true).build(),
    }
}

/// Whether a stack exists. One in `REVIEW_IN_PROGRESS` has no resources yet and does not count.
pub async fn exists(client: &Client, name: &str) -> Result<bool, CliError> {
    match client.describe_stacks().stack_name(name).send().await {
        Ok(found) => Ok(found
            .stacks()
            .first()
            .is_some_and(|s| s.stack_status() != Some(&StackStatus::ReviewInProgress))),
        Err(error) if error.message().is_some_and(|m| m.contains("does not exist")) => Ok(false),
        Err(error) => Err(CliError::failed(format!("cannot read stack {name}"), error_text(&error))),
    }
}

/// Deletes a stack whose creation failed: CloudFormation cannot update such a stack.
async fn clear_failed(client: &Client, name: &str) -> Result<(), CliError> {
    /// Ten minutes.
    const POLLS_MAX: u32 = 300;
    for poll in 0..POLLS_MAX {
        let seen = client.describe_stacks().stack_name(name).send().await;
        // `exists` reads the stack again and reports errors other than a missing stack.
        let Ok(seen) = seen else { return Ok(()) };
        let status = seen.stacks().first().and_then(|s| s.stack_status()).map_or("", |s| s.as_str());
        match status {
            "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" if poll == 0 => {
                let sent = client.delete_stack().stack_name(name).send().await;
                sent.map_err(|e| {
                    CliError::failed(format!("cannot delete the failed stack {name}"), error_text(&e))
                })?;
            }
            "DELETE_IN_PROGRESS" => {}
            "DELETE_FAILED" => return Err(why(client, name, "DELETE_FAILED").await),
            _ if poll == 0 => return Ok(()),
            _ => {}
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    Err(CliError::failed(
        format!("cannot delete the failed stack {name}"),
        "its deletion did not end within ten minutes",
    ))
}

async fn wait(client: &Client, name: &str) -> Result<(), CliError> {
    /// Half an hour, in growing pauses of at most five seconds.
    const POLLS_MAX: u64 = 400;
    for poll in 0..POLLS_MAX {
        let seen = client.describe_stacks().stack_name(name).send().await;
        let seen = seen.map_err(|e| CliError::failed(format!("cannot read stack {name}"), error_text(&e)))?;
        let status =
            seen.stacks().first().and_then(|s| s.stack_status()).map_or("", |s| s.as_str()).to_owned();
        match status.as_str() {
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" => return Ok(()),
            running if running.ends_with("_IN_PROGRESS") => {}
            ended => return Err(why(client, name, ended).await),
        }
        tokio::time::sleep(Duration::from_millis((50 + poll * 100).min(5_000))).await;
    }
    Err(CliError::failed(format!("cannot deploy stack {name}"), "it did not settle within half an hour"))
}

/// An error with the first failure in the newest page of events.
async fn why(client: &Client, name: &str, status: &str) -> CliError {
    let events = client.describe_stack_events().stack_name(name).send().await;
    let events = events.map(|page| page.stack_events().to_vec()).unwrap_or_default();
    let failed = events.iter().rev().find(|e| {
        let reason = e.resource_status_reason().unwrap_or_default();
        e.resource_status().is_some_and(|s| s.as_str().ends_with("_FAILED")) && !reason.contains("cancelled")
    });
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
