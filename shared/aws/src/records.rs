//! Route 53: weighted records.

use crate::Sessions;
use crate::classify::classify;
use async_trait::async_trait;
use aws_sdk_route53::Client;
use aws_sdk_route53::operation::change_resource_record_sets::ChangeResourceRecordSetsError;
use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ChangeStatus, ResourceRecordSet, RrType};
use flotilla_domain::deployment::{RecordSeen, WeightedRecord};
use flotilla_engine::ports::{Place, PortError, WeightedRecords};

const LIST: &str = "route53:ListResourceRecordSets";
/// What Route 53 answers as the TTL of an alias to most AWS resources, in seconds ("Choosing between alias and non-alias records").
const ALIAS_TTL_S: u32 = 60;
/// Most pages of the records of one name and type: a page has 300.
const PAGES_MAX: usize = 5;

/// Route 53.
#[derive(Debug, Clone)]
pub struct Route53Records {
    sessions: Sessions,
}

impl Route53Records {
    /// Route 53, through these sessions.
    pub fn new(sessions: Sessions) -> Self {
        Self { sessions }
    }

    async fn client(&self, place: &Place) -> Client {
        Client::new(&self.sessions.config(place).await)
    }
}

/// Whether two names of records are the same: Route 53 answers in lower case and with the dot at the end.
fn is_same(a: &str, b: &str) -> bool {
    a.trim_end_matches('.').eq_ignore_ascii_case(b.trim_end_matches('.'))
}

/// The weighted records of a record's name and type. Route 53 lists by name and type from there on.
async fn group(client: &Client, record: &WeightedRecord) -> Result<Vec<ResourceRecordSet>, PortError> {
    let record_type = RrType::from(record.record_type.as_str());
    let (mut found, mut identifier) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let request = client.list_resource_record_sets().hosted_zone_id(&record.zone);
        let request = request.start_record_name(&record.name).start_record_type(record_type.clone());
        let page = request.set_start_record_identifier(identifier).send().await;
        let page = page.map_err(|e| classify(LIST, e))?;
        let is_its =
            |set: &&ResourceRecordSet| is_same(set.name(), &record.name) && *set.r#type() == record_type;
        found.extend(
            page.resource_record_sets().iter().filter(is_its).filter(|set| set.weight().is_some()).cloned(),
        );
        let goes_on = page.is_truncated()
            && page.next_record_name().is_some_and(|name| is_same(name, &record.name))
            && page.next_record_type() == Some(&record_type);
        identifier = page.next_record_identifier().map(str::to_owned);
        if !goes_on || identifier.is_none() {
            break;
        }
    }
    Ok(found)
}

fn weight(set: &ResourceRecordSet) -> u8 {
    u8::try_from(set.weight().unwrap_or(0)).unwrap_or(u8::MAX)
}

async fn find(client: &Client, record: &WeightedRecord) -> Result<Option<RecordSeen>, PortError> {
    let group = group(client, record).await?;
    let is_it = |set: &&ResourceRecordSet| set.set_identifier() == Some(&record.set_identifier);
    let others = group.iter().filter(|set| !is_it(set)).map(|set| u64::from(weight(set))).sum();
    Ok(group.iter().find(is_it).map(|set| RecordSeen {
        weight: weight(set),
        ttl_s: set.ttl().map_or(ALIAS_TTL_S, |ttl| u32::try_from(ttl.max(0)).unwrap_or(u32::MAX)),
        others,
    }))
}

