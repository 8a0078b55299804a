//! What the hook wrote down about one panic.

use std::{any::Any, fmt, time::Instant};

use crate::identity::Identity;

/// At most so many frames are kept, the innermost ones.
pub const MAX_FRAMES: usize = 192;

/// At most so many places are listed where one panic of several could be meant.
pub const MAX_CANDIDATES: usize = 8;

/// What was seen of one panic while its stack still stood.
///
/// One pointer wide. Symbolicate its [`frames`](Self::frames) off the path that must be fast.
pub struct Capture(Box<Seen>);

pub(crate) struct Seen {
    pub(crate) identity: Identity,
    pub(crate) place: Option<Place>,
    pub(crate) frames: Box<[usize]>,
    pub(crate) truncated: bool,
    pub(crate) thread: Option<Box<str>>,
    pub(crate) context: Option<Box<dyn Any + Send>>,
    /// The contexts of captures that this one displaced: foreign code runs when they are
    /// dropped, and in a panic hook that must not happen. Few: with no room left none is taken.
    pub(crate) parked: Vec<Box<dyn Any + Send>>,
    pub(crate) at: Instant,
    /// So many captures came before it on its thread.
    pub(crate) number: usize,
    /// The task of tokio's that panicked, or that has resumed the panic.
    pub(crate) task: Option<u64>,
    pub(crate) mark: Option<u64>,
    /// It was found by its task: it is no candidate for payloads that could be several panics'.
    pub(crate) is_settled: bool,
    pub(crate) doubt: Option<Missing>,
    pub(crate) candidates: Box<[Place]>,
}

/// A place in a source file, as [`std::panic::Location`] has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file as the compiler was given it: often relative to the workspace root.
    pub file: Box<str>,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1, in characters.
    pub column: u32,
}

/// Why a caught panic comes without a [`Capture`], or with one of which not all is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// Our hook did not see this panic: it was raised by `resume_unwind` alone,
    /// [`install`](crate::install) was never called, a hook set later does not call the one before
    /// it.
    Unseen,
    /// More than one panic could be meant.
    Ambiguous,
    /// More panics at once than are kept until they are claimed.
    TooMany,
}

impl Capture {
    #[cfg(feature = "hook")]
    pub(crate) fn new(seen: Seen) -> Self {
        Self(Box::new(seen))
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.0
    }

    pub(crate) fn seen_mut(&mut self) -> &mut Seen {
        &mut self.0
    }

    /// Keeps the context of one that it displaces: foreign code runs when that is dropped, and in a hook it must not.
    #[cfg(feature = "hook")]
    pub(crate) fn park_context_of(&mut self, mut displaced: Self) {
        let displaced = displaced.seen_mut();
        let parked = &mut self.seen_mut().parked;
        parked.append(&mut displaced.parked);
        parked.extend(displaced.context.take());
    }

    /// Of a panic that no hook saw: there is something to [mark](Self::set_mark).
    pub(crate) fn empty(identity: Identity, missing: Missing) -> Self {
        Self(Box::new(Seen {
            identity,
            place: None,
            frames: Box::default(),
            truncated: false,
            thread: None,
            context: None,
            parked: Vec::new(),
            at: Instant::now(),
            number: 0,
            task: None,
            mark: None,
            is_settled: false,
            doubt: Some(missing),
            candidates: Box::default(),
        }))
    }

    /// A [copy](Self::copy) for one who finds it by its task.
    pub(crate) fn settle(&mut self) -> Self {
        self.seen_mut().is_settled = true;
        self.copy()
    }

    /// How many they were.
    pub(crate) fn give_frames_up(&mut self) -> usize {
        let seen = self.seen_mut();
        seen.doubt = seen.doubt.or(Some(Missing::TooMany));
        std::mem::take(&mut seen.frames).len()
    }

    /// A copy to tell of, where the panic goes on: see [`Caught::resume`](crate::Caught::resume). The
    /// [context](Self::context), of which there is one, goes with the copy.
    #[must_use]
    pub fn copy(&mut self) -> Self {
        let seen = self.seen_mut();
        Self(Box::new(Seen {
            identity: seen.identity.clone(),
            place: seen.place.clone(),
            frames: seen.frames.clone(),
            truncated: seen.truncated,
            thread: seen.thread.clone(),
            context: seen.context.take(),
            parked: Vec::new(),
            at: seen.at,
            number: seen.number,
            task: seen.task,
            mark: seen.mark,
            is_settled: seen.is_settled,
            doubt: seen.doubt,
            candidates: seen.candidates.clone(),
        }))
    }

    /// Why it is not whole. `None`: it is, and it is this panic's for certain.
    ///
    /// Of [`Missing::Ambiguous`] there is what all panics that could be meant have in common: the place, the thread, the
    /// innermost frames. Of [`Missing::TooMany`] there is the place, and no frames.
    #[must_use]
    pub fn doubt(&self) -> Option<Missing> {
        self.0.doubt
    }

    /// The places of all panics that could be meant, where those differ: then there is no one [`place`](Self::place). At
    /// most [`MAX_CANDIDATES`].
    #[must_use]
    pub fn candidates(&self) -> &[Place] {
        &self.0.candidates
    }

    /// The `panic!` itself, or for `#[track_caller]` functions such as `unwrap` their caller.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// Raw return addresses, innermost first.
    ///
    /// The first few are the hook and the panic machinery itself. Below a guard the last one is
    /// the function the guard was inlined into; without one they go on to the start of the thread.
    #[must_use]
    pub fn frames(&self) -> &[usize] {
        &self.0.frames
    }

    /// Whether the stack was deeper than [`MAX_FRAMES`], so that its outermost frames are missing.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.0.truncated
    }

    /// The name of the thread that panicked, if it has one.
    #[must_use]
    pub fn thread(&self) -> Option<&str> {
        self.0.thread.as_deref()
    }

    /// The message as far as it is kept: 256 bytes of a formatted one, a literal whole. `None` for a payload that is no text.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.0.identity.text()
    }

    /// The number of the tokio task that panicked, as its `Id` is displayed. Known with the feature `tokio`.
    ///
    /// Of a panic that another task has [resumed](crate::Caught::resume), the number of that one.
    #[must_use]
    pub fn task(&self) -> Option<u64> {
        self.0.task
    }

    /// The number that one who has caught this panic before has [left](crate::Caught::set_mark) for those who catch it next.
    #[must_use]
    pub fn mark(&self) -> Option<u64> {
        self.0.mark
    }

    /// What the function given to [`set_context`](crate::set_context) returned in the hook.
    #[must_use]
    pub fn context(&self) -> Option<&(dyn Any + Send)> {
        self.0.context.as_deref()
    }

    /// As [`context`](Self::context), by value.
    pub fn take_context(&mut self) -> Option<Box<dyn Any + Send>> {
        self.0.context.take()
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture")
            .field("place", &self.0.place)
            .field("thread", &self.0.thread)
            .field("frames", &self.0.frames.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unseen => "the panic hook did not see this panic",
            Self::Ambiguous => "more than one panic could be meant",
            Self::TooMany => "too many panics at once",
        })
    }
}

impl std::error::Error for Missing {}
