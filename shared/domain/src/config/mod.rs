//! What operators configure: services, profiles and accounts.

pub mod account;
pub mod external_code;
pub mod external_image;
pub mod preview;
pub mod profile;
pub mod service;