async fn set_weight(
    client: &Client,
    record: &WeightedRecord,
    from: u8,
    to: u8,
) -> Result<Option<String>, PortError> {
    const OPERATION: &str = "route53:ChangeResourceRecordSets";
    let group = group(client, record).await?;
    let is_it = |set: &&ResourceRecordSet| {
        set.set_identifier() == Some(&record.set_identifier) && weight(set) == from
    };
    let Some(before) = group.iter().find(is_it) else { return Ok(None) };
    let mut after = before.clone();
    after.weight = Some(to.into());
    let change = |action, set: &ResourceRecordSet| {
        Change::builder().action(action).resource_record_set(set.clone()).build()
    };
    // Route 53 deletes only what is exactly as the request says, so one that was changed meanwhile is left as it is. Both changes are made, or
    // none.
    let changes = [change(ChangeAction::Delete, before), change(ChangeAction::Create, &after)];
    let changes: Result<Vec<Change>, _> = changes.into_iter().collect();
    let batch = changes.and_then(|changes| ChangeBatch::builder().set_changes(Some(changes)).build());
    let batch = batch.map_err(|e| {
        PortError::new(flotilla_engine::ports::ErrorKind::Permanent, OPERATION, e.to_string())
    })?;
    match client.change_resource_record_sets().hosted_zone_id(&record.zone).change_batch(batch).send().await {
        Ok(changed) => Ok(changed.change_info().map(|info| info.id().to_owned())),
        Err(error) if error.as_service_error().is_some_and(says_changed) => Ok(None),
        Err(error) => Err(classify(OPERATION, error)),
    }
}

/// Whether a change was refused because the record is not what was read. Another reason stays one.
fn says_changed(error: &ChangeResourceRecordSetsError) -> bool {
    const TEXTS: [&str; 3] =
        ["values provided do not match the current values", "but it was not found", "but it already exists"];
    let ChangeResourceRecordSetsError::InvalidChangeBatch(invalid) = error else { return false };
    let mut said = invalid.messages().iter().map(String::as_str).chain(invalid.message());
    said.any(|said| TEXTS.iter().any(|text| said.contains(text)))
}

#[async_trait]
impl WeightedRecords for Route53Records {
    async fn find(&self, place: &Place, record: &WeightedRecord) -> Result<Option<RecordSeen>, PortError> {
        find(&self.client(place).await, record).await
    }

    async fn set_weight(
        &self,
        place: &Place,
        record: &WeightedRecord,
        from: u8,
        to: u8,
    ) -> Result<Option<String>, PortError> {
        set_weight(&self.client(place).await, record, from, to).await
    }

