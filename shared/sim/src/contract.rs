//! What every implementation of a port must do: the same tests run against the fakes here and against the
//! adapters on a running emulator, so that the fakes cannot drift from what a real client sees.

use flotilla_domain::Timestamp;
use flotilla_engine::ports::{Expect, Item, Key, Query, StateStore, Write, WriteError, due_shard};
use serde_json::json;

fn item(pk: &str, sk: &str, version: u64, text: &str) -> Item {
    let body = json!({"text": text, "list": [1, "two", {"three": true}], "empty": {}});
    let body = body.as_object().cloned().unwrap_or_default();
    Item { key: Key::new(pk, sk), version, due_at: None, expires_at: None, body }
}

fn write(item: Item, expect: Expect) -> Write {
    Write { item, expect }
}

fn query(pk: &str, prefix: &str, limit: usize) -> Query {
    Query { pk: pk.into(), prefix: prefix.into(), after: None, newest_first: false, limit }
}

/// The table's contract. `space` keeps this run's items apart from others'.
///
/// # Panics
/// When the store does something else.
pub async fn state_store(store: &dyn StateStore, space: &str) {
    let pk = format!("{space}#items");
    items_come_back_as_they_were_written(store, &pk).await;
    conditions_decide(store, &format!("{space}#conditions")).await;
    a_transaction_is_written_whole_or_not_at_all(store, &format!("{space}#transaction")).await;
    queries_page_in_both_directions(store, &format!("{space}#query")).await;
    due_items_are_found_by_their_time(store, &format!("{space}#due")).await;
}

async fn items_come_back_as_they_were_written(store: &dyn StateStore, pk: &str) {
    let mut one = item(pk, "one", 7, "ü");
    one.due_at = Timestamp::from_millisecond(1_900_000_000_123).ok();
    one.expires_at = Timestamp::from_second(1_900_000_001).ok();
    store.write(vec![write(one.clone(), Expect::Absent)]).await.expect("it is absent");
    let keys = [Key::new(pk, "one"), Key::new(pk, "none")];
    assert_eq!(store.get(&keys[..1]).await.expect("a read"), [Some(one.clone())]);
    assert_eq!(store.get(&keys).await.expect("a read"), [Some(one), None]);
}

async fn conditions_decide(store: &dyn StateStore, pk: &str) {
    let put = |version, text, expect| write(item(pk, "a", version, text), expect);
    let conflict = Err(WriteError::Conflict(vec![0]));
    assert_eq!(store.write(vec![put(2, "x", Expect::Version(1))]).await, conflict, "there is none yet");
    assert_eq!(store.write(vec![put(1, "x", Expect::Absent)]).await, Ok(()));
    assert_eq!(store.write(vec![put(1, "y", Expect::Absent)]).await, conflict);
    assert_eq!(store.write(vec![put(2, "y", Expect::Version(1))]).await, Ok(()));
    assert_eq!(
        store.write(vec![put(2, "z", Expect::Version(1))]).await,
        conflict,
        "q01: a stale version loses"
    );
    let in_field =
        |values: &[&str]| Expect::AbsentOrFieldIn("text", values.iter().map(|v| (*v).to_owned()).collect());
    assert_eq!(store.write(vec![put(3, "z", in_field(&["x", "other"]))]).await, conflict);
    assert_eq!(store.write(vec![put(3, "z", in_field(&["x", "y"]))]).await, Ok(()));
    assert_eq!(
        store.write(vec![write(item(pk, "b", 1, "n"), in_field(&["x"]))]).await,
        Ok(()),
        "it is absent"
    );
    assert_eq!(store.write(vec![put(9, "any", Expect::Anything)]).await, Ok(()));
}

async fn a_transaction_is_written_whole_or_not_at_all(store: &dyn StateStore, pk: &str) {
    let put = |sk: &str, expect| write(item(pk, sk, 1, sk), expect);
    store.write(vec![put("a", Expect::Absent), put("b", Expect::Absent)]).await.expect("both are absent");
    let mixed = vec![put("c", Expect::Absent), put("b", Expect::Absent), put("d", Expect::Absent)];
    assert_eq!(
        store.write(mixed).await,
        Err(WriteError::Conflict(vec![1])),
        "the place that failed is named"
    );
    let found = store.query(query(pk, "", 10)).await.expect("a query").items;
    assert_eq!(found.iter().map(|i| i.key.sk.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(store.write(Vec::new()).await, Ok(()), "nothing to write is written");
}

async fn queries_page_in_both_directions(store: &dyn StateStore, pk: &str) {
    for sk in ["X#1", "X#2", "X#3", "Y#1"] {
        store.write(vec![write(item(pk, sk, 1, sk), Expect::Absent)]).await.expect("it is absent");
    }
    let names = |items: &[Item]| items.iter().map(|i| i.key.sk.clone()).collect::<Vec<_>>();
    let first = store.query(query(pk, "X#", 2)).await.expect("a query");
    assert_eq!((names(&first.items), first.more), (vec!["X#1".into(), "X#2".into()], true));
    let rest = store.query(Query { after: Some("X#2".into()), ..query(pk, "X#", 2) }).await.expect("a query");
    assert_eq!((names(&rest.items), rest.more), (vec!["X#3".into()], false));
    let newest = store.query(Query { newest_first: true, ..query(pk, "X#", 1) }).await.expect("a query");
    assert_eq!((names(&newest.items), newest.more), (vec!["X#3".into()], true));
    let older = Query { newest_first: true, after: Some("X#3".into()), ..query(pk, "X#", 5) };
    assert_eq!(names(&store.query(older).await.expect("a query").items), ["X#2", "X#1"]);
    assert!(store.query(query(pk, "Z#", 5)).await.expect("a query").items.is_empty());
}

async fn due_items_are_found_by_their_time(store: &dyn StateStore, pk: &str) {
    let at = |second| Timestamp::from_second(second).expect("a time");
    let due = |sk: &str, second| Item { due_at: Some(at(second)), ..item(pk, sk, 1, sk) };
    let (early, late, never) = (due("early", 1_000), due("late", 3_000), item(pk, "never", 1, "never"));
    for one in [&early, &late, &never] {
        store.write(vec![write((*one).clone(), Expect::Absent)]).await.expect("it is absent");
    }
    let ours =
        |keys: Vec<Key>| keys.into_iter().filter(|key| key.pk == pk).map(|key| key.sk).collect::<Vec<_>>();
    let shard = due_shard(&early.key);
    assert_eq!(ours(store.due(shard, at(2_000), 100).await.expect("a query")), ["early"]);
    assert!(ours(store.due(shard, at(999), 100).await.expect("a query")).is_empty());
    let done = Item { due_at: None, version: 2, ..early };
    store.write(vec![write(done, Expect::Version(1))]).await.expect("it has version 1");
    assert!(ours(store.due(shard, at(2_000), 100).await.expect("a query")).is_empty());
}
