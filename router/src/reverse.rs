//! From a name and arguments back to a path.

use std::borrow::Cow;
use std::fmt::Display;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use regex_syntax::hir::{Hir, HirKind};

use crate::engine::class_ranges;
use crate::error::UrlForError;
use crate::map::Entry;
use crate::pattern::{self, Pattern};

/// What a segment may not hold as it is: all but `pchar` of RFC 3986, section 3.3.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// In the first segment of a path without a leading slash a colon would end a
/// scheme (RFC 3986, section 4.2).
const FIRST_SEGMENT: &AsciiSet = &SEGMENT.add(b':');

/// One way to write a path for a pattern.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    /// The group of this number, from 0.
    Group(usize),
}

/// More shapes than this nobody means: `(a)?` sixty-four times has 2^64.
const MAX_SHAPES: usize = 256;

impl Shape {
    /// The shapes of a pattern; what is optional is first left out.
    pub(crate) fn all(pattern: &Pattern) -> Box<[Self]> {
        let mut shapes = vec![Self::default()];
        extend(&mut shapes, &pattern.hir());
        shapes.into()
    }

    fn push(&mut self, text: &str) {
        if let Some(Piece::Text(before)) = self.pieces.last_mut() {
            before.push_str(text);
        } else if !text.is_empty() {
            self.pieces.push(Piece::Text(text.into()));
        }
    }

    fn groups(&self) -> impl Iterator<Item = usize> + '_ {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Group(group) => Some(*group),
            Piece::Text(_) => None,
        })
    }
}

/// Appends all ways to write `hir` to all shapes.
fn extend(shapes: &mut Vec<Shape>, hir: &Hir) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => {
            let text = String::from_utf8_lossy(&literal.0);
            shapes.iter_mut().for_each(|shape| shape.push(&text));
        }
        HirKind::Class(class) => {
            // Any member will do; the least surprising one.
            let sample = class_ranges(class).and_then(|ranges| nicest(&ranges));
            if let Some(c) = sample {
                shapes
                    .iter_mut()
                    .for_each(|shape| shape.push(c.encode_utf8(&mut [0; 4])));
            }
        }
        HirKind::Capture(capture) => {
            let group = (capture.index as usize).saturating_sub(1);
            shapes
                .iter_mut()
                .for_each(|shape| shape.pieces.push(Piece::Group(group)));
        }
        HirKind::Repetition(repetition) => {
            let groups = repetition.sub.properties().explicit_captures_len() > 0;
            for _ in 0..repetition.min.min(1024) {
                extend(shapes, &repetition.sub);
            }
            if repetition.min == 0 && groups {
                let mut with = shapes.clone();
                extend(&mut with, &repetition.sub);
                shapes.extend(with);
            }
        }
        HirKind::Concat(parts) => parts.iter().for_each(|part| extend(shapes, part)),
        HirKind::Alternation(branches) => {
            let before = std::mem::take(shapes);
            for branch in branches {
                let mut these = before.clone();
                extend(&mut these, branch);
                shapes.extend(these);
                // Without groups in it one branch is as good as another.
                if shapes.len() > MAX_SHAPES || hir.properties().explicit_captures_len() == 0 {
                    break;
                }
            }
        }
    }
    shapes.truncate(MAX_SHAPES);
}

fn nicest(ranges: &[(u32, u32)]) -> Option<char> {
    let preferred = [('0', '9'), ('a', 'z'), ('A', 'Z'), ('-', '-'), ('!', '~')];
    let within = |(low, high): (char, char)| {
        ranges
            .iter()
            .map(|&(start, end)| (start.max(low as u32), end.min(high as u32)))
            .find(|(start, end)| start <= end)
    };
    let (start, _) = preferred
        .into_iter()
        .find_map(within)
        .or_else(|| ranges.first().copied())?;
    char::from_u32(start)
}

