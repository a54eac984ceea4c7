//! The state store on DynamoDB.
//!
//! An item's attributes: `pk`, `sk`, `lock` (its version), `due_shard` and `due_at` (epoch milliseconds) if the
//! sweep observes it, `expires` (epoch seconds, the table's TTL), and the fields of its body.

use crate::classify::classify;
use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, KeysAndAttributes, Put, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem,
};
use flotilla_domain::Timestamp;
use flotilla_engine::ports::{
    Change, DueKey, ErrorKind, Expect, Item, ItemPage, Key, PortError, Query, StateStore, Write, WriteError,
    due_shard,
};
use std::collections::HashMap;

type Attributes = HashMap<String, AttributeValue>;

/// The index of due items.
const DUE_INDEX: &str = "due";
/// Attributes that do not belong to the body.
const OWN: [&str; 6] = ["pk", "sk", "lock", "due_shard", "due_at", "expires"];

/// The table.
#[derive(Debug, Clone)]
pub struct DynamoStateStore {
    client: Client,
    table: String,
}

impl DynamoStateStore {
    /// The table of this name.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    async fn put(&self, item: Item, expect: &Expect) -> Result<(), WriteError> {
        let attributes = to_attributes(item)?;
        let condition = Condition::of(expect);
        let sent = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(attributes.clone()))
            .set_condition_expression(condition.expression)
            .set_expression_attribute_names(condition.names)
            .set_expression_attribute_values(condition.values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match sent {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        match error.as_service_error() {
            // The response to our own write was lost and the SDK repeated it: the item is stored.
            Some(PutItemError::ConditionalCheckFailedException(failed))
                if failed.item() == Some(&attributes) =>
            {
                Ok(())
            }
            Some(
                PutItemError::ConditionalCheckFailedException(_)
                | PutItemError::TransactionConflictException(_),
            ) => Err(WriteError::Conflict(vec![0])),
            _ => Err(classify("dynamodb:PutItem", error).into()),
        }
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<(), WriteError> {
        const OPERATION: &str = "dynamodb:TransactWriteItems";
        let permanent = |e: String| PortError::new(ErrorKind::Permanent, OPERATION, e);
        let mut items = Vec::with_capacity(writes.len());
        for write in writes {
            let condition = Condition::of(&write.expect);
            let part = match write.change {
                Change::Put(item) => {
                    let put = Put::builder()
                        .table_name(&self.table)
                        .set_item(Some(to_attributes(item)?))
                        .set_condition_expression(condition.expression)
                        .set_expression_attribute_names(condition.names)
                        .set_expression_attribute_values(condition.values)
                        .build();
                    TransactWriteItem::builder().put(put.map_err(|e| permanent(e.to_string()))?)
                }
                Change::Check(key) => {
                    let check = ConditionCheck::builder()
                        .table_name(&self.table)
                        .set_key(Some(key_attributes(&key)))
                        .set_condition_expression(condition.expression)
                        .set_expression_attribute_names(condition.names)
                        .set_expression_attribute_values(condition.values)
                        .build();
                    TransactWriteItem::builder().condition_check(check.map_err(|e| permanent(e.to_string()))?)
                }
            };
            items.push(part.build());
        }
        // The SDK adds a client request token, so a repeat after a lost response is no conflict.
        let sent = self.client.transact_write_items().set_transact_items(Some(items)).send().await;
        sent.map(drop).map_err(|error| transaction_error(OPERATION, error))
    }
}

fn transaction_error(
    operation: &'static str,
    error: SdkError<TransactWriteItemsError, aws_smithy_runtime_api::http::Response>,
) -> WriteError {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
    else {
        return classify(operation, error).into();
    };
    let reasons = cancelled.cancellation_reasons();
    let places = |wanted: &[&str]| -> Vec<usize> {
        let found =
            reasons.iter().enumerate().filter(|(_, r)| r.code().is_some_and(|code| wanted.contains(&code)));
        found.map(|(place, _)| place).collect()
    };
    let conflicts = places(&["ConditionalCheckFailed", "TransactionConflict"]);
    if !conflicts.is_empty() {
        return WriteError::Conflict(conflicts);
    }
    let throttled = !places(&["ThrottlingError", "ProvisionedThroughputExceeded"]).is_empty();
    let kind = if throttled { ErrorKind::Throttled } else { ErrorKind::Permanent };
    let codes: Vec<&str> = reasons.iter().filter_map(|r| r.message().or(r.code())).collect();
    PortError::new(kind, operation, codes.join("; ")).into()
}

#[async_trait]
impl StateStore for DynamoStateStore {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, PortError> {
        if let [key] = keys {
            let got = self
                .client
                .get_item()
                .table_name(&self.table)
                .set_key(Some(key_attributes(key)))
                .consistent_read(true);
            let got = got.send().await.map_err(|e| classify("dynamodb:GetItem", e))?;
            return Ok(vec![got.item.map(from_attributes).transpose()?]);
        }
        const OPERATION: &str = "dynamodb:BatchGetItem";
        const ROUNDS_MAX: usize = 8;
        let mut found: HashMap<Key, Item> = HashMap::new();
        let mut left: Vec<Attributes> = keys.iter().map(key_attributes).collect();
        for round in 0..ROUNDS_MAX {
            if left.is_empty() {
                return Ok(keys.iter().map(|key| found.remove(key)).collect());
            }
            if round > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(20 << round)).await;
            }
            let request = KeysAndAttributes::builder().set_keys(Some(left)).consistent_read(true).build();
            let request =
                request.map_err(|e| PortError::new(ErrorKind::Permanent, OPERATION, e.to_string()))?;
            let got = self.client.batch_get_item().request_items(&self.table, request).send().await;
            let got = got.map_err(|e| classify(OPERATION, e))?;
            for attributes in got.responses.unwrap_or_default().into_values().flatten() {
                let item = from_attributes(attributes)?;
                found.insert(item.key.clone(), item);
            }
            let unprocessed = got.unprocessed_keys.unwrap_or_default();
            left = unprocessed.into_values().flat_map(|keys| keys.keys).collect();
        }
        Err(PortError::new(ErrorKind::Throttled, OPERATION, "some keys remain unprocessed"))
    }

    async fn query(&self, query: Query) -> Result<ItemPage, PortError> {
        let mut condition = "pk = :pk".to_owned();
        let mut values = HashMap::from([(":pk".to_owned(), AttributeValue::S(query.pk.clone()))]);
        if !query.prefix.is_empty() {
            condition.push_str(" AND begins_with(sk, :prefix)");
            values.insert(":prefix".to_owned(), AttributeValue::S(query.prefix));
        }
        let mut start = query.after.map(|sk| key_attributes(&Key::new(query.pk, sk)));
        let mut items = Vec::new();
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression(&condition)
                .set_expression_attribute_values(Some(values.clone()))
                .consistent_read(true)
                .scan_index_forward(!query.newest_first)
                .limit(i32::try_from(query.limit - items.len()).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|e| classify("dynamodb:Query", e))?;
            for attributes in page.items.unwrap_or_default() {
                items.push(from_attributes(attributes)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() || items.len() >= query.limit {
                return Ok(ItemPage { items, more: start.is_some() });
            }
        }
    }

    async fn write(&self, mut writes: Vec<Write>) -> Result<(), WriteError> {
        match &writes[..] {
            [] => Ok(()),
            [Write { change: Change::Put(_), .. }] => match writes.pop() {
                Some(Write { change: Change::Put(item), expect }) => self.put(item, &expect).await,
                _ => Ok(()),
            },
            _ => self.transact(writes).await,
        }
    }

    async fn due(&self, shard: u8, until: Timestamp, limit: usize) -> Result<Vec<DueKey>, PortError> {
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(DUE_INDEX)
            .key_condition_expression("due_shard = :shard AND due_at <= :until")
            .expression_attribute_values(":shard", AttributeValue::S(shard.to_string()))
            .expression_attribute_values(":until", AttributeValue::N(until.as_millisecond().to_string()))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|e| classify("dynamodb:Query", e))?;
        found.items.unwrap_or_default().iter().map(read_due).collect()
    }
}

