//! What travels with a request from the call to the end of its response: one pointer.
//!
//! Futures and responses are moved a dozen times on their way through a server, and every byte of
//! them costs. So this is boxed, and the boxes are used again: a thread that has served a
//! request allocates nothing for the next.

use std::{cell::Cell, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Request, response::Parts};
use http_body::{Frame, SizeHint};

use crate::{body::Failing, finish::Finishing, future::may_append, layer::Config, summary::Seen};

/// So many boxes wait on a thread. More requests than that at once allocate.
const KEPT: u32 = 256;

thread_local! {
    static FREE: Cell<Option<Box<Watch>>> = const { Cell::new(None) };
}

pub(crate) struct Watch {
    /// `None` only while it waits to be used again.
    config: Option<Arc<Config>>,
    pub(crate) seen: Seen,
    /// The failure of the handler.
    pub(crate) finishing: Option<Box<Finishing>>,
    /// What the body's first poll gave, before the head went out.
    pub(crate) first: First,
    /// The size before that poll, and so what it still is while `first` waits. Asked again, an inner
    /// body may know more than before (a chunked response would turn into one with a
    /// length), or have forgotten to subtract.
    pub(crate) whole: SizeHint,
    /// Whether it is text that a traceback may be appended to.
    pub(crate) may_append: bool,
    /// A panic in `size_hint` or `is_end_stream`, which return no errors: the next poll does.
    pub(crate) hint_failed: Cell<bool>,
    /// The failure of the body.
    pub(crate) failing: Option<Box<Failing>>,
    next: Option<Box<Self>>,
    waiting: u32,
}

pub(crate) enum First {
    Nothing,
    Data(Bytes),
    /// Boxed: rare, and three times the size of `Bytes`.
    Trailers(Box<HeaderMap>),
    End,
}

impl First {
    #[inline(always)]
    pub(crate) fn of(frame: Frame<Bytes>) -> Self {
        match frame.into_data() {
            Ok(data) => Self::Data(data),
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => Self::Trailers(Box::new(trailers)),
                // There is no third kind.
                Err(_) => Self::Nothing,
            },
        }
    }
}

impl Watch {
    #[inline(always)]
    pub(crate) fn of<B>(request: &Request<B>, config: &Arc<Config>) -> Box<Self> {
        let mut watch = Self::take();
        watch.config = Some(Arc::clone(config));
        watch.seen.see(request, config);
        watch
    }

    /// Of a response that is ours from the beginning.
    pub(crate) fn of_text(text: Option<Bytes>) -> Box<Self> {
        let mut watch = Self::take();
        if let Some(text) = text {
            watch.whole = SizeHint::with_exact(text.len() as u64);
            watch.first = First::Data(text);
        }
        watch
    }

    #[inline(always)]
    fn take() -> Box<Self> {
        let taken = FREE.try_with(|free| {
            let mut watch = free.take()?;
            free.set(watch.next.take());
            Some(watch)
        });
        match taken {
            Ok(Some(watch)) => watch,
            _ => Self::fresh(),
        }
    }

    #[cold]
    #[inline(never)]
    fn fresh() -> Box<Self> {
        Box::new(Self {
            config: None,
            seen: Seen::nothing(),
            finishing: None,
            first: First::Nothing,
            whole: SizeHint::new(),
            may_append: false,
            hint_failed: Cell::new(false),
            failing: None,
            next: None,
            waiting: 0,
        })
    }

    /// Puts it back. What has come through a failure is dropped instead.
    #[inline(always)]
    pub(crate) fn put_back(mut self: Box<Self>) {
        let is_clean = self.seen.is_reusable()
            && self.finishing.is_none()
            && self.failing.is_none()
            && matches!(self.first, First::Nothing)
            && !self.may_append
            && !self.hint_failed.get();
        if !is_clean {
            self.throw_away();
            return;
        }
        // Not kept alive by a box that waits.
        self.config = None;
        let put = FREE.try_with(|free| {
            let next = free.take();
            let waiting = next.as_ref().map_or(0, |next| next.waiting) + 1;
            if waiting < KEPT {
                self.waiting = waiting;
                self.next = next;
                free.set(Some(self));
            } else {
                free.set(next);
                self.throw_away();
            }
        });
        // The thread is ending.
        _ = put;
    }

    #[cold]
    #[inline(never)]
    fn throw_away(self: Box<Self>) {
        drop(self);
    }

    #[inline(always)]
    pub(crate) fn look_at(&mut self, parts: &Parts) {
        if self.config.as_ref().is_some_and(|config| config.append) {
            self.may_append = may_append(&parts.headers, &self.seen);
        }
    }

    pub(crate) fn config(&self) -> Option<&Arc<Config>> {
        self.config.as_ref()
    }
}
