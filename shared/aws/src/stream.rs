//! The table's stream: what was saved, as Lambda hands it on.

use crate::state_store::from_attributes;
use aws_lambda_events::dynamodb::StreamRecord;
use flotilla_engine::ports::{Item, PortError};

/// An item that was saved, and what it was before.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// What it was, if it was.
    pub before: Option<Item>,
    /// What it is.
    pub now: Item,
}

/// Reads a record; `None` if the item was removed.
///
/// # Errors
/// What is no item of ours.
pub fn read_saved(record: StreamRecord) -> Result<Option<Saved>, PortError> {
    let item = |image: serde_dynamo::Item| match image.is_empty() {
        true => Ok(None),
        false => from_attributes(image.into()).map(Some),
    };
    let before = item(record.old_image)?;
    Ok(item(record.new_image)?.map(|now| Saved { before, now }))
}
