//! Hosted zones of Route 53.

use crate::error::{Doing, LabError};
use aws_config::SdkConfig;
use aws_sdk_route53::Client;
use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType};

/// Creates a hosted zone with weighted records of one name, as its owner does: each has its set identifier in its value. Answers its id.
///
/// # Errors
/// Route 53 refuses.
pub async fn create(
    config: &SdkConfig,
    name: &str,
    ttl_s: i64,
    weights: &[(&str, u8)],
) -> Result<String, LabError> {
    let client = Client::new(config);
    let domain = name.split_once('.').map_or(name, |(_, domain)| domain);
    let created = client.create_hosted_zone().name(domain).caller_reference(name).send().await;
    let created = created.doing("creating a hosted zone")?;
    let id = created.hosted_zone().map(|zone| zone.id().trim_start_matches("/hostedzone/").to_owned());
    let id = id.unwrap_or_default();
    let mut batch = ChangeBatch::builder();
    for (identifier, weight) in weights {
        let value =
            ResourceRecord::builder().value(format!("{identifier}.example.net")).build().doing("a value")?;
        let set = ResourceRecordSet::builder().name(name).r#type(RrType::Cname).set_identifier(*identifier);
        let set =
            set.weight((*weight).into()).ttl(ttl_s).resource_records(value).build().doing("a record")?;
        let change = Change::builder().action(ChangeAction::Create).resource_record_set(set).build();
        batch = batch.changes(change.doing("a change")?);
    }
    let batch = batch.build().doing("the changes")?;
    let changed = client.change_resource_record_sets().hosted_zone_id(&id).change_batch(batch).send().await;
    changed.doing("creating the records")?;
    Ok(id)
}
