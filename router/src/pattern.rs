//! Patterns as a program writes them: a text, how it is read, and the name of its route.

/// What a route takes as its pattern: a regular expression in any string, or a [`Pattern`].
///
/// ```
/// use router::{IntoPattern, UrlMap, full, template};
///
/// let urls = UrlMap::builder()
///     .route(r"^users/(?<id>[0-9]+)$", 1)
///     .route(r"^users/me$".named("me"), 2)
///     .route(full("about|imprint"), 3)
///     .route(template("articles/{year:int}").named("year"), 4)
///     .build()?;
/// assert_eq!(urls.url_for("year", [2007])?, "articles/2007");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a route pattern",
    label = "a pattern is a string, or what `full`, `template` or `.named(..)` give",
    note = "the pattern comes first, then the service: `.get(r\"^users/$\", show_users)`"
)]
pub trait IntoPattern: Sized {
    /// The pattern.
    fn into_pattern(self) -> Pattern;

    /// The pattern with a name for `url_for`, in place of one that it had.
    fn named(self, name: impl AsRef<str>) -> Pattern {
        let mut pattern = self.into_pattern();
        pattern.name = Some(name.as_ref().into());
        pattern
    }
}

impl<T: AsRef<str>> IntoPattern for T {
    fn into_pattern(self) -> Pattern {
        Pattern::new(Syntax::Search, self.as_ref())
    }
}

impl IntoPattern for Pattern {
    fn into_pattern(self) -> Self {
        self
    }
}

/// A regular expression that must match the whole text, as if it were written `^(?:..)$`.
pub fn full(pattern: impl AsRef<str>) -> Pattern {
    Pattern::new(Syntax::Full, pattern.as_ref())
}

/// A path with parameters in braces, such as `articles/{year:int}/{slug}.html`, which must match
/// the whole text.
///
/// | converter | matches |
/// |---|---|
/// | `str`, or none | `[^/]+` |
/// | `int` | `[0-9]+` |
/// | `float` | `[0-9]+\.[0-9]+` |
/// | `uuid` | a UUID with hyphens, in either case |
/// | `path` | anything that does not begin with a slash, slashes included; as little as possible |
/// | `any(a,b)` | one of the words |
/// | `re(..)` | the regular expression, whose groups are not counted |
///
/// [`UrlMapBuilder::converter`](crate::map::UrlMapBuilder::converter) adds others. As the prefix of
/// an `include` a template is open at its end.
pub fn template(template: impl AsRef<str>) -> Pattern {
    Pattern::new(Syntax::Template, template.as_ref())
}

/// A pattern with the way it is read and, if it has one, the name of its route; see
/// [`IntoPattern`].
///
/// It is read by the builder that it is given to, whose `build` tells what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Pattern {
    pub(crate) text: Box<str>,
    pub(crate) syntax: Syntax,
    pub(crate) name: Option<Box<str>>,
}

/// How a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// A regular expression that is searched for.
    Search,
    /// A regular expression that must match all of the text.
    Full,
    Template,
}

impl Pattern {
    fn new(syntax: Syntax, text: &str) -> Self {
        Self {
            text: text.into(),
            syntax,
            name: None,
        }
    }

    /// The text, as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}