/// Whether a pattern ends with something that takes whatever comes.
pub(crate) fn ends_openly(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Concat(parts) => parts.last().is_some_and(ends_openly),
        HirKind::Capture(capture) => ends_openly(&capture.sub),
        HirKind::Repetition(repetition) => repetition.max.is_none(),
        HirKind::Alternation(branches) => branches.iter().all(ends_openly),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => false,
    }
}

/// The routes among which a URL has to find its own again.
pub(crate) trait Routes {
    fn entry(&self, id: u32) -> Option<&Entry>;
    /// The route that wins, were the text asked for.
    fn find(&self, text: &str) -> Option<u32>;
}

/// What the map will be asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The decoded path.
    Decoded,
    /// The path as it was sent; the groups are decoded.
    #[cfg_attr(
        not(feature = "service"),
        expect(dead_code, reason = "only the service has raw paths")
    )]
    Raw,
}

/// The encoded path to a route.
pub(crate) fn reverse(
    routes: &dyn Routes,
    id: u32,
    args: &ArgList,
    mode: Mode,
) -> Result<String, UrlForError> {
    let Some(entry) = routes.entry(id) else {
        return Err(UrlForError::UnknownName {
            name: id.to_string(),
        });
    };
    let by_group = assign(entry, args)?;
    let mut first_error = None;
    for shape in entry.shapes() {
        let Some(values) = values(shape, &by_group, args) else {
            continue;
        };
        match attempt(routes, id, entry, shape, &values, mode) {
            Ok(encoded) => return Ok(encoded),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    Err(first_error.unwrap_or_else(|| no_shape(entry, &by_group, args)))
}

/// Arguments by group; those by position stay as they are.
enum Assigned<'a> {
    Positional,
    Named(Vec<Option<&'a str>>),
}

fn assign<'a>(entry: &Entry, args: &'a ArgList) -> Result<Assigned<'a>, UrlForError> {
    let pattern = &entry.pattern;
    let source = || pattern.source.to_string();
    let mut named = vec![None; pattern.groups.len()];
    let mut any = false;
    for (name, value) in &args.0 {
        let Some(name) = name else { continue };
        any = true;
        let position = pattern
            .groups
            .iter()
            .position(|group| group.as_deref() == Some(name));
        let Some(slot) = position.and_then(|at| named.get_mut(at)) else {
            return Err(UrlForError::UnknownArgument {
                pattern: source(),
                argument: name.to_string(),
            });
        };
        if slot.replace(&**value).is_some() {
            return Err(UrlForError::Twice {
                argument: name.to_string(),
            });
        }
    }
    if !any {
        let takes = entry
            .shapes()
            .iter()
            .map(|shape| shape.groups().count())
            .max()
            .unwrap_or(0);
        if args.0.len() > takes {
            return Err(UrlForError::Extra {
                pattern: source(),
                takes,
                given: args.0.len(),
            });
        }
        return Ok(Assigned::Positional);
    }
    Ok(Assigned::Named(named))
}

