//! Errors of the lab.

/// What the lab was doing, and why it failed.
#[derive(Debug)]
pub struct LabError(pub String);

impl std::fmt::Display for LabError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LabError {}

impl LabError {
    /// Makes an error of a failure during `what`, such as `uploading`.
    pub fn while_doing(what: &str) -> impl Fn(Box<dyn std::error::Error + Send + Sync>) -> Self + '_ {
        move |error| Self(format!("{what}: {}", flotilla_cli::error_text(error.as_ref())))
    }
}

/// Turns any error into a [`LabError`].
pub trait Doing<T> {
    /// Adds what was being done, such as `uploading`.
    fn doing(self, what: &str) -> Result<T, LabError>;
}

impl<T, E: Into<Box<dyn std::error::Error + Send + Sync>>> Doing<T> for Result<T, E> {
    fn doing(self, what: &str) -> Result<T, LabError> {
        self.map_err(|error| LabError::while_doing(what)(error.into()))
    }
}
