//! The use cases on a world, for whoever tests what stands before them: the API's routes, the functions.

use super::World;
use crate::driver::{Driver, drive};
use flotilla_engine::commands::Commands;
use flotilla_engine::drive::Drive;
use flotilla_engine::status::Status;

impl World {
    /// What the API has.
    pub fn api(&self) -> (Commands, Status) {
        let driver = Driver::new(self.driver.shared.clone());
        (driver.commands, driver.status)
    }

    /// What the deploy function has.
    pub fn drive(&self) -> Drive {
        drive(&self.driver.shared)
    }
}