/// The values of a shape's groups in its order; `None` if it does not take
/// exactly the arguments that there are.
fn values<'a>(
    shape: &Shape,
    assigned: &Assigned<'a>,
    args: &'a ArgList,
) -> Option<Vec<(usize, &'a str)>> {
    let mut groups: Vec<usize> = Vec::new();
    for group in shape.groups() {
        // A repeated group is one argument.
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    match assigned {
        Assigned::Positional => (groups.len() == args.0.len()).then(|| {
            groups
                .into_iter()
                .zip(args.0.iter().map(|(_, value)| &**value))
                .collect()
        }),
        Assigned::Named(named) => {
            if groups.len() != named.iter().flatten().count() {
                return None;
            }
            groups
                .into_iter()
                .map(|group| Some((group, (*named.get(group)?)?)))
                .collect()
        }
    }
}

fn no_shape(entry: &Entry, assigned: &Assigned<'_>, args: &ArgList) -> UrlForError {
    let pattern = entry.pattern.source.to_string();
    let given = |group: usize| match assigned {
        Assigned::Positional => group < args.0.len(),
        Assigned::Named(named) => named.get(group).copied().flatten().is_some(),
    };
    // The group that every form needs and that has nothing.
    let needed = entry.shapes().iter().map(|shape| {
        shape
            .groups()
            .filter(|&group| !given(group))
            .collect::<Vec<_>>()
    });
    match needed.min_by_key(Vec::len).as_deref() {
        Some([group, ..]) => UrlForError::Missing {
            pattern,
            group: group_name(entry, *group),
        },
        _ => UrlForError::NoSuchForm { pattern },
    }
}

fn group_name(entry: &Entry, group: usize) -> String {
    entry
        .pattern
        .groups
        .get(group)
        .and_then(|name| name.as_deref())
        .map_or_else(|| group.to_string(), Into::into)
}

fn attempt(
    routes: &dyn Routes,
    id: u32,
    entry: &Entry,
    shape: &Shape,
    values: &[(usize, &str)],
    mode: Mode,
) -> Result<String, UrlForError> {
    let source = || entry.pattern.source.to_string();
    let text = write(shape, values, mode);
    let encoded = match mode {
        Mode::Decoded => encode(&text),
        Mode::Raw => text.clone(),
    };
    let decoded = || {
        percent_encoding::percent_decode_str(&encoded)
            .decode_utf8_lossy()
            .into_owned()
    };
    if is_unsafe(&encoded) {
        return Err(UrlForError::Unsafe { url: decoded() });
    }
    let won = routes.find(&text);
    if won == Some(id) && reads_back(entry, &text, values, mode) {
        return Ok(encoded);
    }
    // It did not work: find out why.
    for &(group, value) in values {
        let hir = entry.pattern.hir();
        let Some(hir) = pattern::group(&hir, group as u32 + 1) else {
            continue;
        };
        let in_path = match mode {
            Mode::Decoded => Cow::Borrowed(value),
            Mode::Raw => Cow::Owned(encode_raw(value)),
        };
        if !fits(hir, &in_path) {
            return Err(UrlForError::Unfit {
                pattern: source(),
                group: group_name(entry, group),
                expects: pattern::group_text(&entry.pattern.source, hir, group as u32 + 1),
                value: value.into(),
            });
        }
    }
    match won.and_then(|won| routes.entry(won)) {
        // To read back takes for granted that the pattern matches.
        Some(other)
            if won != Some(id)
                && entry.is_match(&text)
                && reads_back(entry, &text, values, mode) =>
        {
            Err(UrlForError::Shadowed {
                pattern: source(),
                by: other.pattern.source.to_string(),
                url: decoded(),
            })
        }
        _ => Err(UrlForError::Ambiguous {
            pattern: source(),
            url: decoded(),
        }),
    }
}

/// The text that the map is asked with.
fn write(shape: &Shape, values: &[(usize, &str)], mode: Mode) -> String {
    let mut text = String::new();
    for piece in &shape.pieces {
        match piece {
            Piece::Text(literal) => text.push_str(literal),
            Piece::Group(group) => {
                let value = values
                    .iter()
                    .find(|(own, _)| own == group)
                    .map_or("", |&(_, value)| value);
                match mode {
                    Mode::Decoded => text.push_str(value),
                    Mode::Raw => text.push_str(&encode_raw(value)),
                }
            }
        }
    }
    text
}

/// A decoded path as it is sent.
pub(crate) fn encode(text: &str) -> String {
    if text.starts_with('/') {
        return utf8_percent_encode(text, SEGMENT).to_string();
    }
    let (first, rest) = text
        .find('/')
        .and_then(|at| text.split_at_checked(at))
        .unwrap_or((text, ""));
    format!(
        "{}{}",
        utf8_percent_encode(first, FIRST_SEGMENT),
        utf8_percent_encode(rest, SEGMENT)
    )
}

/// A value for a path that is matched as it was sent: a slash in it is no
/// separator.
fn encode_raw(value: &str) -> String {
    const VALUE: &AsciiSet = &FIRST_SEGMENT.add(b'/');
    // `.` alone would be a dot segment in any spelling, see `is_unsafe`.
    utf8_percent_encode(value, VALUE).to_string()
}

/// Whether a client would change the URL before it sends it, or take its
/// beginning for a host (RFC 3986, sections 5.2.4 and 4.2).
pub(crate) fn is_unsafe(encoded: &str) -> bool {
    let dots = |segment: &str| {
        let plain = segment.replace("%2e", ".").replace("%2E", ".");
        plain == "." || plain == ".."
    };
    encoded.starts_with("//") || encoded.split('/').any(dots)
}

fn reads_back(entry: &Entry, text: &str, values: &[(usize, &str)], mode: Mode) -> bool {
    let args = entry.args(text);
    let same = |found: Option<&str>, value: &str| match (mode, found) {
        (_, None) => false,
        (Mode::Decoded, Some(found)) => found == value,
        (Mode::Raw, Some(found)) => percent_encoding::percent_decode_str(found)
            .decode_utf8()
            .is_ok_and(|found| found == value),
    };
    (0..args.len()).all(|group| match values.iter().find(|(own, _)| *own == group) {
        Some((_, value)) => same(args.get(group), value),
        // A group without an argument takes part only inside of one with one.
        None => args.get(group).is_none() || is_inside(&entry.pattern.hir(), group, values),
    })
}

fn is_inside(hir: &Hir, group: usize, values: &[(usize, &str)]) -> bool {
    values.iter().any(|&(outer, _)| {
        pattern::group(hir, outer as u32 + 1)
            .is_some_and(|sub| pattern::group(sub, group as u32 + 1).is_some())
    })
}

fn fits(hir: &Hir, value: &str) -> bool {
    let whole = pattern::whole(pattern::without_groups(hir));
    // An engine that cannot be made has nothing against the value.
    crate::engine::general(&whole, usize::MAX).map_or(true, |regex| regex.is_match(value))
}

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

/// How many characters of `text` have to change for one of the shapes to be
/// written like it; groups cost nothing, whatever of one segment they take.
#[cfg_attr(
    not(feature = "service"),
    expect(dead_code, reason = "for the service's page in development")
)]
pub(crate) fn distance(shapes: &[Shape], text: &str) -> usize {
    let text: Vec<char> = text.chars().collect();
    shapes
        .iter()
        .take(8)
        .map(|shape| shape_distance(shape, &text))
        .min()
        .unwrap_or(usize::MAX)
}

