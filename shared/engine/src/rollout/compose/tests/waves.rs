//! Which stack is deployed where, and when.

use super::*;
use flotilla_contract::{StackConfig, WaveConfig, WaveTable};

#[test]
fn a_wave_comes_once_for_every_level_and_only_the_last_one_bakes() {
    let doc = ProfileConfig {
        regions: vec!["eu-west-1".into(), "us-east-1".into()],
        max_concurrent: Some(1),
        tolerate_failures: Some(1),
        bake: Some("1m".into()),
        ..ProfileConfig::default()
    };
    let destination = destination(doc);
    let alone = plan(&release(vec![stack(None, &[])]), &route(), &destination).unwrap();
    let both = ["eu-west-1", "us-east-1"].map(str::to_owned).to_vec();
    assert_eq!(alone.waves.iter().map(shape).collect::<Vec<_>>(), [(both, [1, 1, 0], 60)]);

    let stacks = vec![stack(Some("Net"), &[]), stack(Some("Db"), &[]), stack(Some("Api"), &["Net"])];
    assert_eq!(levels(&stacks), [0, 0, 1]);
    let several = plan(&release(stacks), &route(), &destination).unwrap();
    let at = |names: [&str; 4]| names.map(str::to_owned).to_vec();
    let first = at(["eu-west-1:Net", "eu-west-1:Db", "us-east-1:Net", "us-east-1:Db"]);
    let second = ["eu-west-1:Api", "us-east-1:Api"].map(str::to_owned).to_vec();
    let expected = [(first, [2, 0, 0], 0), (second, [1, 0, 1], 60)];
    assert_eq!(
        several.waves.iter().map(shape).collect::<Vec<_>>(),
        expected,
        "what follows tolerates no failure"
    );
}

#[test]
fn a_stack_of_one_region_is_deployed_there_and_nowhere_else() {
    let one = |regions: &[&str], bake: &str| {
        WaveConfig::Wave(WaveTable {
            regions: regions.iter().map(|region| (*region).to_owned()).collect(),
            max_concurrent: None,
            tolerate_failures: None,
            bake: Some(bake.into()),
            approvals: Some(1),
        })
    };
    let doc = |waves: Vec<WaveConfig>| ProfileConfig {
        waves,
        stacks: [("Edge".to_owned(), StackConfig { only: "us-east-1".into() })].into(),
        ..ProfileConfig::default()
    };
    let edge = PackagedStack {
        global_names: vec![same_name("Resources.Cdn.Properties.DistributionConfig.Aliases", &[])],
        ..stack(Some("Edge"), &[])
    };
    let needs = vec![edge.clone(), stack(Some("Api"), &["Edge"])];
    let first = destination(doc(vec![one(&["us-east-1"], "1m"), one(&["eu-west-1"], "2m")]));
    let rollout = plan(&release(needs.clone()), &route(), &first).unwrap();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        rollout.waves.iter().map(shape).collect::<Vec<_>>(),
        [
            (names(&["us-east-1:Edge"]), [1, 0, 0], 0),
            (names(&["us-east-1:Api"]), [1, 0, 1], 60),
            (names(&["eu-west-1:Api"]), [1, 0, 1], 120),
        ]
    );
    let approvals: Vec<usize> = rollout.waves.iter().map(|wave| wave.approvals).collect();
    assert_eq!(approvals, [1, 0, 1], "each wave of the profile is approved once");

    // What it needs would come later.
    let last = destination(doc(vec![one(&["eu-west-1"], "1m"), one(&["us-east-1"], "1m")]));
    let refused = plan(&release(needs), &route(), &last).unwrap_err();
    assert_eq!((refused.code, refused.path.as_deref()), (Code::ConfigInvalid, Some("waves")));
    assert!(
        refused.message.contains("the stack Api needs Edge, which is deployed in us-east-1 only"),
        "{}",
        refused.message
    );
    let independent = vec![edge, stack(Some("Api"), &[])];
    plan(&release(independent), &route(), &last).unwrap();
}
