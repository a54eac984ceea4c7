//! Creates a stack of Flotilla itself. Buckets and the table that an earlier installation left behind (`--keep-data`) become part of the
//! new stack: CloudFormation imports existing resources of the same names only by a change set.

use super::own_stack::OwnStack;
use super::polling::{POLLS_MAX, pause, unsettled};
use crate::error::CliError;
use crate::error_text;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{Capability, ChangeSetStatus, ChangeSetType, Parameter, Tag};

const CHANGE_SET: &str = "flotilla-install";

/// Begins to create a stack.
pub(super) async fn create(
    client: &Client,
    stack: &OwnStack<'_>,
    parameters: Vec<Parameter>,
    tag: Tag,
) -> Result<(), CliError> {
    let name = stack.name.as_str();
    let failed = |e: String| CliError::failed(format!("cannot create stack {name}"), e);
    let request = client.create_change_set().stack_name(name).change_set_name(CHANGE_SET);
    let request = request.change_set_type(ChangeSetType::Create).import_existing_resources(true);
    let request = request.set_template_body(stack.body()).set_template_url(stack.template_url.clone());
    let request = request.set_parameters(Some(parameters)).tags(tag);
    let sent = request.capabilities(Capability::CapabilityNamedIam).send().await;
    sent.map_err(|e| failed(error_text(&e)))?;
    for poll in 0..POLLS_MAX {
        let found = client.describe_change_set().stack_name(name).change_set_name(CHANGE_SET).send().await;
        let found = found.map_err(|e| failed(error_text(&e)))?;
        match found.status() {
            Some(ChangeSetStatus::CreateComplete) => {
                let sent =
                    client.execute_change_set().stack_name(name).change_set_name(CHANGE_SET).send().await;
                return sent.map(|_| ()).map_err(|e| failed(error_text(&e)));
            }
            Some(ChangeSetStatus::Failed) => {
                return Err(failed(
                    found.status_reason().unwrap_or("CloudFormation gave no reason").to_owned(),
                ));
            }
            _ => pause(poll).await,
        }
    }
    Err(unsettled(name))
}
