//! What is wrong with an argument.

use std::fmt;

use serde::de::{self, Unexpected};

use crate::error::Shown;

pub(super) const NO_PART: &str = "took no part in the match";

/// Arguments of a URL that do not fit the type they were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    field: Option<String>,
    value: Option<String>,
    reason: String,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The URL has a value that does not fit.
    Value,
    /// No URL would fit.
    Program,
    /// The type has a field that no group is for, or none that took part.
    Missing,
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

    /// Whether the type does not fit the pattern with any URL: other numbers of groups, fields
    /// that no group has the name of, a type that is not made of text. A mistake of the program,
    /// which [`parse`](crate::UrlArgs::parse) answers with 500.
    pub fn is_mistake(&self) -> bool {
        self.fault != Fault::Value
    }

    pub(super) fn mistake(reason: impl fmt::Display) -> Self {
        Self {
            fault: Fault::Program,
            ..de::Error::custom(reason)
        }
    }

    /// Tells a group that took no part from one that the pattern does not have.
    pub(super) fn settle(
        mut self,
        mut names: impl Iterator<Item = Option<impl AsRef<str>>>,
    ) -> Self {
        if self.fault == Fault::Missing
            && names.any(|name| name.as_ref().map(AsRef::as_ref) == self.field.as_deref())
        {
            self.fault = Fault::Value;
            self.reason = NO_PART.into();
        }
        self
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
            fault: Fault::Value,
        }
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let _ = unexpected;
        Self::mistake(format_args!("is a text and not {expected}"))
    }

    fn invalid_length(length: usize, expected: &dyn de::Expected) -> Self {
        Self::mistake(format_args!(
            "the pattern has {length} groups where {expected} is asked for"
        ))
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::mistake("is asked for by no field").at(field, None)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::mistake("is asked for twice").at(field, None)
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
            fault: Fault::Missing,
        }
    }
}
