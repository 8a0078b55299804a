//! Which task a failure has awaited, by what its `JoinError` says.

use std::error::Error;

/// What std's `unwrap` writes before the error's `Debug`.
const UNWRAP: &str = "called `Result::unwrap()` on an `Err` value: ";

/// How the `Debug` of a task's panic begins, and how it ends.
const PANIC: &str = "JoinError::Panic(Id(";
const END: &str = ", ...)";

/// The number of the task whose panic is the error, or is among its causes.
#[cfg(feature = "tokio")]
pub(crate) fn behind(error: &(dyn Error + 'static)) -> Option<u64> {
    use gateway_core::error::Failure;
    use tokio::task::JoinError;

    let mut links = crate::failure::trace::links(error);
    let failed = links.find_map(|error| match error.downcast_ref::<Failure>() {
        Some(failure) => failure.cause().downcast_ref::<JoinError>(),
        None => error.downcast_ref(),
    })?;
    if !failed.is_panic() {
        return None;
    }
    // An `Id` tells its number in no other way.
    failed.id().to_string().parse().ok()
}

#[cfg(not(feature = "tokio"))]
pub(crate) fn behind(_: &(dyn Error + 'static)) -> Option<u64> {
    None
}

/// A task that a panic's message names where std's `unwrap` and `expect` write the error.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named<'a> {
    pub(crate) task: u64,
    /// What follows the number.
    rest: &'a str,
    is_whole: bool,
}

/// The tasks that a message may name. A message is text, and may quote a client: whether it is std's is for
/// [`Named::panicked_with`] to tell, and for the frames.
pub(crate) fn named(message: &str, is_whole: bool) -> impl Iterator<Item = Named<'_>> {
    let is_enabled = cfg!(feature = "tokio");
    let unwrapped = message.strip_prefix(UNWRAP).filter(|_| is_enabled);
    let of_unwrap = unwrapped.and_then(|error| error.strip_prefix(PANIC));
    // What `expect` writes begins with the program's own words.
    let is_expect = is_enabled && !message.starts_with("called `");
    let of_expect = message.match_indices(PANIC).filter_map(move |(at, mark)| {
        let is_after_words = is_expect && message.get(..at)?.ends_with(": ");
        message.get(at + mark.len()..).filter(|_| is_after_words)
    });
    let named = of_unwrap.into_iter().chain(of_expect);
    named.filter_map(move |rest| {
        let (number, rest) = rest.split_once(')')?;
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        Some(Named {
            task: number.parse().ok().filter(|_| is_number)?,
            rest,
            is_whole,
        })
    })
}

impl Named<'_> {
    /// Whether the rest of the message is the `Debug` of that panic, up to its end.
    pub(crate) fn panicked_with(&self, message: Option<&str>) -> bool {
        let expected = match message {
            // As much of it as was kept: without the quotation mark at its end.
            Some(text) => {
                let mut quoted = format!(", {text:?}");
                quoted.pop();
                quoted
            }
            None => END.to_owned(),
        };
        let mut pairs = self.rest.bytes().zip(expected.bytes());
        let is_start = pairs.all(|(one, other)| one == other);
        let is_long_enough = self.rest.len() >= expected.len() && self.rest.ends_with(END);
        is_start && (is_long_enough || !self.is_whole)
    }
}

#[cfg(all(test, feature = "tokio"))]
mod tests {
    use super::*;

    fn found(message: &str, panicked_with: Option<&str>) -> Option<u64> {
        let mut named = named(message, true);
        named
            .find(|named| named.panicked_with(panicked_with))
            .map(|named| named.task)
    }

    #[test]
    fn a_task_is_named_where_std_writes_the_error() {
        for (message, panicked_with, task) in [
            (
                r#"called `Result::unwrap()` on an `Err` value: JoinError::Panic(Id(7), "boom", ...)"#,
                Some("boom"),
                Some(7),
            ),
            (
                r"called `Result::unwrap()` on an `Err` value: JoinError::Panic(Id(7), ...)",
                None,
                Some(7),
            ),
            (
                r#"no price: JoinError::Panic(Id(12), "say \"a\"", ...)"#,
                Some("say \"a\""),
                Some(12),
            ),
            (
                r#"step 2: no price: JoinError::Panic(Id(12), "boom", ...)"#,
                Some("boom"),
                Some(12),
            ),
            // As much as is kept of a long message.
            (
                r#"no price: JoinError::Panic(Id(12), "boom and more", ...)"#,
                Some("boom"),
                Some(12),
            ),
            // Another message than that task's.
            (
                r#"no price: JoinError::Panic(Id(12), "boom", ...)"#,
                Some("bang"),
                None,
            ),
            (
                r#"no price: JoinError::Panic(Id(12), "boom", ...)"#,
                None,
                None,
            ),
            (
                r#"no price: JoinError::Panic(Id(12), "boom", ...)"#,
                Some("boom and more"),
                None,
            ),
            // Not where `unwrap` and `expect` write it.
            (
                r#"called `Result::unwrap()` on an `Err` value: Mine(JoinError::Panic(Id(7), "boom", ...))"#,
                Some("boom"),
                None,
            ),
            (
                r#"called `Result::unwrap()` on an `Err` value: "x: JoinError::Panic(Id(7), \"boom\", ...)""#,
                Some("boom"),
                None,
            ),
            (
                r#"no task JoinError::Panic(Id(7), "boom", ...)"#,
                Some("boom"),
                None,
            ),
            (
                r#"no price: JoinError::Panic(Id(7), "boom", ...) of today"#,
                Some("boom"),
                None,
            ),
            ("no price: JoinError::Panic(Id(+7), ...)", None, None),
            (
                "no price: JoinError::Panic(Id(99999999999999999999), ...)",
                None,
                None,
            ),
            ("no price: JoinError::Panic(Id(", None, None),
            ("no price: JoinError::Cancelled(Id(7))", None, None),
        ] {
            assert_eq!(found(message, panicked_with), task, "{message}");
        }
    }

    #[test]
    fn of_a_message_that_was_cut_as_much_as_there_is_must_fit() {
        let cut = r#"called `Result::unwrap()` on an `Err` value: JoinError::Panic(Id(7), "bo"#;
        let mut it = named(cut, false);
        let named = it.next().unwrap();
        assert!(named.panicked_with(Some("boom")));
        assert!(!named.panicked_with(Some("bang")));
    }
}
