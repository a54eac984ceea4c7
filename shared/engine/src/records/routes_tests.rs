//! What leads traffic to a deployment.

use super::*;
use flotilla_domain::deployment::{Drain, WeightedRecord};

#[test]
fn the_api_mapping_of_a_deployment_reads_back() {
    let open = deployment(DeploymentKind::Remove, State::Unmapping);
    let mapping = ApiMapping {
        domain: "api.example.com".into(),
        path: "orders".into(),
        api: Some("Http".into()),
        api_stage: Some("v1".into()),
    };
    let spec = DeploymentSpec { mapping: Some(mapping), ..open.spec.clone() };
    let api = |id: &str| Some(ApiStage { api: id.into(), stage: "$default".into() });
    for mapped in [
        MappedApis::default(),
        MappedApis { stable: None, new: api("new"), switched: false },
        MappedApis { stable: api("old"), new: api("new"), switched: true },
    ] {
        let value = Deployment { spec: spec.clone(), mapped: Some(mapped), ..open.clone() };
        assert_eq!(read::<Deployment>(stored(&value)).unwrap().value, value);
    }
}

#[test]
fn the_record_of_a_deployment_reads_back() {
    let open = deployment(DeploymentKind::Remove, State::Draining);
    let record = WeightedRecord {
        zone: "Z1".into(),
        name: "orders.example.com".into(),
        record_type: "A".into(),
        set_identifier: "eu-west-1".into(),
        weight: 200,
    };
    let spec = DeploymentSpec { record: Some(record), drains: true, ..open.spec.clone() };
    let half = Drain { change: Some("C1".into()), ttl_s: 60, weight: 20, wanted: 100, ..Drain::default() };
    let over = Drain { synced_at: Some(Timestamp::UNIX_EPOCH), is_over: true, ..half.clone() };
    for drain in [None, Some(Drain::default()), Some(half), Some(over)] {
        let value = Deployment { spec: spec.clone(), drain, ..open.clone() };
        assert_eq!(read::<Deployment>(stored(&value)).unwrap().value, value);
    }
}
