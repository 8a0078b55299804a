//! The message of a panic.

use std::{
    any::{Any, type_name},
    borrow::Cow,
    fmt::Display,
};

use crate::text::shown::{self, MESSAGE};

/// The message of a payload, and the name of its type where that is not a string.
pub(crate) fn payload_text(payload: &(dyn Any + Send)) -> (Option<String>, String) {
    fn number<T: Any + Display>(payload: &(dyn Any + Send)) -> Option<(Option<String>, String)> {
        let value = payload.downcast_ref::<T>()?;
        Some((Some(type_name::<T>().to_owned()), value.to_string()))
    }
    if let Some(text) = payload_str(payload) {
        return (None, shown::text(text, MESSAGE));
    }
    if let Some(text) = payload.downcast_ref::<Box<str>>() {
        return (None, shown::text(text, MESSAGE));
    }
    if let Some(text) = payload.downcast_ref::<Cow<'static, str>>() {
        return (None, shown::text(text, MESSAGE));
    }
    let numbers = [
        number::<i32>,
        number::<u32>,
        number::<i64>,
        number::<u64>,
        number::<i128>,
        number::<u128>,
        number::<isize>,
        number::<usize>,
        number::<i16>,
        number::<u16>,
        number::<i8>,
        number::<u8>,
        number::<bool>,
        number::<char>,
        number::<f64>,
        number::<f32>,
    ];
    let known = numbers.iter().find_map(|number| number(payload));
    known.unwrap_or_else(|| (None, "a payload that is not text (`panic_any`)".to_owned()))
}

/// The message of a panic, raw.
pub(crate) fn payload_str(payload: &(dyn Any + Send)) -> Option<&str> {
    let literal = payload.downcast_ref::<&'static str>().copied();
    literal.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}
