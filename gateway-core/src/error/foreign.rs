use std::error::Error as StdError;
use std::fmt;

/// What an application in another language failed with: an exception, with the frames of that
/// language.
///
/// In a box, or as a source of another error, it is what `middleware-exceptions` looks for: its
/// report has these frames then, and not those of Rust that lead to an interpreter.
///
/// ```
/// use gateway_core::error::{Foreign, ForeignFrame};
///
/// let cause = Foreign::new("Python", "KeyError", "'id'");
/// let raised = Foreign::new("Python", "ValueError", "no such order")
///     .with_frame(ForeignFrame::new("/srv/shop/views.py", 12, "show_order"))
///     .with_cause(cause);
/// assert_eq!(raised.to_string(), "ValueError: no such order");
/// assert_eq!(std::error::Error::source(&raised).unwrap().to_string(), "KeyError: 'id'");
/// ```
#[derive(Clone, Debug)]
pub struct Foreign {
    language: &'static str,
    type_name: String,
    message: String,
    frames: Vec<ForeignFrame>,
    is_truncated: bool,
    cause: Option<Box<Self>>,
}

impl Foreign {
    /// An exception without frames.
    pub fn new(
        language: &'static str,
        type_name: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            language,
            type_name: type_name.into(),
            message: message.into(),
            frames: Vec::new(),
            is_truncated: false,
            cause: None,
        }
    }

    /// With one more frame: the outermost first, as Python tells them.
    #[must_use]
    pub fn with_frame(mut self, frame: ForeignFrame) -> Self {
        self.frames.push(frame);
        self
    }

    /// Says that the stack was deeper than its frames tell, so that outer ones are missing.
    #[must_use]
    pub fn truncated(mut self) -> Self {
        self.is_truncated = true;
        self
    }

    /// With what it was raised because of, or while that was handled.
    #[must_use]
    pub fn with_cause(mut self, cause: Self) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }

    /// The language, such as `Python`.
    #[must_use]
    pub fn language(&self) -> &'static str {
        self.language
    }

    /// The name of the exception's type.
    #[must_use]
    pub fn type_name(&self) -> &str {
        &self.type_name
    }

    /// What the exception says, without the name of its type.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The frames, the outermost first.
    #[must_use]
    pub fn frames(&self) -> &[ForeignFrame] {
        &self.frames
    }

    /// Whether outer frames are missing.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.is_truncated
    }

    /// What it was raised because of.
    #[must_use]
    pub fn cause(&self) -> Option<&Self> {
        self.cause.as_deref()
    }
}

/// `ValueError: no such order`, as Python's last line has it.
impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.type_name)?;
        match self.message.as_str() {
            "" => Ok(()),
            message => write!(f, ": {message}"),
        }
    }
}

impl StdError for Foreign {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let cause = self.cause.as_deref()?;
        Some(cause)
    }
}

impl Drop for Foreign {
    /// One after another: a long chain must not overflow the stack.
    fn drop(&mut self) {
        let mut next = self.cause.take();
        while let Some(mut cause) = next {
            next = cause.cause.take();
        }
    }
}

/// One call of another language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignFrame {
    file: String,
    line: u32,
    function: String,
    library: Option<String>,
    first: u32,
    source: Vec<String>,
}

impl ForeignFrame {
    /// A frame at a line, counted from 1, of the program's own code.
    pub fn new(file: impl Into<String>, line: u32, function: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line,
            function: function.into(),
            library: None,
            first: line,
            source: Vec::new(),
        }
    }

    /// The same frame, as one of a library: not the program's own.
    #[must_use]
    pub fn with_library(mut self, library: impl Into<String>) -> Self {
        self.library = Some(library.into());
        self
    }

    /// With lines of the source from line `first` on, the frame's line among them.
    #[must_use]
    pub fn with_source(mut self, first: u32, lines: Vec<String>) -> Self {
        self.first = first;
        self.source = lines;
        self
    }

    /// The file, as the language names it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, counted from 1.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The function.
    #[must_use]
    pub fn function(&self) -> &str {
        &self.function
    }

    /// The library it is of, if it is not the program's own.
    #[must_use]
    pub fn library(&self) -> Option<&str> {
        self.library.as_deref()
    }

    /// The lines of source around it, and the number of the first of them.
    #[must_use]
    pub fn source(&self) -> (u32, &[String]) {
        (self.first, &self.source)
    }
}
