//! Strict parsing of paths, queries and bodies.

use crate::problem::{ApiError, invalid};
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use flotilla_domain::Timestamp;
use flotilla_domain::names::InvalidName;
use flotilla_engine::status::PageRequest;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

/// The requested page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// `next` of the previous page.
    #[param(min_length = 1, max_length = 200)]
    pub cursor: Option<String>,
    /// The maximum number of items: 1 to 100; default: 50.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<usize>,
}

/// Parses the query of a page.
pub fn page(query: Result<axum::extract::Query<PageQuery>, QueryRejection>) -> Result<PageRequest, ApiError> {
    let axum::extract::Query(query) =
        query.map_err(|e| invalid(e.body_text(), "give only cursor and limit"))?;
    page_of(query.cursor, query.limit)
}

/// The page that a query with further parameters requests.
pub fn page_of(cursor: Option<String>, given: Option<usize>) -> Result<PageRequest, ApiError> {
    let limit = limit(given)?;
    if cursor.as_ref().is_some_and(|cursor| cursor.is_empty() || cursor.len() > 200) {
        return Err(invalid("the cursor is invalid", "give next of the previous page as the cursor"));
    }
    Ok(PageRequest { cursor, limit })
}

/// Parses the maximum number of items of a page.
pub fn limit(given: Option<usize>) -> Result<usize, ApiError> {
    let limit = given.unwrap_or(50);
    if !(1..=100).contains(&limit) {
        return Err(invalid(format!("limit is {limit}"), "give a limit of 1 to 100"));
    }
    Ok(limit)
}

/// Parses an optional time.
pub fn time(field: &str, given: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let read = |text: &str| {
        text.parse().map_err(|_| {
            invalid(format!("{field} is not a valid time"), "write the time like 2026-11-21T00:00:00Z")
        })
    };
    given.map(read).transpose()
}

/// The expected version of a configuration.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ExpectedVersion {
    /// Replace the configuration only if this is its present version; 0 if it must not exist yet.
    pub if_version: Option<u64>,
}

/// Parses the expected version.
pub fn expected(
    query: Result<axum::extract::Query<ExpectedVersion>, QueryRejection>,
) -> Result<Option<u64>, ApiError> {
    let axum::extract::Query(query) = query.map_err(|e| invalid(e.body_text(), "give only if_version"))?;
    Ok(query.if_version)
}

/// Turns an invalid name, of a path or a body, into a refusal.
pub fn name<T>(parsed: Result<T, InvalidName>) -> Result<T, ApiError> {
    parsed.map_err(|e| invalid(e.to_string(), "correct the name"))
}

/// Parses a JSON body.
pub fn body<T: DeserializeOwned>(bytes: Result<Bytes, BytesRejection>) -> Result<T, ApiError> {
    let bytes = bytes.map_err(|e| invalid(e.body_text(), "send a body of at most 256 KiB"))?;
    // serde also takes the fields of a struct from an array, in their order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        let fix = "send JSON that fits the schema in GET /openapi.json";
        return Err(invalid("the body is not a JSON object", fix));
    }
    serde_json::from_slice(&bytes)
        .map_err(|e| invalid(e.to_string(), "send JSON that fits the schema in GET /openapi.json"))
}

/// Parses an optional JSON body.
pub fn body_or_default<T: DeserializeOwned + Default>(
    bytes: Result<Bytes, BytesRejection>,
) -> Result<T, ApiError> {
    match bytes {
        Ok(bytes) if bytes.is_empty() => Ok(T::default()),
        bytes => body(bytes),
    }
}
