//! By what a payload is recognised between the hook and the catch.

use std::any::{Any, TypeId};

/// So much of a message is compared. Address and length are compared in full.
const COMPARED: usize = 256;

/// The address of the `Any` does not survive (the payload is boxed after the hook has run);
/// what a `String` or `&'static str` points to does.
#[derive(Debug, Clone)]
pub(crate) enum Identity {
    /// A formatted message. No two that live at one time share a buffer, but buffers
    /// are freed and used again: hence the text.
    Text {
        address: usize,
        len: usize,
        start: Box<[u8]>,
    },
    /// A literal: two panics of one text, as of every `Option::unwrap`, share it.
    Literal(&'static str),
    /// Anything else is known by its type alone.
    Other(TypeId),
}

impl Identity {
    pub(crate) fn of(payload: &(dyn Any + Send)) -> Self {
        if let Some(text) = payload.downcast_ref::<String>() {
            // An empty `String` has no buffer: its address is the same for all of them.
            if !text.is_empty() {
                return Self::Text {
                    address: text.as_ptr() as usize,
                    len: text.len(),
                    start: text.bytes().take(COMPARED).collect(),
                };
            }
        }
        if let Some(text) = payload.downcast_ref::<&'static str>() {
            return Self::Literal(text);
        }
        Self::Other(payload.type_id())
    }

    /// The message, as much of it as is kept.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text { start, .. } => {
                let whole = start.utf8_chunks().next();
                Some(whole.map_or("", |chunk| chunk.valid()))
            }
            Self::Literal(text) => Some(text),
            Self::Other(_) => None,
        }
    }

    /// Whether equality alone means that it is the same panic.
    ///
    /// The payload in hand has lived since its own hook ran, so no other payload can have had its
    /// buffer since: of several equal captures the newest is its own.
    pub(crate) fn is_unique(&self) -> bool {
        matches!(self, Self::Text { .. })
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Text {
                    address,
                    len,
                    start,
                },
                Self::Text {
                    address: its_address,
                    len: its_len,
                    start: its_start,
                },
            ) => (address, len, start) == (its_address, its_len, its_start),
            (Self::Literal(text), Self::Literal(its_text)) => std::ptr::eq(*text, *its_text),
            (Self::Other(id), Self::Other(its_id)) => id == its_id,
            _ => false,
        }
    }
}
