use super::*;
use crate::target::Target;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn change(id: &str, action: ChangeAction, replacement: Replacement) -> ResourceChange {
    ResourceChange {
        physical_id: Some(format!("{id}-1")),
        replacement,
        ..ResourceChange::new(id, "AWS::DynamoDB::Table", action)
    }
}

fn modify(id: &str, path: &str, before: &str, after: &str) -> ResourceChange {
    let properties = vec![property(path, before, after)];
    ResourceChange { properties, ..change(id, ChangeAction::Modify, Replacement::Never) }
}

fn property(path: &str, before: &str, after: &str) -> PropertyChange {
    PropertyChange {
        path: path.into(),
        before: Some(before.into()),
        after: Some(after.into()),
        hidden: false,
        recreation: Replacement::Never,
    }
}

fn plan(changes: Vec<ResourceChange>) -> TargetPlan {
    TargetPlan::of(changes, true)
}

#[test]
fn a_plan_is_counted_in_numbers() {
    use ChangeAction as A;
    let counted = plan(vec![
        change("Added", A::Add, Replacement::Never),
        change("Imported", A::Import, Replacement::Never),
        change("Removed", A::Remove, Replacement::Never),
        change("Changed", A::Modify, Replacement::Never),
        change("Replaced", A::Modify, Replacement::Always),
        change("Perhaps", A::Modify, Replacement::Conditional),
    ]);
    let c = counted.summary();
    assert_eq!((c.add, c.modify, c.replace, c.remove), (2, 1, 2, 1));
}

#[test]
fn the_digest_knows_every_change_but_no_order_and_no_id_in_aws() {
    let (one, two) = (modify("A", "Timeout", "3", "6"), modify("B", "Memory", "128", "256"));
    let same = plan(vec![one.clone(), two.clone()]).digest;
    assert_eq!(plan(vec![two.clone(), one.clone()]).digest, same);
    let renamed = ResourceChange { physical_id: Some("another".into()), ..one.clone() };
    assert_eq!(plan(vec![renamed, two.clone()]).digest, same);
    for other in [
        vec![one.clone()],
        vec![modify("A", "Timeout", "3", "7"), two.clone()],
        vec![modify("A", "Timeout", "2", "6"), two.clone()],
        vec![modify("A", "Timeouts", "3", "6"), two.clone()],
        vec![ResourceChange { leaving: Some(Leaving::Retained), ..one.clone() }, two.clone()],
        vec![ResourceChange { replacement: Replacement::Always, ..one.clone() }, two.clone()],
    ] {
        assert_ne!(plan(other.clone()).digest, same, "{other:?}");
    }
    assert_ne!(TargetPlan::of(vec![one, two], false).digest, same, "a part of a plan is another plan");
}

#[test]
fn a_secret_is_neither_kept_nor_in_the_digest_but_that_it_changes_is() {
    let with =
        |value: &str| plan(vec![modify("Function", "Environment.Variables.DB_PASSWORD", "old", value)]);
    let kept = with("hunter2");
    let property = &kept.resources[0].properties[0];
    assert_eq!((property.hidden, &property.before, &property.after), (true, &None, &None));
    assert_eq!(kept.digest, with("hunter3").digest);
    assert_ne!(kept.digest, plan(vec![change("Function", ChangeAction::Modify, Replacement::Never)]).digest);
}

#[test]
fn a_property_that_changes_for_two_reasons_is_told_once() {
    let dynamic = PropertyChange {
        before: None,
        after: None,
        recreation: Replacement::Conditional,
        ..property("Role", "", "")
    };
    let mut twice = modify("Function", "Role", "one", "two");
    twice.properties.push(dynamic);
    let told = plan(vec![twice]).resources.remove(0).properties;
    let expected = PropertyChange { recreation: Replacement::Conditional, ..property("Role", "one", "two") };
    assert_eq!(told, [expected]);
    let mut hidden_once = modify("Function", "Role", "one", "two");
    hidden_once.properties.push(PropertyChange { hidden: true, ..property("Role", "one", "two") });
    let told = plan(vec![hidden_once]).resources.remove(0).properties;
    assert_eq!((told.len(), told[0].hidden, &told[0].after), (1, true, &None), "a hidden value stays hidden");
}