/// Reads an item of the index of due items.
fn read_due(attributes: &Attributes) -> Result<DueKey, PortError> {
    let due_at = attributes.get("due_at").and_then(|value| value.as_n().ok());
    let due_at = due_at.and_then(|ms| ms.parse().ok()).and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let due_at = due_at.ok_or_else(|| unreadable("an item of the index has no due_at"))?;
    Ok(DueKey { due_at, key: read_key(attributes)? })
}

/// A write's condition as a DynamoDB expression.
struct Condition {
    expression: Option<String>,
    names: Option<HashMap<String, String>>,
    values: Option<Attributes>,
}

impl Condition {
    fn of(expect: &Expect) -> Self {
        match expect {
            Expect::Anything => Self { expression: None, names: None, values: None },
            Expect::Absent => {
                Self { expression: Some("attribute_not_exists(pk)".into()), names: None, values: None }
            }
            Expect::Version(version) => Self {
                expression: Some("#lock = :lock".into()),
                names: Some(HashMap::from([("#lock".into(), "lock".into())])),
                values: Some(HashMap::from([(":lock".into(), AttributeValue::N(version.to_string()))])),
            },
            Expect::AbsentOrFieldIn(field, allowed) => {
                let values = allowed.iter().enumerate();
                let values: Attributes =
                    values.map(|(n, value)| (format!(":v{n}"), AttributeValue::S(value.clone()))).collect();
                let mut names: Vec<&str> = values.keys().map(String::as_str).collect();
                names.sort_unstable();
                Self {
                    expression: Some(format!("attribute_not_exists(pk) OR #field IN ({})", names.join(", "))),
                    names: Some(HashMap::from([("#field".into(), (*field).into())])),
                    values: Some(values),
                }
            }
        }
    }
}

