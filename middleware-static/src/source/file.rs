//! A file and its metadata.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::content::{Content, ReadAt};
use super::handle::Handle;
use super::stamp::{Stamp, from_epoch};
use crate::EntityTag;

/// A regular file: what is known of it, and its bytes.
#[derive(Debug, Clone)]
pub struct File {
    pub(crate) metadata: Metadata,
    pub(crate) content: Content,
    /// What the descriptor reported at the open, if there is a descriptor.
    pub(crate) stamp: Option<Stamp>,
}

/// What is known of a file.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Metadata {
    /// Its size in bytes.
    pub length: u64,
    /// When it was last modified: for `Last-Modified`. By itself it makes no more than a weak `ETag`, and answers no
    /// request by date.
    pub modified: Option<SystemTime>,
    /// The entity tag, where the source knows one: a strong one is its word that equal tags mean equal bytes.
    pub etag: Option<EntityTag>,
}

impl File {
    /// A file in memory. Its entity tag is made from the bytes.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let metadata = Metadata {
            length: bytes.len() as u64,
            ..Metadata::default()
        };
        Self {
            metadata,
            content: Content::Bytes(bytes),
            stamp: None,
        }
    }

    /// A file of `length` bytes that is read piece by piece.
    pub fn from_reader(length: u64, reader: impl ReadAt) -> Self {
        let metadata = Metadata {
            length,
            ..Metadata::default()
        };
        Self {
            metadata,
            content: Content::Reader(Arc::new(reader)),
            stamp: None,
        }
    }

    /// Says when it was last modified.
    #[must_use]
    pub fn modified(mut self, time: SystemTime) -> Self {
        self.metadata.modified = Some(time);
        self
    }

    /// Gives it this entity tag.
    #[must_use]
    pub fn etag(mut self, etag: EntityTag) -> Self {
        self.metadata.etag = Some(etag);
        self
    }

    /// Its metadata.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// A file by its open descriptor.
    pub(crate) fn from_handle(handle: Handle, stamp: Stamp) -> Self {
        let metadata = Metadata {
            length: stamp.length,
            modified: from_epoch(stamp.modified),
            etag: None,
        };
        Self {
            metadata,
            content: Content::Handle(Arc::new(handle)),
            stamp: Some(stamp),
        }
    }
}
