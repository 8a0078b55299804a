//! What is wrong with an argument.

use std::fmt;

use serde::de::{self, Unexpected};

use crate::error::Shown;

/// Arguments of a URL that do not fit the type they were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    field: Option<String>,
    value: Option<String>,
    reason: String,
}

impl ParseError {
    /// The name of the group, or its number from 0.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// What the group matched.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    pub(super) fn at(mut self, field: &str, value: Option<&str>) -> Self {
        self.field.get_or_insert_with(|| field.into());
        if self.value.is_none() {
            self.value = value.map(Into::into);
        }
        self
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.value, &self.field) {
            (Some(value), Some(field)) => {
                let value = Shown(value);
                let number = field.bytes().all(|b| b.is_ascii_digit());
                if number {
                    write!(f, "`{value}`, the argument {field}, {}", self.reason)
                } else {
                    write!(f, "`{value}`, the argument `{field}`, {}", self.reason)
                }
            }
            (None, Some(field)) => write!(f, "the argument `{field}` {}", self.reason),
            _ => f.write_str(&self.reason),
        }
    }
}

impl std::error::Error for ParseError {}

impl de::Error for ParseError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            field: None,
            value: None,
            reason: message.to_string(),
        }
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let _ = unexpected;
        Self::custom(format_args!("is not {expected}"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            field: Some(field.into()),
            value: None,
            reason: "is missing: the pattern has no such group".into(),
        }
    }
}