fn shape_distance(shape: &Shape, text: &[char]) -> usize {
    // Row by row over the shape: the cost to have written `text[..i]` by now.
    let mut row: Vec<usize> = (0..=text.len()).collect();
    let step = |row: &[usize], cost: &dyn Fn(Option<char>) -> (usize, usize)| -> Vec<usize> {
        let mut next: Vec<usize> = Vec::with_capacity(row.len());
        let (_, without) = cost(None);
        next.push(row.first().map_or(0, |before| before + without));
        for (i, &c) in text.iter().enumerate() {
            let (with, without) = cost(Some(c));
            let both = row
                .get(i)
                .map_or(usize::MAX, |cost| cost.saturating_add(with));
            let extra = next
                .get(i)
                .map_or(usize::MAX, |cost| cost.saturating_add(1));
            let less = row
                .get(i + 1)
                .map_or(usize::MAX, |cost| cost.saturating_add(without));
            next.push(both.min(extra).min(less));
        }
        next
    };
    for piece in &shape.pieces {
        match piece {
            Piece::Text(literal) => {
                for wanted in literal.chars() {
                    row = step(&row, &|c| (usize::from(c != Some(wanted)), 1));
                }
            }
            Piece::Group(_) => {
                // One character at least, then any more of the segment for nothing.
                row = step(&row, &|c| (usize::from(c == Some('/')), 1));
                for i in 1..row.len() {
                    let before = row.get(i - 1).copied().unwrap_or(usize::MAX);
                    if let (Some(slot), Some(&c)) = (row.get_mut(i), text.get(i - 1))
                        && c != '/'
                    {
                        *slot = (*slot).min(before);
                    }
                }
            }
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}
