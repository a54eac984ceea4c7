//! Records of the table's stream, as Lambda delivers them.

use crate::state_store::from_attributes;
use aws_lambda_events::dynamodb::StreamRecord;
use flotilla_engine::ports::{Item, PortError};

/// A saved item, and its previous form.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// The item before, if it existed.
    pub before: Option<Item>,
    /// The item now.
    pub now: Item,
}

/// Reads a record; `None` if the item was removed.
///
/// # Errors
/// An image that is not an item of Flotilla.
pub fn read_saved(record: StreamRecord) -> Result<Option<Saved>, PortError> {
    let item = |image: serde_dynamo::Item| match image.is_empty() {
        true => Ok(None),
        false => from_attributes(image.into()).map(Some),
    };
    let before = item(record.old_image)?;
    Ok(item(record.new_image)?.map(|now| Saved { before, now }))
}
