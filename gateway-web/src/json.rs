//! JSON, in and out.

use std::fmt;

use gateway_core::{Environ, Error, Reply};
use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The body of a request as JSON that does not fit its type, or is none.
#[derive(Debug)]
pub struct JsonError {
    path: String,
    source: serde_json::Error,
}

impl JsonError {
    /// Where in the document: `books[2].year`. Empty at its top, and where the syntax is wrong.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the text is no JSON at all, which is answered with 400; if it is, it does not fit, which is answered
    /// with 422.
    #[must_use]
    pub fn is_syntax(&self) -> bool {
        !self.source.is_data()
    }

    fn status(&self) -> StatusCode {
        if self.is_syntax() {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_syntax() {
            return write!(f, "the body is not JSON: {}", self.source);
        }
        match &*self.path {
            "" => write!(f, "the body does not fit: {}", self.source),
            path => write!(f, "`{path}` of the body does not fit: {}", self.source),
        }
    }
}

impl std::error::Error for JsonError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

#[track_caller]
pub(crate) fn read<T: DeserializeOwned>(environ: &mut Environ, limit: usize) -> Result<T, Error> {
    if !is_json(environ.header("content-type").unwrap_or_default()) {
        let text = "the body is not application/json";
        return Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    let body = environ.input().read_all(limit)?;
    parse(&body).map_err(|error| Error::new(error.status(), error))
}

pub(crate) fn parse<T: DeserializeOwned>(document: &[u8]) -> Result<T, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(document);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        JsonError {
            path,
            source: error.into_inner(),
        }
    })?;
    deserializer.end().map_err(|source| JsonError {
        path: String::new(),
        source,
    })?;
    Ok(value)
}

/// `application/json`, or a type with the suffix of JSON (RFC 6839 section 3.1), whatever its parameters.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let Some((kind, subtype)) = essence.split_once('/') else {
        return false;
    };
    let subtype = subtype.to_ascii_lowercase();
    kind.eq_ignore_ascii_case("application") && (subtype == "json" || subtype.ends_with("+json"))
}

#[track_caller]
pub(crate) fn reply(value: &impl Serialize) -> Result<Reply, Error> {
    Ok(Reply::json(serde_json::to_vec(value)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_by_its_type() {
        for content_type in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/problem+json",
        ] {
            assert!(is_json(content_type), "{content_type}");
        }
        for content_type in ["", "text/json", "application/jsonp", "text/plain", "json"] {
            assert!(!is_json(content_type), "{content_type}");
        }
    }
}
