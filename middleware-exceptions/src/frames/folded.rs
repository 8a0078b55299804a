//! Folds a list of frames: other crates' frames together, recursions once.

use std::sync::Arc;

use crate::frames::frame::Frame;

/// What is said of the frames one after another: one of yours, several of others', or what repeats itself.
#[derive(Debug)]
pub enum Folded<'a> {
    /// A frame of the program.
    Frame(&'a Frame),
    /// Consecutive frames of other crates.
    Others(&'a [Arc<Frame>]),
    /// A recursion: the frames just before repeat.
    Repeated {
        /// The frames that repeat, once.
        frames: &'a [Arc<Frame>],
        /// How many more times they repeat.
        times: usize,
    },
}

/// So many calls may lie between a function and itself: those of a library that calls back, too.
const PERIOD: usize = 24;

/// Fewer repetitions than this are listed in full, because they may be chance.
const LEAST: usize = 3;

pub(crate) fn folded(frames: &[Arc<Frame>]) -> Vec<Folded<'_>> {
    let mut parts = Vec::new();
    let (mut told, mut at) = (0, 0);
    while let Some(rest) = frames.get(at..).filter(|rest| !rest.is_empty()) {
        let Some((period, times)) = repetition(rest) else {
            at += 1;
            continue;
        };
        parts.extend(plain(frames.get(told..at + period).unwrap_or_default()));
        parts.push(Folded::Repeated {
            frames: rest.get(..period).unwrap_or_default(),
            times: times - 1,
        });
        at += period * times;
        told = at;
    }
    parts.extend(plain(frames.get(told..).unwrap_or_default()));
    parts
}

/// Lists the program's frames one by one and those of other crates together.
fn plain(frames: &[Arc<Frame>]) -> impl Iterator<Item = Folded<'_>> {
    let runs = frames.chunk_by(|a, b| !a.is_yours() && !b.is_yours());
    runs.map(|run| match run {
        [frame] if frame.is_yours() => Folded::Frame(frame),
        others => Folded::Others(others),
    })
}

/// How many frames repeat themselves here, and how often they stand here. Those of others alone are folded anyway.
fn repetition(frames: &[Arc<Frame>]) -> Option<(usize, usize)> {
    (1..=PERIOD.min(frames.len() / LEAST)).find_map(|period| {
        let first = frames.get(..period)?;
        let cycles = frames.chunks_exact(period);
        let times = cycles.take_while(|cycle| are_same(first, cycle)).count();
        let is_told = times >= LEAST && first.iter().any(|frame| frame.is_yours());
        is_told.then_some((period, times))
    })
}

fn are_same(some: &[Arc<Frame>], others: &[Arc<Frame>]) -> bool {
    let is_same = |(one, other): (&Arc<Frame>, &Arc<Frame>)| {
        Arc::ptr_eq(one, other)
            || (one.line == other.line
                && one.column == other.column
                && one.offset == other.offset
                && one.raw == other.raw
                && one.path == other.path)
    };
    some.iter().zip(others).all(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{source::Sources, symbols::described};

    /// Lower case is yours, upper case a library's; what is told of each.
    fn told(stack: &str) -> String {
        let frames: Vec<_> = stack.chars().map(frame).collect();
        let names = |frames: &[Arc<Frame>]| -> String {
            frames.iter().map(|frame| frame.raw.as_str()).collect()
        };
        let parts = folded(&frames);
        let told = parts.iter().map(|part| match part {
            Folded::Frame(frame) => frame.raw.clone(),
            Folded::Others(frames) => format!("({})", names(frames)),
            Folded::Repeated { frames, times } => format!("[{} x{times}]", names(frames)),
        });
        told.collect::<Vec<_>>().join(" ")
    }

    fn frame(name: char) -> Arc<Frame> {
        let file = match name.is_lowercase() {
            true => "/home/me/src/main.rs",
            false => "/rustc/0/library/core/src/lib.rs",
        };
        let place = Some((std::path::Path::new(file), u32::from(name), 1));
        let name = name.to_string();
        Arc::new(described(Some(&name), place, &mut Sources::default()))
    }

    #[test]
    fn recursion_is_told_once_and_counted() {
        let cases = [
            ("", ""),
            ("abc", "a b c"),
            ("aABbC", "a (AB) b (C)"),
            ("aa", "a a"),
            ("abbc", "a b b c"),
            ("abbbc", "a b [b x2] c"),
            ("abbbbbb", "a b [b x5]"),
            ("xabababy", "x a b [ab x2] y"),
            ("xababababay", "x a b [ab x3] a y"),
            // A library that calls back; what it begins with joins what was before.
            ("xAbBAbBAbBAy", "x (A) b (B) [AbB x2] (A) y"),
            ("aAAAAAAb", "a (AAAAAA) b"),
            ("aaabbb", "a [a x2] b [b x2]"),
        ];
        for (stack, expected) in cases {
            assert_eq!(told(stack), expected, "{stack}");
        }
    }

    #[test]
    fn no_frame_is_lost() {
        for stack in ["aaaaabcbcbcbcXXXXaXaXaXa", "abababab", "AAAAA", "aaaa"] {
            let frames: Vec<_> = stack.chars().map(frame).collect();
            let counts = folded(&frames).into_iter().map(|part| match part {
                Folded::Frame(_) => 1,
                Folded::Others(frames) => frames.len(),
                Folded::Repeated { frames, times } => frames.len() * times,
            });
            assert_eq!(counts.sum::<usize>(), stack.len(), "{stack}");
        }
    }
}
