//! Queries and forms as types, and the untyped form for showing it again.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use gateway_core::Error;
use http::StatusCode;
use serde::de::{DeserializeOwned, Deserializer};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde::{Deserialize, de};

/// The fields of a form, decoded, in the order sent: from [`read_form`](crate::EnvironExt::read_form),
/// or the text fields of an upload.
///
/// ```
/// use gateway_web::Form;
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Search {
///     words: String,
///     #[serde(default)]
///     shelf: Vec<u32>,
///     #[serde(default, deserialize_with = "gateway_web::forms::checkbox")]
///     in_stock: bool,
/// }
///
/// let form = Form::from_encoded(b"words=sea&shelf=3&shelf=7&in_stock=on");
/// let search: Search = form.parse()?;
/// assert_eq!((&search.words[..], &search.shelf[..], search.in_stock), ("sea", &[3, 7][..], true));
///
/// let error = Form::from_encoded(b"words=sea&shelf=x").parse::<Search>().err().unwrap();
/// assert_eq!(error.field(), "shelf[0]");
/// # Ok::<(), gateway_web::forms::FormError>(())
/// ```
///
/// It serializes as a map of each name to its first value, so that a template shows a form again with what was
/// typed: `value="{{ form.title }}"`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Form {
    pairs: Vec<(String, String)>,
}

impl Form {
    /// The fields of a query or of a body of `application/x-www-form-urlencoded`. Bytes that are not UTF-8 become
    /// U+FFFD.
    #[must_use]
    pub fn from_encoded(encoded: &[u8]) -> Self {
        form_urlencoded::parse(encoded).collect()
    }

    /// The fields that a value is sent as: for a page that lets a client edit what there is, and to check JSON as forms
    /// are checked.
    ///
    /// ```
    /// use gateway_web::Form;
    ///
    /// #[derive(serde::Serialize)]
    /// struct Book {
    ///     title: &'static str,
    ///     year: u16,
    ///     shelves: Vec<u32>,
    ///     editor: Option<String>,
    /// }
    ///
    /// let book = Book { title: "Moby-Dick", year: 1851, shelves: vec![3, 7], editor: None };
    /// let form = Form::of(&book)?;
    /// assert_eq!(form.get("year"), Some("1851"));
    /// assert_eq!(form.get_all("shelves").collect::<Vec<_>>(), ["3", "7"]);
    /// assert_eq!(form.get("editor"), None);
    /// # Ok::<(), gateway_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The value has no fields, or one that no field of a form can be, such as a struct in a struct: 500.
    #[track_caller]
    pub fn of(value: &impl Serialize) -> Result<Self, Error> {
        let encoded = serde_html_form::to_string(value)?;
        Ok(Self::from_encoded(encoded.as_bytes()))
    }

    /// The first value of the field `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// Every value of the field `name`, in the order sent: checkboxes of one name, a `<select multiple>`.
    pub fn get_all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let named = self.pairs.iter().filter(move |(key, _)| key == name);
        named.map(|(_, value)| value.as_str())
    }

    /// Every field with its value, in the order sent.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.pairs.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether the field `name` is missing, or has nothing but white space.
    #[must_use]
    pub fn is_blank(&self, name: &str) -> bool {
        self.get(name).is_none_or(|value| value.trim().is_empty())
    }

    /// The fields as a type of the caller's.
    ///
    /// A field that is sent several times fits a `Vec`, a field that is missing fits an `Option` or one with
    /// `serde(default)`, and an empty one fits an `Option` as `None`. For a checkbox see [`checkbox`].
    ///
    /// # Errors
    ///
    /// The first field that does not fit, by name. Through `?` the error is answered with 422.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, FormError> {
        let mut encoded = form_urlencoded::Serializer::new(String::new());
        let encoded = encoded.extend_pairs(self.pairs()).finish();
        parse(encoded.as_bytes())
    }

    #[cfg(feature = "tempfile")]
    pub(crate) fn push(&mut self, name: String, value: String) {
        self.pairs.push((name, value));
    }
}

/// The fields of `encoded` as a type, or the first that does not fit.
pub(crate) fn parse<T: DeserializeOwned>(encoded: &[u8]) -> Result<T, FormError> {
    let pairs = serde_html_form::Deserializer::from_bytes(encoded);
    serde_path_to_error::deserialize(pairs).map_err(|error| FormError {
        field: match error.path().to_string() {
            // serde_path_to_error's name for "no field at all".
            path if path == "." => String::new(),
            path => path,
        },
        message: error.into_inner().to_string(),
    })
}

/// What `#[serde(deserialize_with = "gateway_web::forms::checkbox")]` reads a checkbox with: `on`, `true`, `yes` and `1`
/// are `true`; `off`, `false`, `no`, `0` and nothing are `false`.
///
/// A browser does not send a checkbox that is not checked, so the field needs `default` as well.
///
/// # Errors
///
/// Any other value.
pub fn checkbox<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = Cow::<'de, str>::deserialize(deserializer)?;
    match &*value {
        "on" | "true" | "yes" | "1" => Ok(true),
        "off" | "false" | "no" | "0" | "" => Ok(false),
        _ => Err(de::Error::custom("is no value of a checkbox")),
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Form {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        Self {
            pairs: pairs
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        }
    }
}

impl Serialize for Form {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut first = BTreeMap::new();
        for (name, value) in self.pairs() {
            first.entry(name).or_insert(value);
        }
        let mut map = serializer.serialize_map(Some(first.len()))?;
        for (name, value) in first {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets.
        let names = self.pairs.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

/// A field of a query or a form that does not fit its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormError {
    field: String,
    message: String,
}

impl FormError {
    /// The name of the field, with its place in a list (`shelf[0]`). Empty where no single field is at fault.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is wrong with it, for a person.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    #[track_caller]
    pub(crate) fn answered_with(self, status: StatusCode) -> Error {
        Error::new(status, self)
    }
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.field {
            "" => f.write_str(&self.message),
            field => write!(f, "the field `{field}`: {}", self.message),
        }
    }
}

impl std::error::Error for FormError {}

/// What is wrong with a form, by field: for showing it again with all its errors.
///
/// ```
/// use gateway_web::{Form, FormErrors};
///
/// let form = Form::from_encoded(b"title=&year=soon");
/// let mut errors = FormErrors::default();
/// if form.is_blank("title") {
///     errors.add("title", "A book has a title.");
/// }
/// errors.extend(form.parse::<std::collections::HashMap<String, u16>>().err());
/// assert_eq!(errors.get("title"), Some("A book has a title."));
/// assert!(!errors.is_empty());
/// ```
///
/// It serializes as a map of each field to its first message: `{{ errors.title }}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormErrors {
    by_field: BTreeMap<String, String>,
}

impl FormErrors {
    /// Says what is wrong with a field. Of several messages the first stays.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        let entry = self.by_field.entry(field.into());
        entry.or_insert_with(|| message.into());
    }

    /// The message for a field.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        self.by_field.get(field).map(String::as_str)
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_field.is_empty()
    }

    /// Every field with its message, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let entries = self.by_field.iter();
        entries.map(|(field, message)| (field.as_str(), message.as_str()))
    }
}

/// The error of a [`Form::parse`] joins those that were added: under the name of its field, without its place in
/// a list.
impl Extend<FormError> for FormErrors {
    fn extend<I: IntoIterator<Item = FormError>>(&mut self, errors: I) {
        for error in errors {
            let field = error.field.split(['[', '.']).next().unwrap_or_default();
            self.add(field, error.message);
        }
    }
}

impl Serialize for FormErrors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.by_field.serialize(serializer)
    }
}
