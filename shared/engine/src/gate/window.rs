//! The window gate: the windows and scheduled freezes of a profile, as the profile is now.

use crate::EngineError;
use crate::config::{self, document};
use crate::ports::Item;
use crate::records::{ConfigRecord, read};
use flotilla_contract::ProfileConfig;
use flotilla_domain::ProfileName;
use flotilla_domain::gate::Windows;

pub(super) fn windows(item: Item, name: &ProfileName) -> Result<Windows, EngineError> {
    let doc = document::<ProfileConfig>(read::<ConfigRecord>(item)?.value)?;
    Ok(config::profile(name.clone(), &doc)?.windows)
}
