//! The cases of `cases/framing.toml`, and an application that answers as they say.
#![allow(
    clippy::allow_attributes,
    dead_code,
    reason = "each test file uses its part"
)]

use std::convert::Infallible;

use bytes::Bytes;
use gateway_core::Body;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    source: String,
    #[serde(default = "get")]
    pub(crate) method: String,
    #[serde(default = "ok")]
    pub(crate) status: u16,
    #[serde(default)]
    fields: Vec<String>,
    #[serde(default)]
    pieces: Vec<String>,
    #[serde(default)]
    sized: bool,
    answer: Option<u16>,
    length: Option<String>,
    #[serde(default)]
    content: String,
    #[serde(default)]
    cut: bool,
    /// More is there than was promised; the client has all that it was.
    #[serde(default)]
    surplus: bool,
}

fn get() -> String {
    "GET".to_owned()
}

fn ok() -> u16 {
    200
}

/// What a client has got.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) lengths: Vec<String>,
    pub(crate) content: String,
    pub(crate) is_cut: bool,
}

pub(crate) fn cases() -> Vec<Case> {
    #[derive(Deserialize)]
    struct Cases {
        case: Vec<Case>,
    }
    let cases: Cases = toml::from_str(include_str!("../cases/framing.toml")).unwrap();
    cases.case
}

/// The header field that names a case by its number.
pub(crate) const FIELD: &str = "x-case";

/// The application.
pub(crate) async fn answer(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let number = request.headers().get(FIELD);
    let number: Option<usize> = number.map(|value| value.to_str().unwrap().parse().unwrap());
    Ok(match number {
        Some(number) => cases()[number].response(),
        None => Response::new("next".into()),
    })
}

impl Case {
    pub(crate) fn response(&self) -> Response<Body> {
        let body = if self.sized {
            Body::from(self.pieces.concat())
        } else {
            let pieces = self.pieces.clone().into_iter();
            let frames = pieces.map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from(piece))));
            Body::new(StreamBody::new(futures_util::stream::iter(frames)))
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status.try_into().unwrap();
        for field in &self.fields {
            let (name, value) = field.split_once(": ").unwrap();
            let name: HeaderName = name.parse().unwrap();
            let value = HeaderValue::from_str(value).unwrap();
            response.headers_mut().append(name, value);
        }
        response
    }

    /// What is wrong with what a client has got, if anything.
    pub(crate) fn differs(&self, got: &Got) -> Option<String> {
        let expected = Got {
            status: self.answer.unwrap_or(self.status),
            lengths: self.length.clone().into_iter().collect(),
            content: self.content.clone(),
            is_cut: self.cut,
        };
        let is_right = Got {
            is_cut: if self.surplus { got.is_cut } else { self.cut },
            ..expected
        } == *got;
        (!is_right).then(|| {
            let (name, source) = (&self.name, &self.source);
            format!("{name} ({source})\n   got {got:?}")
        })
    }

    /// Whether nothing at all may come: the client has to see that something is missing, and nothing
    /// had been sent when that was found out.
    pub(crate) fn may_be_silent(&self) -> bool {
        (self.cut || self.surplus) && self.content.is_empty()
    }
}
