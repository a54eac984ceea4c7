//! Route 53: weighted records.

use super::{Place, PortError};
use async_trait::async_trait;
use flotilla_domain::deployment::{RecordSeen, WeightedRecord};

/// The weighted records of the hosted zones in the target accounts.
#[async_trait]
pub trait WeightedRecords: Send + Sync {
    /// The record; `None` if there is none with its name, type and set identifier that has a weight.
    async fn find(&self, place: &Place, record: &WeightedRecord) -> Result<Option<RecordSeen>, PortError>;

    /// Changes the weight of a record from one to another, and nothing else of it. Returns the id of the change; `None` if the record has
    /// another weight by now, or was deleted.
    async fn set_weight(
        &self,
        place: &Place,
        record: &WeightedRecord,
        from: u8,
        to: u8,
    ) -> Result<Option<String>, PortError>;

    /// Whether all name servers have a change (`INSYNC`).
    async fn is_in_sync(&self, place: &Place, change: &str) -> Result<bool, PortError>;
}
