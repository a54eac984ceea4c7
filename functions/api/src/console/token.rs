//! Tokens of links and sessions: 256 random bits. Only their digests are stored.

use crate::problem::ApiError;
use axum::http::{HeaderMap, header};
use flotilla_domain::Digest;
use flotilla_engine::EngineError;
use std::fmt::Write;

/// A token. It is shown to its owner only, and never logged.
#[derive(Clone, Default)]
pub struct Token(String);

impl Token {
    /// The hexadecimal digits of a token.
    const DIGITS: usize = 64;

    /// A new token.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn random() -> Result<Self, ApiError> {
        let mut bytes = [0_u8; Self::DIGITS / 2];
        getrandom::fill(&mut bytes).map_err(|e| EngineError::Defect(format!("no random numbers: {e}")))?;
        Ok(Self(bytes.iter().fold(String::with_capacity(Self::DIGITS), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })))
    }

    /// Reads a token; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let is_token = text.len() == Self::DIGITS
            && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        is_token.then(|| Self(text.to_owned()))
    }

    /// What is stored of it.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// The token itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// The token in a cookie.
pub fn of_cookie(headers: &HeaderMap, name: &str) -> Option<Token> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut named = pairs.filter(|(key, _)| *key == name);
    named.find_map(|(_, value)| Token::parse(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn tokens_differ_and_read_back_and_nothing_else_is_one() {
        let (one, two) = (Token::random().unwrap_or_default(), Token::random().unwrap_or_default());
        assert!(one.reveal() != two.reveal() && one.digest() != two.digest());
        assert_eq!(Token::parse(one.reveal()).map(|token| token.digest()), Some(one.digest()));
        for wrong in ["", "x", &"A".repeat(64), &"a".repeat(63), &"a".repeat(65), &"g".repeat(64)] {
            assert!(Token::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let token = "a".repeat(64);
        let mut headers = HeaderMap::new();
        let found = |headers: &HeaderMap| of_cookie(headers, "s").map(|token| token.reveal().to_owned());
        headers.append(header::COOKIE, HeaderValue::from_static("other=1; xs=2; s=short"));
        assert_eq!(found(&headers), None);
        headers.append(
            header::COOKIE,
            HeaderValue::from_str(&format!("a=b; s={token}")).unwrap_or(HeaderValue::from_static("")),
        );
        assert_eq!(found(&headers), Some(token));
    }
}
