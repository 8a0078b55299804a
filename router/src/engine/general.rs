//! The general engine, which understands every pattern.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::{Input, meta};
use regex_syntax::hir::Hir;

use super::room::Room;

/// An engine for one pattern, as the `regex` crate sets it up.
pub(crate) fn general(hir: &Hir, limit: usize) -> Result<meta::Regex, Box<meta::BuildError>> {
    meta::Builder::new()
        .configure(meta::Config::new().nfa_size_limit(Some(limit)))
        .build_from_hir(hir)
        .map_err(Box::new)
}

/// The steps that [`general`] takes for an engine of so many bytes.
pub(crate) fn steps_of_general(bytes: usize) -> usize {
    bytes.saturating_mul(3).saturating_add(5_000)
}

/// An engine that is kept, with what its searches note for the next one: states of its lazy
/// automaton, mostly, up to megabytes for each thread. Both count against the room of the map.
#[derive(Debug)]
pub(crate) struct General {
    regex: meta::Regex,
    notes: Mutex<Vec<Notes>>,
    room: Arc<Room>,
}

#[derive(Debug)]
struct Notes {
    cache: Box<meta::Cache>,
    /// Taken from the room for them.
    bytes: usize,
}

impl General {
    pub(super) fn new(regex: meta::Regex, room: Arc<Room>) -> Self {
        Self {
            regex,
            notes: Mutex::default(),
            room,
        }
    }

    pub(crate) fn is_match(&self, text: &str) -> bool {
        let input = Input::new(text).earliest(true);
        self.search(|regex, cache| regex.search_half_with(cache, &input).is_some())
    }

    /// The positions of the whole match and of the groups.
    pub(crate) fn slots(&self, text: &str, slots: &mut [Option<NonMaxUsize>]) -> bool {
        let input = Input::new(text);
        self.search(|regex, cache| regex.search_slots_with(cache, &input, slots).is_some())
    }

    fn search<R>(&self, search: impl FnOnce(&meta::Regex, &mut meta::Cache) -> R) -> R {
        let kept = self.notes().pop();
        let mut notes = kept.unwrap_or_else(|| Notes {
            cache: Box::new(self.regex.create_cache()),
            bytes: 0,
        });
        let result = search(&self.regex, &mut notes.cache);
        let more = notes.cache.memory_usage().saturating_sub(notes.bytes);
        if self.room.take(more) {
            notes.bytes += more;
            self.notes().push(notes);
        } else {
            self.room.give_back(notes.bytes);
        }
        result
    }

    fn notes(&self) -> std::sync::MutexGuard<'_, Vec<Notes>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The notes of an engine that is not kept are not, either.
impl Drop for General {
    fn drop(&mut self) {
        let notes = self.notes.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.room
            .give_back(notes.iter().map(|notes| notes.bytes).sum());
    }
}

/// A place for an engine that is made late, and kept while there is room.
#[derive(Debug)]
pub(crate) struct Late {
    engine: OnceLock<General>,
    room: Arc<Room>,
}

impl Late {
    pub(crate) fn new(room: &Arc<Room>) -> Self {
        Self {
            engine: OnceLock::new(),
            room: Arc::clone(room),
        }
    }

    /// An engine that stands there from the start.
    pub(super) fn made(regex: meta::Regex, room: &Arc<Room>) -> Self {
        Self {
            engine: General::new(regex, Arc::clone(room)).into(),
            room: Arc::clone(room),
        }
    }

    #[inline]
    pub(super) fn get(&self) -> Option<&General> {
        self.engine.get()
    }

    /// Asks the engine of a pattern; one for this time, where there is no room for it.
    pub(crate) fn ask<'h, R>(
        &self,
        hir: impl FnOnce() -> Cow<'h, Hir>,
        ask: impl FnOnce(&General) -> R,
    ) -> Option<R> {
        if let Some(engine) = self.get() {
            return Some(ask(engine));
        }
        let made = self.make(&hir())?;
        match self.keep(made) {
            Some(made) => Some(ask(&made)),
            None => self.get().map(ask),
        }
    }

    /// Makes the engine of a pattern and keeps it, if there may be room for so many bytes.
    pub(super) fn keep_within(&self, hir: &Hir, bytes: usize) {
        if self.room.has(bytes)
            && let Some(made) = self.make(hir)
        {
            self.keep(made);
        }
    }

    fn make(&self, hir: &Hir) -> Option<General> {
        // `build` has made sure that it is within its limit.
        let regex = general(hir, usize::MAX).ok()?;
        Some(General::new(regex, Arc::clone(&self.room)))
    }

    /// Gives the engine back for which there is no room.
    fn keep(&self, made: General) -> Option<General> {
        let bytes = made.regex.memory_usage();
        if !self.room.take(bytes) {
            return Some(made);
        }
        if self.engine.set(made).is_err() {
            // Another thread was faster.
            self.room.give_back(bytes);
        }
        None
    }
}
