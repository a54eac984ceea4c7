//! The port contracts, against the fakes.

use flotilla_sim::{World, contract};

#[test]
fn the_fake_table_keeps_the_contract() {
    let table = World::new(1, &[&["eu-west-1"]]).table();
    futures::executor::block_on(contract::state_store(&table, "contract"));
}
