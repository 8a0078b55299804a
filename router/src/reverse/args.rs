//! What [`UrlMap::url_for`](crate::UrlMap::url_for) takes.

use std::borrow::Cow;
use std::fmt::Display;

/// Arguments for [`UrlMap::url_for`](crate::UrlMap::url_for), with or without names.
#[derive(Clone, Debug, Default)]
pub struct ArgList(pub(crate) Vec<(Option<String>, String)>);

/// A value that can stand in a path: text, a number, a character.
pub trait ArgValue {
    /// The value as text, not encoded.
    fn text(&self) -> Cow<'_, str>;
}

/// One argument: a value, or a pair of a name and a value.
pub trait Arg {
    /// The name, if it has one, and the value.
    fn arg(&self) -> (Option<Cow<'_, str>>, Cow<'_, str>);
}

/// Everything that [`UrlMap::url_for`](crate::UrlMap::url_for) takes: arrays,
/// slices and vectors of arguments, or `()`.
pub trait IntoArgs {
    /// The arguments in order.
    fn into_args(self) -> ArgList;
}

macro_rules! displayed {
    ($($type:ty),*) => {$(
        impl ArgValue for $type {
            fn text(&self) -> Cow<'_, str> {
                Cow::Owned(displayed(self))
            }
        }
    )*};
}

fn displayed(value: &dyn Display) -> String {
    value.to_string()
}

displayed!(
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, char
);

/// With a point, as the converter `float` wants it: `1.0` and not `1`.
impl ArgValue for f64 {
    fn text(&self) -> Cow<'_, str> {
        Cow::Owned(with_point(displayed(self)))
    }
}

/// As that of `f64`.
impl ArgValue for f32 {
    fn text(&self) -> Cow<'_, str> {
        Cow::Owned(with_point(displayed(self)))
    }
}

fn with_point(mut number: String) -> String {
    if number.ends_with(|c: char| c.is_ascii_digit()) && !number.contains('.') {
        number.push_str(".0");
    }
    number
}

impl ArgValue for str {
    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

impl ArgValue for String {
    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

impl ArgValue for Cow<'_, str> {
    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

impl<V: ArgValue + ?Sized> ArgValue for &V {
    fn text(&self) -> Cow<'_, str> {
        (**self).text()
    }
}

impl<V: ArgValue> Arg for V {
    fn arg(&self) -> (Option<Cow<'_, str>>, Cow<'_, str>) {
        (None, self.text())
    }
}

impl<K: AsRef<str>, V: ArgValue> Arg for (K, V) {
    fn arg(&self) -> (Option<Cow<'_, str>>, Cow<'_, str>) {
        (Some(Cow::Borrowed(self.0.as_ref())), self.1.text())
    }
}

fn list<A: Arg>(args: &[A]) -> ArgList {
    let own = |arg: &A| {
        let (name, value) = arg.arg();
        (name.map(Cow::into_owned), value.into_owned())
    };
    ArgList(args.iter().map(own).collect())
}

impl<A: Arg> IntoArgs for &[A] {
    fn into_args(self) -> ArgList {
        list(self)
    }
}

impl<A: Arg, const N: usize> IntoArgs for [A; N] {
    fn into_args(self) -> ArgList {
        list(&self)
    }
}

impl<A: Arg, const N: usize> IntoArgs for &[A; N] {
    fn into_args(self) -> ArgList {
        list(self)
    }
}

impl<A: Arg> IntoArgs for Vec<A> {
    fn into_args(self) -> ArgList {
        list(&self)
    }
}

impl<A: Arg> IntoArgs for &Vec<A> {
    fn into_args(self) -> ArgList {
        list(self)
    }
}

impl IntoArgs for () {
    fn into_args(self) -> ArgList {
        ArgList::default()
    }
}

impl IntoArgs for ArgList {
    fn into_args(self) -> ArgList {
        self
    }
}