#[test]
fn a_plan_that_is_too_large_loses_values_first_and_says_so() {
    let many = |resources: usize, properties: usize, bytes: usize| {
        let resource = |n: usize| ResourceChange {
            properties: (0..properties).map(|p| property(&format!("P{p}"), "", &"x".repeat(bytes))).collect(),
            ..change(&format!("R{n}"), ChangeAction::Modify, Replacement::Never)
        };
        plan((0..resources).map(resource).collect())
    };
    let whole = many(10, 3, 100);
    assert!(whole.complete && whole.resources.iter().all(|r| r.omitted == 0 && r.properties.len() == 3));
    let values = many(500, 4, 2_000);
    let value = values.resources[0].properties[0].after.as_ref().unwrap();
    assert!(value.len() <= SHORT_VALUE_BYTES_MAX && value.ends_with('…'));
    assert!(values.complete && values.resources.len() == 500);
    let bulky = many(900, 150, 50);
    assert!(bulky.complete && bulky.resources.len() == 900);
    assert!(bulky.resources.iter().all(|r| r.omitted + r.properties.len() == 150));
    for kept in [&whole, &values, &bulky] {
        assert!(text_bytes(kept) <= TargetPlan::BYTES_MAX, "{}", text_bytes(kept));
    }
    assert!(text_bytes(&values) > 50_000, "most of what fits is kept: {}", text_bytes(&values));
    let endless = many(1_200, 0, 0);
    assert_eq!((endless.complete, endless.resources.len()), (false, TargetPlan::RESOURCES_MAX));
}

#[test]
fn the_names_of_what_changes_count_too() {
    let named = |n: usize| ResourceChange {
        resource_type: "T".repeat(ID_BYTES_MAX),
        physical_id: Some("p".repeat(PHYSICAL_ID_BYTES_MAX)),
        ..change(&format!("{n:0>255}"), ChangeAction::Remove, Replacement::Never)
    };
    let large = plan((0..TargetPlan::RESOURCES_MAX).map(named).collect());
    assert!(!large.complete, "there is no room for all of them");
    let bytes = text_bytes(&large);
    assert!(bytes <= TargetPlan::BYTES_MAX && bytes > TargetPlan::BYTES_MAX * 3 / 4, "{bytes}");
}

/// The bytes of all texts of a plan.
fn text_bytes(plan: &TargetPlan) -> usize {
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let property = |p: &PropertyChange| p.path.len() + optional(&p.before) + optional(&p.after);
    let resource = |r: &ResourceChange| {
        let names = r.logical_id.len() + r.resource_type.len() + optional(&r.physical_id);
        names + r.properties.iter().map(property).sum::<usize>()
    };
    plan.resources.iter().map(resource).sum()
}

#[test]
fn values_that_were_cut_are_compared_by_their_beginning() {
    let cut = |bytes: usize, end: &str| format!("{}{end}…", "x".repeat(bytes));
    let same = |one: &str, other: &str| {
        let change = |text: &str| vec![modify("Machine", "Definition", "", text)];
        fleet(&[("eu-west-1", change(one)), ("us-east-1", change(other))]).len() == 1
    };
    assert!(same(&cut(410, "a"), &cut(410, "b")), "what differs was cut elsewhere");
    assert!(!same(&cut(300, "a"), &cut(500, "b")), "one of them was cut to less");
    assert!(same(&cut(70, "a"), &cut(70, "b")) && !same(&cut(40, "a"), &cut(40, "b")));
    let whole = "x".repeat(70);
    assert!(!same(&format!("{whole}a"), &format!("{whole}b")), "nothing was cut");
}

fn at(region: &str) -> Target {
    Target::parse(&format!("111122223333/{region}")).unwrap()
}

fn fleet(plans: &[(&str, Vec<ResourceChange>)]) -> Vec<FleetChange> {
    merge(&plans.iter().map(|(region, changes)| (at(region), plan(changes.clone()))).collect())
}

