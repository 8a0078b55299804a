//! What a response says of a failure that became a response before the layer saw it.

use gateway_core::FailedBy;
use gateway_core::error::Reported;
use http::{Extensions, StatusCode};

/// What the layer has to do with a response.
#[derive(Debug)]
pub(crate) enum Explanation<'a> {
    /// It is no failure, was reported already, or is an overload (503), of which there are many at once.
    NotNeeded,
    /// The error behind it.
    Given(&'a FailedBy),
    /// The status says that the server failed, but no error is attached.
    Missing,
}

impl<'a> Explanation<'a> {
    pub(crate) fn of(status: StatusCode, extensions: &'a Extensions) -> Self {
        if extensions.get::<Reported>().is_some() {
            return Self::NotNeeded;
        }
        let is_overload = status == StatusCode::SERVICE_UNAVAILABLE;
        match FailedBy::of(extensions) {
            Some(failed_by) if failed_by.error().is_some() => {
                // A program that says why it answers 503 wants to be heard; a component that is full says so each time.
                if failed_by.is_bare() && is_overload {
                    Self::NotNeeded
                } else {
                    Self::Given(failed_by)
                }
            }
            _ if status.is_server_error() && !is_overload => Self::Missing,
            _ => Self::NotNeeded,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Error;

    use super::*;

    fn of(status: u16, marker: Option<FailedBy>) -> String {
        let mut extensions = Extensions::new();
        if let Some(failed_by) = marker {
            extensions.insert(failed_by);
        }
        let status = StatusCode::from_u16(status).unwrap();
        let explanation = format!("{:?}", Explanation::of(status, &extensions));
        let end = explanation.find('(').unwrap_or(explanation.len());
        explanation[..end].to_owned()
    }

    #[test]
    fn an_error_is_given_and_a_server_error_without_one_is_missing_it() {
        for (status, marker, expected) in [
            (404, None, "NotNeeded"),
            (404, Some(FailedBy::bare()), "NotNeeded"),
            (404, Some(FailedBy::new(Error)), "Given"),
            (500, None, "Missing"),
            (500, Some(FailedBy::bare()), "Missing"),
            (500, Some(FailedBy::new(Error)), "Given"),
            (500, Some(FailedBy::bare_with(Error)), "Given"),
            (502, None, "Missing"),
            (503, None, "NotNeeded"),
            (503, Some(FailedBy::bare()), "NotNeeded"),
            (503, Some(FailedBy::bare_with(Error)), "NotNeeded"),
            (503, Some(FailedBy::new(Error)), "Given"),
        ] {
            assert_eq!(of(status, marker.clone()), expected, "{status} {marker:?}");
        }
    }

    #[test]
    fn what_was_reported_needs_no_more() {
        let mut extensions = Extensions::new();
        extensions.insert(FailedBy::new(Error));
        extensions.insert(Reported);
        let explanation = Explanation::of(StatusCode::INTERNAL_SERVER_ERROR, &extensions);
        assert!(matches!(explanation, Explanation::NotNeeded));
    }
}
