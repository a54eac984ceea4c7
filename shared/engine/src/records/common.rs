//! Parts that several items share.

use flotilla_domain::deployment::Access;
use flotilla_domain::package::FunctionCode;
use flotilla_domain::{Cause, Code, Digest, Refusal, Timestamp};
use serde::{Deserialize, Serialize};

/// Reads a value by its own parser and says what it was.
pub fn parsed<T, E: std::fmt::Display>(what: &str, result: Result<T, E>) -> Result<T, String> {
    result.map_err(|e| format!("{what}: {e}"))
}

pub fn time(text: &str) -> Result<Timestamp, String> {
    parsed("time", text.parse())
}

pub fn digest(text: &str) -> Result<Digest, String> {
    parsed("digest", Digest::parse_hex(text))
}

/// A cause or a refusal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredCause {
    code: String,
    message: String,
    fix: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<String>,
}

fn code(text: &str) -> Result<Code, String> {
    Code::parse(text).ok_or_else(|| format!("code: {text}"))
}

impl StoredCause {
    pub fn of_cause(cause: &Cause) -> Self {
        let Cause { code, message, fix, resource } = cause.clone();
        Self { code: code.to_string(), message, fix, place: resource }
    }

    pub fn to_cause(&self) -> Result<Cause, String> {
        let Self { code: text, message, fix, place } = self.clone();
        Ok(Cause { code: code(&text)?, message, fix, resource: place })
    }

    pub fn of_refusal(refusal: &Refusal) -> Self {
        let Refusal { code, message, fix, path } = refusal.clone();
        Self { code: code.to_string(), message, fix, place: path }
    }

    pub fn to_refusal(&self) -> Result<Refusal, String> {
        let Self { code: text, message, fix, place } = self.clone();
        Ok(Refusal { code: code(&text)?, message, fix, path: place })
    }
}

/// The roles of a target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredAccess {
    role_arn: String,
    external_id: String,
    service_role_arn: String,
}

impl StoredAccess {
    pub fn of(access: &Access) -> Self {
        let Access { role_arn, external_id, service_role_arn } = access.clone();
        Self { role_arn, external_id, service_role_arn }
    }

    pub fn read(self) -> Access {
        let Self { role_arn, external_id, service_role_arn } = self;
        Access { role_arn, external_id, service_role_arn }
    }
}

/// A function's code.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredFunction {
    id: String,
    asset: String,
}

pub fn store_functions(functions: &[FunctionCode]) -> Vec<StoredFunction> {
    functions
        .iter()
        .map(|f| StoredFunction { id: f.logical_id.clone(), asset: f.asset.to_string() })
        .collect()
}

pub fn read_functions(functions: Vec<StoredFunction>) -> Result<Vec<FunctionCode>, String> {
    functions.into_iter().map(|f| Ok(FunctionCode { logical_id: f.id, asset: digest(&f.asset)? })).collect()
}
