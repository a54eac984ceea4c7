//! The `flotilla` command.
//!
//! Each file of [`commands`] holds one command or a few related ones. [`api`] signs and sends requests, [`show`]
//! writes text for people, [`home`] finds the control plane.

pub mod api;
pub mod args;
pub mod commands;
pub mod error;
pub mod home;
pub mod http;
pub mod packing;
pub mod show;
mod show_plan;
mod show_sets;

pub use error::{CliError, Exit};

/// An error with its causes in one line.
pub fn error_text(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let next = cause.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = cause.source();
    }
    text
}
