//! What an error says of itself. Each of its `Display`, `Debug` and `source` is the program's code: called once, bounded, its
//! panics contained, and off the async workers (see `pending/ready.rs`).

use std::{
    error::Error,
    fmt::{self, Debug, Write},
};

use gateway_core::error::Failure;
use panic_capture::{discard, guard};

use crate::{
    failure::{
        facts::{ChainLink, SpanSummary},
        payload::payload_text,
        spans::{self, Current},
        trace::{AnyError, BACKTRACE, DEPTH, as_foreign, backtraces_enabled},
    },
    text::shown::{self, Bounded, MESSAGE, truncated},
};

/// The error as a report tells it.
#[derive(Default)]
pub(crate) struct Described {
    pub(crate) type_name: Option<String>,
    /// What its `Debug` begins with, where that is not the type: mostly the variant of an enum.
    pub(crate) variant: Option<String>,
    pub(crate) message: String,
    pub(crate) chain: Vec<ChainLink>,
    pub(crate) chain_cut: bool,
    pub(crate) spans: Vec<SpanSummary>,
    /// As std prints it, if the error has one and backtraces are on.
    pub(crate) backtrace: Option<String>,
}

impl Described {
    pub(crate) fn of_error(error: &AnyError, type_name: Option<String>, current: &Current) -> Self {
        let mut described = Self {
            type_name,
            ..Self::default()
        };
        if let Err(caught) = guard(|| described.describe(error, current)) {
            discard(caught.payload);
            described
                .message
                .push_str(" [the error panicked when it was asked for more]");
        }
        described
    }

    fn describe(&mut self, held: &AnyError, current: &Current) {
        let error = held.as_dyn();
        // Around it there is only what knows its type and place.
        let inner: &(dyn Error + 'static) = match error.downcast_ref::<Failure>() {
            Some(failure) => failure.cause(),
            None => error,
        };
        match as_foreign(error) {
            Some(foreign) => self.message = shown::text(foreign.message(), MESSAGE),
            None => {
                let (debug, wanted): (&dyn Debug, _) = match held {
                    AnyError::Boxed(_) | AnyError::Shared(_) if backtraces_enabled() => {
                        (&inner, Wanted::NameAndBacktrace)
                    }
                    // Of eyre only the handler knows, and its `{:?}`.
                    #[cfg(feature = "eyre")]
                    AnyError::Eyre(report) if backtraces_enabled() => (report, Wanted::Backtrace),
                    _ => (&inner, Wanted::Name),
                };
                let said = Said::of(error, debug, MESSAGE, wanted);
                self.message = said.message;
                let known = self.type_name.take().or_else(|| std_type(inner));
                (self.type_name, self.variant) = type_and_variant(known, said.name);
                self.backtrace = said.backtrace;
            }
        }
        #[cfg(feature = "anyhow")]
        if let AnyError::Anyhow(error) = held
            && backtraces_enabled()
        {
            self.backtrace = guard(|| printed(error)).unwrap_or_else(|caught| {
                discard(caught.payload);
                None
            });
        }
        self.spans = spans::of_error(error, current);
        let mut source = error.source();
        while let Some(cause) = source {
            if self.chain.len() == DEPTH {
                self.chain_cut = true;
                break;
            }
            self.chain.push(link(cause));
            source = cause.source();
        }
    }
}

fn link(cause: &(dyn Error + 'static)) -> ChainLink {
    match as_foreign(cause) {
        Some(foreign) => ChainLink {
            type_name: Some(shown::line(foreign.type_name(), 256)),
            variant: None,
            message: shown::text(foreign.message(), MESSAGE / 4),
        },
        None => {
            let said = Said::of(cause, &cause, MESSAGE / 4, Wanted::Name);
            let (type_name, variant) = type_and_variant(std_type(cause), said.name);
            ChainLink {
                type_name,
                variant,
                message: said.message,
            }
        }
    }
}

#[cfg(feature = "anyhow")]
fn printed(error: &anyhow::Error) -> Option<String> {
    let backtrace = error.backtrace();
    (backtrace.status() == std::backtrace::BacktraceStatus::Captured).then(|| backtrace.to_string())
}

/// What to look for in the output of `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The type of a boxed error cannot be asked for, but a derived `Debug` begins with its name.
    Name,
    /// An error of anyhow's or eyre's in a box prints its backtrace in `{:?}`, and has no other way to it.
    NameAndBacktrace,
    /// The whole output: eyre offers no other access.
    Backtrace,
}