fn key_attributes(key: &Key) -> Attributes {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(key.pk.clone())),
        ("sk".to_owned(), AttributeValue::S(key.sk.clone())),
    ])
}

fn unreadable(what: impl std::fmt::Display) -> PortError {
    PortError::new(ErrorKind::Permanent, "dynamodb:item", what.to_string())
}

fn to_attributes(item: Item) -> Result<Attributes, PortError> {
    let mut attributes: Attributes = serde_dynamo::to_item(item.body).map_err(unreadable)?;
    attributes.extend(key_attributes(&item.key));
    attributes.insert("lock".into(), AttributeValue::N(item.version.to_string()));
    if let Some(due_at) = item.due_at {
        attributes.insert("due_shard".into(), AttributeValue::S(due_shard(&item.key).to_string()));
        attributes.insert("due_at".into(), AttributeValue::N(due_at.as_millisecond().to_string()));
    }
    if let Some(expires_at) = item.expires_at {
        attributes.insert("expires".into(), AttributeValue::N(expires_at.as_second().to_string()));
    }
    Ok(attributes)
}

fn read_key(attributes: &Attributes) -> Result<Key, PortError> {
    let text = |name: &str| {
        attributes.get(name).and_then(|a| a.as_s().ok()).ok_or_else(|| unreadable(format!("no {name}")))
    };
    Ok(Key::new(text("pk")?, text("sk")?))
}

pub(crate) fn from_attributes(mut attributes: Attributes) -> Result<Item, PortError> {
    let key = read_key(&attributes)?;
    let number =
        |name: &str| attributes.get(name).and_then(|a| a.as_n().ok()).and_then(|n| n.parse::<i64>().ok());
    let version = number("lock").and_then(|v| u64::try_from(v).ok()).ok_or_else(|| unreadable("no lock"))?;
    let due_at = number("due_at").and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let expires_at = number("expires").and_then(|s| Timestamp::from_second(s).ok());
    for own in OWN {
        attributes.remove(own);
    }
    Ok(Item {
        key,
        version,
        due_at,
        expires_at,
        body: serde_dynamo::from_item(attributes).map_err(unreadable)?,
    })
}
