//! The contract of the state store.

use super::{Bench, Quirk};
use flotilla_domain::Timestamp;
use flotilla_engine::ports::{
    DueKey, ErrorKind, Expect, Item, Key, Query, StateStore, Write, WriteError, due_shard,
};
use serde_json::json;

fn item(pk: &str, sk: &str, version: u64, text: &str) -> Item {
    let body = json!({
        "text": text, "list": [1, "two", {"three": true}], "empty": {}, "blank": "",
        "numbers": [0, -1, 9_007_199_254_740_993_u64, 0.5], "flags": [true, false, null],
    });
    let body = body.as_object().cloned().unwrap_or_default();
    Item { key: Key::new(pk, sk), version, due_at: None, expires_at: None, body }
}

fn write(item: Item, expect: Expect) -> Write {
    Write::put(item, expect)
}

fn query(pk: &str, prefix: &str, limit: usize) -> Query {
    Query { pk: pk.into(), prefix: prefix.into(), after: None, newest_first: false, limit }
}

/// The contract of the state store.
///
/// # Panics
/// If the store violates it.
pub async fn state_store(store: &dyn StateStore, bench: &dyn Bench) {
    let space = bench.space();
    let pk = format!("{space}#items");
    items_come_back_as_they_were_written(store, &pk).await;
    conditions_decide(store, &format!("{space}#conditions")).await;
    a_transaction_is_written_whole_or_not_at_all(store, &format!("{space}#transaction")).await;
    large_transactions_and_reads_are_whole(store, &format!("{space}#many")).await;
    queries_page_in_both_directions(store, &format!("{space}#query")).await;
    pages_follow_each_other_to_the_end(store, &format!("{space}#pages")).await;
    large_items_are_kept_up_to_the_limit(store, bench, &format!("{space}#large")).await;
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
    // Q10: an identical write may be treated as a repetition whose reply was lost, or as a conflict. Both are allowed:
    // DynamoDB cannot distinguish them, and the item is the same.
    store.write(vec![put(10, "own", Expect::Version(9))]).await.expect("it has version 9");
    let again = store.write(vec![put(10, "own", Expect::Version(9))]).await;
    assert!(again.is_ok() || again == conflict, "{again:?}");
    let found = store.get(&[Key::new(pk, "a")]).await.expect("a read");
    assert_eq!(found, [Some(item(pk, "a", 10, "own"))]);
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
    let worse = vec![put("b", Expect::Absent), put("c", Expect::Absent), put("a", Expect::Version(7))];
    assert_eq!(store.write(worse).await, Err(WriteError::Conflict(vec![0, 2])), "all places that failed");
    let found = store.query(query(pk, "", 10)).await.expect("a query").items;
    assert_eq!(found.iter().map(|i| i.key.sk.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(store.write(Vec::new()).await, Ok(()), "nothing to write is written");
}

async fn large_transactions_and_reads_are_whole(store: &dyn StateStore, pk: &str) {
    let key = |n: usize| Key::new(pk, format!("{n:03}"));
    let items: Vec<Item> = (0..100).map(|n| item(pk, &key(n).sk, 1, "x")).collect();
    let writes = items.iter().map(|item| write(item.clone(), Expect::Absent)).collect();
    store.write(writes).await.expect("a hundred are taken");
    // Reversed, and half of them missing: results are in the order of the keys.
    let keys: Vec<Key> = (50..150).rev().map(key).collect();
    let found = store.get(&keys).await.expect("a read");
    let wanted: Vec<Option<Item>> = (50..150).rev().map(|n| items.get(n).cloned()).collect();
    assert!(found == wanted, "a hundred keys are answered in their order");
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

async fn pages_follow_each_other_to_the_end(store: &dyn StateStore, pk: &str) {
    let names: Vec<String> = (0..6).map(|n| format!("P#{n}")).collect();
    for sk in &names {
        store.write(vec![write(item(pk, sk, 1, sk), Expect::Absent)]).await.expect("it is absent");
    }
    // Six items in pages of two: DynamoDB may announce another page after the last item, which is then empty.
    let (mut found, mut after) = (Vec::new(), None);
    for _ in 0..5 {
        let page = store.query(Query { after: after.clone(), ..query(pk, "P#", 2) }).await.expect("a query");
        assert!(page.items.len() <= 2);
        found.extend(page.items.into_iter().map(|item| item.key.sk));
        after = found.last().cloned();
        if !page.more {
            break;
        }
    }
    assert_eq!(found, names);
}

/// Q11.
async fn large_items_are_kept_up_to_the_limit(store: &dyn StateStore, bench: &dyn Bench, pk: &str) {
    let large = "x".repeat(300_000);
    for sk in ["a", "b", "c", "d", "e"] {
        store.write(vec![write(item(pk, sk, 1, &large), Expect::Absent)]).await.expect("it is absent");
    }
    // More than one page of DynamoDB, which ends at a megabyte.
    let page = store.query(query(pk, "", 5)).await.expect("a query");
    assert_eq!(page.items.len(), 5, "as many as were asked for");
    let over = item(pk, "over", 1, &"x".repeat(410_000));
    let refused = store.write(vec![write(over, Expect::Absent)]).await;
    bench.quirks().check(
        Quirk::ItemsHaveNoLimit,
        matches!(refused, Err(WriteError::Port(error)) if error.kind == ErrorKind::Permanent),
        "an item of more than 400 KB is refused",
    );
}

async fn due_items_are_found_by_their_time(store: &dyn StateStore, pk: &str) {
    let at = |second| Timestamp::from_second(second).expect("a time");
    let due = |sk: &str, second| Item { due_at: Some(at(second)), ..item(pk, sk, 1, sk) };
    let (early, late, never) = (due("early", 1_000), due("late", 3_000), item(pk, "never", 1, "never"));
    for one in [&early, &late, &never] {
        store.write(vec![write((*one).clone(), Expect::Absent)]).await.expect("it is absent");
    }
    let ours =
        |due: Vec<DueKey>| due.into_iter().filter(|d| d.key.pk == pk).map(|d| d.key.sk).collect::<Vec<_>>();
    let shard = due_shard(&early.key);
    assert_eq!(ours(store.due(shard, at(2_000), 100).await.expect("a query")), ["early"]);
    assert!(ours(store.due(shard, at(999), 100).await.expect("a query")).is_empty());
    let done = Item { due_at: None, version: 2, ..early };
    store.write(vec![write(done, Expect::Version(1))]).await.expect("it has version 1");
    assert!(ours(store.due(shard, at(2_000), 100).await.expect("a query")).is_empty());
}