/// One `Display` and one `Debug`.
struct Said {
    message: String,
    name: Option<String>,
    backtrace: Option<String>,
}

impl Said {
    fn of(error: &dyn Error, debug: &dyn Debug, limit: usize, wanted: Wanted) -> Self {
        let displayed = guard(|| Bounded::of(format_args!("{error}"), limit));
        let (message, start) = match &displayed {
            Ok(said) => (said.shown(), truncated(&said.text, NAME)),
            Err(caught) => {
                let why = payload_text(&*caught.payload).1;
                let why = truncated(&why, 512);
                (format!("[no message: its Display panicked: {why}]"), "")
            }
        };
        let mut said = Self {
            message,
            name: None,
            backtrace: None,
        };
        let mut debugged = Debugged::new(truncated(start, 64), wanted);
        if let Err(caught) = guard(|| _ = write!(debugged, "{debug:?}")) {
            discard(caught.payload);
        } else {
            said.name = leading_name(&debugged.text, start).filter(|_| wanted != Wanted::Backtrace);
            let backtrace = debugged.text.rsplit_once(BACKTRACE);
            said.backtrace = backtrace.map(|(_, backtrace)| backtrace.to_owned());
        }
        if let Err(caught) = displayed {
            discard(caught.payload);
        }
        said
    }
}

/// So much of a `Debug` is enough for a name.
const NAME: usize = 128;
/// A `Debug` that says no backtrace in so much says none.
const START: usize = 2048;
const WHOLE: usize = 1024 * 1024;

/// What a `Debug` writes, as much of it as is worth reading. A `Debug` that goes deeper may have no end, and written whole it
/// would overflow the stack.
struct Debugged<'a> {
    text: String,
    limit: usize,
    /// How the message begins. What anyhow and eyre write begins with it.
    message: &'a str,
    wanted: Wanted,
}

impl<'a> Debugged<'a> {
    fn new(message: &'a str, wanted: Wanted) -> Self {
        let limit = if wanted == Wanted::Backtrace {
            WHOLE
        } else {
            NAME
        };
        Self {
            text: String::new(),
            limit,
            message,
            wanted,
        }
    }

    /// Whether there is reason to read on. Around an error of anyhow's, a program's type with a derived `Debug` says soon that
    /// there is a backtrace.
    fn reads_on(&mut self) -> bool {
        let limit = match self.limit {
            _ if self.wanted != Wanted::NameAndBacktrace => return false,
            NAME if self.text.starts_with(self.message) => WHOLE,
            NAME => START,
            START if self.text.contains(BACKTRACE) => WHOLE,
            _ => return false,
        };
        self.limit = limit;
        true
    }
}

impl Write for Debugged<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        loop {
            let fits = truncated(rest, self.limit.saturating_sub(self.text.len()));
            self.text.push_str(fits);
            rest = rest.get(fits.len()..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }
            if !self.reads_on() {
                // A `Debug` that ignores our error may write on; drop that.
                self.limit = 0;
                return Err(fmt::Error);
            }
        }
    }
}

/// The type of an error, as far as it is known, and what its `Debug` calls it beside that. The `Debug` of a struct begins with the
/// type, that of an enum with the variant: an unknown type is the name only if it says that it is an error's.
fn type_and_variant(
    known: Option<String>,
    name: Option<String>,
) -> (Option<String>, Option<String>) {
    match (known, name) {
        (Some(known), name) => {
            let path = known.split('<').next().unwrap_or_default();
            let last = path.rsplit("::").next().unwrap_or_default().to_owned();
            (Some(known), name.filter(|name| *name != last))
        }
        (None, Some(name)) if name.ends_with("Error") => (Some(name), None),
        (None, name) => (None, name),
    }
}

/// The type of an error in a box, if it is one of the commonest of std.
fn std_type(error: &(dyn Error + 'static)) -> Option<String> {
    fn of<T: Error + 'static>(error: &(dyn Error + 'static)) -> Option<&'static str> {
        error.is::<T>().then(std::any::type_name::<T>)
    }
    let types = [
        of::<std::io::Error>,
        of::<std::env::VarError>,
        of::<fmt::Error>,
        of::<std::sync::mpsc::RecvError>,
        of::<std::sync::mpsc::TryRecvError>,
        of::<std::sync::mpsc::RecvTimeoutError>,
    ];
    types.iter().find_map(|of| of(error)).map(Into::into)
}

