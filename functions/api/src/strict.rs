//! What is refused before the table is read: requests that could mean one thing to a proxy and another to the router, and bodies that
//! are not what they seem.

use crate::problem::{ApiError, invalid};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;

/// Maximum size of a request body in bytes: the largest valid configuration fits.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// Headers with which some servers let a request replace its method or path.
const OVERRIDES: [&str; 5] =
    ["x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url"];

/// Checks a request, and reads its body.
///
/// # Errors
/// Refuses what is ambiguous, too large or not JSON.
pub async fn strict(request: Request) -> Result<Request, ApiError> {
    check_path(request.uri().path())?;
    if let Some(name) = OVERRIDES.iter().find(|name| request.headers().contains_key(**name)) {
        return Err(invalid(
            format!("the header {name} is not supported"),
            "send the method and path that you mean",
        ));
    }
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, BODY_BYTES_MAX)
        .await
        .map_err(|_| invalid("the body is over 256 KiB, or incomplete", "send a body of at most 256 KiB"))?;
    if !bytes.is_empty() {
        check_body(&parts.method, &parts.headers, &bytes)?;
    }
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// No name in a path needs an encoding, so an encoded path is another spelling of one that is authorised by its plain form.
fn check_path(path: &str) -> Result<(), ApiError> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:@/".contains(&b);
    let is_odd = |segment: &str| segment.is_empty() || segment == "." || segment == "..";
    if path.bytes().all(is_plain) && !path.split('/').skip(1).any(is_odd) {
        return Ok(());
    }
    let fix =
        "write the path as GET /openapi.json lists it: without encoding, empty segments and trailing slash";
    Err(invalid("the path is not in its plain form", fix))
}

fn check_body(method: &Method, headers: &HeaderMap, bytes: &Bytes) -> Result<(), ApiError> {
    if !matches!(*method, Method::POST | Method::PUT) {
        return Err(invalid(format!("a {method} request has a body"), "send it without a body"));
    }
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        let what = format!("the content type is {content_type:?}");
        return Err(invalid(what, "send JSON with the header content-type: application/json"));
    }
    serde_json::from_slice::<Unambiguous>(bytes)
        .map(|_| ())
        .map_err(|e| invalid(e.to_string(), "send JSON that fits the schema in GET /openapi.json"))
}

/// JSON in which no object has a key twice: readers differ in which of the values counts. The nesting is bounded by `serde_json`.
struct Unambiguous;

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        let mut known = BTreeSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            entries.next_value::<Self>()?;
            if known.contains(&key) {
                return Err(A::Error::custom(format!("the key {key:?} occurs twice in one object")));
            }
            known.insert(key);
        }
        Ok(self)
    }
}
