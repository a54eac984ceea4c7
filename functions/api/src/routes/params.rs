//! What stands in paths, queries and bodies, read strictly.

use crate::problem::{ApiError, invalid};
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use flotilla_domain::Timestamp;
use flotilla_domain::names::InvalidName;
use flotilla_engine::status::PageRequest;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

/// Which part of a list is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// Most items: 1 to 100, 50 if left out.
    pub limit: Option<usize>,
}

/// Reads a page's query.
pub fn page(query: Result<axum::extract::Query<PageQuery>, QueryRejection>) -> Result<PageRequest, ApiError> {
    let axum::extract::Query(query) =
        query.map_err(|e| invalid(e.body_text(), "give cursor and limit only"))?;
    let limit = limit(query.limit)?;
    if query.cursor.as_ref().is_some_and(|cursor| cursor.is_empty() || cursor.len() > 200) {
        return Err(invalid("the cursor is none of ours", "give `next` of the page before"));
    }
    Ok(PageRequest { cursor: query.cursor, limit })
}

/// Reads how many items a page may have.
pub fn limit(given: Option<usize>) -> Result<usize, ApiError> {
    let limit = given.unwrap_or(50);
    if !(1..=100).contains(&limit) {
        return Err(invalid(format!("limit is {limit}"), "give a limit of 1 to 100"));
    }
    Ok(limit)
}

/// Reads a time that may be left out.
pub fn time(field: &str, given: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let read = |text: &str| {
        text.parse().map_err(|_| invalid(format!("{field} is no time"), "write it like 2026-11-21T00:00:00Z"))
    };
    given.map(read).transpose()
}

/// The version that a configuration is expected to have.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ExpectedVersion {
    /// Put only if the present version is this; 0 for none yet.
    pub if_version: Option<u64>,
}

/// Reads the expected version.
pub fn expected(
    query: Result<axum::extract::Query<ExpectedVersion>, QueryRejection>,
) -> Result<Option<u64>, ApiError> {
    let axum::extract::Query(query) = query.map_err(|e| invalid(e.body_text(), "give if_version only"))?;
    Ok(query.if_version)
}

/// Reads a name of a path.
pub fn name<T>(parsed: Result<T, InvalidName>) -> Result<T, ApiError> {
    parsed.map_err(|e| invalid(e.to_string(), "correct the name in the path"))
}

/// Reads a JSON body.
pub fn body<T: DeserializeOwned>(bytes: Result<Bytes, BytesRejection>) -> Result<T, ApiError> {
    let bytes = bytes.map_err(|e| invalid(e.body_text(), "send less: 256 KiB at most"))?;
    serde_json::from_slice(&bytes)
        .map_err(|e| invalid(e.to_string(), "send JSON as GET /openapi.json describes it"))
}

/// Reads a JSON body that may be left out.
pub fn body_or_default<T: DeserializeOwned + Default>(
    bytes: Result<Bytes, BytesRejection>,
) -> Result<T, ApiError> {
    match bytes {
        Ok(bytes) if bytes.is_empty() => Ok(T::default()),
        bytes => body(bytes),
    }
}