/// The name that a derived `Debug` begins with.
fn leading_name(debug: &str, message: &str) -> Option<String> {
    let start = truncated(debug, NAME);
    let end = start
        .find(|char: char| !char.is_ascii_alphanumeric())
        .unwrap_or(start.len());
    let (name, rest) = start.split_at_checked(end)?;
    let is_type = name.starts_with(|char: char| char.is_ascii_uppercase())
        && (rest.is_empty() || rest.starts_with('(') || rest.starts_with(" {"));
    // A `Debug` that is the message tells of no type. `Error` is what contexts of anyhow call themselves.
    (is_type && name != "Error" && start != message).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn look(message: &'static str, debug: impl Fn(&mut Debugged<'_>) -> fmt::Result) -> String {
        let mut debugged = Debugged::new(message, Wanted::NameAndBacktrace);
        _ = debug(&mut debugged);
        debugged.text
    }

    /// With `RUST_BACKTRACE=1` the whole message of an error was made into a string, to compare 64 bytes of it.
    #[test]
    fn a_debug_without_end_is_stopped() {
        let endless = |debugged: &mut Debugged<'_>| {
            loop {
                debugged.write_str("more and more\n")?;
            }
        };
        assert_eq!(look("no such start", endless).len(), START);
        assert_eq!(look("more", endless).len(), WHOLE);
    }

    #[test]
    fn a_backtrace_is_found_behind_a_message_and_in_a_program_s_own_type() {
        let anyhow = |debugged: &mut Debugged<'_>| {
            debugged.write_str(&"m".repeat(5000))?;
            debugged.write_str("\n\nStack backtrace:\n   0: main")
        };
        assert!(look("mmm", anyhow).ends_with("0: main"));
        let wrapped = |debugged: &mut Debugged<'_>| {
            debugged.write_str("AppError(no price\n\nStack backtrace:\n")?;
            debugged.write_str(&"   0: main\n".repeat(1000))
        };
        assert_eq!(look("no price", wrapped).lines().count(), 3 + 1000);
    }

    #[test]
    fn display_and_debug_are_called_once_each() {
        thread_local! {
            static CALLS: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
        }
        struct Counting;
        impl fmt::Display for Counting {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                CALLS.set((CALLS.get().0 + 1, CALLS.get().1));
                f.write_str("counted")
            }
        }
        impl Debug for Counting {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                CALLS.set((CALLS.get().0, CALLS.get().1 + 1));
                f.write_str("Counting { .. }")
            }
        }
        impl Error for Counting {}
        let error = AnyError::from(Counting);
        let described = Described::of_error(&error, None, &Current::default());
        assert_eq!(described.message, "counted");
        assert_eq!(described.variant.as_deref(), Some("Counting"));
        assert_eq!(CALLS.get(), (1, 1));
    }

    #[test]
    fn the_type_is_the_errors_and_the_variant_stands_beside_it() {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        for (known, name, expected) in [
            (
                "shop::ShopError",
                "OutOfStock",
                ("shop::ShopError", "OutOfStock"),
            ),
            ("shop::NoPrice", "NoPrice", ("shop::NoPrice", "")),
            ("shop::Of<a::B>", "Of", ("shop::Of<a::B>", "")),
            ("shop::ShopError", "", ("shop::ShopError", "")),
            ("", "ParseIntError", ("ParseIntError", "")),
            // Of a box: it may be either.
            ("", "OutOfStock", ("", "OutOfStock")),
            ("", "", ("", "")),
        ] {
            let found = type_and_variant(some(known), some(name));
            assert_eq!(
                found,
                (some(expected.0), some(expected.1)),
                "{known}, {name}"
            );
        }
        let error: &(dyn Error + 'static) = &std::io::Error::other("x");
        assert_eq!(std_type(error).as_deref(), Some("std::io::error::Error"));
    }

    #[test]
    fn names_are_those_of_types() {
        for (debug, message, name) in [
            (
                "ParseIntError { kind: InvalidDigit }",
                "invalid digit",
                Some("ParseIntError"),
            ),
            ("NoPrice(ParseIntError)", "no price", Some("NoPrice")),
            ("Elapsed", "deadline has elapsed", Some("Elapsed")),
            ("Elapsed", "Elapsed", None),
            ("Error { context: 1 }", "no", None),
            ("no such order", "no such order", None),
            ("Two words", "no", None),
        ] {
            assert_eq!(leading_name(debug, message).as_deref(), name, "{debug}");
        }
    }
}
