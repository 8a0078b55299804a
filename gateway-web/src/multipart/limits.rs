//! How much of an upload is taken.

/// How much of an upload is taken. What is more is answered with 413.
///
/// ```
/// use gateway_web::UploadLimits;
///
/// let covers = UploadLimits::default().files_of(5 * 1024 * 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct UploadLimits {
    pub(super) parts: usize,
    pub(super) field: u64,
    pub(super) file: u64,
    pub(super) whole: u64,
}

impl UploadLimits {
    /// The most parts. Default: 1,000.
    pub fn parts(mut self, parts: usize) -> Self {
        self.parts = parts;
        self
    }

    /// The most bytes of each field that is no file. Default: 512 KiB.
    pub fn fields_of(mut self, bytes: u64) -> Self {
        self.field = bytes;
        self
    }

    /// The most bytes of each file. Default: 32 MiB.
    pub fn files_of(mut self, bytes: u64) -> Self {
        self.file = bytes;
        self
    }

    /// The most bytes of the whole body, boundaries and heads of parts included. Default: 64 MiB.
    pub fn whole(mut self, bytes: u64) -> Self {
        self.whole = bytes;
        self
    }
}

impl Default for UploadLimits {
    fn default() -> Self {
        Self {
            parts: 1000,
            field: 512 * 1024,
            file: 32 * 1024 * 1024,
            whole: 64 * 1024 * 1024,
        }
    }
}