#[test]
fn what_is_the_same_but_for_account_and_region_is_said_once() {
    let code = |region: &str| {
        let bucket = |n: u8| format!("artifacts-111122223333-{region}/{n}");
        modify("Function", "Code", &bucket(1), &bucket(2))
    };
    let fixed = |_: &str| modify("Role", "Region", "eu-west-1", "us-east-1");
    let plans = ["eu-west-1", "us-east-1"].map(|region| (region, vec![code(region), fixed(region)]));
    let merged = fleet(&plans);
    let told: Vec<_> = merged
        .iter()
        .map(|c| {
            (c.change.logical_id.as_str(), c.everywhere, c.change.properties[0].after.as_deref().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [("Function", true, "artifacts-${AWS::AccountId}-${AWS::Region}/2"), ("Role", true, "us-east-1")]
    );
    assert!(merged.iter().all(|c| c.change.physical_id.is_none()));
}

#[test]
fn where_targets_differ_each_way_is_told_with_its_targets() {
    let merged = fleet(&[
        ("eu-west-1", vec![modify("Function", "Timeout", "3", "6")]),
        (
            "eu-west-2",
            vec![
                modify("Function", "Timeout", "3", "6"),
                change("Old", ChangeAction::Remove, Replacement::Never),
            ],
        ),
        ("us-east-1", vec![modify("Function", "Timeout", "5", "6")]),
    ]);
    let told: Vec<(&str, bool, usize)> =
        merged.iter().map(|c| (c.change.logical_id.as_str(), c.everywhere, c.targets.len())).collect();
    assert_eq!(told, [("Function", false, 2), ("Function", false, 1), ("Old", false, 1)]);
    assert_eq!(merged[1].change.properties[0].before.as_deref(), Some("5"));
}

#[test]
fn long_values_are_the_same_in_regions_with_names_of_different_length() {
    let long = |region: &str| modify("Machine", "Definition", "", &format!("arn:{region}:").repeat(100));
    let merged =
        fleet(&[("sa-east-1", vec![long("sa-east-1")]), ("ap-southeast-2", vec![long("ap-southeast-2")])]);
    assert_eq!(merged.len(), 1);
    assert!(merged[0].everywhere);
}

#[test]
fn stacks_of_one_package_are_told_apart() {
    let target = |part: &str| Target::parse(&format!("111122223333/eu-west-1:{part}")).unwrap();
    let one = plan(vec![modify("Function", "Timeout", "3", "6")]);
    let merged = merge(&BTreeMap::from([(target("A"), one.clone()), (target("B"), one)]));
    assert_eq!(merged.len(), 2);
    assert!(merged.iter().all(|change| change.everywhere));
}

fn any_change() -> impl Strategy<Value = ResourceChange> {
    use ChangeAction as A;
    let action = prop::sample::select(vec![A::Add, A::Modify, A::Remove, A::Import, A::Dynamic]);
    let replacement =
        prop::sample::select(vec![Replacement::Never, Replacement::Conditional, Replacement::Always]);
    let properties = prop::collection::vec(("[A-C]", "[a-z-]{0,12}", "[a-z-]{0,12}"), 0..4);
    ("[A-D]", action, replacement, properties).prop_map(|(id, action, replacement, properties)| {
        ResourceChange {
            properties: properties
                .iter()
                .map(|(path, before, after)| property(path, before, after))
                .collect(),
            ..change(&id, action, replacement)
        }
    })
}

proptest! {
    #[test]
    fn a_plan_is_the_same_in_any_order_and_of_itself(
        (changes, shuffled) in prop::collection::vec(any_change(), 0..8)
            .prop_flat_map(|changes| (Just(changes.clone()), Just(changes).prop_shuffle()))
    ) {
        let planned = plan(changes);
        prop_assert_eq!(&plan(shuffled), &planned);
        prop_assert_eq!(&plan(planned.resources.clone()), &planned);
    }

    #[test]
    fn a_merged_plan_has_every_change_of_every_target_once(
        plans in prop::collection::vec(prop::collection::btree_map("[A-D]", any_change(), 0..4), 1..4)
    ) {
        let regions = ["eu-west-1", "us-east-1", "sa-east-1", "ap-southeast-2"];
        let plans: BTreeMap<Target, TargetPlan> = plans.into_iter().zip(regions).map(|(changes, region)| {
            let named = changes.into_iter().map(|(logical_id, c)| ResourceChange { logical_id, ..c });
            (at(region), plan(named.collect()))
        }).collect();
        let merged = merge(&plans);
        for (target, plan) in &plans {
            let of_target: Vec<&str> = merged.iter()
                .filter(|c| c.targets.contains(target))
                .map(|c| c.change.logical_id.as_str())
                .collect();
            let own: Vec<&str> = plan.resources.iter().map(|c| c.logical_id.as_str()).collect();
            prop_assert_eq!(of_target, own);
        }
    }
}