    async fn is_in_sync(&self, place: &Place, change: &str) -> Result<bool, PortError> {
        let id = change.trim_start_matches("/change/");
        let seen = self.client(place).await.get_change().id(id).send().await;
        let seen = seen.map_err(|e| classify("route53:GetChange", e))?;
        Ok(seen.change_info().is_some_and(|info| *info.status() == ChangeStatus::Insync))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_route53::operation::change_resource_record_sets::ChangeResourceRecordSetsOutput;
    use aws_sdk_route53::operation::list_resource_record_sets::ListResourceRecordSetsOutput;
    use aws_sdk_route53::types::error::InvalidChangeBatch;
    use aws_sdk_route53::types::{AliasTarget, ChangeInfo};
    use aws_smithy_mocks::{RuleMode, mock, mock_client};
    use aws_smithy_types::DateTime;

    fn record() -> WeightedRecord {
        WeightedRecord {
            zone: "Z1".into(),
            name: "Orders.example.com".into(),
            record_type: "A".into(),
            set_identifier: "eu-west-1".into(),
            weight: 100,
        }
    }

    /// An alias, or a record with a TTL, with a weight if it has any.
    fn set(identifier: &str, weight: Option<i64>, ttl: Option<i64>) -> ResourceRecordSet {
        let target =
            AliasTarget::builder().hosted_zone_id("Z2").dns_name("d-1.example.").evaluate_target_health(true);
        let set = ResourceRecordSet::builder()
            .name("orders.example.com.")
            .r#type(RrType::A)
            .set_identifier(identifier);
        let set = set.set_weight(weight).set_ttl(ttl).health_check_id("h1");
        let target = ttl.is_none().then(|| target.build().unwrap());
        set.set_alias_target(target).build().unwrap()
    }

    fn page(sets: Vec<ResourceRecordSet>, next: Option<&str>) -> ListResourceRecordSetsOutput {
        let page =
            ListResourceRecordSetsOutput::builder().set_resource_record_sets(Some(sets)).max_items(300);
        let page = page.is_truncated(next.is_some());
        let page = match next {
            Some(next) => page
                .next_record_name("orders.example.com.")
                .next_record_type(RrType::A)
                .next_record_identifier(next),
            None => page,
        };
        page.build().unwrap()
    }

    #[tokio::test]
    async fn a_record_is_found_among_those_of_its_name_with_the_weights_of_the_others() {
        let other_type = || {
            let mut other = set("eu-west-1", Some(7), Some(300));
            other.r#type = RrType::Aaaa;
            other
        };
        let first = mock!(Client::list_resource_record_sets)
            .match_requests(|r| r.start_record_identifier().is_none())
            .then_output(move || page(vec![set("ap-south-1", Some(50), None)], Some("eu-west-1")));
        let second = mock!(Client::list_resource_record_sets)
            .match_requests(|r| r.start_record_identifier() == Some("eu-west-1"))
            .then_output(move || {
                page(
                    vec![
                        set("eu-west-1", Some(100), None),
                        set("us-east-1", Some(0), None),
                        set("x", None, None),
                        other_type(),
                    ],
                    None,
                )
            });
        let client = mock_client!(aws_sdk_route53, RuleMode::MatchAny, [&first, &second]);
        let seen = find(&client, &record()).await.unwrap();
        assert_eq!(seen, Some(RecordSeen { weight: 100, ttl_s: 60, others: 50 }));
        let other = WeightedRecord { set_identifier: "x".into(), ..record() };
        assert_eq!(find(&client, &other).await.unwrap(), None, "it has no weight");
    }

    #[tokio::test]
    async fn only_the_weight_is_changed_and_only_of_what_was_read() {
        let list = || {
            mock!(Client::list_resource_record_sets)
                .then_output(|| page(vec![set("eu-west-1", Some(100), Some(30))], None))
        };
        let changed = mock!(Client::change_resource_record_sets)
            .match_requests(|request| {
                let changes = request.change_batch().unwrap().changes();
                let [delete, create] = changes else { return false };
                let expected = set("eu-west-1", Some(0), Some(30));
                delete.action() == &ChangeAction::Delete
                    && delete.resource_record_set() == Some(&set("eu-west-1", Some(100), Some(30)))
                    && create.action() == &ChangeAction::Create
                    && create.resource_record_set() == Some(&expected)
            })
            .then_output(|| {
                let info = ChangeInfo::builder()
                    .id("/change/C1")
                    .status(ChangeStatus::Pending)
                    .submitted_at(DateTime::from_secs(0));
                ChangeResourceRecordSetsOutput::builder().change_info(info.build().unwrap()).build()
            });
        let (listed, also_listed) = (list(), list());
        let client = mock_client!(aws_sdk_route53, RuleMode::MatchAny, [&listed, &changed]);
        assert_eq!(set_weight(&client, &record(), 100, 0).await.unwrap().as_deref(), Some("/change/C1"));
        assert_eq!(set_weight(&client, &record(), 50, 0).await.unwrap(), None, "it has another weight");

        let refused = |text: &'static str| {
            ChangeResourceRecordSetsError::InvalidChangeBatch(
                InvalidChangeBatch::builder().message(text).build(),
            )
        };
        assert!(
            !says_changed(&refused("Invalid request: there is no such alias target")),
            "that stays wrong"
        );
        let conflict = mock!(Client::change_resource_record_sets).then_error(move || {
            refused("Tried to delete resource record set [name='orders.example.com.', type='A'] but the values provided do not match the current values")
        });
        let client = mock_client!(aws_sdk_route53, RuleMode::MatchAny, [&also_listed, &conflict]);
        assert_eq!(set_weight(&client, &record(), 100, 0).await.unwrap(), None, "it was changed meanwhile");
    }
}
